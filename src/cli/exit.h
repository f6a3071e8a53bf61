/* SPDX-License-Identifier: MIT */
/* What the command tells the shell (sysexits.h, and 130 as shells count SIGINT). */
#pragma once

enum pq_exit {
    PQ_EXIT_OK = 0,
    PQ_EXIT_DIFFERS = 1, /* pique kernels --check: a variant has other bits */
    PQ_EXIT_USAGE = 2,
    PQ_EXIT_DATA = 65,        /* a picture or model is damaged or of an unknown kind */
    PQ_EXIT_NO_INPUT = 66,    /* an input does not exist, a folder holds no picture */
    PQ_EXIT_UNAVAILABLE = 69, /* no such device or model */
    PQ_EXIT_DEFECT = 70,
    PQ_EXIT_CREATE = 73, /* an output exists or cannot be created */
    PQ_EXIT_IO = 74,
    PQ_EXIT_FULL = 75, /* disk or memory: make room and go on */
    PQ_EXIT_INTERRUPTED = 130
};

/* The exit status that fits an enum pique_status. */
enum pq_exit pq_exit_of(int status);
