/* SPDX-License-Identifier: MIT */
/* NVIDIA's GPUs as devices: "cuda" is the first of them, "cuda:N" the one of that number. With
 * ":tiles" behind it, for measuring, what a generation alone has stays unused. */
#pragma once

#include "backend/backend.h"
#include "backend/cuda/driver.h"

/* The number that an id stands for; -1 where it is none of ours or there is no such GPU. */
int cuda_ordinal(const char *id);
/* Whether an id asks for the kernels that all generations have: "cuda:tiles", "cuda:N:tiles". */
bool cuda_wants_tiles(const char *id);
/* All but a margin of what the driver says is free: other programs draw, too. */
uint64_t cuda_free_memory(const char *id);
bool cuda_describe(size_t i, pique_device_info *info);
/* The precision tiers of a device, as pq_backend.tiers: halves where it has matrix units for them.
 */
unsigned cuda_tiers(const char *id);
/* Whether the kernels for this GPU are in this program; *why not. */
bool cuda_has_kernels(const struct cuda_driver *driver, cuda_device device, const char **why);

/* The kernels, a fatbin of all architectures that they were built for; of no bytes where there was
 * no nvcc. */
extern const unsigned char cuda_kernels[], cuda_kernels_end[];
