/* SPDX-License-Identifier: MIT */
/* One pass of the picture through the network.
 *
 * What becomes a picture of the batch, by the channels that the model takes:
 *
 *     3   the colours; with alpha a second one, alpha as R, G and B, whose luma is the new alpha
 *     1   R, G, B and alpha, each alone
 *     4   one picture of R, G, B and alpha (1 where there is none)
 *
 * The new alpha is the old one exactly where the 5 x 5 pixels around it have one single value, so
 * that opaque stays opaque and empty stays empty.
 *
 *     in -> rows ----> input (band) -> engine -> output -> clip -> data
 *             \-> even (5 pixels of a row alike?) ----------^
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "upscale/check.h"
#include "upscale/engine.h"
#include "upscale/luma.h"
#include "upscale/ring.h"
#include "upscale/stages.h"

enum { AROUND = 2 }; /* pixels on each side whose alpha must be alike */

/* What a pass that yields its rows only in the end counts as beside them, so that somebody sees it
 * go on. */
enum { WHOLE_ROWS = 1000 };

struct network {
    struct pq_stage stage;
    struct pq_stage *in;
    pique_engine *engine;
    struct pq_stream *stream;
    struct pq_check *check;
    struct pq_pass pass;
    int64_t told;      /* of WHOLE_ROWS rows, how many the tally has */
    int64_t rows_done; /* of all that the stream computes */
    int channels;      /* of the model, in and out */
    int frames;
    int band, max_out;
    struct pq_ring rows; /* of `in`, from fed on */
    struct pq_ring even; /* alpha where it is even along a row, else -1; with alpha only */
    float *input;        /* frames x band rows */
    float *output;       /* frames x max_out rows */
    int64_t fed;         /* input rows that the stream has */
    int64_t y;           /* next output row to yield */
    int ready, taken;    /* rows of output: there, and yielded */
};

int pq_network_frames(int in_channels, bool alpha)
{
    return in_channels == 4 ? 1 : (in_channels == 1 ? 3 : 1) + alpha;
}

/* For each pixel: alpha where the pixels within AROUND of it in this row have the same, else -1. */
static void find_even(const float *row, int width, float *even)
{
    for (int x = 0; x < width; x++) {
        const float a = row[(size_t)x * 4 + 3];
        bool same = true;
        for (int v = PQ_MAX(x - AROUND, 0); v <= PQ_MIN(x + AROUND, width - 1); v++)
            same &= row[(size_t)v * 4 + 3] == a;
        even[x] = same ? a : -1;
    }
}

static float *frame_row(float *data, const struct network *n, int frame, int rows, int y, int width)
{
    return data + ((size_t)frame * (size_t)rows + (size_t)y) * (size_t)width * (size_t)n->channels;
}

/* One row of the picture into row y of each frame of the batch. */
static void spread_row(const struct network *n, const float *row, int y)
{
    const int width = n->in->width, planes = n->in->planes;
    for (int f = 0; f < n->frames; f++) {
        float *out = frame_row(n->input, n, f, n->band, y, width);
        const float *p = row;
        for (int x = 0; x < width; x++, p += planes) {
            if (n->channels == 1) {
                *out++ = p[f];
                continue;
            }
            for (int c = 0; c < 3; c++)
                *out++ = f == 0 ? p[c] : p[3];
            if (n->channels == 4)
                *out++ = planes == 4 ? p[3] : 1;
        }
    }
}

/* Whether the pixels around output pixel x of the current row have one alpha; even[] are the rows
 * around its source row. */
static bool keeps_alpha(const float *const *even, int count, int x, float *alpha)
{
    *alpha = even[0][x];
    for (int i = 1; i < count; i++)
        if (even[i][x] != *alpha)
            return false;
    return *alpha >= 0;
}

/* The input pixel under the centre of output pixel i. */
static int source_of(int64_t i, int in, int out)
{
    return (int)((2 * i + 1) * in / (2 * (int64_t)out));
}

static void deliver_alpha(struct network *n, float *out)
{
    const int width = n->stage.width, height = n->in->height;
    const int y = source_of(n->y, height, n->stage.height);
    const float *even[2 * AROUND + 1];
    int count = 0;
    for (int v = PQ_MAX(y - AROUND, 0); v <= PQ_MIN(y + AROUND, height - 1); v++)
        even[count++] = pq_ring_row(&n->even, v);
    const float *alpha = frame_row(n->output, n, n->frames - 1, n->max_out, n->taken, width);
    for (int x = 0; x < width; x++, alpha += n->channels) {
        float *a = out + (size_t)x * 4 + 3;
        if (keeps_alpha(even, count, source_of(x, n->in->width, width), a))
            continue;
        *a = n->channels == 1 ? alpha[0] : n->channels == 3 ? pq_luma(alpha) : alpha[3];
    }
    pq_ring_drop(&n->even, source_of(n->y + 1, height, n->stage.height) - AROUND);
}

