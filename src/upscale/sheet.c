/* SPDX-License-Identifier: MIT */
/* A sheet: a piece of a picture, kept as floats, and what came of it, kept as 8-bit pictures of one
 * size. The stages between are those of every picture. */
#include "pique/sheet.h"

#include <fenv.h>
#include <string.h>

#include "base/clock.h"
#include "base/lang.h"
#include "kernels/samples.h"
#include "upscale/budget.h"
#include "upscale/call.h"
#include "upscale/detail.h"
#include "upscale/module.h"
#include "upscale/ring.h"
#include "upscale/sheet.h"
#include "upscale/stages.h"
#include "upscale/turned.h"

enum { PIECE = 256, SCALE = 4, MOST_SCALE = 16, MOST_SIDE = 8192, ROWS = 16, PLANES = 3 };

static const unsigned char WHITE[3] = {255, 255, 255};

/* ---- the piece ---- */

static int take_options(pique_sheet_options *o, const pique_sheet_options *given, pique_error *err)
{
    *o = (pique_sheet_options){.size = sizeof *o};
    if (given) {
        if (given->size < sizeof given->size)
            return pq_fail(err, PIQUE_EINVAL, "the size of the sheet options is not set");
        memcpy(o, given, PQ_MIN(given->size, sizeof *o));
    }
    o->scale = o->scale ? o->scale : SCALE;
    if (o->crop_width < 0 || o->crop_height < 0 || o->crop_x < 0 || o->crop_y < 0)
        return pq_fail(err, PIQUE_EINVAL, "a piece of %d x %d pixels at %d, %d makes no sense",
                       o->crop_width, o->crop_height, o->crop_x, o->crop_y);
    if (o->scale < 1 || o->scale > MOST_SCALE)
        return pq_fail(err, PIQUE_EINVAL, "a sheet at a scale of %d makes no sense: 1 to %d",
                       o->scale, MOST_SCALE);
    return 0;
}

/* The size of the piece, and whether it can lie where it is to. */
static int choose_piece(pique_sheet *s, pique_error *err)
{
    const pique_sheet_options *o = &s->options;
    const int width = s->source->format.width, height = s->source->format.height;
    s->info.width = o->crop_width ? o->crop_width : PQ_MIN(PIECE, width);
    s->info.height = o->crop_height ? o->crop_height : PQ_MIN(PIECE, height);
    s->info.x = o->crop_placed ? o->crop_x : 0;
    s->info.y = o->crop_placed ? o->crop_y : 0;
    if (s->info.width > width - s->info.x || s->info.height > height - s->info.y)
        return pq_fail(err, PIQUE_EINVAL,
                       "%s: a piece of %dx%d+%d+%d is not inside a picture of %d x %d pixels",
                       s->name, s->info.width, s->info.height, s->info.x, s->info.y, width, height);
    if (PQ_MAX(s->info.width, s->info.height) > MOST_SIDE / o->scale)
        return pq_fail(err, PIQUE_EINVAL,
                       "%s: a piece of %d x %d pixels is too large to stand at %d times its size "
                       "on a sheet: at most %d pixels a side",
                       s->name, s->info.width, s->info.height, o->scale, MOST_SIDE / o->scale);
    s->info.cell_width = s->info.width * o->scale;
    s->info.cell_height = s->info.height * o->scale;
    return 0;
}

static int find_detail(pique_sheet *s, pique_error *err)
{
    struct pq_stage *stage = NULL;
    int rc = pq_source_stage(&stage, s->source, PIQUE_ALPHA_FLATTEN, WHITE, NULL, err);
    if (rc)
        return rc;
    rc = pq_detail_find(stage, s->info.width, s->info.height, &s->info.x, &s->info.y, err);
    stage->close(stage);
    return rc ? rc : s->source->rewind(s->source, err);
}

static int read_piece(pique_sheet *s, pique_error *err)
{
    struct pq_stage *stage = NULL;
    size_t row_bytes;
    int rc = pq_source_stage(&stage, s->source, PIQUE_ALPHA_FLATTEN, WHITE, NULL, err);
    if (rc)
        return rc;
    const size_t piece_row = (size_t)s->info.width * PLANES;
    float *row = NULL;
    rc = pq_row_floats_bytes(stage->width, PLANES, &row_bytes, err);
    if (!rc) {
        row = pq_malloc(row_bytes);
        s->piece = pq_malloc(piece_row * (size_t)s->info.height * sizeof(float));
        if (!row || !s->piece)
            rc = pq_fail_nomem(err, row_bytes + piece_row * (size_t)s->info.height);
    }
    for (int y = 0; !rc && y < s->info.y + s->info.height; y++) {
        rc = stage->read(stage, 1, row, err);
        if (!rc && y >= s->info.y)
            memcpy(s->piece + (size_t)(y - s->info.y) * piece_row, row + (size_t)s->info.x * PLANES,
                   piece_row * sizeof(float));
    }
    pq_free(row);
    stage->close(stage);
    return rc;
}

