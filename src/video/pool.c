/* SPDX-License-Identifier: MIT */
#include "video/pool.h"

#include <libavutil/buffer.h>
#include <libavutil/imgutils.h>
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
    AVBufferPool *buffers;
};

static void free_memory(void *unused, uint8_t *data)
{
    (void)unused;
    pq_big_free(NULL, data);
}

/* Zero, so that an encoder finds the same around every picture. */
static AVBufferRef *new_buffer(void *unused, size_t bytes)
{
    (void)unused;
    uint8_t *data = pq_big_alloc(NULL, bytes);
    if (!data)
        return NULL;
    memset(data, 0, bytes);
    AVBufferRef *buffer = av_buffer_create(data, bytes, free_memory, NULL, 0);
    if (!buffer)
        pq_big_free(NULL, data);
    return buffer;
}

/* One plane behind the other; false where that is more than there can be. */
static bool lay_out(struct pq_frame_pool *p)
{
    ptrdiff_t linesize[4];
    size_t sizes[4];
    p->planes = av_pix_fmt_count_planes(p->format);
    if (av_image_check_size((unsigned)p->width, (unsigned)p->height, 0, NULL) < 0 ||
        av_image_fill_linesizes(p->linesize, p->format, p->width) < 0)
        return false;
    for (int i = 0; i < 4; i++)
        linesize[i] = p->linesize[i] = FFALIGN(p->linesize[i], ALIGN);
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
        p->buffers = av_buffer_pool_init2(p->bytes, NULL, new_buffer, NULL);
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
