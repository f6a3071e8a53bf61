/* SPDX-License-Identifier: MIT */
/* Eight bytes a step ("slicing by 8", Kounavis and Berry, 2005): tables[k][b] is what byte b does
 * to the remainder when k more bytes follow it. */
#include "base/crc32.h"

#include <pthread.h>

static uint32_t tables[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
        tables[0][b] = c;
    }
    for (int k = 1; k < 8; k++) {
        for (int b = 0; b < 256; b++)
            tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 255];
    }
}

static uint32_t little_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t pq_crc32_add(uint32_t sum, const void *data, size_t bytes)
{
    pthread_once(&once, make_tables);
    const unsigned char *p = data;
    uint32_t c = ~sum;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint32_t a = little_u32(p) ^ c, b = little_u32(p + 4);
        c = tables[7][a & 255] ^ tables[6][a >> 8 & 255] ^ tables[5][a >> 16 & 255] ^
            tables[4][a >> 24] ^ tables[3][b & 255] ^ tables[2][b >> 8 & 255] ^
            tables[1][b >> 16 & 255] ^ tables[0][b >> 24];
    }
    for (; bytes; bytes--, p++)
        c = c >> 8 ^ tables[0][(c ^ *p) & 255];
    return ~c;
}

uint32_t pq_crc32(const void *data, size_t bytes)
{
    return pq_crc32_add(0, data, bytes);
}
