/* SPDX-License-Identifier: MIT */
#include "upscale/budget.h"

#include <inttypes.h>

#include "base/alloc.h"
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

/* What one pass takes at least and would like. */
static int pass_bytes(const struct pq_engines *engines, const struct pq_size *size, int pass,
                      bool alpha, uint64_t *least, uint64_t *wanted, pique_error *err)
{
    const pique_engine *engine = engines->list[size->model[pass]];
    pique_model_info model = {.size = sizeof model};
    const int rc = pique_model_get_info(pq_engine_model(engine), &model, err);
    return rc ? rc
              : pq_stream_bytes(engine, pq_network_frames(model.in_channels, alpha),
                                size->pass_width[pass], size->pass_height[pass],
                                pq_engine_memory_budget(engines->list[0]), least, wanted, err);
}

int pq_budget_share(const struct pq_engines *engines, const struct pq_size *size, bool alpha,
                    uint64_t other_bytes, const char *path, uint64_t share[PQ_MAX_PASSES],
                    pique_error *err)
{
    const uint64_t budget = pq_engine_memory_budget(engines->list[0]);
    uint64_t wish[PQ_MAX_PASSES], least_sum = other_bytes, wish_sum = 0;
    for (int i = 0; i < size->passes; i++) {
        uint64_t want;
        pique_error why;
        const int rc = pass_bytes(engines, size, i, alpha, &share[i], &want, &why);
        if (rc)
            return pq_fail(err, rc, "%s: %s", path, why.message);
        wish[i] = want - share[i];
        least_sum = plus(least_sum, share[i]);
        wish_sum = plus(wish_sum, wish[i]);
    }
    if (least_sum == UINT64_MAX)
        return pq_fail(err, PIQUE_ENOMEM, "%s: %d x %d pixels are more than memory can address",
                       path, size->in_width, size->in_height);
    if (least_sum > budget)
        return pq_fail(err, PIQUE_ENOMEM,
                       "%s: %" PRIu64 " MiB are needed for a picture of %d x %d in %d %s, and the "
                       "budget is %" PRIu64 " MiB; --memory can raise it",
                       path, mib(least_sum), size->in_width, size->in_height, size->passes,
                       size->passes == 1 ? "pass" : "passes", budget / (1024 * 1024));
    const uint64_t left = budget - least_sum;
    for (int i = 0; i < size->passes; i++)
        share[i] += wish_sum <= left
                        ? wish[i]
                        : (uint64_t)((double)left * ((double)wish[i] / (double)wish_sum));
    return 0;
}
