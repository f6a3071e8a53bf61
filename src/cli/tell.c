/* SPDX-License-Identifier: MIT */
#include "cli/tell.h"

#include <stdarg.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/commands.h"

/* ---- lines ---- */

static void print_shown(const struct pq_tell *t, const char *text)
{
    struct pq_str s = {0};
    pq_str_add_shown(&s, text);
    fprintf(t->out, "%s\n", s.data ? s.data : "");
    fflush(t->out);
    pq_str_free(&s);
}

void pq_tell_line(const struct pq_tell *t, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    if (t->json || t->quiet)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, pq_tr(fmt), args);
    va_end(args);
    print_shown(t, text);
}

void pq_tell_note(const struct pq_tell *t, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, pq_tr(fmt), args);
    va_end(args);
    if (t->json) {
        struct pq_json j = pq_tell_event("note");
        pq_json_string(&j, "text", text);
        pq_tell_event_end(&j);
    } else {
        print_shown(t, text);
    }
}

/* ---- progress ---- */

static void show(const struct pq_progress *p, uint64_t have, double rate, double left)
{
    char a[24], b[24], c[24];
    fprintf(stderr, pq_tr("\r  %s: %s"), p->what, pq_size_text(have, a));
    if (p->total)
        fprintf(stderr, pq_tr(" of %s"), pq_size_text(p->total, b));
    if (rate > 0)
        fprintf(stderr, pq_tr(", %s/s"), pq_size_text((uint64_t)rate, c));
    if (left >= 60)
        fprintf(stderr, pq_tr(", %.0f min left"), left / 60);
    else if (left >= 0)
        fprintf(stderr, pq_tr(", %.0f s left"), left);
    fputs("\033[K", stderr);
}

static void event(const struct pq_progress *p, uint64_t have, double rate, double left)
{
    struct pq_json j = pq_tell_event("fetch_progress");
    pq_json_string(&j, "file", p->what);
    pq_json_uint(&j, "bytes_done", have);
    if (p->total)
        pq_json_uint(&j, "bytes_total", p->total);
    if (rate > 0)
        pq_json_number(&j, "bytes_per_second", rate);
    if (left >= 0)
        pq_json_number(&j, "seconds_left", left);
    pq_tell_event_end(&j);
}

void pq_tell_progress(const struct pq_tell *t, struct pq_progress *p, uint64_t have)
{
    double at = pq_seconds();
    if (p->started <= 0)
        p->started = at;
    if ((!t->json && !t->terminal) || at - p->shown < 0.25)
        return;
    p->shown = at;
    if (p->total)
        have = PQ_MIN(have, p->total);
    double seconds = at - p->started;
    bool going = have > p->before && !(p->total && have >= p->total);
    double rate = seconds > 0.2 && going ? (double)(have - p->before) / seconds : 0;
    double left = rate > 0 && p->total ? (double)(p->total - have) / rate : -1;
    if (t->json)
        event(p, have, rate, left);
    if (t->terminal)
        show(p, have, rate, left);
}

void pq_tell_progress_end(const struct pq_tell *t)
{
    if (t->terminal)
        fputs("\r\033[K", stderr);
}

/* ---- events ---- */

struct pq_json pq_tell_event(const char *event_name)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "event", event_name);
    return j;
}

void pq_tell_event_end(struct pq_json *j)
{
    pq_json_close(j, '}');
    char *line = pq_json_take(j);
    if (line) {
        puts(line);
        fflush(stdout);
    }
    pq_free(line);
}
