/* SPDX-License-Identifier: MIT */
#include "cli/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/commands.h"

static bool set_in_environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

void pq_report_init(struct pq_report *r, bool json, bool quiet, int verbose, bool carries_picture)
{
    *r = (struct pq_report){
        .json = json, .quiet = quiet, .verbose = verbose, .carries_picture = carries_picture};
    r->terminal = pq_cli_rewrites() && !quiet;
    r->colour = r->terminal && !set_in_environment("NO_COLOR");
    r->list_names = !json && !quiet && !carries_picture && !isatty(STDOUT_FILENO);
    r->started = pq_seconds();
    pthread_mutex_init(&r->lock, NULL);
}

void pq_report_destroy(struct pq_report *r)
{
    pthread_mutex_destroy(&r->lock);
}

/* ---- lines ---- */

void pq_say(struct pq_report *r, const char *head, const char *text)
{
    struct pq_str s = {0};
    pq_str_add_shown(&s, text);
    pq_progress_clear(r);
    fprintf(stderr, "%s%s\n", head, s.data ? s.data : "");
    pq_str_free(&s);
}

void pq_print_line(struct pq_report *r, const char *line)
{
    if (r->stdout_lost)
        return;
    pq_progress_clear(r);
    if (fputs(line, stdout) < 0 || fputc('\n', stdout) == EOF || fflush(stdout) != 0)
        r->stdout_lost = true;
}

static void say_problem(struct pq_report *r, const pique_error *why)
{
    pq_say(r, r->colour ? "\033[31mpique:\033[0m " : "pique: ", why->message);
}

/* ---- the course of a run ---- */

/* "model a.pth (Compact, x1)", one line a model, and what they make together. */
static void say_models(struct pq_report *r, const struct pq_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        const pique_model_info *m = &chain->links[i].info;
        char *text = pq_asprintf("%s (%s, x%g)", m->path, m->architecture,
                                 (double)m->scale_num / m->scale_den);
        if (text)
            pq_say(r, pq_tr("pique: model "), text);
        pq_free(text);
    }
    if (chain->count > 1) {
        char *text =
            pq_asprintf(pq_tr("%zu models, x%g together"), chain->count, pq_chain_scale(chain));
        if (text)
            pq_say(r, "pique: ", text);
        pq_free(text);
    }
}

void pq_report_start(struct pq_report *r, const struct pq_inputs *inputs,
                     const struct pq_chain *chain)
{
    pthread_mutex_lock(&r->lock);
    r->total = inputs->count;
    for (size_t i = 0; i < inputs->count; i++) {
        if (!inputs->list[i].status && !inputs->list[i].earlier)
            r->work_total += (double)inputs->list[i].bytes + 1;
    }
    if (r->json)
        pq_event_start(r, chain);
    if (r->verbose && chain)
        say_models(r, chain);
    pthread_mutex_unlock(&r->lock);
}

void pq_report_engine(struct pq_report *r, const char *device, const char *numeric_key)
{
    pthread_mutex_lock(&r->lock);
    if (r->json)
        pq_event_engine(r, device, numeric_key);
    if (r->verbose)
        pq_say(r, pq_tr("pique: numeric key "), numeric_key);
    pthread_mutex_unlock(&r->lock);
}

void pq_report_begin(struct pq_report *r, const struct pq_input *input, int width, int height)
{
    pthread_mutex_lock(&r->lock);
    r->input = input;
    r->current++;
    r->input_width = width;
    r->input_height = height;
    r->frames_started = input->film ? -1 : -2;
    r->input_started = pq_seconds();
    r->last_shown = 0;
    if (r->terminal)
        pq_progress_show(r, 0, 0, r->input_started);
    pthread_mutex_unlock(&r->lock);
}

/* An input leaves the work: with its share of the time where it was really computed. */
static void account(struct pq_report *r, const struct pq_input *input, bool computed)
{
    double work = (double)input->bytes + 1;
    if (r->input != input) { /* never begun */
        r->current++;
        if (!input->status && !input->earlier)
            r->work_total -= work;
        return;
    }
    if (computed) {
        r->work_done += work;
        r->work_seconds += pq_seconds() - r->input_started;
    } else {
        r->work_total -= work;
    }
    r->input = NULL;
}

/* "a.png -> out/a.png 1280x720 -> 5120x2880, 2.1 s" */
static void say_result(struct pq_report *r, const struct pq_input *input,
                       const pique_picture_report *p)
{
    const char *in = strcmp(input->path, "-") == 0 ? pq_tr("standard input") : input->path;
    const char *out = strcmp(input->output, "-") == 0 ? pq_tr("standard output") : input->output;
    char *text = pq_asprintf(pq_tr("%s -> %s %dx%d -> %dx%d, %.1f s%s"), in, out, p->in_width,
                             p->in_height, p->out_width, p->out_height, p->seconds,
                             p->approximate ? pq_tr(", an approximation") : "");
    if (text)
        pq_say(r, "", text);
    pq_free(text);
}

void pq_report_done(struct pq_report *r, const struct pq_input *input,
                    const pique_picture_report *picture)
{
    char *by_fallback = *picture->fallback_key
                            ? pq_asprintf(pq_tr("%s was computed by the fallback, as %s"),
                                          input->output, picture->fallback_key)
                            : NULL;
    if (by_fallback)
        pq_report_note(r, by_fallback);
    pq_free(by_fallback);
    pthread_mutex_lock(&r->lock);
    account(r, input, true);
    r->done++;
    if (r->json)
        pq_event_done(r, input, picture);
    if (!r->quiet && (r->terminal || r->verbose))
        say_result(r, input, picture);
    if (r->list_names)
        pq_print_line(r, input->output);
    pthread_mutex_unlock(&r->lock);
}

