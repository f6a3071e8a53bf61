/* SPDX-License-Identifier: MIT */
/* MoSR, umzi2's network of gated convolutions after MambaOut (Yu and Wang, 2024).
 *
 *     x -> conv -> block -> ... -> block -> conv, Mish, conv, Mish, 1x1 -> + -> upsampler
 *      \------------ shortcut: conv, Mish, conv, Mish, plus a 1x1 --------/
 *
 * A block norms each pixel and makes two halves of it by a convolution, one of which gates the
 * other; the last channels of that one go through a large kernel each before:
 *
 *     gate, plain, wide = split(fc1(norm x));  x + Mish(fc2(Mish(gate) [plain, conv wide])) - 1/2
 *
 * The upsampler is a pixel shuffle (ps), DySample (dys), or a shuffle of the mean of eight
 * convolutions (gps), which are averaged into one when the file is opened. */
#include "arch/arch.h"

#include "arch/dysample.h"
#include "arch/parts.h"
#include "base/alloc.h"

enum { KERNEL = 3, TAPS = KERNEL * KERNEL, AROUND = 6, MAX_BLOCKS = 500, MEAN_OF = 8 };

static const float eps = 1e-6f, less = -0.5f;

struct mosr {
    struct pq_parts parts;
    int channels, dim, blocks, scale;
    enum { SHUFFLE, DYSAMPLE, GEOMETRIC } upsampler;
};

static int find_scale(struct mosr *n)
{
    struct pq_parts *p = &n->parts;
    if (pq_dysample_has(p, "upsampler")) {
        n->upsampler = DYSAMPLE;
        return pq_dysample_scale(p, "upsampler");
    }
    if (pq_parts_has(p, "upsampler.in_to_k.weight") || pq_parts_has(p, "upsampler.in_to_k.bias")) {
        n->upsampler = GEOMETRIC;
        return pq_parts_square_scale(p, MEAN_OF * n->channels, "upsampler.in_to_k.weight");
    }
    return pq_parts_square_scale(p, n->channels, "upsampler.0.weight");
}

static int find_sizes(struct mosr *n)
{
    struct pq_parts *p = &n->parts;
    const int layers = pq_parts_count(p, "gblocks");
    if (layers < 0)
        return layers;
    n->blocks = layers - AROUND;
    if (n->blocks < 1 || n->blocks > MAX_BLOCKS)
        return pq_parts_fail(p, PIQUE_EUNSUPPORTED, "%d blocks; 1 to %d are possible", n->blocks,
                             MAX_BLOCKS);
    n->dim = pq_parts_extent(p, 0, "gblocks.0.weight");
    n->channels = n->dim < 0 ? n->dim : pq_parts_picture(p, "gblocks.0.weight");
    n->scale = n->channels < 0 ? n->channels : find_scale(n);
    return PQ_MIN(n->scale, 0);
}

static int add_block(struct mosr *n, int x, int block)
{
    struct pq_parts *p = &n->parts;
    const int twice = pq_parts_extent(p, 0, "gblocks.%d.fc1.weight", block), hidden = twice / 2;
    const int through = pq_parts_extent(p, 0, "gblocks.%d.conv.weight", block);
    const int kernel = pq_parts_extent(p, 2, "gblocks.%d.conv.weight", block);
    if (twice < 0 || through < 0 || kernel < 0)
        return PQ_MIN(PQ_MIN(twice, through), kernel);
    if (twice % 2 || through > hidden)
        return pq_parts_fail(p, PIQUE_EFORMAT,
                             "tensor 'gblocks.%d.fc1.weight' has %d outputs, which are no two "
                             "halves with %d channels in one",
                             block, twice, through);
    int y = pq_parts_layer_norm(p, x, eps, "gblocks.%d.norm", block);
    y = pq_parts_conv(p, y, twice, KERNEL, "gblocks.%d.fc1", block);
    int gate = pq_parts_curve(p, pq_parts_slice(p, y, 0, hidden), PQ_ACT_MISH);
    int wide = pq_parts_slice(p, y, twice - through, through);
    wide = pq_parts_depthwise(p, wide, kernel, "gblocks.%d.conv", block);
    if (through < hidden) {
        int plain = pq_parts_slice(p, y, hidden, hidden - through);
        wide = pq_parts_concat(p, 2, (const int[]){plain, wide});
    }
    y = pq_parts_mul(p, gate, wide);
    y = pq_parts_conv(p, y, n->dim, KERNEL, "gblocks.%d.fc2", block);
    y = pq_parts_add(p, pq_parts_curve(p, y, PQ_ACT_MISH), x);
    return pq_parts_scale(p, y, 1, 1, &less);
}

