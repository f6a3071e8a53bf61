/* SPDX-License-Identifier: MIT */
#include "server/links.h"

#include <sys/socket.h>

#include "base/alloc.h"

static const int64_t time_ms[PQ_LINK_KINDS] = {
    [PQ_LINK_HEAD] = 10 * 1000,
    [PQ_LINK_IDLE] = 30 * 1000,
    [PQ_LINK_BODY] = 30 * 1000,
    [PQ_LINK_FREE] = 0,
};

static void append(struct pq_links *links, struct pq_link *link, enum pq_link_kind kind,
                   int64_t now_ms)
{
    link->kind = kind;
    link->until_ms = now_ms + time_ms[kind];
    link->after = NULL;
    link->before = links->last[kind];
    if (link->before)
        link->before->after = link;
    else
        links->first[kind] = link;
    links->last[kind] = link;
}

static void take_out(struct pq_links *links, struct pq_link *link)
{
    if (link->before)
        link->before->after = link->after;
    else
        links->first[link->kind] = link->after;
    if (link->after)
        link->after->before = link->before;
    else
        links->last[link->kind] = link->before;
}

struct pq_link *pq_links_add(struct pq_links *links, int fd, int64_t now_ms)
{
    struct pq_link *link = pq_calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->fd = fd;
    links->count++;
    append(links, link, PQ_LINK_HEAD, now_ms);
    return link;
}

void pq_links_remove(struct pq_links *links, struct pq_link *link)
{
    take_out(links, link);
    links->count--;
    pq_free(link);
}

void pq_links_turn(struct pq_links *links, struct pq_link *link, enum pq_link_kind kind,
                   int64_t now_ms)
{
    take_out(links, link);
    append(links, link, kind, now_ms);
}

/* It is not waited for any more; who owns the socket closes it. */
static void end(struct pq_links *links, struct pq_link *link)
{
    shutdown(link->fd, SHUT_RDWR);
    pq_links_turn(links, link, PQ_LINK_FREE, 0);
}

int64_t pq_links_expire(struct pq_links *links, int64_t now_ms)
{
    int64_t next = -1;
    for (int kind = 0; kind < PQ_LINK_FREE; kind++) {
        struct pq_link *link;
        while ((link = links->first[kind]) && link->until_ms <= now_ms)
            end(links, link);
        if (link && (next < 0 || link->until_ms - now_ms < next))
            next = link->until_ms - now_ms;
    }
    return next;
}

bool pq_links_evict(struct pq_links *links)
{
    for (int kind = 0; kind < PQ_LINK_FREE; kind++) {
        if (links->first[kind]) {
            end(links, links->first[kind]);
            return true;
        }
    }
    return false;
}
