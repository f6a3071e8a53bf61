/* SPDX-License-Identifier: MIT */
/* The names of numbered pictures. libav looks for the first among 0 to 4; here it is the lowest
 * number that there is. */
#include "video/sequence.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sequence.h"
#include "base/str.h"

bool pq_is_picture_sequence(const char *path)
{
    return pq_is_sequence(path, NULL) && !pq_exists(path);
}

/* The number that stands in `entry` where the pattern has its place; -1: another file. */
static long number_of(const char *entry, const char *name, size_t before, const char *after)
{
    if (strncmp(entry, name, before) || !pq_ends_with(entry, after))
        return -1;
    const size_t length = strlen(entry), end = length - strlen(after);
    if (end <= before || end - before > 9)
        return -1;
    for (size_t i = before; i < end; i++)
        if (entry[i] < '0' || entry[i] > '9')
            return -1;
    return strtol(entry + before, NULL, 10);
}

int pq_sequence_first(const char *path, int *first, pique_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    struct pq_number_place place;
    if (!pq_is_sequence(path, &place))
        return pq_fail(err, PIQUE_EINTERNAL, "%s: is no sequence of pictures", path);
    char *folder = slash ? pq_strndup(path, (size_t)(slash - path) + 1) : pq_strdup(".");
    if (!folder)
        return pq_fail_nomem(err, strlen(path));
    DIR *dir = opendir(folder);
    const int failed = errno;
    pq_free(folder);
    if (!dir)
        return pq_fail_errno(err, failed, path, "look for pictures");
    long lowest = -1;
    for (const struct dirent *e; (e = readdir(dir));) {
        const long n =
            number_of(e->d_name, name, (size_t)(place.at - name), place.at + place.length);
        if (n >= 0 && (lowest < 0 || n < lowest))
            lowest = n;
    }
    closedir(dir);
    if (lowest < 0)
        return pq_fail(err, PIQUE_ENOENT, "%s: there is no picture with such a name", path);
    *first = (int)lowest;
    return 0;
}
