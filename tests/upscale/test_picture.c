/* SPDX-License-Identifier: MIT */
/* The public picture functions over a picture module in memory and an engine of a few lines. */
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "fake.h"
#include "pique/picture.h"
#include "upscale/module.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- the module ---- */

/* The one picture that exists, and what became of it. */
static struct {
    struct pq_picture_format format;
    pique_picture_info info; /* what the file is said to have; colours 0: as the fake has it */
    unsigned char samples[64 * 64 * 8];
    struct fake_source source;
    struct fake_sink sink; /* the last one */
    struct pq_save save;
    int sources, sinks, unfinished;
    bool sink_used;
    /* Faults. */
    int fail_open_source, fail_open_sink; /* statuses */
    int fail_read, fail_rewind, fail_write;
    bool fail_finish;
} world;

static int world_probe(const char *path, bool allow_untrusted, pique_picture_info *info,
                       pique_error *err)
{
    (void)allow_untrusted;
    if (strcmp(path, "in.png") != 0)
        return pq_fail(err, PIQUE_ENOENT, "%s: fake: not here", path);
    info->width = 17;
    info->frames = 3;
    return 0;
}

static int world_open_source(const char *path, bool allow_untrusted, struct pq_row_source **out,
                             pique_error *err)
{
    (void)allow_untrusted;
    if (world.fail_open_source)
        return pq_fail(err, world.fail_open_source, "%s: fake: damaged", path);
    fake_source_init(&world.source, &world.format, world.samples);
    if (world.info.colours)
        world.source.base.info = world.info;
    world.source.fail_read = world.fail_read;
    world.source.fail_rewind = world.fail_rewind;
    world.sources++;
    *out = &world.source.base;
    return 0;
}

static void forget_sink(void)
{
    if (!world.sink_used)
        return;
    assert_false(world.sink.open);
    world.unfinished += !world.sink.finished;
    free(world.sink.samples);
    world.sink_used = false;
}

static int world_open_sink(const char *path, const struct pq_picture_format *format,
                           const struct pq_save *save, const struct pq_row_source *like,
                           struct pq_row_sink **out, pique_error *err)
{
    assert_ptr_equal(like, &world.source);
    assert_true(world.source.open);
    if (world.fail_open_sink)
        return pq_fail(err, world.fail_open_sink, "%s: fake: no such folder", path);
    forget_sink();
    fake_sink_init(&world.sink, format);
    world.sink.fail_write = world.fail_write;
    world.sink.fail_finish = world.fail_finish;
    world.sink_used = true;
    world.sinks++;
    world.save = *save;
    *out = &world.sink.base;
    return 0;
}

static const struct pq_format_caps FORMATS[] = {
    {PIQUE_FORMAT_PNG, "png", ".png", true, true, true, 5000, true, true, true},
    {PIQUE_FORMAT_JPEG, "jpeg", ".jpg .jpeg", false, false, true, 200, false, false, false},
    {PIQUE_FORMAT_WEBP, "webp", ".webp", true, false, false, 5000, false, false, false},
    {.format = PIQUE_FORMAT_AUTO},
};

static const struct pq_picture_io IO = {.version = PQ_PICTURE_IO_VERSION,
                                        .probe = world_probe,
                                        .open_source = world_open_source,
                                        .formats = FORMATS,
                                        .open_sink = world_open_sink};

/* A random picture; alpha has opaque, empty and soft parts. */
static void new_world(int width, int height, int colours, bool alpha, int depth)
{
    forget_sink();
    memset(&world, 0, sizeof world);
    world.format = (struct pq_picture_format){width, height, colours, alpha, depth};
    assert_true(pq_picture_row_bytes(&world.format) * (size_t)height <= sizeof world.samples);
    struct image image = image_random(width, height, 4, 1000u + (unsigned)width);
    size_t at = 0;
    for (int i = 0; i < width * height; i++)
        for (int c = 0; c < 4; c++) {
            if (c < 3 ? c >= colours : !alpha)
                continue;
            const float v = image.data[i * 4 + c];
            if (depth == 8)
                world.samples[at++] = (unsigned char)(v * 255);
            else
                ((uint16_t *)(void *)world.samples)[at++] = (uint16_t)(v * 65535);
        }
    image_free(&image);
}

static pique_engine engine_of(enum fake_network network, int scale)
{
    return (pique_engine){
        .network = network, .scale = scale, .channels = 3, .band = 4, .lag = 2, .budget = 1 << 28};
}

/* Nothing is open and nothing half-written is called finished. */
static void assert_clean(const pique_engine *engine, int rc)
{
    assert_false(world.source.open);
    assert_false(world.sink_used && world.sink.open);
    assert_int_equal(engine->streams_open, 0);
    if (world.sink_used)
        assert_int_equal(world.sink.finished, rc == 0);
}

