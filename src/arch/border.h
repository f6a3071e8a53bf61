/* SPDX-License-Identifier: MIT */
/* Networks that take a border off, and leave it to whoever runs them to put one around before. */
#pragma once

#include "graph/graph.h"

/* Where a finished graph does not yield exactly its scale times any picture's size: one in *framed
 * that does, by padding the picture before it and cutting the result behind it, and
 * PIQUE_EUNSUPPORTED with a sentence where no padding helps. Otherwise *framed is NULL. part must
 * live as long. */
int pq_border_frame(const struct pq_graph *part, const char *path, struct pq_graph **framed,
                    pique_error *err);
