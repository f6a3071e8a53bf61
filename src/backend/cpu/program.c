/* SPDX-License-Identifier: MIT */
/* Packing weights. Each is converted from the model file's type once, straight into the order that
 * the kernel reads. */
#include "backend/cpu/program.h"

#include <pthread.h>
#include <string.h>

#include "backend/cpu/attention.h"
#include "backend/cpu/conv.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/job.h"
#include "base/alloc.h"
#include "base/cpu.h"
#include "kernels/winograd16.h"

static const struct cpu_mode modes[] = {
    {"cpu", "cpu/fp32/winograd-2", PIQUE_PRECISION_FP32, true},
    {"cpu", "cpu/int16/winograd-3", PIQUE_PRECISION_INT16, true},
    {"cpu:direct", "cpu/fp32/direct-1", PIQUE_PRECISION_FP32, false},
    {"cpu:fp16", "cpu/fp16-emulated/direct-1", PIQUE_PRECISION_FP16, false},
    {"cpu:bf16", "cpu/bf16-emulated/direct-1", PIQUE_PRECISION_BF16, false},
};

const struct cpu_mode *cpu_mode_of(const char *id, enum pique_precision tier)
{
    for (size_t i = 0; i < PQ_COUNT(modes); i++) {
        if (strcmp(modes[i].id, id ? id : "cpu") == 0 &&
            (tier == PIQUE_PRECISION_AUTO || tier == modes[i].tier))
            return &modes[i];
    }
    return NULL;
}

static pq_round_fn *round_of(const struct cpu_mode *mode)
{
    const struct pq_wide *wide = pq_wide((int)pq_cpu_level());
    if (mode->tier == PIQUE_PRECISION_FP16)
        return wide->round_f16;
    return mode->tier == PIQUE_PRECISION_BF16 ? wide->round_bf16 : NULL;
}

/* Elements of a weight as the device holds them. */
static void load(const struct cpu_program *program, const struct pq_tensor *t, size_t first,
                 size_t count, float *out)
{
    pq_tensor_to_f32(t, first, count, out);
    if (program->round)
        program->round(out, count);
}

/* `lanes` floats: the first `count` come from t, or are `fill` where t has no data; the rest are 0.
 * NULL out of memory. */
static float *padded_vector(const struct cpu_program *program, const struct pq_tensor *t,
                            float fill, int count, int lanes)
{
    float *v = pq_big_alloc(program->allocator, (size_t)lanes * sizeof *v);
    if (!v)
        return NULL;
    for (int i = 0; i < lanes; i++)
        v[i] = i < count ? fill : 0.0f;
    if (t->data)
        load(program, t, 0, (size_t)count, v);
    return v;
}

/* The weights of a convolution in words. */
static int pack_words(struct cpu_program *program, const struct pq_op *op, const float *plain,
                      struct cpu_step *step, pique_error *err)
{
    const int out = op->channels, in = (int)op->weight.shape[1];
    const size_t packed = pq_winograd16_packed_size(out, in);
    double *work = pq_malloc((size_t)in * PQ_WINOGRAD_READ * PQ_WINOGRAD_READ * sizeof *work);
    step->words = pq_big_alloc(program->allocator, packed * sizeof *step->words);
    step->factors = pq_big_alloc(program->allocator, (size_t)cpu_lanes_of(out) * sizeof(float));
    int rc = 0;
    if (work && step->words && step->factors)
        pq_winograd16_pack(plain, out, in, work, step->words, step->factors);
    else
        rc = pq_fail_nomem(err, packed * sizeof *step->words);
    pq_free(work);
    return rc;
}

static int pack_conv(struct cpu_program *program, const struct pq_op *op, struct cpu_step *step,
                     pique_error *err)
{
    const pique_allocator *allocator = program->allocator;
    int out = op->channels, in = (int)op->weight.shape[1];
    int taps = op->ver.kernel * op->hor.kernel;
    size_t count = (size_t)out * (size_t)in * (size_t)taps;
    const bool words = cpu_is_words(program->mode, op);
    size_t packed =
        step->tiled ? pq_winograd_packed_size(out, in) : pq_conv_packed_size(out, in, taps);
    float *plain = pq_malloc(count * sizeof *plain);
    if (!words)
        step->weights = pq_big_alloc(allocator, packed * sizeof *step->weights);
    step->bias = padded_vector(program, &op->bias, 0.0f, out, step->stride);
    if (op->act.on)
        step->slopes = padded_vector(program, &op->act.slopes, op->act.slope, out, step->stride);
    int rc = 0;
    if (plain && (step->weights || words) && step->bias && (step->slopes || !op->act.on)) {
        load(program, &op->weight, 0, count, plain);
        if (words)
            rc = pack_words(program, op, plain, step, err);
        else if (step->tiled)
            pq_winograd_pack(plain, out, in, step->weights);
        else
            pq_conv_pack(plain, out, in, taps, step->weights);
    } else {
        rc = pq_fail_nomem(err, (count + packed) * sizeof *plain);
    }
    pq_free(plain);
    return rc;
}

