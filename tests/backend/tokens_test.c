/* SPDX-License-Identifier: MIT */
/* A dictionary of tokens, and pixels sorted by category, each against its definition in double. */
#include "picture.h"

enum { SEEDS = 30 };

static struct net net;
static int tokens, channels, heads, run;
static struct pq_tensor dictionary, weight, bias, factors, keep;

static void begin(struct rng *r, uint64_t seed, int in)
{
    *r = (struct rng){seed};
    net = (struct net){0};
    assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
    assert_int_equal(pq_graph_input(net.graph, in, NULL), 0);
}

static void finish(int output)
{
    assert_true(output > 0);
    assert_int_equal(pq_graph_finish(net.graph, output, NULL), 0);
}

/* Softmax over n scores that lie `step` apart, in place. */
static void softmax(double *s, int n, int step)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, s[i * step]);
    for (int i = 0; i < n; i++)
        sum += s[i * step] = exp(s[i * step] - most);
    for (int i = 0; i < n; i++)
        s[i * step] /= sum;
}

/* ---- the dictionary ---- */

/* The dictionary that the picture made, then looked up by the same picture, and blended. The
 * input's channels are the scores of the update, then the pixels. */
static struct picture looked_up(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    const int pixels = in->width * in->height;
    struct picture p = picture_new(in->width, in->height, channels), scores = *in;
    scores.data = calloc((size_t)(pixels * in->channels), sizeof(double));
    double *dict = calloc((size_t)(tokens * channels), sizeof *dict);
    assert_true(scores.data && dict);
    memcpy(scores.data, in->data, (size_t)(pixels * in->channels) * sizeof(double));
    for (int t = 0; t < tokens; t++) {
        softmax(scores.data + t, pixels, in->channels);
        const double stays = 1 / (1 + exp(-weight_at(&keep, (size_t)t)));
        double *token = dict + t * channels;
        for (int c = 0; c < channels; c++) {
            token[c] = stays * weight_at(&dictionary, (size_t)(t * channels + c));
            for (int i = 0; i < pixels; i++)
                token[c] += (1 - stays) * scores.data[i * in->channels + t] *
                            in->data[i * in->channels + tokens + c];
        }
    }
    for (int i = 0; i < pixels; i++) {
        double s[64];
        for (int t = 0; t < tokens; t++) {
            double norm = 0;
            s[t] = 0;
            for (int o = 0; o < channels; o++) {
                double key = weight_at(&bias, (size_t)o);
                for (int c = 0; c < channels; c++)
                    key += weight_at(&weight, (size_t)(o * channels + c)) * dict[t * channels + c];
                norm += key * key;
                s[t] += key * in->data[i * in->channels + tokens + o];
            }
            s[t] *= weight_at(&factors, (size_t)t) / fmax(sqrt(norm), 1e-12);
        }
        softmax(s, tokens, 1);
        for (int t = 0; t < tokens; t++) {
            for (int c = 0; c < channels; c++)
                p.data[i * channels + c] += s[t] * dict[t * channels + c];
        }
    }
    free(scores.data);
    free(dict);
    return p;
}

static void a_dictionary_is_changed_and_looked_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        tokens = 1 + rng_below(&r, 20);
        channels = 1 + rng_below(&r, 20);
        begin(&r, seed, tokens + channels);
        dictionary = net_tensor(&net, &r, 2, (const int64_t[]){tokens, channels}, 1);
        weight = net_tensor(&net, &r, 2, (const int64_t[]){channels, channels}, 1);
        bias = net_tensor(&net, &r, 1, (const int64_t[]){channels}, 1);
        factors = net_tensor(&net, &r, 1, (const int64_t[]){tokens}, 2);
        keep = net_tensor(&net, &r, 1, (const int64_t[]){tokens}, 2);
        const int scores = pq_graph_slice(net.graph, 0, 0, tokens, NULL);
        const int x = pq_graph_slice(net.graph, 0, tokens, channels, NULL);
        int dict = pq_graph_constant(net.graph, &dictionary, NULL);
        dict = pq_graph_tokens_update(net.graph, scores, x, dict, &keep, NULL);
        int keys = pq_graph_tokens_linear(net.graph, dict, tokens, &weight, &bias, NULL);
        keys = pq_graph_tokens_unit(net.graph, keys, tokens, &factors, NULL);
        const int shares = pq_graph_look_up(net.graph, x, keys, tokens, NULL);
        finish(pq_graph_blend(net.graph, shares, dict, NULL));
        check_graph(net.graph, &r, seed, 1 + rng_below(&r, 40), 1 + rng_below(&r, 30), looked_up,
                    5e-5);
        net_free(&net);
    }
}

/* ---- sorted pixels ---- */

static const struct picture *sorting;

