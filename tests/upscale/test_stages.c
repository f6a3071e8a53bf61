/* SPDX-License-Identifier: MIT */
/* Every stage against a direct computation over the whole picture in double, and against itself
 * with other numbers of rows at a time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "fake.h"
#include "upscale/output.h"
#include "upscale/stages.h"
#include "upscale/survey.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static const int ROWS[] = {1, 2, 3, 7, 0};
static struct pq_pool *pool; /* of three threads */

static double clip(double v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

/* The greatest difference; fails where one is not a number. */
static double distance(const struct image *a, const struct image *b)
{
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->planes, b->planes);
    double most = 0;
    for (size_t i = 0; i < (size_t)a->width * (size_t)a->height * (size_t)a->planes; i++) {
        assert_true(isfinite(a->data[i]) && isfinite(b->data[i]));
        most = fmax(most, fabs((double)a->data[i] - b->data[i]));
    }
    return most;
}

static void assert_same_bits(const struct image *a, const struct image *b)
{
    assert_int_equal(a->width * a->height * a->planes, b->width * b->height * b->planes);
    assert_memory_equal(a->data, b->data,
                        (size_t)a->width * (size_t)a->height * (size_t)a->planes * sizeof(float));
}

/* Adds the stage under test to a chain. */
typedef int stage_fn(struct pq_stage **chain, void *context, struct pq_pool *with);

/* The stage's result over `in`, after checking that rows at a time and threads change nothing. */
static struct image result_of(const struct image *in, stage_fn *add, void *context)
{
    struct image first = {0};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS * 2; i++) {
        struct pq_stage *chain = image_stage(in);
        assert_int_equal(add(&chain, context, i % 2 ? pool : NULL), 0);
        struct image image = drain(chain, ROWS[i / 2]);
        assert_int_equal(image_stages_open, 0);
        if (i == 0) {
            first = image;
            continue;
        }
        assert_same_bits(&first, &image);
        image_free(&image);
    }
    return first;
}

/* ---- source ---- */

static void *random_samples(const struct pq_picture_format *f, unsigned seed)
{
    const size_t n = pq_picture_row_bytes(f) * (size_t)f->height;
    unsigned char *samples = malloc(n);
    assert_non_null(samples);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        samples[i] = (unsigned char)(seed >> 24);
        if (seed >> 16 & 3)
            samples[i] = samples[i] & 1 ? 255 : 0;
    }
    return samples;
}

static float sample_at(const struct pq_picture_format *f, const void *samples, size_t i)
{
    if (f->depth == 8)
        return (float)((const uint8_t *)samples)[i] * (float)(1 / 255.0);
    return (float)((const uint16_t *)samples)[i] * (float)(1 / 65535.0);
}

static void check_source(const struct pq_picture_format *f, enum pique_alpha alpha)
{
    static const unsigned char background[3] = {10, 200, 255};
    void *samples = random_samples(f, 5);
    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
        struct fake_source source;
        fake_source_init(&source, f, samples);
        struct pq_stage *chain = NULL;
        assert_int_equal(pq_source_stage(&chain, &source.base, alpha, background, NULL, NULL), 0);
        struct image image = drain(chain, ROWS[r]);
        assert_int_equal(image.planes, f->alpha && alpha == PIQUE_ALPHA_KEEP ? 4 : 3);
        const size_t n = (size_t)(f->colours + f->alpha);
        for (size_t i = 0; i < (size_t)f->width * (size_t)f->height; i++) {
            const float a = f->alpha ? sample_at(f, samples, i * n + n - 1) : 1;
            const float *p = image.data + i * (size_t)image.planes;
            for (size_t c = 0; c < 3; c++) {
                const float v = sample_at(f, samples, i * n + (f->colours == 3 ? c : 0));
                if (alpha == PIQUE_ALPHA_FLATTEN && f->alpha)
                    assert_true(fabs(p[c] - ((double)v * a + background[c] / 255.0 * (1 - a))) <
                                1e-6);
                else
                    assert_true(p[c] == v);
            }
            if (image.planes == 4)
                assert_true(p[3] == a);
        }
        image_free(&image);
        assert_true(source.open); /* borrowed */
    }
    free(samples);
}

