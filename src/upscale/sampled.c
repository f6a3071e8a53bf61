/* SPDX-License-Identifier: MIT */
/* A pass whose statistics come from a sample.
 *
 * A mean over the whole picture, or a norm, is known only when every pixel has gone through all
 * that lies before it, and until then whole maps of many channels must be kept. Where neither
 * memory nor a disk holds them, the sample is a small picture of the same kind: pieces from all
 * over the large one, side by side, at their own size, so that what the network finds in them is
 * what it would find there. It goes through the network first; its statistics are given to a second
 * run over the whole picture, which then streams like any other. There are no tiles in the result
 * and no seams: one set of numbers serves all of it. The sample depends on the picture's size
 * alone. */
#include <string.h>

#include "base/alloc.h"
#include "upscale/ring.h"
#include "upscale/stages.h"
#include "upscale/whole.h"

enum {
    PIECE = 128, /* pixels a side */
    PIECES = 4,  /* a side of the sample */
    ROWS = 16
};

struct sampled {
    struct pq_stage stage;
    struct pq_stage *in; /* NULL once all of it is read */
    struct pq_pass pass;
    float *whole, *sample;
    struct pq_given *given;
    struct pq_stage *result; /* the second run, once it is there */
};

/* Where the i-th of `count` pieces begins along an axis: spread evenly, from border to border. */
static int piece_start(int i, int count, int piece, int extent)
{
    return count < 2 ? 0 : (int)((int64_t)i * (extent - piece) / (count - 1));
}

/* Pieces along an axis, and how large one is. */
static void split(int extent, int *count, int *piece)
{
    *piece = PQ_MIN(extent, PIECE);
    *count = PQ_MIN(extent / *piece, PIECES);
}

static int take_sample(struct sampled *s, const struct pq_planes *all, struct pq_planes *sample,
                       pique_error *err)
{
    int across, down, width, height;
    split(all->width, &across, &width);
    split(all->height, &down, &height);
    *sample = *all;
    sample->width = across * width;
    sample->height = down * height;
    int rc = pq_whole_alloc(s->stage.allocator, sample->width, sample->height, sample->planes,
                            &s->sample, err);
    if (rc)
        return rc;
    const size_t planes = (size_t)all->planes;
    for (int y = 0; y < sample->height; y++) {
        const int from_y = piece_start(y / height, down, height, all->height) + y % height;
        for (int i = 0; i < across; i++) {
            const int from_x = piece_start(i, across, width, all->width);
            memcpy(s->sample + ((size_t)y * (size_t)sample->width + (size_t)(i * width)) * planes,
                   all->data + ((size_t)from_y * (size_t)all->width + (size_t)from_x) * planes,
                   (size_t)width * planes * sizeof(float));
        }
    }
    sample->data = s->sample;
    return 0;
}

/* The sample through the network; nobody wants its rows. */
static int find_statistics(struct sampled *s, const struct pq_planes *sample, pique_error *err)
{
    struct pq_stage *chain;
    float *rows = NULL;
    int rc = pq_turned_stage(sample, 0, &chain, err);
    if (rc)
        return rc;
    struct pq_pass pass = s->pass;
    pass.sampled = false;
    rc = pq_network_stage_of(&chain, &pass, err);
    if (!rc)
        rc = pq_whole_alloc(chain->allocator, chain->width, ROWS, chain->planes, &rows, err);
    for (int y = 0; !rc && y < chain->height; y += ROWS)
        rc = chain->read(chain, PQ_MIN(ROWS, chain->height - y), rows, err);
    if (!rc)
        rc = pq_network_statistics(chain, &s->given, err);
    pq_whole_free(chain->allocator, &rows);
    chain->close(chain);
    return rc;
}

