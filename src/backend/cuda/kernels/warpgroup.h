/* SPDX-License-Identifier: MIT */
/* Four warps that multiply matrices together, and what they need to be fed: wgmma of PTX (ISA 8,
 * 9.7.15), which Hopper alone has (sm_90a). Shared memory is named by addresses, as these
 * instructions name it.
 *
 *     d (64 x 96) += a (64 x 16) x b (16 x 96)
 *
 * halves times halves, summed in fp32. a and d are in the registers of the 128 threads, of whom
 * each warp has 16 rows:
 *
 *     a  register r, half h: row 16 warp + lane/4 + 8 (r & 1), column 2 (lane % 4) + h + 8 (r / 2)
 *     d  value i: row 16 warp + lane/4 + 8 (i / 2 & 1), column 8 (i / 4) + 2 (lane % 4) + i % 2
 *
 * b is in shared memory, a column (a pixel) after the other, each with its 16 rows (channels) in
 * two units of 16 bytes. A descriptor says where: bits 0-13 the address of the first unit, 16-29
 * and 32-45 two distances, 49-51 where a pattern begins that does not begin at a multiple of 1024,
 * all in units of 16 bytes; 62-63 how units lie:
 *
 *     1, swizzled   a pixel is a line of 128 bytes; unit u of it lies at u ^ line % 8. From eight
 *                   pixels to the next eight it is the second distance.
 *     0, planes     the same unit of eight pixels is 128 bytes; to the next eight it is the second
 *                   distance, from a unit to the next the first one.
 *
 * The XOR is that of the address that comes out, so a matrix may begin at any pixel of the pattern
 * (9.7.15.5.1.2.2: the base offset is that of the pattern, not of the matrix). Planes need not even
 * that. Which of the two a GPU takes so is asked of the GPU (hopper.c).
 *
 * Products are asynchronous, and read through another proxy than loads, stores and copies write:
 * between knowing that something is there and multiplying is a fence (wg_fence). It is of who
 * multiplies: one of who loads would wait for all that is on its way. Registers of a product in
 * flight are not to be touched before wg_multiplied(). */
#pragma once

#include "backend/cuda/kernels/block.h"
#include "backend/cuda/kernels/strip.h"

/* Everything below is for who has it. */
#if !defined(__CUDACC__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define CUDA_HAS_WARPGROUPS
#endif

enum wg_layout { WG_PLANES = 0, WG_SWIZZLED = 1 };

/* What a thread of a group that multiplies keeps: its part of the weights, its sums, which are of
 * two channels, and what those are given. */
struct wg_thread {
    uint32_t a[CUDA_STRIP_STEPS][4];
    float d[CUDA_STRIP_W / 2];
    float bias[2], slope[2];
};

/* Where unit u of a pixel of a row that begins at `row` lies. */
CUDA_INLINE uint32_t wg_unit(enum wg_layout layout, uint32_t row, int pixel, int u)
{
    if (layout == WG_PLANES)
        return row + (uint32_t)(u * CUDA_STRIP_SLOTS + pixel) * 16;
    const uint32_t line = row + (uint32_t)pixel * 128;
    return line + (((uint32_t)u ^ (line >> 7 & 7)) << 4);
}

/* What the descriptors of all matrices in a row that begins at `row` have in common. */
CUDA_INLINE uint32_t wg_row(enum wg_layout layout, uint32_t row)
{
    const uint32_t first_distance = layout == WG_PLANES ? CUDA_STRIP_SLOTS : 1;
    return (row & 0x3ffff) >> 4 | first_distance << 16;
}

/* The descriptor of the 16 channels from unit u on of 96 pixels from `pixel` on. */
CUDA_INLINE uint64_t wg_descriptor(enum wg_layout layout, uint32_t row, int pixel, int u)
{
    const uint32_t plane = CUDA_STRIP_SLOTS, eight_lines = 1024 >> 4, eight_units = 128 >> 4;
    const uint32_t first = (uint32_t)pixel, unit = (uint32_t)u;
    if (layout == WG_PLANES)
        return (uint64_t)eight_units << 32 | (row + (unit * plane + first));
    return (uint64_t)(1u << 30 | eight_lines) << 32 | (row + (first * 8 + unit));
}

#if defined(__CUDACC__) && defined(CUDA_HAS_WARPGROUPS)

