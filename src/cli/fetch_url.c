/* SPDX-License-Identifier: MIT */
/* pique models fetch https://host/x.pth: a model from anywhere. It gets a place in the models
 * folder after it was opened, for a file that is no model has nothing to do there; and its sum is
 * remembered. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/lang.h"
#include "base/str.h"
#include "cli/catalogue.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/download.h"
#include "cli/get.h"
#include "cli/sums.h"
#include "pique/model.h"

static const char *const suffixes[] = {".safetensors", ".pth", ".pt", ".ckpt"};

struct from_url {
    const char *url;
    const struct pq_tell *tell;
    const char *sum; /* given, or NULL */
    char *folder, *name, *path;
    struct pq_sums sums;
    struct pq_get get;
    char licence[64]; /* what the file says, or "" */
};

int pq_cli_given_sum(const struct pq_options *o, char sum[65], pique_error *err)
{
    sum[0] = '\0';
    if (!pq_given(o, PQ_OPT_SHA256))
        return 0;
    const char *text = pq_text(o, PQ_OPT_SHA256);
    if (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64)
        return pq_fail(err, PIQUE_EINVAL, "--sha256 takes 64 hex digits, not '%s'", text);
    for (int i = 0; i < 64; i++)
        sum[i] = (char)tolower((unsigned char)text[i]);
    sum[64] = '\0';
    return 0;
}

/* ---- the address ---- */

static int check_url(const char *url, pique_error *err)
{
    if (!pq_starts_with(url, "https://"))
        return pq_fail(err, PIQUE_EINVAL, "%s: only https addresses are taken", url);
    for (const char *c = url; *c; c++) {
        if (*c <= ' ' || *c > '~')
            return pq_fail(err, PIQUE_EINVAL, "%s: an address has no such characters", url);
    }
    const char *host = url + strlen("https://");
    size_t length = strcspn(host, "/?#");
    if (length == 0 || memchr(host, '@', length))
        return pq_fail(err, PIQUE_EINVAL, "%s: an address with a host and no user name is needed",
                       url);
    return 0;
}

static const char *suffix_of(const char *name)
{
    for (size_t i = 0; i < PQ_COUNT(suffixes); i++) {
        if (pq_ends_with(name, suffixes[i]) && strlen(name) > strlen(suffixes[i]))
            return suffixes[i];
    }
    return NULL;
}

/* The last part of the address, with nothing in it that would be odd in a file name. */
static char *name_from(const char *url)
{
    size_t length = strcspn(url, "?#");
    size_t begin = length;
    while (begin && url[begin - 1] != '/')
        begin--;
    char *name = pq_strndup(url + begin, length - begin);
    for (char *c = name; c && *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("._+-", *c))
            *c = '_';
    }
    return name;
}

static int check_name(const char *name, pique_error *err)
{
    bool odd = !*name || name[0] == '.' || strlen(name) > 200;
    for (const char *c = name; *c && !odd; c += pq_utf8_length(c))
        odd = pq_utf8_length(c) == 0 || pq_is_control(c);
    if (odd)
        return pq_fail(err, PIQUE_EINVAL, "'%s' is no name for a model; give one with --name",
                       name);
    if (pq_ends_with(name, ".param") || pq_ends_with(name, ".bin"))
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: an ncnn model is two files; put both into the models folder", name);
    const char *suffix = suffix_of(name);
    char stem[256];
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - (suffix ? strlen(suffix) : 0)), name);
    if (pq_catalogue_find(stem, NULL))
        return pq_fail(err, PIQUE_EEXIST,
                       "%s: the catalogue has a model of that name ('pique models fetch %s'); "
                       "give another with --name",
                       stem, stem);
    return 0;
}

/* ---- the folder ---- */

/* A file of that name, with its own suffix or, where it has none, any; NULL: none. */
static char *existing(const struct from_url *u)
{
    char *path = pq_models_path(u->folder, u->name);
    if (path && pq_exists(path))
        return path;
    for (size_t i = 0; path && !suffix_of(u->name) && i < PQ_COUNT(suffixes); i++) {
        pq_free(path);
        path = pq_asprintf("%s/%s%s", u->folder, u->name, suffixes[i]);
        if (path && pq_exists(path))
            return path;
    }
    pq_free(path);
    return NULL;
}

/* *here: the very file is there already. */
static int check_existing(struct from_url *u, bool *here, pique_error *err)
{
    char hex[PQ_SHA256_HEX] = "";
    char *path = existing(u);
    *here = false;
    if (!path)
        return 0;
    const char *base = strrchr(path, '/') + 1;
    const char *url = pq_sums_url(&u->sums, base);
    const char *right = u->sum ? u->sum : pq_sums_find(&u->sums, base);
    bool same = right && (u->sum || (url && strcmp(url, u->url) == 0)) &&
                pq_sha256_file(path, hex, NULL) == 0 && strcmp(hex, right) == 0;
    *here = same;
    int rc = same ? 0
                  : pq_fail(err, PIQUE_EEXIST, "%s: exists already; give another name with --name",
                            path);
    if (same)
        pq_tell_note(u->tell, "%s is here already", path);
    pq_free(path);
    return rc;
}

/* ---- the file ---- */

static void read_licence(struct from_url *u, const pique_model *model)
{
    const char *key, *value;
    for (size_t i = 0; pique_model_get_metadata(model, i, &key, &value) == 0; i++) {
        if (strcasecmp(key, "license") == 0 || strcasecmp(key, "licence") == 0 ||
            strcasecmp(key, "modelspec.license") == 0)
            snprintf(u->licence, sizeof u->licence, "%s", value);
    }
}

