/* SPDX-License-Identifier: MIT */
/* Convolutions as products of matrices: halves times halves, summed in fp32 by the matrix units of
 * Ampere and what came after it. Stride and dilation are 1.
 *
 *     cuda_conv_half16, 32, 48, 64     fp16: a thread, of which there are cuda_tiles()
 *     cuda_conv_brain16, 32, 48, 64    bf16  cuda_tile_blocks() blocks of CUDA_THREADS; the name
 *                                      says how many channels a block makes
 *
 * `weights` are halves, [block of channels][chunk][tap][sixteen of the chunk][sixteen of the
 * block][256] as tile.h has them, zeros where a map has fewer channels than a multiple of 16; a
 * thread finds what it needs next behind what it needs now. A sum is taken chunk by chunk, tap by
 * tap, 16 channels at a time, whatever tile a pixel lies in, so that its place changes no bit.
 *
 * A result can be written shuffled, with what is added to it then: tile.h says of what size `out`
 * is.
 *
 * In shared memory a pixel has 8 units of 16 bytes; unit u of column x lies at u ^ x % 8, so that
 * the 8 rows of a matrix that are read at once, which are pixels side by side, are in different
 * banks. The address of a unit is a multiple of 128 and that, so of 16 channels further on it is
 * the same but for bits 5 and 6, and of another row, or 16 columns on, that and a distance. */
#include "backend/cuda/kernels/conv_result.h"

enum { UNIT = 8 /* halves */, PIXEL_BYTES = CUDA_CHUNK * 2 };

/* Channels of one map, whose pixels are in shared memory together. */
struct chunk {
    int part, first, channels; /* the map, and which of its channels */
};

/* Rows of the result before it is shuffled; nothing is divided where that is all. */
CUDA_INLINE int small_row(const struct cuda_args *a, int64_t y)
{
    return a->factor == 1 ? (int)y : (int)((uint32_t)y / (uint32_t)a->factor);
}

CUDA_INLINE struct tile tile_of(const struct cuda_args *a, uint32_t block, enum pq_dtype type,
                                int sixteens, uint16_t *shared)
{
    struct tile t;
    t.args = a;
    t.type = type;
    t.channels = cuda_conv_channels(a);
    t.width = small_row(a, a->out.width);
    t.y = small_row(a, a->y0);
    t.end = small_row(a, a->y0 + a->rows);
    const uint32_t blocks = (uint32_t)cuda_tile_blocks(t.channels);
    const uint32_t across = (uint32_t)(t.width + CUDA_TILE_W - 1) / CUDA_TILE_W;
    const uint32_t down = (uint32_t)(t.end - t.y + CUDA_TILE_H - 1) / CUDA_TILE_H;
    uint32_t at = block;
    t.first_channel = 0;
    if (blocks > 1) {
        t.first_channel = (int)(at % blocks) * sixteens * 16;
        at /= blocks;
    }
    const uint32_t line = at / across;
    t.eights = sixteens * 2;
    t.x = (int)(at - line * across) * CUDA_TILE_W;
    t.frame = a->frames == 1 ? 0 : (int)(line / down);
    t.y += (int)(line - (uint32_t)t.frame * down) * CUDA_TILE_H;
    t.halo_w = CUDA_TILE_W + a->hor.kernel - 1;
    t.halo_h = CUDA_TILE_H + a->ver.kernel - 1;
    t.shared = shared;
    t.pixels = cuda_shared(shared);
    return t;
}

CUDA_INLINE int chunk_of(const struct cuda_args *a, int part, int first)
{
    if (part >= a->inputs - a->residual)
        return 0;
    const int left = cuda_to_16(a->in[part].channels) - first;
    return left < CUDA_CHUNK ? left : CUDA_CHUNK;
}

