/* SPDX-License-Identifier: MIT */
#include "film/devices.h"

#include "base/alloc.h"
#include "film/picture.h"

/* ---- opening ---- */

/* One that takes no planes where the film has them, which only a fallback is, is set up in R, G and
 * B. */
static bool takes_planes(const struct pq_film *film, int device)
{
    const struct pq_station *station = pq_crew_station(film->crew, device);
    return pq_film_has_planes(film) && pq_frames_can_yuv(&station->engines, &film->picture);
}

static int open_all(struct pq_film *film, pique_error *err)
{
    const int count = pq_crew_count(film->crew);
    int most = 0;
    for (int i = 0; i < count; i++) {
        pique_error why;
        struct pq_frames_setup setup = pq_film_setup(film, takes_planes(film, i));
        setup.engines = &pq_crew_station(film->crew, i)->engines;
        int rc = pq_frames_open(&setup, &film->on[i], &why);
        if (rc == PIQUE_ENOMEM && pq_crew_leave_out(film->crew, i, &why))
            continue;
        if (rc)
            return pq_fail(err, rc, "%s", why.message);
        film->frames = film->frames ? film->frames : film->on[i];
        most = PQ_MAX(most, pq_frames_batch(film->on[i]));
    }
    for (int i = 0; i < count; i++) {
        if (film->on[i])
            pq_frames_expect(film->on[i], most);
    }
    return 0;
}

int pq_film_open_crew(struct pq_film *film, pique_error *err)
{
    const struct pq_crew_setup crew = {.engines = &film->engines, .one_size = true};
    return pq_crew_open(&crew, &film->crew, err);
}

int pq_film_open_devices(struct pq_film *film, pique_error *err)
{
    pique_film_plan *p = &film->plan;
    int rc = open_all(film, err);
    if (rc)
        return rc;
    pq_crew_tell(film->crew);
    p->batch = pq_frames_batch(film->frames);
    p->passes = pq_frames_passes(film->frames);
    p->approximate = pq_frames_approximate(film->frames);
    return 0;
}

void pq_film_close_devices(struct pq_film *film)
{
    for (int i = 0; i < PQ_DEVICES; i++)
        pq_frames_close(&film->on[i]);
    film->frames = NULL;
    pq_crew_close(&film->crew);
}

/* ---- computing ---- */

static int run(struct pq_film *film, int device, int count, const struct pq_image *in,
               struct pq_image *out, pique_error *err)
{
    pq_frames_set_other(film->on[device], pq_crew_has_other(film->crew, device));
    return pq_frames_run(film->on[device], count, in, out, err);
}

static int compute_rgb(struct pq_film *film, int device, int count,
                       struct pq_result *const *results, pique_error *err)
{
    struct pq_rgb rgb[PQ_MAX_BATCH];
    struct pq_image in[PQ_MAX_BATCH], out[PQ_MAX_BATCH];
    int rc = 0, entered = 0;
    for (; !rc && entered < count; entered++) {
        rc = pq_film_enter_rgb(film, results[entered], &rgb[entered], err);
        in[entered] = rgb[entered].in;
        out[entered] = rgb[entered].out;
    }
    if (!rc)
        rc = run(film, device, count, in, out, err);
    for (int i = 0; i < entered; i++) {
        const int left = pq_film_leave_rgb(film, results[i], &rgb[i], !rc, rc ? NULL : err);
        rc = rc ? rc : left;
    }
    return rc;
}

struct pictures {
    struct pq_image in[PQ_MAX_BATCH], out[PQ_MAX_BATCH];
};

static void take_pictures(struct pictures *p, int count, struct pq_result *const *results)
{
    for (int i = 0; i < count; i++) {
        p->in[i] = results[i]->in;
        p->out[i] = results[i]->out;
    }
}

struct next_pictures {
    const struct pq_film_next *of;
    struct pictures pictures;
};

