/* SPDX-License-Identifier: MIT */
/* Random numbers for trials: the same on every machine, from a seed that a failure names. What
 * nobody may guess is random.h's. */
#pragma once

#include <stdint.h>

struct rng {
    uint64_t state;
};

/* splitmix64, Steele, Lea and Flood 2014. */
static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 .. n-1 */
static inline int rng_below(struct rng *r, int n)
{
    return (int)(rng_next(r) % (uint64_t)n);
}

/* -1 .. 1 */
static inline float rng_float(struct rng *r)
{
    return (float)((double)(int64_t)rng_next(r) * 0x1p-63);
}