static void samples_become_floats_as_networks_learned_them(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 37}, {41, 1}, {13, 35}};
    for (int i = 0; i < 4 * 8 * 3; i++) {
        const struct pq_picture_format f = {.width = sizes[i % 4][0],
                                            .height = sizes[i % 4][1],
                                            .colours = i / 4 & 1 ? 1 : 3,
                                            .alpha = i / 4 & 2,
                                            .depth = i / 4 & 4 ? 8 : 16};
        check_source(&f, (enum pique_alpha)(i / 32));
    }
}

static void full_samples_are_exactly_one_and_every_sample_comes_back(void **state)
{
    (void)state;
    assert_true((float)255 * (float)(1 / 255.0) == 1);
    assert_true((float)65535 * (float)(1 / 65535.0) == 1);
    for (int depth = 8; depth <= 16; depth += 8) {
        const int n = depth == 8 ? 256 : 65536;
        const struct pq_picture_format f = {n, 1, 1, false, depth};
        void *samples = malloc((size_t)n * 2);
        for (int i = 0; i < n; i++)
            if (depth == 8)
                ((uint8_t *)samples)[i] = (uint8_t)i;
            else
                ((uint16_t *)samples)[i] = (uint16_t)i;
        struct fake_source source;
        fake_source_init(&source, &f, samples);
        struct pq_stage *chain = NULL;
        const unsigned char white[3] = {255, 255, 255};
        assert_int_equal(pq_source_stage(&chain, &source.base, PIQUE_ALPHA_KEEP, white, NULL, NULL),
                         0);
        struct fake_sink sink;
        struct pq_output *output;
        int done;
        fake_sink_init(&sink, &f);
        assert_int_equal(pq_output_new(chain, &f, &sink.base, NULL, &output, NULL), 0);
        assert_int_equal(pq_output_step(output, &done, NULL), 0);
        assert_int_equal(done, 1);
        assert_memory_equal(sink.samples, samples, (size_t)n * (size_t)depth / 8);
        pq_output_free(&output);
        chain->close(chain);
        free(sink.samples);
        free(samples);
    }
}

static void a_reader_that_lies_about_its_picture_is_refused(void **state)
{
    (void)state;
    static const struct pq_picture_format bad[] = {
        {0, 1, 3, false, 8}, {1, -1, 3, false, 8}, {1, 1, 2, false, 8}, {1, 1, 3, false, 12}};
    for (size_t i = 0; i < 4; i++) {
        struct fake_source source;
        fake_source_init(&source, &bad[i], NULL);
        struct pq_stage *chain = NULL;
        pique_error err;
        assert_int_equal(pq_source_stage(&chain, &source.base, PIQUE_ALPHA_KEEP,
                                         (const unsigned char[3]){0}, NULL, &err),
                         PIQUE_EINTERNAL);
        assert_null(chain);
    }
}

/* ---- survey ---- */

static int go_on(void *context, pique_error *err)
{
    return context ? pq_fail(err, PIQUE_ECANCELED, "stop") : 0;
}

