/* SPDX-License-Identifier: MIT */
#include "model/container.h"

#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"
#include "model/ncnn.h"
#include "model/onnx.h"
#include "model/onnx_file.h"
#include "model/pth.h"
#include "model/safetensors.h"
#include "model/waifu2x_json.h"

enum kind { SAFETENSORS, PTH, NCNN_PARAM, NCNN_BIN, WAIFU2X_JSON, ONNX, UNREADABLE };

/* First bytes, at an offset. What cannot be opened says what it is and what to do. */
struct magic {
    size_t offset;
    const char *bytes;
    size_t length;
    enum kind kind;
    const char *what; /* UNREADABLE: "%s: is WHAT" */
};

#define AT(offset, text) offset, text, sizeof text - 1
#define LATER            " and cannot be opened by this version yet"

/* The first row that fits decides. The flag of the first weight starts a .bin. */
static const struct magic strong[] = {
    {AT(0, "7767517"), NCNN_PARAM, NULL},
    {AT(0, "\x47\x6b\x30\x01"), NCNN_BIN, NULL}, /* f16 */
    {AT(0, "\x38\x4b\x0d\x00"), NCNN_BIN, NULL}, /* int8 */
    {AT(0, "PK\003\004"), PTH, NULL},
    {AT(0, "[{\""), WAIFU2X_JSON, NULL},
    {AT(0, "GGUF"), UNREADABLE, PQ_SAID("a GGUF file" LATER)},
    {AT(0, "\x9d\x85\x76\x00"), UNREADABLE,
     PQ_SAID("a binary ncnn .param; its text form is needed")},
    {AT(257, "ustar"), UNREADABLE, PQ_SAID("a tar archive; unpack it and open the model inside")},
    {AT(0, "7z\274\257\047\034"), UNREADABLE, PQ_SAID("packed with 7-Zip; unpack it first")},
    {AT(0, "version https://git-lfs"), UNREADABLE,
     PQ_SAID("a Git LFS pointer, not the model itself; fetch it with git lfs pull")},
    {AT(0, "<!DOCTYPE"), UNREADABLE, PQ_SAID("a web page; the download went wrong")},
    {AT(0, "<!doctype"), UNREADABLE, PQ_SAID("a web page; the download went wrong")},
    {AT(0, "<html"), UNREADABLE, PQ_SAID("a web page; the download went wrong")},
};

/* Two bytes that the length of a safetensors header may have as well. */
static const struct magic weak[] = {
    {AT(0, "\200\002"), PTH, NULL},
    {AT(0, "\200\003"), PTH, NULL},
    {AT(0, "\200\004"), PTH, NULL},
    {AT(0, "\200\005"), PTH, NULL},
    {AT(0, "\037\213"), UNREADABLE, PQ_SAID("packed with gzip; unpack it first")},
};

static const struct magic *match(const struct pq_map *map, const struct magic *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct magic *m = &table[i];
        if (map->size >= m->offset + m->length &&
            memcmp(map->data + m->offset, m->bytes, m->length) == 0)
            return m;
    }
    return NULL;
}

/* An ONNX file is a protobuf without a magic number. One that is cut off still begins by ir_version
 * and another of ModelProto's fields, and its reader says what is wrong with it. */
static bool looks_like_onnx(const struct pq_map *map)
{
    const unsigned char *b = map->data;
    return map->size > 16 && b[0] == 0x08 && b[1] >= 1 && b[1] <= 20 && (b[2] & 7) <= 2 &&
           b[2] >> 3 >= 2 && b[2] >> 3 <= 20 && (b[2] & 7) != 1;
}

/* JSON behind a length; a plausible length is short of 4 GiB and not 0. */
static bool looks_like_safetensors(const struct pq_map *map, bool plausible)
{
    static const unsigned char zeros[4];
    const unsigned char *b = map->data;
    return map->size > 8 && b[8] == '{' &&
           (!plausible || (memcmp(b + 4, zeros, 4) == 0 && memcmp(b, zeros, 4) != 0));
}

/* A .bin of f32 weights starts with four zero bytes, as much else may; so here the name counts. */
static bool looks_like_f32_bin(const struct pq_map *map)
{
    static const unsigned char zeros[4];
    return map->size > 4 && memcmp(map->data, zeros, 4) == 0 && pq_ends_with(map->path, ".bin");
}

