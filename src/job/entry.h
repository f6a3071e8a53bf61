/* SPDX-License-Identifier: MIT */
/* An entry of the queue: one picture or film, how it is wanted, and how far it is.
 *
 * What must outlive the server stands in "item.json" in a folder of its own, and is written whole
 * at every change of state; how far the work is stands in the job of the film itself, so it is not
 * written. Not thread-safe: under the lock of the store. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { PQ_ID_LENGTH = 16 };

enum pq_entry_kind { PQ_ENTRY_UNKNOWN, PQ_ENTRY_PICTURE, PQ_ENTRY_FILM };

enum pq_entry_state {
    PQ_ENTRY_UPLOADING, /* its content is not all here */
    PQ_ENTRY_LOOKING,   /* what it holds is being found out */
    PQ_ENTRY_WAITING,   /* will run in its turn */
    PQ_ENTRY_RUNNING,
    PQ_ENTRY_PAUSED,  /* holds, or was never started */
    PQ_ENTRY_DONE,    /* its result stands in the folder of results */
    PQ_ENTRY_FAILED,  /* with a sentence */
    PQ_ENTRY_STOPPED, /* ended by the user; a film can go on */
    PQ_ENTRY_STATES
};

/* How far it is; counted anew by each process that works on it. */
struct pq_entry_progress {
    bool known;
    bool film; /* counts frames; else rows */
    int64_t done, total;
    int64_t at_start;                /* done before this process */
    double started;                  /* monotonic; when its first frame was told */
    double per_second, seconds_left; /* negative: not known */
    int64_t saved;                   /* frames that can be read */
    uint64_t batch;
    int out_width, out_height;
};

struct pq_entry {
    char id[PQ_ID_LENGTH + 1];
    double position; /* entries are done in this order */
    char *name;      /* as it is shown: "film.mkv"; never a path */
    char *stem;      /* of the result where it is not that of the name; or NULL */
    enum pq_entry_kind kind;
    enum pq_entry_state state;
    int64_t created; /* seconds since 1970 */
    uint64_t bytes, received;
    char *input;                       /* path */
    bool uploaded;                     /* the input lies in the entry's folder and goes with it */
    json_t *settings;                  /* object; options by name */
    json_t *info;                      /* what it holds; or NULL */
    json_t *notes;                     /* array of sentences of the last run */
    json_t *estimate, *error, *result; /* objects; or NULL */
    char *output;                      /* path of the result; or NULL */
    bool french;                       /* the language of who added it */
    bool wants_start;                  /* to run as soon as it is known what it holds */

    /* Not kept. */
    struct pq_entry_progress progress;
    uint64_t revision;
    bool dirty;      /* has changed since it was last told */
    double told;     /* monotonic */
    bool removed;    /* to be forgotten once nobody works on it */
    bool wants_look; /* what it holds is to be found out */
    bool receives;   /* a request brings its content now */
    bool unsaved;    /* the disk refused its last state, which is tried again */
    bool disk_error; /* its error tells of that */
    bool anew;       /* its device was lost, and what was said of that stays */
    bool falls_back; /* and new processes were no help: its setting fallback holds */
    char *making;    /* path of the result while it is made, or NULL */
};

/* Whether a text is an id as entries have them. */
bool pq_entry_is_id(const char *text);

/* A new entry with an id of its own. NULL: out of memory. */
struct pq_entry *pq_entry_new(const char *name);
/* The same of a file that is here, to be looked into; PIQUE_ENOENT where it is not. */
int pq_entry_of_file(const char *path, struct pq_entry **out, pique_error *err);
void pq_entry_free(struct pq_entry **entry);

/* What is written to the disk; NULL: out of memory. */
json_t *pq_entry_store(const struct pq_entry *entry);
/* And back. PIQUE_EFORMAT where something that must be there is not. */
int pq_entry_restore(const json_t *root, struct pq_entry **out, pique_error *err);
/* What a client sees, without any path; NULL: out of memory. */
json_t *pq_entry_show(const struct pq_entry *entry);

/* A sentence of a worker as a client may see it: the entry is called by its name, and no folder is
 * told. pq_free() it; NULL: out of memory. work: the folder in which its result is made. */
char *pq_entry_sentence(const struct pq_entry *entry, const char *work, const char *text);
