/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <sodium.h>

void pq_random_hex(char *out, size_t digits)
{
    unsigned char bytes[32];
    randombytes_buf(bytes, digits / 2);
    sodium_bin2hex(out, digits + 1, bytes, digits / 2);
}