static int upscale(pique_engine *engine, const char *dst, const pique_picture_options *options,
                   pique_picture_report *report, pique_error *err)
{
    forget_sink();
    engine->progress_done = 0;
    int rc = pique_picture_upscale(engine, "in.png", dst, options, report, err);
    assert_clean(engine, rc);
    return rc;
}

#define OPTIONS(...) (&(pique_picture_options){.size = sizeof(pique_picture_options), __VA_ARGS__})

/* ---- what comes out ---- */

static void defaults_give_the_models_own_scale_and_a_full_report(void **state)
{
    (void)state;
    new_world(13, 21, 3, false, 8);
    pique_engine e = engine_of(FAKE_NEAREST, 4);
    pique_picture_report r = {.size = sizeof r};
    assert_int_equal(upscale(&e, "out.png", NULL, &r, NULL), 0);
    assert_int_equal(r.in_width, 13);
    assert_int_equal(r.in_height, 21);
    assert_int_equal(r.out_width, 52);
    assert_int_equal(r.out_height, 84);
    assert_int_equal(r.passes, 1);
    assert_int_equal(r.depth, 8);
    assert_int_equal(r.retries, 0);
    assert_int_equal(r.bytes_written, 4711);
    assert_string_equal(r.format, "png");
    assert_true(r.seconds >= 0 && r.seconds < 60);
    assert_true(r.hash == XXH3_64bits(world.sink.samples, 52 * 84 * 3));
    assert_int_equal(e.progress_done, 84);
    assert_int_equal(e.progress_total, 84);
    assert_int_equal(e.notes, 0);
    for (int i = 0; i < 52 * 84 * 3; i++) {
        const int c = i % 3, x = i / 3 % 52, y = i / 3 / 52;
        assert_int_equal(world.sink.samples[i], world.samples[(y / 4 * 13 + x / 4) * 3 + c]);
    }
    assert_int_equal(world.save.quality, 95);
    assert_int_equal(world.save.compression, 6);
}

static void grey_stays_grey_where_the_format_can(void **state)
{
    (void)state;
    static const struct {
        const char *dst;
        int colours;
    } table[] = {{"o.png", 1}, {"o.JPG", 1}, {"o.webp", 3}};
    for (size_t i = 0; i < 3; i++) {
        new_world(13, 21, 1, false, 8);
        pique_engine e = engine_of(FAKE_NEAREST, 2);
        assert_int_equal(upscale(&e, table[i].dst, NULL, NULL, NULL), 0);
        assert_int_equal(world.sink.format.colours, table[i].colours);
        for (int p = 0; p < 26 * 42 * table[i].colours; p++) {
            const int x = p / table[i].colours % 26, y = p / table[i].colours / 26;
            assert_int_equal(world.sink.samples[p], world.samples[y / 2 * 13 + x / 2]);
        }
    }
}

static void sixteen_bits_stay_sixteen_or_a_note_says_so(void **state)
{
    (void)state;
    new_world(13, 21, 3, false, 16);
    pique_engine e = engine_of(FAKE_NEAREST, 1);
    assert_int_equal(upscale(&e, "o.png", NULL, NULL, NULL), 0);
    assert_int_equal(world.sink.format.depth, 16);
    assert_memory_equal(world.sink.samples, world.samples, 13 * 21 * 6);
    assert_int_equal(e.notes, 0);
    assert_int_equal(upscale(&e, "o.webp", NULL, NULL, NULL), 0);
    assert_int_equal(world.sink.format.depth, 8);
    assert_int_equal(e.notes, 1);
    assert_non_null(strstr(e.last_note, "16 bits"));
    assert_int_equal(upscale(&e, "o.png", OPTIONS(.depth = 8), NULL, NULL), 0);
    assert_int_equal(world.sink.format.depth, 8);
    assert_int_equal(e.notes, 1); /* as asked for */
    assert_int_equal(upscale(&e, "o.jpg", OPTIONS(.depth = 16), NULL, NULL), PIQUE_EINVAL);
    new_world(13, 21, 3, false, 8);
    assert_int_equal(upscale(&e, "o.png", OPTIONS(.depth = 16), NULL, NULL), 0);
    for (int i = 0; i < 13 * 21 * 3; i++)
        assert_int_equal(((uint16_t *)(void *)world.sink.samples)[i], world.samples[i] * 257);
}

