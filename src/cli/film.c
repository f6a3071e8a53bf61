/* SPDX-License-Identifier: MIT */
#include "cli/film.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lang.h"
#include "base/sequence.h"
#include "base/str.h"
#include "base/suffix.h"
#include "cli/film_report.h"
#include "cli/name.h"
#include "cli/names.h"

/* ---- which inputs are films ---- */

static bool is_dash(const char *path)
{
    return strcmp(path, "-") == 0;
}

static bool opens_as_film(const char *path)
{
    pique_film_info info = {.size = sizeof info};
    return pique_film_probe(path, &info, NULL) == 0;
}

static bool opens_as_picture(const char *path, bool allow_untrusted)
{
    pique_picture_info info = {.size = sizeof info};
    return pique_picture_probe(path, allow_untrusted, &info, NULL) == 0;
}

static bool may_move(const char *path)
{
    const char *suffix = pq_picture_suffix(path);
    return suffix && (strcasecmp(suffix, ".gif") == 0 || strcasecmp(suffix, ".webp") == 0 ||
                      strcasecmp(suffix, ".png") == 0 || strcasecmp(suffix, ".apng") == 0);
}

static bool is_film(const struct pq_input *input, const struct pq_options *o, bool film_wanted)
{
    if (input->film)
        return true;
    if (is_dash(input->path))
        return film_wanted;
    if (film_wanted && may_move(input->path))
        return opens_as_film(input->path);
    return !pq_media_suffix(input->path) && !input->walked &&
           !opens_as_picture(input->path, pq_given(o, PQ_OPT_ALLOW_UNTRUSTED)) &&
           opens_as_film(input->path);
}

/* The film's own container where it can be written; a picture format means a folder of pictures. */
static const char *extension_of(const struct pq_input *input, const struct pq_options *o)
{
    static const char *const same[][2] = {
        {".mp4", ".mp4"}, {".m4v", ".mp4"}, {".mov", ".mov"}, {".webm", ".webm"}, {".y4m", ".y4m"}};
    static const char *const named[][2] = {
        {"mp4", ".mp4"}, {"mkv", ".mkv"}, {"mov", ".mov"}, {"webm", ".webm"}, {"y4m", ".y4m"}};
    const char *container = pq_options_container(o), *suffix = pq_film_suffix(input->path);
    for (size_t i = 0; container && i < PQ_COUNT(named); i++) {
        if (strcmp(container, named[i][0]) == 0)
            return named[i][1];
    }
    if (pq_given(o, PQ_OPT_FORMAT) && pq_whole(o, PQ_OPT_FORMAT) != 0)
        return "";
    for (size_t i = 0; suffix && i < PQ_COUNT(same); i++) {
        if (strcasecmp(suffix, same[i][0]) == 0)
            return same[i][1];
    }
    return ".mkv";
}

/* A moving picture of which only the first is taken: never in silence. */
static void tell_first_only(const struct pq_input *input, const struct pq_options *o,
                            struct pq_report *report)
{
    pique_picture_info info = {.size = sizeof info};
    const char *suffix = pq_picture_suffix(input->path);
    if (!suffix || strcasecmp(suffix, ".png") == 0 || !may_move(input->path) ||
        pique_picture_probe(input->path, pq_given(o, PQ_OPT_ALLOW_UNTRUSTED), &info, NULL) != 0 ||
        info.frames < 2)
        return;
    char *text =
        pq_asprintf(pq_tr("%s: only the first of its %d pictures is taken; -f mp4, or another "
                          "format of films, takes all"),
                    input->path, info.frames);
    if (text)
        pq_report_note(report, text);
    pq_free(text);
}

void pq_film_classify(struct pq_inputs *inputs, const struct pq_options *o, bool film_wanted,
                      struct pq_report *report)
{
    for (size_t i = 0; i < inputs->count; i++) {
        struct pq_input *input = &inputs->list[i];
        if (input->status)
            continue;
        input->film = is_film(input, o, film_wanted);
        if (input->film)
            input->extension = extension_of(input, o);
        else
            tell_first_only(input, o, report);
    }
}

/* ---- starting it again ---- */

char *pq_film_job(const struct pq_options *o, const char *output)
{
    size_t n = strlen(output);
    if (pq_given(o, PQ_OPT_JOB))
        return pq_strdup(pq_text(o, PQ_OPT_JOB));
    while (n > 1 && output[n - 1] == '/')
        n--;
    return pq_asprintf("%.*s.job", (int)n, output);
}

/* The same file from any folder; the file itself need not exist. */
static char *absolute(const char *path)
{
    char real[PATH_MAX];
    if (*path == '/')
        return pq_strdup(path);
    return getcwd(real, sizeof real) ? pq_asprintf("%s/%s", real, path) : pq_strdup(path);
}

static void add_word(struct pq_json *j, const char *name, const char *value)
{
    char *word = value ? pq_asprintf("--%s=%s", name, value) : pq_asprintf("--%s", name);
    if (word)
        pq_json_string(j, NULL, word);
    else
        j->text.failed = true;
    pq_free(word);
}

/* What changes from one call to the next, or names files that stand in the words anyhow. */
static bool is_of_the_moment(size_t option)
{
    static const enum pq_option_id left_out[] = {
        PQ_OPT_OUTPUT,     PQ_OPT_JSON,   PQ_OPT_QUIET,         PQ_OPT_VERBOSE,
        PQ_OPT_RESTART,    PQ_OPT_JOB,    PQ_OPT_DEDICATED,     PQ_OPT_DRY_RUN,
        PQ_OPT_NAMES_FROM, PQ_OPT_SUFFIX, PQ_OPT_SKIP_EXISTING, PQ_OPT_LANG};
    for (size_t i = 0; i < PQ_COUNT(left_out); i++) {
        if (option == (size_t)left_out[i])
            return true;
    }
    return false;
}

