/* SPDX-License-Identifier: MIT */
/* Statistics over the whole picture and attention, each against its definition in double. Shifted
 * windows are held against the way in which they were published: roll, cut, mask, roll back. */
#include "picture.h"

enum { SEEDS = 40 };

static struct net net;

static void begin(struct rng *r, uint64_t seed, int channels)
{
    *r = (struct rng){seed};
    net = (struct net){0};
    assert_int_equal(pq_graph_new(&net.graph, NULL), 0);
    assert_int_equal(pq_graph_input(net.graph, channels, NULL), 0);
}

static void finish(int output)
{
    assert_true(output > 0);
    assert_int_equal(pq_graph_finish(net.graph, output, NULL), 0);
}

/* ---- means and norms ---- */

static struct pq_tensor weight, bias;
static int groups;

static struct picture gated(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    struct picture p = picture_new(in->width, in->height, in->channels);
    int pixels = in->width * in->height;
    for (int c = 0; c < in->channels; c++) {
        double mean = 0;
        for (int i = 0; i < pixels; i++)
            mean += in->data[i * in->channels + c] / pixels;
        for (int i = 0; i < pixels; i++)
            p.data[i * in->channels + c] = in->data[i * in->channels + c] * mean + mean;
    }
    return p;
}

static void a_mean_reaches_every_pixel(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r;
        begin(&r, seed, 1 + (int)(seed % 20));
        int mean = pq_graph_mean(net.graph, 0, NULL);
        int at = pq_graph_mul(net.graph, mean, 0, NULL);
        finish(pq_graph_add(net.graph, mean, at, 1, NULL));
        check_graph(net.graph, &r, seed, 1 + rng_below(&r, 60), 1 + rng_below(&r, 30), gated, 1e-6);
        net_free(&net);
    }
}

static struct picture normed(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    struct picture p = picture_new(in->width, in->height, in->channels);
    int pixels = in->width * in->height, size = in->channels / groups;
    for (int first = 0; first < in->channels; first += size) {
        double mean = 0, var = 0;
        for (int i = 0; i < pixels * size; i++)
            mean += in->data[i / size * in->channels + first + i % size] / (pixels * size);
        for (int i = 0; i < pixels * size; i++)
            var += pow(in->data[i / size * in->channels + first + i % size] - mean, 2) /
                   (pixels * size);
        for (int i = 0; i < pixels * size; i++) {
            int c = first + i % size, at = i / size * in->channels + c;
            p.data[at] = (in->data[at] - mean) / sqrt(var + 0.001) * weight_at(&weight, (size_t)c) +
                         weight_at(&bias, (size_t)c);
        }
    }
    return p;
}

static void a_group_norm_is_its_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        groups = 1 + rng_below(&r, 4);
        int channels = groups * (1 + rng_below(&r, 5));
        begin(&r, seed, channels);
        weight = net_tensor(&net, &r, 1, (const int64_t[]){channels}, 1);
        bias = net_tensor(&net, &r, 1, (const int64_t[]){channels}, 1);
        finish(pq_graph_group_norm(net.graph, 0, groups, &weight, &bias, 0.001f, NULL));
        check_graph(net.graph, &r, seed, 1 + rng_below(&r, 60), 1 + rng_below(&r, 30), normed,
                    2e-5);
        net_free(&net);
    }
}

/* ---- channels over the whole picture ---- */

/* Softmax over n scores in place. */
static void softmax(double *s, int n)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, s[i]);
    for (int i = 0; i < n; i++)
        sum += s[i] = exp(s[i] - most);
    for (int i = 0; i < n; i++)
        s[i] /= sum;
}

/* Attention among the channels first .. first + dim - 1 over some pixels; the input holds q, k and
 * v one behind another, of `all` channels each. */
