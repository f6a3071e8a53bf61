/* SPDX-License-Identifier: MIT */
/* Pictures with alpha, and grey ones, from files, on the device whose driver stands in: they go
 * through it whole, and are what the stages of the host make of them, bit for bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/small_model.h"
#include "../sanitized.h"
#include "backend/cuda/choice.h"
#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/weights.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "nothing.h"
#include "pique/pique.h"
#include "upscale/framed_graph.h"
#include "upscale/module.h"
#include "upscale/picture.h"

enum { MOST = 4, MODELS = 3 };

static pique_model *models[MODELS]; /* from 3, 1 and 4 channels to as many */
enum model { COLOUR, GREY, ALL };

/* ---- files in memory ---- */

enum kind {
    MIXED,    /* opaque, empty and soft parts, and noise */
    BANDS,    /* the same, but rows that are opaque from end to end */
    EVEN,     /* one alpha everywhere */
    INVISIBLE /* nothing is there to be seen */
};

struct file {
    struct pq_row_source source;
    struct pq_row_sink sink;
    unsigned char *samples;
    struct pq_picture_format made; /* what was written */
    int y;
};
static struct file files[MOST];

static float alpha_at(enum kind kind, int x, int y, float noise)
{
    switch (kind) {
    case EVEN:
        return 0.4f;
    case INVISIBLE:
        return 0;
    case BANDS:
        if (y % 25 > 9)
            return 1;
        break;
    case MIXED:
        break;
    }
    const int part = (x / 12 + y / 9) % 4;
    return part == 0 ? 0 : part == 1 ? 1 : part == 2 ? 0.35f : noise;
}

static void make_file(struct file *f, const struct pq_picture_format *format, enum kind kind,
                      unsigned seed)
{
    struct rng r = {seed};
    const int samples = format->colours + format->alpha;
    f->source.format = *format;
    f->samples = malloc(pq_picture_row_bytes(format) * (size_t)format->height);
    for (int i = 0; i < format->width * format->height; i++) {
        const int x = i % format->width, y = i / format->width;
        for (int c = 0; c < samples; c++) {
            const float noise = fabsf(rng_float(&r));
            const double wave = 0.5 + 0.4 * sin(0.3 * x + c) * cos(0.2 * y + seed);
            const double v = c < format->colours ? 0.8 * wave + 0.2 * (double)noise
                                                 : (double)alpha_at(kind, x, y, noise);
            const int max = format->depth == 8 ? 255 : 65535;
            const uint16_t wide = (uint16_t)(fmin(v, 1) * max);
            if (format->depth == 8)
                f->samples[i * samples + c] = (unsigned char)wide;
            else
                memcpy(f->samples + 2 * (i * samples + c), &wide, 2);
        }
    }
}

static void free_files(void)
{
    for (int i = 0; i < MOST; i++) {
        free(files[i].samples);
        memset(&files[i], 0, sizeof files[i]);
    }
}

static int file_read(struct pq_row_source *source, int rows, void *data, ptrdiff_t stride,
                     pique_error *err)
{
    struct file *f = (struct file *)source;
    const size_t row = pq_picture_row_bytes(&source->format);
    (void)err;
    assert_true(f->y + rows <= source->format.height);
    for (int i = 0; i < rows; i++)
        memcpy((char *)data + i * stride, f->samples + (size_t)f->y++ * row, row);
    return 0;
}

static int file_rewind(struct pq_row_source *source, pique_error *err)
{
    (void)err;
    ((struct file *)source)->y = 0;
    return 0;
}

static void source_close(struct pq_row_source *source)
{
    (void)source;
}

/* What is written is told apart by its sum, which the report has. */
static int file_write(struct pq_row_sink *sink, int rows, const void *data, ptrdiff_t stride,
                      pique_error *err)
{
    (void)sink, (void)rows, (void)data, (void)stride, (void)err;
    return 0;
}

static int file_finish(struct pq_row_sink *sink, uint64_t *bytes, pique_error *err)
{
    (void)sink, (void)err;
    *bytes = 1;
    return 0;
}

static void sink_close(struct pq_row_sink *sink)
{
    (void)sink;
}

