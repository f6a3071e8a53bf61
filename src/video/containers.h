/* SPDX-License-Identifier: MIT */
/* The containers that films are written in. */
#pragma once

#include <libavformat/avformat.h>
#include <stdbool.h>
#include <string.h>

#include "base/lang.h"

#define PQ_CONTAINERS PQ_SAID("mkv, mp4, mov, webm and y4m")

/* The muxer of libav for one of ours; NULL: there is none. */
static inline const AVOutputFormat *pq_container_muxer(const char *container)
{
    static const char *const names[][2] = {
        {"mkv", "matroska"}, {"mp4", "mp4"}, {"mov", "mov"}, {"webm", "webm"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(container, names[i][0]))
            return av_guess_format(names[i][1], NULL, NULL);
    return NULL;
}
