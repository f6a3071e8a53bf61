/* SPDX-License-Identifier: MIT */
/* Walking folders. Entries are taken in the order of their bytes, so a run does the same files in
 * the same order everywhere; every folder is entered once, so links cannot lead in a circle. */
#include "cli/files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/sequence.h"
#include "base/str.h"
#include "base/suffix.h"
#include "cli/names.h"

/* ---- lists ---- */

struct folder_id {
    dev_t device;
    ino_t inode;
};

struct collector {
    struct pq_inputs *in;
    const struct pq_walk *walk;
    struct folder_id *seen; /* folders that were entered */
    size_t seen_count, seen_capacity;
    bool has_stdin;
};

static void input_free(struct pq_input *input)
{
    pq_free(input->path);
    pq_free(input->name);
    pq_free(input->real);
    pq_free(input->problem);
    pq_free(input->output);
}

void pq_inputs_free(struct pq_inputs *in)
{
    for (size_t i = 0; i < in->count; i++)
        input_free(&in->list[i]);
    pq_free(in->list);
    *in = (struct pq_inputs){0};
}

size_t pq_inputs_usable(const struct pq_inputs *in)
{
    size_t usable = 0;
    for (size_t i = 0; i < in->count; i++)
        usable += in->list[i].status == 0;
    return usable;
}

/* Append; the members that are pointers are taken over, also on failure. */
static int add_input(struct pq_inputs *in, struct pq_input input, pique_error *err)
{
    struct pq_input *list = pq_grown(in->list, in->count, &in->capacity, sizeof *list);
    if (!list) {
        input_free(&input);
        return pq_fail_nomem(err, (in->count + 1) * sizeof *list);
    }
    in->list = list;
    if (!input.path || !input.name || !input.real || (input.status && !input.problem)) {
        input_free(&input);
        return pq_fail_nomem(err, 256);
    }
    in->list[in->count++] = input;
    return 0;
}

/* An input that cannot be used, and why. */
static int add_problem(struct pq_inputs *in, const char *path, const pique_error *why,
                       pique_error *err)
{
    return add_input(in,
                     (struct pq_input){.path = pq_strdup(path),
                                       .name = pq_strdup(path),
                                       .real = pq_strdup(path),
                                       .status = why->code,
                                       .problem = pq_strdup(why->message)},
                     err);
}

/* ---- what is what ---- */

/* The folder of an unfinished film is full of pieces of it, which are no inputs. */
static int is_job(const char *path, bool *is, pique_error *err)
{
    *is = false;
    if (!pq_ends_with(path, ".job"))
        return 0;
    char *file = pq_asprintf("%s/job.json", path);
    if (!file)
        return pq_fail_nomem(err, strlen(path) + 16);
    *is = pq_exists(file);
    pq_free(file);
    return 0;
}

/* What systems and cameras leave in folders. */
static bool is_junk(const char *name)
{
    static const char *const junk[] = {"__MACOSX", "Thumbs.db",    "desktop.ini",
                                       "@eaDir",   "$RECYCLE.BIN", "System Volume Information"};
    if (name[0] == '.')
        return true;
    for (size_t i = 0; i < PQ_COUNT(junk); i++) {
        if (strcasecmp(name, junk[i]) == 0)
            return true;
    }
    return false;
}

/* True the first time that a folder is met. */
static int enter_once(struct collector *c, const struct stat *st, bool *first, pique_error *err)
{
    struct folder_id id = {st->st_dev, st->st_ino};
    *first = false;
    for (size_t i = 0; i < c->seen_count; i++) {
        if (c->seen[i].device == id.device && c->seen[i].inode == id.inode)
            return 0;
    }
    struct folder_id *seen = pq_grown(c->seen, c->seen_count, &c->seen_capacity, sizeof *seen);
    if (!seen)
        return pq_fail_nomem(err, (c->seen_count + 1) * sizeof *seen);
    c->seen = seen;
    c->seen[c->seen_count++] = id;
    *first = true;
    return 0;
}

static bool same_folder(const char *path, const struct stat *st)
{
    struct stat other;
    return path && stat(path, &other) == 0 && other.st_dev == st->st_dev &&
           other.st_ino == st->st_ino;
}

