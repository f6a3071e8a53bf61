/* SPDX-License-Identifier: MIT */
/* What networks of Swin Transformer blocks share: attention in square windows, whose edges are
 * shifted by half a window in every second block (Liu et al., "Swin Transformer", 2021), and the
 * table of biases that goes by the distance of two pixels. */
#pragma once

#include "arch/ends.h"
#include "arch/parts.h"

struct pq_windows {
    int size, shift;
    const int32_t *index; /* size^4, see pq_windows_index() */
    bool qkv_bias;
};

/* The size of the windows whose table of biases, (2 size - 1)^2 rows, has that name. */
int pq_windows_size(struct pq_parts *p, const char *fmt, ...) PQ_FORMAT(2);
/* What the attention of the named block needs; the index is that of pixels' distances. */
int pq_windows_begin(struct pq_parts *p, struct pq_windows *w, const char *fmt, ...) PQ_FORMAT(3);
/* Memory of the graph for size queries and keys a window; NULL and a sentence where there is none.
 */
int32_t *pq_windows_new_index(struct pq_parts *p, int queries, int keys);
/* A file may hold the index too: refused where it is another than this, of rows x columns. */
int pq_windows_check_index(struct pq_parts *p, const int32_t *index, int rows, int columns,
                           const char *fmt, ...) PQ_FORMAT(5);

/* NAME.weight [total, channels], NAME.bias where `biased`: rows first .. first + outputs - 1 */
struct pq_some_rows {
    int first, outputs, total;
    bool biased;
};
int pq_windows_linear(struct pq_parts *p, int in, const struct pq_some_rows *rows, const char *fmt,
                      ...) PQ_FORMAT(4);

/* Heads are as many as NAME.relative_position_bias_table, of so many rows, has columns. */
int pq_windows_attend(struct pq_parts *p, const int qkv[3], const struct pq_attention *a, int rows,
                      const char *fmt, ...) PQ_FORMAT(5);
/* q, k and v of NAME.qkv, then attention, without what comes behind it. */
int pq_windows_attention(struct pq_parts *p, int in, const struct pq_windows *w, const char *fmt,
                         ...) PQ_FORMAT(4);
/* NAME.fc1, GELU, NAME.fc2 */
int pq_windows_feed(struct pq_parts *p, int in, const char *fmt, ...) PQ_FORMAT(3);
/* The same with a depthwise convolution of what the first one yields added to that:
 * h + GELU(NAME.dwconv.depthwise_conv.0 (h)) */
int pq_windows_conv_feed(struct pq_parts *p, int in, const char *fmt, ...) PQ_FORMAT(3);
/* x + proj(attention(norm1(x))), then x + mlp(norm2(x)) */
int pq_windows_block(struct pq_parts *p, int in, const struct pq_windows *w, const char *fmt, ...)
    PQ_FORMAT(4);

/* All in front of the groups: pq_ends_begin() and patch_embed.norm. */
int pq_windows_body_begin(struct pq_parts *p, struct pq_ends *e, enum pq_pad_mode mode,
                          int multiple);
/* All behind them: norm, conv_after_body where the body is closed, and pq_ends_finish(). */
int pq_windows_body_finish(struct pq_parts *p, const struct pq_ends *e, int in, bool closed);

/* The eps of all layer norms. */
extern const float pq_windows_eps;
