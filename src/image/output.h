/* SPDX-License-Identifier: MIT */
/* The file that a picture is written to, as libvips and the PPM writer see it. */
#pragma once

#include <vips/vips.h>

#include "base/file.h"

/* Thread-safety: one writer at a time. */
struct pq_output {
    struct pq_file file;  /* of the name that was asked for */
    struct pq_file spool; /* a temporary file, where the writer seeks and `file` is a pipe; or -1 */
    bool overwrite;
    /* Written before the first bytes where those are a bare JPEG XL codestream; or NULL. */
    unsigned char *jxl_container;
    size_t jxl_container_size;
    uint64_t bytes; /* written to a pipe */
    pique_error io; /* the first failure; code 0: none */
};

int pq_output_open(const char *path, bool overwrite, bool seeks, struct pq_output *out,
                   pique_error *err);
/* Append. The first failure is also kept in out->io. */
int pq_output_write(struct pq_output *out, const void *data, size_t size, pique_error *err);
/* Give the file its name. *bytes is its size. */
int pq_output_commit(struct pq_output *out, uint64_t *bytes, pique_error *err);
/* Close; what was not committed is removed. {-1, -1} is fine. */
void pq_output_close(struct pq_output *out);
/* A target for libvips. `out` must outlive it. */
VipsTarget *pq_output_target(struct pq_output *out);