/* ---- pictures of the sheet ---- */

static int piece_stage(const pique_sheet *s, const pique_allocator *allocator,
                       struct pq_stage **chain, pique_error *err)
{
    const struct pq_planes planes = {.data = s->piece,
                                     .width = s->info.width,
                                     .height = s->info.height,
                                     .planes = PLANES,
                                     .allocator = allocator};
    return pq_turned_stage(&planes, 0, chain, err);
}

/* All rows of a chain, resized to the common size where that is another, as 8-bit samples. tally:
 * NULL where no engine is in it. */
static int draw(const pique_sheet *s, struct pq_stage **chain, struct pq_tally *tally,
                unsigned char *cell, pique_error *err)
{
    const int width = s->info.cell_width, height = s->info.cell_height;
    const size_t row = (size_t)width * PLANES;
    struct pq_pool *pool = tally ? pq_engine_pool(tally->engine) : NULL;
    int rc = 0;
    if (tally)
        tally->total += (uint64_t)height;
    if ((*chain)->width != width || (*chain)->height != height)
        rc = pq_resize_stage(chain, width, height, pool, err);
    float *rows = rc ? NULL : pq_malloc(row * ROWS * sizeof *rows);
    if (!rc && !rows)
        rc = pq_fail_nomem(err, row * ROWS * sizeof *rows);
    for (int y = 0, n; !rc && y < height; y += n) {
        n = PQ_MIN(ROWS, height - y);
        rc = (*chain)->read(*chain, n, rows, err);
        for (size_t i = 0; !rc && i < row * (size_t)n; i++)
            pq_sample_store(cell + (size_t)y * row, i, rows[i], 8);
        if (!rc && tally)
            pq_tally_add(tally, n);
    }
    pq_free(rows);
    return rc;
}

static int new_cell(pique_sheet *s, unsigned char **cell, pique_error *err)
{
    if (s->count == PIQUE_SHEET_PICTURES)
        return pq_fail(err, PIQUE_EINVAL, "a sheet holds %d pictures", PIQUE_SHEET_PICTURES);
    const size_t bytes = (size_t)s->info.cell_width * (size_t)s->info.cell_height * PLANES;
    *cell = pq_malloc(bytes);
    return *cell ? 0 : pq_fail_nomem(err, bytes);
}

static int add_piece(pique_sheet *s, pique_error *err)
{
    struct pq_stage *chain = NULL;
    unsigned char *cell;
    int rc = new_cell(s, &cell, err);
    if (rc)
        return rc;
    rc = piece_stage(s, NULL, &chain, err);
    if (!rc)
        rc = draw(s, &chain, NULL, cell, err);
    if (chain)
        chain->close(chain);
    if (rc)
        pq_free(cell);
    else
        s->cells[s->count++].samples = cell;
    return rc;
}

int pique_sheet_open(const char *src, const pique_sheet_options *options, pique_sheet **out,
                     pique_error *err)
{
    *out = NULL;
    pique_sheet *s = pq_calloc(1, sizeof *s);
    if (!s)
        return pq_fail_nomem(err, sizeof *s);
    int rc = take_options(&s->options, options, err);
    if (!rc && !(s->name = pq_strdup(strcmp(src, "-") == 0 ? pq_tr("standard input") : src)))
        rc = pq_fail_nomem(err, strlen(src));
    if (!rc)
        rc = pq_picture_module(&s->io, err);
    if (!rc)
        rc = s->io->open_source(src, s->options.allow_untrusted, &s->source, err);
    if (!rc)
        rc = choose_piece(s, err);
    fenv_t theirs;
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    if (!rc && !s->options.crop_placed)
        rc = find_detail(s, err);
    if (!rc)
        rc = read_piece(s, err);
    if (!rc)
        rc = add_piece(s, err);
    fesetenv(&theirs);
    if (rc)
        pique_sheet_close(&s);
    *out = s;
    return rc;
}

void pique_sheet_close(pique_sheet **sheet)
{
    pique_sheet *s = *sheet;
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        pq_free(s->cells[i].samples);
        pq_free(s->cells[i].label);
    }
    if (s->source)
        s->source->close(s->source);
    pq_free(s->piece);
    pq_free(s->name);
    pq_free(s);
    *sheet = NULL;
}

int pique_sheet_get_info(const pique_sheet *s, pique_sheet_info *info, pique_error *err)
{
    if (info->size < sizeof info->size)
        return pq_fail(err, PIQUE_EINVAL, "the size of the sheet info is not set");
    pq_copy_out(info, info->size, &s->info, sizeof s->info);
    return 0;
}

