/* SPDX-License-Identifier: MIT */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lang.h"

/* ---- signals ---- */

static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction before[PQ_COUNT(caught)], pipe_before;
static volatile sig_atomic_t interrupted;

static void remember(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void pq_interrupt_begin(void)
{
    interrupted = 0;
    struct sigaction action = {.sa_handler = remember}, ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < PQ_COUNT(caught); i++) {
        sigaction(caught[i], &action, &before[i]);
        if (before[i].sa_handler == SIG_IGN) /* as nohup has it */
            sigaction(caught[i], &before[i], NULL);
    }
    /* A reader of our words that went away is no reason to leave things lying about. */
    sigaction(SIGPIPE, &ignore, &pipe_before);
}

void pq_interrupt_end(void)
{
    for (size_t i = 0; i < PQ_COUNT(caught); i++)
        sigaction(caught[i], &before[i], NULL);
    sigaction(SIGPIPE, &pipe_before, NULL);
}

bool pq_interrupted(void)
{
    return interrupted != 0;
}

/* ---- the program ---- */

/* In a new process: nothing of what this one blocks or ignores. */
static void be_signalled(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
}

/* In the new process; only calls that are safe after fork(). */
static void become(const char *const argv[], const char *folder, int in, int out, pid_t parent)
{
    for (size_t i = 0; i < PQ_COUNT(caught); i++)
        sigaction(caught[i], &before[i], NULL);
    be_signalled();
    /* Killed with us, even by kill -9; and not started at all where we are gone already. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || (folder && chdir(folder) != 0) || dup2(in, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    execvp(argv[0], (char *const *)argv);
    _exit(PQ_CHILD_MISSING);
}

int pq_child_start(const char *const argv[], const char *folder, struct pq_child *child,
                   pique_error *err)
{
    *child = (struct pq_child){.out = {.fd = -1}};
    int ends[2];
    struct pq_file nothing; /* what it reads: it is not to ask, nor to eat our input */
    int rc = pq_file_open("/dev/null", &nothing, err);
    if (rc)
        return rc;
    char *path = pq_strdup(argv[0]);
    if (!path || pipe2(ends, O_CLOEXEC) != 0) {
        rc = path
                 ? pq_fail(err, PIQUE_EIO, "%s: cannot be run: %s", argv[0], pq_tr(strerror(errno)))
                 : pq_fail_nomem(err, strlen(argv[0]) + 1);
        pq_free(path);
        pq_file_close(&nothing);
        return rc;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(argv, folder, nothing.fd, ends[1], parent);
    pq_file_close(&nothing);
    close(ends[1]);
    child->pid = pid;
    child->out = (struct pq_file){.fd = ends[0], .owns_fd = true, .path = path};
    if (pid < 0) {
        rc = pq_fail(err, PIQUE_EIO, "%s: cannot be run: %s", argv[0], pq_tr(strerror(errno)));
        child->pid = 0;
        pq_file_close(&child->out);
    }
    return rc;
}

/* In the new process, whose parent waits for it: another one, so that init waits for that and not
 * we. Tells why it could not be to `out`, which closes by itself where it could. */
static void leave(const char *const argv[], int out)
{
    setsid();
    be_signalled();
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    const pid_t pid = nothing < 0 ? -1 : fork();
    if (pid > 0)
        _exit(0);
    if (pid == 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(nothing, STDOUT_FILENO) >= 0 &&
        dup2(nothing, STDERR_FILENO) >= 0)
        execvp(argv[0], (char *const *)argv);
    const int why = errno;
    _exit(write(out, &why, sizeof why) < 0 ? PQ_CHILD_MISSING : 0);
}

int pq_child_leave(const char *const argv[], pique_error *err)
{
    int ends[2], why = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return pq_fail(err, PIQUE_EIO, "%s: cannot be run: %s", argv[0], pq_tr(strerror(errno)));
    const pid_t pid = fork();
    if (pid == 0)
        leave(argv, ends[1]);
    if (pid < 0)
        why = errno;
    close(ends[1]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    ssize_t got;
    do
        got = pid < 0 ? 0 : read(ends[0], &why, sizeof why);
    while (got < 0 && errno == EINTR);
    close(ends[0]);
    return why ? pq_fail(err, PIQUE_EIO, "%s: cannot be run: %s", argv[0], pq_tr(strerror(why)))
               : 0;
}

int pq_child_read_some(struct pq_child *child, void *data, size_t size, size_t *got,
                       pq_child_tick *tick, void *context, pique_error *err)
{
    enum { TICK_MS = 200 };
    *got = 0;
    for (;;) {
        if (interrupted)
            return pq_fail(err, PIQUE_ECANCELED, "interrupted");
        if (tick)
            tick(context);
        struct pollfd wait = {.fd = child->out.fd, .events = POLLIN};
        int ready = poll(&wait, 1, TICK_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return pq_file_read(&child->out, data, size, got, err);
    }
}

int pq_child_read(struct pq_child *child, void *data, size_t size, size_t *got, pq_child_tick *tick,
                  void *context, pique_error *err)
{
    *got = 0;
    while (*got < size) {
        size_t n;
        int rc =
            pq_child_read_some(child, (char *)data + *got, size - *got, &n, tick, context, err);
        if (rc || n == 0)
            return rc;
        *got += n;
    }
    return 0;
}

int pq_child_wait(struct pq_child *child, bool kill_it)
{
    int status = 0;
    pq_file_close(&child->out);
    if (child->pid <= 0)
        return 0;
    if (kill_it)
        kill(child->pid, SIGTERM);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
        if (interrupted)
            kill(child->pid, SIGTERM);
    }
    child->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
