/* SPDX-License-Identifier: MIT */
#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../model/small_model.h"
#include "base/fault.h"

static pique_model *model;
static char folder[] = "/tmp/pique-film-XXXXXX";

int film_set_up(void **state)
{
    (void)state;
    const struct maker maker = {.features = 8, .convs = 1, .scale = 2, .channels = 3, .seed = 5};
    const int rc = small_model_open(&maker, &model);
    fake_reset();
    pq_video_module_replace(fake_video());
    return rc || !mkdtemp(folder);
}

int film_tear_down(void **state)
{
    (void)state;
    pique_model_close(&model);
    film_sweep();
    rmdir(folder);
    return 0;
}

const char *film_path(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void film_sweep(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s/*", folder);
    assert_int_equal(system(command), 0);
    FILE *f = fopen(film_path("film"), "w"); /* what is read is made up, but it must exist */
    assert_non_null(f);
    fclose(f);
}

bool film_exists(const char *name)
{
    return access(film_path(name), F_OK) == 0;
}

struct run run_new(void)
{
    struct run r = {.threads = 2};
    r.options.size = sizeof r.options;
    r.picture.size = sizeof r.picture;
    r.options.segment_frames = 6;
    r.options.batch = 3;
    return r;
}

static void on_event(void *user, const pique_event *event)
{
    struct run *r = user;
    if (event->kind == PIQUE_EVENT_NOTE)
        r->notes++;
    if (event->kind == PIQUE_EVENT_PLANNED)
        r->planned = event->plan != NULL;
    if (event->kind == PIQUE_EVENT_SEALED)
        r->sealed++;
    if (event->kind == PIQUE_EVENT_FALLBACK && r->fallback_count < 4) {
        int64_t *stretch = &r->fallback_list[2 * r->fallback_count++];
        stretch[0] = event->first_frame;
        stretch[1] = event->first_frame + event->frames - 1;
        assert_string_equal(event->text, "cpu/fp16-emulated/direct-1");
    }
    if (event->kind == PIQUE_EVENT_SAVED && r->saved_count < MOST_SAVED)
        r->saved[r->saved_count++] = event->first_frame + event->frames;
    if (event->kind == PIQUE_EVENT_SAVED)
        r->batches = event->batch;
    if (r->on_event)
        r->on_event(r, event);
}

/* One at a time, whichever device tells. */
static void on_engine(void *user, const pique_event *event)
{
    struct run *r = user;
    r->retries += event->kind == PIQUE_EVENT_RETRY;
    if (event->text && strlen(r->told) + strlen(event->text) + 2 < sizeof r->told) {
        strcat(r->told, event->text);
        strcat(r->told, "\n");
    }
}

int run_film(struct run *r)
{
    pique_engine *engine;
    const pique_engine_options eo = {.size = sizeof eo,
                                     .threads = r->threads,
                                     .device = r->device,
                                     .fallback = r->fallback,
                                     .event = on_engine,
                                     .event_user = r,
                                     .cancel = r->cancel};
    r->options.picture = &r->picture;
    r->options.event = on_event;
    r->options.event_user = r;
    r->report = (pique_film_report){.size = sizeof r->report};
    r->notes = r->sealed = r->saved_count = r->retries = r->fallback_count = 0;
    r->told[0] = '\0';
    int rc = pique_engine_open(model, &eo, &engine, &r->err);
    if (rc)
        return rc;
    char src[256], dst[256];
    snprintf(src, sizeof src, "%s", r->src ? r->src : film_path("film"));
    const char *name = r->dst ? r->dst : "film.mkv";
    if (strcmp(name, "null:") == 0)
        snprintf(dst, sizeof dst, "%s", name);
    else
        snprintf(dst, sizeof dst, "%s", film_path(name));
    rc = pique_film_upscale(&engine, 1, src, dst, &r->options, &r->report, &r->err);
    pique_engine_close(&engine);
    r->changes = pq_fault_changes();
    return rc;
}

int run_killed(struct run *r, long n)
{
    struct run *shared =
        mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pq_fault_kill(n);
        const int rc = run_film(r);
        *shared = *r;
        _exit(rc ? 1 : 0);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    if (WIFEXITED(how))
        *r = *shared;
    munmap(shared, sizeof *r);
    return how;
}
