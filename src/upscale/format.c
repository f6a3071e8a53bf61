/* SPDX-License-Identifier: MIT */
#include "upscale/format.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

static const struct pq_format_caps *by_id(const struct pq_format_caps *formats,
                                          enum pique_format id)
{
    for (; formats->format != PIQUE_FORMAT_AUTO; formats++)
        if (formats->format == id)
            return formats;
    return NULL;
}

/* Whether name ends in one of the space-separated suffixes, and is more than that. */
static bool has_suffix(const char *name, const char *suffixes)
{
    const size_t length = strlen(name);
    while (*suffixes) {
        const size_t n = strcspn(suffixes, " ");
        if (n > 0 && length > n && strncasecmp(name + length - n, suffixes, n) == 0 &&
            name[length - n - 1] != '/')
            return true;
        suffixes += n + (suffixes[n] == ' ');
    }
    return false;
}

static const struct pq_format_caps *by_name(const struct pq_format_caps *formats, const char *dst)
{
    for (; formats->format != PIQUE_FORMAT_AUTO; formats++)
        if (has_suffix(dst, formats->suffixes))
            return formats;
    return NULL;
}

/* A pipe: what came in, where it can go out. */
static const struct pq_format_caps *like_source(const struct pq_format_caps *formats,
                                                const char *source_format)
{
    if (strcmp(source_format, "pnm") == 0)
        source_format = "ppm";
    for (const struct pq_format_caps *f = formats; f->format != PIQUE_FORMAT_AUTO; f++)
        if (strcmp(f->name, source_format) == 0)
            return f;
    return by_id(formats, PIQUE_FORMAT_PNG);
}

static int fail_unknown(const struct pq_format_caps *formats, const char *dst, pique_error *err)
{
    struct pq_str known = {0};
    for (const struct pq_format_caps *f = formats; f->format != PIQUE_FORMAT_AUTO; f++)
        pq_str_printf(&known, "%s%s", known.length ? " " : "", f->suffixes);
    const char *base = strrchr(dst, '/');
    base = base ? base + 1 : dst;
    const char *dot = strrchr(base, '.');
    const int rc = dot && dot != base
                       ? pq_fail(err, PIQUE_EUNSUPPORTED,
                                 "%s: '%s' is no format that can be written; these are: %s", dst,
                                 dot, known.data ? known.data : "none")
                       : pq_fail(err, PIQUE_EUNSUPPORTED,
                                 "%s: the name does not tell the format; let it end in one of %s",
                                 dst, known.data ? known.data : "none");
    pq_str_free(&known);
    return rc;
}

int pq_format_choose(const struct pq_format_caps *formats, enum pique_format wanted,
                     const char *dst, const char *source_format, const struct pq_format_caps **out,
                     pique_error *err)
{
    if (wanted != PIQUE_FORMAT_AUTO) {
        *out = by_id(formats, wanted);
        return *out ? 0
                    : pq_fail(err, PIQUE_EUNSUPPORTED,
                              "%s: this build cannot write the format that was asked for", dst);
    }
    if (strcmp(dst, "-") == 0) {
        *out = like_source(formats, source_format);
        return *out ? 0
                    : pq_fail(err, PIQUE_EUNSUPPORTED, "standard output: this build writes no PNG");
    }
    *out = by_name(formats, dst);
    return *out ? 0 : fail_unknown(formats, dst, err);
}
