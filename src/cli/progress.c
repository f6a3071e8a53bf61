/* SPDX-License-Identifier: MIT */
/* One line that is rewritten in place, without escape sequences: carriage return, the new text,
 * and blanks over what was longer before.
 *
 *     photos/b.jpg  45%  12.3 Mpixel/s  2 of 10  1:05 left                                      */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/report.h"

static int terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

/* Decode one character of a name; what is not UTF-8 counts as one column a byte. East Asian
 * characters and emoji take two. */
static size_t next_character(const char *s, int *columns)
{
    unsigned char c = (unsigned char)*s;
    size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    unsigned long code = length == 1 ? c : c & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80) {
            *columns = 1;
            return 1;
        }
        code = code << 6 | ((unsigned char)s[i] & 0x3f);
    }
    bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
                (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x3fffd);
    *columns = wide ? 2 : 1;
    return length;
}

/* As much of the end of a name as fits, "..." for the rest. Returns the columns used. */
static int add_name(struct pq_str *out, const char *name, int room)
{
    int all = 0, columns, used = 0;
    for (const char *s = name; *s; all += columns)
        s += next_character(s, &columns);
    if (all > room) {
        pq_str_add(out, "...");
        used = 3;
        while (*name && all > room - 3) {
            name += next_character(name, &columns);
            all -= columns;
        }
    }
    for (; *name; used += columns) {
        size_t length = next_character(name, &columns);
        bool control = (unsigned char)*name < ' ' || *name == 0x7f;
        pq_str_add_n(out, control ? "?" : name, length);
        name += length;
    }
    return used;
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
    if (r->input_height <= 0 || seconds <= 0)
        return 0;
    double width = (double)r->input_width * (double)rows_total / r->input_height;
    return (double)rows_done * width / seconds;
}

void pq_progress_show(struct pq_report *r, uint64_t rows_done, uint64_t rows_total, double now)
{
    struct pq_str facts = {0}, line = {0};
    double fraction = rows_total ? (double)rows_done / (double)rows_total : 0;
    double rate = pixel_rate(r, rows_done, rows_total, now);
    double eta = pq_progress_eta(r, fraction, now);
    pq_str_printf(&facts, "  %3.0f%%", fraction * 100);
    if (rate > 0)
        pq_str_printf(&facts, "  %.1f Mpixel/s", rate / 1e6);
    if (r->total > 1)
        pq_str_printf(&facts, "  %zu of %zu", r->current, r->total);
    if (eta >= 0) {
        pq_str_add(&facts, "  ");
        add_seconds(&facts, eta);
        pq_str_add(&facts, " left");
    }
    int room = terminal_columns() - 1 - (int)facts.length;
    const char *name = strcmp(r->input->path, "-") == 0 ? "standard input" : r->input->path;
    int columns = add_name(&line, name, PQ_MAX(room, 3)) + (int)facts.length;
    if (line.data && facts.data) {
        fprintf(stderr, "\r%s%s%*s", line.data, facts.data, PQ_MAX(r->shown - columns, 0), "");
        r->shown = columns;
    }
    fflush(stderr);
    pq_str_free(&facts);
    pq_str_free(&line);
}

void pq_progress_clear(struct pq_report *r)
{
    if (r->shown)
        fprintf(stderr, "\r%*s\r", r->shown, "");
    r->shown = 0;
}
