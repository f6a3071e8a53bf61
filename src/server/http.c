/* SPDX-License-Identifier: MIT */
/* The server: one thread that waits for sockets, for events and for time, and lets libmicrohttpd
 * do what there is to do. It accepts connections itself, so that all addresses are one server, and
 * so that what comes can be let in when others have to go. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/inside.h"

enum {
    MOST_LINKS = 4096,
    ACCEPTED_AT_ONCE = 32,                           /* of each socket that listens */
    SPARE_LINKS = PQ_LISTEN_MOST * ACCEPTED_AT_ONCE, /* that were shut down and are not gone yet */
    SPARE_FILES = 256,                               /* for all that is no connection */
    CONNECTION_BYTES = 32 << 10,
    SILENCE_SECONDS = 30
};

/* ---- connections ---- */

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct pq_http *http = user;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info ? pq_links_add(&http->links, info->connect_fd, pq_clock_ms()) : NULL;
    } else if (*context) {
        pq_links_remove(&http->links, *context);
        *context = NULL;
    }
}

/* Take what waits at one socket. Returns false where no more files can be opened. */
static bool accept_from(struct pq_http *http, int listener)
{
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int fd = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return errno != EMFILE && errno != ENFILE;
        if (http->links.count >= http->most_links && !pq_links_evict(&http->links)) {
            close(fd);
            continue;
        }
        /* Closes it where it fails. */
        MHD_add_connection(http->daemon, fd, (struct sockaddr *)&peer, length);
    }
    return true;
}

/* As many as there may be files, which are made as many as there may be. */
static size_t most_links(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return SPARE_FILES;
    const rlim_t wanted = MOST_LINKS + SPARE_LINKS + SPARE_FILES;
    if (files.rlim_cur < wanted && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = PQ_MIN(wanted, files.rlim_max);
        (void)setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    const rlim_t spare = PQ_MIN((rlim_t)SPARE_FILES + SPARE_LINKS, files.rlim_cur / 2);
    return (size_t)PQ_MIN((rlim_t)MOST_LINKS, files.rlim_cur - spare);
}

/* ---- the thread ---- */

static void wake(void *user)
{
    struct pq_http *http = user;
    if (!atomic_exchange(&http->woken, true))
        eventfd_write(http->wake_fd, 1);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : PQ_MIN(a, b);
}

/* Milliseconds until something has to be done whatever comes; -1: nothing. */
static int wait_ms(struct pq_http *http)
{
    const int64_t now = pq_clock_ms();
    int64_t next = sooner(pq_links_expire(&http->links, now), pq_streams_beat(&http->streams, now));
    next = sooner(next, pq_waits_beat(&http->waits, now));
    unsigned long long more;
    if (MHD_get_timeout(http->daemon, &more) == MHD_YES)
        next = sooner(next, (int64_t)PQ_MIN(more, 60000ull));
    return (int)PQ_MIN(next, (int64_t)60000);
}

/* Where libmicrohttpd has no room for what a client sends, a chunk whose length takes kilobytes, it
 * wants to be called again at once, for nothing, until the connection is silent for too long. So
 * who is called often without any effect is called a thousand times a second; what is sent from
 * files meanwhile, 128 KiB a call, is not slowed by that. */
static bool calm(struct pq_http *http, int timeout, bool nothing_came, uint64_t pieces_before)
{
    enum { PATIENCE = 256 };
    if (timeout != 0 || !nothing_came || http->pieces != pieces_before)
        http->idle_turns = 0;
    else
        http->idle_turns++;
    return http->idle_turns > PATIENCE;
}

static void take_wake(struct pq_http *http)
{
    eventfd_t ignored;
    eventfd_read(http->wake_fd, &ignored);
    atomic_store(&http->woken, false);
    pq_streams_wake(&http->streams);
    if (atomic_exchange(&http->asks_again, false))
        pq_waits_wake(&http->waits);
}

static void *serve(void *user)
{
    enum { OWN = 2, RETRY_MS = 50 };
    struct pq_http *http = user;
    struct pollfd fds[OWN + PQ_LISTEN_MOST];
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    const nfds_t all = OWN + http->listen.count;
    bool has_room = true, is_idle = false;
    fds[0] = (struct pollfd){.fd = http->wake_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = info ? info->epoll_fd : -1, .events = POLLIN};
    for (size_t i = 0; i < http->listen.count; i++)
        fds[OWN + i] = (struct pollfd){.fd = http->listen.fds[i], .events = POLLIN};
    while (!atomic_load(&http->closing)) {
        const uint64_t before = http->pieces;
        const int timeout = wait_ms(http);
        const int most = has_room ? timeout : (int)sooner(timeout, RETRY_MS);
        const int came = poll(fds, has_room ? all : OWN, is_idle ? 1 : most);
        if (came < 0 && errno != EINTR)
            break;
        if (came > 0 && fds[0].revents)
            take_wake(http);
        /* Without room for another file nobody is accepted for a moment, and somebody goes. */
        const bool had_room = has_room;
        has_room = true;
        for (nfds_t i = OWN; i < all; i++) {
            if (!had_room || (came > 0 && fds[i].revents))
                has_room = accept_from(http, fds[i].fd) && has_room;
        }
        if (!has_room)
            pq_links_evict(&http->links);
        MHD_run(http->daemon);
        is_idle = calm(http, timeout, came <= 0, before);
    }
    return NULL;
}

/* Signals are for the thread that the program began with. */
static int start_thread(struct pq_http *http, pique_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&http->thread, NULL, serve, http);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return pq_fail_errno(err, rc, "server", "have a thread");
    http->is_running = true;
    return 0;
}

