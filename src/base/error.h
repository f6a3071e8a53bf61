/* SPDX-License-Identifier: MIT */
#pragma once

#include "pique/error.h"

/* Fill err (may be NULL) with a code and a sentence; returns code, so that a failure is one line:
 *     return pq_fail(err, PIQUE_EFORMAT, "%s: tensor '%s' is missing", path, name);
 * It is said in the language of the thread (lang.h), so the format is a literal that the dictionary
 * has. Too long a sentence is cut at a UTF-8 boundary. */
int pq_fail(pique_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* PIQUE_ENOMEM with the number of bytes that could not be had. */
int pq_fail_nomem(pique_error *err, unsigned long long bytes);

/* The status that fits an errno of a file call: ENOENT, EEXIST, ENOSPC (EDQUOT, EFBIG), ECREATE
 * (EACCES, EROFS, ...) or EIO. */
int pq_status_of_errno(int errnum);

/* pq_fail() with "PATH: cannot WHAT: strerror", WHAT and the reason in the language of the thread
 * too. Returns pq_status_of_errno(errnum). */
int pq_fail_errno(pique_error *err, int errnum, const char *path, const char *what);
