/* SPDX-License-Identifier: MIT */
/* The folder of a job, which is all that is needed to go on with it:
 *
 *     job.json              what decides the result (spec.h), the caller's settings
 *     seg/000002.mkv        a sealed stretch of film
 *     seg/000002.ok         ... and that it is sealed: what it holds. Without it the other does not
 *                           exist
 *     seg/000003.mkv.part   the stretch in work, playable to where it got
 *     seg/000003.j0.mkv     its frames without loss, where it takes long (journal), j1 of the next
 *                           process and so on
 *     fallback.json         which frames a fallback computed (made.h), where one did
 *     control               "pause" or "stop", from whoever is outside
 *     joined                the result is whole, and is about to get its name
 *
 * A process that works on a job holds a lock on the folder. Every file is written under another
 * name, synced and renamed, but for the .part and the journals, which are written as frames come.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "film/spec.h"
#include "pique/film.h"

struct pq_job {
    char *folder;
    struct pq_file lock;
    bool resumed;  /* job.json was there */
    bool begun;    /* it is there now */
    bool complete; /* the result got its name, and only removing the folder was left */
    struct pq_spec spec;
    char *settings; /* of its caller; or NULL */
    json_t *join;   /* what joining needs; of a job that goes on */
};

/* A sealed segment. */
struct pq_sealed {
    int64_t first, frames;
    int64_t unique, reused;
    uint64_t bytes;
    uint64_t hash;      /* of its frames */
    uint64_t file_hash; /* of its file */
    int64_t *pts;       /* of every frame; owned */
    int64_t last_duration;
    bool last;        /* of the film */
    int64_t next_pts; /* of the frame behind it, where it is not the last */
};

/* Take a folder, making it where it is missing. Whatever is returned, pq_job_close() it.
 * @param anew  what is there is thrown away.
 * @return 0; PIQUE_EEXIST in use by another process, or a folder that is no job. */
int pq_job_open(struct pq_job *job, const char *folder, const char *result, bool anew,
                pique_error *err);
/* Begin: job.json is written. join: borrowed. */
int pq_job_begin(struct pq_job *job, const struct pq_spec *spec, json_t *join, const char *settings,
                 pique_error *err);
/* Frames that a fallback computed, as pq_made_to_json() has them. *list is NULL where there are
 * none; json_decref() it. The other takes its list. */
int pq_job_read_made(const struct pq_job *job, json_t **list, pique_error *err);
int pq_job_write_made(const struct pq_job *job, json_t *list, pique_error *err);
/* A job that was not begun leaves no folder behind. */
void pq_job_close(struct pq_job *job);
/* Read job.json alone, without a lock. */
int pq_job_peek(struct pq_job *job, const char *folder, pique_error *err);

/* Paths; pq_free() them, NULL: out of memory. */
char *pq_job_segment(const struct pq_job *job, int segment, const char *suffix); /* ".mkv" */
char *pq_job_journal(const struct pq_job *job, int segment, int number);

/* Write the .ok of a segment, whose file is in place. */
int pq_job_seal(const struct pq_job *job, int segment, const struct pq_sealed *sealed,
                pique_error *err);
/* Whether a segment is sealed, and what it holds; *there false where it is not, or where its file
 * is not what the .ok says. with_file: false for results that have no files of segments. */
int pq_job_sealed(const struct pq_job *job, int segment, bool with_file, struct pq_sealed *out,
                  bool *there, pique_error *err);
void pq_sealed_free(struct pq_sealed *sealed);
/* Remove the journals and the .part of a segment. */
int pq_job_drop(const struct pq_job *job, int segment, pique_error *err);
/* XXH3-64 of a whole file, and its size. */
int pq_job_hash_file(const char *path, uint64_t *hash, uint64_t *bytes, pique_error *err);

/* What "control" says. */
enum pique_film_control pq_job_control(const struct pq_job *job);
int pq_job_clear_control(const struct pq_job *job, pique_error *err);

/* The result, still under its temporary name, is whole. */
int pq_job_mark_joined(const struct pq_job *job, const char *temporary, pique_error *err);
/* Remove the folder with all that is ours in it. */
int pq_job_remove(struct pq_job *job, pique_error *err);
