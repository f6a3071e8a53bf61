/* SPDX-License-Identifier: MIT */
/* A network as a flat list of operations in the order they run.
 *
 * Each operation yields one tensor, named by the operation's index, and names its inputs by theirs,
 * which are always smaller. Tensors are pictures: a number of channels and a size, which follows
 * from the size of the network's input (pq_op_extent). Two kinds have a size of their own: a
 * *global* tensor is one pixel for the whole picture (a mean over it, say), a *column* is one pixel
 * a row. Where an operation reads a global tensor beside a picture, every pixel reads that one.
 *
 * Weights stay where the model file keeps them (tensor/tensor.h); a backend converts them when it
 * packs.
 *
 * Build one with pq_graph_new() and the functions below it; each returns the new operation's index
 * or a negative status with a sentence. pq_graph_finish() checks the whole. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "graph/samples.h"
#include "tensor/tensor.h"

/* clang-format off */
enum pq_op_kind {
    PQ_OP_INPUT,
    PQ_OP_CONV2D,            /* window ver x hor over all channels, zeros outside */
    PQ_OP_DEPTHWISE,         /* the same over each channel alone; weight [c, 1, kh, kw] */
    PQ_OP_ACT,               /* an activation, enum pq_act_kind */
    PQ_OP_PIXEL_SHUFFLE,     /* channel c*f*f + dy*f + dx -> channel c at (f*y+dy, f*x+dx); with
                                by_place, channel (dy*f + dx)*channels + c */
    PQ_OP_PIXEL_UNSHUFFLE,   /* and back; the size is a multiple of f */
    PQ_OP_NEAREST,           /* each pixel becomes f x f pixels */
    PQ_OP_ADD,               /* in[0] + scale in[1]; of in[0] what CROP leaves of it (borders.c) */
    PQ_OP_MUL,               /* in[0] in[1]; in[1] may have one channel for all */
    PQ_OP_AFFINE,            /* x * factor + term, one of each a channel; both from a global in[1],
                                factors first, where there is one */
    PQ_OP_CONCAT,            /* channels of the inputs, one behind another */
    PQ_OP_SLICE,             /* channels first .. first + channels - 1 */
    PQ_OP_BICUBIC,           /* four taps an axis, a = -0.75, pixel centres, borders clamped, no
                                low-pass: what PyTorch and ncnn call bicubic without antialias */
    PQ_OP_BILINEAR,          /* to the size of `like`; centres and borders as above, no low-pass */
    PQ_OP_PAD,               /* rows and columns around, enum pq_pad_mode, then more at the bottom
                                and the right up to a multiple, and to `least` */
    PQ_OP_CROP,              /* fewer rows and columns, by number or to the size of `like` */
    PQ_OP_MAX_POOL,          /* the largest of a window; what lies outside does not count */
    PQ_OP_MEAN_POOL,         /* the mean of a window, zeros outside */
    PQ_OP_LAYER_NORM,        /* each pixel over its channels:
                                (x - mean) / sqrt(var + eps) * weight + bias */
    PQ_OP_RMS_NORM,          /* x / sqrt(mean of squares + eps) * weight + bias */
    PQ_OP_ROW_SUMS,          /* a column: the sums over each row, doubles in two floats each; with
                                squares, theirs behind them */
    PQ_OP_MEAN,              /* global: from ROW_SUMS, added in row order */
    PQ_OP_GROUP_NORM,        /* global: from ROW_SUMS with squares, the factors and terms that bring
                                each group of channels to mean 0 and variance 1, then to weight and
                                bias */
    PQ_OP_ROW_GRAM,          /* a column: for each head the products q_i k_j summed over a row, and
                                the sums of squares, as doubles */
    PQ_OP_GRAM_SOFTMAX,      /* global: softmax over j of weight[head] q_i k_j / (|q_i| |k_j|) */
    PQ_OP_MIX,               /* out_i = sum over j of matrix[head][i][j] in[0]_j; in[1] is global */
    PQ_OP_ATTENTION,         /* softmax attention in windows; inputs q, k, v */
    PQ_OP_CHANNEL_ATTENTION, /* attention among channels in windows; inputs q, k, v */
    PQ_OP_GIVEN,             /* global, without inputs: what another run found operation `first` of
                                another graph to be */
    PQ_OP_DYSAMPLE,          /* in[0] enlarged by factor, read where in[1] says (Liu et al. 2023,
                                DySample) */
    /* A dictionary of tokens is a global tensor, one token behind another; `groups` of them. */
    PQ_OP_CONSTANT,          /* global: the weights */
    PQ_OP_TOKENS_LINEAR,     /* global: a matrix, weight [out, in], and a bias for each token */
    PQ_OP_TOKENS_UNIT,       /* global: each token divided by its norm, times its weight; then
                                [channels][tokens], as LOOK_UP reads it */
    PQ_OP_LOOK_UP,           /* softmax over the tokens of in[1], global, of their products with a
                                pixel of in[0]: a channel a token */
    PQ_OP_BLEND,             /* the sum over tokens of in[1], global, times a pixel's channels */
    PQ_OP_ROW_EXP,           /* exp(x - the channel's largest x of the row) */
    PQ_OP_ROW_SHARES,        /* a column: the largest in[0] of each channel; the sums over a row of
                                in[1] = ROW_EXP; those of its products with each channel of in[2] */
    PQ_OP_TOKENS_UPDATE,     /* global, from ROW_SHARES and the tokens in[1]: s t + (1 - s) the mean
                                of in[2] under the softmax over all pixels; s = sigmoid(weight) */
    PQ_OP_CATEGORY,          /* which channel is the largest, the first of equals; an int32 */
    PQ_OP_ROW_COUNTS,        /* a column: how many pixels of a row are of each category */
    PQ_OP_ORDER,             /* sorted by category, then row by row: which pixel (y, x), int32,
                                stands at a place; in[0] categories, in[1] counts */
    PQ_OP_RANK,              /* at which place a pixel stands then */
    PQ_OP_PICK,              /* the pixels of in[0] that in[1] names */
    PQ_OP_RUN_ATTENTION,     /* softmax attention among `multiple` pixels that follow one another
                                row by row; the last run is filled up by the last pixels,
                                backwards */
    /* Before and behind a network; devices that take whole pictures have them. */
    PQ_OP_FROM_YUV,          /* luma and chroma as they are stored -> R, G and B, clipped to 0..1;
                                chroma by Catmull-Rom, borders mirrored */
    PQ_OP_TO_YUV,            /* and back, not rounded; the size is a multiple of factor */
    PQ_OP_RESIZE,            /* Lanczos-3 along one axis to `extent` pixels (graph/axis.h) */
    PQ_OP_EFFECTS,           /* struct pq_touch; in[1], global, is the mean of contrast. A fourth
                                channel stays */
    PQ_OP_CHANNELS,          /* channel c is channel pick[c] of in[0], or enum pq_pick */
    /* Of R, G, B and alpha, which is not premultiplied: */
    PQ_OP_FLATTEN,           /* the colours over `background` */
    PQ_OP_ROW_OPAQUE,        /* a column: 1 where all of a row is opaque, else 0 */
    PQ_OP_BLEED_SUMS,        /* alpha and the colours weighted by it: the sums along a row over the
                                pixels within PQ_BLEED_REACH, of which each counts half of the one
                                before it */
    PQ_OP_BLEED,             /* in[1] with colours for what nobody sees, from its BLEED_SUMS in[0]
                                summed down columns likewise, divided by that of alpha */
    PQ_OP_ALPHA,             /* what a network made of the colours, in[0], and of alpha, in[1],
                                clipped to 0..1; alpha is that of in[2], which the network got,
                                where it is even (PQ_EVEN_REACH), else in[1]'s fourth channel, or
                                its luma, or its only one */
    PQ_OP_KINDS
};
/* clang-format on */