static void mix_channels(const struct picture *in, const int *pixels, int count, int first, int dim,
                         int all, double temperature, struct picture *out)
{
    double *s = calloc((size_t)dim, sizeof *s);
    assert_non_null(s);
    for (int i = 0; i < dim; i++) {
        for (int j = 0; j < dim; j++) {
            double qq = 0, kk = 0, qk = 0;
            for (int t = 0; t < count; t++) {
                const double *p = in->data + (ptrdiff_t)pixels[t] * in->channels;
                double q = p[first + i], k = p[all + first + j];
                qq += q * q;
                kk += k * k;
                qk += q * k;
            }
            s[j] = temperature * qk / (fmax(sqrt(qq), 1e-12) * fmax(sqrt(kk), 1e-12));
        }
        softmax(s, dim);
        for (int t = 0; t < count; t++) {
            const double *p = in->data + (ptrdiff_t)pixels[t] * in->channels;
            double sum = 0;
            for (int j = 0; j < dim; j++)
                sum += s[j] * p[2 * all + first + j];
            out->data[(ptrdiff_t)pixels[t] * all + first + i] = sum;
        }
    }
    free(s);
}

static int heads;
static struct pq_attention windows;

static struct picture mixed(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    int all = in->channels / 3, count = in->width * in->height;
    struct picture p = picture_new(in->width, in->height, all);
    int *pixels = calloc((size_t)count, sizeof *pixels);
    assert_non_null(pixels);
    for (int i = 0; i < count; i++)
        pixels[i] = i;
    for (int h = 0; h < heads; h++)
        mix_channels(in, pixels, count, h * (all / heads), all / heads, all,
                     weight_at(&weight, (size_t)h), &p);
    free(pixels);
    return p;
}

/* q, k and v as slices of the input. */
static void slices(int all, int qkv[3])
{
    for (int i = 0; i < 3; i++)
        assert_true((qkv[i] = pq_graph_slice(net.graph, 0, i * all, all, NULL)) > 0);
}

static void a_channel_mix_is_its_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        heads = 1 + rng_below(&r, 3);
        int all = heads * (1 + rng_below(&r, 9)), qkv[3];
        begin(&r, seed, 3 * all);
        slices(all, qkv);
        weight = net_tensor(&net, &r, 1, (const int64_t[]){heads}, 3);
        finish(pq_graph_channel_mix(net.graph, qkv[0], qkv[1], qkv[2], heads, &weight, NULL));
        check_graph(net.graph, &r, seed, 1 + rng_below(&r, 40), 1 + rng_below(&r, 20), mixed, 2e-5);
        net_free(&net);
    }
}

/* The pixels of the window that holds (x, y), and their number. */
static int pixels_of_window(const struct picture *in, int x, int y, int *pixels)
{
    const int h = windows.height, w = windows.width;
    int count = 0;
    for (int i = 0; i < in->width * in->height; i++) {
        int px = i % in->width, py = i / in->width;
        int down = in->height / h, across = in->width / w; /* between pixels of a grid */
        bool together = windows.grid ? px % across == x % across && py % down == y % down
                                     : px / w == x / w && py / h == y / h;
        if (together)
            pixels[count++] = i;
    }
    return count;
}

static struct picture mixed_in_windows(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    int all = in->channels / 3, dim = all / heads;
    struct picture p = picture_new(in->width, in->height, all);
    int *pixels = calloc((size_t)(in->width * in->height), sizeof *pixels);
    assert_non_null(pixels);
    for (int i = 0; i < in->width * in->height; i++) {
        int count = pixels_of_window(in, i % in->width, i / in->width, pixels);
        for (int h = 0; h < heads && pixels[0] == i; h++) /* once a window */
            mix_channels(in, pixels, count, h * dim, dim, all, weight_at(&weight, (size_t)h), &p);
    }
    free(pixels);
    return p;
}

