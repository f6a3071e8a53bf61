/* SPDX-License-Identifier: MIT */
/* A model file, opened and understood. */
#ifndef PIQUE_MODEL_H
#define PIQUE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A network with its weights. Immutable once open, so any number of engines and threads may
 *  use one. Thread-safety: safe, but for pique_model_close(). */
typedef struct pique_model pique_model;

/** What a model is. Strings belong to the model and live as long as it does. */
typedef struct pique_model_info {
    size_t size;              /**< sizeof(pique_model_info), set by the caller before the call */
    const char *path;         /**< as it was opened */
    const char *container;    /**< "safetensors", "pth" (PyTorch), "ncnn", "onnx", "waifu2x
                                   json", "blend" */
    const char *architecture; /**< "Compact", "ESRGAN", "Real-CUGAN" and so on, or "graph" for a
                                   network taken as it is */
    int scale_num, scale_den; /**< output size / input size, in lowest terms */
    int in_channels;          /**< colour channels of the input: 1, 3 or 4 */
    int out_channels;         /**< colour channels of the output */
    int features;             /**< width of the body, 0 where the word has no meaning */
    int convolutions;         /**< number of convolutions */
    int receptive_radius;     /**< input pixels on each side that one output pixel depends on;
                                   -1: all there are */
    uint64_t parameters;      /**< number of weights */
    uint64_t flops_per_pixel; /**< 2 x multiply-accumulates for one input pixel */
    uint64_t file_bytes;      /**< of all files of the model */
    const char *dtype;        /**< how most weights are stored: "f32", "f16", "bf16" */
    size_t tensor_count;      /**< named weights in the file */
    const char *fp16_unsafe;  /**< NULL: this network may be computed in fp16; else why not */
    const char *bf16_unsafe;  /**< the same for bf16 */
    const char *int16_unsafe; /**< the same for int16 */
} pique_model_info;

/** One weight of a model file. */
typedef struct pique_tensor_info {
    size_t size;      /**< sizeof(pique_tensor_info), set by the caller */
    const char *name; /**< belongs to the model */
    const char *dtype;
    int dims;         /**< number of entries of shape in use, at most 8 */
    int64_t shape[8]; /**< PyTorch order */
} pique_tensor_info;

/** A function or class that a PyTorch file names, and that other programs would call or make. */
typedef struct pique_global_info {
    size_t size;      /**< sizeof(pique_global_info), set by the caller */
    const char *name; /**< "module.name"; belongs to the model */
    uint64_t uses;    /**< how often the file takes it */
    const char *role; /**< "interpreted": the reader knows what it gives; "opaque": it stays a name,
                           and nobody looks at what it would give. A file that names what runs
                           programs or code is "dangerous" as a whole: pique_model_open() refuses
                           it with the name, so that no model has one */
} pique_global_info;

/** Open a model. The file is recognised by what is in it, never by its name; for ncnn either
 *  of the two files (.param, .bin) may be named and the other is found beside it.
 *  @param path  file; borrowed for the call.
 *  @param out   the model; the caller closes it. Set to NULL on failure.
 *  @param err   filled on failure; may be NULL.
 *  @return 0; PIQUE_ENOENT; PIQUE_EIO; PIQUE_EFORMAT damaged file, tensor missing or of the
 *          wrong shape; PIQUE_EUNSUPPORTED unknown container or architecture; PIQUE_ENOMEM. */
int pique_model_open(const char *path, pique_model **out, pique_error *err);

/** Make the model between two of the same network: weight a + (1 - weight) b, for each weight, in
 *  float. What holds whole numbers is taken from a, and must be equal in b. Metadata of the result
 *  names both ("blend_a_sha256", "blend_b_sha256") and "blend_weight".
 *  @param a       may be closed before the result, as b.
 *  @param weight  0 (b) to 1 (a).
 *  @param out     the model; the caller closes it. Set to NULL on failure.
 *  @return 0; PIQUE_EINVAL; PIQUE_EFORMAT names and shapes differ, with the first tensor that does;
 *          PIQUE_EUNSUPPORTED a network that came without names and has those of no architecture;
 *          PIQUE_ENOMEM. */
int pique_model_blend(const pique_model *a, const pique_model *b, double weight, pique_model **out,
                      pique_error *err);

/** Close a model and set *model to NULL. &{NULL} is fine. Engines made from it must be closed
 *  first. */
void pique_model_close(pique_model **model);

/** Describe a model. @return 0; PIQUE_EINVAL where info->size is not set. */
int pique_model_get_info(const pique_model *model, pique_model_info *info, pique_error *err);

/** The SHA-256 of the file that holds the weights, as 64 lower-case hex digits; of a blend, one
 * that follows from those of its two and the weight. Computed at the first call, which reads the
 * whole file. Belongs to the model. */
const char *pique_model_sha256(const pique_model *model);

/** Describe the i-th weight in file order. @return 0; PIQUE_EINVAL past the end. */
int pique_model_get_tensor(const pique_model *model, size_t i, pique_tensor_info *info,
                           pique_error *err);

/** The i-th metadata entry of the file: __metadata__ of safetensors; of a PyTorch file the simple
 *  values that stood beside the weights, and "tensors left out" where a type cannot be read.
 * @return 0 or PIQUE_EINVAL past the end. Strings belong to the model. */
int pique_model_get_metadata(const pique_model *model, size_t i, const char **key,
                             const char **value);

/** Describe the i-th function or class that the pickles of a PyTorch file name, in the order in
 *  which they come. Other files name none.
 *  @return 0; PIQUE_EINVAL past the end or where info->size is not set. */
int pique_model_get_global(const pique_model *model, size_t i, pique_global_info *info,
                           pique_error *err);

struct pique_cancel; /* engine.h */

/** How a model is written. All zero but size is a good default. */
typedef struct pique_save_options {
    size_t size;                       /**< sizeof(pique_save_options) */
    bool half;                         /**< weights as 16-bit floats instead of 32-bit ones */
    bool overwrite;                    /**< replace an existing file */
    const struct pique_cancel *cancel; /**< or NULL */
} pique_save_options;

/** Write a model. The format follows from the name: .safetensors, or .onnx, an ONNX file of opset
 *  17 for pictures of any size, for other programs: one with attention cannot be opened again.
 * Weights are written in the order of the file that they came from, under the names of the model's
 * architecture; whole numbers stay as they are. The file is written to a temporary name beside it,
 * synced and renamed: it exists whole or not at all. Its metadata has "format" (pt),
 * "source_sha256" (pique_model_sha256(); a blend has its own three instead) and "pique_version",
 * and what else the metadata of a safetensors file had.
 *  @param path     file to write; never one that the model came from.
 *  @param options  borrowed; NULL for the defaults.
 *  @return 0; PIQUE_EINVAL a name that asks for no format; PIQUE_EUNSUPPORTED a format that cannot
 *          be written yet, or a network that came without names and has those of no architecture;
 *          PIQUE_EFORMAT a finite weight that the smaller type cannot hold; PIQUE_EEXIST;
 *          PIQUE_ECREATE; PIQUE_EIO; PIQUE_ENOSPC; PIQUE_ENOMEM; PIQUE_ECANCELED.
 *  Thread-safety: safe. */
int pique_model_save(const pique_model *model, const char *path, const pique_save_options *options,
                     pique_error *err);

#ifdef __cplusplus
}
#endif
#endif
