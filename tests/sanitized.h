/* SPDX-License-Identifier: MIT */
/* How much of a sweep is made: all of it in an ordinary build, less under a sanitizer or in an
 * emulator, where everything takes ten times as long, and all of it everywhere with
 * PIQUE_TEST_FULL=1. What is left out there differs in values, not in kind: the ordinary build
 * compares the bits of all, and what is left reaches the same code. The thread sanitizer looks for
 * what threads do to each other, so what one thread does alone needs little of it. */
#pragma once

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define TEST_ADDRESS 1
#elif defined(__SANITIZE_THREAD__)
#define TEST_THREADS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define TEST_ADDRESS 1
#elif __has_feature(thread_sanitizer)
#define TEST_THREADS 1
#endif
#endif
#ifndef TEST_ADDRESS
#define TEST_ADDRESS 0
#endif
#ifndef TEST_THREADS
#define TEST_THREADS 0
#endif
#define TEST_SANITIZED (TEST_ADDRESS || TEST_THREADS)

/* A step, a count or an end of a sweep: of an ordinary build, where all takes long
 * (PIQUE_TEST_SLOW=1 says so of an emulator), under the thread sanitizer. */
static inline int test_much(int all, int slow, int threads)
{
    if (getenv("PIQUE_TEST_FULL"))
        return all;
    if (TEST_THREADS)
        return threads;
    return TEST_ADDRESS || getenv("PIQUE_TEST_SLOW") ? slow : all;
}

/* A step of a sweep that takes minutes, so that the ordinary build takes steps, too: with
 * PIQUE_TEST_FULL=1 alone it is 1. */
static inline int test_some(int step, int slow, int threads)
{
    return getenv("PIQUE_TEST_FULL") ? 1 : test_much(step, slow, threads);
}
