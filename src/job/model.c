/* SPDX-License-Identifier: MIT */
#include "job/model.h"

#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "job/heard.h"
#include "job/runner_state.h"

enum { MOST_FETCHED = 3 }; /* at once, each in a process */

struct fetch {
    char *name;
    bool french;
    unsigned place; /* of those that are fetched at once: each has a folder for its task */
    char *why;      /* the last sentence of a failure */
};

static void free_fetch(struct fetch *f)
{
    pq_free(f->name);
    pq_free(f->why);
    pq_free(f);
}

static void tell(struct pq_runner *r, const struct fetch *f, const char *state, json_t *event)
{
    if (event) {
        json_object_set_new(event, "name", json_string(f->name));
        json_object_set_new(event, "state", json_string(state));
    }
    pq_runner_tell(r, "model", event);
}

static int begin(void *user, struct pq_runner *r, json_t **task, char **folder)
{
    const struct fetch *f = user;
    pq_lang_on_thread(f->french ? PQ_LANG_FR : PQ_LANG_EN);
    json_t *words = json_pack("[s, s, s, s]", "--yes", "--json", "--", f->name);
    if (words)
        *task = pq_task_new(r, "fetch", words, NULL, NULL, f->french);
    *folder = pq_asprintf("%s/fetch-%u", r->store->folder, f->place);
    json_decref(words);
    if (!*task || !*folder)
        return -1;
    tell(r, f, "fetching", json_object());
    return 0;
}

static void on_line(void *user, struct pq_runner *r, json_t *event)
{
    static const struct pq_heard_member members[] = {{"bytes_done", NULL, PQ_HEARD_NUMBER},
                                                     {"bytes_total", NULL, PQ_HEARD_NUMBER},
                                                     {"seconds_left", NULL, PQ_HEARD_NUMBER}};
    struct fetch *f = user;
    const char *name = json_string_value(json_object_get(event, "event"));
    const char *text = pq_heard_text(event, "message", PQ_HEARD_SENTENCE);
    if (text) {
        pq_free(f->why);
        f->why = pq_strdup(text);
    }
    if (!name || strcmp(name, "fetch_progress") != 0)
        return;
    tell(r, f, "fetching", pq_heard(event, members, PQ_COUNT(members)));
}

static void end(void *user, struct pq_runner *r, int status, const char *last)
{
    static const char head[] = "pique: ";
    struct fetch *f = user;
    const char *why = f->why ? f->why : pq_starts_with(last, head) ? last + sizeof head - 1 : last;
    pq_lang_on_thread(f->french ? PQ_LANG_FR : PQ_LANG_EN);
    if (status == 0)
        tell(r, f, "here", json_object());
    else
        tell(r, f, "failed",
             json_pack(
                 "{s:o}", "error",
                 pq_error_object("EIO", *why ? why : pq_tr("it could not be fetched"), "retry")));
    free_fetch(f);
}

static int count_fetched(const struct pq_runner *r)
{
    int count = 0;
    for (size_t i = 0; i < r->chore_count; i++)
        count += r->chores[i]->chore.end == end;
    return count;
}

static bool is_fetched(const struct pq_runner *r, const char *name)
{
    for (size_t i = 0; i < r->chore_count; i++) {
        const struct pq_chore *c = &r->chores[i]->chore;
        if (c->end == end && strcmp(((struct fetch *)c->user)->name, name) == 0)
            return true;
    }
    return false;
}

/* The first that no other has. */
static unsigned free_place(const struct pq_runner *r)
{
    unsigned taken = 0, place = 0;
    for (size_t i = 0; i < r->chore_count; i++) {
        if (r->chores[i]->chore.end == end)
            taken |= 1u << ((struct fetch *)r->chores[i]->chore.user)->place;
    }
    while (taken & 1u << place)
        place++;
    return place;
}

int pq_model_fetch(struct pq_runner *r, const char *name, bool french, pique_error *err)
{
    if (is_fetched(r, name))
        return pq_fail(err, PIQUE_EEXIST, "%s: is being fetched already", name);
    if (count_fetched(r) >= MOST_FETCHED)
        return pq_fail(err, PIQUE_EEXIST, "%s: so many models are being fetched already", name);
    struct fetch *f = pq_calloc(1, sizeof *f);
    if (!f || !(f->name = pq_strdup(name))) {
        pq_free(f);
        return pq_fail_nomem(err, sizeof *f);
    }
    f->french = french;
    f->place = free_place(r);
    const struct pq_chore chore = {
        .begin = begin, .line = on_line, .end = end, .aside = true, .user = f};
    int rc = pq_runner_chore(r, &chore, err);
    if (rc)
        free_fetch(f);
    return rc;
}
