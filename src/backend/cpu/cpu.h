/* SPDX-License-Identifier: MIT */
/* The processor as a device: line buffers in memory, kernels by instruction set, rows shared out to
 * the thread pool. */
#pragma once

#include "backend/backend.h"

/* Higher bands only save a little synchronisation. */
enum { CPU_HIGHEST_BAND = 32 };

extern const struct pq_backend pq_backend_cpu;