static void the_survey_weighs_luma_by_alpha(void **state)
{
    (void)state;
    const struct pq_picture_format f = {23, 40, 3, true, 8};
    const unsigned char *samples = random_samples(&f, 77);
    double luma = 0, weight = 0;
    for (size_t i = 0; i < 23 * 40; i++) {
        const unsigned char *p = samples + i * 4;
        luma += p[3] / 255.0 * (p[0] * 0.299 + p[1] * 0.587 + p[2] * 0.114) / 255.0;
        weight += p[3] / 255.0;
    }
    struct fake_source source;
    fake_source_init(&source, &f, samples);
    struct pq_stage *chain = NULL;
    struct pq_survey survey;
    const unsigned char white[3] = {255, 255, 255};
    assert_int_equal(pq_source_stage(&chain, &source.base, PIQUE_ALPHA_KEEP, white, NULL, NULL), 0);
    assert_int_equal(pq_survey(chain, go_on, NULL, &survey, NULL), 0);
    chain->close(chain);
    assert_true(fabs(survey.mean - luma / weight) < 1e-5); /* coefficients are 16-bit fractions */
    assert_true(survey.transparent);
    source.y = 0;
    chain = NULL;
    assert_int_equal(pq_source_stage(&chain, &source.base, PIQUE_ALPHA_FLATTEN, white, NULL, NULL),
                     0);
    assert_int_equal(pq_survey(chain, go_on, &survey, &survey, NULL), PIQUE_ECANCELED);
    chain->close(chain);
    free((void *)samples);
}

/* ---- bleed ---- */

static int add_bleed(struct pq_stage **chain, void *context, struct pq_pool *with)
{
    (void)context;
    (void)with;
    return pq_bleed_stage(chain, NULL);
}

/* The definition, pixel by pixel. */
static struct image direct_bleed(const struct image *in)
{
    struct image out = image_new(in->width, in->height, 4);
    for (int y = 0; y < in->height; y++) {
        for (int x = 0; x < in->width; x++) {
            float *p = image_at(&out, x, y);
            memcpy(p, image_at(in, x, y), 4 * sizeof *p);
            if (p[3] > 0)
                continue;
            double sum[3] = {0}, weight = 0;
            for (int v = y - 32; v <= y + 32; v++) {
                for (int u = x - 32; u <= x + 32; u++) {
                    if (u < 0 || v < 0 || u >= in->width || v >= in->height)
                        continue;
                    const float *q = image_at(in, u, v);
                    const double w = q[3] * pow(2, -abs(u - x) - abs(v - y));
                    weight += w;
                    for (int c = 0; c < 3; c++)
                        sum[c] += w * q[c];
                }
            }
            for (int c = 0; weight > 0 && c < 3; c++)
                p[c] = (float)(sum[c] / weight);
        }
    }
    return out;
}

static void check_bleed(const struct image *in)
{
    struct image out = result_of(in, add_bleed, NULL), want = direct_bleed(in);
    const double d = distance(&out, &want);
    print_message("bleed %d x %d: %.3g\n", in->width, in->height, d);
    assert_true(d < 2e-6);
    for (int i = 0; i < in->width * in->height; i++)
        if (in->data[i * 4 + 3] > 0)
            assert_memory_equal(in->data + i * 4, out.data + i * 4, 4 * sizeof(float));
    image_free(&out);
    image_free(&want);
}

static void hidden_colours_become_the_mean_of_visible_ones_nearby(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 90}, {90, 1}, {3, 5}, {50, 41}};
    for (size_t i = 0; i < 5; i++) {
        struct image in = image_random(sizes[i][0], sizes[i][1], 4, 11 + (unsigned)i);
        check_bleed(&in);
        /* Nearly all hidden: long reaches, and pixels that nothing reaches. */
        for (int p = 0; p < in.width * in.height; p++)
            in.data[p * 4 + 3] = p == in.width * in.height / 3 ? 1 / 65535.0f : 0;
        check_bleed(&in);
        image_free(&in);
    }
}

static void colours_stay_where_nothing_is_visible_within_32_pixels(void **state)
{
    (void)state;
    struct image in = image_new(80, 70, 4);
    for (int i = 0; i < 80 * 70; i++)
        in.data[i * 4] = 0.25f;
    float *seen = image_at(&in, 5, 4);
    seen[0] = 0.75f;
    seen[3] = 1;
    struct image out = result_of(&in, add_bleed, NULL);
    for (int y = 0; y < 70; y++)
        for (int x = 0; x < 80; x++)
            assert_true(*image_at(&out, x, y) == (x <= 5 + 32 && y <= 4 + 32 ? 0.75f : 0.25f));
    image_free(&in);
    image_free(&out);
}

