/* SPDX-License-Identifier: MIT */
#include "job/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/str.h"
#include "job/dump.h"

enum { MOST_LINE = 1 << 20, PATIENCE_MS = 10 * 1000 };

struct pq_process {
    struct pq_process_setup setup; /* its folder is ours */
    pid_t pid;
    int out;
    bool held;
    int64_t killed; /* when it was told to end, ms; 0: it was not */
    bool silent;    /* it closed its output, and will tell nothing more */
    char *line;     /* what came of a line so far */
    size_t length, capacity;
    bool too_long; /* the line is not kept */
};

int pq_processes_open(struct pq_processes *all, pique_error *err)
{
    *all = (struct pq_processes){.wake = {-1, -1}};
    return pipe2(all->wake, O_CLOEXEC | O_NONBLOCK) == 0
               ? 0
               : pq_fail(err, PIQUE_EIO, "no pipe could be made: %s", strerror(errno));
}

void pq_processes_wake(struct pq_processes *all)
{
    const char byte = 0;
    if (write(all->wake[1], &byte, 1) < 0 && errno != EAGAIN)
        return; /* full is enough: it will be read */
}

/* ---- starting ---- */

static int write_task(const struct pq_process_setup *setup, pique_error *err)
{
    int rc = pq_make_folders(setup->folder, err);
    char *path = rc ? NULL : pq_asprintf("%s/task.json", setup->folder);
    if (!rc)
        rc = path ? pq_json_write(path, setup->task, JSON_INDENT(1), err) : pq_fail_nomem(err, 256);
    pq_free(path);
    return rc;
}

/* In the new process; only calls that are safe after fork(). */
static void become(const char *const argv[], int out, int log, int nothing, pid_t parent)
{
    /* A name that it is given is none of a file that lies where the server was started. */
    if (chdir(argv[2]) != 0)
        _exit(126);
    static const int usual[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < PQ_COUNT(usual); i++)
        signal(usual[i], SIG_DFL);
    sigset_t none; /* what a thread of the server blocks is its own matter */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); /* Ctrl-C is for the server, which tells us */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || dup2(nothing, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        _exit(126);
    execv("/proc/self/exe", (char *const *)argv);
    _exit(127);
}

static int spawn(struct pq_process *p, pique_error *err)
{
    int ends[2] = {-1, -1};
    char *log_path = pq_asprintf("%s/log.txt", p->setup.folder);
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int log = log_path ? open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    const char *const argv[] = {"pique", "work", p->setup.folder, NULL};
    const pid_t parent = getpid();
    int rc = 0;
    if (nothing < 0 || log < 0 || pipe2(ends, O_CLOEXEC) != 0)
        rc = pq_fail(err, PIQUE_EIO, "%s: no worker could be started: %s", p->setup.folder,
                     strerror(errno));
    if (!rc && (p->pid = fork()) == 0)
        become(argv, ends[1], log, nothing, parent);
    if (!rc && p->pid < 0)
        rc = pq_fail(err, PIQUE_EIO, "no worker could be started: %s", strerror(errno));
    if (nothing >= 0)
        close(nothing);
    if (log >= 0)
        close(log);
    if (ends[1] >= 0)
        close(ends[1]);
    if (rc && ends[0] >= 0)
        close(ends[0]);
    pq_free(log_path);
    p->out = rc ? -1 : ends[0];
    if (!rc)
        fcntl(p->out, F_SETFL, O_NONBLOCK);
    return rc;
}

static void free_process(struct pq_process *p)
{
    if (p->out >= 0)
        close(p->out);
    pq_free((char *)p->setup.folder);
    pq_free(p->line);
    pq_free(p);
}

int pq_process_start(struct pq_processes *all, const struct pq_process_setup *setup,
                     struct pq_process **out, pique_error *err)
{
    struct pq_process **grown = pq_grown(all->list, all->count, &all->capacity, sizeof(*grown));
    struct pq_process *p = grown ? pq_calloc(1, sizeof *p) : NULL;
    *out = NULL;
    if (grown)
        all->list = grown;
    if (!p)
        return pq_fail_nomem(err, sizeof *p);
    p->setup = *setup;
    p->out = -1;
    p->setup.folder = pq_strdup(setup->folder);
    int rc = p->setup.folder ? write_task(setup, err) : pq_fail_nomem(err, strlen(setup->folder));
    p->setup.task = NULL;
    if (!rc)
        rc = spawn(p, err);
    if (rc) {
        free_process(p);
        return rc;
    }
    all->list[all->count++] = *out = p;
    return 0;
}

void pq_process_end(struct pq_process *p)
{
    if (!p->killed)
        p->killed = pq_clock_ms();
    kill(p->pid, SIGTERM);
    pq_process_hold(p, false); /* what is held hears nothing */
}

/* What was told to end is not held any more: it would not come to its end. */
void pq_process_hold(struct pq_process *p, bool hold)
{
    hold = hold && !p->killed;
    if (hold != p->held)
        kill(p->pid, hold ? SIGSTOP : SIGCONT);
    p->held = hold;
}