static void channel_attention_in_windows_is_its_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        heads = 1 + rng_below(&r, 3);
        int all = heads * (1 + rng_below(&r, 6)), qkv[3];
        int h = 1 + rng_below(&r, 5), w = 1 + rng_below(&r, 5);
        windows = (struct pq_attention){.heads = heads,
                                        .height = h,
                                        .width = w,
                                        .key_height = h,
                                        .key_width = w,
                                        .grid = rng_below(&r, 2)};
        begin(&r, seed, 3 * all);
        slices(all, qkv);
        weight = net_tensor(&net, &r, 1, (const int64_t[]){heads}, 3);
        finish(
            pq_graph_channel_attention(net.graph, qkv[0], qkv[1], qkv[2], &windows, &weight, NULL));
        int width = windows.grid ? w * (1 + rng_below(&r, 5)) : 1 + rng_below(&r, 20);
        int height = windows.grid ? h * (1 + rng_below(&r, 5)) : 1 + rng_below(&r, 20);
        check_graph(net.graph, &r, seed, width, height, mixed_in_windows, 5e-5);
        net_free(&net);
    }
}

/* ---- attention in windows ---- */

/* One axis as it was published: n pixels, padded to `padded`, rolled by -shift and cut into windows
 * of `size`. The rolled place of a pixel, and the band of the mask that it lies in. */
struct axis {
    int n, padded, size, keys, shift;
};

static struct axis axis_of(int n, int size, int keys, int shift)
{
    int padded = windows.multiple ? (n + windows.multiple - 1) / windows.multiple * windows.multiple
                                  : (n + size - 1) / size * size;
    return (struct axis){n, padded, size, keys, shift};
}

static int rolled(const struct axis *a, int i)
{
    return (i - a->shift + a->padded) % a->padded;
}

static int band(const struct axis *a, int place)
{
    if (a->shift == 0)
        return 0;
    return place < a->padded - a->size ? 0 : place < a->padded - a->shift ? 1 : 2;
}

/* Whether pixel q sees the k'th key of its window; *pixel is which pixel that is, or -1 for zeros.
 */
static bool sees(const struct axis *a, int q, int k, int *pixel, int *place)
{
    int at = rolled(a, q), reach = (a->keys - a->size) / 2,
        key = at / a->size * a->size + k - reach;
    *place = at % a->size;
    if (reach) { /* larger windows of keys are never shifted */
        *pixel = key >= 0 && key < a->n ? key : -1;
        return true;
    }
    *pixel = (key + a->shift) % a->padded;
    if (*pixel >= a->n) {
        *pixel = -1;
        if (!windows.multiple)
            return false; /* only there because the definition wants whole windows */
    }
    return band(a, at) == band(a, key);
}

static struct picture attended(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    const struct pq_attention *w = &windows;
    int all = in->channels / 3, dim = all / heads, keys = w->key_height * w->key_width;
    struct axis ay = axis_of(in->height, w->height, w->key_height, w->shift_y);
    struct axis ax = axis_of(in->width, w->width, w->key_width, w->shift_x);
    struct picture p = picture_new(in->width, in->height, all);
    double *s = calloc((size_t)keys, sizeof *s);
    int *from = calloc((size_t)keys, sizeof *from);
    assert_true(s && from);
    for (int i = 0; i < in->width * in->height * heads; i++) {
        int h = i % heads, x = i / heads % in->width, y = i / heads / in->width;
        const double *q = pixel(in, x, y) + h * dim;
        for (int k = 0; k < keys; k++) {
            int ky, kx, py, px;
            bool seen = sees(&ay, y, k / w->key_width, &ky, &py);
            seen = sees(&ax, x, k % w->key_width, &kx, &px) && seen;
            from[k] = ky < 0 || kx < 0 ? -1 : ky * in->width + kx;
            s[k] = seen ? 0 : -INFINITY;
            for (int c = 0; c < dim && seen && from[k] >= 0; c++)
                s[k] +=
                    (double)w->scale * q[c] * in->data[from[k] * in->channels + all + h * dim + c];
            if (seen && w->index)
                s[k] += weight_at(&weight,
                                  (size_t)(w->index[(py * w->width + px) * keys + k] * heads + h));
        }
        softmax(s, keys);
        for (int k = 0; k < keys; k++) {
            for (int c = 0; c < dim && from[k] >= 0 && s[k] > 0; c++)
                pixel(&p, x, y)[h * dim + c] +=
                    s[k] * in->data[from[k] * in->channels + 2 * all + h * dim + c];
        }
    }
    free(s);
    free(from);
    return p;
}

