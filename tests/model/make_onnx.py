#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_onnx.py FOLDER: small ONNX files, and what they compute.

FOLDER/onnx-good.txt  NAME WIDTH HEIGHT CHANNELS SCALE, for each
FOLDER/onnx-good/NAME.onnx, NAME.in and NAME.out (float32, planes), the latter by onnx_reference.py
FOLDER/onnx-bad.txt  NAME<tab>what is said of FOLDER/onnx-bad/NAME.onnx"""
import math
import os
import random
import struct
import sys

import onnx_file as pb
import onnx_attention
from onnx_file import Tensor
import onnx_reference as reference

GOOD, BAD = {}, {}


class Net:
    """A graph that is built node by node. Its input is 'x'."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.nodes, self.weights, self.how = [], {}, {}

    def weight(self, *shape, low=-1.0, high=1.0, how='raw'):
        data = [round(self.random.uniform(low, high) * 64) / 64 for _ in range(math.prod(shape))]
        return self.constant(Tensor(shape, data), how)

    def constant(self, t, how='raw'):
        name = 'w%d' % len(self.weights)
        self.weights[name], self.how[name] = t, how
        return name

    def ints(self, *values):
        return self.constant(Tensor((len(values),), values, True))

    def floats(self, *values):
        return self.constant(Tensor((len(values),), values))

    def scalar(self, value):
        return self.constant(Tensor((), [value], isinstance(value, int)))

    def many(self, outs, op, *ins, **attrs):
        names = ['v%d_%d' % (len(self.nodes), i) for i in range(outs)]
        self.nodes.append((op, list(ins), names, attrs))
        return names

    def op(self, op, *ins, **attrs):
        return self.many(1, op, *ins, **attrs)[0]

    def conv(self, x, i, o, k=3, **attrs):
        return self.op('Conv', x, self.weight(o, i, k, k), self.weight(o),
                       pads=[k // 2] * 4, **attrs)

    def size(self, x, axis):
        """Rows (2) or columns (3) of x, as exporters ask for them."""
        return self.op('Unsqueeze', self.op('Gather', self.op('Shape', x), self.scalar(axis),
                                            axis=0), self.ints(0))


def good(channels=3, scale=1, opset=17, size=(6, 9), fixed=False, kind=pb.FLOAT, name=None,
         margin=0):
    """margin: what the network takes off each side of the input, and pique puts there."""
    def register(fn):
        GOOD[name or fn.__name__] = (fn, channels, scale, opset, size, fixed, kind, margin)
        return fn
    return register


# ---- convolutions ----

@good()
def conv(n):
    return n.conv(n.conv('x', 3, 5), 5, 3, k=5)


@good()
def conv_groups_dilation(n):
    y = n.conv('x', 3, 8, k=1)
    y = n.op('Conv', y, n.weight(8, 4, 3, 3), pads=[2, 2, 2, 2], dilations=[2, 2], group=2)
    y = n.op('Conv', y, n.weight(8, 1, 1, 5), n.weight(8), pads=[0, 2, 0, 2], group=8)
    return n.conv(y, 8, 3)


@good(size=(6, 8))
def conv_stride_and_transposed(n):
    y = n.op('Conv', 'x', n.weight(4, 3, 2, 2), n.weight(4), strides=[2, 2])
    y = n.op('ConvTranspose', y, n.weight(4, 6, 4, 4), n.weight(6), strides=[2, 2],
             pads=[1, 1, 1, 1])
    return n.conv(y, 6, 3)


@good(scale=2)
def transposed_output_padding(n):
    return n.op('ConvTranspose', 'x', n.weight(3, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1],
                output_padding=[1, 1])


@good()
def auto_pad(n):
    y = n.op('Conv', 'x', n.weight(4, 3, 2, 4), auto_pad='SAME_UPPER')
    return n.op('Conv', y, n.weight(3, 4, 2, 4), auto_pad='SAME_LOWER')


@good()
def one_dimension_of_padding(n):
    return n.op('Conv', 'x', n.weight(3, 3, 3, 2), pads=[1, 0, 1, 1])


def weights_as(how):
    def fn(n):
        y = n.op('Conv', 'x', n.weight(4, 3, 3, 3, how=how), n.weight(4, how=how),
                 pads=[1, 1, 1, 1])
        return n.op('Conv', y, n.weight(3, 4, 1, 1, how=how))
    return fn


for HOW in ('list', 'unpacked', 'half', 'half-list', 'bfloat', 'double'):
    good(name='weights_' + HOW)(weights_as(HOW))


@good(kind=pb.HALF)
def half_floats_in_and_out(n):
    y = n.op('Cast', 'x', to=pb.FLOAT)
    return n.op('Cast', n.conv(y, 3, 3), to=pb.HALF)


@good(opset=11)
def weights_of_nodes(n):
    w = n.op('Constant', value=Tensor((3, 3, 1, 1), [0.5, -1, 2, 1, 0, 1, -0.25, 3, 1]))
    w = n.op('Mul', w, n.op('Constant', value_float=0.5))
    return n.op('Conv', 'x', n.op('Transpose', w, perm=[1, 0, 2, 3]))


# ---- one element after another ----

def activation(op, **attrs):
    return lambda n: n.op(op, n.conv('x', 3, 3), **attrs)


for OP in ('Relu', 'Sigmoid', 'Tanh', 'Softplus', 'HardSwish', 'HardSigmoid', 'LeakyRelu', 'Neg',
           'Identity', 'Dropout'):
    good(name='act_' + OP)(activation(OP))
good(name='act_LeakyRelu_slope')(activation('LeakyRelu', alpha=0.3))
good(name='act_HardSigmoid_slope')(activation('HardSigmoid', alpha=0.5, beta=0.25))
good(name='act_Mish', opset=18)(activation('Mish'))
good(name='act_Gelu', opset=20)(activation('Gelu'))
good(name='act_Gelu_tanh', opset=20)(activation('Gelu', approximate='tanh'))


@good()
def prelu(n):
    y = n.op('PRelu', n.conv('x', 3, 5), n.weight(5, 1, 1))
    return n.op('PRelu', n.conv(y, 5, 3), n.weight(1))


@good()
def clip(n):
    y = n.op('Clip', n.conv('x', 3, 3), n.scalar(-0.25), n.scalar(0.5))
    y = n.op('Clip', n.op('Add', y, n.scalar(0.125)), n.scalar(-0.0625))
    return n.op('Min', n.op('Max', y, n.scalar(0.0)), n.scalar(0.25))


@good()
def composite_curves(n):
    y = n.conv('x', 3, 3)
    y = n.op('Mul', y, n.op('Sigmoid', y))
    y = n.op('Mul', n.op('Tanh', n.op('Softplus', y)), y)
    e = n.op('Add', n.op('Erf', n.op('Div', y, n.scalar(math.sqrt(2)))), n.scalar(1.0))
    y = n.op('Mul', n.op('Mul', y, e), n.scalar(0.5))
    e = n.op('Add', n.scalar(1.0), n.op('Erf', n.op('Mul', y, n.scalar(math.sqrt(0.5)))))
    y = n.op('Mul', n.op('Mul', y, n.scalar(0.5)), e)
    c = n.op('Mul', n.op('Pow', y, n.scalar(3.0)), n.scalar(0.044715))
    t = n.op('Mul', n.op('Add', y, c), n.scalar(math.sqrt(2 / math.pi)))
    t = n.op('Add', n.op('Tanh', t), n.scalar(1.0))
    return n.op('Mul', n.op('Mul', n.scalar(0.5), y), t)


@good()
def arithmetic_with_constants(n):
    y = n.op('Sub', 'x', n.weight(1, 3, 1, 1))
    y = n.op('Div', y, n.weight(3, 1, 1, low=0.5, high=2.0))
    y = n.op('Mul', n.scalar(1.5), n.conv(y, 3, 3))
    y = n.op('Add', n.weight(1, 3, 1, 1), y)
    y = n.op('Sub', n.floats(1.0), y)
    return n.op('Pow', n.op('Div', y, n.scalar(4.0)), n.scalar(2.0))


@good()
def arithmetic_of_pictures(n):
    a, b = n.conv('x', 3, 3), n.conv('x', 3, 3)
    y = n.op('Add', n.op('Mul', a, n.scalar(0.2)), b)
    y = n.op('Sub', y, n.op('Mul', a, b))
    one = n.conv(y, 3, 1)
    y = n.op('Mul', y, n.op('Sigmoid', one))
    return n.op('Add', one, y)


# ---- channels ----

@good()
def concat_and_split(n):
    y = n.conv('x', 3, 8)
    a, b = n.many(2, 'Split', y, n.ints(3, 5), axis=1)
    c, d = n.many(2, 'Split', y, axis=1)
    parts = [a, c, b, d, a, a, b, b, a]
    return n.conv(n.op('Concat', *parts, axis=1), 8 + 8 + 3 * 3 + 5 * 2, 3)


@good(opset=11)
def split_of_opset_11(n):
    a, b = n.many(2, 'Split', n.conv('x', 3, 8), axis=-3, split=[2, 6])
    return n.conv(n.op('Concat', b, a, axis=-3), 8, 3)


@good()
def slices_of_channels(n):
    y = n.conv('x', 3, 8)
    a = n.op('Slice', y, n.ints(1), n.ints(4), n.ints(1))
    b = n.op('Slice', y, n.ints(-6), n.ints(2 ** 63 - 1), n.ints(1), n.ints(2))
    y = n.op('Gather', y, n.ints(7, 0, 0), axis=1)
    return n.op('Add', n.op('Add', a, b), y)


@good()
def channel_shuffle(n):
    y = n.op('Sigmoid', n.conv('x', 3, 6))
    h, w = n.size(y, 2), n.size(y, 3)
    y = n.op('Reshape', y, n.op('Concat', n.ints(0, 2, 3), h, w, axis=0))
    y = n.op('Transpose', y, perm=[0, 2, 1, 3, 4])
    return n.conv(n.op('Reshape', y, n.op('Concat', n.ints(0, -1), h, w, axis=0)), 6, 3)


@good(scale=2)
def repeated_channels(n):
    y = n.op('Unsqueeze', 'x', n.ints(2))
    shape = n.op('Concat', n.ints(1, 3, 4), n.size('x', 2), n.size('x', 3), axis=0)
    y = n.op('Expand', y, shape)
    shape = n.op('Concat', n.ints(0, 12), n.size('x', 2), n.size('x', 3), axis=0)
    y = n.op('Add', n.op('Reshape', y, shape), n.conv('x', 3, 12))
    return n.op('DepthToSpace', y, blocksize=2, mode='CRD')


# ---- blocks ----

@good(scale=3)
def depth_to_space_crd(n):
    return n.op('DepthToSpace', n.conv('x', 3, 27), blocksize=3, mode='CRD')


@good(scale=2)
def depth_to_space_dcr(n):
    return n.op('DepthToSpace', n.conv('x', 3, 12), blocksize=2)


@good(scale=2, fixed=True)
def pixel_shuffle_of_rank_6(n):
    y = n.op('Reshape', n.conv('x', 3, 12), n.ints(-1, 3, 2, 2, 6, 9))
    return n.op('Reshape', n.op('Transpose', y, perm=[0, 1, 4, 2, 5, 3]), n.ints(-1, 3, 12, 18))


@good(size=(6, 8), fixed=True)
def pixel_unshuffle_of_rank_6(n):
    y = n.op('Reshape', 'x', n.ints(-1, 3, 3, 2, 4, 2))
    y = n.op('Reshape', n.op('Transpose', y, perm=[0, 1, 3, 5, 2, 4]), n.ints(-1, 12, 3, 4))
    return n.op('DepthToSpace', n.conv(y, 12, 12), blocksize=2, mode='CRD')


@good(size=(6, 8))
def space_to_depth(n):
    y = n.conv(n.op('SpaceToDepth', 'x', blocksize=2), 12, 12)
    return n.op('DepthToSpace', y, blocksize=2)


# ---- sizes ----

def pads(n, y, top, left, bottom, right, **attrs):
    return n.op('Pad', y, n.ints(0, 0, top, left, 0, 0, bottom, right), **attrs)


@good()
def pads_and_crops(n):
    y = pads(n, n.conv('x', 3, 4), 2, 1, 0, 3, mode='reflect')
    y = pads(n, y, 1, 1, 1, 1, mode='edge')
    y = pads(n, y, 0, 2, 1, 0)
    y = pads(n, n.conv(y, 4, 3), -1, 0, -1, -2)
    return n.op('Slice', y, n.ints(2, 4), n.ints(-1, -2), n.ints(2, 3))


@good(size=(7, 9))
def pad_to_a_multiple(n):
    """As a network does that halves its input twice."""
    def missing(axis):
        m = n.op('Mod', n.size('x', axis), n.ints(4))
        return n.op('Mod', n.op('Sub', n.ints(4), m), n.ints(4))
    amounts = n.op('Concat', n.ints(0, 0, 0, 0, 0, 0), missing(2), missing(3), axis=0)
    y = n.op('Pad', 'x', amounts, mode='reflect')
    y = n.op('Conv', y, n.weight(4, 3, 4, 4), strides=[4, 4])
    y = n.op('ConvTranspose', y, n.weight(4, 3, 4, 4), strides=[4, 4])
    y = n.op('Slice', y, n.ints(0), n.size('x', 2), n.ints(2))
    return n.op('Slice', y, n.ints(0), n.size('x', 3), n.ints(3))


@good(size=(9, 11), margin=2)
def border_that_is_lost(n):
    return n.op('Conv', n.op('Conv', 'x', n.weight(4, 3, 3, 3)), n.weight(3, 4, 3, 3))


def scaled(n, y, factor, **attrs):
    return n.op('Resize', y, '', n.floats(1.0, 1.0, factor, factor), **attrs)


@good(scale=2)
def resize_nearest(n):
    y = scaled(n, 'x', 2.0, coordinate_transformation_mode='asymmetric', nearest_mode='floor')
    y = scaled(n, y, 3.0)
    return n.op('Conv', scaled(n, y, 1 / 3, coordinate_transformation_mode='asymmetric',
                               nearest_mode='floor'), n.weight(3, 3, 1, 1))


@good(scale=2)
def resize_linear(n):
    return n.conv(scaled(n, n.conv('x', 3, 4), 2.0, mode='linear'), 4, 3)


@good()
def resize_linear_to_the_size_of_another(n):
    y = n.op('MaxPool', n.conv('x', 3, 4), kernel_shape=[3, 3], strides=[2, 2])
    sizes = n.op('Concat', n.ints(1, 4), n.size('x', 2), n.size('x', 3), axis=0)
    return n.conv(n.op('Resize', y, '', '', sizes, mode='linear',
                       coordinate_transformation_mode='pytorch_half_pixel'), 4, 3)


@good(scale=2, size=(6, 8))
def resize_cubic(n):
    y = scaled(n, scaled(n, 'x', 0.5, mode='cubic'), 4.0, mode='cubic')
    return n.op('Conv', y, n.weight(3, 3, 1, 1))


@good(scale=2, fixed=True)
def resize_to_a_size_in_the_file(n):
    return n.op('Conv', n.op('Resize', 'x', '', '', n.ints(1, 3, 12, 18), mode='cubic'),
                n.weight(3, 3, 1, 1))


@good(scale=2)
def resize_by_float_arithmetic(n):
    def twice(axis):
        size = n.op('Cast', n.size('x', axis), to=pb.FLOAT)
        return n.op('Cast', n.op('Floor', n.op('Mul', size, n.floats(2.0))), to=pb.INT64)
    sizes = n.op('Concat', n.op('Slice', n.op('Shape', 'x'), n.ints(0), n.ints(2), n.ints(0)),
                 twice(2), twice(3), axis=0)
    return n.conv(n.op('Resize', 'x', '', '', sizes, nearest_mode='floor',
                       coordinate_transformation_mode='asymmetric'), 3, 3)


@good(size=(6, 8))
def pools(n):
    y = n.op('AveragePool', n.conv('x', 3, 4), kernel_shape=[2, 2], strides=[2, 2])
    return n.conv(scaled(n, y, 2.0), 4, 3)


# ---- statistics ----

@good()
def squeeze_and_excite(n):
    y = n.conv('x', 3, 4)
    m = n.op('ReduceMean', y, axes=[2, 3])
    m = n.op('Sigmoid', n.conv(n.op('Relu', n.conv(m, 4, 2, k=1)), 2, 4, k=1))
    m2 = n.op('Flatten', n.op('GlobalAveragePool', y))
    m2 = n.op('Gemm', m2, n.weight(4, 4), n.weight(4), transB=1)
    m2 = n.op('Unsqueeze', n.op('Unsqueeze', m2, n.ints(2)), n.ints(-1))
    return n.conv(n.op('Add', n.op('Mul', y, m), m2), 4, 3)


@good()
def batch_norm(n):
    def norm(y, c):
        return n.op('BatchNormalization', y, n.weight(c), n.weight(c), n.weight(c),
                    n.weight(c, low=0.5, high=2.0), epsilon=0.001)
    return n.conv(norm(n.op('Relu', norm(n.conv('x', 3, 4), 4)), 4), 4, 3)


@good()
def instance_and_group_norm(n):
    y = n.op('InstanceNormalization', n.conv('x', 3, 8), n.weight(8), n.weight(8))
    g = n.op('Reshape', n.conv(y, 8, 8), n.ints(0, 4, -1))
    g = n.op('InstanceNormalization', g, n.floats(1.0, 1.0, 1.0, 1.0), n.weight(4), epsilon=0.01)
    g = n.op('Reshape', g, n.op('Shape', y))
    g = n.op('Add', n.op('Mul', g, n.weight(8, 1, 1)), n.weight(8, 1, 1))
    return n.conv(g, 8, 3)


@good(opset=18)
def group_norm_operator(n):
    y = n.op('GroupNormalization', n.conv('x', 3, 8), n.weight(2), n.weight(2), num_groups=2)
    return n.conv(y, 8, 3)


def layer_norm_by_hand(n, y, axis):
    u = n.op('ReduceMean', y, axes=[axis])
    d = n.op('Sub', y, u)
    v = n.op('ReduceMean', n.op('Pow', d, n.scalar(2.0)), axes=[axis])
    return n.op('Div', d, n.op('Sqrt', n.op('Add', v, n.scalar(0.001))))


@good()
def layer_norm(n):
    y = layer_norm_by_hand(n, n.conv('x', 3, 6), 1)
    y = n.op('Add', n.op('Mul', n.weight(6, 1, 1), y), n.weight(6, 1, 1))
    t = n.op('Transpose', n.conv(y, 6, 6), perm=[0, 2, 3, 1])
    t = n.op('LayerNormalization', t, n.weight(6), n.weight(6), axis=-1)
    return n.conv(n.op('Transpose', t, perm=[0, 3, 1, 2]), 6, 3)


@good()
def channel_mean(n):
    y = n.conv('x', 3, 5)
    return n.conv(n.op('Sub', y, n.op('ReduceMean', y, axes=[1])), 5, 3)


# ---- layouts ----

@good()
def channels_last(n):
    t = n.op('Transpose', 'x', perm=[0, 2, 3, 1])
    t = n.op('Add', n.op('MatMul', t, n.weight(3, 6)), n.weight(6))
    t = n.op('MatMul', n.op('Relu', t), n.weight(6, 3))
    return n.op('Transpose', t, perm=[0, 3, 1, 2])


@good()
def tokens(n):
    y = n.conv('x', 3, 4)
    t = n.op('Transpose', n.op('Reshape', y, n.ints(0, 4, -1)), perm=[0, 2, 1])
    t = n.op('Add', t, n.op('MatMul', layer_norm_by_hand(n, t, 2), n.weight(4, 4)))
    t = n.op('Squeeze', n.op('Unsqueeze', t, n.ints(0)), n.ints(0))
    t = n.op('Reshape', n.op('Transpose', t, perm=[0, 2, 1]), n.op('Shape', y))
    return n.conv(t, 4, 3)


@good(scale=2)
def pixel_shuffle_of_channels_last(n):
    t = n.op('Transpose', n.conv('x', 3, 12), perm=[0, 2, 3, 1])
    h, w = n.size('x', 2), n.size('x', 3)
    t = n.op('Reshape', t, n.op('Concat', n.ints(1), h, w, n.ints(2, 2, 3), axis=0))
    t = n.op('Transpose', t, perm=[0, 1, 3, 2, 4, 5])
    two = n.ints(2)
    t = n.op('Reshape', t, n.op('Concat', n.ints(1), n.op('Mul', h, two), n.op('Mul', w, two),
                                n.ints(3), axis=0))
    return n.op('Transpose', t, perm=[0, 3, 1, 2])


@good(channels=1, scale=2)
def one_channel(n):
    y = n.op('Relu', n.conv('x', 1, 4))
    y = n.op('DepthToSpace', n.conv(y, 4, 4), blocksize=2, mode='CRD')
    return n.op('Add', y, scaled(n, 'x', 2.0))


@good(channels=4)
def four_channels(n):
    return n.op('Add', n.conv('x', 4, 4), 'x')


@good()
def arithmetic_on_sizes(n):
    """Constants that exporters leave behind."""
    ones = n.op('ConstantOfShape', n.ints(4), value=Tensor((1,), [1], True))
    shape = n.op('Mul', ones, n.ints(-1))
    shape = n.op('Where', n.op('Equal', shape, n.ints(-1)), n.ints(1, 3, 1, 1), ones)
    picked = n.op('Gather', n.op('Range', n.scalar(0), n.scalar(6), n.scalar(2)), n.ints(0))
    y = n.op('Add', 'x', n.op('Reshape', n.weight(3), shape))
    return n.op('Reshape', n.conv(y, 3, 3), n.op('Concat', n.op('Add', picked, n.ints(1)),
                                                 n.ints(3), n.size('x', 2), n.ints(-1), axis=0))


@good()
def nodes_that_nothing_needs(n):
    n.op('Erf', 'x')
    return n.conv('x', 3, 3)


# ---- files that are refused ----

def bad(says, **how):
    def register(fn):
        BAD[fn.__name__] = (fn, says, how)
        return fn
    return register


@bad("node 'v0_0' (Softmax): attention of this kind")
def softmax(n):
    return n.op('Softmax', 'x', axis=1)


@bad("(Loop): this operator cannot be run")
def loop(n):
    return n.op('Loop', 'x')


@bad("it makes a shape of a fixed size")
def fixed_reshape(n):
    return n.op('Reshape', 'x', n.ints(1, 3, 64, 64))


@bad("the file was exported for 9 x 6 only", fixed=True)
def fixed_windows(n):
    return n.op('Reshape', 'x', n.ints(1, 3, 2, 3, 3, 3))


@bad("is of another domain than ai.onnx", domain='com.microsoft')
def other_domain(n):
    return n.op('Gelu', 'x')


@bad("is of ONNX opset 10; 11 to 20 can be read", opset=10)
def old_opset(n):
    return n.op('Relu', 'x')


@bad("is of ONNX opset 21; 11 to 20 can be read", opset=21)
def new_opset(n):
    return n.op('Relu', 'x')


@bad("is of ONNX IR version 99", ir=99)
def new_ir(n):
    return n.op('Relu', 'x')


@bad("two things are named 'v0_0'")
def two_of_a_name(n):
    n.op('Relu', 'x')
    n.nodes.append(n.nodes[0])
    return 'v0_0'


@bad("it reads something that no node before it makes")
def reads_itself(n):
    n.nodes.append(('Relu', ['v0_0'], ['v0_0'], {}))
    return 'v0_0'


@bad("no node makes the network's result")
def no_result(n):
    n.op('Relu', 'x')
    return 'nothing'


@bad("its weight has 3 dimensions")
def conv_of_one_dimension(n):
    return n.op('Conv', 'x', n.weight(3, 3, 3))


@bad("input has 3 channels")
def conv_of_other_channels(n):
    return n.op('Conv', 'x', n.weight(3, 5, 3, 3), pads=[1] * 4)


@bad("its input 1 must be a constant")
def conv_of_a_picture(n):
    return n.op('Conv', 'x', 'x')


@bad("differs from pixel to pixel")
def position_dependent(n):
    return n.op('Add', 'x', n.weight(1, 3, 6, 9))


@bad("kernel is not of the shape of its weight")
def kernel_shape(n):
    return n.op('Conv', 'x', n.weight(3, 3, 3, 3), kernel_shape=[5, 5])


@bad("axis 7 of a tensor of 4 dimensions")
def wrong_axis(n):
    return n.op('Concat', 'x', 'x', axis=7)


@bad("turns 3 channels into 5")
def wrong_channels(n):
    return n.conv('x', 3, 5)


@bad("the result is no whole multiple of the picture's size")
def half_the_size(n):
    return n.op('AveragePool', 'x', kernel_shape=[2, 2], strides=[2, 2])


@bad("it joins pictures of different sizes")
def sizes_that_differ(n):
    return n.op('Add', 'x', n.op('Conv', 'x', n.weight(3, 3, 3, 3)))


@bad("there is too much to compute beforehand")
def too_much_to_fold(n):
    big = n.op('Expand', n.floats(1.0), n.ints(4096, 4096, 8))
    return n.op('Add', 'x', n.op('ReduceMean', big, axes=[0, 1]))


@bad("it has a shape that nothing can have")
def absurd_fold(n):
    big = n.op('ConstantOfShape', n.ints(2 ** 31, 2 ** 31, 2 ** 31), value=Tensor((1,), [1.0]))
    return n.op('Add', 'x', big)


@bad("it makes a size that cannot be")
def absurd_scale(n):
    return scaled(n, 'x', 1e30)


@bad("the network takes elements that are no floating-point", kind=2)
def bytes_in(n):
    return n.op('Relu', 'x')


onnx_attention.register(good, bad)


# ---- writing ----

def describe(fn, opset=17, ir=8, fixed=False, kind=pb.FLOAT, channels=3, size=(6, 9), domain=''):
    n = Net(fn.__name__)
    result = fn(n)
    nodes = [pb.node(*node, domain=domain) for node in n.nodes]
    weights = [pb.tensor(t, name, n.how[name]) for name, t in n.weights.items()]
    shape = (1, channels, *size) if fixed else ('batch', channels, 'height', 'width')
    out = ('batch', channels, 'up', 'wide')
    graph = pb.graph(nodes, weights, [pb.port('x', shape, kind)], [pb.port(result, out, kind)])
    return n, result, pb.model(graph, opset, ir)


def edge(x, margin):
    """What pique does before a network that takes a border off."""
    return reference.pad({'mode': 'edge'}, x, [0, 0, margin, margin] * 2)


def write_good(folder, name, fn, channels, scale, opset, size, fixed, kind, margin):
    n, result, data = describe(fn, opset, fixed=fixed, kind=kind, channels=channels, size=size)
    h, w = size
    pixels = random.Random(name)
    x = Tensor((1, channels, h, w),
               [pixels.randrange(256) / 256 for _ in range(channels * h * w)])
    y = reference.run(n.nodes, {**n.weights, 'x': edge(x, margin)})[result]
    assert y.shape == (1, channels, h * scale, w * scale), (name, y.shape)
    base = os.path.join(folder, 'onnx-good', name)
    for path, content in ((base + '.onnx', data),
                          (base + '.in', struct.pack('<%df' % len(x.data), *x.data)),
                          (base + '.out', struct.pack('<%df' % len(y.data), *y.data))):
        with open(path, 'wb') as f:
            f.write(content)
    return '%s %d %d %d %d\n' % (name, w, h, channels, scale)


def main(folder):
    for part in ('onnx-good', 'onnx-bad'):
        os.makedirs(os.path.join(folder, part), exist_ok=True)
    with open(os.path.join(folder, 'onnx-good.txt'), 'w') as f:
        for name, case in GOOD.items():
            f.write(write_good(folder, name, *case))
    with open(os.path.join(folder, 'onnx-bad.txt'), 'w') as f:
        for name, (fn, says, how) in BAD.items():
            with open(os.path.join(folder, 'onnx-bad', name + '.onnx'), 'wb') as out:
                out.write(describe(fn, **how)[2])
            f.write('%s\t%s\n' % (name, says))


if __name__ == '__main__':
    main(sys.argv[1])
