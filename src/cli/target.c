/* SPDX-License-Identifier: MIT */
#include "cli/target.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/sequence.h"
#include "base/str.h"
#include "base/suffix.h"
#include "cli/files.h"

static bool is_dash(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

static int check_one_input(const struct pq_options *o, const char *output, pique_error *err)
{
    if (o->operand_count > 1) {
        return pq_fail(err, PIQUE_EINVAL,
                       "-o %s is one file, but there are %zu inputs; name a folder", output,
                       o->operand_count);
    }
    if (!is_dash(o->operands[0]) && pq_is_folder(o->operands[0])) {
        return pq_fail(err, PIQUE_EINVAL, "-o %s is one file, but %s is a folder; name a folder",
                       output, o->operands[0]);
    }
    return 0;
}

/* -o names a film by its suffix, or numbered pictures. */
static int check_film_name(const struct pq_options *o, const char *output, pique_error *err)
{
    static const char *const written[] = {".mp4", ".m4v", ".mkv", ".mov", ".webm", ".y4m"};
    const char *suffix = pq_film_suffix(output);
    bool known = !suffix;
    for (size_t i = 0; suffix && i < PQ_COUNT(written); i++)
        known |= strcasecmp(suffix, written[i]) == 0;
    if (!known)
        return pq_fail(err, PIQUE_EINVAL,
                       "-o %s: '%s' cannot be written; mp4, mkv, mov, webm and y4m can", output,
                       suffix);
    return check_one_input(o, output, err);
}

/* -o names a file by its suffix. */
static int check_file_name(const struct pq_options *o, const char *output, pique_error *err)
{
    if (strcmp(output, "null:") == 0)
        return check_one_input(o, output, err);
    if (pq_film_suffix(output) || pq_is_sequence(output, NULL))
        return check_film_name(o, output, err);
    enum pique_format wanted =
        pq_options_container(o) ? PIQUE_FORMAT_AUTO : (enum pique_format)pq_whole(o, PQ_OPT_FORMAT);
    enum pique_format named = pq_format_of_name(output);
    if (named == PIQUE_FORMAT_AUTO) {
        return pq_fail(err, PIQUE_EINVAL,
                       "-o %s: '%s' cannot be written; png, jpg, webp, tiff, avif, jxl and ppm can",
                       output, pq_picture_suffix(output));
    }
    if (wanted != PIQUE_FORMAT_AUTO && wanted != named) {
        return pq_fail(err, PIQUE_EINVAL, "-o %s and --format %s say different formats", output,
                       pq_text(o, PQ_OPT_FORMAT));
    }
    int rc = pq_options_check_format(o, named, pq_picture_suffix(output) + 1, err);
    return rc ? rc : check_one_input(o, output, err);
}

static int check_pipe(const struct pq_options *o, pique_error *err)
{
    const char *container = pq_options_container(o);
    if (container && strcmp(container, "y4m") != 0)
        return pq_fail(err, PIQUE_EINVAL,
                       "-o -: %s is finished by going back to its beginning, which no pipe can; a "
                       "pipe takes y4m",
                       container);
    return check_one_input(o, "-", err);
}

int pq_target_decide(const struct pq_options *o, pique_picture_options *picture,
                     struct pq_naming *naming, pique_error *err)
{
    const char *output = pq_text(o, PQ_OPT_OUTPUT);
    int rc = 0;
    if (is_dash(output)) {
        naming->file = output;
        rc = check_pipe(o, err);
    } else if (output && !pq_is_folder(output) &&
               (pq_media_suffix(output) || strcmp(output, "null:") == 0)) {
        naming->file = output;
        rc = check_file_name(o, output, err);
        if (pq_picture_suffix(output))
            picture->format = pq_format_of_name(output);
    } else {
        naming->folder = output;
        naming->dedicated = output && pq_given(o, PQ_OPT_DEDICATED);
        if (picture->format == PIQUE_FORMAT_AUTO)
            picture->format = PIQUE_FORMAT_PNG;
        naming->extension = pq_format_extension(picture->format);
    }
    return rc;
}

bool pq_target_is_film(const struct pq_options *o, const struct pq_naming *naming)
{
    if (pq_options_container(o))
        return true;
    return naming->file && (pq_film_suffix(naming->file) || strcmp(naming->file, "null:") == 0);
}

bool pq_target_is_stdout(const struct pq_options *o, const struct pq_naming *naming)
{
    if (naming->file || naming->folder)
        return is_dash(naming->file);
    for (size_t i = 0; i < o->operand_count; i++) {
        if (is_dash(o->operands[i]))
            return true;
    }
    return false;
}

int pq_target_check_streams(const struct pq_options *o, const struct pq_naming *naming,
                            pique_error *err)
{
    for (size_t i = 0; i < o->operand_count; i++) {
        if (is_dash(o->operands[i]) && isatty(STDIN_FILENO))
            return pq_fail(err, PIQUE_EINVAL,
                           "-: standard input is a terminal, no picture and no film");
    }
    if (!pq_target_is_stdout(o, naming) || pq_given(o, PQ_OPT_DRY_RUN))
        return 0;
    if (pq_given(o, PQ_OPT_JSON)) {
        return pq_fail(err, PIQUE_EINVAL,
                       "--json and a picture cannot share standard output; name a file with -o");
    }
    if (isatty(STDOUT_FILENO)) {
        return pq_fail(err, PIQUE_EINVAL,
                       "the picture would go to a terminal; redirect it or name a file with -o");
    }
    return 0;
}

char *pq_target_suffix(const struct pq_options *o, const pique_picture_options *p,
                       const struct pq_naming *naming, double own_scale)
{
    if (pq_given(o, PQ_OPT_SUFFIX))
        return pq_strdup(pq_text(o, PQ_OPT_SUFFIX));
    if (naming->folder)
        return pq_strdup("");
    if (p->fit_width)
        return pq_asprintf("_fit%dx%d", p->fit_width, p->fit_height);
    if (p->width && p->height)
        return pq_asprintf("_%dx%d", p->width, p->height);
    if (p->width || p->height)
        return pq_asprintf(p->width ? "_w%d" : "_h%d", p->width + p->height);
    return pq_asprintf("_x%g", p->scale > 0 ? p->scale : own_scale);
}
