/* SPDX-License-Identifier: MIT */
/* Sixteen whole numbers of 32 bits, beside the floats of wide/lanes.h, and products of pairs of
 * 16-bit words. All of it is exact but where a function says that it rounds, so all levels give the
 * same bits. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "kernels/wide/lanes.h"

#if defined(PQ_WIDE_NEON)
#include "kernels/arm/words_neon.h"
#elif defined(__AVX512F__)

struct words {
    __m512i v;
};

LANES_INLINE struct words words_zero(void)
{
    return (struct words){_mm512_setzero_si512()};
}

/* p: sixteen pairs of words, the first of a pair lower. */
LANES_INLINE struct words words_load(const void *p)
{
    return (struct words){_mm512_loadu_si512(p)};
}

LANES_INLINE void words_store(void *p, struct words a)
{
    _mm512_storeu_si512(p, a.v);
}

/* One pair for all lanes. */
LANES_INLINE struct words words_set(const int32_t *p)
{
    return (struct words){_mm512_set1_epi32(*p)};
}

/* sum + a0 b0 + a1 b1 */
LANES_INLINE struct words words_dot(struct words sum, struct words a, struct words b)
{
#if defined(__AVX512VNNI__)
    return (struct words){_mm512_dpwssd_epi32(sum.v, a.v, b.v)};
#else
    return (struct words){_mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v))};
#endif
}

/* Rounded. */
LANES_INLINE struct lanes words_float(struct words a)
{
    return (struct lanes){_mm512_cvtepi32_ps(a.v)};
}

/* Pairs of whole numbers that a sum with 3 * 2^22 has made of floats: their lower 16 bits. */
LANES_INLINE struct words words_pair(struct lanes first, struct lanes second)
{
    const __m512i high = _mm512_slli_epi32(_mm512_castps_si512(second.v), 16);
    return (struct words){_mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_castps_si512(first.v), high)};
}

/* The larger of the sizes of a and of most, which has no sign, as bits. */
LANES_INLINE struct words words_most(struct words most, struct lanes a)
{
    const __m512i size = _mm512_and_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x7fffffff));
    return (struct words){_mm512_max_epi32(most.v, size)};
}

LANES_INLINE __m512i words_both(__m512i a, __m512i b)
{
    return _mm512_max_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* The largest of each of four, in each 128 bits. */
LANES_INLINE __m512i words_four(const struct words *a)
{
    const __m512i ab = words_both(a[0].v, a[1].v), cd = words_both(a[2].v, a[3].v);
    return _mm512_max_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

LANES_INLINE __m512i words_quarters(__m512i a, __m512i b)
{
    return _mm512_max_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

/* The largest lane of each of `count`, 4 or 16. */
LANES_INLINE void words_largest(const struct words *a, const int count, uint32_t *out)
{
    const __m512i first = words_four(a);
    const __m512i low = words_quarters(first, count > 4 ? words_four(a + 4) : first);
    const __m512i high = count > 4 ? words_quarters(words_four(a + 8), words_four(a + 12)) : low;
    _mm512_storeu_si512(out, words_quarters(low, high));
}

#elif defined(__AVX2__)

struct words {
    __m256i v[OCTETS];
};

#define EACH_OCTET_OF_WORDS(name, parameters, expression)                                          \
    LANES_EACH(struct words, OCTETS, name, parameters, expression)

LANES_INLINE __m256i pair_8(__m256 first, __m256 second)
{
    const __m256i high = _mm256_slli_epi32(_mm256_castps_si256(second), 16);
    return _mm256_blend_epi16(_mm256_castps_si256(first), high, 0xaa);
}

LANES_INLINE __m256i most_8(__m256i most, __m256 a)
{
    const __m256i size = _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7fffffff));
    return _mm256_max_epi32(most, size);
}

EACH_OCTET_OF_WORDS(words_zero, (void), _mm256_setzero_si256())
EACH_OCTET_OF_WORDS(words_load, (const void *p), _mm256_loadu_si256((const __m256i *)p + i))
EACH_OCTET_OF_WORDS(words_set, (const int32_t *p), _mm256_set1_epi32(*p))
EACH_OCTET_OF_WORDS(words_dot, (struct words sum, struct words a, struct words b),
                    _mm256_add_epi32(sum.v[i], _mm256_madd_epi16(a.v[i], b.v[i])))
EACH_OCTET_OF_WORDS(words_pair, (struct lanes first, struct lanes second),
                    pair_8(first.v[i], second.v[i]))
EACH_OCTET_OF_WORDS(words_most, (struct words most, struct lanes a), most_8(most.v[i], a.v[i]))
EACH_OCTET(words_float, (struct words a), _mm256_cvtepi32_ps(a.v[i]))

LANES_INLINE void words_store(void *p, struct words a)
{
    UNROLLED_FOR (i, OCTETS)
        _mm256_storeu_si256((__m256i *)p + i, a.v[i]);
}

/* The larger half of each of two, interleaved. */
LANES_INLINE __m256i words_both(struct words a, struct words b)
{
    const __m256i c = _mm256_max_epi32(a.v[0], a.v[OCTETS - 1]);
    const __m256i d = _mm256_max_epi32(b.v[0], b.v[OCTETS - 1]);
    return _mm256_max_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
}

LANES_INLINE void words_largest(const struct words *a, const int count, uint32_t *out)
{
    UNROLLED_FOR (i, count / 4) {
        const __m256i ab = words_both(a[4 * i], a[4 * i + 1]);
        const __m256i cd = words_both(a[4 * i + 2], a[4 * i + 3]);
        const __m256i four =
            _mm256_max_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
        _mm_storeu_si128(
            (__m128i *)(out + 4 * i),
            _mm_max_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1)));
    }
}

#endif
