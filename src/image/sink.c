/* SPDX-License-Identifier: MIT */
/* Writing through libvips, which pulls rows, for a caller who pushes them.
 *
 *   write() -> ring of rows -> generate() on a thread of its own -> saver -> file
 *
 * The saver runs on the writer thread from open to finish. write() waits while the ring is full,
 * generate() while it is empty; either stops waiting when the other side is gone. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "image/formats.h"
#include "image/jxlbox.h"
#include "image/meta.h"
#include "image/sink.h"
#include "image/vips.h"

enum { RING_BYTES = 4 << 20, RING_MIN_ROWS = 2, RING_MAX_ROWS = 64 };

struct vips_sink {
    struct pq_row_sink base; /* first */
    struct pq_output out;    /* used by the writer thread until it is joined */
    struct pq_picture_format format;
    enum pique_format format_id;
    size_t row_bytes;
    VipsOperation *saver; /* owned by the writer thread once that runs */

    pthread_t thread;
    bool running;

    pthread_mutex_t lock; /* guards what follows, but for the rows between head and tail */
    pthread_cond_t changed;
    unsigned char *ring;
    int ring_rows;
    int head, tail; /* rows written by the caller, rows taken by the saver, of the whole picture */
    bool cancelled; /* no more rows will come */
    bool ended;     /* the saver is done, well or not */
    int status;     /* of the saver */
    pique_error failure;
};

static unsigned char *ring_row(struct vips_sink *s, int y)
{
    return s->ring + (size_t)(y % s->ring_rows) * s->row_bytes;
}

/* ---- the saver's side ---- */

/* Wait for row y; false where it will never come. */
static bool wait_for_row(struct vips_sink *s, int y)
{
    pthread_mutex_lock(&s->lock);
    while (s->head <= y && !s->cancelled)
        pthread_cond_wait(&s->changed, &s->lock);
    bool there = s->head > y;
    pthread_mutex_unlock(&s->lock);
    return there;
}

