/* SPDX-License-Identifier: MIT */
#include "upscale/size.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>

#include "base/alloc.h"

static const double MAX_SCALE = 64;

int pq_size_check(const pique_picture_options *o, pique_error *err)
{
    if (o->scale != 0 && !(o->scale > 0 && o->scale <= MAX_SCALE))
        return pq_fail(err, PIQUE_EINVAL,
                       "a scale of %g makes no sense: it must be above 0 and at most %g", o->scale,
                       MAX_SCALE);
    if (o->width < 0 || o->height < 0)
        return pq_fail(err, PIQUE_EINVAL, "a size of %d x %d makes no sense: sizes are positive",
                       o->width, o->height);
    if (o->fit_width < 0 || o->fit_height < 0 || !o->fit_width != !o->fit_height)
        return pq_fail(err, PIQUE_EINVAL,
                       "to fit into %d x %d makes no sense: both sides must be positive",
                       o->fit_width, o->fit_height);
    if (o->pre_downscale < 0)
        return pq_fail(err, PIQUE_EINVAL,
                       "to reduce to a height of %d makes no sense: it must be positive",
                       o->pre_downscale);
    if ((o->scale != 0) + (o->width || o->height) + (o->fit_width != 0) > 1)
        return pq_fail(err, PIQUE_EINVAL,
                       "scale, width and height, and fit exclude each other: give one of them");
    return 0;
}

/* a * b / c rounded half up, at least 1; 0 beyond an int. a, b and c are positive. */
static int ratio(int64_t a, int64_t b, int64_t c)
{
    const int64_t q = (2 * a * b + c) / (2 * c); /* a and b below 2^31: below 2^63 */
    return q > INT_MAX ? 0 : (int)PQ_MAX(q, 1);
}

/* 0 beyond an int. */
static int scaled(int side, double scale)
{
    const double v = floor(side * scale + 0.5);
    return v > INT_MAX ? 0 : (int)PQ_MAX(v, 1);
}

static int extent(int side, int num, int den)
{
    const int64_t v = (int64_t)side * num / den;
    return v > INT_MAX ? 0 : (int)PQ_MAX(v, 1);
}

static void fit_inside(int w, int h, int fit_w, int fit_h, struct pq_size *s)
{
    /* w/h against fit_w/fit_h, without division. */
    if ((int64_t)w * fit_h >= (int64_t)h * fit_w) {
        s->width = fit_w;
        s->height = PQ_MIN(ratio(fit_w, h, w), fit_h);
    } else {
        s->width = PQ_MIN(ratio(fit_h, w, h), fit_w);
        s->height = fit_h;
    }
}

static void target(const pique_picture_options *o, int w, int h, struct pq_size *s)
{
    if (o->fit_width) {
        fit_inside(w, h, o->fit_width, o->fit_height, s);
    } else if (o->width || o->height) {
        s->width = o->width ? o->width : ratio(o->height, w, h);
        s->height = o->height ? o->height : ratio(o->width, h, w);
    } else if (o->scale != 0) {
        s->width = scaled(s->in_width, o->scale);
        s->height = scaled(s->in_height, o->scale);
    } else {
        s->own = true; /* known once the passes are */
    }
}

/* A side that is asked for has the limit of a scale; its rounding is let through. */
static int check_growth(const struct pq_size *s, const char *path, pique_error *err)
{
    const double wide = (double)s->width / s->in_width, high = (double)s->height / s->in_height;
    if (s->own || (s->width <= MAX_SCALE * (s->in_width + 1.0) &&
                   s->height <= MAX_SCALE * (s->in_height + 1.0)))
        return 0;
    return pq_fail(err, PIQUE_EUNSUPPORTED,
                   "%s: from %d x %d to %d x %d a side grows %.0f times; at most %g times is "
                   "possible",
                   path, s->in_width, s->in_height, s->width, s->height, PQ_MAX(wide, high),
                   MAX_SCALE);
}

