/* SPDX-License-Identifier: MIT */
/* export-ops FOLDER SEEDS: the networks of tests/model/op_nets.h as ONNX files, each with a
 * picture, NAME.in, and what pique makes of it, NAME.got: float32 planes. A line "NAME CHANNELS
 * HEIGHT WIDTH" is printed for each. */
#include <stdio.h>

#include "../model/op_nets.h"
#include "model/save.h"

static FILE *create(const char *folder, const char *name, const char *end)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", folder, name, end);
    FILE *f = fopen(path, "wb");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

/* pixels x channels -> channels x pixels */
static void write_planes(FILE *f, const float *data, size_t pixels, size_t channels)
{
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < pixels; i++)
            fwrite(&data[i * channels + c], sizeof *data, 1, f);
    }
    if (fclose(f)) {
        perror("export-ops");
        exit(1);
    }
}

static void export(const char *folder, size_t which, int seed)
{
    char name[64], path[4096], source[] = "random.pth";
    struct op_net n = op_net_make(which, (uint64_t)seed);
    struct rng r = {(uint64_t)seed};
    const struct pq_graph *g = n.net.graph;
    const struct pq_geometry geometry = {1, n.width, n.height, n.height};
    const struct pq_statedict sd = {.map.path = source};
    const struct pq_saving saving = {.sd = &sd, .graph = g};
    pique_error err = {0};
    int width, height, rc;
    snprintf(name, sizeof name, "%s-%d", op_nets[which].name, seed);
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    if (pq_save(&saving, path, true, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    float *in = net_picture(&r, &geometry, g->ops[0].channels);
    float *out = net_run(g, "cpu", 1, &geometry, in, &width, &height, &rc);
    if (rc)
        exit(1);
    const size_t pixels = (size_t)n.width * (size_t)n.height;
    write_planes(create(folder, name, ".in"), in, pixels, (size_t)g->ops[0].channels);
    write_planes(create(folder, name, ".got"), out, (size_t)width * (size_t)height,
                 (size_t)g->ops[g->output].channels);
    printf("%s %d %d %d\n", name, g->ops[0].channels, n.height, n.width);
    free(in);
    free(out);
    net_free(&n.net);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: export-ops FOLDER SEEDS\n", stderr);
        return 64;
    }
    for (size_t which = 0; which < PQ_COUNT(op_nets); which++) {
        for (int seed = 1; seed <= atoi(argv[2]); seed++)
            export(argv[1], which, seed);
    }
    return 0;
}
