/* SPDX-License-Identifier: MIT */
/* Looking: what a file is, and one picture of it as a PNG, quickly and without a model. For lists
 * with small pictures, for choosing a frame, and for comparing before with after, also while the
 * film is still being made. */
#ifndef PIQUE_LOOK_H
#define PIQUE_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum pique_look_kind {
    PIQUE_LOOK_PICTURE,
    PIQUE_LOOK_FILM, /**< also a picture that moves, and an unfinished film */
};

/** Which picture, and how. All zero but size is the first one, whole. */
typedef struct pique_look_options {
    size_t size;   /**< sizeof(pique_look_options) */
    int64_t frame; /**< of a film, from 0, in the order in which frames are seen */
    double at;     /**< seconds from the beginning, instead of a frame, where by_time */
    bool by_time;
    int crop_x, crop_y, crop_width, crop_height; /**< piece of the picture as seen; width 0: all;
                                                      x -1: in the middle */
    int side;             /**< the longest side at most, by Lanczos; 0: as it is. Never enlarged */
    bool overwrite;       /**< replace an existing output */
    bool allow_untrusted; /**< as in pique_picture_options */
} pique_look_options;

/** What the file is, and what was written. Strings belong to the struct. */
typedef struct pique_look_report {
    size_t size; /**< sizeof(pique_look_report), set by the caller */
    enum pique_look_kind kind;
    int width, height; /**< as seen: orientation and rotation applied, not stretched by the aspect
                            of pixels */
    int64_t frames;    /**< 1 of a picture; 0 where not known; may be an estimate */
    double seconds;    /**< 0: not known, or a picture */
    double fps;        /**< mean; 0 of a picture */
    char codec[32];    /**< "h264"; of a picture its format, "png" */
    char container[32];
    int depth; /**< bits a sample */
    bool alpha;
    int audio, subtitles;
    int64_t frame;             /**< which one was written; -1 where it was looked for by time */
    int out_width, out_height; /**< of what was written; 0: nothing was */
    double at; /**< of a film: seconds from its beginning to what was written; -1: not known */
} pique_look_report;

/** Look at a picture, a film, a sequence of pictures ("name%05d.png"), or the job folder of a film
 *  that is being made: there frames can be had as soon as they are saved, while another process
 *  goes on.
 *  @param src     file or folder.
 *  @param dst     the PNG, of 8 bits a sample; "-" is standard output; NULL: only tell.
 *  @param options borrowed; NULL for the defaults.
 *  @param report  filled on success; may be NULL.
 *  @return 0; PIQUE_ENOENT where there is no such file, or no such frame, or not yet; PIQUE_EINVAL
 *          a piece that does not lie within; else as pique_picture_upscale().
 *  Thread-safety: safe. */
int pique_look(const char *src, const pique_look_options *options, const char *dst,
               pique_look_report *report, pique_error *err);

#ifdef __cplusplus
}
#endif
#endif