static char *real_path(const char *path)
{
    char real[PATH_MAX];
    return pq_strdup(realpath(path, real) ? real : path);
}

/* ---- walking ---- */

static int add_file(struct collector *c, const char *path, const char *name, bool walked,
                    const struct stat *st, pique_error *err)
{
    return add_input(c->in,
                     (struct pq_input){.path = pq_strdup(path),
                                       .name = pq_strdup(name),
                                       .real = real_path(path),
                                       .walked = walked,
                                       .film = pq_film_suffix(path) != NULL,
                                       .bytes = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0},
                     err);
}

static int read_folder(const char *path, struct pq_names *names, pique_error *err)
{
    DIR *d = opendir(path);
    if (!d) {
        return pq_fail(err, PIQUE_EIO, "%s: the folder cannot be read: %s", path,
                       pq_tr(strerror(errno)));
    }
    int rc = 0;
    while (!rc) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e && errno)
            rc = pq_fail(err, PIQUE_EIO, "%s: the folder cannot be read to its end: %s", path,
                         pq_tr(strerror(errno)));
        if (!e)
            break;
        if (!is_junk(e->d_name) && !pq_names_add(names, e->d_name))
            rc = pq_fail_nomem(err, 256);
    }
    closedir(d);
    pq_names_sort(names);
    return rc;
}

static int walk_folder(struct collector *c, const char *path, const char *name,
                       const struct stat *st, pique_error *err);

static int walk_entry(struct collector *c, const char *folder, const char *folder_name,
                      const char *entry, pique_error *err)
{
    const char *slash = pq_ends_with(folder, "/") ? "" : "/";
    char *path = pq_asprintf("%s%s%s", folder, slash, entry);
    char *name = pq_asprintf("%s%s%s", folder_name, *folder_name ? "/" : "", entry);
    int rc = path && name ? 0 : pq_fail_nomem(err, 256);
    struct stat st;
    if (!rc && stat(path, &st) != 0) {
        pique_error why;
        /* A link that leads nowhere or in a circle is no picture; else something is in the way. */
        if (errno != ENOENT && errno != ELOOP && pq_media_suffix(entry)) {
            pq_fail(&why, PIQUE_EIO, "%s: cannot be read: %s", path, pq_tr(strerror(errno)));
            rc = add_problem(c->in, path, &why, err);
        }
    } else if (!rc) {
        bool job = false;
        if (S_ISDIR(st.st_mode) && !c->walk->flat) {
            rc = is_job(path, &job, err);
            if (!rc && !job)
                rc = walk_folder(c, path, name, &st, err);
        }
        if (!rc && S_ISREG(st.st_mode) && pq_media_suffix(entry))
            rc = add_file(c, path, name, true, &st, err);
    }
    pq_free(path);
    pq_free(name);
    return rc;
}

static int walk_folder(struct collector *c, const char *path, const char *name,
                       const struct stat *st, pique_error *err)
{
    bool first;
    if (same_folder(c->walk->not_inside, st))
        return 0;
    int rc = enter_once(c, st, &first, err);
    if (rc || !first)
        return rc;
    struct pq_names names = {0};
    pique_error why;
    rc = read_folder(path, &names, &why);
    if (rc == PIQUE_EIO)
        rc = add_problem(c->in, path, &why, err);
    else if (rc)
        rc = pq_fail(err, rc, "%s", why.message);
    for (size_t i = 0; !rc && i < names.count; i++)
        rc = walk_entry(c, path, name, names.list[i], err);
    pq_names_free(&names);
    return rc;
}

/* ---- operands ---- */

/* The name of a folder's own folder below the output: its last component, whatever it was called
 * by ("..", "a/", "/"). */
static char *folder_name(const char *path)
{
    char *real = real_path(path);
    if (!real)
        return NULL;
    const char *slash = strrchr(real, '/');
    char *name = pq_strdup(slash ? slash + 1 : real);
    pq_free(real);
    return name;
}

