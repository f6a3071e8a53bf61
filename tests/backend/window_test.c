/* SPDX-License-Identifier: MIT */
/* Operations that slide a window, and those that change borders and sizes, each against its
 * definition in double, over odd sizes, bands, batches and threads. */
#include "picture.h"

enum { SEEDS = 60 };

static void begin(struct net *net, int channels)
{
    *net = (struct net){0};
    assert_int_equal(pq_graph_new(&net->graph, NULL), 0);
    assert_int_equal(pq_graph_input(net->graph, channels, NULL), 0);
}

static void finish(struct net *net, int output)
{
    assert_true(output > 0);
    assert_int_equal(pq_graph_finish(net->graph, output, NULL), 0);
}

/* ---- convolutions ---- */

/* What PyTorch's Conv2d says. */
static struct pq_conv_shape shape;
static struct pq_tensor weight, bias;

static struct picture convolve(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    int out = (int)weight.shape[0], per = (int)weight.shape[1];
    int kh = (int)weight.shape[2], kw = (int)weight.shape[3], groups = shape.groups;
    int height =
        (in->height + shape.top + shape.bottom - shape.dilation_y * (kh - 1) - 1) / shape.stride_y +
        1;
    int width =
        (in->width + shape.left + shape.right - shape.dilation_x * (kw - 1) - 1) / shape.stride_x +
        1;
    struct picture p = picture_new(width, height, out);
    for (int i = 0; i < width * height * out; i++) {
        int o = i % out, x = i / out % width, y = i / out / width;
        double sum = weight_at(&bias, (size_t)o);
        for (int c = 0; c < per; c++) {
            for (int k = 0; k < kh * kw; k++)
                sum += weight_at(&weight, (size_t)((o * per + c) * kh * kw + k)) *
                       value(in, x * shape.stride_x - shape.left + k % kw * shape.dilation_x,
                             y * shape.stride_y - shape.top + k / kw * shape.dilation_y,
                             o / (out / groups) * per + c);
        }
        p.data[i] = sum;
    }
    return p;
}

static void a_convolution_of_any_shape_is_its_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        struct net net;
        int groups = rng_below(&r, 3) ? 1 : 1 + rng_below(&r, 4), per = 1 + rng_below(&r, 6);
        int outs = groups * (1 + rng_below(&r, 8));
        if (groups > 1 && rng_below(&r, 2))
            per = 1, outs = groups; /* each channel alone */
        int kh = 1 + rng_below(&r, 5), kw = 1 + rng_below(&r, 5), stride = 1 + rng_below(&r, 3);
        shape = (struct pq_conv_shape){stride,
                                       stride,
                                       1 + rng_below(&r, 3),
                                       1 + rng_below(&r, 3),
                                       rng_below(&r, 4),
                                       rng_below(&r, 4),
                                       rng_below(&r, 4),
                                       rng_below(&r, 4),
                                       groups};
        begin(&net, groups * per);
        weight = net_tensor(&net, &r, 4, (const int64_t[]){outs, per, kh, kw}, 0.3f);
        bias = net_tensor(&net, &r, 1, (const int64_t[]){outs}, 1);
        finish(&net, pq_graph_conv(net.graph, 0, &weight, &bias, &shape, NULL));
        check_graph(net.graph, &r, seed, (kw - 1) * shape.dilation_x + 1 + rng_below(&r, 120),
                    (kh - 1) * shape.dilation_y + 1 + rng_below(&r, 20), convolve, 1e-5);
        net_free(&net);
    }
}

static int deconv_stride, deconv_padding;

static struct picture spread(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    int out = (int)weight.shape[1], k = (int)weight.shape[2], s = deconv_stride;
    int less = k - 2 * deconv_padding;
    struct picture p = picture_new((in->width - 1) * s + less, (in->height - 1) * s + less, out);
    for (int i = 0; i < p.width * p.height * out; i++)
        p.data[i] = weight_at(&bias, (size_t)(i % out));
    for (int i = 0; i < in->width * in->height * k * k; i++) {
        int x = i / (k * k) % in->width, y = i / (k * k) / in->width;
        int to_x = x * s - deconv_padding + i % k, to_y = y * s - deconv_padding + i / k % k;
        if (to_x < 0 || to_y < 0 || to_x >= p.width || to_y >= p.height)
            continue;
        for (int c = 0; c < in->channels; c++) {
            for (int o = 0; o < out; o++)
                pixel(&p, to_x, to_y)[o] +=
                    pixel(in, x, y)[c] *
                    weight_at(&weight, (size_t)((c * out + o) * k * k + i % (k * k)));
        }
    }
    return p;
}

