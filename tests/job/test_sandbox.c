/* SPDX-License-Identifier: MIT */
/* What a process in the sandbox can and cannot do. Each question is asked by a process of its own,
 * since nothing leaves the sandbox. What the kernel does not have is skipped and said. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "job/sandbox.h"

static char folder[64];

static const char *at(const char *name)
{
    static char path[4][200];
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pique-sandbox-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    mkdir(at("in"), 0700);
    mkdir(at("out"), 0700);
    mkdir(at("else"), 0700);
    put(at("in/film"), "film");
    put(at("else/secret"), "secret");
    put(at("one"), "one");
    symlink("../else/secret", at("in/link"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

/* ---- a process inside ---- */

static unsigned probe_held(void)
{
    int ends[2];
    unsigned held = 0;
    assert_int_equal(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        const struct pq_sandbox box = {0};
        if (pq_sandbox_enter(&box, &held, NULL) != 0)
            held = 0;
        _exit(write(ends[1], &held, sizeof held) != sizeof held);
    }
    assert_int_equal(read(ends[0], &held, sizeof held), sizeof held);
    close(ends[0]);
    close(ends[1]);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    return held;
}

static bool strict;
static uint64_t memory;
static unsigned seconds;

typedef int question(void); /* 0, or the errno of what it tried */

/* How a process that goes into the sandbox and asks ends, as waitpid() says. */
static int outcome(question *ask)
{
    const char *read_list[] = {at("in"), at("one"), "/nowhere/at/all"}, *write_list[] = {at("out")};
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct pq_sandbox box = {.read = read_list,
                                       .read_count = 3,
                                       .write = write_list,
                                       .write_count = 1,
                                       .memory_bytes = memory,
                                       .cpu_seconds = seconds,
                                       .strict = strict};
        pique_error err;
        if (pq_sandbox_enter(&box, NULL, &err) != 0) {
            fprintf(stderr, "%s\n", err.message);
            _exit(200);
        }
        _exit(ask());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_answer(question *ask, int expected)
{
    const int status = outcome(ask);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void need(unsigned what, const char *name)
{
    if (probe_held() & what)
        return;
    print_message("this kernel has no %s\n", name);
    skip();
}

/* ---- files ---- */

static int try_open(const char *path, int flags)
{
    const int fd = open(path, flags, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int read_inside(void)
{
    return try_open(at("in/film"), O_RDONLY) || try_open(at("one"), O_RDONLY) ||
           try_open(at("in"), O_RDONLY | O_DIRECTORY);
}
static int read_outside(void)
{
    return try_open(at("else/secret"), O_RDONLY);
}
static int read_by_link(void)
{
    return try_open(at("in/link"), O_RDONLY);
}
static int read_by_dots(void)
{
    return try_open(at("in/../else/secret"), O_RDONLY);
}
static int read_home(void)
{
    return try_open("/etc/shadow", O_RDONLY);
}
static int list_root(void)
{
    return try_open("/", O_RDONLY | O_DIRECTORY);
}
static int write_input(void)
{
    return try_open(at("in/film"), O_WRONLY);
}
static int make_in_input(void)
{
    return try_open(at("in/new"), O_WRONLY | O_CREAT);
}
static int remove_outside(void)
{
    return unlink(at("else/secret")) != 0 ? errno : 0;
}
static int other_process(void)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)getppid());
    return try_open(path, O_RDONLY);
}

static int write_inside(void)
{
    int rc = try_open(at("out/a"), O_WRONLY | O_CREAT | O_TRUNC);
    if (!rc)
        rc = rename(at("out/a"), at("out/b")) != 0 ? errno : 0;
    if (!rc)
        rc = mkdir(at("out/sub"), 0700) != 0 ? errno : 0;
    if (!rc)
        rc = rename(at("out/b"), at("out/sub/b")) != 0 ? errno : 0;
    if (!rc)
        rc = unlink(at("out/sub/b")) != 0 || rmdir(at("out/sub")) != 0 ? errno : 0;
    return rc;
}

static int link_out(void)
{
    return link(at("in/film"), at("out/film")) != 0 ? errno : 0;
}

static void what_is_named_can_be_read_and_nothing_else(void **state)
{
    (void)state;
    assert_answer(read_inside, 0);
    need(PQ_HELD_FILES, "Landlock");
    assert_answer(read_outside, EACCES);
    assert_answer(read_by_link, EACCES);
    assert_answer(read_by_dots, EACCES);
    assert_answer(read_home, EACCES);
    assert_answer(list_root, EACCES);
    assert_answer(other_process, EACCES);
}

static void results_are_written_where_they_belong_and_nowhere_else(void **state)
{
    (void)state;
    assert_answer(write_inside, 0);
    need(PQ_HELD_FILES, "Landlock");
    assert_answer(write_input, EACCES);
    assert_answer(make_in_input, EACCES);
    assert_answer(remove_outside, EACCES);
    assert_int_not_equal(outcome(link_out), 0);
}

static int use_system(void)
{
    int rc = try_open("/dev/null", O_RDWR);
    if (!rc)
        rc = try_open("/dev/urandom", O_RDONLY);
    if (!rc)
        rc = try_open("/proc/self/maps", O_RDONLY);
    if (!rc)
        rc = try_open("/proc/cpuinfo", O_RDONLY);
    if (!rc)
        rc = try_open("/proc/self/exe", O_RDONLY);
    return rc;
}

static int run_true(void)
{
    const pid_t pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0) {
        execl("/bin/true", "true", NULL);
        _exit(errno);
    }
    int status;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int become_true(void)
{
    execl("/bin/true", "true", NULL);
    return errno;
}

static void a_program_has_what_it_needs_to_run(void **state)
{
    (void)state;
    assert_answer(use_system, 0);
    assert_answer(run_true, 0);
}

/* ---- the folder of the program, which may be a home ---- */

static char *itself; /* this program, where it was started from */

/* In a program that lies elsewhere: goes inside, tries to read what lies beside it, and runs itself
 * once more. */
static int beside_itself(const char *secret)
{
    const struct pq_sandbox box = {0};
    if (pq_sandbox_enter(&box, NULL, NULL) != 0)
        return 200;
    const int rc = try_open(secret, O_RDONLY);
    const pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "pique", "--nothing", NULL);
        _exit(errno);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status == 0 ? rc : 201;
}

