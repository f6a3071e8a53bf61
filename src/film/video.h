/* SPDX-License-Identifier: MIT */
/* What film/ asks of the video module (video/): one table of functions, found by dlopen. Nothing
 * here knows libav or zimg, so that film/ can be tested with a module that is made of a few lines.
 *
 *     source  reads a file: frames in the order in which they are seen, each with its time
 *     writer  makes frames of pictures, and of frames one segment after the other
 *     journal keeps frames without loss until their segment is sealed
 *     join    makes one film of the segments and of all that the source has beside its video
 *
 * Files are written through struct pq_file of the caller, who names, syncs and commits them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "pique/film.h"
#include "upscale/frames.h"

struct pq_ratio {
    int num, den;
};

/* Something the user should know: what cannot be kept, which encoder was taken. */
typedef void pq_note_fn(void *user, const char *text);

/* A decoded frame, or one that is to be encoded. Counted. Once it is whole, its samples
 * never change. */
struct pq_frame {
    int64_t pts;      /* in ticks of the source; strictly rising */
    int64_t duration; /* ticks; 0: not known */
    int width, height, depth;
    int planes; /* 1 .. 4 */
    struct pq_frame_plane {
        const unsigned char *data;
        ptrdiff_t stride;
        int row_bytes, rows;
    } plane[4];
};

/* ---- reading ---- */

struct pq_film_read {
    const char *path; /* file, "-" for y4m on standard input, or a pattern with %d */
    double from, to;  /* seconds; to 0: the end */
    const char *map;  /* which streams; NULL: the best video, all others */
    bool deinterlace, crop_auto;
    int crop_width, crop_height, crop_x, crop_y; /* of the picture as seen; width 0: none */
    struct pq_ratio fps;                         /* 0/0: as it comes */
    bool alpha; /* false: to_rgb() yields three planes whatever the film has */
    pq_note_fn *note;
    void *note_user;
};

/* What read() delivers. */
struct pq_film_facts {
    pique_film_info info;      /* width and height after rotation and crop */
    struct pq_ratio time_base; /* of pts and duration, seconds a tick */
    int64_t origin;            /* the tick that is time 0 of the result */
    int64_t first_pts;
    int rgb_depth; /* 8 where 8 bits hold every value of to_rgb() exactly (RGB of 8 bits), else 16
                    */
    int crop_width, crop_height, crop_x, crop_y; /* resolved; width 0: none */
    char pixel_format[32];                       /* "yuv420p10le", as decoded */
    int frame_width, frame_height; /* of one decoded frame, before rotation and crop */
    uint64_t frame_bytes;
    struct pq_yuv yuv; /* what planes 0 to 2 of a frame are, where that is all of it: no alpha that
                          is wanted, no rotation; depth 0: they are not of that kind */
};

struct pq_film_source {
    struct pq_film_facts facts;
    /* The next frame; *out is NULL at the end. One thread. A frame that is damaged is noted and
     * what the decoder made of it is delivered; a file that ends too early is noted. */
    int (*read)(struct pq_film_source *source, struct pq_frame **out, pique_error *err);
    /* Before the first read(): begin with the first frame whose pts is at least this, which read()
     * then returns as an uninterrupted run would have. PIQUE_EUNSUPPORTED where this file cannot be
     * entered there; then open it anew and read from its beginning. */
    int (*seek)(struct pq_film_source *source, int64_t pts, pique_error *err);
    /* For looking at one frame, instead of read(). The time of a frame by its number, from 0 in the
     * order in which frames are seen, by the packets of the file and without decoding any.
     * PIQUE_ENOENT where the film has fewer; PIQUE_EUNSUPPORTED where only reading tells. */
    int (*find)(struct pq_film_source *source, int64_t index, int64_t *pts, pique_error *err);
    /* The frame that is seen at a time: the last one that is not behind it, or the first of all.
     * exact: pts is known to be that of a frame, which is quicker; the frame may be missed where
     * that is not so, and rarely at the end of a film. *out is NULL where there is none. */
    int (*show)(struct pq_film_source *source, int64_t pts, bool exact, struct pq_frame **out,
                pique_error *err);
    /* A frame of this source as a picture: memory of the caller, facts.info.width x height,
     * facts.rgb_depth, 3 or 4 planes as read.alpha and the film say. One thread, which may be
     * another than that of read(). */
    int (*to_rgb)(struct pq_film_source *source, const struct pq_frame *frame, struct pq_image *out,
                  pique_error *err);
    void (*close)(struct pq_film_source *source);
};

/* ---- writing ---- */

struct pq_film_write {
    const struct pq_film_source *like;    /* colour, HDR metadata, frame rate; looked at during the
                                           * call */
    const char *container;                /* "mp4", "mkv", "mov", "webm", "y4m" or "null" */
    const char *codec, *profile, *preset; /* NULL: default */
    double crf;
    bool crf_set;
    int64_t bitrate;
    const char *const *options; /* "key=value" */
    size_t option_count;
    enum pique_hardware hardware;
    bool alpha;              /* the pictures have it, and it is to be kept where the codec can */
    int width, height;       /* of the pictures; not needed for choose() */
    int in_width, in_height; /* of the source, for the shape of a pixel */
    pq_note_fn *note;
    void *note_user;
};

