/* SPDX-License-Identifier: MIT */
/* pique kernels [NAME ...]: what the processor computes with, each variant checked or timed. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/lang.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "pique/pique.h"

enum { CASES = 120, LEVELS = 8 };
static const double SECONDS = 0.05; /* of timing a variant */

/* A variant, and what came of it. */
struct variant {
    const char *level;
    bool checked, same;
    double rate; /* 0: not timed */
};

struct kernel {
    pique_kernel_info info;
    struct variant variants[LEVELS];
    size_t count;
    char shape[96];
    pique_error difference; /* the first */
};

struct kernels {
    const struct pq_options *options;
    struct pq_str text;
    struct pq_json json;
    bool differs;
};

static bool is_wanted(const struct pq_options *o, const char *name)
{
    for (size_t i = 0; i < o->operand_count; i++) {
        if (strcmp(o->operands[i], name) == 0)
            return true;
    }
    return o->operand_count == 0;
}

static int check_names(const struct pq_options *o, pique_error *err)
{
    for (size_t i = 0; i < o->operand_count; i++) {
        pique_kernel_info info = {.size = sizeof info};
        size_t k = 0;
        while (pique_kernel_get(k, &info, NULL) == 0 && strcmp(info.name, o->operands[i]) != 0)
            k++;
        if (pique_kernel_get(k, &info, NULL) != 0)
            return pq_fail(err, PIQUE_EINVAL, "there is no kernel '%s'; pique kernels lists them",
                           o->operands[i]);
    }
    return 0;
}

/* Up to the level that --cpu names, of those that this processor has. */
static void find_variants(const struct pq_options *o, struct kernel *k)
{
    const char *most = pq_text(o, PQ_OPT_CPU), *level;
    bool here;
    for (size_t i = 0; k->count < LEVELS && (level = pique_cpu_level_get(i, &here)); i++) {
        if (here)
            k->variants[k->count++].level = level;
        if (most && strcmp(level, most) == 0)
            break;
    }
}

static int try_variant(struct kernels *all, size_t i, struct kernel *k, struct variant *v,
                       pique_error *err)
{
    if (pq_given(all->options, PQ_OPT_CHECK)) {
        const int rc = pique_kernel_check(i, v->level, CASES, err);
        if (rc && rc != PIQUE_EINTERNAL)
            return rc;
        v->checked = true;
        v->same = rc == 0;
        if (rc && !k->difference.code)
            k->difference = *err;
        all->differs |= rc != 0;
    }
    if (pq_given(all->options, PQ_OPT_TIME_KERNELS)) {
        pique_kernel_rate rate = {.size = sizeof rate};
        const int rc = pique_kernel_time(i, v->level, SECONDS, &rate, err);
        if (rc)
            return rc;
        v->rate = rate.rate;
        memcpy(k->shape, rate.shape, sizeof k->shape);
    }
    return 0;
}

static void add_text(struct kernels *all, const struct kernel *k)
{
    struct pq_str *s = &all->text;
    pq_str_printf(s, "%-18s", k->info.name);
    for (size_t i = 0; i < k->count; i++) {
        const struct variant *v = &k->variants[i];
        pq_str_printf(s, "  %s", v->level);
        if (v->checked)
            pq_str_printf(s, " %s",
                          !v->same ? pq_tr("DIFFERS")
                          : i      ? pq_tr("same")
                                   : pq_tr("reference"));
        if (v->rate > 0)
            pq_str_printf(s, " %.1f (x%.1f)", v->rate / 1e9, v->rate / k->variants[0].rate);
    }
    if (*k->shape)
        pq_str_printf(s, "  %s  %s", k->info.moves ? "GB/s" : "GFLOP/s", k->shape);
    pq_str_add(s, "\n");
    if (k->difference.code)
        pq_str_printf(s, "    %s\n", k->difference.message);
}

static void add_json(struct kernels *all, const struct kernel *k)
{
    struct pq_json *j = &all->json;
    pq_json_open(j, NULL, '{');
    pq_json_string(j, "name", k->info.name);
    if (*k->shape) {
        pq_json_string(j, "unit", k->info.moves ? "B/s" : "FLOP/s");
        pq_json_string(j, "shape", k->shape);
    }
    pq_json_open(j, "variants", '[');
    for (size_t i = 0; i < k->count; i++) {
        const struct variant *v = &k->variants[i];
        pq_json_open(j, NULL, '{');
        pq_json_string(j, "level", v->level);
        if (v->checked)
            pq_json_bool(j, "same", v->same);
        if (v->rate > 0) {
            pq_json_number(j, "rate", v->rate);
            pq_json_number(j, "times_scalar", v->rate / k->variants[0].rate);
        }
        pq_json_close(j, '}');
    }
    pq_json_close(j, ']');
    if (k->difference.code)
        pq_json_string(j, "difference", k->difference.message);
    pq_json_close(j, '}');
}

static int try_all(struct kernels *all, pique_error *err)
{
    int rc = check_names(all->options, err);
    pq_json_open(&all->json, NULL, '[');
    for (size_t i = 0; !rc; i++) {
        struct kernel k = {.info = {.size = sizeof k.info}};
        if (pique_kernel_get(i, &k.info, NULL) != 0)
            break;
        if (!is_wanted(all->options, k.info.name))
            continue;
        find_variants(all->options, &k);
        for (size_t v = 0; !rc && v < k.count; v++)
            rc = try_variant(all, i, &k, &k.variants[v], err);
        add_text(all, &k);
        add_json(all, &k);
    }
    pq_json_close(&all->json, ']');
    return rc;
}

int pq_cli_kernels(const struct pq_options *o)
{
    struct kernels all = {.options = o};
    pique_error err;
    int status;
    if (try_all(&all, &err)) {
        status = pq_cli_fail(&err);
    } else {
        if (pq_given(o, PQ_OPT_JSON)) {
            pq_str_free(&all.text);
            pq_json_take_line(&all.json, &all.text);
        }
        status = pq_cli_print(&all.text);
        if (!status && all.differs) {
            pq_fail(&err, PIQUE_EINTERNAL, "a kernel does not give the bits of its reference");
            pq_cli_fail(&err);
            status = PQ_EXIT_DIFFERS;
        }
    }
    pq_str_free(&all.text);
    pq_str_free(&all.json.text);
    return status;
}
