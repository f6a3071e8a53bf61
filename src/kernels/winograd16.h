/* SPDX-License-Identifier: MIT */
/* Winograd's convolution (kernels/winograd.h) with products of 16-bit whole numbers: the same
 * tiles, points and transforms, and sums that are exact.
 *
 * Input. A tile is transformed in float. At each of its 36 points the largest |v| over all channels
 * chooses a power of two that takes it into 2^14 .. 2^15 - 1/2, and all channels are multiplied by
 * that and rounded to the nearest whole number, ties to even: |q| <= 32767. Maxima below 2^-63
 * count as 2^-63; so where all are zero, so is q. Where one is NaN, infinite or 2^128 - 2^112 at
 * least, the point is NaN, and so is what is made of it.
 *
 * Weights. Filters are transformed in double. A result's channel has one factor f, and its weights
 * at all points are round(u / f), with G's rows 3 and 4 doubled and the columns of A' that belong
 * to them halved, so that filters of white noise are about as large at all points. Channels are
 * multiplied in pairs and summed in groups of n pairs, and f is the least for which at each point
 * and in each group
 *
 *     sum of the |w| <= 65537 - n  and  |w| <= 32767                      before rounding,
 *
 * so that behind it the sum is at most 65538, and 32767 times that 2^31 - 2: no sum of products of
 * a group, nor any part of one, leaves 32 bits, whatever the picture is and however many channels
 * there are. So the order of such a sum does not matter, and levels may take it as they like. n is
 * 16 up to 64 channels, 8 beyond: nearly all of the error is that of the weights, smaller groups
 * leave them more bits, and networks with wider layers are the deep ones.
 *
 * Output. The sum of each group becomes a float, rounded once, and those are added from the first
 * group on. They get their point's power of two back in the transform of the columns; order and
 * roundings are those of pq_winograd16_c(). f multiplies what comes out of the transforms, in one
 * fma with the bias.
 *
 * Rows of the input, of what is added to and of the result may be halves (tensor/f16.h) instead of
 * floats, in any combination: strides then count halves and are multiples of 16, and the lanes
 * behind the last channel are there. A value becomes a float when it is read, and the nearest half
 * when it is written; nothing between knows of it.
 *
 * Pairs: of each 32 channels i and i + 16; of the last ones, r of them, fewer than 32, i and
 * i + (r + 1) / 2. */
#pragma once

#include "kernels/winograd.h"

enum { PQ_WINOGRAD16_GROUP = 32 }; /* channels whose pairs lie side by side */

/* Pairs of a sum. */
static inline int pq_winograd16_sum(int channels)
{
    return channels <= 64 ? 16 : 8;
}

pq_winograd_fn pq_winograd16_c; /* the reference */
/* The fastest variant of a level (enum pq_cpu_level). */
pq_winograd_fn *pq_winograd16(int cpu_level);

/* Pairs of channels, and from which channel on the second of a pair of the last group come. */
static inline int pq_winograd16_pairs(int channels)
{
    return channels / PQ_WINOGRAD16_GROUP * (PQ_WINOGRAD16_GROUP / 2) +
           (channels % PQ_WINOGRAD16_GROUP + 1) / 2;
}

/* The channel of a pair's first or second word; it may lie behind the last. */
static inline int pq_winograd16_channel(int channels, int pair, int second)
{
    const int half = PQ_WINOGRAD16_GROUP / 2, group = pair / half;
    const int left = channels - group * PQ_WINOGRAD16_GROUP;
    const int apart = left < PQ_WINOGRAD16_GROUP ? (left + 1) / 2 : half;
    return group * PQ_WINOGRAD16_GROUP + pair % half + second * apart;
}

/* Floats from one point of a tile's input to the next, before they become words: of few distances,
 * so that code can have them as constants. */
enum { PQ_WINOGRAD16_NEAR = 64 + PQ_CONV_LANES, PQ_WINOGRAD16_FAR = 192 + PQ_CONV_LANES };
static inline size_t pq_winograd16_apart(int channels)
{
    if (channels <= PQ_WINOGRAD16_FAR - PQ_CONV_LANES)
        return channels <= 64 ? PQ_WINOGRAD16_NEAR : PQ_WINOGRAD16_FAR;
    const int group = PQ_WINOGRAD16_GROUP;
    return (size_t)((channels + group - 1) / group * group + PQ_CONV_LANES);
}

/* The most tiles of a call, at most PQ_WINOGRAD_TILES, and the floats of its scratch. */
int pq_winograd16_tiles(int out_channels, int in_channels);
size_t pq_winograd16_scratch(int out_channels, int in_channels);
/* For another number of tiles. */
size_t pq_winograd16_scratch_of(int tiles, int in_channels);

/* Lanes whose words of one channel lie side by side. Where an instruction sums the products of
 * neighbours, those are the two words of a pair. ARM's multiply half a register by a word: there a
 * register has the first words of four lanes in its lower half, and the second ones in its upper.
 */
#if defined(__aarch64__)
enum { PQ_WINOGRAD16_RUN = 4 };
#else
enum { PQ_WINOGRAD16_RUN = 1 };
#endif

/* Where the first word of a lane is, among those of one pair; the second is a run behind it. */
static inline int pq_winograd16_place(int lane)
{
    const int run = PQ_WINOGRAD16_RUN;
    return lane / run * run * 2 + lane % run;
}

/* Words that packed weights take: [group][36][pair][blocks of the group][16 / run][2][run], groups
 * and lanes as of pq_conv_pack(). */
size_t pq_winograd16_packed_size(int out_channels, int in_channels);
/* Transform and pack weights [out][in][3][3]. factors: one a lane, 1 past the last channel. work:
 * 36 * in_channels doubles. Weights that are not finite make their channel's factor NaN. */
void pq_winograd16_pack(const float *weights, int out_channels, int in_channels, double *work,
                        int16_t *words, float *factors);

/* ---- what levels share ---- */

enum { PQ_WINOGRAD16_POINTS = 48 }; /* 36, rounded up to whole lanes */

/* Of the largest |v| at a point, as the bits of a float: the power of two to multiply with, and
 * what takes it back. */
static inline void pq_winograd16_scale(uint32_t most, uint32_t *scale, uint32_t *back)
{
    const uint32_t up = (most + 0x100) >> 23, e = up < 64 ? 64 : up;
    *scale = (268 - e) << 23;
    *back = e >= 255 ? 0x7fc00000 : (e - 14) << 23;
}
