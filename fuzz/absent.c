/* SPDX-License-Identifier: MIT */
/* What writers of models ask of layers above them. The targets are readers and call none of it. */
#include "pique/pique.h"

bool pique_cancel_is_set(const pique_cancel *cancel)
{
    (void)cancel;
    return false;
}

const char *pique_version(void)
{
    return "";
}
