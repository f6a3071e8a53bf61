/* SPDX-License-Identifier: MIT */
/* The events of --json: one object a line, each with its "event". Members may be added; what is
 * there keeps its meaning as long as "schema" keeps its number. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/report.h"

enum { SCHEMA = 1 };

static struct pq_json begin(const char *event)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "event", event);
    return j;
}

static void end(struct pq_report *r, struct pq_json *j)
{
    pq_json_close(j, '}');
    char *line = pq_json_take(j);
    if (line)
        pq_print_line(r, line);
    pq_free(line);
}

static void add_error(struct pq_json *j, const pique_error *why)
{
    pq_json_string(j, "status", pique_status_name(why->code));
    pq_json_string(j, "message", why->message);
}

static void add_model(struct pq_json *j, const char *key, const pique_model_info *model)
{
    pq_json_open(j, key, '{');
    pq_json_string(j, "path", model->path);
    pq_json_string(j, "architecture", model->architecture);
    pq_json_number(j, "scale", (double)model->scale_num / model->scale_den);
    pq_json_close(j, '}');
}

/* "model" is the first of "models", which a picture goes through in this order. */
void pq_event_start(struct pq_report *r, const struct pq_chain *chain)
{
    struct pq_json j = begin("start");
    pq_json_int(&j, "schema", SCHEMA);
    pq_json_string(&j, "version", pique_version());
    pq_json_uint(&j, "files", r->total);
    if (chain) {
        add_model(&j, "model", &chain->links[0].info);
        pq_json_open(&j, "models", '[');
        for (size_t i = 0; i < chain->count; i++)
            add_model(&j, NULL, &chain->links[i].info);
        pq_json_close(&j, ']');
        pq_json_number(&j, "scale", pq_chain_scale(chain));
    }
    end(r, &j);
}

void pq_event_engine(struct pq_report *r, const char *device, const char *numeric_key)
{
    struct pq_json j = begin("engine");
    pq_json_string(&j, "device", device);
    pq_json_string(&j, "numeric_key", numeric_key);
    end(r, &j);
}

void pq_event_progress(struct pq_report *r, uint64_t rows_done, uint64_t rows_total, double now)
{
    struct pq_json j = begin("progress");
    double eta = pq_progress_eta(r, (double)rows_done / (double)rows_total, now);
    pq_json_uint(&j, "file", r->current);
    pq_json_string(&j, "input", r->input->path);
    pq_json_uint(&j, "rows_done", rows_done);
    pq_json_uint(&j, "rows_total", rows_total);
    if (eta >= 0)
        pq_json_number(&j, "seconds_left", eta);
    end(r, &j);
}

/* A picture is as a film of one frame. */
static void add_fallback(struct pq_json *j, const pique_picture_report *p)
{
    pq_json_int(j, "moved", p->moved);
    pq_json_int(j, "fallback_frames", *p->fallback_key ? 1 : 0);
    pq_json_open(j, "fallback", '[');
    if (*p->fallback_key) {
        pq_json_open(j, NULL, '{');
        pq_json_int(j, "first", 0);
        pq_json_int(j, "last", 0);
        pq_json_string(j, "numeric_key", p->fallback_key);
        pq_json_close(j, '}');
    }
    pq_json_close(j, ']');
}

void pq_event_done(struct pq_report *r, const struct pq_input *input, const pique_picture_report *p)
{
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, p->hash);
    struct pq_json j = begin("file_done");
    pq_json_uint(&j, "file", r->current);
    pq_json_string(&j, "input", input->path);
    pq_json_string(&j, "output", input->output);
    pq_json_int(&j, "in_width", p->in_width);
    pq_json_int(&j, "in_height", p->in_height);
    pq_json_int(&j, "out_width", p->out_width);
    pq_json_int(&j, "out_height", p->out_height);
    pq_json_string(&j, "format", p->format);
    pq_json_int(&j, "depth", p->depth);
    pq_json_int(&j, "passes", p->passes);
    pq_json_int(&j, "retries", p->retries);
    pq_json_bool(&j, "approximate", p->approximate);
    add_fallback(&j, p);
    pq_json_uint(&j, "bytes", p->bytes_written);
    pq_json_string(&j, "hash", hash);
    pq_json_number(&j, "seconds", p->seconds);
    end(r, &j);
}

void pq_event_failed(struct pq_report *r, const struct pq_input *input, const pique_error *why)
{
    struct pq_json j = begin("file_failed");
    pq_json_uint(&j, "file", r->current);
    pq_json_string(&j, "input", input->path);
    pq_json_string(&j, "output", input->output);
    add_error(&j, why);
    end(r, &j);
}

void pq_event_skipped(struct pq_report *r, const struct pq_input *input, const char *why)
{
    struct pq_json j = begin("file_skipped");
    pq_json_uint(&j, "file", r->current);
    pq_json_string(&j, "input", input->path);
    pq_json_string(&j, "output", input->output);
    pq_json_string(&j, "reason", why);
    end(r, &j);
}

void pq_event_planned(struct pq_report *r, const struct pq_input *input, int width, int height,
                      const pique_picture_plan *plan, double seconds)
{
    struct pq_json j = begin("file_planned");
    pq_json_uint(&j, "file", r->current);
    pq_json_string(&j, "input", input->path);
    pq_json_string(&j, "output", input->output);
    if (width) {
        pq_json_int(&j, "in_width", width);
        pq_json_int(&j, "in_height", height);
    }
    if (plan) {
        pq_json_int(&j, "out_width", plan->out_width);
        pq_json_int(&j, "out_height", plan->out_height);
        pq_json_int(&j, "passes", plan->passes);
        pq_json_uint(&j, "memory_bytes", plan->memory_bytes);
    }
    if (seconds >= 0)
        pq_json_number(&j, "seconds_expected", seconds);
    end(r, &j);
}

void pq_event_saved(struct pq_report *r, uint64_t batch, int64_t count, int64_t first)
{
    struct pq_json j = begin("saved");
    if (r->input) {
        pq_json_uint(&j, "file", r->current);
        pq_json_string(&j, "input", r->input->path);
    }
    pq_json_uint(&j, "batch", batch);
    pq_json_int(&j, "frames", count);
    pq_json_int(&j, "first", first);
    end(r, &j);
}

void pq_event_note(struct pq_report *r, const char *text)
{
    struct pq_json j = begin("note");
    if (r->input) {
        pq_json_uint(&j, "file", r->current);
        pq_json_string(&j, "input", r->input->path);
    }
    pq_json_string(&j, "text", text);
    end(r, &j);
}

void pq_event_error(struct pq_report *r, const pique_error *why)
{
    struct pq_json j = begin("error");
    add_error(&j, why);
    end(r, &j);
}

void pq_event_end(struct pq_report *r, int exit_status)
{
    struct pq_json j = begin("end");
    pq_json_uint(&j, "done", r->done);
    pq_json_uint(&j, "failed", r->failed);
    pq_json_uint(&j, "skipped", r->skipped);
    pq_json_number(&j, "seconds", pq_seconds() - r->started);
    pq_json_int(&j, "exit", exit_status);
    end(r, &j);
}
