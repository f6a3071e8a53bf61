/* SPDX-License-Identifier: MIT */
/* Modules, their kernels, and launches. A kernel is a C function that computes all items. */
#include "inner.h"

struct function {
    struct si_thing thing;
    const struct si_thing *module;
    struct standin_kernel kernel;
    unsigned shared_bytes; /* that a launch may ask for */
};

/* Those that a test adds. */
struct added {
    struct added *next;
    struct standin_kernel kernel;
};
static struct added *added;

void standin_add_kernel(const char *name, standin_run *run)
{
    pthread_mutex_lock(&si_lock);
    struct added *a = si_alloc(1, sizeof *a);
    *a = (struct added){added, {name, run}};
    added = a;
    pthread_mutex_unlock(&si_lock);
}

void si_kernels_reset(void)
{
    while (added) {
        struct added *a = added;
        added = a->next;
        free(a);
    }
}

static const struct standin_kernel *kernel_of(const char *name)
{
    for (const struct added *a = added; a; a = a->next)
        if (strcmp(a->kernel.name, name) == 0)
            return &a->kernel;
    for (const struct standin_kernel *k = standin_kernels; k->name; k++)
        if (strcmp(k->name, name) == 0)
            return k;
    return NULL;
}

/* ---- modules ---- */

static cuda_result load(cuda_module *handle, const void *image)
{
    if (!handle || !image)
        return CUDA_ERROR_INVALID_VALUE;
    *handle = si_thing_new(STANDIN_MODULES, sizeof(struct si_thing));
    return CUDA_SUCCESS;
}

static cuda_result unload(cuda_module handle)
{
    struct si_thing *module = si_thing_find(STANDIN_MODULES, handle);
    if (!module)
        return ERROR_INVALID_HANDLE;
    for (struct si_thing *t = si_things(); t; t = t->next)
        if (t->what == SI_FUNCTIONS && ((struct function *)t)->module == module)
            si_thing_end(t);
    si_thing_end(module);
    return CUDA_SUCCESS;
}

static cuda_result find(cuda_function *handle, cuda_module from, const char *name)
{
    const struct si_thing *module = si_thing_find(STANDIN_MODULES, from);
    if (!module)
        return ERROR_INVALID_HANDLE;
    const struct standin_kernel *kernel = kernel_of(name);
    if (!kernel)
        return ERROR_NOT_FOUND;
    struct function *f = si_thing_new(SI_FUNCTIONS, sizeof *f);
    f->module = module;
    f->kernel = *kernel;
    f->shared_bytes = 48 << 10;
    *handle = (cuda_function)(void *)f;
    return CUDA_SUCCESS;
}

/* More shared memory than 48 KiB has to be asked for: of Hopper up to 227, of others what the least
 * of them have. */
static cuda_result allow_shared(cuda_function handle, int attribute, int value)
{
    struct function *f = si_thing_find(SI_FUNCTIONS, handle);
    if (!f)
        return ERROR_INVALID_HANDLE;
    const int most = si_device(f->thing.device)->major == 9 ? 227 << 10 : 99 << 10;
    if (attribute != CUDA_ATTRIBUTE_SHARED_BYTES || value < 0 || value > most)
        return CUDA_ERROR_INVALID_VALUE;
    f->shared_bytes = (unsigned)value;
    return CUDA_SUCCESS;
}

/* ---- what a launch touches ---- */

static bool is_map(const char *name, const struct cuda_map *m)
{
    if (m->width > 0 && m->channels > 0 && m->stride >= m->channels && m->rows > 0)
        return true;
    si_fault("%s (call %" PRIu64 "): a tensor of %d rows, width %d, %d channels, stride %d", name,
             si_call_number(), m->rows, m->width, m->channels, m->stride);
    return false;
}

/* Rows y .. y+rows of all frames. The last pixel of a row ends with its channels: where a tensor is
 * some channels of another, what follows belongs to that. */
static bool touch_map(struct si_actor *who, const struct cuda_map *m, int frames, int64_t y0,
                      int64_t rows, bool writes)
{
    const size_t values = (size_t)(m->width - 1) * (size_t)m->stride + (size_t)cuda_written(m);
    const size_t size = m->bytes            ? (size_t)m->bytes
                        : m->type == PQ_F32 ? sizeof(float)
                                            : sizeof(uint16_t);
    for (int f = 0; f < frames; f++)
        for (int64_t y = y0; y < y0 + rows; y++)
            if (!si_touch_part(who, m->data,
                               (const char *)m->data + (size_t)cuda_offset(m, f, y, 0) * size,
                               values * size, writes))
                return false;
    return true;
}

/* How much of it a kernel reads depends on the kernel; but it cannot lie elsewhere, nor come from
 * somewhere else later. */