enum {
    PQ_MAX_CHANNELS = 4096,
    PQ_MAX_OPS = 65536,
    PQ_MAX_INPUTS = 8,
    PQ_MAX_KERNEL = 31,
    PQ_MAX_FACTOR = 16,
    PQ_MAX_PAD = 256,
    PQ_MAX_WINDOW = 64,             /* of attention, a side */
    PQ_MAX_TOKENS = 64 * 64,        /* of a window */
    PQ_MAX_GLOBAL_FLOATS = 1 << 22, /* of one pixel of a column or a global tensor */
    PQ_MAX_WEIGHTS = 1 << 29        /* of all operations, as a backend packs them */
};

enum pq_act_kind {
    PQ_ACT_LEAKY,     /* leaky, parametric or plain ReLU: x < 0 ? slope x : x */
    PQ_ACT_SILU,      /* x sigmoid(x) */
    PQ_ACT_SIGMOID,   /* 1 / (1 + exp(-x)) */
    PQ_ACT_GELU,      /* x/2 (1 + erf(x / sqrt 2)) */
    PQ_ACT_GELU_TANH, /* the same with tanh in place of erf */
    PQ_ACT_MISH,      /* x tanh(log(1 + exp(x))) */
    PQ_ACT_TANH,
    PQ_ACT_SOFTPLUS, /* log(1 + exp(x)) */
    PQ_ACT_CLIP,     /* into low .. high */
    PQ_ACT_KINDS
};

