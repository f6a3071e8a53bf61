/* SPDX-License-Identifier: MIT */
#include "film/picture.h"

#include "base/alloc.h"
#include "film/devices.h"

static bool has_alpha(const struct pq_film *film)
{
    return film->read.alpha && film->source->facts.info.alpha;
}

/* ---- which of both ways ---- */

void pq_film_choose_planes(struct pq_film *film)
{
    const pique_picture_options *p = &film->picture;
    const struct pq_station *first = pq_crew_station(film->crew, 0);
    const bool can = pq_frames_can_yuv(&first->engines, p);
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

static struct pq_frames_setup setup_rgb(const struct pq_film *film)
{
    const struct pq_film_facts *f = &film->source->facts;
    return (struct pq_frames_setup){
        .options = &film->picture,
        .width = f->info.width,
        .height = f->info.height,
        .planes = has_alpha(film) ? 4 : 3,
        .depth = f->rgb_depth,
        .out_depth = film->kind == PQ_FILM_PICTURES ? film->files.depth : 16,
        .multiple_x = film->encoder.multiple_x,
        .multiple_y = film->encoder.multiple_y,
        .batch = film->options.batch,
        .name = film->name,
    };
}

struct pq_frames_setup pq_film_setup(const struct pq_film *film, bool planes)
{
    const struct pq_film_facts *f = &film->source->facts;
    struct pq_frames_setup setup = setup_rgb(film);
    if (planes && film->planes_in) {
        setup.in_yuv = &f->yuv;
        setup.depth = stored_bits(&f->yuv);
        setup.width = f->frame_width;
        setup.height = f->frame_height;
        setup.crop_x = f->crop_x;
        setup.crop_y = f->crop_y;
        setup.crop_width = f->crop_width;
        setup.crop_height = f->crop_height;
    }
    if (planes && film->planes_out) {
        setup.out_yuv = &film->writer->yuv;
        setup.out_depth = stored_bits(&film->writer->yuv);
    }
    return setup;
}

int pq_film_open_plain(struct pq_film *film, pique_error *err)
{
    struct pq_frames_setup setup = setup_rgb(film);
    setup.engines = &pq_crew_station(film->crew, 0)->engines;
    setup.plain = true;
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

int pq_film_rgb(struct pq_film *film, struct pq_film_source *source, const struct pq_frame *frame,
                struct pq_image *out, pique_error *err)
{
    const struct pq_film_facts *f = &source->facts;
    int rc = pq_image_new(f->info.width, f->info.height, has_alpha(film) ? 4 : 3, f->rgb_depth,
                          pq_engine_allocator(film->engine), out, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&film->converting); /* frames to keep, and those that a fallback takes */
    rc = source->to_rgb(source, frame, out, err);
    pthread_mutex_unlock(&film->converting);
    return rc;
}

int pq_film_take(struct pq_film *film, struct pq_film_source *source, struct pq_frame *frame,
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
    const struct pq_image like = pq_frames_output(film->plain);
    return pq_image_new(like.width, like.height, like.planes, like.depth,
                        pq_engine_allocator(film->engine), &result->out, err);
}

int pq_film_enter_rgb(struct pq_film *film, const struct pq_result *result, struct pq_rgb *rgb,
                      pique_error *err)
{
    const struct pq_image like = pq_frames_output(film->plain);
    int rc = 0;
    *rgb = (struct pq_rgb){.in = result->in, .out = result->out};
    rgb->in.memory = rgb->out.memory = NULL;
    if (film->planes_in)
        rc = pq_film_rgb(film, film->source, result->decoded, &rgb->in, err);
    if (!rc && film->planes_out)
        rc = pq_image_new(like.width, like.height, like.planes, like.depth,
                          pq_engine_allocator(film->engine), &rgb->out, err);
    return rc;
}

int pq_film_leave_rgb(struct pq_film *film, struct pq_result *result, struct pq_rgb *rgb, bool done,
                      pique_error *err)
{
    int rc = 0;
    if (done && film->planes_out) {
        film->io->frame_unref(&result->frame);
        rc = film->writer->from_rgb(film->writer, &rgb->out, &result->frame, err);
        if (!rc)
            result->out = planes_of(result->frame);
    }
    pq_image_free(&rgb->in);
    pq_image_free(&rgb->out);
    return rc;
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
    const struct pq_image out = pq_frames_output(film->plain);
    return film->planes_out ? pq_film_result_bytes(film)
                            : (uint64_t)out.width * (uint64_t)out.height * (uint64_t)out.planes *
                                  (uint64_t)(out.depth / 8);
}
