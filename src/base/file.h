/* SPDX-License-Identifier: MIT */
/* Files. Every open, read, write, sync and rename of the library and the program passes here, so
 * that a test can fail any one of them (fault.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* For the beginning of a program. Where standard input, output or error is closed, the next file to
 * be opened would take its number, and what is said to the stream would end in that file. Here the
 * number is taken by something that can neither be read nor written. */
void pq_hold_standard_streams(void);

/* A file read into the address space. Thread-safety: read only, safe. */
struct pq_map {
    const unsigned char *data; /* NULL where size is 0 */
    size_t size;
    char *path; /* for messages */
};

/* Map a regular file for reading. */
int pq_map_open(const char *path, struct pq_map *map, pique_error *err);
/* Map a file that another one names: `name` in the folder of path. The name is not to be trusted:
 * it may hold no slash, and the file must be a regular one that is no link and has no other name
 * (hard links), so that nothing outside the folder can be reached. PIQUE_EFORMAT otherwise. */
int pq_map_open_beside(const char *path, const char *name, struct pq_map *map, pique_error *err);
/* Give back the memory that a map takes: what is read again comes from the file again. */
void pq_map_rest(const struct pq_map *map);
void pq_map_close(struct pq_map *map);

/* A file open for reading or writing. Thread-safety: one call at a time. */
struct pq_file {
    int fd;
    char *path;      /* for messages; "standard input" for a pipe */
    char *temp_path; /* of an output not yet committed, else NULL */
    bool owns_fd;
    bool keeps_temp; /* pq_file_close() leaves the temporary file, for pq_file_resume() */
};

/* Open for reading. "-" is standard input. A folder is refused with a sentence. */
int pq_file_open(const char *path, struct pq_file *f, pique_error *err);

/* Open for reading a regular file below a folder by a path that is not to be trusted, "js/app.js":
 * neither ".." nor a link leads out of the folder, as no link is followed at all. PIQUE_ENOENT. */
int pq_file_open_below(const char *folder, const char *path, struct pq_file *f, pique_error *err);
/* The same of whatever stands there, a folder too, and of the folder itself for "". The descriptor,
 * or -1 with errno. */
int pq_open_below(const char *folder, const char *path);

/* Begin an output: a new file ".NAME.xxxxxx.part" in the folder of path, which must exist. "-" is
 * standard output, written as it comes. overwrite false: PIQUE_EEXIST where path exists now or when
 * it is committed. An existing path that is not a regular file is PIQUE_ECREATE. */
int pq_file_create(const char *path, bool overwrite, struct pq_file *f, pique_error *err);
/* The same over whatever file is there, readable and writable by its owner alone from the first. */
int pq_file_create_private(const char *path, struct pq_file *f, pique_error *err);

/* Begin or go on with an output that may take several processes: the file `part`, in an existing
 * folder of the same file system as path, made where it is missing, emptied where anew is set, and
 * written on from its end, which is *at. pq_file_commit() gives it the name path; pq_file_close()
 * leaves it where it is. What else uses part is the caller's to exclude. */
int pq_file_resume(const char *part, const char *path, bool anew, struct pq_file *f, int64_t *at,
                   pique_error *err);

/* Whether an entry of a folder is the temporary file of an output of that name; where nobody is at
 * work, what a killed process left. */
bool pq_file_is_temp_of(const char *entry, const char *name);

/* An unnamed file in the folder for temporary files, open for reading and writing. */
int pq_file_temp(struct pq_file *f, pique_error *err);

/* Sync the output, give it its name and sync the folder. On failure the temporary file is removed.
 * f is closed in either case. */
int pq_file_commit(struct pq_file *f, bool overwrite, pique_error *err);

/* Close; an output that was not committed is removed. An empty {.fd = -1} is fine. */
void pq_file_close(struct pq_file *f);

/* Read at most size bytes. *got is 0 only at the end of the file. Retries EINTR. */
int pq_file_read(struct pq_file *f, void *data, size_t size, size_t *got, pique_error *err);
/* Write all of size bytes. */
int pq_file_write(struct pq_file *f, const void *data, size_t size, pique_error *err);
/* What is written so far is on the disk. */
int pq_file_sync(struct pq_file *f, pique_error *err);
/* lseek; the new offset in *at. */
int pq_file_seek(struct pq_file *f, int64_t offset, int whence, int64_t *at, pique_error *err);
/* Forget what stands behind so many bytes, and write on from there. */
int pq_file_cut(struct pq_file *f, int64_t bytes, pique_error *err);
/* Size in bytes, or -1 where the file is a pipe. */
int64_t pq_file_size(const struct pq_file *f);

/* A second name for a file, in the same file system. */
int pq_link_file(const char *from, const char *to, pique_error *err);
/* Another name for a file or folder, where nothing has it yet: PIQUE_EEXIST; PIQUE_ECREATE where it
 * would lie on another disk. */
int pq_rename_new(const char *from, const char *to, pique_error *err);
/* What was named in a folder, or taken from it, is so after a loss of power too. Some file systems
 * cannot sync a folder, which is no failure. */
void pq_folder_sync(const char *path);
/* Make a folder and its parents; one that exists is fine. */
int pq_make_folders(const char *path, pique_error *err);
/* Lock a folder against other processes until pq_file_close(f), or until this process ends in
 * whatever way. PIQUE_EEXIST where another process has it now. */
int pq_folder_lock(const char *path, struct pq_file *f, pique_error *err);
/* The same, but wait at most so long for another process. */
int pq_folder_lock_wait(const char *path, int seconds, struct pq_file *f, pique_error *err);
bool pq_is_folder(const char *path);
bool pq_exists(const char *path);
/* Whether both exist and are one file, by whatever names. */
bool pq_same_file(const char *a, const char *b);