static bool get_next(void *user, int count, const struct pq_image **in, struct pq_image **out)
{
    struct next_pictures *next = user;
    struct pq_result *results[PQ_MAX_BATCH];
    if (!next->of->get(next->of->user, count, results))
        return false;
    take_pictures(&next->pictures, count, results);
    *in = next->pictures.in;
    *out = next->pictures.out;
    return true;
}

int pq_film_compute_on(struct pq_film *film, int device, int count,
                       struct pq_result *const *results, const struct pq_film_next *next,
                       pique_error *err)
{
    struct pictures pictures;
    struct next_pictures behind = {.of = next};
    const struct pq_frames_next get = {&behind, get_next};
    if (pq_film_has_planes(film) && !takes_planes(film, device))
        return compute_rgb(film, device, count, results, err);
    take_pictures(&pictures, count, results);
    pq_frames_set_next(film->on[device], next ? &get : NULL);
    return run(film, device, count, pictures.in, pictures.out, err);
}

struct some {
    int count;
    struct pq_result *const *results;
};

static int compute(void *film, void *piece, int device, pique_error *err)
{
    const struct some *s = piece;
    return pq_film_compute_on(film, device, s->count, s->results, NULL, err);
}

int pq_film_compute(struct pq_film *film, int count, struct pq_result *const *results,
                    pique_error *err)
{
    struct some s = {count, results};
    return pq_crew_do(film->crew, compute, film, &s, err);
}

uint64_t pq_film_inferences(const struct pq_film *film)
{
    uint64_t sum = 0;
    for (int i = 0; i < PQ_DEVICES; i++)
        sum += film->on[i] ? pq_frames_inferences(film->on[i]) : 0;
    return sum;
}

void pq_film_count_devices(struct pq_film *film)
{
    pique_film_report *r = &film->report;
    for (int i = 0; i < PQ_DEVICES; i++) {
        if (!film->on[i])
            continue;
        r->retries += pq_frames_retries(film->on[i]);
        r->approximate |= pq_frames_approximate(film->on[i]);
    }
    r->moved = film->crew ? pq_crew_moved(film->crew) : 0;
    r->fallback_frames = pq_made_frames(&film->made);
}

/* ---- by a fallback ---- */

int pq_film_key_of(struct pq_film *film, int device, int *key, pique_error *err)
{
    const struct pq_station *station = pq_crew_station(film->crew, device);
    *key = 0;
    return station->other_key ? pq_made_key(&film->made, station->key, key, err) : 0;
}

int pq_film_load_made(struct pq_film *film, pique_error *err)
{
    json_t *list = NULL;
    int rc = film->has_job && film->job.resumed ? pq_job_read_made(&film->job, &list, err) : 0;
    if (!rc && list)
        rc = pq_made_from_json(&film->made, list, err);
    if (rc == PIQUE_EFORMAT)
        rc = pq_fail(err, rc, "%s/fallback.json: damaged, or of another version of pique",
                     film->job.folder);
    json_decref(list);
    return rc;
}

int pq_film_note_made(struct pq_film *film, struct pq_item *const *items, size_t count,
                      pique_error *err)
{
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        bool now;
        int rc = pq_made_set(&film->made, items[i]->index, items[i]->result->key, &now, err);
        if (rc)
            return rc;
        changed |= now;
    }
    if (!changed || !film->has_job)
        return 0;
    json_t *list = pq_made_to_json(&film->made);
    return list ? pq_job_write_made(&film->job, list, err) : pq_fail_nomem(err, 4096);
}

void pq_film_tell_made(struct pq_film *film)
{
    for (size_t i = 0; i < film->made.count; i++) {
        const struct pq_stretch *s = &film->made.list[i];
        pique_event event = {.kind = PIQUE_EVENT_FALLBACK,
                             .first_frame = s->first,
                             .frames = s->last - s->first + 1,
                             .text = film->made.keys[s->key - 1]};
        pq_film_tell(film, &event);
    }
}