static int open_source(const char *path, bool allow_untrusted, struct pq_row_source **out,
                       pique_error *err)
{
    struct file *f = &files[path[0] - '0'];
    (void)allow_untrusted, (void)err;
    f->y = 0;
    f->source.read = file_read;
    f->source.rewind = file_rewind;
    f->source.close = source_close;
    *out = &f->source;
    return 0;
}

static int open_sink(const char *path, const struct pq_picture_format *format,
                     const struct pq_save *save, const struct pq_row_source *like,
                     struct pq_row_sink **out, pique_error *err)
{
    struct file *f = &files[path[0] - '0'];
    (void)save, (void)like, (void)err;
    f->made = *format;
    f->sink = (struct pq_row_sink){file_write, file_finish, sink_close};
    *out = &f->sink;
    return 0;
}

static const struct pq_format_caps FORMATS[] = {
    {PIQUE_FORMAT_PNG, "png", ".png", true, true, true, 5000, true, true, true},
    {PIQUE_FORMAT_JPEG, "jpeg", ".jpg", false, false, true, 5000, false, false, false},
    {PIQUE_FORMAT_WEBP, "webp", ".webp", true, false, false, 5000, false, false, false},
    {.format = PIQUE_FORMAT_AUTO},
};

static const struct pq_picture_io IO = {.version = PQ_PICTURE_IO_VERSION,
                                        .open_source = open_source,
                                        .formats = FORMATS,
                                        .open_sink = open_sink};

static int set_up(void **state)
{
    (void)state;
    pq_picture_module_replace(&IO);
    for (int i = 0; i < MODELS; i++) {
        static const int channels[MODELS] = {3, 1, 4};
        const struct maker maker = {
            .features = 4, .convs = 1, .scale = 2, .channels = channels[i], .seed = 5};
        const int rc = small_model_open(&maker, &models[i]);
        if (rc)
            return rc;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++)
        pique_model_close(&models[i]);
    pq_picture_module_replace(NULL);
    return 0;
}

/* ---- through an engine ---- */

struct way {
    pique_picture_options options;
    enum model model;
    enum kind kind;
    int width, height, depth, band;
    const char *suffix;
    enum pique_precision precision;
};

static struct way filled(const struct way *said)
{
    struct way w = *said;
    w.width = w.width ? w.width : 29;
    w.height = w.height ? w.height : 33;
    w.depth = w.depth ? w.depth : 8;
    w.band = w.band ? w.band : 7;
    w.suffix = w.suffix ? w.suffix : ".png";
    w.precision = w.precision ? w.precision : PIQUE_PRECISION_FP32;
    return w;
}

static pique_engine *open_engine(const char *device, const struct way *w)
{
    pique_engine *engine;
    pique_error err;
    const pique_engine_options o = {.size = sizeof o,
                                    .threads = 2,
                                    .device = device,
                                    .band_rows = w->band,
                                    .precision = w->precision};
    if (pique_engine_open(models[w->model], &o, &engine, &err))
        fail_msg("%s", err.message);
    return engine;
}

struct result {
    uint64_t hash;
    struct pq_picture_format format;
};

/* The first `count` files; the status of the last that failed. */
static int run_on(pique_engine *engine, const struct way *w, int count, struct result *out,
                  pique_error *err)
{
    static const char *const names[MOST] = {"0.png", "1.png", "2.png", "3.png"};
    pique_picture_item items[MOST] = {0};
    char to[MOST][16];
    int rc = 0;
    for (int i = 0; i < count; i++) {
        snprintf(to[i], sizeof to[i], "%d-none%s", i, w->suffix);
        items[i].src = names[i];
        items[i].dst = to[i];
    }
    pique_picture_options options = w->options;
    options.size = sizeof options;
    assert_int_equal(pique_pictures_upscale(&engine, 1, items, (size_t)count, &options, err), 0);
    for (int i = 0; i < count; i++) {
        if (items[i].status) {
            rc = items[i].status;
            *err = items[i].err;
        }
        out[i] = (struct result){items[i].report.hash, files[i].made};
    }
    return rc;
}

static void run(const char *device, const struct way *w, int count, struct result *out)
{
    pique_error err;
    pique_engine *engine = open_engine(device, w);
    if (run_on(engine, w, count, out, &err))
        fail_msg("%s", err.message);
    pique_engine_close(&engine);
}

static void must_not_run(const struct cuda_args *a)
{
    (void)a;
    fail_msg("rows of floats between the host and the device");
}

