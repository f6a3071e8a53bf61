/* SPDX-License-Identifier: MIT */
/* A clock that only goes forward, from some moment of its own. Thread-safety: safe. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline double pq_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int64_t pq_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
