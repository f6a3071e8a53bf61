/* SPDX-License-Identifier: MIT */
/* A picture module that can do nothing, to be found by test_module.c. VERSION: what it claims. */
#include "upscale/module.h"

#ifndef VERSION
#define VERSION PQ_PICTURE_IO_VERSION
#endif

pq_picture_module_fn pique_picture_module;

__attribute__((visibility("default"))) const struct pq_picture_io *pique_picture_module(void)
{
    static const struct pq_picture_io io = {.version = VERSION};
    return &io;
}
