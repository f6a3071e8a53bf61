/* SPDX-License-Identifier: MIT */
/* A picture in memory, as planes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "graph/samples.h"
#include "pique/engine.h"

/* Planes R, G, B and, where there are four, A, which is not premultiplied. */
struct pq_image {
    int width, height;
    int planes; /* 3 or 4 */
    int depth;  /* 8 or 16: unsigned samples of one or two bytes in native order */
    void *data[4];
    ptrdiff_t stride[4]; /* bytes */
    void *memory;        /* of pq_image_new(); NULL: the planes are somebody else's */
    const pique_allocator *allocator;
};

/* Memory for planes whose rows begin at multiples of 64 bytes. */
int pq_image_new(int width, int height, int planes, int depth, const pique_allocator *allocator,
                 struct pq_image *out, pique_error *err);
void pq_image_free(struct pq_image *image); /* an empty one is fine */
uint64_t pq_image_bytes(const struct pq_image *image);
