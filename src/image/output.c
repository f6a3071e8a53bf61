/* SPDX-License-Identifier: MIT */
#include "image/output.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

int pq_output_open(const char *path, bool overwrite, bool seeks, struct pq_output *out,
                   pique_error *err)
{
    *out = (struct pq_output){.file.fd = -1, .spool.fd = -1, .overwrite = overwrite};
    int rc = pq_file_create(path, overwrite, &out->file, err);
    if (!rc && seeks && !out->file.temp_path)
        rc = pq_file_temp(&out->spool, err);
    if (rc)
        pq_output_close(out);
    return rc;
}

void pq_output_close(struct pq_output *out)
{
    pq_file_close(&out->file);
    pq_file_close(&out->spool);
    pq_free(out->jxl_container);
    out->jxl_container = NULL;
}

static struct pq_file *written_file(struct pq_output *out)
{
    return out->spool.fd >= 0 ? &out->spool : &out->file;
}

int pq_output_write(struct pq_output *out, const void *data, size_t size, pique_error *err)
{
    pique_error failure = {0};
    int rc = out->io.code ? out->io.code : pq_file_write(written_file(out), data, size, &failure);
    if (rc) {
        if (!out->io.code)
            out->io = failure;
        if (err)
            *err = out->io;
        return rc;
    }
    out->bytes += size;
    return 0;
}

/* Copy the temporary file to the pipe. */
static int drain_spool(struct pq_output *out, pique_error *err)
{
    enum { CHUNK = 1 << 16 };
    int64_t at;
    int rc = pq_file_seek(&out->spool, 0, SEEK_SET, &at, err);
    char *chunk = pq_malloc(CHUNK);
    if (!rc && !chunk)
        rc = pq_fail_nomem(err, CHUNK);
    out->bytes = 0;
    while (!rc) {
        size_t got;
        rc = pq_file_read(&out->spool, chunk, CHUNK, &got, err);
        if (rc || got == 0)
            break;
        rc = pq_file_write(&out->file, chunk, got, err);
        out->bytes += got;
    }
    pq_free(chunk);
    return rc;
}

int pq_output_commit(struct pq_output *out, uint64_t *bytes, pique_error *err)
{
    int rc = out->spool.fd >= 0 ? drain_spool(out, err) : 0;
    /* A writer that seeks writes some bytes twice, so a file is asked for its size. */
    int64_t size = out->file.temp_path ? pq_file_size(&out->file) : (int64_t)out->bytes;
    if (!rc)
        rc = pq_file_commit(&out->file, out->overwrite, err);
    if (!rc && bytes)
        *bytes = (uint64_t)size;
    return rc;
}

/* ---- libvips ---- */

/* Newer versions of libvips make a container of their own. */
static int begin_jxl(struct pq_output *out, const unsigned char *data, gint64 length)
{
    bool bare = length >= 2 && data[0] == 0xff && data[1] == 0x0a;
    if (!out->jxl_container || out->bytes || !bare)
        return 0;
    return pq_output_write(out, out->jxl_container, out->jxl_container_size, NULL);
}

static gint64 on_write(VipsTargetCustom *target, const void *data, gint64 length, gpointer user)
{
    if (begin_jxl(user, data, length))
        return -1;
    return pq_output_write(user, data, (size_t)length, NULL) ? -1 : length;
}

static gint64 on_read(VipsTargetCustom *target, void *data, gint64 length, gpointer user)
{
    struct pq_output *out = user;
    size_t got;
    /* As the end of the file; out->io remembers what it was (input.c says why). */
    if (out->io.code || pq_file_read(written_file(out), data, (size_t)length, &got, &out->io))
        return 0;
    return (gint64)got;
}

static gint64 on_seek(VipsTargetCustom *target, gint64 offset, int whence, gpointer user)
{
    struct pq_output *out = user;
    int64_t at;
    /* libvips asks a pipe too, to learn that it is one. */
    return pq_file_seek(written_file(out), offset, whence, &at, NULL) ? -1 : (gint64)at;
}

VipsTarget *pq_output_target(struct pq_output *out)
{
    VipsTargetCustom *target = vips_target_custom_new();
    g_signal_connect(target, "write", G_CALLBACK(on_write), out);
    g_signal_connect(target, "read", G_CALLBACK(on_read), out);
    g_signal_connect(target, "seek", G_CALLBACK(on_seek), out);
    return VIPS_TARGET(target);
}
