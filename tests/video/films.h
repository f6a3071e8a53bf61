/* SPDX-License-Identifier: MIT */
/* What the tests of reading share: films that the ffmpeg program makes, and all frames of one. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "video/av.h"
#include "video/module.h"
#include "video/source.h"

/* Exit 77 where there is no ffmpeg program. */
void need_ffmpeg(void);
/* A folder for the test program, removed at exit; "FOLDER/name" in a ring of a few. */
const char *in_folder(const char *name);
/* Run "ffmpeg ... FOLDER/name" with arguments of a shell; fails the test where that fails. */
const char *make_film(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether this ffmpeg can; of a failure the test is skipped by whoever asks. */
bool can_make_film(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void put_file(const char *path, const void *data, size_t size);
unsigned char *get_file(const char *path, size_t *size); /* the caller frees */

/* Every frame of a film. */
struct frame_list {
    int count;
    int64_t pts[4096], duration[4096];
    uint64_t hash[4096]; /* of all samples */
};
uint64_t hash_frame(const struct pq_frame *frame);
/* What is left of a source. */
void read_all(struct pq_film_source *source, struct frame_list *list);
struct pq_film_source *open_film(const struct pq_film_read *read);

/* The notes of a film, one after the other. */
struct notes {
    int count;
    char text[4096];
};
void take_note(void *notes, const char *text);

/* The next frame as a picture; free its memory with free_picture(). */
struct pq_image next_picture(struct pq_film_source *source, bool alpha);
void free_picture(struct pq_image *image);
unsigned sample(const struct pq_image *image, int plane, int x, int y);

#define assert_ok(rc, err)                                                                         \
    do {                                                                                           \
        int rc_ = (rc);                                                                            \
        if (rc_)                                                                                   \
            fail_msg("%d: %s", rc_, (err).message);                                                \
    } while (0)
