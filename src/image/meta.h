/* SPDX-License-Identifier: MIT */
/* What travels with the pixels: profile, EXIF, XMP, IPTC, resolution. */
#pragma once

#include <vips/vips.h>

/* A one-pixel image with what is kept of `header`. NULL out of memory. */
VipsImage *pq_meta_take(VipsImage *header);

/* Replace the profile by that of `from`, or by none where it has none or `from` is NULL. */
void pq_meta_replace_profile(VipsImage *meta, VipsImage *from);

/* Put what was kept on an image of so many colours that is about to be saved: a profile of another
 * number of colours is left out, since a file that carries it would be wrong. */
void pq_meta_give(VipsImage *meta, VipsImage *image, int colours);
