/* SPDX-License-Identifier: MIT */
#include "video/demux.h"

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/opt.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "video/compat_read.h"
#include "video/sequence.h"

enum {
    PROBE_BYTES = 16 << 20,
    PROBE_SECONDS = 10,
    MAX_STREAMS = 256,
};

/* ---- the files that libav asks for ---- */

/* A picture of a sequence. */
struct picture_file {
    struct pq_av_io io; /* first: its context's opaque is it */
    struct pq_file file;
};

static bool same_folder(const char *a, const char *b)
{
    const char *x = strrchr(a, '/'), *y = strrchr(b, '/');
    const size_t n = x ? (size_t)(x - a) + 1 : 0, m = y ? (size_t)(y - b) + 1 : 0;
    return n == m && !memcmp(a, b, n);
}

/* Only the pictures of a sequence are opened so; all else that is named in a file stays closed. */
static int open_other(AVFormatContext *format, AVIOContext **out, const char *url, int flags,
                      AVDictionary **options)
{
    const struct pq_input *input = format->opaque;
    (void)options;
    *out = NULL;
    if (!input->sequence || flags != AVIO_FLAG_READ || !same_folder(url, input->path))
        return AVERROR(EPERM);
    struct picture_file *p = pq_calloc(1, sizeof *p);
    pique_error why;
    if (!p)
        return AVERROR(ENOMEM);
    p->file.fd = -1;
    if (pq_file_open(url, &p->file, &why) || pq_av_io_open(&p->io, &p->file, false, &why)) {
        const int rc = why.code == PIQUE_ENOMEM   ? AVERROR(ENOMEM)
                       : why.code == PIQUE_ENOENT ? AVERROR(ENOENT)
                                                  : AVERROR(EIO);
        pq_file_close(&p->file);
        pq_free(p);
        return rc;
    }
    *out = p->io.context;
    return 0;
}

static int close_other(AVFormatContext *format, AVIOContext *context)
{
    (void)format;
    if (!context)
        return 0;
    struct picture_file *p = context->opaque;
    pq_av_io_close(&p->io);
    pq_file_close(&p->file);
    pq_free(p);
    return 0;
}

/* ---- what is refused before it is opened ---- */

/* Demuxers that take what they show from elsewhere, or run what they are given. */
static bool points_elsewhere(const AVInputFormat *demuxer)
{
    static const char *const names[] = {
        "hls", "applehttp", "dash",   "webm_dash_manifest", "concat",      "concatf", "sdp", "rtsp",
        "rtp", "imf",       "vobsub", "avisynth",           "vapoursynth", "image2"};
    for (size_t i = 0; i < PQ_COUNT(names); i++)
        if (av_match_name(names[i], demuxer->name))
            return true;
    return demuxer->flags & AVFMT_NOFILE;
}

static int find_demuxer(struct pq_input *input, const AVInputFormat **out, pique_error *err)
{
    *out = NULL;
    if (input->sequence || !strcmp(input->path, "-")) {
        *out = av_find_input_format(input->sequence ? "image2" : "yuv4mpegpipe");
        return *out ? 0
                    : pq_fail(err, PIQUE_EUNSUPPORTED, "%s: this libav cannot read such an input",
                              input->path);
    }
    const int rc = av_probe_input_buffer2(input->io.context, out, "", NULL, 0, PROBE_BYTES >> 4);
    if (input->io.failure.code || rc == AVERROR(ENOMEM))
        return pq_av_io_fail(&input->io, rc, input->path, "read", err);
    if (rc < 0 || !*out)
        return pq_fail(err, PIQUE_EFORMAT, "%s: this is no film that libav knows", input->path);
    if (points_elsewhere(*out))
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: this is a playlist (%s), which points elsewhere; only what is in a "
                       "file itself is read",
                       input->path, (*out)->name);
    return 0;
}

/* ---- opening ---- */

static int set_options(struct pq_input *input, struct pq_ratio rate, AVDictionary **options,
                       pique_error *err)
{
    char text[64];
    int first = 0, rc = 0;
    av_dict_set(options, "protocol_whitelist", "none", 0);
    av_dict_set_int(options, "probesize", PROBE_BYTES, 0);
    av_dict_set_int(options, "analyzeduration", PROBE_SECONDS * (int64_t)AV_TIME_BASE, 0);
    av_dict_set_int(options, "max_streams", MAX_STREAMS, 0);
    if (!input->sequence)
        return 0;
    rc = pq_sequence_first(input->path, &first, err);
    if (rc)
        return rc;
    snprintf(text, sizeof text, "%d/%d", rate.num > 0 ? rate.num : 24, rate.den > 0 ? rate.den : 1);
    av_dict_set(options, "framerate", text, 0);
    av_dict_set_int(options, "start_number", first, 0);
    av_dict_set(options, "pattern_type", "sequence", 0);
    return 0;
}

static int open_format(struct pq_input *input, struct pq_ratio rate, pique_error *err)
{
    const AVInputFormat *demuxer;
    AVDictionary *options = NULL;
    int rc = find_demuxer(input, &demuxer, err);
    if (!rc)
        rc = set_options(input, rate, &options, err);
    if (!rc && !(input->format = avformat_alloc_context()))
        rc = pq_fail_nomem(err, sizeof(AVFormatContext));
    if (rc)
        goto out;
    input->format->opaque = input;
    input->format->io_open = open_other;
    input->format->io_close2 = close_other;
    input->format->pb = input->io.context;
    if (input->io.context) /* ours to close, whatever happens before it is opened */
        input->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    /* Without a folder libav could take what stands before a colon for a protocol. */
    char *url =
        strchr(input->path, '/') ? pq_strdup(input->path) : pq_asprintf("./%s", input->path);
    if (!url) {
        rc = pq_fail_nomem(err, strlen(input->path));
        goto out;
    }
    if (input->sequence) {
        pq_free(input->path);
        input->path = url;
    }
    const int status =
        avformat_open_input(&input->format, input->sequence ? url : "", demuxer, &options);
    if (!input->sequence)
        pq_free(url);
    if (status < 0)
        rc = pq_av_io_fail(&input->io, status, input->path,
                           "be opened: it is damaged, cut off or no film", err);
out:
    av_dict_free(&options);
    return rc;
}

