/* SPDX-License-Identifier: MIT */
#include "backend/cuda/launch.h"

#include <math.h>
#include <string.h>

#include "backend/cuda/kernels/block.h"
#include "backend/cuda/kernels/span.h"
#include "backend/cuda/kernels/strip.h"
#include "backend/cuda/kernels/table.h"
#include "backend/cuda/kernels/tile.h"
#include "backend/cuda/kernels/windows.h"
#include "backend/cuda/planes.h"
#include "backend/cuda/yuv.h"
#include "base/alloc.h"
#include "base/lang.h"
#include "graph/axis.h"

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

/* The first of the four convolutions of a tier that are products of matrices; none in fp32. */
static int first_tiled(enum pq_dtype type)
{
    if (type == PQ_F16)
        return CUDA_CONV_HALF;
    return type == PQ_BF16 ? CUDA_CONV_BRAIN : CUDA_KERNEL_COUNT;
}

/* The one that writes shuffled what strip_kernel writes as it is. */
static int shuffled_strip(const struct cuda_program *program)
{
    return program->strip_kernel ? program->strip_kernel + CUDA_CONV_SHUFFLED - CUDA_CONV_STRIP : 0;
}

/* The matrix units that kernels of tiles and strips want are not in all GPUs: who has not chosen
 * them does not ask for them. */
static bool is_wanted(const struct cuda_program *program, int i)
{
    const int first = first_tiled(cuda_type_of(program->tier));
    switch (kernels[i].items) {
    case CUDA_TILE:
        return i >= first && i < first + 4;
    case CUDA_STRIP:
        return program->strip_kernel == i || shuffled_strip(program) == i;
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
    a->factor = PQ_MAX(op->factor, 1);
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
    if (op->kind == PQ_OP_FROM_YUV || op->kind == PQ_OP_TO_YUV)
        cuda_set_yuv(op, a);
    a->touch = op->touch;
    a->along_row = op->across;
    a->by_alpha = op->by_alpha;
    memcpy(a->pick, op->pick, sizeof a->pick);
    memcpy(a->background, op->background, sizeof a->background);
    if (op->kind == PQ_OP_RESIZE)
        a->taps = pq_axis_of(op->from, op->extent).taps;
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
    case CUDA_SPANS:
        return cuda_span_items(a);
    case CUDA_STACKS:
        return cuda_stack_items(a);
    case CUDA_TILE:
        return cuda_tiles(a) * cuda_tile_blocks(cuda_conv_channels(a)) * CUDA_THREADS;
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
    case CUDA_WATCH_COLUMN:
        return (int64_t)a->frames * a->tiles * a->in[0].width * a->in[0].channels;
    case CUDA_WATCH_TILE:
        return (int64_t)a->frames * a->tiles * pq_tiles_of(a->like.width) * a->in[0].channels;
    }
    return 0;
}

