/* SPDX-License-Identifier: MIT */
#include "job/entry.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/random.h"
#include "base/str.h"

static const char *const state_names[PQ_ENTRY_STATES] = {
    [PQ_ENTRY_UPLOADING] = "uploading", [PQ_ENTRY_LOOKING] = "looking",
    [PQ_ENTRY_WAITING] = "waiting",     [PQ_ENTRY_RUNNING] = "running",
    [PQ_ENTRY_PAUSED] = "paused",       [PQ_ENTRY_DONE] = "done",
    [PQ_ENTRY_FAILED] = "failed",       [PQ_ENTRY_STOPPED] = "stopped"};

static const char *const kind_names[] = {"unknown", "picture", "film"};

static int index_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; name && i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return (int)i;
    }
    return -1;
}

/* ---- making ---- */

struct pq_entry *pq_entry_new(const char *name)
{
    struct pq_entry *e = pq_calloc(1, sizeof *e);
    if (!e)
        return NULL;
    pq_random_hex(e->id, PQ_ID_LENGTH);
    e->name = pq_strdup(name);
    e->settings = json_object();
    e->notes = json_array();
    e->created = (int64_t)time(NULL);
    if (!e->name || !e->settings || !e->notes)
        pq_entry_free(&e);
    return e;
}

int pq_entry_of_file(const char *path, struct pq_entry **out, pique_error *err)
{
    struct pq_identity id;
    *out = NULL;
    int rc = pq_identify(path, &id, err);
    if (rc)
        return rc;
    struct pq_entry *e = pq_entry_new(strrchr(path, '/') + 1);
    if (!e || !(e->input = pq_strdup(path))) {
        pq_entry_free(&e);
        return pq_fail_nomem(err, sizeof *e);
    }
    e->state = PQ_ENTRY_LOOKING;
    e->wants_look = true;
    e->bytes = e->received = (uint64_t)id.bytes;
    *out = e;
    return 0;
}

void pq_entry_free(struct pq_entry **entry)
{
    struct pq_entry *e = *entry;
    *entry = NULL;
    if (!e)
        return;
    pq_free(e->name);
    pq_free(e->stem);
    pq_free(e->input);
    pq_free(e->output);
    pq_free(e->making);
    json_decref(e->settings);
    json_decref(e->info);
    json_decref(e->notes);
    json_decref(e->estimate);
    json_decref(e->error);
    json_decref(e->result);
    pq_free(e);
}

/* ---- to the disk and back ---- */

/* What is not there is left out; where memory runs out nothing must be. */
static bool is_complete(const json_t *root, const struct pq_entry *e)
{
    enum { ALWAYS = 15 };
    const void *const may_be[] = {e->stem, e->info, e->estimate, e->error, e->result, e->output};
    size_t count = ALWAYS;
    for (size_t i = 0; i < PQ_COUNT(may_be); i++)
        count += may_be[i] != NULL;
    return json_object_size(root) == count;
}

json_t *pq_entry_store(const struct pq_entry *e)
{
    json_t *root = json_pack(
        "{s:i, s:s, s:f, s:s, s:s*, s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:O, s:O*, "
        "s:O, s:O*, s:O*, s:O*, s:s*, s:b, s:b}",
        "format", 1, "id", e->id, "position", e->position, "name", e->name, "stem", e->stem, "kind",
        kind_names[e->kind], "state", state_names[e->state], "created", (json_int_t)e->created,
        "bytes", (json_int_t)e->bytes, "received", (json_int_t)e->received, "input", e->input,
        "uploaded", e->uploaded, "settings", e->settings, "info", e->info, "notes", e->notes,
        "estimate", e->estimate, "error", e->error, "result", e->result, "output", e->output,
        "french", e->french, "wants_start", e->wants_start);
    if (root && is_complete(root, e))
        return root;
    json_decref(root);
    return NULL;
}

bool pq_entry_is_id(const char *id)
{
    return strlen(id) == PQ_ID_LENGTH && strspn(id, "0123456789abcdef") == PQ_ID_LENGTH;
}

static bool take_text(const json_t *root, const char *name, char **out)
{
    const char *text = json_string_value(json_object_get(root, name));
    *out = text ? pq_strdup(text) : NULL;
    return !text || *out;
}

static json_t *take_object(const json_t *root, const char *name)
{
    json_t *value = json_object_get(root, name);
    return json_is_object(value) ? json_incref(value) : NULL;
}

