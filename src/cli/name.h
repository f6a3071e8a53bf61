/* SPDX-License-Identifier: MIT */
/* What the output of each input is called. No two of a run share a name, whatever the order. */
#pragma once

#include "cli/files.h"
#include "pique/picture.h"

struct pq_naming {
    const char *folder;    /* all outputs below it; NULL: each beside its input */
    bool dedicated;        /* below it, pictures in images/ and films in videos/ */
    const char *file;      /* the one output, or "-"; then nothing else counts */
    const char *suffix;    /* after the stem: "_x4"; may be "" */
    const char *extension; /* ".png"; of an input that says nothing else */
};

/* Set `output` of every input that can be used.
 * An input whose output would be an input itself gets a status (PIQUE_ECREATE) instead; but where
 * that input was found in a folder and outputs stand beside inputs, it is what an earlier run
 * made and is marked `earlier`.
 * @return 0 or PIQUE_ENOMEM. */
int pq_name_outputs(struct pq_inputs *in, const struct pq_naming *naming, pique_error *err);

/* The format that a name asks for by its suffix; PIQUE_FORMAT_AUTO where it asks for none that can
 * be written. */
enum pique_format pq_format_of_name(const char *name);
/* ".png"; "" for PIQUE_FORMAT_AUTO. */
const char *pq_format_extension(enum pique_format format);
