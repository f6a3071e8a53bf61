/* SPDX-License-Identifier: MIT */
#include "upscale/tier.h"

#include "base/alloc.h"

/* The fastest first. */
static const enum pique_precision by_speed[] = {PIQUE_PRECISION_FP16, PIQUE_PRECISION_BF16,
                                                PIQUE_PRECISION_INT16, PIQUE_PRECISION_FP32};

static const char *unsafe(const struct pq_tiers *safe, enum pique_precision tier)
{
    if (tier == PIQUE_PRECISION_FP16)
        return safe->fp16;
    if (tier == PIQUE_PRECISION_INT16)
        return safe->int16;
    return tier == PIQUE_PRECISION_BF16 ? safe->bf16 : NULL;
}

const char *pq_tier_name(enum pique_precision tier)
{
    static const char *const names[] = {"auto", "fp32", "fp16", "bf16", "int16"};
    return names[tier];
}

static int fail(const char *device, unsigned has, enum pique_precision wanted, pique_error *err)
{
    for (size_t i = 0; i < PQ_COUNT(by_speed); i++) {
        if (has >> by_speed[i] & 1)
            return pq_fail(
                err, PIQUE_EUNSUPPORTED,
                "device '%s' does not compute in %s, but in %s; --precision auto takes what "
                "there is",
                device, pq_tier_name(wanted), pq_tier_name(by_speed[i]));
    }
    return pq_fail(err, PIQUE_EUNSUPPORTED, "device '%s' computes in no tier", device);
}

int pq_tier_choose(const struct pq_backend *backend, const char *device,
                   enum pique_precision wanted, const struct pq_tiers *safe,
                   enum pique_precision *tier, const char **why, pique_error *err)
{
    const char *id = device ? device : backend->name;
    const unsigned has = backend->tiers(id);
    *tier = wanted;
    *why = NULL;
    if (wanted == PIQUE_PRECISION_AUTO) {
        const bool forced = !(has >> PIQUE_PRECISION_FP32 & 1);
        for (size_t i = 0; i < PQ_COUNT(by_speed); i++) {
            *tier = by_speed[i];
            if (has >> *tier & 1 && (forced || !unsafe(safe, *tier)))
                return 0;
        }
    }
    if (!(has >> *tier & 1))
        return fail(id, has, *tier, err);
    *why = unsafe(safe, *tier);
    return 0;
}
