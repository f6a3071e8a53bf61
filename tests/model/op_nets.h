/* SPDX-License-Identifier: MIT */
/* Small networks of random weights, one of each operation that an ONNX file needs many nodes for;
 * a seed chooses windows, sizes and the like. */
#pragma once

#include "../net.h"
#include "base/alloc.h"

/* The network, its weights, and a size of picture that it takes. */
struct op_net {
    struct net net;
    int width, height;
};

static inline void op_net_qkv(struct net *net, int all, int qkv[3])
{
    for (int i = 0; i < 3; i++)
        qkv[i] = pq_graph_slice(net->graph, 0, i * all, all, NULL);
}

static inline void op_net_begin(struct net *net, int channels)
{
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    assert_int_equal(pq_graph_input(net->graph, channels, NULL), 0);
}

static inline int op_net_attend(struct op_net *n, struct rng *r, struct pq_attention *a)
{
    struct net *net = &n->net;
    const int all = a->heads * (1 + rng_below(r, 5)), rows = 1 + rng_below(r, 50);
    const int keys = a->key_height * a->key_width;
    int qkv[3];
    struct pq_tensor table;
    op_net_begin(net, 3 * all);
    op_net_qkv(net, all, qkv);
    a->scale = 0.7f;
    if (rng_below(r, 4)) {
        const size_t count = (size_t)(a->height * a->width * keys);
        int32_t *index = pq_graph_own(net->graph, count * sizeof *index);
        assert_non_null(index);
        for (size_t i = 0; i < count; i++)
            index[i] = rng_below(r, rows);
        a->index = index;
        table = net_tensor(net, r, 2, (const int64_t[]){rows, a->heads}, 2);
    }
    return pq_graph_attention(net->graph, qkv[0], qkv[1], qkv[2], a, a->index ? &table : NULL,
                              NULL);
}

static inline int op_net_shifted(struct op_net *n, struct rng *r)
{
    const int h = 1 + rng_below(r, 6), w = 1 + rng_below(r, 6);
    struct pq_attention a = {.heads = 1 + rng_below(r, 3),
                             .height = h,
                             .width = w,
                             .key_height = h,
                             .key_width = w,
                             .shift_y = rng_below(r, h),
                             .shift_x = rng_below(r, w),
                             .multiple = rng_below(r, 2) ? h * w : 0};
    return op_net_attend(n, r, &a);
}

static inline int op_net_larger_keys(struct op_net *n, struct rng *r)
{
    const int h = 1 + rng_below(r, 5), w = 1 + rng_below(r, 5);
    struct pq_attention a = {.heads = 1 + rng_below(r, 3),
                             .height = h,
                             .width = w,
                             .key_height = h + 2 * (1 + rng_below(r, 2)),
                             .key_width = w + 2 * (1 + rng_below(r, 2)),
                             .shift_y = rng_below(r, h),
                             .shift_x = rng_below(r, w)};
    return op_net_attend(n, r, &a);
}

static inline int op_net_grid(struct op_net *n, struct rng *r)
{
    const int h = 1 + rng_below(r, 4), w = 1 + rng_below(r, 4);
    struct pq_attention a = {
        .heads = 2, .height = h, .width = w, .key_height = h, .key_width = w, .grid = true};
    n->width = w * (1 + rng_below(r, 5));
    n->height = h * (1 + rng_below(r, 5));
    return op_net_attend(n, r, &a);
}

