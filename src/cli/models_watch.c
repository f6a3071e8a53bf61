/* SPDX-License-Identifier: MIT */
/* pique models --watch: the models folder, told as it changes, until a signal comes. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/lang.h"
#include "cli/catalogue.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/listing.h"
#include "cli/watch.h"

/* A signal that comes between the question for it and the wait is seen so much later. */
enum { SIGNAL_MS = 500 };

struct watching {
    struct pq_listing listing; /* for its records; its rows are of the beginning */
    struct pq_watch *watch;
    bool json, failed; /* failed: memory ran out in a callback */
};

static void print_change(struct watching *w, enum pq_watch_kind kind, const struct pq_row *row)
{
    static const char *const events[] = {"added", "changed", "removed"};
    static const char signs[] = "+~-";
    struct pq_str text = {0};
    if (w->json) {
        struct pq_json j = pq_tell_event(events[kind]);
        if (kind == PQ_WATCH_REMOVED)
            pq_json_string(&j, "file", row->file);
        else
            pq_row_json(&j, row);
        pq_tell_event_end(&j);
        return;
    }
    pq_str_printf(&text, "%c ", signs[kind]);
    if (kind == PQ_WATCH_REMOVED) {
        pq_str_add_shown(&text, row->file);
        pq_str_add(&text, "\n");
    } else {
        pq_row_text(&text, row);
    }
    if (text.data)
        fputs(text.data, stdout);
    w->failed |= text.failed;
    pq_str_free(&text);
}

static void on_change(void *user, enum pq_watch_kind kind, const struct pq_shelf_file *file)
{
    struct watching *w = user;
    struct pq_row row = {.file = file->name};
    int rc = 0;
    if (kind == PQ_WATCH_REMOVED)
        pq_shelf_remove(&w->listing.shelf, file->name);
    else
        rc = pq_shelf_put(&w->listing.shelf, file, NULL);
    if (!rc && kind != PQ_WATCH_REMOVED)
        rc = pq_listing_row(&w->listing, file, &row, NULL);
    if (rc)
        w->failed = true;
    else
        print_change(w, kind, &row);
}

static void print_ready(struct watching *w)
{
    if (w->json) {
        struct pq_json j = pq_tell_event("ready");
        pq_json_string(&j, "folder", w->listing.folder);
        pq_json_uint(&j, "files", pq_watch_shelf(w->watch)->count);
        pq_tell_event_end(&j);
    } else {
        puts(pq_tr("watching; Ctrl-C ends it"));
    }
}

static int watch(struct watching *w, pique_error *err)
{
    int rc = pq_watch_step(w->watch, 0, on_change, w, err);
    if (!rc)
        print_ready(w);
    while (!rc && !pq_interrupted()) {
        if (w->failed)
            rc = pq_fail_nomem(err, 1024);
        else if (fflush(stdout) != 0)
            rc = pq_fail(err, PIQUE_EIO, "standard output: cannot be written");
        else
            rc = pq_watch_step(w->watch, SIGNAL_MS, on_change, w, err);
        pq_cards_save(&w->listing.cards, pq_watch_shelf(w->watch));
    }
    return rc;
}

int pq_cli_models_watch(const struct pq_options *o)
{
    pique_error err;
    struct watching w = {.json = pq_given(o, PQ_OPT_JSON)};
    char *folder = pq_models_folder();
    int rc = folder ? pq_listing_make(&w.listing, folder, &err) : pq_fail_nomem(&err, 256);
    if (!rc)
        rc = pq_watch_open(folder, false, &w.watch, &err);
    if (!rc) {
        pq_interrupt_begin();
        rc = watch(&w, &err);
        pq_interrupt_end();
    }
    int status = rc ? pq_cli_fail(&err) : PQ_EXIT_INTERRUPTED;
    pq_watch_close(&w.watch);
    pq_listing_free(&w.listing);
    pq_free(folder);
    return status;
}
