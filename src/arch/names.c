/* SPDX-License-Identifier: MIT */
/* Names for the weights of a graph that came without: what arch/ builds from a state dict,
 * backwards. Which network it is has been found by its structure, and the operations of both kinds
 * stand in the order of the network, so the names follow from counting. Whether they say all is
 * then tried: the state dict is built again, and must yield the graph that it came from. */
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/opened.h"
#include "base/alloc.h"

enum { NAME = 64, DENSE = 5, BLOCK = 3 * DENSE /* convolutions */ };

static const float leaky_slope = 0.1f; /* that Compact has where it has no weights for it */

/* ---- one weight ---- */

static int add(struct pq_statedict *out, const char *stem, const char *part,
               const struct pq_tensor *t, pique_error *err)
{
    char name[NAME + 8];
    snprintf(name, sizeof name, "%s%s", stem, part);
    return pq_statedict_add(out, name, t, err);
}

/* A vector of one value, where the graph has none. */
static int add_constant(struct pq_statedict *out, const char *stem, const char *part, int count,
                        float value, pique_error *err)
{
    void *memory = NULL;
    int rc = pq_statedict_own(out, (size_t)count * sizeof(float), &memory, err);
    if (rc)
        return rc;
    for (int i = 0; i < count; i++)
        memcpy((char *)memory + (size_t)i * sizeof value, &value, sizeof value);
    struct pq_tensor t = {.dtype = PQ_F32, .dims = 1, .shape = {count}, .data = memory};
    return add(out, stem, part, &t, err);
}

static int add_conv(struct pq_statedict *out, const char *stem, const struct pq_op *op, bool bias,
                    pique_error *err)
{
    int rc = add(out, stem, ".weight", &op->weight, err);
    if (rc || !bias)
        return rc;
    return op->bias.data ? add(out, stem, ".bias", &op->bias, err)
                         : add_constant(out, stem, ".bias", op->channels, 0, err);
}

/* ---- Compact ---- */

static bool has_slopes(const struct pq_graph *g)
{
    for (int i = 0; i < g->count; i++) {
        const struct pq_act *act = &g->ops[i].act;
        if (act->on && (act->slopes.data || act->slope != leaky_slope))
            return true;
    }
    return false;
}

static int name_compact(const struct pq_graph *g, struct pq_statedict *out, pique_error *err)
{
    bool slopes = has_slopes(g);
    int rc = 0, layer = 0;
    for (int i = 0; i < g->count && !rc; i++) {
        const struct pq_op *op = &g->ops[i];
        char name[NAME];
        if (op->kind != PQ_OP_CONV2D)
            continue;
        snprintf(name, sizeof name, "body.%d", layer);
        rc = add_conv(out, name, op, true, err);
        snprintf(name, sizeof name, "body.%d", layer + 1);
        if (!rc && op->act.on && slopes)
            rc = op->act.slopes.data
                     ? add(out, name, ".weight", &op->act.slopes, err)
                     : add_constant(out, name, ".weight", op->channels, op->act.slope, err);
        layer += 2;
    }
    return rc;
}

/* ---- ESRGAN, as BasicSR and Real-ESRGAN name it ---- */

/* The name of a 3x3 convolution by its number; those of the blocks come behind the first. */
static void esrgan_name(int conv, int blocks, int ups, char name[NAME])
{
    int after = conv - 1 - blocks * BLOCK;
    if (conv == 0)
        snprintf(name, NAME, "conv_first");
    else if (after < 0)
        snprintf(name, NAME, "body.%d.rdb%d.conv%d", (conv - 1) / BLOCK,
                 (conv - 1) % BLOCK / DENSE + 1, (conv - 1) % DENSE + 1);
    else if (after == 0)
        snprintf(name, NAME, "conv_body");
    else if (after <= ups)
        snprintf(name, NAME, "conv_up%d", after);
    else
        snprintf(name, NAME, "%s", after == ups + 1 ? "conv_hr" : "conv_last");
}

static int name_esrgan(const struct pq_graph *g, struct pq_statedict *out, pique_error *err)
{
    int convs = 0, ups = 0, conv = 0, rc = 0;
    for (int i = 0; i < g->count; i++) {
        convs += g->ops[i].kind == PQ_OP_CONV2D && g->ops[i].ver.kernel == 3;
        ups += g->ops[i].kind == PQ_OP_NEAREST;
    }
    int blocks = (convs - ups - 4) / BLOCK;
    for (int i = 0; i < g->count && !rc; i++) {
        const struct pq_op *op = &g->ops[i];
        char name[NAME];
        if (op->kind != PQ_OP_CONV2D)
            continue;
        bool shortcut =
            op->ver.kernel == 1; /* of ESRGAN+; stands behind conv2 of its dense block */
        esrgan_name(shortcut ? conv - 1 : conv, blocks, ups, name);
        char *last = strrchr(name, '.');
        if (shortcut && last)
            strcpy(last, ".conv1x1");
        rc = add_conv(out, name, op, !shortcut || op->bias.data, err);
        conv += !shortcut;
    }
    return rc;
}

