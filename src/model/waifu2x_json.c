/* SPDX-License-Identifier: MIT */
/* The files of waifu2x's first years, written by Torch7:
 *
 *     [{"class_name": "nn.SpatialConvolutionMM", "nInputPlane": 3, "nOutputPlane": 32,
 *       "kW": 3, "kH": 3, "dW": 1, "dH": 1, "padW": 0, "padH": 0,
 *       "weight": [out][in][kH][kW], "bias": [out], "model_config": {...}}, ...]
 *
 * nn.SpatialFullConvolution is the transpose, with weight [in][out][kH][kW]. A leaky ReLU of 0.1
 * stands between two layers; no file says so.
 *
 * Nor does a file say that its network sharpens what nearest enlarged by 2: the programs know that
 * by its name, which is scale2.0x_model.json. */
#include "model/waifu2x_json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"

enum {
    MAX_BYTES = 64 << 20,
    /* Parsed values take far more memory than their text: with these, less than 64 MiB more. The
     * largest network has 552 000 weights, and two objects a layer are plenty. */
    MAX_VALUES = 700000,
    MAX_OBJECTS = 256,
    MAX_LAYERS = 64,
    MAX_WIDE = 4096,
    MAX_KERNEL = 31
};

struct reader {
    struct pq_statedict *sd;
    const char *path;
    int layer; /* from 0 */
    pique_error *err;
};

static int fail(struct reader *r, int code, const char *what)
{
    return pq_fail(r->err, code, "%s: layer %d %s", r->path, r->layer, pq_tr(what));
}

/* ---- one layer ---- */

/* A whole number, or -1. */
static int whole(const json_t *layer, const char *key)
{
    const json_t *v = json_object_get(layer, key);
    return json_is_integer(v) && json_integer_value(v) >= 0 &&
                   json_integer_value(v) <= PQ_MAX_EXTENT
               ? (int)json_integer_value(v)
               : -1;
}

/* Nested arrays of exactly that shape into *to, which goes on. */
static bool flatten(const json_t *v, int dims, const int64_t *shape, float **to)
{
    if (dims == 0) {
        const double number = json_number_value(v);
        *(*to)++ = (float)number;
        return json_is_number(v) && isfinite((float)number);
    }
    if (!json_is_array(v) || json_array_size(v) != (size_t)shape[0])
        return false;
    for (size_t i = 0; i < (size_t)shape[0]; i++) {
        if (!flatten(json_array_get(v, i), dims - 1, shape + 1, to))
            return false;
    }
    return true;
}

static int add_tensor(struct reader *r, const json_t *layer, const char *key, int dims,
                      const int64_t *shape)
{
    struct pq_tensor t = {.dtype = PQ_F32, .dims = dims};
    size_t count = 1;
    char name[32];
    void *memory;
    for (int i = 0; i < dims; i++)
        count *= (size_t)(t.shape[i] = shape[i]);
    if (count > MAX_VALUES)
        return fail(r, PIQUE_EFORMAT, "has more weights than the file");
    int rc = pq_statedict_own(r->sd, count * sizeof(float), &memory, r->err);
    if (rc)
        return rc;
    float *to = memory;
    if (!flatten(json_object_get(layer, key), dims, shape, &to))
        return fail(r, PIQUE_EFORMAT, "has weights that are not numbers of its planes and kernel");
    t.data = memory;
    snprintf(name, sizeof name, "net.%d.%s", 2 * r->layer, key);
    return pq_statedict_add(r->sd, name, &t, r->err);
}

/* What steps a layer takes: those of the networks that there are. */
static int check_steps(struct reader *r, const json_t *layer, bool full)
{
    const int step = full ? 2 : 1, pad = full ? 3 : 0;
    if (whole(layer, "dW") == step && whole(layer, "dH") == step && whole(layer, "padW") == pad &&
        whole(layer, "padH") == pad)
        return 0;
    return fail(r, PIQUE_EUNSUPPORTED,
                full ? "is a transposed convolution; a step of 2 and padding of 3 can be run"
                     : "is a convolution; a step of 1 without padding can be run");
}

