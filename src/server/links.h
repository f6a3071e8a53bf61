/* SPDX-License-Identifier: MIT */
/* Connections, and how long each may take. libmicrohttpd ends one that is silent; one that sends a
 * byte now and then is ended here, and where there are too many, the one that has been waited for
 * longest goes, so that somebody who opens thousands of them keeps nobody out.
 *
 *     HEAD   a new one; its first request must be there in time
 *     IDLE   answered; the next one must be
 *     BODY   a body that is kept in memory must be, and all that is said to whom we do not know:
 *            why he is refused, and the page
 *     FREE   uploads, answers and streams of whom we know: ended by silence alone
 *
 * Those of one kind have the same time, so a list of them in the order in which they came is in
 * the order in which they end.
 *
 * Thread-safety: one call at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pq_link_kind { PQ_LINK_HEAD, PQ_LINK_IDLE, PQ_LINK_BODY, PQ_LINK_FREE, PQ_LINK_KINDS };

struct pq_link {
    int fd;
    enum pq_link_kind kind;
    int64_t until_ms;
    struct pq_link *before, *after;
};

struct pq_links {
    struct pq_link *first[PQ_LINK_KINDS], *last[PQ_LINK_KINDS];
    size_t count;
};

/* A new connection, of kind HEAD; NULL: out of memory. Owned by the list until pq_links_remove().
 */
struct pq_link *pq_links_add(struct pq_links *links, int fd, int64_t now_ms);
void pq_links_remove(struct pq_links *links, struct pq_link *link);
void pq_links_turn(struct pq_links *links, struct pq_link *link, enum pq_link_kind kind,
                   int64_t now_ms);

/* Shut down those whose time is over; who reads from them then sees their end. Returns the
 * milliseconds to the next one, -1 where there is none. */
int64_t pq_links_expire(struct pq_links *links, int64_t now_ms);
/* Shut down the one that has been waited for longest. false: none is waited for. */
bool pq_links_evict(struct pq_links *links);
