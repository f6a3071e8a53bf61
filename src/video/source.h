/* SPDX-License-Identifier: MIT */
/* A source from the inside, for those of this folder who need more of it than its table: the writer
 * takes colour and HDR metadata from here. */
#pragma once

#include "video/av.h"
#include "video/colour.h"

struct pq_av_source {
    struct pq_film_source base; /* first */
    struct pq_colour colour;    /* resolved: nothing is unspecified that players would guess */
    struct pq_colour tagged;    /* as the stream says */
    AVRational frame_rate, sar;
    enum AVPixelFormat format;                /* of decoded frames, as delivered */
    AVBufferRef *mastering, *light, *dynamic; /* AVMasteringDisplayMetadata,
                                                 AVContentLightMetadata; NULL: none. dynamic: unused
                                                 by encoders, kept to be named as lost */
};
