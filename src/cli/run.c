/* SPDX-License-Identifier: MIT */
/* The implicit command: pique a.png b.jpg dir/ -o out/ -m MODEL -s SCALE.
 *
 * Options, inputs, models, names, engines, and then one picture after the other; a picture that
 * fails does not stop the others. The first failure decides the exit status. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/lang.h"
#include "cli/batch.h"
#include "cli/chain.h"
#include "cli/choose.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/files.h"
#include "cli/film.h"
#include "cli/name.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/stretch.h"
#include "cli/target.h"
#include "pique/pique.h"

struct run {
    const struct pq_options *options;
    struct pq_inputs inputs;
    struct pq_naming naming;
    char *suffix; /* that naming points at */
    char *names;  /* of --names-from, cut into lines that inputs point at */
    struct pq_report report;
    struct pq_chain chain;
    pique_cancel *cancel;
    pique_picture_options picture;
    pique_picture_options film; /* the same before a format was chosen for pictures */
    uint64_t batches;           /* of pictures that went together */
    double pixels, seconds;     /* of the pictures that went through the network once */
    int first_failure;          /* exit status, 0 while nothing failed */
    bool interrupted;
    bool opened; /* the engines are */
};

static bool is_dash(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* ---- failures ---- */

static void note_failure(struct run *run, int status)
{
    if (!run->first_failure)
        run->first_failure = status;
}

/* A failure that ends the run; true, for a chain of steps. */
static bool stop(struct run *run, const pique_error *why, int status)
{
    pq_report_error(&run->report, why);
    note_failure(run, status);
    return true;
}

static void fail_input(struct run *run, const struct pq_input *input, const pique_error *why)
{
    pq_report_failed(&run->report, input, why);
    note_failure(run, pq_exit_of(why->code));
}

/* ---- steps ---- */

static bool collect(struct run *run)
{
    const struct pq_options *o = run->options;
    struct pq_walk walk = {.flat = pq_given(o, PQ_OPT_NO_RECURSIVE),
                           .not_inside = run->naming.folder};
    pique_error err;
    int rc = pq_inputs_collect(&run->inputs, o->operands, o->operand_count, &walk, &err);
    return rc && stop(run, &err, pq_exit_of(rc));
}

/* Nothing of what was named can be read: say so before any model is looked for. */
static bool nothing_usable(struct run *run)
{
    if (pq_inputs_usable(&run->inputs))
        return false;
    pq_report_start(&run->report, &run->inputs, NULL);
    for (size_t i = 0; i < run->inputs.count; i++) {
        pique_error why;
        pq_fail(&why, run->inputs.list[i].status, "%s", run->inputs.list[i].problem);
        fail_input(run, &run->inputs.list[i], &why);
    }
    return true;
}

static bool open_models(struct run *run)
{
    const char *text = pq_text(run->options, PQ_OPT_MODEL);
    int status;
    pique_error err;
    int rc = pq_get_models(run->options, &run->report, text, &status, &err);
    if (!rc)
        rc = pq_chain_open(&run->chain, text, ',', &status, &err);
    return rc && stop(run, &err, status);
}

/* --names-from: a line an input, in their order. */
static int read_names(struct run *run, pique_error *err)
{
    enum { MOST = 16 << 20 };
    const char *file = pq_text(run->options, PQ_OPT_NAMES_FROM);
    int rc = file ? pq_read_text(file, MOST, &run->names, err) : 0;
    char *line = run->names;
    for (size_t i = 0; !rc && line && i < run->inputs.count; i++) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        if (strchr(line, '/') || strcmp(line, "..") == 0)
            return pq_fail(err, PIQUE_EINVAL, "%s: '%s' is no name of a file: it has a '/'", file,
                           line);
        if (*line)
            run->inputs.list[i].stem = line;
        line = next;
    }
    return rc;
}

