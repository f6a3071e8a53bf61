/* SPDX-License-Identifier: MIT */
/* Trials of the direct convolution and of Winograd's. What a row reads is just what is there. */
#include "kernels/trial/conv.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/trial/rows.h"
#include "kernels/wide.h"
#include "kernels/winograd16.h"
#include "tensor/f16.h"

enum { TILE = PQ_WINOGRAD_TILE, READ = PQ_WINOGRAD_READ, TIMED_WIDTH = 192 };

/* Of the i-th part; those behind the first have fewer, so that a call does not take too long. */
static int conv_channels(struct pq_trial *t, int i)
{
    static const int channels[] = {1,  2,  3,  4,  5,  8,  12, 16, 17,  24,
                                   27, 32, 48, 64, 65, 80, 96, 97, 130, 192};
    const int most = PQ_COUNT(channels) - (i ? 8 : 0);
    return pq_trial_size(t, 64, channels[pq_trial_below(t, most)]);
}

/* One a lane, 0 past the last channel. */
static float *lanes(struct pq_trial *t, int blocks, int channels)
{
    const int n = blocks * PQ_CONV_LANES;
    float *v = pq_trial_values(t, (size_t)n);
    for (int i = channels; v && i < n; i++)
        v[i] = 0.0f;
    return v;
}

static int part_count(struct pq_trial *t)
{
    return pq_trial_below(t, 2) ? 1 + pq_trial_below(t, 5) : 1;
}

/* ---- direct ---- */

/* Of sliding windows over a row: their shape, and which pixels are computed. */
static int choose_windows(struct pq_trial *t, struct pq_conv_args *a)
{
    static const int kernels[] = {3, 1, 3, 3, 5, 7};
    a->kernel_h = a->kernel_w = kernels[pq_trial_below(t, PQ_COUNT(kernels))];
    if (pq_trial_below(t, 3) == 2)
        a->kernel_w = kernels[pq_trial_below(t, PQ_COUNT(kernels))] + pq_trial_below(t, 2);
    a->step = pq_trial_below(t, 4) == 3 ? 2 + pq_trial_below(t, 2) : 1;
    a->dilation = pq_trial_below(t, 4) == 3 ? 2 + pq_trial_below(t, 2) : 1;
    a->left = (a->kernel_w - 1) * a->dilation / 2;
    const int width = pq_trial_size(t, TIMED_WIDTH, 1 + pq_trial_below(t, 60));
    a->x0 = pq_trial_below(t, width);
    a->x1 = pq_trial_size(t, width, a->x0 + pq_trial_below(t, width - a->x0 + 1));
    return width;
}

static void add_conv_part(struct pq_trial *t, struct pq_trial_conv *c, int i, int width)
{
    const struct pq_conv_args *a = &c->args;
    struct pq_conv_part *part = &c->parts[i];
    part->channels = conv_channels(t, i);
    part->stride = pq_trial_stride(t, part->channels);
    part->rows = c->rows[i];
    c->in_channels += part->channels;
    const int pixels = (width - 1) * a->step + (a->kernel_w - 1) * a->dilation + 1;
    for (int k = 0; k < a->kernel_h; k++)
        c->rows[i][k] = pq_trial_pixels_around(t, a->left, pixels, part->stride, part->channels);
}

static void pack_conv(struct pq_trial *t, struct pq_trial_conv *c)
{
    const int taps = c->args.kernel_h * c->args.kernel_w;
    const size_t packed = pq_conv_packed_size(c->out_channels, c->in_channels, taps);
    float *weights = pq_trial_big(t, packed * sizeof *weights);
    c->plain = pq_trial_values(t, (size_t)c->out_channels * (size_t)c->in_channels * (size_t)taps);
    if (weights && c->plain)
        pq_conv_pack(c->plain, c->out_channels, c->in_channels, taps, weights);
    c->args.weights = weights;
}

