/* SPDX-License-Identifier: MIT */
/* The codecs and profiles that have names of ours, one row each. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

enum {
    PQ_PROFILE_DEFAULT = 1,  /* of its codec */
    PQ_PROFILE_DEEP = 2,     /* default for more than 8 bits */
    PQ_PROFILE_ALPHA = 4,    /* default where alpha is kept */
    PQ_PROFILE_LOSSLESS = 8, /* nothing to set: neither quality nor rate */
    PQ_PROFILE_RATED = 16,   /* the profile is the rate */
    PQ_PROFILE_ANY_SIZE = 32 /* odd sizes, whatever the chroma */
};

struct pq_profile {
    const char *codec, *name, *about;
    const char *encoder; /* of libav, in software */
    const char *formats; /* that it may have, names of libav; the simplest first */
    const char *options; /* of the encoder, "key=value key=value" */
    int flags, threads;
    int quality; /* of the encoders of GPUs, lower is better; 0: they do not have it */
    int effort;  /* of theirs: 1 fast, 4 middle, 7 slow */
};

/* The codec of ours that a name means ("H.265", "hevc", "avc"); NULL: none. */
const char *pq_codec_named(const char *name);
/* A profile by a name that is not exact; NULL: the default for such frames. PIQUE_EINVAL with the
 * list of what there is. */
int pq_profile_find(const char *codec, const char *name, bool alpha, bool deep,
                    const struct pq_profile **out, pique_error *err);
/* As pq_profile_find() found it before, by its exact name; NULL: none. */
const struct pq_profile *pq_profile_exact(const char *codec, const char *name);

/* DNxHD has but a few sizes: 0, or PIQUE_EINVAL with the list of what this profile has. */
int pq_dnxhd_size(const struct pq_profile *profile, int width, int height, pique_error *err);
/* A size that it has, to try the encoder with. */
void pq_profile_try_size(const struct pq_profile *profile, int *width, int *height);