/* One value a channel: slopes, or factors and terms. */
static int pack_channels(struct cpu_program *program, const struct pq_op *op, struct cpu_step *step,
                         pique_error *err)
{
    int n = op->channels;
    if (op->kind == PQ_OP_GROUP_NORM)
        n /= 2;
    if (op->kind == PQ_OP_ACT) {
        step->slopes = padded_vector(program, &op->act.slopes, op->act.slope, n, n);
    } else {
        step->weights = padded_vector(program, &op->weight, 1.0f, n, n);
        step->bias = padded_vector(program, &op->bias, 0.0f, n, n);
    }
    bool there = op->kind == PQ_OP_ACT ? step->slopes != NULL : step->weights && step->bias;
    return there ? 0 : pq_fail_nomem(err, (size_t)n * sizeof(float));
}

/* [channels, 1, kh, kw] -> [kh][kw][channels] */
static int pack_depthwise(struct cpu_program *program, const struct pq_op *op,
                          struct cpu_step *step, pique_error *err)
{
    int n = op->channels, taps = op->ver.kernel * op->hor.kernel;
    size_t count = (size_t)n * (size_t)taps;
    float *plain = pq_malloc(count * sizeof *plain);
    step->weights = pq_big_alloc(program->allocator, count * sizeof *plain);
    step->bias = padded_vector(program, &op->bias, 0.0f, n, n);
    int rc = plain && step->weights && step->bias ? 0 : pq_fail_nomem(err, 2 * count * 4);
    if (!rc) {
        load(program, &op->weight, 0, count, plain);
        for (int tap = 0; tap < taps; tap++) {
            for (int c = 0; c < n; c++)
                step->weights[tap * n + c] = plain[c * taps + tap];
        }
    }
    pq_free(plain);
    return rc;
}

/* The table of biases, [rows, heads] -> [heads][rows]. */
static int pack_table(struct cpu_program *program, const struct pq_op *op, struct cpu_step *step,
                      pique_error *err)
{
    if (!op->weight.data)
        return 0;
    size_t rows = (size_t)op->weight.shape[0], heads = (size_t)op->weight.shape[1];
    step->weights = pq_big_alloc(program->allocator, rows * heads * sizeof *step->weights);
    if (!step->weights)
        return pq_fail_nomem(err, rows * heads * sizeof *step->weights);
    for (size_t r = 0; r < rows; r++) {
        for (size_t h = 0; h < heads; h++)
            load(program, &op->weight, r * heads + h, 1, &step->weights[h * rows + r]);
    }
    return 0;
}

/* A weight a token, or all the values. */
static int pack_values(struct cpu_program *program, const struct pq_op *op, struct cpu_step *step,
                       pique_error *err)
{
    const int count = op->kind == PQ_OP_CONSTANT ? op->channels : op->groups;
    step->weights = padded_vector(program, &op->weight, 1.0f, count, count);
    return step->weights ? 0 : pq_fail_nomem(err, (size_t)count * sizeof(float));
}

/* [out, in] -> [in][out] */
static int pack_matrix(struct cpu_program *program, const struct pq_op *op, struct cpu_step *step,
                       pique_error *err)
{
    const size_t out = (size_t)op->weight.shape[0], in = (size_t)op->weight.shape[1];
    step->weights = pq_big_alloc(program->allocator, out * in * sizeof *step->weights);
    step->bias = padded_vector(program, &op->bias, 0.0f, (int)out, (int)out);
    if (!step->weights || !step->bias)
        return pq_fail_nomem(err, out * in * sizeof *step->weights);
    for (size_t o = 0; o < out; o++) {
        for (size_t i = 0; i < in; i++)
            load(program, &op->weight, o * in + i, 1, &step->weights[i * out + o]);
    }
    return 0;
}

/* One temperature a head. */
static int pack_heads(struct cpu_program *program, const struct pq_op *op, struct cpu_step *step,
                      pique_error *err)
{
    int heads = op->kind == PQ_OP_GRAM_SOFTMAX ? op->groups : op->attention.heads;
    step->weights = padded_vector(program, &op->weight, 1.0f, heads, heads);
    return step->weights ? 0 : pq_fail_nomem(err, (size_t)heads * sizeof(float));
}

static int pack(struct cpu_program *program, const struct pq_op *op, struct cpu_step *step,
                pique_error *err)
{
    switch (op->kind) {
    case PQ_OP_CONV2D:
        return pack_conv(program, op, step, err);
    case PQ_OP_DEPTHWISE:
        return pack_depthwise(program, op, step, err);
    case PQ_OP_AFFINE:
        return op->inputs == 2 ? 0 : pack_channels(program, op, step, err);
    case PQ_OP_ACT:
    case PQ_OP_LAYER_NORM:
    case PQ_OP_RMS_NORM:
    case PQ_OP_GROUP_NORM:
        return pack_channels(program, op, step, err);
    case PQ_OP_ATTENTION:
        return pack_table(program, op, step, err);
    case PQ_OP_CONSTANT:
    case PQ_OP_TOKENS_UNIT:
    case PQ_OP_TOKENS_UPDATE:
        return pack_values(program, op, step, err);
    case PQ_OP_TOKENS_LINEAR:
        return pack_matrix(program, op, step, err);
    case PQ_OP_CHANNEL_ATTENTION:
    case PQ_OP_GRAM_SOFTMAX:
        return pack_heads(program, op, step, err);
    default:
        return 0;
    }
}

