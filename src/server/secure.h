/* SPDX-License-Identifier: MIT */
/* What every answer tells a browser: run nothing but what came from here, guess no types, show it
 * in nobody's frame, tell nobody where one comes from. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

/* false: out of memory. */
bool pq_secure(struct MHD_Response *response);
