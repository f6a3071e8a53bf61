/* SPDX-License-Identifier: MIT */
#include "kernels/trial/trial.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/lang.h"
#include "tensor/f16.h"

enum {
    PATTERN = 0xa5,
    HALF_PATTERN = 0x7e5a, /* a NaN with a payload, which no kernel makes */
    GUARD = PQ_TRIAL_GUARD
};

/* ---- what rows are made with ---- */

int pq_trial_below(struct pq_trial *t, int n)
{
    return t->timed ? 0 : rng_below(&t->rng, n);
}

int pq_trial_size(struct pq_trial *t, int timed, int random)
{
    return t->timed ? timed : random;
}

void *pq_trial_memory(struct pq_trial *t, size_t bytes)
{
    void *p = t->buffer_count < PQ_TRIAL_BUFFERS ? pq_malloc(bytes) : NULL;
    if (p)
        t->buffers[t->buffer_count++] = p;
    t->failed |= !p;
    return p;
}

void *pq_trial_big(struct pq_trial *t, size_t bytes)
{
    void *p = t->big_count < PQ_TRIAL_BIG ? pq_big_alloc(NULL, bytes) : NULL;
    if (p)
        t->big[t->big_count++] = p;
    t->failed |= !p;
    return p;
}

float pq_trial_value(struct pq_trial *t)
{
    static const float odd[] = {0.0f,     -0.0f,   INFINITY, -INFINITY, NAN,    FLT_MAX,
                                -FLT_MAX, FLT_MIN, 1e-42f,   -1e-42f,   -88.0f, 1e5f};
    if (t->extreme && rng_below(&t->rng, 50) == 0)
        return odd[rng_below(&t->rng, PQ_COUNT(odd))];
    if (t->zeros)
        return rng_below(&t->rng, 2) ? 0.0f : -0.0f;
    const float v = rng_float(&t->rng);
    return rng_below(&t->rng, 4) ? v : 20.0f * v;
}

static void fill(struct pq_trial *t, float *p, size_t n)
{
    for (size_t i = 0; p && i < n; i++)
        p[i] = pq_trial_value(t);
}

float *pq_trial_values(struct pq_trial *t, size_t n)
{
    float *p = pq_trial_memory(t, n * sizeof *p);
    fill(t, p, n);
    return p;
}

float *pq_trial_pixels(struct pq_trial *t, int width, int stride, int channels)
{
    return pq_trial_values(t, width ? (size_t)(width - 1) * (size_t)stride + (size_t)channels : 0);
}

float *pq_trial_pixels_around(struct pq_trial *t, int before, int width, int stride, int channels)
{
    float *p = pq_trial_pixels(t, width, stride, channels);
    return p ? p + (ptrdiff_t)before * stride : NULL;
}

static void *patterned(struct pq_trial *t, size_t bytes)
{
    void *p = pq_trial_big(t, bytes);
    if (p)
        memset(p, PATTERN, bytes);
    return p;
}

float *pq_trial_result(struct pq_trial *t, int width, int stride, int channels, int first, int end)
{
    t->out_floats = (size_t)width * (size_t)stride + 2 * GUARD;
    t->out = patterned(t, t->out_floats * sizeof *t->out);
    t->first = first;
    t->end = end;
    t->stride = stride;
    t->channels = channels;
    return t->out ? t->out + GUARD : NULL;
}

uint16_t *pq_trial_half_result(struct pq_trial *t)
{
    t->half_out = pq_trial_memory(t, t->out_floats * sizeof *t->half_out);
    return t->half_out ? t->half_out + GUARD : NULL;
}

double *pq_trial_sums(struct pq_trial *t, size_t n, size_t written)
{
    t->sum_count = n + 2 * GUARD;
    t->sums_written = written;
    t->sums = patterned(t, t->sum_count * sizeof *t->sums);
    return t->sums ? t->sums + GUARD : NULL;
}

float *pq_trial_scratch(struct pq_trial *t, size_t n)
{
    float *p = patterned(t, (n + 2 * GUARD) * sizeof *p);
    t->scratch = p ? p + GUARD : NULL;
    t->scratch_floats = n;
    return t->scratch;
}

int pq_trial_channels(struct pq_trial *t)
{
    static const int channels[] = {1, 2, 3, 5, 8, 15, 16, 17, 24, 30, 31, 32, 33, 48, 60, 64, 67};
    return pq_trial_size(t, 64, channels[pq_trial_below(t, PQ_COUNT(channels))]);
}

int pq_trial_stride(struct pq_trial *t, int channels)
{
    return channels + (pq_trial_below(t, 2) ? pq_trial_below(t, 20) : 0);
}

void pq_trial_shape(struct pq_trial *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(t->shape, sizeof t->shape, fmt, args);
    va_end(args);
}

/* ---- a call ---- */

const struct pq_trial_kernel *pq_trial_find(const char *name)
{
    for (size_t i = 0; i < pq_trial_kernel_count; i++) {
        if (strcmp(pq_trial_kernels[i].name, name) == 0)
            return &pq_trial_kernels[i];
    }
    return NULL;
}

int pq_trial_make(struct pq_trial *t, const struct pq_trial_kernel *kernel, int level,
                  uint64_t seed, bool timed, pique_error *err)
{
    *t = (struct pq_trial){.kernel = kernel,
                           .level = level,
                           .rng = {seed},
                           .extreme = !timed && seed % 3 == 0,
                           .zeros = !timed && seed % 10 == 1,
                           .timed = timed};
    kernel->prepare(t);
    return t->failed ? pq_fail_nomem(err, t->out_floats * sizeof *t->out) : 0;
}

