/* SPDX-License-Identifier: MIT */
/* Still pictures: from a file to a file through an engine. The code behind these functions is a
 * module that is loaded on first use. */
#ifndef PIQUE_PICTURE_H
#define PIQUE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a picture file holds. */
typedef struct pique_picture_info {
    size_t size;       /**< sizeof(pique_picture_info), set by the caller */
    char format[16];   /**< "png", "jpeg", "webp", "tiff", "avif", "heif", "jxl", "gif", "bmp",
                            "pnm" */
    int width, height; /**< pixels as seen, after the orientation is applied */
    int colours;       /**< 1 grey, 3 RGB, 4 CMYK */
    bool alpha;
    int depth; /**< bits a sample: 8 or 16 */
    bool has_icc, has_exif, has_xmp;
    int orientation; /**< EXIF, 1..8 */
    int frames;      /**< of an animation; 1 for a still. Only the first is read */
} pique_picture_info;

enum pique_alpha {
    PIQUE_ALPHA_KEEP,   /**< upscaled through the network as a plane of its own */
    PIQUE_ALPHA_DROP,   /**< ignored, colours as stored */
    PIQUE_ALPHA_FLATTEN /**< composed over the background first */
};

enum pique_format {
    PIQUE_FORMAT_AUTO, /**< by the name of the output; the format of the input for a pipe where
                            it can be written, else PNG */
    PIQUE_FORMAT_PNG,
    PIQUE_FORMAT_JPEG,
    PIQUE_FORMAT_WEBP,
    PIQUE_FORMAT_TIFF,
    PIQUE_FORMAT_AVIF,
    PIQUE_FORMAT_JXL,
    PIQUE_FORMAT_PPM
};

/** How a picture is processed and written. All zero but size is a good default. */
typedef struct pique_picture_options {
    size_t size; /**< sizeof(pique_picture_options) */

    /* Size: at most one of scale, width/height, fit. None: the model's own scale. No side can
     * become more than 64 times as long. */
    double scale;              /**< > 0, <= 64; 0: unset */
    int width, height;         /**< 0: unset; one alone keeps the aspect */
    int fit_width, fit_height; /**< largest size inside that keeps the aspect */
    int pre_downscale;         /**< height to reduce to before anything else; 0: unset */

    /* After-effects, in this order, after all passes and the resize. */
    double sharpen;    /**< 0..2; out = x + s (x - smooth(x)) */
    double contrast;   /**< factor about the mean luma of what is visible of the source, not
                            rounded to 8 bits; 0: unset, as 1 */
    double saturation; /**< factor about the luma; 0: unset, as 1; -1: none at all (grey) */

    enum pique_alpha alpha;
    unsigned char background[3]; /**< for PIQUE_ALPHA_FLATTEN and formats without alpha */
    bool background_set;         /**< false: white */

    /* Writing. */
    enum pique_format format;
    int quality;     /**< 1..100 for JPEG, WebP, AVIF, JXL; 0: 95 */
    bool lossless;   /**< WebP, AVIF, JXL */
    int compression; /**< 0..9 for PNG, and TIFF (0 none); -1: 6. 0 with compression_set false
                          means the default */
    bool compression_set;
    int depth;            /**< 8 or 16; 0: as the source where the format can */
    bool overwrite;       /**< replace an existing output */
    bool allow_untrusted; /**< read formats whose readers are not hardened (JPEG XL) */

    bool tta; /**< each pass is the mean over the eight flips and turns of the picture: eight times
                   the work, and memory for the whole picture */
} pique_picture_options;

/** What happened. */
typedef struct pique_picture_report {
    size_t size;             /**< sizeof(pique_picture_report), set by the caller */
    int in_width, in_height; /**< as seen */
    int out_width, out_height;
    int passes;      /**< runs of a network, all models of a chain together */
    char format[16]; /**< of the output */
    int depth;       /**< of the output */
    uint64_t bytes_written;
    double seconds;
    uint64_t hash;    /**< XXH3-64 over the output samples, rows from the top, native
                           byte order: equal for equal pictures, whatever the container */
    int retries;      /**< times a result was refused and computed again */
    bool approximate; /**< a network with statistics over the whole picture took them from a sample:
                           its maps fitted neither into the budget nor into a scratch file */
    int moved;        /**< times that it went on to another device */
    char fallback_key[160]; /**< the numeric key of pique_engine_options.fallback, where that one
                                 computed it and its key is another; else "" */
} pique_picture_report;

/** Look at a picture without decoding its pixels.
 *  @param path  file, or "-" for standard input (which is then consumed).
 *  @return 0; PIQUE_ENOENT; PIQUE_EFORMAT; PIQUE_EUNSUPPORTED; PIQUE_EIO; PIQUE_ENOMEM.
 *  Thread-safety: safe. */
int pique_picture_probe(const char *path, bool allow_untrusted, pique_picture_info *info,
                        pique_error *err);

