#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes outputs.f32, the golden data of golden_test.c: the networks of cases.txt in double
precision, by tests/oracles/pique_oracle.py. Needs NumPy.

    make.py           writes it
    make.py --check   exit status 1 where what is committed differs

Weights and pictures come from one integer hash, here and in golden_test.c, so neither is kept."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'oracles'))

import need

need.numpy_and_pillow()

import numpy as np

import pique_oracle as oracle

WEIGHT, BIAS, SLOPE, PICTURE = range(4)


def mix(x):
    """A bijection of 32 bits that leaves no pattern: xor-shifts and two odd factors."""
    x = x.astype(np.uint32)
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x7feb352d)
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x846ca68b)
    return x ^ x >> np.uint32(16)


def hashed(seed, layer, kind, count):
    key = np.array([seed], np.uint32)
    for part in (layer, kind):
        key = mix(key) + np.uint32(part)
    return mix(np.arange(count, dtype=np.uint32) + mix(key))


def units(seed, layer, kind, count):
    """float32 in [-1, 1), exact."""
    h = hashed(seed, layer, kind, count) >> np.uint32(8)
    return ((h.astype(np.int64) - (1 << 23)) * 2.0 ** -23).astype(np.float32)


def esrgan(features, blocks, scale, channels, seed, growth, plus):
    """Convolutions are numbered in the order in which they run; a 1x1 one comes after the second of
    its dense block here, and after the fifth in the oracle's list."""
    ups = scale.bit_length() - 1
    sizes = [(channels, features, 3)]
    for _ in range(3 * blocks):
        dense = [(features + i * growth, growth if i < 4 else features, 3) for i in range(5)]
        sizes += dense[:2] + [(features, growth, 1)] * plus + dense[2:]
    sizes += [(features, features, 3)] * (ups + 2) + [(features, channels, 3)]
    convs = []
    for i, (inputs, outputs, kernel) in enumerate(sizes):
        size = np.sqrt(np.float32(6) / np.float32(kernel * kernel * inputs))
        if i == len(sizes) - 1:
            size = size * np.float32(0.125)
        weight = units(seed, i, WEIGHT, outputs * inputs * kernel * kernel) * size
        weight = weight.reshape(outputs, inputs, kernel, kernel).astype(np.float64)
        bias = units(seed, i, BIAS, outputs) * np.float32(0.0625)
        convs.append((weight, bias.astype(np.float64)) if kernel == 3 else weight)
    if plus:
        for at in range(3, 3 + 18 * blocks, 6):
            convs.insert(at + 3, convs.pop(at))
    return oracle.esrgan_in_order(convs, ups, 5 + plus)


def network(features, convs, scale, channels, seed):
    layers = []
    for i in range(convs + 2):
        last = i == convs + 1
        inputs = channels if i == 0 else features
        outputs = channels * scale * scale if last else features
        # float32 throughout, as in C: the same weights to the last bit.
        size = np.sqrt(np.float32(6) / np.float32(9 * inputs))
        if last:
            size = size * np.float32(0.125)
        weight = units(seed, i, WEIGHT, outputs * inputs * 9) * size
        bias = units(seed, i, BIAS, outputs) * np.float32(0.0625)
        slope = units(seed, i, SLOPE, outputs) * np.float32(0.5)
        layers.append((weight.reshape(outputs, inputs, 3, 3).astype(np.float64),
                       bias.astype(np.float64), None if last else slope.astype(np.float64)))
    return oracle.Compact(layers, channels, scale)


def picture(channels, width, height, seed):
    h = hashed(seed, 0, PICTURE, width * height * channels) >> np.uint32(8)
    return (h * 2.0 ** -24).reshape(height, width, channels)


def make():
    outputs = []
    with open(os.path.join(HERE, 'cases.txt')) as file:
        lines = file.read().split('\n')
    for line in lines:
        if line.strip() and line[0] != '#':
            features, convs, scale, channels, width, height, seed, *rest = \
                map(int, line.split()[1:])
            x = picture(channels, width, height, seed)
            model = esrgan(features, convs, scale, channels, seed, *rest) if rest else \
                network(features, convs, scale, channels, seed)
            y = oracle.forward(model, x.transpose(2, 0, 1)).transpose(1, 2, 0)
            print('%-18s %s, %.3f .. %.3f' % (line.split()[0], y.shape, y.min(), y.max()))
            outputs.append(y.ravel())
    return np.concatenate(outputs)


def main():
    path = os.path.join(HERE, 'outputs.f32')
    made = make()
    if sys.argv[1:] == ['--check']:
        old = np.fromfile(path, '<f4').astype(np.float64)
        # Half a unit in the last place of a float32 below 2, and float64's own noise.
        same = old.shape == made.shape and abs(old - made).max() < 1.3e-7
        print('outputs.f32 is what make.py makes' if same else
              'outputs.f32 differs from what make.py makes')
        return 0 if same else 1
    made.astype('<f4').tofile(path)
    print('%s: %d bytes' % (path, os.path.getsize(path)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