/* ---- listening ---- */

static void end_line(struct pq_process *p)
{
    json_t *event = p->too_long ? NULL : json_loadb(p->line, p->length, 0, NULL);
    if (json_is_object(event))
        p->setup.on_line(p->setup.user, event);
    json_decref(event);
    p->length = 0;
    p->too_long = false;
}

static void take(struct pq_process *p, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n') {
            end_line(p);
            continue;
        }
        char *grown = p->length < MOST_LINE ? pq_grown(p->line, p->length, &p->capacity, 1) : NULL;
        if (!grown) {
            p->too_long = true;
            continue;
        }
        p->line = grown;
        p->line[p->length++] = data[i];
    }
}

/* What has come; false at the end. Who never stops talking is heard again in the next round, so
 * that the others are heard too. */
static bool listen_to(struct pq_process *p)
{
    enum { MOST_PIECES = 64 };
    char data[16384];
    for (int i = 0; i < MOST_PIECES; i++) {
        const ssize_t n = read(p->out, data, sizeof data);
        if (n > 0)
            take(p, data, (size_t)n);
        else if (n == 0)
            return false;
        else if (errno != EINTR)
            return errno == EAGAIN;
    }
    return true;
}

/* The last line of what it wrote to its standard error, in text. */
static void last_words(const struct pq_process *p, char *text, size_t size)
{
    char *path = pq_asprintf("%s/log.txt", p->setup.folder), *log = NULL;
    *text = '\0';
    if (path && pq_read_text(path, MOST_LINE, &log, NULL) == 0) {
        size_t n = strlen(log);
        while (n && log[n - 1] == '\n')
            log[--n] = '\0';
        const char *line = strrchr(log, '\n');
        snprintf(text, size, "%s", line ? line + 1 : log);
        pq_utf8_trim(text);
    }
    pq_free(log);
    pq_free(path);
}

/* Whether it is dead. What it left behind in its group ends with it, while its number, which is
 * that of the group, cannot be anybody else's yet. */
static bool has_died(const struct pq_process *p)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return errno == ECHILD;
    if (info.si_pid != p->pid)
        return false;
    kill(-p->pid, SIGKILL);
    return true;
}

static void bury(struct pq_processes *all, size_t at)
{
    struct pq_process *p = all->list[at];
    char last[500];
    int status = 0;
    if (!p->silent)
        listen_to(p); /* its last line */
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    all->list[at] = all->list[--all->count];
    last_words(p, last, sizeof last);
    p->setup.on_end(p->setup.user, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                    last);
    free_process(p);
}

static void lose_patience(struct pq_processes *all)
{
    for (size_t i = 0; i < all->count; i++) {
        struct pq_process *p = all->list[i];
        if (p->killed && pq_clock_ms() - p->killed > PATIENCE_MS)
            kill(p->pid, SIGKILL);
    }
}

/* What those said that said something. One that closes its output is about to end, and is not
 * waited for: the time that it may take begins. */
static void hear(struct pq_processes *all, const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct pq_process *p = all->list[i];
        if (!fds[i + 1].revents || listen_to(p))
            continue;
        p->silent = true;
        if (!p->killed)
            p->killed = pq_clock_ms();
    }
}

/* From the end: the place of what is buried is taken by the last. */
static void bury_all(struct pq_processes *all)
{
    for (size_t i = all->count; i-- > 0;) {
        if (has_died(all->list[i]))
            bury(all, i);
    }
}

static bool is_one_ending(const struct pq_processes *all)
{
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i]->silent)
            return true;
    }
    return false;
}

void pq_processes_wait(struct pq_processes *all, int milliseconds, void (*before)(void *user),
                       void (*after)(void *user), void *user)
{
    enum { SOON_MS = 5 };
    char bytes[64];
    const size_t count = all->count;
    struct pollfd *fds = pq_calloc(count + 1, sizeof *fds);
    if (is_one_ending(all))
        milliseconds = PQ_MIN(milliseconds, SOON_MS);
    if (!fds) {
        poll(NULL, 0, milliseconds);
        return;
    }
    fds[0] = (struct pollfd){.fd = all->wake[0], .events = POLLIN};
    for (size_t i = 0; i < count; i++) /* of a negative number nothing is heard */
        fds[i + 1] =
            (struct pollfd){.fd = all->list[i]->silent ? -1 : all->list[i]->out, .events = POLLIN};
    const int heard = poll(fds, count + 1, milliseconds);
    while (read(all->wake[0], bytes, sizeof bytes) > 0)
        ;
    before(user);
    if (heard > 0)
        hear(all, fds, count);
    bury_all(all);
    after(user);
    lose_patience(all);
    pq_free(fds);
}

void pq_processes_end_all(struct pq_processes *all)
{
    for (size_t i = 0; i < all->count; i++)
        pq_process_end(all->list[i]);
}

void pq_processes_close(struct pq_processes *all)
{
    pq_free(all->list);
    if (all->wake[0] >= 0) {
        close(all->wake[0]);
        close(all->wake[1]);
    }
}
