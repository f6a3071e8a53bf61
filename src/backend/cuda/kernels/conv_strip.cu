/* SPDX-License-Identifier: MIT */
/* Convolutions of 64 channels, 3 x 3, as products of matrices that four warps of Hopper make
 * together (warpgroup.h); what conv_half.cu does on older GPUs. Stride and dilation are 1.
 *
 *     cuda_conv_strip_swizzled, _planes       a thread: cuda_strip_blocks() blocks of
 *     cuda_conv_shuffled_swizzled, _planes    CUDA_STRIP_THREADS; the name says how pixels lie, and
 *                                             whether the result is written shuffled
 *
 * Weights are the matrix that stays in registers, d = weights x pixels, so that shared memory
 * yields pixels alone, 64 of its 128 bytes a clock; nine taps find the pixels of one row where they
 * lie, since a descriptor may begin at any pixel.
 *
 *     group 2, loads       row n of the input -> ring[n % 8] ............. full[n % 8] is told
 *     groups 0, 1          wait full of four rows, take turns to multiply a row each ...
 *                          arrive empty, of two
 *
 * A turn is for products alone: while one group has it, the other one writes its row, knows that
 * the rows of its next one are there, and fetches what will be added to it. A fence between copies
 * and products waits for all that its thread has written, too, so it comes before a row is written
 * and not behind.
 *
 * What becomes 4 x 4 pixels of 3 channels can be written so, and have a picture of the input's size
 * added, as tile.h says: the last convolution of most networks.
 *
 * `weights` are halves, [block of 64 channels][step][thread][register][2], as warpgroup.h has them:
 * a step is a tap and 16 channels, in the order of the sums, which are those of conv_half.cu. */
#include "backend/cuda/kernels/warpgroup.h"

#ifdef CUDA_HAS_WARPGROUPS

enum {
    LOADER = 2,                                        /* the group that loads */
    FULL = CUDA_STRIP_BARRIERS,                        /* one a row of the ring */
    EMPTY = CUDA_STRIP_BARRIERS + CUDA_STRIP_RING * 8, /* one a row of the ring */
    UNITS = CUDA_STRIP_C / 8,                          /* of 16 bytes, of a pixel */
    AT_ONCE = CUDA_STRIP_GROUP / UNITS,                /* pixels that a group copies at once */
    READERS = 2 * CUDA_STRIP_GROUP / CUDA_WARP,        /* warps that multiply */
    HALO = CUDA_STRIP_K - 1,
    REST = 4 /* products of a row that are left when the other group's turn begins */
};

/* What a block does. */
struct strip_block {
    const struct cuda_args *args;
    int channel;    /* the first that it makes */
    int begin, end; /* its pairs of rows */
    int top;        /* the first row of the launch */
    uint32_t shared;
    enum wg_layout layout;
    bool shuffled; /* like the layout known when the kernel is compiled */
};

/* Where a group stands: at a pair of rows of the result, from pixel (x, y) on, of which the last of
 * an odd number is one row. Row n is of the input, the n-th that the block loads: for who loads,
 * row `row` of those of the pair, for the others the first of them. What a group keeps is little:
 * who multiplies has 40 registers beside weights and sums. */
struct strip_place {
    int frame, x, y;
    int left;      /* pairs of the block, with this one */
    int row, slot; /* slot: of who loads, where the row that comes lies in the ring of the map */
    uint32_t n;
    bool begun;      /* rows of the input are known to be there */
    bool multiplied; /* products of the pair are made, and not written yet */
};

CUDA_INLINE int factor_of(const struct strip_block *b)
{
    return b->shuffled ? CUDA_STRIP_SHUFFLE : 1;
}

CUDA_INLINE struct strip_block strip_block_of(const struct cuda_args *a, int64_t block,
                                              uint32_t shared, enum wg_layout layout, bool shuffled)
{
    struct strip_block b;
    const int groups = cuda_strip_groups(cuda_conv_channels(a));
    const int64_t blocks = a->count / CUDA_STRIP_THREADS / groups, at = block / groups;
    const int64_t pairs = cuda_strip_pairs(a);
    b.args = a;
    b.channel = (int)(block % groups) * CUDA_STRIP_C;
    b.begin = (int)(pairs * at / blocks);
    b.end = (int)(pairs * (at + 1) / blocks);
    b.shared = shared;
    b.layout = layout;
    b.shuffled = shuffled;
    b.top = (int)a->y0 / factor_of(&b);
    return b;
}

