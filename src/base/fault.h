/* SPDX-License-Identifier: MIT */
/* Faults on purpose. A test arms one kind of call to fail at its N-th time; everything else runs
 * with a counter that nobody reads. Thread-safety: the counters are atomic; arm while no other
 * thread runs. */
#pragma once

#include <stdbool.h>

enum pq_fault_kind {
    PQ_FAULT_ALLOC,
    PQ_FAULT_OPEN,
    PQ_FAULT_READ,  /* and mmap */
    PQ_FAULT_WRITE, /* this and those below change files */
    PQ_FAULT_SYNC,
    PQ_FAULT_RENAME,
    PQ_FAULT_REMOVE,
    PQ_FAULT_KINDS
};

/* Let the N-th call (from 1) of a kind fail, with errnum where it sets errno; once, or from then on
 * every time. n = 0 disarms. Counting starts anew. */
void pq_fault_arm(enum pq_fault_kind kind, long n, int errnum, bool forever);

/* Let the process be killed, as by SIGKILL, just before the N-th call (from 1) of all kinds that
 * change files: WRITE, SYNC, RENAME, REMOVE. n = 0 disarms. Counting starts anew. */
void pq_fault_kill(long n);
long pq_fault_changes(void); /* how many such calls there were since */

/* How many calls of a kind there were since it was armed or disarmed. */
long pq_fault_count(enum pq_fault_kind kind);

/* Asked by the wrapped calls: true means fail now; errno is set. */
bool pq_fault(enum pq_fault_kind kind);
