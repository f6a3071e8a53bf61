/* SPDX-License-Identifier: MIT */
/* oneDNN 2 as a worker of bench/peers.py, on a network of the Compact kind:
 *
 *     peer-onednn WEIGHTS FEATURES LAYERS SCALE WIDTH HEIGHT PLANES fp32|bf16
 *
 * WEIGHTS are floats: of each convolution [out][in][3][3], bias and, but for the last, slopes.
 * oneDNN chooses the layouts. PReLU is a primitive of its own: fused into a convolution it falls to
 * a reference path that is many times slower. The last convolution yields floats, which are
 * shuffled and added to the enlarged input here, as oneDNN has no operation for that. The number of
 * threads is OMP_NUM_THREADS. */
#include "worker.h"

#include <stdbool.h>

#include <dnnl.h>

enum { MOST_LAYERS = 64 };

struct layer {
    dnnl_primitive_t convolution, prelu, reorder; /* reorder: of the input, where it needs it */
    dnnl_memory_t src, weights, bias, slopes, dst, before;
};

struct state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct layer layers[MOST_LAYERS];
    int count, scale, width, height;
    const float *in;
    float *last, *out;        /* pixels of 3 scale^2 channels; planes */
    dnnl_memory_t pixels;     /* those */
    dnnl_primitive_t reorder; /* of the last result into them, where it needs it */
};

static void check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "oneDNN: %s: status %d\n", what, (int)status);
    exit(1);
}

static dnnl_memory_desc_t describe(int dims, const dnnl_dims_t sizes, dnnl_data_type_t type,
                                   dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t d;
    check(dnnl_memory_desc_init_by_tag(&d, dims, sizes, type, tag), "a layout");
    return d;
}

static dnnl_memory_t memory(struct state *s, const dnnl_memory_desc_t *d, void *data)
{
    dnnl_memory_t m;
    check(dnnl_memory_create(&m, d, s->engine, data), "memory");
    return m;
}

static dnnl_primitive_t reorder_of(struct state *s, const dnnl_memory_desc_t *from,
                                   const dnnl_memory_desc_t *to)
{
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t p;
    check(dnnl_reorder_primitive_desc_create(&pd, from, s->engine, to, s->engine, NULL),
          "a reorder");
    check(dnnl_primitive_create(&p, pd), "a reorder");
    dnnl_primitive_desc_destroy(pd);
    return p;
}

static void execute(struct state *s, dnnl_primitive_t p, int count, const dnnl_exec_arg_t *args)
{
    check(dnnl_primitive_execute(p, s->stream, count, args), "execution");
}

/* Floats of ours in a layout of oneDNN's. */
static dnnl_memory_t packed(struct state *s, const dnnl_memory_desc_t *plain, float *data,
                            const dnnl_memory_desc_t *wanted)
{
    dnnl_memory_t from = memory(s, plain, data), to = memory(s, wanted, DNNL_MEMORY_ALLOCATE);
    dnnl_primitive_t p = reorder_of(s, plain, wanted);
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    execute(s, p, 2, args);
    check(dnnl_stream_wait(s->stream), "a reorder");
    dnnl_primitive_destroy(p);
    dnnl_memory_destroy(from);
    return to;
}

static const dnnl_memory_desc_t *layout(dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(pd, what, 0);
}

static void add_prelu(struct state *s, struct layer *l, const dnnl_memory_desc_t *data,
                      float *slopes, int channels, dnnl_data_type_t type)
{
    const dnnl_dims_t sizes = {1, channels, 1, 1};
    const dnnl_memory_desc_t plain = describe(4, sizes, dnnl_f32, dnnl_nchw);
    const dnnl_memory_desc_t any = describe(4, sizes, type, dnnl_format_tag_any);
    dnnl_prelu_desc_t d;
    dnnl_primitive_desc_t pd;
    check(dnnl_prelu_forward_desc_init(&d, dnnl_forward_inference, data, &any), "a PReLU");
    check(dnnl_primitive_desc_create(&pd, &d, NULL, s->engine, NULL), "a PReLU");
    l->slopes = packed(s, &plain, slopes, layout(pd, dnnl_query_weights_md));
    check(dnnl_primitive_create(&l->prelu, pd), "a PReLU");
    dnnl_primitive_desc_destroy(pd);
}

