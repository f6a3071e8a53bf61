/* SPDX-License-Identifier: MIT */
#include "video/turn.h"

#include <stddef.h>

/* A point x, y of the frame is seen at a x + c y, b x + d y. */
bool pq_turn_of(const int32_t matrix[9], struct pq_turn *out)
{
    const int32_t a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
    const bool straight = a && d && !b && !c, swapped = b && c && !a && !d;
    *out = (struct pq_turn){0};
    if (!straight && !swapped)
        return false;
    out->swap = swapped;
    out->flip_x = (swapped ? c : a) < 0;
    out->flip_y = (swapped ? b : d) < 0;
    return true;
}

bool pq_turn_is_none(struct pq_turn turn)
{
    return !turn.swap && !turn.flip_x && !turn.flip_y;
}

int pq_turn_degrees(struct pq_turn turn)
{
    if (turn.swap)
        return turn.flip_x ? 90 : 270;
    return turn.flip_y ? 180 : 0;
}

struct pq_piece pq_turn_back(struct pq_turn turn, struct pq_piece seen, int width, int height)
{
    struct pq_piece p = seen;
    if (turn.flip_x)
        p.x = width - seen.x - seen.width;
    if (turn.flip_y)
        p.y = height - seen.y - seen.height;
    if (turn.swap)
        return (struct pq_piece){p.y, p.x, p.height, p.width};
    return p;
}

#define TURN_PLANE(type)                                                                           \
    for (int y = 0; y < out->height; y++) {                                                        \
        const int from_y = turn.flip_y ? out->height - 1 - y : y;                                  \
        type *to = (type *)((unsigned char *)out->data[p] + y * out->stride[p]);                   \
        const unsigned char *base = in->data[p];                                                   \
        for (int x = 0; x < out->width; x++) {                                                     \
            const int from_x = turn.flip_x ? out->width - 1 - x : x;                               \
            const int row = turn.swap ? from_x : from_y, column = turn.swap ? from_y : from_x;     \
            to[x] = ((const type *)(base + row * in->stride[p]))[column];                          \
        }                                                                                          \
    }

void pq_turn_image(struct pq_turn turn, const struct pq_image *in, struct pq_image *out)
{
    for (int p = 0; p < out->planes && p < in->planes; p++) {
        if (out->depth == 8) {
            TURN_PLANE(uint8_t)
        } else {
            TURN_PLANE(uint16_t)
        }
    }
}
