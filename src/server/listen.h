/* SPDX-License-Identifier: MIT */
/* Sockets that listen: every address at the same port, the first free one of several.
 *
 * Thread-safety: one call at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"

enum { PQ_LISTEN_MOST = 8, PQ_ADDRESS_BYTES = 46 };

struct pq_listen {
    int fds[PQ_LISTEN_MOST];
    size_t count;
    int port;
};

/* addresses: numbers, "127.0.0.1", "::1". Port 0: any. An address of IPv6 is left out where this
 * machine has no IPv6, if another one remains. PIQUE_EINVAL; PIQUE_EEXIST no port is free;
 * PIQUE_EIO. */
int pq_listen_open(const char *const *addresses, size_t count, int port, int tries,
                   struct pq_listen *out, pique_error *err);
void pq_listen_close(struct pq_listen *l);
/* A number in the form in which browsers and systems write it: "0:0:0:0:0:0:0:1" is "::1".
 * PIQUE_EINVAL: it is none. */
int pq_listen_plain(const char *text, char out[PQ_ADDRESS_BYTES], pique_error *err);

/* A number that stands for the address of a peer, one for a network of IPv6; never 0. */
uint64_t pq_listen_peer(const struct sockaddr *address);
bool pq_listen_is_loopback(const struct sockaddr *address);
