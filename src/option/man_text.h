/* SPDX-License-Identifier: MIT */
/* The sections of the manual page that no table yields: roff with the man macros, UTF-8. */
#pragma once

struct pq_man_text {
    const char *title;                         /* of the part of the manual */
    const char *name, *synopsis, *description; /* with their headings, as the others */
    const char *naming, *options, *commands, *events, *ending;
    const char *fallback; /* what stands before a default */
};

extern const struct pq_man_text pq_man_en, pq_man_fr;