static int start(struct sampled *s, pique_error *err)
{
    int rc = pq_whole_read(&s->in, 1, s->pass.engine, &s->whole, err);
    struct pq_planes sample, all = pq_whole_planes(s->in, s->whole);
    if (!rc)
        rc = take_sample(s, &all, &sample, err);
    if (!rc)
        rc = find_statistics(s, &sample, err);
    pq_whole_free(s->stage.allocator, &s->sample);
    if (rc)
        return rc;
    s->in->close(s->in);
    s->in = NULL;
    struct pq_pass pass = s->pass;
    pass.given = s->given;
    rc = pq_turned_stage(&all, 0, &s->result, err);
    return rc ? rc : pq_network_stage_of(&s->result, &pass, err);
}

static int sampled_read(struct pq_stage *stage, int rows, float *data, pique_error *err)
{
    struct sampled *s = (struct sampled *)stage;
    int rc = s->in ? start(s, err) : 0;
    return rc ? rc : s->result->read(s->result, rows, data, err);
}

static void sampled_close(struct pq_stage *stage)
{
    struct sampled *s = (struct sampled *)stage;
    if (s->in)
        s->in->close(s->in);
    if (s->result)
        s->result->close(s->result);
    pq_stream_free_given(&s->given);
    pq_whole_free(s->stage.allocator, &s->whole);
    pq_whole_free(s->stage.allocator, &s->sample);
    pq_free(s);
}

/* The whole picture is kept beside the line buffers, and comes out of the same budget. */
static int take_from_budget(struct pq_pass *pass, const struct pq_stage *in, pique_error *err)
{
    const uint64_t budget =
        pass->memory_bytes ? pass->memory_bytes : pq_engine_memory_budget(pass->engine);
    size_t row_bytes, bytes;
    int rc = pq_row_floats_bytes(in->width, in->planes, &row_bytes, err);
    if (rc)
        return rc;
    if (!pq_mul_size(row_bytes, (size_t)in->height, &bytes) || bytes >= budget)
        return pq_fail(err, PIQUE_ENOMEM, "there is no memory for the whole picture, %d x %d",
                       in->width, in->height);
    pass->memory_bytes = budget - bytes;
    return 0;
}

int pq_sampled_stage(struct pq_stage **chain, const struct pq_pass *pass, pique_error *err)
{
    struct sampled *s = pq_calloc(1, sizeof *s);
    if (!s)
        return pq_fail_nomem(err, sizeof *s);
    struct pq_stage *in = *chain, *probe = NULL;
    *s = (struct sampled){.in = in,
                          .pass = *pass,
                          .stage = {.planes = in->planes,
                                    .allocator = in->allocator,
                                    .read = sampled_read,
                                    .close = sampled_close}};
    s->pass.sampled = true;
    s->pass.tally = NULL;
    /* A stage of its own says how large the result becomes, and whether there is memory for it. */
    const struct pq_planes picture = pq_whole_planes(in, NULL);
    int rc = take_from_budget(&s->pass, in, err);
    if (!rc)
        rc = pq_turned_stage(&picture, 0, &probe, err);
    if (!rc)
        rc = pq_network_stage_of(&probe, &s->pass, err);
    if (!rc) {
        s->stage.width = probe->width;
        s->stage.height = probe->height;
    }
    if (probe)
        probe->close(probe);
    if (rc) {
        pq_free(s);
        return rc;
    }
    *chain = &s->stage;
    return 0;
}

int pq_pass_stages(struct pq_stage **chains, int count, const struct pq_pass *pass, bool tta,
                   bool *approximate, pique_error *err)
{
    pique_error why, no;
    if (tta)
        return pq_tta_stages(chains, count, pass, err);
    int rc = pq_network_stages(chains, count, pass, &why);
    if (rc != PIQUE_ENOSPC || count > 1 || pq_sampled_stage(chains, pass, &no) != 0) {
        if (rc && err)
            *err = why;
        return rc;
    }
    *approximate = true;
    pq_engine_note(
        pass->engine, PIQUE_EVENT_NOTE,
        "%s; the result is an approximation: statistics over the whole picture are taken "
        "from a sample of it",
        why.message);
    return 0;
}