static void start(enum standin_mode mode, uint64_t seed)
{
    standin_reset();
    standin_mode(mode, seed, 50);
    standin_add_kernel("cuda_load", must_not_run);
    standin_add_kernel("cuda_store", must_not_run);
}

static void make_files(const struct way *w, int colours, bool alpha)
{
    const struct pq_picture_format format = {w->width, w->height, colours, alpha, w->depth};
    free_files();
    for (int i = 0; i < MOST; i++)
        make_file(&files[i], &format, w->kind, 100U + (unsigned)i);
}

static void assert_same(const struct result *have, const struct result *want, int count)
{
    for (int i = 0; i < count; i++) {
        const struct pq_picture_format *a = &have[i].format, *b = &want[i].format;
        assert_int_equal(a->width, b->width);
        assert_int_equal(a->height, b->height);
        assert_int_equal(a->colours, b->colours);
        assert_int_equal(a->alpha, b->alpha);
        assert_int_equal(a->depth, b->depth);
        if (have[i].hash != want[i].hash)
            fail_msg("picture %d of %d differs", i + 1, count);
    }
}

/* Pictures as the processor makes them, and the device in batches of 1 and `most`. */
static void assert_alike(const struct way *w, int colours, bool alpha, int most)
{
    struct result want[MOST], have[MOST];
    make_files(w, colours, alpha);
    start(STANDIN_LAZY, 7);
    run("cpu:direct", w, most, want);
    run("cuda", w, 1, have);
    assert_same(have, want, 1);
    if (most > 1) {
        run("cuda", w, most, have);
        assert_same(have, want, most);
    }
    nothing_is_wrong();
}

/* ---- the bits of the stages ---- */

static const pique_picture_options treatments[] = {
    {.scale = 0},
    {.scale = 3},
    {.scale = 0.7},
    {.width = 101},
    {.width = 58, .height = 60}, /* only one side is resized */
    {.pre_downscale = 20},
    {.sharpen = 0.5, .contrast = 1.2, .saturation = 0.8},
    {.sharpen = 1.5, .scale = 2.7, .contrast = 0.9},
    {.saturation = -1, .pre_downscale = 30, .scale = 4.5},
};

static void every_treatment_of_alpha_has_the_bits_of_the_host(void **state)
{
    (void)state;
    static const struct {
        enum pique_alpha alpha;
        bool coloured;
        const char *suffix;
    } modes[] = {{PIQUE_ALPHA_KEEP, false, ".png"},    {PIQUE_ALPHA_KEEP, true, ".jpg"},
                 {PIQUE_ALPHA_KEEP, false, ".webp"},   {PIQUE_ALPHA_DROP, false, ".png"},
                 {PIQUE_ALPHA_FLATTEN, false, ".png"}, {PIQUE_ALPHA_FLATTEN, true, ".png"}};
    unsigned turn = 0;
    for (size_t m = 0; m < PQ_COUNT(modes); m++) {
        for (size_t t = 0; t < PQ_COUNT(treatments);
             t += (size_t)(m ? test_much(3, 3, 8) : test_much(1, 2, 8))) {
            for (int colours = m && turn % 2 ? 3 : 1; colours <= 3; colours += m ? 3 : 2, turn++) {
                struct way w = filled(&(struct way){.options = treatments[t],
                                                    .depth = turn % 3 ? 8 : 16,
                                                    .kind = turn % 2 ? MIXED : BANDS,
                                                    .suffix = modes[m].suffix});
                w.options.alpha = modes[m].alpha;
                w.options.depth = strcmp(w.suffix, ".png") ? 8 : turn / 2 % 2 ? 8 : 16;
                w.options.background_set = modes[m].coloured;
                w.options.background[1] = 77;
                assert_alike(&w, colours, true, 1 + (int)(turn % MOST));
            }
        }
    }
}

static void grey_has_the_bits_of_the_host(void **state)
{
    (void)state;
    for (size_t t = 0; t < PQ_COUNT(treatments); t += (size_t)test_much(1, 3, 5)) {
        for (int depth = 8; depth <= 16; depth += 8) {
            struct way w = filled(&(struct way){
                .options = treatments[t], .depth = depth, .suffix = t % 3 == 2 ? ".webp" : ".png"});
            w.options.depth = strcmp(w.suffix, ".png") || t % 2 ? 8 : 16;
            assert_alike(&w, 1, false, 1 + (int)t % MOST);
        }
    }
}

