/* SPDX-License-Identifier: MIT */
#include "cli/film_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/lang.h"
#include "base/sequence.h"
#include "cli/commands.h"

/* ---- events of --json ---- */

static struct pq_json begin(const char *event, const struct pq_film_story *s)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "event", event);
    pq_json_uint(&j, "file", s->report->current);
    pq_json_string(&j, "input", s->input->path);
    return j;
}

static void end(const struct pq_film_story *s, struct pq_json *j)
{
    pq_json_close(j, '}');
    char *line = pq_json_take(j);
    if (line)
        pq_print_line(s->report, line);
    pq_free(line);
}

static void add_plan(struct pq_json *j, const pique_film_plan *p)
{
    pq_json_int(j, "in_width", p->in_width);
    pq_json_int(j, "in_height", p->in_height);
    pq_json_int(j, "out_width", p->out_width);
    pq_json_int(j, "out_height", p->out_height);
    pq_json_int(j, "frames_expected", p->frames);
    pq_json_number(j, "fps", p->fps_den ? (double)p->fps_num / p->fps_den : 0);
    pq_json_string(j, "encoder", p->encoder);
    pq_json_string(j, "pixel_format", p->pixel_format);
    pq_json_string(j, "container", p->container);
    pq_json_int(j, "batch", p->batch);
    pq_json_int(j, "passes", p->passes);
    pq_json_bool(j, "journal", p->journal);
    if (p->seconds >= 0)
        pq_json_number(j, "seconds_expected", p->seconds);
    pq_json_uint(j, "memory_bytes", p->memory_bytes);
    pq_json_uint(j, "disk_bytes", p->disk_bytes);
    pq_json_uint(j, "disk_free", p->disk_free);
    pq_json_uint(j, "output_bytes_expected", p->output_bytes);
}

static void add_fallback(struct pq_json *j, const struct pq_film_story *s)
{
    pq_json_open(j, "fallback", '[');
    for (size_t i = 0; i < s->fallback_count; i++) {
        const struct pq_film_stretch *f = &s->fallback[i];
        pq_json_open(j, NULL, '{');
        pq_json_int(j, "first", f->first);
        pq_json_int(j, "last", f->last);
        pq_json_string(j, "numeric_key", f->numeric_key);
        pq_json_close(j, '}');
    }
    pq_json_close(j, ']');
    j->text.failed |= s->fallback_lost; /* rather no list than one that is not whole */
}

static void add_report(struct pq_json *j, const struct pq_film_story *s, const pique_film_report *r)
{
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, r->hash);
    pq_json_int(j, "frames", r->frames);
    pq_json_int(j, "unique", r->unique);
    pq_json_int(j, "reused", r->reused);
    pq_json_uint(j, "inferences", r->inferences);
    pq_json_int(j, "segments", r->segments);
    pq_json_int(j, "segments_kept", r->segments_kept);
    pq_json_int(j, "journal_frames", r->journal_frames);
    pq_json_int(j, "retries", r->retries);
    pq_json_bool(j, "approximate", r->approximate);
    pq_json_int(j, "moved", r->moved);
    pq_json_int(j, "fallback_frames", r->fallback_frames);
    add_fallback(j, s);
    pq_json_int(j, "not_kept", r->lost);
    pq_json_uint(j, "bytes", r->bytes_written);
    pq_json_string(j, "hash", hash);
    pq_json_number(j, "seconds", r->seconds);
    pq_json_open(j, "stage_seconds", '{');
    pq_json_number(j, "decode", r->decode_seconds);
    pq_json_number(j, "convert", r->convert_seconds);
    pq_json_number(j, "infer", r->infer_seconds);
    pq_json_number(j, "finish", r->finish_seconds);
    pq_json_number(j, "encode", r->encode_seconds);
    pq_json_number(j, "join", r->join_seconds);
    pq_json_close(j, '}');
}

/* ---- while it goes on ---- */

