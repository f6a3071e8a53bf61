/* SPDX-License-Identifier: MIT */
#include "model/pth_globals.h"

#include "base/alloc.h"
#include "model/pth_storage.h"

/* What pth.c reads, beside dictionaries and storages. Other functions that give tensors are known
 * to it as that alone, and what they give is left out. */
static const char *const functions[] = {"torch._utils._rebuild_tensor",
                                        "torch._utils._rebuild_tensor_v2",
                                        "torch._utils._rebuild_parameter",
                                        "torch._utils._rebuild_parameter_with_state",
                                        "torch._tensor._rebuild_from_type_v2",
                                        "torch.nn.parameter.Parameter",
                                        "torch.Size"};

static bool is_interpreted(const struct pq_pickle_value *v)
{
    for (size_t i = 0; i < PQ_COUNT(functions); i++) {
        if (pq_pickle_is(v, functions[i]))
            return true;
    }
    return pq_pickle_is_dict_class(v) || pq_storage_is_class(v);
}

int pq_pth_add_globals(struct pq_statedict *sd, const struct pq_pickle *pickle, pique_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < pickle->global_count && !rc; i++) {
        const struct pq_pickle_global *g = pickle->globals[i];
        rc = pq_statedict_add_global(sd, g->value.text, g->uses, is_interpreted(&g->value), err);
    }
    return rc;
}
