/* SPDX-License-Identifier: MIT */
/* How the samples of pictures lie in planes, and what luma and chroma mean: for a graph that begins
 * or ends with them. */
#pragma once

#include <stdbool.h>

/* How planes of luma and chroma mean colours: Y'CbCr of non-constant luminance (H.273). Where a
 * picture is of that kind, plane 0 is Y of the picture's size, planes 1 and 2 are Cb and Cr of that
 * size divided by the subsampling, rounded up. */
struct pq_yuv {
    int depth;          /* bits that count of a sample, 8 .. 16; in two bytes where above 8 */
    int sub_x, sub_y;   /* log2 of the luma samples that a chroma sample stands for, 0 or 1 */
    int site_x, site_y; /* chroma sample i lies at (i << sub) + site / 2 luma samples: 0 or 1, and
                           2 for the bottom; 0 where it is not subsampled */
    bool full;          /* range; else limited */
    double kr, kb;      /* of the matrix: Y = kr R + (1 - kr - kb) G + kb B */
};

enum { PQ_SAMPLE_PLANES = 4 };

/* The samples of a tensor in planes: its pixel (x, y) is `across` x `down` samples of each plane,
 * from (across x, down y) on, whose channels follow one another, plane by plane. */
struct pq_sample_layout {
    int planes; /* 0: rows of floats, interleaved, as networks have them */
    int depth;  /* bits of a sample, 8 .. 16; of two bytes in native order where above 8 */
    bool codes; /* a value is the number itself; else that number over its largest */
    struct pq_sample_plane {
        int width, height; /* samples there are; beyond, the last one is repeated */
        int across, down;
    } plane[PQ_SAMPLE_PLANES];
};