/* Of no channels behind the last. */
CUDA_INLINE struct chunk next_chunk(const struct tile *t, struct chunk c)
{
    const struct cuda_args *a = t->args;
    c.first += c.channels;
    if (c.first == cuda_to_16(a->in[c.part].channels)) {
        c.part++;
        c.first = 0;
    }
    c.channels = chunk_of(a, c.part, c.first);
    return c;
}

/* Those of the block. */
CUDA_INLINE const uint16_t *first_weights(const struct tile *t)
{
    const struct cuda_args *a = t->args;
    int channels = 0;
    for (int k = 0; k < a->inputs - a->residual && t->first_channel; k++)
        channels += cuda_to_16(a->in[k].channels);
    return (const uint16_t *)(const void *)a->weights +
           (int64_t)t->first_channel * channels * a->ver.kernel * a->hor.kernel;
}

/* ---- pixels ---- */

/* Where unit u of a pixel of the first row of the halo lies; another row is a distance further. */
CUDA_INLINE uint32_t unit_at(int x, int u)
{
    return (uint32_t)(x * PIXEL_BYTES + ((u ^ (x & 7)) << 4));
}

/* What a thread loads of each row of the halo: eight channels of some pixels, at most COLUMNS, of
 * which this is one; `any`: it is not past the end of the row. */
enum { COLUMNS = 3 };
struct share {
    uint32_t to;  /* the address in the first row */
    int64_t from; /* values from the beginning of a row */
    int bytes;    /* 16; 0 where it is not in the picture */
    int channels;
    bool any;
};
static_assert(COLUMNS * (CUDA_THREADS / 8) >= CUDA_TILE_W + CUDA_TILE_MAX - 1, "");

/* Pixels from one that a thread loads to the next. */
CUDA_INLINE int share_step(const struct chunk *c)
{
    const int units = c->channels / UNIT; /* 2, 4, 6 or 8 */
    return units == 6 ? CUDA_THREADS / 6 : CUDA_THREADS >> (units == 8 ? 3 : units / 2);
}

CUDA_INLINE struct share share_of(const struct tile *t, const struct chunk *c, int thread, int i)
{
    const struct cuda_args *a = t->args;
    const struct cuda_map *in = &a->in[c->part];
    const int units = c->channels / UNIT;
    const int first = units == 6 ? thread / 6 : thread >> (units == 8 ? 3 : units / 2);
    const int u = thread - first * units, x = first + i * share_step(c);
    const int from = t->x - a->hor.before + x;
    const bool inside = from >= 0 && from < in->width;
    const struct share h = {.to = t->pixels + unit_at(x, u),
                            .from = inside ? from * in->stride + c->first + u * UNIT : 0,
                            .bytes = inside ? 16 : 0,
                            .channels = inside ? in->channels - c->first - u * UNIT : 0,
                            .any = x < t->halo_w && first < share_step(c)};
    return h;
}

/* The rows of the halo. Those that are not needed may not be there; those that are are in the ring
 * at the same time. */
struct rows {
    int64_t frame;      /* where its ring begins */
    int top, end, slot; /* the first, behind the last that is there; of the first, or before 0 */
};

CUDA_INLINE struct rows rows_of_halo(const struct tile *t, const struct cuda_map *in)
{
    const struct pq_window *ver = &t->args->ver;
    const int needed = t->end + ver->kernel - 1 - ver->before;
    struct rows r;
    r.frame = t->frame * in->frame;
    r.top = t->y - ver->before;
    r.end = needed < in->height ? needed : in->height;
    r.slot = r.top < 0 ? r.top : (int)((uint32_t)r.top % (uint32_t)in->rows);
    return r;
}

/* Whether row y of them is there, and where; else something that is. */
CUDA_INLINE bool halo_row(const struct rows *r, const struct cuda_map *in, int y, int64_t *row)
{
    const int at = r->slot + y, slot = at < in->rows ? at : at - in->rows;
    const bool there = r->top + y >= 0 && r->top + y < r->end;
    *row = there ? r->frame + slot * in->row : 0;
    return there;
}

