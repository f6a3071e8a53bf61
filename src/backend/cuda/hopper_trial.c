/* SPDX-License-Identifier: MIT */
#include "backend/cuda/hopper_trial.h"

#include <string.h>

#include "backend/cuda/choice.h"
#include "backend/cuda/device.h"
#include "backend/cuda/kernels/strip.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/space.h"
#include "backend/cuda/weights.h"
#include "base/alloc.h"

/* Two operations on one map of 64 channels: with slopes and a residual, and with neither, to fewer
 * channels. Two strips, the second narrow; two bands, each at an edge of the picture, the second in
 * a ring that has begun anew; an odd number of rows. */
enum {
    OPS = 3,
    TAPS = CUDA_STRIP_K * CUDA_STRIP_K,
    WIDTH = CUDA_STRIP_W + 5,
    HEIGHT = 7,
    FRAMES = 2,
    ROWS = 3, /* of a band */
    RING = ROWS + CUDA_STRIP_K - 1,
    BANDS = 2,
    BLOCKS = 3,
    CHANNELS = CUDA_STRIP_C + 48, /* of both results */
    IN_HALVES = FRAMES * RING * WIDTH * CUDA_STRIP_C,
    OUT_HALVES = FRAMES * ROWS * WIDTH * CHANNELS, /* of a band, of one of two kernels */
    HALVES = IN_HALVES + 2 * BANDS * OUT_HALVES
};

/* One way to compute them. */
struct way {
    struct cuda_program program;
    struct cuda_step steps[OPS];
    float *packed; /* weights on the host */
};

struct trial {
    const struct cuda_driver *driver;
    struct pq_op ops[OPS];
    struct pq_graph graph;
    struct way ways[2]; /* tiles, strips */
    struct cuda_map maps[OPS];
    struct cuda_space space;
    cuda_ptr memory;
    uint16_t *halves;
    float *weights, *bias, *slopes;
};

/* The i-th of some small whole numbers without a pattern, from -most to most. */
static float whole(uint32_t i, int most)
{
    uint32_t x = (i + 1) * 2654435761u;
    x = (x ^ x >> 15) * 2246822519u;
    x ^= x >> 13;
    return (float)((int)(x % (uint32_t)(2 * most + 1)) - most);
}

static struct pq_tensor tensor(const float *data, int dims, int64_t first)
{
    return (struct pq_tensor){.dtype = PQ_F32,
                              .dims = dims,
                              .shape = {first, CUDA_STRIP_C, CUDA_STRIP_K, CUDA_STRIP_K},
                              .data = data};
}

/* Values are at most 3, weights and biases multiples of 1/4 up to 1/4 and 2, so a sum is a multiple
 * of 1/4 below 512, which halves hold; what halves it twice is below 256 and below 128. */
static bool make_numbers(struct trial *t)
{
    const int taps = CHANNELS * CUDA_STRIP_C * TAPS;
    t->weights = pq_calloc((size_t)taps, sizeof *t->weights);
    t->bias = pq_calloc(CHANNELS, sizeof *t->bias);
    t->slopes = pq_calloc(CHANNELS, sizeof *t->slopes);
    t->halves = pq_calloc(HALVES, sizeof *t->halves);
    if (!t->weights || !t->bias || !t->slopes || !t->halves)
        return false;
    for (int i = 0; i < taps; i++)
        t->weights[i] = whole((uint32_t)i, 1) * 0.25f;
    for (int i = 0; i < CHANNELS; i++) {
        t->bias[i] = whole((uint32_t)i + 77, 8) * 0.25f;
        t->slopes[i] = i % 3 ? 0.5f : 1.0f;
    }
    for (int i = 0; i < HALVES; i++) /* a result that is not written differs */
        t->halves[i] = i < IN_HALVES ? cuda_f16_bits(whole((uint32_t)i + 99, 3)) : (uint16_t)i;
    return true;
}

static void make_graph(struct trial *t)
{
    const struct pq_window window = {CUDA_STRIP_K, 1, 1, 1, 1};
    const struct pq_op conv = {.kind = PQ_OP_CONV2D, .ver = window, .hor = window, .like = -1};
    t->ops[0] = (struct pq_op){.kind = PQ_OP_INPUT, .channels = CUDA_STRIP_C, .like = -1};
    t->ops[1] = t->ops[2] = conv;
    t->ops[1].inputs = 2;
    t->ops[1].residual = true;
    t->ops[1].scale = 0.5f;
    t->ops[1].channels = CUDA_STRIP_C;
    t->ops[1].weight = tensor(t->weights, 4, CUDA_STRIP_C);
    t->ops[1].bias = tensor(t->bias, 1, CUDA_STRIP_C);
    t->ops[1].act = (struct pq_act){.on = true, .slopes = tensor(t->slopes, 1, CUDA_STRIP_C)};
    t->ops[2].inputs = 1;
    t->ops[2].channels = CHANNELS - CUDA_STRIP_C;
    t->ops[2].weight =
        tensor(t->weights + CUDA_STRIP_C * CUDA_STRIP_C * TAPS, 4, CHANNELS - CUDA_STRIP_C);
    t->graph = (struct pq_graph){.ops = t->ops, .count = OPS, .output = OPS - 1};
}