/* It must be a model; then it gets the suffix of what it is, where its name has none. */
static int look(void *user, const char *path, pique_error *err)
{
    struct from_url *u = user;
    pique_model *model = NULL;
    pique_model_info info = {.size = sizeof info};
    int rc = pique_model_open(path, &model, err);
    if (!rc)
        rc = pique_model_get_info(model, &info, err);
    if (!rc && strcmp(info.container, "ncnn") == 0)
        rc = pq_fail(err, PIQUE_EUNSUPPORTED, "%s: is one file of an ncnn model", u->url);
    if (!rc) {
        bool tensors = strcmp(info.container, "safetensors") == 0;
        const char *suffix = suffix_of(u->name) ? "" : tensors ? ".safetensors" : ".pth";
        pq_free(u->path);
        u->path = pq_asprintf("%s/%s%s", u->folder, u->name, suffix);
        u->get.path = u->path;
        rc = u->path ? 0 : pq_fail_nomem(err, 256);
        read_licence(u, model);
    }
    if (!rc)
        pq_tell_line(u->tell, "  %s x%d, %s", info.architecture,
                     (info.scale_num + info.scale_den - 1) / info.scale_den, info.container);
    else if (rc == PIQUE_EFORMAT || rc == PIQUE_EUNSUPPORTED) {
        char why[sizeof err->message];
        snprintf(why, sizeof why, "%s", err->message);
        const char *begin = pq_starts_with(why, path) ? why + strlen(path) : why;
        rc = pq_fail(err, rc, "%s%s; it is not kept", u->name, begin);
    }
    pique_model_close(&model);
    return rc;
}

static void tell_done(const struct from_url *u)
{
    char size[24];
    const char *licence = u->licence[0] ? u->licence : PQ_SAID("unknown");
    if (u->tell->json) {
        struct pq_json j = pq_tell_event("fetch_done");
        pq_json_string(&j, "file", strrchr(u->path, '/') + 1);
        pq_json_string(&j, "path", u->path);
        pq_json_uint(&j, "bytes", u->get.got);
        pq_json_string(&j, "sha256", u->get.sum);
        pq_json_string(&j, "source", u->url);
        pq_json_string(&j, "licence", licence);
        pq_json_uint(&j, "resumed_at", u->get.resumed_at);
        pq_tell_event_end(&j);
        return;
    }
    pq_tell_line(u->tell, "  %s  %s", u->path, pq_size_text(u->get.got, size));
    pq_tell_line(u->tell, "  SHA-256 %s%s", u->get.sum,
                 u->sum ? pq_tr(", as given")
                        : pq_tr(", trusted because it came first, and remembered"));
    pq_tell_line(u->tell, "  licence of the weights: %s%s", pq_tr(licence),
                 u->licence[0] ? pq_tr(", says the file")
                               : pq_tr("; see where you found the address"));
}

static int get_it(struct from_url *u, pique_error *err)
{
    u->path = pq_models_path(u->folder, u->name);
    if (!u->path)
        return pq_fail_nomem(err, 256);
    u->get = (struct pq_get){.url = u->url,
                             .what = u->name,
                             .folder = u->folder,
                             .path = u->path,
                             .sha256 = u->sum,
                             .most = PQ_FETCH_MOST,
                             .tell = u->tell,
                             .look = look,
                             .look_user = u};
    int rc = pq_get_file(&u->get, err);
    if (!rc && !u->get.here)
        rc = pq_fail(err, PIQUE_EIO, "%s: %s (curl status %d)", u->url,
                     pq_curl_reason(u->get.curl_status), u->get.curl_status);
    if (!rc)
        rc = pq_sums_set(&u->sums, strrchr(u->path, '/') + 1, u->get.sum, u->get.got, u->url, err);
    if (!rc)
        tell_done(u);
    return rc;
}

static int locked(struct from_url *u, pique_error *err)
{
    struct pq_file lock;
    bool here, waited;
    int rc = pq_models_lock(u->folder, u->tell, &lock, &waited, err);
    if (rc)
        return rc;
    pq_interrupt_begin();
    rc = pq_sums_open(&u->sums, u->folder, err);
    if (!rc)
        rc = check_existing(u, &here, err);
    if (!rc && !here)
        rc = get_it(u, err);
    pq_interrupt_end();
    pq_file_close(&lock);
    return rc;
}

int pq_cli_fetch_url(const struct pq_options *o, const struct pq_tell *told)
{
    pique_error err = {0};
    char sum[PQ_SHA256_HEX];
    struct from_url u = {.url = o->operands[0], .tell = told};
    int rc = pq_cli_given_sum(o, sum, &err);
    u.sum = sum[0] ? sum : NULL;
    if (!rc && o->operand_count > 1)
        rc = pq_fail(&err, PIQUE_EINVAL, "an address is fetched alone, and these are %zu operands",
                     o->operand_count);
    if (!rc && (pq_given(o, PQ_OPT_FROM) || pq_given(o, PQ_OPT_ALL)))
        rc = pq_fail(&err, PIQUE_EINVAL, "--from and --all are for names, not for an address");
    if (!rc)
        rc = check_url(u.url, &err);
    if (!rc) {
        u.folder = pq_models_folder();
        u.name = pq_given(o, PQ_OPT_NAME) ? pq_strdup(pq_text(o, PQ_OPT_NAME)) : name_from(u.url);
        rc = u.folder && u.name ? check_name(u.name, &err) : pq_fail_nomem(&err, 256);
    }
    if (!rc) {
        pq_tell_line(told, "%s, from %s, into %s", u.name, u.url, u.folder);
        rc = locked(&u, &err);
    }
    pq_sums_close(&u.sums);
    pq_free(u.path);
    pq_free(u.name);
    pq_free(u.folder);
    return pq_cli_fetch_finish(told, rc, &err);
}