static bool name_outputs(struct run *run)
{
    pique_error err;
    pq_film_classify(&run->inputs, run->options, pq_target_is_film(run->options, &run->naming),
                     &run->report);
    if (read_names(run, &err))
        return stop(run, &err, pq_exit_of(err.code));
    run->suffix =
        pq_target_suffix(run->options, &run->picture, &run->naming, pq_chain_scale(&run->chain));
    run->naming.suffix = run->suffix;
    int rc =
        run->suffix ? pq_name_outputs(&run->inputs, &run->naming, &err) : pq_fail_nomem(&err, 64);
    return rc && stop(run, &err, pq_exit_of(rc));
}

static bool open_engine(struct run *run)
{
    pique_error err;
    const char *level = pq_text(run->options, PQ_OPT_CPU);
    int rc = level ? pique_set_cpu_level(level, &err) : 0;
    run->cancel = rc ? NULL : pique_cancel_new();
    if (!rc && !run->cancel)
        rc = pq_fail_nomem(&err, 64);
    if (!rc) {
        pique_engine_options e = {.size = sizeof e,
                                  .log = pq_report_on_log,
                                  .log_user = &run->report,
                                  .event = pq_report_on_event,
                                  .event_user = &run->report,
                                  .cancel = run->cancel};
        pq_options_to_engine(run->options, &e);
        rc = pq_chain_start(&run->chain, &e, &err);
    }
    char *key = rc ? NULL : pq_chain_numeric_key(&run->chain);
    if (!rc && !key)
        rc = pq_fail_nomem(&err, 64);
    if (rc) {
        bool unable = rc == PIQUE_EUNSUPPORTED || rc == PIQUE_EDEVICE;
        return stop(run, &err, unable ? PQ_EXIT_UNAVAILABLE : pq_exit_of(rc));
    }
    const char *device = pq_text(run->options, PQ_OPT_DEVICE);
    pq_report_engine(&run->report, device ? device : "auto", key);
    pq_free(key);
    return false;
}

/* ---- one picture ---- */

/* Whether what stands where a film is to come is the whole of it: a job beside it says no. */
static bool finished(const struct run *run, const struct pq_input *input)
{
    char *job = pq_film_job(run->options, input->output);
    const bool unfinished = job && pq_is_folder(job);
    pq_free(job);
    return !unfinished;
}

/* What becomes of an input without computing. */
enum fate { TO_DO = PQ_TO_DO, EARLIER, BROKEN, LEFT_OUT, EXISTS };

static enum fate fate_of(const struct run *run, const struct pq_input *input)
{
    if (input->earlier)
        return EARLIER;
    if (input->status)
        return BROKEN;
    if (is_dash(input->output) || !pq_exists(input->output) || run->picture.overwrite)
        return TO_DO;
    if (input->film && !finished(run, input))
        return TO_DO; /* it goes on */
    return pq_given(run->options, PQ_OPT_SKIP_EXISTING) ? LEFT_OUT : EXISTS;
}

static void tell_fate(struct run *run, const struct pq_input *input, enum fate fate)
{
    pique_error why;
    if (fate == EARLIER) {
        pq_report_skipped(&run->report, input, "it is what an earlier run made");
    } else if (fate == BROKEN) {
        pq_fail(&why, input->status, "%s", input->problem);
        fail_input(run, input, &why);
    } else if (fate == LEFT_OUT) {
        pq_report_skipped(&run->report, input, "the output exists");
    } else if (fate == EXISTS) {
        pq_fail(&why, PIQUE_EEXIST,
                "%s: exists already; --overwrite replaces it, --skip-existing leaves it",
                input->output);
        fail_input(run, input, &why);
    }
}

/* What needs no computing: true when the input is settled. */
static bool settled(struct run *run, const struct pq_input *input)
{
    const enum fate fate = fate_of(run, input);
    tell_fate(run, input, fate);
    return fate != TO_DO;
}

static struct pq_film_run film_run(struct run *run)
{
    return (struct pq_film_run){run->options, &run->report, &run->chain, run->film};
}

