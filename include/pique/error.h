/* SPDX-License-Identifier: MIT */
/* What went wrong: a code for the program, a sentence for the person. */
#ifndef PIQUE_ERROR_H
#define PIQUE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/** Every function that can fail returns 0 or one of these. */
enum pique_status {
    PIQUE_OK = 0,
    PIQUE_EINVAL = -1,       /**< an argument or option makes no sense */
    PIQUE_ENOMEM = -2,       /**< out of memory, or over the memory budget */
    PIQUE_EFORMAT = -3,      /**< a file is damaged or is not what it claims to be */
    PIQUE_EUNSUPPORTED = -4, /**< a file is sound, but this build cannot use it */
    PIQUE_ENOENT = -5,       /**< a file, folder or model does not exist */
    PIQUE_EEXIST = -6,       /**< an output exists and may not be replaced */
    PIQUE_EIO = -7,          /**< reading or writing failed */
    PIQUE_ENOSPC = -8,       /**< the disk or the quota is full */
    PIQUE_EDEVICE = -9,      /**< the device failed, or computed what cannot be right */
    PIQUE_ECANCELED = -10,   /**< the cancel token was set */
    PIQUE_ECREATE = -11,     /**< an output cannot be created (permission, missing folder) */
    PIQUE_EINTERNAL = -12    /**< a defect of pique itself */
};

/** Filled by the function that fails; plain data, owned by the caller. Where a parameter of
 *  this type may be NULL, only the code is returned. Thread-safety: one writer. */
typedef struct pique_error {
    int code;          /**< enum pique_status */
    char message[504]; /**< UTF-8, one sentence without a full stop at its end, never NULL */
} pique_error;

/** A name such as "EFORMAT" for a code. Never NULL. Thread-safety: safe. */
const char *pique_status_name(int code);

#ifdef __cplusplus
}
#endif
#endif
