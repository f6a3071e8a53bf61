/* SPDX-License-Identifier: MIT */
/* Every question about the version of a library that reads or writes pictures is asked here:
 * libvips 8.14 to 8.16, FFmpeg 5 to 7. What changed between them and can be asked of a running
 * library (an option that only newer versions have) is asked there, by pq_op_knows() of vips.h. */
#pragma once

#include <libavcodec/version.h>
#include <vips/vips.h>

#if VIPS_MAJOR_VERSION < 8 || (VIPS_MAJOR_VERSION == 8 && VIPS_MINOR_VERSION < 14)
#error "libvips 8.14 or later is needed"
#endif

#if LIBAVCODEC_VERSION_MAJOR < 59
#error "FFmpeg 5 (libavcodec 59) or later is needed"
#endif

/* How many bits a sample of HEIF and AVIF really has. */
#if VIPS_MAJOR_VERSION == 8 && VIPS_MINOR_VERSION < 15
#define PQ_VIPS_HEIF_DEPTH "heif-bitdepth"
#else
#define PQ_VIPS_HEIF_DEPTH VIPS_META_BITS_PER_SAMPLE
#endif

/* From 8.15 on libvips writes an EXIF block of its own making into whatever has none. */
static inline void pq_save_without_exif(VipsOperation *saver)
{
#if VIPS_MAJOR_VERSION > 8 || VIPS_MINOR_VERSION >= 15
    g_object_set(saver, "keep", VIPS_FOREIGN_KEEP_ALL & ~VIPS_FOREIGN_KEEP_EXIF, NULL);
#endif
}
