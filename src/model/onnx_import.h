/* SPDX-License-Identifier: MIT */
/* Shared by the files that turn ONNX nodes into a graph: values, their layouts, and how a node is
 * asked what it says. */
#pragma once

#include "model/onnx_number.h"

/* Where the elements of a picture's plane stack are among the dimensions of an ONNX tensor. The
 * picture has three axes: channels, rows and columns. An atom is a digit of the index along one of
 * them: `size` values, each worth `inner` steps; the outermost digit of rows and columns has size
 * 0, as many as there are. A dimension is a run of atoms, the first being the most significant; one
 * of extent 1 (the batch) is an empty run. So
 *
 *     [N, C, H, W]          {} {c} {y} {x}
 *     [N, H*W, C]           {} {y x} {c}
 *     [N, 3, H, 2, W, 2]    {} {c/4} {y} {c/2%2} {x} {c%2}      half way through a pixel shuffle
 *
 *     [N*H/8*W/8, 64, C]    {y/8 x/8} {y%8 x%8} {c}         windows
 *
 * Reshape and Transpose move atoms and no pixel; an operator that needs a layout asks for it.
 *
 * A picture may be rolled: what is at row i of the tensor is row i + roll of the operation's
 * result, where it goes round. */
enum pq_axis { PQ_CHANNELS, PQ_ROWS, PQ_COLUMNS };
enum { PQ_MAX_ATOMS = 12, PQ_REST = 0 };

struct pq_atom {
    enum pq_axis axis;
    int size;  /* PQ_REST: all there are */
    int inner; /* product of the sizes of the digits below it; 0: of a size that depends on the
                  picture's, for the digit above it takes all the rest */
    int above; /* of the digit that takes the rest: product of the sizes above it; 0 means 1 */
};

struct pq_layout {
    int dims, count;
    int length[PQ_MAX_DIMS]; /* atoms of each dimension */
    struct pq_atom atoms[PQ_MAX_ATOMS];
    int roll[2]; /* rows, columns */
    int frame;   /* 1 + the operation that it is, but for a border that says nothing; 0: none */
    int unit;    /* of a UNIT: 1 + the dimension over which it has norm 1 */
};

enum pq_value_kind {
    PQ_VALUE_NONE,    /* an optional input that is not there */
    PQ_VALUE_NUMBER,  /* depends on no pixel */
    PQ_VALUE_PICTURE, /* what an operation yields */
    PQ_VALUE_UNIT,    /* the same, still to be divided by its norm over the pixels of a dimension */
    PQ_VALUE_SCORES,  /* products of queries and keys, not computed (onnx_attention.c) */
    PQ_VALUE_REFUSED  /* what could not be imported; it matters only if something needs it */
};

struct pq_value {
    enum pq_value_kind kind;
    int op;    /* PICTURE, UNIT */
    int maker; /* index of the node, -1: none */
    union {
        struct pq_number number;
        struct pq_layout layout;
        struct pq_scores *scores; /* the graph's */
        struct {
            int status;
            const char *sentence; /* the graph's */
        } refused;
    };
};

struct pq_import {
    const struct pq_onnx_file *file;
    struct pq_statedict *sd;
    struct pq_graph *graph;
    struct pq_value *values;
    int value_count;
    int *ids;                        /* value of each of file->names; -1: an empty name */
    const struct pq_onnx_node *node; /* that is being imported */
    struct pq_folder folder;
    size_t floats_left;                            /* of weights that are computed */
    int64_t rows[PQ_SAMPLES], columns[PQ_SAMPLES]; /* of the input */
    bool fixed;                        /* sample 0 is the one size that the file was exported for */
    int64_t (*extents)[2][PQ_SAMPLES]; /* of each operation: rows, columns */
    int extent_count, extent_capacity;
    const struct pq_onnx_port *port; /* what the file says of the input */
    int input, output;               /* values */
    size_t masks_left;               /* elements of masks that may still be computed */
    bool no_memory;
    int wanted;        /* a multiple of the size for which windows are right; 0: not known */
    bool size_matters; /* something failed because of sizes that may be right for a multiple */
    pique_error *err;
};

/* ---- the node ---- */