/* What is copied from is the host's until the context has ended, whatever it fails at. */
static cuda_result upload(struct trial *t, struct way *way)
{
    const struct cuda_driver *d = t->driver;
    size_t floats;
    if (cuda_pack(&t->graph, PIQUE_PRECISION_FP16, NULL, way->steps, &way->packed, &floats, NULL))
        return CUDA_ERROR_OUT_OF_MEMORY;
    const size_t bytes = floats * sizeof *way->packed;
    cuda_result r = d->memory_alloc(&way->program.weights, bytes);
    return r ? r : d->copy_in(way->program.weights, way->packed, bytes, t->space.compute);
}

static cuda_result make_ways(struct trial *t, int kernel)
{
    cuda_result r = CUDA_SUCCESS;
    for (int w = 0; w < 2 && !r; w++) {
        struct way *way = &t->ways[w];
        struct cuda_program *p = &way->program;
        p->base.graph = &t->graph;
        p->driver = t->driver;
        p->tier = PIQUE_PRECISION_FP16;
        p->steps = way->steps;
        p->strip_kernel = w ? kernel : 0;
        p->multiprocessors = BLOCKS;
        cuda_choose(&t->graph, p->tier, way->steps);
        for (int i = 1; i < OPS && w; i++)
            way->steps[i].strip = true;
        r = t->driver->module_load(&p->module, cuda_kernels);
        if (!r && cuda_find_kernels(p, NULL))
            r = CUDA_ERROR_NO_BINARY_FOR_GPU;
        if (!r)
            r = upload(t, way);
    }
    return r;
}

static struct cuda_map map_of(const struct trial *t, size_t at, int channels, int rows)
{
    return (struct cuda_map){.data = (float *)(uintptr_t)(t->memory + at * sizeof(uint16_t)),
                             .row = (int64_t)WIDTH * channels,
                             .frame = (int64_t)WIDTH * channels * rows,
                             .stride = channels,
                             .rows = rows,
                             .width = WIDTH,
                             .height = HEIGHT,
                             .channels = channels,
                             .type = PQ_F16};
}

static size_t place_of(int way, int band)
{
    return IN_HALVES + (size_t)(way * BANDS + band) * OUT_HALVES;
}

/* Everything in both ways, and all halves back. */
static cuda_result launch_all(struct trial *t)
{
    const struct cuda_driver *d = t->driver;
    const size_t bytes = HALVES * sizeof *t->halves;
    t->space.maps = t->maps;
    t->space.geometry.frames = FRAMES;
    cuda_result r = d->memory_alloc(&t->memory, bytes);
    t->maps[0] = map_of(t, 0, CUDA_STRIP_C, RING);
    if (!r)
        r = d->copy_in(t->memory, t->halves, bytes, t->space.compute);
    for (int n = 0; n < 2 * BANDS && !r; n++) {
        const int band = n / 2, y0 = band * (HEIGHT - ROWS) / (BANDS - 1);
        const size_t at = place_of(n % 2, band);
        t->maps[1] = map_of(t, at, CUDA_STRIP_C, ROWS);
        t->maps[2] = map_of(t, at + (size_t)FRAMES * ROWS * WIDTH * CUDA_STRIP_C,
                            CHANNELS - CUDA_STRIP_C, ROWS);
        for (int i = 1; i < OPS && !r; i++)
            r = cuda_launch_op(&t->ways[n % 2].program, &t->space, i, y0, y0 + ROWS);
    }
    if (!r)
        r = d->copy_out(t->halves, t->memory, bytes, t->space.compute);
    const cuda_result waited = d->stream_synchronize(t->space.compute);
    return r ? r : waited;
}

/* What a context takes along when it is destroyed is not freed here: after an error nothing else
 * frees it. */
static cuda_result run_inside(struct trial *t, int kernel, bool *same)
{
    cuda_result r = t->driver->stream_create(&t->space.compute, CUDA_STREAM_NON_BLOCKING);
    if (!r)
        r = make_ways(t, kernel);
    if (!r)
        r = launch_all(t);
    *same = !r && memcmp(t->halves + place_of(0, 0), t->halves + place_of(1, 0),
                         BANDS * OUT_HALVES * sizeof *t->halves) == 0;
    return r;
}

static void trial_free(struct trial *t)
{
    for (int w = 0; w < 2; w++) {
        pq_free(t->ways[w].program.functions);
        pq_free(t->ways[w].packed);
    }
    pq_free(t->weights);
    pq_free(t->bias);
    pq_free(t->slopes);
    pq_free(t->halves);
    pq_free(t);
}

cuda_result cuda_hopper_trial(const struct cuda_driver *driver, cuda_device device, int kernel,
                              bool *same)
{
    struct trial *t = pq_calloc(1, sizeof *t);
    cuda_context context;
    *same = false;
    if (!t)
        return CUDA_ERROR_OUT_OF_MEMORY;
    t->driver = driver;
    cuda_result r =
        make_numbers(t) ? driver->context_create(&context, 0, device) : CUDA_ERROR_OUT_OF_MEMORY;
    if (!r) {
        make_graph(t);
        r = run_inside(t, kernel, same);
        const cuda_result ended = driver->context_destroy(context);
        r = r ? r : ended;
    }
    trial_free(t);
    return r;
}