/* Keys of every 2 x 2 pixels, as SRFormer's windows have them: what was published rolls the
 * picture, cuts windows, makes one key of each 2 x 2 pixels, and masks by the regions of a picture
 * of half the size. Only even shifts: those keys are made of neighbours. The input's channels are
 * q, then a quarter of k and of v. */
static struct picture folded(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    const struct pq_attention *w = &windows;
    const int all = in->channels / 3 * 2, quarter = all / 4, dim = all / heads;
    const int half_h = w->height / 2, half_w = w->width / 2, keys = half_h * half_w;
    const struct axis qy = axis_of(in->height, w->height, w->height, w->shift_y);
    const struct axis qx = axis_of(in->width, w->width, w->width, w->shift_x);
    const struct axis ky = axis_of(in->height / 2, half_h, half_h, w->shift_y / 2);
    const struct axis kx = axis_of(in->width / 2, half_w, half_w, w->shift_x / 2);
    struct picture p = picture_new(in->width, in->height, all);
    double *s = calloc((size_t)keys, sizeof *s), *k = calloc((size_t)(2 * keys * all), sizeof *k);
    assert_true(s && k);
    for (int i = 0; i < in->width * in->height; i++) {
        const int x = i % in->width, y = i / in->width;
        const int ry = rolled(&qy, y), rx = rolled(&qx, x);
        for (int j = 0; j < keys; j++) {
            const int ty = ry / w->height * half_h + j / half_w;
            const int tx = rx / w->width * half_w + j % half_w;
            s[j] = band(&qy, ry) == band(&ky, ty) && band(&qx, rx) == band(&kx, tx) ? 0 : -INFINITY;
            for (int c = 0; c < 2 * all; c++) {
                const int place = c % all / quarter;
                const double *from = pixel(in, (2 * tx + place % 2 + w->shift_x) % in->width,
                                           (2 * ty + place / 2 + w->shift_y) % in->height);
                k[j * 2 * all + c] = from[all + c / all * quarter + c % quarter];
            }
        }
        for (int h = 0; h < heads; h++) {
            double t[64 * 64];
            for (int j = 0; j < keys; j++) {
                t[j] = s[j];
                for (int c = h * dim; c < (h + 1) * dim; c++)
                    t[j] += (double)w->scale * pixel(in, x, y)[c] * k[j * 2 * all + c];
            }
            softmax(t, keys);
            for (int j = 0; j < keys; j++) {
                for (int c = h * dim; c < (h + 1) * dim; c++)
                    pixel(&p, x, y)[c] += t[j] * k[(j * 2 + 1) * all + c];
            }
        }
    }
    free(s);
    free(k);
    return p;
}

static void attention_with_folded_keys_is_roll_fold_and_mask(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        const int h = 2 * (1 + rng_below(&r, 3)), w = 2 * (1 + rng_below(&r, 3));
        heads = 1 + rng_below(&r, 3);
        const int all = 4 * heads * (1 + rng_below(&r, 3));
        windows = (struct pq_attention){.heads = heads,
                                        .height = h,
                                        .width = w,
                                        .key_height = h / 2,
                                        .key_width = w / 2,
                                        .shift_y = 2 * rng_below(&r, h / 2),
                                        .shift_x = 2 * rng_below(&r, w / 2),
                                        .fold = 2,
                                        .scale = 0.7f};
        begin(&r, seed, all / 2 * 3);
        int qkv[3] = {pq_graph_slice(net.graph, 0, 0, all, NULL)};
        for (int i = 1; i < 3; i++) {
            const int part = pq_graph_slice(net.graph, 0, all + (i - 1) * (all / 4), all / 4, NULL);
            qkv[i] = pq_graph_pixel_unshuffle_by_place(net.graph, part, 2, NULL);
        }
        finish(pq_graph_attention(net.graph, qkv[0], qkv[1], qkv[2], &windows, NULL, NULL));
        check_graph(net.graph, &r, seed, w * (1 + rng_below(&r, 5)), h * (1 + rng_below(&r, 5)),
                    folded, 2e-5);
        net_free(&net);
    }
}

