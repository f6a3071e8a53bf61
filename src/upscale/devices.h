/* SPDX-License-Identifier: MIT */
/* Several devices for one engine. Device 0 is the engine's own; the others compute alike, which is
 * to say that they have the same numeric key; the last may be a fallback, whose key may be another.
 * Each is an engine of its own: packed weights, threads and a budget. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "pique/engine.h"

enum { PQ_DEVICES = 16, PQ_DEVICE_NAME = 64 };

/* The engine of options that are checked: device may name several, fallback one more. */
int pq_devices_open(const pique_model *model, const pique_engine_options *o, pique_engine **out,
                    pique_error *err);

/* Devices, the fallback among them; and the engine on one of them. */
int pq_engine_stations(const pique_engine *engine);
pique_engine *pq_engine_at(pique_engine *engine, int device);
bool pq_engine_is_fallback(const pique_engine *engine);
const char *pq_engine_device_name(const pique_engine *engine); /* "cuda:1" */
bool pq_engine_one_of_several(const pique_engine *engine);

/* How often the device itself failed, as against a result that was refused. */
int pq_engine_failures(const pique_engine *engine);
/* A device that failed is given no work again as long as its engine is open: it is lost for this
 * process. */
void pq_engine_lose(pique_engine *engine);
bool pq_engine_is_lost(const pique_engine *engine);