/* What a channel may be that is none of the input's. */
enum pq_pick {
    PQ_PICK_ONE = -1,
    PQ_PICK_LUMA = -2 /* of its first three */
};

/* The activation that is fused into an operation, or is one. Only LEAKY is ever fused. */
struct pq_act {
    bool on;
    enum pq_act_kind kind;
    float slope;             /* LEAKY where slopes is not set */
    struct pq_tensor slopes; /* one a channel; data NULL: use slope */
    float low, high;         /* CLIP */
};

/* One axis of a sliding window. Output o reads input o * stride - before + k * dilation, k in
 * 0 .. kernel-1; there are as many outputs as fit in before + input + after. */
struct pq_window {
    int kernel, stride, dilation, before, after;
};

enum pq_pad_mode {
    PQ_PAD_ZERO,
    PQ_PAD_EDGE,
    PQ_PAD_REFLECT, /* without the edge: a b c | b a */
    PQ_PAD_MIRROR,  /* with it: a b c | c b a */
    PQ_PAD_WRAP     /* from the opposite side; makes each row depend on all */
};

/* Windows of attention. Their edges lie at shift + n size; the first is cut off by the border of
 * the picture where shift is not 0, the last where the size is no multiple. Queries are the pixels
 * of a window; keys and values those of a key window with the same centre, which may be larger:
 * what it holds outside of the picture are zeros, and they count. `multiple` not 0: so do zeros
 * below and to the right up to a multiple of it. With `grid` a window is not a rectangle but every
 * (height / size)-th pixel, so that windows span the picture, whose size is a multiple. With `fold`
 * over 1 keys and values are a picture so many times smaller, and so are their windows; the edges
 * of these lie at shift / fold, rounded up, + n size / fold. */
struct pq_attention {
    int heads;
    int height, width;         /* of the window of queries */
    int key_height, key_width; /* of that of keys and values */
    int shift_y, shift_x;
    int multiple;
    bool grid;
    int fold;    /* 0 means 1 */
    float scale; /* of the products q k */
    /* [height width][key_height key_width]: the row of the table of biases, op->weight [rows,
     * heads], that is added to a product; NULL where there is no table. Lives as long as the graph:
     * see pq_graph_own(). */
    const int32_t *index;
};

