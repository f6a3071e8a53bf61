/* SPDX-License-Identifier: MIT */
#include "arch/tiers.h"

#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"

/* What they do is their rule: trained weights of their own were not there to be measured. */
static const char kept_out[] = PQ_SAID("public programs keep it out of fp16");

/* int16 is trusted where trained weights were measured. */
static const char unmeasured[] = PQ_SAID("its trained weights were not measured in int16");

/* All that can be built; a network that is not here has not been looked at, and stays in fp32. */
static const struct {
    const char *name;
    struct pq_tiers tiers;
} table[] = {
    {"ATD", {kept_out, NULL, unmeasured}},
    {"Compact", {NULL, NULL, NULL}},
    {"DAT", {kept_out, NULL, unmeasured}},
    {"DRCT", {kept_out, NULL, unmeasured}},
    {"ESRGAN", {NULL, NULL, NULL}},
    {"HAT", {kept_out, NULL, unmeasured}},
    {"MoSR", {NULL, NULL, unmeasured}},
    {"OmniSR", {NULL, NULL, NULL}},
    {"PLKSR", {NULL, NULL, unmeasured}},
    {"RCAN", {kept_out, NULL, unmeasured}},
    {"Real-CUGAN", {NULL, NULL, unmeasured}},
    {"RealPLKSR", {NULL, NULL, unmeasured}}, /* but see below */
    {"SAFMN", {kept_out, NULL, unmeasured}},
    {"SPAN", {NULL, NULL, unmeasured}},
    {"SPANF3", {NULL, NULL, unmeasured}},
    {"SPANPlus", {NULL, NULL, unmeasured}},
    {"SRFormer", {kept_out, NULL, unmeasured}},
    {"SwinIR", {kept_out, NULL, unmeasured}},
    {"SwinUNet", {NULL, NULL, unmeasured}},
    {"UpConv7", {NULL, NULL, NULL}},
    {"UpCunet", {NULL, NULL, NULL}},
    {"VGG7", {NULL, NULL, NULL}},
};

static bool has(const struct pq_graph *g, enum pq_op_kind kind)
{
    for (int i = 0; i < g->count; i++) {
        if (g->ops[i].kind == kind)
            return true;
    }
    return false;
}

void pq_tiers_of(const char *architecture, const struct pq_graph *g, struct pq_tiers *tiers)
{
    static const char unknown[] = PQ_SAID("not measured for this network");
    *tiers = (struct pq_tiers){unknown, unknown, unknown};
    for (size_t i = 0; i < PQ_COUNT(table); i++) {
        if (strcmp(table[i].name, architecture) == 0)
            *tiers = table[i].tiers;
    }
    if (!tiers->fp16 && has(g, PQ_OP_GROUP_NORM))
        tiers->fp16 = PQ_SAID("public programs keep its group norm out of fp16");
}
