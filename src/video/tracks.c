/* SPDX-License-Identifier: MIT */
/* What becomes of each stream of the source beside its video. One function decides, before the
 * start and at the end: packets as they are where the container takes them, which is found out by
 * beginning a file with that stream alone; else sound and text in a form that it takes. */
#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/opt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "video/compat.h"
#include "video/containers.h"
#include "video/join.h"

/* ---- deciding ---- */

static bool is_in_list(const char *map, char letter, long number)
{
    for (const char *s = map; *s; s = strchr(s, ',') ? strchr(s, ',') + 1 : "")
        if (s[0] == letter && s[1] == ':' && strtol(s + 2, NULL, 10) == number)
            return true;
    return false;
}

static char letter_of(const AVStream *s)
{
    switch (s->codecpar->codec_type) {
    case AVMEDIA_TYPE_VIDEO:
        return s->disposition & AV_DISPOSITION_ATTACHED_PIC ? 'p' : 'v';
    case AVMEDIA_TYPE_AUDIO:
        return 'a';
    case AVMEDIA_TYPE_SUBTITLE:
        return 's';
    case AVMEDIA_TYPE_ATTACHMENT:
        return 't';
    default:
        return 'd';
    }
}

static bool is_wanted(const struct pq_film_join *join, const AVStream *s, long number)
{
    const char letter = letter_of(s);
    if ((letter == 'a' && join->no_audio) || (letter == 's' && join->no_subtitles))
        return false;
    const bool listed = letter == 'a' || letter == 's' || letter == 'v';
    return !join->read->map || !listed || is_in_list(join->read->map, letter, number);
}

/* A tag of another container means nothing here. */
static void set_tag(const AVOutputFormat *muxer, AVCodecParameters *par)
{
    const bool same =
        muxer->codec_tag && av_codec_get_id(muxer->codec_tag, par->codec_tag) == par->codec_id;
    if (!same)
        par->codec_tag = 0;
}

/* Whether a file of this kind can begin with the stream. */
static bool is_taken(const AVOutputFormat *muxer, const AVStream *in)
{
    if (!avformat_query_codec(muxer, in->codecpar->codec_id, FF_COMPLIANCE_NORMAL) &&
        in->codecpar->codec_type != AVMEDIA_TYPE_ATTACHMENT)
        return false;
    AVFormatContext *format = NULL;
    AVIOContext *memory = NULL;
    bool taken = false;
    if (avformat_alloc_output_context2(&format, muxer, NULL, NULL) >= 0 &&
        avio_open_dyn_buf(&memory) >= 0) {
        AVStream *s = avformat_new_stream(format, NULL);
        format->pb = memory;
        if (s && avcodec_parameters_copy(s->codecpar, in->codecpar) >= 0 &&
            av_dict_copy(&s->metadata, in->metadata, 0) >= 0) {
            set_tag(muxer, s->codecpar);
            s->time_base = in->time_base;
            taken = avformat_write_header(format, NULL) >= 0;
        }
    }
    if (memory) {
        uint8_t *data = NULL;
        avio_close_dyn_buf(memory, &data);
        av_free(data);
        format->pb = NULL;
    }
    avformat_free_context(format);
    return taken;
}

static bool has_decoder(const AVStream *s)
{
    return avcodec_find_decoder(s->codecpar->codec_id) != NULL;
}

static void decide_sound(struct pq_track *t, const char *container)
{
    t->codec = !strcmp(container, "webm")  ? AV_CODEC_ID_OPUS
               : !strcmp(container, "mkv") ? AV_CODEC_ID_FLAC
                                           : AV_CODEC_ID_AAC;
    t->way = has_decoder(t->in) && avcodec_find_encoder(t->codec) ? PQ_SOUND : PQ_LOSE;
}

static void decide_text(struct pq_track *t, const char *container)
{
    const AVCodecDescriptor *d = avcodec_descriptor_get(t->in->codecpar->codec_id);
    t->codec = !strcmp(container, "webm")  ? AV_CODEC_ID_WEBVTT
               : !strcmp(container, "mkv") ? AV_CODEC_ID_SUBRIP
                                           : AV_CODEC_ID_MOV_TEXT;
    const bool text = d && (d->props & AV_CODEC_PROP_TEXT_SUB);
    t->way = text && has_decoder(t->in) && avcodec_find_encoder(t->codec) ? PQ_TEXT : PQ_LOSE;
}

