/* SPDX-License-Identifier: MIT */
/* pique preview FILM --at TIME: one frame, or a piece of it, as the film would have it. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "base/suffix.h"
#include "cli/chain.h"
#include "cli/choose.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/files.h"
#include "cli/name.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "pique/pique.h"

struct preview {
    const struct pq_options *options;
    struct pq_report report;
    struct pq_chain chain;
    pique_cancel *cancel;
    char *output;
    int status; /* where it is not that of the code */
};

/* "film_at_90.5.png" beside the film. */
static int choose_output(struct preview *p, pique_error *err)
{
    const char *given = pq_text(p->options, PQ_OPT_OUTPUT), *film = p->options->operands[0];
    const char *suffix = pq_media_suffix(film);
    const int stem = (int)(suffix ? (size_t)(suffix - film) : strlen(film));
    const enum pique_format format = pq_options_container(p->options)
                                         ? PIQUE_FORMAT_AUTO
                                         : (enum pique_format)pq_whole(p->options, PQ_OPT_FORMAT);
    const char *extension = format ? pq_format_extension(format) : ".png";
    p->output = given ? pq_strdup(given)
                      : pq_asprintf("%.*s_at_%g%s", stem, film,
                                    p->options->values[PQ_OPT_AT].number, extension);
    return p->output ? 0 : pq_fail_nomem(err, strlen(film) + 64);
}

static int open_all(struct preview *p, pique_error *err)
{
    const struct pq_options *o = p->options;
    const char *level = pq_text(o, PQ_OPT_CPU), *model = pq_text(o, PQ_OPT_MODEL);
    int rc = choose_output(p, err);
    if (!rc)
        rc = pq_get_models(o, &p->report, model, &p->status, err);
    if (!rc)
        rc = pq_chain_open(&p->chain, model, ',', &p->status, err);
    if (!rc && level)
        rc = pique_set_cpu_level(level, err);
    p->cancel = rc ? NULL : pique_cancel_new();
    if (!rc && !p->cancel)
        rc = pq_fail_nomem(err, 64);
    if (rc)
        return rc;
    pique_engine_options e = {.size = sizeof e,
                              .log = pq_report_on_log,
                              .log_user = &p->report,
                              .event = pq_report_on_event,
                              .event_user = &p->report,
                              .cancel = p->cancel};
    pq_options_to_engine(o, &e);
    return pq_chain_start(&p->chain, &e, err);
}

static int make(struct preview *p, pique_error *err)
{
    const struct pq_options *o = p->options;
    pique_picture_options picture = {.size = sizeof picture};
    pique_film_options film = {.size = sizeof film, .picture = &picture};
    pique_picture_report done = {.size = sizeof done};
    pq_options_to_picture(o, &picture);
    pq_options_to_film(o, &film);
    pq_watch_signals(p->cancel);
    int rc = pique_film_preview(p->chain.engines, p->chain.count, o->operands[0], p->output,
                                o->values[PQ_OPT_AT].number, &film, &done, err);
    pq_unwatch_signals();
    if (rc)
        return rc;
    struct pq_str line = {0};
    if (p->report.terminal || p->report.verbose) {
        pq_str_printf(&line, pq_tr("%s -> %s %dx%d -> %dx%d, %.1f s"), o->operands[0], p->output,
                      done.in_width, done.in_height, done.out_width, done.out_height, done.seconds);
        pq_say(&p->report, "", line.data ? line.data : "");
    }
    pq_str_free(&line);
    if (p->report.list_names)
        pq_print_line(&p->report, p->output);
    return 0;
}

int pq_cli_preview(const struct pq_options *o)
{
    struct preview p = {.options = o};
    pique_error err;
    int rc = pq_options_check(o, &err);
    if (rc)
        return pq_cli_fail(&err);
    pq_report_init(&p.report, pq_given(o, PQ_OPT_JSON), pq_given(o, PQ_OPT_QUIET),
                   (int)pq_whole(o, PQ_OPT_VERBOSE), false);
    rc = open_all(&p, &err);
    if (!rc) {
        p.status = 0;
        rc = make(&p, &err);
    }
    int status = PQ_EXIT_OK;
    if (rc)
        status = pq_cli_fail(&err);
    if (rc && p.status)
        status = p.status;
    pq_chain_close(&p.chain);
    pique_cancel_free(&p.cancel);
    pq_free(p.output);
    pq_report_destroy(&p.report);
    return status;
}
