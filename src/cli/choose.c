/* SPDX-License-Identifier: MIT */
#include "cli/choose.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/catalogue.h"
#include "cli/chain.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/record.h"
#include "cli/speeds.h"
#include "cli/tell.h"

/* ---- getting ---- */

static bool is_wanted(const struct pq_options *o, const struct pq_catalogue_entry *entry)
{
    if (pq_given(o, PQ_OPT_DRY_RUN))
        return false;
    if (pq_given(o, PQ_OPT_GET_MODEL))
        return true;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || pq_given(o, PQ_OPT_JSON))
        return false;
    fprintf(stderr, pq_tr("%s is not here. Licence of the weights: %s%s. "), entry->name,
            entry->licence, entry->non_commercial ? pq_tr(", not for commercial use") : "");
    return pq_cli_agreed(stderr, "Get it now?");
}

static bool default_is_here(void)
{
    char *path = NULL;
    bool here = pq_model_resolve(pq_catalogue_default(), &path, NULL) == 0;
    pq_free(path);
    return here;
}

/* Never another model than the one that was asked for: only say that there is one. */
static int fail_to_get(const struct pq_catalogue_entry *entry, int rc, pique_error *err)
{
    char why[sizeof err->message];
    snprintf(why, sizeof why, "%s", err->message);
    if (rc == PIQUE_ECANCELED)
        return rc;
    if (!default_is_here() || strcmp(entry->name, pq_catalogue_default()) == 0)
        return pq_fail(err, rc, "%s is not here and cannot be had: %s", entry->name, why);
    return pq_fail(
        err, rc,
        "%s is not here and cannot be had: %s; without -m the default is used, %s, which "
        "is here",
        entry->name, why, pq_catalogue_default());
}

static int status_of(const char *name, int rc)
{
    return rc == PIQUE_EIO ? PQ_EXIT_UNAVAILABLE : pq_cli_model_exit(name, rc);
}

/* One name of -m. */
static int get_one(const struct pq_options *o, struct pq_report *report, const char *name,
                   int *status, pique_error *err)
{
    const struct pq_catalogue_variant *variant;
    char *path = NULL;
    int rc = pq_model_resolve(name, &path, NULL);
    pq_free(path);
    const struct pq_catalogue_entry *entry =
        rc == PIQUE_ENOENT ? pq_catalogue_find(name, &variant) : NULL;
    if (!entry || !entry->supported || !entry->variant_count || !is_wanted(o, entry))
        return 0; /* whoever opens it says what is wrong, if anything is */
    struct pq_tell told = {
        .out = stderr, .terminal = report->terminal, .quiet = pq_given(o, PQ_OPT_QUIET)};
    rc = pq_cli_fetch_one((variant ? variant : &entry->variants[0])->name, &told, err);
    if (rc)
        rc = fail_to_get(entry, rc, err);
    *status = rc ? status_of(name, rc) : 0;
    return rc;
}

int pq_get_models(const struct pq_options *o, struct pq_report *report, const char *text,
                  int *status, pique_error *err)
{
    char *list = pq_strdup(text);
    int rc = list ? 0 : pq_fail_nomem(err, strlen(text) + 1);
    *status = rc ? pq_exit_of(rc) : 0;
    for (char *name = list; !rc && name;) {
        char *next = pq_chain_cut(name, ',');
        rc = get_one(o, report, name, status, err);
        name = next;
    }
    pq_free(list);
    return rc;
}

/* ---- the recommended one ---- */

void pq_tell_recommended(const struct pq_options *o, struct pq_report *report)
{
    const char *name = pq_catalogue_recommended();
    const struct pq_catalogue_entry *e = name ? pq_catalogue_find(name, NULL) : NULL;
    if (!e || !e->variant_count || !report->terminal || report->json || pq_given(o, PQ_OPT_MODEL) ||
        pq_given(o, PQ_OPT_DRY_RUN))
        return;
    bool damaged;
    char *folder = pq_models_folder(), *path = pq_cache_path("told.json");
    json_t *record = path ? pq_record_read(path, &damaged) : NULL;
    const char *before = json_string_value(json_object_get(record, "recommended"));
    bool told = before && strcmp(before, name) == 0;
    /* Where that cannot be remembered, it would be said each time: then never. */
    if (folder && record && !told && !pq_catalogue_installed(folder, &e->variants[0]) &&
        json_object_set_new(record, "recommended", json_string(name)) == 0 &&
        pq_record_write(path, record, NULL) == 0) {
        char *text = pq_asprintf(
            pq_tr("for anime %s is recommended (%s%s); get it with: pique models "
                  "fetch %s"),
            name, e->licence, e->non_commercial ? pq_tr(", not for commercial use") : "", name);
        if (text)
            pq_report_note(report, text);
        pq_free(text);
    }
    json_decref(record);
    pq_free(path);
    pq_free(folder);
}

/* ---- speeds ---- */

double pq_known_speed(const pique_model *model)
{
    struct pq_speeds s;
    const char *key;
    if (pq_speeds_open(&s, NULL) != 0)
        return 0;
    const double speed = pq_speeds_find(&s, pique_model_sha256(model), &key);
    pq_speeds_close(&s);
    return speed;
}

void pq_note_speed(const struct pq_options *o, struct pq_report *report, const pique_model *model,
                   const char *numeric_key, double pixels, double seconds)
{
    static const enum pq_option_id slower[] = {PQ_OPT_THREADS, PQ_OPT_CPU, PQ_OPT_MEMORY,
                                               PQ_OPT_BAND, PQ_OPT_PRE_DOWNSCALE};
    for (size_t i = 0; i < PQ_COUNT(slower); i++) {
        if (pq_given(o, slower[i]))
            return;
    }
    const char *device = pq_text(o, PQ_OPT_DEVICE);
    if (!pq_speeds_worth(pixels) || (device && pq_starts_with(device, "fault")))
        return;
    struct pq_speeds s;
    if (pq_speeds_open(&s, NULL) != 0)
        return;
    if (s.damaged)
        pq_report_note(report, "the record of speeds in the cache is damaged; it is written anew");
    /* That it cannot be remembered is no trouble of this run. */
    (void)pq_speeds_note(&s, pique_model_sha256(model), numeric_key, pixels, seconds, NULL);
    pq_speeds_close(&s);
}