static void decide_data(struct pq_track *t, const AVFormatContext *source, const char *container)
{
    const unsigned tag = t->in->codecpar->codec_tag;
    const bool chapters = source->nb_chapters && tag == MKTAG('t', 'e', 'x', 't');
    const bool timecode = tag == MKTAG('t', 'm', 'c', 'd') && strcmp(container, "webm");
    t->way = chapters || timecode ? PQ_TAGS : PQ_LOSE;
}

static void decide(struct pq_track *t, const AVFormatContext *source, const char *container)
{
    const AVOutputFormat *muxer = pq_container_muxer(container);
    const char letter = letter_of(t->in);
    const bool mkv = !strcmp(container, "mkv"), mp4 = !strcmp(container, "mp4");
    t->codec = t->in->codecpar->codec_id;
    t->way = PQ_LOSE;
    if (letter == 'd')
        decide_data(t, source, container);
    else if (letter == 'p' && mkv)
        t->way = t->in->attached_pic.size > 0 ? PQ_PICTURE : PQ_LOSE;
    else if ((letter == 'p' && !mp4) || (letter == 't' && !mkv))
        t->way = PQ_LOSE;
    else if (is_taken(muxer, t->in))
        t->way = PQ_KEEP;
    else if (letter == 'a')
        decide_sound(t, container);
    else if (letter == 's')
        decide_text(t, container);
}

/* ---- saying it ---- */

static void say(const struct pq_film_join *join, const struct pq_track *t, long number)
{
    static const struct {
        char letter;
        const char *name;
    } kinds[] = {{'a', PQ_SAID("audio track")}, {'s', PQ_SAID("subtitle track")},
                 {'v', PQ_SAID("video track")}, {'p', PQ_SAID("cover")},
                 {'t', PQ_SAID("attachment")},  {'d', PQ_SAID("data track")}};
    const char *kind = PQ_SAID("track"), *from = avcodec_get_name(t->in->codecpar->codec_id);
    for (size_t i = 0; i < PQ_COUNT(kinds); i++)
        if (kinds[i].letter == letter_of(t->in))
            kind = kinds[i].name;
    if (!join->note || (t->way != PQ_LOSE && t->way != PQ_SOUND && t->way != PQ_TEXT))
        return;
    const AVDictionaryEntry *language = av_dict_get(t->in->metadata, "language", NULL, 0);
    const AVDictionaryEntry *file = av_dict_get(t->in->metadata, "filename", NULL, 0);
    struct pq_str text = {0};
    pq_str_printf(&text, "%s %ld (", pq_tr(kind), number + 1);
    pq_str_add_shown(&text, file ? file->value : from);
    if (language && !file) {
        pq_str_add(&text, ", ");
        pq_str_add_shown(&text, language->value);
    }
    if (t->way == PQ_LOSE)
        pq_str_printf(&text, pq_tr(") is lost: %s cannot hold it"), join->container);
    else
        pq_str_printf(&text, pq_tr(") becomes %s: %s cannot hold %s"), avcodec_get_name(t->codec),
                      join->container, from);
    if (!text.failed)
        join->note(join->note_user, text.data);
    pq_str_free(&text);
}

/* ---- opening ---- */