#define WG_EACH_THREAD(t)                                                                          \
    for (int t = (int)threadIdx.x % CUDA_STRIP_GROUP, once_##t = 1; once_##t; once_##t = 0)
#define WG_EACH_WARP    for (bool leads = threadIdx.x % CUDA_WARP == 0; leads; leads = false)
#define WG_OWN(kept, t) ((void)(t), (kept))

/* All threads of a group; of the block: cuda_sync(). */
static __device__ inline void wg_sync(int group)
{
    asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory");
}

/* The two groups that multiply take turns at it: products of both at once would end at once, and
 * the matrix units would wait until both results have left. A turn ends when products do, and not
 * when they are on their way, which they all are long before. Group 0 is first: group 1 passes the
 * turn on before it begins. */
static __device__ inline bool wg_turn(int group)
{
    asm volatile("bar.sync %0, 256;" ::"r"(group + 3) : "memory");
    return true;
}

static __device__ inline void wg_pass_turn(int group)
{
    asm volatile("bar.arrive %0, 256;" ::"r"(4 - group) : "memory");
}

/* ---- barriers in shared memory: who waits for a phase, and who takes part in it ---- */

static __device__ inline void wg_barrier_new(uint32_t barrier, int count)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}

static __device__ inline void wg_arrive(uint32_t barrier)
{
    asm volatile(
        "{ .reg .b64 s; mbarrier.arrive.release.cta.shared::cta.b64 s, [%0]; }" ::"r"(barrier)
        : "memory");
}

static __device__ inline bool wg_is_over(uint32_t barrier, int parity)
{
    uint32_t over;
    asm volatile("{ .reg .pred p;"
                 " mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%1], %2;"
                 " selp.u32 %0, 1, 0, p; }"
                 : "=r"(over)
                 : "r"(barrier), "r"(parity)
                 : "memory");
    return over;
}

/* Nanoseconds / 2^32; one register, where a count of clocks would be two. */
static __device__ inline uint32_t wg_time(void)
{
    uint32_t time;
    asm volatile("mov.u32 %0, %%globaltimer_hi;" : "=r"(time));
    return time;
}

/* Until the phase of this parity is over. What takes seconds is a mistake, and a GPU that fails is
 * better than one that hangs. */
static __device__ inline bool wg_wait(uint32_t barrier, int parity)
{
    const uint32_t limit = 3; /* 8.6 to 12.9 s */
    if (wg_is_over(barrier, parity))
        return true;
    const uint32_t begin = wg_time();
    while (!wg_is_over(barrier, parity)) {
        if (wg_time() - begin >= limit)
            __trap();
    }
    return true;
}

/* ---- copies ---- */

/* 16 bytes, `at` halves behind the beginning of a row, or zeros; what is not there is not touched.
 * Behind the back of the block's thread t until wg_copied(). */
static __device__ inline void wg_copy_from(int t, uint32_t to, const uint16_t *row, int at,
                                           bool there)
{
    (void)t;
    const int bytes = there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(row + at),
                 "r"(bytes)
                 : "memory");
}

/* All of them. */
static __device__ inline void wg_copied(int t)
{
    (void)t;
    asm volatile("cp.async.wait_all;" ::: "memory");
}

/* Take part in a phase once those that are on their way have arrived; nobody waits for that here.
 */
static __device__ inline void wg_arrive_copied(int t, uint32_t barrier)
{
    (void)t;
    asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

/* What this thread has seen written, for products of matrices. */
static __device__ inline void wg_fence(void)
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

static __device__ inline uint4 wg_load(uint32_t from)
{
    uint4 v;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "r"(from)
                 : "memory");
    return v;
}
#define WG_COPY_OUT(to, from) (*(uint4 *)(void *)(to) = wg_load(from))

static __device__ inline void wg_put(uint32_t to, float value)
{
    asm volatile("st.shared.f32 [%0], %1;" ::"r"(to), "f"(value) : "memory");
}

static __device__ inline float wg_get(uint32_t from)
{
    float value;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(from) : "memory");
    return value;
}

/* Eight bytes. */
static __device__ inline void wg_peek(uint32_t r[2], uint32_t from)
{
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(from)
                 : "memory");
}

/* Four registers from global memory, which nothing writes meanwhile. */
static __device__ inline void wg_take(uint32_t r[4], const void *from)
{
    asm("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
        : "l"(from));
}

