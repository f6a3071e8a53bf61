/* SPDX-License-Identifier: MIT */
/* Numbers whose shape depends on the picture's size, such as the masks of shifted windows. They are
 * refused as nodes are imported, for a number has one shape in all samples. Where one must be known
 * after all, the nodes that lead to it are computed once more, for the picture of one sample; then
 * everything is as it was. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/onnx_import.h"

enum { MAX_SAVED = 1024, MAX_DEPTH = 256 };

/* Values that are something else for the time being. */
struct saved {
    struct {
        int id;
        struct pq_value value;
    } list[MAX_SAVED];
    int count, sample;
};

static bool save(struct pq_import *im, struct saved *s, int id)
{
    if (s->count == MAX_SAVED)
        return false;
    s->list[s->count].id = id;
    s->list[s->count++].value = im->values[id];
    return true;
}

/* A number is what it is in the sample. */
static int settle(struct pq_import *im, struct saved *s, int id)
{
    struct pq_number *n = &im->values[id].number;
    if (pq_number_constant(n))
        return 0;
    double *to;
    struct pq_number out;
    if (!save(im, s, id))
        return PIQUE_EUNSUPPORTED;
    int rc = pq_number_new(&im->folder, n->whole, n->tensor.dims, n->tensor.shape, &to, &out);
    if (rc)
        return rc;
    const size_t count = pq_number_count(n);
    for (size_t i = 0; i < count * PQ_SAMPLES; i++)
        to[i] = pq_number_at(n, s->sample, i % count);
    rc = pq_number_settle(&im->folder, &out);
    if (!rc)
        *n = out;
    return rc;
}

static int compute(struct pq_import *im, struct saved *s, int id, int depth)
{
    const struct pq_value *v = &im->values[id];
    if (v->kind == PQ_VALUE_NUMBER)
        return settle(im, s, id);
    if (v->kind != PQ_VALUE_REFUSED || v->maker < 0 || depth == MAX_DEPTH)
        return PIQUE_EUNSUPPORTED;
    const struct pq_onnx_node *node = &im->file->nodes[v->maker];
    if (node->domain.size && !pq_span_is(node->domain, "ai.onnx"))
        return PIQUE_EUNSUPPORTED;
    for (size_t i = 0; i < node->ins; i++) {
        const int in = im->ids[node->first_in + i];
        int rc = in < 0 ? 0 : compute(im, s, in, depth + 1);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < node->outs; i++) {
        const int out = im->ids[node->first_out + i];
        if (out >= 0 && !save(im, s, out))
            return PIQUE_EUNSUPPORTED;
    }
    im->node = node;
    int rc = pq_import_fold(im);
    return rc || im->values[id].kind == PQ_VALUE_NUMBER ? rc : PIQUE_EUNSUPPORTED;
}

int pq_mask_compute(struct pq_import *im, int id, int sample, struct pq_mask *out)
{
    const struct pq_folder folder = im->folder;
    const struct pq_onnx_node *node = im->node;
    pique_error *const err = im->err;
    pique_error ignored = {0};
    struct saved *s = pq_calloc(1, sizeof *s);
    *out = (struct pq_mask){.memory = NULL};
    int rc = s ? pq_graph_new(&out->memory, err) : pq_fail_nomem(err, sizeof *s);
    if (rc) {
        pq_free(s);
        return rc;
    }
    const size_t budget = PQ_MIN(im->masks_left, (size_t)1 << 25);
    im->folder = (struct pq_folder){.graph = out->memory, .budget = budget, .why = ""};
    im->err = &ignored;
    s->sample = sample;
    rc = compute(im, s, id, 0);
    if (!rc)
        out->number = im->values[id].number;
    im->masks_left -= budget - im->folder.budget;
    im->masks_left -= PQ_MIN(im->masks_left, MAX_SAVED);
    while (s->count--)
        im->values[s->list[s->count].id] = s->list[s->count].value;
    im->folder = folder;
    im->node = node;
    im->err = err;
    pq_free(s);
    if (rc == PIQUE_ENOMEM)
        return pq_fail_nomem(err, 0);
    return rc ? PIQUE_EUNSUPPORTED : 0;
}

void pq_mask_free(struct pq_mask *m)
{
    pq_graph_free(&m->memory);
}