static void odd_pictures_have_the_bits_of_the_host(void **state)
{
    (void)state;
    const struct way ways[] = {
        {.kind = EVEN},
        {.kind = EVEN, .options = {.scale = 3, .sharpen = 1}},
        {.kind = INVISIBLE},
        {.kind = INVISIBLE, .options = {.scale = 3, .contrast = 1.5}},
        {.width = 1, .height = 1},
        {.width = 1, .height = 1, .options = {.scale = 5}},
        {.width = 90, .height = 2, .options = {.scale = 2.5, .sharpen = 1}},
        {.width = 3, .height = 90, .band = 1, .options = {.scale = 3}},
        {.width = 3, .height = 90, .band = 1, .kind = BANDS, .options = {.scale = 1.3}},
        {.band = 100, .options = {.scale = 3.5, .sharpen = 1}},
        {.width = 30, .height = 50, .band = 1, .kind = BANDS},
        {.width = 70, .height = 90, .band = 16, .options = {.pre_downscale = 40, .scale = 3}},
    };
    for (size_t i = 0; i < PQ_COUNT(ways); i += (size_t)test_much(1, 1, 5)) {
        const struct way w = filled(&ways[i]);
        assert_alike(&w, 3, true, 2);
        assert_alike(&w, 1, true, 3);
    }
}

/* The one of four channels gets an alpha of 1 where there is none. */
static void networks_of_one_and_four_channels_have_the_bits_of_the_host(void **state)
{
    (void)state;
    for (enum model model = GREY; model <= ALL; model++) {
        for (size_t t = 0; t < PQ_COUNT(treatments); t += (size_t)test_much(4, 4, 8)) {
            const struct way w = filled(&(struct way){.options = treatments[t], .model = model});
            for (int colours = 1; colours <= 3; colours += 2) {
                assert_alike(&w, colours, true, 1 + colours / 2);
                assert_alike(&w, colours, false, 1);
            }
        }
    }
}

static void orders_bands_and_places_change_no_sample(void **state)
{
    (void)state;
    static const enum pique_precision tiers[] = {PIQUE_PRECISION_FP32, PIQUE_PRECISION_FP16};
    for (size_t t = 0; t < PQ_COUNT(tiers); t++) {
        struct way w = filled(&(struct way){.width = 21,
                                            .height = 45,
                                            .kind = BANDS,
                                            .band = 100,
                                            .options = {.scale = 3, .sharpen = 0.5},
                                            .precision = tiers[t]});
        struct result alone[MOST], have[MOST];
        make_files(&w, 3, true);
        start(STANDIN_LAZY, 3);
        run("cuda", &w, 1, alone);
        for (int k = 0; k < 4; k++) {
            w.band = 1 + 5 * k;
            start(k % 2 ? STANDIN_THREADS : STANDIN_LAZY, (uint64_t)k);
            run("cuda", &w, k + 1, have);
            assert_same(have, alone, 1);
            nothing_is_wrong();
        }
    }
}

/* Of one size, but not of one kind: each goes with its like, and whole. */
static void pictures_of_a_batch_that_are_not_alike_go_each_their_way(void **state)
{
    (void)state;
    const struct way w = filled(&(struct way){.options = {.scale = 3}});
    struct result want[MOST], have[MOST];
    free_files();
    for (int i = 0; i < MOST; i++) {
        const struct pq_picture_format format = {w.width, w.height, i == 1 ? 1 : 3, i % 2, w.depth};
        make_file(&files[i], &format, MIXED, (unsigned)i);
    }
    start(STANDIN_LAZY, 1);
    run("cpu:direct", &w, MOST, want);
    run("cuda", &w, MOST, have);
    assert_same(have, want, MOST);
    nothing_is_wrong();
}

/* ---- where stages do it on the device ---- */

