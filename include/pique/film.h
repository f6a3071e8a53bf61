/* SPDX-License-Identifier: MIT */
/* Films: from a file to a file through an engine. The code that knows libav and zimg is a module
 * that is loaded on first use.
 *
 * A film is upscaled as a job: a folder beside the output in which every finished stretch of film
 * is sealed. A job that was interrupted, in whatever way, goes on from there when the same call is
 * made again; at the end the stretches are joined without being encoded again, and the folder is
 * removed.
 */
#ifndef PIQUE_FILM_H
#define PIQUE_FILM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "error.h"
#include "picture.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a film file holds, of the video that would be upscaled. */
typedef struct pique_film_info {
    size_t size;          /**< sizeof(pique_film_info), set by the caller */
    char container[32];   /**< "matroska", as libav names it */
    char codec[32];       /**< "h264" */
    int width, height;    /**< pixels as seen: rotation applied, not stretched by the aspect */
    int sar_num, sar_den; /**< shape of a pixel; 1:1 where unknown */
    int fps_num, fps_den; /**< mean frames a second */
    int64_t frames;       /**< 0: not known without reading all of it */
    double seconds;       /**< 0: not known */
    int depth;            /**< bits a sample, 8 .. 16 */
    bool alpha, interlaced, hdr;
    int audio, subtitles, attachments, chapters; /**< how many of each */
} pique_film_info;

enum pique_hardware {
    PIQUE_HARDWARE_AUTO, /**< an encoder of the GPU where there is one that works */
    PIQUE_HARDWARE_OFF,
    PIQUE_HARDWARE_NVENC,
    PIQUE_HARDWARE_VAAPI,
    PIQUE_HARDWARE_QSV
};

/** Frames that are written as pictures beside the film. */
enum pique_keep_frames {
    PIQUE_KEEP_NONE = 0,
    PIQUE_KEEP_SOURCE = 1,
    PIQUE_KEEP_RESULT = 2,
    PIQUE_KEEP_BOTH = 3
};

/** How frames are written as pictures. */
enum pique_frame_format {
    PIQUE_FRAMES_PNG,       /**< 8 bit */
    PIQUE_FRAMES_PNG16,     /**< 16 bit, uncompressed */
    PIQUE_FRAMES_PNG_SMALL, /**< 8 bit, highest compression */
    PIQUE_FRAMES_JPEG100,   /**< quality 100 */
    PIQUE_FRAMES_JPEG95     /**< quality 95 */
};

enum pique_film_control {
    PIQUE_FILM_RUN,
    PIQUE_FILM_PAUSE, /**< hold all work until it changes */
    PIQUE_FILM_STOP   /**< end resumable, PIQUE_ECANCELED */
};

/** Whether to go on; may be called from any thread. */
typedef enum pique_film_control pique_film_control_fn(void *user);

/** How a film is processed and written. All zero but size is a good default. */
typedef struct pique_film_options {
    size_t size; /**< sizeof(pique_film_options) */
    /** Size, after-effects, alpha and tta; and how numbered pictures are written. Borrowed; NULL
     * for the defaults. */
    const pique_picture_options *picture;

    /* What is read. */
    double from, to; /**< seconds from the beginning; to 0: the end */
    const char *map; /**< streams to keep, "a:0,s:1" or "v:1"; NULL: the best video and all
                          others */
    bool no_audio, no_subtitles;
    bool deinterlace; /**< bwdif, a frame for a frame */
    bool crop_auto;   /**< take off black bars, found in frames all over the film */
    int crop_width, crop_height, crop_x, crop_y; /**< piece of each frame; width 0: all of it;
                                                      x -1: in the middle */
    int fps_num, fps_den; /**< drop or repeat frames to this rate; 0: as they come. For a
                               sequence of pictures, its rate (24 where 0) */

    /* How it is computed. */
    int batch;        /**< frames in one inference, 1 .. 8; 0: chosen from the memory */
    bool no_parallel; /**< one frame at a time, one stage at a time */
    bool no_reuse;    /**< compute every frame, even one that was there before */
    int tolerance;    /**< reuse also where no sample differs by more than so many steps of 8 bits,
                           0 .. 4 */

    /* How it is written. dst ending in a film's suffix is a film; a folder or a name with "%06d"
     * numbered pictures; "-" y4m on standard output; "null:" nothing at all, for measuring. */
    const char *container; /**< "mp4", "mkv", "mov", "webm", "y4m"; NULL: by the name */
    const char *codec;     /**< "h264", "h265", "av1", "vp9", "prores", "dnxhd", "ffv1", or the name
                                of an encoder of libav; NULL: h264, vp9 for webm */
    const char *profile;   /**< of the codec, as pique lists them; NULL: its default */
    double crf;            /**< constant quality where crf_set */
    bool crf_set;
    int64_t bitrate;                    /**< bits a second; 0: by quality */
    const char *preset;                 /**< of the encoder; NULL: the profile's */
    const char *const *encoder_options; /**< "key=value"; borrowed */
    size_t encoder_option_count;
    enum pique_hardware hardware;
    enum pique_keep_frames keep;
    enum pique_frame_format frame_format;
    const char *frame_folder; /**< NULL: "<dst without suffix>_frames" */
    bool overwrite;

    /* The job. */
    const char *job_folder; /**< NULL: "<dst>.job" */
    int segment_frames;     /**< 0: 240 */
    double journal_seconds; /**< a segment of more work than this keeps a journal; 0: 60 */
    const char *settings;   /**< JSON that job.json keeps for whoever resumes; or NULL */
    bool force;             /**< start although the disk seems too small */
    bool anew;              /**< throw an unfinished job away */

    /** As the engine's; called from one thread at a time, which may not be the caller's. */
    pique_event_fn event;
    void *event_user;
    /** Asked at least four times a second whether to go on; NULL: always. The file "control" in the
     *  job folder ("pause", "stop") is obeyed as well. */
    pique_film_control_fn *control;
    void *control_user;
} pique_film_options;

