/* SPDX-License-Identifier: MIT */
/* The join from the inside: what its files share. */
#pragma once

#include <libavformat/avformat.h>

#include "film/video.h"
#include "video/demux.h"

enum pq_way {
    PQ_LEAVE,   /* was not asked for: nothing is lost */
    PQ_LOSE,    /* the container cannot hold it */
    PQ_KEEP,    /* packets as they are */
    PQ_SOUND,   /* encoded anew */
    PQ_TEXT,    /* subtitles in another form */
    PQ_PICTURE, /* a cover, as an attachment */
    PQ_TAGS     /* its content is metadata that is kept */
};

struct pq_track {
    AVStream *in, *out; /* out: NULL for what has no stream */
    enum pq_way way;
    enum AVCodecID codec; /* of the result */
    struct pq_recoder *recoder;
    AVRational tick; /* of the packets that are put */
    int64_t last_dts;
    bool any;
};

struct pq_tracks {
    struct pq_input *input; /* NULL: the source has nothing but frames */
    struct pq_track *track; /* one for each of its streams */
    int count, lost;
    int64_t start, end; /* of the piece that is kept, microseconds of the source; end INT64_MAX */
};

/* Open the source beside its video, and decide for each stream; what is lost or changed is noted.
 */
int pq_tracks_open(const struct pq_film_join *join, struct pq_tracks *tracks, pique_error *err);
void pq_tracks_close(struct pq_tracks *tracks);
/* A stream of the output for each track that has one; `video` stands where that of the source was.
 */
int pq_tracks_add(struct pq_tracks *tracks, AVFormatContext *out, const AVCodecParameters *video,
                  AVStream **video_out, pique_error *err);
/* Chapters and what the film says of itself. seconds: length of the result. */
int pq_tracks_say(const struct pq_tracks *tracks, AVFormatContext *out, double seconds,
                  pique_error *err);
/* Whether metadata of this key is about the file that was, not about the film. */
bool pq_tracks_is_technical(const char *key);

/* ---- recode.c ---- */

/* Where the packets of a track go. A libav status. */
typedef int pq_packet_fn(void *user, struct pq_track *track, AVPacket *packet);

/* For PQ_SOUND and PQ_TEXT: track->out gets its parameters. */
int pq_recode_open(struct pq_track *track, const AVFormatContext *out, const char *name,
                   pique_error *err);
void pq_recode_close(struct pq_recoder **recoder);
/* Times are those of the track, before they are shifted. packet NULL: the end. */
int pq_recode(struct pq_track *track, const AVPacket *packet, pq_packet_fn *put, void *user);

/* ---- verify.c ---- */

/* What the frames of the result are due, in the order in which they were written. */
struct pq_due {
    const struct pq_film_join *join;
    const int32_t *order; /* index of each packet */
    int64_t frames;
    int64_t last_duration;
    int video; /* its number among the films in the file */
};
int pq_verify(const struct pq_due *due, const char *path, pique_error *err);