static void attempt(pique_engine *engine, const struct way *w, int count, uint64_t *hashes)
{
    static const char *const names[] = {"0.png", "1.png"}, *const to[] = {"0-none.png",
                                                                          "1-none.png"};
    struct pq_picture_job jobs[2], *all[2];
    const struct pq_engines engines = {&engine, 1};
    pique_picture_options options = w->options;
    pique_error err;
    options.size = sizeof options;
    for (int i = 0; i < count; i++) {
        jobs[i] = (struct pq_picture_job){
            .engines = &engines, .engine = engine, .src = names[i], .dst = to[i]};
        if (pq_picture_open(&jobs[i], &options, &err))
            fail_msg("%s", err.message);
        all[i] = &jobs[i];
    }
    if (pq_picture_attempt(all, count, jobs[0].plan.share, &err))
        fail_msg("%s", err.message);
    for (int i = 0; i < count; i++) {
        hashes[i] = jobs[i].report.hash;
        pq_picture_close(&jobs[i]);
    }
}

/* Two that are not alike, if somebody asks for that. In halves a network behind a resize rounds
 * once more (backend/cuda/shuffle.c wants sizes of whole multiples). */
static void stages_on_the_device_have_the_same_bits(void **state)
{
    (void)state;
    static const enum pique_precision tiers[] = {PIQUE_PRECISION_FP32, PIQUE_PRECISION_FP16,
                                                 PIQUE_PRECISION_BF16};
    for (size_t t = 0; t < PQ_COUNT(tiers); t++) {
        for (size_t k = t % 2; k < PQ_COUNT(treatments); k += (size_t)test_much(2, 4, 4)) {
            const struct way w =
                filled(&(struct way){.options = treatments[k], .precision = tiers[t]});
            uint64_t together[2], alone;
            if (tiers[t] != PIQUE_PRECISION_FP32 && w.options.pre_downscale)
                continue;
            free_files();
            for (int i = 0; i < 2; i++)
                make_file(&files[i], &(struct pq_picture_format){29, 33, 3 - 2 * i, true, 8}, BANDS,
                          1);
            standin_reset();
            standin_mode(STANDIN_LAZY, k, 0);
            pique_engine *engine = open_engine("cuda", &w);
            attempt(engine, &w, 2, together);
            standin_add_kernel("cuda_load", must_not_run);
            attempt(engine, &w, 1, &alone);
            pique_engine_close(&engine);
            if (alone != together[0])
                fail_msg("tier %zu, treatment %zu", t, k);
            nothing_is_wrong();
        }
    }
}

/* ---- one set of weights ---- */

static size_t packed_floats(const struct pq_graph *g, enum pique_precision tier)
{
    struct cuda_step *steps = calloc((size_t)g->count, sizeof *steps);
    float *weights;
    size_t floats;
    cuda_choose(g, tier, steps);
    assert_int_equal(cuda_pack(g, tier, NULL, steps, &weights, &floats, NULL), 0);
    pq_free(weights);
    free(steps);
    return floats;
}

static void alpha_adds_a_network_but_no_weights(void **state)
{
    (void)state;
    static const enum pique_precision tiers[] = {PIQUE_PRECISION_FP32, PIQUE_PRECISION_FP16};
    const struct way w = filled(&(struct way){.width = 30});
    const pique_picture_options options = {.size = sizeof options};
    const struct pq_scale own = {2, 1};
    const struct pq_image out = {.width = 60, .height = 86, .planes = 4, .depth = 8};
    struct pq_plan plan;
    standin_reset();
    pique_engine *engine = open_engine("cuda", &w);
    const struct pq_engines engines = {&engine, 1};
    const struct pq_frames_setup setup = {
        .engines = &engines, .width = 30, .height = 43, .planes = 4, .depth = 8};
    assert_int_equal(pq_plan_options(&plan, &options, NULL), 0);
    assert_int_equal(pq_size_resolve(&plan.options, 30, 43, &own, 1, "a", &plan.size, NULL), 0);
    for (size_t t = 0; t < PQ_COUNT(tiers); t++) {
        size_t floats[2], convolutions[2] = {0};
        for (int keep = 0; keep < 2; keep++) {
            struct pq_framed_graph made;
            plan.alpha = keep ? PIQUE_ALPHA_KEEP : PIQUE_ALPHA_DROP;
            assert_int_equal(pq_framed_build(&setup, &plan, &out, true, &made, NULL), 0);
            floats[keep] = packed_floats(made.graph, tiers[t]);
            for (int i = 0; i < made.graph->count; i++)
                convolutions[keep] += made.graph->ops[i].kind == PQ_OP_CONV2D;
            assert_int_equal(made.looks, 1 + keep);
            pq_graph_free(&made.graph);
        }
        assert_int_equal(convolutions[1], 2 * convolutions[0]);
        assert_true(floats[1] <= floats[0]);
    }
    pique_engine_close(&engine);
}

