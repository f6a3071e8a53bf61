/* SPDX-License-Identifier: MIT */
#include "base/fault.h"

#include <errno.h>
#include <stdatomic.h>

static struct {
    atomic_long calls, fail_at;
    atomic_int errnum;
    atomic_bool forever;
} faults[PQ_FAULT_KINDS];

void pq_fault_arm(enum pq_fault_kind kind, long n, int errnum, bool forever)
{
    atomic_store(&faults[kind].errnum, errnum);
    atomic_store(&faults[kind].forever, forever);
    atomic_store(&faults[kind].calls, 0);
    atomic_store(&faults[kind].fail_at, n);
}

long pq_fault_count(enum pq_fault_kind kind)
{
    return atomic_load(&faults[kind].calls);
}

bool pq_fault(enum pq_fault_kind kind)
{
    long call = atomic_fetch_add_explicit(&faults[kind].calls, 1, memory_order_relaxed) + 1;
    long at = atomic_load_explicit(&faults[kind].fail_at, memory_order_relaxed);
    if (at == 0 || call < at || (call > at && !atomic_load(&faults[kind].forever)))
        return false;
    errno = atomic_load(&faults[kind].errnum);
    return true;
}
