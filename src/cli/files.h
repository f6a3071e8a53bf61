/* SPDX-License-Identifier: MIT */
/* The pictures and films that a command line names: files, folders with all that is in them, "-".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct pq_input {
    char *path;     /* as it is opened; "-" is standard input */
    char *name;     /* where it stands below an output folder: "sub/a.png" */
    char *real;     /* path without links, which tells files apart; "-" for standard input */
    bool walked;    /* found in a folder, not named */
    bool film;      /* by its suffix, or later by what is in it */
    uint64_t bytes; /* 0 where unknown */
    int status;     /* not 0: cannot be used */
    char *problem;  /* the sentence for it */

    const char *extension; /* of its output where that is not the naming's; static */
    const char *stem;      /* of its output where that is not its own; borrowed */
    char *output;          /* set by pq_name_outputs() */
    bool earlier;          /* is itself the output of another input, made by an earlier run */
};

struct pq_inputs {
    struct pq_input *list; /* in the order in which they are done */
    size_t count, capacity;
};

struct pq_walk {
    bool flat;              /* do not enter folders inside a folder */
    const char *not_inside; /* a folder that is not read, or NULL */
};

/* Find the inputs. What cannot be used (missing, a folder without pictures) is an input too, with
 * its status, so that it is reported in its turn. The same file is taken once.
 * @return 0; PIQUE_EINVAL two "-"; PIQUE_ENOMEM. in is to be freed in any case. */
int pq_inputs_collect(struct pq_inputs *in, const char *const *operands, size_t count,
                      const struct pq_walk *walk, pique_error *err);
void pq_inputs_free(struct pq_inputs *in);
/* How many have status 0. */
size_t pq_inputs_usable(const struct pq_inputs *in);