static void check_attention(struct rng *r, uint64_t seed, int width, int height)
{
    int all = heads * (1 + rng_below(r, 9)), qkv[3];
    int keys = windows.key_height * windows.key_width, rows = 1 + rng_below(r, 50);
    begin(r, seed, 3 * all);
    slices(all, qkv);
    windows.heads = heads;
    windows.scale = 0.7f;
    if (rng_below(r, 4)) {
        size_t count = (size_t)(windows.height * windows.width) * (size_t)keys;
        int32_t *index = pq_graph_own(net.graph, count * sizeof *index);
        assert_non_null(index);
        for (size_t i = 0; i < count; i++)
            index[i] = rng_below(r, rows);
        windows.index = index;
        weight = net_tensor(&net, r, 2, (const int64_t[]){rows, heads}, 2);
    }
    finish(pq_graph_attention(net.graph, qkv[0], qkv[1], qkv[2], &windows,
                              windows.index ? &weight : NULL, NULL));
    check_graph(net.graph, r, seed, width, height, attended, 2e-5);
    net_free(&net);
}

static void attention_in_shifted_windows_is_roll_and_mask(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2 * SEEDS; seed++) {
        struct rng r = {seed};
        int h = 1 + rng_below(&r, 6), w = 1 + rng_below(&r, 6);
        heads = 1 + rng_below(&r, 3);
        windows = (struct pq_attention){.height = h,
                                        .width = w,
                                        .key_height = h,
                                        .key_width = w,
                                        .shift_y = rng_below(&r, h),
                                        .shift_x = rng_below(&r, w)};
        int width = w * (1 + rng_below(&r, 5)), height = h * (1 + rng_below(&r, 5));
        if (rng_below(&r, 2)) { /* zeros up to a multiple count */
            windows.multiple = h * w;
            width = 1 + rng_below(&r, 30);
            height = 1 + rng_below(&r, 30);
        }
        check_attention(&r, seed, width, height);
    }
}

static void attention_with_larger_windows_of_keys_sees_zeros_outside(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        int h = 1 + rng_below(&r, 5), w = 1 + rng_below(&r, 5);
        heads = 1 + rng_below(&r, 3);
        windows = (struct pq_attention){.height = h,
                                        .width = w,
                                        .key_height = h + 2 * (1 + rng_below(&r, 2)),
                                        .key_width = w + 2 * (1 + rng_below(&r, 2))};
        check_attention(&r, seed, w * (1 + rng_below(&r, 5)), h * (1 + rng_below(&r, 5)));
    }
}

/* ---- dysample ---- */

static int factor;

static struct picture sampled(const struct pq_graph *g, const struct picture *in)
{
    (void)g;
    int area = groups * factor * factor, channels = in->channels - 2 * area;
    int dim = channels / groups;
    struct picture p = picture_new(in->width * factor, in->height * factor, channels);
    for (int i = 0; i < p.width * p.height * channels; i++) {
        int c = i % channels, x = i / channels % p.width, y = i / channels / p.width;
        int place = c / dim * factor * factor + y % factor * factor + x % factor;
        const double *offsets = pixel(in, x / factor, y / factor) + channels;
        double sx = fmin(fmax(x / factor + offsets[place], 0), in->width - 1);
        double sy = fmin(fmax(y / factor + offsets[area + place], 0), in->height - 1);
        int x0 = (int)sx, y0 = (int)sy;
        int x1 = x0 + (x0 < in->width - 1), y1 = y0 + (y0 < in->height - 1);
        double tx = sx - x0, ty = sy - y0;
        p.data[i] = (value(in, x0, y0, c) * (1 - tx) + value(in, x1, y0, c) * tx) * (1 - ty) +
                    (value(in, x0, y1, c) * (1 - tx) + value(in, x1, y1, c) * tx) * ty;
    }
    return p;
}

