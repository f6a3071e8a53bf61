/* SPDX-License-Identifier: MIT */
#include "upscale/module.h"

#include <pthread.h>

#include "base/lang.h"
#include "base/module.h"

static const struct pq_module module = {
    .file = "pique-picture.so",
    .folder = "image",
    .symbol = "pique_picture_module",
    .version = PQ_PICTURE_IO_VERSION,
    .what = PQ_SAID("picture module"),
    .needs = PQ_SAID(
        "pictures need libvips and the libav libraries, on Debian the packages libvips42 and "
        "ffmpeg"),
    .built = PQ_SAID(
        "It is built where libvips and libavcodec are (Debian: libvips-dev, libavcodec-dev, "
        "libavutil-dev)"),
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const void *loaded;  /* written inside once */
static pique_error failure; /* why loaded is NULL */
static const struct pq_picture_io *replacement;

static void load(void)
{
    pq_module_load(&module, &loaded, &failure);
}

int pq_picture_module(const struct pq_picture_io **io, pique_error *err)
{
    *io = replacement;
    if (*io)
        return 0;
    pthread_once(&once, load);
    *io = loaded;
    return loaded ? 0 : pq_fail(err, failure.code, "%s", failure.message);
}

void pq_picture_module_replace(const struct pq_picture_io *io)
{
    replacement = io;
}
