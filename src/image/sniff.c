/* SPDX-License-Identifier: MIT */
#include "image/sniff.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

static bool begins(const unsigned char *data, size_t size, size_t at, const char *magic, size_t n)
{
    return size >= at + n && memcmp(data + at, magic, n) == 0;
}

/* ISO/IEC 14496-12 4.3: a file type box names a major brand and those that it is compatible with.
 */
static enum pq_kind sniff_heif(const unsigned char *data, size_t size)
{
    static const char avif[][5] = {"avif", "avis"};
    static const char heif[][5] = {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"};
    if (!begins(data, size, 4, "ftyp", 4))
        return PQ_KIND_UNKNOWN;
    size_t end = (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
    end = PQ_MIN(end, size);
    enum pq_kind kind = PQ_KIND_UNKNOWN;
    for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) { /* the minor version is skipped */
        for (size_t i = 0; i < PQ_COUNT(avif); i++) {
            if (memcmp(data + at, avif[i], 4) == 0)
                return PQ_KIND_AVIF;
        }
        for (size_t i = 0; i < PQ_COUNT(heif); i++) {
            if (memcmp(data + at, heif[i], 4) == 0)
                kind = PQ_KIND_HEIF;
        }
    }
    return kind;
}

/* "BM" alone would be too little: the size of the header that follows must be one of the known. */
static bool is_bmp(const unsigned char *data, size_t size)
{
    if (!begins(data, size, 0, "BM", 2) || size < 18)
        return false;
    uint32_t header =
        data[14] | (uint32_t)data[15] << 8 | (uint32_t)data[16] << 16 | (uint32_t)data[17] << 24;
    return header == 12 || header == 16 || header == 40 || header == 52 || header == 56 ||
           header == 64 || header == 108 || header == 124;
}

static bool is_pnm(const unsigned char *data, size_t size)
{
    return size >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '7' &&
           (strchr(" \t\r\n", data[2]) && data[2]);
}

enum pq_kind pq_sniff(const unsigned char *data, size_t size)
{
    static const struct {
        const char *magic;
        size_t n;
        enum pq_kind kind;
    } magics[] = {
        {"\x89PNG\r\n\x1a\n", 8, PQ_KIND_PNG},
        {"\xff\xd8\xff", 3, PQ_KIND_JPEG},
        {"II*\0", 4, PQ_KIND_TIFF},
        {"MM\0*", 4, PQ_KIND_TIFF},
        {"II+\0", 4, PQ_KIND_TIFF}, /* BigTIFF */
        {"MM\0+", 4, PQ_KIND_TIFF},
        {"GIF87a", 6, PQ_KIND_GIF},
        {"GIF89a", 6, PQ_KIND_GIF},
        {"\xff\x0a", 2, PQ_KIND_JXL},
        {"\0\0\0\x0cJXL \r\n\x87\n", 12, PQ_KIND_JXL},
    };
    for (size_t i = 0; i < PQ_COUNT(magics); i++) {
        if (begins(data, size, 0, magics[i].magic, magics[i].n))
            return magics[i].kind;
    }
    if (begins(data, size, 0, "RIFF", 4) && begins(data, size, 8, "WEBP", 4))
        return PQ_KIND_WEBP;
    if (is_bmp(data, size))
        return PQ_KIND_BMP;
    if (is_pnm(data, size))
        return PQ_KIND_PNM;
    return sniff_heif(data, size);
}

const char *pq_kind_name(enum pq_kind kind)
{
    static const char *const names[] = {
        [PQ_KIND_UNKNOWN] = "unknown", [PQ_KIND_PNG] = "png",   [PQ_KIND_JPEG] = "jpeg",
        [PQ_KIND_WEBP] = "webp",       [PQ_KIND_TIFF] = "tiff", [PQ_KIND_AVIF] = "avif",
        [PQ_KIND_HEIF] = "heif",       [PQ_KIND_JXL] = "jxl",   [PQ_KIND_GIF] = "gif",
        [PQ_KIND_BMP] = "bmp",         [PQ_KIND_PNM] = "pnm",
    };
    return names[kind];
}
