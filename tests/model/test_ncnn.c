/* SPDX-License-Identifier: MIT */
/* The ncnn reader on good models, damaged models and models that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "make_model.h"
#include "memory_map.h"
#include "model/ncnn.h"

static const struct maker tiny = {
    .features = 2, .convs = 1, .scale = 2, .channels = 1, .seed = 7, .half = true};

/* Concat, factors, products: every kind of layer that tiny lacks. */
static const struct maker tiny_esrgan = {
    .features = 2, .blocks = 1, .growth = 1, .scale = 2, .channels = 1, .seed = 8, .half = true};

struct loaded {
    struct pq_statedict sd;
    struct pq_graph *graph;
    pique_error err;
};

static int load(const void *param, size_t param_size, const void *bin, size_t bin_size,
                struct loaded *l)
{
    struct pq_map text = memory_map(param, param_size, "x.param");
    *l = (struct loaded){.sd.map = memory_map(bin, bin_size, "x.bin")};
    int rc = pq_graph_new(&l->graph, &l->err);
    if (!rc)
        rc = pq_ncnn_read(&text, &l->sd, l->graph, &l->err);
    memory_unmap(&text);
    if (rc == 0)
        touch_all(&l->sd);
    return rc;
}

static void unload(struct loaded *l)
{
    pq_graph_free(&l->graph);
    memory_free(&l->sd);
}

static void reads_a_network_as_it_is_joined(void **state)
{
    (void)state;
    struct maker m = tiny;
    m.channels = 3;
    m.features = 5;
    struct bytes param = {0}, bin = {0};
    struct loaded l;
    make_ncnn(&m, &param, &bin);
    assert_int_equal(load(param.data, param.size, bin.data, bin.size, &l), 0);
    struct pq_graph_facts facts;
    pq_graph_facts(l.graph, &facts);
    assert_int_equal(facts.in_channels, 3);
    assert_int_equal(facts.out_channels, 3);
    assert_int_equal(facts.num, 2);
    assert_int_equal(facts.den, 1);
    assert_int_equal(facts.convolutions, 3);
    /* weights, biases and slopes of 3 -> 5 -> 5 -> 12 */
    assert_int_equal(facts.parameters, 27 * 5 + 5 + 5 + 45 * 5 + 5 + 5 + 45 * 12 + 12);
    assert_int_equal(l.sd.count, 8);
    assert_string_equal(l.sd.tensors[0].name, "Conv_0.weight");
    assert_string_equal(l.sd.tensors[1].name, "Conv_0.bias");
    assert_string_equal(l.sd.tensors[2].name, "PRelu_1.slope");
    assert_int_equal(l.sd.tensors[0].tensor.dtype, PQ_F16);
    assert_true(pq_tensor_is(&l.sd.tensors[6].tensor, 4, (const int64_t[]){12, 5, 3, 3}));
    unload(&l);
    bytes_free(&param);
    bytes_free(&bin);
}

static void carriage_returns_and_blank_lines_change_nothing(void **state)
{
    (void)state;
    struct bytes param = {0}, bin = {0}, crlf = {0};
    struct loaded l;
    make_ncnn(&tiny, &param, &bin);
    for (size_t i = 0; i < param.size; i++) {
        if (param.data[i] == '\n')
            bytes_text(&crlf, " \r");
        bytes_add(&crlf, param.data + i, 1);
    }
    bytes_text(&crlf, "\r\n \r\n");
    if (load(crlf.data, crlf.size, bin.data, bin.size, &l))
        fail_msg("%s", l.err.message);
    unload(&l);
    bytes_free(&param);
    bytes_free(&bin);
    bytes_free(&crlf);
}

/* ---- one sentence for each thing that is wrong ---- */

#define HEAD(layers, blobs) "7767517\n" #layers " " #blobs "\nInput in 0 1 a\n"
/* its weights: a flag, 3 x 3 f32 and a bias, 44 bytes */
#define CONV "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9\n"

#define POOL   "Pooling p 1 1 b p 0=1 4=1\n"
#define MATRIX "InnerProduct q 1 1 p q 0=1 1=1 2=1 9=4\n"
#define INNER  "Convolution i 1 1 b i 0=1 1=3 6=9\n" /* takes a pixel off each side; 40 bytes */

#define MUL "BinaryOp u 1 1 b m 0=2 1=1 2=0.2\n"