/* The last model that enlarges; -1: none does. */
static int last_upscaler(const struct pq_scale *scales, int models)
{
    int last = models - 1;
    while (last >= 0 && scales[last].num <= scales[last].den)
        last--;
    return last;
}

/* One more pass, and the size after it; false where there are too many or a side passes 2^31-1. */
static bool add_pass(struct pq_size *s, const struct pq_scale *scales, int model)
{
    if (s->passes == PQ_MAX_PASSES)
        return false;
    const int n = s->passes++;
    s->model[n] = model;
    s->pass_width[n + 1] = extent(s->pass_width[n], scales[model].num, scales[model].den);
    s->pass_height[n + 1] = extent(s->pass_height[n], scales[model].num, scales[model].den);
    return s->pass_width[n + 1] && s->pass_height[n + 1];
}

/* The chain with its last upscaler, if any, `repeats` times. *grows: the last of those still made
 * something larger. */
static bool line_up(struct pq_size *s, const struct pq_scale *scales, int models, int repeats,
                    bool *grows)
{
    const int repeated = last_upscaler(scales, models);
    s->passes = 0;
    s->pass_width[0] = s->in_width;
    s->pass_height[0] = s->in_height;
    *grows = false;
    for (int m = 0; m < models; m++) {
        for (int i = m == repeated ? repeats : 1; i > 0; i--) {
            if (!add_pass(s, scales, m))
                return false;
        }
        const int n = s->passes;
        if (m == repeated)
            *grows = s->pass_width[n] > s->pass_width[n - 1] ||
                     s->pass_height[n] > s->pass_height[n - 1];
    }
    return true;
}

/* Sizes after each pass; false where a side passes 2^31-1 or the passes do not end. */
static bool count_passes(struct pq_size *s, const struct pq_scale *scales, int models)
{
    bool grows = true;
    for (int repeats = 1; grows; repeats++) {
        if (!line_up(s, scales, models, repeats, &grows))
            return false;
        const int w = s->pass_width[s->passes], h = s->pass_height[s->passes];
        if (s->own) {
            s->width = w;
            s->height = h;
        }
        if (w >= s->width && h >= s->height)
            return true;
    }
    return true;
}

static int check_scales(const struct pq_scale *scales, int models, int width, int height,
                        const char *path, pique_error *err)
{
    bool sound = width > 0 && height > 0 && models > 0 && models <= PQ_MAX_PASSES;
    for (int i = 0; sound && i < models; i++)
        sound = scales[i].num > 0 && scales[i].den > 0;
    return sound ? 0
                 : pq_fail(err, PIQUE_EINTERNAL, "%s: %d x %d pixels and %d models make no sense",
                           path, width, height, models);
}

int pq_size_resolve(const pique_picture_options *o, int width, int height,
                    const struct pq_scale *scales, int models, const char *path,
                    struct pq_size *out, pique_error *err)
{
    int rc = pq_size_check(o, err);
    if (rc)
        return rc;
    if ((rc = check_scales(scales, models, width, height, path, err)))
        return rc;
    struct pq_size s = {.in_width = width, .in_height = height};
    if (o->pre_downscale && height > o->pre_downscale) {
        s.in_width = ratio(width, o->pre_downscale, height);
        s.in_height = o->pre_downscale;
    }
    target(o, width, height, &s);
    const bool counted = count_passes(&s, scales, models);
    if (!s.width || !s.height)
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: %d x %d pixels would become more than %d pixels wide or high", path,
                       width, height, INT_MAX);
    if (!counted)
        return pq_fail(
            err, PIQUE_EUNSUPPORTED,
            "%s: on its way to %d x %d the picture would pass %d pixels a side; choose a "
            "smaller size",
            path, s.width, s.height, INT_MAX);
    rc = check_growth(&s, path, err);
    if (!rc)
        *out = s;
    return rc;
}