/* What is done to a finished picture, in this order. Values as they act: 0, 1, 1 is nothing.
 *
 *     sharpen     x + s (x - smooth(x)), smooth = [1 1 1; 1 5 1; 1 1 1] / 13; the outermost pixels
 *                 are their own smooth value, so they do not change
 *     contrast    mean + c (x - mean), mean: a luma that is given
 *     saturation  L + s (x - L), L: the pixel's own luma */
struct pq_touch {
    float sharpen, contrast, saturation;
};

struct pq_op {
    enum pq_op_kind kind;
    int in[PQ_MAX_INPUTS];  /* indices of inputs */
    int inputs;             /* how many */
    unsigned global_inputs; /* bit k: input k is global and the result is not */
    int like;               /* BILINEAR, CROP, ADD: the operation whose size counts, or -1 */
    int channels;           /* of the result */
    int num, den;           /* size of the result / size of the network's input, lowest terms, but
                               for what borders add or take */
    bool global, column;    /* what the result is, if no picture */
    bool again;             /* a copy of an earlier operation, which the next one alone reads,
                               pixel by pixel: see again.c */
    bool measured;          /* a statistic is made of more than its sums in the graph that this one
                               is a copy of: see pq_graph_given() */
    struct pq_window ver, hor; /* CONV2D, DEPTHWISE, pools; before and after: PAD, CROP, ADD */
    int multiple;              /* PAD; 1: none */
    int least;                 /* PAD: of the size without the border; 0: none */
    enum pq_pad_mode pad_mode;
    int factor;             /* PIXEL_SHUFFLE, PIXEL_UNSHUFFLE, NEAREST, DYSAMPLE */
    bool by_place;          /* PIXEL_SHUFFLE, PIXEL_UNSHUFFLE */
    int first;              /* SLICE, GIVEN */
    int groups;             /* GROUP_NORM, DYSAMPLE; heads of ROW_GRAM, GRAM_SOFTMAX, MIX; tokens */
    bool squares;           /* ROW_SUMS */
    int rate_num, rate_den; /* size out / size in, lowest terms; CROP: result / like */
    float scale;            /* ADD, and CONV2D with a residual */
    float eps;              /* norms */
    struct pq_tensor weight; /* CONV2D: [out, in, kh, kw]; in counts all inputs but the residual.
                                AFFINE: factors; norms: [channels]; GRAM_SOFTMAX and
                                CHANNEL_ATTENTION: temperatures [heads]; ATTENTION: see there */
    struct pq_tensor bias;   /* CONV2D: [out]; data NULL: none. AFFINE: terms; norms: [channels] */
    struct pq_act act;       /* CONV2D: applied to the sum; ACT: the operation itself */
    bool residual;           /* CONV2D: the last input is no part of the sum; the result is that
                                input + scale x what the activation yields */
    struct pq_attention
        attention;           /* ATTENTION, CHANNEL_ATTENTION; heads and scale: RUN_ATTENTION */
    struct pq_yuv yuv;       /* FROM_YUV, TO_YUV: pixel (factor x + dx, factor y + dy) of a place is
                                channel dy factor + dx; all Cb follow likewise, then all Cr */
    bool across;             /* RESIZE: along a row; else along a column */
    int from, extent;        /* RESIZE: of the input, which must have it, and of the result */
    bool by_alpha;           /* RESIZE: along a row colours are multiplied by alpha first; along a
                                column they are divided by it then, but where all rows of in[1],
                                ROW_OPAQUE, say that there is nothing to divide by, and all is
                                clipped to 0..1 */
    int pick[4];             /* CHANNELS */
    float background[3];     /* FLATTEN */
    struct pq_touch touch;   /* EFFECTS */
    int watch_in, watch_out; /* not 0: what goes into, or comes out of, this pass of a network, and
                                a device that takes whole pictures has to look at it. Each time that
                                the network is in the graph counts, from 1 */
};

