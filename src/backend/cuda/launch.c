/* SPDX-License-Identifier: MIT */
#include "backend/cuda/launch.h"

#include <math.h>
#include <string.h>

#include "backend/cuda/kernels/block.h"
#include "backend/cuda/kernels/strip.h"
#include "backend/cuda/kernels/table.h"
#include "backend/cuda/kernels/tile.h"
#include "backend/cuda/kernels/windows.h"
#include "base/alloc.h"
#include "base/lang.h"

struct kernel {
    const char *name;
    enum cuda_items items;
};

static const struct kernel kernels[CUDA_KERNEL_COUNT] = {
#define ROW(which, name, items) [which] = {#name, items},
    CUDA_KERNELS(ROW)
#undef ROW
};

static cuda_result find_kernel(struct cuda_program *program, int i)
{
    const struct cuda_driver *d = program->driver;
    cuda_function *function = &program->functions[i];
    cuda_result r = d->module_function(function, program->module, kernels[i].name);
    if (!r && kernels[i].items == CUDA_TILE)
        r = d->function_attribute(*function, CUDA_ATTRIBUTE_SHARED_BYTES, CUDA_TILE_BYTES_MAX);
    if (!r && kernels[i].items == CUDA_STRIP)
        r = d->function_attribute(*function, CUDA_ATTRIBUTE_SHARED_BYTES, CUDA_STRIP_BYTES);
    return r;
}

/* The matrix units that kernels of tiles and strips want are not in all GPUs: who has not chosen
 * them does not ask for them. */
static bool is_wanted(const struct cuda_program *program, int i)
{
    switch (kernels[i].items) {
    case CUDA_TILE:
        return program->tier == PIQUE_PRECISION_FP16;
    case CUDA_STRIP:
        return program->strip_kernel == i;
    default:
        return kernels[i].name != NULL;
    }
}