static inline int op_net_folded(struct op_net *n, struct rng *r)
{
    struct net *net = &n->net;
    const int h = 2 * (1 + rng_below(r, 3)), w = 2 * (1 + rng_below(r, 3));
    const int heads = 1 + rng_below(r, 3), all = 4 * heads;
    const struct pq_attention a = {.heads = heads,
                                   .height = h,
                                   .width = w,
                                   .key_height = h / 2,
                                   .key_width = w / 2,
                                   .shift_y = rng_below(r, h / 2) * 2,
                                   .shift_x = rng_below(r, w / 2) * 2,
                                   .fold = 2,
                                   .scale = 0.7f};
    op_net_begin(net, all / 2 * 3);
    int qkv[3] = {pq_graph_slice(net->graph, 0, 0, all, NULL)};
    for (int i = 1; i < 3; i++) {
        const int part = pq_graph_slice(net->graph, 0, all + (i - 1) * heads, heads, NULL);
        qkv[i] = pq_graph_pixel_unshuffle_by_place(net->graph, part, 2, NULL);
    }
    n->width = w * (1 + rng_below(r, 5));
    n->height = h * (1 + rng_below(r, 5));
    return pq_graph_attention(net->graph, qkv[0], qkv[1], qkv[2], &a, NULL, NULL);
}

static inline int op_net_channels(struct op_net *n, struct rng *r)
{
    struct net *net = &n->net;
    const int heads = 1 + rng_below(r, 3), all = heads * (1 + rng_below(r, 5));
    const int h = 1 + rng_below(r, 5), w = 1 + rng_below(r, 5);
    const struct pq_attention a = {.heads = heads,
                                   .height = h,
                                   .width = w,
                                   .key_height = h,
                                   .key_width = w,
                                   .grid = rng_below(r, 2)};
    int qkv[3];
    op_net_begin(net, 3 * all);
    op_net_qkv(net, all, qkv);
    const struct pq_tensor t = net_tensor(net, r, 1, (const int64_t[]){heads}, 3);
    n->width = a.grid ? w * (1 + rng_below(r, 5)) : n->width;
    n->height = a.grid ? h * (1 + rng_below(r, 5)) : n->height;
    return pq_graph_channel_attention(net->graph, qkv[0], qkv[1], qkv[2], &a, &t, NULL);
}

static inline int op_net_mix(struct op_net *n, struct rng *r)
{
    struct net *net = &n->net;
    const int heads = 1 + rng_below(r, 3), all = heads * (1 + rng_below(r, 9));
    int qkv[3];
    op_net_begin(net, 3 * all);
    op_net_qkv(net, all, qkv);
    const struct pq_tensor t = net_tensor(net, r, 1, (const int64_t[]){heads}, 3);
    return pq_graph_channel_mix(net->graph, qkv[0], qkv[1], qkv[2], heads, &t, NULL);
}

static inline int op_net_dysample(struct op_net *n, struct rng *r)
{
    struct net *net = &n->net;
    const int factor = 1 + rng_below(r, 3), groups = 1 + rng_below(r, 3);
    const int channels = groups * (1 + rng_below(r, 4)), offsets = 2 * groups * factor * factor;
    op_net_begin(net, channels + offsets);
    const int x = pq_graph_slice(net->graph, 0, 0, channels, NULL);
    int to = pq_graph_slice(net->graph, 0, channels, offsets, NULL);
    to = pq_graph_scale(net->graph, to, 3, 0.25f, NULL); /* pixels away */
    return pq_graph_dysample(net->graph, x, to, factor, groups, NULL);
}

static inline int op_net_pad(struct op_net *n, struct rng *r)
{
    const enum pq_pad_mode mode = (enum pq_pad_mode)rng_below(r, 5);
    const int multiple = 1 + rng_below(r, 6);
    op_net_begin(&n->net, 2);
    if (rng_below(r, 2))
        return pq_graph_pad_least(n->net.graph, 0, mode, multiple, 5 * multiple, NULL);
    return pq_graph_pad4(n->net.graph, 0, mode, rng_below(r, 7), rng_below(r, 7), rng_below(r, 3),
                         rng_below(r, 7), multiple, NULL);
}

static inline int op_net_crop(struct op_net *n, struct rng *r)
{
    const int top = rng_below(r, 4), left = rng_below(r, 4);
    op_net_begin(&n->net, 2);
    const int large = pq_graph_pad4(n->net.graph, 0, PQ_PAD_EDGE, 1 + top, 2 + left, 5, 4, 4, NULL);
    return pq_graph_crop_at(n->net.graph, large, top, left, 0, NULL);
}

