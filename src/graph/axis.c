/* SPDX-License-Identifier: MIT */
#include "graph/axis.h"

#include <math.h>

#include "base/alloc.h"

enum { LOBES = 3 };

/* sin(pi x), by the same few multiplications on every machine: what a C library returns depends on
 * its version. The Taylor series to the 21st power is exact to a double within a half turn, and at
 * whole x the result is exactly 0. */
static double sin_pi(double x)
{
    const double turn = rint(x);
    const double t = (x - turn) * 3.14159265358979323846;
    double sum = 1;
    for (int k = 20; k >= 2; k -= 2)
        sum = 1 - sum * t * t / (k * (k + 1));
    sum *= t;
    return fmod(turn, 2) == 0 ? sum : -sum;
}

static double lanczos(double x)
{
    const double pi = 3.14159265358979323846;
    if (fabs(x) < 1e-9)
        return 1;
    if (fabs(x) >= LOBES)
        return 0;
    return LOBES * sin_pi(x) * sin_pi(x / LOBES) / (pi * pi * x * x);
}

static double ratio_of(const struct pq_axis *axis)
{
    return axis->in > axis->out ? (double)axis->in / axis->out : 1;
}

static double centre_of(const struct pq_axis *axis, int i)
{
    return (i + 0.5) * axis->in / axis->out - 0.5;
}

struct pq_axis pq_axis_of(int in, int out)
{
    struct pq_axis axis = {.in = in, .out = out};
    const double taps = 2 * ceil(LOBES * ratio_of(&axis)) + 1;
    axis.taps = taps < in ? (int)taps : in;
    return axis;
}

int pq_axis_span(const struct pq_axis *axis, int i, int *first)
{
    const double reach = LOBES * ratio_of(axis), centre = centre_of(axis, i);
    const int lo = (int)ceil(PQ_MAX(centre - reach, 0));
    const int hi = (int)floor(PQ_MIN(centre + reach, axis->in - 1));
    *first = lo;
    return PQ_MIN(hi - lo + 1, axis->taps);
}

int pq_axis_weights(const struct pq_axis *axis, int i, int *first, float *w)
{
    const double ratio = ratio_of(axis), centre = centre_of(axis, i);
    const int n = pq_axis_span(axis, i, first);
    double sum = 0;
    for (int k = 0; k < n; k++)
        sum += lanczos((*first + k - centre) / ratio);
    for (int k = 0; k < n; k++)
        w[k] = (float)(lanczos((*first + k - centre) / ratio) / sum);
    return n;
}
