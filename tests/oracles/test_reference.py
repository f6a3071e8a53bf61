#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Networks against outputs that ncnn made with the same weights.

    test_reference.py PIQUE [unittest options]

First pique_oracle.py itself is held against them, so that what it says of other pictures can be
trusted; then the program, at 8 bits and with a picture file in and out. reference_test.c does the
same through the library, in float."""
import os
import sys
import tempfile
import unittest

import need

need.numpy_and_pillow()

import numpy as np

import pique_oracle as oracle
import support

PROGRAM = 'pique'
BOUND = 5e-5  # two honest fp32 programs differ by up to 1.2e-5
NETWORKS = {'realesr-animevideov3-x4': 'realesr-animevideov3-x4',
            'realesrgan-x4fast': 'upscayl-lite-4x',  # the same file under its upstream's name
            'realesrgan-x4plus': 'realesrgan-x4plus',
            'realesrgan-x4plus-anime': 'realesrgan-x4plus-anime'}
SLOW = {'realesrgan-x4plus'}  # minutes in NumPy; its smaller sister has the same structure


class Reference(unittest.TestCase):
    def setUp(self):
        if not support.find_shared('in_jpeg64.f32'):
            self.skipTest('no reference outputs; PIQUE_SHARED names the folder that has them')

    def networks(self):
        """(path of the model, output [3, 256, 256]) of each network."""
        found = {name: support.find_model(name) for name in NETWORKS}
        missing = [name for name, path in found.items() if not path]
        if missing:
            self.skipTest('no weights: pique models fetch ' + ' '.join(missing))
        for name, path in found.items():
            file = support.find_shared('out_jpeg64_%s.f32' % NETWORKS[name])
            with self.subTest(model=name):
                yield path, np.fromfile(file, '<f4').reshape(3, 256, 256).astype(float)

    def test_the_oracle_agrees_in_float(self):
        x = np.fromfile(support.find_shared('in_jpeg64.f32'), '<f4').reshape(3, 64, 64)
        for path, want in self.networks():
            if os.path.basename(path).rpartition('.')[0] in SLOW:
                continue
            off = abs(oracle.forward(oracle.read_model(path), x.astype(float)) - want).max()
            print('    %s: at most %.2e, allowed %.0e' % (os.path.basename(path), off, BOUND))
            self.assertLessEqual(off, BOUND)

    def test_the_program_agrees_at_8_bits(self):
        for path, want in self.networks():
            with tempfile.TemporaryDirectory(prefix='pique-oracles-') as folder:
                target = os.path.join(folder, 'out.png')
                support.run_pique(PROGRAM, support.find_shared('in_jpeg64.png'), '-o', target,
                                  '-m', path, '-q')
                got, depth = support.read_png(target)
            self.assertEqual((depth, got.shape), (8, (256, 256, 3)))
            off = abs(got - 255 * np.clip(want, 0, 1).transpose(1, 2, 0)).max()
            print('    %s: at most %.4f steps, allowed 0.5 + %.4f' % (
                os.path.basename(path), off, 255 * BOUND))
            self.assertLessEqual(off, 0.5 + 255 * BOUND)


if __name__ == '__main__':
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
