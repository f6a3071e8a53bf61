/* SPDX-License-Identifier: MIT */
/* Pixels that come from other places: padded, cropped, and read where an offset says. */
#include "model/onnx_write_ops.h"

/* ---- padding ---- */

/* Rows and columns behind the picture: those of the border, and up to a multiple. */
static struct pq_onnx_name behind(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const int64_t after[] = {op->ver.after, op->hor.after};
    const struct pq_onnx_name border = pq_onnx_ints(w, 2, after);
    if (op->multiple == 1 && !op->least)
        return border;
    const struct pq_onnx_name size = pq_export_size(x, pq_export_in(x, op, 0));
    const struct pq_onnx_name m = pq_export_whole(x, op->multiple);
    const struct pq_onnx_name left =
        pq_onnx_node2(w, "Mod", pq_onnx_node2(w, "Sub", m, pq_onnx_node2(w, "Mod", size, m)), m);
    struct pq_onnx_name to = pq_onnx_node2(w, "Add", size, left);
    if (op->least)
        to = pq_onnx_node2(w, "Max", to, pq_export_whole(x, op->least));
    return pq_onnx_node2(w, "Add", border, pq_onnx_node2(w, "Sub", to, size));
}

/* One axis, pixel by pixel: Pad has no such mode before opset 19, or none. */
static struct pq_onnx_name pad_axis(struct pq_exporting *x, const struct pq_op *op, bool hor,
                                    struct pq_onnx_name v, struct pq_onnx_name after)
{
    struct pq_onnx_writer *w = &x->w;
    const int before = hor ? op->hor.before : op->ver.before;
    const struct pq_onnx_name n = pq_export_shape(x, v, hor ? 3 : 2, hor ? 4 : 3);
    struct pq_onnx_name all = pq_onnx_node2(w, "Add", n, pq_export_extent(x, after, hor));
    if (before)
        all = pq_onnx_node2(w, "Add", all, pq_export_whole(x, before));
    struct pq_onnx_name at = pq_export_count(x, all);
    if (before)
        at = pq_onnx_node2(w, "Sub", at, pq_export_whole(x, before));
    if (op->pad_mode == PQ_PAD_MIRROR) {
        const struct pq_onnx_name twice = pq_onnx_node2(w, "Add", n, n);
        const struct pq_onnx_name last = pq_onnx_node2(w, "Sub", twice, pq_export_whole(x, 1));
        at = pq_onnx_node2(w, "Mod", at, twice);
        at = pq_onnx_node2(w, "Min", at, pq_onnx_node2(w, "Sub", last, at));
    } else {
        at = pq_onnx_node2(w, "Mod", at, n);
    }
    pq_onnx_put_int(w, "axis", hor ? 3 : 2);
    return pq_onnx_node2(w, "Gather", v, at);
}

struct pq_onnx_name pq_export_pad(struct pq_exporting *x, const struct pq_op *op)
{
    static const char *const modes[] = {
        [PQ_PAD_ZERO] = "constant", [PQ_PAD_EDGE] = "edge", [PQ_PAD_REFLECT] = "reflect"};
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name v = pq_export_in(x, op, 0), after = behind(x, op);
    if (op->pad_mode == PQ_PAD_MIRROR || op->pad_mode == PQ_PAD_WRAP)
        return pad_axis(x, op, true, pad_axis(x, op, false, v, after), after);
    const int64_t before[] = {0, 0, op->ver.before, op->hor.before, 0, 0};
    const struct pq_onnx_name pads[] = {pq_onnx_ints(w, 6, before), after};
    const struct pq_onnx_name joined = pq_export_joined(x, 2, pads);
    pq_onnx_put_text(w, "mode", modes[op->pad_mode]);
    return pq_onnx_node2(w, "Pad", v, joined);
}

