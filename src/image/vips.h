/* SPDX-License-Identifier: MIT */
/* The door to libvips: start it once, run one of its operations, turn its errors into ours. */
#pragma once

#include <stdbool.h>
#include <vips/vips.h>

#include "base/error.h"

/* Start libvips on the first call, with everything blocked that it calls untrusted, no operation
 * cache and few threads. Never stopped again. Thread-safety: safe. */
int pq_vips_start(pique_error *err);

/* The reader of JPEG XL is untrusted; from here on it may be used. The writer always may. */
void pq_vips_allow_jxl(void);

/* Fill err with "PATH: WHAT: " and what libvips said, in one line, and forget what it said.
 * code 0 stands for the code that fits the text: PIQUE_ENOMEM, PIQUE_EUNSUPPORTED, else
 * PIQUE_EFORMAT. */
int pq_vips_fail(pique_error *err, int code, const char *path, const char *what);

/* Whether libvips has an operation of that name. */
bool pq_vips_has(const char *name);

/* Whether an operation has an option; newer versions of libvips have more. */
bool pq_op_knows(VipsOperation *op, const char *option);

/* Run an operation and drop it; where `out` is not NULL it gets the output image. The caller
 * unrefs that. Returns 0, or -1 with the reason in the error buffer of libvips. */
int pq_op_run(VipsOperation *op, VipsImage **out);
