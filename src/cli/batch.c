/* SPDX-License-Identifier: MIT */
#include "cli/batch.h"

#include <string.h>

#include "base/alloc.h"
#include "pique/pique.h"

/* On a processor a batch saves only what a picture costs beside its pixels: 64 pictures of 64 x 64
 * took 1.66 s by eights and 1.75 s one by one, those of 256 x 256 gained no more than the noise
 * (two cores, medians). Line buffers grow with the batch, so larger pictures go one by one. */
enum { SMALL_PIXELS = 128 * 128 };

/* The most that the options want, before any picture is looked at. */
static size_t most_wanted(const struct pq_options *o)
{
    if (pq_given(o, PQ_OPT_NO_PARALLEL))
        return 1;
    const size_t asked = (size_t)pq_whole(o, PQ_OPT_BATCH);
    return asked ? PQ_MIN(asked, (size_t)PIQUE_BATCH_PICTURES) : PIQUE_BATCH_PICTURES;
}

static bool pays(const pique_picture_info *info, const struct pq_options *o)
{
    return pq_whole(o, PQ_OPT_BATCH) || (int64_t)info->width * info->height <= SMALL_PIXELS;
}

static bool is_file(const struct pq_input *input)
{
    return !input->film && !input->status && !input->earlier && strcmp(input->path, "-") != 0 &&
           strcmp(input->output, "-") != 0;
}

static bool look(const struct pq_input *input, const struct pq_options *o, pique_picture_info *info)
{
    *info = (pique_picture_info){.size = sizeof *info};
    return is_file(input) &&
           pique_picture_probe(input->path, pq_given(o, PQ_OPT_ALLOW_UNTRUSTED), info, NULL) == 0;
}

static bool alike(const pique_picture_info *a, const pique_picture_info *b)
{
    return a->width == b->width && a->height == b->height && a->colours == b->colours &&
           a->alpha == b->alpha && a->depth == b->depth;
}

size_t pq_batch_alike(const struct pq_inputs *inputs, size_t first, const struct pq_options *o,
                      bool (*ready)(void *context, const struct pq_input *input), void *context)
{
    const size_t most = PQ_MIN(most_wanted(o), inputs->count - first);
    pique_picture_info a, b;
    size_t n = 1;
    if (most < 2 || !look(&inputs->list[first], o, &a) || !pays(&a, o) ||
        !ready(context, &inputs->list[first]))
        return 1;
    while (n < most) {
        const struct pq_input *next = &inputs->list[first + n];
        if (!look(next, o, &b) || !alike(&a, &b) || !ready(context, next))
            break;
        n++;
    }
    return n;
}
