/* SPDX-License-Identifier: MIT */
/* pique work FOLDER: one task of a queue, in a process of its own and in the sandbox.
 *
 * FOLDER/task.json says what to do:
 *
 *     {"command": "run" | "preview" | "look" | "fetch",
 *      "words": ["--json", "--scale=2", "film.mkv", ...],   what would follow the command
 *      "read": [...], "write": [...],                       files and folders; see job/sandbox.h
 *      "memory": bytes, "seconds": of processor, 0: none,
 *      "strict": bool, "lang": "en" | "fr"}
 *
 * Besides what is named, the models can be read, and written to are FOLDER/tmp, for temporary
 * files, and, unless it is strict, the cache with the measured speeds. "fetch" gets a model of the
 * catalogue: it is not in the sandbox, because it needs the network and reads no file of anybody.
 * The process ends with the one that started it, and lets others go first. */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/str.h"
#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/record.h"
#include "job/sandbox.h"

enum {
    MOST_BYTES = 1 << 20,
    NICER = 5,
    /* Seconds. The workers of a server that was killed end by themselves, when their batch is done,
     * and the next server may begin before that. Two in one folder would be in each other's way. */
    PATIENCE = 120
};

struct task {
    char *file;
    json_t *root;
    enum pq_command_id command;
    const char **words, **read, **write; /* strings belong to root, or to the two below */
    size_t word_count, read_count, write_count;
    char *models, *cache, *temp;
};

/* ---- task.json ---- */

static int damaged(const struct task *t, const char *what, pique_error *err)
{
    return pq_fail(err, PIQUE_EFORMAT, "%s: %s", t->file, what);
}

/* The strings of a list, with room for two more; a list that is missing is empty. */
static int take_list(const struct task *t, const char *key, const char ***out, size_t *count,
                     pique_error *err)
{
    const json_t *list = json_object_get(t->root, key);
    if (list && !json_is_array(list))
        return damaged(t, "words and paths come in lists", err);
    const size_t n = json_array_size(list);
    *out = pq_calloc(n + 2, sizeof **out);
    if (!*out)
        return pq_fail_nomem(err, (n + 2) * sizeof **out);
    for (*count = 0; *count < n; ++*count) {
        (*out)[*count] = json_string_value(json_array_get(list, *count));
        if (!(*out)[*count])
            return damaged(t, "words and paths are strings", err);
    }
    return 0;
}

static int take_command(struct task *t, pique_error *err)
{
    static const struct {
        const char *name;
        enum pq_command_id id;
    } known[] = {{"run", PQ_CMD_RUN},
                 {"preview", PQ_CMD_PREVIEW},
                 {"look", PQ_CMD_LOOK},
                 {"fetch", PQ_CMD_MODELS_FETCH}};
    const char *name = json_string_value(json_object_get(t->root, "command"));
    for (size_t i = 0; name && i < PQ_COUNT(known); i++) {
        if (strcmp(name, known[i].name) == 0) {
            t->command = known[i].id;
            return 0;
        }
    }
    return damaged(t, "its command is none of run, preview, look and fetch", err);
}

/* A size that is missing is 0. */
static int take_size(const struct task *t, const char *key, json_int_t *out, pique_error *err)
{
    const json_t *value = json_object_get(t->root, key);
    *out = json_integer_value(value);
    return (value && !json_is_integer(value)) || *out < 0
               ? damaged(t, "memory and seconds are whole numbers", err)
               : 0;
}

static int read_task(struct task *t, const char *folder, pique_error *err)
{
    char *text = NULL;
    t->file = pq_asprintf("%s/task.json", folder);
    int rc = t->file ? pq_read_text(t->file, MOST_BYTES, &text, err)
                     : pq_fail_nomem(err, strlen(folder) + 16);
    if (rc)
        return rc;
    t->root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    pq_free(text);
    if (!json_is_object(t->root))
        return damaged(t, "is not the JSON of a task", err);
    rc = take_command(t, err);
    if (!rc)
        rc = take_list(t, "words", &t->words, &t->word_count, err);
    if (!rc)
        rc = take_list(t, "read", &t->read, &t->read_count, err);
    if (!rc)
        rc = take_list(t, "write", &t->write, &t->write_count, err);
    return rc;
}

