/* SPDX-License-Identifier: MIT */
/* What the picture tests share: a folder that goes away, whole pictures in one call, and synthetic
 * samples. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "upscale/rows.h"

const struct pq_picture_io *io(void);

/* A folder for the test program, made at the first call and removed at exit. */
const char *folder(void);
/* "FOLDER/name"; lives in a ring of a few. */
const char *in_folder(const char *name);
/* How many entries the folder has; hidden ones count. */
int entries_in_folder(void);
void empty_folder(void);

void put_file(const char *path, const void *data, size_t size);
/* The caller frees. */
unsigned char *get_file(const char *path, size_t *size);

/* A whole picture. */
struct picture {
    struct pq_picture_format format;
    pique_picture_info info;
    unsigned char *data; /* rows without gaps */
    size_t bytes;
};

/* Something with gradients, edges and noise; always the same for one format. */
struct picture draw(int width, int height, int colours, bool alpha, int depth);
void free_picture(struct picture *p);

/* Read all, `rows` at a time. */
int read_picture(const char *path, bool allow_untrusted, int rows, struct picture *p,
                 pique_error *err);
/* Write all, three rows at a time. `like` may be NULL. */
int write_picture(const char *path, const struct picture *p, const struct pq_save *save,
                  const struct pq_row_source *like, pique_error *err);

struct pq_save save_as(enum pique_format format);
const struct pq_format_caps *caps_of(enum pique_format format);

/* Samples of a whole picture: mean of |a - b| in 8-bit steps, whatever the depths are. */
double mean_difference(const struct picture *a, const struct picture *b);
double sample_at(const struct picture *p, int x, int y, int c); /* 0..1 */

/* Fail with the sentence, not with a number. */
#define assert_ok(rc, err)                                                                         \
    do {                                                                                           \
        int rc_ = (rc);                                                                            \
        if (rc_ != 0)                                                                              \
            fail_msg("%s (%d)", (err).message, rc_);                                               \
    } while (0)
