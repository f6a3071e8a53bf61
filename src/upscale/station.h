/* SPDX-License-Identifier: MIT */
/* A chain of engines on one of its devices. */
#pragma once

#include "pique/picture.h"
#include "upscale/engine.h"

enum { PQ_KEY_TEXT = 160 };

/* Not to be moved: it points into itself. */
struct pq_station {
    pique_engine *list[PIQUE_CHAIN_MODELS];
    struct pq_engines engines; /* that list */
    const char *name;          /* "cuda:1" */
    char key[PQ_KEY_TEXT];     /* numeric keys of the engines, each once */
    bool fallback;             /* only where no other is left */
    bool other_key;            /* what it computes has other bits */
};

/* All engines of a chain have the same devices (pq_engines_take). */
void pq_station_take(const struct pq_engines *engines, int device, struct pq_station *out);

/* How often the device itself failed, for whatever engine. */
int pq_engines_failures(const struct pq_engines *engines);
void pq_station_lose(const struct pq_station *station);
bool pq_station_is_lost(const struct pq_station *station);
