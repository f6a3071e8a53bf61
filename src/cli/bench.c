/* SPDX-License-Identifier: MIT */
/* pique bench [MODEL ...]: models x devices x tiers x threads x sizes x batches, each a line that
 * can be pasted beside that of another machine.
 *
 * Each way runs alone first, for its memory and the hash of what it makes. Then all take turns, so
 * that what else the machine does meets them all; before each run on the processor the peak of its
 * threads is measured, so that the share of it says the same on a machine whose clock moves. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "cli/bench.h"
#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/signals.h"

struct bench {
    const struct pq_options *options;
    pique_model **models; /* one an operand, or the default one */
    size_t model_count;
    struct pq_words sizes, devices, tiers, threads, batches;
    struct pq_way *ways;
    size_t count, capacity;
    pique_cancel *cancel;
    int status; /* for a failure, where it is not that of its code */
};

/* ---- what is to be measured ---- */

static size_t wanted_models(const struct bench *b)
{
    return b->options->operand_count ? b->options->operand_count : 1;
}

static const char *model_name(const struct bench *b, size_t i)
{
    return b->options->operand_count ? b->options->operands[i] : pq_catalogue_default();
}

static int open_models(struct bench *b, pique_error *err)
{
    int rc = 0;
    b->models = pq_calloc(wanted_models(b), sizeof *b->models);
    if (!b->models)
        return pq_fail_nomem(err, wanted_models(b) * sizeof *b->models);
    for (; !rc && b->model_count < wanted_models(b); b->model_count += !rc)
        rc = pq_cli_model_open(model_name(b, b->model_count), &b->models[b->model_count],
                               &b->status, err);
    if (!rc)
        b->status = 0;
    return rc;
}

static int read_lists(struct bench *b, pique_error *err)
{
    const struct pq_options *o = b->options;
    int rc = pq_words_of(o, PQ_OPT_BENCH_SIZE, "640x360", &b->sizes, err);
    if (!rc)
        rc = pq_words_of(o, PQ_OPT_BENCH_DEVICE, "", &b->devices, err);
    if (!rc)
        rc = pq_words_of(o, PQ_OPT_BENCH_PRECISION, "auto", &b->tiers, err);
    if (!rc)
        rc = pq_words_of(o, PQ_OPT_BENCH_THREADS, "", &b->threads, err);
    return rc ? rc : pq_words_of(o, PQ_OPT_BENCH_BATCH, "1", &b->batches, err);
}

/* A way of one word of each list; "" is the default. */
static int add_way(struct bench *b, size_t model, const char *device, const char *tier,
                   const char *threads, const char *size, const char *batch, pique_error *err)
{
    pique_model_info info = {.size = sizeof info};
    struct pq_way way = {.name = model_name(b, model), .model = b->models[model]};
    pique_engine_options *e = &way.engine_options;
    *e = (pique_engine_options){.size = sizeof *e,
                                .device = *device ? device : NULL,
                                .band_rows = (int)pq_whole(b->options, PQ_OPT_BAND),
                                .memory_bytes = (uint64_t)pq_whole(b->options, PQ_OPT_MEMORY),
                                .cancel = b->cancel};
    int rc = pq_word_tier(PQ_OPT_BENCH_PRECISION, tier, &e->precision, err);
    if (!rc && *threads)
        rc = pq_word_number(PQ_OPT_BENCH_THREADS, threads, 1, 1024, &e->threads, err);
    if (!rc)
        rc = pq_word_size(PQ_OPT_BENCH_SIZE, size, &way.width, &way.height, err);
    if (!rc)
        rc = pq_word_number(PQ_OPT_BENCH_BATCH, batch, 1, 8, &way.batch, err);
    if (!rc)
        rc = pique_model_get_info(way.model, &info, err);
    if (rc)
        return rc;
    way.flops_per_pixel = info.flops_per_pixel;
    way.in_channels = info.in_channels;
    way.out_channels = info.out_channels;
    struct pq_way *grown = pq_grown(b->ways, b->count, &b->capacity, sizeof *grown);
    if (!grown)
        return pq_fail_nomem(err, sizeof *grown);
    b->ways = grown;
    b->ways[b->count++] = way;
    return 0;
}

static int add_sizes(struct bench *b, size_t model, const char *device, const char *tier,
                     pique_error *err)
{
    int rc = 0;
    for (size_t t = 0; !rc && t < b->threads.count; t++) {
        for (size_t s = 0; !rc && s < b->sizes.count; s++) {
            for (size_t n = 0; !rc && n < b->batches.count; n++)
                rc = add_way(b, model, device, tier, b->threads.list[t], b->sizes.list[s],
                             b->batches.list[n], err);
        }
    }
    return rc;
}