/* ---- through the models ---- */

struct attempt {
    const pique_sheet *sheet;
    const struct pq_engines *engines;
    struct pq_size size;
    uint64_t share[PQ_MAX_PASSES];
    unsigned char *cell;
};

/* What the stages beside the networks take: rows of floats, and the resize to the common size. */
static uint64_t other_bytes(const struct attempt *a)
{
    enum { PASS_ROWS = 40, PIXEL = 16 };
    const struct pq_size *size = &a->size;
    const pique_sheet_info *info = &a->sheet->info;
    uint64_t sum = 0;
    for (int i = 0; i <= size->passes; i++)
        sum += (uint64_t)PQ_MAX(size->pass_width[i], size->pass_height[i]) * PIXEL * PASS_ROWS;
    const uint64_t resize =
        pq_resize_bytes(size->width, size->height, PLANES, info->cell_width, info->cell_height);
    return resize > UINT64_MAX - sum ? UINT64_MAX : sum + resize;
}

static int plan(struct attempt *a, pique_error *err)
{
    const pique_sheet *s = a->sheet;
    const pique_picture_options own = {.size = sizeof own};
    struct pq_scale scales[PIQUE_CHAIN_MODELS];
    int rc = pq_engines_scales(a->engines, scales, err);
    if (!rc)
        rc = pq_size_resolve(&own, s->info.width, s->info.height, scales, a->engines->count,
                             s->name, &a->size, err);
    if (rc)
        return rc;
    const struct pq_demand demand = {.tta = s->options.tta,
                                     .other = other_bytes(a),
                                     .whole = s->options.tta ? pq_tta_bytes(&a->size, PLANES) : 0};
    return pq_budget_share(a->engines, &a->size, &demand, s->name, a->share, err);
}

static int compute(struct attempt *a, pique_error *err)
{
    pique_engine *first = a->engines->list[0];
    struct pq_tally tally = {.engine = first};
    struct pq_stage *chain = NULL;
    int rc = piece_stage(a->sheet, pq_engine_allocator(first), &chain, err);
    for (int i = 0; !rc && i < a->size.passes; i++) {
        pique_engine *engine = a->engines->list[a->size.model[i]];
        const struct pq_pass pass = {
            .engine = engine, .memory_bytes = a->share[i], .number = i + 1, .tally = &tally};
        bool approximate = false; /* of a crop no network needs so much */
        rc = pq_pass_stages(&chain, 1, &pass, a->sheet->options.tta, &approximate, err);
    }
    if (!rc)
        rc = draw(a->sheet, &chain, &tally, a->cell, err);
    if (chain)
        chain->close(chain);
    return rc;
}

static int add(pique_sheet *s, struct attempt *a, pique_sheet_result *result, pique_error *err)
{
    int rc = plan(a, err);
    if (!rc)
        rc = new_cell(s, &a->cell, err);
    if (rc)
        return rc;
    const double start = pq_seconds();
    rc = compute(a, err);
    if (rc == PIQUE_EDEVICE) { /* it may have been a passing fault */
        result->retries = 1;
        rc = compute(a, err);
    }
    if (rc) {
        pq_free(a->cell);
        return rc;
    }
    result->seconds = pq_seconds() - start;
    result->width = a->size.width;
    result->height = a->size.height;
    result->passes = a->size.passes;
    s->cells[s->count++].samples = a->cell;
    return 0;
}

int pique_sheet_add(pique_sheet *sheet, pique_engine *const *engines, size_t count,
                    pique_sheet_result *result, pique_error *err)
{
    struct pq_engines list;
    int rc = pq_engines_take(engines, count, &list, err);
    if (!rc && result && result->size < sizeof result->size)
        rc = pq_fail(err, PIQUE_EINVAL, "the size of the sheet result is not set");
    if (rc)
        return rc;
    struct attempt a = {.sheet = sheet, .engines = &list};
    pique_sheet_result full = {.size = sizeof full};
    fenv_t theirs;
    fegetenv(&theirs);
    fesetenv(FE_DFL_ENV);
    rc = add(sheet, &a, &full, err);
    fesetenv(&theirs);
    if (!rc && result)
        pq_copy_out(result, result->size, &full, sizeof full);
    return rc;
}

int pique_sheet_label(pique_sheet *s, size_t picture, const char *text, pique_error *err)
{
    if (picture >= s->count)
        return pq_fail(err, PIQUE_EINVAL, "picture %zu of a sheet of %zu", picture, s->count);
    char *copy = pq_strdup(text);
    if (!copy)
        return pq_fail_nomem(err, strlen(text));
    pq_free(s->cells[picture].label);
    s->cells[picture].label = copy;
    return 0;
}
