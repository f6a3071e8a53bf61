/* SPDX-License-Identifier: MIT */
/* make-corpus SAFETENSORS_FOLDER NCNN_FOLDER: small sound models for the fuzzers to start from. */
#include <stdio.h>

#include "make_model.h"

static void save(const char *folder, int number, const struct bytes *b)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/seed-%d", folder, number);
    bytes_save(b, path);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: make-corpus SAFETENSORS_FOLDER NCNN_FOLDER\n", stderr);
        return 64;
    }
    for (int i = 0; i < 12; i++) {
        struct maker m = {.features = 1 + i % 3,
                          .convs = i % 3,
                          .scale = 1 + i % 4,
                          .channels = i & 1 ? 3 : 1,
                          .seed = (uint64_t)i,
                          .half = i & 2,
                          .leaky = i & 4};
        if (i >= 8) {
            m.blocks = m.growth = 1;
            m.scale = 1 << i % 3;
            m.plus = i == 11;
            m.names = (enum maker_names)(i % 3);
        }
        struct bytes st = {0}, ncnn = {0}, bin = {0};
        make_safetensors(&m, &st);
        make_ncnn(&m, &ncnn, &bin);
        bytes_add(&ncnn, "", 1);
        bytes_add(&ncnn, bin.data, bin.size);
        save(argv[1], i, &st);
        save(argv[2], i, &ncnn);
        bytes_free(&st);
        bytes_free(&ncnn);
        bytes_free(&bin);
    }
    return 0;
}
