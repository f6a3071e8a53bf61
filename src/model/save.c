/* SPDX-License-Identifier: MIT */
/* What all formats share: the choice of one, the file that appears whole or not at all, and weights
 * as the type that they are written as. */
#include "model/save.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lang.h"
#include "base/str.h"

static const struct {
    const char *suffix;
    int (*write)(const struct pq_saving *saving, struct pq_file *f, pique_error *err);
} formats[] = {{".safetensors", pq_save_safetensors}, {".onnx", pq_save_onnx}};

/* ---- elements ---- */

static bool is_integer(const struct pq_tensor *t)
{
    return t->dtype == PQ_I64 || t->dtype == PQ_I32;
}

enum pq_dtype pq_saved_dtype(const struct pq_saving *saving, const struct pq_tensor *t)
{
    return is_integer(t) ? t->dtype : saving->half ? PQ_F16 : PQ_F32;
}

static int too_large(const struct pq_saving *saving, const struct pq_named_tensor *t, double value,
                     pique_error *err)
{
    return pq_fail(err, PIQUE_EFORMAT,
                   "%s: tensor '%s' holds %.9g, and the largest %s number is %s%s",
                   saving->sd->map.path, t->name, value, saving->half ? "16-bit" : "32-bit",
                   saving->half ? "65504" : "3.40282347e+38",
                   saving->half ? pq_tr("; as 32-bit numbers the weights can be written") : "");
}

int pq_save_elements(const struct pq_saving *saving, const struct pq_named_tensor *t, size_t first,
                     size_t count, unsigned char *out, pique_error *err)
{
    enum pq_dtype to = pq_saved_dtype(saving, &t->tensor);
    size_t from_size = pq_dtype_size(t->tensor.dtype), to_size = pq_dtype_size(to);
    const unsigned char *in = (const unsigned char *)t->tensor.data + first * from_size;
    if (t->tensor.dtype == to) {
        memcpy(out, in, count * from_size);
        return 0;
    }
    for (size_t i = 0; i < count; i++, in += from_size, out += to_size) {
        double value;
        if (t->tensor.dtype == PQ_F64) {
            memcpy(&value, in, sizeof value);
        } else {
            float f;
            pq_tensor_to_f32(&t->tensor, first + i, 1, &f);
            value = f;
        }
        float single = (float)value;
        uint16_t half = pq_f64_to_f16(value);
        bool infinite = to == PQ_F16 ? (half & 0x7fff) == 0x7c00 : isinf(single);
        if (infinite && isfinite(value))
            return too_large(saving, t, value, err);
        memcpy(out, to == PQ_F16 ? (const void *)&half : (const void *)&single, to_size);
    }
    return 0;
}

int pq_save_check_cancel(const struct pq_saving *saving, pique_error *err)
{
    return pique_cancel_is_set(saving->cancel) ? pq_fail(err, PIQUE_ECANCELED, "stopped on request")
                                               : 0;
}

/* ---- the file ---- */

int pq_save(const struct pq_saving *saving, const char *path, bool overwrite, pique_error *err)
{
    size_t i = 0;
    while (i < PQ_COUNT(formats) && !pq_ends_with(path, formats[i].suffix))
        i++;
    if (i == PQ_COUNT(formats))
        return pq_fail(err, PIQUE_EINVAL,
                       "%s: the name of a model that is written ends in .safetensors "
                       "or .onnx",
                       path);
    struct pq_file f;
    int rc = pq_file_create(path, overwrite, &f, err);
    if (rc)
        return rc;
    rc = formats[i].write(saving, &f, err);
    if (rc)
        pq_file_close(&f);
    else
        rc = pq_file_commit(&f, overwrite, err);
    return rc;
}