static void add_options(struct pq_json *j, const struct pq_options *o)
{
    for (size_t i = 0; i < PQ_OPT_COUNT; i++) {
        const struct pq_option *option = &pq_option_table[i];
        if (!o->values[i].set || is_of_the_moment(i) || option->repeats)
            continue;
        const bool bare = option->kind == PQ_KIND_FLAG || option->kind == PQ_KIND_COUNT;
        add_word(j, option->name, bare ? NULL : o->values[i].text);
    }
    const struct pq_value *enc = &o->values[PQ_OPT_ENC];
    for (size_t i = 0; i < enc->all_count; i++)
        add_word(j, pq_option_table[PQ_OPT_ENC].name, enc->all[i]);
}

static bool is_frame_folder(const struct pq_input *input, const struct pq_options *o)
{
    return !pq_options_container(o) && pq_whole(o, PQ_OPT_FORMAT) > 0 &&
           !pq_media_suffix(input->output) && !is_dash(input->output);
}

/* Where numbered pictures go, by a name that means the same alone; as it was given, for the job
 * remembers it so. */
static char *frame_names(const struct pq_input *input, const struct pq_options *o)
{
    size_t n = strlen(input->output);
    while (n > 1 && input->output[n - 1] == '/')
        n--;
    return pq_asprintf("%.*s/%%06d%s", (int)n, input->output,
                       pq_format_extension((enum pique_format)pq_whole(o, PQ_OPT_FORMAT)));
}

char *pq_film_settings(const struct pq_options *o, const struct pq_input *input)
{
    struct pq_json j = {0};
    char cwd[PATH_MAX];
    char *src = absolute(input->path), *job = pq_film_job(o, input->output);
    char *job_path = job ? absolute(job) : NULL, *dst = absolute(input->output);
    if (dst && is_frame_folder(input, o)) {
        pq_free(dst);
        dst = frame_names(input, o);
    }
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "cwd", getcwd(cwd, sizeof cwd) ? cwd : "/");
    pq_json_open(&j, "words", '[');
    add_options(&j, o);
    if (job_path && dst && src) {
        add_word(&j, pq_option_table[PQ_OPT_JOB].name, job_path);
        add_word(&j, pq_option_table[PQ_OPT_OUTPUT].name, dst);
        pq_json_string(&j, NULL, "--");
        pq_json_string(&j, NULL, src);
    } else {
        j.text.failed = true;
    }
    pq_json_close(&j, ']');
    pq_json_close(&j, '}');
    pq_free(src);
    pq_free(dst);
    pq_free(job);
    pq_free(job_path);
    return pq_json_take(&j);
}

/* ---- one film ---- */

static int check_output(const struct pq_input *input, pique_error *err)
{
    const char *output = input->output;
    if (!pq_picture_suffix(output) || pq_is_sequence(output, NULL))
        return 0;
    return pq_fail(
        err, PIQUE_EINVAL,
        "-o %s is one picture, and %s is a film; frame%%05d.png names numbered pictures, "
        "and pique preview makes one picture of a film",
        output, input->path);
}

static void set_options(const struct pq_film_run *run, pique_film_options *o)
{
    *o = (pique_film_options){.size = sizeof *o, .picture = &run->picture};
    pq_options_to_film(run->options, o);
}

/* The film is there: what is wrong with its report is said, and no failure. */
static void write_report(const struct pq_film_run *run, const struct pq_film_story *story,
                         const pique_film_report *report)
{
    pique_error why;
    if (pq_film_write_report(story, run->options, run->chain, report, &why) != 0)
        pq_report_note(run->report, why.message);
}

int pq_film_do(struct pq_film_run *run, const struct pq_input *input, pique_error *err)
{
    pique_film_options o;
    pique_film_report report = {.size = sizeof report};
    struct pq_film_story story = {.report = run->report, .input = input};
    set_options(run, &o);
    char *settings = pq_film_settings(run->options, input);
    int rc = settings ? check_output(input, err) : pq_fail_nomem(err, 256);
    o.settings = settings;
    o.event = pq_film_on_event;
    o.event_user = &story;
    if (!rc)
        rc = pique_film_upscale(run->chain->engines, run->chain->count, input->path, input->output,
                                &o, &report, err);
    if (!rc)
        pq_film_done(&story, &report);
    if (!rc && !pq_given(run->options, PQ_OPT_NO_REPORT) && !is_dash(input->output) &&
        strcmp(input->output, "null:") != 0)
        write_report(run, &story, &report);
    pq_film_story_end(&story);
    pq_free(settings);
    return rc;
}

int pq_film_plan(struct pq_film_run *run, const struct pq_input *input, pique_error *err)
{
    pique_film_options o;
    pique_film_plan plan = {.size = sizeof plan};
    struct pq_film_story story = {.report = run->report, .input = input};
    set_options(run, &o);
    o.event = pq_film_on_event;
    o.event_user = &story;
    int rc = pique_film_plan_only(run->chain->engines, run->chain->count, input->path,
                                  input->output, &o, &plan, err);
    if (!rc)
        pq_film_planned(&story, &plan, true);
    pq_film_story_end(&story);
    return rc;
}