/* The weights of all operations, shared out to the threads: of a large network they are tens of
 * megabytes, most of them fresh pages. */
struct packing {
    struct cpu_program *program;
    pthread_mutex_t lock; /* guards rc and err */
    int rc;
    pique_error *err; /* of the first that fails */
};

static void pack_task(void *context, int i, int worker)
{
    struct packing *p = context;
    struct cpu_program *program = p->program;
    pique_error err;
    (void)worker;
    int rc = pack(program, &program->base.graph->ops[i], &program->steps[i], &err);
    if (!rc)
        return;
    pthread_mutex_lock(&p->lock);
    if (!p->rc)
        p->rc = pq_fail(p->err, rc, "%s", err.message);
    pthread_mutex_unlock(&p->lock);
}

static int pack_all(struct cpu_program *program, pique_error *err)
{
    struct packing p = {.program = program, .err = err};
    pthread_mutex_init(&p.lock, NULL);
    pq_pool_run(program->pool, program->base.graph->count, pack_task, &p);
    pthread_mutex_destroy(&p.lock);
    return p.rc;
}

/* Convolutions and attention write several rows at a time, and what a statistic comes to may be
 * asked for in the end. */
static bool goes_straight(const struct cpu_program *program)
{
    const struct pq_graph *g = program->base.graph;
    const struct pq_op *op = &g->ops[g->output];
    const struct cpu_step *step = &program->steps[g->output];
    if (!cpu_is_by_rows(op) || op->column || op->global || step->halves ||
        step->stride != op->channels)
        return false;
    for (int i = 0; i < g->count; i++) {
        for (int k = 0; k < g->ops[i].inputs; k++) {
            if (g->ops[i].in[k] == g->output)
                return false;
        }
    }
    return true;
}

int cpu_compile(const struct pq_graph *graph, const struct pq_device_options *options,
                struct pq_program **out, pique_error *err)
{
    const struct cpu_mode *mode = cpu_mode_of(options->id, options->precision);
    const size_t count = (size_t)graph->count;
    struct cpu_program *program = pq_calloc(1, sizeof *program);
    struct cpu_step *steps = pq_calloc(count, sizeof *steps);
    struct pq_grid *grids = pq_calloc(count, sizeof *grids);
    if (!program || !steps || !grids) {
        pq_free(program);
        pq_free(steps);
        pq_free(grids);
        return pq_fail_nomem(err, sizeof *program + count * (sizeof *steps + sizeof *grids));
    }
    *program = (struct cpu_program){
        .base = {.backend = &pq_backend_cpu, .graph = graph, .grids = grids},
        .mode = mode,
        .round = round_of(mode),
        .allocator = options->allocator,
        .pool = options->pool,
        .spare = options->spare,
        .conv = pq_conv_row((int)pq_cpu_level()),
        .wide = pq_wide((int)pq_cpu_level()),
        .winograd16 = pq_winograd16((int)pq_cpu_level()),
        .steps = steps,
        .grids = grids,
    };
    /* What is added to whole lanes must have whole lanes. */
    for (int i = 0; i < graph->count; i++) {
        const struct pq_op *op = &graph->ops[i];
        if (op->residual)
            steps[op->in[op->inputs - 1]].stride = cpu_lanes_of(op->channels);
    }
    cpu_choose_halves(program);
    for (int i = 0; i < graph->count; i++) {
        const struct pq_op *op = &graph->ops[i];
        struct cpu_step *step = &steps[i];
        if (step->stride == 0)
            step->stride = op->kind == PQ_OP_CONV2D || step->halves ? cpu_lanes_of(op->channels)
                                                                    : op->channels;
        step->tiled = cpu_is_winograd(mode, op);
        if (step->tiled)
            grids[i].tile = PQ_WINOGRAD_TILE;
        program->scratch_floats = PQ_MAX(program->scratch_floats, cpu_scratch_floats(op));
        program->scratch_floats = PQ_MAX(program->scratch_floats, cpu_conv_scratch(program, i));
    }
    program->straight = goes_straight(program);
    int rc = pq_plan_grids(graph, grids, err);
    if (!rc)
        rc = pack_all(program, err);
    if (rc) {
        cpu_release(&program->base);
        return rc;
    }
    *out = &program->base;
    return 0;
}

void cpu_release(struct pq_program *base)
{
    struct cpu_program *program = (struct cpu_program *)base;
    for (int i = 0; i < base->graph->count; i++) {
        pq_big_free(program->allocator, program->steps[i].weights);
        pq_big_free(program->allocator, program->steps[i].bias);
        pq_big_free(program->allocator, program->steps[i].slopes);
        pq_big_free(program->allocator, program->steps[i].words);
        pq_big_free(program->allocator, program->steps[i].factors);
    }
    pq_free(program->steps);
    pq_free(program->grids);
    pq_free(program);
}
