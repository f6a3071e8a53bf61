/* SPDX-License-Identifier: MIT */
/* The models that pique knows by name, and where on this machine they are.
 *
 * models/catalogue.json is built into the program. An entry is a model by its upstream name; its
 * variants are what can be opened: one a scale or strength. The first variant is what the entry's
 * own name stands for. Thread-safety: from one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct pq_catalogue_file {
    const char *name;     /* below the models folder; may hold one '/' */
    const char *sha256;   /* lower-case hex, or NULL where nobody has told it */
    const char *path;     /* inside the npm package, or NULL */
    const char *upstream; /* https address of exactly these bytes, or NULL */
    uint64_t bytes;       /* 0: not known */
};

struct pq_catalogue_variant {
    const char *name; /* "realesr-animevideov3-x4" */
    int scale;
    const struct pq_catalogue_file *files; /* the first one is opened */
    size_t file_count;
};

struct pq_catalogue_entry {
    const char *name;             /* "realesr-animevideov3" */
    const char *title;            /* as people call it: "Ani4K v2 Compact"; or NULL */
    const char *architecture;     /* "Compact" */
    const char *about, *about_fr; /* what it is good for, without a full stop */
    const char *licence;          /* of the weights: an SPDX name, or "unknown" */
    const char *licence_source;   /* address, or NULL */
    const char *home;             /* address where people read about it */
    const char *package;          /* npm package that holds it, or NULL */
    const char *package_version;
    uint64_t package_bytes; /* size of that download */
    uint64_t bytes;         /* of all files of all variants; 0: not known */
    int scale;              /* of the first variant */
    bool supported;         /* this version can run it */
    bool non_commercial;
    const struct pq_catalogue_variant *variants;
    size_t variant_count;
};

/* The catalogue is read at the first call. Memory that runs out leaves it empty. */
size_t pq_catalogue_count(void);
const struct pq_catalogue_entry *pq_catalogue_at(size_t i); /* NULL past the end */

/* An entry by its own name or by that of a variant; *variant (may be NULL) is the variant named,
 * NULL where the name is the entry's. NULL: no such name. An entry's name goes first. What is no
 * name is tried once more without regard to case, blanks, '-', '_' and '.', and as a title:
 * "ani4k v2 compact". */
const struct pq_catalogue_entry *pq_catalogue_find(const char *name,
                                                   const struct pq_catalogue_variant **variant);

/* Whether a file of the catalogue passes the test. */
bool pq_catalogue_any_file(bool (*test)(const struct pq_catalogue_file *file, const char *name),
                           const char *name);

/* The name of the model that is used where none is given. */
const char *pq_catalogue_default(void);

/* The name of the model that is recommended for drawn film, or NULL. */
const char *pq_catalogue_recommended(void);

/* The catalogue name nearest to one that is not there, or NULL where none is near. */
const char *pq_catalogue_nearest(const char *name);

/* $HOME, else what the system says. Static. */
const char *pq_home_folder(void);

/* $PIQUE_MODELS, $XDG_DATA_HOME/pique/models or ~/.local/share/pique/models, which need not exist.
 * The caller frees it with pq_free(); NULL: out of memory. */
char *pq_models_folder(void);

/* Path of a file below the models folder; pq_free() it. NULL: out of memory. */
char *pq_models_path(const char *folder, const char *name);

/* All files of a variant are in the folder with the size that they should have, where it is known.
 */
bool pq_catalogue_installed(const char *folder, const struct pq_catalogue_variant *variant);

/* What -m means: a file that exists; else a name of the catalogue whose files are in the models
 * folder; else any file of that name, or that stem, in the models folder. An entry's name stands
 * for its first variant whatever scale is asked for: the picture is resized exactly afterwards.
 * @param path  what to open; the caller frees it with pq_free().
 * @return 0; PIQUE_ENOENT with a sentence that says what helps; PIQUE_ENOMEM. */
int pq_model_resolve(const char *name_or_path, char **path, pique_error *err);