CUDA_INLINE struct strip_place strip_begin(const struct strip_block *b)
{
    const struct cuda_args *a = b->args;
    const int column = cuda_strip_column(a), across = cuda_strips(a), strip = b->begin / column;
    struct strip_place p;
    p.frame = strip / across;
    p.x = strip % across * CUDA_STRIP_W;
    p.y = b->top + 2 * (b->begin % column);
    p.left = b->end - b->begin;
    p.row = p.slot = 0;
    p.n = 0;
    p.begun = p.multiplied = false;
    return p;
}

/* Whether rows from y on, columns from x on, are behind the last one; without dividing anything, or
 * registers for where that is. */
CUDA_INLINE bool is_below(const struct strip_block *b, int y)
{
    return y * factor_of(b) >= (int)b->args->y0 + b->args->rows;
}
CUDA_INLINE bool is_beside(const struct strip_block *b, int x)
{
    return x * factor_of(b) >= b->args->out.width;
}

CUDA_INLINE int rows_of(const struct strip_block *b, const struct strip_place *p)
{
    return is_below(b, p->y + 1) ? 1 : 2;
}

/* Whether this pair is the first of the block's in its strip: no row that it needs is there. */
CUDA_INLINE bool is_first(const struct strip_block *b, const struct strip_place *p)
{
    return p->y == b->top || p->n == (uint32_t)p->row;
}

/* Whether no row that this pair needs is needed by the next one. */
CUDA_INLINE bool is_last(const struct strip_block *b, const struct strip_place *p)
{
    return p->left == 1 || is_below(b, p->y + 2);
}

/* On to the next pair. */
CUDA_INLINE void next_pair(const struct strip_block *b, struct strip_place *p)
{
    p->left--;
    p->y += 2;
    if (!is_below(b, p->y))
        return;
    p->y = b->top;
    p->x += CUDA_STRIP_W;
    if (!is_beside(b, p->x))
        return;
    p->x = 0;
    p->frame++;
}

CUDA_INLINE uint32_t ring_row(const struct strip_block *b, uint32_t n)
{
    return b->shared + n % CUDA_STRIP_RING * CUDA_STRIP_ROW;
}

CUDA_INLINE uint32_t barrier_of(const struct strip_block *b, int which, uint32_t n)
{
    return b->shared + (uint32_t)which + n % CUDA_STRIP_RING * 8;
}

/* Of the phase in which row n is the one in its place. */
CUDA_INLINE int parity_of(uint32_t n)
{
    return (int)(n / CUDA_STRIP_RING & 1);
}

/* ---- the group that loads ---- */

/* This thread's part of a row with its halo: zeros outside of the picture, and all of it where
 * `there` is false. Its pixels are AT_ONCE apart, a multiple of the swizzle's eight. No copy waits
 * for another one's address: a loop of them takes longer than the products that need the row. */
CUDA_INLINE void load_part(const struct strip_block *b, const uint16_t *row, bool there, int left,
                           uint32_t to, int t)
{
    const struct cuda_map *in = &b->args->in[0];
    const int u = t % UNITS, first = t / UNITS;
    const uint32_t at = wg_unit(b->layout, to, first, u);
    const uint32_t step = AT_ONCE * (b->layout == WG_SWIZZLED ? 128 : 16);
    CUDA_UNROLL
    for (int i = 0; i < (CUDA_STRIP_W + HALO + AT_ONCE - 1) / AT_ONCE; i++) {
        const int pixel = first + i * AT_ONCE, x = left + pixel;
        if ((i + 1) * AT_ONCE <= CUDA_STRIP_W + HALO || pixel < CUDA_STRIP_W + HALO)
            wg_copy_from(LOADER * CUDA_STRIP_GROUP + t, at + (uint32_t)i * step, row,
                         x * in->stride + u * 8, there && (uint32_t)x < (uint32_t)in->width);
    }
}

/* Where row y of the input lies, whose slot in its ring is counted on while the block goes down a
 * strip. */
