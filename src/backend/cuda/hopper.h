/* SPDX-License-Identifier: MIT */
/* The convolutions that GPUs of compute capability 9.0 compute in strips (kernels/strip.h): which
 * they are, and their weights. Before a program is compiled for such a GPU it is asked whether it
 * computes them rightly (hopper_trial.h), until it does once; where it does not, tiles compute. */
#pragma once

#include "backend/cuda/program.h"
#include "base/log.h"

/* Mark the steps that are computed in strips, and say by which kernel, where the GPU has one that
 * is right. Before the program's kernels are looked up. False: the GPU failed when it was asked.
 * Thread-safety: safe. */
bool cuda_choose_strips(struct cuda_program *program, struct pq_log *log);
/* For tests, whose GPU changes: ask again. */
void cuda_hopper_forget(void);

/* Weights of a convolution in strips, in the order of kernels/conv_strip.cu. */
size_t cuda_strip_weights_floats(const struct pq_op *op);
void cuda_strip_weights(const struct pq_op *op, float *to);