static void alpha_is_kept_dropped_or_laid_over_the_background(void **state)
{
    (void)state;
    new_world(24, 24, 3, true, 8);
    pique_engine e = engine_of(FAKE_NEAREST, 1);
    assert_int_equal(upscale(&e, "o.png", NULL, NULL, NULL), 0);
    assert_true(world.sink.format.alpha);
    assert_int_equal(e.frames, 2);
    for (int i = 0; i < 24 * 24; i++) {
        assert_int_equal(world.sink.samples[i * 4 + 3], world.samples[i * 4 + 3]);
        if (world.samples[i * 4 + 3])
            assert_memory_equal(world.sink.samples + i * 4, world.samples + i * 4, 3);
    }
    assert_int_equal(upscale(&e, "o.png", OPTIONS(.alpha = PIQUE_ALPHA_DROP), NULL, NULL), 0);
    assert_false(world.sink.format.alpha);
    assert_int_equal(e.frames, 1);
    for (int i = 0; i < 24 * 24; i++)
        assert_memory_equal(world.sink.samples + i * 3, world.samples + i * 4, 3);
    const pique_picture_options *flatten =
        OPTIONS(.alpha = PIQUE_ALPHA_FLATTEN, .background = {10, 20, 200}, .background_set = true);
    assert_int_equal(upscale(&e, "o.png", flatten, NULL, NULL), 0);
    assert_false(world.sink.format.alpha);
    for (int i = 0; i < 24 * 24 * 3; i++) {
        const unsigned char *p = world.samples + i / 3 * 4;
        const double a = p[3] / 255.0, v = p[i % 3] * a + flatten->background[i % 3] * (1 - a);
        assert_true(fabs(world.sink.samples[i] - v) < 0.501);
    }
    assert_int_equal(e.notes, 0);
    assert_int_equal(upscale(&e, "o.jpg", NULL, NULL, NULL), 0);
    assert_int_equal(e.notes, 1);
    assert_non_null(strstr(e.last_note, "#ffffff"));
    for (int i = 0; i < 24 * 24; i++)
        if (world.samples[i * 4 + 3] == 0)
            assert_memory_equal(world.sink.samples + i * 3, "\377\377\377", 3);
}

static void an_opaque_picture_takes_one_frame_and_keeps_its_alpha_channel(void **state)
{
    (void)state;
    new_world(24, 24, 3, true, 16);
    for (int i = 0; i < 24 * 24; i++)
        ((uint16_t *)(void *)world.samples)[i * 4 + 3] = 65535;
    pique_engine e = engine_of(FAKE_BLUR, 2);
    assert_int_equal(upscale(&e, "o.png", OPTIONS(.scale = 3), NULL, NULL), 0);
    assert_int_equal(e.frames, 1);
    assert_true(world.sink.format.alpha);
    for (int i = 0; i < 72 * 72; i++)
        assert_int_equal(((uint16_t *)(void *)world.sink.samples)[i * 4 + 3], 65535);
    assert_int_equal(upscale(&e, "o.jpg", OPTIONS(.depth = 8), NULL, NULL), 0);
    assert_int_equal(e.notes, 0); /* nothing was lost */
}

static void grey_over_a_coloured_background_becomes_rgb(void **state)
{
    (void)state;
    new_world(12, 12, 1, true, 8);
    pique_engine e = engine_of(FAKE_NEAREST, 1);
    const pique_picture_options *o =
        OPTIONS(.alpha = PIQUE_ALPHA_FLATTEN, .background = {255, 0, 0}, .background_set = true);
    assert_int_equal(upscale(&e, "o.png", o, NULL, NULL), 0);
    assert_int_equal(world.sink.format.colours, 3);
}

static void sizes_and_passes_reach_the_sink(void **state)
{
    (void)state;
    static const struct {
        pique_picture_options o;
        int width, height, passes;
    } table[] = {
        {{.scale = 4}, 80, 120, 2},
        {{.scale = 3}, 60, 90, 2},
        {{.scale = 0.25}, 5, 8, 1},
        {{.width = 33}, 33, 50, 1},
        {{.fit_width = 100, .fit_height = 90}, 60, 90, 2},
        {{.pre_downscale = 15}, 20, 30, 1},
        {{.pre_downscale = 10, .scale = 1}, 7, 10, 1},
    };
    new_world(20, 30, 3, true, 8);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        pique_engine e = engine_of(FAKE_BLUR, 2);
        pique_picture_options o = table[i].o;
        o.size = sizeof o;
        pique_picture_report r = {.size = sizeof r};
        assert_int_equal(upscale(&e, "o.png", &o, &r, NULL), 0);
        assert_int_equal(r.out_width, table[i].width);
        assert_int_equal(r.out_height, table[i].height);
        assert_int_equal(world.sink.format.width, table[i].width);
        assert_int_equal(world.sink.format.height, table[i].height);
        assert_int_equal(r.passes, table[i].passes);
        assert_int_equal(e.streams_opened, table[i].passes);
    }
}

