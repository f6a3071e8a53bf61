/* SPDX-License-Identifier: MIT */
/* The product of two small matrices, which attention is made of. A lane is a column of the result,
 * so no sum is split. A block of rows times registers of columns stays in registers: at AVX-512
 * 8 x 2 sums for 2 loads and 8 broadcasts a step, at AVX2 4 x 2 for 2 and 4, at NEON 4 x 4 for 4
 * and 4 loads of one value. */
#include "kernels/wide/functions.h"
#include "kernels/wide/lanes.h"

#if defined(__AVX512F__)
enum { ROWS = 8, BLOCKS = 2 };
#else
enum { ROWS = 4, BLOCKS = 1 };
#endif

/* `rows` rows times `blocks` blocks of lanes, from a row and a column on. `full`: all lanes of the
 * last block are columns. */
LANES_INLINE void tile(const struct pq_product *p, int row, int column, const int rows,
                       const int blocks, const bool full)
{
    const struct lanes_mask last = lanes_first(p->columns - column - (blocks - 1) * LANES);
    struct lanes sum[ROWS * BLOCKS];
    UNROLLED_FOR (i, rows * blocks)
        sum[i] = lanes_set(0.0f);
    const ptrdiff_t a_row = p->a_row, a_step = p->a_step, b_step = p->b_step;
    const float *a = p->a + row * a_row, *b = p->b + column;
    for (int s = 0; s < p->steps; s++, a += a_step, b += b_step) {
        struct lanes v[BLOCKS];
        UNROLLED_FOR (k, blocks) {
            const float *at = b + k * LANES;
            v[k] = full || k < blocks - 1 ? lanes_load(at) : lanes_load_some(last, at);
        }
        UNROLLED_FOR (r, rows) {
            struct lanes value = lanes_set(a[r * a_row]);
            UNROLLED_FOR (k, blocks)
                sum[r * blocks + k] = lanes_fma(value, v[k], sum[r * blocks + k]);
        }
    }
    UNROLLED_FOR (r, rows) {
        UNROLLED_FOR (k, blocks) {
            float *to = p->out + (row + r) * p->out_row + column + k * LANES;
            if (full || k < blocks - 1)
                lanes_store(to, sum[r * blocks + k]);
            else
                lanes_store_some(last, to, sum[r * blocks + k]);
        }
    }
}

/* All rows of some columns. */
LANES_INLINE void all_rows(const struct pq_product *p, int column, const int blocks,
                           const bool full)
{
    int row = 0;
    for (; row + ROWS <= p->rows; row += ROWS)
        tile(p, row, column, ROWS, blocks, full);
    for (; row + 2 <= p->rows; row += 2)
        tile(p, row, column, 2, blocks, full);
    if (row < p->rows)
        tile(p, row, column, 1, blocks, full);
}

void PQ_WIDE(product)(const struct pq_product *p)
{
    int column = 0;
    for (; column + BLOCKS * LANES <= p->columns; column += BLOCKS * LANES)
        all_rows(p, column, BLOCKS, true);
    if (BLOCKS > 1 && column + LANES < p->columns)
        all_rows(p, column, BLOCKS, false);
    else if (column < p->columns)
        all_rows(p, column, 1, false);
}
