/* SPDX-License-Identifier: MIT */
#include "film/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "base/str.h"

enum { FORMAT = 1, MOST_BYTES = 16 << 20 };

static char *inside(const struct pq_job *job, const char *name)
{
    return pq_asprintf("%s/%s", job->folder, name);
}

/* ---- job.json ---- */

static int read_json(const char *path, json_t **root, pique_error *err)
{
    char *text;
    *root = NULL;
    int rc = pq_read_text(path, MOST_BYTES, &text, err);
    if (rc)
        return rc;
    *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    pq_free(text);
    if (json_integer_value(json_object_get(*root, "format")) == FORMAT)
        return 0;
    json_decref(*root);
    *root = NULL;
    return pq_fail(err, PIQUE_EFORMAT, "%s: damaged, or of another version of pique", path);
}

static int write_json(const char *path, json_t *root, pique_error *err)
{
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    int rc = text ? pq_write_text(path, text, err) : pq_fail_nomem(err, 4096);
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(text);
    json_decref(root);
    return rc;
}

static int load(struct pq_job *job, pique_error *err)
{
    char *path = inside(job, "job.json");
    json_t *root = NULL;
    int rc = path ? read_json(path, &root, err) : pq_fail_nomem(err, strlen(job->folder) + 16);
    pq_free(path);
    if (rc)
        return rc;
    job->spec.object = json_incref(json_object_get(root, "spec"));
    job->join = json_incref(json_object_get(root, "join"));
    const char *settings = json_string_value(json_object_get(root, "settings"));
    if (settings && !(job->settings = pq_strdup(settings)))
        rc = pq_fail_nomem(err, strlen(settings));
    if (!rc && !json_is_object(job->spec.object))
        rc = pq_fail(err, PIQUE_EFORMAT, "%s: job.json is damaged", job->folder);
    json_decref(root);
    return rc;
}

int pq_job_peek(struct pq_job *job, const char *folder, pique_error *err)
{
    *job = (struct pq_job){.lock = {.fd = -1}};
    job->folder = pq_strdup(folder);
    if (!job->folder)
        return pq_fail_nomem(err, strlen(folder) + 1);
    int rc = load(job, err);
    return rc == PIQUE_ENOENT
               ? pq_fail(err, rc, "%s: is no job of pique: it has no job.json", folder)
               : rc;
}

int pq_job_begin(struct pq_job *job, const struct pq_spec *spec, json_t *join, const char *settings,
                 pique_error *err)
{
    char *path = inside(job, "job.json");
    json_t *root = json_pack("{s:i, s:O, s:O, s:s}", "format", FORMAT, "spec", spec->object, "join",
                             join, "settings", settings ? settings : "");
    int rc = path ? write_json(path, root, err) : pq_fail_nomem(err, strlen(job->folder) + 16);
    job->begun = true;
    pq_free(path);
    return rc;
}

int pq_job_read_made(const struct pq_job *job, json_t **list, pique_error *err)
{
    char *path = inside(job, "fallback.json");
    json_t *root = NULL;
    *list = NULL;
    int rc = path ? read_json(path, &root, err) : pq_fail_nomem(err, strlen(job->folder) + 16);
    pq_free(path);
    if (!rc)
        *list = json_incref(json_object_get(root, "stretches"));
    json_decref(root);
    return rc == PIQUE_ENOENT ? 0 : rc;
}

int pq_job_write_made(const struct pq_job *job, json_t *list, pique_error *err)
{
    char *path = inside(job, "fallback.json");
    json_t *root = json_pack("{s:i, s:o}", "format", FORMAT, "stretches", list);
    int rc = path ? write_json(path, root, err) : pq_fail_nomem(err, strlen(job->folder) + 16);
    if (!path)
        json_decref(root);
    pq_free(path);
    return rc;
}

/* ---- the folder ---- */