static const struct {
    const char *param;
    size_t bin;
    int rc;
    const char *says;
} cases[] = {
    {HEAD(2, 2) CONV, 44, 0, ""},
    {HEAD(2, 2) CONV, 40, PIQUE_EFORMAT, "x.bin: layer 'c' needs 4 bytes at byte 40"},
    {HEAD(2, 2) CONV, 2, PIQUE_EFORMAT, "x.bin: layer 'c' needs 4 bytes at byte 0"},
    {HEAD(2, 2) CONV, 48, PIQUE_EFORMAT, "x.bin: 4 bytes at the end"},
    {HEAD(3, 2) CONV, 44, PIQUE_EFORMAT, "promises 3 layers, the file has 2"},
    {HEAD(1, 2) CONV, 44, PIQUE_EFORMAT, "more layers than line 2 says"},
    {HEAD(2, 3) CONV, 44, PIQUE_EFORMAT, "promises 3 blobs, the layers make 2"},
    {HEAD(2, 999) CONV, 44, PIQUE_EFORMAT, "more than the file can hold"},
    {HEAD(2, 2) "Softmax c 1 1 a b 0=1\n", 0, PIQUE_EUNSUPPORTED, "layer 'c' is of type Softmax"},
    {HEAD(2, 2) "Convolution c 1 1 x b 0=1 1=3 4=1 5=1 6=9\n", 44, PIQUE_EFORMAT,
     "'c' reads 'x', which no layer before it makes"},
    {HEAD(2, 2) "Convolution c 1 1 b b 0=1 1=3 4=1 5=1 6=9\n", 44, PIQUE_EFORMAT,
     "no layer before"},
    {HEAD(2, 2) "Convolution c 1 1 a a 0=1 1=3 4=1 5=1 6=9\n", 44, PIQUE_EFORMAT,
     "two layers make blob 'a'"},
    {HEAD(2, 2) "Convolution c -1 1 a b 0=1\n", 44, PIQUE_EFORMAT, "line 4: a count of blobs"},
    {HEAD(2, 2) "Convolution c 9 1 a b\n", 44, PIQUE_EFORMAT, "fewer blob names"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 0=1\n", 44, PIQUE_EFORMAT, "twice"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 32=1\n", 44, PIQUE_EFORMAT, "0 to 31"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 -23332=1,1\n", 44, PIQUE_EFORMAT,
     "0 to 31"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 17=1\n", 44, PIQUE_EUNSUPPORTED,
     "has parameter 17"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 -23330=4,3,1,1,1\n", 44, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 -23330=4,3,1,1\n", 44, PIQUE_EFORMAT,
     "shorter"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 -23330=1,3,1\n", 44, PIQUE_EFORMAT,
     "longer"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 -23330=-1\n", 44, PIQUE_EFORMAT,
     "array's length"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=nan\n", 44, PIQUE_EFORMAT, "'nan'"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6\n", 44, PIQUE_EFORMAT, "id=value: '6'"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9.0\n", 44, PIQUE_EFORMAT, "no count"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=10\n", 44, PIQUE_EFORMAT,
     "does not fit outputs and kernel"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=2 3=2 5=1 6=4\n", 24, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 11=1 4=1 14=0 5=1 6=3\n", 20, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 3=2 4=1 5=1 6=9\n", 44, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 3=2 13=3 4=1 5=1 6=9\n", 44, PIQUE_EUNSUPPORTED,
     "strides 3 and 2"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 3=0 4=1 5=1 6=9\n", 44, PIQUE_EFORMAT,
     "stride or dilation is no count"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 3=99 4=1 5=1 6=9\n", 44, PIQUE_EUNSUPPORTED,
     "stride of 1 to 16"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 12=2 4=1 5=1 6=9\n", 44, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 2=-1 4=1 5=1 6=9\n", 44, PIQUE_EFORMAT,
     "stride or dilation is no count"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=0 5=1 6=9\n", 44, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 14=0 5=1 6=9\n", 44, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=-1 5=1 6=9\n", 44, PIQUE_EUNSUPPORTED,
     "padding from 0 on"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=2147483647 5=1 6=9\n", 44, PIQUE_EUNSUPPORTED,
     "paddings 2147483647"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=0.5 5=1 6=9\n", 44, PIQUE_EFORMAT,
     "padding is no whole number"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 3=2 4=-233 5=1 6=9\n", 44, PIQUE_EUNSUPPORTED,
     "keeps the size"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=-233 14=1 5=1 6=9\n", 44, PIQUE_EUNSUPPORTED,
     "keeps the size"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=-233 5=1 6=9\n", 44, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 8=1\n", 44, PIQUE_EUNSUPPORTED, "int8"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 9=6\n", 44, PIQUE_EUNSUPPORTED,
     "activations"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 9=4\n", 44, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 9=3\n", 44, PIQUE_EFORMAT, "two limits"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 9=3 -23310=2,0.0,1.0\n", 44, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 9=2\n", 44, PIQUE_EFORMAT, "no slope"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=1 6=9 9=2 -23310=1,2.0e-01\n", 44, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 5=2 6=9\n", 44, PIQUE_EFORMAT, "bias"},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=1 1=3 4=1 6=9\n", 40, 0, ""},
    {HEAD(2, 2) "Convolution c 1 1 a b 0=65536 1=3 4=1 5=1 6=589824\n", 44, PIQUE_EUNSUPPORTED,
     "4096"},
    {HEAD(2, 2) "Input d 0 1 b\n", 0, PIQUE_EUNSUPPORTED, "no convolution reads"},
    {HEAD(3, 3) CONV "Input d 0 1 e\n", 44, PIQUE_EUNSUPPORTED, "more than one input"},
    {HEAD(3, 3) CONV "ReLU r 1 1 a e\n", 44, PIQUE_EUNSUPPORTED, "more than one result"},
    {HEAD(3, 3) CONV "ReLU r 1 1 b e 0=0.2\n", 44, 0, ""},
    {HEAD(3, 3) CONV "ReLU r 1 2 b e f\n", 44, PIQUE_EFORMAT, ""},
    {HEAD(3, 4) CONV "ReLU r 1 2 b e f\n", 44, PIQUE_EFORMAT, "wrong number of blobs"},
    {HEAD(3, 3) CONV "PReLU p 1 1 b e 0=1\n", 48, 0, ""},
    {HEAD(3, 3) CONV "PReLU p 1 1 b e 0=2\n", 52, PIQUE_EFORMAT, "'p'"},
    {HEAD(3, 3) CONV "PixelShuffle s 1 1 b e 0=2\n", 44, PIQUE_EFORMAT, "'s'"},
    {HEAD(3, 3) CONV "PixelShuffle s 1 1 b e 0=1 1=1\n", 44, PIQUE_EUNSUPPORTED, "order"},
    {HEAD(3, 3) CONV "PixelShuffle s 1 1 b e 0=-2\n", 44, PIQUE_EUNSUPPORTED, "'s'"},
    {HEAD(3, 3) CONV "Interp i 1 1 b e 0=1 1=2 2=2.0\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Interp i 1 1 b e 0=1 1=2.5 2=2.5\n", 44, PIQUE_EUNSUPPORTED, "factor"},
    {HEAD(3, 3) CONV "Interp i 1 1 b e 0=3 1=7.5e-01 2=7.5e-01\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Interp i 1 1 b e 0=3 1=3.333333e-01 2=3.333333e-01\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Interp i 1 1 b e 0=3 1=0.0 2=0.0\n", 44, PIQUE_EUNSUPPORTED, "factor"},
    {HEAD(3, 3) CONV "Interp i 1 1 b e 0=3 1=1e30 2=1e30\n", 44, PIQUE_EUNSUPPORTED, "factor"},
    {HEAD(3, 3) CONV "Interp i 1 1 b e 0=3 1=2 2=3\n", 44, PIQUE_EUNSUPPORTED, "factor"},
    {HEAD(3, 3) CONV "Interp i 1 1 b e 0=2 1=2 2=2\n", 44, PIQUE_EUNSUPPORTED, "bicubic"},
    {HEAD(3, 3) CONV "Interp i 1 1 b e 0=3 3=64 4=64\n", 44, PIQUE_EUNSUPPORTED, "by a factor"},
    {HEAD(3, 3) CONV "BinaryOp o 2 1 a b e 0=0\n", 44, 0, ""},
    {HEAD(3, 3) CONV "BinaryOp o 2 1 a b e\n", 44, 0, ""},
    {HEAD(3, 3) CONV "BinaryOp o 2 1 a b e 0=1\n", 44, 0, ""},
    {HEAD(3, 3) CONV "BinaryOp o 2 1 a b e 0=2\n", 44, 0, ""},
    {HEAD(3, 3) CONV "BinaryOp o 2 1 a b e 0=3\n", 44, PIQUE_EUNSUPPORTED, "difference"},
    {HEAD(4, 4) CONV MUL "BinaryOp o 2 1 a m e 0=2\n", 44, PIQUE_EUNSUPPORTED,
     "its input is multiplied"},
    {HEAD(3, 3) CONV "BinaryOp o 1 1 b e 0=0 1=1 2=0.5\n", 44, PIQUE_EUNSUPPORTED,
     "only a multiplication"},
    {HEAD(3, 3) CONV "BinaryOp o 1 1 b e 0=2\n", 44, PIQUE_EFORMAT, "lacks the number"},
    {HEAD(3, 3) CONV "BinaryOp o 2 1 a b e 0=0 1=1 2=0.5\n", 44, PIQUE_EUNSUPPORTED, "sum"},
    {HEAD(3, 3) CONV "BinaryOp o 1 1 b e 0=2 1=1 2=0.5\n", 44, PIQUE_EUNSUPPORTED,
     "result 'e' is multiplied"},
    {HEAD(4, 4) CONV MUL "ReLU r 1 1 m e\n", 44, PIQUE_EUNSUPPORTED, "'r' (ReLU): its input"},
    {HEAD(4, 5) CONV MUL "Split r 1 2 m e f\n", 44, PIQUE_EUNSUPPORTED, "'r' (Split): its input"},
    {HEAD(4, 4) CONV MUL "BinaryOp o 2 1 a m e 0=0\n", 44, 0, ""},
    {HEAD(4, 4) CONV MUL "BinaryOp o 2 1 m a e 0=0\n", 44, 0, ""},
    {HEAD(4, 4) CONV MUL "BinaryOp o 2 1 m m e 0=0\n", 44, PIQUE_EUNSUPPORTED, "no factor"},
    {HEAD(5, 5) CONV MUL "BinaryOp n 1 1 m n 0=2 1=1 2=4\nBinaryOp o 2 1 n a e\n", 44, 0, ""},
    {HEAD(5, 5) CONV MUL "BinaryOp n 1 1 m n 0=2 1=1 2=3e38\nEltwise o 2 1 a n e 0=1 "
                         "-23301=2,1.0,3e38\n",
     44, PIQUE_EFORMAT, "not a finite number"},
    {HEAD(3, 3) CONV "Concat j 2 1 a b e 0=0\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Concat j 1 1 b e\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Concat j 2 1 a b e 0=1\n", 44, PIQUE_EUNSUPPORTED, "channels"},
    {HEAD(3, 3) CONV "Concat j 2 1 a b e 1=0\n", 44, PIQUE_EUNSUPPORTED, "parameter 1"},
    {HEAD(3, 3) CONV "Concat j 8 1 a b a b a b a b e\n", 44, PIQUE_EFORMAT, "wrong number"},
    {HEAD(4, 4) CONV "Interp i 1 1 b n 0=1 1=2 2=2\nConcat j 2 1 a n e\n", 44, PIQUE_EFORMAT,
     "'j' (Concat): concat joins pictures"},
    {HEAD(3, 3) CONV "Eltwise o 2 1 a b e 0=1\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Eltwise o 2 1 a b e 0=2\n", 44, PIQUE_EUNSUPPORTED, "sum"},
    {HEAD(3, 3) CONV "Eltwise o 2 1 a b e 0=0\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Eltwise o 2 1 a b e 0=0 -23301=2,1.0,1.0\n", 44, PIQUE_EUNSUPPORTED,
     "product with factors"},
    /* transposed convolutions: a flag, 16 weights, a bias */
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 3=2 4=1 5=1 6=16\n", 116, 0, ""},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 3=2 4=1 5=1 6=16\n", 112, PIQUE_EFORMAT,
     "layer 'd' needs 4 bytes"},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 3=2 4=1 5=1 6=32\n", 180, PIQUE_EFORMAT,
     "channels of its input"},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 3=2 13=1 5=1 6=16\n", 116, PIQUE_EUNSUPPORTED,
     "one stride"},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 3=2 4=1 15=2 5=1 6=16\n", 116,
     PIQUE_EUNSUPPORTED, "one padding"},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 2=2 5=1 6=16\n", 116, PIQUE_EUNSUPPORTED,
     "dilation 1"},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 11=2 5=1 6=8\n", 84, PIQUE_EUNSUPPORTED,
     "square"},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=2 3=3 5=1 6=4\n", 68, PIQUE_EUNSUPPORTED,
     "stride 3"},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 3=2 4=4 5=1 6=16\n", 116, PIQUE_EUNSUPPORTED,
     "padding 4"},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 3=2 5=1 6=16 18=1\n", 116, PIQUE_EUNSUPPORTED,
     "more padding"},
    {HEAD(3, 3) CONV "Deconvolution d 1 1 b e 0=1 1=4 3=2 5=1 6=16 17=1\n", 116, PIQUE_EUNSUPPORTED,
     "parameter 17"},
    /* each channel alone */
    {HEAD(3, 3) CONV "ConvolutionDepthWise d 1 1 b e 0=1 1=3 4=1 6=9 7=1\n", 84, 0, ""},
    {HEAD(3, 3) CONV "ConvolutionDepthWise d 1 1 b e 0=1 1=3 4=1 6=9 7=0\n", 84, PIQUE_EFORMAT,
     "groups are no count"},
    {HEAD(3, 3) CONV "ConvolutionDepthWise d 1 1 b e 0=1 1=3 4=1 6=9 7=2\n", 84, PIQUE_EFORMAT,
     "channels of its input"},
    /* the mean, and what is done with it: a flag, a weight and a bias */
    {HEAD(4, 4) CONV POOL "BinaryOp o 2 1 b p e 0=2\n", 44, 0, ""},
    {HEAD(4, 4) CONV POOL "Scale o 2 1 b p e 0=-233\n", 44, 0, ""},
    {HEAD(4, 4) CONV POOL "Scale o 2 1 b p e 0=1\n", 44, PIQUE_EFORMAT, "are the second"},
    {HEAD(5, 5) CONV POOL MATRIX "BinaryOp o 2 1 b q e 0=2\n", 56, 0, ""},
    {HEAD(5, 5) CONV POOL "Convolution q 1 1 p q 0=1 1=1 5=1 6=1\nBinaryOp o 2 1 b q e 0=2\n", 56,
     0, ""},
    {HEAD(5, 5) CONV POOL "Convolution q 1 1 p q 0=1 1=3 4=1 6=9\nBinaryOp o 2 1 b q e 0=2\n", 84,
     PIQUE_EFORMAT, "gets no picture"},
    {HEAD(5, 5) CONV POOL "Deconvolution q 1 1 p q 0=1 1=1 6=1\nBinaryOp o 2 1 b q e 0=2\n", 52,
     PIQUE_EUNSUPPORTED, "only over a picture"},
    {HEAD(5, 5) CONV POOL "Interp q 1 1 p q 0=3 1=2.0 2=2.0\nBinaryOp o 2 1 b q e 0=2\n", 44,
     PIQUE_EFORMAT, "gets no picture"},
    {HEAD(5, 5) CONV POOL "Padding q 1 1 p q 0=1\nBinaryOp o 2 1 b q e 0=2\n", 44,
     PIQUE_EUNSUPPORTED, "'q' (Padding)"},
    {HEAD(5, 5) CONV POOL "Crop q 1 1 p q 1=1 3=-233 4=-233 5=-233\nBinaryOp o 2 1 b q e 0=2\n", 44,
     PIQUE_EFORMAT, "gets no picture"},
    {HEAD(5, 5) CONV POOL "Pooling q 1 1 p q 0=1 4=1\nBinaryOp o 2 1 b q e 0=2\n", 44,
     PIQUE_EFORMAT, "gets no picture"},
    {HEAD(3, 3) CONV "Pooling p 1 1 b p 0=1 4=1\n", 44, PIQUE_EFORMAT, "result is no picture"},
    {HEAD(3, 3) CONV "Pooling p 1 1 b p 0=0 4=1\n", 44, PIQUE_EUNSUPPORTED, "only the mean"},
    {HEAD(3, 3) CONV "Pooling p 1 1 b p 0=1\n", 44, PIQUE_EUNSUPPORTED, "whole picture"},
    {HEAD(3, 3) CONV "Pooling p 1 1 b p 0=1 1=2 4=1\n", 44, PIQUE_EUNSUPPORTED, "parameter 1"},
    {HEAD(3, 3) CONV "InnerProduct q 1 1 b q 0=1 1=1 2=1\n", 56, PIQUE_EUNSUPPORTED,
     "mean of the picture"},
    {HEAD(5, 5) CONV POOL "InnerProduct q 1 1 p q 0=1 1=1 2=2\nReLU r 1 1 b e\n", 60, PIQUE_EFORMAT,
     "channels of its input"},
    {HEAD(5, 5) CONV POOL "InnerProduct q 1 1 p q 0=1 1=2 2=1\nReLU r 1 1 b e\n", 60, PIQUE_EFORMAT,
     "bias is neither"},
    {HEAD(5, 5) CONV POOL "InnerProduct q 1 1 p q 0=0 2=1\nReLU r 1 1 b e\n", 60, PIQUE_EFORMAT,
     "no count"},
    {HEAD(5, 5) CONV POOL "InnerProduct q 1 1 p q 0=1 2=1 8=1\nReLU r 1 1 b e\n", 60,
     PIQUE_EUNSUPPORTED, "int8"},
    /* factors and terms from the file have no flag */
    {HEAD(3, 3) CONV "Scale s 1 1 b e 0=1\n", 48, 0, ""},
    {HEAD(3, 3) CONV "Scale s 1 1 b e 0=1 1=1\n", 52, 0, ""},
    {HEAD(3, 3) CONV "Scale s 1 1 b e 0=2\n", 52, PIQUE_EFORMAT, "one factor a channel"},
    {HEAD(3, 3) CONV "Scale s 1 1 b e 0=1 1=3\n", 52, PIQUE_EFORMAT, "bias is neither"},
    {HEAD(3, 3) CONV "Sigmoid s 1 1 b e\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Swish s 1 1 b e\n", 44, 0, ""},
    {HEAD(3, 3) CONV "TanH s 1 1 b e\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Mish s 1 1 b e\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Mish s 1 1 b e 0=1\n", 44, PIQUE_EUNSUPPORTED, "parameter 0"},
    {HEAD(3, 3) CONV "Clip s 1 1 b e 0=0.0 1=1.0\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Clip s 1 1 b e 0=1.0 1=0.0\n", 44, PIQUE_EFORMAT, "in order"},
    {HEAD(3, 3) CONV "Clip s 1 1 b e 0=1.0\n", 44, PIQUE_EFORMAT, "in order"},
    {HEAD(3, 3) CONV "Padding s 1 1 b e 0=1 1=2 2=3 3=4 4=2\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Padding s 1 1 b e 0=1 4=3\n", 44, PIQUE_EUNSUPPORTED, "mirrored"},
    {HEAD(3, 3) CONV "Padding s 1 1 b e 0=1 5=0.5\n", 44, PIQUE_EUNSUPPORTED, "only zeros"},
    {HEAD(3, 3) CONV "Padding s 1 1 b e 0=-1\n", 44, PIQUE_EUNSUPPORTED, "padding by -1"},
    {HEAD(3, 3) CONV "Padding s 1 1 b e 0=9999\n", 44, PIQUE_EUNSUPPORTED, "padding by 9999"},
    {HEAD(3, 3) CONV "Padding s 1 1 b e 7=1\n", 44, PIQUE_EUNSUPPORTED, "only zeros"},
    /* crops */
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=2,1,2 -23310=2,-3,-4 -23311=2,-2,-1\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=1,1 -23310=1,-233 -23311=1,1\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=1,1 -23310=1,2147483647 -23311=1,2\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=1,1 -23310=1,5 -23311=1,2\n", 44, PIQUE_EUNSUPPORTED,
     "from each side"},
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=1,-1 -23310=1,-1 -23311=1,2\n", 44, PIQUE_EUNSUPPORTED,
     "from each side"},
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=1,1 -23310=1,-2147483647 -23311=1,2\n", 44,
     PIQUE_EUNSUPPORTED, "from each side"},
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=1,2000000 -23310=1,-1 -23311=1,2\n", 44,
     PIQUE_EUNSUPPORTED, "crop by 2000000"},
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=1,0 -23310=1,-1 -23311=1,0\n", 44, PIQUE_EUNSUPPORTED,
     "only rows and columns"},
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=2,1,1 -23310=1,-1 -23311=1,2\n", 44, PIQUE_EFORMAT,
     "one start, end and axis"},
    {HEAD(3, 3) CONV "Crop s 1 1 b e -23309=1,0.5 -23310=1,-1 -23311=1,2\n", 44, PIQUE_EFORMAT,
     "no whole number"},
    {HEAD(3, 3) CONV "Crop s 1 1 b e 0=1 1=1 3=-233 4=-233 5=-233 6=1 7=1\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Crop s 1 1 b e 0=1 1=1 3=8 4=8 5=1\n", 44, PIQUE_EUNSUPPORTED,
     "from each side"},
    {HEAD(3, 3) CONV "Crop s 1 1 b e 2=1 3=-233 4=-233 5=-233\n", 44, PIQUE_EUNSUPPORTED,
     "only rows and columns"},
    {HEAD(4, 4) CONV INNER "Crop s 2 1 a i e 0=1 1=1\n", 84, 0, ""},
    {HEAD(4, 4) CONV INNER "Crop s 2 1 a i e 0=-1 1=1\n", 84, PIQUE_EUNSUPPORTED, "from 1, -1"},
    {HEAD(4, 4) CONV INNER "Crop s 2 1 a i e 6=1\n", 84, PIQUE_EUNSUPPORTED, "two corners"},
    {HEAD(4, 4) CONV INNER "Crop s 2 1 a i e -23309=1,1 -23310=1,-1 -23311=1,2\n", 84,
     PIQUE_EUNSUPPORTED, "beside a second input"},
    {HEAD(4, 4) CONV POOL "Crop s 2 1 a p e 0=1 1=1\n", 44, PIQUE_EFORMAT, "two pictures"},
    {HEAD(3, 3) CONV "Eltwise o 2 1 a b e 0=1 -23301=2,0.2,1.0\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Eltwise o 2 1 a b e 0=1 -23301=2,1.0,0.2\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Eltwise o 3 1 a b a e 0=1 -23301=3,0.2,1.0,-3\n", 44, 0, ""},
    {HEAD(3, 3) CONV "Eltwise o 2 1 a b e 0=1 -23301=2,0.2,0.8\n", 44, PIQUE_EUNSUPPORTED,
     "no factor"},
    {HEAD(3, 3) CONV "Eltwise o 2 1 a b e 0=1 -23301=1,0.2\n", 44, PIQUE_EFORMAT,
     "one factor for each input"},
    {HEAD(3, 3) CONV "Convolution c 1 1 b e 0=1 1=3 4=1 5=1 6=9\n", 88, PIQUE_EFORMAT,
     "two layers have the weight 'c.bias'"},
    {HEAD(2, 2) "Convolution c\033[2J 1 1 a b 0=1 1=3 4=1 5=1 6=9\n", 44, PIQUE_EFORMAT,
     "control characters"},
    {"7767517\n", 0, PIQUE_EFORMAT, "two counts"},
    {"7767518\n1 1\n", 0, PIQUE_EFORMAT, "not an ncnn .param"},
    {"7767517\n0 0\n", 0, PIQUE_EFORMAT, "two counts"},
    {"7767517\n-1 1\n", 0, PIQUE_EFORMAT, "two counts"},
    {"7767517\n2147483648 1\n", 0, PIQUE_EFORMAT, "two counts"},
    {"7767517\n1 1\nInput in 0 1\n", 0, PIQUE_EFORMAT, "fewer blob names"},
    {"7767517\n1 1\nSplit in 0 1 a\n", 0, PIQUE_EFORMAT, "wrong number of blobs"},
};

