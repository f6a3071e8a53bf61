/* SPDX-License-Identifier: MIT */
/* Frames that a benchmark makes and sends through an engine. What goes wrong ends the program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pique/pique.h"

/* Frames through an engine; frames_free() them. */
struct frames {
    int count, width, height; /* in */
    int out_width, out_height, in_channels, out_channels;
    enum pique_sample sample;
    size_t in_bytes, out_bytes; /* of a frame */
    unsigned char *in;
    void *out;
};

_Noreturn void stop(const pique_error *err);
pique_engine *open_engine(const pique_model *model, const char *device, enum pique_precision tier,
                          int band);
/* `count` frames, each other than the rest. */
struct frames frames_new(const pique_model *model, pique_engine *engine, int count, int width,
                         int height, enum pique_sample sample);
void frames_free(struct frames *f);
/* Those from `first` on in one batch. */
void frames_run(pique_engine *engine, const struct frames *f, int first, int count);
/* The same GPU without the kernels that its generation alone has, in `plain`; false: none are used
 * anyhow. */
bool has_plain(const pique_model *model, const char *device, char *plain, size_t bytes);
