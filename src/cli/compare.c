/* SPDX-License-Identifier: MIT */
/* pique compare PICTURE -m A,B,C+D: a piece of a picture through several models, or chains of them,
 * on one sheet; and a table of what each took.
 *
 * All models are opened first, so that a name that is wrong shows before anything is computed; the
 * engines one candidate after the other, so that memory is that of one. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lang.h"
#include "base/suffix.h"
#include "cli/catalogue.h"
#include "cli/chain.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/listing.h"
#include "cli/meter.h"
#include "cli/name.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "pique/pique.h"

enum { MOST = PIQUE_SHEET_PICTURES - 1, LEAST_SCALE = 2, MOST_SCALE = 16 };

struct candidate {
    struct pq_chain chain;
    char *name;    /* "a + b" */
    char *network; /* "Compact x1 + ESRGAN x4" */
    uint64_t file_bytes, peak_bytes;
    pique_sheet_result result;
};

struct compare {
    const struct pq_options *options;
    const char *picture;
    char *output;
    struct candidate *list;
    size_t count;
    pique_sheet *sheet;
    pique_sheet_info info;
    pique_sheet_report written;
    pique_cancel *cancel;
    struct pq_report report;
    int status; /* for a failure, where it is not that of its code */
};

static bool is_dash(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* ---- where to ---- */

static int choose_output(struct compare *c, pique_error *err)
{
    const char *wanted = pq_text(c->options, PQ_OPT_OUTPUT);
    if (!wanted && is_dash(c->picture))
        return pq_fail(err, PIQUE_EINVAL,
                       "a picture from a pipe has no name: name the sheet by -o");
    if (wanted && pq_format_of_name(wanted) == PIQUE_FORMAT_AUTO)
        return pq_fail(err, PIQUE_EINVAL,
                       "-o %s: the sheet is a picture file: png, jpg, webp, tiff, avif, jxl or ppm",
                       wanted);
    const char *suffix = pq_picture_suffix(c->picture);
    const size_t stem = suffix ? (size_t)(suffix - c->picture) : strlen(c->picture);
    c->output = wanted ? pq_strdup(wanted) : pq_asprintf("%.*s_compare.png", (int)stem, c->picture);
    if (!c->output)
        return pq_fail_nomem(err, stem + 16);
    if (!pq_given(c->options, PQ_OPT_OVERWRITE) && pq_exists(c->output))
        return pq_fail(err, PIQUE_EEXIST, "%s: exists already; --overwrite replaces it", c->output);
    return 0;
}

/* ---- the candidates ---- */

static int describe(struct candidate *k, pique_error *err)
{
    struct pq_str name = {0}, network = {0};
    for (size_t i = 0; i < k->chain.count; i++) {
        const struct pq_link *link = &k->chain.links[i];
        const char *slash = strrchr(link->name, '/');
        const char *joint = i ? " + " : "";
        pq_str_add(&name, joint);
        pq_str_add_shown(&name, slash && slash[1] ? slash + 1 : link->name);
        pq_str_printf(&network, "%s%s x%g", joint, link->info.architecture,
                      (double)link->info.scale_num / link->info.scale_den);
        k->file_bytes += link->info.file_bytes;
    }
    k->name = pq_str_take(&name);
    k->network = pq_str_take(&network);
    return k->name && k->network ? 0 : pq_fail_nomem(err, 256);
}

static int open_candidate(struct compare *c, const char *text, size_t length, pique_error *err)
{
    if (c->count == MOST)
        return pq_fail(err, PIQUE_EINVAL, "--model: at most %d can be compared at once", MOST);
    struct candidate *k = &c->list[c->count++];
    char *copy = pq_strndup(text, length);
    if (!copy)
        return pq_fail_nomem(err, length);
    int rc = pq_chain_open(&k->chain, copy, '+', &c->status, err);
    pq_free(copy);
    return rc ? rc : describe(k, err);
}

/* The list, cut at its commas; as a whole where that is the name of a file. */
static int open_list(struct compare *c, const char *list, pique_error *err)
{
    if (pq_cli_model_named(list))
        return open_candidate(c, list, strlen(list), err);
    int rc = 0;
    for (const char *name = list; !rc;) {
        const size_t length = strcspn(name, ",");
        rc = open_candidate(c, name, length, err);
        name += length;
        if (!*name++)
            break;
    }
    return rc;
}

static int open_row(struct compare *c, const struct pq_listing *l, const struct pq_row *row,
                    pique_error *err)
{
    char *path = row->entry ? pq_strdup(row->name) : pq_models_path(l->folder, row->file);
    int rc = path ? open_candidate(c, path, strlen(path), err) : pq_fail_nomem(err, 256);
    pq_free(path);
    return rc;
}

/* Where -m is not given: what is in the models folder and runs; of the catalogue's models the
 * variant that has their name. */
static int open_installed(struct compare *c, pique_error *err)
{
    struct pq_listing l = {0};
    char *folder = pq_models_folder();
    int rc = folder ? pq_listing_make(&l, folder, err) : pq_fail_nomem(err, 256);
    size_t left_out = 0;
    for (size_t i = 0; !rc && i < l.count; i++) {
        if (!l.rows[i].here || !l.rows[i].usable)
            continue;
        if (c->count < MOST)
            rc = open_row(c, &l, &l.rows[i], err);
        else
            left_out++;
    }
    if (!rc && !c->count)
        rc = open_list(c, pq_catalogue_default(), err);
    if (!rc && left_out) {
        char text[160];
        snprintf(text, sizeof text, pq_tr("%zu more models are here; -m says which to compare"),
                 left_out);
        pq_report_note(&c->report, text);
    }
    pq_listing_free(&l);
    pq_free(folder);
    return rc;
}

static int open_candidates(struct compare *c, pique_error *err)
{
    c->list = pq_calloc(MOST, sizeof *c->list);
    if (!c->list)
        return pq_fail_nomem(err, MOST * sizeof *c->list);
    return pq_given(c->options, PQ_OPT_MODEL) ? open_list(c, pq_text(c->options, PQ_OPT_MODEL), err)
                                              : open_installed(c, err);
}

/* ---- the sheet ---- */

/* Large enough for every result, and for a look at its pixels. */
static int sheet_scale(const struct compare *c)
{
    double most = LEAST_SCALE;
    for (size_t i = 0; i < c->count; i++)
        most = PQ_MAX(most, ceil(pq_chain_scale(&c->list[i].chain)));
    return (int)PQ_MIN(most, MOST_SCALE);
}

static int open_sheet(struct compare *c, pique_error *err)
{
    const struct pq_options *o = c->options;
    const struct pq_value *crop = &o->values[PQ_OPT_CROP];
    const pique_sheet_options options = {
        .size = sizeof options,
        .crop_width = crop->width,
        .crop_height = crop->height,
        .crop_placed = crop->set && crop->x >= 0,
        .crop_x = PQ_MAX(crop->x, 0),
        .crop_y = PQ_MAX(crop->y, 0),
        .scale = sheet_scale(c),
        .tta = pq_given(o, PQ_OPT_TTA),
        .allow_untrusted = pq_given(o, PQ_OPT_ALLOW_UNTRUSTED),
        .overwrite = pq_given(o, PQ_OPT_OVERWRITE),
    };
    c->info.size = sizeof c->info;
    int rc = pique_sheet_open(c->picture, &options, &c->sheet, err);
    return rc ? rc : pique_sheet_get_info(c->sheet, &c->info, err);
}

static int label_source(struct compare *c, pique_error *err)
{
    const char *slash = strrchr(c->picture, '/');
    struct pq_str s = {0};
    pq_str_add_shown(&s, is_dash(c->picture) ? pq_tr("standard input")
                         : slash             ? slash + 1
                                             : c->picture);
    pq_str_printf(&s, pq_tr("\n%dx%d+%d+%d\nenlarged by Lanczos"), c->info.width, c->info.height,
                  c->info.x, c->info.y);
    char *text = pq_str_take(&s);
    int rc = text ? pique_sheet_label(c->sheet, 0, text, err) : pq_fail_nomem(err, 256);
    pq_free(text);
    return rc;
}

static int label(struct compare *c, size_t i, pique_error *err)
{
    const struct candidate *k = &c->list[i];
    char file[24], peak[24];
    char *text = pq_asprintf(pq_tr("%s\n%s%s\n%.2f s, file %s, memory %s"), k->name, k->network,
                             pq_given(c->options, PQ_OPT_TTA) ? pq_tr(", mean of 8 turns") : "",
                             k->result.seconds, pq_size_text(k->file_bytes, file),
                             pq_size_text(k->peak_bytes, peak));
    int rc = text ? pique_sheet_label(c->sheet, i + 1, text, err) : pq_fail_nomem(err, 256);
    pq_free(text);
    return rc;
}

static int compute(struct compare *c, size_t i, pique_error *err)
{
    struct candidate *k = &c->list[i];
    struct pq_meter meter;
    pq_meter_init(&meter);
    pique_engine_options e = {.size = sizeof e,
                              .log = pq_report_on_log,
                              .log_user = &c->report,
                              .event = pq_report_on_event,
                              .event_user = &c->report,
                              .cancel = c->cancel,
                              .allocator = &meter.allocator};
    pq_options_to_engine(c->options, &e);
    k->result.size = sizeof k->result;
    int rc = pq_chain_start(&k->chain, &e, err);
    if (rc == PIQUE_EUNSUPPORTED || rc == PIQUE_EDEVICE)
        c->status = PQ_EXIT_UNAVAILABLE;
    if (!rc)
        rc = pique_sheet_add(c->sheet, k->chain.engines, k->chain.count, &k->result, err);
    pq_chain_stop(&k->chain);
    k->peak_bytes = meter.peak;
    pq_meter_destroy(&meter);
    return rc ? rc : label(c, i, err);
}

/* Each candidate is an input of the report, weighed by its work, so that the time that is left can
 * be told. */
static int compute_all(struct compare *c, pique_error *err)
{
    struct pq_inputs inputs = {.list = pq_calloc(c->count, sizeof *inputs.list), .count = c->count};
    if (!inputs.list)
        return pq_fail_nomem(err, c->count * sizeof *inputs.list);
    for (size_t i = 0; i < c->count; i++) {
        inputs.list[i].path = c->list[i].name;
        for (size_t k = 0; k < c->list[i].chain.count; k++)
            inputs.list[i].bytes += c->list[i].chain.links[k].info.flops_per_pixel;
    }
    pq_report_start(&c->report, &inputs, NULL);
    pq_watch_signals(c->cancel);
    int rc = 0;
    for (size_t i = 0; !rc && i < c->count; i++) {
        pq_report_begin(&c->report, &inputs.list[i], c->info.width, c->info.height);
        rc = compute(c, i, err);
        pq_report_computed(&c->report, &inputs.list[i]);
    }
    pq_unwatch_signals();
    pq_free(inputs.list);
    return rc;
}

/* ---- the table ---- */

/* Text of a width, and what is longer by itself. */
static void add_column(struct pq_str *s, const char *text, int width)
{
    pq_str_add_cell(s, text, width);
    pq_str_add(s, " ");
}

/* The same to the right. */
static void add_number_head(struct pq_str *s, const char *text)
{
    pq_str_printf(s, "%*s", 8 + (int)strlen(text) - pq_str_columns(text), text);
}

static void add_table(struct pq_str *s, const struct compare *c)
{
    int name = pq_str_columns(pq_tr("MODEL")), network = pq_str_columns(pq_tr("NETWORK"));
    for (size_t i = 0; i < c->count; i++) {
        name = PQ_MAX(name, pq_str_columns(c->list[i].name));
        network = PQ_MAX(network, (int)strlen(c->list[i].network));
    }
    add_column(s, pq_tr("MODEL"), name);
    add_column(s, pq_tr("NETWORK"), network);
    add_number_head(s, pq_tr("SECONDS"));
    pq_str_add(s, " ");
    add_number_head(s, pq_tr("FILE"));
    pq_str_add(s, " ");
    add_number_head(s, pq_tr("MEMORY"));
    pq_str_add(s, "\n");
    for (size_t i = 0; i < c->count; i++) {
        const struct candidate *k = &c->list[i];
        char file[24], peak[24];
        add_column(s, k->name, name);
        add_column(s, k->network, network);
        pq_str_printf(s, "%8.2f %8s %8s\n", k->result.seconds, pq_size_text(k->file_bytes, file),
                      pq_size_text(k->peak_bytes, peak));
    }
    pq_str_add(s, pq_tr("\nSheet: "));
    pq_str_add_shown(s, c->output);
    pq_str_printf(s, pq_tr(" (%dx%d), piece %dx%d+%d+%d\n"), c->written.width, c->written.height,
                  c->info.width, c->info.height, c->info.x, c->info.y);
}

static void add_candidate(struct pq_json *j, const struct candidate *k)
{
    pq_json_open(j, NULL, '{');
    pq_json_string(j, "name", k->name);
    pq_json_open(j, "models", '[');
    for (size_t i = 0; i < k->chain.count; i++) {
        const pique_model_info *m = &k->chain.links[i].info;
        pq_json_open(j, NULL, '{');
        pq_json_string(j, "path", m->path);
        pq_json_string(j, "architecture", m->architecture);
        pq_json_number(j, "scale", (double)m->scale_num / m->scale_den);
        pq_json_close(j, '}');
    }
    pq_json_close(j, ']');
    pq_json_number(j, "scale", pq_chain_scale(&k->chain));
    pq_json_int(j, "width", k->result.width);
    pq_json_int(j, "height", k->result.height);
    pq_json_number(j, "seconds", k->result.seconds);
    pq_json_int(j, "retries", k->result.retries);
    pq_json_uint(j, "file_bytes", k->file_bytes);
    pq_json_uint(j, "memory_bytes", k->peak_bytes);
    pq_json_close(j, '}');
}

static void add_json(struct pq_str *s, const struct compare *c)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "picture", c->picture);
    pq_json_string(&j, "sheet", c->output);
    pq_json_int(&j, "sheet_width", c->written.width);
    pq_json_int(&j, "sheet_height", c->written.height);
    pq_json_bool(&j, "labelled", c->written.labelled);
    pq_json_open(&j, "crop", '{');
    pq_json_int(&j, "x", c->info.x);
    pq_json_int(&j, "y", c->info.y);
    pq_json_int(&j, "width", c->info.width);
    pq_json_int(&j, "height", c->info.height);
    pq_json_close(&j, '}');
    pq_json_open(&j, "results", '[');
    for (size_t i = 0; i < c->count; i++)
        add_candidate(&j, &c->list[i]);
    pq_json_close(&j, ']');
    pq_json_close(&j, '}');
    pq_json_take_line(&j, s);
}