CUDA_INLINE const uint16_t *next_row(const struct strip_block *b, struct strip_place *p, int y,
                                     bool begins)
{
    const struct cuda_map *in = &b->args->in[0];
    if (begins)
        p->slot = (int)((uint32_t)(y + in->rows) % (uint32_t)in->rows);
    const int slot = p->slot;
    p->slot = slot + 1 == in->rows ? 0 : slot + 1;
    return (const uint16_t *)(const void *)in->data + p->frame * in->frame + slot * in->row;
}

/* One row, of which the first pair in a strip has two more than each behind it; false: its place is
 * taken yet. */
CUDA_INLINE bool load_step(const struct strip_block *b, struct strip_place *p)
{
    const struct cuda_args *a = b->args;
    const uint32_t n = p->n;
    const int halo = is_first(b, p) ? 0 : HALO, y = p->y - a->ver.before + halo + p->row;
    if (!wg_wait(barrier_of(b, EMPTY, n), parity_of(n) ^ 1))
        return false;
    const uint16_t *row = next_row(b, p, y, halo + p->row == 0);
    WG_EACH_THREAD(t)
    {
        load_part(b, row, y >= 0 && y < a->in[0].height, p->x - a->hor.before, ring_row(b, n), t);
        wg_arrive_copied(LOADER * CUDA_STRIP_GROUP + t, barrier_of(b, FULL, n));
    }
    p->n++;
    if (++p->row == rows_of(b, p) + HALO - halo) {
        next_pair(b, p);
        p->row = 0;
    }
    return true;
}

/* ---- a group that multiplies ---- */

/* The channels of a thread's sums. */
CUDA_INLINE int channel_of(const struct strip_block *b, int t, int half)
{
    return b->channel + t / CUDA_WARP * 16 + t % CUDA_WARP / 4 + 8 * half;
}

CUDA_INLINE void take_weights(const struct strip_block *b, int t, struct wg_thread *own)
{
    const struct cuda_args *a = b->args;
    const int64_t words = (int64_t)CUDA_STRIP_STEPS * CUDA_STRIP_GROUP * 4;
    const uint32_t *from =
        (const uint32_t *)(const void *)a->weights + b->channel / CUDA_STRIP_C * words + t * 4;
    CUDA_UNROLL
    for (int step = 0; step < CUDA_STRIP_STEPS; step++)
        wg_take(own->a[step], from + step * CUDA_STRIP_GROUP * 4);
}

/* A row of the result from three of the input, of which the first is the n-th. */
CUDA_INLINE void multiply_row(const struct strip_block *b, uint32_t n, struct wg_thread *kept)
{
    uint32_t rows[CUDA_STRIP_K];
    CUDA_UNROLL
    for (int i = 0; i < CUDA_STRIP_K; i++)
        rows[i] = wg_uniform(wg_row(b->layout, ring_row(b, n + (uint32_t)i)));
    wg_multiply_begin();
    CUDA_UNROLL
    for (int step = 0; step < CUDA_STRIP_STEPS; step++) {
        const int tap = step / (CUDA_STRIP_C / 16), sixteen = step % (CUDA_STRIP_C / 16);
        WG_MULTIPLY(
            kept, step,
            wg_descriptor(b->layout, rows[tap / CUDA_STRIP_K], tap % CUDA_STRIP_K, sixteen * 2));
        if (step == CUDA_STRIP_STEPS - 1 - REST || step == CUDA_STRIP_STEPS - 1)
            wg_multiply_end();
    }
}

/* Unit u of a pixel that is on its way out. */
CUDA_INLINE uint32_t stage_unit(const struct strip_block *b, int group, int pixel, int u)
{
    return b->shared + CUDA_STRIP_STAGES + (uint32_t)group * CUDA_STRIP_STAGE +
           (uint32_t)(pixel * UNITS + (u ^ (pixel & 7))) * 16;
}

/* The column of 8 channels that a lane names of the first 16 pixels: the second and fourth matrix
 * are the upper half of the warp's channels, the third and fourth the next 8 pixels. */
CUDA_INLINE uint32_t stage_column(const struct strip_block *b, int group, int warp, int lane)
{
    return stage_unit(b, group, lane / 16 * 8 + lane % 8, warp * 2 + lane / 8 % 2);
}