struct pq_graph {
    struct pq_op *ops;
    int count, capacity;
    int output;       /* index of the result; -1 until pq_graph_finish() */
    uint64_t weights; /* of all operations */
    void **owned;     /* memory of pq_graph_own() */
    int owned_count;
    struct pq_sample_layout in, out; /* planes 0: what comes and goes are rows of floats */
};

int pq_graph_new(struct pq_graph **out, pique_error *err);
/* One with room for so many operations, of which it has none yet. */
int pq_graph_new_with_room(size_t count, struct pq_graph **out, pique_error *err);
void pq_graph_free(struct pq_graph **graph);

/* Memory for weights that no file holds as the network needs them; freed with the graph. NULL out
 * of memory. */
void *pq_graph_own(struct pq_graph *g, size_t bytes);

int pq_graph_input(struct pq_graph *g, int channels, pique_error *err);

/* ---- convolutions (build_conv.c) ---- */

/* weight [out, in, k, k], k odd; bias [out], or NULL for none. Stride 1, padding (k-1)/2: the size
 * stays. */
int pq_graph_conv2d(struct pq_graph *g, int in, const struct pq_tensor *weight,
                    const struct pq_tensor *bias, pique_error *err);
/* All that PyTorch's Conv2d can do with zeros around. weight [out, in / groups, kh, kw]. */
struct pq_conv_shape {
    int stride_y, stride_x, dilation_y, dilation_x; /* 0 means 1 */
    int top, left, bottom, right;                   /* padding */
    int groups;                                     /* 0 means 1 */
};
int pq_graph_conv(struct pq_graph *g, int in, const struct pq_tensor *weight,
                  const struct pq_tensor *bias, const struct pq_conv_shape *shape,
                  pique_error *err);
/* ConvTranspose2d: weight [in, out, k, k]; padding takes that many rows and columns off each side
 * of the result. Becomes a convolution, a pixel shuffle and a crop. */
int pq_graph_deconv(struct pq_graph *g, int in, const struct pq_tensor *weight,
                    const struct pq_tensor *bias, int stride, int padding, pique_error *err);

/* ---- one pixel after another, and sizes (build_local.c) ---- */

/* slopes: one a channel, or NULL to use slope for all. ReLU is a slope of 0. */
int pq_graph_act(struct pq_graph *g, int in, float slope, const struct pq_tensor *slopes,
                 pique_error *err);
/* Any activation without parameters. */
int pq_graph_curve(struct pq_graph *g, int in, enum pq_act_kind kind, pique_error *err);
int pq_graph_clip(struct pq_graph *g, int in, float low, float high, pique_error *err);
/* a + scale b. One of two may be global. */
int pq_graph_add(struct pq_graph *g, int a, int b, float scale, pique_error *err);
/* One of two may be global, or have one channel. */
int pq_graph_mul(struct pq_graph *g, int a, int b, pique_error *err);
/* in * factors + terms, each [channels] */
int pq_graph_affine(struct pq_graph *g, int in, const struct pq_tensor *factors,
                    const struct pq_tensor *terms, pique_error *err);
/* in * factor + term on all channels */
int pq_graph_scale(struct pq_graph *g, int in, float factor, float term, pique_error *err);
/* count is 1 .. PQ_MAX_INPUTS - 1 */
int pq_graph_concat(struct pq_graph *g, int count, const int *in, pique_error *err);
int pq_graph_slice(struct pq_graph *g, int in, int first, int count, pique_error *err);
int pq_graph_pixel_shuffle(struct pq_graph *g, int in, int factor, pique_error *err);
int pq_graph_pixel_unshuffle(struct pq_graph *g, int in, int factor, pique_error *err);
/* With all channels of a place together. */
int pq_graph_pixel_shuffle_by_place(struct pq_graph *g, int in, int factor, pique_error *err);
int pq_graph_pixel_unshuffle_by_place(struct pq_graph *g, int in, int factor, pique_error *err);
int pq_graph_nearest(struct pq_graph *g, int in, int factor, pique_error *err);
int pq_graph_bicubic(struct pq_graph *g, int in, int rate_num, int rate_den, pique_error *err);
/* To the size of operation `like`. */
int pq_graph_bilinear(struct pq_graph *g, int in, int like, pique_error *err);
/* The same rows and columns on all sides, then more at the bottom and the right until the size
 * before the first step is a multiple (1: none). */
