/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/folder.h"
#include "base/lang.h"
#include "base/str.h"

static int open_fd(const char *path, int flags, mode_t mode)
{
    return pq_fault(PQ_FAULT_OPEN) ? -1 : open(path, flags | O_CLOEXEC, mode);
}

void pq_hold_standard_streams(void)
{
    static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < (int)PQ_COUNT(flags); fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", flags[fd]); /* the lowest number that is free: fd */
    }
}

/* ---- opening ---- */

static int open_reading(const char *path, int flags, struct pq_file *f, pique_error *err)
{
    bool pipe = strcmp(path, "-") == 0;
    *f = (struct pq_file){.fd = -1, .owns_fd = !pipe};
    f->path = pq_strdup(pipe ? pq_tr("standard input") : path);
    if (!f->path)
        return pq_fail_nomem(err, strlen(path) + 1);
    f->fd = pipe ? STDIN_FILENO : open_fd(path, O_RDONLY | flags, 0);
    if (f->fd < 0) {
        int rc = pq_fail_errno(err, errno, path, "be opened");
        /* Not to be allowed to read is trouble with an input, not with creating an output. */
        if (rc == PIQUE_ECREATE)
            rc = err ? (err->code = PIQUE_EIO) : PIQUE_EIO;
        pq_file_close(f);
        return rc;
    }
    struct stat st;
    if (fstat(f->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        pq_file_close(f);
        return pq_fail(err, PIQUE_EFORMAT, "%s: is a folder, not a file", path);
    }
    return 0;
}

int pq_file_open(const char *path, struct pq_file *f, pique_error *err)
{
    return open_reading(path, 0, f, err);
}

/* ---- maps ---- */

/* What is no regular file is refused; f is open and stays so. */
static int map_file(const struct pq_file *f, bool one_name, struct pq_map *map, pique_error *err)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return pq_fail_errno(err, errno, f->path, "be read");
    if (!S_ISREG(st.st_mode))
        return pq_fail(err, PIQUE_EFORMAT, "%s: not a regular file", f->path);
    if (one_name && st.st_nlink != 1)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: has another name (a hard link), which is not allowed for a file that "
                       "another one names; copy it",
                       f->path);
    map->path = pq_strdup(f->path);
    if (!map->path)
        return pq_fail_nomem(err, strlen(f->path) + 1);
    map->size = (size_t)st.st_size;
    if (map->size == 0)
        return 0;
    void *data = pq_fault(PQ_FAULT_READ) ? MAP_FAILED
                                         : mmap(NULL, map->size, PROT_READ, MAP_PRIVATE, f->fd, 0);
    if (data != MAP_FAILED) {
        map->data = data;
        return 0;
    }
    int rc = pq_fail_errno(err, errno, f->path, "be read");
    pq_free(map->path);
    *map = (struct pq_map){0};
    return rc;
}

int pq_map_open(const char *path, struct pq_map *map, pique_error *err)
{
    *map = (struct pq_map){0};
    struct pq_file f;
    /* What is no regular file is refused; a named pipe would make us wait for a writer. */
    int rc = open_reading(path, O_NONBLOCK, &f, err);
    if (!rc)
        rc = map_file(&f, false, map, err);
    pq_file_close(&f);
    return rc;
}

/* Part by part, for a kernel that cannot be asked for all of it. */
static int walk_beneath(int folder, const char *path)
{
    char part[NAME_MAX + 1];
    int at = -1;
    for (;;) {
        const size_t n = strcspn(path, "/");
        if (n == 0 || n > NAME_MAX) {
            errno = ENOENT;
            break;
        }
        memcpy(part, path, n);
        part[n] = '\0';
        if (strcmp(part, "..") == 0) {
            errno = EXDEV;
            break;
        }
        const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY;
        const int next = openat(at < 0 ? folder : at, part, flags | (path[n] ? O_DIRECTORY : 0));
        if (at >= 0)
            close(at);
        at = next;
        if (at < 0 || !path[n])
            return at;
        path += n + 1;
    }
    const int why = errno;
    if (at >= 0)
        close(at);
    errno = why;
    return -1;
}

/* A path below a folder that is open. A kernel before 5.6, and a sandbox, may not have openat2().
 */
