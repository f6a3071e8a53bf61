/* SPDX-License-Identifier: MIT */
/* A film as JSON: what it is, what players make of what it leaves out, and what lies beside it. */
#include <libavcodec/avcodec.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/pixdesc.h>

#include "base/alloc.h"
#include "base/json.h"
#include "video/compat_read.h"
#include "video/facts.h"
#include "video/module.h"

static const char *or_unknown(const char *name)
{
    return name ? name : "unknown";
}

static void add_ratio(struct pq_json *j, const char *key, int num, int den)
{
    char text[32];
    snprintf(text, sizeof text, "%d/%d", num, den);
    pq_json_string(j, key, text);
}

static void add_tags(struct pq_json *j, const char *key, const AVDictionary *tags)
{
    pq_json_open(j, key, '{');
    for (const AVDictionaryEntry *e = NULL; (e = av_dict_get(tags, "", e, AV_DICT_IGNORE_SUFFIX));)
        pq_json_string(j, e->key, e->value);
    pq_json_close(j, '}');
}

/* ---- colour ---- */

static void add_property(struct pq_json *j, const char *key, const char *name, bool said)
{
    pq_json_open(j, key, '{');
    pq_json_string(j, "name", or_unknown(name));
    pq_json_bool(j, "said", said);
    pq_json_close(j, '}');
}

static void add_colour(struct pq_json *j, const struct pq_av_source *s)
{
    const struct pq_colour *c = &s->colour, *t = &s->tagged;
    pq_json_open(j, "colour", '{');
    add_property(j, "matrix", av_color_space_name(c->matrix), c->matrix == t->matrix);
    add_property(j, "primaries", av_color_primaries_name(c->primaries),
                 c->primaries == t->primaries);
    add_property(j, "transfer", av_color_transfer_name(c->transfer), c->transfer == t->transfer);
    add_property(j, "range", av_color_range_name(c->range), c->range == t->range);
    add_property(j, "chroma_site", av_chroma_location_name(c->site), c->site == t->site);
    pq_json_close(j, '}');
}

static void add_hdr(struct pq_json *j, const struct pq_av_source *s)
{
    if (s->mastering && s->mastering->size >= sizeof(AVMasteringDisplayMetadata)) {
        const AVMasteringDisplayMetadata *m = (const void *)s->mastering->data;
        pq_json_open(j, "mastering_display", '{');
        for (int i = 0; i < 3 && m->has_primaries; i++) {
            const char *const x[] = {"red_x", "green_x", "blue_x"};
            const char *const y[] = {"red_y", "green_y", "blue_y"};
            pq_json_number(j, x[i], av_q2d(m->display_primaries[i][0]));
            pq_json_number(j, y[i], av_q2d(m->display_primaries[i][1]));
        }
        if (m->has_primaries) {
            pq_json_number(j, "white_x", av_q2d(m->white_point[0]));
            pq_json_number(j, "white_y", av_q2d(m->white_point[1]));
        }
        if (m->has_luminance) {
            pq_json_number(j, "min_luminance", av_q2d(m->min_luminance));
            pq_json_number(j, "max_luminance", av_q2d(m->max_luminance));
        }
        pq_json_close(j, '}');
    }
    if (s->light && s->light->size >= sizeof(AVContentLightMetadata)) {
        const AVContentLightMetadata *l = (const void *)s->light->data;
        pq_json_uint(j, "max_cll", l->MaxCLL);
        pq_json_uint(j, "max_fall", l->MaxFALL);
    }
    pq_json_bool(j, "dynamic_metadata", s->dynamic);
}

/* ---- streams ---- */

static void add_dispositions(struct pq_json *j, int disposition)
{
    pq_json_open(j, "dispositions", '[');
    for (unsigned bit = 0; bit < 31; bit++) {
        const char *name = disposition & 1 << bit ? av_disposition_to_string(1 << bit) : NULL;
        if (name)
            pq_json_string(j, NULL, name);
    }
    pq_json_close(j, ']');
}

static void add_stream(struct pq_json *j, const AVStream *s, bool chosen)
{
    const AVCodecParameters *par = s->codecpar;
    pq_json_open(j, NULL, '{');
    pq_json_int(j, "index", s->index);
    pq_json_string(j, "kind", or_unknown(av_get_media_type_string(par->codec_type)));
    pq_json_string(j, "codec", avcodec_get_name(par->codec_id));
    pq_json_bool(j, "chosen", chosen);
    add_dispositions(j, s->disposition);
    if (par->codec_type == AVMEDIA_TYPE_AUDIO) {
        pq_json_int(j, "channels", pq_stream_channels(par));
        pq_json_int(j, "sample_rate", par->sample_rate);
    } else if (par->width > 0) {
        pq_json_int(j, "width", par->width);
        pq_json_int(j, "height", par->height);
    }
    add_tags(j, "metadata", s->metadata); /* language, title, filename of an attachment */
    pq_json_close(j, '}');
}