static int upscale_chain(pique_engine *const *engines, size_t count, const char *dst,
                         const pique_picture_options *options, pique_picture_report *report,
                         pique_error *err)
{
    forget_sink();
    engines[0]->progress_done = 0;
    int rc = pique_picture_upscale_chain(engines, count, "in.png", dst, options, report, err);
    for (size_t i = 0; i < count; i++)
        assert_clean(engines[i], rc);
    return rc;
}

static void a_chain_is_one_model_after_the_other_clipped_and_not_rounded_between(void **state)
{
    (void)state;
    new_world(24, 24, 3, true, 8);
    pique_engine loud = engine_of(FAKE_LOUD, 1), blur = engine_of(FAKE_BLUR, 2);
    loud.channels = 1;
    loud.band = 7;
    pique_engine *both[] = {&loud, &blur};
    pique_picture_report r = {.size = sizeof r};
    const pique_picture_options *deep = OPTIONS(.depth = 16, .alpha = PIQUE_ALPHA_DROP);
    assert_int_equal(upscale_chain(both, 2, "o.png", deep, &r, NULL), 0);
    assert_int_equal(r.out_width, 48);
    assert_int_equal(r.passes, 2);
    assert_int_equal(loud.frames, 3);
    assert_int_equal(blur.frames, 1);
    for (int i = 0; i < 48 * 48 * 3; i++) {
        const int c = i % 3, x = i / 3 % 48 / 2, y = i / 3 / 96;
        double sum = 0;
        for (int v = y - 1; v <= y + 1; v++)
            for (int u = x - 1; u <= x + 1; u++) {
                const int at = PQ_MIN(PQ_MAX(v, 0), 23) * 24 + PQ_MIN(PQ_MAX(u, 0), 23);
                sum += fmin(fmax(3 * (world.samples[at * 4 + c] / 255.0) - 1, 0), 1);
            }
        const double got = ((uint16_t *)(void *)world.sink.samples)[i];
        assert_true(fabs(got - sum / 9 * 65535) < 0.6);
    }
    /* Alpha goes through both; the last that enlarges is repeated. */
    pique_engine one = engine_of(FAKE_NEAREST, 1), two = engine_of(FAKE_NEAREST, 2);
    pique_engine *three[] = {&one, &two, &one};
    assert_int_equal(upscale_chain(three, 3, "o.png", OPTIONS(.scale = 4), &r, NULL), 0);
    assert_int_equal(r.passes, 4);
    assert_int_equal(one.streams_opened, 2);
    assert_int_equal(two.streams_opened, 2);
    for (int i = 0; i < 96 * 96; i++)
        assert_int_equal(world.sink.samples[i * 4 + 3],
                         world.samples[(i / 96 / 4 * 24 + i % 96 / 4) * 4 + 3]);
}

static void models_that_do_not_enlarge_restore_at_the_same_size(void **state)
{
    (void)state;
    new_world(13, 21, 3, false, 8);
    pique_engine one = engine_of(FAKE_NEAREST, 1);
    pique_engine *twice[] = {&one, &one};
    pique_picture_report r = {.size = sizeof r};
    assert_int_equal(upscale_chain(twice, 2, "o.png", NULL, &r, NULL), 0);
    assert_int_equal(r.out_width, 13);
    assert_int_equal(r.out_height, 21);
    assert_memory_equal(world.sink.samples, world.samples, 13 * 21 * 3);
}

static void a_chain_of_none_or_of_too_many_is_refused(void **state)
{
    (void)state;
    new_world(13, 21, 3, false, 8);
    pique_engine one = engine_of(FAKE_NEAREST, 1);
    pique_engine *many[PIQUE_CHAIN_MODELS + 1] = {0};
    pique_error err;
    assert_int_equal(pique_picture_upscale_chain(many, 2, "i", "o", NULL, NULL, &err),
                     PIQUE_EINVAL);
    for (int i = 0; i <= PIQUE_CHAIN_MODELS; i++)
        many[i] = &one;
    assert_int_equal(upscale_chain(many, 0, "o.png", NULL, NULL, &err), PIQUE_EINVAL);
    assert_int_equal(upscale_chain(many, PIQUE_CHAIN_MODELS + 1, "o.png", NULL, NULL, &err),
                     PIQUE_EINVAL);
    assert_non_null(strstr(err.message, "a chain of 17 models"));
    assert_int_equal(upscale_chain(many, PIQUE_CHAIN_MODELS, "o.png", NULL, NULL, &err), 0);
}