static void dysample_reads_where_it_is_told(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        factor = 1 + rng_below(&r, 3);
        groups = 1 + rng_below(&r, 3);
        int channels = groups * (1 + rng_below(&r, 4)), offsets = 2 * groups * factor * factor;
        begin(&r, seed, channels + offsets);
        int x = pq_graph_slice(net.graph, 0, 0, channels, NULL);
        int to = pq_graph_slice(net.graph, 0, channels, offsets, NULL);
        finish(pq_graph_dysample(net.graph, x, to, factor, groups, NULL));
        check_graph(net.graph, &r, seed, 1 + rng_below(&r, 20), 1 + rng_below(&r, 20), sampled,
                    1e-4);
        net_free(&net);
    }
}

/* ---- memory ---- */

/* Of many norms in a row only a few whole maps live at one time. */
static void whole_maps_share_memory(void **state)
{
    (void)state;
    size_t bytes[2];
    for (int i = 0; i < 2; i++) {
        struct rng r;
        begin(&r, 1, 16);
        int at = 0;
        for (int n = 0; n < (i ? 40 : 4); n++)
            at = pq_graph_add(net.graph, at,
                              pq_graph_group_norm(net.graph, at, 4, NULL, NULL, 0.1f, NULL), 1,
                              NULL);
        finish(at);
        struct pq_pool *pool;
        struct pq_program *program;
        assert_int_equal(pq_pool_create(1, &pool, NULL), 0);
        struct pq_device_options options = {.id = TEST_DEVICE, .pool = pool};
        assert_int_equal(pq_program_compile(net.graph, &options, &program, NULL), 0);
        assert_int_equal(
            pq_program_memory(program, &(struct pq_geometry){1, 100, 300, 8}, &bytes[i], NULL), 0);
        pq_program_release(&program);
        pq_pool_destroy(&pool);
        net_free(&net);
    }
    assert_true(bytes[1] < bytes[0] * 5 / 4);
    assert_true(bytes[0] < 5 * 100 * 300 * 16 * sizeof(float));
}

/* Run a whole picture through a program, all rows in one band. The run is the caller's. */
static struct pq_run *run_once(struct pq_program *program, const struct pq_geometry *geometry,
                               const struct pq_given *given, float *in, float *out, bool on_disk)
{
    struct pq_run *run;
    const int channels = program->graph->ops[0].channels;
    const ptrdiff_t row = (ptrdiff_t)geometry->width * channels;
    int done = 0, got, fed = 0;
    assert_int_equal(pq_run_begin(program, geometry, on_disk, &run, NULL), 0);
    pq_run_give(run, given);
    while (!pq_run_finished(run)) {
        const int count = PQ_MIN(geometry->band, geometry->height - fed);
        const struct pq_band from = {in + fed * row, row, row * geometry->height};
        const struct pq_band to = {out + done * row, row, row * geometry->height};
        assert_int_equal(pq_run_step(run, &from, count, &to, &got, NULL), 0);
        fed += count;
        done += got;
    }
    return run;
}

/* Every kind of statistic, on maps that are needed again behind it. */
static void build_all_statistics(struct rng *r, uint64_t seed)
{
    begin(r, seed, 12);
    weight = net_tensor(&net, r, 1, (const int64_t[]){3}, 2);
    int at = net_conv(&net, r, 0, 12, 3);
    at = pq_graph_group_norm(net.graph, at, 3, NULL, NULL, 0.1f, NULL);
    at = pq_graph_add(net.graph, at, 0, 1, NULL);
    at = pq_graph_mul(net.graph, at, pq_graph_mean(net.graph, at, NULL), NULL);
    at = net_conv(&net, r, at, 12, 3);
    at = pq_graph_mul(net.graph, net_conv(&net, r, at, 12, 3), pq_graph_mean(net.graph, at, NULL),
                      NULL);
    finish(pq_graph_channel_mix(net.graph, at, 0, at, 3, &weight, NULL));
}

