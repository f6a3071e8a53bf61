/* SPDX-License-Identifier: MIT */
#include "backend/cpu/ends.h"

#include <string.h>

#include "base/alloc.h"
#include "kernels/pixel.h"
#include "kernels/samples.h"

enum { CHANNELS = PQ_SAMPLE_PLANES }; /* at most, of pictures */

/* ---- a run that takes samples ---- */

static size_t ranges(const struct pq_run *run, int op)
{
    const struct pq_graph *g = run->program->graph;
    const struct pq_line *line = &run->lines[g->output];
    return (size_t)pq_tiles_of(line->width) * (size_t)pq_tiles_of(line->height) *
           (size_t)run->geometry.frames * (size_t)g->ops[op].channels;
}

static int new_ranges(const struct pq_run *run, int op, struct pq_range **out, pique_error *err)
{
    const size_t count = ranges(run, op);
    *out = pq_calloc(count, sizeof **out);
    if (!*out)
        return pq_fail_nomem(err, count * sizeof **out);
    for (size_t i = 0; i < count; i++)
        (*out)[i] = pq_range_of_nothing();
    return 0;
}

int cpu_sample(struct pq_run *base, const struct pq_sampling *how, pique_error *err)
{
    const struct pq_graph *g = base->program->graph;
    if (PQ_MAX(g->ops[0].channels, g->ops[g->output].channels) > CHANNELS)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "samples of more than %d channels", CHANNELS);
    struct cpu_sampling *s = pq_calloc(1, sizeof *s);
    if (!s)
        return pq_fail_nomem(err, sizeof *s);
    s->how = *how;
    pthread_mutex_init(&s->lock, NULL);
    int rc = how->look ? new_ranges(base, 0, &s->in, err) : 0;
    if (!rc && how->look)
        rc = new_ranges(base, g->output, &s->out, err);
    if (rc)
        cpu_sampling_free(&s);
    ((struct cpu_run *)base)->sampling = s;
    return rc;
}

void cpu_sampling_free(struct cpu_sampling **sampling)
{
    struct cpu_sampling *s = *sampling;
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    pq_free(s->in);
    pq_free(s->out);
    pq_free(s);
    *sampling = NULL;
}

const struct pq_range *cpu_seen(const struct pq_run *base, int pass, bool out)
{
    (void)pass;
    const struct cpu_sampling *s = ((const struct cpu_run *)base)->sampling;
    return out ? s->out : s->in;
}

/* ---- looking ---- */

/* A row of the picture that the network made, or, under its tiles, of the one that it got. */
static void look(const struct cpu_job *job, int frame, int64_t y, const float *row,
                 struct pq_range *seen)
{
    struct cpu_sampling *s = job->run->sampling;
    const struct pq_run *run = &job->run->base;
    const struct pq_line *result = &run->lines[run->program->graph->output];
    const struct pq_line *line = &run->lines[job->i];
    const int channels = job->op->channels, columns = pq_tiles_of(result->width);
    const int64_t tiles = pq_tile_over(y, line->height, result->height);
    int64_t first, end;
    pq_under_tile(tiles, line->height, result->height, &first, &end);
    if (y < first || y >= end)
        return; /* it lies under two of them */
    for (int column = 0; column < columns; column++) {
        const size_t at =
            (((size_t)tiles * (size_t)columns + (size_t)column) * (size_t)cpu_frames(job) +
             (size_t)frame) *
            (size_t)channels;
        struct pq_range range[CHANNELS];
        for (int c = 0; c < channels; c++)
            range[c] = pq_range_of_nothing();
        pq_under_tile(column, line->width, result->width, &first, &end);
        job->program->wide->look(row + first * channels, (int)(end - first), channels, range);
        pthread_mutex_lock(&s->lock);
        for (int c = 0; c < channels; c++)
            pq_range_join(&seen[at + (size_t)c], &range[c]);
        pthread_mutex_unlock(&s->lock);
    }
}

/* ---- rows ---- */

size_t cpu_end_floats(size_t values)
{
    return cpu_align(values) + cpu_align((values + 1) / 2); /* as floats, and as samples */
}