/* This thread's part of what is added, which lies where the row will. */
CUDA_INLINE void load_residual(const struct strip_block *b, const struct strip_place *p, int group,
                               int t)
{
    const struct cuda_args *a = b->args;
    const struct cuda_map *m = &a->in[a->inputs - 1];
    const uint16_t *row =
        (const uint16_t *)(const void *)m->data + cuda_row(m, p->frame, p->y + group);
    const int u = t % UNITS;
    CUDA_ROLLED
    for (int pixel = t / UNITS; pixel < CUDA_STRIP_W; pixel += AT_ONCE) {
        const bool there = p->x + pixel < m->width;
        wg_copy_from(group * CUDA_STRIP_GROUP + t, stage_unit(b, group, pixel, u), row,
                     (p->x + pixel) * m->stride + b->channel + u * 8, there);
    }
}

/* Where a value of the picture that is added to a shuffled result is put. */
CUDA_INLINE uint32_t added_at(const struct strip_block *b, int group, int pixel, int c)
{
    return b->shared + CUDA_STRIP_PICTURES + (uint32_t)group * CUDA_STRIP_PICTURE +
           (uint32_t)(pixel * CUDA_STRIP_COLOURS + c) * 4;
}

/* Of it this thread's part. */
CUDA_INLINE void load_picture(const struct strip_block *b, const struct strip_place *p, int group,
                              int t)
{
    const struct cuda_map *m = &b->args->in[b->args->inputs - 1];
    const int x = p->x + t;
    if (t >= CUDA_STRIP_W || x >= m->width)
        return;
    const int64_t from = cuda_offset(m, p->frame, p->y + group, x);
    CUDA_UNROLL
    for (int c = 0; c < CUDA_STRIP_COLOURS; c++)
        wg_put(added_at(b, group, t, c), cuda_get(m, from + c));
}

/* What the sums of a thread are given; taken anew for each row, while its products are made, since
 * registers are dear. */
CUDA_INLINE void take_bias(const struct strip_block *b, int t, struct wg_thread *own)
{
    const struct cuda_args *a = b->args;
    CUDA_UNROLL
    for (int half = 0; half < 2; half++) {
        const int c = channel_of(b, t, half);
        const bool there = c < cuda_conv_channels(a);
        own->bias[half] = there ? a->bias[c] : 0.0f;
        own->slope[half] = there && a->slopes ? a->slopes[c] : 1.0f;
    }
}

/* One value of the result, but for what is added to it. */
CUDA_INLINE float finish_sum(const struct wg_thread *own, int half, float sum)
{
    const float v = sum + own->bias[half];
    return v < 0.0f ? v * own->slope[half] : v;
}

/* What is added to a sum; known when the kernel is compiled. */
enum strip_added {
    NOTHING_ADDED,
    ROW_ADDED,    /* halves of the result's size, which lie where the row will */
    PICTURE_ADDED /* colours, to what is shuffled */
};

/* Where the picture has what is added to a thread's sums of pixel 0: 16 channels are a colour. */
CUDA_INLINE uint32_t picture_at(const struct strip_block *b, int group, int t)
{
    const int warp = t / CUDA_WARP;
    return added_at(b, group, 0, warp < CUDA_STRIP_COLOURS ? warp : 0);
}

/* Sums become halves, and lie as pixels do. */
CUDA_INLINE void stage_sums(const struct strip_block *b, int group, int t, enum strip_added what,
                            const struct wg_thread *own)
{
    const int warp = t / CUDA_WARP, lane = t % CUDA_WARP;
    const uint32_t colour = what == PICTURE_ADDED ? picture_at(b, group, t) : 0;
    const float scale = b->args->scale;
    CUDA_UNROLL
    for (int pixel = 0; pixel < CUDA_STRIP_W; pixel += 16) {
        const uint32_t lines = (uint32_t)pixel * 128;
        uint32_t r[4] = {0, 0, 0, 0};
        if (what == ROW_ADDED)
            WG_LOAD_COLUMNS(r, lane, named, stage_column(b, group, warp, named) + lines);
        CUDA_UNROLL
        for (int q = 0; q < 4; q++) {
            const int x = pixel + q / 2 * 8 + lane % 4 * 2;
            float v[2];
            CUDA_UNROLL
            for (int i = 0; i < 2; i++) {
                v[i] = finish_sum(own, q % 2, own->d[pixel / 2 + q * 2 + i]);
                if (what == ROW_ADDED)
                    v[i] = wg_value(r[q], i) + scale * v[i];
                else if (what == PICTURE_ADDED)
                    v[i] = wg_get(colour + (uint32_t)((x + i) * CUDA_STRIP_COLOURS) * 4) +
                           scale * v[i];
            }
            r[q] = wg_pack(v[0], v[1]);
        }
        WG_STORE_COLUMNS(r, lane, named, stage_column(b, group, warp, named) + lines);
    }
}

