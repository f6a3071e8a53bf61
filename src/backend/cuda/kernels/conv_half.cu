/* SPDX-License-Identifier: MIT */
/* Convolutions as products of matrices: halves times halves, summed in fp32 by the matrix units of
 * Ampere and what came after it. Stride and dilation are 1.
 *
 *     cuda_conv_half16, 32, 48, 64     fp16: a thread, of which there are cuda_tiles()
 *     cuda_conv_brain16, 32, 48, 64    bf16  cuda_tile_blocks() blocks of CUDA_THREADS; the name
 *                                      says how many channels a block makes
 *
 * `weights` are halves, [block of channels][chunk][tap][channel][chunk's channels], zeros where a
 * map has fewer channels than a multiple of 16. A sum is taken chunk by chunk, tap by tap, 16
 * channels at a time, whatever tile a pixel lies in, so that its place changes no bit.
 *
 * A result can be written shuffled, with what is added to it then: tile.h says of what size `out`
 * is.
 *
 * In shared memory a pixel, and a row of weights, has 8 units of 16 bytes; unit u of row r lies at
 * u ^ r % 8, so that the 8 rows of a matrix that are read at once are in different banks. */
#include "backend/cuda/kernels/conv_result.h"

enum { UNIT = 8 }; /* halves */

/* One tap of one chunk. */
struct step {
    int part, first, channels; /* the map, and which of its channels */
    int tap_y, tap_x, buffer;
    const uint16_t *weights;
};

CUDA_INLINE struct tile tile_of(const struct cuda_args *a, int64_t block, enum pq_dtype type,
                                int sixteens, uint16_t *shared)
{
    struct tile t;
    const uint32_t blocks = (uint32_t)cuda_tile_blocks(cuda_conv_channels(a));
    const uint32_t across = (uint32_t)cuda_tiles_across(a), down = (uint32_t)cuda_tiles_down(a);
    const uint32_t at = (uint32_t)block / blocks; /* of a grid, which has less than 2^31 */
    t.args = a;
    t.type = type;
    t.first_channel = (int)((uint32_t)block % blocks) * sixteens * 16;
    t.eights = sixteens * 2;
    t.x = (int)(at % across) * CUDA_TILE_W;
    t.channels = cuda_conv_channels(a);
    t.width = cuda_conv_width(a);
    t.y = a->y0 / a->factor + at / across % down * CUDA_TILE_H;
    t.end = (a->y0 + a->rows) / a->factor;
    t.frame = (int)(at / across / down);
    t.halo_w = CUDA_TILE_W + a->hor.kernel - 1;
    t.halo_h = CUDA_TILE_H + a->ver.kernel - 1;
    t.weights = shared;
    t.pixels = shared + 2 * 64 * CUDA_CHUNK;
    return t;
}

CUDA_INLINE int chunk_of(const struct cuda_args *a, int part, int first)
{
    if (part >= a->inputs - a->residual)
        return 0;
    const int left = cuda_to_16(a->in[part].channels) - first;
    return left < CUDA_CHUNK ? left : CUDA_CHUNK;
}

CUDA_INLINE struct step first_step(const struct tile *t)
{
    const struct cuda_args *a = t->args;
    struct step s;
    int channels = 0;
    for (int k = 0; k < a->inputs - a->residual; k++)
        channels += cuda_to_16(a->in[k].channels);
    s.part = s.first = s.tap_y = s.tap_x = s.buffer = 0;
    s.channels = chunk_of(a, 0, 0);
    s.weights = (const uint16_t *)(const void *)a->weights +
                (int64_t)t->first_channel * channels * a->ver.kernel * a->hor.kernel;
    return s;
}

/* On to the next tap, or to the first of the next chunk; of no channels behind the last. */
CUDA_INLINE struct step next_step(const struct tile *t, struct step s)
{
    const struct cuda_args *a = t->args;
    s.weights += t->eights * 8 * s.channels;
    s.buffer ^= 1;
    if (++s.tap_x < a->hor.kernel)
        return s;
    s.tap_x = 0;
    if (++s.tap_y < a->ver.kernel)
        return s;
    s.tap_y = 0;
    s.first += s.channels;
    if (s.first == cuda_to_16(a->in[s.part].channels)) {
        s.part++;
        s.first = 0;
    }
    s.channels = chunk_of(a, s.part, s.first);
    return s;
}

