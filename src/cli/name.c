/* SPDX-License-Identifier: MIT */
/* Naming. All inputs start with the plain name; those that share a name with another all move to
 * the next of these forms, until no name is shared:
 *
 *     0  stem                         a.png
 *     1  stem and suffix              a_jpg.png
 *     2  folder and stem              x_a.png
 *     3  folder, stem and suffix      x_a_jpg.png
 *     4  and a hash of the full path  x_a_jpg_9e107d9d372bb682.png
 *
 * Only sets of names decide, never their order, so the same files get the same names however they
 * are named on the command line. */
#include "cli/name.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/sequence.h"
#include "base/str.h"
#include "base/suffix.h"

enum { FORMS = 5 };

/* ---- formats ---- */

static const struct {
    enum pique_format format;
    const char *suffix;
} format_suffixes[] = {
    /* The first of a format is the one that is written. */
    {PIQUE_FORMAT_PNG, ".png"},   {PIQUE_FORMAT_JPEG, ".jpg"},  {PIQUE_FORMAT_JPEG, ".jpeg"},
    {PIQUE_FORMAT_JPEG, ".jpe"},  {PIQUE_FORMAT_JPEG, ".jfif"}, {PIQUE_FORMAT_WEBP, ".webp"},
    {PIQUE_FORMAT_TIFF, ".tiff"}, {PIQUE_FORMAT_TIFF, ".tif"},  {PIQUE_FORMAT_AVIF, ".avif"},
    {PIQUE_FORMAT_JXL, ".jxl"},   {PIQUE_FORMAT_PPM, ".ppm"},   {PIQUE_FORMAT_PPM, ".pgm"},
    {PIQUE_FORMAT_PPM, ".pnm"},
};

enum pique_format pq_format_of_name(const char *name)
{
    const char *suffix = pq_picture_suffix(name);
    for (size_t i = 0; suffix && i < PQ_COUNT(format_suffixes); i++) {
        if (strcasecmp(suffix, format_suffixes[i].suffix) == 0)
            return format_suffixes[i].format;
    }
    return PIQUE_FORMAT_AUTO;
}

const char *pq_format_extension(enum pique_format format)
{
    for (size_t i = 0; i < PQ_COUNT(format_suffixes); i++) {
        if (format_suffixes[i].format == format)
            return format_suffixes[i].suffix;
    }
    return "";
}

/* ---- one name ---- */

/* FNV-1a, to tell apart what nothing else tells apart. */
static uint64_t path_hash(const char *path)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *path; path++)
        h = (h ^ (unsigned char)*path) * UINT64_C(1099511628211);
    return h;
}

/* The folder part of a path with its slash, in bytes. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

/* "x_" for the input /home/me/x/a.png; nothing at the root. */
static void add_parent(struct pq_str *s, const char *real)
{
    int length = folder_length(real) - 1;
    int start = length;
    while (start > 0 && real[start - 1] != '/')
        start--;
    if (length > start)
        pq_str_printf(s, "%.*s_", length - start, real + start);
}

/* Without the %05d of a sequence of pictures, and what led to it. */
static void add_stem(struct pq_str *s, const char *base, int length)
{
    struct pq_number_place number;
    if (pq_is_sequence(base, &number) && number.at < base + length) {
        length = (int)(number.at - base);
        while (length > 0 && strchr("_-. ", base[length - 1]))
            length--;
        if (length == 0) {
            pq_str_add(s, "sequence");
            return;
        }
    }
    pq_str_add_n(s, base, (size_t)length);
}

/* The name below the folder, in one of the forms. */
static void add_name(struct pq_str *s, const struct pq_input *input, int form,
                     const struct pq_naming *naming)
{
    const char *base = input->name + folder_length(input->name);
    const char *suffix = pq_media_suffix(base);
    int stem = (int)(suffix ? (size_t)(suffix - base) : strlen(base));
    if (form >= 2)
        add_parent(s, input->real);
    if (input->stem)
        pq_str_add(s, input->stem);
    else
        add_stem(s, base, stem);
    if ((form & 1 || form == 4) && suffix)
        pq_str_printf(s, "_%s", suffix + 1);
    if (form == 4)
        pq_str_printf(s, "_%016" PRIx64, path_hash(input->real));
    pq_str_add(s, naming->suffix);
    pq_str_add(s, input->extension ? input->extension : naming->extension);
}

static char *make_output(const struct pq_input *input, int form, const struct pq_naming *naming)
{
    struct pq_str s = {0};
    if (naming->folder) {
        pq_str_add(&s, naming->folder);
        if (!pq_ends_with(naming->folder, "/"))
            pq_str_add(&s, "/");
        if (naming->dedicated)
            pq_str_add(&s, input->film ? "videos/" : "images/");
        pq_str_add_n(&s, input->name, (size_t)folder_length(input->name));
    } else {
        pq_str_add_n(&s, input->path, (size_t)folder_length(input->path));
    }
    add_name(&s, input, form, naming);
    return pq_str_take(&s);
}

/* ---- all names ---- */

struct slot {
    struct pq_input *input;
    char *real; /* of the output: links in its folder followed */
    int form;
};

/* The output's folder may not exist yet, then nothing in it can be an input. */
static char *real_of_output(const char *output)
{
    char resolved[PATH_MAX], folder[PATH_MAX];
    int length = folder_length(output);
    if (length >= PATH_MAX)
        return pq_strdup(output);
    memcpy(folder, length ? output : ".", length ? (size_t)length : 1);
    folder[length ? length : 1] = '\0';
    if (!realpath(folder, resolved))
        return pq_strdup(output);
    return pq_asprintf("%s%s%s", resolved, pq_ends_with(resolved, "/") ? "" : "/", output + length);
}