static void row_taken(struct vips_sink *s)
{
    pthread_mutex_lock(&s->lock);
    s->tail++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* vips_sequential() asks for whole rows, each once, from the top. */
static int generate(VipsRegion *region, void *seq, void *a, void *b, gboolean *stop)
{
    struct vips_sink *s = a;
    const VipsRect *r = &region->valid;
    for (int y = r->top; y < r->top + r->height; y++) {
        if (y != s->tail || r->left != 0 || r->width != s->format.width) {
            vips_error("pique", pq_tr("rows are asked for out of order"));
            return -1;
        }
        if (!wait_for_row(s, y)) {
            vips_error("pique", "cancelled");
            return -1;
        }
        memcpy(VIPS_REGION_ADDR(region, 0, y), ring_row(s, y), s->row_bytes);
        row_taken(s);
    }
    return 0;
}

static void *run_saver(void *user)
{
    struct vips_sink *s = user;
    pique_error failure = {0};
    int status = pq_op_run(s->saver, NULL);
    /* libvips 8.14 reports no failure where the encoder behind libheif fails, but notes it. */
    if (!status && s->format_id == PIQUE_FORMAT_AVIF && strstr(vips_error_buffer(), "ncoder"))
        status = -1;
    /* A failed write explains more than what libvips makes of it. */
    if (s->out.io.code) {
        failure = s->out.io;
        status = failure.code;
        vips_error_clear();
    } else if (status) {
        status = pq_vips_fail(&failure, 0, s->out.file.path, "cannot be written");
        if (status == PIQUE_EFORMAT)
            failure.code = status = PIQUE_EINTERNAL;
    }
    vips_thread_shutdown();
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    s->status = status;
    s->failure = failure;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Signals belong to the program's own threads; a broken pipe is an error of write() here. */
static int start_thread(struct vips_sink *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&s->thread, NULL, run_saver, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->running = rc == 0;
    return rc;
}

/* ---- the caller's side ---- */

static int report(struct vips_sink *s, pique_error *err)
{
    if (s->status == 0)
        return pq_fail(err, PIQUE_EINTERNAL, "%s: the writer ended before the picture",
                       s->out.file.path);
    if (err)
        *err = s->failure;
    return s->status;
}

static int push_row(struct vips_sink *s, const void *row, pique_error *err)
{
    pthread_mutex_lock(&s->lock);
    while (s->head - s->tail == s->ring_rows && !s->ended)
        pthread_cond_wait(&s->changed, &s->lock);
    bool ended = s->ended;
    pthread_mutex_unlock(&s->lock);
    if (ended)
        return report(s, err);
    /* Only this side moves the head, and the saver does not look at this row before. */
    memcpy(ring_row(s, s->head), row, s->row_bytes);
    pthread_mutex_lock(&s->lock);
    s->head++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static int sink_write(struct pq_row_sink *sink, int rows, const void *data, ptrdiff_t stride,
                      pique_error *err)
{
    struct vips_sink *s = (struct vips_sink *)sink;
    if (rows < 0 || rows > s->format.height - s->head)
        return pq_fail(err, PIQUE_EINVAL, "%s: more rows than the picture has", s->out.file.path);
    int rc = 0;
    for (int y = 0; !rc && y < rows; y++)
        rc = push_row(s, (const char *)data + y * stride, err);
    return rc;
}

static void stop_thread(struct vips_sink *s)
{
    if (!s->running)
        return;
    pthread_mutex_lock(&s->lock);
    s->cancelled = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    s->running = false;
}

static int sink_finish(struct pq_row_sink *sink, uint64_t *bytes, pique_error *err)
{
    struct vips_sink *s = (struct vips_sink *)sink;
    bool complete = s->head == s->format.height;
    stop_thread(s);                   /* takes the rows that are in the ring first */
    if (!complete && !s->out.io.code) /* the saver's own complaint is that it was cancelled */
        return pq_fail(err, PIQUE_EINVAL, "%s: rows are missing", s->out.file.path);
    if (s->status || s->tail != s->format.height)
        return report(s, err);
    return pq_output_commit(&s->out, bytes, err);
}

static void sink_close(struct pq_row_sink *sink)
{
    struct vips_sink *s = (struct vips_sink *)sink;
    if (!s)
        return;
    stop_thread(s);
    pq_output_close(&s->out);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    pq_free(s->ring);
    pq_free(s);
}

/* ---- opening ---- */

/* The image that the saver pulls. */
static VipsImage *make_image(struct vips_sink *s, VipsImage *meta)
{
    const struct pq_picture_format *f = &s->format;
    bool wide = f->depth == 16;
    VipsInterpretation type = f->colours == 1
                                  ? (wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
                                  : (wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
    VipsImage *rows = vips_image_new(), *ordered = NULL;
    vips_image_init_fields(rows, f->width, f->height, f->colours + f->alpha,
                           wide ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR, VIPS_CODING_NONE, type,
                           1.0, 1.0);
    if (meta)
        pq_meta_give(meta, rows, f->colours);
    /* The caller makes rows on one thread, so more of them here would only hold buffers. */
    vips_image_set_int(rows, VIPS_META_CONCURRENCY, 1);
    if (vips_image_pipelinev(rows, VIPS_DEMAND_STYLE_THINSTRIP, NULL) ||
        vips_image_generate(rows, NULL, generate, NULL, s, NULL) ||
        vips_sequential(rows, &ordered, NULL))
        ordered = NULL;
    g_object_unref(rows);
    return ordered;
}

static int make_saver(struct vips_sink *s, const struct pq_save *save, VipsImage *meta,
                      pique_error *err)
{
    VipsImage *image = make_image(s, meta);
    if (image)
        s->saver = pq_format_saver(image, save);
    if (!s->saver) {
        g_clear_object(&image);
        return pq_vips_fail(err, PIQUE_EINTERNAL, s->out.file.path, "cannot be written");
    }
    if (meta && save->format == PIQUE_FORMAT_JXL)
        s->out.jxl_container = pq_jxl_container(meta, &s->out.jxl_container_size);
    VipsTarget *target = pq_output_target(&s->out);
    g_object_set(s->saver, "target", target, NULL);
    g_object_unref(target);
    g_object_unref(image);
    return 0;
}

static int open_sink(struct vips_sink *s, const struct pq_save *save, VipsImage *meta,
                     pique_error *err)
{
    size_t rows = RING_BYTES / s->row_bytes;
    s->ring_rows = (int)PQ_MIN(PQ_MAX(rows, (size_t)RING_MIN_ROWS), (size_t)RING_MAX_ROWS);
    size_t bytes;
    if (!pq_mul_size(s->row_bytes, (size_t)s->ring_rows, &bytes) || !(s->ring = pq_malloc(bytes)))
        return pq_fail_nomem(err, (unsigned long long)s->row_bytes * (unsigned)s->ring_rows);
    int rc = make_saver(s, save, meta, err);
    if (rc)
        return rc;
    int errnum = start_thread(s);
    if (errnum) {
        g_clear_object(&s->saver);
        return pq_fail(err, PIQUE_ENOMEM, "%s: a thread cannot be started: %s", s->out.file.path,
                       pq_tr(strerror(errnum)));
    }
    return 0;
}

int pq_vips_sink_open(struct pq_output *out, const struct pq_picture_format *format,
                      const struct pq_save *save, VipsImage *meta, struct pq_row_sink **sink,
                      pique_error *err)
{
    *sink = NULL;
    struct vips_sink *s = pq_calloc(1, sizeof *s);
    if (!s) {
        pq_output_close(out);
        return pq_fail_nomem(err, sizeof *s);
    }
    s->base = (struct pq_row_sink){sink_write, sink_finish, sink_close};
    s->out = *out;
    s->format = *format;
    s->format_id = save->format;
    s->row_bytes = pq_picture_row_bytes(format);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    int rc = open_sink(s, save, meta, err);
    if (rc)
        sink_close(&s->base);
    else
        *sink = &s->base;
    return rc;
}
