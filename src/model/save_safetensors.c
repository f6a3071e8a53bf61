/* SPDX-License-Identifier: MIT */
/* Writes what safetensors.c reads. Tensors stand in the header and in the data in the order of the
 * state dict, and blanks fill the header up to a multiple of 8 bytes, so that the data of a file
 * with one element type is aligned. */
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "model/save.h"

enum { HEAD_BYTES = 8, PIECE = 1 << 15 /* elements */, MAX_ELEMENT = 8 /* bytes */ };

static const char *const names[PQ_DTYPES] = {[PQ_F32] = "F32", [PQ_F16] = "F16", [PQ_BF16] = "BF16",
                                             [PQ_F64] = "F64", [PQ_I64] = "I64", [PQ_I32] = "I32"};

/* A name that is not UTF-8 would be another one in the file. */
static int check_name(const struct pq_saving *saving, const char *name, pique_error *err)
{
    bool utf8 = true;
    for (size_t i = 0, n; name[i] && utf8; i += n) {
        n = pq_utf8_length(name + i);
        utf8 = n != 0;
    }
    if (utf8 && pq_name_ok(name) && strcmp(name, "__metadata__") != 0)
        return 0;
    return pq_fail(err, PIQUE_EUNSUPPORTED,
                   "%s: tensor '%s' has a name that a safetensors file cannot have",
                   saving->sd->map.path, name);
}

static int add_tensor(const struct pq_saving *saving, const struct pq_named_tensor *t,
                      struct pq_json *j, uint64_t *at, pique_error *err)
{
    enum pq_dtype dtype = pq_saved_dtype(saving, &t->tensor);
    size_t count, bytes;
    int rc = check_name(saving, t->name, err);
    if (rc)
        return rc;
    if (!pq_tensor_count(&t->tensor, &count) || !pq_mul_size(count, pq_dtype_size(dtype), &bytes) ||
        bytes > INT64_MAX - *at)
        return pq_fail(err, PIQUE_EUNSUPPORTED, "%s: tensor '%s' is larger than any file",
                       saving->sd->map.path, t->name);
    pq_json_open(j, t->name, '{');
    pq_json_string(j, "dtype", names[dtype]);
    pq_json_open(j, "shape", '[');
    for (int d = 0; d < t->tensor.dims; d++)
        pq_json_int(j, NULL, t->tensor.shape[d]);
    pq_json_close(j, ']');
    pq_json_open(j, "data_offsets", '[');
    pq_json_uint(j, NULL, *at);
    *at += bytes;
    pq_json_uint(j, NULL, *at);
    pq_json_close(j, ']');
    pq_json_close(j, '}');
    return 0;
}

static int write_header(const struct pq_saving *saving, struct pq_file *f, pique_error *err)
{
    const struct pq_statedict *sd = saving->sd;
    struct pq_json j = {0};
    uint64_t at = 0;
    int rc = 0;
    pq_json_open(&j, NULL, '{');
    if (sd->metadata_count) {
        pq_json_open(&j, "__metadata__", '{');
        for (size_t i = 0; i < sd->metadata_count; i++)
            pq_json_string(&j, sd->metadata[i].key, sd->metadata[i].value);
        pq_json_close(&j, '}');
    }
    for (size_t i = 0; i < sd->count && !rc; i++)
        rc = add_tensor(saving, &sd->tensors[i], &j, &at, err);
    pq_json_close(&j, '}');
    while (j.text.length % 8 && !j.text.failed)
        pq_str_add(&j.text, " ");
    uint64_t bytes = j.text.length;
    char *text = pq_json_take(&j);
    if (!rc && !text)
        rc = pq_fail_nomem(err, bytes);
    unsigned char head[HEAD_BYTES];
    for (int i = 0; i < HEAD_BYTES; i++)
        head[i] = (unsigned char)(bytes >> 8 * i);
    if (!rc)
        rc = pq_file_write(f, head, sizeof head, err);
    if (!rc)
        rc = pq_file_write(f, text, (size_t)bytes, err);
    pq_free(text);
    return rc;
}

static int write_tensor(const struct pq_saving *saving, const struct pq_named_tensor *t,
                        unsigned char *piece, struct pq_file *f, pique_error *err)
{
    size_t count = 0, size = pq_dtype_size(pq_saved_dtype(saving, &t->tensor));
    int rc = 0;
    pq_tensor_count(&t->tensor, &count); /* the header has shown that it fits */
    for (size_t at = 0; at < count && !rc; at += PIECE) {
        size_t n = PQ_MIN(count - at, (size_t)PIECE);
        rc = pq_save_check_cancel(saving, err);
        if (!rc)
            rc = pq_save_elements(saving, t, at, n, piece, err);
        if (!rc)
            rc = pq_file_write(f, piece, n * size, err);
    }
    return rc;
}

int pq_save_safetensors(const struct pq_saving *saving, struct pq_file *f, pique_error *err)
{
    unsigned char *piece = pq_malloc((size_t)PIECE * MAX_ELEMENT);
    int rc = piece ? write_header(saving, f, err) : pq_fail_nomem(err, PIECE * MAX_ELEMENT);
    for (size_t i = 0; i < saving->sd->count && !rc; i++)
        rc = write_tensor(saving, &saving->sd->tensors[i], piece, f, err);
    pq_free(piece);
    return rc;
}
