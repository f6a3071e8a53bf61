/* SPDX-License-Identifier: MIT */
/* Streams: the line buffers of one picture or batch on its way through an engine, within a budget.
 */
#include "base/alloc.h"
#include "upscale/opened.h"

enum { WORTHWHILE_BAND = 8 };

/* Rows of a band: as many as are asked for, or gain something; and at least, where memory is short.
 */
static int highest_band(const pique_engine *engine, const struct pq_program *program, int height)
{
    return PQ_MIN(engine->band_rows ? engine->band_rows : program->backend->highest_band, height);
}

static int lowest_band(const pique_engine *engine, const struct pq_program *program, int height)
{
    return PQ_MIN(program->backend->lowest_band, highest_band(engine, program, height));
}

/* The highest band of a stream of this size that stays within the budget, else the lowest; *bytes
 * is what it takes. The band never changes a bit of the result, so it may depend on memory. */
static int choose_band(const pique_engine *engine, const struct pq_program *program,
                       struct pq_geometry *geometry, uint64_t budget, size_t *bytes,
                       pique_error *err)
{
    const int lowest = lowest_band(engine, program, geometry->height);
    geometry->band = highest_band(engine, program, geometry->height);
    for (;; geometry->band = PQ_MAX((geometry->band + 1) / 2, lowest)) {
        int rc = pq_program_memory(program, geometry, bytes, err);
        if (rc)
            return rc;
        if (geometry->band == lowest || *bytes <= budget)
            return 0;
    }
}

int pq_stream_program_bytes(const pique_engine *engine, const struct pq_program *program,
                            int frames, int width, int height, uint64_t memory_bytes,
                            uint64_t *least, uint64_t *wanted, pique_error *err)
{
    const uint64_t budget = memory_bytes ? memory_bytes : engine->memory_bytes;
    struct pq_geometry geometry = {frames, width, height, lowest_band(engine, program, height)};
    size_t bytes;
    int rc = pq_program_memory(program, &geometry, &bytes, err);
    *least = rc ? 0 : bytes;
    if (!rc)
        rc = choose_band(engine, program, &geometry, budget, &bytes, err);
    *wanted = rc ? 0 : bytes;
    *least = PQ_MIN(*least, *wanted); /* of some networks a higher band takes less */
    return rc;
}

int pq_stream_bytes(const pique_engine *engine, int frames, int width, int height,
                    uint64_t memory_bytes, uint64_t *least, uint64_t *wanted, pique_error *err)
{
    const uint64_t budget = memory_bytes ? memory_bytes : engine->memory_bytes;
    const int rc = pq_stream_program_bytes(engine, engine->program, frames, width, height,
                                           memory_bytes, least, wanted, err);
    if (pq_graph_is_whole(engine->program->graph))
        *least = PQ_MIN(*least, budget / 4); /* whole maps may lie on a disk */
    return rc;
}

/* Where the budget does not hold a stream: in a scratch file, or not at all. */
static int leave_memory(pique_engine *engine, const struct pq_program *program,
                        const struct pq_geometry *geometry, size_t bytes, uint64_t budget,
                        pique_error *err)
{
    const unsigned long long need = (unsigned long long)(bytes >> 20) + 1;
    const unsigned long long have = (unsigned long long)(budget >> 20);
    if (!pq_graph_is_whole(program->graph))
        return pq_fail(err, PIQUE_ENOMEM,
                       "%d x %d pixels need %llu MiB of line buffers, the budget is %llu MiB; "
                       "--memory raises it",
                       geometry->width, geometry->height, need, have);
    if (program->backend->own_memory)
        return pq_fail(err, PIQUE_ENOSPC,
                       "the maps of this network take %llu MiB, more than the %llu MiB that the "
                       "device may hold, and it can use no scratch file",
                       need, have);
    if (engine->no_scratch)
        return pq_fail(err, PIQUE_ENOSPC,
                       "the maps of this network take %llu MiB, more than the %llu MiB that memory "
                       "may hold, and a scratch file is not wanted",
                       need, have);
    pq_engine_note(engine, PIQUE_EVENT_NOTE,
                   "the maps of this network take %llu MiB, more than the %llu MiB that memory may "
                   "hold; they go through a scratch file",
                   need, have);
    return 0;
}

/* A device that fails is told from a result that is refused: by whoever asks how often it failed.
 */
static int seen(pique_engine *engine, int rc)
{
    if (rc == PIQUE_EDEVICE)
        atomic_fetch_add(&engine->failures, 1);
    return rc;
}

/* A run, in lower bands where the device has less room than it said. They cost nearly nothing until
 * they are very low; then a smaller batch is the better way, which the caller has. */
static int begin_run(pique_engine *engine, struct pq_program *program, struct pq_geometry *geometry,
                     bool on_disk, struct pq_run **out, pique_error *err)
{
    const int wanted = geometry->band;
    int rc = pq_run_begin(program, geometry, on_disk, out, err);
    while (program->backend->own_memory && rc == PIQUE_ENOMEM && geometry->band > WORTHWHILE_BAND) {
        geometry->band = (geometry->band + 1) / 2;
        rc = pq_run_begin(program, geometry, on_disk, out, err);
    }
    if (!rc && geometry->band < wanted)
        pq_engine_note(
            engine, PIQUE_EVENT_NOTE,
            "the device has less memory than it said: a band of %d rows is lowered to %d", wanted,
            geometry->band);
    return seen(engine, rc);
}

