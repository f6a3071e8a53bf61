/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../sanitized.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "base/pool.h"
#include "model/statedict.h"
#include "pique/pique.h"

/* The thread sanitizer tells of memory of its own, too. */
#define COUNTS_BLOCKS (!TEST_THREADS)

const bool trial_is_sanitized = TEST_SANITIZED;
const struct trial_limits trial_limits = {.memory_bytes = 64 << 20,
                                          .open_seconds = TEST_SANITIZED ? 20 : 1,
                                          .flops = TEST_SANITIZED ? 2e7 : 2e8};

enum {
    WIDTH = 9,
    HEIGHT = 7,
    ENGINE_BYTES = 128 << 20, /* of line buffers */
    HANGS_SECONDS = TEST_SANITIZED ? 120 : 20,
    MOST_WORKERS = 4,
    MOST_SHOWN = 20
};

/* What is freed and kept from use for long is fresh memory again and again. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=4";
}

/* ---- memory: what all libraries take, not only what passes base/ ---- */

static atomic_size_t live, peak;
static atomic_long blocks;

static void taken(size_t bytes)
{
    size_t now = atomic_fetch_add(&live, bytes) + bytes, most = atomic_load(&peak);
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now))
        ;
    atomic_fetch_add(&blocks, 1);
}

static void given(size_t bytes)
{
    atomic_fetch_sub(&live, bytes);
    atomic_fetch_sub(&blocks, 1);
}

#if TEST_SANITIZED
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                              void (*)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *);

static void on_malloc(const volatile void *p, size_t bytes)
{
    if (p)
        taken(bytes);
}

static void on_free(const volatile void *p)
{
    if (p)
        given(__sanitizer_get_allocated_size(p));
}

static void count_memory(void)
{
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}
#elif defined(__GLIBC__)
#include <malloc.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

/* Behind each block stands a word that nobody may write. */
static const uint64_t guard = UINT64_C(0x9e3779b97f4a7c15);
enum { GUARD = sizeof guard };

static unsigned char *guard_of(void *p)
{
    return (unsigned char *)p + malloc_usable_size(p) - GUARD;
}

static void *note(void *p)
{
    if (p) {
        taken(malloc_usable_size(p));
        memcpy(guard_of(p), &guard, GUARD);
    }
    return p;
}

static void forget(void *p)
{
    static const char text[] = "memory is written beyond its end\n";
    if (memcmp(guard_of(p), &guard, GUARD) != 0) {
        ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
        (void)n;
        abort();
    }
    given(malloc_usable_size(p));
}

static bool guarded(size_t *bytes)
{
    return pq_add_size(*bytes, GUARD, bytes);
}

void *malloc(size_t bytes)
{
    return guarded(&bytes) ? note(__libc_malloc(bytes)) : NULL;
}

void *calloc(size_t count, size_t bytes)
{
    return pq_mul_size(count, bytes, &bytes) && guarded(&bytes) ? note(__libc_calloc(1, bytes))
                                                                : NULL;
}

void *realloc(void *p, size_t bytes)
{
    if (!guarded(&bytes))
        return NULL;
    if (p)
        forget(p);
    void *fresh = __libc_realloc(p, bytes);
    if (!fresh && p)
        note(p);
    return note(fresh);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    return guarded(&bytes) ? note(__libc_memalign(align, bytes)) : NULL;
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    *out = aligned_alloc(align, bytes);
    return *out ? 0 : ENOMEM;
}

void free(void *p)
{
    if (p)
        forget(p);
    __libc_free(p);
}

static void count_memory(void)
{
}
#else
static void count_memory(void)
{
}
#endif

/* ---- what a child may do ---- */

#if defined(__x86_64__) && !TEST_SANITIZED
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* The process ends where a model file makes it start a program, speak to the network, or make,
 * write or remove a file. Its own files are open by then. */
static void confine(void)
{
    static const int forbidden[] = {
        SYS_execve,  SYS_execveat, SYS_fork,   SYS_vfork,    SYS_socket, SYS_socketpair,
        SYS_connect, SYS_bind,     SYS_unlink, SYS_rename,   SYS_link,   SYS_mkdir,
        SYS_symlink, SYS_creat,    SYS_ptrace, SYS_renameat, SYS_linkat, SYS_unlinkat};
    enum { COUNT = sizeof forbidden / sizeof *forbidden };
    struct sock_filter code[3 * COUNT + 10];
    unsigned short n = 0;
    const struct sock_filter stop = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    const unsigned number = offsetof(struct seccomp_data, nr);
    const unsigned flags = offsetof(struct seccomp_data, args) + 2 * 8;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number);
    for (int i = 0; i < COUNT; i++) {
        code[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)forbidden[i], 0, 1);
        code[n++] = stop;
    }
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags);
    code[n++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_CREAT, 0, 1);
    code[n++] = stop;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
