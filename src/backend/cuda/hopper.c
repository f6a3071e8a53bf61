/* SPDX-License-Identifier: MIT */
#include "backend/cuda/hopper.h"

#include <pthread.h>
#include <string.h>

#include "backend/cuda/hopper_trial.h"
#include "backend/cuda/kernels/block.h"
#include "backend/cuda/kernels/strip.h"
#include "backend/cuda/kernels/table.h"
#include "base/lang.h"

enum { TAPS = CUDA_STRIP_K * CUDA_STRIP_K };

/* ---- which ---- */

/* Whether what is written shuffled is so by these kernels: as 4 x 4 pixels of 3 channels, in
 * halves, with nothing added but a picture. */
static bool fits_shuffled(const struct pq_graph *graph, const struct cuda_step *steps, int i)
{
    int writer = i;
    while (writer < graph->count && (steps[writer].skipped || steps[writer].conv != i))
        writer++;
    if (writer == graph->count || steps[writer].type != PQ_F16 || graph->ops[i].residual)
        return false;
    const struct pq_op *shuffle = &graph->ops[steps[writer].shuffle];
    return shuffle->factor == CUDA_STRIP_SHUFFLE && shuffle->channels == CUDA_STRIP_COLOURS &&
           !shuffle->by_place;
}

/* 64 channels of one map, to as many, or to so many of a last 64 that few products are lost. */
static bool fits(const struct pq_graph *graph, const struct cuda_step *steps, int i)
{
    const struct pq_op *op = &graph->ops[i];
    if (!steps[i].tiled || op->ver.kernel != CUDA_STRIP_K || op->hor.kernel != CUDA_STRIP_K ||
        op->inputs - op->residual != 1)
        return false;
    if (steps[i].skipped ? !fits_shuffled(graph, steps, i) : steps[i].type != PQ_F16)
        return false;
    const int from = op->in[0], last = op->channels % CUDA_STRIP_C;
    if (graph->ops[from].channels != CUDA_STRIP_C || steps[from].type != PQ_F16)
        return false;
    if (op->residual) /* it is read in units of 16 bytes */
        return last == 0 && steps[op->in[op->inputs - 1]].type == PQ_F16;
    return last == 0 || last >= 48;
}

/* ---- weights ---- */

size_t cuda_strip_weights_floats(const struct pq_op *op)
{
    return (size_t)cuda_strip_groups(op->channels) * CUDA_STRIP_C * CUDA_STRIP_C * TAPS / 2;
}

/* As the registers of the first operand (kernels/warpgroup.h): [64 channels][step][thread][8]. */
void cuda_strip_weights(const struct pq_op *op, float *to)
{
    uint16_t *halves = (uint16_t *)(void *)to;
    float row[TAPS];
    for (int o = 0; o < op->channels; o++) {
        for (int c = 0; c < CUDA_STRIP_C; c++) {
            const int m = o % CUDA_STRIP_C, k = c % 16, sixteen = c / 16;
            const int thread = m / 16 * CUDA_WARP + m % 8 * 4 + k % 8 / 2;
            const int which = (m % 16 / 8 + k / 8 * 2) * 2 + k % 2;
            pq_tensor_to_f32(&op->weight, ((size_t)o * CUDA_STRIP_C + (size_t)c) * TAPS, TAPS, row);
            for (int tap = 0; tap < TAPS; tap++) {
                const int step = tap * (CUDA_STRIP_C / 16) + sixteen;
                const int at =
                    ((o / CUDA_STRIP_C * CUDA_STRIP_STEPS + step) * CUDA_STRIP_GROUP + thread) * 8 +
                    which;
                halves[at] = cuda_half_bits(PQ_F16, row[tap]);
            }
        }
    }
}

/* ---- the choice ---- */

static bool has_strips(const struct cuda_program *program)
{
    const struct cuda_driver *d = program->driver;
    int major = 0, minor = 0;
    return d->device_attribute(&major, CUDA_ATTRIBUTE_MAJOR, program->device) == CUDA_SUCCESS &&
           d->device_attribute(&minor, CUDA_ATTRIBUTE_MINOR, program->device) == CUDA_SUCCESS &&
           major == 9 && minor == 0;
}

static bool any_fits(const struct cuda_program *program)
{
    for (int i = 0; i < program->base.graph->count; i++) {
        if (fits(program->base.graph, program->steps, i))
            return true;
    }
    return false;
}

/* What GPUs were right with, by their number; 0: not asked, or not right. */
enum { GPUS = 64 };
static struct {
    pthread_mutex_t lock;
    int kernel[GPUS];
} asked = {.lock = PTHREAD_MUTEX_INITIALIZER};

void cuda_hopper_forget(void)
{
    pthread_mutex_lock(&asked.lock);
    memset(asked.kernel, 0, sizeof asked.kernel);
    pthread_mutex_unlock(&asked.lock);
}

/* The layouts of conv_strip.cu compute the same; which of them a GPU reads is found out. */
static int ask(const struct cuda_program *program, struct pq_log *log, bool *failed)
{
    const char *why = NULL;
    for (int kernel = CUDA_CONV_STRIP; kernel < CUDA_CONV_STRIP + 2; kernel++) {
        bool same;
        const cuda_result r = cuda_hopper_trial(program->driver, program->device, kernel, &same);
        if (!r && same)
            return kernel;
        *failed |= r != CUDA_SUCCESS;
        why = PQ_SAID("they gave other numbers than the ordinary ones");
        if (r && (program->driver->error_string(r, &why) != CUDA_SUCCESS || !why))
            why = PQ_SAID("unknown error");
    }
    pq_log(log, PIQUE_LOG_WARN, "the convolutions for Hopper GPUs are not used: %s", pq_tr(why));
    return 0;
}

static int right_kernel(const struct cuda_program *program, struct pq_log *log, bool *failed)
{
    const bool known = program->device >= 0 && program->device < GPUS;
    pthread_mutex_lock(&asked.lock);
    int kernel = known ? asked.kernel[program->device] : 0;
    if (!kernel)
        kernel = ask(program, log, failed);
    if (known)
        asked.kernel[program->device] = kernel;
    pthread_mutex_unlock(&asked.lock);
    return kernel;
}

bool cuda_choose_strips(struct cuda_program *program, struct pq_log *log)
{
    const struct cuda_driver *d = program->driver;
    bool failed = false;
    if (program->tier != PIQUE_PRECISION_FP16 || !has_strips(program) || !any_fits(program) ||
        d->device_attribute(&program->multiprocessors, CUDA_ATTRIBUTE_MULTIPROCESSORS,
                            program->device) != CUDA_SUCCESS)
        return true;
    program->strip_kernel = right_kernel(program, log, &failed);
    for (int i = 0; i < program->base.graph->count && program->strip_kernel; i++)
        program->steps[i].strip = fits(program->base.graph, program->steps, i);
    return program->strip_kernel || !failed;
}
