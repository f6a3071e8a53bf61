/* SPDX-License-Identifier: MIT */
/* The list of models: those that are known and those that lie in the models folder, each with what
 * a person wants to see before choosing. Thread-safety: from one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "cli/cards.h"
#include "cli/names.h"
#include "cli/shelf.h"
#include "cli/speeds.h"

/* Strings belong to the catalogue or to the listing. */
struct pq_row {
    const char *name;   /* what -m takes: of the catalogue, or that of the file */
    const char *file;   /* below the folder, of a file that the catalogue does not know; or NULL */
    const char *sha256; /* or NULL */
    const char *architecture; /* "?" where the file cannot be opened */
    const char *licence;
    const char *problem;                    /* why it cannot be opened, or NULL */
    const struct pq_catalogue_entry *entry; /* of the catalogue, or NULL */
    int scale_num, scale_den;
    uint64_t bytes; /* 0: not known */
    double speed;   /* megapixels of the input a second, 0: not measured here */
    bool here, usable;
};

struct pq_listing {
    char *folder;
    struct pq_row *rows; /* the catalogue, then the files by name */
    size_t count;
    struct pq_names notes; /* sentences about names that mean two things, and records */
    struct pq_shelf shelf;
    struct pq_cards cards;
    struct pq_speeds speeds;
};

/* Look at the folder now. */
int pq_listing_make(struct pq_listing *l, const char *folder, pique_error *err);
void pq_listing_free(struct pq_listing *l);

/* One file of the folder, as a row; of the catalogue or not. */
int pq_listing_row(struct pq_listing *l, const struct pq_shelf_file *file, struct pq_row *row,
                   pique_error *err);

/* As a line of the table, with its heading; as members of a JSON object. */
void pq_row_heading(struct pq_str *s);
void pq_row_text(struct pq_str *s, const struct pq_row *row);
void pq_row_json(struct pq_json *j, const struct pq_row *row);