/* ---- opening ---- */

/* Paths and queries are taken as they come (route.h). */
static size_t leave_as_it_is(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user;
    (void)connection;
    return strlen(text);
}

static int start_daemon(struct pq_http *http, pique_error *err)
{
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        pq_http_on_request, http, MHD_OPTION_URI_LOG_CALLBACK, pq_http_on_uri, http,
        MHD_OPTION_NOTIFY_COMPLETED, pq_http_on_end, http, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(http->most_links + SPARE_LINKS),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)SILENCE_SECONDS, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    return http->daemon ? 0 : pq_fail(err, PIQUE_EIO, "the server cannot be started");
}

static int prepare(struct pq_http *http, const struct pq_http_setup *setup, pique_error *err)
{
    int rc = sodium_init() < 0 ? pq_fail(err, PIQUE_EINTERNAL, "libsodium cannot be used") : 0;
    if (!rc && setup->ui_folder && !(http->ui_folder = pq_strdup(setup->ui_folder)))
        rc = pq_fail_nomem(err, strlen(setup->ui_folder));
    if (!rc)
        rc = pq_page_new(&http->page, http->ui_folder, err);
    if (!rc)
        rc = pq_listen_open(setup->addresses, setup->address_count, setup->port, setup->port_tries,
                            &http->listen, err);
    if (!rc)
        rc = pq_guard_new(&http->guard, setup->addresses, setup->address_count, setup->host_names,
                          setup->host_name_count, http->listen.port, setup->token, err);
    if (!rc && (http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        rc = pq_fail_errno(err, errno, "server", "be woken");
    return rc;
}

int pq_http_open(const struct pq_http_setup *setup, struct pq_http **out, pique_error *err)
{
    *out = NULL;
    struct pq_http *http = pq_calloc(1, sizeof *http);
    if (!http)
        return pq_fail_nomem(err, sizeof *http);
    http->wake_fd = -1;
    http->most_links = most_links();
    http->routes = setup->routes;
    http->route_count = setup->route_count;
    http->user = setup->user;
    http->streams.events = setup->events;
    pq_launch_init(&http->launch);
    int rc = prepare(http, setup, err);
    if (!rc)
        rc = start_daemon(http, err);
    *out = http; /* before the first request, whose handler may ask for it */
    if (!rc)
        rc = start_thread(http, err);
    if (rc) {
        pq_http_close(out);
        return rc;
    }
    if (setup->events)
        pq_events_on_add(setup->events, wake, http);
    return 0;
}

void pq_http_wake(struct pq_http *http)
{
    atomic_store(&http->asks_again, true);
    wake(http);
}

int pq_http_port(const struct pq_http *http)
{
    return http->listen.port;
}

void pq_http_launch_word(struct pq_http *http, char *out)
{
    pq_launch_new(&http->launch, out);
}

void pq_http_close(struct pq_http **pointer)
{
    struct pq_http *http = *pointer;
    if (!http)
        return;
    if (http->is_running && http->streams.events)
        pq_events_on_add(http->streams.events, NULL, NULL);
    if (http->is_running) {
        atomic_store(&http->closing, true);
        eventfd_write(http->wake_fd, 1);
        pthread_join(http->thread, NULL);
    }
    if (http->daemon) {
        pq_streams_close(&http->streams);
        pq_waits_close(&http->waits);
        MHD_stop_daemon(http->daemon);
    }
    pq_listen_close(&http->listen);
    if (http->wake_fd >= 0)
        close(http->wake_fd);
    pq_page_free(&http->page);
    pq_guard_free(&http->guard);
    pq_launch_destroy(&http->launch);
    pq_free(http->ui_folder);
    pq_free(http);
    *pointer = NULL;
}
