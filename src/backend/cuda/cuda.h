/* SPDX-License-Identifier: MIT */
/* NVIDIA's GPUs as devices, through the driver alone: maps in the device's memory, one inference
 * for the whole batch, and transfers that overlap with it (space.h). */
#pragma once

#include "backend/backend.h"

extern const struct pq_backend pq_backend_cuda;
