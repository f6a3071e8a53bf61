/* SPDX-License-Identifier: MIT */
/* What a film says of itself, and what players make of what it leaves out. */
#pragma once

#include "video/reader.h"
#include "video/source.h"
#include "video/turn.h"

/* All of `source` but its functions, from an opened reader; the crop is not applied yet. */
int pq_source_facts(const struct pq_reader *reader, struct pq_av_source *source, pique_error *err);

/* The first tick that is not before so many seconds of the film. */
int64_t pq_reader_tick(const struct pq_reader *reader, double seconds);

/* How the frames lie; false where the film says something that is no quarter of a turn. */
bool pq_reader_turn(const struct pq_reader *reader, struct pq_turn *out);

/* Colour as the frames say, then as the stream says, and what is left open as it is. */
struct pq_colour pq_reader_tags(const struct pq_reader *reader);
