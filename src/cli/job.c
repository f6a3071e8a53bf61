/* SPDX-License-Identifier: MIT */
/* pique resume, pause, continue, stop: what can be done with the folder of an unfinished film. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "pique/pique.h"

/* The folder of a job, from its name or from that of its result; pq_free() it. */
static char *find_job(const char *name, pique_error *err)
{
    char *inside = pq_asprintf("%s/job.json", name), *beside = pq_asprintf("%s.job", name);
    char *job = NULL;
    if (!inside || !beside)
        pq_fail_nomem(err, strlen(name) + 16);
    else if (pq_exists(inside))
        job = pq_strdup(name);
    else if (pq_is_folder(beside))
        job = pq_strdup(beside);
    else
        pq_fail(err, PIQUE_ENOENT,
                "%s: is no unfinished film: neither it nor %s is the folder of a job", name,
                beside);
    pq_free(inside);
    pq_free(beside);
    return job;
}

/* ---- resume ---- */

static json_t *read_settings(const char *job, pique_error *err)
{
    char *text;
    if (pique_film_job_settings(job, &text, err))
        return NULL;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    pique_text_free(&text);
    if (!json_is_array(json_object_get(root, "words"))) {
        json_decref(root);
        pq_fail(err, PIQUE_EFORMAT, "%s: says not how it was started", job);
        return NULL;
    }
    return root;
}

/* What says how it is told and with what it is computed is that of now. */
static void take_own(const struct pq_options *now, struct pq_options *again)
{
    static const enum pq_option_id own[] = {PQ_OPT_JSON,    PQ_OPT_QUIET,  PQ_OPT_VERBOSE,
                                            PQ_OPT_THREADS, PQ_OPT_MEMORY, PQ_OPT_FALLBACK};
    for (size_t i = 0; i < PQ_COUNT(own); i++) {
        if (pq_given(now, own[i]))
            again->values[own[i]] = now->values[own[i]];
    }
}

static int parse_words(const json_t *words, char **list, struct pq_options *again, pique_error *err)
{
    const size_t count = json_array_size(words);
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_array_get(words, i));
        if (!word)
            return pq_fail(err, PIQUE_EFORMAT, "the words of the job are damaged");
        list[i] = pq_strdup(word);
        if (!list[i])
            return pq_fail_nomem(err, strlen(word));
    }
    int rc = pq_options_parse(again, PQ_CMD_RUN, (int)count, list, err);
    if (!rc && again->operand_count != 1)
        rc = pq_fail(err, PIQUE_EFORMAT, "the words of the job are damaged");
    return rc;
}

/* The words of then. */
static int run_again(const struct pq_options *o, const json_t *words, pique_error *err)
{
    const size_t count = json_array_size(words);
    struct pq_options again = {0};
    char **list = pq_calloc(count + 1, sizeof *list);
    int rc = list ? parse_words(words, list, &again, err) : pq_fail_nomem(err, count + 1);
    int status;
    if (rc) {
        status = pq_cli_fail(err);
    } else {
        take_own(o, &again);
        status = pq_cli_run(&again);
    }
    pq_options_free(&again);
    for (size_t i = 0; list && i < count; i++)
        pq_free(list[i]);
    pq_free(list);
    return status;
}

int pq_cli_resume(const struct pq_options *o)
{
    pique_error err;
    char *job = find_job(o->operands[0], &err);
    json_t *root = job ? read_settings(job, &err) : NULL;
    if (!root) {
        pq_free(job);
        return pq_cli_fail(&err);
    }
    pq_free(job);
    const char *cwd = json_string_value(json_object_get(root, "cwd"));
    if (cwd && chdir(cwd) != 0)
        fprintf(stderr, pq_tr("pique: note: %s is gone, where the film was started\n"), cwd);
    const int status = run_again(o, json_object_get(root, "words"), &err);
    json_decref(root);
    return status;
}

/* ---- words to a running job ---- */

static int write_word(const char *job, const char *word, pique_error *err)
{
    char *path = pq_asprintf("%s/control", job);
    int rc = path ? pq_write_text(path, word, err) : pq_fail_nomem(err, strlen(job));
    pq_free(path);
    return rc;
}

static int say(const struct pq_options *o, const char *word)
{
    pique_error err;
    char *job = find_job(o->operands[0], &err);
    int rc = job ? write_word(job, word, &err) : err.code;
    pq_free(job);
    return rc ? pq_cli_fail(&err) : PQ_EXIT_OK;
}

int pq_cli_pause(const struct pq_options *o)
{
    return say(o, "pause\n");
}

int pq_cli_continue(const struct pq_options *o)
{
    return say(o, "run\n");
}

/* ---- stop ---- */

/* Until no process works on the job. */
static int await_free(const char *job, pique_error *err)
{
    enum { PATIENCE = 60 }; /* seconds */
    struct pq_file lock;
    const int rc = pq_folder_lock_wait(job, PATIENCE, &lock, err);
    if (!rc)
        pq_file_close(&lock);
    if (rc != PIQUE_EEXIST)
        return rc;
    return pq_fail(err, PIQUE_EEXIST, "%s: the process that works on it does not end", job);
}

/* Where the job's result was to come. */
static char *output_of(const char *job, pique_error *err)
{
    json_t *root = read_settings(job, err);
    char *output = NULL;
    for (size_t i = 0; root && i < json_array_size(json_object_get(root, "words")); i++) {
        const char *word = json_string_value(json_array_get(json_object_get(root, "words"), i));
        if (word && pq_starts_with(word, "--output="))
            output = pq_strdup(word + strlen("--output="));
    }
    if (root && !output)
        pq_fail(err, PIQUE_EFORMAT, "%s: says not what it was to become; name it with -o", job);
    json_decref(root);
    return output;
}

static int keep(const struct pq_options *o, const char *job, pique_error *err)
{
    const char *given = pq_text(o, PQ_OPT_OUTPUT);
    char *output = given ? pq_strdup(given) : output_of(job, err);
    int64_t frames = 0;
    if (!output)
        return err->code;
    int rc = pique_film_keep(job, output, pq_given(o, PQ_OPT_OVERWRITE), &frames, err);
    if (!rc)
        fprintf(stderr, pq_tr("%s: %lld frames; the job stays, and can go on\n"), output,
                (long long)frames);
    pq_free(output);
    return rc;
}

int pq_cli_stop(const struct pq_options *o)
{
    pique_error err;
    char *job = find_job(o->operands[0], &err);
    int rc = job ? write_word(job, "stop\n", &err) : err.code;
    if (!rc && pq_given(o, PQ_OPT_KEEP)) {
        rc = await_free(job, &err);
        if (!rc)
            rc = keep(o, job, &err);
    }
    pq_free(job);
    return rc ? pq_cli_fail(&err) : PQ_EXIT_OK;
}