int pq_graph_pad(struct pq_graph *g, int in, enum pq_pad_mode mode, int border, int multiple,
                 pique_error *err);
int pq_graph_pad4(struct pq_graph *g, int in, enum pq_pad_mode mode, int top, int left, int bottom,
                  int right, int multiple, pique_error *err);
/* At the bottom and the right, to a multiple, and to `least`, a multiple too, where it is less. */
int pq_graph_pad_least(struct pq_graph *g, int in, enum pq_pad_mode mode, int multiple, int least,
                       pique_error *err);
/* That many rows and columns less on each side. */
int pq_graph_crop(struct pq_graph *g, int in, int border, pique_error *err);
int pq_graph_crop4(struct pq_graph *g, int in, int top, int left, int bottom, int right,
                   pique_error *err);
/* From the top left, to scale_num/scale_den times the size of operation `like`. */
int pq_graph_crop_like(struct pq_graph *g, int in, int like, int scale_num, int scale_den,
                       pique_error *err);
/* From (top, left) on, to the size of operation `like`. */
int pq_graph_crop_at(struct pq_graph *g, int in, int top, int left, int like, pique_error *err);
/* PQ_OP_MAX_POOL or PQ_OP_MEAN_POOL without padding. */
int pq_graph_pool(struct pq_graph *g, int in, enum pq_op_kind kind, int kernel, int stride,
                  pique_error *err);
/* PQ_OP_LAYER_NORM or PQ_OP_RMS_NORM; weight and bias [channels], or NULL for 1 and 0. */
int pq_graph_norm(struct pq_graph *g, int in, enum pq_op_kind kind, const struct pq_tensor *weight,
                  const struct pq_tensor *bias, float eps, pique_error *err);

/* ---- statistics over the whole picture (build_global.c) ---- */

/* The mean of each channel, a global tensor. */
int pq_graph_mean(struct pq_graph *g, int in, pique_error *err);
/* weight and bias [channels], or NULL for 1 and 0. */
int pq_graph_group_norm(struct pq_graph *g, int in, int groups, const struct pq_tensor *weight,
                        const struct pq_tensor *bias, float eps, pique_error *err);
/* Attention among channels over the whole picture: heads of channels/heads each;
 * temperatures [heads]. Queries and keys are divided by their norms. */
int pq_graph_channel_mix(struct pq_graph *g, int q, int k, int v, int heads,
                         const struct pq_tensor *temperatures, pique_error *err);

/* ---- a dictionary of tokens (build_tokens.c) ---- */

/* All values of a tensor as one global pixel. */
int pq_graph_constant(struct pq_graph *g, const struct pq_tensor *values, pique_error *err);
/* weight [out, channels of a token]; bias [out] or NULL. */
int pq_graph_tokens_linear(struct pq_graph *g, int in, int tokens, const struct pq_tensor *weight,
                           const struct pq_tensor *bias, pique_error *err);
/* factors [tokens] */
int pq_graph_tokens_unit(struct pq_graph *g, int in, int tokens, const struct pq_tensor *factors,
                         pique_error *err);
/* q: a picture with a token's channels. */
int pq_graph_look_up(struct pq_graph *g, int q, int keys, int tokens, pique_error *err);
/* shares: a picture of a channel a token. */
int pq_graph_blend(struct pq_graph *g, int shares, int values, pique_error *err);
/* scores: a channel a token, of which a softmax over all pixels is the weight of x; keep [tokens],
 * through a sigmoid, is what remains of the token. */
