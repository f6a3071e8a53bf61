/* SPDX-License-Identifier: MIT */
/* What comes before and behind the body of SwinIR and of the networks that are built like it:
 *
 *     picture - mean -> pad -> [unshuffle] -> conv_first -> body -> + -> enlarge -> + mean -> crop
 *                                                    \--------------/
 *
 * Enlarging is one of four ways, told apart by the names of the tensors. */
#pragma once

#include "arch/parts.h"

enum pq_enlarge {
    PQ_ENLARGE_NONE,    /* conv_last, and the picture is added: 1x */
    PQ_ENLARGE_SHUFFLE, /* conv_before_upsample, upsample.0, .2, ..., conv_last */
    PQ_ENLARGE_DIRECT,  /* upsample.0 */
    PQ_ENLARGE_NEAREST  /* conv_before_upsample, conv_up1, ..., conv_hr, conv_last */
};

struct pq_ends {
    /* Found in the file. */
    enum pq_enlarge enlarge;
    int channels;  /* of the picture */
    int dim;       /* of the body */
    int features;  /* between the body and the picture */
    int unshuffle; /* by how much the picture is folded first */
    int inner;     /* by how much the folded picture is enlarged */
    int scale;     /* of the whole: inner / unshuffle */
    /* Set by the network after pq_ends_find(), where they are others. */
    bool mean;   /* the mean of photographs is taken off; true for 3 channels */
    float range; /* what 1 becomes in the network; 1 */
    /* Operations, from pq_ends_begin() on. */
    int picture, folded, first;
};

/* 0, or a status with a sentence. From here on layers without a bias are refused. */
int pq_ends_find(struct pq_parts *p, struct pq_ends *e);
/* From the picture to what conv_first yields, which is also e->first. The size becomes a multiple
 * of `multiple`, counted in pixels of the folded picture. */
int pq_ends_begin(struct pq_parts *p, struct pq_ends *e, enum pq_pad_mode mode, int multiple);
/* conv_after_body and all behind it, of what the body yields. The network's result. */
int pq_ends_finish(struct pq_parts *p, const struct pq_ends *e, int body);

/* What closes a group and the body: NAME, a convolution, or NAME.0, .2 and .4, three through a
 * quarter of the channels. */
int pq_ends_closing(struct pq_parts *p, int in, const char *fmt, ...) PQ_FORMAT(3);