/* Names that pique gives; what else lies in a job's folder is not ours to remove. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"job.json", "fallback.json", "control", "joined"};
    for (size_t i = 0; i < PQ_COUNT(ours); i++) {
        if (strcmp(name, ours[i]) == 0 || pq_file_is_temp_of(name, ours[i]))
            return true;
    }
    return false;
}

static bool is_segment_file(const char *name)
{
    const char *dot = strchr(name[0] == '.' ? name + 1 : name, '.');
    return dot && strspn(name[0] == '.' ? name + 1 : name, "0123456789") >= 6;
}

struct sweep {
    const char *folder;
    bool (*ours)(const char *name);
    bool dry; /* only look */
    int foreign;
    pique_error *err;
};

static int sweep_one(void *context, const char *name)
{
    struct sweep *s = context;
    if (!s->ours(name)) {
        s->foreign += strcmp(name, "seg") != 0;
        return 0;
    }
    if (s->dry)
        return 0;
    char *path = pq_asprintf("%s/%s", s->folder, name);
    int rc = path ? pq_remove_file(path, s->err) : pq_fail_nomem(s->err, strlen(name));
    pq_free(path);
    return rc;
}

static int sweep(const char *folder, bool (*ours)(const char *name), bool dry, int *foreign,
                 pique_error *err)
{
    struct sweep s = {folder, ours, dry, 0, err};
    int rc = pq_list_folder(folder, sweep_one, &s, err);
    *foreign = s.foreign;
    return rc == PIQUE_ENOENT ? 0 : rc;
}

static int remove_segments(const struct pq_job *job, pique_error *err)
{
    int foreign = 0;
    char *seg = inside(job, "seg");
    int rc = seg ? sweep(seg, is_segment_file, false, &foreign, err) : pq_fail_nomem(err, 64);
    if (!rc && !foreign)
        rc = pq_remove_folder(seg, err);
    pq_free(seg);
    return rc;
}

/* Last of all what tells that the job is done, so that a process that was killed in between finds
 * it again. */
int pq_job_remove(struct pq_job *job, pique_error *err)
{
    static const char *const order[] = {"control", "fallback.json", "job.json", "joined"};
    int foreign = 0, rc = remove_segments(job, err);
    for (size_t i = 0; !rc && i < PQ_COUNT(order); i++) {
        char *path = inside(job, order[i]);
        rc = path ? pq_remove_file(path, err) : pq_fail_nomem(err, 64);
        pq_free(path);
    }
    if (!rc)
        rc = sweep(job->folder, is_ours, false, &foreign, err);
    if (!rc && !foreign)
        rc = pq_remove_folder(job->folder, err);
    return rc;
}

/* "joined" names the file that was about to get the name of the result: by inode, which a rename
 * keeps. */