static int upscale_film(struct run *run, const struct pq_input *input, pique_error *err)
{
    struct pq_film_run film = film_run(run);
    pq_report_begin(&run->report, input, 0, 0);
    int rc = run->naming.folder ? pq_make_folder_of(input->output, err) : 0;
    if (!rc)
        rc = pq_film_do(&film, input, err);
    if (rc == PIQUE_ECANCELED && !pique_cancel_is_set(run->cancel))
        pique_cancel_set(run->cancel); /* by the job's folder: the others are not begun */
    return rc;
}

static void begin_picture(struct run *run, const struct pq_input *input)
{
    pique_picture_info info = {.size = sizeof info};
    /* The size is for the progress line alone; what is wrong with the file shows later. */
    if (run->report.terminal && !is_dash(input->path))
        (void)pique_picture_probe(input->path, run->picture.allow_untrusted, &info, NULL);
    pq_report_begin(&run->report, input, info.width, info.height);
}

static int upscale(struct run *run, const struct pq_input *input, pique_error *err)
{
    if (input->film)
        return upscale_film(run, input, err);
    pique_picture_options options = run->picture;
    pique_picture_report report = {.size = sizeof report};
    if (is_dash(input->output) && !pq_given(run->options, PQ_OPT_FORMAT))
        options.format = PIQUE_FORMAT_AUTO;
    begin_picture(run, input);
    int rc = run->naming.folder ? pq_make_folder_of(input->output, err) : 0;
    if (!rc) {
        rc = pique_picture_upscale_chain(run->chain.engines, run->chain.count, input->path,
                                         input->output, &options, &report, err);
    }
    if (!rc)
        pq_report_done(&run->report, input, &report);
    if (!rc && report.passes == 1) {
        run->pixels += (double)report.in_width * report.in_height;
        run->seconds += report.seconds;
    }
    return rc;
}

static void note_interrupted(struct run *run, const struct pq_input *input, size_t left)
{
    char *job = input->film && input->output ? pq_film_job(run->options, input->output) : NULL;
    char *text =
        job && pq_is_folder(job)
            ? pq_asprintf(pq_tr("interrupted; pique resume %s goes on"), job)
            : pq_asprintf(pq_tr("interrupted; %zu of %zu inputs are not done; the same command "
                                "with --skip-existing goes on"),
                          left, run->inputs.count);
    pq_free(job);
    run->interrupted = true;
    if (text)
        pq_report_note(&run->report, text);
    pq_free(text);
}

/* ---- several pictures ---- */

/* Whether a picture can be one of several: what must be told of it alone, as that its output
 * exists or that its folder cannot be made, is told when it is done alone. */
static bool ready(void *context, const struct pq_input *input)
{
    const struct run *run = context;
    return (run->picture.overwrite || !pq_exists(input->output)) &&
           (!run->naming.folder || pq_make_folder_of(input->output, NULL) == 0);
}

/* What became of inputs [first, first + count), which went together.
 * @return how many were left because the run was interrupted. */
static size_t tell_batch(struct run *run, size_t first, size_t count,
                         const pique_picture_item *items, bool begun)
{
    const struct pq_input *inputs = &run->inputs.list[first];
    size_t left = 0;
    int64_t saved = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].status && pique_cancel_is_set(run->cancel)) {
            left++;
            continue;
        }
        if (i || !begun)
            pq_report_begin(&run->report, &inputs[i], 0, 0);
        if (items[i].status)
            fail_input(run, &inputs[i], &items[i].err);
        else
            pq_report_done(&run->report, &inputs[i], &items[i].report);
        saved += !items[i].status;
    }
    if (saved && count > 1)
        pq_report_saved(&run->report, PQ_SAID("picture"), ++run->batches, saved, (int64_t)first);
    return left;
}

static void name_items(const struct run *run, size_t first, size_t count, pique_picture_item *items)
{
    const struct pq_input *inputs = &run->inputs.list[first];
    for (size_t i = 0; i < count; i++)
        items[i] = (pique_picture_item){.src = inputs[i].path, .dst = inputs[i].output};
}

