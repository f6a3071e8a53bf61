/* SPDX-License-Identifier: MIT */
#include "video/av.h"

#include <errno.h>
#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "video/compat_read.h"

enum { BUFFER_BYTES = 64 << 10 };

static void quiet(void)
{
    av_log_set_level(AV_LOG_QUIET);
    setenv("SVT_LOG", "-1", 0); /* SVT-AV1 has its own log, on standard error */
}

void pq_av_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, quiet);
}

/* ---- errors ---- */

static int status_of(int averror)
{
    switch (averror) {
    case AVERROR(ENOMEM):
        return PIQUE_ENOMEM;
    case AVERROR(EIO):
        return PIQUE_EIO;
    case AVERROR(ENOSPC):
    case AVERROR(EDQUOT):
    case AVERROR(EFBIG):
        return PIQUE_ENOSPC;
    case AVERROR(ENOENT):
        return PIQUE_ENOENT;
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_ENCODER_NOT_FOUND:
    case AVERROR_DEMUXER_NOT_FOUND:
    case AVERROR_MUXER_NOT_FOUND:
    case AVERROR_FILTER_NOT_FOUND:
    case AVERROR_BSF_NOT_FOUND:
    case AVERROR_PROTOCOL_NOT_FOUND:
    case AVERROR_PATCHWELCOME:
    case AVERROR_EXPERIMENTAL:
    case AVERROR(ENOSYS):
    case AVERROR(EINVAL):
        return PIQUE_EUNSUPPORTED;
    default:
        return PIQUE_EFORMAT;
    }
}

int pq_av_fail(pique_error *err, int averror, const char *name, const char *what)
{
    char reason[128];
    if (av_strerror(averror, reason, sizeof reason) < 0)
        strcpy(reason, pq_tr("no reason given"));
    return pq_fail(err, status_of(averror), "%s: cannot %s: %s", name, pq_tr(what), pq_tr(reason));
}

/* ---- files ---- */

static int keep_failure(struct pq_av_io *io, const pique_error *why)
{
    if (!io->failure.code)
        io->failure = *why;
    switch (io->failure.code) {
    case PIQUE_ENOSPC:
        return AVERROR(ENOSPC);
    case PIQUE_ENOMEM:
        return AVERROR(ENOMEM);
    default:
        return AVERROR(EIO);
    }
}

static int io_read(void *opaque, uint8_t *data, int size)
{
    struct pq_av_io *io = opaque;
    pique_error why;
    size_t got;
    if (pq_file_read(io->file, data, (size_t)size, &got, &why))
        return keep_failure(io, &why);
    return got ? (int)got : AVERROR_EOF;
}

static int io_write(void *opaque, uint8_t *data, int size)
{
    struct pq_av_io *io = opaque;
    pique_error why;
    if (io->failure.code) /* nothing goes behind what is missing */
        return keep_failure(io, &io->failure);
    return pq_file_write(io->file, data, (size_t)size, &why) ? keep_failure(io, &why) : size;
}

static int64_t io_seek(void *opaque, int64_t offset, int whence)
{
    struct pq_av_io *io = opaque;
    pique_error why;
    int64_t at;
    if (whence & AVSEEK_SIZE) {
        const int64_t size = pq_file_size(io->file);
        return size < 0 ? AVERROR(ENOSYS) : size;
    }
    return pq_file_seek(io->file, offset, whence & ~AVSEEK_FORCE, &at, &why)
               ? keep_failure(io, &why)
               : at;
}

int pq_av_io_open(struct pq_av_io *io, struct pq_file *file, bool writable, pique_error *err)
{
    *io = (struct pq_av_io){.file = file};
    const bool seeks = pq_file_size(file) >= 0;
    unsigned char *buffer = av_malloc(BUFFER_BYTES);
    if (buffer)
        io->context = avio_alloc_context(buffer, BUFFER_BYTES, writable, io, io_read, io_write,
                                         seeks ? io_seek : NULL);
    if (!io->context) {
        av_free(buffer);
        return pq_fail_nomem(err, BUFFER_BYTES);
    }
    return 0;
}

int pq_av_io_flush(struct pq_av_io *io, pique_error *err)
{
    avio_flush(io->context);
    if (io->failure.code)
        return pq_fail(err, io->failure.code, "%s", io->failure.message);
    return 0;
}

void pq_av_io_close(struct pq_av_io *io)
{
    if (!io->context)
        return;
    av_freep(&io->context->buffer);
    avio_context_free(&io->context);
}

int pq_av_io_fail(struct pq_av_io *io, int averror, const char *name, const char *what,
                  pique_error *err)
{
    if (io->failure.code)
        return pq_fail(err, io->failure.code, "%s", io->failure.message);
    return pq_av_fail(err, averror, name, what);
}

/* ---- frames ---- */

struct av_frame {
    struct pq_frame frame; /* first */
    AVFrame *av;
    atomic_int count;
};

static void describe_planes(struct pq_frame *f, const AVFrame *av)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(av->format);
    int row_bytes[4] = {0};
    f->planes = PQ_MIN(av_pix_fmt_count_planes(av->format), 4);
    f->depth = desc ? desc->comp[0].depth : 8;
    if (av_image_fill_linesizes(row_bytes, av->format, av->width) < 0)
        f->planes = 0;
    for (int p = 0; p < f->planes; p++) {
        const bool chroma = p == 1 || p == 2;
        const int shift = desc && chroma ? desc->log2_chroma_h : 0;
        f->plane[p].data = av->data[p];
        f->plane[p].stride = av->linesize[p];
        f->plane[p].row_bytes = row_bytes[p];
        f->plane[p].rows = AV_CEIL_RSHIFT(av->height, shift);
    }
    if (desc && (desc->flags & AV_PIX_FMT_FLAG_PAL) && f->planes == 2) { /* 256 colours */
        f->plane[1].row_bytes = 256 * 4;
        f->plane[1].rows = 1;
    }
}

int pq_av_frame_wrap(AVFrame *taken, struct pq_frame **out, pique_error *err)
{
    *out = NULL;
    struct av_frame *f = pq_calloc(1, sizeof *f);
    AVFrame *av = av_frame_alloc();
    if (!f || !av) {
        pq_free(f);
        av_frame_free(&av);
        return pq_fail_nomem(err, sizeof *f);
    }
    av_frame_move_ref(av, taken);
    f->av = av;
    atomic_init(&f->count, 1);
    f->frame.pts = av->pts;
    f->frame.duration = *pq_frame_duration(av);
    f->frame.width = av->width;
    f->frame.height = av->height;
    describe_planes(&f->frame, av);
    *out = &f->frame;
    return 0;
}

const AVFrame *pq_av_frame(const struct pq_frame *frame)
{
    return ((const struct av_frame *)frame)->av;
}

struct pq_frame *pq_av_frame_ref(struct pq_frame *frame)
{
    atomic_fetch_add(&((struct av_frame *)frame)->count, 1);
    return frame;
}

void pq_av_frame_unref(struct pq_frame **frame)
{
    struct av_frame *f = (struct av_frame *)*frame;
    *frame = NULL;
    if (!f || atomic_fetch_sub(&f->count, 1) > 1)
        return;
    av_frame_free(&f->av);
    pq_free(f);
}