static void on_frames(struct pq_film_story *s, const pique_event *e)
{
    struct pq_report *r = s->report;
    const double now = pq_seconds();
    if (!r->json && !r->terminal)
        return;
    if (now - r->last_shown < (r->json ? 0.25 : 0.1) || !r->input)
        return;
    r->last_shown = now;
    if (r->frames_started < 0) {
        r->frames_started = e->frames_done;
        r->input_started = now;
    }
    const uint64_t done = (uint64_t)e->frames_done;
    const uint64_t total = (uint64_t)PQ_MAX(e->frames_total, e->frames_done);
    if (r->json) {
        struct pq_json j = begin("frames", s);
        pq_json_uint(&j, "done", done);
        if (e->frames_total)
            pq_json_uint(&j, "total", total);
        end(s, &j);
    }
    if (r->terminal)
        pq_progress_show(r, done, total, now);
}

static void on_sealed(struct pq_film_story *s, const pique_event *e)
{
    struct pq_report *r = s->report;
    if (r->json) {
        struct pq_json j = begin("sealed", s);
        pq_json_int(&j, "segment", e->segment);
        pq_json_int(&j, "frames", e->frames);
        end(s, &j);
    }
    if (!r->verbose)
        return;
    char *text =
        pq_asprintf(pq_tr("Segment %d: %" PRId64 " frames sealed"), e->segment + 1, e->frames);
    if (text)
        pq_say(r, "", text);
    pq_free(text);
}

static void on_fallback(struct pq_film_story *s, const pique_event *e)
{
    struct pq_film_stretch *grown =
        pq_grown(s->fallback, s->fallback_count, &s->fallback_capacity, sizeof *grown);
    s->fallback_lost |= !grown;
    if (!grown)
        return;
    s->fallback = grown;
    struct pq_film_stretch *f = &grown[s->fallback_count++];
    *f = (struct pq_film_stretch){.first = e->first_frame, .last = e->first_frame + e->frames - 1};
    snprintf(f->numeric_key, sizeof f->numeric_key, "%s", e->text);
}

void pq_film_on_event(void *user, const pique_event *e)
{
    struct pq_film_story *s = user;
    if (e->kind == PIQUE_EVENT_NOTE || e->kind == PIQUE_EVENT_RETRY) {
        if (e->text)
            (void)pq_names_add(&s->notes, e->text);
        pq_report_note(s->report, e->text ? e->text : "a result was refused and computed again");
        return;
    }
    if (e->kind == PIQUE_EVENT_SAVED) {
        pq_report_saved(s->report, PQ_SAID("frame"), e->batch, e->frames, e->first_frame);
        return;
    }
    if (e->kind == PIQUE_EVENT_PLANNED) {
        pq_film_planned(s, e->plan, false);
        return;
    }
    if (e->kind == PIQUE_EVENT_FALLBACK) {
        on_fallback(s, e);
        return;
    }
    pthread_mutex_lock(&s->report->lock);
    if (e->kind == PIQUE_EVENT_FRAMES)
        on_frames(s, e);
    else if (e->kind == PIQUE_EVENT_SEALED)
        on_sealed(s, e);
    pthread_mutex_unlock(&s->report->lock);
}

/* ---- before and behind ---- */

static void add_duration(struct pq_str *s, double seconds)
{
    const unsigned long t = (unsigned long)(seconds + 0.5);
    if (t >= 3600)
        pq_str_printf(s, pq_tr("%lu h %02lu min"), t / 3600, t / 60 % 60);
    else if (t >= 60)
        pq_str_printf(s, pq_tr("%lu min %02lu s"), t / 60, t % 60);
    else
        pq_str_printf(s, pq_tr("%lu s"), t);
}

/* "film.mkv (640x480, 181 frames at 23.98) -> film_x2.mkv (1280x960, libx264 yuv420p)"
 * "about 1 min 20 s, 3.1 MB; memory 420 MB, disk 6.2 MB of 80 GB; batches of 4" */