void pq_trial_conv_prepare(struct pq_trial *t)
{
    struct pq_trial_conv *c = pq_trial_memory(t, sizeof *c);
    if (!c)
        return;
    *c = (struct pq_trial_conv){.out_channels = conv_channels(t, 0)};
    struct pq_conv_args *a = &c->args;
    const int width = choose_windows(t, a);
    a->blocks = (c->out_channels + PQ_CONV_LANES - 1) / PQ_CONV_LANES;
    a->out_stride = (a->blocks + pq_trial_below(t, 2)) * PQ_CONV_LANES;
    a->parts = c->parts;
    a->part_count = part_count(t);
    for (int i = 0; i < a->part_count; i++)
        add_conv_part(t, c, i, width);
    pack_conv(t, c);
    a->bias = lanes(t, a->blocks, c->out_channels);
    a->slopes = t->timed || pq_trial_below(t, 2) ? lanes(t, a->blocks, c->out_channels) : NULL;
    a->residual_stride = a->blocks * PQ_CONV_LANES;
    a->scale = rng_float(&t->rng);
    if (pq_trial_below(t, 2))
        a->residual = pq_trial_values(t, (size_t)(width * a->residual_stride));
    a->out = pq_trial_result(t, width, a->out_stride, a->blocks * PQ_CONV_LANES, a->x0, a->x1);
    pq_trial_shape(t, "%dx%d, %d -> %d", a->kernel_w, a->kernel_h, c->in_channels, c->out_channels);
    t->work = 2.0 * (double)pq_conv_products(a) * c->out_channels * (a->x1 - a->x0);
    t->args = c;
}

void pq_trial_conv_run(const struct pq_trial *t)
{
    const struct pq_trial_conv *c = t->args;
    pq_conv_row(t->level)(&c->args);
}

/* ---- Winograd's ---- */

/* Of both kernels in tiles the one with products of 16 bits. */
static bool in_words(const struct pq_trial *t)
{
    return t->kernel->which != 0;
}

/* Whether some rows of a trial are of halves. */
static bool in_halves(struct pq_trial *t)
{
    return in_words(t) && (t->timed || pq_trial_below(t, 2));
}

static int whole_lanes(int channels)
{
    return (channels + PQ_CONV_LANES - 1) / PQ_CONV_LANES * PQ_CONV_LANES;
}

static int input_rows(const struct pq_trial_winograd *w)
{
    return w->rows_made + READ - TILE;
}

/* Values of a row of a part: what a direct convolution reads, and two pixels more. */
static size_t input_row(const struct pq_trial_winograd *w, int i)
{
    return (size_t)(w->args.width + 4) * (size_t)w->parts[i].stride;
}

/* Just the columns that a direct convolution reads, between two pixels of NaN; what lies between
 * the channels of two pixels is NaN, too. */
static void add_tile_part(struct pq_trial *t, struct pq_trial_winograd *w, int i)
{
    struct pq_conv_part *part = &w->parts[i];
    const bool halves = in_halves(t);
    part->channels = conv_channels(t, i);
    part->stride = halves ? whole_lanes(part->channels) + PQ_CONV_LANES * pq_trial_below(t, 2)
                          : pq_trial_stride(t, part->channels);
    w->in_channels += part->channels;
    const size_t stride = (size_t)part->stride, n = input_row(w, i);
    const size_t first = (size_t)(w->args.left + 1) * stride;
    if (halves)
        w->halves[i] = pq_trial_memory(t, (size_t)input_rows(w) * n * sizeof **w->halves);
    for (int k = 0; k < input_rows(w); k++) {
        float *data = pq_trial_values(t, n);
        for (size_t j = 0; data && j < n; j++) {
            const bool inside =
                j >= stride && j < n - stride && j % stride < (size_t)part->channels;
            data[j] = inside ? data[j] : NAN;
        }
        w->data[i][k] = data;
        w->rows[i][k] = data ? data + first : NULL;
        w->half_rows[i][k] = w->halves[i] ? w->halves[i] + (size_t)k * n + first : NULL;
    }
    if (halves)
        part->halves = w->half_rows[i];
    else
        part->rows = w->rows[i];
}

/* The most tiles of a call: those of the machine where it is timed; where it is made up, they must
 * not depend on one. */
static int most_tiles(const struct pq_trial *t, const struct pq_trial_winograd *w)
{
    if (t->timed)
        return in_words(t) ? pq_winograd16_tiles(w->out_channels, w->in_channels)
                           : pq_winograd_tiles(w->out_channels, w->in_channels);
    const size_t weights = in_words(t)
                               ? 2 * pq_winograd16_packed_size(w->out_channels, w->in_channels)
                               : 4 * pq_winograd_packed_size(w->out_channels, w->in_channels);
    return weights <= (in_words(t) ? 1 << 19 : 1 << 20) ? PQ_WINOGRAD_TILES / 4 : PQ_WINOGRAD_TILES;
}

