/* SPDX-License-Identifier: MIT */
/* A small network, a folder, and films from the module of fake_video.h through both. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* After the four that it needs. */
#include <cmocka.h>

#include "fake_video.h"
#include "pique/pique.h"

enum { MOST_SAVED = 4096 };

/* One run. Start with run_new(). */
struct run {
    pique_film_options options;
    pique_picture_options picture;
    int threads;
    const char *device;   /* or several; NULL: cpu */
    const char *fallback; /* or NULL */
    const char *src;      /* NULL: the film that is made up */
    const char *dst;      /* below the folder; NULL: "film.mkv" */
    pique_film_report report;
    pique_error err;
    /* What was told. */
    int notes, sealed, saved_count;
    int64_t saved[MOST_SAVED]; /* frames that can be read after each event */
    uint64_t batches;
    bool planned;
    int retries;              /* of engines: what was told of a failure */
    char told[2048];          /* all that engines told, a line each */
    int64_t fallback_list[8]; /* first and last of each stretch */
    int fallback_count;
    long changes; /* of files, since pq_fault_kill() */
    void (*on_event)(struct run *run, const pique_event *event);
    pique_cancel *cancel;
};

int film_set_up(void **state);
int film_tear_down(void **state);
/* Of a name below the folder of the test; in a buffer that lives until the eighth call after. */
const char *film_path(const char *name);
/* Remove everything in it. */
void film_sweep(void);
struct run run_new(void);
/* pique_film_upscale() of "film" to dst. */
int run_film(struct run *run);
/* The same in a process of its own that is killed before its n-th change of a file; the status of
 * waitpid(). n = 0: not killed. Where it lived, *run is what it was in there. */
int run_killed(struct run *run, long n);
bool film_exists(const char *name);
