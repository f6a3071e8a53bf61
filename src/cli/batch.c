/* SPDX-License-Identifier: MIT */
#include "cli/batch.h"

#include <string.h>

#include "base/alloc.h"
#include "pique/pique.h"

/* The most that the options want. Where they leave it open, one: a processor is as busy with one
 * picture as with several, so all that a batch could save is what a picture costs beside its
 * pixels, and that is within the noise. Time of the processor a picture, with a Compact network of
 * 16 convolutions on two cores that others used too, medians of 5:
 *
 *     batch   16x16    64x64   128x128   256x256   640x360
 *       1     3.7 ms   34 ms    125 ms    516 ms   1586 ms
 *       4     3.8 ms   38 ms    132 ms    517 ms   1663 ms
 *       8     3.8 ms   38 ms    129 ms    521 ms   1657 ms */
static size_t most_wanted(const struct pq_options *o)
{
    const size_t asked = (size_t)pq_whole(o, PQ_OPT_BATCH);
    if (pq_given(o, PQ_OPT_NO_PARALLEL) || !asked)
        return 1;
    return PQ_MIN(asked, (size_t)PIQUE_BATCH_PICTURES);
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
    if (most < 2 || !look(&inputs->list[first], o, &a) || !ready(context, &inputs->list[first]))
        return 1;
    while (n < most) {
        const struct pq_input *next = &inputs->list[first + n];
        if (!look(next, o, &b) || !alike(&a, &b) || !ready(context, next))
            break;
        n++;
    }
    return n;
}
