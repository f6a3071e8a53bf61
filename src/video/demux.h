/* SPDX-License-Identifier: MIT */
/* A film file as packets. What it is, its content says; the name counts for a sequence of pictures
 * alone. libav sees no file but this one: a playlist, or whatever else names other files or
 * addresses, is refused, and there are no protocols. */
#pragma once

#include "video/av.h"

/* More is a lie or an attack. */
enum { PQ_FILM_MAX_SIDE = 32768, PQ_FILM_MAX_PIXELS = 1 << 28 };

struct pq_input {
    AVFormatContext *format;
    AVStream *stream; /* the video */
    char *path;       /* for messages */
    struct pq_file file;
    struct pq_av_io io;
    bool sequence; /* of pictures, each a file in the folder of the first */
};

/* Open, choose the video (`map` as of struct pq_film_read), and tell all other streams to be left
 * alone. rate: of a sequence; 0/0 is 24. */
int pq_input_open(const char *path, const char *map, struct pq_ratio rate, struct pq_input **out,
                  pique_error *err);
void pq_input_close(struct pq_input **input);