static int run_elsewhere(const char *secret)
{
    char command[600];
    snprintf(command, sizeof command, "mkdir '%s/home' && cp '%s' '%s/home/pique'", folder, itself,
             folder);
    if (system(command) != 0)
        return 202;
    put(secret, "secret");
    const pid_t pid = fork();
    if (pid == 0) {
        execl(at("home/pique"), "pique", "--beside", secret, NULL);
        _exit(203);
    }
    int status;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void what_lies_beside_the_program_is_none_of_it(void **state)
{
    (void)state;
    need(PQ_HELD_FILES, "Landlock");
    assert_int_equal(run_elsewhere(at("home/.secret")), EACCES);
}

/* ---- calls ---- */

static int make_socket(int family)
{
    return socket(family, SOCK_STREAM, 0) < 0 ? errno : 0;
}
static int socket_4(void)
{
    return make_socket(AF_INET);
}
static int socket_6(void)
{
    return make_socket(AF_INET6);
}
static int socket_file(void)
{
    return make_socket(AF_UNIX);
}
static int socket_link(void)
{
    return make_socket(AF_NETLINK);
}
static int ring(void)
{
    return syscall(425, 1, NULL) < 0 ? errno : 0;
}
static int trace(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) != 0 ? errno : 0;
}
static int mount_something(void)
{
    return mount("none", at("out"), "tmpfs", 0, NULL) != 0 ? errno : 0;
}
static int new_world(void)
{
    return unshare(CLONE_NEWUSER) != 0 ? errno : 0;
}
static int clone_world(void)
{
    const long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}