static int open_beneath(int folder, const char *name)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY;
    if (pq_fault(PQ_FAULT_OPEN))
        return -1;
#ifdef SYS_openat2
    const struct open_how how = {
        .flags = (uint64_t)flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    const long fd = syscall(SYS_openat2, folder, name, &how, sizeof how);
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
        return (int)fd;
#endif
    return walk_beneath(folder, name);
}

int pq_map_open_beside(const char *path, const char *name, struct pq_map *map, pique_error *err)
{
    *map = (struct pq_map){0};
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return pq_fail(err, PIQUE_EFORMAT, "%s: names a file that is not beside it", path);
    const char *slash = strrchr(path, '/');
    const int length = slash ? (int)(slash + 1 - path) : 0;
    char *folder = length ? pq_strndup(path, (size_t)length) : pq_strdup(".");
    struct pq_file f = {.fd = -1, .owns_fd = true};
    f.path = pq_asprintf("%.*s%s", length, path, name);
    int rc = 0, at = -1;
    if (!folder || !f.path) {
        rc = pq_fail_nomem(err, strlen(path) + strlen(name));
        goto out;
    }
    at = open_fd(folder, O_RDONLY | O_DIRECTORY, 0);
    if (at >= 0)
        f.fd = open_beneath(at, name);
    if (f.fd < 0 && (errno == ELOOP || errno == EXDEV)) {
        rc = pq_fail(err, PIQUE_EFORMAT,
                     "%s: is a link, which is not allowed for a file that another one names",
                     f.path);
    } else if (f.fd < 0) {
        rc = pq_fail_errno(err, errno, f.path, "be opened");
        if (rc == PIQUE_ECREATE)
            rc = err ? (err->code = PIQUE_EIO) : PIQUE_EIO;
    } else {
        rc = map_file(&f, true, map, err);
    }
out:
    if (at >= 0)
        close(at);
    pq_file_close(&f);
    pq_free(folder);
    return rc;
}

void pq_map_rest(const struct pq_map *map)
{
    if (map->data)
        madvise((void *)map->data, map->size, MADV_DONTNEED);
}

void pq_map_close(struct pq_map *map)
{
    if (map->data)
        munmap((void *)map->data, map->size);
    pq_free(map->path);
    *map = (struct pq_map){0};
}

int pq_open_below(const char *folder, const char *path)
{
    const int at = open_fd(folder, O_RDONLY | O_DIRECTORY, 0);
    if (at < 0 || !*path)
        return at;
    const int fd = open_beneath(at, path), why = errno;
    close(at);
    errno = why;
    return fd;
}

int pq_file_open_below(const char *folder, const char *path, struct pq_file *f, pique_error *err)
{
    *f = (struct pq_file){.fd = -1, .owns_fd = true};
    f->path = pq_asprintf("%s/%s", folder, path);
    if (!f->path)
        return pq_fail_nomem(err, strlen(folder) + strlen(path));
    int rc = 0;
    f->fd = pq_open_below(folder, path);
    if (f->fd < 0)
        rc = pq_fail_errno(err, errno, f->path, "be opened");
    else if (pq_file_size(f) < 0)
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: not a regular file", f->path);
    if (rc)
        pq_file_close(f);
    return rc;
}

/* ---- reading ---- */

int pq_file_read(struct pq_file *f, void *data, size_t size, size_t *got, pique_error *err)
{
    ssize_t n;
    *got = 0;
    do {
        n = pq_fault(PQ_FAULT_READ) ? -1 : read(f->fd, data, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        int rc = pq_fail_errno(err, errno, f->path, "be read");
        return rc == PIQUE_ENOMEM ? rc : (err ? (err->code = PIQUE_EIO) : PIQUE_EIO);
    }
    *got = (size_t)n;
    return 0;
}

int pq_file_seek(struct pq_file *f, int64_t offset, int whence, int64_t *at, pique_error *err)
{
    off_t now = lseek(f->fd, (off_t)offset, whence);
    if (now < 0)
        return pq_fail_errno(err, errno, f->path, "be positioned");
    *at = (int64_t)now;
    return 0;
}

int64_t pq_file_size(const struct pq_file *f)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return -1;
    return (int64_t)st.st_size;
}