static int look_at_streams(struct pq_input *input, pique_error *err)
{
    const unsigned count = input->format->nb_streams;
    AVDictionary **options = count ? av_calloc(count, sizeof *options) : NULL;
    if (count && !options)
        return pq_fail_nomem(err, count * sizeof *options);
    for (unsigned i = 0; i < count; i++)
        av_dict_set_int(&options[i], "max_pixels", PQ_FILM_MAX_PIXELS, 0);
    const int status = avformat_find_stream_info(input->format, options);
    for (unsigned i = 0; i < count; i++)
        av_dict_free(&options[i]);
    av_free(options);
    return status < 0 || input->io.failure.code
               ? pq_av_io_fail(&input->io, status, input->path, "look into its streams", err)
               : 0;
}

/* ---- the stream ---- */

static bool is_film(const AVStream *stream)
{
    return stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
           !(stream->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS));
}

/* The default one, else the largest. */
static AVStream *best_video(const AVFormatContext *format)
{
    AVStream *best = NULL;
    int64_t best_score = -1;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        AVStream *s = format->streams[i];
        if (!is_film(s))
            continue;
        int64_t score = (int64_t)PQ_MAX(s->codecpar->width, 0) * PQ_MAX(s->codecpar->height, 0);
        if (s->disposition & AV_DISPOSITION_DEFAULT)
            score += INT64_C(1) << 62;
        if (score > best_score) {
            best = s;
            best_score = score;
        }
    }
    return best;
}

/* The number behind "v:" in a list such as "a:0,v:1"; -1: none is asked for. */
static long mapped_video(const char *map)
{
    for (const char *s = map; s && *s; s = strchr(s, ',') ? strchr(s, ',') + 1 : "")
        if (s[0] == 'v' && s[1] == ':')
            return strtol(s + 2, NULL, 10);
    return -1;
}

static int choose_stream(struct pq_input *input, const char *map, pique_error *err)
{
    const AVFormatContext *format = input->format;
    const long wanted = mapped_video(map);
    long videos = 0;
    bool sound = false;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        AVStream *s = format->streams[i];
        sound |= s->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
        if (is_film(s) && videos++ == wanted)
            input->stream = s;
    }
    if (!videos)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       sound ? "%s: has no video, only sound" : "%s: has no video", input->path);
    if (wanted >= 0 && !input->stream)
        return pq_fail(err, PIQUE_EINVAL, "%s: has no video v:%ld, there are %ld", input->path,
                       wanted, videos);
    if (!input->stream)
        input->stream = best_video(format);
    for (unsigned i = 0; i < format->nb_streams; i++)
        if (format->streams[i] != input->stream)
            format->streams[i]->discard = AVDISCARD_ALL;
    return 0;
}

static int check_stream(const struct pq_input *input, pique_error *err)
{
    const AVCodecParameters *par = input->stream->codecpar;
    size_t size;
    if (par->codec_tag == MKTAG('e', 'n', 'c', 'v') ||
        par->codec_tag == MKTAG('d', 'r', 'm', 'i') ||
        pq_stream_side_data(input->stream, AV_PKT_DATA_ENCRYPTION_INIT_INFO, &size))
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: its video is encrypted", input->path);
    if (par->width > PQ_FILM_MAX_SIDE || par->height > PQ_FILM_MAX_SIDE ||
        (int64_t)par->width * par->height > PQ_FILM_MAX_PIXELS)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: frames of %d x %d are too large; a side may have %d, a frame %d pixels",
                       input->path, par->width, par->height, PQ_FILM_MAX_SIDE, PQ_FILM_MAX_PIXELS);
    return 0;
}

int pq_input_open(const char *path, const char *map, struct pq_ratio rate, struct pq_input **out,
                  pique_error *err)
{
    *out = NULL;
    struct pq_input *input = pq_calloc(1, sizeof *input);
    if (!input)
        return pq_fail_nomem(err, sizeof *input);
    input->file.fd = -1;
    input->path = pq_strdup(path);
    input->sequence = pq_is_picture_sequence(path);
    int rc = input->path ? 0 : pq_fail_nomem(err, strlen(path));
    if (!rc && !input->sequence) {
        rc = pq_file_open(path, &input->file, err);
        if (!rc)
            rc = pq_av_io_open(&input->io, &input->file, false, err);
    }
    if (!rc)
        rc = open_format(input, rate, err);
    if (!rc)
        rc = look_at_streams(input, err);
    if (!rc)
        rc = choose_stream(input, map, err);
    if (!rc)
        rc = check_stream(input, err);
    if (rc)
        pq_input_close(&input);
    *out = input;
    return rc;
}

void pq_input_close(struct pq_input **input)
{
    struct pq_input *i = *input;
    *input = NULL;
    if (!i)
        return;
    avformat_close_input(&i->format);
    pq_av_io_close(&i->io);
    pq_file_close(&i->file);
    pq_free(i->path);
    pq_free(i);
}