int pq_graph_tokens_update(struct pq_graph *g, int scores, int x, int old,
                           const struct pq_tensor *keep, pique_error *err);

/* ---- pixels by category (build_sort.c) ---- */

/* Sorted by which channel of scores is the largest, stably: *order names the pixel at each place,
 * *rank each pixel's place. 0 or a status. */
int pq_graph_sort(struct pq_graph *g, int scores, int *order, int *rank, pique_error *err);
int pq_graph_pick(struct pq_graph *g, int in, int places, pique_error *err);
/* In runs of `run` pixels, or of all where there are fewer. */
int pq_graph_run_attention(struct pq_graph *g, const int qkv[3], int heads, int run, float scale,
                           pique_error *err);

/* ---- attention (build_attention.c) ---- */

/* The values of the index are checked against the rows of table, [rows, heads]. Both NULL: no
 * bias. */
int pq_graph_attention(struct pq_graph *g, int q, int k, int v, const struct pq_attention *a,
                       const struct pq_tensor *table, pique_error *err);
int pq_graph_channel_attention(struct pq_graph *g, int q, int k, int v,
                               const struct pq_attention *a, const struct pq_tensor *temperatures,
                               pique_error *err);
/* offsets: 2 groups factor^2 channels, x of all groups and places, then y: in pixels of `in`, where
 * to read for output pixel (factor y + dy, factor x + dx), counted from pixel (y, x). */
int pq_graph_dysample(struct pq_graph *g, int in, int offsets, int factor, int groups,
                      pique_error *err);

/* ---- before and behind a network (build_samples.c) ---- */

/* Channels of a tensor of luma and chroma as they are stored: those of 2 x 2 pixels a place where
 * chroma is subsampled, else of one. */
int pq_yuv_channels(const struct pq_yuv *yuv);
/* How rows of width x height pixels lie whose channels are interleaved. */
struct pq_sample_layout pq_rows_layout(int channels, int width, int height, int depth);
/* How a picture of luma and chroma of width x height pixels lies in planes. */
void pq_yuv_layout(const struct pq_yuv *yuv, int width, int height,
                   struct pq_sample_layout *layout);
int pq_graph_from_yuv(struct pq_graph *g, int in, const struct pq_yuv *yuv, pique_error *err);
int pq_graph_to_yuv(struct pq_graph *g, int in, const struct pq_yuv *yuv, pique_error *err);
/* One axis of `from` pixels to `to`; the graph is then one for pictures of that size. */
int pq_graph_resize(struct pq_graph *g, int in, bool across, int from, int to, pique_error *err);
/* The same of both axes, width and height, of a picture with alpha. */
int pq_graph_resize_alpha(struct pq_graph *g, int in, const int from[2], const int to[2],
                          pique_error *err);
/* The mean, where contrast needs it, is value 0 of what is given to the run. */
int pq_graph_effects(struct pq_graph *g, int in, const struct pq_touch *touch, pique_error *err);
/* Rows and columns off the top, left, bottom and right, any number of them. */
int pq_graph_cut(struct pq_graph *g, int in, const int sides[4], pique_error *err);

/* ---- alpha (build_alpha.c) ---- */

/* pick: `channels` of them, of operation `in` or enum pq_pick. */
int pq_graph_channels(struct pq_graph *g, int in, const int *pick, int channels, pique_error *err);
int pq_graph_flatten(struct pq_graph *g, int in, const float background[3], pique_error *err);
/* Colours for pixels of alpha 0 (upscale/bleed.c). */
int pq_graph_bleed(struct pq_graph *g, int in, pique_error *err);
/* What a network made of picture `in`, with its alpha. */
int pq_graph_alpha(struct pq_graph *g, int colours, int alpha, int in, pique_error *err);

/* A finished graph with operation `in` in place of its input; the index of its result. Its weights
 * stay where they are and must live as long as g. */
int pq_graph_append_graph(struct pq_graph *g, const struct pq_graph *part, int in,
                          pique_error *err);