/* Inputs [first, first + count) in one inference; each with its own result. */
static size_t upscale_batch(struct run *run, size_t first, size_t count)
{
    pique_picture_item items[PIQUE_BATCH_PICTURES] = {0};
    pique_error err;
    name_items(run, first, count, items);
    begin_picture(run, &run->inputs.list[first]);
    const int rc = pique_pictures_upscale(run->chain.engines, run->chain.count, items, count,
                                          &run->picture, &err);
    for (size_t i = 0; rc && i < count; i++) {
        items[i].status = rc;
        items[i].err = err;
    }
    return tell_batch(run, first, count, items, true);
}

/* ---- pictures on several devices ---- */

static int its_fate(void *context, const struct pq_input *input)
{
    return (int)fate_of(context, input);
}

static void tell_its_fate(void *context, const struct pq_input *input, int fate)
{
    tell_fate(context, input, (enum fate)fate);
}

static size_t tell_its_batch(void *context, size_t first, size_t count,
                             const pique_picture_item *items)
{
    return tell_batch(context, first, count, items, false);
}

/* As pq_stretch_upscale(). */
static size_t upscale_stretch(struct run *run, size_t first, size_t *left)
{
    pique_error err;
    size_t done = 0;
    const struct pq_stretch_of of = {.inputs = &run->inputs,
                                     .options = run->options,
                                     .chain = &run->chain,
                                     .picture = &run->picture,
                                     .cancel = run->cancel,
                                     .makes_folders = run->naming.folder != NULL,
                                     .context = run,
                                     .ready = ready,
                                     .fate = its_fate,
                                     .tell_fate = tell_its_fate,
                                     .tell_batch = tell_its_batch};
    if (pq_stretch_upscale(&of, first, &done, left, &err) != 0)
        stop(run, &err, pq_exit_of(err.code));
    return done;
}

static void process_all(struct run *run)
{
    for (size_t i = 0; i < run->inputs.count; i++) {
        const struct pq_input *input = &run->inputs.list[i];
        pique_error err;
        if (pique_cancel_is_set(run->cancel)) {
            note_interrupted(run, input, run->inputs.count - i);
            return;
        }
        if (pique_engine_devices(run->chain.engines[0]) > 1) {
            size_t left = 0;
            const size_t done = upscale_stretch(run, i, &left);
            if (left) {
                note_interrupted(run, input, left + run->inputs.count - i - done);
                return;
            }
            if (done) {
                i += done - 1;
                continue;
            }
        }
        if (settled(run, input))
            continue;
        const size_t together = pq_batch_alike(&run->inputs, i, run->options, ready, run);
        if (together > 1) {
            const size_t left = upscale_batch(run, i, together);
            i += together - 1;
            if (left) {
                note_interrupted(run, input, left + run->inputs.count - 1 - i);
                return;
            }
            continue;
        }
        int rc = upscale(run, input, &err);
        /* A pipe that ended with us gives an error of its own. */
        if (rc && pique_cancel_is_set(run->cancel)) {
            note_interrupted(run, input, run->inputs.count - i);
            return;
        }
        if (rc)
            fail_input(run, input, &err);
    }
}

/* ---- a dry run ---- */

/* A picture whose engine is open: the size of its result, memory, and time where it is known how
 * quick the model is here. */
static void plan_whole(struct run *run, const struct pq_input *input)
{
    const struct pq_chain *chain = &run->chain;
    pique_picture_plan plan = {.size = sizeof plan};
    pique_error err;
    if (pique_picture_plan_only(chain->engines, chain->count, input->path, input->output,
                                &run->picture, &plan, &err) != 0) {
        fail_input(run, input, &err);
        return;
    }
    const double speed = chain->count == 1 ? pq_known_speed(chain->links[0].model) : 0;
    const double all = plan.network_pixels * (run->picture.tta ? 8 : 1);
    pq_report_planned(&run->report, input, plan.in_width, plan.in_height, &plan,
                      speed > 0 ? all / (1e6 * speed) : -1);
}

