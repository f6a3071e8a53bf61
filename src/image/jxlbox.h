/* SPDX-License-Identifier: MIT */
/* EXIF and XMP for JPEG XL, which libvips 8.14 writes without. */
#pragma once

#include <stddef.h>
#include <vips/vips.h>

/* The start of a container (ISO/IEC 18181-2) with the EXIF and XMP of `meta`, to be followed by a
 * codestream up to the end of the file. NULL where there is neither, or out of memory. pq_free()
 * it. */
unsigned char *pq_jxl_container(VipsImage *meta, size_t *size);