static void the_models_of_a_chain_share_one_budget(void **state)
{
    (void)state;
    new_world(20, 30, 3, false, 8);
    pique_engine a = engine_of(FAKE_NEAREST, 1), b = engine_of(FAKE_NEAREST, 2);
    pique_engine *both[] = {&a, &b};
    a.budget = 1000; /* the first one's counts */
    pique_error err = {0};
    assert_int_equal(upscale_chain(both, 2, "o.png", NULL, NULL, &err), PIQUE_ENOMEM);
    assert_non_null(strstr(err.message, "2 passes"));
    a.budget = 1 << 28;
    b.budget = 1000;
    assert_int_equal(upscale_chain(both, 2, "o.png", NULL, NULL, &err), 0);
}

static void contrast_turns_about_the_mean_of_the_source(void **state)
{
    (void)state;
    new_world(20, 30, 3, false, 8);
    double mean = 0;
    for (int i = 0; i < 20 * 30; i++)
        mean += (19595 * world.samples[i * 3] + 38470 * world.samples[i * 3 + 1] +
                 7471 * world.samples[i * 3 + 2]) /
                65536.0 / 600;
    pique_engine e = engine_of(FAKE_NEAREST, 1);
    assert_int_equal(upscale(&e, "o.png", OPTIONS(.contrast = 1.5), NULL, NULL), 0);
    assert_int_equal(world.source.rewinds, 1);
    for (int i = 0; i < 20 * 30 * 3; i++) {
        const double v = fmin(fmax(mean + 1.5 * (world.samples[i] - mean), 0), 255);
        assert_true(fabs(world.sink.samples[i] - v) < 0.501);
    }
    assert_int_equal(upscale(&e, "o.png", OPTIONS(.saturation = -1), NULL, NULL), 0);
    for (int i = 0; i < 20 * 30; i++)
        assert_true(world.sink.samples[i * 3] == world.sink.samples[i * 3 + 1] &&
                    world.sink.samples[i * 3] == world.sink.samples[i * 3 + 2]);
}

static void threads_bands_memory_and_rounding_mode_change_nothing(void **state)
{
    (void)state;
    new_world(30, 41, 3, true, 8);
    struct pq_pool *pool;
    assert_int_equal(pq_pool_create(3, &pool, NULL), 0);
    const pique_picture_options *o =
        OPTIONS(.scale = 2.7, .sharpen = 0.7, .contrast = 1.2, .saturation = 1.1);
    uint64_t hash = 0;
    for (int i = 0; i < 24; i++) {
        pique_engine e = engine_of(FAKE_BLUR, 2);
        e.band = 1 + i * 2;
        e.lag = i % 5;
        e.pool = i % 2 ? pool : NULL;
        e.budget = i % 3 ? 1 << 28 : 1 << 20;
        pique_picture_report r = {.size = sizeof r};
        fesetround(i % 4 == 3 ? FE_UPWARD : FE_TONEAREST);
        assert_int_equal(upscale(&e, "o.png", o, &r, NULL), 0);
        assert_int_equal(fegetround(), i % 4 == 3 ? FE_UPWARD : FE_TONEAREST);
        fesetround(FE_TONEAREST);
        hash = i ? hash : r.hash;
        assert_true(hash == r.hash);
    }
    pq_pool_destroy(&pool);
}

static void the_mean_over_the_turns_goes_through_passes_sizes_and_retries(void **state)
{
    (void)state;
    new_world(30, 41, 3, true, 8);
    const pique_picture_options *o = OPTIONS(.scale = 2.7, .tta = true, .contrast = 1.1);
    uint64_t hash = 0;
    for (int i = 0; i < 6; i++) {
        pique_engine e = engine_of(FAKE_RIGHT, 2);
        e.band = 1 + i * 5;
        e.bad_after = 3 + i * 2; /* two for the sizes, then eight a pass */
        e.bad_streams = i == 0 ? 0 : 1;
        pique_picture_report r = {.size = sizeof r};
        assert_int_equal(upscale(&e, "o.png", o, &r, NULL), 0);
        assert_int_equal(r.passes, 2);
        assert_int_equal(r.retries, i > 0);
        assert_int_equal(e.progress_done, e.progress_total);
        hash = i ? hash : r.hash;
        assert_true(hash == r.hash);
    }
    pique_engine e = engine_of(FAKE_RIGHT, 2);
    e.budget = 300000;
    pique_error err = {0};
    assert_int_equal(upscale(&e, "o.png", o, NULL, &err), PIQUE_ENOMEM);
    assert_non_null(strstr(err.message, "--tta"));
    assert_int_equal(e.streams_opened, 0);
}

