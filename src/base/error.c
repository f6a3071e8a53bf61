/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/lang.h"
#include "base/str.h"

int pq_fail(pique_error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    err->code = code;
    /* The arguments may point into err itself ("while X: %s"), so build beside it. */
    char message[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(message, sizeof message, pq_tr(fmt), args);
    va_end(args);
    if (n < 0)
        message[0] = '\0';
    else if ((size_t)n >= sizeof message)
        pq_utf8_trim(message);
    memcpy(err->message, message, sizeof message);
    return code;
}

int pq_fail_nomem(pique_error *err, unsigned long long bytes)
{
    return pq_fail(err, PIQUE_ENOMEM, "out of memory: %llu bytes cannot be had", bytes);
}

int pq_status_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return PIQUE_ENOENT;
    case EEXIST:
        return PIQUE_EEXIST;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return PIQUE_ENOSPC;
    case ENOMEM:
        return PIQUE_ENOMEM;
    case EACCES:
    case EPERM:
    case EROFS:
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG:
        return PIQUE_ECREATE;
    default:
        return PIQUE_EIO;
    }
}

int pq_fail_errno(pique_error *err, int errnum, const char *path, const char *what)
{
    char text[128];
    /* The GNU strerror_r() returns the text, which need not be in the buffer. */
    const char *why = strerror_r(errnum, text, sizeof text);
    return pq_fail(err, pq_status_of_errno(errnum), "%s: cannot %s: %s", path, pq_tr(what),
                   pq_tr(why));
}

const char *pique_status_name(int code)
{
    static const char *const names[] = {
        "OK",  "EINVAL", "ENOMEM",  "EFORMAT",   "EUNSUPPORTED", "ENOENT",    "EEXIST",
        "EIO", "ENOSPC", "EDEVICE", "ECANCELED", "ECREATE",      "EINTERNAL",
    };
    if (code > 0 || -code >= (int)(sizeof names / sizeof *names))
        return "UNKNOWN";
    return names[-code];
}
