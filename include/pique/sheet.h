/* SPDX-License-Identifier: MIT */
/* One piece of a picture as several models make it, side by side on a sheet. */
#ifndef PIQUE_SHEET_H
#define PIQUE_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A sheet in the making. The first picture on it is the piece itself, enlarged by Lanczos; one
 *  more follows for each pique_sheet_add(). Thread-safety: one call at a time. */
typedef struct pique_sheet pique_sheet;

/** The most pictures on a sheet, the first one included. */
#define PIQUE_SHEET_PICTURES 64

/** All zero but size is a good default. */
typedef struct pique_sheet_options {
    size_t size;                 /**< sizeof(pique_sheet_options) */
    int crop_width, crop_height; /**< of the piece; 0: 256, or the picture where that is less */
    int crop_x, crop_y;          /**< its place, where crop_placed; else where the picture has most
                                      detail: the largest sum of squared steps of its luma */
    bool crop_placed;
    int scale;            /**< 1..16: by how much each picture of the sheet is larger than the
                               piece, whatever its model makes of it; 0: 4 */
    bool tta;             /**< as in pique_picture_options */
    bool allow_untrusted; /**< as in pique_picture_options */
    bool overwrite;       /**< replace an existing sheet */
} pique_sheet_options;

/** Where the piece lies and how large the pictures of the sheet are. */
typedef struct pique_sheet_info {
    size_t size; /**< sizeof(pique_sheet_info), set by the caller */
    int x, y, width, height;
    int cell_width, cell_height;
} pique_sheet_info;

/** What a chain of models made of the piece. */
typedef struct pique_sheet_result {
    size_t size;       /**< sizeof(pique_sheet_result), set by the caller */
    int width, height; /**< before it was resized to the size of the others */
    int passes;
    int retries;    /**< times a result was refused and computed again */
    double seconds; /**< to compute it */
} pique_sheet_result;

/** What was written. */
typedef struct pique_sheet_report {
    size_t size; /**< sizeof(pique_sheet_report), set by the caller */
    int width, height;
    int columns;
    bool labelled; /**< false: this machine cannot draw text */
    uint64_t bytes_written;
} pique_sheet_report;

/** Read a piece of a picture; transparent parts are laid over white.
 *  @param src      file, or "-" for standard input.
 *  @param options  borrowed for the call; NULL for the defaults.
 *  @param out      the sheet; the caller closes it. Set to NULL on failure.
 *  @return 0; PIQUE_EINVAL also for a piece outside the picture; as pique_picture_probe(). */
int pique_sheet_open(const char *src, const pique_sheet_options *options, pique_sheet **out,
                     pique_error *err);
void pique_sheet_close(pique_sheet **sheet);

/** @return 0; PIQUE_EINVAL where info->size is not set. */
int pique_sheet_get_info(const pique_sheet *sheet, pique_sheet_info *info, pique_error *err);

/** Send the piece through a chain of models at its own scale, and put the result on the sheet.
 *  @param engines, count  as in pique_picture_upscale_chain(); not needed after the call.
 *  @param result          filled on success; may be NULL.
 *  @return 0; PIQUE_EINVAL also for a full sheet; PIQUE_ENOMEM; PIQUE_EDEVICE; PIQUE_EUNSUPPORTED;
 *          PIQUE_ECANCELED. What failed is not on the sheet. */
int pique_sheet_add(pique_sheet *sheet, pique_engine *const *engines, size_t count,
                    pique_sheet_result *result, pique_error *err);

/** What stands under a picture, 0 being the piece itself: UTF-8, copied; lines end with "\n".
 *  @return 0; PIQUE_EINVAL; PIQUE_ENOMEM. */
int pique_sheet_label(pique_sheet *sheet, size_t picture, const char *text, pique_error *err);

/** Write the sheet; its format is that of its name. It exists whole or not at all.
 *  @return as pique_picture_upscale(). */
int pique_sheet_write(pique_sheet *sheet, const char *dst, pique_sheet_report *report,
                      pique_error *err);

#ifdef __cplusplus
}
#endif
#endif
