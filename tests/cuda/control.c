/* SPDX-License-Identifier: MIT */
/* How each call of the driver begins and ends, what is planted to go wrong in it, and what was
 * seen. */
#include <stdio.h>
#include <unistd.h>

#include "inner.h"

enum { PLANS = 64, FAULTS = 1000 };

int pique_standin_kernels = 1;

pthread_mutex_t si_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t si_changed = PTHREAD_COND_INITIALIZER;
enum standin_mode si_mode;
uint64_t si_seed;
int si_delay_us;
bool si_initialised;

static const char *const names[SI_CALLS] = {
#define NAME(member, symbol, parameters) #symbol,
    CUDA_FUNCTIONS(NAME)
#undef NAME
};
static int counts[SI_CALLS];
static uint64_t calls;

/* The nth call from now of one function fails, or is ignored. Spent: left is 0. */
struct plan {
    enum si_call call;
    int left;
    cuda_result error;
    bool sticky, ignore;
};
static struct plan plans[PLANS];
static int kernel_left, kernel_device; /* -1: of any device */
static cuda_result kernel_error;

/* Of lost devices: found by an operation, and told to the host, which it stays. */
static struct {
    cuda_result dying, dead;
} fates[STANDIN_DEVICES];

static int fault_count;
static char *faults[FAULTS];

static _Thread_local enum si_call current;
static _Thread_local uint64_t current_number;

void *si_alloc(size_t count, size_t bytes)
{
    void *p = calloc(count, bytes);
    if (!p) {
        fprintf(stderr, "stand-in driver: no memory for %zu times %zu bytes\n", count, bytes);
        abort();
    }
    return p;
}

/* ---- a call ---- */

const char *si_call_name(void)
{
    return names[current];
}

uint64_t si_call_number(void)
{
    return current_number;
}

/* What ends or frees something does so even when it returns the error of something else. */
static bool acts_anyway(enum si_call call)
{
    switch (call) {
    case SI_context_release:
    case SI_context_pop:
    case SI_context_destroy:
    case SI_memory_free:
    case SI_pinned_free:
    case SI_stream_destroy:
    case SI_event_destroy:
    case SI_module_unload:
    case SI_graph_destroy:
    case SI_graph_exec_destroy:
    case SI_capture_end: /* a capture that failed is over, too */
        return true;
    default:
        return false;
    }
}

static bool synchronises(enum si_call call)
{
    return call == SI_stream_synchronize || call == SI_event_synchronize;
}

static bool needs_nothing(enum si_call call)
{
    return call == SI_init || call == SI_driver_version || call == SI_error_string;
}

static bool needs_no_context(enum si_call call)
{
    switch (call) {
    case SI_device_count:
    case SI_device_get:
    case SI_device_name:
    case SI_device_attribute:
    case SI_device_memory:
    case SI_context_retain:
    case SI_context_release:
    case SI_context_create:
    case SI_context_destroy:
    case SI_context_push:
    case SI_context_pop:
        return true;
    default:
        return needs_nothing(call);
    }
}

/* What a thread that captures a stream must not do: it may wait for the device. */
static bool is_unsafe(enum si_call call)
{
    return synchronises(call) || call == SI_memory_alloc || call == SI_memory_free ||
           call == SI_pinned_alloc || call == SI_pinned_free;
}

static const struct plan *due(enum si_call call)
{
    const struct plan *found = NULL;
    for (int i = 0; i < PLANS; i++)
        if (plans[i].left > 0 && plans[i].call == call && --plans[i].left == 0)
            found = &plans[i];
    return found;
}

static bool asks_about_devices(enum si_call call)
{
    return needs_no_context(call) && !acts_anyway(call) && call != SI_context_retain &&
           call != SI_context_create;
}

/* The device that a call is about; a call without a context is about the only one, if it is. */
static int device_of_call(void)
{
    cuda_result rc;
    const int device = si_current(&rc);
    return device < 0 && si_device_count() == 1 ? 0 : device;
}