static int read_layer(struct reader *r, const json_t *layer)
{
    const char *class = json_string_value(json_object_get(layer, "class_name"));
    const bool full = class && strcmp(class, "nn.SpatialFullConvolution") == 0;
    if (!class || (!full && strcmp(class, "nn.SpatialConvolutionMM") != 0 &&
                   strcmp(class, "nn.SpatialConvolution") != 0))
        return fail(r, PIQUE_EUNSUPPORTED, "is no convolution");
    const int in = whole(layer, "nInputPlane"), out = whole(layer, "nOutputPlane");
    const int w = whole(layer, "kW"), h = whole(layer, "kH");
    if (in < 1 || in > MAX_WIDE || out < 1 || out > MAX_WIDE || w < 1 || w > MAX_KERNEL || h < 1 ||
        h > MAX_KERNEL)
        return fail(r, PIQUE_EFORMAT, "has no planes or no kernel, or too many");
    const int64_t shape[] = {full ? in : out, full ? out : in, h, w};
    int rc = check_steps(r, layer, full);
    if (!rc)
        rc = add_tensor(r, layer, "weight", 4, shape);
    if (!rc)
        rc = add_tensor(r, layer, "bias", 1, (const int64_t[]){out});
    return rc;
}

/* ---- the whole ---- */

static int add_notes(struct reader *r, const json_t *root)
{
    const json_t *config = json_object_get(json_array_get(root, 0), "model_config");
    const char *arch = json_string_value(json_object_get(config, "arch_name"));
    const char *slash = strrchr(r->path, '/');
    int rc = 0;
    if (arch && pq_name_ok(arch))
        rc = pq_statedict_add_metadata(r->sd, "arch_name", arch, r->err);
    if (!rc && whole(config, "scale_factor") <= 1 && strstr(slash ? slash : r->path, "scale2.0x"))
        rc = pq_statedict_add_metadata(r->sd, "enlarge first", "2", r->err);
    return rc;
}

static int read_layers(struct reader *r, const json_t *root)
{
    if (!json_is_array(root) || json_array_size(root) < 1 || json_array_size(root) > MAX_LAYERS)
        return pq_fail(r->err, PIQUE_EFORMAT, "%s: is no list of 1 to %d layers", r->path,
                       MAX_LAYERS);
    int rc = 0;
    for (; r->layer < (int)json_array_size(root) && !rc; r->layer++)
        rc = read_layer(r, json_array_get(root, (size_t)r->layer));
    return rc ? rc : add_notes(r, root);
}

int pq_waifu2x_json_read(struct pq_statedict *sd, pique_error *err)
{
    struct reader r = {.sd = sd, .path = sd->map.path, .err = err};
    size_t values = 1, objects = 0;
    if (sd->map.size > MAX_BYTES)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: %zu bytes; a waifu2x model has at most %d",
                       r.path, sd->map.size, MAX_BYTES);
    for (size_t i = 0; i < sd->map.size; i++) {
        const unsigned char c = sd->map.data[i];
        values += c == ',' || c == '[' || c == '{';
        objects += c == '{';
    }
    if (objects > MAX_OBJECTS)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: %zu objects; a waifu2x model has at most %d",
                       r.path, objects, MAX_OBJECTS);
    if (values > MAX_VALUES)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: %zu values; a waifu2x model has at most %d",
                       r.path, values, MAX_VALUES);
    json_error_t e = {0};
    json_t *root = json_loadb((const char *)sd->map.data, sd->map.size, JSON_REJECT_DUPLICATES, &e);
    if (!root && (json_error_code(&e) == json_error_out_of_memory || e.text[0] == '\0'))
        return pq_fail_nomem(err, sd->map.size);
    if (!root)
        return pq_fail(err, PIQUE_EFORMAT,
                       "%s: is no JSON from line %d on; the download may be incomplete", r.path,
                       e.line);
    int rc = read_layers(&r, root);
    json_decref(root);
    return rc;
}
