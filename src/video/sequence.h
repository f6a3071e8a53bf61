/* SPDX-License-Identifier: MIT */
/* Numbered pictures that are the frames of a film. */
#pragma once

#include "base/file.h"

/* Whether a name is a pattern ("name%05d.png") and no file. */
bool pq_is_picture_sequence(const char *path);

/* The lowest number of a picture that is there. PIQUE_ENOENT where there is none. */
int pq_sequence_first(const char *path, int *first, pique_error *err);