static int find_joined(struct pq_job *job, const char *result, pique_error *err)
{
    struct pq_identity id;
    json_t *root;
    char *path = inside(job, "joined");
    int rc = path ? read_json(path, &root, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    if (rc)
        return rc == PIQUE_ENOENT || rc == PIQUE_EFORMAT ? 0 : rc;
    job->complete = result && pq_identify(result, &id, NULL) == 0 &&
                    id.inode == (uint64_t)json_integer_value(json_object_get(root, "inode")) &&
                    id.device == (uint64_t)json_integer_value(json_object_get(root, "device")) &&
                    id.bytes == json_integer_value(json_object_get(root, "bytes"));
    json_decref(root);
    return 0;
}

int pq_job_mark_joined(const struct pq_job *job, const char *temporary, pique_error *err)
{
    struct pq_identity id;
    int rc = pq_identify(temporary, &id, err);
    if (rc)
        return rc;
    char *path = inside(job, "joined");
    json_t *root =
        json_pack("{s:i, s:I, s:I, s:I}", "format", FORMAT, "device", (json_int_t)id.device,
                  "inode", (json_int_t)id.inode, "bytes", (json_int_t)id.bytes);
    rc = path ? write_json(path, root, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    return rc;
}

static int take_folder(struct pq_job *job, bool anew, pique_error *err)
{
    char *seg = inside(job, "seg");
    int rc = seg ? pq_make_folders(job->folder, err) : pq_fail_nomem(err, 64);
    if (!rc)
        rc = pq_folder_lock(job->folder, &job->lock, err);
    int foreign = 0;
    if (!rc)
        rc = sweep(job->folder, is_ours, true, &foreign, err);
    char *json = inside(job, "job.json");
    if (!rc && foreign && json && !pq_exists(json))
        rc = pq_fail(err, PIQUE_EEXIST, "%s: exists, and is no job of pique", job->folder);
    pq_free(json);
    if (!rc && anew) {
        rc = remove_segments(job, err);
        if (!rc)
            rc = sweep(job->folder, is_ours, false, &foreign, err);
    }
    if (!rc)
        rc = pq_make_folders(seg, err);
    pq_free(seg);
    return rc;
}

int pq_job_open(struct pq_job *job, const char *folder, const char *result, bool anew,
                pique_error *err)
{
    *job = (struct pq_job){.lock = {.fd = -1}};
    job->folder = pq_strdup(folder);
    int rc = job->folder ? take_folder(job, anew, err) : pq_fail_nomem(err, strlen(folder) + 1);
    if (!rc)
        rc = find_joined(job, result, err);
    if (rc || job->complete)
        return rc;
    rc = load(job, err);
    job->resumed = job->begun = rc != PIQUE_ENOENT;
    return rc == PIQUE_ENOENT ? 0 : rc;
}

static void remove_empty(const struct pq_job *job)
{
    char *seg = inside(job, "seg");
    if (seg)
        (void)pq_remove_folder(seg, NULL);
    (void)pq_remove_folder(job->folder, NULL);
    pq_free(seg);
}

void pq_job_close(struct pq_job *job)
{
    if (job->lock.fd >= 0 && !job->begun)
        remove_empty(job);
    pq_spec_free(&job->spec);
    json_decref(job->join);
    pq_file_close(&job->lock);
    pq_free(job->settings);
    pq_free(job->folder);
    *job = (struct pq_job){.lock = {.fd = -1}};
}

/* ---- segments ---- */

char *pq_job_segment(const struct pq_job *job, int segment, const char *suffix)
{
    return pq_asprintf("%s/seg/%06d%s", job->folder, segment, suffix);
}

char *pq_job_journal(const struct pq_job *job, int segment, int number)
{
    return pq_asprintf("%s/seg/%06d.j%d.mkv", job->folder, segment, number);
}

int pq_job_drop(const struct pq_job *job, int segment, pique_error *err)
{
    int rc = 0;
    for (int n = 0; !rc; n++) {
        char *path = pq_job_journal(job, segment, n);
        const bool there = path && pq_exists(path);
        rc = path ? pq_remove_file(path, err) : pq_fail_nomem(err, 64);
        pq_free(path);
        if (!there)
            break;
    }
    char *part = pq_job_segment(job, segment, ".mkv.part");
    if (!rc)
        rc = part ? pq_remove_file(part, err) : pq_fail_nomem(err, 64);
    pq_free(part);
    return rc;
}

static json_t *pts_array(const struct pq_sealed *s)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < s->frames; i++) {
        if (json_array_append_new(list, json_integer(s->pts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *hash_text(uint64_t hash)
{
    return json_sprintf("%016" PRIx64, hash);
}

int pq_job_seal(const struct pq_job *job, int segment, const struct pq_sealed *s, pique_error *err)
{
    char *path = pq_job_segment(job, segment, ".ok");
    json_t *root = json_pack(
        "{s:i, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:b, s:I}", "format", FORMAT, "first",
        (json_int_t)s->first, "frames", (json_int_t)s->frames, "unique", (json_int_t)s->unique,
        "reused", (json_int_t)s->reused, "bytes", (json_int_t)s->bytes, "hash", hash_text(s->hash),
        "file_hash", hash_text(s->file_hash), "pts", pts_array(s), "last_duration",
        (json_int_t)s->last_duration, "last", s->last, "next_pts", (json_int_t)s->next_pts);
    int rc = path ? write_json(path, root, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    return rc;
}

static uint64_t hash_value(const json_t *root, const char *key)
{
    const char *text = json_string_value(json_object_get(root, key));
    return text ? strtoull(text, NULL, 16) : 0;
}

/* False where it is not what pq_job_seal() writes. */
static bool parse_sealed(const json_t *root, struct pq_sealed *s, pique_error *err, int *rc)
{
    const json_t *pts = json_object_get(root, "pts");
    *s = (struct pq_sealed){
        .first = json_integer_value(json_object_get(root, "first")),
        .frames = json_integer_value(json_object_get(root, "frames")),
        .unique = json_integer_value(json_object_get(root, "unique")),
        .reused = json_integer_value(json_object_get(root, "reused")),
        .bytes = (uint64_t)json_integer_value(json_object_get(root, "bytes")),
        .hash = hash_value(root, "hash"),
        .file_hash = hash_value(root, "file_hash"),
        .last_duration = json_integer_value(json_object_get(root, "last_duration")),
        .last = json_is_true(json_object_get(root, "last")),
        .next_pts = json_integer_value(json_object_get(root, "next_pts")),
    };
    if (s->frames < 1 || (size_t)s->frames != json_array_size(pts))
        return false;
    s->pts = pq_calloc((size_t)s->frames, sizeof *s->pts);
    if (!s->pts) {
        *rc = pq_fail_nomem(err, (size_t)s->frames * sizeof *s->pts);
        return false;
    }
    for (int64_t i = 0; i < s->frames; i++)
        s->pts[i] = json_integer_value(json_array_get(pts, (size_t)i));
    return true;
}

int pq_job_hash_file(const char *path, uint64_t *hash, uint64_t *bytes, pique_error *err)
{
    enum { PIECE = 1 << 20 };
    struct pq_file f;
    int rc = pq_file_open(path, &f, err);
    if (rc)
        return rc;
    void *buffer = pq_malloc(PIECE);
    XXH3_state_t *state = XXH3_createState();
    size_t got = 1;
    *bytes = 0;
    if (!buffer || !state)
        rc = pq_fail_nomem(err, PIECE);
    else
        XXH3_64bits_reset(state);
    while (!rc && got) {
        rc = pq_file_read(&f, buffer, PIECE, &got, err);
        if (!rc)
            XXH3_64bits_update(state, buffer, got);
        *bytes += got;
    }
    if (!rc)
        *hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    pq_free(buffer);
    pq_file_close(&f);
    return rc;
}

/* Whether the file of a segment is the one that was sealed. */
static int file_fits(const struct pq_job *job, int segment, const struct pq_sealed *s, bool *fits,
                     pique_error *err)
{
    uint64_t hash = 0, bytes = 0;
    char *path = pq_job_segment(job, segment, ".mkv");
    int rc = path ? pq_job_hash_file(path, &hash, &bytes, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    *fits = !rc && hash == s->file_hash && bytes == s->bytes;
    return rc == PIQUE_ENOENT ? 0 : rc;
}

int pq_job_sealed(const struct pq_job *job, int segment, bool with_file, struct pq_sealed *out,
                  bool *there, pique_error *err)
{
    json_t *root = NULL;
    *out = (struct pq_sealed){0};
    *there = false;
    char *path = pq_job_segment(job, segment, ".ok");
    int rc = path ? read_json(path, &root, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    if (rc)
        return rc == PIQUE_ENOENT || rc == PIQUE_EFORMAT ? 0 : rc;
    bool fits = parse_sealed(root, out, err, &rc);
    json_decref(root);
    if (fits && with_file)
        rc = file_fits(job, segment, out, &fits, err);
    *there = !rc && fits;
    if (!*there)
        pq_sealed_free(out);
    return rc;
}

void pq_sealed_free(struct pq_sealed *sealed)
{
    pq_free(sealed->pts);
    sealed->pts = NULL;
}

/* ---- control ---- */

enum pique_film_control pq_job_control(const struct pq_job *job)
{
    char *path = inside(job, "control"), *text = NULL;
    enum pique_film_control what = PIQUE_FILM_RUN;
    if (path && pq_read_text(path, 64, &text, NULL) == 0) {
        if (pq_starts_with(text, "pause"))
            what = PIQUE_FILM_PAUSE;
        else if (pq_starts_with(text, "stop"))
            what = PIQUE_FILM_STOP;
    }
    pq_free(text);
    pq_free(path);
    return what;
}

int pq_job_clear_control(const struct pq_job *job, pique_error *err)
{
    char *path = inside(job, "control");
    int rc = path ? pq_remove_file(path, err) : pq_fail_nomem(err, 64);
    pq_free(path);
    return rc;
}