/* Whether the device computes in the tier at all. */
static bool has_tier(const pique_model *model, const char *device, enum pique_precision tier)
{
    const pique_engine_options e = {
        .size = sizeof e, .device = *device ? device : NULL, .precision = tier, .threads = 1};
    pique_engine *engine;
    const bool there = pique_engine_open(model, &e, &engine, NULL) == 0;
    pique_engine_close(&engine);
    return there;
}

/* "all" in place of a tier: each that the device has, by name. */
static int add_all_tiers(struct bench *b, size_t model, const char *device, pique_error *err)
{
    const char *word = pq_option_table[PQ_OPT_PRECISION].choices;
    int rc = 0, index = 0;
    const size_t before = b->count;
    for (size_t n = 0; !rc && (n = pq_next_word(&word, n)) != 0; index++) {
        char tier[32];
        snprintf(tier, sizeof tier, "%.*s", (int)n, word);
        if (index != PIQUE_PRECISION_AUTO &&
            has_tier(b->models[model], device, (enum pique_precision)index))
            rc = add_sizes(b, model, device, tier, err);
    }
    if (!rc && b->count == before) /* opening it says why */
        rc = add_sizes(b, model, device, "auto", err);
    return rc;
}

static int add_ways(struct bench *b, pique_error *err)
{
    int rc = 0;
    for (size_t m = 0; !rc && m < b->model_count; m++) {
        for (size_t d = 0; !rc && d < b->devices.count; d++) {
            for (size_t t = 0; !rc && t < b->tiers.count; t++) {
                const char *tier = b->tiers.list[t], *device = b->devices.list[d];
                rc = strcmp(tier, "all") == 0 ? add_all_tiers(b, m, device, err)
                                              : add_sizes(b, m, device, tier, err);
            }
        }
    }
    return rc;
}

/* ---- measuring ---- */

static int measure(struct bench *b, pique_error *err)
{
    const int runs = (int)pq_whole(b->options, PQ_OPT_RUNS);
    int rc = 0;
    for (size_t i = 0; !rc && i < b->count; i++)
        rc = pq_way_alone(&b->ways[i], err);
    for (size_t i = 0; !rc && i < b->count; i++)
        rc = pq_way_open(&b->ways[i], err);
    for (int r = 0; !rc && r < runs; r++) {
        for (size_t i = 0; !rc && i < b->count; i++)
            rc = pq_way_measure(&b->ways[i], err);
    }
    return rc;
}

/* ---- what is said ---- */

static void add_line(struct pq_str *s, const struct pq_way *way)
{
    const struct pq_figures f = pq_way_figures(way);
    const char *slash = strrchr(way->name, '/');
    char memory[24];
    pq_str_printf(s, "pique %s | %s | ", pique_version(), way->device_name);
    if (pq_way_on_cpu(way))
        pq_str_printf(s, "-j %d | ", way->threads);
    pq_str_add_shown(s, slash && slash[1] ? slash + 1 : way->name);
    pq_str_printf(s, " | %dx%d", way->width, way->height);
    if (way->batch > 1)
        pq_str_printf(s, " x %d", way->batch);
    pq_str_printf(s, " | %s | ", pique_engine_numeric_key(way->engine));
    pq_str_printf(s, pq_tr("%.3f frames/s, best %.3f, %.3f MP/s, %.1f GFLOP/s"), f.frames,
                  f.best_frames, f.mpixels, f.flops / 1e9);
    if (f.peak > 0)
        pq_str_printf(s, pq_tr(", %.0f %% of the peak of %.1f"), f.share * 100, f.peak / 1e9);
    if (way->memory_bytes)
        pq_str_printf(s, ", %s", pq_size_text(way->memory_bytes, memory));
    pq_str_printf(s, " | %016" PRIx64 "\n", way->hash);
}

static int add_text(struct bench *b, struct pq_str *s, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < b->count; i++) {
        add_line(s, &b->ways[i]);
        if (pq_given(b->options, PQ_OPT_BENCH_STEPS))
            rc = pq_steps_text(&b->ways[i], s, err);
    }
    return rc;
}

