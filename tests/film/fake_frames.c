/* SPDX-License-Identifier: MIT */
#include "fake_frames.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "upscale/frames.h"

struct fake_frames fake_frames;

void fake_frames_reset(void)
{
    fake_frames = (struct fake_frames){.can = true};
}

bool __wrap_pq_frames_can_yuv(const struct pq_engines *engines,
                              const pique_picture_options *options);
int __real_pq_frames_open(const struct pq_frames_setup *setup, struct pq_frames **out,
                          pique_error *err);
int __wrap_pq_frames_open(const struct pq_frames_setup *setup, struct pq_frames **out,
                          pique_error *err);
struct pq_image __real_pq_frames_output(const struct pq_frames *frames);
struct pq_image __wrap_pq_frames_output(const struct pq_frames *frames);
int __real_pq_frames_run(struct pq_frames *frames, int count, const struct pq_image *in,
                         struct pq_image *out, pique_error *err);
int __wrap_pq_frames_run(struct pq_frames *frames, int count, const struct pq_image *in,
                         struct pq_image *out, pique_error *err);
int __real_pq_frames_plain(struct pq_frames *frames, const struct pq_image *in,
                           struct pq_image *out, pique_error *err);
int __wrap_pq_frames_plain(struct pq_frames *frames, const struct pq_image *in,
                           struct pq_image *out, pique_error *err);

/* How the frames were opened that were last opened for planes; those of a film live one after the
 * other. */
static struct {
    const struct pq_frames *frames;
    bool in, out;
    int width, height, x, y, piece_width, piece_height;
} planes;

static bool is_planes(const struct pq_frames *frames)
{
    return frames == planes.frames;
}

bool __wrap_pq_frames_can_yuv(const struct pq_engines *engines,
                              const pique_picture_options *options)
{
    (void)engines;
    (void)options;
    return fake_frames.can;
}

static bool is_fake(const struct pq_yuv *yuv, int depth)
{
    return !yuv || (yuv->depth == 8 && depth == 8 && !yuv->sub_x && !yuv->sub_y);
}

int __wrap_pq_frames_open(const struct pq_frames_setup *setup, struct pq_frames **out,
                          pique_error *err)
{
    struct pq_frames_setup colours = *setup;
    if (!is_fake(setup->in_yuv, setup->depth) || !is_fake(setup->out_yuv, setup->out_depth) ||
        ((setup->in_yuv || setup->out_yuv) && !fake_frames.can) ||
        (setup->crop_width && !setup->in_yuv))
        return pq_fail(err, PIQUE_EINTERNAL, "the frames are opened for what does not come");
    if (setup->crop_width) {
        fake_frames.crops++;
        colours.width = setup->crop_width;
        colours.height = setup->crop_height;
    }
    if (setup->out_yuv)
        colours.out_depth = 16;
    colours.in_yuv = colours.out_yuv = NULL;
    colours.crop_width = 0;
    const int rc = __real_pq_frames_open(&colours, out, err);
    if (is_planes(*out))
        planes.frames = NULL; /* the memory of earlier ones */
    if (!rc && (setup->in_yuv || setup->out_yuv)) {
        planes.frames = *out;
        planes.in = setup->in_yuv != NULL;
        planes.out = setup->out_yuv != NULL;
        planes.width = setup->width;
        planes.height = setup->height;
        planes.x = setup->crop_x;
        planes.y = setup->crop_y;
        planes.piece_width = colours.width;
        planes.piece_height = colours.height;
    }
    return rc;
}

struct pq_image __wrap_pq_frames_output(const struct pq_frames *frames)
{
    struct pq_image out = __real_pq_frames_output(frames);
    if (is_planes(frames) && planes.out)
        out.depth = 8;
    return out;
}

/* The piece that counts of what comes. */
static int take(const struct pq_image *in, struct pq_image *piece, pique_error *err)
{
    *piece = *in;
    if (!planes.in)
        return 0;
    if (in->width != planes.width || in->height != planes.height || in->memory)
        return pq_fail(err, PIQUE_EINTERNAL, "a picture comes where planes of a frame are due");
    piece->width = planes.piece_width;
    piece->height = planes.piece_height;
    for (int p = 0; p < 3; p++)
        piece->data[p] = (char *)in->data[p] + planes.y * in->stride[p] + planes.x;
    fake_frames.in++;
    return 0;
}

/* As from_rgb() of fake_video.c does it. */
static int give(const struct pq_image *from, struct pq_image *to, pique_error *err)
{
    if (to->memory || to->depth != 8)
        return pq_fail(err, PIQUE_EINTERNAL, "room for a picture where planes of a frame are due");
    for (int p = 0; p < 3; p++)
        for (int y = 0; y < to->height; y++) {
            const uint16_t *row =
                (const uint16_t *)(const void *)((char *)from->data[p] + y * from->stride[p]);
            unsigned char *samples = (unsigned char *)to->data[p] + y * to->stride[p];
            for (int x = 0; x < to->width; x++)
                samples[x] = (unsigned char)(row[x] >> 8);
        }
    fake_frames.out++;
    return 0;
}

int __wrap_pq_frames_run(struct pq_frames *frames, int count, const struct pq_image *in,
                         struct pq_image *out, pique_error *err)
{
    struct pq_image pieces[PQ_MAX_BATCH], colours[PQ_MAX_BATCH] = {0};
    int rc = 0;
    if (!is_planes(frames))
        return __real_pq_frames_run(frames, count, in, out, err);
    const struct pq_image like = __real_pq_frames_output(frames);
    for (int i = 0; !rc && i < count; i++) {
        rc = take(&in[i], &pieces[i], err);
        if (!rc && planes.out)
            rc = pq_image_new(like.width, like.height, 3, 16, NULL, &colours[i], err);
    }
    if (!rc)
        rc = __real_pq_frames_run(frames, count, pieces, planes.out ? colours : out, err);
    for (int i = 0; i < count; i++) {
        if (!rc && planes.out)
            rc = give(&colours[i], &out[i], err);
        pq_image_free(&colours[i]);
    }
    return rc;
}

int __wrap_pq_frames_plain(struct pq_frames *frames, const struct pq_image *in,
                           struct pq_image *out, pique_error *err)
{
    return is_planes(frames) ? pq_fail(err, PIQUE_EINTERNAL, "planes would be enlarged as colours")
                             : __real_pq_frames_plain(frames, in, out, err);
}
