/* SPDX-License-Identifier: MIT */
/* Whether the size that a header claims can be true. */
#include <inttypes.h>
#include <unistd.h>

#include "image/picture.h"

/* Deflate cannot do better (RFC 1951: 258 bytes for two bits). */
enum { DEFLATE_RATIO = 1032 };

/* What other codecs may plausibly yield: 64 Mpx from anything, else so many pixels a byte. A flat
 * JPEG XL or AVIF does better than that, but no picture that anybody wants larger. This holds for
 * what streams too: libvips takes 10 GB for a TIFF of 250 bytes that claims planes of 60000x60000.
 */
enum { FREE_PIXELS = 1 << 26, PIXELS_PER_BYTE = 1 << 16 };

static uint64_t half_of_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 2 : UINT64_MAX;
}

int pq_check_extent(const struct pq_input *in, int64_t width, int64_t height, int bytes, bool whole,
                    pique_error *err)
{
    if (width < 1 || height < 1 || width > VIPS_MAX_COORD || height > VIPS_MAX_COORD)
        return pq_fail(err, PIQUE_EFORMAT, "%s: a size of %" PRId64 "x%" PRId64 " is not possible",
                       in->name, width, height);
    uint64_t pixels = (uint64_t)width * (uint64_t)height;
    uint64_t file = (uint64_t)in->size;
    bool lies = pixels > FREE_PIXELS && pixels / PIXELS_PER_BYTE > file;
    /* A PNG pixel takes at least one bit before compression. */
    if (in->kind == PQ_KIND_PNG)
        lies = pixels / 8 / DEFLATE_RATIO > file;
    if (lies)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: claims %" PRId64 "x%" PRId64 " pixels in a file of %" PRIu64 " bytes",
                       in->name, width, height, file);
    /* Divided, not multiplied: libvips may be told to take sizes up to 2^31 - 1. */
    if (whole && pixels > half_of_memory() / (uint64_t)bytes)
        return pq_fail(err, PIQUE_ENOMEM,
                       "%s: %" PRId64 "x%" PRId64 " pixels of this format must be decoded as a "
                       "whole, which takes %.0f MiB, more than half of the memory",
                       in->name, width, height, (double)pixels * bytes / (1 << 20));
    return 0;
}
