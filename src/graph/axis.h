/* SPDX-License-Identifier: MIT */
/* Lanczos-3 along one axis: which of `in` pixels each of `out` is the mean of, and with what
 * weights.
 *
 * Output pixel i lies at (i + 0.5) in/out - 0.5 of the input. It is the mean of the input pixels
 * within 3 pixels, or within 3 in/out where the picture gets smaller (so that nothing aliases),
 * weighted by sinc(d) sinc(d/3); weights are normalised over the pixels that lie inside. */
#pragma once

struct pq_axis {
    int in, out;
    int taps; /* no output pixel reads more */
};

struct pq_axis pq_axis_of(int in, int out);
/* The input pixels that output pixel i reads: *first, and how many. */
int pq_axis_span(const struct pq_axis *axis, int i, int *first);
/* The same, and their weights into w (axis->taps floats): the same bits on every machine. */
int pq_axis_weights(const struct pq_axis *axis, int i, int *first, float *w);