/* Where a layer's result goes: two maps take turns. */
static dnnl_memory_t result_of(struct state *s, const dnnl_memory_desc_t *d)
{
    const dnnl_memory_desc_t *have;
    dnnl_memory_t before = s->count > 2 ? s->layers[s->count - 3].dst : NULL;
    if (before && dnnl_memory_get_memory_desc(before, &have) == dnnl_success &&
        dnnl_memory_desc_equal(have, d))
        return before;
    return memory(s, d, DNNL_MEMORY_ALLOCATE);
}

/* The last result as pixels of floats, in s->last. Which layout the convolution likes best is for
 * the processor to say: some have none for pixels but a reference that is many times slower. */
static dnnl_memory_t pixels_of(struct state *s, const dnnl_memory_desc_t *d,
                               const dnnl_dims_t sizes)
{
    const dnnl_memory_desc_t pixels = describe(4, sizes, dnnl_f32, dnnl_nhwc);
    s->pixels = memory(s, &pixels, s->last);
    if (dnnl_memory_desc_equal(d, &pixels))
        return s->pixels;
    s->reorder = reorder_of(s, d, &pixels);
    return memory(s, d, DNNL_MEMORY_ALLOCATE);
}

/* The next weights of the file are its. */
static void add_layer(struct state *s, float **weights, int in, int out, dnnl_data_type_t type,
                      bool last)
{
    struct layer *l = &s->layers[s->count++];
    const dnnl_dims_t src = {1, in, s->height, s->width}, dst = {1, out, s->height, s->width};
    const dnnl_dims_t filter = {out, in, 3, 3}, bias = {out};
    const dnnl_dims_t one = {1, 1};
    const dnnl_memory_desc_t any_src = describe(4, src, type, dnnl_format_tag_any);
    const dnnl_memory_desc_t any_filter = describe(4, filter, type, dnnl_format_tag_any);
    const dnnl_memory_desc_t plain_bias = describe(1, bias, dnnl_f32, dnnl_a);
    const dnnl_memory_desc_t wanted = describe(4, dst, last ? dnnl_f32 : type, dnnl_format_tag_any);
    const dnnl_memory_desc_t plain = describe(4, filter, dnnl_f32, dnnl_oihw);
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t pd;
    check(dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_auto,
                                             &any_src, &any_filter, &plain_bias, &wanted, one, one,
                                             one),
          "a convolution");
    check(dnnl_primitive_desc_create(&pd, &d, NULL, s->engine, NULL), "a convolution");
    check(dnnl_primitive_create(&l->convolution, pd), "a convolution");
    l->weights = packed(s, &plain, *weights, layout(pd, dnnl_query_weights_md));
    *weights += (size_t)out * (size_t)in * 9;
    l->bias = memory(s, &plain_bias, *weights);
    *weights += out;
    const dnnl_memory_desc_t *result = layout(pd, dnnl_query_dst_md);
    l->dst = last ? pixels_of(s, result, dst) : result_of(s, result);
    /* What comes in: planes of ours, or the result of the layer before. */
    const dnnl_memory_desc_t *want = layout(pd, dnnl_query_src_md), *have;
    const dnnl_memory_desc_t planes = describe(4, src, dnnl_f32, dnnl_nchw);
    l->before = s->count > 1 ? s->layers[s->count - 2].dst : memory(s, &planes, (void *)s->in);
    check(dnnl_memory_get_memory_desc(l->before, &have), "a layout");
    if (dnnl_memory_desc_equal(have, want)) {
        l->src = l->before;
    } else {
        l->src = memory(s, want, DNNL_MEMORY_ALLOCATE);
        l->reorder = reorder_of(s, have, want);
    }
    if (!last) {
        add_prelu(s, l, result, *weights, out, type);
        *weights += out;
    }
    dnnl_primitive_desc_destroy(pd);
}

/* Channel c scale^2 + dy scale + dx of a pixel becomes plane c, and the input, enlarged, is added.
 */