static void add_chapters(struct pq_json *j, const AVFormatContext *format)
{
    pq_json_open(j, "chapters", '[');
    for (unsigned i = 0; i < format->nb_chapters; i++) {
        const AVChapter *c = format->chapters[i];
        pq_json_open(j, NULL, '{');
        pq_json_number(j, "start", (double)c->start * av_q2d(c->time_base));
        pq_json_number(j, "end", (double)c->end * av_q2d(c->time_base));
        add_tags(j, "metadata", c->metadata);
        pq_json_close(j, '}');
    }
    pq_json_close(j, ']');
}

static void add_beside(struct pq_json *j, const struct pq_reader *r)
{
    if (!r->input)
        return;
    const AVFormatContext *format = r->input->format;
    pq_json_open(j, "streams", '[');
    for (unsigned i = 0; i < format->nb_streams; i++)
        add_stream(j, format->streams[i], format->streams[i] == r->input->stream);
    pq_json_close(j, ']');
    add_chapters(j, format);
    add_tags(j, "metadata", format->metadata);
}

/* ---- the video ---- */

static const char *field_order_of(const struct pq_reader *r)
{
    switch (r->input ? r->input->stream->codecpar->field_order : AV_FIELD_PROGRESSIVE) {
    case AV_FIELD_TT:
    case AV_FIELD_TB:
        return "top field first";
    case AV_FIELD_BB:
    case AV_FIELD_BT:
        return "bottom field first";
    case AV_FIELD_PROGRESSIVE:
        return "progressive";
    default:
        return "unknown";
    }
}

/* Whether frames come at times of their own, as far as the container tells. */
static bool is_variable(const struct pq_reader *r)
{
    if (!r->input)
        return true;
    const AVRational mean = r->input->stream->avg_frame_rate,
                     least = r->input->stream->r_frame_rate;
    return mean.num > 0 && least.num > 0 && mean.den > 0 && least.den > 0 &&
           av_q2d(least) > av_q2d(mean) * 1.01;
}

static void add_video(struct pq_json *j, const struct pq_reader *r, const struct pq_av_source *s)
{
    const pique_film_info *i = &s->base.facts.info;
    const AVCodecParameters *par = r->input ? r->input->stream->codecpar : NULL;
    struct pq_turn turn;
    pq_reader_turn(r, &turn);
    pq_json_string(j, "codec", i->codec);
    if (par)
        pq_json_string(j, "profile", avcodec_profile_name(par->codec_id, par->profile));
    pq_json_int(j, "width", i->width);
    pq_json_int(j, "height", i->height);
    pq_json_int(j, "stored_width", r->width);
    pq_json_int(j, "stored_height", r->height);
    pq_json_int(j, "rotation", pq_turn_degrees(turn));
    pq_json_bool(j, "mirrored", (turn.flip_x == turn.flip_y) == turn.swap);
    add_ratio(j, "pixel_aspect", i->sar_num, i->sar_den);
    add_ratio(j, "frame_rate", i->fps_num, i->fps_den);
    pq_json_bool(j, "variable_frame_rate", is_variable(r));
    pq_json_int(j, "frames", i->frames);
    pq_json_string(j, "pixel_format", s->base.facts.pixel_format);
    pq_json_int(j, "depth", i->depth);
    pq_json_bool(j, "alpha", i->alpha);
    pq_json_bool(j, "interlaced", i->interlaced);
    pq_json_string(j, "field_order", field_order_of(r));
    pq_json_bool(j, "hdr", i->hdr);
    add_colour(j, s);
    add_hdr(j, s);
}

int pq_av_describe(const char *path, char **json, pique_error *err)
{
    const struct pq_film_read read = {.path = path};
    struct pq_reader r = {0};
    struct pq_av_source s = {0};
    struct pq_json j = {0};
    *json = NULL;
    int rc = pq_reader_open(&r, &read, err);
    if (!rc)
        rc = pq_source_facts(&r, &s, err);
    if (rc)
        goto out;
    pq_json_open(&j, NULL, '{');
    pq_json_string(&j, "file", path);
    pq_json_string(&j, "container", s.base.facts.info.container);
    pq_json_number(&j, "seconds", s.base.facts.info.seconds);
    pq_json_open(&j, "video", '{');
    add_video(&j, &r, &s);
    pq_json_close(&j, '}');
    add_beside(&j, &r);
    pq_json_close(&j, '}');
    *json = pq_json_take(&j);
    if (!*json)
        rc = pq_fail_nomem(err, 4096);
out:
    av_buffer_unref(&s.mastering);
    av_buffer_unref(&s.light);
    av_buffer_unref(&s.dynamic);
    pq_reader_close(&r);
    return rc;
}
