/* SPDX-License-Identifier: MIT */
#include "video/webp.h"

#include <string.h>

#include "base/alloc.h"
#include "video/compat_read.h"

bool pq_is_webp(const char *path)
{
    struct pq_file f = {.fd = -1};
    unsigned char head[12];
    size_t got = 0, n = 1;
    if (!strcmp(path, "-") || pq_file_open(path, &f, NULL))
        return false;
    while (got < sizeof head && n && !pq_file_read(&f, head + got, sizeof head - got, &n, NULL))
        got += n;
    pq_file_close(&f);
    return got == sizeof head && !memcmp(head, "RIFF", 4) && !memcmp(head + 8, "WEBP", 4);
}

#ifdef PQ_HAVE_WEBP
#include <webp/demux.h>

struct webp {
    struct pq_frames_from base; /* first */
    struct pq_map map;
    WebPAnimDecoder *decoder;
    WebPAnimInfo info;
    int last_ms;
};

static void webp_close(struct pq_frames_from *from)
{
    struct webp *w = (struct webp *)from;
    WebPAnimDecoderDelete(w->decoder);
    pq_map_close(&w->map);
    pq_free(w);
}

static int webp_next(struct pq_frames_from *from, AVFrame *frame, bool *got, pique_error *err)
{
    struct webp *w = (struct webp *)from;
    uint8_t *canvas;
    int end_ms;
    *got = WebPAnimDecoderHasMoreFrames(w->decoder);
    if (!*got)
        return 0;
    *got = false;
    if (!WebPAnimDecoderGetNext(w->decoder, &canvas, &end_ms))
        return pq_fail(err, PIQUE_EFORMAT, "%s: a frame at %d ms is damaged", w->map.path,
                       w->last_ms);
    frame->format = AV_PIX_FMT_RGBA;
    frame->width = (int)w->info.canvas_width;
    frame->height = (int)w->info.canvas_height;
    if (av_frame_get_buffer(frame, 0) < 0)
        return pq_fail_nomem(err, 4ULL * w->info.canvas_width * w->info.canvas_height);
    const size_t row = 4 * (size_t)w->info.canvas_width;
    for (int y = 0; y < frame->height; y++)
        memcpy(frame->data[0] + (ptrdiff_t)y * frame->linesize[0], canvas + (size_t)y * row, row);
    frame->color_range = AVCOL_RANGE_JPEG;
    frame->colorspace = AVCOL_SPC_RGB;
    end_ms = PQ_MAX(end_ms, w->last_ms + 1); /* a frame of no time has to have a time of its own */
    frame->pts = w->last_ms;
    *pq_frame_duration(frame) = end_ms - w->last_ms;
    w->last_ms = end_ms;
    *got = true;
    return 0;
}

static int cannot_enter(const struct webp *w, pique_error *err)
{
    /* Each frame is painted over the ones before. */
    return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: cannot be entered in the middle", w->map.path);
}

static int webp_enter(struct pq_frames_from *from, int64_t tick, pique_error *err)
{
    (void)tick;
    return cannot_enter((const struct webp *)from, err);
}

static int webp_near(struct pq_frames_from *from, int64_t tick, int64_t whole_from,
                     pique_error *err)
{
    (void)tick;
    (void)whole_from;
    return cannot_enter((const struct webp *)from, err);
}

int pq_webp_open(const char *path, struct pq_frames_from **out, int64_t *frames, pique_error *err)
{
    *out = NULL;
    struct webp *w = pq_calloc(1, sizeof *w);
    if (!w)
        return pq_fail_nomem(err, sizeof *w);
    w->base = (struct pq_frames_from){webp_next, webp_enter, webp_near, webp_close};
    int rc = pq_map_open(path, &w->map, err);
    if (rc)
        goto fail;
    WebPAnimDecoderOptions options;
    WebPAnimDecoderOptionsInit(&options);
    options.color_mode = MODE_RGBA;
    const WebPData data = {w->map.data, w->map.size};
    w->decoder = WebPAnimDecoderNew(&data, &options);
    if (!w->decoder || !WebPAnimDecoderGetInfo(w->decoder, &w->info)) {
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: is damaged, or cut off, or no WebP", path);
        goto fail;
    }
    *frames = w->info.frame_count;
    *out = &w->base;
    return 0;
fail:
    webp_close(&w->base);
    return rc;
}

#else

int pq_webp_open(const char *path, struct pq_frames_from **out, int64_t *frames, pique_error *err)
{
    *out = NULL;
    *frames = 0;
    return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: this pique was built without WebP (libwebpdemux)",
                   path);
}
#endif
