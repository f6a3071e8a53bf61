/* SPDX-License-Identifier: MIT */
/* How much memory the large buffers of an engine take: an allocator that counts. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "pique/engine.h"

/* Thread-safety: safe once it is initialised. */
struct pq_meter {
    pique_allocator allocator; /* to be handed to the engines */
    pthread_mutex_t lock;      /* guards the two below */
    uint64_t now, peak;        /* bytes */
};

void pq_meter_init(struct pq_meter *meter);
/* After the engines are closed. */
void pq_meter_destroy(struct pq_meter *meter);