/* Name the result, fuse (graph/fuse.c) and drop what it does not need. After this the graph does
 * not change. */
int pq_graph_finish(struct pq_graph *g, int output, pique_error *err);

/* Facts of a finished graph. */
struct pq_graph_facts {
    int in_channels, out_channels;
    int num, den; /* scale */
    int convolutions;
    int radius; /* input pixels on each side that an output pixel depends on; -1: all there are */
    uint64_t parameters;
    uint64_t flops_per_pixel; /* 2 x multiply-accumulates, for one input pixel */
};
void pq_graph_facts(const struct pq_graph *g, struct pq_graph_facts *facts);

/* A copy of a finished graph in which as little as can be waits for long: what a border is cut off
 * is read where it lies (borders.c), and some is computed once more instead (again.c). It borrows
 * all weights of g. */
int pq_graph_sparing(const struct pq_graph *g, struct pq_graph **out, pique_error *err);

/* A copy of a finished graph in which every statistic over the whole picture is given, so that what
 * led to it alone is gone. It borrows all weights of g. */
int pq_graph_given(const struct pq_graph *g, struct pq_graph **out, pique_error *err);
/* Whether an operation is such a statistic. */
bool pq_op_is_statistic(const struct pq_op *op);
/* Multiply-accumulates for one pixel of the result. */
uint64_t pq_op_macs(const struct pq_op *op);
/* What such a pixel is taken to cost where progress is told: the same, and one a channel. */
uint64_t pq_op_work(const struct pq_op *op);

/* Whether something in it depends on every pixel of the picture. */
bool pq_graph_is_whole(const struct pq_graph *g);

/* ---- how rows flow (rows.c) ---- */

/* Height (or, with hor, width) of the result for inputs of that extent; below 1 where the input is
 * too small. like: that of operation op->like. */
int64_t pq_op_extent(const struct pq_op *op, bool hor, int64_t in_extent, int64_t like_extent);

/* Rows of a result that are computed together: `tile` of them, with edges at phase + n tile; the
 * first and the last tile may be cut off by the border of the picture. 0 or 1: each by itself. */
struct pq_grid {
    unsigned char tile, phase;
};

/* Input k of an operation and its result. */
struct pq_flow {
    const struct pq_op *op;
    int k;
    int64_t in_height, out_height;
    struct pq_grid grid; /* CONV2D */
};
/* Which input rows the output rows [y0, y1) read, not clipped to the picture. y0 < y1. */
void pq_rows_needed(const struct pq_flow *f, int64_t y0, int64_t y1, int64_t *in0, int64_t *in1);
/* The first input row that any output row from y on reads. */
int64_t pq_rows_kept(const struct pq_flow *f, int64_t y);
/* How many output rows from the top can be computed once `have` input rows from the top are there;
 * out_height where all are. */
int64_t pq_rows_ready(const struct pq_flow *f, int64_t have);
/* The first place from y on where a band of output rows may end: windows and tiles are computed
 * whole. */
int64_t pq_rows_end(const struct pq_op *op, struct pq_grid grid, int64_t out_height, int64_t y);
/* Whether every output row reads every row of some input: a phase of the plan ends here. */
bool pq_op_is_whole(const struct pq_op *op);
/* Whether a sum leaves out a border of its first input. */
bool pq_op_leaves_border(const struct pq_op *op);
/* Whether input k, beside the first, is of a size of its own. */
bool pq_op_has_any_size(const struct pq_op *op, int k);
/* How many times larger the result is than input k, where both are read in windows; 1 otherwise. */
int pq_op_fold(const struct pq_op *op, int k);
/* Windows of the keys of attention along an axis: their size but for what reaches over the
 * queries', and where the one of number 0 begins. */
int pq_attention_key_size(const struct pq_attention *a, bool hor);
int pq_attention_key_shift(const struct pq_attention *a, bool hor);

const char *pq_op_name(enum pq_op_kind kind);