static void every_refusal_names_the_file_and_the_cause(void **state)
{
    (void)state;
    static const unsigned char zeros[256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct loaded l;
        int rc = load(cases[i].param, strlen(cases[i].param), zeros, cases[i].bin, &l);
        if (rc != cases[i].rc || !strstr(l.err.message, cases[i].says) ||
            (rc && strncmp(l.err.message, "x.", 2) != 0))
            fail_msg("%s: %d '%s'", cases[i].param, rc, l.err.message);
        unload(&l);
    }
}

static void quantised_weights_are_refused_by_their_flag(void **state)
{
    (void)state;
    static const uint32_t flags[] = {0x000D4B38, 0x0002C056, 1, 0x3f800000, 0xffffffff};
    unsigned char bin[44] = {0};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        struct loaded l;
        memcpy(bin, &flags[i], 4);
        assert_int_equal(load(cases[0].param, strlen(cases[0].param), bin, sizeof bin, &l),
                         PIQUE_EUNSUPPORTED);
        assert_non_null(strstr(l.err.message, "quantised"));
        unload(&l);
    }
}

static void an_array_of_zero_bytes_in_the_text_is_refused(void **state)
{
    (void)state;
    static const char text[] = "7767517\n1 1\0Input in 0 1 a\n";
    struct loaded l;
    assert_int_equal(load(text, sizeof text - 1, "", 0, &l), PIQUE_EFORMAT);
    unload(&l);
}

