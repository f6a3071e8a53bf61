/* SPDX-License-Identifier: MIT */
/* Where outputs go, from -o, --format, --suffix and the inputs. */
#pragma once

#include "cli/name.h"
#include "option/option.h"

/* Fill naming, but for its suffix, and the format that the outputs get.
 * @return 0, or PIQUE_EINVAL where the options and the inputs do not fit together. */
int pq_target_decide(const struct pq_options *o, pique_picture_options *picture,
                     struct pq_naming *naming, pique_error *err);
/* Whether a film is asked for, by --format or by the name of the output. */
bool pq_target_is_film(const struct pq_options *o, const struct pq_naming *naming);
/* Whether a picture goes to standard output, and nothing else may. */
bool pq_target_is_stdout(const struct pq_options *o, const struct pq_naming *naming);
/* PIQUE_EINVAL where a picture would come from or go to a terminal, or among events. */
int pq_target_check_streams(const struct pq_options *o, const struct pq_naming *naming,
                            pique_error *err);
/* What follows the stem: what the user wants, nothing in another folder, else the size. pq_free()
 * it; NULL: out of memory. */
char *pq_target_suffix(const struct pq_options *o, const pique_picture_options *picture,
                       const struct pq_naming *naming, double own_scale);
