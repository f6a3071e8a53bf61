/* SPDX-License-Identifier: MIT */
#include "image/meta.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* Fields by their names in libvips. Those named exif-... mirror the EXIF block; libvips writes them
 * back into it, so the two travel together. Thumbnails stay behind: they would show the old
 * picture. */
static bool is_kept(const char *name)
{
    static const char *const kept[] = {VIPS_META_ICC_NAME,         VIPS_META_EXIF_NAME,
                                       VIPS_META_XMP_NAME,         VIPS_META_IPTC_NAME,
                                       VIPS_META_IMAGEDESCRIPTION, VIPS_META_RESOLUTION_UNIT};
    for (size_t i = 0; i < PQ_COUNT(kept); i++) {
        if (strcmp(name, kept[i]) == 0)
            return true;
    }
    /* IFD 1 describes the thumbnail. */
    return pq_starts_with(name, "exif-ifd") && !pq_starts_with(name, "exif-ifd1") &&
           strcmp(name, "exif-ifd0-Orientation") != 0;
}

static void *copy_kept(VipsImage *image, const char *name, GValue *value, void *to)
{
    if (is_kept(name))
        vips_image_set(to, name, value);
    return NULL;
}

/* ICC.1:2022 7.2: signature "acsp" at 36, colour space of the data at 16. */
static const unsigned char *profile_of(VipsImage *image)
{
    const void *data;
    size_t size;
    if (!vips_image_get_typeof(image, VIPS_META_ICC_NAME) ||
        vips_image_get_blob(image, VIPS_META_ICC_NAME, &data, &size) || size < 128 ||
        memcmp((const char *)data + 36, "acsp", 4) != 0)
        return NULL;
    return data;
}

/* XMP may repeat the orientation, as tiff:Orientation="6" or <tiff:Orientation>6<; once the pixels
 * are turned it must say 1. The length stays, so the packet stays valid. */
static void reset_xmp_orientation(VipsImage *meta)
{
    static const char key[] = "tiff:Orientation";
    const void *data;
    size_t size;
    if (!vips_image_get_typeof(meta, VIPS_META_XMP_NAME) ||
        vips_image_get_blob(meta, VIPS_META_XMP_NAME, &data, &size))
        return;
    char *copy = g_memdup2(data, size);
    char *end = copy + size;
    for (char *p = copy; (p = memmem(p, (size_t)(end - p), key, sizeof key - 1)) != NULL;) {
        p += sizeof key - 1;
        for (int i = 0; i < 8 && p < end && strchr(" =\"'>", *p); i++)
            p++;
        if (p < end && *p >= '2' && *p <= '8')
            *p = '1';
    }
    vips_image_set_blob_copy(meta, VIPS_META_XMP_NAME, copy, size);
    g_free(copy);
}

static uint32_t exif_number(const unsigned char *p, int bytes, bool big)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[big ? i : bytes - 1 - i];
    return v;
}

/* Mend an EXIF block in place (EXIF 2.32 4.5.2, 4.6.4): the orientation of IFD 0 becomes 1, since
 * it is applied, and IFD 1, the thumbnail, is no longer found, so that libexif leaves it out when
 * libvips writes the block anew. */
static void mend_exif(unsigned char *data, size_t size)
{
    enum { ENTRY = 12, ORIENTATION = 0x0112 };
    size_t tiff = size > 6 && memcmp(data, "Exif\0\0", 6) == 0 ? 6 : 0;
    if (size < tiff + 8)
        return;
    bool big = data[tiff] == 'M';
    size_t ifd = tiff + exif_number(data + tiff + 4, 4, big);
    if (ifd + 2 > size)
        return;
    size_t entries = exif_number(data + ifd, 2, big), next = ifd + 2 + entries * ENTRY;
    if (next > size)
        return;
    for (unsigned char *entry = data + ifd + 2; entry < data + next; entry += ENTRY) {
        if (exif_number(entry, 2, big) == ORIENTATION) {
            entry[8] = big ? 0 : 1; /* a SHORT, at the start of the four bytes */
            entry[9] = big ? 1 : 0;
        }
    }
    if (next + 4 <= size)
        memset(data + next, 0, 4);
}

static void mend_exif_of(VipsImage *meta)
{
    const void *data;
    size_t size;
    if (!vips_image_get_typeof(meta, VIPS_META_EXIF_NAME) ||
        vips_image_get_blob(meta, VIPS_META_EXIF_NAME, &data, &size))
        return;
    unsigned char *copy = g_memdup2(data, size);
    mend_exif(copy, size);
    vips_image_set_blob_copy(meta, VIPS_META_EXIF_NAME, copy, size);
    g_free(copy);
}

static double sane_resolution(double pixels_per_mm)
{
    return isfinite(pixels_per_mm) && pixels_per_mm > 1e-6 && pixels_per_mm < 1e6 ? pixels_per_mm
                                                                                  : 1.0;
}

VipsImage *pq_meta_take(VipsImage *header)
{
    VipsImage *meta;
    if (vips_black(&meta, 1, 1, NULL))
        return NULL;
    vips_image_map(header, copy_kept, meta);
    if (!profile_of(meta))
        vips_image_remove(meta, VIPS_META_ICC_NAME);
    meta->Xres = sane_resolution(header->Xres);
    meta->Yres = sane_resolution(header->Yres);
    mend_exif_of(meta);
    reset_xmp_orientation(meta);
    return meta;
}

void pq_meta_replace_profile(VipsImage *meta, VipsImage *from)
{
    GValue value = {0};
    vips_image_remove(meta, VIPS_META_ICC_NAME);
    if (from && vips_image_get_typeof(from, VIPS_META_ICC_NAME) &&
        vips_image_get(from, VIPS_META_ICC_NAME, &value) == 0) {
        vips_image_set(meta, VIPS_META_ICC_NAME, &value);
        g_value_unset(&value);
    }
}

void pq_meta_give(VipsImage *meta, VipsImage *image, int colours)
{
    vips_image_map(meta, copy_kept, image);
    image->Xres = meta->Xres;
    image->Yres = meta->Yres;
    const unsigned char *profile = profile_of(image);
    if (profile && memcmp(profile + 16, colours == 1 ? "GRAY" : "RGB ", 4) != 0)
        vips_image_remove(image, VIPS_META_ICC_NAME);
    /* vips__exif_update() writes this into the EXIF block. */
    if (vips_image_get_typeof(image, VIPS_META_EXIF_NAME))
        vips_image_set_int(image, VIPS_META_ORIENTATION, 1);
}
