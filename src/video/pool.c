/* SPDX-License-Identifier: MIT */
#include "video/pool.h"

#include <libavutil/buffer.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <string.h>

#include "base/alloc.h"

enum {
    ALIGN = 64,  /* of rows: for zimg, and more than any encoder asks for */
    ROWS = 32,   /* encoders read whole blocks */
    BEYOND = 64, /* bytes behind a plane, which they may read too */
};

struct pq_frame_pool {
    enum AVPixelFormat format;
    int width, height;
    int linesize[4];
    size_t offset[4], bytes; /* of the planes; of all */
    int planes;
    int row_bytes[4], rows[4]; /* of the planes, that are samples */
    AVBufferPool *buffers;
};

static void free_memory(void *unused, uint8_t *data)
{
    (void)unused;
    pq_big_free(NULL, data);
}

/* Around its samples a frame is zero, so that an encoder finds the same around every picture. The
 * samples are left alone: pages of theirs come into being when they are written, by as many threads
 * as write them, and not here one by one. */
static void clear_around(const struct pq_frame_pool *p, uint8_t *data)
{
    for (int i = 0; i < p->planes; i++) {
        const size_t row_bytes = (size_t)p->row_bytes[i], linesize = (size_t)p->linesize[i];
        const size_t end = i + 1 < p->planes ? p->offset[i + 1] : p->bytes;
        uint8_t *plane = data + p->offset[i];
        for (size_t y = 0; row_bytes < linesize && y < (size_t)p->rows[i]; y++)
            memset(plane + y * linesize + row_bytes, 0, linesize - row_bytes);
        const size_t below = p->offset[i] + (size_t)p->rows[i] * linesize;
        memset(data + below, 0, end - below);
    }
}

static AVBufferRef *new_buffer(void *pool, size_t bytes)
{
    uint8_t *data = pq_big_alloc(NULL, bytes);
    if (!data)
        return NULL;
    clear_around(pool, data);
    AVBufferRef *buffer = av_buffer_create(data, bytes, free_memory, NULL, 0);
    if (!buffer)
        pq_big_free(NULL, data);
    return buffer;
}

/* One plane behind the other; false where that is more than there can be. */
static bool lay_out(struct pq_frame_pool *p)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(p->format);
    ptrdiff_t linesize[4];
    size_t sizes[4];
    p->planes = av_pix_fmt_count_planes(p->format);
    if (av_image_check_size((unsigned)p->width, (unsigned)p->height, 0, NULL) < 0 ||
        av_image_fill_linesizes(p->linesize, p->format, p->width) < 0)
        return false;
    for (int i = 0; i < 4; i++) {
        const bool chroma = i == 1 || i == 2;
        p->row_bytes[i] = p->linesize[i];
        p->rows[i] = chroma ? AV_CEIL_RSHIFT(p->height, d->log2_chroma_h) : p->height;
        linesize[i] = p->linesize[i] = FFALIGN(p->linesize[i], ALIGN);
    }
    if (av_image_fill_plane_sizes(sizes, p->format, FFALIGN(p->height, ROWS), linesize) < 0)
        return false;
    for (int i = 0; i < p->planes; i++) {
        size_t more;
        p->offset[i] = p->bytes;
        if (!pq_add_size(sizes[i], BEYOND + ALIGN - 1, &more) ||
            !pq_add_size(p->bytes, more & ~(size_t)(ALIGN - 1), &p->bytes))
            return false;
    }
    return true;
}

int pq_frame_pool_new(enum AVPixelFormat format, int width, int height, struct pq_frame_pool **out,
                      pique_error *err)
{
    struct pq_frame_pool *p = pq_calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return pq_fail_nomem(err, sizeof *p);
    p->format = format;
    p->width = width;
    p->height = height;
    if (lay_out(p))
        p->buffers = av_buffer_pool_init2(p->bytes, p, new_buffer, NULL);
    if (p->buffers)
        return 0;
    pq_frame_pool_free(out);
    return pq_fail_nomem(err, (uint64_t)width * (uint64_t)height * 8);
}

void pq_frame_pool_free(struct pq_frame_pool **pool)
{
    if (*pool)
        av_buffer_pool_uninit(&(*pool)->buffers);
    pq_free(*pool);
    *pool = NULL;
}

int pq_frame_pool_get(struct pq_frame_pool *p, AVFrame **out, pique_error *err)
{
    AVFrame *frame = av_frame_alloc();
    *out = frame;
    if (!frame || !(frame->buf[0] = av_buffer_pool_get(p->buffers)))
        return pq_fail_nomem(err, p->bytes);
    frame->format = p->format;
    frame->width = p->width;
    frame->height = p->height;
    for (int i = 0; i < p->planes; i++) {
        frame->data[i] = frame->buf[0]->data + p->offset[i];
        frame->linesize[i] = p->linesize[i];
    }
    frame->extended_data = frame->data;
    return 0;
}