/* ---- retry ---- */

static void a_refused_result_is_computed_once_more(void **state)
{
    (void)state;
    new_world(20, 30, 3, false, 8);
    pique_engine good = engine_of(FAKE_NEAREST, 2), e = good;
    pique_picture_report want = {.size = sizeof want}, r = want;
    assert_int_equal(upscale(&good, "o.png", NULL, &want, NULL), 0);
    e.bad_streams = 1;
    assert_int_equal(upscale(&e, "o.png", NULL, &r, NULL), 0);
    assert_int_equal(e.retries, 1);
    assert_int_equal(r.retries, 1);
    assert_true(r.hash == want.hash);
    assert_int_equal(world.sinks, 3);
    forget_sink();
    assert_int_equal(world.unfinished, 1);
}

static void a_result_that_is_wrong_twice_is_an_error(void **state)
{
    (void)state;
    new_world(20, 30, 3, false, 8);
    pique_engine e = engine_of(FAKE_NEAREST, 2);
    e.bad_streams = 5;
    pique_error err = {0};
    assert_int_equal(upscale(&e, "o.png", NULL, NULL, &err), PIQUE_EDEVICE);
    assert_int_equal(e.retries, 1);
    assert_int_equal(e.streams_opened, 2);
    assert_non_null(strstr(err.message, "rows"));
    assert_ptr_equal(strstr(err.message, "in.png: pass 1: "), err.message);
    assert_non_null(strstr(err.message, ", also when computed once more"));
}

static void what_went_down_a_pipe_is_not_computed_again(void **state)
{
    (void)state;
    new_world(20, 30, 3, false, 8);
    pique_engine e = engine_of(FAKE_NEAREST, 2);
    e.bad_streams = 1;
    assert_int_equal(upscale(&e, "-", NULL, NULL, NULL), PIQUE_EDEVICE);
    assert_int_equal(e.retries, 0);
}

/* ---- what is refused ---- */

static void options_that_make_no_sense_are_refused_before_anything_is_opened(void **state)
{
    (void)state;
    static const pique_picture_options bad[] = {
        {.scale = -1},
        {.scale = 1e9},
        {.scale = (double)NAN},
        {.sharpen = 2.1},
        {.sharpen = -1},
        {.sharpen = (double)NAN},
        {.contrast = -1},
        {.saturation = -2},
        {.contrast = (double)INFINITY},
        {.quality = 101},
        {.compression = 10},
        {.depth = 12},
        {.alpha = (enum pique_alpha)7},
        {.width = 1, .scale = 1},
    };
    new_world(20, 30, 3, false, 8);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pique_engine e = engine_of(FAKE_NEAREST, 2);
        pique_picture_options o = bad[i];
        o.size = sizeof o;
        pique_error err = {0};
        assert_int_equal(upscale(&e, "o.png", &o, NULL, &err), PIQUE_EINVAL);
        print_message("%s\n", err.message);
    }
    pique_engine e = engine_of(FAKE_NEAREST, 2);
    assert_int_equal(upscale(&e, "o.png", &(pique_picture_options){0}, NULL, NULL), PIQUE_EINVAL);
    assert_int_equal(upscale(&e, "o.png", NULL, &(pique_picture_report){0}, NULL), PIQUE_EINVAL);
    assert_int_equal(pique_picture_upscale(NULL, "a", "b", NULL, NULL, NULL), PIQUE_EINVAL);
    assert_int_equal(world.sources, 0);
}

static void an_existing_output_is_refused_before_any_work(void **state)
{
    (void)state;
    new_world(20, 30, 3, false, 8);
    char path[] = "pique-test-XXXXXX.png";
    const int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    close(fd);
    pique_engine e = engine_of(FAKE_NEAREST, 2);
    pique_error err = {0};
    assert_int_equal(upscale(&e, path, NULL, NULL, &err), PIQUE_EEXIST);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(world.sources, 0);
    assert_int_equal(upscale(&e, path, OPTIONS(.overwrite = true), NULL, NULL), 0);
    assert_true(world.save.overwrite);
    unlink(path);
}

static void an_output_that_its_format_cannot_hold_is_refused(void **state)
{
    (void)state;
    new_world(20, 30, 3, false, 8);
    pique_engine e = engine_of(FAKE_NEAREST, 4);
    pique_error err = {0};
    assert_int_equal(upscale(&e, "o.jpg", OPTIONS(.scale = 8), NULL, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "160 x 240"));
    assert_int_equal(upscale(&e, "o.xyz", NULL, NULL, &err), PIQUE_EUNSUPPORTED);
    assert_non_null(strstr(err.message, ".webp"));
    assert_int_equal(upscale(&e, "o.jpg", OPTIONS(.lossless = true), NULL, &err), PIQUE_EINVAL);
    assert_int_equal(e.steps, 0);
    assert_int_equal(world.sinks, 0);
}