/* ---- writing ---- */

enum { RANDOM_LETTERS = 6, STEM_BYTES = 200 };
static const char temp_end[] = ".part";

/* What a temporary name keeps of the real one, so that it is no longer than a name may be. */
static void temp_stem(const char *name, char stem[STEM_BYTES + 1])
{
    snprintf(stem, STEM_BYTES + 1, "%s", name);
    pq_utf8_trim(stem);
}

/* "folder/name" -> "folder/.name.a2b3c4.part" */
static char *temp_name(const char *path)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567"; /* 32 of them */
    unsigned char bytes[RANDOM_LETTERS] = {0};
    char random[RANDOM_LETTERS + 1] = "", stem[STEM_BYTES + 1];
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    (void)!getrandom(bytes, sizeof bytes, 0); /* only against collisions; O_EXCL keeps us safe */
    for (int i = 0; i < RANDOM_LETTERS; i++)
        random[i] = letters[bytes[i] % 32];
    temp_stem(path + folder, stem);
    return pq_asprintf("%.*s.%s.%s%s", folder, path, stem, random, temp_end);
}

bool pq_file_is_temp_of(const char *entry, const char *name)
{
    char stem[STEM_BYTES + 1];
    temp_stem(name, stem);
    size_t n = strlen(stem);
    return strlen(entry) == 1 + n + 1 + RANDOM_LETTERS + strlen(temp_end) && entry[0] == '.' &&
           memcmp(entry + 1, stem, n) == 0 && entry[1 + n] == '.' && pq_ends_with(entry, temp_end);
}

/* A new file beside path, which nobody else has. Not mkstemp(), whose file only we may read: then
 * its mode would have to be changed to what the umask and the folder say, and a program with
 * threads cannot ask for its umask without changing it for all of them. */
static int open_temp(const char *path, mode_t mode, char **temp)
{
    enum { TRIES = 100 };
    for (int i = 0; i < TRIES; i++) {
        *temp = temp_name(path);
        if (!*temp) {
            errno = ENOMEM;
            return -1;
        }
        int fd = open_fd(*temp, O_RDWR | O_CREAT | O_EXCL, mode);
        if (fd >= 0)
            return fd;
        int why = errno;
        pq_free(*temp);
        *temp = NULL;
        errno = why;
        if (why != EEXIST)
            return -1;
    }
    return -1;
}

static int refuse_existing(const char *path, bool overwrite, pique_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) /* too long a name is known before all the work */
        return errno == ENAMETOOLONG ? pq_fail_errno(err, errno, path, "be created") : 0;
    if (!overwrite)
        return pq_fail(err, PIQUE_EEXIST, "%s: exists already", path);
    if (S_ISDIR(st.st_mode))
        return pq_fail(err, PIQUE_ECREATE, "%s: is a folder", path);
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return pq_fail(err, PIQUE_ECREATE, "%s: is not a regular file", path);
    return 0;
}

static int create(const char *path, bool overwrite, mode_t mode, struct pq_file *f,
                  pique_error *err)
{
    *f = (struct pq_file){.fd = -1, .owns_fd = true};
    bool pipe = strcmp(path, "-") == 0;
    int rc = pipe ? 0 : refuse_existing(path, overwrite, err);
    if (rc)
        return rc;
    f->path = pq_strdup(pipe ? pq_tr("standard output") : path);
    if (!f->path)
        return pq_fail_nomem(err, strlen(path) + 1);
    if (pipe) {
        f->fd = STDOUT_FILENO;
        f->owns_fd = false;
        return 0;
    }
    f->fd = open_temp(path, mode, &f->temp_path);
    if (f->fd < 0) {
        rc = pq_fail_errno(err, errno, path, "be created");
        if (rc == PIQUE_ENOENT) {
            rc = pq_fail(err, PIQUE_ECREATE, "%s: cannot be created: its folder does not exist",
                         path);
        }
        pq_file_close(f);
        return rc;
    }
    return 0;
}

int pq_file_create(const char *path, bool overwrite, struct pq_file *f, pique_error *err)
{
    return create(path, overwrite, 0666, f, err);
}

