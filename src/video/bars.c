/* SPDX-License-Identifier: MIT */
#include "video/bars.h"

#include "base/alloc.h"

/* Black as encoders leave it: of limited range, 16 and a few steps of noise and ringing. In 1 of
 * 219, of full range: */
enum {
    MEAN_STEPS = 8,    /* the mean of a line is not above this, as ffmpeg's cropdetect has it */
    BRIGHT_STEPS = 28, /* and this is exceeded */
    BRIGHT_SHARE = 32  /* by less than one sample of so many */
};

/* A line of `count` samples, from sample to sample `stride` bytes, in all three planes. */
static bool is_black(const struct pq_image *im, ptrdiff_t at[3], ptrdiff_t stride[3], int count)
{
    const double top = im->depth == 8 ? 255.0 : 65535.0;
    const double bright = BRIGHT_STEPS * top / 219;
    double sum = 0;
    int many = 0;
    for (int i = 0; i < count; i++) {
        static const double weight[3] = {0.2126, 0.7152, 0.0722};
        double level = 0; /* of luma: the colours of the picture reach into the bars */
        for (int p = 0; p < 3; p++) {
            const unsigned char *s = (const unsigned char *)im->data[p] + at[p] + i * stride[p];
            const double v = im->depth == 8 ? *s : *(const uint16_t *)(const void *)s;
            level += weight[p] * v;
        }
        sum += level;
        many += level > bright;
    }
    return sum / count <= MEAN_STEPS * top / 219 && many * BRIGHT_SHARE <= count;
}

static bool row_is_black(const struct pq_image *im, int y)
{
    const ptrdiff_t bytes = im->depth > 8 ? 2 : 1;
    ptrdiff_t at[3] = {y * im->stride[0], y * im->stride[1], y * im->stride[2]};
    return is_black(im, at, (ptrdiff_t[3]){bytes, bytes, bytes}, im->width);
}

static bool column_is_black(const struct pq_image *im, int x, int top, int bottom)
{
    const ptrdiff_t bytes = im->depth > 8 ? 2 : 1;
    ptrdiff_t at[3], stride[3];
    for (int p = 0; p < 3; p++) {
        at[p] = top * im->stride[p] + x * bytes;
        stride[p] = im->stride[p];
    }
    return is_black(im, at, stride, bottom - top);
}

void pq_bars_look(struct pq_bars *b, const struct pq_image *im)
{
    int top = 0, bottom = im->height, left = 0, right = im->width;
    while (top < bottom && row_is_black(im, top))
        top++;
    if (top == bottom)
        return;
    while (row_is_black(im, bottom - 1))
        bottom--;
    while (left < right && column_is_black(im, left, top, bottom))
        left++;
    if (left == right)
        return;
    while (column_is_black(im, right - 1, top, bottom))
        right--;
    const bool first = b->pictures++ == 0;
    b->width = im->width;
    b->height = im->height;
    b->left = first ? left : PQ_MIN(b->left, left);
    b->top = first ? top : PQ_MIN(b->top, top);
    b->right = first ? right : PQ_MAX(b->right, right);
    b->bottom = first ? bottom : PQ_MAX(b->bottom, bottom);
}

bool pq_bars_found(const struct pq_bars *b, struct pq_piece *piece)
{
    if (!b->pictures)
        return false;
    const int left = b->left & ~1, top = b->top & ~1;
    const int right = PQ_MIN((b->right + 1) & ~1, b->width);
    const int bottom = PQ_MIN((b->bottom + 1) & ~1, b->height);
    *piece = (struct pq_piece){left, top, right - left, bottom - top};
    return piece->width < b->width || piece->height < b->height;
}