/* ---- resize ---- */

struct to {
    int width, height;
};

static int add_resize(struct pq_stage **chain, void *context, struct pq_pool *with)
{
    const struct to *to = context;
    return pq_resize_stage(chain, to->width, to->height, with, NULL);
}

static double lanczos3(double x)
{
    const double t = acos(-1) * x;
    return x == 0 ? 1 : fabs(x) >= 3 ? 0 : 3 * sin(t) * sin(t / 3) / (t * t);
}

/* Weight of input pixel k in output pixel i, not normalised. */
static double weight_of(int k, int i, int in, int out)
{
    const double ratio = fmax(1, (double)in / out);
    return lanczos3((k - ((i + 0.5) * in / out - 0.5)) / ratio);
}

/* The definition: a two-dimensional weighted mean. */
static struct image direct_resize(const struct image *in, int width, int height)
{
    struct image out = image_new(width, height, in->planes);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            double sum[4] = {0}, weight = 0, alpha = 0;
            for (int v = 0; v < in->height; v++) {
                const double wy = weight_of(v, y, in->height, height);
                for (int u = 0; wy != 0 && u < in->width; u++) {
                    const float *p = image_at(in, u, v);
                    const double w = wy * weight_of(u, x, in->width, width);
                    const double a = in->planes == 4 ? p[3] : 1;
                    weight += w;
                    alpha += w * a;
                    for (int c = 0; c < 3; c++)
                        sum[c] += w * a * p[c];
                }
            }
            float *q = image_at(&out, x, y);
            alpha /= weight;
            for (int c = 0; c < 3; c++)
                q[c] = alpha > 0.5 / 65535 ? (float)clip(sum[c] / weight / fmin(alpha, 1)) : 0;
            if (in->planes == 4)
                q[3] = alpha > 0.5 / 65535 ? (float)clip(alpha) : 0;
        }
    }
    return out;
}

/* Differences of colours count as much as one sees of them. */
static void check_resize(const struct image *in, int width, int height)
{
    struct to to = {width, height};
    struct image out = result_of(in, add_resize, &to);
    struct image want = direct_resize(in, width, height);
    for (int i = 0; in->planes == 4 && i < width * height; i++)
        for (int c = 0; c < 3; c++) {
            out.data[i * 4 + c] *= out.data[i * 4 + 3];
            want.data[i * 4 + c] *= want.data[i * 4 + 3];
        }
    const double d = distance(&out, &want);
    print_message("resize %dx%d to %dx%d, %d planes: %.3g\n", in->width, in->height, width, height,
                  in->planes, d);
    /* Alpha is rounded to 16 bits. */
    assert_true(d < 3e-6 + (in->planes == 4 ? 0.5 / 65535 : 0));
    image_free(&out);
    image_free(&want);
}