static void free_task(struct task *t)
{
    pq_free(t->file);
    pq_free(t->words);
    pq_free(t->read);
    pq_free(t->write);
    pq_free(t->models);
    pq_free(t->cache);
    pq_free(t->temp);
    json_decref(t->root);
}

/* ---- the process ---- */

/* As a child of whoever started us, and behind all that a person waits for. */
static int settle(pique_error *err)
{
    const pid_t parent = getppid();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
        return pq_fail(err, PIQUE_ECANCELED, "who asked for this is gone");
    errno = 0;
    (void)nice(NICER); /* where that is not allowed it goes on all the same */
    return 0;
}

static int speak(const struct task *t, pique_error *err)
{
    const char *lang = json_string_value(json_object_get(t->root, "lang"));
    return lang && setenv("PIQUE_LANG", lang, 1) != 0 ? pq_fail_nomem(err, 64) : 0;
}

/* What every task needs beside what it names. */
static int add_own(struct task *t, const char *folder, bool strict, pique_error *err)
{
    t->models = pq_models_folder();
    t->cache = pq_cache_path("");
    t->temp = pq_asprintf("%s/tmp", folder);
    if (!t->models || !t->cache || !t->temp)
        return pq_fail_nomem(err, 256);
    int rc = pq_make_folders(t->temp, err);
    if (rc)
        return rc;
    if (setenv("TMPDIR", t->temp, 1) != 0)
        return pq_fail_nomem(err, 64);
    t->read[t->read_count++] = t->models;
    t->write[t->write_count++] = t->temp;
    if (!strict && pq_make_folders(t->cache, NULL) == 0)
        t->write[t->write_count++] = t->cache;
    else
        t->read[t->read_count++] = t->cache;
    return 0;
}

static int enter(struct task *t, const char *folder, pique_error *err)
{
    const bool strict = json_is_true(json_object_get(t->root, "strict"));
    json_int_t memory, seconds;
    if (t->command == PQ_CMD_MODELS_FETCH)
        return 0; /* it reads no file of anybody, and needs the network */
    int rc = take_size(t, "memory", &memory, err);
    if (!rc)
        rc = take_size(t, "seconds", &seconds, err);
    if (!rc)
        rc = add_own(t, folder, strict, err);
    if (rc)
        return rc;
    const struct pq_sandbox box = {.read = t->read,
                                   .read_count = t->read_count,
                                   .write = t->write,
                                   .write_count = t->write_count,
                                   .memory_bytes = (uint64_t)memory,
                                   .cpu_seconds = (unsigned)PQ_MIN(seconds, 1 << 30),
                                   .strict = strict};
    return pq_sandbox_enter(&box, NULL, err);
}

/* ---- the command ---- */

static int parse(struct pq_options *o, const struct task *t, pique_error *err)
{
    int rc = pq_options_parse(o, t->command, (int)t->word_count, (char *const *)t->words, err);
    if (!rc && (o->operand_count < 1 || (t->command != PQ_CMD_RUN && o->operand_count > 1)))
        rc = damaged(t, "its words name too few files or too many", err);
    return rc;
}

static int do_command(const struct pq_options *o)
{
    switch (o->command) {
    case PQ_CMD_PREVIEW:
        return pq_cli_preview(o);
    case PQ_CMD_LOOK:
        return pq_cli_look(o);
    case PQ_CMD_MODELS_FETCH:
        return pq_cli_models_fetch(o);
    default:
        return pq_cli_run(o);
    }
}

int pq_cli_work(const struct pq_options *o)
{
    struct task t = {0};
    struct pq_options inner = {0};
    struct pq_file lock = {.fd = -1};
    pique_error err;
    int rc = settle(&err);
    if (!rc)
        rc = pq_folder_lock_wait(o->operands[0], PATIENCE, &lock, &err);
    if (!rc) /* not before, since the one that has the lock may have been given this task too */
        rc = read_task(&t, o->operands[0], &err);
    if (!rc)
        rc = speak(&t, &err);
    if (!rc)
        rc = enter(&t, o->operands[0], &err);
    if (!rc)
        rc = parse(&inner, &t, &err);
    const int status = rc ? pq_cli_fail(&err) : do_command(&inner);
    pq_options_free(&inner);
    free_task(&t);
    pq_file_close(&lock);
    return status;
}
