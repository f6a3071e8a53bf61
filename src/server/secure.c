/* SPDX-License-Identifier: MIT */
#include "server/secure.h"

#include <stddef.h>

#include "base/alloc.h"

static const struct {
    const char *name, *value;
} lines[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
     "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
     "form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Referrer-Policy", "no-referrer"},
};

bool pq_secure(struct MHD_Response *response)
{
    for (size_t i = 0; i < PQ_COUNT(lines); i++) {
        if (MHD_add_response_header(response, lines[i].name, lines[i].value) != MHD_YES)
            return false;
    }
    return true;
}