/* What a run's own statistics, given to a second run, must make of the picture is what the first
 * one made of it; and a scratch file changes nothing. */
static void check_given(enum pique_precision tier)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct rng r;
        build_all_statistics(&r, seed);
        struct pq_geometry geometry = {1 + (int)(seed % 2), 1 + rng_below(&r, 40),
                                       8 + rng_below(&r, 40), 3};
        struct pq_graph *graph;
        struct pq_pool *pool;
        struct pq_program *exact, *streams;
        struct pq_given *given;
        assert_int_equal(pq_graph_given(net.graph, &graph, NULL), 0);
        assert_true(pq_graph_is_whole(net.graph));
        assert_false(pq_graph_is_whole(graph));
        assert_int_equal(pq_pool_create(2, &pool, NULL), 0);
        struct pq_device_options options = {.id = TEST_DEVICE, .precision = tier, .pool = pool};
        assert_int_equal(pq_program_compile(net.graph, &options, &exact, NULL), 0);
        assert_int_equal(pq_program_compile(graph, &options, &streams, NULL), 0);
        float *in = net_picture(&r, &geometry, 12), *want = net_picture(&r, &geometry, 12);
        float *have = net_picture(&r, &geometry, 12);
        size_t bytes = (size_t)(geometry.frames * geometry.width * geometry.height * 12) * 4;
        struct pq_run *first = run_once(exact, &geometry, NULL, in, want, false);
        assert_true(pq_run_share(first) == 1);
        assert_int_equal(pq_run_statistics(first, &given, NULL), 0);
        struct pq_run *second = run_once(streams, &geometry, given, in, have, false);
        assert_memory_equal(want, have, bytes);
        struct pq_run *third = run_once(exact, &geometry, NULL, in, have, true);
        assert_memory_equal(want, have, bytes);
        /* Without whole maps it takes less. */
        size_t whole, lines;
        geometry.height = 1600;
        assert_int_equal(pq_program_memory(exact, &geometry, &whole, NULL), 0);
        assert_int_equal(pq_program_memory(streams, &geometry, &lines, NULL), 0);
        assert_true(lines < whole / 4);
        pq_given_free(&given);
        pq_run_end(&first);
        pq_run_end(&second);
        pq_run_end(&third);
        pq_program_release(&exact);
        pq_program_release(&streams);
        pq_pool_destroy(&pool);
        pq_graph_free(&graph);
        free(in);
        free(want);
        free(have);
        net_free(&net);
    }
}

static void statistics_that_are_given_change_no_bit(void **state)
{
    (void)state;
    check_given(PIQUE_PRECISION_AUTO);
    if (strcmp(TEST_DEVICE, "cpu") == 0)
        check_given(PIQUE_PRECISION_INT16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mean_reaches_every_pixel),
        cmocka_unit_test(a_group_norm_is_its_definition),
        cmocka_unit_test(a_channel_mix_is_its_definition),
        cmocka_unit_test(channel_attention_in_windows_is_its_definition),
        cmocka_unit_test(attention_in_shifted_windows_is_roll_and_mask),
        cmocka_unit_test(attention_with_larger_windows_of_keys_sees_zeros_outside),
        cmocka_unit_test(attention_with_folded_keys_is_roll_fold_and_mask),
        cmocka_unit_test(dysample_reads_where_it_is_told),
        cmocka_unit_test(whole_maps_share_memory),
        cmocka_unit_test(statistics_that_are_given_change_no_bit),
    };
    return cmocka_run_group_tests_name("whole", tests, NULL, NULL);
}