/* A factor belongs to its own input, on whichever side it stands. */
static void factors_become_the_scale_of_the_addition(void **state)
{
    (void)state;
    static const char *const nets[] = {
        HEAD(3, 3) CONV "Eltwise o 2 1 a b e 0=1 -23301=2,1.0,0.25\n",
        HEAD(3, 3) CONV "Eltwise o 2 1 b a e 0=1 -23301=2,0.25,1.0\n",
        HEAD(4, 4) CONV "BinaryOp u 1 1 b m 0=2 1=1 2=0.25\nBinaryOp o 2 1 m a e 0=0\n",
        HEAD(4, 4) CONV "BinaryOp u 1 1 b m 0=2 1=1 2=0.25\nBinaryOp o 2 1 a m e 0=0\n",
        HEAD(5, 5) CONV "BinaryOp u 1 1 b m 0=2 1=1 2=0.5\nBinaryOp v 1 1 m n 0=2 1=1 2=0.5\n"
                        "BinaryOp o 2 1 a n e 0=0\n",
    };
    static const unsigned char zeros[44];
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        struct loaded l;
        if (load(nets[i], strlen(nets[i]), zeros, sizeof zeros, &l))
            fail_msg("%s", l.err.message);
        assert_int_equal(l.graph->count, 2); /* the addition is in the convolution */
        const struct pq_op *conv = &l.graph->ops[1];
        assert_true(conv->residual);
        assert_int_equal(conv->inputs, 2);
        assert_true(conv->scale == 0.25f);
        unload(&l);
    }
}