static bool touch_begin(struct si_actor *who, const void *address)
{
    return !address || si_touch_device(who, address, sizeof(float), false);
}

/* The rows of tiles that a launch may write. */
static bool touch_seen(struct si_actor *who, const struct cuda_args *a)
{
    const size_t row =
        (size_t)pq_tiles_of(a->like.width) * (size_t)a->frames * (size_t)a->in[0].channels;
    return si_touch_device(who, a->seen + (size_t)a->first_tile * row,
                           (size_t)a->tiles * row * sizeof *a->seen, true);
}

bool si_touch_launch(struct si_actor *who, const struct cuda_args *a)
{
    for (int k = 0; k < a->inputs; k++)
        if (!touch_map(who, &a->in[k], a->frames, 0, a->in[k].rows, false))
            return false;
    return touch_begin(who, a->weights) && touch_begin(who, a->bias) &&
           touch_begin(who, a->slopes) && touch_begin(who, a->index) &&
           (!a->out.data || touch_map(who, &a->out, a->frames, a->y0, a->rows, true)) &&
           (!a->seen || touch_seen(who, a)) &&
           (!a->scratch ||
            si_touch_device(who, a->scratch, (size_t)a->scratch_floats * sizeof(float), true));
}

/* ---- launches ---- */

struct shape {
    unsigned grid[3], block[3], shared_bytes;
};

static bool is_allowed(const struct shape *s, unsigned shared_bytes)
{
    static const unsigned grid[3] = {0x7fffffff, 65535, 65535}, block[3] = {1024, 1024, 64};
    for (int i = 0; i < 3; i++)
        if (s->grid[i] < 1 || s->grid[i] > grid[i] || s->block[i] < 1 || s->block[i] > block[i])
            return false;
    return s->block[0] * s->block[1] * s->block[2] <= 1024 && s->shared_bytes <= shared_bytes;
}

/* Mistakes that a device would not notice. */
static bool makes_sense(const struct shape *s, const struct function *f, const struct cuda_args *a)
{
    const char *name = f->kernel.name;
    if ((int64_t)s->grid[0] * s->block[0] < a->count || a->count < 0) {
        si_fault("%s (call %" PRIu64 "): %u times %u threads for %" PRId64 " items", name,
                 si_call_number(), s->grid[0], s->block[0], a->count);
        return false;
    }
    if (a->inputs < 0 || a->inputs > PQ_MAX_INPUTS || a->frames < 1 || a->scratch_floats < 0) {
        si_fault("%s (call %" PRIu64 "): %d inputs, %d frames, %" PRId64 " floats of scratch", name,
                 si_call_number(), a->inputs, a->frames, a->scratch_floats);
        return false;
    }
    for (int k = 0; k < a->inputs; k++)
        if (!is_map(name, &a->in[k]))
            return false;
    if (!a->out.data)
        return true;
    if (a->y0 < 0 || a->rows < 0 || a->rows > a->out.rows) {
        si_fault("%s (call %" PRIu64 "): rows %" PRId64 " and %d more in a ring of %d", name,
                 si_call_number(), a->y0, a->rows, a->out.rows);
        return false;
    }
    return is_map(name, &a->out);
}

static cuda_result launch(cuda_function handle, const struct shape *shape, cuda_stream stream,
                          void **parameters, void **extra)
{
    const struct function *f = si_thing_find(SI_FUNCTIONS, handle);
    struct si_stream *s = si_stream_find(stream);
    if (!f || !s || f->thing.device != s->thing.device)
        return ERROR_INVALID_HANDLE;
    if (!parameters || !parameters[0] || extra || !is_allowed(shape, f->shared_bytes) ||
        !makes_sense(shape, f, parameters[0]))
        return CUDA_ERROR_INVALID_VALUE;
    const struct cuda_args *args = parameters[0];
    si_submit(s,
              &(struct si_work){
                  .kind = SI_LAUNCH, .name = f->kernel.name, .run = f->kernel.run, .args = *args});
    return CUDA_SUCCESS;
}

cuda_result cuModuleLoadData(cuda_module *module, const void *image)
{
    CALL(module_load, load(module, image));
}

cuda_result cuModuleUnload(cuda_module module)
{
    CALL(module_unload, unload(module));
}

cuda_result cuModuleGetFunction(cuda_function *function, cuda_module module, const char *name)
{
    CALL(module_function, find(function, module, name));
}

cuda_result cuFuncSetAttribute(cuda_function function, int attribute, int value)
{
    CALL(function_attribute, allow_shared(function, attribute, value));
}

cuda_result cuLaunchKernel(cuda_function function, unsigned grid_x, unsigned grid_y,
                           unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                           unsigned shared_bytes, cuda_stream stream, void **parameters,
                           void **extra)
{
    const struct shape shape = {
        {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes};
    CALL(launch, launch(function, &shape, stream, parameters, extra));
}