static int add_folder(struct collector *c, const char *path, const struct stat *st, bool alone,
                      pique_error *err)
{
    pique_error why;
    if (same_folder(c->walk->not_inside, st)) {
        pq_fail(&why, PIQUE_ECREATE, "%s: is input and output folder at once", path);
        return add_problem(c->in, path, &why, err);
    }
    char *name = alone ? pq_strdup("") : folder_name(path);
    if (!name)
        return pq_fail_nomem(err, 256);
    size_t before = c->in->count, seen = c->seen_count;
    int rc = walk_folder(c, path, name, st, err);
    pq_free(name);
    if (!rc && c->in->count == before && c->seen_count > seen) {
        pq_fail(&why, PIQUE_ENOENT, "%s: the folder holds no picture and no film", path);
        rc = add_problem(c->in, path, &why, err);
    }
    return rc;
}

static int add_stdin(struct collector *c, pique_error *err)
{
    if (c->has_stdin)
        return pq_fail(err, PIQUE_EINVAL, "- is named twice; standard input is read once");
    c->has_stdin = true;
    return add_input(c->in,
                     (struct pq_input){.path = pq_strdup("-"),
                                       .name = pq_strdup("stdin"),
                                       .real = pq_strdup("-")},
                     err);
}

/* Which pictures there are is seen when it is opened. */
static int add_sequence(struct collector *c, const char *path, pique_error *err)
{
    const char *slash = strrchr(path, '/');
    return add_input(c->in,
                     (struct pq_input){.path = pq_strdup(path),
                                       .name = pq_strdup(slash ? slash + 1 : path),
                                       .real = real_path(path),
                                       .film = true},
                     err);
}

static int add_operand(struct collector *c, const char *path, bool alone, pique_error *err)
{
    struct stat st;
    pique_error why;
    if (strcmp(path, "-") == 0)
        return add_stdin(c, err);
    if (*path == '\0') {
        pq_fail(&why, PIQUE_ENOENT, "'': an input without a name does not exist");
        return add_problem(c->in, path, &why, err);
    }
    const bool there = stat(path, &st) == 0;
    if (!there && pq_is_sequence(path, NULL))
        return add_sequence(c, path, err);
    if (!there) {
        int code = errno == ENOENT || errno == ENOTDIR ? PIQUE_ENOENT : PIQUE_EIO;
        pq_fail(&why, code, "%s: cannot be read: %s", path, pq_tr(strerror(errno)));
        return add_problem(c->in, path, &why, err);
    }
    if (S_ISDIR(st.st_mode))
        return add_folder(c, path, &st, alone, err);
    const char *slash = strrchr(path, '/');
    return add_file(c, path, slash ? slash + 1 : path, false, &st, err);
}

/* ---- the same file twice ---- */

struct place {
    const char *real;
    size_t index;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = strcmp(x->real, y->real);
    return order ? order : x->index < y->index ? -1 : 1;
}

static int drop_repeats(struct pq_inputs *in, pique_error *err)
{
    if (in->count < 2)
        return 0;
    struct place *places = pq_calloc(in->count, sizeof *places);
    bool *repeat = pq_calloc(in->count, sizeof *repeat);
    if (!places || !repeat) {
        pq_free(places);
        pq_free(repeat);
        return pq_fail_nomem(err, in->count * sizeof *places);
    }
    for (size_t i = 0; i < in->count; i++)
        places[i] = (struct place){in->list[i].real, i};
    qsort(places, in->count, sizeof *places, compare_places);
    for (size_t i = 1; i < in->count; i++)
        repeat[places[i].index] = strcmp(places[i].real, places[i - 1].real) == 0;
    size_t kept = 0;
    for (size_t i = 0; i < in->count; i++) {
        if (repeat[i])
            input_free(&in->list[i]);
        else
            in->list[kept++] = in->list[i];
    }
    in->count = kept;
    pq_free(places);
    pq_free(repeat);
    return 0;
}

int pq_inputs_collect(struct pq_inputs *in, const char *const *operands, size_t count,
                      const struct pq_walk *walk, pique_error *err)
{
    struct collector c = {.in = in, .walk = walk};
    int rc = 0;
    *in = (struct pq_inputs){0};
    for (size_t i = 0; !rc && i < count; i++)
        rc = add_operand(&c, operands[i], count == 1, err);
    pq_free(c.seen);
    return rc ? rc : drop_repeats(in, err);
}
