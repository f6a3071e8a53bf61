/* SPDX-License-Identifier: MIT */
/* pique as a worker of bench/peers.py:
 *
 *     peer-pique MODEL WIDTH HEIGHT PLANES THREADS DEVICE TIER
 *
 * PLANES are three of float32. TIER is a number of enum pique_precision. */
#include "worker.h"

#include "pique/pique.h"

struct state {
    pique_engine *engine;
    int width, height, out_width, out_height, threads;
    float *in, *out; /* interleaved */
};

static void run(void *user)
{
    struct state *s = user;
    pique_error err;
    const ptrdiff_t in_row = (ptrdiff_t)s->width * 3 * (ptrdiff_t)sizeof(float);
    const ptrdiff_t out_row = (ptrdiff_t)s->out_width * 3 * (ptrdiff_t)sizeof(float);
    const pique_rows in = {s->in, in_row, in_row * s->height, PIQUE_SAMPLE_F32};
    const pique_rows out = {s->out, out_row, out_row * s->out_height, PIQUE_SAMPLE_F32};
    if (pique_batch_run(s->engine, 1, s->width, s->height, &in, &out, &err))
        stop(err.message);
}

static void save(void *user, FILE *f)
{
    const struct state *s = user;
    const size_t pixels = (size_t)s->out_width * (size_t)s->out_height;
    float *plane = floats(pixels);
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < pixels; i++)
            plane[i] = s->out[i * 3 + c];
        fwrite(plane, sizeof *plane, pixels, f);
    }
    free(plane);
}

static double peak(void *user)
{
    const struct state *s = user;
    pique_error err;
    double flops;
    if (pique_cpu_peak(s->threads, 0.1, &flops, &err))
        stop(err.message);
    return flops;
}

int main(int argc, char **argv)
{
    struct state s = {0};
    pique_error err;
    pique_model *model;
    char version[200];
    if (argc != 8)
        stop("usage: peer-pique MODEL WIDTH HEIGHT PLANES THREADS DEVICE TIER");
    s.width = atoi(argv[2]);
    s.height = atoi(argv[3]);
    s.threads = atoi(argv[5]);
    const pique_engine_options options = {.size = sizeof options,
                                          .threads = s.threads,
                                          .device = argv[6],
                                          .precision = (enum pique_precision)atoi(argv[7])};
    if (pique_model_open(argv[1], &model, &err) ||
        pique_engine_open(model, &options, &s.engine, &err) ||
        pique_batch_begin(s.engine, 1, s.width, s.height, &err))
        stop(err.message);
    pique_batch_output_size(s.engine, &s.out_width, &s.out_height);
    const size_t pixels = (size_t)s.width * (size_t)s.height;
    float *planes = read_floats(argv[4], pixels * 3);
    s.in = floats(pixels * 3);
    for (size_t i = 0; i < pixels * 3; i++)
        s.in[i] = planes[i % 3 * pixels + i / 3];
    free(planes);
    s.out = floats((size_t)s.out_width * (size_t)s.out_height * 3);
    snprintf(version, sizeof version, "pique %s, %s", pique_version(),
             pique_engine_numeric_key(s.engine));
    serve(&(struct worker){run, save, peak, &s}, version);
    pique_engine_close(&s.engine);
    pique_model_close(&model);
    free(s.in);
    free(s.out);
    return 0;
}