static int category(int i)
{
    const double *s = sorting->data + (ptrdiff_t)i * sorting->channels;
    int best = 0;
    for (int t = 1; t < tokens; t++)
        best = s[t] > s[best] ? t : best;
    return best;
}

static int by_category(const void *a, const void *b)
{
    const int i = *(const int *)a, j = *(const int *)b, d = category(i) - category(j);
    return d ? d : i - j;
}

/* The input's channels are the scores, then q, k and v. */
static struct picture attended(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    const int pixels = in->width * in->height, dim = channels / heads;
    const int size = run < pixels ? run : pixels;
    struct picture p = picture_new(in->width, in->height, channels);
    int *order = calloc((size_t)(pixels + size), sizeof *order);
    assert_non_null(order);
    for (int i = 0; i < pixels; i++)
        order[i] = i;
    sorting = in;
    qsort(order, (size_t)pixels, sizeof *order, by_category);
    for (int i = pixels; i < pixels + size; i++)
        order[i] = order[2 * pixels - 1 - i];
    for (int i = 0; i < pixels * heads; i++) {
        const int head = i % heads, place = i / heads, first = place / size * size;
        const double *q = in->data + (ptrdiff_t)order[place] * in->channels + tokens + head * dim;
        double s[64];
        for (int k = 0; k < size; k++) {
            const double *key = in->data + (ptrdiff_t)order[first + k] * in->channels + tokens +
                                channels + head * dim;
            s[k] = 0;
            for (int c = 0; c < dim; c++)
                s[k] += 0.7 * q[c] * key[c];
        }
        softmax(s, size, 1);
        for (int k = 0; k < size; k++) {
            const double *v = in->data + (ptrdiff_t)order[first + k] * in->channels + tokens +
                              2 * channels + head * dim;
            for (int c = 0; c < dim; c++)
                p.data[order[place] * channels + head * dim + c] += s[k] * v[c];
        }
    }
    free(order);
    return p;
}

static void pixels_of_a_category_see_each_other(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2 * SEEDS; seed++) {
        struct rng r = {seed};
        tokens = 1 + rng_below(&r, 12);
        heads = 1 + rng_below(&r, 3);
        channels = heads * (1 + rng_below(&r, 6));
        run = 1 + rng_below(&r, 64);
        begin(&r, seed, tokens + 3 * channels);
        const int scores = pq_graph_slice(net.graph, 0, 0, tokens, NULL);
        int order, rank, qkv[3];
        assert_int_equal(pq_graph_sort(net.graph, scores, &order, &rank, NULL), 0);
        for (int i = 0; i < 3; i++) {
            const int part = pq_graph_slice(net.graph, 0, tokens + i * channels, channels, NULL);
            qkv[i] = pq_graph_pick(net.graph, part, order, NULL);
            assert_true(qkv[i] > 0);
        }
        const int at = pq_graph_run_attention(net.graph, qkv, heads, run, 0.7f, NULL);
        finish(pq_graph_pick(net.graph, at, rank, NULL));
        check_graph(net.graph, &r, seed, 1 + rng_below(&r, 40), 1 + rng_below(&r, 30), attended,
                    2e-5);
        net_free(&net);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct rng r;
    pique_error err;
    begin(&r, 1, 6);
    dictionary = net_tensor(&net, &r, 2, (const int64_t[]){4, 6}, 1);
    keep = net_tensor(&net, &r, 1, (const int64_t[]){4}, 1);
    struct pq_graph *g = net.graph;
    const int dict = pq_graph_constant(g, &dictionary, NULL);
    assert_true(dict > 0);
    assert_int_equal(pq_graph_look_up(g, 0, dict, 5, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_look_up(g, 0, dict, 3, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_look_up(g, dict, dict, 4, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_look_up(g, 0, 0, 1, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_blend(g, 0, 0, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_tokens_linear(g, dict, 4, &keep, NULL, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_tokens_unit(g, dict, 6, &keep, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_tokens_update(g, 0, 0, dict, &keep, &err), PIQUE_EFORMAT);
    assert_int_equal(pq_graph_pick(g, 0, 0, &err), PIQUE_EINTERNAL);
    assert_int_equal(pq_graph_run_attention(g, (const int[]){0, 0, 0}, 4, 9, 1, &err),
                     PIQUE_EFORMAT);
    assert_int_equal(pq_graph_run_attention(g, (const int[]){0, 0, dict}, 2, 9, 1, &err),
                     PIQUE_EFORMAT);
    int order, rank;
    assert_int_equal(pq_graph_sort(g, dict, &order, &rank, &err), PIQUE_EFORMAT);
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dictionary_is_changed_and_looked_up),
        cmocka_unit_test(pixels_of_a_category_see_each_other),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