int cuda_find_kernels(struct cuda_program *program, pique_error *err)
{
    program->functions = pq_calloc(CUDA_KERNEL_COUNT, sizeof(cuda_function));
    if (!program->functions)
        return pq_fail_nomem(err, CUDA_KERNEL_COUNT * sizeof(cuda_function));
    for (int i = 0; i < CUDA_KERNEL_COUNT; i++) {
        if (!is_wanted(program, i))
            continue;
        int rc =
            cuda_check(program->driver, find_kernel(program, i), PQ_SAID("took the kernels"), err);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- arguments ---- */

/* An array of the weights on the device. */
static const float *array(const struct cuda_program *program, int64_t at)
{
    if (at < 0)
        return NULL;
    return (const float *)(uintptr_t)(program->weights + (cuda_ptr)at * sizeof(float));
}

static void set_attention(const struct pq_op *op, struct cuda_args *a)
{
    a->attention = op->attention;
    a->key_height = pq_attention_key_size(&op->attention, false);
    a->key_width = pq_attention_key_size(&op->attention, true);
    a->key_shift_y = pq_attention_key_shift(&op->attention, false);
    a->key_shift_x = pq_attention_key_shift(&op->attention, true);
    if (op->attention.index)
        a->table_rows = op->weight.shape[0];
}

/* What an operation says, but where its maps lie. */
static void set_op(const struct pq_op *op, struct cuda_args *a)
{
    a->inputs = op->inputs;
    a->global_inputs = op->global_inputs;
    a->ver = op->ver;
    a->hor = op->hor;
    a->pad_mode = op->pad_mode;
    a->act_kind = op->act.kind;
    a->factor = op->factor;
    a->first = op->first;
    a->groups = op->groups;
    a->multiple = op->multiple;
    a->rate_num = op->rate_num;
    a->rate_den = op->rate_den;
    a->by_place = op->by_place;
    a->residual = op->residual;
    a->scale = op->scale;
    a->eps = op->eps;
    a->low = op->act.low;
    a->high = op->act.high;
    if (op->kind == PQ_OP_ATTENTION || op->kind == PQ_OP_CHANNEL_ATTENTION ||
        op->kind == PQ_OP_RUN_ATTENTION)
        set_attention(op, a);
}

/* Statistics that are given lie one behind another. */
static struct cuda_map given_map(const struct cuda_program *program, const struct cuda_space *space,
                                 int i)
{
    struct cuda_map map = space->maps[i];
    cuda_ptr at = space->given;
    for (int k = 0; k < i; k++) {
        if (program->base.graph->ops[k].kind == PQ_OP_GIVEN)
            at +=
                (cuda_ptr)cuda_given_floats(&program->base.graph->ops[k], space->geometry.frames) *
                sizeof(float);
    }
    map.data = (float *)(uintptr_t)at;
    map.row = map.frame = map.channels;
    return map;
}

static void set_maps(const struct cuda_program *program, const struct cuda_space *space, int i,
                     struct cuda_args *a)
{
    const struct pq_op *op = &program->base.graph->ops[i];
    const struct cuda_step *step = &program->steps[i];
    a->out = space->maps[i];
    for (int k = 0; k < op->inputs; k++)
        a->in[k] = space->maps[op->in[k]];
    if (op->kind == PQ_OP_GIVEN) {
        a->in[0] = given_map(program, space, i);
        a->inputs = 1;
    }
    if (op->like >= 0) {
        a->like = space->maps[op->like];
        a->like.data = NULL;
    }
    a->weights = array(program, step->weights);
    a->bias = array(program, step->bias);
    a->slopes = array(program, step->slopes);
    a->index = (const int32_t *)(const void *)array(program, step->index);
}

static void set_rows(struct cuda_args *a, int64_t y0, int64_t y1, int frames)
{
    a->y0 = y0;
    a->rows = (int32_t)(y1 - y0);
    a->frames = frames;
}

/* ---- launches ---- */

/* Rows of the square matrices of all groups, one matrix a group. */
static int gram_rows(const struct cuda_args *a)
{
    return a->groups * (int)lround(sqrt(a->out.channels / a->groups));
}

static int64_t count_items(const struct cuda_program *program, enum cuda_items items,
                           const struct cuda_args *a)
{
    const int64_t rows = (int64_t)a->rows * a->frames, pixels = rows * a->out.width;
    switch (items) {
    case CUDA_PIXEL:
        return pixels;
    case CUDA_VALUE:
        return pixels * cuda_written(&a->out);
    case CUDA_TILE:
        return cuda_tiles(a) * cuda_tile_blocks(a->out.channels) * CUDA_THREADS;
    case CUDA_STRIP:
        return cuda_strip_blocks(a, program->multiprocessors) * CUDA_STRIP_THREADS;
    case CUDA_BLOCK16:
        return pixels * (a->out.stride / 16);
    case CUDA_HALF:
        return pixels * (a->out.channels / 2);
    case CUDA_GROUP:
        return pixels * a->groups;
    case CUDA_GROUP_ROW:
        return pixels * gram_rows(a);
    case CUDA_HEAD:
        return pixels * a->attention.heads;
    case CUDA_ROW:
        return rows;
    case CUDA_ROW_VALUE:
        return rows * a->out.channels;
    case CUDA_WINDOW:
        return cuda_channel_items(a);
    }
    return 0;
}

static cuda_result launch(const struct cuda_program *program, const struct cuda_space *space,
                          int kernel, struct cuda_args *a)
{
    const enum cuda_items items = kernels[kernel].items;
    a->count = count_items(program, items, a);
    void *parameters[] = {a};
    int block = CUDA_BLOCK;
    unsigned shared = 0;
    if (items == CUDA_TILE) {
        block = CUDA_THREADS;
        shared = (unsigned)cuda_tile_bytes(a);
    } else if (items == CUDA_STRIP) {
        block = CUDA_STRIP_THREADS;
        shared = CUDA_STRIP_BYTES;
    }
    const unsigned grid = (unsigned)((a->count + block - 1) / block);
    return program->driver->launch(program->functions[kernel], grid, 1, 1, (unsigned)block, 1, 1,
                                   shared, space->compute, parameters, NULL);
}

static bool needs_scratch(const struct pq_op *op)
{
    return op->kind == PQ_OP_CHANNEL_ATTENTION || op->kind == PQ_OP_RANK;
}

cuda_result cuda_launch_op(const struct cuda_program *program, const struct cuda_space *space,
                           int i, int64_t y0, int64_t y1)
{
    const struct pq_op *op = &program->base.graph->ops[i];
    struct cuda_args a;
    memset(&a, 0, sizeof a); /* no byte that goes to the device is undefined */
    set_op(op, &a);
    set_maps(program, space, i, &a);
    set_rows(&a, y0, y1, space->geometry.frames);
    if (needs_scratch(op)) {
        a.scratch = (float *)(uintptr_t)space->scratch;
        a.scratch_floats = (int64_t)space->scratch_floats;
    }
    cuda_result r = CUDA_SUCCESS;
    if (op->kind == PQ_OP_CHANNEL_ATTENTION)
        r = launch(program, space, CUDA_CHANNEL_MATRIX, &a);
    int kernel = (int)op->kind;
    if (program->steps[i].strip)
        kernel = program->strip_kernel;
    else if (program->steps[i].tiled)
        kernel = CUDA_CONV_HALF + cuda_tile_sixteens(op->channels) - 1;
    return r ? r : launch(program, space, kernel, &a);
}

/* Rows [y0, y1) of a step, without anything between two pixels: row y0 is the first. */
static struct cuda_map band_map(const struct cuda_map *of, cuda_ptr data, int64_t y0, int64_t y1)
{
    struct cuda_map map = *of;
    map.data = (float *)(uintptr_t)data;
    map.half = 0;
    map.stride = map.channels;
    map.row = (int64_t)map.width * map.channels;
    map.rows = (int32_t)(y1 - y0);
    map.frame = map.row * map.rows;
    return map;
}

cuda_result cuda_launch_load(const struct cuda_program *program, const struct cuda_space *space,
                             const struct cuda_slot *slot, int64_t y0, int64_t y1)
{
    struct cuda_args a;
    memset(&a, 0, sizeof a);
    a.inputs = 1;
    a.out = space->maps[0];
    a.in[0] = band_map(&a.out, slot->device_in, y0, y1);
    set_rows(&a, y0, y1, space->geometry.frames);
    return launch(program, space, CUDA_LOAD, &a);
}

cuda_result cuda_launch_store(const struct cuda_program *program, const struct cuda_space *space,
                              const struct cuda_slot *slot, int64_t y0, int64_t y1)
{
    struct cuda_args a;
    memset(&a, 0, sizeof a);
    a.inputs = 1;
    a.in[0] = space->maps[program->base.graph->output];
    a.out = band_map(&a.in[0], slot->device_out, y0, y1);
    set_rows(&a, y0, y1, space->geometry.frames);
    return launch(program, space, CUDA_STORE, &a);
}

/* ---- scratch ---- */

bool cuda_scratch_floats(const struct cuda_program *program, const struct pq_geometry *geometry,
                         const struct pq_line *lines, int i, size_t *floats)
{
    const struct pq_op *op = &program->base.graph->ops[i];
    struct cuda_args a;
    *floats = 0;
    if (!needs_scratch(op))
        return true;
    memset(&a, 0, sizeof a);
    set_op(op, &a);
    a.out.width = (int32_t)lines[i].width;
    a.out.height = (int32_t)lines[i].height;
    a.out.channels = op->channels;
    set_rows(&a, 0, lines[i].rows,
             geometry->frames); /* no step computes more than its ring holds */
    return op->kind == PQ_OP_RANK ? cuda_rank_scratch(&a, floats)
                                  : cuda_channel_scratch(&a, floats);
}
