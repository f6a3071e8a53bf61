/* SPDX-License-Identifier: MIT */
#include "server/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

/* Digits at *text, which moves behind them. More than fit are as many as fit. */
static bool number(const char **text, uint64_t *n)
{
    *n = 0;
    if (**text < '0' || **text > '9')
        return false;
    for (; **text >= '0' && **text <= '9'; ++*text) {
        if (__builtin_mul_overflow(*n, (uint64_t)10, n) ||
            __builtin_add_overflow(*n, (uint64_t)(**text - '0'), n))
            *n = UINT64_MAX / 16;
    }
    return true;
}

enum pq_range pq_range_parse(const char *text, uint64_t size, uint64_t *first, uint64_t *count)
{
    uint64_t from = 0, to = UINT64_MAX;
    *first = 0;
    *count = size;
    if (!text || strncasecmp(text, "bytes=", 6) != 0)
        return PQ_RANGE_WHOLE;
    text += 6;
    const bool has_first = number(&text, &from);
    if (*text++ != '-')
        return PQ_RANGE_WHOLE;
    const bool has_last = number(&text, &to);
    if (*text || (!has_first && !has_last) || (has_first && has_last && to < from))
        return PQ_RANGE_WHOLE;
    if (!has_first) { /* the last `to` bytes */
        if (to == 0 || size == 0)
            return PQ_RANGE_OUTSIDE;
        *count = to < size ? to : size;
        *first = size - *count;
        return PQ_RANGE_PART;
    }
    if (from >= size)
        return PQ_RANGE_OUTSIDE;
    *first = from;
    *count = has_last && to < size ? to - from + 1 : size - from;
    return PQ_RANGE_PART;
}