static void a_budget_that_is_too_small_says_how_much_is_needed(void **state)
{
    (void)state;
    new_world(20, 30, 3, false, 8);
    pique_engine e = engine_of(FAKE_NEAREST, 4);
    e.budget = 1000;
    pique_error err = {0};
    assert_int_equal(upscale(&e, "o.png", NULL, NULL, &err), PIQUE_ENOMEM);
    assert_non_null(strstr(err.message, "--memory"));
    print_message("%s\n", err.message);
    assert_int_equal(e.steps, 0);
}

static void what_a_format_cannot_carry_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *dst;
        int colours, notes;
    } table[] = {{"o.png", 3, 0}, {"o.jpg", 3, 3}, {"o.jpg", 4, 2}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        new_world(20, 30, 3, false, 8);
        world.info = (pique_picture_info){
            .has_icc = true, .has_exif = true, .has_xmp = true, .colours = table[i].colours};
        pique_engine e = engine_of(FAKE_NEAREST, 2);
        assert_int_equal(upscale(&e, table[i].dst, NULL, NULL, NULL), 0);
        assert_int_equal(e.notes, table[i].notes);
        if (e.notes)
            assert_string_equal(e.last_note,
                                "in.png has XMP data, and pique puts none into jpeg: o.jpg goes "
                                "without");
    }
}

struct heap {
    size_t live, bytes; /* blocks; bytes asked for in all */
};

static void *heap_alloc(void *user, size_t bytes, size_t align)
{
    struct heap *heap = user;
    heap->live++;
    heap->bytes += bytes;
    return aligned_alloc(align, bytes);
}

static void heap_free(void *user, void *memory)
{
    ((struct heap *)user)->live--;
    free(memory);
}

static void the_callers_allocator_serves_every_stage(void **state)
{
    (void)state;
    struct heap heap = {0};
    const pique_allocator allocator = {sizeof allocator, &heap, heap_alloc, heap_free};
    enum { WIDTH = 60, HEIGHT = 30, ROW = WIDTH * 4 * sizeof(float) };
    static const pique_picture_options plain = {.size = sizeof plain};
    const pique_picture_options *all =
        OPTIONS(.pre_downscale = HEIGHT - 3, .scale = 1.5, .sharpen = 1, .contrast = 2);
    size_t plain_bytes = 0;
    for (int i = 0; i < 2; i++) {
        new_world(WIDTH, HEIGHT, 3, true, 8);
        pique_engine e = engine_of(FAKE_NEAREST, 2);
        e.allocator = &allocator;
        heap.bytes = 0;
        assert_int_equal(upscale(&e, "o.png", i ? all : &plain, NULL, NULL), 0);
        assert_int_equal(heap.live, 0);
        if (i == 0)
            plain_bytes = heap.bytes;
    }
    /* 16 rows of the source, two rings of 65 rows of the bleed, 16 rows of output. */
    assert_true(plain_bytes > (130 + 16 * 2) * (size_t)ROW);
    /* Two rings and what they read of the resizes, 18 rows of the effects. */
    assert_true(heap.bytes > plain_bytes + 40 * (size_t)ROW);
}

/* ---- failures ---- */

