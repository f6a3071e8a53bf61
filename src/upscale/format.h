/* SPDX-License-Identifier: MIT */
/* Which format an output has, and whether it can hold what is asked of it. Thread-safety: safe. */
#pragma once

#include "upscale/rows.h"

/* The format of dst: what the options say, else what the end of its name says, in any case of
 * letters; for "-" the format of the source where it can be written, else PNG. source_format: as in
 * pique_picture_info.
 * @return 0; PIQUE_EUNSUPPORTED a name that no format has, or a format that this build lacks. */
int pq_format_choose(const struct pq_format_caps *formats, enum pique_format wanted,
                     const char *dst, const char *source_format, const struct pq_format_caps **out,
                     pique_error *err);
