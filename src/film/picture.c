/* SPDX-License-Identifier: MIT */
#include "film/picture.h"

#include "base/alloc.h"

static bool has_alpha(const struct pq_film *film)
{
    return film->read.alpha && film->source->facts.info.alpha;
}

/* ---- which of both ways ---- */

void pq_film_choose_planes(struct pq_film *film)
{
    const pique_picture_options *p = &film->picture;
    const bool can = pq_frames_can_yuv(&film->engines, p);
    const bool mean_needed = p->contrast != 0 && p->contrast != 1; /* of R, G and B */
    film->planes_in = can && !mean_needed && film->source->facts.yuv.depth;
    /* A result that is kept as a picture too is computed as one; what is transparent is composed by
     * the host. */
    film->planes_out = can && !has_alpha(film) && film->kind != PQ_FILM_PICTURES &&
                       film->encoder.yuv && !(film->options.keep & PIQUE_KEEP_RESULT);
}

/* ---- opening ---- */

/* Of a sample in memory. */
static int stored_bits(const struct pq_yuv *yuv)
{
    return yuv->depth > 8 ? 16 : 8;
}

static struct pq_frames_setup setup_of(const struct pq_film *film)
{
    const struct pq_film_facts *f = &film->source->facts;
    return (struct pq_frames_setup){
        .engines = &film->engines,
        .options = &film->picture,
        .width = f->info.width,
        .height = f->info.height,
        .planes = has_alpha(film) ? 4 : 3,
        .depth = f->rgb_depth,
        .out_depth = film->kind == PQ_FILM_PICTURES ? film->files.depth : 16,
        .multiple_x = film->encoder.multiple_x,
        .multiple_y = film->encoder.multiple_y,
        .name = film->name,
    };
}

static bool has_planes(const struct pq_film *film)
{
    return film->planes_in || film->planes_out;
}

int pq_film_open_plain(struct pq_film *film, pique_error *err)
{
    struct pq_frames_setup setup = setup_of(film);
    setup.batch = film->options.batch;
    setup.plain = has_planes(film);
    int rc = pq_frames_open(&setup, &film->plain, err);
    if (rc)
        return rc;
    const pique_film_info *info = &film->source->facts.info;
    const struct pq_image out = pq_frames_output(film->plain);
    pique_film_plan *p = &film->plan;
    p->in_width = info->width;
    p->in_height = info->height;
    p->out_width = out.width;
    p->out_height = out.height;
    p->frames = info->frames;
    p->fps_num = info->fps_num;
    p->fps_den = info->fps_den;
    return 0;
}

static int open_planes(struct pq_film *film, pique_error *err)
{
    const struct pq_film_facts *f = &film->source->facts;
    struct pq_frames_setup setup = setup_of(film);
    setup.batch = film->options.batch;
    if (film->planes_in) {
        setup.in_yuv = &f->yuv;
        setup.depth = stored_bits(&f->yuv);
        setup.width = f->frame_width;
        setup.height = f->frame_height;
        setup.crop_x = f->crop_x;
        setup.crop_y = f->crop_y;
        setup.crop_width = f->crop_width;
        setup.crop_height = f->crop_height;
    }
    if (film->planes_out) {
        setup.out_yuv = &film->writer->yuv;
        setup.out_depth = stored_bits(&film->writer->yuv);
    }
    return pq_frames_open(&setup, &film->frames, err);
}

int pq_film_open_frames(struct pq_film *film, pique_error *err)
{
    int rc = 0;
    if (has_planes(film))
        rc = open_planes(film, err);
    else
        film->frames = film->plain;
    if (rc)
        return rc;
    pique_film_plan *p = &film->plan;
    p->batch = pq_frames_batch(film->frames);
    p->passes = pq_frames_passes(film->frames);
    p->approximate = pq_frames_approximate(film->frames);
    return 0;
}

void pq_film_close_frames(struct pq_film *film)
{
    if (film->frames != film->plain)
        pq_frames_close(&film->frames);
    pq_frames_close(&film->plain);
    film->frames = NULL;
}

/* ---- one frame ---- */

/* A frame as the picture that lies in it. Only those of a blank one are written. */
static struct pq_image planes_of(const struct pq_frame *frame)
{
    struct pq_image image = {.width = frame->width,
                             .height = frame->height,
                             .planes = 3,
                             .depth = frame->depth > 8 ? 16 : 8};
    for (int p = 0; p < 3; p++) {
        image.data[p] = (void *)frame->plane[p].data;
        image.stride[p] = frame->plane[p].stride;
    }
    return image;
}

int pq_film_rgb(const struct pq_film *film, struct pq_film_source *source,
                const struct pq_frame *frame, struct pq_image *out, pique_error *err)
{
    const struct pq_film_facts *f = &source->facts;
    int rc = pq_image_new(f->info.width, f->info.height, has_alpha(film) ? 4 : 3, f->rgb_depth,
                          pq_engine_allocator(film->engine), out, err);
    return rc ? rc : source->to_rgb(source, frame, out, err);
}

int pq_film_take(const struct pq_film *film, struct pq_film_source *source, struct pq_frame *frame,
                 struct pq_result *result, pique_error *err)
{
    if (!film->planes_in)
        return pq_film_rgb(film, source, frame, &result->in, err);
    result->decoded = film->io->frame_ref(frame);
    if (!result->decoded)
        return pq_fail_nomem(err, sizeof *frame);
    result->in = planes_of(frame);
    return 0;
}

int pq_film_room(const struct pq_film *film, struct pq_result *result, pique_error *err)
{
    if (film->planes_out) {
        int rc = film->writer->blank(film->writer, &result->frame, err);
        if (!rc)
            result->out = planes_of(result->frame);
        return rc;
    }
    const struct pq_image like = pq_frames_output(film->frames);
    return pq_image_new(like.width, like.height, like.planes, like.depth,
                        pq_engine_allocator(film->engine), &result->out, err);
}

int pq_film_finish(const struct pq_film *film, struct pq_result *result, pique_error *err)
{
    film->io->frame_unref(&result->decoded);
    if (!film->writer || result->frame)
        return 0;
    return film->writer->from_rgb(film->writer, &result->out, &result->frame, err);
}

uint64_t pq_film_in_bytes(const struct pq_film *film)
{
    const struct pq_film_facts *f = &film->source->facts;
    return film->planes_in ? f->frame_bytes
                           : (uint64_t)f->info.width * (uint64_t)f->info.height * 4 *
                                 (uint64_t)(f->rgb_depth / 8);
}

uint64_t pq_film_out_bytes(const struct pq_film *film)
{
    const struct pq_image out = pq_frames_output(film->frames);
    return film->planes_out ? pq_film_result_bytes(film)
                            : (uint64_t)out.width * (uint64_t)out.height * (uint64_t)out.planes *
                                  (uint64_t)(out.depth / 8);
}
