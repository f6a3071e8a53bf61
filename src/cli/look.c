/* SPDX-License-Identifier: MIT */
/* pique look FILE: what it is, and one picture of it as a PNG. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "pique/pique.h"

/* ---- what is told ---- */

/* Tracks beside the video, as {"kind", "codec", "language"}. */
static void add_track(struct pq_json *j, const json_t *stream)
{
    const char *kind = json_string_value(json_object_get(stream, "kind"));
    const json_t *tags = json_object_get(stream, "metadata");
    if (!kind || (strcmp(kind, "audio") != 0 && strcmp(kind, "subtitle") != 0))
        return;
    pq_json_open(j, NULL, '{');
    pq_json_string(j, "kind", kind);
    pq_json_string(j, "codec", json_string_value(json_object_get(stream, "codec")));
    pq_json_string(j, "language", json_string_value(json_object_get(tags, "language")));
    pq_json_close(j, '}');
}

static void add_tracks(struct pq_json *j, const char *file)
{
    char *text = NULL;
    const json_t *stream;
    size_t i;
    json_t *root = pique_film_describe(file, &text, NULL) == 0 ? json_loads(text, 0, NULL) : NULL;
    pq_json_open(j, "tracks", '[');
    json_array_foreach(json_object_get(root, "streams"), i, stream) add_track(j, stream);
    pq_json_close(j, ']');
    json_decref(root);
    pique_text_free(&text);
}

/* tracks: told too, for which the file is opened once more, so not for each picture of it. */
static void tell_json(struct pq_str *out, const char *file, const pique_look_report *r, bool tracks)
{
    struct pq_json j = {0};
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "kind", r->kind == PIQUE_LOOK_FILM ? "film" : "picture");
    pq_json_int(&j, "width", r->width);
    pq_json_int(&j, "height", r->height);
    pq_json_int(&j, "frames", r->frames);
    pq_json_number(&j, "seconds", r->seconds);
    pq_json_number(&j, "fps", r->fps);
    pq_json_string(&j, "codec", r->codec);
    pq_json_string(&j, "container", r->container);
    pq_json_int(&j, "depth", r->depth);
    pq_json_bool(&j, "alpha", r->alpha);
    pq_json_int(&j, "audio", r->audio);
    pq_json_int(&j, "subtitles", r->subtitles);
    if (r->out_width) {
        pq_json_int(&j, "frame", r->frame);
        pq_json_int(&j, "out_width", r->out_width);
        pq_json_int(&j, "out_height", r->out_height);
        if (r->at >= 0)
            pq_json_seconds(&j, "at", r->at);
    }
    if (tracks && r->kind == PIQUE_LOOK_FILM && !pq_is_folder(file))
        add_tracks(&j, file);
    pq_json_close(&j, '}');
    pq_json_take_line(&j, out);
}

static void tell_person(struct pq_str *out, const char *file, const pique_look_report *r)
{
    pq_str_add_shown(out, file);
    pq_str_printf(out, ": %s, %dx%d, %d bits a sample%s", r->codec, r->width, r->height, r->depth,
                  r->alpha ? ", alpha" : "");
    if (r->kind == PIQUE_LOOK_FILM && r->seconds > 0)
        pq_str_printf(out, ", %.2f s, %.4g frames a second", r->seconds, r->fps);
    pq_str_add(out, "\n");
}

/* ---- what is asked ---- */

static int take_crop(const struct pq_options *o, pique_look_options *look, pique_error *err)
{
    const struct pq_value *v = &o->values[PQ_OPT_CROP];
    if (v->set && v->whole == 1)
        return pq_fail(err, PIQUE_EINVAL, "pique look finds no black bars: --crop takes a size");
    look->crop_width = v->set ? v->width : 0;
    look->crop_height = v->set ? v->height : 0;
    look->crop_x = v->x;
    look->crop_y = v->y;
    return 0;
}

static int take_options(const struct pq_options *o, pique_look_options *look, pique_error *err)
{
    const char *dst = pq_text(o, PQ_OPT_OUTPUT);
    if (pq_given(o, PQ_OPT_FRAME) && pq_given(o, PQ_OPT_AT))
        return pq_fail(err, PIQUE_EINVAL, "--frame and --at both say which frame: give one");
    if (dst && strcmp(dst, "-") == 0 && pq_given(o, PQ_OPT_JSON))
        return pq_fail(err, PIQUE_EINVAL,
                       "--json and the picture cannot both go to standard "
                       "output");
    *look = (pique_look_options){
        .size = sizeof *look,
        .frame = pq_whole(o, PQ_OPT_FRAME),
        .by_time = pq_given(o, PQ_OPT_AT),
        .at = o->values[PQ_OPT_AT].number,
        .side = pq_given(o, PQ_OPT_SIDE) ? (int)pq_whole(o, PQ_OPT_SIDE) : 0,
        .overwrite = pq_given(o, PQ_OPT_OVERWRITE),
        .allow_untrusted = pq_given(o, PQ_OPT_ALLOW_UNTRUSTED),
    };
    return take_crop(o, look, err);
}

int pq_cli_look(const struct pq_options *o)
{
    const char *file = o->operands[0], *dst = pq_text(o, PQ_OPT_OUTPUT);
    pique_look_report r = {.size = sizeof r};
    pique_look_options look;
    struct pq_str out = {0};
    pique_error err;
    int rc = take_options(o, &look, &err);
    if (!rc)
        rc = pique_look(file, &look, dst, &r, &err);
    if (rc)
        return pq_cli_fail(&err);
    if (pq_given(o, PQ_OPT_JSON))
        tell_json(&out, file, &r, !pq_given(o, PQ_OPT_FRAME) && !pq_given(o, PQ_OPT_AT));
    else if (!dst)
        tell_person(&out, file, &r);
    return out.data || out.failed ? pq_cli_print(&out) : PQ_EXIT_OK;
}
