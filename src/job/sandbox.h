/* SPDX-License-Identifier: MIT */
/* What a process that reads films and pictures of strangers may still do: read its input, write
 * where its result goes, compute. A decoder that is taken over by a file reaches nothing else: no
 * other file, no network, no other process.
 *
 *     files     Landlock: the paths given here and what any program needs to run, nothing else
 *     calls     a seccomp filter: no sockets, no ptrace, no mounts, no keys, no modules
 *     limits    rlimits: memory, seconds of processor, no core dumps
 *
 * What a kernel does not have is left out without a word, and is missing in what is held. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct pq_sandbox {
    const char *const *read; /* files, and folders with all that is below; borrowed */
    size_t read_count;
    const char *const *write; /* folders, with all that is and will be below; borrowed */
    size_t write_count;
    uint64_t memory_bytes; /* of its own, model files that are mapped not counted; 0: no limit */
    unsigned cpu_seconds;  /* of all its threads together; 0: no limit */
    bool strict;           /* it starts no other program and no other process: for looking into a
                              file that nobody has looked into yet */
};

/* What holds. */
enum {
    PQ_HELD_FILES = 1,   /* no file but those that were named */
    PQ_HELD_NETWORK = 2, /* no TCP either way, by Landlock too */
    PQ_HELD_SIGNALS = 4, /* no signal to a process outside, no abstract socket of one */
    PQ_HELD_CALLS = 8,   /* the system calls that are refused */
    PQ_HELD_LIMITS = 16
};

/* Go into the box, for good: there is no way out, and what is started from inside is inside too.
 * A path that does not exist is left out. Files that are open stay so. Does nothing about the
 * memory, and lets itself be traced, under the sanitizers of the compiler, which need both.
 * @param held  what holds now; may be NULL.
 * @return 0; PIQUE_EIO where the kernel has what is needed and refuses it; PIQUE_ENOMEM. Then some
 *         of it may hold already, and the process should end.
 * Thread-safety: while the process has one thread. */
int pq_sandbox_enter(const struct pq_sandbox *box, unsigned *held, pique_error *err);

/* The parts, for pq_sandbox_enter(); each adds what holds to *held. */
int pq_sandbox_files(const struct pq_sandbox *box, unsigned *held, pique_error *err);
int pq_sandbox_calls(const struct pq_sandbox *box, unsigned *held, pique_error *err);

/* Sanitizers map terabytes, and look for leaks from a process that traces ours. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define PQ_SANITIZED 1
#else
#define PQ_SANITIZED 0
#endif