static void every_failure_comes_through_and_leaves_nothing(void **state)
{
    (void)state;
    const pique_picture_options *o = OPTIONS(.scale = 3, .contrast = 1.1);
    static const struct {
        int status;
        int open_source, open_sink, read, rewind, write, step, cancel;
        bool finish;
    } table[] = {
        {PIQUE_EFORMAT, .open_source = PIQUE_EFORMAT},
        {PIQUE_ECREATE, .open_sink = PIQUE_ECREATE},
        {PIQUE_EFORMAT, .read = 1},
        {PIQUE_EFORMAT, .read = 3},
        {PIQUE_EIO, .rewind = 1},
        {PIQUE_ENOSPC, .write = 1},
        {PIQUE_ENOSPC, .write = 4},
        {PIQUE_EIO, .finish = true},
        {PIQUE_ECANCELED, .cancel = 1},
        {PIQUE_ECANCELED, .cancel = 4},
        {PIQUE_ECANCELED, .cancel = 9},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        new_world(20, 30, 3, true, 8);
        pique_engine e = engine_of(FAKE_BLUR, 2);
        world.fail_open_source = table[i].open_source;
        world.fail_open_sink = table[i].open_sink;
        world.fail_read = table[i].read;
        world.fail_rewind = table[i].rewind;
        world.fail_write = table[i].write;
        world.fail_finish = table[i].finish;
        e.cancel_after = table[i].cancel;
        pique_error err = {0};
        assert_int_equal(upscale(&e, "o.png", o, NULL, &err), table[i].status);
        assert_int_equal(err.code, table[i].status);
        assert_int_equal(e.retries, 0);
    }
    new_world(20, 30, 3, true, 8);
    pique_engine e = engine_of(FAKE_BLUR, 2);
    e.fail_step = 2; /* passes, so the second attempt succeeds */
    assert_int_equal(upscale(&e, "o.png", o, NULL, NULL), 0);
    assert_int_equal(e.retries, 1);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    const pique_picture_options *o =
        OPTIONS(.pre_downscale = 20, .scale = 3, .contrast = 1.1, .sharpen = 1);
    new_world(20, 30, 3, true, 8);
    bool whole = false;
    long n = 1;
    for (; !whole; n++) {
        pique_engine e = engine_of(FAKE_BLUR, 2);
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, false);
        int rc = upscale(&e, "o.png", o, NULL, NULL);
        whole = pq_fault_count(PQ_FAULT_ALLOC) < n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, whole ? 0 : PIQUE_ENOMEM);
    }
    print_message("%ld allocations\n", n - 2);
    assert_true(n > 30);
}

static void a_probe_fills_as_much_as_the_caller_knows(void **state)
{
    (void)state;
    pique_picture_info info = {.size = sizeof info};
    assert_int_equal(pique_picture_probe("in.png", false, &info, NULL), 0);
    assert_int_equal(info.width, 17);
    assert_int_equal(info.frames, 3);
    assert_true(info.size == sizeof info);
    info = (pique_picture_info){.size = offsetof(pique_picture_info, frames)};
    assert_int_equal(pique_picture_probe("in.png", false, &info, NULL), 0);
    assert_int_equal(info.width, 17);
    assert_int_equal(info.frames, 0);
    assert_int_equal(pique_picture_probe("other", false, &info, NULL), PIQUE_ENOENT);
    assert_int_equal(pique_picture_probe(NULL, false, &info, NULL), PIQUE_EINVAL);
    info.size = 0;
    assert_int_equal(pique_picture_probe("in.png", false, &info, NULL), PIQUE_EINVAL);
}

static int use_fake_module(void **state)
{
    (void)state;
    pq_picture_module_replace(&IO);
    return 0;
}

static int forget_world(void **state)
{
    (void)state;
    forget_sink();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_give_the_models_own_scale_and_a_full_report),
        cmocka_unit_test(grey_stays_grey_where_the_format_can),
        cmocka_unit_test(sixteen_bits_stay_sixteen_or_a_note_says_so),
        cmocka_unit_test(alpha_is_kept_dropped_or_laid_over_the_background),
        cmocka_unit_test(an_opaque_picture_takes_one_frame_and_keeps_its_alpha_channel),
        cmocka_unit_test(grey_over_a_coloured_background_becomes_rgb),
        cmocka_unit_test(sizes_and_passes_reach_the_sink),
        cmocka_unit_test(a_chain_is_one_model_after_the_other_clipped_and_not_rounded_between),
        cmocka_unit_test(models_that_do_not_enlarge_restore_at_the_same_size),
        cmocka_unit_test(a_chain_of_none_or_of_too_many_is_refused),
        cmocka_unit_test(the_models_of_a_chain_share_one_budget),
        cmocka_unit_test(contrast_turns_about_the_mean_of_the_source),
        cmocka_unit_test(threads_bands_memory_and_rounding_mode_change_nothing),
        cmocka_unit_test(the_mean_over_the_turns_goes_through_passes_sizes_and_retries),
        cmocka_unit_test(a_refused_result_is_computed_once_more),
        cmocka_unit_test(a_result_that_is_wrong_twice_is_an_error),
        cmocka_unit_test(what_went_down_a_pipe_is_not_computed_again),
        cmocka_unit_test(options_that_make_no_sense_are_refused_before_anything_is_opened),
        cmocka_unit_test(an_existing_output_is_refused_before_any_work),
        cmocka_unit_test(an_output_that_its_format_cannot_hold_is_refused),
        cmocka_unit_test(a_budget_that_is_too_small_says_how_much_is_needed),
        cmocka_unit_test(what_a_format_cannot_carry_is_said),
        cmocka_unit_test(the_callers_allocator_serves_every_stage),
        cmocka_unit_test(every_failure_comes_through_and_leaves_nothing),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(a_probe_fills_as_much_as_the_caller_knows),
    };
    return cmocka_run_group_tests(tests, use_fake_module, forget_world);
}