CUDA_INLINE void load_halves(const struct tile *t, const struct chunk *c, int thread)
{
    const struct cuda_map *in = &t->args->in[c->part];
    const struct rows r = rows_of_halo(t, in);
    struct share h[COLUMNS];
    const uint16_t *from[COLUMNS];
    uint32_t down = 0;
    CUDA_UNROLL
    for (int i = 0; i < COLUMNS; i++) {
        h[i] = share_of(t, c, thread, i);
        from[i] = (const uint16_t *)(const void *)in->data + h[i].from;
    }
    CUDA_ROLLED
    for (int y = 0; y < t->halo_h; y++, down += (uint32_t)t->halo_w * PIXEL_BYTES) {
        int64_t row;
        const bool there = halo_row(&r, in, y, &row);
        CUDA_UNROLL
        for (int i = 0; i < COLUMNS; i++) {
            if (h[i].any)
                cuda_copy_async(t->shared, h[i].to + down, from[i] + row, there ? h[i].bytes : 0);
        }
    }
}

/* Of a map of floats eight channels of a pixel in some rows, all loaded before the first is needed.
 */
enum { FLOAT_ROWS = 5 };
CUDA_INLINE void convert_units(const struct tile *t, const struct cuda_map *in,
                               const struct rows *r, int y, const struct share *h)
{
    float v[FLOAT_ROWS][UNIT];
    CUDA_UNROLL
    for (int k = 0; k < FLOAT_ROWS; k++) {
        int64_t row;
        const int channels = halo_row(r, in, y + k, &row) ? h->channels : 0;
        const float *from = in->data + row + h->from;
        CUDA_UNROLL
        for (int e = 0; e < UNIT; e++)
            v[k][e] = e < channels ? from[e] : 0.0f;
    }
    CUDA_UNROLL
    for (int k = 0; k < FLOAT_ROWS && y + k < t->halo_h; k++) {
        struct unit_bits bits;
        CUDA_UNROLL
        for (int e = 0; e < UNIT / 2; e++)
            bits.pairs[e] = cuda_half_pair(t->type, v[k][2 * e], v[k][2 * e + 1]);
        *(struct unit_bits *)(void *)(t->shared + (h->to - t->pixels) / 2 +
                                      (y + k) * t->halo_w * CUDA_CHUNK) = bits;
    }
}

CUDA_INLINE void load_floats(const struct tile *t, const struct chunk *c, int thread)
{
    const struct cuda_map *in = &t->args->in[c->part];
    const struct rows r = rows_of_halo(t, in);
    CUDA_ROLLED
    for (int i = 0; i * share_step(c) < t->halo_w; i++) {
        const struct share h = share_of(t, c, thread, i);
        CUDA_ROLLED
        for (int y = 0; y < t->halo_h && h.any; y += FLOAT_ROWS)
            convert_units(t, in, &r, y, &h);
    }
}

CUDA_INLINE void load_pixels(const struct tile *t, const struct chunk *c, int thread)
{
    if (t->args->in[c->part].type == PQ_F32)
        load_floats(t, c, thread);
    else
        load_halves(t, c, thread);
}

/* ---- products ---- */

/* Which products of a chunk: a tap, and 16 channels. */
struct step {
    int tap_y, tap_x, k;
};

/* The address of the row that a lane names: a pixel of the warp's m-th sixteen, moved by the tap;
 * of its matrices the second has the pixels 8 to 15, the third and fourth the channels 8 to 15. */
CUDA_INLINE uint32_t pixel_row(const struct tile *t, struct step s, int warp, int m, int lane)
{
    const int sixteens = CUDA_TILE_W / 16, y = warp * WARP_ROWS + s.tap_y;
    const uint32_t row = t->pixels + (uint32_t)(y * t->halo_w * PIXEL_BYTES);
    const uint32_t at = row + unit_at(lane % 16 + s.tap_x, lane / 16);
    return (at ^ (uint32_t)(s.k * 32)) +
           (uint32_t)((m / sixteens * t->halo_w + m % sixteens * 16) * PIXEL_BYTES);
}