static void finish(struct state *s)
{
    const int scale = s->scale, square = scale * scale, channels = 3 * square;
    const size_t width = (size_t)s->width, out_width = width * (size_t)scale;
#pragma omp parallel for
    for (int y = 0; y < s->height; y++) {
        for (int i = 0; i < channels; i++) {
            const int c = i / square, dy = i % square / scale, dx = i % scale;
            const float *in = s->in + ((size_t)c * (size_t)s->height + (size_t)y) * width;
            const float *from = s->last + (size_t)y * width * (size_t)channels + i;
            float *to = s->out +
                        ((size_t)c * (size_t)s->height * (size_t)scale + (size_t)(y * scale + dy)) *
                            out_width +
                        dx;
            for (size_t x = 0; x < width; x++)
                to[x * (size_t)scale] = from[x * (size_t)channels] + in[x];
        }
    }
}

static void run(void *user)
{
    struct state *s = user;
    for (int i = 0; i < s->count; i++) {
        const struct layer *l = &s->layers[i];
        const dnnl_exec_arg_t before[] = {{DNNL_ARG_FROM, l->before}, {DNNL_ARG_TO, l->src}};
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, l->src},
                                        {DNNL_ARG_WEIGHTS, l->weights},
                                        {DNNL_ARG_BIAS, l->bias},
                                        {DNNL_ARG_DST, l->dst}};
        const dnnl_exec_arg_t after[] = {
            {DNNL_ARG_SRC, l->dst}, {DNNL_ARG_WEIGHTS, l->slopes}, {DNNL_ARG_DST, l->dst}};
        if (l->reorder)
            execute(s, l->reorder, 2, before);
        execute(s, l->convolution, 4, args);
        if (l->prelu)
            execute(s, l->prelu, 3, after);
    }
    const dnnl_exec_arg_t end[] = {{DNNL_ARG_FROM, s->layers[s->count - 1].dst},
                                   {DNNL_ARG_TO, s->pixels}};
    if (s->reorder)
        execute(s, s->reorder, 2, end);
    check(dnnl_stream_wait(s->stream), "the end");
    finish(s);
}

static size_t out_floats(const struct state *s)
{
    return (size_t)s->width * (size_t)s->height * 3 * (size_t)(s->scale * s->scale);
}

static void save(void *user, FILE *f)
{
    const struct state *s = user;
    fwrite(s->out, sizeof *s->out, out_floats(s), f);
}

int main(int argc, char **argv)
{
    struct state s = {0};
    char version[64];
    if (argc != 9)
        stop("usage: peer-onednn WEIGHTS FEATURES LAYERS SCALE WIDTH HEIGHT PLANES fp32|bf16");
    const int features = atoi(argv[2]), layers = atoi(argv[3]);
    s.scale = atoi(argv[4]);
    s.width = atoi(argv[5]);
    s.height = atoi(argv[6]);
    if (features < 1 || layers < 0 || layers + 2 > MOST_LAYERS || s.scale < 1)
        stop("a network of another kind");
    const int channels = 3 * s.scale * s.scale;
    const size_t middle = (size_t)features * (size_t)features * 9 + 2 * (size_t)features;
    float *weights = read_floats(argv[1], (size_t)features * 29 + (size_t)layers * middle +
                                              (size_t)channels * ((size_t)features * 9 + 1));
    s.in = read_floats(argv[7], (size_t)s.width * (size_t)s.height * 3);
    s.last = floats(out_floats(&s));
    s.out = floats(out_floats(&s));
    const dnnl_data_type_t type = strcmp(argv[8], "bf16") == 0 ? dnnl_bf16 : dnnl_f32;
    check(dnnl_engine_create(&s.engine, dnnl_cpu, 0), "the processor");
    check(dnnl_stream_create(&s.stream, s.engine, dnnl_stream_default_flags), "a stream");
    add_layer(&s, &weights, 3, features, type, false);
    for (int i = 0; i < layers; i++)
        add_layer(&s, &weights, features, features, type, false);
    add_layer(&s, &weights, features, channels, type, true);
    const dnnl_version_t *v = dnnl_version();
    snprintf(version, sizeof version, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return serve(&(struct worker){run, save, NULL, &s}, version);
}
