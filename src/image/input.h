/* SPDX-License-Identifier: MIT */
/* The file behind a picture: opened once, kept, and able to start again even where it came through
 * a pipe. */
#pragma once

#include <stdint.h>
#include <vips/vips.h>

#include "base/file.h"
#include "image/sniff.h"

/* Thread-safety: one reader. */
struct pq_input {
    struct pq_file file;
    char *name;     /* for messages */
    int64_t size;   /* bytes */
    int64_t at;     /* position of the source */
    pique_error io; /* the first failure of a read that libvips asked for; code 0: none */
    enum pq_kind kind;
    unsigned char *bytes; /* the whole file, for a reader that does not survive a failing read */
};

/* Open and recognise. What cannot be positioned (standard input, a FIFO) is first copied to a
 * temporary file. */
int pq_input_open(const char *path, struct pq_input *in, pique_error *err);
/* {.file.fd = -1} is fine. */
void pq_input_close(struct pq_input *in);

/* A source for libvips at the start of the file. `in` must outlive it; one at a time. NULL with the
 * reason in the error buffer of libvips. */
VipsSource *pq_input_source(struct pq_input *in);
