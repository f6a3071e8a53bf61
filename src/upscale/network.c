/* SPDX-License-Identifier: MIT */
/* One pass of a picture through the network, or of several of one size in one inference.
 *
 * Each picture comes from a chain of its own and goes on in one: the pass has as many inputs as
 * pictures, and as many outputs. What becomes a picture of the engine's batch, by the channels that
 * the model takes:
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
 *
 * The engine yields rows of all pictures at once. Whose chain is read first gets its rows straight
 * from there; when it wants more than there are, what the others have not read yet waits in a ring
 * of each. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "graph/place.h"
#include "kernels/colour.h"
#include "upscale/check.h"
#include "upscale/engine.h"
#include "upscale/ring.h"
#include "upscale/stages.h"

/* What a pass that yields its rows only in the end counts as beside them, so that somebody sees it
 * go on. */
enum { WHOLE_ROWS = 1000 };

struct network;

/* One picture on its way, and the stage that it goes on from. */
struct lane {
    struct pq_stage stage; /* first */
    struct network *network;
    struct pq_stage *in;
    int index;
    struct pq_ring rows;    /* of `in`, from fed on */
    struct pq_ring even;    /* alpha where it is even along a row, else -1; with alpha only */
    struct pq_ring waiting; /* rows that were taken before they were asked for */
    int64_t y;              /* next output row to take */
    int taken;              /* rows of output that are taken */
};

struct network {
    pique_engine *engine;
    struct pq_stream *stream;
    struct pq_check *check;
    struct pq_pass pass;
    int64_t told;      /* of WHOLE_ROWS rows, how many the tally has */
    int64_t rows_done; /* of all that the stream computes */
    int channels;      /* of the model, in and out */
    int each, frames;  /* pictures of the engine's batch: of one lane, of all */
    int band, max_out;
    int width, height, planes; /* of every input */
    float *input;              /* frames x band rows */
    float *output;             /* frames x max_out rows */
    int64_t fed;               /* input rows that the stream has */
    int ready;                 /* rows of output */
    int open;                  /* lanes that are not closed */
    int count;
    struct lane lanes[PQ_MAX_BATCH];
};

int pq_network_frames(int in_channels, bool alpha)
{
    return in_channels == 4 ? 1 : (in_channels == 1 ? 3 : 1) + alpha;
}

/* For each pixel: alpha where the pixels within PQ_EVEN_REACH of it in this row have the same, else
 * -1. */
static void find_even(const float *row, int width, float *even)
{
    for (int x = 0; x < width; x++) {
        const float a = row[(size_t)x * 4 + 3];
        bool same = true;
        for (int v = PQ_MAX(x - PQ_EVEN_REACH, 0); v <= PQ_MIN(x + PQ_EVEN_REACH, width - 1); v++)
            same &= row[(size_t)v * 4 + 3] == a;
        even[x] = same ? a : -1;
    }
}

static float *frame_row(float *data, const struct network *n, int frame, int rows, int y, int width)
{
    return data + ((size_t)frame * (size_t)rows + (size_t)y) * (size_t)width * (size_t)n->channels;
}

/* Row `lane->taken` of picture f of a lane's own, as it comes from the engine. */
static const float *output_row(const struct lane *lane, int f)
{
    const struct network *n = lane->network;
    return frame_row(n->output, n, lane->index * n->each + f, n->max_out, lane->taken,
                     lane->stage.width);
}