void pq_report_computed(struct pq_report *r, const struct pq_input *input)
{
    pthread_mutex_lock(&r->lock);
    account(r, input, true);
    pq_progress_clear(r);
    pthread_mutex_unlock(&r->lock);
}

void pq_report_saved(struct pq_report *r, const char *what, uint64_t batch, int64_t count,
                     int64_t first)
{
    pthread_mutex_lock(&r->lock);
    if (r->json)
        pq_event_saved(r, batch, count, first);
    char *text = r->verbose
                     ? pq_asprintf(pq_tr("Batch %" PRIu64 ": %" PRId64 " %s%s upscaled and saved"),
                                   batch, count, pq_tr(what), count == 1 ? "" : "s")
                     : NULL;
    if (text)
        pq_say(r, "", text);
    pq_free(text);
    pthread_mutex_unlock(&r->lock);
}

void pq_report_failed(struct pq_report *r, const struct pq_input *input, const pique_error *why)
{
    pthread_mutex_lock(&r->lock);
    account(r, input, false);
    r->failed++;
    if (r->json)
        pq_event_failed(r, input, why);
    say_problem(r, why);
    pthread_mutex_unlock(&r->lock);
}

void pq_report_skipped(struct pq_report *r, const struct pq_input *input, const char *why)
{
    why = pq_tr(why);
    pthread_mutex_lock(&r->lock);
    account(r, input, false);
    r->skipped++;
    if (r->json)
        pq_event_skipped(r, input, why);
    if (r->verbose) {
        char *text = pq_asprintf(pq_tr("%s: left out: %s"), input->path, why);
        if (text)
            pq_say(r, "pique: ", text);
        pq_free(text);
    }
    pthread_mutex_unlock(&r->lock);
}

void pq_report_planned(struct pq_report *r, const struct pq_input *input, int width, int height,
                       const pique_picture_plan *plan, double seconds)
{
    pthread_mutex_lock(&r->lock);
    account(r, input, false);
    if (r->json) {
        pq_event_planned(r, input, width, height, plan, seconds);
    } else {
        /* Names as they are for a program, harmless ones for a person. */
        void (*add)(struct pq_str *, const char *) =
            isatty(STDOUT_FILENO) ? pq_str_add_shown : pq_str_add;
        struct pq_str s = {0};
        add(&s, input->path);
        if (width)
            pq_str_printf(&s, " (%dx%d)", width, height);
        pq_str_add(&s, " -> ");
        add(&s, input->output);
        pq_print_line(r, s.data ? s.data : "");
        pq_str_free(&s);
    }
    pthread_mutex_unlock(&r->lock);
}

void pq_report_end(struct pq_report *r, int exit_status)
{
    pthread_mutex_lock(&r->lock);
    pq_progress_clear(r);
    if (r->json)
        pq_event_end(r, exit_status);
    if (r->total > 1 && !r->quiet && (r->terminal || r->verbose)) {
        fprintf(stderr, pq_tr("%zu done, %zu failed, %zu left out, %.1f s\n"), r->done, r->failed,
                r->skipped, pq_seconds() - r->started);
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- notes, errors, callbacks ---- */

void pq_report_note(struct pq_report *r, const char *text)
{
    text = pq_tr(text);
    pthread_mutex_lock(&r->lock);
    if (r->json)
        pq_event_note(r, text);
    if (!r->quiet)
        pq_say(r, r->colour ? pq_tr("\033[33mpique: note:\033[0m ") : pq_tr("pique: note: "), text);
    pthread_mutex_unlock(&r->lock);
}

void pq_report_error(struct pq_report *r, const pique_error *why)
{
    pthread_mutex_lock(&r->lock);
    if (r->json)
        pq_event_error(r, why);
    say_problem(r, why);
    pthread_mutex_unlock(&r->lock);
}

void pq_report_on_event(void *user, const pique_event *event)
{
    struct pq_report *r = user;
    if (event->kind != PIQUE_EVENT_PROGRESS) {
        pq_report_note(r, event->text ? event->text : "a result was refused and computed again");
        return;
    }
    if (!r->json && !r->terminal)
        return;
    pthread_mutex_lock(&r->lock);
    double now = pq_seconds();
    /* A program gets at most 4 a second, a person 10. */
    bool due = now - r->last_shown >= (r->json ? 0.25 : 0.1);
    if (due && r->input && event->rows_total) {
        r->last_shown = now;
        if (r->json)
            pq_event_progress(r, event->rows_done, event->rows_total, now);
        if (r->terminal)
            pq_progress_show(r, event->rows_done, event->rows_total, now);
    }
    pthread_mutex_unlock(&r->lock);
}

void pq_report_on_log(void *user, enum pique_log_level level, const char *line)
{
    static const char *const heads[] = {"pique: ", PQ_SAID("pique: warning: "),
                                        "pique: ", "pique: debug: ", "pique: trace: "};
    struct pq_report *r = user;
    int shown = r->quiet ? PIQUE_LOG_ERROR : PIQUE_LOG_WARN + PQ_MIN(r->verbose, 2);
    if ((int)level > shown || level > PIQUE_LOG_TRACE)
        return;
    pthread_mutex_lock(&r->lock);
    pq_say(r, pq_tr(heads[level]), line);
    pthread_mutex_unlock(&r->lock);
}