static void a_resize_is_the_normalised_lanczos_mean(void **state)
{
    (void)state;
    static const int table[][4] = {
        {1, 1, 1, 1},     {1, 1, 9, 5},     {1, 19, 4, 7},  {19, 1, 40, 3},
        {24, 17, 24, 17}, {24, 17, 48, 34}, {24, 17, 7, 5}, {40, 60, 41, 9},
        {33, 9, 1, 1},    {9, 50, 20, 3},   {3, 5, 12, 20}, {64, 3, 5, 31},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (int planes = 3; planes <= 4; planes++) {
            struct image in = image_random(table[i][0], table[i][1], planes, 3 + (unsigned)i);
            check_resize(&in, table[i][2], table[i][3]);
            image_free(&in);
        }
}

static void the_same_size_gives_the_same_bits_and_flat_stays_flat(void **state)
{
    (void)state;
    struct image in = image_random(21, 30, 3, 9);
    struct to same = {21, 30}, other = {50, 11};
    struct image out = result_of(&in, add_resize, &same);
    assert_same_bits(&in, &out);
    image_free(&out);
    for (int i = 0; i < 21 * 30 * 3; i++)
        in.data[i] = 0.3f;
    out = result_of(&in, add_resize, &other);
    for (int i = 0; i < 50 * 11 * 3; i++)
        assert_true(fabs(out.data[i] - 0.3) < 5e-7);
    image_free(&in);
    image_free(&out);
}

/* Where alpha has one single value the network takes no part in it. */
static void alpha_that_is_even_stays_even_through_a_resize(void **state)
{
    (void)state;
    static const struct to sizes[] = {{30, 11}, {89, 31}, {61, 20}, {150, 70}};
    struct image in = image_random(80, 29, 4, 21);
    for (int i = 0; i < 80 * 29; i++)
        in.data[i * 4 + 3] = i % 80 < 40 ? 1 : 128 * (1 / 255.0f);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct to to = sizes[s];
        struct image out = result_of(&in, add_resize, &to);
        const float half = image_at(&out, to.width - 1, 0)[3];
        assert_true(fabs(half - 128 / 255.0) < 1e-6);
        for (int y = 0; y < to.height; y++)
            for (int x = 0; x < to.width; x++) {
                const float a = image_at(&out, x, y)[3];
                if (x < to.width / 2 - 8)
                    assert_true(a == 1);
                if (x > to.width / 2 + 8)
                    assert_true(a == half);
            }
        image_free(&out);
    }
    image_free(&in);
}

static void an_opaque_picture_resizes_to_the_bits_of_one_without_alpha(void **state)
{
    (void)state;
    struct image in = image_random(31, 22, 4, 4), rgb = image_new(31, 22, 3);
    for (int i = 0; i < 31 * 22; i++) {
        in.data[i * 4 + 3] = 1;
        memcpy(rgb.data + i * 3, in.data + i * 4, 3 * sizeof(float));
    }
    static struct to sizes[] = {{50, 40}, {11, 9}};
    for (size_t s = 0; s < 2; s++) {
        struct image a = result_of(&in, add_resize, &sizes[s]);
        struct image b = result_of(&rgb, add_resize, &sizes[s]);
        for (int i = 0; i < a.width * a.height; i++) {
            assert_true(a.data[i * 4 + 3] == 1);
            assert_memory_equal(a.data + i * 4, b.data + i * 3, 3 * sizeof(float));
        }
        image_free(&a);
        image_free(&b);
    }
    image_free(&in);
    image_free(&rgb);
}

static void what_nobody_sees_has_no_say_in_a_resize(void **state)
{
    (void)state;
    struct image in = image_new(40, 40, 4);
    for (int i = 0; i < 40 * 40; i++) /* red left, hidden green right */
        memcpy(in.data + i * 4, i % 40 < 20 ? (float[4]){1, 0, 0, 1} : (float[4]){0, 1, 0, 0},
               4 * sizeof(float));
    static struct to sizes[] = {{97, 80}, {13, 17}};
    for (size_t s = 0; s < 2; s++) {
        struct image out = result_of(&in, add_resize, &sizes[s]);
        for (int i = 0; i < out.width * out.height; i++)
            if (out.data[i * 4 + 3] > 0) {
                assert_true(out.data[i * 4] > 0.999f);
                assert_true(out.data[i * 4 + 1] == 0);
            }
        image_free(&out);
    }
    image_free(&in);
}

/* ---- effects ---- */

static int add_effects(struct pq_stage **chain, void *context, struct pq_pool *with)
{
    return pq_effects_stage(chain, context, with, NULL);
}

