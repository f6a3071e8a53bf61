/* SPDX-License-Identifier: MIT */
#include "base/sequence.h"

#include <string.h>

bool pq_is_sequence(const char *path, struct pq_number_place *place)
{
    const char *at = strchr(path, '%');
    if (!at || strchr(at + 1, '%') || strchr(at, '/'))
        return false;
    const bool padded = at[1] == '0' && at[2] >= '1' && at[2] <= '9';
    const size_t length = padded ? 4 : 2;
    if (at[length - 1] != 'd')
        return false;
    if (place)
        *place = (struct pq_number_place){
            .at = at, .length = length, .digits = padded ? at[2] - '0' : 1};
    return true;
}
