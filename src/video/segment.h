/* SPDX-License-Identifier: MIT */
/* What writer and join agree on about a segment. */
#pragma once

#include <libavutil/rational.h>

/* A tick of a segment; the time of a frame is its index. */
#define PQ_SEGMENT_TICK ((AVRational){1, 1000})
/* Metadata of its stream: the shape of a pixel, which Matroska itself rounds. */
#define PQ_SEGMENT_SAR "PIQUE_SAR"
