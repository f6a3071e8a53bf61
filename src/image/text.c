/* SPDX-License-Identifier: MIT */
#include "image/text.h"

#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "image/vips.h"

/* Pango reads markup, and names of files may hold anything. */
static char *as_markup(const char *text)
{
    gchar *valid = g_utf8_make_valid(text, -1);
    gchar *markup = g_markup_escape_text(valid, -1);
    char *copy = pq_strdup(markup);
    g_free(markup);
    g_free(valid);
    return copy;
}

/* Where the drawn pixels lie in the text's own box, which begins at the top of the first line. */
static int offset_of(VipsImage *image, const char *name)
{
    int value = 0;
    if (vips_image_get_typeof(image, name) && vips_image_get_int(image, name, &value))
        vips_error_clear();
    return PQ_MAX(value, 0);
}

static int copy_mask(VipsImage *image, unsigned char *mask, int width, int height, pique_error *err)
{
    size_t bytes;
    unsigned char *from = vips_image_write_to_memory(image, &bytes);
    if (!from)
        return pq_vips_fail(err, PIQUE_ENOMEM, pq_tr("a label"), "cannot be drawn");
    const int left = offset_of(image, "xoffset"), top = offset_of(image, "yoffset");
    const int w = PQ_MIN(image->Xsize, width - left), h = PQ_MIN(image->Ysize, height - top);
    const size_t row = bytes / (size_t)image->Ysize;
    for (int y = 0; y < h && w > 0; y++)
        memcpy(mask + (size_t)(top + y) * (size_t)width + (size_t)left, from + (size_t)y * row,
               (size_t)w);
    g_free(from);
    return 0;
}

int pq_text_draw(const char *text, int pixels, unsigned char *mask, int width, int height,
                 pique_error *err)
{
    memset(mask, 0, (size_t)width * (size_t)height);
    int rc = pq_vips_start(err);
    if (rc)
        return rc;
    if (!pq_vips_has("text"))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "this libvips cannot draw text");
    if (!text[strspn(text, " \n")])
        return 0;
    char font[32];
    g_snprintf(font, sizeof font, "sans %d", pixels);
    char *markup = as_markup(text);
    if (!markup)
        return pq_fail_nomem(err, strlen(text));
    VipsImage *image = NULL;
    /* At 72 dots an inch a point is a pixel. */
    if (vips_text(&image, markup, "font", font, "dpi", 72, NULL))
        rc = pq_vips_fail(err, PIQUE_EUNSUPPORTED, pq_tr("a label"), "cannot be drawn");
    else if (image->Bands != 1 || image->BandFmt != VIPS_FORMAT_UCHAR)
        rc = pq_fail(err, PIQUE_EUNSUPPORTED, "this libvips draws text in another way");
    else
        rc = copy_mask(image, mask, width, height, err);
    if (image)
        g_object_unref(image);
    pq_free(markup);
    return rc;
}
