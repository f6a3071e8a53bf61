/* SPDX-License-Identifier: MIT */
/* models/catalogue.json, made part of the program by models/embed.py. Not NUL-terminated. */
#pragma once

#include <stddef.h>

extern const unsigned char pq_catalogue_json[];
extern const size_t pq_catalogue_json_size;
