/* SPDX-License-Identifier: MIT */
#include "upscale/station.h"

#include <stdio.h>
#include <string.h>

/* The keys of a chain, each once. */
static void join_keys(struct pq_station *s)
{
    size_t at = 0;
    for (int i = 0; i < s->engines.count; i++) {
        const char *key = pique_engine_numeric_key(s->list[i]);
        bool known = false;
        for (int k = 0; k < i; k++)
            known |= strcmp(key, pique_engine_numeric_key(s->list[k])) == 0;
        if (known || at >= sizeof s->key)
            continue;
        at += (size_t)snprintf(s->key + at, sizeof s->key - at, "%s%s", at ? ", " : "", key);
    }
}

void pq_station_take(const struct pq_engines *engines, int device, struct pq_station *out)
{
    *out = (struct pq_station){.engines = {out->list, engines->count}};
    for (int i = 0; i < engines->count; i++) {
        out->list[i] = pq_engine_at(engines->list[i], device);
        out->other_key |= strcmp(pique_engine_numeric_key(out->list[i]),
                                 pique_engine_numeric_key(engines->list[i])) != 0;
    }
    out->name = pq_engine_device_name(out->list[0]);
    out->fallback = pq_engine_is_fallback(out->list[0]);
    join_keys(out);
}

int pq_engines_failures(const struct pq_engines *engines)
{
    int sum = 0;
    for (int i = 0; i < engines->count; i++)
        sum += pq_engine_failures(engines->list[i]);
    return sum;
}

void pq_station_lose(const struct pq_station *station)
{
    for (int i = 0; i < station->engines.count; i++)
        pq_engine_lose(station->list[i]);
}

bool pq_station_is_lost(const struct pq_station *station)
{
    bool lost = false;
    for (int i = 0; i < station->engines.count; i++)
        lost |= pq_engine_is_lost(station->list[i]);
    return lost;
}
