/* SPDX-License-Identifier: MIT */
#include "png.h"

#include <stdlib.h>
#include <string.h>

#include "helper.h"

struct bytes {
    unsigned char *data;
    size_t size;
};

static void add(struct bytes *b, const void *data, size_t size)
{
    b->data = realloc(b->data, b->size + size + 1);
    assert_non_null(b->data);
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void add_be32(struct bytes *b, uint32_t v)
{
    const unsigned char be[4] = {v >> 24 & 255, v >> 16 & 255, v >> 8 & 255, v & 255};
    add(b, be, 4);
}

static uint32_t crc(const unsigned char *data, size_t size)
{
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        c ^= data[i];
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
    }
    return ~c;
}

static void add_chunk(struct bytes *b, const char *type, const void *data, size_t size)
{
    add_be32(b, (uint32_t)size);
    size_t start = b->size;
    add(b, type, 4);
    add(b, data, size);
    add_be32(b, crc(b->data + start, b->size - start));
}

/* RFC 1950 with stored blocks (RFC 1951 3.2.4), one a row. */
static struct bytes deflate_rows(const struct raw_png *png)
{
    struct bytes z = {0};
    uint32_t a = 1, s = 0;
    add(&z, "\x78\x01", 2);
    for (uint32_t y = 0; y < png->rows_there; y++) {
        const unsigned char *row = png->rows + y * png->row_bytes;
        unsigned n = (unsigned)png->row_bytes + 1;
        const unsigned char head[6] = {
            y + 1 == png->rows_there, n & 255, n >> 8, ~n & 255, ~n >> 8 & 255, 0};
        add(&z, head, 6);
        add(&z, row, png->row_bytes);
        s = (s + a) % 65521;
        for (size_t i = 0; i < png->row_bytes; i++) {
            a = (a + row[i]) % 65521;
            s = (s + a) % 65521;
        }
    }
    add_be32(&z, s << 16 | a);
    return z;
}

void put_raw_png(const char *path, const struct raw_png *png)
{
    struct bytes file = {0}, header = {0};
    const unsigned char rest[5] = {(unsigned char)png->bit_depth, (unsigned char)png->colour_type,
                                   0, 0, 0};
    add(&file, "\x89PNG\r\n\x1a\n", 8);
    add_be32(&header, png->width);
    add_be32(&header, png->height);
    add(&header, rest, 5);
    add_chunk(&file, "IHDR", header.data, header.size);
    if (png->palette)
        add_chunk(&file, "PLTE", png->palette, png->palette_entries * 3);
    if (png->transparency)
        add_chunk(&file, "tRNS", png->transparency, png->transparency_size);
    struct bytes z = deflate_rows(png);
    add_chunk(&file, "IDAT", z.data, z.size);
    add_chunk(&file, "IEND", NULL, 0);
    put_file(path, file.data, file.size);
    free(z.data);
    free(header.data);
    free(file.data);
}