int pq_entry_restore(const json_t *root, struct pq_entry **out, pique_error *err)
{
    const char *id, *name, *kind, *state;
    double position;
    json_int_t created, bytes, received;
    int format, uploaded, french = 0, wants_start = 0;
    json_t *settings, *notes;
    *out = NULL;
    if (json_unpack((json_t *)root,
                    "{s:i, s:s, s:F, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:o, s:o, s?b, s?b}",
                    "format", &format, "id", &id, "position", &position, "name", &name, "kind",
                    &kind, "state", &state, "created", &created, "bytes", &bytes, "received",
                    &received, "uploaded", &uploaded, "settings", &settings, "notes", &notes,
                    "french", &french, "wants_start", &wants_start) != 0 ||
        format != 1 || !pq_entry_is_id(id) || strchr(name, '/') || bytes < 0 || received < 0 ||
        !json_is_object(settings) || !json_is_array(notes) ||
        index_of(kind, kind_names, PQ_COUNT(kind_names)) < 0 ||
        index_of(state, state_names, PQ_COUNT(state_names)) < 0)
        return pq_fail(err, PIQUE_EFORMAT, "an entry of the queue is damaged");
    struct pq_entry *e = pq_entry_new(name);
    if (!e)
        return pq_fail_nomem(err, sizeof *e);
    memcpy(e->id, id, sizeof e->id);
    e->position = position;
    e->kind = (enum pq_entry_kind)index_of(kind, kind_names, PQ_COUNT(kind_names));
    e->state = (enum pq_entry_state)index_of(state, state_names, PQ_COUNT(state_names));
    e->created = created;
    e->bytes = (uint64_t)bytes;
    e->received = (uint64_t)received;
    e->uploaded = uploaded;
    e->french = french;
    e->wants_start = wants_start;
    json_decref(e->settings);
    e->settings = json_incref(settings);
    json_decref(e->notes);
    e->notes = json_incref(notes);
    e->info = take_object(root, "info");
    e->estimate = take_object(root, "estimate");
    e->error = take_object(root, "error");
    e->result = take_object(root, "result");
    if (!json_is_string(json_object_get(root, "input"))) {
        pq_entry_free(&e);
        return pq_fail(err, PIQUE_EFORMAT, "an entry of the queue is damaged");
    }
    if (!take_text(root, "input", &e->input) || !take_text(root, "output", &e->output) ||
        !take_text(root, "stem", &e->stem)) {
        pq_entry_free(&e);
        return pq_fail_nomem(err, 256);
    }
    *out = e;
    return 0;
}

/* ---- for a client ---- */

/* Add text with every `what` left out. */
static void add_without(struct pq_str *out, const char *text, const char *what, size_t length)
{
    for (const char *at; length && (at = strstr(text, what)); text = at + length)
        pq_str_add_n(out, text, (size_t)(at - text));
    pq_str_add(out, text);
}

char *pq_entry_sentence(const struct pq_entry *e, const char *work, const char *text)
{
    static const char head[] = "pique: ";
    struct pq_str once = {0}, twice = {0};
    const char *slash = e->input ? strrchr(e->input, '/') : NULL;
    char *folder = slash ? pq_strndup(e->input, (size_t)(slash - e->input) + 1) : pq_strdup("");
    char *making = pq_asprintf("%s/", work);
    if (pq_starts_with(text, head))
        text += sizeof head - 1;
    if (folder && making) {
        add_without(&once, text, folder, strlen(folder));
        add_without(&twice, once.data ? once.data : "", making, strlen(making));
    }
    twice.failed |= once.failed || !folder || !making;
    pq_str_free(&once);
    pq_free(folder);
    pq_free(making);
    return pq_str_take(&twice);
}

static json_t *show_progress(const struct pq_entry *e)
{
    const struct pq_entry_progress *p = &e->progress;
    if (!p->known)
        return json_null();
    json_t *j = json_pack("{s:I, s:I, s:s, s:I, s:I, s:i, s:i}", "done", (json_int_t)p->done,
                          "total", (json_int_t)p->total, "unit", p->film ? "frames" : "rows",
                          "saved", (json_int_t)p->saved, "batch", (json_int_t)p->batch, "out_width",
                          p->out_width, "out_height", p->out_height);
    if (j && p->per_second >= 0)
        json_object_set_new(j, "per_second", json_real(p->per_second));
    if (j && p->seconds_left >= 0)
        json_object_set_new(j, "seconds_left", json_real(p->seconds_left));
    return j;
}

json_t *pq_entry_show(const struct pq_entry *e)
{
    json_t *progress = show_progress(e);
    return json_pack("{s:s, s:f, s:s, s:s?, s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:O, s:O?, s:o, "
                     "s:O, s:O?, s:O?, s:O?}",
                     "id", e->id, "position", e->position, "name", e->name, "output_name", e->stem,
                     "kind", kind_names[e->kind], "state", state_names[e->state], "created",
                     (json_int_t)e->created, "revision", (json_int_t)e->revision, "bytes",
                     (json_int_t)e->bytes, "received", (json_int_t)e->received, "uploaded",
                     e->uploaded, "settings", e->settings, "info", e->info, "progress", progress,
                     "notes", e->notes, "estimate", e->estimate, "error", e->error, "result",
                     e->result);
}