static int type_for_user(void)
{
    return syscall(SYS_ioctl, 0, 0x5412, "x") != 0 ? errno : 0;
}
static int keys(void)
{
    return syscall(SYS_keyctl, 0, -3, 1) < 0 ? errno : 0;
}
static int kill_parent(void)
{
    return kill(getppid(), 0) != 0 ? errno : 0;
}
static int kill_self(void)
{
    return kill(getpid(), 0) != 0 ? errno : 0;
}

static int limit_parent(void)
{
    struct rlimit now;
    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &now) != 0 ? errno : 0;
}
static int limit_self(void)
{
    struct rlimit now;
    return getrlimit(RLIMIT_NOFILE, &now) != 0 || setrlimit(RLIMIT_NOFILE, &now) != 0 ? errno : 0;
}

static void no_limit_of_another_process_is_read_or_set(void **state)
{
    (void)state;
    assert_answer(limit_self, 0);
    need(PQ_HELD_CALLS, "seccomp");
    assert_answer(limit_parent, EPERM);
}

/* Of the same user, who may remove it. */
static int shared_by_parent;
static int attach(void)
{
    return shmat(shared_by_parent, NULL, SHM_RDONLY) == (void *)-1 ? errno : 0;
}
static int remove_shared(void)
{
    return shmctl(shared_by_parent, IPC_RMID, NULL) != 0 ? errno : 0;
}
static int make_shared(void)
{
    return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) < 0 ? errno : 0;
}
static int make_semaphore(void)
{
    return semget(IPC_PRIVATE, 1, IPC_CREAT | 0600) < 0 ? errno : 0;
}
static int make_messages(void)
{
    return msgget(IPC_PRIVATE, IPC_CREAT | 0600) < 0 ? errno : 0;
}
static int open_queue(void)
{
    return syscall(SYS_mq_open, "pique-no-such-queue", O_RDONLY, 0, NULL) < 0 ? errno : 0;
}

static void nothing_is_shared_with_other_processes_of_the_user(void **state)
{
    (void)state;
    need(PQ_HELD_CALLS, "seccomp");
    shared_by_parent = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (shared_by_parent >= 0) {
        assert_answer(attach, EPERM);
        assert_answer(remove_shared, EPERM);
        assert_int_equal(shmctl(shared_by_parent, IPC_RMID, NULL), 0);
    }
    assert_answer(make_shared, EPERM);
    assert_answer(make_semaphore, EPERM);
    assert_answer(make_messages, EPERM);
    assert_answer(open_queue, EPERM);
}

static int open_to_all(void)
{
    return chmod(at("else/secret"), 0777) != 0 ? errno : 0;
}
static int open_to_all_at(void)
{
    return fchmodat(AT_FDCWD, at("else/secret"), 0777, 0) != 0 ? errno : 0;
}
static int give_away(void)
{
    return chown(at("else/secret"), getuid(), getgid()) != 0 ? errno : 0;
}
static int change_time(void)
{
    return utimensat(AT_FDCWD, at("else/secret"), NULL, 0) != 0 ? errno : 0;
}

static int truncate_outside(void)
{
    return truncate(at("else/secret"), 0) != 0 ? errno : 0;
}
static int truncate_inside(void)
{
    const int fd = open(at("out/long"), O_WRONLY | O_CREAT, 0600);
    const int rc = fd < 0 || ftruncate(fd, 10) != 0 || ftruncate(fd, 0) != 0 ? errno : 0;
    close(fd);
    return rc;
}

/* Landlock, where it knows of that, says EACCES; the filter is asked first and always there. */
static void no_file_is_emptied_by_its_name(void **state)
{
    (void)state;
    assert_answer(truncate_inside, 0);
    need(PQ_HELD_CALLS, "seccomp");
    assert_answer(truncate_outside, EPERM);
}

static void who_may_read_a_file_is_not_changed(void **state)
{
    (void)state;
    need(PQ_HELD_CALLS, "seccomp");
    assert_answer(open_to_all, EPERM);
    assert_answer(open_to_all_at, EPERM);
    assert_answer(give_away, EPERM);
    assert_answer(change_time, EPERM);
}

