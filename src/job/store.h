/* SPDX-License-Identifier: MIT */
/* The queue on the disk:
 *
 *     FOLDER                        locked: one server at a time
 *     FOLDER/server.json            where it answers, and its token (mode 0600)
 *     FOLDER/queue.json             whether it runs, how many side by side
 *     FOLDER/presets.json, watched.json
 *     FOLDER/fetch-N/               the task of a model that is fetched
 *     FOLDER/items/ID/item.json     the truth about one entry
 *                    /in/NAME       what was uploaded
 *                    /look/         pictures to look at, made when asked for
 *                    /run/          what its worker was told last, and its last words; likewise
 *                                   info/, estimate-N/, task-N/ and test-ID/ of its chores
 *     RESULTS/.pique/ID/            what is being made, with the job of a film; once it is whole,
 * it is moved to RESULTS
 *
 * An entry is in the queue as long as it has an item.json, which is written first and removed
 * first: what is left of one without it is removed when the queue is opened.
 *
 * Entries are read once, at the start, and kept in memory: a queue of thousands is a few megabytes,
 * so nothing else indexes them. Thread-safety: `lock` guards all of it. */
#pragma once

#include <pthread.h>
#include <stdio.h>

#include "base/file.h"
#include "job/entry.h"

enum { PQ_MOST_ENTRIES = 10000 };

struct pq_store {
    pthread_mutex_t lock;
    char *folder, *results;
    struct pq_file held;       /* the lock */
    struct pq_entry **entries; /* by position */
    size_t count, capacity;
    uint64_t revision;
    bool running; /* the queue as a whole */
    int parallel;
    bool queue_unsaved;              /* the disk refused the two above */
    char (*rests)[PQ_ID_LENGTH + 1]; /* entries that are gone, but for their files */
    size_t rest_count, rest_capacity;
    bool many; /* many are changed at once: they are saved soon, and not each at once */
    /* Called with the lock held, after something has changed; wakes whoever tells of it. */
    void (*on_change)(void *user);
    void *on_change_user;
};

/* Open or begin. Entries whose file is damaged are left alone, and told of in *problems (sentences;
 * may be NULL). PIQUE_EEXIST where a server has it. */
int pq_store_open(struct pq_store *store, const char *folder, const char *results, json_t *problems,
                  pique_error *err);
void pq_store_close(struct pq_store *store);

/* "~/.local/state/pique" and "~/pique", as XDG says; pq_free() them, NULL: out of memory or no
 * home. */
char *pq_store_default_folder(void);
char *pq_store_default_results(void);

/* ---- all below with the lock held ---- */

struct pq_entry *pq_store_find(const struct pq_store *store, const char *id);
/* A path below the entry's folder: "item.json"; what == "": the folder itself. pq_free() it. */
char *pq_store_path(const struct pq_store *store, const struct pq_entry *entry, const char *what);
/* Where its result is made; pq_free() it. */
char *pq_store_work_folder(const struct pq_store *store, const struct pq_entry *entry);

/* Take a new entry to the end of the queue and write it. On failure the entry is freed;
 * PIQUE_EINVAL where the queue is full. */
int pq_store_add(struct pq_store *store, struct pq_entry *entry, pique_error *err);
/* It has changed: to be told. */
void pq_store_touch(struct pq_store *store, struct pq_entry *entry);
/* It has changed in a way that must outlive the server. What the disk refuses is tried again by
 * pq_store_save_again(). */
int pq_store_save(struct pq_store *store, struct pq_entry *entry, pique_error *err);
/* Save what is not saved yet, for a tenth of a second; ends at the first that the disk refuses.
 * True: more is to be saved. */
bool pq_store_save_again(struct pq_store *store);
/* Into another state, with the error (stolen; or NULL); saved. A disk that refuses is told in the
 * entry itself. */
void pq_store_set(struct pq_store *store, struct pq_entry *entry, enum pq_entry_state state,
                  json_t *error);
/* Before another entry, or to the end (NULL). Where all get new numbers they are saved by
 * pq_store_save_again(). */
int pq_store_move(struct pq_store *store, struct pq_entry *entry, const struct pq_entry *before,
                  pique_error *err);
/* Out of the queue, also after a restart, while its worker may still live. On failure it stays. */
int pq_store_drop(struct pq_store *store, struct pq_entry *entry, pique_error *err);
/* The same for good; frees it. Its folder, its upload and what is unfinished are a rest from now
 * on; results stay. */
int pq_store_remove(struct pq_store *store, struct pq_entry *entry, pique_error *err);
/* Of such a rest, whose removal may take long: take the id of one with the lock held (false: there
 * is none), and remove its files without. What is left at the end is removed by pq_store_close(),
 * and what the disk does not let go when the queue is opened again. */
bool pq_store_take_rest(struct pq_store *store, char id[PQ_ID_LENGTH + 1]);
void pq_store_remove_rest(const struct pq_store *store, const char *id);
/* {"running", "parallel"}; NULL: out of memory. */
json_t *pq_store_show_queue(const struct pq_store *store);
/* Whether the queue runs, and how many side by side. When it goes on, entries wait for their turn
 * again that a full disk stopped together with it. */
int pq_store_set_queue(struct pq_store *store, bool running, int parallel, pique_error *err);

/* A new error object: {"code", "text", "next"}. NULL: out of memory. */
json_t *pq_error_object(const char *code, const char *text, const char *next);