static void confine(void)
{
}
#endif

/* ---- one case ---- */

/* Where a worker keeps the files of the case that it is at, and what it says. */
struct place {
    char stem[32], first[4200], param[4200], bin[4200];
    int first_fd, param_fd, bin_fd, said_fd;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void store(int fd, const struct bytes *b)
{
    size_t done = 0;
    int rc = 0;
    while (!rc && done < b->size) {
        ssize_t n = pwrite(fd, b->data + done, b->size - done, (off_t)done);
        if (n <= 0)
            rc = -1;
        else
            done += (size_t)n;
    }
    if (rc || ftruncate(fd, (off_t)b->size)) {
        fprintf(stderr, "a case cannot be written: %s\n", strerror(errno));
        _exit(3);
    }
}

static const char *run_model(const pique_model *model, struct trial_sums *sums)
{
    static float in[WIDTH * HEIGHT * 4];
    pique_model_info info = {.size = sizeof info};
    if (pique_model_get_info(model, &info, NULL))
        return "pique_model_get_info() fails";
    double output = (double)info.scale_num / info.scale_den;
    if ((double)info.flops_per_pixel * WIDTH * HEIGHT > trial_limits.flops || output > 16 ||
        info.parameters > 1 << 22)
        return NULL;
    pique_engine_options options = {
        .size = sizeof options, .threads = 1, .memory_bytes = ENGINE_BYTES};
    pique_engine *engine = NULL;
    pique_error err = {0};
    int rc = pique_engine_open(model, &options, &engine, &err);
    if (!rc)
        rc = pique_batch_begin(engine, 1, WIDTH, HEIGHT, &err);
    if (!rc) {
        int w, h;
        for (size_t i = 0; i < sizeof in / sizeof *in; i++)
            in[i] = (float)(i % 7) / 7;
        pique_batch_output_size(engine, &w, &h);
        size_t row = (size_t)w * (size_t)info.out_channels;
        float *out = malloc(row * (size_t)h * sizeof *out + 1);
        size_t in_row = WIDTH * (size_t)info.in_channels * sizeof *in;
        pique_rows from = {in, (ptrdiff_t)in_row, (ptrdiff_t)in_row * HEIGHT, PIQUE_SAMPLE_F32};
        pique_rows to = {out, (ptrdiff_t)(row * sizeof *out), (ptrdiff_t)(row * sizeof *out) * h,
                         PIQUE_SAMPLE_F32};
        rc = out ? pique_batch_run(engine, 1, WIDTH, HEIGHT, &from, &to, &err) : 0;
        free(out);
        sums->ran += !rc;
    }
    pique_engine_close(&engine);
    return rc && err.message[0] == '\0' ? "the engine fails without a sentence" : NULL;
}

/* Where a virtual machine stands still for a while, that counts as processor time of what it was
 * at; what is slow is slow twice. */
static bool is_slow_again(const char *path)
{
    pique_model *model = NULL;
    pique_error err = {0};
    const double start = seconds();
    pique_model_open(path, &model, &err);
    const double took = seconds() - start;
    pique_model_close(&model);
    return took > trial_limits.open_seconds;
}

/* NULL, or what is wrong. */
static const char *try_case(const struct hostile *h, struct place *p, long number,
                            struct trial_sums *sums, pique_error *err)
{
    const char *path = h->is_ncnn ? h->named_bin ? p->bin : p->param : p->first;
    size_t bytes = h->first.size + h->second.size;
    if (h->is_ncnn) {
        store(p->param_fd, &h->first);
        store(p->bin_fd, &h->second);
    } else {
        store(p->first_fd, &h->first);
    }
    pique_model *model = NULL;
    *err = (pique_error){0};
    const long blocks_before = atomic_load(&blocks);
    const size_t live_before = atomic_load(&live);
    atomic_store(&peak, live_before);
    pq_fault_arm(PQ_FAULT_OPEN, 0, 0, false);
    const double start = seconds();
    const int rc = pique_model_open(path, &model, err);
    const double opening = seconds() - start;
    const size_t most = atomic_load(&peak) - live_before;
    const long opens = pq_fault_count(PQ_FAULT_OPEN);
    const char *complaint = rc ? NULL : run_model(model, sums);
    pique_model_close(&model);

