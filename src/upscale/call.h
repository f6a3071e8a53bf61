/* SPDX-License-Identifier: MIT */
/* What the public functions of this folder have in common. */
#pragma once

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

/* Into a struct of the caller, which may be shorter than ours; its size, which comes first, stays.
 */
static inline void pq_copy_out(void *to, size_t to_size, const void *from, size_t from_size)
{
    const size_t n = PQ_MIN(to_size, from_size);
    if (n > sizeof(size_t))
        memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t),
               n - sizeof(size_t));
}
