/* SPDX-License-Identifier: MIT */
#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

/* So many may wait to be accepted; the system allows fewer where it wants to. */
enum { BACKLOG = 4096 };

static int parse(const char *text, int port, struct sockaddr_storage *out, socklen_t *length,
                 pique_error *err)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *length = sizeof *v4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *length = sizeof *v6;
        return 0;
    }
    return pq_fail(err, PIQUE_EINVAL,
                   "%s: is no address to listen on; give it as a number, such as 192.168.1.5",
                   text);
}

int pq_listen_plain(const char *text, char out[PQ_ADDRESS_BYTES], pique_error *err)
{
    struct sockaddr_storage a;
    socklen_t length;
    int rc = parse(text, 0, &a, &length, err);
    const void *number = a.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&a)->sin6_addr
                                                 : (void *)&((struct sockaddr_in *)&a)->sin_addr;
    if (!rc && !inet_ntop(a.ss_family, number, out, PQ_ADDRESS_BYTES))
        rc = pq_fail_errno(err, errno, text, "be listened on");
    return rc;
}

/* A socket, or -1 and errno. */
static int listen_on(const struct sockaddr_storage *address, socklen_t length)
{
    const int one = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* Connections of a server that ended linger for a minute; that is no reason not to start. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)address, length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t length = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &length) != 0)
        return 0;
    return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port)
                                   : ntohs(((struct sockaddr_in *)&a)->sin_port);
}

/* All addresses at one port. PIQUE_EEXIST: somebody has it. */
static int try_port(const char *const *addresses, size_t count, int port, struct pq_listen *l,
                    pique_error *err)
{
    int rc = 0, absent = 0;
    *l = (struct pq_listen){.port = port};
    for (size_t i = 0; i < count && !rc; i++) {
        struct sockaddr_storage a;
        socklen_t length = 0;
        rc = parse(addresses[i], l->port, &a, &length, err);
        if (rc)
            break;
        int fd = listen_on(&a, length);
        if (fd >= 0) {
            l->fds[l->count++] = fd;
            l->port = port_of(fd);
        } else if (a.ss_family == AF_INET6 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
            absent = errno;
        } else if (errno == EADDRINUSE) {
            rc = pq_fail(err, PIQUE_EEXIST, "port %d of %s is in use", l->port, addresses[i]);
        } else {
            rc = pq_fail_errno(err, errno, addresses[i], "be listened on");
            if (rc == PIQUE_EEXIST)
                rc = PIQUE_EIO;
        }
    }
    if (!rc && l->count == 0)
        rc = pq_fail_errno(err, absent ? absent : EINVAL, count ? addresses[0] : "nothing",
                           "be listened on");
    if (rc)
        pq_listen_close(l);
    return rc;
}

int pq_listen_open(const char *const *addresses, size_t count, int port, int tries,
                   struct pq_listen *out, pique_error *err)
{
    enum { ANY_TRIES = 20 }; /* any port that is free for one address may not be for another */
    const int first = port, most = port ? PQ_MAX(tries, 1) : ANY_TRIES;
    int rc = PIQUE_EEXIST;
    *out = (struct pq_listen){0};
    if (count > PQ_LISTEN_MOST || port < 0 || port > 65535)
        return pq_fail(err, PIQUE_EINVAL,
                       "at most %d addresses, and ports up to 65535, can be "
                       "listened on",
                       PQ_LISTEN_MOST);
    for (int i = 0; i < most && rc == PIQUE_EEXIST && port <= 65535; i++) {
        rc = try_port(addresses, count, port, out, err);
        port += port ? 1 : 0;
    }
    if (rc == PIQUE_EEXIST && most > 1 && first)
        return pq_fail(err, rc, "ports %d to %d are all in use; choose another with --port", first,
                       PQ_MIN(first + most - 1, 65535));
    return rc;
}

void pq_listen_close(struct pq_listen *l)
{
    for (size_t i = 0; i < l->count; i++)
        close(l->fds[i]);
    l->count = 0;
}

/* ---- peers ---- */

uint64_t pq_listen_peer(const struct sockaddr *address)
{
    uint64_t n = 0;
    if (address && address->sa_family == AF_INET)
        n = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
    else if (address && address->sa_family == AF_INET6)
        memcpy(&n, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof n);
    return n ? n : 1;
}

bool pq_listen_is_loopback(const struct sockaddr *address)
{
    if (address && address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    return address && address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}
