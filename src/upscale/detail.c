/* SPDX-License-Identifier: MIT */
/* Sums of one block each are taken as the rows come; then every place of the grid adds up its
 * blocks. Blocks at the right and bottom border may be smaller. */
#include "upscale/detail.h"

#include "base/alloc.h"
#include "kernels/colour.h"
#include "upscale/ring.h"

enum { BLOCK = 16, MOST_BLOCKS = 512 /* a side */ };

struct map {
    int block;
    int columns, rows;
    double *energy; /* of each block; then of all blocks above and to the left of it, itself too */
};

static int blocks(int pixels, int block)
{
    return pixels / block + (pixels % block != 0);
}

static int map_new(struct map *m, int width, int height, pique_error *err)
{
    m->block = PQ_MAX(BLOCK, blocks(PQ_MAX(width, height), MOST_BLOCKS));
    m->columns = blocks(width, m->block);
    m->rows = blocks(height, m->block);
    const size_t count = (size_t)m->columns * (size_t)m->rows;
    m->energy = pq_calloc(count, sizeof *m->energy);
    return m->energy ? 0 : pq_fail_nomem(err, count * sizeof *m->energy);
}

/* Row y of the lumas and the row above it, NULL at the top. */
static void add_row(struct map *m, int y, const float *row, const float *above, int width)
{
    double *energy = m->energy + (size_t)(y / m->block) * (size_t)m->columns;
    for (int x = 0; x < width; x++) {
        const float dx = x ? row[x] - row[x - 1] : 0, dy = above ? row[x] - above[x] : 0;
        energy[x / m->block] += (double)(dx * dx + dy * dy);
    }
}

static int scan(struct map *m, struct pq_stage *stage, pique_error *err)
{
    const int width = stage->width, planes = stage->planes;
    size_t row_bytes;
    int rc = pq_row_floats_bytes(width, planes, &row_bytes, err);
    if (rc)
        return rc;
    float *pixels = pq_big_alloc(stage->allocator, row_bytes);
    float *luma = pq_big_alloc(stage->allocator, row_bytes); /* two rows are less */
    if (!pixels || !luma)
        rc = pq_fail_nomem(err, 2 * row_bytes);
    for (int y = 0; !rc && y < stage->height; y++) {
        float *row = luma + (size_t)(y & 1) * (size_t)width;
        rc = stage->read(stage, 1, pixels, err);
        for (int x = 0; !rc && x < width; x++)
            row[x] = pq_luma(pixels + (size_t)x * (size_t)planes);
        if (!rc)
            add_row(m, y, row, y ? luma + (size_t)(~y & 1) * (size_t)width : NULL, width);
    }
    pq_big_free(stage->allocator, pixels);
    pq_big_free(stage->allocator, luma);
    return rc;
}

static double *at(const struct map *m, int column, int row)
{
    return m->energy + (size_t)row * (size_t)m->columns + (size_t)column;
}

static void add_up(struct map *m)
{
    for (int r = 0; r < m->rows; r++) {
        double row = 0;
        for (int c = 0; c < m->columns; c++) {
            row += *at(m, c, r);
            *at(m, c, r) = row + (r ? *at(m, c, r - 1) : 0);
        }
    }
}

/* The sum of the blocks left of column c and above row r. */
static double corner(const struct map *m, int c, int r)
{
    return c && r ? *at(m, c - 1, r - 1) : 0;
}

/* The sum of the blocks that begin inside the piece at x, y. */
static double energy_at(const struct map *m, int x, int y, int width, int height)
{
    const int c0 = blocks(x, m->block), c1 = blocks(x + width, m->block);
    const int r0 = blocks(y, m->block), r1 = blocks(y + height, m->block);
    return corner(m, c1, r1) - corner(m, c0, r1) - corner(m, c1, r0) + corner(m, c0, r0);
}

int pq_detail_find(struct pq_stage *stage, int width, int height, int *out_x, int *out_y,
                   pique_error *err)
{
    struct map m = {0};
    *out_x = *out_y = 0;
    int rc = map_new(&m, stage->width, stage->height, err);
    if (!rc)
        rc = scan(&m, stage, err);
    if (!rc)
        add_up(&m);
    const int last_x = stage->width - width, last_y = stage->height - height;
    double best = -1;
    for (int r = 0; !rc && r <= blocks(last_y, m.block); r++) {
        for (int c = 0; c <= blocks(last_x, m.block); c++) {
            const int x = PQ_MIN(c * m.block, last_x), y = PQ_MIN(r * m.block, last_y);
            const double energy = energy_at(&m, x, y, width, height);
            if (energy > best) {
                best = energy;
                *out_x = x;
                *out_y = y;
            }
        }
    }
    pq_free(m.energy);
    return rc;
}