/* ---- the whole ---- */

static int write_sheet(struct compare *c, pique_error *err)
{
    c->written.size = sizeof c->written;
    int rc = label_source(c, err);
    if (!rc)
        rc = pique_sheet_write(c->sheet, c->output, &c->written, err);
    if (!rc && !c->written.labelled)
        pq_report_note(&c->report, "this machine cannot draw text; the sheet has no labels");
    return rc;
}

static int run(struct compare *c, pique_error *err)
{
    const char *level = pq_text(c->options, PQ_OPT_CPU);
    int rc = pq_options_check(c->options, err);
    if (!rc)
        rc = choose_output(c, err);
    if (!rc)
        rc = open_candidates(c, err);
    if (!rc && level)
        rc = pique_set_cpu_level(level, err);
    if (!rc && !(c->cancel = pique_cancel_new()))
        rc = pq_fail_nomem(err, 64);
    if (!rc)
        rc = open_sheet(c, err);
    if (!rc)
        rc = compute_all(c, err);
    return rc ? rc : write_sheet(c, err);
}

static void free_all(struct compare *c)
{
    for (size_t i = 0; i < c->count; i++) {
        pq_chain_close(&c->list[i].chain);
        pq_free(c->list[i].name);
        pq_free(c->list[i].network);
    }
    pique_sheet_close(&c->sheet);
    pique_cancel_free(&c->cancel);
    pq_report_destroy(&c->report);
    pq_free(c->list);
    pq_free(c->output);
}

int pq_cli_compare(const struct pq_options *o)
{
    struct compare c = {.options = o, .picture = o->operands[0]};
    struct pq_str text = {0};
    pique_error err;
    /* Standard output gets one table, so the report writes nothing there. */
    pq_report_init(&c.report, false, pq_given(o, PQ_OPT_QUIET), (int)pq_whole(o, PQ_OPT_VERBOSE),
                   true);
    int status = 0;
    if (run(&c, &err)) {
        const int usual = pq_cli_fail(&err);
        status = c.status ? c.status : usual;
    } else {
        if (pq_given(o, PQ_OPT_JSON))
            add_json(&text, &c);
        else
            add_table(&text, &c);
        status = pq_cli_print(&text);
    }
    free_all(&c);
    return status;
}
