/* SPDX-License-Identifier: MIT */
/* What is in the files of the models folder. To know it a file must be opened and its sum taken;
 * so it is remembered in the user's cache (models.json) for as long as the file stays as it is.
 * Thread-safety: from one thread. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/catalogue.h"
#include "cli/shelf.h"

struct pq_cards {
    char *folder, *path;
    json_t *record;
    bool damaged; /* the file was there and could not be used */
    bool changed;
};

/* Strings live until the cards are closed, or the file is asked for anew after it has changed. */
struct pq_card {
    const char *architecture; /* NULL: it cannot be opened, and problem says why */
    const char *problem;
    const char *sha256;  /* of the file with the weights; NULL with a problem */
    const char *licence; /* what the catalogue says of these bytes, else the file; else "unknown" */
    const struct pq_catalogue_entry *known; /* the catalogue has these very bytes, or NULL */
    int scale_num, scale_den;
};

int pq_cards_open(struct pq_cards *c, const char *folder, pique_error *err);
/* Of one file. PIQUE_ENOMEM; that a file is no model is in the card. */
int pq_cards_get(struct pq_cards *c, const struct pq_shelf_file *file, struct pq_card *card,
                 pique_error *err);
/* Write what is new, less what is not on the shelf any more. That it cannot be written is no
 * failure. */
void pq_cards_save(struct pq_cards *c, const struct pq_shelf *shelf);
void pq_cards_close(struct pq_cards *c);