static char *their_row(const struct cpu_job *job, int frame, int64_t y, int plane)
{
    const struct pq_picture *p = &job->end->pictures[frame];
    return (char *)p->data[plane] + (y - p->first) * p->stride[plane];
}

static float *band_row(const struct cpu_job *job, int frame, int64_t y)
{
    const struct pq_band *band = job->end->band;
    return band->data + frame * band->frame_stride + (y - job->end->first) * band->row_stride;
}

/* Samples of one plane, or of all channels interleaved, to floats that are `step` apart. */
static void load_samples(const void *from, int depth, int count, float *to, int step)
{
    if (depth == 8) {
        for (int x = 0; x < count; x++)
            to[(ptrdiff_t)x * step] = pq_sample_load(from, (size_t)x, 8);
    } else {
        for (int x = 0; x < count; x++)
            to[(ptrdiff_t)x * step] = pq_sample_load(from, (size_t)x, 16);
    }
}

static void take_samples(const struct cpu_job *job, int frame, int64_t y, float *row)
{
    const struct pq_sample_layout *in = &job->run->sampling->how.in;
    const int width = cpu_width(job), channels = job->op->channels;
    if (in->planes == 1) {
        load_samples(their_row(job, frame, y, 0), in->depth, width * channels, row, 1);
        return;
    }
    for (int c = 0; c < channels; c++)
        load_samples(their_row(job, frame, y, c), in->depth, width, row + c, channels);
}

void cpu_take_row(const struct cpu_job *job, int frame, int64_t y, float *scratch)
{
    const struct cpu_ring *ring = &job->run->rings[job->i];
    const int width = cpu_width(job), channels = job->op->channels;
    float *inside = cpu_new_row(job->run, job->i, frame, y);
    const float *row = scratch;
    if (job->end->band) {
        row = band_row(job, frame, y);
    } else {
        take_samples(job, frame, y, scratch);
        if (job->run->sampling->in)
            look(job, frame, y, scratch, job->run->sampling->in);
    }
    pq_copy_row(row, channels, width, channels, inside, ring->stride);
    cpu_stored(job, inside, (size_t)width * (size_t)ring->stride);
}

/* Every `channels`-th sample of a row to a plane. */
static void split(const void *row, int depth, int channels, int width, void *plane)
{
    if (depth == 8) {
        const uint8_t *from = row;
        for (int x = 0; x < width; x++)
            ((uint8_t *)plane)[x] = from[(ptrdiff_t)x * channels];
    } else {
        const uint16_t *from = row;
        for (int x = 0; x < width; x++)
            ((uint16_t *)plane)[x] = from[(ptrdiff_t)x * channels];
    }
}

/* A row without gaps; samples: room for it as samples. */
static void give_samples(const struct cpu_job *job, int frame, int64_t y, const float *row,
                         void *samples)
{
    const struct pq_sample_layout *out = &job->run->sampling->how.out;
    const struct pq_wide *wide = job->program->wide;
    const int width = cpu_width(job), channels = job->op->channels;
    const size_t count = (size_t)width * (size_t)channels;
    void *to = out->planes == 1 ? their_row(job, frame, y, 0) : samples;
    if (out->depth == 8)
        wide->samples8(row, count, to);
    else
        wide->samples16(row, count, to);
    for (int c = 0; out->planes > 1 && c < channels; c++)
        split((const char *)samples + c * out->depth / 8, out->depth, channels, width,
              their_row(job, frame, y, c));
}

void cpu_give_row(const struct cpu_job *job, int frame, int64_t y, const float *row, int stride,
                  float *scratch)
{
    const int width = cpu_width(job), channels = job->op->channels;
    const size_t values = (size_t)width * (size_t)channels;
    if (job->end->band) {
        pq_copy_row(row, stride, width, channels, band_row(job, frame, y), channels);
        return;
    }
    if (stride != channels) {
        pq_copy_row(row, stride, width, channels, scratch, channels);
        row = scratch;
    }
    if (job->run->sampling->out)
        look(job, frame, y, row, job->run->sampling->out);
    give_samples(job, frame, y, row, scratch + cpu_align(values));
}