static double direct_smooth(const struct image *in, int x, int y, int c)
{
    if (x == 0 || y == 0 || x == in->width - 1 || y == in->height - 1)
        return image_at(in, x, y)[c];
    double sum = 4.0 * image_at(in, x, y)[c];
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++)
            sum += image_at(in, x + dx, y + dy)[c];
    return sum / 13;
}

static struct image direct_effects(const struct image *in, const struct pq_effects *e)
{
    struct image out = image_new(in->width, in->height, in->planes);
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < in->width; x++) {
            const float *p = image_at(in, x, y);
            double v[3];
            for (int c = 0; c < 3; c++) {
                v[c] = p[c] + e->touch.sharpen * (p[c] - direct_smooth(in, x, y, c));
                v[c] = e->mean + e->touch.contrast * (v[c] - e->mean);
            }
            const double luma = (19595 * v[0] + 38470 * v[1] + 7471 * v[2]) / 65536;
            float *q = image_at(&out, x, y);
            for (int c = 0; c < 3; c++)
                q[c] = (float)(luma + e->touch.saturation * (v[c] - luma));
            if (in->planes == 4)
                q[3] = p[3];
        }
    return out;
}

static void effects_follow_their_formulas_and_leave_alpha_alone(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 20}, {20, 1}, {2, 2}, {3, 3}, {29, 37}};
    static struct pq_effects effects[] = {
        {{1.3f, 1, 1}, 0.4f}, {{0, 1.7f, 1}, 0.4f}, {{0, 1, 0}, 0.4f}, {{2, 0.5f, 1.8f}, 0.31f}};
    for (int i = 0; i < 6 * 4 * 2; i++) {
        struct image in = image_random(sizes[i % 6][0], sizes[i % 6][1], 3 + i % 2, 50u);
        struct image out = result_of(&in, add_effects, &effects[i / 6 % 4]);
        struct image want = direct_effects(&in, &effects[i / 6 % 4]);
        assert_true(distance(&out, &want) < 2e-6);
        image_free(&in);
        image_free(&out);
        image_free(&want);
    }
}

/* ---- output ---- */

/* Floats that round to known samples, and such that lie outside. */
static void check_output(const struct pq_picture_format *f, int planes)
{
    struct image in = image_random(f->width, f->height, planes, 123);
    for (int i = 0; i < f->width * f->height * planes; i++)
        in.data[i] = in.data[i] * 1.5f - 0.25f;
    struct pq_stage *chain = image_stage(&in);
    struct fake_sink sink;
    struct pq_output *output;
    fake_sink_init(&sink, f);
    assert_int_equal(pq_output_new(chain, f, &sink.base, pool, &output, NULL), 0);
    for (int done = 0; done < f->height;)
        assert_int_equal(pq_output_step(output, &done, NULL), 0);
    const size_t bytes = pq_picture_row_bytes(f) * (size_t)f->height;
    assert_true(pq_output_hash(output) == XXH3_64bits(sink.samples, bytes));
    const int max = f->depth == 8 ? 255 : 65535;
    size_t at = 0;
    for (int i = 0; i < f->width * f->height; i++) {
        const float *p = in.data + i * planes;
        double v[4] = {p[0], p[1], p[2], planes == 4 ? p[3] : 1};
        if (f->colours == 1)
            v[0] = (19595.0 * p[0] + 38470.0 * p[1] + 7471.0 * p[2]) / 65536;
        if (f->colours == 1)
            v[1] = v[3];
        for (int c = 0; c < f->colours + f->alpha; c++, at++) {
            const int got = f->depth == 8 ? sink.samples[at] : ((uint16_t *)sink.samples)[at];
            /* Float and double may round a value at the very edge to different sides. */
            const double exact = clip(v[c]) * max;
            assert_true(fabs(got - exact) <= 0.5 + 1e-7 * max);
        }
    }
    pq_output_free(&output);
    chain->close(chain);
    free(sink.samples);
    image_free(&in);
}