CUDA_INLINE void load_operands(const struct tile *t, struct step s, const uint16_t *weights,
                               int warp, int lane, int sixteens, struct operands *o)
{
    CUDA_UNROLL
    for (int n = 0; n < sixteens; n++) {
        uint32_t r[4];
        cuda_take(r, weights + n * CUDA_WEIGHTS);
        o->b[2 * n][0] = r[0];
        o->b[2 * n][1] = r[1];
        o->b[2 * n + 1][0] = r[2];
        o->b[2 * n + 1][1] = r[3];
    }
    CUDA_UNROLL
    for (int m = 0; m < WARP_TILES; m++)
        CUDA_LOAD_MATRICES(t->shared, o->a[m], lane, named, pixel_row(t, s, warp, m, named));
}

#ifdef __CUDACC__
CUDA_INLINE void multiply(enum pq_dtype type, struct products *p, int which, int m, int n)
{
    cuda_mma(type, p->d[m][n], p->of[which].a[m], p->of[which].b[n]);
}
#else
/* All lanes of a warp, from whose registers the matrices are put together. */
static inline void multiply(enum pq_dtype type, struct products *p, int which, int m, int n)
{
    float a[16][16], b[16][8];
    for (int lane = 0; lane < CUDA_WARP; lane++) {
        const int row = lane / 4, pair = lane % 4 * 2;
        for (int half = 0; half < 2; half++) {
            for (int r = 0; r < 4; r++)
                a[row + r % 2 * 8][pair + half + r / 2 * 8] =
                    cuda_half_of(type, p[lane].of[which].a[m][r], half);
            for (int r = 0; r < 2; r++)
                b[pair + half + r * 8][row] = cuda_half_of(type, p[lane].of[which].b[n][r], half);
        }
    }
    for (int lane = 0; lane < CUDA_WARP; lane++) {
        for (int i = 0; i < 4; i++) {
            const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
            float sum = 0.0f;
            for (int k = 0; k < 16; k++)
                sum += a[row][k] * b[k][column];
            p[lane].d[m][n][i] += sum;
        }
    }
}
#endif

/* A warp's products of a step, while the operands of the next one are on their way. */
CUDA_INLINE void compute_step(const struct tile *t, struct step next, const uint16_t *weights,
                              int warp, int sixteens, int which, struct products *kept)
{
    CUDA_EACH_LANE(l)
    load_operands(t, next, weights + l * 8, warp, l, sixteens,
                  &CUDA_OWN(kept, warp, l)->of[which ^ 1]);
    CUDA_UNROLL
    for (int m = 0; m < WARP_TILES; m++) {
        CUDA_UNROLL
        for (int n = 0; n < 2 * sixteens; n++)
            multiply(t->type, CUDA_LANES_OF(kept, warp), which, m, n);
    }
}

/* A warp's products of a chunk. `whole`: it has all channels, as most have, so that which of them
 * are next is known when the kernel is compiled. What is loaded behind the last step is not
 * multiplied. */
CUDA_INLINE void compute_chunk(const struct tile *t, const uint16_t *weights, int sixteens_in,
                               bool whole, int warp, int sixteens, struct products *kept)
{
    const struct cuda_args *a = t->args;
    const int steps = a->ver.kernel * a->hor.kernel * sixteens_in, at_once = whole ? 4 : 2;
    struct step s = {0, 0, 0};
    CUDA_EACH_LANE(l)
    load_operands(t, s, weights + l * 8, warp, l, sixteens, &CUDA_OWN(kept, warp, l)->of[0]);
    CUDA_ROLLED
    for (int i = 0; i < steps; i += at_once) {
        CUDA_UNROLL
        for (int j = 0; j < at_once; j++) {
            if (!whole && i + j == steps)
                break;
            s.k = whole ? (j + 1) % 4 : s.k + 1;
            if (whole ? j == 3 : s.k == sixteens_in) {
                const bool on = ++s.tap_x == a->hor.kernel;
                s.k = 0;
                s.tap_x = on ? 0 : s.tap_x;
                s.tap_y += on && s.tap_y + 1 < a->ver.kernel;
            }
            weights += sixteens * CUDA_WEIGHTS;
            compute_step(t, s, weights, warp, sixteens, j % 2, kept);
        }
    }
}