static int decide_all(const struct pq_film_join *join, struct pq_tracks *tracks, pique_error *err)
{
    const AVFormatContext *source = tracks->input->format;
    long numbers[128] = {0}; /* by letter */
    tracks->count = (int)source->nb_streams;
    tracks->track = pq_calloc((size_t)tracks->count, sizeof *tracks->track);
    if (!tracks->track)
        return pq_fail_nomem(err, (size_t)tracks->count * sizeof *tracks->track);
    for (int i = 0; i < tracks->count; i++) {
        struct pq_track *t = &tracks->track[i];
        t->in = source->streams[i];
        const long number = numbers[(int)letter_of(t->in)]++;
        t->way = PQ_LEAVE;
        if (t->in == tracks->input->stream || !is_wanted(join, t->in, number))
            continue;
        decide(t, source, join->container);
        say(join, t, number);
        tracks->lost += t->way == PQ_LOSE;
        const bool read = t->way == PQ_KEEP || t->way == PQ_SOUND || t->way == PQ_TEXT;
        t->in->discard = read ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    return 0;
}

int pq_tracks_open(const struct pq_film_join *join, struct pq_tracks *tracks, pique_error *err)
{
    *tracks = (struct pq_tracks){.end = INT64_MAX};
    if (!pq_container_muxer(join->container))
        return pq_fail(err, PIQUE_EINVAL, "there is no container '%s'; pique writes %s",
                       join->container, pq_tr(PQ_CONTAINERS));
    if (!strcmp(join->read->path, "-"))
        return 0; /* read to its end, and nothing but frames */
    int rc = pq_input_open(join->read->path, join->read->map, join->read->fps, &tracks->input, err);
    if (rc)
        return rc;
    const int64_t start = tracks->input->format->start_time;
    tracks->start = start == AV_NOPTS_VALUE || tracks->input->sequence ? 0 : start;
    if (join->read->from > 0)
        tracks->start += llrint(PQ_MIN(join->read->from, 1e9) * AV_TIME_BASE);
    rc = decide_all(join, tracks, err);
    if (rc)
        pq_tracks_close(tracks);
    return rc;
}

void pq_tracks_close(struct pq_tracks *tracks)
{
    for (int i = 0; tracks->track && i < tracks->count; i++)
        pq_recode_close(&tracks->track[i].recoder);
    pq_free(tracks->track);
    pq_input_close(&tracks->input);
    *tracks = (struct pq_tracks){0};
}

/* ---- metadata ---- */

bool pq_tracks_is_technical(const char *key)
{
    static const char *const keys[] = {
        "encoder",         "major_brand", "minor_version", "compatible_brands",
        "rotate",          "DURATION",    "vendor_id",     "NUMBER_OF_FRAMES",
        "NUMBER_OF_BYTES", "BPS",         "alpha_mode"};
    for (size_t i = 0; i < PQ_COUNT(keys); i++)
        if (!av_strcasecmp(key, keys[i]))
            return true;
    return av_stristart(key, "_STATISTICS_", NULL) || av_stristart(key, "BPS-", NULL) ||
           av_stristart(key, "DURATION-", NULL) || av_stristart(key, "NUMBER_OF_", NULL) ||
           av_stristart(key, "PIQUE_", NULL);
}

static int copy_tags(AVDictionary **to, const AVDictionary *from)
{
    const AVDictionaryEntry *e = NULL;
    int rc = 0;
    while (rc >= 0 && (e = av_dict_get(from, "", e, AV_DICT_IGNORE_SUFFIX)))
        if (!pq_tracks_is_technical(e->key))
            rc = av_dict_set(to, e->key, e->value, 0);
    return rc;
}

static int add_chapter(AVFormatContext *out, const AVChapter *in, int64_t shift, int64_t end)
{
    const AVRational us = AV_TIME_BASE_Q;
    const int64_t from = av_rescale_q(in->start, in->time_base, us) - shift;
    const int64_t to =
        in->end == AV_NOPTS_VALUE ? end : av_rescale_q(in->end, in->time_base, us) - shift;
    if (to <= 0 || from >= end)
        return 0;
    AVChapter **list = av_realloc_array(out->chapters, out->nb_chapters + 1, sizeof *list);
    if (!list)
        return AVERROR(ENOMEM);
    out->chapters = list;
    AVChapter *c = av_mallocz(sizeof *c);
    if (!c)
        return AVERROR(ENOMEM);
    list[out->nb_chapters++] = c;
    c->id = in->id;
    c->time_base = in->time_base;
    c->start = from <= 0 ? 0 : in->start - av_rescale_q(shift, us, in->time_base);
    c->end = av_rescale_q(PQ_MIN(to, end), us, in->time_base);
    if (to < end && in->end != AV_NOPTS_VALUE)
        c->end = in->end - av_rescale_q(shift, us, in->time_base);
    return av_dict_copy(&c->metadata, in->metadata, 0);
}

int pq_tracks_say(const struct pq_tracks *tracks, AVFormatContext *out, double seconds,
                  pique_error *err)
{
    if (!tracks->input)
        return 0;
    const AVFormatContext *in = tracks->input->format;
    const bool cut = tracks->end != INT64_MAX;
    const int64_t end = cut ? llrint(PQ_MIN(seconds, 1e9) * AV_TIME_BASE) : INT64_MAX;
    int rc = copy_tags(&out->metadata, in->metadata);
    for (unsigned i = 0; rc >= 0 && i < in->nb_chapters; i++)
        rc = add_chapter(out, in->chapters[i], tracks->start, end);
    return rc < 0 ? pq_fail_nomem(err, 4096) : 0;
}

/* ---- streams ---- */

static int copy_side_data(AVStream *to, const AVStream *from)
{
    int rc = 0;
#if LIBAVCODEC_VERSION_INT < AV_VERSION_INT(60, 30, 0) /* later they are parameters */
    for (int i = 0; rc >= 0 && i < from->nb_side_data; i++)
        rc = pq_av_side_data_set(to, from->side_data[i].type, from->side_data[i].data,
                                 from->side_data[i].size);
#endif
    return rc;
}

/* A cover as Matroska has it: a file that is attached. */
static int set_picture(AVStream *to, const AVStream *from)
{
    const bool png = from->codecpar->codec_id == AV_CODEC_ID_PNG;
    const int size = from->attached_pic.size;
    AVCodecParameters *par = to->codecpar;
    par->codec_type = AVMEDIA_TYPE_ATTACHMENT;
    par->codec_id = from->codecpar->codec_id;
    par->extradata = av_mallocz((size_t)size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!par->extradata)
        return AVERROR(ENOMEM);
    memcpy(par->extradata, from->attached_pic.data, (size_t)size);
    par->extradata_size = size;
    av_dict_set(&to->metadata, "mimetype", png ? "image/png" : "image/jpeg", 0);
    return av_dict_set(&to->metadata, "filename", png ? "cover.png" : "cover.jpg", 0);
}

static int add_track(struct pq_track *t, AVFormatContext *out, const char *name, pique_error *err)
{
    AVStream *s = avformat_new_stream(out, NULL);
    int rc = s ? copy_tags(&s->metadata, t->in->metadata) : AVERROR(ENOMEM);
    if (rc < 0)
        return pq_fail_nomem(err, sizeof *s);
    t->out = s;
    t->tick = t->in->time_base;
    s->time_base = t->in->time_base;
    if (t->way == PQ_PICTURE) {
        rc = set_picture(s, t->in);
        return rc < 0 ? pq_fail_nomem(err, 4096) : 0;
    }
    s->disposition = t->in->disposition;
    s->sample_aspect_ratio = t->in->sample_aspect_ratio;
    s->avg_frame_rate = t->in->avg_frame_rate;
    if (t->way != PQ_KEEP)
        return pq_recode_open(t, out, name, err);
    rc = avcodec_parameters_copy(s->codecpar, t->in->codecpar);
    if (rc >= 0)
        rc = copy_side_data(s, t->in);
    set_tag(out->oformat, s->codecpar);
    return rc < 0 ? pq_fail_nomem(err, 4096) : 0;
}

static int add_video(const struct pq_tracks *tracks, AVFormatContext *out,
                     const AVCodecParameters *video, AVStream **video_out, pique_error *err)
{
    AVStream *s = avformat_new_stream(out, NULL);
    int rc = s ? avcodec_parameters_copy(s->codecpar, video) : AVERROR(ENOMEM);
    if (rc >= 0 && tracks->input) {
        s->disposition = tracks->input->stream->disposition;
        rc = copy_tags(&s->metadata, tracks->input->stream->metadata);
    }
    *video_out = s;
    return rc < 0 ? pq_fail_nomem(err, sizeof *s) : 0;
}

int pq_tracks_add(struct pq_tracks *tracks, AVFormatContext *out, const AVCodecParameters *video,
                  AVStream **video_out, pique_error *err)
{
    if (!tracks->input)
        return add_video(tracks, out, video, video_out, err);
    int rc = 0;
    for (int i = 0; !rc && i < tracks->count; i++) {
        struct pq_track *t = &tracks->track[i];
        if (t->in == tracks->input->stream)
            rc = add_video(tracks, out, video, video_out, err);
        else if (t->way >= PQ_KEEP && t->way != PQ_TAGS)
            rc = add_track(t, out, tracks->input->path, err);
    }
    return rc;
}