/* Four 8 x 8 matrices of halves, turned: a lane has row lane/4 of each, columns 2 (lane % 4) and
 * the next; a column is 16 bytes, and lane 8 q + c names column c of matrix q. */
static __device__ inline void wg_load_columns(uint32_t r[4], uint32_t from)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
}

static __device__ inline void wg_store_columns(const uint32_t r[4], uint32_t to)
{
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to),
                 "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                 : "memory");
}
/* Which column each lane names is `expression` of the lane `named`. */
#define WG_LOAD_COLUMNS(r, lane, named, expression)                                                \
    do {                                                                                           \
        const int named = (lane);                                                                  \
        wg_load_columns((r), (expression));                                                        \
    } while (0)
#define WG_STORE_COLUMNS(r, lane, named, expression)                                               \
    do {                                                                                           \
        const int named = (lane);                                                                  \
        wg_store_columns((r), (expression));                                                       \
    } while (0)

static __device__ inline uint32_t wg_pack(float low, float high)
{
    uint32_t both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

static __device__ inline float wg_value(uint32_t both, int which)
{
    return cuda_f16_value((uint16_t)(both >> 16 * which));
}

/* ---- products ---- */

/* Registers given out from now on: those who load leave theirs to those who multiply. */
#define WG_GIVE_UP() asm volatile("setmaxnreg.dec.sync.aligned.u32 40;")
#define WG_TAKE()    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;")

/* A value that is the same in all lanes, and which the compiler knows to be: descriptors that are
 * made of it take none of a lane's registers, and no product waits for the one before it to have
 * read its own. */
static __device__ inline uint32_t wg_uniform(uint32_t value)
{
    return __shfl_sync(0xffffffff, value, 0);
}

static __device__ inline void wg_multiply_begin(void)
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

#define WG_8(how, d, i)                                                                            \
    how((d)[i]), how((d)[(i) + 1]), how((d)[(i) + 2]), how((d)[(i) + 3]), how((d)[(i) + 4]),       \
        how((d)[(i) + 5]), how((d)[(i) + 6]), how((d)[(i) + 7])
#define WG_ALL(how, d)                                                                             \
    WG_8(how, d, 0), WG_8(how, d, 8), WG_8(how, d, 16), WG_8(how, d, 24), WG_8(how, d, 32),        \
        WG_8(how, d, 40)
#define WG_NEW(v) "=f"(v)
#define WG_SUM(v) "+f"(v)
#define WG_TYPE   "f16" /* of a and b; bf16 has the same shapes and layouts */
/* `add` 0: d is what comes of it alone, and lives no longer than from there on. */
#define WG_PRODUCT(how, d, a, descriptor, add)                                                     \
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %53, 0;"                                          \
                 " wgmma.mma_async.sync.aligned.m64n96k16.f32." WG_TYPE "." WG_TYPE " "            \
                 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "         \
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, "     \
                 "%31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, "     \
                 "%46, %47}, {%48, %49, %50, %51}, %52, p, 1, 1, 0; }"                             \
                 : WG_ALL(how, d)                                                                  \
                 : "r"((a)[0]), "r"((a)[1]), "r"((a)[2]), "r"((a)[3]), "l"(descriptor), "n"(add))

/* The step-th product; the first one clears d. */
#define WG_MULTIPLY(kept, step, descriptor)                                                        \
    do {                                                                                           \
        if ((step) == 0)                                                                           \
            WG_PRODUCT(WG_NEW, (kept)->d, (kept)->a[step], descriptor, 0);                         \
        else                                                                                       \
            WG_PRODUCT(WG_SUM, (kept)->d, (kept)->a[step], descriptor, 1);                         \
    } while (0)

static __device__ inline void wg_multiply_end(void)
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Those before the last but one wg_multiply_end() are done. */
static __device__ inline void wg_multiplied_but_last(void)
{
    asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
}

/* All of them are done; before that nothing may read d, as the compiler is told. */
static __device__ inline void wg_multiplied(struct wg_thread *own)
{
    asm volatile("wgmma.wait_group.sync.aligned 0;" : WG_ALL(WG_SUM, own->d) : : "memory");
}

#elif defined(CUDA_HAS_WARPGROUPS)
#include "backend/cuda/kernels/warpgroup_c.h"
#endif
