/* SPDX-License-Identifier: MIT */
/* A video module of a few lines: films that are made up, segments and journals that are records in
 * a file. So the core of films is tested without libav, and under every sanitizer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "film/video.h"

struct fake_video {
    int width, height;
    int64_t frames;
    int64_t hold;    /* each drawing stands for so many frames; 0: every frame is another */
    int64_t cycle;   /* drawings come again after so many; 0: never */
    int noise;       /* frames of one drawing differ by up to so many steps */
    bool seeks;      /* false: a film that cannot be entered */
    int delay;       /* frames that the encoder holds back */
    int version;     /* of the encoder */
    bool yuv_in;     /* what is read is luma and chroma; none is subsampled */
    bool yuv_out;    /* what is written is */
    int64_t stop_at; /* reading this frame fails; -1: none */
    int write_us;    /* microseconds that a frame takes to be written */
    /* What happened. */
    int64_t read, seeks_done;
    int64_t to_rgb, from_rgb; /* frames; each by a thread of its own */
    int opened;
};

extern struct fake_video fake;
const struct pq_video_io *fake_video(void);
/* Frames that nobody has freed. */
int fake_alive(void);
/* Back to a small film of different frames. */
void fake_reset(void);

/* A joined film, or the segment that is being written: how many whole frames it has; their hashes,
 * in order, into one; and whether their times are those of the source. -1: it is not there. */
int64_t fake_film_read(const char *path, uint64_t *hash, bool *in_time);
/* The same, and the hashes of the first `most` frames. */
int64_t fake_film_frames(const char *path, uint64_t *hash, bool *in_time, uint64_t *each,
                         int64_t most);
int64_t fake_pts(int64_t index);