cuda_result cuda_launch(const struct cuda_program *program, const struct cuda_space *space,
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

/* The convolution that a step computes writes into the step's map, shuffled, and adds to it. */
static void set_shuffled(const struct cuda_program *program, const struct cuda_space *space, int i,
                         struct cuda_args *a)
{
    const struct cuda_step *step = &program->steps[i];
    const struct pq_op *shuffle = &program->base.graph->ops[step->shuffle];
    a->out = space->maps[i];
    a->factor = shuffle->factor;
    a->by_place = shuffle->by_place;
    if (step->added < 0)
        return;
    a->in[a->inputs++] = space->maps[step->added];
    a->residual = true;
    a->scale = 1;
}

static bool needs_scratch(const struct pq_op *op)
{
    return op->kind == PQ_OP_CHANNEL_ATTENTION || op->kind == PQ_OP_RANK;
}

cuda_result cuda_launch_op(const struct cuda_program *program, const struct cuda_space *space,
                           int i, int64_t y0, int64_t y1)
{
    const struct cuda_step *step = &program->steps[i];
    const int computed = step->conv >= 0 ? step->conv : i;
    const struct pq_op *op = &program->base.graph->ops[computed];
    struct cuda_args a;
    if (step->skipped)
        return CUDA_SUCCESS;
    memset(&a, 0, sizeof a); /* no byte that goes to the device is undefined */
    set_op(op, &a);
    set_maps(program, space, computed, &a);
    if (step->conv >= 0)
        set_shuffled(program, space, i, &a);
    else
        a.factor /= step->shrink;
    set_rows(&a, y0 / step->shrink, y1 / step->shrink, space->geometry.frames);
    if (needs_scratch(op)) {
        a.scratch = (float *)(uintptr_t)space->scratch;
        a.scratch_floats = (int64_t)space->scratch_floats;
    }
    cuda_result r = CUDA_SUCCESS;
    if (op->kind == PQ_OP_CHANNEL_ATTENTION)
        r = cuda_launch(program, space, CUDA_CHANNEL_MATRIX, &a);
    int kernel = (int)op->kind;
    if (program->steps[computed].strip)
        kernel = step->conv >= 0 ? shuffled_strip(program) : program->strip_kernel;
    else if (program->steps[computed].tiled)
        kernel = first_tiled(cuda_type_of(program->tier)) + cuda_tile_sixteens(op->channels) - 1;
    return r ? r : cuda_launch(program, space, kernel, &a);
}

/* ---- in and out ---- */

/* Rows [y0, y1) of a step, without anything between two pixels: row y0 is the first. */
static struct cuda_map band_map(const struct cuda_map *of, cuda_ptr data, int64_t y0, int64_t y1)
{
    struct cuda_map map = *of;
    map.data = (float *)(uintptr_t)data;
    map.type = PQ_F32;
    map.stride = map.channels;
    map.row = (int64_t)map.width * map.channels;
    map.rows = (int32_t)(y1 - y0);
    map.frame = map.row * map.rows;
    return map;
}

/* The samples of a plane that belong to `rows` rows; a slot has room for more. */
static struct cuda_map plane_map(const struct pq_sample_layout *layout,
                                 const struct cuda_plane *plane, cuda_ptr slot, int64_t rows)
{
    return (struct cuda_map){.data = (float *)(uintptr_t)(slot + plane->at),
                             .row = (int64_t)plane->row,
                             .frame = (int64_t)plane->frame,
                             .stride = 1,
                             .rows = (int32_t)(rows * plane->down),
                             .width = (int32_t)plane->row,
                             .height = (int32_t)(rows * plane->down),
                             .channels = 1,
                             .type = PQ_F32,
                             .bytes = (int32_t)cuda_sample_bytes(layout)};
}

static void set_samples(const struct pq_sample_layout *layout, struct cuda_args *a)
{
    a->codes = layout->codes;
    a->dither = layout->codes && layout->depth < 16;
    a->high = (float)((1 << layout->depth) - 1);
    a->scale = layout->codes ? 1.0f : 1.0f / a->high;
}

static cuda_result load_planes(const struct cuda_program *program, const struct cuda_space *space,
                               const struct cuda_slot *slot, struct cuda_args *a)
{
    const struct pq_sample_layout *layout = &program->base.graph->in;
    struct cuda_plane planes[PQ_SAMPLE_PLANES];
    size_t floats;
    cuda_planes_of(layout, a->out.width, space->geometry.band, a->frames, planes, &floats);
    a->inputs = layout->planes;
    for (int p = 0; p < layout->planes; p++) {
        a->in[p] = plane_map(layout, &planes[p], slot->device_in, a->rows);
        a->across[p] = planes[p].across;
        a->down[p] = planes[p].down;
    }
    set_samples(layout, a);
    return cuda_launch(program, space, CUDA_LOAD_PLANES, a);
}

cuda_result cuda_launch_load(const struct cuda_program *program, const struct cuda_space *space,
                             const struct cuda_slot *slot, int64_t y0, int64_t y1)
{
    struct cuda_args a;
    memset(&a, 0, sizeof a);
    a.out = space->maps[0];
    set_rows(&a, y0, y1, space->geometry.frames);
    if (program->base.graph->in.planes)
        return load_planes(program, space, slot, &a);
    a.inputs = 1;
    a.in[0] = band_map(&a.out, slot->device_in, y0, y1);
    return cuda_launch(program, space, CUDA_LOAD, &a);
}

static cuda_result store_planes(const struct cuda_program *program, const struct cuda_space *space,
                                const struct cuda_slot *slot, struct cuda_args *a)
{
    const struct pq_sample_layout *layout = &program->base.graph->out;
    const int64_t y0 = a->y0, rows = a->rows;
    struct cuda_plane planes[PQ_SAMPLE_PLANES];
    size_t floats;
    cuda_result r = CUDA_SUCCESS;
    cuda_planes_of(layout, a->in[0].width, a->in[0].rows, a->frames, planes, &floats);
    set_samples(layout, a);
    a->from_y = y0;
    for (int p = 0; p < layout->planes && !r; p++) {
        a->out = plane_map(layout, &planes[p], slot->device_out, rows);
        a->across[0] = planes[p].across;
        a->down[0] = planes[p].down;
        a->first = planes[p].first;
        set_rows(a, 0, rows * planes[p].down, a->frames);
        r = cuda_launch(program, space, CUDA_STORE_PLANE, a);
    }
    return r;
}

cuda_result cuda_launch_store(const struct cuda_program *program, const struct cuda_space *space,
                              const struct cuda_slot *slot, int64_t y0, int64_t y1)
{
    struct cuda_args a;
    memset(&a, 0, sizeof a);
    a.inputs = 1;
    a.in[0] = space->maps[program->base.graph->output];
    set_rows(&a, y0, y1, space->geometry.frames);
    if (program->base.graph->out.planes)
        return store_planes(program, space, slot, &a);
    a.out = band_map(&a.in[0], slot->device_out, y0, y1);
    return cuda_launch(program, space, CUDA_STORE, &a);
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
