/* SPDX-License-Identifier: MIT */
/* Folders of the server from which files are taken without a copy, and folders that are watched.
 *
 * A client sees ids alone: each path below one of the roots that it was shown gets one, which means
 * nothing to another server. Paths are opened below their root, so that neither ".." nor a link
 * leads out of it. Thread-safety: safe. */
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct pq_known_path {
    char id[17];
    size_t root;
    char *path; /* below the root; "" is the root itself */
};

struct pq_watched {
    char id[17];
    char *folder; /* whole path */
    char *name;   /* as shown */
    json_t *settings;
    json_t *seen; /* names -> their size when last looked at; -1: taken. NULL: it could not be
                     looked at yet, as a disk that is not there; what is found then is not new */
};

struct pq_folders {
    pthread_mutex_t lock;
    unsigned char key[32]; /* of this server, from which ids are made */
    char **roots;          /* whole paths without links */
    size_t root_count;
    struct pq_known_path *known;
    size_t known_count, known_capacity;
    struct pq_watched *watched;
    size_t watched_count, watched_capacity;
    char *file; /* in which watched folders are remembered */
};

/* roots: folders that exist. file: "watched.json". */
int pq_folders_open(struct pq_folders *f, const char *const *roots, size_t count, const char *file,
                    pique_error *err);
void pq_folders_close(struct pq_folders *f);

/* [{"id", "name"}] */
json_t *pq_folders_roots(struct pq_folders *f);
/* {"id", "name", "parent", "entries": [...]}; NULL with err. */
json_t *pq_folders_list(struct pq_folders *f, const char *id, pique_error *err);
/* The whole path of a regular file; pq_free() it. NULL with err: PIQUE_ENOENT. */
char *pq_folders_path(struct pq_folders *f, const char *id, pique_error *err);
/* The same of a folder. */
char *pq_folders_folder(struct pq_folders *f, const char *id, pique_error *err);

/* [{"id", "name", "settings"}] */
json_t *pq_folders_watched(struct pq_folders *f);
/* What comes into a folder from now on is told of by pq_folders_look(). *out: its id. One that is
 * watched already gets these settings. */
int pq_folders_watch(struct pq_folders *f, const char *folder, json_t *settings, char out[17],
                     pique_error *err);
/* PIQUE_ENOENT: that folder is not watched. */
int pq_folders_unwatch(struct pq_folders *f, const char *id, pique_error *err);
/* Call `take` for each file that is new and has not grown since the last look; one that it returns
 * false for is told of again at the next. */
typedef bool pq_folders_take(void *user, const char *path, const json_t *settings);
void pq_folders_look(struct pq_folders *f, pq_folders_take *take, void *user);