void pq_trial_run(const struct pq_trial *t)
{
    const size_t halves = t->half_out ? t->out_floats : 0;
    for (size_t i = 0; i < halves; i++)
        t->half_out[i] = HALF_PATTERN;
    t->kernel->run(t);
    for (size_t i = 0; i < halves; i++) {
        if (t->half_out[i] != HALF_PATTERN)
            t->out[i] = pq_f16_to_f32(t->half_out[i]);
    }
}

void pq_trial_free(struct pq_trial *t)
{
    while (t->buffer_count)
        pq_free(t->buffers[--t->buffer_count]);
    while (t->big_count)
        pq_big_free(NULL, t->big[--t->big_count]);
}

/* ---- against the reference ---- */

static bool untouched(const void *p, size_t bytes)
{
    const unsigned char *b = p;
    while (bytes > 0 && b[bytes - 1] == PATTERN)
        bytes--;
    return bytes == 0;
}

/* Whether float i, guards counted, belongs to a pixel that is written. */
static bool of_a_pixel(const struct pq_trial *t, size_t i)
{
    const ptrdiff_t at = (ptrdiff_t)i - GUARD;
    const ptrdiff_t x = at >= 0 ? at / t->stride : -1;
    return x >= t->first && x < t->end && at % t->stride < t->channels;
}

static int check_outside(const struct pq_trial *t, const char *where, pique_error *err)
{
    bool (*const writes)(const struct pq_trial *, size_t) =
        t->kernel->writes ? t->kernel->writes : of_a_pixel;
    for (size_t i = 0; i < t->out_floats; i++) {
        if (!writes(t, i) && !untouched(&t->out[i], sizeof *t->out))
            return pq_fail(err, PIQUE_EINTERNAL, "%s: writes outside of its result, at float %lld",
                           where, (long long)i - GUARD);
    }
    for (size_t i = 0; i < t->sum_count; i++) {
        const bool inside = i >= GUARD && i < GUARD + t->sums_written;
        if (!inside && !untouched(&t->sums[i], sizeof *t->sums))
            return pq_fail(err, PIQUE_EINTERNAL, "%s: writes outside of its sums, at sum %lld",
                           where, (long long)i - GUARD);
    }
    if (t->scratch && (!untouched(t->scratch - GUARD, GUARD * sizeof *t->scratch) ||
                       !untouched(t->scratch + t->scratch_floats, GUARD * sizeof *t->scratch)))
        return pq_fail(err, PIQUE_EINTERNAL, "%s: writes outside of its scratch memory", where);
    return 0;
}

/* Equal bits, except that one NaN is as good as another: which of two NaN operands a processor
 * hands on is not defined by IEEE 754. */
static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static int compare(const struct pq_trial *want, const struct pq_trial *have, const char *where,
                   pique_error *err)
{
    for (size_t i = 0; i < want->out_floats; i++) {
        if (!same(want->out[i], have->out[i]))
            return pq_fail(err, PIQUE_EINTERNAL, "%s: float %lld of the result is %a, not %a",
                           where, (long long)i - GUARD, (double)have->out[i], (double)want->out[i]);
    }
    for (size_t i = 0; i < want->sum_count; i++) {
        if (!same_double(want->sums[i], have->sums[i]))
            return pq_fail(err, PIQUE_EINTERNAL, "%s: sum %lld of the result is %a, not %a", where,
                           (long long)i - GUARD, have->sums[i], want->sums[i]);
    }
    return check_outside(have, where, err);
}

static int check_case(const struct pq_trial_kernel *kernel, int level, uint64_t seed,
                      pique_error *err)
{
    struct pq_trial want, have;
    char where[256];
    int rc = pq_trial_make(&want, kernel, PQ_CPU_SCALAR, seed, false, err);
    const int other = pq_trial_make(&have, kernel, level, seed, false, rc ? NULL : err);
    rc = rc ? rc : other;
    if (!rc) {
        snprintf(where, sizeof where, pq_tr("%s, %s, case %llu (%s)"), kernel->name,
                 pq_cpu_level_name((enum pq_cpu_level)level), (unsigned long long)seed, have.shape);
        pq_trial_run(&want);
        pq_trial_run(&have);
        rc = compare(&want, &have, where, err);
    }
    pq_trial_free(&want);
    pq_trial_free(&have);
    return rc;
}

int pq_trial_check(const struct pq_trial_kernel *kernel, int level, uint64_t first, int count,
                   pique_error *err)
{
    int rc = 0;
    for (int i = 0; !rc && i < count; i++)
        rc = check_case(kernel, level, first + (uint64_t)i, err);
    return rc;
}

/* ---- against the clock ---- */

static double stretch(const struct pq_trial *t, long calls)
{
    const double start = pq_seconds();
    for (long i = 0; i < calls; i++)
        t->kernel->run(t);
    return pq_seconds() - start;
}

int pq_trial_time(const struct pq_trial_kernel *kernel, int level, double seconds, double *rate,
                  char *shape, pique_error *err)
{
    static const double SHORTEST = 1e-3; /* what the clock and an interrupt cannot hide in */
    struct pq_trial t;
    *rate = 0;
    int rc = pq_trial_make(&t, kernel, level, 1, true, err);
    if (!rc) {
        const double end = pq_seconds() + seconds;
        long calls = 1;
        pq_trial_run(&t); /* warm */
        while (stretch(&t, calls) < SHORTEST)
            calls *= 2;
        do {
            const double took = stretch(&t, calls);
            *rate = PQ_MAX(*rate, t.work * (double)calls / took);
        } while (pq_seconds() < end);
        if (shape)
            snprintf(shape, sizeof t.shape, "%s", t.shape);
    }
    pq_trial_free(&t);
    return rc;
}
