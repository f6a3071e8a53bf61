/* SPDX-License-Identifier: MIT */
#include "cli/exit.h"

#include "pique/error.h"

enum pq_exit pq_exit_of(int status)
{
    switch (status) {
    case PIQUE_OK:
        return PQ_EXIT_OK;
    case PIQUE_EINVAL:
        return PQ_EXIT_USAGE;
    case PIQUE_EFORMAT:
    case PIQUE_EUNSUPPORTED:
        return PQ_EXIT_DATA;
    case PIQUE_ENOENT:
        return PQ_EXIT_NO_INPUT;
    case PIQUE_EDEVICE:
        return PQ_EXIT_UNAVAILABLE;
    case PIQUE_EEXIST:
    case PIQUE_ECREATE:
        return PQ_EXIT_CREATE;
    case PIQUE_EIO:
        return PQ_EXIT_IO;
    case PIQUE_ENOMEM:
    case PIQUE_ENOSPC:
        return PQ_EXIT_FULL;
    case PIQUE_ECANCELED:
        return PQ_EXIT_INTERRUPTED;
    default:
        return PQ_EXIT_DEFECT;
    }
}
