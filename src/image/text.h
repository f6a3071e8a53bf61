/* SPDX-License-Identifier: MIT */
/* Text as pixels. */
#pragma once

#include "base/error.h"

/* As draw_text() of struct pq_picture_io. */
int pq_text_draw(const char *text, int pixels, unsigned char *mask, int width, int height,
                 pique_error *err);