/* Unit u of a row in shared memory. */
CUDA_INLINE uint16_t *unit_of(uint16_t *rows, int row, int u)
{
    return rows + row * CUDA_CHUNK + (u ^ (row & 7)) * UNIT;
}

/* Eight channels of a map of floats. */
CUDA_INLINE void convert_unit(enum pq_dtype type, const struct cuda_map *in, int64_t from,
                              int first, bool there, uint16_t *to)
{
    for (int c = 0; c < UNIT; c++)
        to[c] = cuda_half_bits(type, there && first + c < in->channels ? in->data[from + c] : 0.0f);
}

/* Where a thread is among the units that a block loads: of the pixels, or rows, from `first` on it
 * has unit u of every step-th; where units do not divide the threads some have nothing. Nothing is
 * divided from one to the next, which would take longer than all products. */
struct share {
    int first, step, u;
    bool none;
};

/* units: 2, 4, 6 or 8. */
CUDA_INLINE struct share share_of(int thread, int units)
{
    struct share h;
    const int shift = units == 8 ? 3 : units / 2;
    h.step = units == 6 ? CUDA_THREADS / 6 : CUDA_THREADS >> shift;
    h.first = units == 6 ? thread / 6 : thread >> shift;
    h.u = thread - h.first * units;
    h.none = h.first >= h.step;
    return h;
}

/* The pixels of a chunk and its halo: zeros outside of the picture, and where rows are not needed
 * and may not be there. */
CUDA_INLINE void load_pixels(const struct tile *t, const struct step *s, int thread)
{
    const struct cuda_args *a = t->args;
    const struct cuda_map *in = &a->in[s->part];
    const struct share h = share_of(thread, s->channels / UNIT);
    const int needed = (int)t->end + a->ver.kernel - 1 - a->ver.before;
    const int end = needed < in->height ? needed : in->height;
    const int all = t->halo_w * t->halo_h, first = s->first + h.u * UNIT;
    const int64_t frame = t->frame * in->frame;
    int x = t->x - a->hor.before + h.first, y = (int)t->y - a->ver.before;
    int slot = (int)pq_floor_mod(y, in->rows);
    const int right = t->x - a->hor.before + t->halo_w;
    for (int pixel = h.none ? all : h.first; pixel < all; pixel += h.step, x += h.step) {
        for (; x >= right; x -= t->halo_w, y++)
            slot = slot + 1 == in->rows ? 0 : slot + 1;
        const bool there = y >= 0 && y < end && x >= 0 && x < in->width;
        const int64_t from = (there ? frame + slot * in->row + (int64_t)x * in->stride : 0) + first;
        uint16_t *to = unit_of(t->pixels, pixel, h.u);
        if (in->type == PQ_F32)
            convert_unit(t->type, in, from, first, there, to);
        else
            cuda_copy_async(to, (const uint16_t *)(const void *)in->data + from, there);
    }
}

CUDA_INLINE void load_weights(const struct tile *t, const struct step *s, int thread)
{
    const int units = s->channels / UNIT, rows = t->eights * 8;
    const struct share h = share_of(thread, units);
    uint16_t *to = t->weights + s->buffer * 64 * CUDA_CHUNK;
    for (int row = h.none ? rows : h.first; row < rows; row += h.step)
        cuda_copy_async(unit_of(to, row, h.u), s->weights + (row * units + h.u) * UNIT, true);
}

/* The row that a lane names: a pixel of the warp's m-th sixteen, moved by the tap; of its matrices
 * the second has the rows 8 to 15, the third and fourth the channels 8 to 15. */
CUDA_INLINE uint16_t *pixel_row(const struct tile *t, const struct step *s, int warp, int m, int k,
                                int lane)
{
    const int sixteens = CUDA_TILE_W / 16;
    const int y = warp * WARP_ROWS + m / sixteens + s->tap_y;
    const int x = m % sixteens * 16 + lane % 16 + s->tap_x;
    return unit_of(t->pixels, y * t->halo_w + x, k * 2 + lane / 16);
}

