/* SPDX-License-Identifier: MIT */
/* Frames as picture files. */
#pragma once

#include "film/video.h"
#include "upscale/rows.h"

/* How frames are written, resolved. */
struct pq_frame_files {
    const struct pq_picture_io *io;
    struct pq_save save;
    int depth; /* 8 or 16 */
    const struct pq_format_caps *caps;
    unsigned char background[3]; /* behind transparent pixels where the format has none */
    char *pattern;               /* "folder/%06d.png"; owned */
};

/* For one of the formats of kept frames. */
int pq_frame_files_kept(struct pq_frame_files *files, enum pique_frame_format format,
                        const char *folder, const char *stem, pique_error *err);
/* For numbered pictures as a result: dst is a folder, or a name with one %d or %0Nd; or, single,
 * the name of one picture.
 * @param depth  that the film would need; taken where the options leave it open. */
int pq_frame_files_result(struct pq_frame_files *files, const char *dst, bool single,
                          const pique_picture_options *options, int depth, pique_error *err);
void pq_frame_files_free(struct pq_frame_files *files);

/* The name of frame number index (from 0; names count from 1); pq_free() it. */
char *pq_frame_path(const struct pq_frame_files *files, int64_t index);
/* Write it. What stands there is replaced. */
int pq_frame_write(const struct pq_frame_files *files, const char *path,
                   const struct pq_image *image, uint64_t *bytes, pique_error *err);
/* The same picture again, from the file that has it. */
int pq_frame_copy(const char *from, const char *to, uint64_t *bytes, pique_error *err);
