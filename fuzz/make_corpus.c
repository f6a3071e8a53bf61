/* SPDX-License-Identifier: MIT */
/* make-corpus SAFETENSORS_FOLDER NCNN_FOLDER: small sound models for the fuzzers to start from. */
#include <stdio.h>

#include "make_model.h"

enum { MADE = 12 };

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
    for (int i = 0; i < MADE; i++) {
        const struct maker m = maker_of_series(i, MADE);
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
