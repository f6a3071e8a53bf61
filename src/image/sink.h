/* SPDX-License-Identifier: MIT */
/* The two ways in which rows become a file. */
#pragma once

#include "image/output.h"
#include "image/picture.h"

/* Both take over `out`, whatever is returned. `meta` may be NULL and is copied. */
int pq_vips_sink_open(struct pq_output *out, const struct pq_picture_format *format,
                      const struct pq_save *save, VipsImage *meta, struct pq_row_sink **sink,
                      pique_error *err);
int pq_ppm_sink_open(struct pq_output *out, const struct pq_picture_format *format,
                     struct pq_row_sink **sink, pique_error *err);