static void add_plan_text(struct pq_str *s, const struct pq_film_story *story,
                          const pique_film_plan *p)
{
    char a[24], b[24];
    const double fps = p->fps_den ? (double)p->fps_num / p->fps_den : 0;
    pq_str_printf(s, "%s (%dx%d, ", story->input->path, p->in_width, p->in_height);
    if (p->frames)
        pq_str_printf(s, pq_tr("%" PRId64 " frames at "), p->frames);
    pq_str_printf(s, pq_tr("%.5g a second) -> %s (%dx%d, %s%s%s)\n"), fps, story->input->output,
                  p->out_width, p->out_height, p->encoder, *p->pixel_format ? " " : "",
                  p->pixel_format);
    if (p->segments_done)
        pq_str_printf(s, pq_tr("goes on: %d of %d segments are there; "), p->segments_done,
                      PQ_MAX(p->segments, p->segments_done));
    if (p->seconds >= 0) {
        pq_str_add(s, pq_tr("about "));
        add_duration(s, p->seconds);
        if (p->output_bytes)
            pq_str_printf(s, pq_tr(" and %s"), pq_size_text(p->output_bytes, a));
        pq_str_add(s, pq_tr("; "));
    }
    pq_str_printf(s, pq_tr("memory %s"), pq_size_text(p->memory_bytes, a));
    if (p->disk_bytes)
        pq_str_printf(s, pq_tr(", disk %s of %s"), pq_size_text(p->disk_bytes, a),
                      pq_size_text(p->disk_free, b));
    pq_str_printf(s, pq_tr("; batches of %d%s%s"), p->batch,
                  p->journal ? pq_tr("; with a journal") : "",
                  p->approximate ? pq_tr("; an approximation") : "");
}

void pq_film_planned(struct pq_film_story *s, const pique_film_plan *plan, bool alone)
{
    struct pq_report *r = s->report;
    pthread_mutex_lock(&r->lock);
    if (r->json) {
        struct pq_json j = begin("film_planned", s);
        pq_json_string(&j, "output", s->input->output);
        add_plan(&j, plan);
        end(s, &j);
    } else if (alone || (!r->quiet && (r->terminal || r->verbose))) {
        struct pq_str text = {0}, line = {0};
        add_plan_text(&text, s, plan);
        for (char *at = text.data, *next; at; at = next) {
            next = strchr(at, '\n');
            if (next)
                *next++ = '\0';
            if (alone)
                pq_print_line(r, at);
            else
                pq_say(r, "", at);
        }
        pq_str_free(&line);
        pq_str_free(&text);
    }
    pthread_mutex_unlock(&r->lock);
}

void pq_film_done(struct pq_film_story *s, const pique_film_report *film)
{
    struct pq_report *r = s->report;
    pq_report_computed(r, s->input);
    pthread_mutex_lock(&r->lock);
    r->done++;
    if (r->json) {
        struct pq_json j = begin("file_done", s);
        pq_json_string(&j, "output", s->input->output);
        add_plan(&j, &film->plan);
        add_report(&j, s, film);
        end(s, &j);
    }
    if (!r->quiet && (r->terminal || r->verbose)) {
        char size[24];
        char *text =
            pq_asprintf(pq_tr("%s -> %s %dx%d -> %dx%d, %" PRId64 " frames (%" PRId64
                              " of them were there before), %s, %.1f s, %.2f frames/s%s"),
                        s->input->path, s->input->output, film->plan.in_width, film->plan.in_height,
                        film->plan.out_width, film->plan.out_height, film->frames, film->reused,
                        pq_size_text(film->bytes_written, size), film->seconds,
                        film->seconds > 0 ? (double)film->frames / film->seconds : 0,
                        film->approximate ? pq_tr(", an approximation") : "");
        if (text)
            pq_say(r, "", text);
        pq_free(text);
    }
    if (r->list_names)
        pq_print_line(r, s->input->output);
    pthread_mutex_unlock(&r->lock);
}