struct pq_onnx_name pq_export_crop(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    static const int64_t axes[] = {2, 3};
    const int64_t from[] = {op->ver.before, op->hor.before};
    const int64_t to[] = {op->ver.after ? -op->ver.after : INT64_MAX,
                          op->hor.after ? -op->hor.after : INT64_MAX};
    struct pq_onnx_name end;
    if (op->like < 0) {
        end = pq_onnx_ints(w, 2, to);
    } else {
        end = pq_export_size(x, x->values[op->like]);
        if (op->rate_num != 1)
            end = pq_onnx_node2(w, "Mul", end, pq_export_whole(x, op->rate_num));
        if (op->rate_den != 1)
            end = pq_onnx_node2(w, "Div", end, pq_export_whole(x, op->rate_den));
        if (from[0] || from[1])
            end = pq_onnx_node2(w, "Add", end, pq_onnx_ints(w, 2, from));
    }
    return pq_export_slice(x, pq_export_in(x, op, 0), 2, from, end, axes);
}

/* ---- dysample ---- */

/* Where GridSample reads along an axis: pixel i lies at (2 i + 1) / extent - 1. What is given are
 * offsets [batch, groups f f, rows, columns] from each pixel; what comes is [batch, groups, f rows,
 * f columns, 1]. */
static struct pq_onnx_name grid_axis(struct pq_exporting *x, const struct pq_op *op, bool hor)
{
    struct pq_onnx_writer *w = &x->w;
    static const int64_t axis = 1;
    const int64_t half = (int64_t)op->groups * op->factor * op->factor;
    const int64_t from = hor ? 0 : half;
    const struct pq_onnx_name n =
        pq_export_shape(x, pq_export_in(x, op, 0), hor ? 3 : 2, hor ? 4 : 3);
    struct pq_onnx_name place = pq_export_float(x, pq_export_count(x, n));
    if (!hor)
        place = pq_export_reshape(x, place, 2, (const int64_t[]){-1, 1});
    struct pq_onnx_name at = pq_export_slice(x, pq_export_in(x, op, 1), 1, &from,
                                             pq_export_whole(x, from + half), &axis);
    at = pq_onnx_node2(w, "Add", at, place);
    at = pq_export_plus(x, pq_export_times(x, at, 2), 1);
    at = pq_export_plus(x, pq_onnx_node2(w, "Div", at, pq_export_float(x, n)), -1);
    if (op->factor > 1) {
        pq_onnx_put_int(w, "blocksize", op->factor);
        pq_onnx_put_text(w, "mode", "CRD");
        at = pq_onnx_node1(w, "DepthToSpace", at);
    }
    return pq_onnx_node2(w, "Unsqueeze", at, pq_export_whole(x, 4));
}

/* Each group of channels becomes a picture of its own. */
struct pq_onnx_name pq_export_dysample(struct pq_exporting *x, const struct pq_op *op)
{
    struct pq_onnx_writer *w = &x->w;
    const struct pq_onnx_name v = pq_export_in(x, op, 0), size = pq_export_size(x, v);
    const struct pq_onnx_name large = pq_onnx_node2(w, "Mul", size, pq_export_whole(x, op->factor));
    const struct pq_onnx_name grids[] = {grid_axis(x, op, true), grid_axis(x, op, false)};
    pq_onnx_put_int(w, "axis", 4);
    const struct pq_onnx_name grid = pq_onnx_node(w, "Concat", 2, grids);
    const struct pq_onnx_name grid_shape[] = {pq_export_whole(x, -1), large, pq_export_whole(x, 2)};
    const int64_t part[] = {-1, op->channels / op->groups}, all[] = {-1, op->channels};
    const struct pq_onnx_name in_shape[] = {pq_onnx_ints(w, 2, part), size};
    const struct pq_onnx_name out_shape[] = {pq_onnx_ints(w, 2, all), large};
    const struct pq_onnx_name in[] = {
        pq_onnx_node2(w, "Reshape", v, pq_export_joined(x, 2, in_shape)),
        pq_onnx_node2(w, "Reshape", grid, pq_export_joined(x, 3, grid_shape))};
    pq_onnx_put_text(w, "mode", "bilinear");
    pq_onnx_put_text(w, "padding_mode", "border");
    pq_onnx_put_int(w, "align_corners", 0);
    const struct pq_onnx_name y = pq_onnx_node(w, "GridSample", 2, in);
    return pq_onnx_node2(w, "Reshape", y, pq_export_joined(x, 2, out_shape));
}