CUDA_INLINE void clear_products(struct products *p)
{
    CUDA_UNROLL
    for (int m = 0; m < WARP_TILES; m++) {
        CUDA_UNROLL
        for (int n = 0; n < MOST_EIGHTS; n++) {
            CUDA_UNROLL
            for (int i = 0; i < 4; i++)
                p->d[m][n][i] = 0.0f;
        }
    }
}

/* The pixels of the next chunk cannot be on their way while this one is computed, since they come
 * where those of this one are. */
CUDA_INLINE void conv_half(const struct cuda_args *a, uint32_t block, enum pq_dtype type,
                           int sixteens, uint16_t *shared)
{
    struct products kept[CUDA_KEPT(CUDA_THREADS)];
    const struct tile t = tile_of(a, block, type, sixteens, shared);
    const uint16_t *weights = first_weights(&t);
    CUDA_EACH_THREAD(i)
    clear_products(CUDA_OWN(kept, i / CUDA_WARP, i % CUDA_WARP));
    for (struct chunk c = {0, 0, chunk_of(a, 0, 0)}; c.channels; c = next_chunk(&t, c)) {
        cuda_sync();
        CUDA_EACH_THREAD(i)
        load_pixels(&t, &c, i);
        cuda_copies_wait();
        cuda_sync();
        CUDA_EACH_WARP(w)
        {
            if (c.channels == CUDA_CHUNK)
                compute_chunk(&t, weights, CUDA_CHUNK / 16, true, w, sixteens, kept);
            else
                compute_chunk(&t, weights, c.channels / 16, false, w, sixteens, kept);
        }
        weights += (int64_t)t.eights * 8 * c.channels * a->ver.kernel * a->hor.kernel;
    }
    const struct tile again = tile_of(a, cuda_again(block), type, sixteens, shared);
    write_products(&again, sixteens, kept);
}

#ifdef __CUDACC__
#define CONV_HALF(name, type, sixteens)                                                            \
    extern "C" __global__ void __launch_bounds__(CUDA_THREADS, 2)                                  \
        name(const __grid_constant__ struct cuda_args a)                                           \
    {                                                                                              \
        extern __shared__ __align__(128) uint16_t shared[];                                        \
        conv_half(&a, blockIdx.x, type, sixteens, shared);                                         \
    }
#else
#define CONV_HALF(name, type, sixteens)                                                            \
    void name(const struct cuda_args *a);                                                          \
    void name(const struct cuda_args *a)                                                           \
    {                                                                                              \
        alignas(128) static _Thread_local uint16_t shared[CUDA_TILE_BYTES_MAX / 2];                \
        for (uint32_t block = 0; block < a->count / CUDA_THREADS; block++) {                       \
            memset(shared, 0xff, sizeof shared); /* NaN: what is not loaded shows */               \
            conv_half(a, block, type, sixteens, shared);                                           \
        }                                                                                          \
    }
#endif

CONV_HALF(cuda_conv_half16, PQ_F16, 1)
CONV_HALF(cuda_conv_half32, PQ_F16, 2)
CONV_HALF(cuda_conv_half48, PQ_F16, 3)
CONV_HALF(cuda_conv_half64, PQ_F16, 4)
CONV_HALF(cuda_conv_brain16, PQ_BF16, 1)
CONV_HALF(cuda_conv_brain32, PQ_BF16, 2)
CONV_HALF(cuda_conv_brain48, PQ_BF16, 3)
CONV_HALF(cuda_conv_brain64, PQ_BF16, 4)