static int add_shortcut(struct mosr *n, int x)
{
    struct pq_parts *p = &n->parts;
    int y = pq_parts_curve(p, pq_parts_conv(p, x, n->dim, KERNEL, "shortcut.block.0"), PQ_ACT_MISH);
    y = pq_parts_curve(p, pq_parts_conv(p, y, n->dim, KERNEL, "shortcut.block.2"), PQ_ACT_MISH);
    return pq_parts_add(p, y, pq_parts_conv(p, x, n->dim, 1, "shortcut.conv11"));
}

/* The mean of MEAN_OF rows of `count` numbers each, in double; the graph owns it. */
static float *average(struct pq_parts *p, const float *values, size_t count)
{
    float *mean = pq_graph_own(p->g, count * sizeof *mean);
    for (size_t i = 0; mean && i < count; i++) {
        double sum = 0;
        for (size_t k = 0; k < MEAN_OF; k++)
            sum += (double)values[k * count + i];
        mean[i] = (float)(sum / MEAN_OF);
    }
    return mean;
}

static int add_geometric(struct mosr *n, int x)
{
    struct pq_parts *p = &n->parts;
    const int64_t out = (int64_t)n->channels * n->scale * n->scale;
    const int64_t shape[] = {MEAN_OF * out, n->dim, KERNEL, KERNEL};
    const float *weights = NULL, *biases = NULL;
    int rc = pq_parts_values(p, 4, shape, &weights, "upsampler.in_to_k.weight");
    if (!rc)
        rc = pq_parts_values(p, 1, shape, &biases, "upsampler.in_to_k.bias");
    if (x < 0 || rc)
        return x < 0 ? x : rc;
    const size_t count = (size_t)out * (size_t)n->dim * TAPS;
    struct pq_tensor weight = {.dtype = PQ_F32, .dims = 4, .shape = {out, n->dim, KERNEL, KERNEL}};
    struct pq_tensor bias = {.dtype = PQ_F32, .dims = 1, .shape = {out}};
    weight.data = average(p, weights, count);
    bias.data = average(p, biases, (size_t)out);
    if (!weight.data || !bias.data)
        return pq_fail_nomem(p->err, count * sizeof(float));
    return pq_parts_shuffle(p, pq_graph_conv2d(p->g, x, &weight, &bias, p->err), n->scale);
}

static int add_upsampler(struct mosr *n, int x)
{
    struct pq_parts *p = &n->parts;
    if (n->upsampler == DYSAMPLE)
        return pq_dysample_add(p, x, n->channels, n->scale, "upsampler");
    if (n->upsampler == GEOMETRIC)
        return add_geometric(n, x);
    x = pq_parts_conv(p, x, n->channels * n->scale * n->scale, KERNEL, "upsampler.0");
    return pq_parts_shuffle(p, x, n->scale);
}

static int add_network(struct mosr *n)
{
    struct pq_parts *p = &n->parts;
    const int picture = pq_graph_input(p->g, n->channels, p->err), last = n->blocks + 1;
    int at = pq_parts_conv(p, picture, n->dim, KERNEL, "gblocks.0");
    for (int block = 1; block <= n->blocks && at >= 0; block++)
        at = add_block(n, at, block);
    at = pq_parts_conv(p, at, 2 * n->dim, KERNEL, "gblocks.%d", last);
    at = pq_parts_conv(p, pq_parts_curve(p, at, PQ_ACT_MISH), n->dim, KERNEL, "gblocks.%d",
                       last + 2);
    at = pq_parts_conv(p, pq_parts_curve(p, at, PQ_ACT_MISH), n->dim, 1, "gblocks.%d", last + 4);
    at = pq_parts_add(p, at, at < 0 ? at : add_shortcut(n, picture));
    return add_upsampler(n, pq_parts_scale(p, at, 1, 1, &less));
}

int pq_mosr_build(const struct pq_statedict *sd, struct pq_graph *g, pique_error *err)
{
    struct mosr n = {0};
    int rc = pq_parts_begin(&n.parts, sd, g, err);
    if (rc)
        return rc;
    n.parts.needs_biases = true;
    int at = find_sizes(&n);
    if (at >= 0)
        at = add_network(&n);
    return pq_parts_finish(&n.parts, at, "a MoSR");
}