static int compare_slots(const void *a, const void *b)
{
    return strcmp((*(struct slot *const *)a)->real, (*(struct slot *const *)b)->real);
}

static int name_slot(struct slot *slot, const struct pq_naming *naming, pique_error *err)
{
    pq_free(slot->input->output);
    pq_free(slot->real);
    slot->real = NULL;
    slot->input->output = make_output(slot->input, slot->form, naming);
    if (slot->input->output)
        slot->real = real_of_output(slot->input->output);
    return slot->real ? 0 : pq_fail_nomem(err, PATH_MAX);
}

/* Move everything that shares a name to its next form. *moved tells whether anything did. */
static int separate(struct slot **sorted, size_t count, const struct pq_naming *naming, bool *moved,
                    pique_error *err)
{
    *moved = false;
    qsort(sorted, count, sizeof(struct slot *), compare_slots);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count; end++) {
            if (strcmp(sorted[first]->real, sorted[end]->real) != 0)
                break;
        }
        if (end - first < 2)
            continue;
        for (size_t i = first; i < end; i++)
            *moved |= sorted[i]->form < FORMS - 1 && ++sorted[i]->form;
    }
    int rc = 0;
    for (size_t i = 0; *moved && !rc && i < count; i++)
        rc = name_slot(sorted[i], naming, err);
    return rc;
}

/* Where an input lies: the file itself, and the name that was given, which may be a link to it. */
struct place {
    const char *path; /* as struct slot's real */
    struct pq_input *input;
};

static int compare_places(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->path, ((const struct place *)b)->path);
}

/* Output is where an input lies: refuse it, or where it is what an earlier run made, say so. */
static int guard_slot(const struct slot *slot, struct pq_input *hit, const struct pq_naming *naming,
                      pique_error *err)
{
    struct pq_input *input = slot->input;
    if (hit != input && hit->walked && !naming->folder) {
        hit->earlier = true;
        return 0;
    }
    input->status = PIQUE_ECREATE;
    input->problem = pq_asprintf(pq_tr("%s: the output %s would replace an input; choose another "
                                       "folder or --suffix"),
                                 input->path, input->output);
    return input->problem ? 0 : pq_fail_nomem(err, 256);
}

/* No output may be an input. */
static int guard_inputs(struct slot *slots, size_t count, const struct pq_naming *naming,
                        pique_error *err)
{
    struct place *places = pq_calloc(2 * count, sizeof *places);
    char **names = pq_calloc(count, sizeof *names);
    int rc = places && names ? 0 : pq_fail_nomem(err, count * 2 * sizeof *places);
    for (size_t i = 0; i < count && !rc; i++) {
        struct pq_input *input = slots[i].input;
        names[i] = real_of_output(input->path);
        if (!names[i])
            rc = pq_fail_nomem(err, PATH_MAX);
        places[2 * i] = (struct place){input->real, input};
        places[2 * i + 1] = (struct place){names[i], input};
    }
    if (!rc)
        qsort(places, 2 * count, sizeof *places, compare_places);
    for (size_t i = 0; i < count && !rc; i++) {
        const struct place key = {.path = slots[i].real};
        const struct place *hit = bsearch(&key, places, 2 * count, sizeof *places, compare_places);
        if (hit)
            rc = guard_slot(&slots[i], hit->input, naming, err);
    }
    for (size_t i = 0; names && i < count; i++)
        pq_free(names[i]);
    pq_free(names);
    pq_free(places);
    return rc;
}

static int name_one_file(struct pq_input *input, const char *file, pique_error *err)
{
    input->output = pq_strdup(file);
    char *real = input->output ? real_of_output(file) : NULL;
    char *given = real ? real_of_output(input->path) : NULL;
    int rc = given ? 0 : pq_fail_nomem(err, PATH_MAX);
    bool same = !rc && (strcmp(real, input->real) == 0 || strcmp(real, given) == 0);
    if (same && strcmp(file, "-") != 0) {
        input->status = PIQUE_ECREATE;
        input->problem = pq_asprintf(pq_tr("%s: is input and output at once"), input->path);
        rc = input->problem ? 0 : pq_fail_nomem(err, 256);
    }
    pq_free(given);
    pq_free(real);
    return rc;
}

int pq_name_outputs(struct pq_inputs *in, const struct pq_naming *naming, pique_error *err)
{
    struct slot *slots = pq_calloc(in->count + 1, sizeof *slots);
    struct slot **sorted = pq_calloc(in->count + 1, sizeof *sorted);
    int rc = slots && sorted ? 0 : pq_fail_nomem(err, in->count * sizeof *slots);
    size_t count = 0;
    for (size_t i = 0; !rc && i < in->count; i++) {
        struct pq_input *input = &in->list[i];
        if (input->status)
            continue;
        if (naming->file || (!naming->folder && strcmp(input->path, "-") == 0)) {
            rc = name_one_file(input, naming->file ? naming->file : "-", err);
            continue;
        }
        slots[count] = (struct slot){.input = input};
        sorted[count] = &slots[count];
        rc = name_slot(&slots[count++], naming, err);
    }
    for (bool moved = count > 1; !rc && moved;)
        rc = separate(sorted, count, naming, &moved, err);
    if (!rc && count)
        rc = guard_inputs(slots, count, naming, err);
    for (size_t i = 0; i < count; i++)
        pq_free(slots[i].real);
    pq_free(slots);
    pq_free(sorted);
    return rc;
}
