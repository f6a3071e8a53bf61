/* SPDX-License-Identifier: MIT */
/* One line that is rewritten in place, without escape sequences: carriage return, the new text,
 * and blanks over what was longer before.
 *
 *     photos/b.jpg   45%  1:05 left  2 of 10  12.3 Mpixel/s
 *
 * A narrow terminal gets fewer facts and the end of the name; a line never wraps. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/report.h"

static int terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

/* As much of the end of a name as fits, "..." for the rest. Returns the columns used. */
static int add_name(struct pq_str *out, const char *name, int room)
{
    struct pq_str shown = {0};
    pq_str_add_shown(&shown, name);
    const char *s = shown.data ? shown.data : "";
    int all = pq_str_columns(s), columns, used = 0;
    if (all > room) {
        pq_str_add(out, "...");
        used = 3;
        while (*s && all > room - 3) {
            s += pq_utf8_columns(s, &columns);
            all -= columns;
        }
    }
    pq_str_add(out, s);
    pq_str_free(&shown);
    return used + all;
}

static void add_seconds(struct pq_str *s, double seconds)
{
    unsigned long t = (unsigned long)(seconds + 0.5);
    if (t >= 3600)
        pq_str_printf(s, "%lu:%02lu:%02lu", t / 3600, t / 60 % 60, t % 60);
    else
        pq_str_printf(s, "%lu:%02lu", t / 60, t % 60);
}

double pq_progress_eta(const struct pq_report *r, double fraction, double now)
{
    double work = r->input ? (double)r->input->bytes + 1 : 0;
    double done = r->work_done + fraction * work;
    double seconds = r->work_seconds + (now - r->input_started);
    if (fraction <= 0 || done <= 0 || seconds < 0.3)
        return -1;
    double left = r->work_total - done;
    return left > 0 ? seconds * left / done : 0;
}

/* Pixels of the output a second; its width follows from the proportions. */
static double pixel_rate(const struct pq_report *r, uint64_t rows_done, uint64_t rows_total,
                         double now)
{
    double seconds = now - r->input_started;
    if (r->input_height <= 0 || seconds <= 0 || r->frames_started != -2)
        return 0;
    double width = (double)r->input_width * (double)rows_total / r->input_height;
    return (double)rows_done * width / seconds;
}

/* A fact where it leaves room for a name; the first ones are those that matter most. */
static void add_fact(struct pq_str *facts, struct pq_str *fact, size_t room)
{
    if (fact->data && facts->length + 2 + fact->length <= room)
        pq_str_printf(facts, "  %s", fact->data);
    pq_str_free(fact);
}

static void add_facts(struct pq_str *facts, const struct pq_report *r, uint64_t rows_done,
                      uint64_t rows_total, double now, size_t room)
{
    struct pq_str fact = {0};
    double fraction = rows_total ? (double)rows_done / (double)rows_total : 0;
    double rate = pixel_rate(r, rows_done, rows_total, now);
    double eta = pq_progress_eta(r, fraction, now);
    pq_str_printf(&fact, "%3.0f%%", fraction * 100);
    add_fact(facts, &fact, room);
    if (r->frames_started >= 0) {
        pq_str_printf(&fact, pq_tr("%llu of %llu frames"), (unsigned long long)rows_done,
                      (unsigned long long)rows_total);
        add_fact(facts, &fact, room);
    }
    if (eta >= 0) {
        add_seconds(&fact, eta);
        pq_str_add(&fact, pq_tr(" left"));
        add_fact(facts, &fact, room);
    }
    if (r->total > 1) {
        pq_str_printf(&fact, pq_tr("%zu of %zu"), r->current, r->total);
        add_fact(facts, &fact, room);
    }
    if (r->frames_started >= 0 && now > r->input_started) {
        pq_str_printf(&fact, pq_tr("%.3g frames/s"),
                      ((double)rows_done - (double)r->frames_started) / (now - r->input_started));
        add_fact(facts, &fact, room);
    }
    if (rate > 0) {
        pq_str_printf(&fact, rate < 1e6 ? "%.2f Mpixel/s" : "%.1f Mpixel/s", rate / 1e6);
        add_fact(facts, &fact, room);
    }
}

void pq_progress_show(struct pq_report *r, uint64_t rows_done, uint64_t rows_total, double now)
{
    enum { NAME = 12 }; /* columns that a name gets at least, before more than one fact does */
    struct pq_str facts = {0}, line = {0};
    int room = terminal_columns() - 1; /* the last column would wrap */
    add_facts(&facts, r, rows_done, rows_total, now, (size_t)PQ_MAX(room - NAME, 6));
    int left = room - (int)facts.length, columns = (int)facts.length;
    const char *name = strcmp(r->input->path, "-") == 0 ? pq_tr("standard input") : r->input->path;
    if (left >= 4)
        columns += add_name(&line, name, left);
    pq_str_add(&line, facts.data ? facts.data : "");
    if (line.data && columns <= room) {
        /* What stood there before; where the terminal was made narrower it wrapped anyhow. */
        int rest = PQ_MIN(r->shown, room) - columns;
        fprintf(stderr, "\r%s%*s", line.data, PQ_MAX(rest, 0), "");
        r->shown = columns;
    }
    fflush(stderr);
    pq_str_free(&facts);
    pq_str_free(&line);
}

void pq_progress_clear(struct pq_report *r)
{
    if (r->shown)
        fprintf(stderr, "\r%*s\r", PQ_MAX(PQ_MIN(r->shown, terminal_columns() - 1), 0), "");
    r->shown = 0;
}
