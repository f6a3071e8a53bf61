/* SPDX-License-Identifier: MIT */
/* Whether a GPU computes convolutions in strips rightly: a small picture of whole numbers, of which
 * every product and sum is exact in whatever order, goes through these kernels and through those
 * of tiles, and all bits must be the same. In a context of its own, so that what a GPU does not
 * survive ends with it. */
#pragma once

#include "backend/cuda/driver.h"

/* By the kernel of strips of that number (enum cuda_kernel); an error of the driver, or whether the
 * bits are the same. */
cuda_result cuda_hopper_trial(const struct cuda_driver *driver, cuda_device device, int kernel,
                              bool *same);
