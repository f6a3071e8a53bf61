/* SPDX-License-Identifier: MIT */
#include "base/suffix.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

static const char *find_suffix(const char *name, const char *const *suffixes, size_t count)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    const char *dot = strrchr(base, '.');
    for (size_t i = 0; dot && dot != base && i < count; i++) {
        if (strcasecmp(dot, suffixes[i]) == 0)
            return dot;
    }
    return NULL;
}

const char *pq_picture_suffix(const char *name)
{
    static const char *const suffixes[] = {
        ".png",  ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".avif", ".heic",
        ".heif", ".jxl", ".gif",  ".bmp", ".ppm",  ".pgm",  ".pbm", ".pnm",  ".pam",  ".apng"};
    return find_suffix(name, suffixes, PQ_COUNT(suffixes));
}

const char *pq_film_suffix(const char *name)
{
    static const char *const suffixes[] = {
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".mpg", ".mpeg", ".ts", ".m2ts",
        ".mts", ".vob", ".wmv", ".ogv", ".mxf",  ".y4m", ".3gp", ".asf", ".divx", ".nut"};
    return find_suffix(name, suffixes, PQ_COUNT(suffixes));
}

const char *pq_media_suffix(const char *name)
{
    const char *suffix = pq_picture_suffix(name);
    return suffix ? suffix : pq_film_suffix(name);
}