int pq_file_create_private(const char *path, struct pq_file *f, pique_error *err)
{
    return create(path, true, 0600, f, err);
}

int pq_file_resume(const char *part, const char *path, bool anew, struct pq_file *f, int64_t *at,
                   pique_error *err)
{
    *f = (struct pq_file){.fd = -1, .owns_fd = true, .keeps_temp = true};
    *at = 0;
    f->path = pq_strdup(path);
    f->temp_path = pq_strdup(part);
    int rc = f->path && f->temp_path ? 0 : pq_fail_nomem(err, strlen(part) + strlen(path));
    if (rc)
        goto out;
    f->fd = open_fd(part, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (f->fd < 0 || (anew && ftruncate(f->fd, 0) != 0)) {
        rc = pq_fail_errno(err, errno, part, "be created");
        goto out;
    }
    if (pq_file_size(f) < 0)
        rc = pq_fail(err, PIQUE_ECREATE, "%s: is not a regular file", part);
    else
        rc = pq_file_seek(f, 0, SEEK_END, at, err);
out:
    if (rc)
        pq_file_close(f);
    return rc;
}

int pq_file_cut(struct pq_file *f, int64_t bytes, pique_error *err)
{
    int64_t at;
    if (pq_fault(PQ_FAULT_WRITE) || ftruncate(f->fd, bytes) != 0)
        return pq_fail_errno(err, errno, f->path, "be cut");
    return pq_file_seek(f, bytes, SEEK_SET, &at, err);
}

int pq_file_temp(struct pq_file *f, pique_error *err)
{
    *f = (struct pq_file){.fd = -1, .owns_fd = true};
    const char *folder = getenv("TMPDIR");
    char *temp = pq_asprintf("%s/pique.XXXXXX", folder && *folder ? folder : "/tmp");
    f->path = temp ? pq_strdup(pq_tr("temporary file")) : NULL;
    if (!f->path) {
        pq_free(temp);
        return pq_fail_nomem(err, 64);
    }
    f->fd = pq_fault(PQ_FAULT_OPEN) ? -1 : mkostemp(temp, O_CLOEXEC);
    int rc = f->fd < 0 ? pq_fail_errno(err, errno, temp, "be created") : 0;
    if (rc)
        pq_file_close(f);
    else
        unlink(temp);
    pq_free(temp);
    return rc;
}

int pq_file_write(struct pq_file *f, const void *data, size_t size, pique_error *err)
{
    const char *p = data;
    while (size) {
        const bool fault = pq_fault(PQ_FAULT_WRITE);
        /* An error of 0 is a write that takes only some of it. */
        const bool some = fault && errno == 0;
        ssize_t n = fault && !some ? -1 : write(f->fd, p, some ? (size + 1) / 2 : size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* a file takes some bytes or says why not; do not wait for ever */
            return pq_fail_errno(err, n < 0 ? errno : EIO, f->path, "be written");
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int pq_file_sync(struct pq_file *f, pique_error *err)
{
    if (pq_fault(PQ_FAULT_SYNC) || fsync(f->fd) != 0)
        return pq_fail_errno(err, errno, f->path, "be synced to disk");
    return 0;
}

/* Make the rename itself durable. */
static void sync_folder_of(const char *path)
{
    char *folder = pq_folder_of(path);
    if (folder)
        pq_folder_sync(folder);
    pq_free(folder);
}

/* Give a file or folder a name that nothing has, where the file system has no RENAME_NOREPLACE. */
static int rename_new(const char *from, const char *to)
{
    struct stat st;
    if (lstat(from, &st) != 0)
        return -1;
    const bool folder = S_ISDIR(st.st_mode);
    /* A hard link refuses an existing name too. */
    if (!folder && link(from, to) == 0) {
        unlink(from);
        return 0;
    }
    if (!folder && errno == EEXIST)
        return -1;
    /* For folders, and without hard links (FAT, much of FUSE): take the name with an empty one
     * first. */
    const int fd =
        folder ? mkdir(to, 0777) : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return -1;
    if (!folder)
        close(fd);
    if (rename(from, to) == 0)
        return 0;
    const int why = errno;
    if (folder)
        rmdir(to);
    else
        unlink(to);
    errno = why;
    return -1;
}

static int give_name(const char *from, const char *to, bool overwrite)
{
    if (pq_fault(PQ_FAULT_RENAME))
        return -1;
    if (overwrite)
        return rename(from, to);
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EINVAL || errno == ENOSYS ? rename_new(from, to) : -1;
}

int pq_file_commit(struct pq_file *f, bool overwrite, pique_error *err)
{
    int rc = 0;
    if (!f->temp_path)
        goto out; /* a pipe */
    rc = pq_file_sync(f, err);
    if (rc)
        goto out;
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0) {
        rc = pq_fail_errno(err, errno, f->path, "be written");
        goto out;
    }
    if (give_name(f->temp_path, f->path, overwrite) != 0) {
        rc = errno == EEXIST ? pq_fail(err, PIQUE_EEXIST, "%s: exists already", f->path)
                             : pq_fail_errno(err, errno, f->path, "be given its name");
        goto out;
    }
    pq_free(f->temp_path);
    f->temp_path = NULL;
    sync_folder_of(f->path);
out:
    pq_file_close(f);
    return rc;
}

void pq_file_close(struct pq_file *f)
{
    if (f->fd >= 0 && f->owns_fd)
        close(f->fd);
    if (f->temp_path && !f->keeps_temp)
        unlink(f->temp_path);
    pq_free(f->temp_path);
    pq_free(f->path);
    *f = (struct pq_file){.fd = -1};
}

/* ---- folders ---- */

int pq_link_file(const char *from, const char *to, pique_error *err)
{
    if (pq_fault(PQ_FAULT_RENAME) || link(from, to) != 0)
        return pq_fail_errno(err, errno, to, "be made");
    return 0;
}

int pq_rename_new(const char *from, const char *to, pique_error *err)
{
    if (give_name(from, to, false) == 0)
        return 0;
    return errno == EXDEV
               ? pq_fail(err, PIQUE_ECREATE, "%s: lies on another disk than %s", to, from)
               : pq_fail_errno(err, errno, to, "get its name");
}

void pq_folder_sync(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

int pq_make_folders(const char *path, pique_error *err)
{
    char *p = pq_strdup(path);
    if (!p)
        return pq_fail_nomem(err, strlen(path) + 1);
    int rc = 0;
    for (char *s = p + 1; !rc; s++) {
        if (*s != '/' && *s != '\0')
            continue;
        char end = *s;
        *s = '\0';
        if (mkdir(p, 0777) != 0 && !(errno == EEXIST && pq_is_folder(p))) {
            int e = errno;
            rc = pq_fail_errno(err, e, p, "be created");
            if (rc != PIQUE_ENOSPC) {
                rc = pq_fail(err, PIQUE_ECREATE, "%s: folder cannot be created: %s", p,
                             pq_tr(strerror(e)));
            }
        }
        if (end == '\0')
            break;
        *s = end;
    }
    pq_free(p);
    return rc;
}

int pq_folder_lock(const char *path, struct pq_file *f, pique_error *err)
{
    *f = (struct pq_file){.fd = -1, .owns_fd = true};
    f->path = pq_strdup(path);
    if (!f->path)
        return pq_fail_nomem(err, strlen(path) + 1);
    f->fd = open_fd(path, O_RDONLY | O_DIRECTORY, 0);
    int rc = f->fd < 0 ? pq_fail_errno(err, errno, path, "be opened") : 0;
    if (!rc && flock(f->fd, LOCK_EX | LOCK_NB) != 0) {
        rc = errno == EWOULDBLOCK
                 ? pq_fail(err, PIQUE_EEXIST, "%s: in use by another process", path)
                 : pq_fail_errno(err, errno, path, "be locked");
    }
    if (rc)
        pq_file_close(f);
    return rc;
}

int pq_folder_lock_wait(const char *path, int seconds, struct pq_file *f, pique_error *err)
{
    const struct timespec between = {.tv_nsec = 50 * 1000 * 1000};
    const double end = pq_seconds() + seconds;
    int rc;
    while ((rc = pq_folder_lock(path, f, err)) == PIQUE_EEXIST && pq_seconds() < end)
        nanosleep(&between, NULL);
    return rc;
}

bool pq_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool pq_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool pq_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