/* ---- halves ---- */

/* Alpha that is kept comes from no half: 102 of 255 is the same number of 65535. */
static unsigned char *kept; /* the last row of samples */
static int keep_write(struct pq_row_sink *sink, int rows, const void *data, ptrdiff_t stride,
                      pique_error *err)
{
    const struct file *f = (const struct file *)((char *)sink - offsetof(struct file, sink));
    (void)err;
    if (rows)
        memcpy(kept, (const char *)data + (rows - 1) * stride, pq_picture_row_bytes(&f->made));
    return 0;
}

static int open_keeping_sink(const char *path, const struct pq_picture_format *format,
                             const struct pq_save *save, const struct pq_row_source *like,
                             struct pq_row_sink **out, pique_error *err)
{
    const int rc = open_sink(path, format, save, like, out, err);
    (*out)->write = keep_write;
    return rc;
}

static void even_alpha_is_kept_to_the_bit_in_halves(void **state)
{
    (void)state;
    struct pq_picture_io io = IO;
    io.open_sink = open_keeping_sink;
    pq_picture_module_replace(&io);
    for (int colours = 1; colours <= 3; colours += 2) {
        const struct way w = filled(&(struct way){
            .kind = EVEN, .options = {.depth = 16}, .precision = PIQUE_PRECISION_FP16});
        struct result result;
        make_files(&w, colours, true);
        start(STANDIN_LAZY, 1);
        kept = calloc(1, (size_t)w.width * 2 * 8);
        run("cuda", &w, 1, &result);
        for (int x = 0; x < 2 * w.width; x++) {
            uint16_t alpha;
            memcpy(&alpha, kept + 2 * ((colours + 1) * x + colours), 2);
            assert_int_equal(alpha, 102 * 257);
        }
        free(kept);
        nothing_is_wrong();
    }
    pq_picture_module_replace(&IO);
}

/* ---- never a wrong picture called done ---- */

static int launches, spoiled;

/* In place of a network's last step, of which a picture with alpha has two. */
static void spoil(const struct cuda_args *a)
{
    const bool bad = launches < spoiled && launches % 2;
    for (int f = 0; f < a->frames; f++)
        for (int64_t y = a->y0; y < a->y0 + a->rows; y++)
            for (int x = 0; x < a->out.width; x++)
                for (int c = 0; c < a->out.channels; c++)
                    a->out.data[cuda_offset(&a->out, f, y, x) + c] =
                        bad ? NAN : (float)((x + y) % 7) / 7;
    launches++;
}

static void what_becomes_of_alpha_is_looked_at(void **state)
{
    (void)state;
    const struct way w = filled(&(struct way){.width = 40, .height = 44, .band = 100});
    for (int always = 0; always < 2; always++) {
        struct result result;
        pique_error err;
        start(STANDIN_LAZY, 1);
        standin_add_kernel("cuda_add", spoil);
        launches = 0;
        spoiled = always ? 1000 : 2;
        make_files(&w, 3, true);
        pique_engine *engine = open_engine("cuda", &w);
        const int rc = run_on(engine, &w, 1, &result, &err);
        assert_int_equal(rc, always ? PIQUE_EDEVICE : 0);
        if (always)
            assert_non_null(strstr(err.message, "pass 1: output rows 0 to 63 hold values"));
        else
            assert_int_equal(launches, 4); /* it was computed twice */
        pique_engine_close(&engine);
    }
}

static int clean_up(void **state)
{
    (void)state;
    free_files();
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_treatment_of_alpha_has_the_bits_of_the_host),
        TEST(grey_has_the_bits_of_the_host),
        TEST(odd_pictures_have_the_bits_of_the_host),
        TEST(networks_of_one_and_four_channels_have_the_bits_of_the_host),
        TEST(orders_bands_and_places_change_no_sample),
        TEST(pictures_of_a_batch_that_are_not_alike_go_each_their_way),
        TEST(stages_on_the_device_have_the_same_bits),
        TEST(alpha_adds_a_network_but_no_weights),
        TEST(even_alpha_is_kept_to_the_bit_in_halves),
        TEST(what_becomes_of_alpha_is_looked_at),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