/* Which tiles, and which of the rows that they lie in are there. */
static void choose_tiles(struct pq_trial *t, struct pq_trial_winograd *w, int tile_rows)
{
    struct pq_winograd_args *a = &w->args;
    const int all = w->across * tile_rows;
    a->tile0 = pq_trial_below(t, all);
    const int left = PQ_MIN(all - a->tile0, most_tiles(t, w));
    a->tile1 = pq_trial_size(t, a->tile0 + left, a->tile0 + 1 + pq_trial_below(t, left));
    w->first_row = pq_trial_below(t, 3) == 2 ? pq_trial_below(t, TILE) : 0;
    w->last_row = tile_rows * TILE - 1;
    if (pq_trial_below(t, 3) == 2)
        w->last_row -= pq_trial_below(t, TILE - w->first_row);
}

static void pack_winograd(struct pq_trial *t, struct pq_trial_winograd *w)
{
    const size_t packed = pq_winograd_packed_size(w->out_channels, w->in_channels);
    float *weights = pq_trial_big(t, packed * sizeof *weights);
    w->plain = pq_trial_values(t, (size_t)w->out_channels * (size_t)w->in_channels * 9);
    if (weights && w->plain)
        pq_winograd_pack(w->plain, w->out_channels, w->in_channels, weights);
    w->args.weights = weights;
}

void pq_trial_winograd_pack(struct pq_trial_winograd *w)
{
    pq_winograd16_pack(w->plain, w->out_channels, w->in_channels, w->work, w->words, w->factors);
}

static void pack_words(struct pq_trial *t, struct pq_trial_winograd *w)
{
    const size_t words = pq_winograd16_packed_size(w->out_channels, w->in_channels);
    const size_t lanes = (size_t)w->args.blocks * PQ_CONV_LANES;
    const size_t filters = READ * READ * (size_t)w->in_channels;
    w->args.words = w->words = pq_trial_big(t, words * sizeof *w->words);
    w->args.factors = w->factors = pq_trial_memory(t, lanes * sizeof *w->factors);
    w->work = pq_trial_memory(t, filters * sizeof *w->work);
    w->plain = pq_trial_values(t, (size_t)w->out_channels * (size_t)w->in_channels * 9);
    if (!t->failed)
        pq_trial_winograd_pack(w);
}

/* Rows of the result, each between two guards. */
static void lay_result(struct pq_trial *t, struct pq_trial_winograd *w)
{
    struct pq_winograd_args *a = &w->args;
    w->row = (size_t)a->width * (size_t)a->out_stride + 2 * PQ_TRIAL_GUARD;
    float *out = pq_trial_result(t, w->rows_made, (int)w->row, (int)w->row, 0, w->rows_made);
    const bool halves = in_halves(t);
    uint16_t *half_out = halves ? pq_trial_half_result(t) : NULL;
    for (int i = w->first_row; out && i <= w->last_row; i++) {
        const size_t first = (size_t)i * w->row + PQ_TRIAL_GUARD;
        w->out[i] = out + first;
        w->half_out[i] = half_out ? half_out + first : NULL;
    }
    if (halves)
        a->half_out = w->half_out;
    else
        a->out = w->out;
}

/* What it is added to. */
static void lay_residual(struct pq_trial *t, struct pq_trial_winograd *w)
{
    struct pq_winograd_args *a = &w->args;
    const size_t row = (size_t)a->width * (size_t)a->residual_stride;
    w->added = pq_trial_below(t, 2);
    if (!w->added)
        return;
    w->residuals = pq_trial_values(t, (size_t)w->rows_made * row);
    if (in_halves(t))
        w->half_residual = pq_trial_memory(t, (size_t)w->rows_made * row * sizeof(uint16_t));
    for (int i = w->first_row; w->residuals && i <= w->last_row; i++) {
        w->residual[i] = w->residuals + (size_t)i * row;
        w->half_residual_rows[i] = w->half_residual ? w->half_residual + (size_t)i * row : NULL;
    }
    if (w->half_residual)
        a->half_residual = w->half_residual_rows;
    else
        a->residual = w->residual;
}