    sums->tried++;
    sums->opened += !rc;
    sums->refused += rc != 0;
    if (rc <= 0 && rc > -16)
        sums->by_code[-rc]++;
    if (opening > sums->slowest_open) {
        sums->slowest_open = opening;
        sums->slowest_case = number;
    }
    if (seconds() - start - opening > sums->slowest_run)
        sums->slowest_run = seconds() - start - opening;
    size_t beside = most > bytes ? most - bytes : 0;
    if (beside > sums->most_memory) {
        sums->most_memory = beside;
        sums->most_memory_case = number;
    }
    if (complaint)
        return complaint;
    if (rc && !strstr(err->message, p->stem))
        return "the sentence does not name the file";
    if (rc && !pq_text_ok(err->message, strlen(err->message)))
        return "the sentence has control characters";
    if (rc != 0 && rc != PIQUE_EFORMAT && rc != PIQUE_EUNSUPPORTED)
        return "it is refused with a code that says something else";
    if (h->code <= 0 && rc != h->code)
        return "the code is another";
    if (h->code <= 0 && h->says && !strstr(err->message, h->says))
        return "the sentence is another";
    if (opening > trial_limits.open_seconds && is_slow_again(path))
        return "it takes too long";
    if (beside > trial_limits.memory_bytes)
        return "it takes too much memory";
    if (COUNTS_BLOCKS && atomic_load(&blocks) != blocks_before)
        return "it leaks";
    if (opens > (h->is_ncnn ? 2 : 1))
        return "another file is opened";
    if (lseek(p->said_fd, 0, SEEK_END) != 0)
        return "something is printed";
    return NULL;
}

/* ---- children ---- */

/* What parent and child both see. */
struct shared {
    volatile long at; /* the case that the child is at */
    volatile long complaints;
    struct trial_sums sums;
};

struct run {
    long count, step;
    trial_make *make;
    trial_name *name;
    void *context;
    char folder[4096];
    int workers;
};

static int open_new(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        _exit(3);
    }
    return fd;
}

static void open_place(const struct run *r, int worker, struct place *p)
{
    char said[4200];
    snprintf(p->stem, sizeof p->stem, "case-%d", worker);
    snprintf(p->first, sizeof p->first, "%s/%s.model", r->folder, p->stem);
    snprintf(p->param, sizeof p->param, "%s/%s.param", r->folder, p->stem);
    snprintf(p->bin, sizeof p->bin, "%s/%s.bin", r->folder, p->stem);
    snprintf(said, sizeof said, "%s/said-%d", r->folder, worker);
    p->first_fd = open_new(p->first);
    p->param_fd = open_new(p->param);
    p->bin_fd = open_new(p->bin);
    p->said_fd = open_new(said);
}

/* Cases next, next + workers, ... until all are done. */
static void child(const struct run *r, int worker, long next, struct shared *shared)
{
    struct place p;
    int report = dup(STDERR_FILENO);
    open_place(r, worker, &p);
    count_memory();
    confine();
    if (!trial_is_sanitized) /* whose reports should be seen */
        dup2(p.said_fd, STDERR_FILENO);
    dup2(p.said_fd, STDOUT_FILENO);
    for (long n = next; n < r->count; n += r->workers) {
        struct hostile h = {.code = 1};
        pique_error err;
        shared->at = n;
        struct itimerval limit = {.it_value = {.tv_sec = HANGS_SECONDS}};
        setitimer(ITIMER_PROF, &limit, NULL);
        alarm(10 * HANGS_SECONDS);
        r->make(r->context, n * r->step, &h);
        const char *complaint = try_case(&h, &p, n * r->step, &shared->sums, &err);
        bytes_free(&h.first);
        bytes_free(&h.second);
        if (complaint) {
            char name[300];
            r->name(r->context, n * r->step, name, sizeof name);
            dprintf(report, "case %ld, %s: %s (%d, '%s')\n", n * r->step, name, complaint, err.code,
                    err.message);
            shared->complaints++;
            _exit(1); /* the parent keeps the files; the rest is another's */
        }
    }
    shared->at = r->count;
    _exit(0);
}