CUDA_INLINE void write_part(const struct strip_block *b, const struct strip_place *p, int group,
                            int t)
{
    const struct cuda_map *m = &b->args->out;
    uint16_t *row = (uint16_t *)(void *)m->data + cuda_row(m, p->frame, p->y + group);
    const int u = t % UNITS, c = b->channel + u * 8;
    if (c >= m->stride)
        return;
    CUDA_UNROLL
    for (int i = 0; i < CUDA_STRIP_W / AT_ONCE; i++) {
        const int pixel = t / UNITS + i * AT_ONCE;
        if (p->x + pixel < m->width)
            WG_COPY_OUT(row + ((p->x + pixel) * m->stride + c), stage_unit(b, group, pixel, u));
    }
}

/* ---- shuffled ---- */

/* What a pixel becomes in one of the rows that its own becomes: 4 pixels of 3 channels, 24 bytes,
 * written 8 at a time. */
struct strip_words {
    alignas(8) uint32_t v[2];
};
CUDA_INLINE void write_dozen(const struct strip_block *b, int group, int pixel, int dy,
                             uint16_t *to)
{
    uint32_t v[3][2];
    CUDA_UNROLL
    for (int c = 0; c < 3; c++)
        wg_peek(v[c], stage_unit(b, group, pixel, c * 2 + dy / 2) + (uint32_t)(dy % 2) * 8);
    CUDA_UNROLL
    for (int i = 0; i < 3; i++) {
        struct strip_words w;
        CUDA_UNROLL
        for (int k = 0; k < 2; k++) {
            const int at = i * 4 + k * 2, next = at + 1; /* pixel at / 3, channel at % 3 */
            const uint32_t low = v[at % 3][at / 6] >> (at / 3 % 2 * 16) & 0xffff;
            w.v[k] = low | v[next % 3][next / 6] >> (next / 3 % 2 * 16) << 16;
        }
        ((struct strip_words *)(void *)to)[i] = w;
    }
}

CUDA_INLINE void write_shuffled_part(const struct strip_block *b, const struct strip_place *p,
                                     int group, int t)
{
    const struct cuda_map *m = &b->args->out;
    CUDA_ROLLED
    for (int i = t; i < CUDA_STRIP_W * CUDA_STRIP_SHUFFLE; i += CUDA_STRIP_GROUP) {
        const int dy = i / CUDA_STRIP_W, pixel = i % CUDA_STRIP_W, x = p->x + pixel;
        const int64_t y = (int64_t)(p->y + group) * CUDA_STRIP_SHUFFLE + dy;
        if (!is_beside(b, x))
            write_dozen(b, group, pixel, dy,
                        (uint16_t *)(void *)m->data + cuda_row(m, p->frame, y) + (int64_t)x * 12);
    }
}

/* ---- a pair ---- */

/* This group is done with rows [from, to). */
CUDA_INLINE void tell_empty(const struct strip_block *b, uint32_t from, uint32_t to)
{
    WG_EACH_WARP
    {
        for (uint32_t n = from; n != to; n++)
            wg_arrive(barrier_of(b, EMPTY, n));
    }
}

/* Whether the rows of this pair are there, of which row n is the first; those before `from` are. */
CUDA_INLINE bool rows_there(const struct strip_block *b, const struct strip_place *p, uint32_t from)
{
    const uint32_t end = p->n + (uint32_t)(rows_of(b, p) + HALO);
    for (uint32_t n = from; n != end; n++) {
        if (!wg_wait(barrier_of(b, FULL, n), parity_of(n)))
            return false;
    }
    wg_fence();
    return true;
}

