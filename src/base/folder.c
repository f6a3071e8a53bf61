/* SPDX-License-Identifier: MIT */
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"

char *pq_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return pq_strdup(".");
    return pq_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int pq_make_folder_of(const char *path, pique_error *err)
{
    char *folder = pq_folder_of(path);
    int rc = folder ? pq_make_folders(folder, err) : pq_fail_nomem(err, strlen(path));
    pq_free(folder);
    return rc;
}

int pq_remove_file(const char *path, pique_error *err)
{
    const int rc = pq_fault(PQ_FAULT_REMOVE) ? -1 : unlink(path);
    return rc == 0 || errno == ENOENT ? 0 : pq_fail_errno(err, errno, path, "be removed");
}

int pq_remove_folder(const char *path, pique_error *err)
{
    const int rc = pq_fault(PQ_FAULT_REMOVE) ? -1 : rmdir(path);
    return rc == 0 || errno == ENOENT ? 0 : pq_fail_errno(err, errno, path, "be removed");
}

int pq_list_folder(const char *path, int (*each)(void *context, const char *name), void *context,
                   pique_error *err)
{
    DIR *dir = pq_fault(PQ_FAULT_OPEN) ? NULL : opendir(path);
    if (!dir)
        return pq_fail_errno(err, errno, path, "be read");
    int rc = 0;
    for (struct dirent *e; !rc && (errno = 0, e = readdir(dir));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = each(context, e->d_name);
    }
    if (!rc && errno)
        rc = pq_fail_errno(err, errno, path, "be read");
    closedir(dir);
    return rc;
}

static int remove_inside(void *context, const char *name)
{
    char *path = pq_asprintf("%s/%s", (const char *)context, name);
    int rc = path ? pq_remove_tree(path, NULL) : PIQUE_ENOMEM;
    pq_free(path);
    return rc;
}

int pq_remove_tree(const char *path, pique_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : pq_fail_errno(err, errno, path, "be removed");
    if (!S_ISDIR(st.st_mode))
        return pq_remove_file(path, err);
    int rc = pq_list_folder(path, remove_inside, (void *)path, err);
    if (rc)
        return pq_fail(err, rc, "%s: could not be emptied", path);
    return pq_remove_folder(path, err);
}

int pq_disk_free(const char *path, uint64_t *bytes, pique_error *err)
{
    struct statvfs s;
    *bytes = 0;
    if (statvfs(path, &s) != 0)
        return pq_fail_errno(err, errno, path, "be looked at");
    *bytes = (uint64_t)s.f_bavail * s.f_frsize;
    return 0;
}

int pq_identify(const char *path, struct pq_identity *out, pique_error *err)
{
    struct stat s;
    *out = (struct pq_identity){0};
    if (stat(path, &s) != 0)
        return pq_fail_errno(err, errno, path, "be looked at");
    *out = (struct pq_identity){
        .bytes = s.st_size,
        .mtime_ns = (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec,
        .device = s.st_dev,
        .inode = s.st_ino,
    };
    return 0;
}

static int finish_text(struct pq_file *f, const char *text, pique_error *err)
{
    int rc = pq_file_write(f, text, strlen(text), err);
    if (!rc)
        return pq_file_commit(f, true, err);
    pq_file_close(f);
    return rc;
}

int pq_write_text(const char *path, const char *text, pique_error *err)
{
    struct pq_file f;
    int rc = pq_file_create(path, true, &f, err);
    return rc ? rc : finish_text(&f, text, err);
}

int pq_write_private(const char *path, const char *text, pique_error *err)
{
    struct pq_file f;
    int rc = pq_file_create_private(path, &f, err);
    return rc ? rc : finish_text(&f, text, err);
}

int pq_read_text(const char *path, size_t most, char **text, pique_error *err)
{
    struct pq_file f;
    *text = NULL;
    int rc = pq_file_open(path, &f, err);
    if (rc)
        return rc;
    const int64_t size = pq_file_size(&f);
    if (size < 0 || (uint64_t)size > most)
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: is no file of at most %zu bytes", path, most);
    char *data = rc ? NULL : pq_malloc((size_t)size + 1);
    if (!rc && !data)
        rc = pq_fail_nomem(err, (unsigned long long)size + 1);
    size_t have = 0, got = 1;
    while (!rc && got && have < (size_t)size) {
        rc = pq_file_read(&f, data + have, (size_t)size - have, &got, err);
        have += got;
    }
    pq_file_close(&f);
    if (rc) {
        pq_free(data);
        return rc;
    }
    data[have] = '\0';
    *text = data;
    return 0;
}
