/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "base/lang.h"
#include "base/module.h"
#include "film/video.h"

static const struct pq_module module = {
    .file = "pique-video.so",
    .folder = "video",
    .symbol = "pique_video_module",
    .version = PQ_VIDEO_IO_VERSION,
    .what = PQ_SAID("video module"),
    .needs = PQ_SAID(
        "films need the libav libraries and zimg, on Debian the packages ffmpeg and libzimg2"),
    .built = PQ_SAID("It is built where libavformat, libavcodec, libavfilter and zimg are (Debian: "
                     "libavformat-dev, libavfilter-dev, libzimg-dev)"),
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const void *loaded;  /* written inside once */
static pique_error failure; /* why loaded is NULL */
static const struct pq_video_io *replacement;

static void load(void)
{
    pq_module_load(&module, &loaded, &failure);
}

int pq_video_module(const struct pq_video_io **io, pique_error *err)
{
    *io = replacement;
    if (*io)
        return 0;
    pthread_once(&once, load);
    *io = loaded;
    return loaded ? 0 : pq_fail(err, failure.code, "%s", failure.message);
}

void pq_video_module_replace(const struct pq_video_io *io)
{
    replacement = io;
}