static void add_figures(struct pq_json *j, const struct pq_way *way)
{
    const struct pq_figures f = pq_way_figures(way);
    pq_json_int(j, "runs", way->runs);
    pq_json_seconds(j, "seconds_median", f.seconds);
    pq_json_seconds(j, "seconds_best", f.best);
    pq_json_open(j, "seconds", '[');
    for (int i = 0; i < way->runs; i++)
        pq_json_seconds(j, NULL, way->seconds[i]);
    pq_json_close(j, ']');
    pq_json_number(j, "frames_per_second", f.frames);
    pq_json_number(j, "frames_per_second_best", f.best_frames);
    pq_json_number(j, "mpixels_per_second", f.mpixels);
    pq_json_number(j, "flops_per_second", f.flops);
    if (f.peak > 0) {
        pq_json_number(j, "peak_flops_per_second", f.peak);
        pq_json_number(j, "peak_share", f.share);
    } else {
        pq_json_string(j, "peak_flops_per_second", NULL);
        pq_json_string(j, "peak_share", NULL);
    }
}

static int add_result(struct bench *b, struct pq_json *j, struct pq_way *way, pique_error *err)
{
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, way->hash);
    pq_json_open(j, NULL, '{');
    pq_json_string(j, "model", way->name);
    pq_json_string(j, "model_sha256", pique_model_sha256(way->model));
    pq_json_string(j, "device", way->engine_options.device ? way->engine_options.device : "cpu");
    pq_json_string(j, "device_name", way->device_name);
    pq_json_int(j, "threads", way->threads);
    pq_json_int(j, "width", way->width);
    pq_json_int(j, "height", way->height);
    pq_json_int(j, "batch", way->batch);
    pq_json_string(j, "numeric_key", pique_engine_numeric_key(way->engine));
    add_figures(j, way);
    pq_json_uint(j, "memory_bytes", way->memory_bytes);
    pq_json_string(j, "hash", hash);
    const int rc = pq_given(b->options, PQ_OPT_BENCH_STEPS) ? pq_steps_json(way, j, err) : 0;
    pq_json_close(j, '}');
    return rc;
}

static int add_json(struct bench *b, struct pq_str *s, pique_error *err)
{
    struct pq_json j = {0};
    int rc = 0;
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "version", pique_version());
    pq_json_open(&j, "results", '[');
    for (size_t i = 0; !rc && i < b->count; i++)
        rc = add_result(b, &j, &b->ways[i], err);
    pq_json_close(&j, ']');
    pq_json_close(&j, '}');
    pq_json_take_line(&j, s);
    pq_str_free(&j.text);
    return rc;
}

/* ---- the whole ---- */

static int run(struct bench *b, struct pq_str *text, pique_error *err)
{
    const char *level = pq_text(b->options, PQ_OPT_CPU);
    int rc = level ? pique_set_cpu_level(level, err) : 0;
    if (rc == PIQUE_EUNSUPPORTED)
        b->status = PQ_EXIT_UNAVAILABLE;
    if (!rc && !(b->cancel = pique_cancel_new()))
        rc = pq_fail_nomem(err, 64);
    if (!rc)
        rc = read_lists(b, err);
    if (!rc)
        rc = open_models(b, err);
    if (!rc)
        rc = add_ways(b, err);
    if (rc)
        return rc;
    pq_watch_signals(b->cancel);
    rc = measure(b, err);
    if (!rc)
        rc = pq_given(b->options, PQ_OPT_JSON) ? add_json(b, text, err) : add_text(b, text, err);
    pq_unwatch_signals();
    if (rc == PIQUE_EUNSUPPORTED) /* the device has not the tier, or does not tell of its steps */
        b->status = PQ_EXIT_UNAVAILABLE;
    return rc;
}

static void free_all(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++)
        pq_way_close(&b->ways[i]);
    pq_free(b->ways);
    for (size_t i = 0; i < b->model_count; i++)
        pique_model_close(&b->models[i]);
    pq_free(b->models);
    pq_words_free(&b->sizes);
    pq_words_free(&b->devices);
    pq_words_free(&b->tiers);
    pq_words_free(&b->threads);
    pq_words_free(&b->batches);
    pique_cancel_free(&b->cancel);
}

int pq_cli_bench(const struct pq_options *o)
{
    struct bench b = {.options = o};
    struct pq_str text = {0};
    pique_error err;
    int status;
    if (run(&b, &text, &err)) {
        pq_str_free(&text);
        const int usual = pq_cli_fail(&err);
        status = b.status ? b.status : usual;
    } else {
        status = pq_cli_print(&text);
    }
    free_all(&b);
    return status;
}