static void deliver_row(struct network *n, float *out)
{
    const int width = n->stage.width, planes = n->stage.planes;
    const float *from[3];
    for (int c = 0; c < 3; c++)
        from[c] = n->channels == 1 ? frame_row(n->output, n, c, n->max_out, n->taken, width)
                                   : frame_row(n->output, n, 0, n->max_out, n->taken, width) + c;
    for (size_t x = 0; x < (size_t)width; x++)
        for (int c = 0; c < 3; c++)
            out[x * (size_t)planes + (size_t)c] = from[c][x * (size_t)n->channels];
    if (planes == 4)
        deliver_alpha(n, out);
    for (size_t i = 0; !n->pass.unclipped && i < (size_t)width * (size_t)planes; i++)
        out[i] = pq_clip01(out[i]);
    n->taken++;
    n->y++;
}

/* Pull the rows of the next band, and with alpha the two below, into the input of the batch. */
static int gather(struct network *n, int count, pique_error *err)
{
    struct pq_stage *in = n->in;
    const int ahead = in->planes == 4 ? AROUND : 0;
    pq_ring_drop(&n->rows, n->fed);
    int rc = pq_ring_pull(&n->rows, in, PQ_MIN(n->fed + count + ahead, in->height), err);
    while (!rc && in->planes == 4 && n->even.end < n->rows.end) {
        const float *row = pq_ring_row(&n->rows, n->even.end);
        void *even;
        if ((rc = pq_ring_push(&n->even, &even, err)) == 0)
            find_even(row, in->width, even);
    }
    for (int y = 0; !rc && y < count; y++)
        spread_row(n, pq_ring_row(&n->rows, n->fed + y), y);
    return rc;
}

static pique_rows as_rows(const struct network *n, float *data, int width, int rows)
{
    const ptrdiff_t stride = (ptrdiff_t)width * n->channels * (ptrdiff_t)sizeof(float);
    return (pique_rows){.data = data,
                        .row_stride = stride,
                        .frame_stride = stride * rows,
                        .sample = PIQUE_SAMPLE_F32};
}

/* How far a stream that yields nothing has come. */
static void tell_share(struct network *n)
{
    struct pq_tally *tally = n->pass.tally;
    if (!tally || !pq_stream_is_whole(n->stream))
        return;
    const int64_t now = (int64_t)(pq_stream_share(n->stream) * WHOLE_ROWS);
    if (now > n->told)
        pq_tally_add(tally, (int)(now - n->told));
    n->told = PQ_MAX(now, n->told);
}

/* Feed the engine until it has output rows. */
static int compute(struct network *n, pique_error *err)
{
    const pique_rows input = as_rows(n, n->input, n->in->width, n->band);
    const pique_rows output = as_rows(n, n->output, n->stage.width, n->max_out);
    n->ready = n->taken = 0;
    while (n->ready == 0) {
        int rc = pq_engine_check_cancel(n->engine, err);
        if (rc)
            return rc;
        const int count = (int)PQ_MIN(n->band, n->in->height - n->fed);
        if ((rc = gather(n, count, err)) || (rc = pq_check_input(n->check, &input, count, err)) ||
            (rc = pq_stream_step(n->stream, &input, count, &output, &n->ready, err)))
            return rc;
        n->fed += count;
        const int64_t before = n->rows_done;
        n->rows_done = pq_stream_rows(n->stream);
        tell_share(n);
        if (n->ready < 0 || n->ready > n->max_out || n->ready > n->stage.height - n->y ||
            (count == 0 && n->ready == 0 && n->rows_done == before))
            return pq_fail(err, PIQUE_EINTERNAL,
                           "pass %d: the engine gave %d rows after %" PRId64 " of %d",
                           n->pass.number, n->ready, n->y, n->stage.height);
        if ((rc = pq_check_output(n->check, &output, n->ready, n->pass.number, err)))
            return rc;
    }
    return 0;
}

static int network_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct network *n = (struct network *)stage;
    for (; rows > 0; rows--, data += (size_t)stage->width * (size_t)stage->planes) {
        if (n->taken == n->ready) {
            int rc = compute(n, err);
            if (rc)
                return rc;
        }
        deliver_row(n, data);
    }
    return 0;
}

static void network_free(struct network *n)
{
    pq_stream_close(&n->stream);
    pq_check_free(&n->check);
    pq_ring_free(&n->rows);
    pq_ring_free(&n->even);
    pq_big_free(n->stage.allocator, n->input);
    pq_big_free(n->stage.allocator, n->output);
    pq_free(n);
}

static void network_close(struct pq_stage *stage)
{
    struct network *n = (struct network *)stage;
    n->in->close(n->in);
    network_free(n);
}