/* What is added to the group's row of a pair is on its way while it waits for its turn. */
CUDA_INLINE void fetch_residual(const struct strip_block *b, const struct strip_place *p, int group)
{
    if (!b->args->residual || group >= rows_of(b, p))
        return;
    WG_EACH_THREAD(t)
    {
        if (b->shuffled)
            load_picture(b, p, group, t);
        else
            load_residual(b, p, group, t);
    }
}

/* Behind the rows of the input that nothing is made of after this pair. */
CUDA_INLINE uint32_t used_by(const struct strip_block *b, const struct strip_place *p)
{
    return p->n + (is_last(b, p) ? (uint32_t)(rows_of(b, p) + HALO) : 2);
}

CUDA_INLINE void write_row(const struct strip_block *b, const struct strip_place *p, int group,
                           struct wg_thread *kept)
{
    if (b->args->residual) {
        WG_EACH_THREAD(t)
        wg_copied(group * CUDA_STRIP_GROUP + t);
        wg_sync(group);
    }
    WG_EACH_THREAD(t)
    {
        struct wg_thread *own = WG_OWN(kept, t);
        if (!b->args->residual)
            stage_sums(b, group, t, NOTHING_ADDED, own);
        else if (b->shuffled)
            stage_sums(b, group, t, PICTURE_ADDED, own);
        else
            stage_sums(b, group, t, ROW_ADDED, own);
    }
    wg_sync(group);
    WG_EACH_THREAD(t)
    {
        if (b->shuffled)
            write_shuffled_part(b, p, group, t);
        else
            write_part(b, p, group, t);
    }
    wg_sync(group); /* what is added to the next row comes where this one was */
}

/* The products of the group's row of a pair; false: it is not its turn. */
CUDA_INLINE bool multiply_in_turn(const struct strip_block *b, const struct strip_place *p,
                                  int group, struct wg_thread *kept)
{
    if (!wg_turn(group))
        return false;
    multiply_row(b, p->n + (uint32_t)group, kept);
    WG_EACH_THREAD(t)
    take_bias(b, t, WG_OWN(kept, t));
    wg_multiplied_but_last();
    wg_pass_turn(group);
    wg_multiplied(kept);
    tell_empty(b, p->n, used_by(b, p));
    return true;
}

/* The same of a group that has no row in this pair. */
CUDA_INLINE bool pass_in_turn(const struct strip_block *b, const struct strip_place *p, int group)
{
    if (!wg_turn(group))
        return false;
    wg_pass_turn(group);
    tell_empty(b, p->n, used_by(b, p));
    return true;
}

/* On to the next pair once its rows are there. */
CUDA_INLINE bool go_on(const struct strip_block *b, struct strip_place *p)
{
    struct strip_place next = *p;
    const uint32_t seen = p->n + (uint32_t)(rows_of(b, p) + HALO);
    next.n = used_by(b, p);
    next.multiplied = false;
    next_pair(b, &next);
    if (next.left > 0 && !rows_there(b, &next, seen))
        return false;
    *p = next;
    return true;
}

/* A row of a pair; false: it is not the group's turn, or rows of the next pair are missing yet. */
CUDA_INLINE bool multiply_step(const struct strip_block *b, struct strip_place *p, int group,
                               struct wg_thread *kept)
{
    if (!p->begun) { /* the first of the block's */
        if (!rows_there(b, p, p->n))
            return false;
        fetch_residual(b, p, group);
        p->begun = true;
    }
    const struct strip_place now = *p;
    /* One branch: sums that were alive behind it would be so in front of the next products. */
    if (group < rows_of(b, p)) {
        if (!p->multiplied && !(p->multiplied = multiply_in_turn(b, p, group, kept)))
            return false;
        if (!go_on(b, p))
            return false;
        write_row(b, &now, group, kept);
    } else {
        if (!p->multiplied && !(p->multiplied = pass_in_turn(b, p, group)))
            return false;
        if (!go_on(b, p))
            return false;
    }
    if (p->left > 0)
        fetch_residual(b, p, group);
    return true;
}

/* ---- a block ---- */

CUDA_INLINE void barriers_begin(uint32_t shared)
{
    for (uint32_t n = 0; n < CUDA_STRIP_RING; n++) {
        wg_barrier_new(shared + FULL + n * 8, CUDA_STRIP_GROUP);
        wg_barrier_new(shared + EMPTY + n * 8, READERS);
    }
}

