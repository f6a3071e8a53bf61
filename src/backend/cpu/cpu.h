/* SPDX-License-Identifier: MIT */
/* The processor as a device: line buffers in memory, kernels by instruction set, rows shared out to
 * the thread pool. */
#pragma once

#include "backend/backend.h"
#include "kernels/winograd.h"

/* Higher bands only save a little synchronisation; lower ones wait in the line buffers until a row
 * of tiles can be computed. */
enum { CPU_HIGHEST_BAND = 32, CPU_LOWEST_BAND = PQ_WINOGRAD_TILE };

extern const struct pq_backend pq_backend_cpu;
