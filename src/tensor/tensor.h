/* SPDX-License-Identifier: MIT */
/* Element types, and a view of an array of them.
 *
 * A tensor here is a weight as it lies in a model file: bytes that somebody else owns, in PyTorch's
 * order (the last dimension is contiguous), little endian, at any alignment. Activations have a
 * layout of their own (backend/cpu). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pq_dtype { PQ_F32, PQ_F16, PQ_BF16, PQ_F64, PQ_I64, PQ_I32, PQ_DTYPES };

enum { PQ_MAX_DIMS = 8 };

/* Borrowed data; valid as long as the file it lies in is mapped. A scalar has dims 0. */
struct pq_tensor {
    enum pq_dtype dtype;
    int dims;
    int64_t shape[PQ_MAX_DIMS];
    const void *data;
};

const char *pq_dtype_name(enum pq_dtype dtype); /* "f32" */
size_t pq_dtype_size(enum pq_dtype dtype);      /* bytes */

/* Product of the dimensions into *count; false where one is negative or the product does not fit
 * a size_t or its bytes do not. */
bool pq_tensor_count(const struct pq_tensor *t, size_t *count);

/* Whether the shape is exactly the given one. */
bool pq_tensor_is(const struct pq_tensor *t, int dims, const int64_t *shape);

/* "[64, 3, 3, 3]" into text; returns text. */
const char *pq_tensor_shape_text(const struct pq_tensor *t, char *text, size_t size);

/* Elements first .. first+count-1, converted (f64 rounded to nearest, integers too). */
void pq_tensor_to_f32(const struct pq_tensor *t, size_t first, size_t count, float *out);

/* The nearest half (tensor/f16.h), ties to even; what is too large becomes infinite. */
uint16_t pq_f64_to_f16(double value);
