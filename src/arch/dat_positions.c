/* SPDX-License-Identifier: MIT */
#include "arch/dat_positions.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

enum { NAME = 96, MAX_DIM = 256, STEPS = 3 };

static const double eps = 1e-5;

/* One linear layer, behind a layer norm and ReLU but the first. */
struct step {
    int inputs, outputs;
    const float *gamma, *beta, *weight, *bias;
};

static void format(char name[NAME], const char *fmt, va_list args)
{
    vsnprintf(name, NAME, fmt, args);
}

int pq_dat_find_split(struct pq_parts *p, int split[2], const char *fmt, ...)
{
    char name[NAME];
    va_list args;
    va_start(args, fmt);
    format(name, fmt, args);
    va_end(args);
    const float *distances = NULL;
    const int rows = pq_parts_extent(p, 0, "%s.rpe_biases", name);
    if (rows < 0)
        return rows;
    int rc = pq_parts_values(p, 2, (const int64_t[]){rows, 2}, &distances, "%s.rpe_biases", name);
    for (int i = 0; i < 2 && !rc; i++) {
        const float last = distances[2 * (ptrdiff_t)(rows - 1) + i];
        if (!(last >= 0 && last < PQ_MAX_WINDOW) || last != floorf(last))
            return pq_parts_fail(p, PIQUE_EFORMAT,
                                 "tensor '%s.rpe_biases' ends with the distance %g; 0 to %d are "
                                 "possible",
                                 name, (double)last, PQ_MAX_WINDOW - 1);
        split[i] = (int)last + 1;
    }
    return rc;
}

/* ---- weights ---- */

static int take_step(struct pq_parts *p, struct step *s, const char *name, int number)
{
    const int64_t in = s->inputs, out = s->outputs;
    int rc = pq_parts_values(p, 1, &in, &s->gamma, "%s.pos.pos%d.0.weight", name, number);
    if (!rc)
        rc = pq_parts_values(p, 1, &in, &s->beta, "%s.pos.pos%d.0.bias", name, number);
    if (!rc)
        rc = pq_parts_values(p, 2, (const int64_t[]){out, in}, &s->weight, "%s.pos.pos%d.2.weight",
                             name, number);
    return rc ? rc : pq_parts_values(p, 1, &out, &s->bias, "%s.pos.pos%d.2.bias", name, number);
}

static int take_steps(struct pq_parts *p, struct step steps[1 + STEPS], int heads, const char *name)
{
    const int dim = pq_parts_extent(p, 0, "%s.pos.pos_proj.weight", name);
    if (dim < 0)
        return dim;
    if (dim > MAX_DIM)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED,
                             "tensor '%s.pos.pos_proj.weight' has %d outputs; 1 to %d are possible",
                             name, dim, MAX_DIM);
    steps[0] = (struct step){.inputs = 2, .outputs = dim};
    int rc = pq_parts_values(p, 2, (const int64_t[]){dim, 2}, &steps[0].weight,
                             "%s.pos.pos_proj.weight", name);
    if (!rc)
        rc = pq_parts_values(p, 1, (const int64_t[]){dim}, &steps[0].bias, "%s.pos.pos_proj.bias",
                             name);
    for (int i = 1; i <= STEPS && !rc; i++) {
        steps[i] = (struct step){.inputs = dim, .outputs = i < STEPS ? dim : heads};
        rc = take_step(p, &steps[i], name, i);
    }
    return rc;
}

/* ---- the network ---- */

static void norm_and_relu(const struct step *s, double *x)
{
    double mean = 0, var = 0;
    for (int c = 0; c < s->inputs; c++)
        mean += x[c] / s->inputs;
    for (int c = 0; c < s->inputs; c++)
        var += (x[c] - mean) * (x[c] - mean) / s->inputs;
    const double scale = 1 / sqrt(var + eps);
    for (int c = 0; c < s->inputs; c++)
        x[c] = fmax((x[c] - mean) * scale * (double)s->gamma[c] + (double)s->beta[c], 0);
}

static void linear(const struct step *s, const double *x, double *y)
{
    for (int o = 0; o < s->outputs; o++) {
        y[o] = (double)s->bias[o];
        for (int c = 0; c < s->inputs; c++)
            y[o] += (double)s->weight[o * s->inputs + c] * x[c];
    }
}

static void compute_row(const struct step *steps, const float distance[2], float *out)
{
    double x[2][MAX_DIM] = {{(double)distance[0], (double)distance[1]}};
    double last[PQ_MAX_CHANNELS];
    linear(&steps[0], x[0], x[1]);
    for (int i = 1; i <= STEPS; i++) {
        norm_and_relu(&steps[i], x[i % 2]);
        linear(&steps[i], x[i % 2], i < STEPS ? x[(i + 1) % 2] : last);
    }
    for (int head = 0; head < steps[STEPS].outputs; head++)
        out[head] = (float)last[head];
}

int pq_dat_positions(struct pq_parts *p, int height, int width, int heads, struct pq_tensor *table,
                     const char *fmt, ...)
{
    char name[NAME];
    va_list args;
    va_start(args, fmt);
    format(name, fmt, args);
    va_end(args);
    const int rows = (2 * height - 1) * (2 * width - 1);
    struct step steps[1 + STEPS];
    const float *distances = NULL;
    if (heads < 1 || heads > PQ_MAX_CHANNELS)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "'%s' has %d heads; 1 to %d are possible", name,
                             heads, PQ_MAX_CHANNELS);
    int rc = take_steps(p, steps, heads, name);
    if (!rc)
        rc = pq_parts_values(p, 2, (const int64_t[]){rows, 2}, &distances, "%s.rpe_biases", name);
    if (rc)
        return rc;
    const size_t bytes = (size_t)rows * (size_t)heads * sizeof(float);
    float *values = pq_graph_own(p->g, bytes);
    if (!values)
        return pq_fail_nomem(p->err, bytes);
    for (int row = 0; row < rows; row++)
        compute_row(steps, distances + 2 * (ptrdiff_t)row, values + (ptrdiff_t)row * heads);
    *table = (struct pq_tensor){.dtype = PQ_F32, .dims = 2, .shape = {rows, heads}, .data = values};
    return 0;
}
