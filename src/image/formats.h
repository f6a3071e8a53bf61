/* SPDX-License-Identifier: MIT */
/* What can be written, and how libvips is told to write it. */
#pragma once

#include <vips/vips.h>

#include "upscale/rows.h"

/* The formats that this machine's libvips can write, and PPM, which is ours; AUTO ends the list.
 * pq_vips_start() must have been called. Thread-safety: safe. */
const struct pq_format_caps *pq_formats(void);

/* The row for a format; NULL where it cannot be written. */
const struct pq_format_caps *pq_format_find(enum pique_format format);

/* The libvips operation that saves `image`, every option but the target set; NULL with the reason
 * in the error buffer of libvips. */
VipsOperation *pq_format_saver(VipsImage *image, const struct pq_save *save);

/* Whether the writer goes back in what it wrote. */
bool pq_format_seeks(enum pique_format format);