static void plan_picture(struct run *run, const struct pq_input *input)
{
    pique_picture_info info = {.size = sizeof info};
    pique_error err;
    if (run->opened)
        plan_whole(run, input);
    else if (pique_picture_probe(input->path, run->picture.allow_untrusted, &info, &err) != 0)
        fail_input(run, input, &err);
    else
        pq_report_planned(&run->report, input, info.width, info.height, NULL, -1);
}

static void plan_one(struct run *run, const struct pq_input *input)
{
    if (input->film) {
        struct pq_film_run film = film_run(run);
        pique_error why;
        pq_report_begin(&run->report, input, 0, 0);
        if (pq_film_plan(&film, input, &why))
            fail_input(run, input, &why);
        return;
    }
    if (is_dash(input->path))
        pq_report_planned(&run->report, input, 0, 0, NULL, -1);
    else
        plan_picture(run, input);
}

static void plan_all(struct run *run)
{
    for (size_t i = 0; i < run->inputs.count; i++) {
        if (!settled(run, &run->inputs.list[i]))
            plan_one(run, &run->inputs.list[i]);
    }
}

/* ---- the whole ---- */

static bool has_film(const struct run *run)
{
    for (size_t i = 0; i < run->inputs.count; i++) {
        if (run->inputs.list[i].film && !run->inputs.list[i].status)
            return true;
    }
    return false;
}

static void do_run(struct run *run)
{
    if (collect(run) || nothing_usable(run) || open_models(run) || name_outputs(run))
        return;
    pq_report_start(&run->report, &run->inputs, &run->chain);
    const bool dry = pq_given(run->options, PQ_OPT_DRY_RUN);
    /* A program that asks gets what only the engine can tell. */
    if ((!dry || run->report.json || has_film(run)) && open_engine(run))
        return;
    run->opened = !dry || run->report.json || has_film(run);
    if (dry) {
        plan_all(run);
        return;
    }
    pq_watch_signals(run->cancel);
    process_all(run);
    pq_unwatch_signals();
    if (run->chain.count == 1)
        pq_note_speed(run->options, &run->report, run->chain.links[0].model,
                      pique_engine_numeric_key(run->chain.engines[0]), run->pixels, run->seconds);
    pq_tell_recommended(run->options, &run->report);
}

int pq_cli_run(const struct pq_options *o)
{
    struct run run = {.options = o, .picture = {.size = sizeof run.picture}};
    pique_error err;
    pq_options_to_picture(o, &run.picture);
    run.film = run.picture;
    int rc = pq_options_check(o, &err);
    if (!rc)
        rc = pq_target_decide(o, &run.picture, &run.naming, &err);
    if (!rc)
        rc = pq_target_check_streams(o, &run.naming, &err);
    if (rc)
        return pq_cli_fail(&err);
    pq_report_init(&run.report, pq_given(o, PQ_OPT_JSON), pq_given(o, PQ_OPT_QUIET),
                   (int)pq_whole(o, PQ_OPT_VERBOSE), pq_target_is_stdout(o, &run.naming));
    do_run(&run);
    int status = run.interrupted ? PQ_EXIT_INTERRUPTED : run.first_failure;
    pq_report_end(&run.report, status);
    if (run.report.stdout_lost && status != PQ_EXIT_INTERRUPTED) {
        pq_fail(&err, PIQUE_EIO, "standard output: cannot be written");
        int lost = pq_cli_fail(&err);
        status = status ? status : lost;
    }
    pq_chain_close(&run.chain);
    pique_cancel_free(&run.cancel);
    pq_inputs_free(&run.inputs);
    pq_free(run.suffix);
    pq_free(run.names);
    pq_report_destroy(&run.report);
    return status;
}
