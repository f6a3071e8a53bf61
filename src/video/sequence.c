/* SPDX-License-Identifier: MIT */
/* The names of numbered pictures. libav looks for the first among 0 to 4; here it is the lowest
 * number that there is. */
#include "video/sequence.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* "%d" or "%05d" at s: its length, else 0. */
static size_t place_at(const char *s)
{
    size_t n = 1;
    if (s[0] != '%')
        return 0;
    n += strspn(s + n, "0123456789");
    return n <= 3 && s[n] == 'd' ? n + 1 : 0;
}

/* The one place for a number in the last part of the path; NULL: it is no pattern. */
static const char *find_place(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path, *place = strchr(name, '%');
    if (!place || !place_at(place) || strchr(place + 1, '%') ||
        memchr(path, '%', (size_t)(name - path)))
        return NULL;
    return place;
}

bool pq_is_sequence(const char *path)
{
    return find_place(path) && !pq_exists(path);
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
    const char *place = find_place(path), *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
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
        const long n = number_of(e->d_name, name, (size_t)(place - name), place + place_at(place));
        if (n >= 0 && (lowest < 0 || n < lowest))
            lowest = n;
    }
    closedir(dir);
    if (lowest < 0)
        return pq_fail(err, PIQUE_ENOENT, "%s: there is no picture with such a name", path);
    *first = (int)lowest;
    return 0;
}
