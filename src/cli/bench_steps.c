/* SPDX-License-Identifier: MIT */
/* What each kind of step of a plan takes, beside what the plan takes it for: steps of one kind,
 * shape and algorithm are one line, the dearest first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "cli/bench.h"

enum { RUNS = 3 };

struct kind {
    pique_step_info info; /* pixels, work and seconds of all of them, of one run */
    int steps;
};

struct kinds {
    struct kind *list;
    size_t count, capacity;
    double seconds, planned; /* of all */
};

static bool alike(const pique_step_info *a, const pique_step_info *b)
{
    return strcmp(a->kind, b->kind) == 0 && strcmp(a->how, b->how) == 0 &&
           a->kernel_width == b->kernel_width && a->kernel_height == b->kernel_height &&
           a->in_channels == b->in_channels && a->channels == b->channels;
}

static int add_step(struct kinds *k, const pique_step_info *step, pique_error *err)
{
    size_t i = 0;
    while (i < k->count && !alike(&k->list[i].info, step))
        i++;
    if (i == k->count) {
        struct kind *grown = pq_grown(k->list, k->count, &k->capacity, sizeof *grown);
        if (!grown)
            return pq_fail_nomem(err, sizeof *grown);
        k->list = grown;
        k->list[k->count++] = (struct kind){.info = *step, .steps = 1};
    } else {
        pique_step_info *all = &k->list[i].info;
        k->list[i].steps++;
        all->pixels += step->pixels;
        all->planned += step->planned;
        all->seconds += step->seconds;
    }
    k->seconds += step->seconds;
    k->planned += (double)step->planned;
    return 0;
}

static int dearest_first(const void *a, const void *b)
{
    const double x = ((const struct kind *)a)->info.seconds;
    const double y = ((const struct kind *)b)->info.seconds;
    return (x < y) - (x > y);
}

static int collect(struct pq_way *way, struct kinds *k, pique_error *err)
{
    double seconds;
    int rc = pique_engine_measure(way->engine, true, err);
    for (int i = 0; !rc && i < RUNS; i++)
        rc = pq_way_run(way, &seconds, err);
    for (size_t i = 0; !rc; i++) {
        pique_step_info step = {.size = sizeof step};
        if (pique_engine_get_step(way->engine, i, &step, NULL) != 0)
            break;
        step.pixels /= RUNS;
        step.planned /= RUNS;
        step.seconds /= RUNS;
        if (step.pixels)
            rc = add_step(k, &step, err);
    }
    if (way->engine)
        pique_engine_measure(way->engine, false, NULL);
    if (!rc && k->count)
        qsort(k->list, k->count, sizeof *k->list, dearest_first);
    return rc;
}

/* Additions and multiplications a second. */
static double rate(const struct kind *k)
{
    const pique_step_info *s = &k->info;
    const double macs = (double)s->planned - (double)s->pixels * s->channels;
    return s->seconds > 0 ? 2 * macs / s->seconds : 0;
}

/* What the kind takes of the time, and of the plan. */
static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

int pq_steps_text(struct pq_way *way, struct pq_str *out, pique_error *err)
{
    struct kinds k = {0};
    int rc = collect(way, &k, err);
    if (!rc)
        pq_str_add(out, pq_tr("  steps  kind               how        shape                  "
                              "ms    time    plan  time/plan  GFLOP/s\n"));
    for (size_t i = 0; !rc && i < k.count; i++) {
        const pique_step_info *s = &k.list[i].info;
        const double time = share(s->seconds, k.seconds);
        const double plan = share((double)s->planned, k.planned);
        char shape[64], gflops[24] = "-";
        if (s->kernel_width)
            snprintf(shape, sizeof shape, "%dx%d %d -> %d", s->kernel_width, s->kernel_height,
                     s->in_channels, s->channels);
        else
            snprintf(shape, sizeof shape, "%d -> %d", s->in_channels, s->channels);
        if (rate(&k.list[i]) > 0)
            snprintf(gflops, sizeof gflops, "%.1f", rate(&k.list[i]) / 1e9);
        pq_str_printf(out, "  %5d  %-18s %-10s %-18s %8.2f %5.1f %% %5.1f %% %10.2f %8s\n",
                      k.list[i].steps, s->kind, *s->how ? s->how : "-", shape, s->seconds * 1e3,
                      time * 100, plan * 100, share(time, plan), gflops);
    }
    pq_free(k.list);
    return rc;
}

int pq_steps_json(struct pq_way *way, struct pq_json *j, pique_error *err)
{
    struct kinds k = {0};
    int rc = collect(way, &k, err);
    pq_json_open(j, "kernels", '[');
    for (size_t i = 0; !rc && i < k.count; i++) {
        const pique_step_info *s = &k.list[i].info;
        pq_json_open(j, NULL, '{');
        pq_json_string(j, "kind", s->kind);
        pq_json_string(j, "how", s->how);
        pq_json_int(j, "steps", k.list[i].steps);
        pq_json_int(j, "kernel_width", s->kernel_width);
        pq_json_int(j, "kernel_height", s->kernel_height);
        pq_json_int(j, "in_channels", s->in_channels);
        pq_json_int(j, "channels", s->channels);
        pq_json_uint(j, "pixels", s->pixels);
        pq_json_seconds(j, "seconds", s->seconds);
        pq_json_number(j, "time_share", share(s->seconds, k.seconds));
        pq_json_number(j, "plan_share", share((double)s->planned, k.planned));
        pq_json_number(j, "flops_per_second", rate(&k.list[i]));
        pq_json_close(j, '}');
    }
    pq_json_close(j, ']');
    pq_free(k.list);
    return rc;
}
