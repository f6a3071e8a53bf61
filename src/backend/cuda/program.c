/* SPDX-License-Identifier: MIT */
#include "backend/cuda/program.h"

#include <string.h>

#include "backend/cuda/choice.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/device.h"
#include "backend/cuda/hopper.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/space.h"
#include "backend/cuda/weights.h"
#include "base/alloc.h"
#include "base/lang.h"

int cuda_enter(const struct cuda_program *program, pique_error *err)
{
    return cuda_check(program->driver, program->driver->context_push(program->context),
                      PQ_SAID("was asked for its context"), err);
}

void cuda_leave(const struct cuda_program *program)
{
    cuda_context ours;
    program->driver->context_pop(&ours);
}

static int open_device(struct cuda_program *program, const char *id, pique_error *err)
{
    const struct cuda_driver *d = program->driver;
    const char *why;
    int rc = cuda_check(d, d->device_get(&program->device, cuda_ordinal(id)), PQ_SAID("was opened"),
                        err);
    if (!rc && !cuda_has_kernels(d, program->device, &why))
        rc = pq_fail(err, PIQUE_EDEVICE, "device '%s' cannot be used: %s", id, pq_tr(why));
    if (!rc)
        rc = cuda_check(d, d->context_retain(&program->context, program->device),
                        PQ_SAID("was opened"), err);
    return rc;
}

/* From memory that is not pinned the driver copies before it returns, or makes the stream wait: the
 * host waits for the stream before it frees what it copied from. */
static int upload(struct cuda_program *program, const float *weights, size_t floats,
                  pique_error *err)
{
    const struct cuda_driver *d = program->driver;
    const size_t bytes = floats * sizeof *weights;
    cuda_stream stream = NULL;
    cuda_result r = d->memory_alloc(&program->weights, bytes);
    if (!r)
        r = d->stream_create(&stream, CUDA_STREAM_NON_BLOCKING);
    if (!r)
        r = d->copy_in(program->weights, weights, bytes, stream);
    if (stream) {
        const cuda_result waited = d->stream_synchronize(stream);
        r = r ? r : waited;
        d->stream_destroy(stream);
    }
    if (r && program->weights) { /* which waits for whatever still reads the host's */
        d->memory_free(program->weights);
        program->weights = 0;
    }
    return cuda_check(d, r, PQ_SAID("took the weights"), err);
}

static int load(struct cuda_program *program, pique_error *err)
{
    const struct cuda_driver *d = program->driver;
    float *weights = NULL;
    size_t floats = 0;
    int rc = cuda_check(d, d->module_load(&program->module, cuda_kernels),
                        PQ_SAID("took the kernels"), err);
    if (!rc)
        rc = cuda_find_kernels(program, err);
    if (!rc)
        rc = cuda_pack(program->base.graph, program->tier, program->pool, program->steps, &weights,
                       &floats, err);
    if (!rc)
        rc = upload(program, weights, floats, err);
    pq_free(weights);
    return rc;
}

static const char *key_of(const struct cuda_program *program)
{
    switch (program->tier) {
    case PIQUE_PRECISION_FP16:
        return program->strip_kernel ? "cuda/fp16/wgmma-4" : "cuda/fp16/tiles-3";
    case PIQUE_PRECISION_BF16:
        return "cuda/bf16/tiles-3";
    default:
        return "cuda/fp32/direct-2";
    }
}

int cuda_compile(const struct pq_graph *graph, const struct pq_device_options *options,
                 struct pq_program **out, pique_error *err)
{
    const size_t count = (size_t)graph->count;
    struct cuda_program *program = pq_calloc(1, sizeof *program);
    if (!program)
        return pq_fail_nomem(err, sizeof *program);
    program->base = (struct pq_program){.backend = &pq_backend_cuda, .graph = graph};
    program->driver = cuda_driver(NULL);
    program->pool = options->pool;
    program->tier = options->precision;
    program->steps = pq_calloc(count, sizeof *program->steps);
    int rc = program->steps ? 0 : pq_fail_nomem(err, count * sizeof *program->steps);
    if (!rc)
        cuda_choose(graph, program->tier, program->steps);
    if (!rc)
        rc = open_device(program, options->id, err);
    bool survived = true;
    if (!rc && !cuda_wants_tiles(options->id))
        survived = cuda_choose_strips(program, options->log);
    program->key = key_of(program);
    if (!rc && !(rc = cuda_enter(program, err))) {
        rc = load(program, err);
        cuda_leave(program);
    }
    if (rc && !survived && err)
        rc = pq_fail(err, rc, "%s; --device %s:tiles asks less of this GPU", err->message,
                     options->id);
    if (rc) {
        cuda_release(&program->base);
        return rc;
    }
    *out = &program->base;
    return 0;
}

void cuda_release(struct pq_program *base)
{
    struct cuda_program *program = (struct cuda_program *)base;
    const struct cuda_driver *d = program->driver;
    /* A device that failed lets nobody in and frees nothing, but what is the host's. */
    const bool entered = program->context && cuda_enter(program, NULL) == 0;
    for (int i = 0; i < CUDA_IDLE; i++)
        cuda_space_free(program, &program->idle[i]);
    if (program->weights)
        d->memory_free(program->weights);
    if (program->module)
        d->module_unload(program->module);
    if (entered)
        cuda_leave(program);
    if (program->context)
        d->context_release(program->device);
    pq_free(program->functions);
    pq_free(program->steps);
    pq_free(program);
}