static int sniff(const struct pq_map *map, enum kind *kind, pique_error *err)
{
    if (map->size == 0)
        return pq_fail(err, PIQUE_EFORMAT, "%s: the file is empty", map->path);
    const struct magic *m = match(map, strong, PQ_COUNT(strong));
    if (!m && looks_like_safetensors(map, true)) {
        *kind = SAFETENSORS;
        return 0;
    }
    if (!m)
        m = match(map, weak, PQ_COUNT(weak));
    if (m && m->kind == UNREADABLE)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: is %s", map->path, pq_tr(m->what));
    if (m || looks_like_f32_bin(map)) {
        *kind = m ? m->kind : NCNN_BIN;
        return 0;
    }
    if (pq_onnx_probe(map) || looks_like_onnx(map)) {
        *kind = ONNX;
        return 0;
    }
    if (looks_like_safetensors(map, false)) {
        *kind = SAFETENSORS; /* whose reader says what is wrong with it */
        return 0;
    }
    return pq_fail(err, PIQUE_EUNSUPPORTED,
                   "%s: is no model file that is known (safetensors, PyTorch's .pth, ONNX, "
                   "ncnn's .param and .bin, or waifu2x's .json); the download may be incomplete",
                   map->path);
}

/* "x.param" <-> "x.bin" */
static int open_other_half(const char *path, const char *suffix, const char *other,
                           struct pq_map *map, pique_error *err)
{
    if (!pq_ends_with(path, suffix))
        return pq_fail(err, PIQUE_EUNSUPPORTED,
                       "%s: is one half of an ncnn model; it should be named *%s, so that the *%s "
                       "beside it can be found",
                       path, suffix, other);
    char *name = pq_asprintf("%.*s%s", (int)(strlen(path) - strlen(suffix)), path, other);
    if (!name)
        return pq_fail_nomem(err, strlen(path) + 8);
    pique_error e = {0};
    int rc = pq_map_open(name, map, &e);
    if (rc == PIQUE_ENOENT)
        rc = pq_fail(err, PIQUE_ENOENT, "%s: the other half of %s is missing", name, path);
    else if (rc)
        rc = pq_fail(err, rc, "%s", e.message);
    pq_free(name);
    return rc;
}

/* first is what was named; it goes where it belongs, and the other file is opened. */
static int open_ncnn(struct pq_map *first, bool is_param, struct pq_container *c, pique_error *err)
{
    struct pq_map param = {0};
    int rc;
    if (is_param) {
        rc = open_other_half(first->path, ".param", ".bin", &c->sd.map, err);
        param = *first;
    } else {
        rc = open_other_half(first->path, ".bin", ".param", &param, err);
        c->sd.map = *first;
    }
    *first = (struct pq_map){0};
    if (!rc)
        rc = pq_graph_new(&c->graph, err);
    if (!rc)
        rc = pq_ncnn_read(&param, &c->sd, c->graph, err);
    c->name = "ncnn";
    c->file_bytes = param.size + c->sd.map.size;
    pq_map_close(&param);
    return rc;
}

/* One file of named tensors. */
static int open_tensors(struct pq_map *map, enum kind kind, struct pq_container *c,
                        pique_error *err)
{
    c->sd.map = *map;
    *map = (struct pq_map){0};
    c->name = kind == PTH ? "pth" : kind == SAFETENSORS ? "safetensors" : "waifu2x json";
    c->file_bytes = c->sd.map.size;
    int rc = kind == PTH           ? pq_pth_read(&c->sd, err)
             : kind == SAFETENSORS ? pq_safetensors_read(&c->sd, err)
                                   : pq_waifu2x_json_read(&c->sd, err);
    if (!rc)
        pq_statedict_canonicalise(&c->sd);
    return rc;
}

static int open_onnx(struct pq_map *map, struct pq_container *c, pique_error *err)
{
    c->sd.map = *map;
    *map = (struct pq_map){0};
    c->name = "onnx";
    int rc = pq_onnx_read(&c->sd, &c->graph, err);
    c->file_bytes = c->sd.map.size;
    for (size_t i = 0; i < c->sd.other_count; i++)
        c->file_bytes += c->sd.others[i].size;
    return rc;
}

int pq_container_open(const char *path, struct pq_container *out, pique_error *err)
{
    *out = (struct pq_container){0};
    struct pq_map map;
    int rc = pq_map_open(path, &map, err);
    if (rc)
        return rc;
    enum kind kind = UNREADABLE;
    rc = sniff(&map, &kind, err);
    if (!rc && (kind == SAFETENSORS || kind == PTH || kind == WAIFU2X_JSON))
        rc = open_tensors(&map, kind, out, err);
    else if (!rc && kind == ONNX)
        rc = open_onnx(&map, out, err);
    else if (!rc)
        rc = open_ncnn(&map, kind == NCNN_PARAM, out, err);
    pq_map_close(&map);
    if (rc)
        pq_container_close(out);
    return rc;
}

void pq_container_close(struct pq_container *c)
{
    pq_graph_free(&c->graph);
    pq_statedict_free(&c->sd);
    *c = (struct pq_container){0};
}