/* One row of a picture into row y of each of its frames. */
static void spread_row(const struct lane *lane, const float *row, int y)
{
    const struct network *n = lane->network;
    const int width = n->width, planes = n->planes;
    for (int f = 0; f < n->each; f++) {
        float *out = frame_row(n->input, n, lane->index * n->each + f, n->band, y, width);
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

static void take_alpha(struct lane *lane, float *out)
{
    const struct network *n = lane->network;
    const int width = lane->stage.width, height = n->height;
    const int y = (int)pq_source_of(lane->y, height, lane->stage.height);
    const float *even[2 * PQ_EVEN_REACH + 1];
    int count = 0;
    for (int v = PQ_MAX(y - PQ_EVEN_REACH, 0); v <= PQ_MIN(y + PQ_EVEN_REACH, height - 1); v++)
        even[count++] = pq_ring_row(&lane->even, v);
    const float *alpha = output_row(lane, n->each - 1);
    for (int x = 0; x < width; x++, alpha += n->channels) {
        float *a = out + (size_t)x * 4 + 3;
        if (keeps_alpha(even, count, (int)pq_source_of(x, n->width, width), a))
            continue;
        *a = n->channels == 1 ? alpha[0] : n->channels == 3 ? pq_luma(alpha) : alpha[3];
    }
    pq_ring_drop(&lane->even,
                 pq_source_of(lane->y + 1, height, lane->stage.height) - PQ_EVEN_REACH);
}

static void take_row(struct lane *lane, float *out)
{
    const struct network *n = lane->network;
    const int width = lane->stage.width, planes = lane->stage.planes;
    const float *from[3];
    for (int c = 0; c < 3; c++)
        from[c] = n->channels == 1 ? output_row(lane, c) : output_row(lane, 0) + c;
    for (size_t x = 0; x < (size_t)width; x++)
        for (int c = 0; c < 3; c++)
            out[x * (size_t)planes + (size_t)c] = from[c][x * (size_t)n->channels];
    if (planes == 4)
        take_alpha(lane, out);
    for (size_t i = 0; !n->pass.unclipped && i < (size_t)width * (size_t)planes; i++)
        out[i] = pq_clip01(out[i]);
    lane->taken++;
    lane->y++;
}

/* Pull the rows of a lane's next band, and with alpha the two below, into the input of the batch.
 */
static int gather(struct lane *lane, int count, pique_error *err)
{
    const struct network *n = lane->network;
    struct pq_stage *in = lane->in;
    const int ahead = in->planes == 4 ? PQ_EVEN_REACH : 0;
    pq_ring_drop(&lane->rows, n->fed);
    int rc = pq_ring_pull(&lane->rows, in, PQ_MIN(n->fed + count + ahead, in->height), err);
    while (!rc && in->planes == 4 && lane->even.end < lane->rows.end) {
        const float *row = pq_ring_row(&lane->rows, lane->even.end);
        void *even;
        if ((rc = pq_ring_push(&lane->even, &even, err)) == 0)
            find_even(row, in->width, even);
    }
    for (int y = 0; !rc && y < count; y++)
        spread_row(lane, pq_ring_row(&lane->rows, n->fed + y), y);
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

/* What a lane has not read yet of the rows that are there, out of the way of those to come. */
static int set_aside(struct lane *lane, pique_error *err)
{
    while (lane->taken < lane->network->ready) {
        void *row;
        int rc = pq_ring_push(&lane->waiting, &row, err);
        if (rc)
            return rc;
        take_row(lane, row);
    }
    return 0;
}

/* The next rows of all lanes into the input of the batch. */
static int gather_all(struct network *n, int count, pique_error *err)
{
    int rc = 0;
    for (int i = 0; !rc && i < n->count; i++)
        rc = gather(&n->lanes[i], count, err);
    return rc;
}

/* Feed the engine until it has output rows. */
static int compute(struct network *n, pique_error *err)
{
    const struct pq_stage *out = &n->lanes[0].stage;
    const pique_rows input = as_rows(n, n->input, n->width, n->band);
    const pique_rows output = as_rows(n, n->output, out->width, n->max_out);
    const int64_t y = n->lanes[0].y;
    n->ready = 0;
    for (int i = 0; i < n->count; i++)
        n->lanes[i].taken = 0;
    while (n->ready == 0) {
        int rc = pq_engine_check_cancel(n->engine, err);
        if (rc)
            return rc;
        const int count = (int)PQ_MIN(n->band, n->height - n->fed);
        if ((rc = gather_all(n, count, err)) ||
            (rc = pq_check_input(n->check, &input, count, err)) ||
            (rc = pq_stream_step(n->stream, &input, count, &output, &n->ready, err)))
            return rc;
        n->fed += count;
        const int64_t before = n->rows_done;
        n->rows_done = pq_stream_rows(n->stream);
        tell_share(n);
        if (n->ready < 0 || n->ready > n->max_out || n->ready > out->height - y ||
            (count == 0 && n->ready == 0 && n->rows_done == before))
            return pq_fail(err, PIQUE_EINTERNAL,
                           "pass %d: the engine gave %d rows after %" PRId64 " of %d",
                           n->pass.number, n->ready, y, out->height);
        if ((rc = pq_check_output(n->check, &output, n->ready, n->pass.number, err)))
            return rc;
    }
    return 0;
}

static int lane_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct lane *lane = (struct lane *)stage;
    struct network *n = lane->network;
    const size_t row = (size_t)stage->width * (size_t)stage->planes;
    for (; rows > 0; rows--, data += row) {
        if (lane->waiting.first < lane->waiting.end) {
            memcpy(data, pq_ring_row(&lane->waiting, lane->waiting.first), row * sizeof *data);
            pq_ring_drop(&lane->waiting, lane->waiting.first + 1);
            continue;
        }
        int rc = 0;
        for (int i = 0; !rc && lane->taken == n->ready && i < n->count; i++)
            rc = set_aside(&n->lanes[i], err);
        if (!rc && lane->taken == n->ready)
            rc = compute(n, err);
        if (rc)
            return rc;
        take_row(lane, data);
    }
    return 0;
}

static void network_free(struct network *n)
{
    for (int i = 0; i < n->count; i++) {
        pq_ring_free(&n->lanes[i].rows);
        pq_ring_free(&n->lanes[i].even);
        pq_ring_free(&n->lanes[i].waiting);
    }
    pq_stream_close(&n->stream);
    pq_check_free(&n->check);
    pq_big_free(n->lanes[0].stage.allocator, n->input);
    pq_big_free(n->lanes[0].stage.allocator, n->output);
    pq_free(n);
}

/* What all of them share goes with the last. */
static void lane_close(struct pq_stage *stage)
{
    struct lane *lane = (struct lane *)stage;
    lane->in->close(lane->in);
    if (--lane->network->open == 0)
        network_free(lane->network);
}

/* frames x rows x width x channels floats. */
static int batch_alloc(const struct network *n, int width, int rows, float **out, pique_error *err)
{
    size_t bytes;
    if (!pq_mul_size((size_t)width, (size_t)n->channels * sizeof(float), &bytes) ||
        !pq_mul_size(bytes, (size_t)rows, &bytes) || !pq_mul_size(bytes, (size_t)n->frames, &bytes))
        return pq_fail_nomem(err, UINT64_MAX);
    *out = pq_big_alloc(n->lanes[0].stage.allocator, bytes);
    return *out ? 0 : pq_fail_nomem(err, bytes);
}

static int lane_buffers(struct lane *lane, pique_error *err)
{
    const struct network *n = lane->network;
    const pique_allocator *allocator = lane->stage.allocator;
    const int ahead = n->planes == 4 ? PQ_EVEN_REACH : 0;
    size_t in_bytes, out_bytes;
    int rc = pq_row_floats_bytes(n->width, n->planes, &in_bytes, err);
    if (!rc)
        rc = pq_row_floats_bytes(lane->stage.width, n->planes, &out_bytes, err);
    if (!rc)
        rc = pq_ring_init(&lane->rows, allocator, in_bytes, n->band + ahead, err);
    if (!rc && n->planes == 4)
        rc = pq_ring_init(&lane->even, allocator, (size_t)n->width * sizeof(float),
                          n->band + 2 * PQ_EVEN_REACH + 1, err);
    if (!rc && n->count > 1)
        rc = pq_ring_init(&lane->waiting, allocator, out_bytes, n->max_out, err);
    return rc;
}

static int network_buffers(struct network *n, pique_error *err)
{
    const struct pq_stage *out = &n->lanes[0].stage;
    int rc = 0;
    for (int i = 0; !rc && i < n->count; i++)
        rc = lane_buffers(&n->lanes[i], err);
    if (!rc)
        rc = batch_alloc(n, n->width, n->band, &n->input, err);
    if (!rc)
        rc = batch_alloc(n, out->width, n->max_out, &n->output, err);
    if (rc)
        return rc;
    const struct pq_check_shape shape = {.frames = n->frames,
                                         .each = n->each,
                                         .in_channels = n->channels,
                                         .out_channels = n->channels,
                                         .in_width = n->width,
                                         .in_height = n->height,
                                         .out_width = out->width,
                                         .out_height = out->height};
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
            info.path ? info.path : pq_tr("the model"), info.in_channels, info.out_channels);
    *channels = info.in_channels;
    return 0;
}

static int open_stream(struct network *n, pique_error *err)
{
    const struct pq_pass *p = &n->pass;
    struct pq_stage *first = &n->lanes[0].stage;
    int rc = p->sampled ? pq_stream_open_given(n->engine, n->frames, n->width, n->height,
                                               p->memory_bytes, p->given, &n->stream, err)
                        : pq_stream_open(n->engine, n->frames, n->width, n->height, p->memory_bytes,
                                         &n->stream, err);
    if (rc)
        return rc;
    n->band = pq_stream_band(n->stream);
    n->max_out = pq_stream_max_out(n->stream);
    pq_stream_output_size(n->stream, &first->width, &first->height);
    for (int i = 1; i < n->count; i++) {
        n->lanes[i].stage.width = first->width;
        n->lanes[i].stage.height = first->height;
    }
    if (n->band < 1 || n->max_out < 1 || first->width < 1 || first->height < 1)
        return pq_fail(err, PIQUE_EINTERNAL, "the engine takes %d rows and gives %d at a time",
                       n->band, n->max_out);
    return 0;
}

static void set_lanes(struct network *n, struct pq_stage *const *chains)
{
    n->open = n->count;
    for (int i = 0; i < n->count; i++) {
        n->lanes[i] = (struct lane){.stage = {.planes = n->planes,
                                              .allocator = chains[i]->allocator,
                                              .read = lane_read,
                                              .close = lane_close},
                                    .network = n,
                                    .in = chains[i],
                                    .index = i};
    }
}

int pq_network_stages(struct pq_stage **chains, int count, const struct pq_pass *pass,
                      pique_error *err)
{
    assert(count >= 1 && count <= PQ_MAX_BATCH);
    struct network *n = pq_calloc(1, sizeof *n);
    if (!n)
        return pq_fail_nomem(err, sizeof *n);
    n->count = count;
    n->width = chains[0]->width;
    n->height = chains[0]->height;
    n->planes = chains[0]->planes;
    n->engine = pass->engine;
    n->pass = *pass;
    set_lanes(n, chains);
    int rc = model_channels(n->engine, &n->channels, err);
    n->each = pq_network_frames(n->channels, n->planes == 4);
    n->frames = n->each * count;
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
    for (int i = 0; i < count; i++)
        chains[i] = &n->lanes[i].stage;
    return 0;
}

int pq_network_stage_of(struct pq_stage **chain, const struct pq_pass *pass, pique_error *err)
{
    return pq_network_stages(chain, 1, pass, err);
}

int pq_network_stage(struct pq_stage **chain, pique_engine *engine, uint64_t memory_bytes, int pass,
                     pique_error *err)
{
    const struct pq_pass p = {.engine = engine, .memory_bytes = memory_bytes, .number = pass};
    return pq_network_stage_of(chain, &p, err);
}

int pq_network_statistics(const struct pq_stage *stage, struct pq_given **out, pique_error *err)
{
    return pq_stream_statistics(((const struct lane *)stage)->network->stream, out, err);
}
