/* SPDX-License-Identifier: MIT */
/* make-model OUT.{safetensors,param} FEATURES CONVS SCALE SEED [CHANNELS]: a small Compact model
 * with random weights; with the word rrdb before OUT an ESRGAN model of CONVS blocks, whose growth
 * is half of FEATURES. For a .param the .bin, with f16 weights, goes beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make_model.h"

static int usage(void)
{
    fputs("usage: make-model [rrdb] OUT.{safetensors,param} FEATURES CONVS SCALE SEED [CHANNELS]\n",
          stderr);
    return 64;
}

static bool ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return n > k && strcmp(s + n - k, suffix) == 0;
}

int main(int argc, char **argv)
{
    const bool rrdb = argc > 1 && strcmp(argv[1], "rrdb") == 0;
    argc -= rrdb;
    argv += rrdb;
    if (argc < 6 || argc > 7)
        return usage();
    struct maker m = {.features = atoi(argv[2]),
                      .convs = atoi(argv[3]),
                      .scale = atoi(argv[4]),
                      .seed = strtoull(argv[5], NULL, 10),
                      .channels = argc == 7 ? atoi(argv[6]) : 3};
    if (m.features < 1 || m.features > 4096 || m.convs < 0 || m.convs > 900 || m.scale < 1 ||
        m.scale > 16 || m.channels < 1 || m.channels > 4)
        return usage();
    if (rrdb) {
        if (m.convs < 1 || m.convs > 100 || m.scale & (m.scale - 1))
            return usage();
        m.blocks = m.convs;
        m.growth = (m.features + 1) / 2;
        m.names = NAMES_BASICSR;
    }
    struct bytes first = {0}, second = {0};
    char *bin = NULL;
    if (ends_with(argv[1], ".safetensors")) {
        make_safetensors(&m, &first);
    } else if (ends_with(argv[1], ".param")) {
        m.half = true;
        make_ncnn(&m, &first, &second);
        bin = strdup(argv[1]);
        if (!bin)
            return 1;
        strcpy(bin + strlen(bin) - strlen(".param"), ".bin");
        bytes_save(&second, bin);
    } else {
        return usage();
    }
    bytes_save(&first, argv[1]);
    bytes_free(&first);
    bytes_free(&second);
    free(bin);
    return 0;
}