static void a_transposed_convolution_is_its_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        struct net net;
        int channels = 1 + rng_below(&r, 6), outs = 1 + rng_below(&r, 6);
        deconv_stride = 1 + rng_below(&r, 3);
        int k = deconv_stride + rng_below(&r, 4);
        deconv_padding = rng_below(&r, k);
        begin(&net, channels);
        weight = net_tensor(&net, &r, 4, (const int64_t[]){channels, outs, k, k}, 0.3f);
        bias = net_tensor(&net, &r, 1, (const int64_t[]){outs}, 1);
        finish(&net,
               pq_graph_deconv(net.graph, 0, &weight, &bias, deconv_stride, deconv_padding, NULL));
        check_graph(net.graph, &r, seed, 2 * k + rng_below(&r, 40), 2 * k + rng_below(&r, 20),
                    spread, 1e-5);
        net_free(&net);
    }
}

/* ---- borders ---- */

static enum pq_pad_mode mode;
static int sides[4], multiple; /* top, left, bottom, right */

static int reflected(int i, int n)
{
    while (i < 0 || i >= n) {
        if (n == 1)
            return 0;
        i = i < 0 ? -i : 2 * (n - 1) - i;
    }
    return i;
}

static int source(int i, int n)
{
    if (mode == PQ_PAD_REFLECT)
        return reflected(i, n);
    if (mode == PQ_PAD_MIRROR) {
        i = (i % (2 * n) + 2 * n) % (2 * n);
        return i < n ? i : 2 * n - 1 - i;
    }
    if (mode == PQ_PAD_WRAP)
        return (i % n + n) % n;
    return mode == PQ_PAD_ZERO ? i : i < 0 ? 0 : i >= n ? n - 1 : i;
}

static struct picture padded(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    int width = (in->width + multiple - 1) / multiple * multiple + sides[1] + sides[3];
    int height = (in->height + multiple - 1) / multiple * multiple + sides[0] + sides[2];
    struct picture p = picture_new(width, height, in->channels);
    for (int i = 0; i < width * height * in->channels; i++)
        p.data[i] =
            value(in, source(i / in->channels % width - sides[1], in->width),
                  source(i / in->channels / width - sides[0], in->height), i % in->channels);
    return p;
}

static void padding_is_its_definition_even_around_a_single_pixel(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3 * SEEDS; seed++) {
        struct rng r = {seed};
        struct net net;
        mode = (enum pq_pad_mode)rng_below(&r, 5);
        multiple = 1 + rng_below(&r, 3) * rng_below(&r, 8);
        for (int i = 0; i < 4; i++)
            sides[i] = rng_below(&r, 3) * rng_below(&r, 12);
        begin(&net, 1 + rng_below(&r, 4));
        finish(&net, pq_graph_pad4(net.graph, 0, mode, sides[0], sides[1], sides[2], sides[3],
                                   multiple, NULL));
        check_graph(net.graph, &r, seed, 1 + rng_below(&r, 30), 1 + rng_below(&r, 30), padded, 0);
        net_free(&net);
    }
}

static int border;

static struct picture cropped(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    struct picture p = picture_new(in->width - 2 * border, in->height - 2 * border, in->channels);
    for (int i = 0; i < p.width * p.height * p.channels; i++)
        p.data[i] = value(in, i / p.channels % p.width + border, i / p.channels / p.width + border,
                          i % p.channels);
    return p;
}

/* A padding to a multiple, and back. */
static struct picture same(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    border = 0;
    return cropped(g, in);
}

static void a_crop_takes_off_what_it_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        struct net net;
        border = rng_below(&r, 9);
        begin(&net, 1 + rng_below(&r, 20));
        finish(&net, pq_graph_crop(net.graph, 0, border, NULL));
        check_graph(net.graph, &r, seed, 2 * border + 1 + rng_below(&r, 30),
                    2 * border + 1 + rng_below(&r, 30), cropped, 0);
        net_free(&net);
        begin(&net, 3);
        int at = pq_graph_pad(net.graph, 0, PQ_PAD_REFLECT, 0, 1 + rng_below(&r, 30), NULL);
        finish(&net, pq_graph_crop_like(net.graph, at, 0, 1, 1, NULL));
        check_graph(net.graph, &r, seed, 1 + rng_below(&r, 30), 1 + rng_below(&r, 30), same, 0);
        net_free(&net);
    }
}

/* ---- pools and sizes ---- */

static int pool_kernel, pool_stride;
static bool largest;

static struct picture pooled(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    struct picture p = picture_new((in->width - pool_kernel) / pool_stride + 1,
                                   (in->height - pool_kernel) / pool_stride + 1, in->channels);
    for (int i = 0; i < p.width * p.height * p.channels; i++) {
        double most = -INFINITY, sum = 0;
        for (int k = 0; k < pool_kernel * pool_kernel; k++) {
            double v =
                value(in, i / p.channels % p.width * pool_stride + k % pool_kernel,
                      i / p.channels / p.width * pool_stride + k / pool_kernel, i % p.channels);
            most = fmax(most, v);
            sum += v;
        }
        p.data[i] = largest ? most : sum / (pool_kernel * pool_kernel);
    }
    return p;
}