/* ---- whether two graphs compute the same ---- */

static bool same_values(const struct pq_tensor *a, float a_default, const struct pq_tensor *b,
                        float b_default, int64_t count)
{
    for (int64_t i = 0; i < count && a->data != b->data; i++) {
        float x = a_default, y = b_default;
        if (a->data)
            pq_tensor_to_f32(a, (size_t)i, 1, &x);
        if (b->data)
            pq_tensor_to_f32(b, (size_t)i, 1, &y);
        if (memcmp(&x, &y, sizeof x) != 0)
            return false;
    }
    return true;
}

static bool same_op(const struct pq_op *a, const struct pq_op *b)
{
    return a->kind == b->kind && a->inputs == b->inputs && a->channels == b->channels &&
           memcmp(&a->ver, &b->ver, sizeof a->ver) == 0 &&
           memcmp(&a->hor, &b->hor, sizeof a->hor) == 0 && a->factor == b->factor &&
           a->rate_num == b->rate_num && a->rate_den == b->rate_den && a->scale == b->scale &&
           a->act.on == b->act.on && a->act.kind == b->act.kind && a->residual == b->residual &&
           a->weight.data == b->weight.data && same_values(&a->bias, 0, &b->bias, 0, a->channels) &&
           (!a->act.on || (a->act.slopes.data || b->act.slopes.data
                               ? same_values(&a->act.slopes, a->act.slope, &b->act.slopes,
                                             b->act.slope, a->channels)
                               : a->act.slope == b->act.slope));
}

/* What stands for the inputs of an operation of a: those of its twin in b, in any order where it
 * does not matter. */
static bool pair_inputs(const struct pq_graph *a, int i, const struct pq_graph *b, int *twin)
{
    const struct pq_op *x = &a->ops[i], *y = &b->ops[twin[i]];
    bool swap =
        x->kind == PQ_OP_ADD && x->scale == 1 && a->ops[x->in[0]].kind != b->ops[y->in[0]].kind;
    for (int k = 0; k < x->inputs; k++) {
        int to = y->in[swap ? 1 - k : k];
        if (twin[x->in[k]] >= 0 && twin[x->in[k]] != to)
            return false;
        twin[x->in[k]] = to;
    }
    return true;
}

/* From the result backwards; an operation's inputs have smaller numbers. */
static int compare(const struct pq_graph *a, const struct pq_graph *b, bool *same, pique_error *err)
{
    int *twin = pq_malloc((size_t)a->count * sizeof *twin);
    if (!twin)
        return pq_fail_nomem(err, (size_t)a->count * sizeof *twin);
    for (int i = 0; i < a->count; i++)
        twin[i] = -1;
    twin[a->output] = b->output;
    *same = a->count == b->count;
    for (int i = a->count - 1; i >= 0 && *same; i--)
        *same = twin[i] >= 0 && same_op(&a->ops[i], &b->ops[twin[i]]) && pair_inputs(a, i, b, twin);
    pq_free(twin);
    return 0;
}

/* ---- the whole ---- */

static int check(const pique_model *m, const struct pq_statedict *sd, pique_error *err)
{
    const struct pq_graph *graph = pq_model_graph(m);
    struct pq_graph *again = NULL;
    const char *name = NULL;
    bool same = false;
    int rc = pq_arch_build(sd, &again, &name, err);
    if (!rc)
        rc = compare(graph, again, &same, err);
    pq_graph_free(&again);
    if (!rc && !same)
        rc = pq_fail(err, PIQUE_EUNSUPPORTED,
                     "%s: the network ends in %s and is not just what the names of %s weights "
                     "mean, so only its ncnn files can hold it",
                     m->path, pq_op_name(graph->ops[graph->output].kind), m->architecture);
    return rc;
}

int pq_model_names(const pique_model *m, struct pq_statedict *out, pique_error *err)
{
    const struct pq_statedict *sd = &m->container.sd;
    int rc = 0;
    *out = (struct pq_statedict){.map.path = pq_strdup(m->path)};
    if (!out->map.path)
        return pq_fail_nomem(err, strlen(m->path) + 1);
    if (!m->container.graph) {
        for (size_t i = 0; i < sd->count && !rc; i++)
            rc = pq_statedict_add(out, sd->tensors[i].name, &sd->tensors[i].tensor, err);
        return rc ? rc : pq_arch_copy_notes(sd, out, err);
    }
    if (strcmp(m->architecture, "Compact") == 0)
        rc = name_compact(m->container.graph, out, err);
    else if (strcmp(m->architecture, "ESRGAN") == 0)
        rc = name_esrgan(m->container.graph, out, err);
    else
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: the network is not one of those whose weights have known names "
                       "(Compact, ESRGAN), so only its ncnn files can hold it",
                       m->path);
    return rc ? rc : check(m, out, err);
}