/* frames x rows x width x channels floats. */
static int batch_alloc(const struct network *n, int width, int rows, float **out, pique_error *err)
{
    size_t bytes;
    if (!pq_mul_size((size_t)width, (size_t)n->channels * sizeof(float), &bytes) ||
        !pq_mul_size(bytes, (size_t)rows, &bytes) || !pq_mul_size(bytes, (size_t)n->frames, &bytes))
        return pq_fail_nomem(err, UINT64_MAX);
    *out = pq_big_alloc(n->stage.allocator, bytes);
    return *out ? 0 : pq_fail_nomem(err, bytes);
}

static int network_buffers(struct network *n, pique_error *err)
{
    const int width = n->in->width, planes = n->in->planes;
    const int ahead = planes == 4 ? AROUND : 0;
    size_t row_bytes;
    int rc = pq_row_floats_bytes(width, planes, &row_bytes, err);
    if (!rc)
        rc = pq_ring_init(&n->rows, n->stage.allocator, row_bytes, n->band + ahead, err);
    if (!rc && planes == 4)
        rc = pq_ring_init(&n->even, n->stage.allocator, (size_t)width * sizeof(float),
                          n->band + 2 * AROUND + 1, err);
    if (!rc)
        rc = batch_alloc(n, width, n->band, &n->input, err);
    if (!rc)
        rc = batch_alloc(n, n->stage.width, n->max_out, &n->output, err);
    if (rc)
        return rc;
    const struct pq_check_shape shape = {.frames = n->frames,
                                         .in_channels = n->channels,
                                         .out_channels = n->channels,
                                         .in_width = width,
                                         .in_height = n->in->height,
                                         .out_width = n->stage.width,
                                         .out_height = n->stage.height};
    return pq_check_new(&shape, pq_engine_pool(n->engine), &n->check, err);
}

static int model_channels(const pique_engine *engine, int *channels, pique_error *err)
{
    pique_model_info info = {.size = sizeof info};
    int rc = pique_model_get_info(pq_engine_model(engine), &info, err);
    if (rc)
        return rc;
    if (info.in_channels != info.out_channels ||
        (info.in_channels != 1 && info.in_channels != 3 && info.in_channels != 4))
        return pq_fail(
            err, PIQUE_EUNSUPPORTED,
            "%s: a network from %d to %d channels is not one for pictures; pique can use "
            "1 to 1, 3 to 3 and 4 to 4",
            info.path ? info.path : "the model", info.in_channels, info.out_channels);
    *channels = info.in_channels;
    return 0;
}

static int open_stream(struct network *n, pique_error *err)
{
    const struct pq_pass *p = &n->pass;
    int rc = p->sampled ? pq_stream_open_given(n->engine, n->frames, n->in->width, n->in->height,
                                               p->memory_bytes, p->given, &n->stream, err)
                        : pq_stream_open(n->engine, n->frames, n->in->width, n->in->height,
                                         p->memory_bytes, &n->stream, err);
    if (rc)
        return rc;
    n->band = pq_stream_band(n->stream);
    n->max_out = pq_stream_max_out(n->stream);
    pq_stream_output_size(n->stream, &n->stage.width, &n->stage.height);
    if (n->band < 1 || n->max_out < 1 || n->stage.width < 1 || n->stage.height < 1)
        return pq_fail(err, PIQUE_EINTERNAL, "the engine takes %d rows and gives %d at a time",
                       n->band, n->max_out);
    return 0;
}

int pq_network_stage_of(struct pq_stage **chain, const struct pq_pass *pass, pique_error *err)
{
    struct network *n = pq_calloc(1, sizeof *n);
    if (!n)
        return pq_fail_nomem(err, sizeof *n);
    n->in = *chain;
    n->engine = pass->engine;
    n->pass = *pass;
    n->stage = (struct pq_stage){.planes = n->in->planes,
                                 .allocator = n->in->allocator,
                                 .read = network_read,
                                 .close = network_close};
    int rc = model_channels(n->engine, &n->channels, err);
    n->frames = pq_network_frames(n->channels, n->in->planes == 4);
    if (!rc)
        rc = open_stream(n, err);
    if (!rc)
        rc = network_buffers(n, err);
    if (rc) {
        network_free(n);
        return rc;
    }
    if (pass->tally && pq_stream_is_whole(n->stream))
        pass->tally->total += WHOLE_ROWS;
    *chain = &n->stage;
    return 0;
}

int pq_network_stage(struct pq_stage **chain, pique_engine *engine, uint64_t memory_bytes, int pass,
                     pique_error *err)
{
    const struct pq_pass p = {.engine = engine, .memory_bytes = memory_bytes, .number = pass};
    return pq_network_stage_of(chain, &p, err);
}

int pq_network_statistics(const struct pq_stage *stage, struct pq_given **out, pique_error *err)
{
    return pq_stream_statistics(((const struct network *)stage)->stream, out, err);
}