static void a_pool_is_its_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        struct net net;
        largest = rng_below(&r, 2);
        pool_kernel = 1 + rng_below(&r, 7);
        pool_stride = 1 + rng_below(&r, 4);
        begin(&net, 1 + rng_below(&r, 20));
        finish(&net, pq_graph_pool(net.graph, 0, largest ? PQ_OP_MAX_POOL : PQ_OP_MEAN_POOL,
                                   pool_kernel, pool_stride, NULL));
        check_graph(net.graph, &r, seed, pool_kernel + rng_below(&r, 40),
                    pool_kernel + rng_below(&r, 20), pooled, 1e-6);
        net_free(&net);
    }
}

/* Shrunk by a pool of one pixel, then brought back: PyTorch's interpolate(mode="bilinear"). */
static struct picture shrunk_and_back(const struct pq_graph *g, const struct picture *in)
{
    struct picture small = pooled(g, in), p = picture_new(in->width, in->height, in->channels);
    for (int i = 0; i < p.width * p.height * p.channels; i++) {
        double x = fmax(0, (i / p.channels % p.width + 0.5) * small.width / p.width - 0.5);
        double y = fmax(0, (i / p.channels / p.width + 0.5) * small.height / p.height - 0.5);
        int x0 = (int)x, y0 = (int)y, c = i % p.channels;
        int x1 = x0 + (x0 < small.width - 1), y1 = y0 + (y0 < small.height - 1);
        double above =
            value(&small, x0, y0, c) * (1 - (x - x0)) + value(&small, x1, y0, c) * (x - x0);
        double below =
            value(&small, x0, y1, c) * (1 - (x - x0)) + value(&small, x1, y1, c) * (x - x0);
        p.data[i] = above * (1 - (y - y0)) + below * (y - y0);
    }
    free(small.data);
    return p;
}

static void bilinear_is_its_definition_at_any_ratio(void **state)
{
    (void)state;
    largest = true;
    pool_kernel = 1;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        struct net net;
        pool_stride = 1 + rng_below(&r, 5);
        begin(&net, 1 + rng_below(&r, 5));
        int at = pq_graph_pool(net.graph, 0, PQ_OP_MAX_POOL, 1, pool_stride, NULL);
        finish(&net, pq_graph_bilinear(net.graph, at, 0, NULL));
        check_graph(net.graph, &r, seed, 1 + rng_below(&r, 40), 1 + rng_below(&r, 40),
                    shrunk_and_back, 1e-5);
        net_free(&net);
    }
}

/* A shuffle of what was unshuffled is what it was. */
static void an_unshuffle_is_the_way_back_of_a_shuffle(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        struct net net;
        int factor = 1 + rng_below(&r, 4);
        begin(&net, 1 + rng_below(&r, 5));
        int at = pq_graph_pixel_unshuffle(net.graph, 0, factor, NULL);
        finish(&net, pq_graph_pixel_shuffle(net.graph, at, factor, NULL));
        check_graph(net.graph, &r, seed, factor * (1 + rng_below(&r, 9)),
                    factor * (1 + rng_below(&r, 9)), same, 0);
        net_free(&net);
    }
}

static void sizes_that_do_not_fit_are_refused_with_a_sentence(void **state)
{
    (void)state;
    struct net net;
    struct rng r = {1};
    pique_error err;
    struct pq_line lines[8];
    begin(&net, 3);
    struct pq_tensor w = net_tensor(&net, &r, 4, (const int64_t[]){3, 3, 3, 3}, 1);
    int valid = pq_graph_conv(net.graph, 0, &w, NULL, &(struct pq_conv_shape){0}, NULL);
    finish(&net, pq_graph_add(net.graph, valid, 0, 1, NULL));
    assert_int_equal(pq_plan_lines(net.graph, NULL, &(struct pq_geometry){1, 9, 9, 1}, lines, &err),
                     PIQUE_EFORMAT);
    assert_non_null(strstr(err.message, "7 x 7"));
    assert_int_equal(pq_plan_lines(net.graph, NULL, &(struct pq_geometry){1, 2, 9, 1}, lines, &err),
                     PIQUE_EINVAL);
    assert_non_null(strstr(err.message, "too few"));
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_of_any_shape_is_its_definition),
        cmocka_unit_test(a_transposed_convolution_is_its_definition),
        cmocka_unit_test(padding_is_its_definition_even_around_a_single_pixel),
        cmocka_unit_test(a_crop_takes_off_what_it_says),
        cmocka_unit_test(a_pool_is_its_definition),
        cmocka_unit_test(bilinear_is_its_definition_at_any_ratio),
        cmocka_unit_test(an_unshuffle_is_the_way_back_of_a_shuffle),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused_with_a_sentence),
    };
    return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