/* In the order in which the real one would notice. */
static struct si_entry judge(enum si_call call, const struct plan *plan)
{
    cuda_result rc = CUDA_SUCCESS;
    if (plan && plan->ignore)
        return (struct si_entry){CUDA_SUCCESS, false};
    if (!needs_nothing(call) && !si_initialised)
        return (struct si_entry){CUDA_ERROR_NOT_INITIALIZED, false};
    if (!needs_no_context(call) && si_current(&rc) < 0)
        return (struct si_entry){rc, false};
    if (is_unsafe(call) && si_capture_broken())
        return (struct si_entry){ERROR_CAPTURE_UNSUPPORTED, false};
    const int device = device_of_call();
    if (plan && plan->sticky && device >= 0)
        fates[device].dead = plan->error;
    const cuda_result dead = device < 0 ? CUDA_SUCCESS : fates[device].dead;
    if (dead && !asks_about_devices(call))
        return (struct si_entry){dead, acts_anyway(call) || synchronises(call)};
    if (plan)
        return (struct si_entry){plan->error, acts_anyway(call)};
    return (struct si_entry){CUDA_SUCCESS, true};
}

struct si_entry si_enter(enum si_call call)
{
    pthread_mutex_lock(&si_lock);
    current = call;
    current_number = ++calls;
    counts[call]++;
    return judge(call, due(call));
}

cuda_result si_leave(const struct si_entry *entry, cuda_result own)
{
    pthread_mutex_unlock(&si_lock);
    return entry->rc ? entry->rc : own;
}

void si_die(int device, cuda_result error)
{
    if (!fates[device].dying)
        fates[device].dying = error;
}

bool si_is_dead(int device)
{
    return fates[device].dying || fates[device].dead;
}

cuda_result si_fate(int device)
{
    if (!fates[device].dead)
        fates[device].dead = fates[device].dying;
    return fates[device].dead;
}

/* What killed a device went with its context. */
void si_revive(int device)
{
    fates[device].dying = fates[device].dead = CUDA_SUCCESS;
}

cuda_result si_planted_launch(int device)
{
    if (kernel_device >= 0 && kernel_device != device)
        return CUDA_SUCCESS;
    return kernel_left > 0 && --kernel_left == 0 ? kernel_error : CUDA_SUCCESS;
}

/* ---- plans ---- */

static enum si_call call_of(const char *symbol)
{
    for (int i = 0; i < SI_CALLS; i++)
        if (strcmp(names[i], symbol) == 0)
            return (enum si_call)i;
    fprintf(stderr, "stand-in driver: there is no function %s\n", symbol);
    abort();
}

static void plan(struct plan new)
{
    pthread_mutex_lock(&si_lock);
    int i = 0;
    while (i < PLANS && plans[i].left > 0)
        i++;
    if (i == PLANS) {
        fprintf(stderr, "stand-in driver: more than %d plans\n", PLANS);
        abort();
    }
    plans[i] = new;
    pthread_mutex_unlock(&si_lock);
}

void standin_fail(const char *symbol, int nth, cuda_result error, bool sticky)
{
    plan((struct plan){call_of(symbol), nth, error, sticky, false});
}

void standin_ignore(const char *symbol, int nth)
{
    const enum si_call call = call_of(symbol);
    if (call != SI_stream_wait && !synchronises(call)) {
        fprintf(stderr, "stand-in driver: %s cannot be ignored\n", symbol);
        abort();
    }
    plan((struct plan){call, nth, CUDA_SUCCESS, false, true});
}

void standin_fail_kernel(int nth, cuda_result error)
{
    pthread_mutex_lock(&si_lock);
    kernel_left = nth;
    kernel_device = -1;
    kernel_error = error;
    pthread_mutex_unlock(&si_lock);
}

/* ---- what was seen ---- */

void si_fault(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (fault_count++ < FAULTS) {
        char **text = &faults[fault_count - 1];
        if (vasprintf(text, format, list) < 0)
            *text = NULL;
    }
    va_end(list);
}

int standin_faults(void)
{
    pthread_mutex_lock(&si_lock);
    const int n = fault_count;
    pthread_mutex_unlock(&si_lock);
    return n;
}

const char *standin_fault(int i)
{
    pthread_mutex_lock(&si_lock);
    const char *text = i >= 0 && i < fault_count && i < FAULTS ? faults[i] : NULL;
    pthread_mutex_unlock(&si_lock);
    return text ? text : "";
}

static void clear_faults(void)
{
    for (int i = 0; i < FAULTS; i++) {
        free(faults[i]);
        faults[i] = NULL;
    }
    fault_count = 0;
}

void standin_clear_faults(void)
{
    pthread_mutex_lock(&si_lock);
    clear_faults();
    pthread_mutex_unlock(&si_lock);
}

int standin_calls(const char *symbol)
{
    const enum si_call call = call_of(symbol);
    pthread_mutex_lock(&si_lock);
    const int n = counts[call];
    pthread_mutex_unlock(&si_lock);
    return n;
}

