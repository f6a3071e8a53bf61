/* SPDX-License-Identifier: MIT */
#include "film/item.h"

#include <xxhash.h>

#include "base/alloc.h"

int pq_result_new(const struct pq_video_io *io, struct pq_result **out, pique_error *err)
{
    struct pq_result *r = pq_calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return pq_fail_nomem(err, sizeof *r);
    atomic_init(&r->count, 1);
    r->io = io;
    return 0;
}

struct pq_result *pq_result_ref(struct pq_result *result)
{
    atomic_fetch_add(&result->count, 1);
    return result;
}

void pq_result_unref(struct pq_result **result)
{
    struct pq_result *r = *result;
    *result = NULL;
    if (!r || atomic_fetch_sub(&r->count, 1) > 1)
        return;
    pq_image_free(&r->in);
    pq_image_free(&r->out);
    r->io->frame_unref(&r->decoded);
    r->io->frame_unref(&r->frame);
    pq_free(r->picture);
    pq_free(r);
}

int pq_item_new(struct pq_item **out, pique_error *err)
{
    *out = pq_calloc(1, sizeof **out);
    return *out ? 0 : pq_fail_nomem(err, sizeof **out);
}

void pq_item_free(const struct pq_video_io *io, struct pq_item *item)
{
    if (!item)
        return;
    io->frame_unref(&item->frame);
    pq_image_free(&item->source);
    pq_result_unref(&item->result);
    pq_free(item);
}

uint64_t pq_frame_bytes(const struct pq_frame *frame)
{
    uint64_t bytes = 0;
    for (int p = 0; frame && p < frame->planes; p++)
        bytes += (uint64_t)frame->plane[p].row_bytes * (uint64_t)frame->plane[p].rows;
    return bytes;
}

uint64_t pq_item_bytes(const struct pq_item *item)
{
    uint64_t bytes = sizeof *item + pq_frame_bytes(item->frame) + pq_image_bytes(&item->source);
    if (item->fresh && item->result)
        bytes += pq_image_bytes(&item->result->in) + pq_frame_bytes(item->result->decoded) +
                 pq_image_bytes(&item->result->out) + pq_frame_bytes(item->result->frame);
    return bytes;
}

uint64_t pq_frame_hash(const struct pq_frame *frame)
{
    uint64_t hash = 0;
    for (int p = 0; p < frame->planes; p++) {
        const struct pq_frame_plane *plane = &frame->plane[p];
        for (int y = 0; y < plane->rows; y++)
            hash = XXH3_64bits_withSeed(plane->data + y * plane->stride, (size_t)plane->row_bytes,
                                        hash);
    }
    return hash;
}

uint64_t pq_image_hash(const struct pq_image *image)
{
    uint64_t hash = 0;
    const size_t row = (size_t)image->width * (size_t)(image->depth / 8);
    for (int p = 0; p < image->planes; p++) {
        for (int y = 0; y < image->height; y++)
            hash = XXH3_64bits_withSeed((const char *)image->data[p] + y * image->stride[p], row,
                                        hash);
    }
    return hash;
}