static void samples_are_rounded_to_the_nearest_and_hashed(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        const struct pq_picture_format f = {i & 8 ? 1 : 19, 37, i & 1 ? 1 : 3, i & 2,
                                            i & 4 ? 16 : 8};
        check_output(&f, 3);
        check_output(&f, 4);
    }
}

/* ---- all together ---- */

static int build(struct pq_stage **chain, struct pq_row_source *source)
{
    const struct pq_effects effects = {{1, 1.1f, 0.9f}, 0.5f};
    const unsigned char white[3] = {255, 255, 255};
    int rc = pq_source_stage(chain, source, PIQUE_ALPHA_KEEP, white, NULL, NULL);
    rc = rc ? rc : pq_resize_stage(chain, 9, 7, NULL, NULL);
    rc = rc ? rc : pq_bleed_stage(chain, NULL);
    rc = rc ? rc : pq_resize_stage(chain, 20, 15, NULL, NULL);
    return rc ? rc : pq_effects_stage(chain, &effects, NULL, NULL);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    const struct pq_picture_format f = {12, 11, 3, true, 8};
    void *samples = random_samples(&f, 1);
    bool whole = false;
    for (long n = 1; !whole; n++) {
        assert_true(n < 200);
        struct fake_source source;
        fake_source_init(&source, &f, samples);
        struct pq_stage *chain = NULL;
        float data[20 * 15 * 4];
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, false);
        int rc = build(&chain, &source.base);
        if (!rc)
            rc = read_all(chain, 4, data, NULL);
        whole = pq_fault_count(PQ_FAULT_ALLOC) < n;
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        assert_int_equal(rc, whole ? 0 : PIQUE_ENOMEM);
        if (chain)
            chain->close(chain);
    }
    free(samples);
}

static void a_failing_read_passes_through_every_stage(void **state)
{
    (void)state;
    const struct pq_picture_format f = {12, 70, 3, true, 8};
    void *samples = random_samples(&f, 1);
    for (int at = 1; at <= 5; at++) {
        struct fake_source source;
        fake_source_init(&source, &f, samples);
        source.fail_read = at;
        struct pq_stage *chain = NULL;
        float data[20 * 15 * 4];
        assert_int_equal(build(&chain, &source.base), 0);
        assert_int_equal(read_all(chain, 4, data, NULL), PIQUE_EFORMAT);
        chain->close(chain);
    }
    free(samples);
}

static int start_pool(void **state)
{
    (void)state;
    return pq_pool_create(3, &pool, NULL);
}

static int stop_pool(void **state)
{
    (void)state;
    pq_pool_destroy(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_become_floats_as_networks_learned_them),
        cmocka_unit_test(full_samples_are_exactly_one_and_every_sample_comes_back),
        cmocka_unit_test(a_reader_that_lies_about_its_picture_is_refused),
        cmocka_unit_test(the_survey_weighs_luma_by_alpha),
        cmocka_unit_test(hidden_colours_become_the_mean_of_visible_ones_nearby),
        cmocka_unit_test(colours_stay_where_nothing_is_visible_within_32_pixels),
        cmocka_unit_test(a_resize_is_the_normalised_lanczos_mean),
        cmocka_unit_test(the_same_size_gives_the_same_bits_and_flat_stays_flat),
        cmocka_unit_test(alpha_that_is_even_stays_even_through_a_resize),
        cmocka_unit_test(an_opaque_picture_resizes_to_the_bits_of_one_without_alpha),
        cmocka_unit_test(what_nobody_sees_has_no_say_in_a_resize),
        cmocka_unit_test(effects_follow_their_formulas_and_leave_alpha_alone),
        cmocka_unit_test(samples_are_rounded_to_the_nearest_and_hashed),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(a_failing_read_passes_through_every_stage),
    };
    return cmocka_run_group_tests(tests, start_pool, stop_pool);
}