/* The same of the n-th sixteen output channels: the second matrix has the channels 8 to 15 of the
 * input, the third and fourth the rows 8 to 15. */
CUDA_INLINE uint16_t *weight_row(const struct tile *t, const struct step *s, int n, int k, int lane)
{
    return unit_of(t->weights + s->buffer * 64 * CUDA_CHUNK, n * 16 + lane / 16 * 8 + lane % 8,
                   k * 2 + lane / 8 % 2);
}

CUDA_INLINE void load_operands(const struct tile *t, const struct step *s, int warp, int lane,
                               int k, int sixteens, struct products *p)
{
    CUDA_UNROLL
    for (int m = 0; m < WARP_TILES; m++)
        CUDA_LOAD_MATRICES(p->a[m], lane, named, pixel_row(t, s, warp, m, k, named));
    CUDA_UNROLL
    for (int n = 0; n < sixteens; n++) {
        uint32_t r[4];
        CUDA_LOAD_MATRICES(r, lane, named, weight_row(t, s, n, k, named));
        p->b[2 * n][0] = r[0];
        p->b[2 * n][1] = r[1];
        p->b[2 * n + 1][0] = r[2];
        p->b[2 * n + 1][1] = r[3];
    }
}

#ifdef __CUDACC__
CUDA_INLINE void multiply(enum pq_dtype type, struct products *p, int m, int n)
{
    cuda_mma(type, p->d[m][n], p->a[m], p->b[n]);
}
#else
/* All lanes of a warp, from whose registers the matrices are put together. */
static inline void multiply(enum pq_dtype type, struct products *p, int m, int n)
{
    float a[16][16], b[16][8];
    for (int lane = 0; lane < CUDA_WARP; lane++) {
        const int row = lane / 4, pair = lane % 4 * 2;
        for (int half = 0; half < 2; half++) {
            for (int r = 0; r < 4; r++)
                a[row + r % 2 * 8][pair + half + r / 2 * 8] =
                    cuda_half_of(type, p[lane].a[m][r], half);
            for (int r = 0; r < 2; r++)
                b[pair + half + r * 8][row] = cuda_half_of(type, p[lane].b[n][r], half);
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

/* All products of a step. */
CUDA_INLINE void compute_step(const struct tile *t, const struct step *s, int sixteens,
                              struct products *kept)
{
    for (int k = 0; k < s->channels / 16; k++) {
        CUDA_EACH_WARP(w)
        {
            CUDA_EACH_LANE(l)
            load_operands(t, s, w, l, k, sixteens, CUDA_OWN(kept, w, l));
            CUDA_UNROLL
            for (int m = 0; m < WARP_TILES; m++) {
                CUDA_UNROLL
                for (int n = 0; n < 2 * sixteens; n++)
                    multiply(t->type, CUDA_LANES_OF(kept, w), m, n);
            }
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

/* The weights of the next tap are on their way while this one is computed; the pixels of the next
 * chunk cannot be, since they come where those of this one are. */
CUDA_INLINE void conv_half(const struct cuda_args *a, int64_t block, enum pq_dtype type,
                           int sixteens, uint16_t *shared)
{
    struct products kept[CUDA_KEPT(CUDA_THREADS)];
    const struct tile t = tile_of(a, block, type, sixteens, shared);
    struct step s = first_step(&t);
    CUDA_EACH_THREAD(i)
    {
        clear_products(CUDA_OWN(kept, i / CUDA_WARP, i % CUDA_WARP));
        load_weights(&t, &s, i);
        load_pixels(&t, &s, i);
    }
    while (s.channels) {
        const struct step next = next_step(&t, s);
        cuda_copies_wait();
        cuda_sync();
        if (next.channels) {
            CUDA_EACH_THREAD(i)
            load_weights(&t, &next, i);
        }
        compute_step(&t, &s, sixteens, kept);
        if (next.channels && next.tap_y == 0 && next.tap_x == 0) {
            cuda_sync();
            CUDA_EACH_THREAD(i)
            load_pixels(&t, &next, i);
        }
        s = next;
    }
    write_products(&t, sixteens, kept);
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
        for (int64_t block = 0; block < a->count / CUDA_THREADS; block++) {                        \
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
