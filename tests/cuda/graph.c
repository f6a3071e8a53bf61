/* SPDX-License-Identifier: MIT */
/* Capture of a stream into a graph, and its replay. A graph is a list, as one stream makes it; a
 * second stream cannot join a capture here. */
#include "inner.h"

struct node {
    struct node *next;
    struct si_work work;
};

/* Also what it becomes when it is made ready. */
struct si_graph {
    struct si_thing thing;
    struct node *first, **end;
    bool is_void;
    /* A launch comes after the one before, on whatever stream. */
    struct si_stream *on;
    uint64_t until;
    struct si_clock seen;
};

void si_graph_add(struct si_graph *graph, const struct si_work *work)
{
    struct node *node = si_alloc(1, sizeof *node);
    node->work = *work;
    *graph->end = node;
    graph->end = &node->next;
}

static struct si_graph *create(int what)
{
    struct si_graph *g = si_thing_new(what, sizeof *g);
    g->end = &g->first;
    return g;
}

static void empty(struct si_graph *g)
{
    while (g->first) {
        struct node *node = g->first;
        g->first = node->next;
        free(node);
    }
    g->end = &g->first;
}

static cuda_result destroy(int what, const void *handle)
{
    struct si_graph *g = si_thing_find(what, handle);
    if (!g)
        return ERROR_INVALID_HANDLE;
    empty(g);
    si_thing_end(&g->thing);
    return CUDA_SUCCESS;
}

/* ---- capture ---- */

static bool captures(const struct si_thing *t)
{
    const struct si_stream *s = (const struct si_stream *)t;
    return t->what == STANDIN_STREAMS && s->capture &&
           s->capture_mode <= CUDA_CAPTURE_THREAD_LOCAL &&
           pthread_equal(s->capturer, pthread_self());
}

bool si_capture_broken(void)
{
    bool broken = false;
    for (struct si_thing *t = si_things(); t; t = t->next) {
        if (!captures(t))
            continue;
        si_capture_void((struct si_stream *)t);
        broken = true;
    }
    return broken;
}

void si_capture_void(struct si_stream *stream)
{
    stream->capture->is_void = true;
}

void si_capture_drop(struct si_stream *stream)
{
    if (!stream->capture)
        return;
    empty(stream->capture);
    si_thing_end(&stream->capture->thing);
    stream->capture = NULL;
}

void si_graphs_reset(void)
{
    for (struct si_thing *t = si_things(); t; t = t->next) {
        if (t->what == STANDIN_STREAMS)
            si_capture_drop((struct si_stream *)t);
        else if (!t->dead && (t->what == STANDIN_GRAPHS || t->what == STANDIN_GRAPH_EXECS))
            empty((struct si_graph *)t);
    }
}

static cuda_result begin(cuda_stream handle, int mode)
{
    struct si_stream *s = si_stream_find(handle);
    if (!s)
        return ERROR_INVALID_HANDLE;
    if (mode < 0 || mode > 2)
        return CUDA_ERROR_INVALID_VALUE;
    if (s->capture)
        return ERROR_ILLEGAL_STATE;
    s->capture = create(STANDIN_GRAPHS);
    s->capturer = pthread_self();
    s->capture_mode = mode;
    return CUDA_SUCCESS;
}

static cuda_result end(cuda_stream handle, cuda_graph *graph)
{
    struct si_stream *s = si_stream_find(handle);
    if (!s)
        return ERROR_INVALID_HANDLE;
    *graph = NULL;
    if (!s->capture)
        return ERROR_ILLEGAL_STATE;
    if (s->capture_mode <= CUDA_CAPTURE_THREAD_LOCAL && !pthread_equal(s->capturer, pthread_self()))
        return ERROR_CAPTURE_WRONG_THREAD;
    if (s->capture->is_void) {
        si_capture_drop(s);
        return ERROR_CAPTURE_INVALIDATED;
    }
    *graph = (cuda_graph)(void *)s->capture;
    s->capture = NULL;
    return CUDA_SUCCESS;
}

/* ---- replay ---- */

static cuda_result instantiate(cuda_graph_exec *exec, cuda_graph handle, uint64_t flags)
{
    const struct si_graph *g = si_thing_find(STANDIN_GRAPHS, handle);
    if (!g)
        return ERROR_INVALID_HANDLE;
    if (!exec || flags > 15)
        return CUDA_ERROR_INVALID_VALUE;
    struct si_graph *ready = create(STANDIN_GRAPH_EXECS);
    for (const struct node *node = g->first; node; node = node->next)
        si_graph_add(ready, &node->work);
    *exec = (cuda_graph_exec)(void *)ready;
    return CUDA_SUCCESS;
}

static cuda_result launch(cuda_graph_exec handle, cuda_stream stream)
{
    struct si_graph *g = si_thing_find(STANDIN_GRAPH_EXECS, handle);
    struct si_stream *s = si_stream_find(stream);
    if (!g || !s || g->thing.device != s->thing.device)
        return ERROR_INVALID_HANDLE;
    if (g->on && g->on != s && !s->capture)
        si_submit(s, &(struct si_work){.kind = SI_WAIT,
                                       .name = si_call_name(),
                                       .on = g->on,
                                       .until = g->until,
                                       .seen = &g->seen});
    for (const struct node *node = g->first; node; node = node->next)
        si_submit(s, &node->work);
    if (!s->capture) {
        g->on = s;
        g->until = s->time;
        g->seen = s->clock;
    }
    return CUDA_SUCCESS;
}

cuda_result cuStreamBeginCapture_v2(cuda_stream stream, int mode)
{
    CALL(capture_begin, begin(stream, mode));
}

cuda_result cuStreamEndCapture(cuda_stream stream, cuda_graph *graph)
{
    CALL(capture_end, end(stream, graph));
}

cuda_result cuGraphDestroy(cuda_graph graph)
{
    CALL(graph_destroy, destroy(STANDIN_GRAPHS, graph));
}

cuda_result cuGraphInstantiateWithFlags(cuda_graph_exec *exec, cuda_graph graph, uint64_t flags)
{
    CALL(graph_instantiate, instantiate(exec, graph, flags));
}

cuda_result cuGraphLaunch(cuda_graph_exec exec, cuda_stream stream)
{
    CALL(graph_launch, launch(exec, stream));
}

cuda_result cuGraphExecDestroy(cuda_graph_exec exec)
{
    CALL(graph_exec_destroy, destroy(STANDIN_GRAPH_EXECS, exec));
}
