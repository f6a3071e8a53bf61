/* SPDX-License-Identifier: MIT */
#include "image/input.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* Read until `size` bytes are there or the file ends. */
static int read_all(struct pq_file *f, unsigned char *data, size_t size, size_t *got,
                    pique_error *err)
{
    *got = 0;
    while (*got < size) {
        size_t n;
        int rc = pq_file_read(f, data + *got, size - *got, &n, err);
        if (rc)
            return rc;
        if (n == 0)
            break;
        *got += n;
    }
    return 0;
}

static int recognise(struct pq_input *in, const unsigned char *head, size_t n, pique_error *err)
{
    if (n == 0)
        return pq_fail(err, PIQUE_EFORMAT, "%s: the file is empty", in->name);
    in->kind = pq_sniff(head, n);
    if (in->kind == PQ_KIND_UNKNOWN)
        return pq_fail(err, PIQUE_EFORMAT, "%s: not a picture that pique can read", in->name);
    return 0;
}

/* Copy what comes through the pipe, after the n bytes in head, to a temporary file. */
static int spool(struct pq_input *in, const unsigned char *head, size_t n, pique_error *err)
{
    enum { CHUNK = 1 << 18 };
    struct pq_file temp;
    int rc = pq_file_temp(&temp, err);
    if (rc)
        return rc;
    unsigned char *chunk = pq_malloc(CHUNK);
    if (!chunk)
        rc = pq_fail_nomem(err, CHUNK);
    else
        rc = pq_file_write(&temp, head, n, err);
    in->size = (int64_t)n;
    while (!rc) {
        size_t got;
        rc = pq_file_read(&in->file, chunk, CHUNK, &got, err);
        if (rc || got == 0)
            break;
        rc = pq_file_write(&temp, chunk, got, err);
        in->size += (int64_t)got;
    }
    pq_free(chunk);
    if (rc) {
        pq_file_close(&temp);
        return rc;
    }
    pq_file_close(&in->file);
    in->file = temp;
    return 0;
}

int pq_input_open(const char *path, struct pq_input *in, pique_error *err)
{
    *in = (struct pq_input){.file.fd = -1};
    int rc = pq_file_open(path, &in->file, err);
    if (rc)
        return rc;
    unsigned char head[PQ_SNIFF_BYTES];
    size_t n = 0;
    in->name = pq_strdup(in->file.path);
    rc = in->name ? read_all(&in->file, head, sizeof head, &n, err) : pq_fail_nomem(err, 64);
    /* Recognised before it is copied: an endless pipe of something else must not fill the disk. */
    if (!rc)
        rc = recognise(in, head, n, err);
    if (!rc) {
        in->size = pq_file_size(&in->file);
        /* A redirected standard input may begin in the middle of its file, so it is copied too. */
        if (in->size < 0 || !in->file.owns_fd)
            rc = spool(in, head, n, err);
    }
    if (rc)
        pq_input_close(in);
    return rc;
}

void pq_input_close(struct pq_input *in)
{
    pq_file_close(&in->file);
    pq_free(in->name);
    pq_free(in->bytes);
    *in = (struct pq_input){.file.fd = -1};
}

/* A failure looks like the end of the file: libtiff 4.5 writes before its buffer where a read
 * returns -1. in->io remembers it, so no picture that came of it is delivered. And the file ends
 * where it ended when it was opened: libvips 8.14 may ask for more than its buffer holds. */
static gint64 on_read(VipsSourceCustom *source, void *data, gint64 length, gpointer user)
{
    struct pq_input *in = user;
    size_t got;
    length = PQ_MIN(length, in->size - in->at);
    if (length <= 0 || in->io.code || pq_file_read(&in->file, data, (size_t)length, &got, &in->io))
        return 0;
    in->at += (int64_t)got;
    return (gint64)got;
}

static gint64 on_seek(VipsSourceCustom *source, gint64 offset, int whence, gpointer user)
{
    struct pq_input *in = user;
    int64_t base = whence == SEEK_END ? in->size : whence == SEEK_CUR ? in->at : 0, to;
    /* A damaged file may name any position; a refusal is its own fault, and libvips says so. */
    if (__builtin_add_overflow(base, (int64_t)offset, &to) || to < 0 ||
        pq_file_seek(&in->file, to, SEEK_SET, &in->at, NULL))
        return -1;
    return in->at;
}

/* libheif aborts the process where a read fails, so it gets the whole file in memory. */
static VipsSource *source_in_memory(struct pq_input *in)
{
    enum { LIMIT = 1 << 30 };
    size_t got, size = (size_t)in->size;
    if (in->bytes)
        return vips_source_new_from_memory(in->bytes, size);
    in->bytes = in->size <= LIMIT ? pq_malloc(size) : NULL;
    if (!in->bytes) {
        pq_fail(&in->io, PIQUE_ENOMEM, "%s: %" PRId64 " bytes do not fit into memory", in->name,
                in->size);
        return NULL;
    }
    if (read_all(&in->file, in->bytes, size, &got, &in->io) == 0 && got < size)
        pq_fail(&in->io, PIQUE_EIO, "%s: the file became shorter while it was read", in->name);
    if (in->io.code) {
        pq_free(in->bytes);
        in->bytes = NULL;
        return NULL;
    }
    return vips_source_new_from_memory(in->bytes, size);
}

VipsSource *pq_input_source(struct pq_input *in)
{
    in->io = (pique_error){0};
    if (pq_file_seek(&in->file, 0, SEEK_SET, &in->at, &in->io))
        return NULL;
    if (in->kind == PQ_KIND_HEIF || in->kind == PQ_KIND_AVIF)
        return source_in_memory(in);
    VipsSourceCustom *source = vips_source_custom_new();
    g_signal_connect(source, "read", G_CALLBACK(on_read), in);
    g_signal_connect(source, "seek", G_CALLBACK(on_seek), in);
    return VIPS_SOURCE(source);
}
