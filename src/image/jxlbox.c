/* SPDX-License-Identifier: MIT */
#include "image/jxlbox.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

enum { BOX = 8 }; /* bytes of a box header: size, type */

static const unsigned char start[] = {0,    0,   0, 12, 'J', 'X', 'L', ' ', '\r', '\n', 0x87,
                                      '\n', 0,   0, 0,  20,  'f', 't', 'y', 'p',  'j',  'x',
                                      'l',  ' ', 0, 0,  0,   0,   'j', 'x', 'l',  ' '};
/* Size 0: up to the end of the file. */
static const unsigned char codestream[BOX] = {0, 0, 0, 0, 'j', 'x', 'l', 'c'};

static const void *blob_of(VipsImage *meta, const char *name, size_t *size)
{
    const void *data;
    *size = 0;
    if (!vips_image_get_typeof(meta, name) || vips_image_get_blob(meta, name, &data, size) ||
        *size > INT32_MAX)
        return NULL;
    return data;
}

static unsigned char *put(unsigned char *to, const void *data, size_t size)
{
    memcpy(to, data, size);
    return to + size;
}

static unsigned char *put_box(unsigned char *to, const char *type, const void *data, size_t size)
{
    uint32_t n = (uint32_t)(size + BOX);
    const unsigned char be[4] = {n >> 24 & 255, n >> 16 & 255, n >> 8 & 255, n & 255};
    to = put(to, be, 4);
    to = put(to, type, 4);
    return put(to, data, size);
}

unsigned char *pq_jxl_container(VipsImage *meta, size_t *size)
{
    size_t exif_size, xmp_size;
    const unsigned char *exif = blob_of(meta, VIPS_META_EXIF_NAME, &exif_size);
    const void *xmp = blob_of(meta, VIPS_META_XMP_NAME, &xmp_size);
    /* The box begins with four bytes that say where in it the TIFF header is. */
    bool named = exif && exif_size > 6 && memcmp(exif, "Exif\0\0", 6) == 0;
    if (named) {
        exif += 6;
        exif_size -= 6;
    }
    if (!exif && !xmp)
        return NULL;
    unsigned char *data = pq_malloc(sizeof start + BOX + 4 + exif_size + BOX + xmp_size + BOX);
    if (!data)
        return NULL;
    unsigned char *at = put(data, start, sizeof start);
    if (exif) {
        unsigned char *box = at;
        at = put_box(at, "Exif", "\0\0\0", 4);
        at = put(at, exif, exif_size);
        uint32_t n = (uint32_t)(at - box);
        const unsigned char be[4] = {n >> 24 & 255, n >> 16 & 255, n >> 8 & 255, n & 255};
        memcpy(box, be, 4);
    }
    if (xmp)
        at = put_box(at, "xml ", xmp, xmp_size);
    at = put(at, codestream, sizeof codestream);
    *size = (size_t)(at - data);
    return data;
}
