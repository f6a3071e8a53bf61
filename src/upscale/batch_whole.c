/* SPDX-License-Identifier: MIT */
/* A whole batch of the public API on a device that converts samples itself. */
#include "base/alloc.h"
#include "upscale/opened.h"

static int depth_of(enum pique_sample sample)
{
    return sample == PIQUE_SAMPLE_U8 ? 8 : 16;
}

bool pq_batch_takes_whole(const pique_engine *engine, const pique_rows *in, const pique_rows *out)
{
    const struct pq_graph *g = engine->program->graph;
    return engine->program->backend->advance && in->sample != PIQUE_SAMPLE_F32 &&
           out->sample != PIQUE_SAMPLE_F32 &&
           PQ_MAX(g->ops[0].channels, g->ops[g->output].channels) <= PQ_SAMPLE_PLANES;
}

static int build(pique_engine *engine, const pique_rows *in, const pique_rows *out,
                 pique_error *err)
{
    const struct pq_graph *network = engine->program->graph;
    struct pq_graph *g;
    int rc = pq_graph_new(&engine->whole_graph, err);
    if (rc)
        return rc;
    g = engine->whole_graph;
    const int channels = network->ops[0].channels;
    /* Sizes are those of each batch. */
    g->in = pq_rows_layout(channels, 1, 1, depth_of(in->sample));
    g->out = pq_rows_layout(network->ops[network->output].channels, 1, 1, depth_of(out->sample));
    int at = pq_graph_input(g, channels, err);
    if (at >= 0)
        at = pq_graph_append_graph(g, network, at, err);
    if (at >= 0)
        at = pq_graph_finish(g, at, err);
    return at < 0 ? at : pq_program_compile(g, &engine->device, &engine->whole_program, err);
}

void pq_batch_drop_whole(pique_engine *engine)
{
    pq_program_release(&engine->whole_program);
    pq_graph_free(&engine->whole_graph);
}

/* The program for such samples: kept for the next batch. */
static int prepare(pique_engine *engine, const pique_rows *in, const pique_rows *out,
                   pique_error *err)
{
    const struct pq_graph *g = engine->whole_graph;
    if (g && g->in.depth == depth_of(in->sample) && g->out.depth == depth_of(out->sample))
        return 0;
    pq_batch_drop_whole(engine);
    const int rc = build(engine, in, out, err);
    if (rc)
        pq_batch_drop_whole(engine);
    return rc;
}

static void set_size(struct pq_sample_layout *layout, const struct pq_line *line)
{
    layout->plane[0].width = (int)line->width * layout->plane[0].across;
    layout->plane[0].height = (int)line->height;
}

static void set_pictures(struct pq_picture *pictures, const pique_rows *rows, int frames)
{
    for (int f = 0; f < frames; f++)
        pictures[f] = (struct pq_picture){.data = {(char *)rows->data + f * rows->frame_stride},
                                          .stride = {rows->row_stride}};
}

/* A stream for such samples, on the engine's own program where that will do. */
static int open_stream(pique_engine *engine, int frames, int width, int height,
                       const pique_rows *in, const pique_rows *out, struct pq_stream **stream,
                       pique_error *err)
{
    if (!pq_backend_takes_pictures(engine->program->backend)) {
        const struct pq_sampling sampling = {.in = {.planes = 1, .depth = depth_of(in->sample)},
                                             .out = {.planes = 1, .depth = depth_of(out->sample)}};
        const int rc = pq_stream_open(engine, frames, width, height, 0, stream, err);
        return rc ? rc : pq_run_sample((*stream)->run, &sampling, err);
    }
    int rc = prepare(engine, in, out, err);
    if (!rc)
        rc = pq_stream_open_program(engine, engine->whole_program, frames, width, height, 0, stream,
                                    err);
    if (rc)
        return rc;
    struct pq_graph *g = engine->whole_graph;
    set_size(&g->in, &(*stream)->run->lines[0]);
    set_size(&g->out, &(*stream)->run->lines[g->output]);
    return 0;
}

int pq_batch_run_whole(pique_engine *engine, int frames, int width, int height,
                       const pique_rows *in, const pique_rows *out, pique_error *err)
{
    struct pq_stream *stream = NULL;
    struct pq_picture *pictures = pq_calloc(2 * (size_t)frames, sizeof *pictures);
    int rc = pictures ? 0 : pq_fail_nomem(err, 2 * (size_t)frames * sizeof *pictures);
    if (!rc)
        rc = open_stream(engine, frames, width, height, in, out, &stream, err);
    if (!rc) {
        set_pictures(pictures, in, frames);
        set_pictures(pictures + frames, out, frames);
        rc = pq_stream_advance_all(stream, pictures, pictures + frames, err);
    }
    pq_stream_close(&stream);
    pq_free(pictures);
    return rc;
}