static void keep(const struct run *r, int worker, long number)
{
    static const char *const ends[] = {"model", "param", "bin"};
    for (size_t i = 0; i < PQ_COUNT(ends); i++) {
        char from[4200], to[4200];
        struct stat st;
        snprintf(from, sizeof from, "%s/case-%d.%s", r->folder, worker, ends[i]);
        snprintf(to, sizeof to, "%s/failed-%ld.%s", r->folder, number, ends[i]);
        if (stat(from, &st) == 0 && st.st_size > 0)
            rename(from, to);
    }
    char from[4200], to[4200];
    snprintf(from, sizeof from, "%s/said-%d", r->folder, worker);
    snprintf(to, sizeof to, "%s/failed-%ld.said", r->folder, number);
    rename(from, to);
}

/* Whether a child was stopped for its time. */
static bool ran_out_of_time(int status)
{
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM);
}

/* One worker after the other takes its share; this is the share of one. A machine that stands still
 * for a while, as virtual ones do, takes time from whoever was running: what ran out of it is tried
 * once more before that counts. */
static void tend(const struct run *r, int worker, struct shared *shared)
{
    long late = -1;
    for (long next = worker; next < r->count;) {
        if (shared->complaints >= MOST_SHOWN)
            return;
        pid_t pid = fork();
        if (pid == 0)
            child(r, worker, next, shared);
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            return;
        if (ran_out_of_time(status) && shared->at != late) {
            next = late = shared->at;
            continue;
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
            char name[300];
            r->name(r->context, shared->at * r->step, name, sizeof name);
            fprintf(stderr, "case %ld, %s: the process ends by %s %d\n", shared->at * r->step, name,
                    WIFSIGNALED(status) ? "signal" : "status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            shared->complaints++;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
                return;
        }
        keep(r, worker, shared->at * r->step);
        next = shared->at + r->workers;
    }
}

static void add(struct trial_sums *to, const struct trial_sums *from)
{
    to->tried += from->tried;
    to->opened += from->opened;
    to->ran += from->ran;
    to->refused += from->refused;
    for (size_t i = 0; i < PQ_COUNT(to->by_code); i++)
        to->by_code[i] += from->by_code[i];
    if (from->slowest_open > to->slowest_open) {
        to->slowest_open = from->slowest_open;
        to->slowest_case = from->slowest_case;
    }
    if (from->slowest_run > to->slowest_run)
        to->slowest_run = from->slowest_run;
    if (from->most_memory > to->most_memory) {
        to->most_memory = from->most_memory;
        to->most_memory_case = from->most_memory_case;
    }
}

static void remove_folder(const struct run *r)
{
    for (int w = 0; w < r->workers; w++) {
        static const char *const names[] = {"case-%d.model", "case-%d.param", "case-%d.bin",
                                            "said-%d"};
        for (size_t i = 0; i < PQ_COUNT(names); i++) {
            char name[64], path[4200];
            snprintf(name, sizeof name, names[i], w);
            snprintf(path, sizeof path, "%s/%s", r->folder, name);
            unlink(path);
        }
    }
    rmdir(r->folder);
}

long trial_all(long count, long step, trial_make *make, trial_name *name, void *context,
               struct trial_sums *sums)
{
    struct run r = {.count = count, .step = step, .make = make, .name = name, .context = context};
    const char *tmp = getenv("TMPDIR"), *memory = "/dev/shm"; /* no disk has to keep up */
    if (!tmp || !*tmp)
        tmp = access(memory, W_OK | X_OK) == 0 ? memory : "/tmp";
    snprintf(r.folder, sizeof r.folder, "%s/pique-hostile-XXXXXX", tmp);
    if (!mkdtemp(r.folder)) {
        fprintf(stderr, "%s: %s\n", r.folder, strerror(errno));
        return 1;
    }
    r.workers = PQ_MIN(pq_cores(), MOST_WORKERS);
    size_t bytes = (size_t)r.workers * sizeof(struct shared);
    struct shared *shared =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    pid_t tenders[MOST_WORKERS];
    for (int w = 0; w < r.workers; w++) {
        tenders[w] = fork();
        if (tenders[w] == 0) {
            tend(&r, w, &shared[w]);
            _exit(0);
        }
    }
    long complaints = 0;
    *sums = (struct trial_sums){0};
    for (int w = 0; w < r.workers; w++) {
        int status;
        while (waitpid(tenders[w], &status, 0) < 0 && errno == EINTR)
            ;
        complaints += shared[w].complaints;
        add(sums, &shared[w].sums);
    }
    munmap(shared, bytes);
    remove_folder(&r);
    if (complaints)
        printf("the files of failed cases are in %s\n", r.folder);
    return complaints;
}