/** What a film will take and become; strings belong to the struct. */
typedef struct pique_film_plan {
    size_t size; /**< sizeof(pique_film_plan), set by the caller */
    int in_width, in_height, out_width, out_height;
    int64_t frames; /**< estimated where the file does not say; 0: not known */
    int fps_num, fps_den;
    char encoder[64];      /**< "libx264" */
    char pixel_format[32]; /**< "yuv420p10le" */
    char container[16];
    int batch, passes;
    int segments, segments_done; /**< of a job that goes on */
    bool journal;
    double seconds; /**< of work that is left, from a probe; negative: not measured */
    uint64_t memory_bytes, disk_bytes, output_bytes;
    uint64_t disk_free;
    bool approximate; /**< promise 2 cannot be kept */
} pique_film_plan;

/** What happened. */
typedef struct pique_film_report {
    size_t size; /**< sizeof(pique_film_report), set by the caller */
    pique_film_plan plan;
    int64_t frames, unique, reused; /**< of this run and the ones it went on from */
    int64_t dropped, repeated;      /**< by another frame rate */
    uint64_t inferences;            /**< runs of a network over a batch, each pass counted once */
    int batch;
    int segments, segments_kept; /**< kept: sealed before this run */
    int64_t journal_frames;      /**< taken from the journal of an earlier run */
    uint64_t hash; /**< XXH3-64 over the hashes of all segments: equal for equal frames */
    uint64_t bytes_written;
    int retries;
    bool approximate;
    double seconds;
    /** Seconds in which each stage worked: decode, convert, infer, finish, encode, join. */
    double decode_seconds, convert_seconds, infer_seconds, finish_seconds, encode_seconds,
        join_seconds;
    int lost;  /**< things that the container could not hold; each was an event */
    int moved; /**< batches of this run that went on to another device; each was an event */
    int64_t fallback_frames; /**< computed by pique_engine_options.fallback with another numeric
                                  key, in this run and those it went on from; each stretch was an
                                  event PIQUE_EVENT_FALLBACK */
} pique_film_report;

/** Look at a film.
 *  @return 0; PIQUE_ENOENT; PIQUE_EFORMAT; PIQUE_EUNSUPPORTED (no decoder, a playlist, no video);
 *          PIQUE_EIO; PIQUE_ENOMEM. Thread-safety: safe. */
int pique_film_probe(const char *path, pique_film_info *info, pique_error *err);

/** Everything about a film as a JSON object: streams, colour, chapters, metadata.
 *  @param json  free with pique_text_free(). */
int pique_film_describe(const char *path, char **json, pique_error *err);

/** All codecs and their profiles, "codec\tprofile\twhat it is" a line; NULL where the video module
 *  is missing. Static. */
const char *pique_film_profiles(void);

/** Free a text and set *text to NULL. */
void pique_text_free(char **text);

/** What would be done, and what it would take; a few frames are computed to measure. Notes, among
 *  them what cannot be kept, are events. */
int pique_film_plan_only(pique_engine *const *engines, size_t count, const char *src,
                         const char *dst, const pique_film_options *options, pique_film_plan *plan,
                         pique_error *err);

/** Upscale one film.
 *  @param engines  as for pique_picture_upscale_chain(); one call at a time.
 *  @param src      file, "-" for y4m on standard input, or "name%05d.png" for a sequence.
 *  @param report   filled on success; may be NULL.
 *  @return 0; as pique_picture_upscale(), and PIQUE_ECANCELED where it was stopped: the job can go
 *          on; PIQUE_EEXIST where an unfinished job stands there for another input, model or
 * option, with a sentence that says which. */
int pique_film_upscale(pique_engine *const *engines, size_t count, const char *src, const char *dst,
                       const pique_film_options *options, pique_film_report *report,
                       pique_error *err);

/** Join what is sealed of an interrupted job into a playable film; the job stays as it is.
 *  @param frames  how many frames it has; may be NULL. PIQUE_ENOENT where nothing is sealed. */
int pique_film_keep(const char *job_folder, const char *dst, bool overwrite, int64_t *frames,
                    pique_error *err);

/** The settings that a job was started with (pique_film_options.settings).
 *  @param settings  free with pique_text_free(). */
int pique_film_job_settings(const char *job_folder, char **settings, pique_error *err);

/** One frame of a film, or a piece of it, into a picture file.
 *  @param at  seconds from the beginning.
 *  Crop, size and after-effects are taken from the options. */
int pique_film_preview(pique_engine *const *engines, size_t count, const char *src, const char *dst,
                       double at, const pique_film_options *options, pique_picture_report *report,
                       pique_error *err);

#ifdef __cplusplus
}
#endif
#endif
