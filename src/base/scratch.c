/* SPDX-License-Identifier: MIT */
#include "base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/lang.h"
#include "base/str.h"

static int fail(const char *folder, size_t bytes, int error, pique_error *err)
{
    char text[128];
    return pq_fail(err, error == ENOMEM ? PIQUE_ENOMEM : PIQUE_ENOSPC,
                   "%s: a scratch file of %zu MiB cannot be made: %s; TMPDIR names another folder",
                   folder, (bytes >> 20) + 1, pq_tr(strerror_r(error, text, sizeof text)));
}

static int open_unnamed(const char *folder, int *fd)
{
    char *path = pq_asprintf("%s/pique.XXXXXX", folder);
    if (!path)
        return ENOMEM;
    *fd = pq_fault(PQ_FAULT_OPEN) ? -1 : mkostemp(path, O_CLOEXEC);
    int error = *fd < 0 ? errno : 0;
    if (!error)
        unlink(path);
    pq_free(path);
    return error;
}

static int take_space(int fd, size_t bytes)
{
    if (pq_fault(PQ_FAULT_WRITE))
        return errno;
    int error;
    do {
        error = posix_fallocate(fd, 0, (off_t)bytes);
    } while (error == EINTR);
    return error;
}

int pq_scratch_open(size_t bytes, struct pq_scratch *out, pique_error *err)
{
    *out = (struct pq_scratch){0};
    const char *folder = getenv("TMPDIR");
    folder = folder && *folder ? folder : "/var/tmp";
    int fd = -1, error = open_unnamed(folder, &fd);
    if (!error)
        error = take_space(fd, bytes);
    if (!error) {
        void *data = pq_fault(PQ_FAULT_READ)
                         ? MAP_FAILED
                         : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED)
            error = errno;
        else
            *out = (struct pq_scratch){data, bytes};
    }
    if (fd >= 0)
        close(fd); /* the map keeps the file */
    return error ? fail(folder, bytes, error, err) : 0;
}

void pq_scratch_close(struct pq_scratch *s)
{
    if (s->data)
        munmap(s->data, s->bytes);
    *s = (struct pq_scratch){0};
}