void pq_film_story_end(struct pq_film_story *story)
{
    pq_names_free(&story->notes);
    pq_free(story->fallback);
    story->fallback = NULL;
}

/* ---- the file beside it ---- */

static void add_options(struct pq_json *j, const struct pq_options *o)
{
    pq_json_open(j, "options", '{');
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *option = &pq_option_table[i];
        if (!(option->commands & PQ_FOR(RUN)) || option->repeats)
            continue;
        if (option->kind == PQ_KIND_FLAG || option->kind == PQ_KIND_COUNT)
            pq_json_int(j, option->name, o->values[i].whole);
        else
            pq_json_string(j, option->name, o->values[i].text);
    }
    pq_json_open(j, "enc", '[');
    const struct pq_value *enc = &o->values[PQ_OPT_ENC];
    for (size_t i = 0; i < enc->all_count; i++)
        pq_json_string(j, NULL, enc->all[i]);
    pq_json_close(j, ']');
    pq_json_close(j, '}');
}

static void add_models(struct pq_json *j, const struct pq_chain *chain)
{
    pq_json_open(j, "models", '[');
    for (size_t i = 0; i < chain->count; i++) {
        const pique_model_info *m = &chain->links[i].info;
        pq_json_open(j, NULL, '{');
        pq_json_string(j, "path", m->path);
        pq_json_string(j, "architecture", m->architecture);
        pq_json_string(j, "sha256", pique_model_sha256(chain->links[i].model));
        pq_json_string(j, "numeric_key", pique_engine_numeric_key(chain->engines[i]));
        pq_json_close(j, '}');
    }
    pq_json_close(j, ']');
}

static void add_input(struct pq_json *j, const struct pq_input *input)
{
    struct pq_identity id;
    pq_json_open(j, "input", '{');
    pq_json_string(j, "path", input->path);
    if (pq_identify(input->path, &id, NULL) == 0) {
        pq_json_int(j, "bytes", id.bytes);
        pq_json_int(j, "mtime_ns", id.mtime_ns);
    }
    pq_json_close(j, '}');
}

/* "out.mkv.json"; of numbered pictures it stands beside their folder. NULL: out of memory. */
static char *report_path(const char *output)
{
    const char *slash = strrchr(output, '/');
    size_t n = pq_is_sequence(output, NULL) && slash && slash != output ? (size_t)(slash - output)
                                                                        : strlen(output);
    while (n > 1 && output[n - 1] == '/')
        n--;
    return pq_asprintf("%.*s.json", (int)n, output);
}

int pq_film_write_report(const struct pq_film_story *s, const struct pq_options *o,
                         const struct pq_chain *chain, const pique_film_report *film,
                         pique_error *err)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_int(&j, "format", 1);
    pq_json_string(&j, "pique", pique_version());
    add_input(&j, s->input);
    pq_json_string(&j, "output", s->input->output);
    add_models(&j, chain);
    add_options(&j, o);
    pq_json_open(&j, "plan", '{');
    add_plan(&j, &film->plan);
    pq_json_close(&j, '}');
    pq_json_open(&j, "result", '{');
    add_report(&j, s, film);
    pq_json_close(&j, '}');
    pq_json_open(&j, "notes", '[');
    for (size_t i = 0; i < s->notes.count; i++)
        pq_json_string(&j, NULL, s->notes.list[i]);
    pq_json_close(&j, ']');
    pq_json_close(&j, '}');
    char *text = pq_json_take(&j);
    char *path = report_path(s->input->output);
    int rc = text && path ? 0 : pq_fail_nomem(err, 4096);
    if (!rc && pq_exists(path) && !pq_given(o, PQ_OPT_OVERWRITE))
        rc = pq_fail(err, PIQUE_EEXIST,
                     "%s: exists already, so the report of the film, which is finished, was not "
                     "written; --overwrite replaces it, --no-report leaves it out",
                     path);
    if (!rc)
        rc = pq_write_text(path, text, err);
    pq_free(text);
    pq_free(path);
    return rc;
}