size_t standin_live(enum standin_what what)
{
    pthread_mutex_lock(&si_lock);
    const size_t n = si_live[what];
    pthread_mutex_unlock(&si_lock);
    return n;
}

static void host_touches(const char *name, const void *address, size_t bytes, bool writes)
{
    pthread_mutex_lock(&si_lock);
    current_number = calls;
    struct si_actor host = si_actor(name, NULL, si_host_tick(), &si_host);
    si_touch_host(&host, address, bytes, writes);
    pthread_mutex_unlock(&si_lock);
}

void standin_host_reads(const void *address, size_t bytes)
{
    host_touches("the host", address, bytes, false);
}

void standin_host_writes(void *address, size_t bytes)
{
    host_touches("the host", address, bytes, true);
}

/* ---- the start ---- */

void standin_mode(enum standin_mode mode, uint64_t seed, int delay_us)
{
    pthread_mutex_lock(&si_lock);
    si_mode = mode;
    si_seed = seed;
    si_delay_us = delay_us;
    pthread_mutex_unlock(&si_lock);
}

/* Behind the '@' of "60@1"; -1: none is named. */
static int device_named(const char *text)
{
    const char *at = strchr(text, '@');
    return at ? atoi(at + 1) % STANDIN_DEVICES : -1;
}

static void configure(void)
{
    const char *mode = getenv("PIQUE_STANDIN"), *seed = getenv("PIQUE_STANDIN_SEED");
    si_mode = mode && strcmp(mode, "threads") == 0 ? STANDIN_THREADS : STANDIN_LAZY;
    si_seed = seed ? strtoull(seed, NULL, 10) : 1;
    si_delay_us = 100;
    si_devices_reset();
    const char *bytes = getenv("PIQUE_STANDIN_BYTES"), *fails = getenv("PIQUE_STANDIN_FAILS");
    const char *count = getenv("PIQUE_STANDIN_DEVICES");
    if (count)
        si_set_device_count(atoi(count));
    const char *capability = getenv("PIQUE_STANDIN_CAPABILITY");
    if (capability)
        sscanf(capability, "%d.%d", &standin_device(0)->major, &standin_device(0)->minor);
    if (bytes)
        standin_device(device_named(bytes) > 0 ? device_named(bytes) : 0)->bytes =
            (size_t)strtoull(bytes, NULL, 10);
    kernel_left = fails ? atoi(fails) : 0;
    kernel_device = fails ? device_named(fails) : -1;
    kernel_error = CUDA_ERROR_ILLEGAL_ADDRESS;
}

static int count_live(void)
{
    static const char *const what[STANDIN_KINDS] = {
        "allocations", "bytes",  "pinned allocations", "pinned bytes", "streams", "events",
        "modules",     "graphs", "ready graphs",       "contexts",     "pushes"};
    int sum = 0;
    for (int i = 0; i < STANDIN_KINDS; i++) {
        if (!si_live[i])
            continue;
        fprintf(stderr, "stand-in driver: %zu %s alive at the reset\n", si_live[i], what[i]);
        sum += i == STANDIN_BYTES || i == STANDIN_PINNED_BYTES ? 0 : (int)si_live[i];
    }
    return sum;
}

int standin_reset(void)
{
    pthread_mutex_lock(&si_lock);
    si_complete_all();
    const int alive = count_live();
    si_threads_end();
    si_graphs_reset();
    si_things_free();
    si_memory_reset();
    si_shadow_reset();
    si_clocks_reset();
    si_kernels_reset();
    clear_faults();
    memset(plans, 0, sizeof plans);
    memset(counts, 0, sizeof counts);
    memset(si_live, 0, sizeof si_live);
    calls = 0;
    kernel_left = 0;
    memset(fates, 0, sizeof fates);
    configure();
    pthread_mutex_unlock(&si_lock);
    return alive;
}

__attribute__((constructor)) static void begin(void)
{
    configure();
}

__attribute__((destructor)) static void end(void)
{
    if (!fault_count || !getenv("PIQUE_STANDIN_STRICT"))
        return;
    for (int i = 0; i < fault_count && i < FAULTS; i++)
        fprintf(stderr, "stand-in driver: %s\n", faults[i] ? faults[i] : "");
    fprintf(stderr, "stand-in driver: %d faults\n", fault_count);
    fflush(NULL);
    _exit(1);
}
