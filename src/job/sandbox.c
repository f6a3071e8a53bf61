/* SPDX-License-Identifier: MIT */
#include "job/sandbox.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/lang.h"

/* A limit that is lower already stays. */
static int lower(int resource, rlim_t soft, rlim_t hard, const char *what, pique_error *err)
{
    struct rlimit now;
    if (getrlimit(resource, &now) != 0)
        return pq_fail_errno(err, errno, what, "be limited");
    now.rlim_max = PQ_MIN(now.rlim_max, hard);
    now.rlim_cur = PQ_MIN(PQ_MIN(now.rlim_cur, soft), now.rlim_max);
    return setrlimit(resource, &now) != 0 ? pq_fail_errno(err, errno, what, "be limited") : 0;
}

/* RLIMIT_DATA and not RLIMIT_AS: it counts what a process can write to and has alone, so neither
 * mapped models nor address space that is only set aside. */
static int limit(const struct pq_sandbox *box, pique_error *err)
{
    int rc = lower(RLIMIT_CORE, 0, 0, pq_tr("core dumps"), err);
    if (!rc && box->memory_bytes && !PQ_SANITIZED)
        rc = lower(RLIMIT_DATA, (rlim_t)box->memory_bytes, (rlim_t)box->memory_bytes,
                   pq_tr("memory"), err);
    /* SIGXCPU first; a process that catches it has two seconds more. */
    if (!rc && box->cpu_seconds)
        rc = lower(RLIMIT_CPU, box->cpu_seconds, (rlim_t)box->cpu_seconds + 2, "time", err);
    return rc;
}

int pq_sandbox_enter(const struct pq_sandbox *box, unsigned *held, pique_error *err)
{
    unsigned now = 0;
    int rc = limit(box, err);
    if (!rc)
        now |= PQ_HELD_LIMITS;
    /* Both Landlock and seccomp want that no program with more rights can be started. */
    if (!rc && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        rc = pq_fail_errno(err, errno, pq_tr("this process"), "give up its rights");
    if (!rc)
        rc = pq_sandbox_files(box, &now, err);
    if (!rc)
        rc = pq_sandbox_calls(box, &now, err);
    if (held)
        *held = now;
    return rc;
}
