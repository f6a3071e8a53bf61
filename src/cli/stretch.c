/* SPDX-License-Identifier: MIT */
#include "cli/stretch.h"

#include <string.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "cli/batch.h"
#include "pique/pique.h"

struct stretch {
    const struct pq_stretch_of *of;
    size_t first, next, end; /* inputs; those from `next` on were not handed out yet */
    size_t told;             /* inputs before this one are */
    size_t left;             /* because the run was interrupted */
    int *fates;              /* of those before `next` */
};

struct handed_out {
    pique_picture_item items[PIQUE_BATCH_PICTURES]; /* first: it is known by its address */
    size_t first;
};

static bool is_file_picture(const struct pq_input *input)
{
    return !input->film &&
           (input->status || (strcmp(input->path, "-") != 0 && strcmp(input->output, "-") != 0));
}

/* The next input that is to be computed; what others become is remembered. */
static bool find_next(struct stretch *s)
{
    const struct pq_stretch_of *of = s->of;
    for (; s->next < s->end; s->next++) {
        const int fate = of->fate(of->context, &of->inputs->list[s->next]);
        if (fate == PQ_TO_DO)
            return true;
        s->fates[s->next - s->first] = fate;
    }
    return false;
}

static size_t hand_out(void *user, pique_picture_item **items)
{
    struct stretch *s = user;
    const struct pq_stretch_of *of = s->of;
    struct handed_out *h =
        find_next(s) && !pique_cancel_is_set(of->cancel) ? pq_calloc(1, sizeof *h) : NULL;
    if (!h)
        return 0; /* out of memory too: what is left is done by the caller */
    const struct pq_input *inputs = &of->inputs->list[s->next];
    size_t count = pq_batch_alike(of->inputs, s->next, of->options, of->ready, of->context);
    count = PQ_MIN(count, s->end - s->next);
    if (count == 1 && of->makes_folders) /* a folder that cannot be made fails its pictures */
        (void)pq_make_folder_of(inputs[0].output, NULL);
    h->first = s->next;
    for (size_t i = 0; i < count; i++)
        h->items[i] = (pique_picture_item){.src = inputs[i].path, .dst = inputs[i].output};
    s->next += count;
    *items = h->items;
    return count;
}

static void tell_before(struct stretch *s, size_t input)
{
    const struct pq_stretch_of *of = s->of;
    for (; s->told < input; s->told++)
        of->tell_fate(of->context, &of->inputs->list[s->told], s->fates[s->told - s->first]);
}

static void take_back(void *user, pique_picture_item *items, size_t count)
{
    struct stretch *s = user;
    struct handed_out *h = (struct handed_out *)items;
    tell_before(s, h->first);
    s->left += s->of->tell_batch(s->of->context, h->first, count, items);
    s->told = h->first + count;
    pq_free(h);
}

int pq_stretch_upscale(const struct pq_stretch_of *of, size_t first, size_t *done, size_t *left,
                       pique_error *err)
{
    struct stretch s = {.of = of, .first = first, .next = first, .end = first, .told = first};
    const pique_picture_feed feed = {
        .size = sizeof feed, .user = &s, .next = hand_out, .done = take_back};
    *done = *left = 0;
    while (s.end < of->inputs->count && is_file_picture(&of->inputs->list[s.end]))
        s.end++;
    s.fates = s.end - first > 1 ? pq_calloc(s.end - first, sizeof *s.fates) : NULL;
    if (!s.fates)
        return 0;
    int rc =
        pique_pictures_upscale_all(of->chain->engines, of->chain->count, &feed, of->picture, err);
    if (!rc)
        tell_before(&s, s.next);
    pq_free(s.fates);
    *done = s.next - first;
    *left = s.left;
    return rc;
}