/** Upscale one picture file. The output is written to a temporary name beside it, synced and
 *  renamed: it exists whole or not at all.
 *  @param engine   one call at a time.
 *  @param src      file, or "-" for standard input.
 *  @param dst      file, or "-" for standard output.
 *  @param options  borrowed; NULL for the defaults.
 *  @param report   filled on success; may be NULL.
 *  @return 0; PIQUE_EINVAL; PIQUE_ENOENT; PIQUE_EFORMAT; PIQUE_EUNSUPPORTED; PIQUE_EEXIST;
 *          PIQUE_ECREATE; PIQUE_EIO; PIQUE_ENOSPC; PIQUE_ENOMEM; PIQUE_EDEVICE;
 *          PIQUE_ECANCELED. */
int pique_picture_upscale(pique_engine *engine, const char *src, const char *dst,
                          const pique_picture_options *options, pique_picture_report *report,
                          pique_error *err);

/** What a picture will take and become. */
typedef struct pique_picture_plan {
    size_t size; /**< sizeof(pique_picture_plan), set by the caller */
    int in_width, in_height, out_width, out_height;
    int passes;            /**< runs of a network, all models of a chain together */
    double network_pixels; /**< that go into all of them, of a colour picture without --tta */
    uint64_t memory_bytes; /**< of pixels and of what lies between the layers, at most */
} pique_picture_plan;

/** What pique_picture_upscale_chain() would do, without computing or writing anything. Notes are
 *  events.
 *  @return as pique_picture_upscale(), PIQUE_EEXIST too where dst exists and may not be replaced.
 */
int pique_picture_plan_only(pique_engine *const *engines, size_t count, const char *src,
                            const char *dst, const pique_picture_options *options,
                            pique_picture_plan *plan, pique_error *err);

/** The most models of a chain. */
#define PIQUE_CHAIN_MODELS 16

/** The same through several models, one after the other: restoration models of scale 1 before one
 *  that enlarges, say. What lies between two of them is clipped to 0..1 and not rounded. The scale
 *  of the chain is the product of all. Where a larger output is asked for than that gives, the last
 *  model that enlarges runs several times, each time on what it returned; the others run once.
 *  @param engines  one for each model, in order; borrowed. Threads, allocator, memory budget,
 *                  cancel token and listener of the first one serve the whole chain; open the
 *                  others with its `threads_of`, so that there are no more threads than cores.
 *  @param count    1 .. PIQUE_CHAIN_MODELS.
 *  @return as pique_picture_upscale(). */
int pique_picture_upscale_chain(pique_engine *const *engines, size_t count, const char *src,
                                const char *dst, const pique_picture_options *options,
                                pique_picture_report *report, pique_error *err);

/** One of several pictures. */
typedef struct pique_picture_item {
    const char *src, *dst;       /**< files; borrowed */
    int status;                  /**< of this picture, as pique_picture_upscale() returns it */
    pique_picture_report report; /**< where status is 0 */
    pique_error err;             /**< where it is not */
} pique_picture_item;

/** The most pictures in one call. */
#define PIQUE_BATCH_PICTURES 8

/** Batches of pictures, one after the other, for pique_pictures_upscale_all(). Both functions may
 * be called from other threads than that of the caller, but never two at once. */
typedef struct pique_picture_feed {
    size_t size; /**< sizeof(pique_picture_feed) */
    void *user;
    /** The next batch.
     *  @param items  1 .. PIQUE_BATCH_PICTURES of them, as for pique_pictures_upscale(); they stay
     *                where they are until they are done.
     *  @return how many; 0: there are no more. */
    size_t (*next)(void *user, pique_picture_item **items);
    /** Every item of a batch has its status. In the order of `next`. */
    void (*done)(void *user, pique_picture_item *items, size_t count);
} pique_picture_feed;

/** Several picture files at once. Those of one size are one inference over all of them; each gets
 * the bits that it would get alone. One that fails leaves the others untouched.
 *  @param engines, count  as for pique_picture_upscale_chain().
 *  @param items       src and dst are read, the rest is written; no "-".
 *  @param item_count  1 .. PIQUE_BATCH_PICTURES.
 *  @return 0 where every item has its status; PIQUE_EINVAL. */
int pique_pictures_upscale(pique_engine *const *engines, size_t count, pique_picture_item *items,
                           size_t item_count, const pique_picture_options *options,
                           pique_error *err);

/** A folder of pictures, as calls of pique_pictures_upscale() for each batch would do it, on all
 *  devices of the engines at the same time. How far a picture is, is not told.
 *  @return 0 where every item that `next` gave has its status; PIQUE_EINVAL; PIQUE_ENOMEM. */
int pique_pictures_upscale_all(pique_engine *const *engines, size_t count,
                               const pique_picture_feed *feed, const pique_picture_options *options,
                               pique_error *err);

#ifdef __cplusplus
}
#endif
#endif