/* ---- damage ---- */

static void a_file_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    struct bytes param = {0}, bin = {0};
    struct loaded l;
    make_ncnn(&tiny, &param, &bin);
    param.size--; /* a file without the last line feed is whole */
    for (size_t size = 0; size < param.size; size++) {
        int rc = load(param.data, size, bin.data, bin.size, &l);
        /* "0=0" is the default and "output" any name: a cut in there leaves a sound file */
        if (!rc && size < param.size - strlen("utput 0=0"))
            fail_msg("cut to %zu of %zu bytes: read", size, param.size);
        assert_true(rc == 0 || strncmp(l.err.message, "x.", 2) == 0);
        unload(&l);
    }
    for (size_t size = 0; size < bin.size; size++) {
        if (load(param.data, param.size, bin.data, size, &l) != PIQUE_EFORMAT)
            fail_msg("weights cut to %zu bytes: '%s'", size, l.err.message);
        unload(&l);
    }
    bytes_free(&param);
    bytes_free(&bin);
}

static void flip_bits(const struct maker *m)
{
    struct bytes param = {0}, bin = {0};
    struct loaded l;
    make_ncnn(m, &param, &bin);
    for (size_t bit = 0; bit < param.size * 8; bit++) {
        param.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        int rc = load(param.data, param.size, bin.data, bin.size, &l);
        assert_true(rc == 0 || l.err.message[0]);
        unload(&l);
        param.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 32; bit++) { /* the first flag */
        bin.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_not_equal(load(param.data, param.size, bin.data, bin.size, &l), 0);
        unload(&l);
        bin.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    bytes_free(&param);
    bytes_free(&bin);
}

static void a_flipped_bit_never_reads_outside(void **state)
{
    (void)state;
    flip_bits(&tiny);
    flip_bits(&tiny_esrgan);
}

static void lie(const struct maker *m)
{
    struct bytes param = {0}, bin = {0};
    make_ncnn(m, &param, &bin);
    int refused = 0, tried = 0;
    for (size_t k = 0; k < sizeof lies / sizeof *lies; k++) {
        const char *text = (const char *)param.data;
        for (const char *s = text + 7; *s;) {
            size_t digits = strspn(s, "0123456789");
            if (!digits) {
                s++;
                continue;
            }
            struct bytes lying = {0};
            struct loaded l;
            bytes_add(&lying, text, (size_t)(s - text));
            bytes_text(&lying, "%s", lies[k]);
            bytes_add(&lying, s + digits, strlen(s + digits));
            int rc = load(lying.data, lying.size, bin.data, bin.size, &l);
            assert_true(rc == 0 || l.err.message[0]);
            refused += rc != 0;
            tried++;
            unload(&l);
            bytes_free(&lying);
            s += digits;
        }
    }
    assert_true(tried > 400);
    assert_true(refused > tried * 3 / 5); /* names of layers may be numbers, too */
    bytes_free(&param);
    bytes_free(&bin);
}

static void a_lie_in_any_number_never_reads_outside(void **state)
{
    (void)state;
    lie(&tiny);
    lie(&tiny_esrgan);
}

static void fail_allocations(const struct maker *m)
{
    struct bytes param = {0}, bin = {0};
    make_ncnn(m, &param, &bin);
    int rc = -1;
    long n = 1;
    for (; rc != 0 && n < 1000; n++) {
        struct loaded l;
        pq_fault_arm(PQ_FAULT_ALLOC, n, 12, n % 2);
        rc = load(param.data, param.size, bin.data, bin.size, &l);
        pq_fault_arm(PQ_FAULT_ALLOC, 0, 0, false);
        if (rc && rc != PIQUE_ENOMEM)
            fail_msg("allocation %ld: %d '%s'", n, rc, l.err.message);
        unload(&l);
    }
    assert_int_equal(rc, 0);
    assert_true(n > 15);
    bytes_free(&param);
    bytes_free(&bin);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    fail_allocations(&tiny);
    fail_allocations(&tiny_esrgan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_network_as_it_is_joined),
        cmocka_unit_test(carriage_returns_and_blank_lines_change_nothing),
        cmocka_unit_test(every_refusal_names_the_file_and_the_cause),
        cmocka_unit_test(factors_become_the_scale_of_the_addition),
        cmocka_unit_test(quantised_weights_are_refused_by_their_flag),
        cmocka_unit_test(an_array_of_zero_bytes_in_the_text_is_refused),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_flipped_bit_never_reads_outside),
        cmocka_unit_test(a_lie_in_any_number_never_reads_outside),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
