/* SPDX-License-Identifier: MIT */
/* Streams: what is enqueued, and whether it is ordered after what it touches. */
#include "inner.h"

static void tick(struct si_stream *s, const struct si_clock *seen)
{
    si_clock_join(&s->clock, &si_host);
    if (seen)
        si_clock_join(&s->clock, seen);
    s->clock.at[s->slot] = ++s->time;
}

/* A host that reads the result of a copy too early gets NaN. Not where that itself would disturb an
 * operation, of which the clocks tell anyhow. */
static void poison(const struct si_work *w)
{
    if (w->kind == SI_COPY_OUT && si_settled(w->to, w->bytes))
        memset(w->to, 0xff, w->bytes);
}

static bool touch(struct si_stream *s, const struct si_work *w)
{
    if (w->kind == SI_WAIT || w->kind == SI_RECORD)
        return true;
    s->touched = s->time;
    struct si_actor who = si_actor(w->name, s, s->time, &s->clock);
    if (w->kind == SI_LAUNCH)
        return si_touch_launch(&who, &w->args);
    const bool in = w->kind == SI_COPY_IN;
    return (in ? si_touch_host : si_touch_device)(&who, w->from, w->bytes, false) &&
           (in ? si_touch_device : si_touch_host)(&who, w->to, w->bytes, true);
}

static void enqueue(struct si_stream *s, const struct si_work *w)
{
    struct si_op *op = si_alloc(1, sizeof *op);
    op->work = *w;
    tick(s, w->seen);
    op->time = s->time;
    poison(w);
    op->outside = !touch(s, w);
    if (s->last)
        s->last->next = op;
    else
        s->first = op;
    s->last = op;
    pthread_cond_broadcast(&si_changed);
}

void si_submit(struct si_stream *stream, const struct si_work *work)
{
    if (stream->capture)
        si_graph_add(stream->capture, work);
    else
        enqueue(stream, work);
}

struct si_stream *si_stream_find(cuda_stream handle)
{
    cuda_result rc;
    struct si_stream *s = si_thing_find(STANDIN_STREAMS, handle);
    if (!s || s->thing.device == si_current(&rc))
        return s;
    si_fault("%s (call %" PRIu64 ") uses stream %d of another device", si_call_name(),
             si_call_number(), s->thing.number);
    return NULL;
}

size_t standin_pending(void)
{
    size_t count = 0;
    pthread_mutex_lock(&si_lock);
    for (const struct si_thing *t = si_things(); t; t = t->next)
        if (t->what == STANDIN_STREAMS)
            for (const struct si_op *op = ((const struct si_stream *)t)->first; op; op = op->next)
                count++;
    pthread_mutex_unlock(&si_lock);
    return count;
}

static cuda_result create(cuda_stream *handle, unsigned flags)
{
    if (!handle || flags > CUDA_STREAM_NON_BLOCKING)
        return CUDA_ERROR_INVALID_VALUE;
    struct si_stream *s = si_thing_new(STANDIN_STREAMS, sizeof *s);
    if (!si_clock_take(s)) {
        si_thing_end(&s->thing);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    s->rng = (struct rng){si_seed + (uint64_t)s->thing.number};
    s->threaded = si_mode == STANDIN_THREADS;
    if (s->threaded)
        si_thread_start(s);
    *handle = (cuda_stream)(void *)s;
    return CUDA_SUCCESS;
}

/* Returns at once; what the stream was given is executed all the same. */
static cuda_result destroy(cuda_stream handle)
{
    struct si_stream *s = si_thing_find(STANDIN_STREAMS, handle);
    if (!s)
        return ERROR_INVALID_HANDLE;
    if (s->capture) {
        si_fault("%s (call %" PRIu64 "): stream %d is being captured", si_call_name(),
                 si_call_number(), s->thing.number);
        si_capture_drop(s);
    }
    si_thing_end(&s->thing);
    pthread_cond_broadcast(&si_changed);
    return CUDA_SUCCESS;
}

static cuda_result synchronize(cuda_stream handle)
{
    struct si_stream *s = si_stream_find(handle);
    if (!s)
        return ERROR_INVALID_HANDLE;
    if (s->capture) {
        si_capture_void(s);
        return ERROR_CAPTURE_UNSUPPORTED;
    }
    const struct si_clock seen = s->clock;
    si_complete(s, s->time);
    si_clock_join(&si_host, &seen);
    return si_fate(s->thing.device);
}

static cuda_result copy(const struct si_work *work, cuda_stream handle)
{
    struct si_stream *s = si_stream_find(handle);
    if (!s)
        return ERROR_INVALID_HANDLE;
    if (!work->to || !work->from)
        return CUDA_ERROR_INVALID_VALUE;
    if (work->bytes)
        si_submit(s, work);
    return CUDA_SUCCESS;
}

static cuda_result copy_in(cuda_ptr to, const void *from, size_t bytes, cuda_stream stream)
{
    const struct si_work work = {.kind = SI_COPY_IN,
                                 .name = si_call_name(),
                                 .to = (void *)(uintptr_t)to,
                                 .from = from,
                                 .bytes = bytes};
    return copy(&work, stream);
}

static cuda_result copy_out(void *to, cuda_ptr from, size_t bytes, cuda_stream stream)
{
    const struct si_work work = {.kind = SI_COPY_OUT,
                                 .name = si_call_name(),
                                 .to = to,
                                 .from = (const void *)(uintptr_t)from,
                                 .bytes = bytes};
    return copy(&work, stream);
}

cuda_result cuStreamCreate(cuda_stream *stream, unsigned flags)
{
    CALL(stream_create, create(stream, flags));
}

cuda_result cuStreamDestroy_v2(cuda_stream stream)
{
    CALL(stream_destroy, destroy(stream));
}

cuda_result cuStreamSynchronize(cuda_stream stream)
{
    CALL(stream_synchronize, synchronize(stream));
}

cuda_result cuMemcpyHtoDAsync_v2(cuda_ptr to, const void *from, size_t bytes, cuda_stream stream)
{
    CALL(copy_in, copy_in(to, from, bytes, stream));
}

cuda_result cuMemcpyDtoHAsync_v2(void *to, cuda_ptr from, size_t bytes, cuda_stream stream)
{
    CALL(copy_out, copy_out(to, from, bytes, stream));
}