static void make_halves(float *values, size_t count, uint16_t *halves)
{
    for (size_t i = 0; i < count; i++) {
        halves[i] = pq_f32_to_f16(values[i]);
        values[i] = pq_f16_to_f32(halves[i]);
    }
}

static void all_to_halves(const struct pq_trial_winograd *w)
{
    for (int i = 0; i < w->args.part_count; i++) {
        const size_t n = input_row(w, i);
        for (int k = 0; w->halves[i] && k < input_rows(w); k++)
            make_halves(w->data[i][k], n, w->halves[i] + (size_t)k * n);
    }
    if (w->half_residual)
        make_halves(w->residuals, (size_t)(w->rows_made * w->args.width * w->args.residual_stride),
                    w->half_residual);
}

void pq_trial_winograd_prepare(struct pq_trial *t)
{
    struct pq_trial_winograd *w = pq_trial_memory(t, sizeof *w);
    if (!w)
        return;
    *w = (struct pq_trial_winograd){.out_channels = conv_channels(t, 0)};
    struct pq_winograd_args *a = &w->args;
    const int tile_rows = pq_trial_size(t, 1, 1 + pq_trial_below(t, PQ_TRIAL_TILE_ROWS / TILE));
    w->rows_made = tile_rows * TILE;
    a->width = pq_trial_size(t, TIMED_WIDTH, 1 + pq_trial_below(t, 130));
    a->left = pq_trial_size(t, 1, pq_trial_below(t, 3));
    w->across = pq_winograd_across(a->width);
    a->parts = w->parts;
    a->part_count = part_count(t);
    for (int i = 0; i < a->part_count; i++)
        add_tile_part(t, w, i);
    choose_tiles(t, w, tile_rows);
    a->blocks = (w->out_channels + PQ_CONV_LANES - 1) / PQ_CONV_LANES;
    if (in_words(t))
        pack_words(t, w);
    else
        pack_winograd(t, w);
    a->out_stride = (a->blocks + pq_trial_below(t, 2)) * PQ_CONV_LANES;
    a->bias = lanes(t, a->blocks, w->out_channels);
    a->slopes = t->timed || pq_trial_below(t, 2) ? lanes(t, a->blocks, w->out_channels) : NULL;
    a->residual_stride = a->blocks * PQ_CONV_LANES;
    a->scale = rng_float(&t->rng);
    lay_result(t, w);
    lay_residual(t, w);
    const int tiles = most_tiles(t, w);
    const size_t scratch = in_words(t) ? pq_winograd16_scratch_of(tiles, w->in_channels)
                                       : pq_winograd_scratch_of(tiles, w->in_channels);
    a->scratch = pq_trial_scratch(t, scratch);
    if (a->scratch) /* NaN: nothing is read before it is written */
        memset(a->scratch, 0xff, scratch * sizeof *a->scratch);
    pq_trial_shape(t, "3x3, %d -> %d", w->in_channels, w->out_channels);
    t->work = 2.0 * 9 * w->in_channels * w->out_channels * TILE * TILE * (a->tile1 - a->tile0);
    t->args = w;
    if (!t->failed)
        all_to_halves(w);
}

void pq_trial_winograd_run(const struct pq_trial *t)
{
    const struct pq_trial_winograd *w = t->args;
    if (!t->timed) /* a test may have changed values */
        all_to_halves(w);
    if (in_words(t))
        pq_winograd16(t->level)(&w->args);
    else
        pq_wide(t->level)->winograd(&w->args);
}

/* Only pixels of the tiles, in rows that are there. */
bool pq_trial_winograd_writes(const struct pq_trial *t, size_t i)
{
    const struct pq_trial_winograd *w = t->args;
    const struct pq_winograd_args *a = &w->args;
    if (i < PQ_TRIAL_GUARD)
        return false;
    const int row = (int)((i - PQ_TRIAL_GUARD) / w->row);
    const ptrdiff_t at = (ptrdiff_t)((i - PQ_TRIAL_GUARD) % w->row) - PQ_TRIAL_GUARD;
    const ptrdiff_t x = at >= 0 ? at / a->out_stride : -1;
    const ptrdiff_t tile = (ptrdiff_t)(row / TILE) * w->across + x / TILE;
    return row >= w->first_row && row <= w->last_row && x >= 0 && x < a->width &&
           tile >= a->tile0 && tile < a->tile1 && at % a->out_stride < a->blocks * PQ_CONV_LANES;
}