static inline int op_net_dictionary(struct op_net *n, struct rng *r)
{
    struct net *net = &n->net;
    const int tokens = 1 + rng_below(r, 20), channels = 1 + rng_below(r, 20);
    op_net_begin(net, tokens + channels);
    struct pq_graph *g = net->graph;
    const struct pq_tensor words = net_tensor(net, r, 2, (const int64_t[]){tokens, channels}, 1);
    const struct pq_tensor w = net_tensor(net, r, 2, (const int64_t[]){channels, channels}, 1);
    const struct pq_tensor b = net_tensor(net, r, 1, (const int64_t[]){channels}, 1);
    const struct pq_tensor factors = net_tensor(net, r, 1, (const int64_t[]){tokens}, 2);
    const struct pq_tensor keep = net_tensor(net, r, 1, (const int64_t[]){tokens}, 2);
    const int scores = pq_graph_slice(g, 0, 0, tokens, NULL);
    const int x = pq_graph_slice(g, 0, tokens, channels, NULL);
    int words_now = pq_graph_constant(g, &words, NULL);
    words_now = pq_graph_tokens_update(g, scores, x, words_now, &keep, NULL);
    int keys = pq_graph_tokens_linear(g, words_now, tokens, &w, &b, NULL);
    keys = pq_graph_tokens_unit(g, keys, tokens, &factors, NULL);
    const int shares = pq_graph_look_up(g, x, keys, tokens, NULL);
    return pq_graph_blend(g, shares, words_now, NULL);
}

static inline int op_net_sorted(struct op_net *n, struct rng *r)
{
    struct net *net = &n->net;
    const int categories = 1 + rng_below(r, 9), heads = 1 + rng_below(r, 3);
    const int all = heads * (1 + rng_below(r, 5));
    int order, rank, qkv[3];
    op_net_begin(net, 3 * all + categories);
    const int scores = pq_graph_slice(net->graph, 0, 3 * all, categories, NULL);
    assert_int_equal(pq_graph_sort(net->graph, scores, &order, &rank, NULL), 0);
    op_net_qkv(net, all, qkv);
    for (int i = 0; i < 3; i++)
        qkv[i] = pq_graph_pick(net->graph, qkv[i], order, NULL);
    const int y = pq_graph_run_attention(net->graph, qkv, heads, 1 + rng_below(r, 60), 0.7f, NULL);
    return pq_graph_pick(net->graph, y, rank, NULL);
}

static inline int op_net_group_norm(struct op_net *n, struct rng *r)
{
    const int groups = 1 + rng_below(r, 3), all = groups * (1 + rng_below(r, 4));
    op_net_begin(&n->net, all);
    const struct pq_tensor w = net_tensor(&n->net, r, 1, (const int64_t[]){all}, 2);
    const struct pq_tensor b = net_tensor(&n->net, r, 1, (const int64_t[]){all}, 2);
    return pq_graph_group_norm(n->net.graph, 0, groups, &w, &b, 1e-5f, NULL);
}

static const struct {
    const char *name;
    int (*build)(struct op_net *n, struct rng *r);
} op_nets[] = {{"shifted", op_net_shifted},   {"larger-keys", op_net_larger_keys},
               {"grid", op_net_grid},         {"folded", op_net_folded},
               {"channels", op_net_channels}, {"mix", op_net_mix},
               {"dysample", op_net_dysample}, {"pad", op_net_pad},
               {"crop", op_net_crop},         {"dictionary", op_net_dictionary},
               {"sorted", op_net_sorted},     {"group-norm", op_net_group_norm}};

/* net_free() it. */
static inline struct op_net op_net_make(size_t which, uint64_t seed)
{
    struct rng r = {seed * 131 + which};
    struct op_net n = {.width = 7 + rng_below(&r, 20), .height = 7 + rng_below(&r, 15)};
    const int output = op_nets[which].build(&n, &r);
    assert_true(output > 0);
    assert_int_equal(pq_graph_finish(n.net.graph, output, NULL), 0);
    return n;
}