/* A sentence about the node that is being imported; returns code. */
int pq_import_fail(struct pq_import *im, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define pq_import_refuse(im, ...) pq_import_fail(im, PIQUE_EUNSUPPORTED, __VA_ARGS__)
/* What folding or graph/ said; 0 and indices pass. */
int pq_import_folded(struct pq_import *im, int rc);
int pq_import_placed(struct pq_import *im, int op, const pique_error *e);

/* Input i; NONE where it is not there. */
const struct pq_value *pq_import_in(const struct pq_import *im, size_t i);
const struct pq_onnx_attr *pq_import_attr(const struct pq_import *im, const char *name);
int64_t pq_import_int(const struct pq_import *im, const char *name, int64_t missing);
float pq_import_float(const struct pq_import *im, const char *name, float missing);
/* Whether an attribute is absent or is that text. */
bool pq_import_text(const struct pq_import *im, const char *name, const char *text,
                    bool when_missing);
/* A list of whole numbers, from an attribute or (opset 13 on, mostly) from input i; *count is -1
 * where there is neither. */
int pq_import_ints(struct pq_import *im, const char *name, size_t i, int max, int64_t *list,
                   int *count);
/* An axis of a tensor of that many dimensions, counted from its end where negative. */
int pq_import_axis(struct pq_import *im, int64_t axis, int dims, int *out);

/* ---- results ---- */

struct pq_value *pq_import_out(struct pq_import *im, size_t i);
int pq_import_set_number(struct pq_import *im, size_t i, const struct pq_number *n);
int pq_import_set_picture(struct pq_import *im, size_t i, int op, const struct pq_layout *layout);
/* Rows or columns of an operation's result in a sample. */
int64_t pq_import_extent(struct pq_import *im, int op, enum pq_axis axis, int sample);

/* ---- layouts (onnx_layout.c) ---- */

void pq_layout_nchw(struct pq_layout *l, int channels);
/* Extent of a dimension in a sample. */
int64_t pq_layout_extent(struct pq_import *im, const struct pq_value *v, int dim, int sample);
bool pq_layout_same(const struct pq_layout *a, const struct pq_layout *b);
/* Where the first atom of a dimension is. */
int pq_layout_first(const struct pq_layout *l, int dim);
/* shape: a number [dims]; 0 and -1 are as Reshape has them. */
int pq_layout_reshape(struct pq_import *im, const struct pq_value *v, const struct pq_number *shape,
                      bool zero_is_zero, struct pq_layout *out);
void pq_layout_transpose(const struct pq_layout *l, const int *order, struct pq_layout *out);
/* Move pixels where need be (pixel shuffle, unshuffle, order of channels), so that dimension
 * `channel` is all channels in order, and rows and columns are whole and each in one piece of
 * another one. v is a picture and stays one. */
int pq_layout_settle(struct pq_import *im, struct pq_value *v, int channel);
/* Where the last dimension is the last digits of rows and columns and then all channels: a pixel
 * unshuffle, after which it is all channels. v is left alone where it is not so. */
int pq_layout_fold(struct pq_import *im, struct pq_value *v);
/* Sizes should be multiples of that at operation `op`; for the next attempt. */
void pq_import_want(struct pq_import *im, int op, int64_t multiple);
/* "was exported for W x H only" */
int pq_import_refuse_fixed(struct pq_import *im);
/* Channels in the order of these digits, which must be all of them; the index of an operation. */
int pq_layout_order(struct pq_import *im, int op, const struct pq_atom *a, int count);
/* Move channels where need be, so that their order is: the digits in all other dimensions, in their
 * order, then those in `dim`, which holds channels only. */
int pq_layout_heads(struct pq_import *im, struct pq_value *v, int dim);
/* Whether the same pixels are in the same dimensions, for all but that one (-1: for all). */
bool pq_layout_beside(const struct pq_layout *a, const struct pq_layout *b, int but);
bool pq_layout_rolled(const struct pq_layout *l);
/* Which of rows (0) and columns (1) a dimension holds, whole and alone; -1: none. */
int pq_layout_axis(const struct pq_layout *l, int dim);
/* Settled, and [N, C, H, W]. */
int pq_layout_picture(struct pq_import *im, const struct pq_value *v, int *op);
/* The dimension that holds channels, and nothing else; -1 where there is no such one. */
int pq_layout_channel_dim(const struct pq_layout *l, int channels);

/* ---- the parts ---- */

/* onnx_fold.c: the node, all of whose inputs are numbers (or Shape of anything). PIQUE_EUNSUPPORTED
 * where no such operator can be folded. */
int pq_import_fold(struct pq_import *im);
/* onnx_arithmetic.c: the same for operators on one number after another; *known says whether it is
 * one. */
int pq_import_fold_arithmetic(struct pq_import *im, bool *known);
/* onnx_fold_matrix.c: the same for products of matrices and means. */
int pq_import_fold_matrix(struct pq_import *im, bool *known);
/* onnx_ops.c: the node, one of whose inputs is a picture. */
int pq_import_op(struct pq_import *im);
/* onnx_match.c: whether the node is the last of several that are one operation together; *done says
 * so. */
int pq_import_match(struct pq_import *im, bool *done);
/* onnx_attention.c: whether an input is products of queries and keys, or makes them; *done says so.
 */
int pq_import_attention(struct pq_import *im, bool *done);
/* Extent of a dimension of what attention is made of. */
int pq_scores_dims(const struct pq_scores *s);
int64_t pq_scores_extent(struct pq_import *im, const struct pq_scores *s, int dim, int sample);
/* onnx_mask.c: value `id` for the picture of one sample, until pq_mask_free(). PIQUE_EUNSUPPORTED
 * where it cannot be computed. */
struct pq_mask {
    struct pq_number number;
    struct pq_graph *memory;
};
int pq_mask_compute(struct pq_import *im, int id, int sample, struct pq_mask *out);
void pq_mask_free(struct pq_mask *m);