static void no_socket_can_be_made(void **state)
{
    (void)state;
    need(PQ_HELD_CALLS, "seccomp");
    assert_answer(socket_4, EACCES);
    assert_answer(socket_6, EACCES);
    assert_answer(socket_file, EACCES);
    assert_answer(socket_link, EACCES);
    assert_answer(ring, EPERM);
}

static void calls_that_reach_beyond_the_process_are_refused(void **state)
{
    (void)state;
    need(PQ_HELD_CALLS, "seccomp");
    if (!PQ_SANITIZED)
        assert_answer(trace, EPERM);
    assert_answer(mount_something, EPERM);
    assert_answer(new_world, EPERM);
    assert_answer(clone_world, EPERM);
    assert_answer(type_for_user, EPERM);
    assert_answer(keys, EPERM);
}

static void no_signal_leaves_the_sandbox(void **state)
{
    (void)state;
    assert_answer(kill_self, 0);
    need(PQ_HELD_SIGNALS, "Landlock for signals");
    assert_answer(kill_parent, EPERM);
}

static void *thread_main(void *argument)
{
    *(int *)argument = try_open(at("else/secret"), O_RDONLY);
    return NULL;
}

static int use_thread(void)
{
    pthread_t thread;
    int what = 0;
    if (pthread_create(&thread, NULL, thread_main, &what) != 0)
        return 201;
    pthread_join(thread, NULL);
    return what;
}

static int start_process(void)
{
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static void strict_starts_threads_but_no_programs(void **state)
{
    (void)state;
    need(PQ_HELD_CALLS, "seccomp");
    need(PQ_HELD_FILES, "Landlock");
    assert_answer(become_true, 0);
    strict = true;
    assert_answer(become_true, EPERM);
    assert_answer(use_thread, EACCES); /* it came to be, and is in the sandbox too */
    if (!PQ_SANITIZED)
        assert_answer(start_process, EPERM);
    strict = false;
}

/* ---- limits ---- */

static int take_memory(void)
{
    size_t bytes = (size_t)256 << 20;
    char *p = malloc(bytes);
    if (!p)
        return errno;
    memset(p, 1, bytes);
    return p[12345] == 1 ? 0 : 202;
}

static int core_size(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0;
}

static int spin(void)
{
    struct timespec now;
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec >= 0);
    return 203;
}

static void memory_and_time_have_limits_and_there_is_no_core_dump(void **state)
{
    (void)state;
    assert_answer(core_size, 0);
    assert_answer(take_memory, 0);
    if (!PQ_SANITIZED) {
        memory = 128 << 20;
        assert_answer(take_memory, ENOMEM);
        memory = 0;
    }
    seconds = 1;
    const int status = outcome(spin);
    seconds = 0;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGXCPU);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--beside") == 0)
        return beside_itself(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--nothing") == 0)
        _exit(0); /* from inside no sanitizer can look for leaks */
    itself = realpath("/proc/self/exe", NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_named_can_be_read_and_nothing_else),
        cmocka_unit_test(results_are_written_where_they_belong_and_nowhere_else),
        cmocka_unit_test(a_program_has_what_it_needs_to_run),
        cmocka_unit_test(what_lies_beside_the_program_is_none_of_it),
        cmocka_unit_test(no_file_is_emptied_by_its_name),
        cmocka_unit_test(who_may_read_a_file_is_not_changed),
        cmocka_unit_test(no_socket_can_be_made),
        cmocka_unit_test(calls_that_reach_beyond_the_process_are_refused),
        cmocka_unit_test(no_limit_of_another_process_is_read_or_set),
        cmocka_unit_test(nothing_is_shared_with_other_processes_of_the_user),
        cmocka_unit_test(no_signal_leaves_the_sandbox),
        cmocka_unit_test(strict_starts_threads_but_no_programs),
        cmocka_unit_test(memory_and_time_have_limits_and_there_is_no_core_dump),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
