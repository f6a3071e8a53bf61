/* SPDX-License-Identifier: MIT */
/* A small network that a test runs: made, opened, and gone from the disk. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "make_model.h"
#include "pique/pique.h"

/* 0, or a status of pique. */
static inline int small_model_open(const struct maker *maker, pique_model **out)
{
    char path[] = "/tmp/pique-model-XXXXXX";
    struct maker m = *maker;
    struct bytes file = {0};
    pique_error err;
    close(mkstemp(path));
    make_safetensors(&m, &file);
    bytes_save(&file, path);
    bytes_free(&file);
    const int rc = pique_model_open(path, out, &err);
    unlink(path);
    if (rc)
        fprintf(stderr, "%s\n", err.message);
    return rc;
}
