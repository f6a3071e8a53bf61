/* SPDX-License-Identifier: MIT */
#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

static struct {
    atomic_long calls, fail_at;
    atomic_int errnum;
    atomic_bool forever;
} faults[PQ_FAULT_KINDS];

static struct {
    atomic_long calls, kill_at;
} changes;

void pq_fault_kill(long n)
{
    atomic_store(&changes.calls, 0);
    atomic_store(&changes.kill_at, n);
}

long pq_fault_changes(void)
{
    return atomic_load(&changes.calls);
}

static void count_change(void)
{
    const long call = atomic_fetch_add(&changes.calls, 1) + 1;
    if (call == atomic_load(&changes.kill_at))
        raise(SIGKILL);
}

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
    if (kind >= PQ_FAULT_WRITE)
        count_change();
    long call = atomic_fetch_add_explicit(&faults[kind].calls, 1, memory_order_relaxed) + 1;
    long at = atomic_load_explicit(&faults[kind].fail_at, memory_order_relaxed);
    if (at == 0 || call < at || (call > at && !atomic_load(&faults[kind].forever)))
        return false;
    errno = atomic_load(&faults[kind].errnum);
    return true;
}
