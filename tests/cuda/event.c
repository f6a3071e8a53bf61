/* SPDX-License-Identifier: MIT */
/* Events: a point of a stream that others wait for. */
#include "inner.h"

struct si_event {
    struct si_thing thing;
    /* Where it was recorded last; NULL: never. */
    struct si_stream *on;
    uint64_t time;
    struct si_clock clock;
    /* That was while this was captured, so it stands for a place in a graph and for no time. */
    const struct si_graph *captured;
};

static cuda_result create(cuda_event *handle, unsigned flags)
{
    if (!handle || flags > 7)
        return CUDA_ERROR_INVALID_VALUE;
    *handle = si_thing_new(STANDIN_EVENTS, sizeof(struct si_event));
    return CUDA_SUCCESS;
}

static cuda_result destroy(cuda_event handle)
{
    struct si_event *e = si_thing_find(STANDIN_EVENTS, handle);
    if (!e)
        return ERROR_INVALID_HANDLE;
    si_thing_end(&e->thing);
    return CUDA_SUCCESS;
}

static cuda_result record(cuda_event handle, cuda_stream stream)
{
    struct si_event *e = si_thing_find(STANDIN_EVENTS, handle);
    struct si_stream *s = si_stream_find(stream);
    if (!e || !s || e->thing.device != s->thing.device)
        return ERROR_INVALID_HANDLE;
    e->captured = s->capture;
    if (s->capture)
        return CUDA_SUCCESS;
    si_submit(s, &(struct si_work){.kind = SI_RECORD, .name = si_call_name()});
    e->on = s;
    e->time = s->time;
    e->clock = s->clock;
    return CUDA_SUCCESS;
}

/* A graph cannot wait for what is outside of it, and nothing outside for a place in it. Within it,
 * one stream is in order anyhow. */
static cuda_result wait_captured(const struct si_event *e, struct si_stream *s)
{
    if (s->capture && e->captured == s->capture)
        return CUDA_SUCCESS;
    if (s->capture) {
        si_capture_void(s);
        return ERROR_CAPTURE_ISOLATION;
    }
    si_fault("%s (call %" PRIu64 "): event %d was recorded into a graph, and stream %d is in none",
             si_call_name(), si_call_number(), e->thing.number, s->thing.number);
    return ERROR_CAPTURED_EVENT;
}

static cuda_result wait(cuda_stream stream, cuda_event handle, unsigned flags)
{
    const struct si_event *e = si_thing_find(STANDIN_EVENTS, handle);
    struct si_stream *s = si_stream_find(stream);
    if (!e || !s)
        return ERROR_INVALID_HANDLE;
    if (flags)
        return CUDA_ERROR_INVALID_VALUE;
    if (e->captured || (s->capture && e->on))
        return wait_captured(e, s);
    if (e->on)
        si_submit(s, &(struct si_work){.kind = SI_WAIT,
                                       .name = si_call_name(),
                                       .on = e->on,
                                       .until = e->time,
                                       .seen = &e->clock});
    return CUDA_SUCCESS;
}

static cuda_result synchronize(cuda_event handle)
{
    const struct si_event *e = si_thing_find(STANDIN_EVENTS, handle);
    if (!e)
        return ERROR_INVALID_HANDLE;
    if (e->captured)
        return ERROR_CAPTURED_EVENT;
    if (e->on) {
        const struct si_clock seen = e->clock;
        si_complete(e->on, e->time);
        si_clock_join(&si_host, &seen);
    }
    return si_fate(e->thing.device);
}

cuda_result cuEventCreate(cuda_event *event, unsigned flags)
{
    CALL(event_create, create(event, flags));
}

cuda_result cuEventDestroy_v2(cuda_event event)
{
    CALL(event_destroy, destroy(event));
}

cuda_result cuEventRecord(cuda_event event, cuda_stream stream)
{
    CALL(event_record, record(event, stream));
}

cuda_result cuStreamWaitEvent(cuda_stream stream, cuda_event event, unsigned flags)
{
    CALL(stream_wait, wait(stream, event, flags));
}

cuda_result cuEventSynchronize(cuda_event event)
{
    CALL(event_synchronize, synchronize(event));
}
