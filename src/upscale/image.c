/* SPDX-License-Identifier: MIT */
#include "upscale/image.h"

#include "base/alloc.h"

enum { ALIGN = 64 };

int pq_image_new(int width, int height, int planes, int depth, const pique_allocator *allocator,
                 struct pq_image *out, pique_error *err)
{
    size_t stride, plane, all;
    *out = (struct pq_image){0};
    if (!pq_mul_size((size_t)width, (size_t)(depth / 8), &stride) ||
        !pq_add_size(stride, ALIGN - 1, &stride) ||
        !pq_mul_size(stride -= stride % ALIGN, (size_t)height, &plane) ||
        !pq_mul_size(plane, (size_t)planes, &all))
        return pq_fail_nomem(err, UINT64_MAX);
    void *memory = pq_big_alloc(allocator, all);
    if (!memory)
        return pq_fail_nomem(err, all);
    *out = (struct pq_image){.width = width,
                             .height = height,
                             .planes = planes,
                             .depth = depth,
                             .memory = memory,
                             .allocator = allocator};
    for (int p = 0; p < planes; p++) {
        out->data[p] = (char *)memory + (size_t)p * plane;
        out->stride[p] = (ptrdiff_t)stride;
    }
    return 0;
}

void pq_image_free(struct pq_image *image)
{
    if (image->memory)
        pq_big_free(image->allocator, image->memory);
    *image = (struct pq_image){0};
}

uint64_t pq_image_bytes(const struct pq_image *image)
{
    return image->memory
               ? (uint64_t)image->stride[0] * (uint64_t)image->height * (uint64_t)image->planes
               : 0;
}