int pq_stream_open_program(pique_engine *engine, struct pq_program *program, int frames, int width,
                           int height, uint64_t memory_bytes, struct pq_stream **out,
                           pique_error *err)
{
    *out = NULL;
    const uint64_t budget = memory_bytes ? memory_bytes : engine->memory_bytes;
    struct pq_geometry geometry = {frames, width, height, 1};
    size_t bytes;
    int rc = choose_band(engine, program, &geometry, budget, &bytes, err);
    if (!rc && bytes > budget)
        rc = leave_memory(engine, program, &geometry, bytes, budget, err);
    if (rc)
        return rc;
    if (engine->band_rows && geometry.band < PQ_MIN(engine->band_rows, height))
        pq_engine_note(engine, PIQUE_EVENT_NOTE,
                       "a band of %d rows is lowered to %d to stay within the memory budget",
                       engine->band_rows, geometry.band);
    struct pq_stream *stream = pq_calloc(1, sizeof *stream);
    if (!stream)
        return pq_fail_nomem(err, sizeof *stream);
    stream->engine = engine;
    rc = begin_run(engine, program, &geometry, bytes > budget, &stream->run, err);
    if (rc) {
        pq_free(stream);
        return rc;
    }
    pq_log(&engine->log, PIQUE_LOG_DEBUG, "stream: %d x %d x %d in bands of %d rows, %zu bytes",
           frames, width, height, geometry.band, bytes);
    *out = stream;
    return 0;
}

int pq_stream_follow(struct pq_stream *before, struct pq_stream **out, pique_error *err)
{
    struct pq_run *run;
    *out = NULL;
    int rc = pq_run_follow(before->run, &run, err);
    if (rc || !run)
        return rc;
    *out = pq_calloc(1, sizeof **out);
    if (!*out) {
        pq_run_end(&run);
        return pq_fail_nomem(err, sizeof **out);
    }
    **out = (struct pq_stream){before->engine, run};
    return 0;
}

int pq_stream_open(pique_engine *engine, int frames, int width, int height, uint64_t memory_bytes,
                   struct pq_stream **out, pique_error *err)
{
    return pq_stream_open_program(engine, engine->program, frames, width, height, memory_bytes, out,
                                  err);
}

/* ---- statistics from elsewhere ---- */

/* The network with its statistics given, compiled when it is first asked for. */
static int given_program(pique_engine *engine, struct pq_program **out, pique_error *err)
{
    *out = engine->given_program;
    if (*out)
        return 0;
    int rc = pq_graph_given(engine->program->graph, &engine->given_graph, err);
    if (!rc && pq_graph_is_whole(engine->given_graph))
        rc = pq_fail(err, PIQUE_EUNSUPPORTED,
                     "this network depends on the whole picture in more than its statistics");
    if (!rc)
        rc = seen(engine, pq_program_compile(engine->given_graph, &engine->device,
                                             &engine->given_program, err));
    if (rc)
        pq_graph_free(&engine->given_graph);
    *out = engine->given_program;
    return rc;
}

int pq_stream_open_given(pique_engine *engine, int frames, int width, int height,
                         uint64_t memory_bytes, const struct pq_given *given,
                         struct pq_stream **out, pique_error *err)
{
    struct pq_program *program;
    *out = NULL;
    int rc = given_program(engine, &program, err);
    if (!rc)
        rc = pq_stream_open_program(engine, program, frames, width, height, memory_bytes, out, err);
    if (!rc)
        pq_run_give((*out)->run, given);
    return rc;
}

int pq_stream_statistics(const struct pq_stream *stream, struct pq_given **out, pique_error *err)
{
    return seen(stream->engine, pq_run_statistics(stream->run, out, err));
}

void pq_stream_free_given(struct pq_given **given)
{
    pq_given_free(given);
}

bool pq_stream_is_whole(const struct pq_stream *stream)
{
    return pq_graph_is_whole(stream->run->program->graph);
}

int64_t pq_stream_rows(const struct pq_stream *stream)
{
    return pq_run_rows(stream->run);
}

double pq_stream_share(const struct pq_stream *stream)
{
    return pq_run_share(stream->run);
}

void pq_stream_close(struct pq_stream **stream)
{
    if (!*stream)
        return;
    pq_run_end(&(*stream)->run);
    pq_free(*stream);
    *stream = NULL;
}

int pq_stream_band(const struct pq_stream *stream)
{
    return stream->run->geometry.band;
}

int pq_stream_max_out(const struct pq_stream *stream)
{
    return pq_run_max_out(stream->run);
}

void pq_stream_output_size(const struct pq_stream *stream, int *width, int *height)
{
    const struct pq_line *line = &stream->run->lines[stream->run->program->graph->output];
    *width = (int)line->width;
    *height = (int)line->height;
}

int pq_stream_step(struct pq_stream *stream, const pique_rows *in, int count, const pique_rows *out,
                   int *got, pique_error *err)
{
    *got = 0;
    int rc = pq_engine_check_cancel(stream->engine, err);
    if (rc)
        return rc;
    ptrdiff_t size = (ptrdiff_t)sizeof(float);
    struct pq_band from = {0};
    if (count)
        from = (struct pq_band){in->data, in->row_stride / size, in->frame_stride / size};
    struct pq_band to = {out->data, out->row_stride / size, out->frame_stride / size};
    return seen(stream->engine, pq_run_step(stream->run, &from, count, &to, got, err));
}

int pq_stream_advance(struct pq_stream *stream, const struct pq_picture *in,
                      const struct pq_picture *out, pique_error *err)
{
    int rc = pq_engine_check_cancel(stream->engine, err);
    return rc ? rc : seen(stream->engine, pq_run_advance(stream->run, in, out, err));
}

int pq_stream_advance_all(struct pq_stream *stream, const struct pq_picture *in,
                          const struct pq_picture *out, pique_error *err)
{
    int rc = 0;
    while (!rc && !pq_run_finished(stream->run))
        rc = pq_stream_advance(stream, in, out, err);
    return rc;
}
