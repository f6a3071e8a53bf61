/* SPDX-License-Identifier: MIT */
/* pique queue: what the page does, from the command line. Everything goes through the server. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "job/dump.h"
#include "pique/pique.h"

struct queue {
    const struct pq_options *options;
    struct pq_running_server server;
    struct pq_str out;
};

static int ask(struct queue *q, const char *method, const char *path, const json_t *body,
               json_t **answer, pique_error *err)
{
    json_t *unwanted = NULL;
    int rc = pq_ask(&q->server, method, path, body, answer ? answer : &unwanted, err);
    json_decref(unwanted);
    return rc;
}

/* ---- add ---- */

static json_t *value_of(const struct pq_option *option, const struct pq_value *value)
{
    if (option->kind == PQ_KIND_FLAG)
        return json_true();
    if (!option->repeats)
        return json_string(value->text);
    json_t *list = json_array();
    for (size_t i = 0; i < value->all_count; i++)
        json_array_append_new(list, json_string(value->all[i]));
    return list;
}

static json_t *settings_of(const struct pq_options *o)
{
    json_t *settings = json_object();
    for (size_t i = 0; settings && i < PQ_OPT_COUNT; i++) {
        const struct pq_option *option = &pq_option_table[i];
        if (o->values[i].set && pq_option_page(option))
            json_object_set_new(settings, option->name, value_of(option, &o->values[i]));
    }
    return settings;
}

/* Ask for a new entry. *answer: it. */
static int announce(struct queue *q, const char *file, int64_t bytes, json_t **answer,
                    pique_error *err)
{
    const char *slash = strrchr(file, '/');
    json_t *body = json_pack("{s:s, s:I, s:o}", "name", slash ? slash + 1 : file, "bytes",
                             (json_int_t)bytes, "settings", settings_of(q->options));
    int rc = body ? ask(q, "POST", "/api/items", body, answer, err)
                  : pq_fail(err, PIQUE_EINVAL, "%s: a name that is no UTF-8", file);
    json_decref(body);
    return rc;
}

/* Its content and its start. An entry that does not get its content does not stay. */
static int fill(struct queue *q, const char *id, struct pq_file *in, pique_error *err)
{
    char *entry = pq_asprintf("/api/items/%s", id), *start = pq_asprintf("/api/items/%s/start", id);
    int rc = entry && start ? ask(q, "POST", start, NULL, NULL, err) : pq_fail_nomem(err, 64);
    if (!rc)
        rc = pq_ask_upload(&q->server, id, in, err);
    pique_error unwanted;
    if (rc && entry)
        ask(q, "DELETE", entry, NULL, NULL, &unwanted);
    pq_free(entry);
    pq_free(start);
    return rc;
}

static int add_file(struct queue *q, const char *file, pique_error *err)
{
    struct pq_file in;
    json_t *answer = NULL;
    int rc = pq_file_open(file, &in, err);
    if (rc)
        return rc;
    const int64_t bytes = pq_file_size(&in);
    if (bytes < 1)
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: is empty, or no file", file);
    if (!rc)
        rc = announce(q, file, bytes, &answer, err);
    const char *id = json_string_value(json_object_get(answer, "id"));
    if (!rc)
        rc = id ? fill(q, id, &in, err)
                : pq_fail(err, PIQUE_EFORMAT, "the server took %s without a word", file);
    if (!rc)
        pq_str_printf(&q->out, "%s\n", id);
    json_decref(answer);
    pq_file_close(&in);
    return rc;
}

/* ---- ls ---- */

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void add_item(struct pq_str *out, const json_t *item)
{
    const json_t *progress = json_object_get(item, "progress");
    const json_t *error = json_object_get(item, "error");
    const char *state = json_string_value(json_object_get(item, "state"));
    const char *said = json_string_value(json_object_get(error, "text"));
    pq_str_printf(out, "%s  ", json_string_value(json_object_get(item, "id")));
    pq_str_add_cell(out, state ? state : "", 10);
    if (json_is_object(progress) && number(progress, "total") > 0)
        pq_str_printf(out, "%3.0f %%  ",
                      100 * number(progress, "done") / number(progress, "total"));
    else
        pq_str_add(out, "       ");
    pq_str_add_shown(out, json_string_value(json_object_get(item, "name")));
    if (said) {
        pq_str_add(out, ": ");
        pq_str_add_shown(out, said);
    }
    pq_str_add(out, "\n");
}

static int list(struct queue *q, pique_error *err)
{
    json_t *state = NULL;
    int rc = ask(q, "GET", "/api/state", NULL, &state, err);
    if (!rc && pq_given(q->options, PQ_OPT_JSON)) {
        char *text = pq_json_dump(state, JSON_COMPACT);
        pq_str_printf(&q->out, "%s\n", text ? text : "");
        pq_free(text);
    } else if (!rc) {
        const json_t *items = json_object_get(state, "items");
        for (size_t i = 0; i < json_array_size(items); i++)
            add_item(&q->out, json_array_get(items, i));
    }
    json_decref(state);
    return rc;
}

/* ---- what is done to entries ---- */

static int act(struct queue *q, const char *method, const char *what, const char *whole,
               pique_error *err)
{
    const struct pq_options *o = q->options;
    int rc = 0;
    if (!o->operand_count && whole)
        return ask(q, "POST", whole, NULL, NULL, err);
    for (size_t i = 0; !rc && i < o->operand_count; i++) {
        const char *id = o->operands[i];
        if (strspn(id, "0123456789abcdef") != strlen(id))
            return pq_fail(err, PIQUE_EINVAL, "%s: is no entry; pique queue ls lists them", id);
        char *path = pq_asprintf("/api/items/%s%s", id, what);
        rc = path ? ask(q, method, path, NULL, NULL, err) : pq_fail_nomem(err, 64);
        pq_free(path);
    }
    return rc;
}

static int add_all(struct queue *q, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < q->options->operand_count; i++)
        rc = add_file(q, q->options->operands[i], err);
    return rc;
}

static int dispatch(struct queue *q, pique_error *err)
{
    switch (q->options->command) {
    case PQ_CMD_QUEUE_ADD:
        return add_all(q, err);
    case PQ_CMD_QUEUE_LS:
        return list(q, err);
    case PQ_CMD_QUEUE_PAUSE:
        return act(q, "POST", "/pause", "/api/queue/pause", err);
    case PQ_CMD_QUEUE_RESUME:
        return act(q, "POST", "/resume", "/api/queue/resume", err);
    case PQ_CMD_QUEUE_CANCEL:
        return act(q, "POST", "/stop", NULL, err);
    case PQ_CMD_QUEUE_RETRY:
        return act(q, "POST", "/retry", NULL, err);
    default:
        return act(q, "DELETE", "", NULL, err);
    }
}

int pq_cli_queue(const struct pq_options *o)
{
    struct queue q = {.options = o};
    pique_error err;
    int rc = pq_running_server(NULL, &q.server, &err);
    if (!rc && pq_given(o, PQ_OPT_PORT))
        q.server.port = (int)pq_whole(o, PQ_OPT_PORT);
    if (!rc)
        rc = dispatch(&q, &err);
    const int printed = q.out.length ? pq_cli_print(&q.out) : PQ_EXIT_OK;
    return rc ? pq_cli_fail(&err) : printed;
}