/* What was chosen, and is fixed for the whole of a job. */
struct pq_film_encoder {
    char codec[32]; /* of pique's table, or "" */
    char profile[64];
    char encoder[64];   /* of libav: "libx264" */
    char version[128];  /* of all that decides its bits */
    char settings[512]; /* "crf=17 preset=slow ..." as text: job.json has it */
    char pixel_format[32];
    int depth;
    int multiple_x, multiple_y; /* of the size that it takes */
    bool alpha;
    bool yuv; /* its writer has a yuv */
    int threads;
};

struct pq_film_writer {
    struct pq_film_encoder encoder;
    struct pq_yuv yuv; /* what the planes of its frames are; depth 0: they are not of that kind */
    /* A picture as a new frame of the encoder's format. One thread, which may be another than that
     * of the functions below. Dithering depends on x and y alone. */
    int (*from_rgb)(struct pq_film_writer *writer, const struct pq_image *in, struct pq_frame **out,
                    pique_error *err);
    /* The same frame without a picture in it, for whoever fills its planes before anybody else gets
     * it. Any thread. */
    int (*blank)(struct pq_film_writer *writer, struct pq_frame **out, pique_error *err);
    /* A segment begins; `file` is open for writing, borrowed until end() or abandon(). */
    int (*begin)(struct pq_film_writer *writer, struct pq_file *file, pique_error *err);
    /* Its next frame; index counts from 0 over the whole film and is the frame's time in the
     * segment. *readable: so many frames of the segment can be decoded from the file by another
     * process now. The first frame of a segment needs nothing before it. */
    int (*write)(struct pq_film_writer *writer, const struct pq_frame *frame, int64_t index,
                 int64_t *readable, pique_error *err);
    /* All of the segment is in the file, which is neither synced nor closed. Whatever is returned,
     * the segment has ended. */
    int (*end)(struct pq_film_writer *writer, pique_error *err);
    void (*abandon)(struct pq_film_writer *writer);
    void (*close)(struct pq_film_writer *writer);
};

/* Frames of a writer without loss. Thread-safety: one call at a time. */
struct pq_film_journal {
    /* Writing: the frame is in the file, which the caller syncs. */
    int (*append)(struct pq_film_journal *journal, const struct pq_frame *frame, int64_t index,
                  pique_error *err);
    /* Reading: the next frame that is whole; *out is NULL at the end, or where the rest is cut off
     * or damaged. */
    int (*next)(struct pq_film_journal *journal, struct pq_frame **out, int64_t *index,
                pique_error *err);
    void (*close)(struct pq_film_journal *journal);
};

/* ---- joining ---- */

struct pq_film_join {
    const struct pq_film_read *read; /* the source and what of it is kept */
    const char *container;
    const char *name; /* of the result, for messages */
    bool no_audio, no_subtitles;
    char *const *segments; /* files, in order */
    size_t count;
    const int64_t *pts; /* of every frame, in ticks of time_base */
    int64_t frames;
    int64_t last_duration; /* of the last frame, ticks; 0: as the one before */
    struct pq_ratio time_base;
    int64_t origin;
    bool partial;        /* the film was stopped: all streams end with the video */
    struct pq_file *out; /* open for reading and writing; NULL for lost() */
    pq_note_fn *note;    /* what is not kept */
    void *note_user;
};

struct pq_film_joined {
    int64_t frames;
    double seconds; /* of the video */
    int streams, lost;
};

/* ---- the table ---- */

enum { PQ_VIDEO_IO_VERSION = 3 };

struct pq_video_io {
    int version; /* PQ_VIDEO_IO_VERSION of the headers it was built with */
    /* pq_free() the JSON. */
    int (*describe)(const char *path, char **json, pique_error *err);
    int (*open_source)(const struct pq_film_read *read, struct pq_film_source **out,
                       pique_error *err);
    struct pq_frame *(*frame_ref)(struct pq_frame *frame); /* NULL: out of memory */
    void (*frame_unref)(struct pq_frame **frame);          /* &{NULL} is fine */
    /* The encoder for a film, without opening it for a size. Says what it had to change. */
    int (*choose)(const struct pq_film_write *write, struct pq_film_encoder *out, pique_error *err);
    /* For the size in `write`; `chosen` is what choose() said, now or in an earlier process. */
    int (*open_writer)(const struct pq_film_write *write, const struct pq_film_encoder *chosen,
                       struct pq_film_writer **out, pique_error *err);
    int (*write_journal)(const struct pq_film_writer *like, struct pq_file *file,
                         struct pq_film_journal **out, pique_error *err);
    int (*read_journal)(const struct pq_film_writer *like, const char *path,
                        struct pq_film_journal **out, pique_error *err);
    /* Say what the container cannot hold, before the start; *lost counts it. */
    int (*lost)(const struct pq_film_join *join, int *lost, pique_error *err);
    int (*join)(const struct pq_film_join *join, struct pq_film_joined *out, pique_error *err);
    /* The profiles of every codec, for a list: "codec\tprofile\tdescription" a line. */
    const char *(*profiles)(void);
};

/* What the module exports under the name "pique_video_module". */
typedef const struct pq_video_io *pq_video_module_fn(void);

/* The table, loading "pique-video.so" at the first call as base/module.h says. Thread-safety: safe.
 */
int pq_video_module(const struct pq_video_io **io, pique_error *err);
/* For tests: use this table instead, until called with NULL. */
void pq_video_module_replace(const struct pq_video_io *io);
