/* SPDX-License-Identifier: MIT */
#include "upscale/budget.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "upscale/stages.h"

static uint64_t mib(uint64_t bytes)
{
    return bytes / (1024 * 1024) + (bytes % (1024 * 1024) != 0);
}

/* a + b, or UINT64_MAX. */
static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

int pq_engines_take(pique_engine *const *list, size_t count, struct pq_engines *out,
                    pique_error *err)
{
    if (!list || count < 1 || count > PIQUE_CHAIN_MODELS)
        return pq_fail(err, PIQUE_EINVAL, "a chain of %zu models: 1 to %d are possible",
                       list ? count : 0, PIQUE_CHAIN_MODELS);
    for (size_t i = 0; i < count; i++) {
        if (!list[i])
            return pq_fail(err, PIQUE_EINVAL, "engine %zu of the chain is missing", i + 1);
        if (pq_engine_stations(list[i]) != pq_engine_stations(list[0]))
            return pq_fail(err, PIQUE_EINVAL, "engine %zu of the chain has other devices", i + 1);
    }
    *out = (struct pq_engines){list, (int)count};
    return 0;
}

int pq_engines_scales(const struct pq_engines *engines, struct pq_scale *scales, pique_error *err)
{
    int rc = 0;
    for (int i = 0; !rc && i < engines->count; i++) {
        pique_model_info model = {.size = sizeof model};
        rc = pique_model_get_info(pq_engine_model(engines->list[i]), &model, err);
        scales[i] = (struct pq_scale){model.scale_num, model.scale_den};
    }
    return rc;
}

/* What one pass takes at least and would like, for a picture turned on its side too where that is
 * to come. */
static int pass_bytes(const struct pq_engines *engines, const struct pq_size *size, int pass,
                      const struct pq_demand *demand, uint64_t *least, uint64_t *wanted,
                      pique_error *err)
{
    const pique_engine *engine = engines->list[size->model[pass]];
    const uint64_t budget = pq_engine_memory_budget(engines->list[0]);
    const int w = size->pass_width[pass], h = size->pass_height[pass];
    pique_model_info model = {.size = sizeof model};
    int rc = pique_model_get_info(pq_engine_model(engine), &model, err);
    if (rc)
        return rc;
    const int frames =
        pq_network_frames(model.in_channels, demand->alpha) * PQ_MAX(demand->frames, 1);
    rc = pq_stream_bytes(engine, frames, w, h, budget, least, wanted, err);
    if (rc || !demand->tta)
        return rc;
    uint64_t side_least, side_wanted;
    rc = pq_stream_bytes(engine, frames, h, w, budget, &side_least, &side_wanted, err);
    *least = PQ_MAX(*least, side_least);
    *wanted = PQ_MAX(*wanted, side_wanted);
    return rc;
}

static int refuse(const struct pq_size *size, const struct pq_demand *demand, uint64_t needed,
                  uint64_t budget, const char *path, pique_error *err)
{
    char whole[160] = "";
    if (demand->tta)
        snprintf(whole, sizeof whole,
                 pq_tr(", %" PRIu64 " MiB of it because --tta keeps whole pictures"),
                 mib(demand->whole));
    return pq_fail(err, PIQUE_ENOMEM,
                   "%s: %" PRIu64 " MiB are needed for a picture of %d x %d in %d %s%s, and the "
                   "budget is %" PRIu64 " MiB; --memory can raise it",
                   path, mib(needed), size->in_width, size->in_height, size->passes,
                   size->passes == 1 ? "pass" : "passes", whole, budget / (1024 * 1024));
}

int pq_budget_share(const struct pq_engines *engines, const struct pq_size *size,
                    const struct pq_demand *demand, const char *path, uint64_t share[PQ_MAX_PASSES],
                    pique_error *err)
{
    const uint64_t budget = pq_engine_memory_budget(engines->list[0]);
    uint64_t around = 0; /* the networks, of all pictures */
    for (int i = 0; i < PQ_MAX(demand->frames, 1); i++)
        around = plus(around, plus(demand->other, demand->whole));
    uint64_t wish[PQ_MAX_PASSES], least = 0, wished = 0;
    for (int i = 0; i < size->passes; i++) {
        uint64_t want;
        pique_error why;
        const int rc = pass_bytes(engines, size, i, demand, &share[i], &want, &why);
        if (rc)
            return pq_fail(err, rc, "%s: %s", path, why.message);
        wish[i] = want - share[i];
        least = demand->tta ? PQ_MAX(least, share[i]) : plus(least, share[i]);
        wished = demand->tta ? PQ_MAX(wished, wish[i]) : plus(wished, wish[i]);
    }
    const uint64_t needed = plus(around, least);
    if (needed == UINT64_MAX)
        return pq_fail(err, PIQUE_ENOMEM, "%s: %d x %d pixels are more than memory can address",
                       path, size->in_width, size->in_height);
    if (needed > budget)
        return refuse(size, demand, needed, budget, path, err);
    const uint64_t left = budget - needed;
    for (int i = 0; i < size->passes; i++)
        share[i] += wished <= left ? wish[i]
                                   : (uint64_t)((double)left * ((double)wish[i] / (double)wished));
    return 0;
}