#endif

#ifdef __CUDACC__
CUDA_INLINE void conv_strip(const struct cuda_args *a, enum wg_layout layout, bool shuffled,
                            void *memory)
{
#ifdef CUDA_HAS_WARPGROUPS
    const uint32_t shared = (uint32_t)__cvta_generic_to_shared(memory);
    const struct strip_block b = strip_block_of(a, blockIdx.x, shared, layout, shuffled);
    struct strip_place p = strip_begin(&b);
    const int group = (int)threadIdx.x / CUDA_STRIP_GROUP;
    if (threadIdx.x == 0)
        barriers_begin(shared);
    cuda_sync();
    if (group == LOADER) {
        WG_GIVE_UP();
        while (p.left > 0)
            load_step(&b, &p);
        wg_copied((int)threadIdx.x);
    } else {
        struct wg_thread own;
        WG_TAKE();
        take_weights(&b, (int)threadIdx.x % CUDA_STRIP_GROUP, &own);
        if (group == 1)
            wg_pass_turn(group);
        while (p.left > 0)
            multiply_step(&b, &p, group, &own);
    }
#else
    (void)shuffled;
    CUDA_MISSING(a, layout, memory);
#endif
}

#define CONV_STRIP(name, layout, shuffled)                                                         \
    extern "C" __global__ void __launch_bounds__(CUDA_STRIP_THREADS, 1)                            \
        name(const __grid_constant__ struct cuda_args a)                                           \
    {                                                                                              \
        extern __shared__ __align__(1024) uint16_t strip_shared[];                                 \
        conv_strip(&a, layout, shuffled, strip_shared);                                            \
    }
#else
/* The three groups in turns, each as far as it can go; who goes first, and whether all at once or a
 * step at a time, is another for each block. False: nobody could go on. */
static inline bool strip_turns(const struct strip_block *b, int64_t block,
                               struct wg_thread kept[2][CUDA_STRIP_GROUP])
{
    struct strip_place places[3];
    bool any = true;
    for (int g = 0; g < 3; g++)
        places[g] = strip_begin(b);
    while (any) {
        any = false;
        for (int turn = 0; turn < 3; turn++) {
            const int g = (int)((turn + block) % 3);
            bool went = true;
            for (int steps = 0; went && steps < 1 + block % 4 && places[g].left > 0; steps++) {
                went = g == LOADER ? load_step(b, &places[g])
                                   : multiply_step(b, &places[g], g, kept[g]);
                any |= went;
            }
        }
    }
    return places[LOADER].left == 0 && places[0].left == 0 && places[1].left == 0;
}

static inline void conv_strip(const struct cuda_args *a, enum wg_layout layout, bool shuffled)
{
    static _Thread_local struct wg_thread kept[2][CUDA_STRIP_GROUP];
    for (int64_t block = 0; block < a->count / CUDA_STRIP_THREADS; block++) {
        const struct strip_block b = strip_block_of(a, block, wg_block_begin(), layout, shuffled);
        barriers_begin(b.shared);
        for (int t = 0; t < 2 * CUDA_STRIP_GROUP; t++)
            take_weights(&b, t % CUDA_STRIP_GROUP,
                         &kept[t / CUDA_STRIP_GROUP][0] + t % CUDA_STRIP_GROUP);
        wg_pass_turn(1);
        const bool finished = strip_turns(&b, block, kept);
        assert(finished); /* or all wait for each other */
        (void)finished;
    }
}

#define CONV_STRIP(name, layout, shuffled)                                                         \
    void name(const struct cuda_args *a);                                                          \
    void name(const struct cuda_args *a)                                                           \
    {                                                                                              \
        conv_strip(a, layout, shuffled);                                                           \
    }
#endif

CONV_STRIP(cuda_conv_strip_swizzled, WG_SWIZZLED, false)
CONV_STRIP(cuda_conv_strip_planes, WG_PLANES, false)
CONV_STRIP(cuda_conv_shuffled_swizzled, WG_SWIZZLED, true)
CONV_STRIP(cuda_conv_shuffled_planes, WG_PLANES, true)
