/* SPDX-License-Identifier: MIT */
/* What a file is by its name. Thread-safety: safe. */
#pragma once

/* The suffix, with its dot and inside name, by which a name is that of a picture; NULL where it is
 * not. */
const char *pq_picture_suffix(const char *name);
/* The same for films, and for either. */
const char *pq_film_suffix(const char *name);
const char *pq_media_suffix(const char *name);
