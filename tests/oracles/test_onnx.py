#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ONNX files through pique and through ONNX Runtime, in float.

    test_onnx.py RUN_MODEL MAKE_ONNX [unittest options]

Every operator of tests/model/make_onnx.py, each file also as pique writes it again, and where Python
has PyTorch, networks that it exports (export_onnx.py). Without ONNX Runtime (onnx_runtime.py) this is
skipped."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import onnx_runtime
from onnx_runtime import floats

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = '/usr/bin/python3'
BOUND = 2e-5  # of 1 + the value: two fp32 programs that add up in other orders
SKIPPED = {
    'border_that_is_lost',  # pique gives back the border that the network takes
    'weights_bfloat',       # the runtime has no convolution of such weights
    'weights_double',       # nor of these beside float pictures
    'weights_half', 'weights_half-list',
}


class Compare(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='pique-onnx-')
        self.addCleanup(shutil.rmtree, self.folder)

    def runtime(self, folder, cases, end=''):
        runs = [(name + end, c, h, w) for name, w, h, c, _ in cases]
        self.assertEqual(onnx_runtime.run(folder, runs), '')

    def pique(self, folder, cases):
        """The results, and the networks as pique writes them."""
        for name, width, height, _, _ in cases:
            base = os.path.join(folder, name)
            done = subprocess.run([RUN, base + '.onnx', width, height, base + '.in', base + '.got',
                                   base + '-again.onnx'], stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            shutil.copy(base + '.in', base + '-again.in')

    def differences(self, folder, cases, end=''):
        worst = {}
        for name, *_ in cases:
            base = os.path.join(folder, name)
            got, want = floats(base + '.got'), floats(base + end + '.ort')
            self.assertEqual(len(got), len(want), name)
            worst[name] = max(abs(a - b) / (1 + abs(b)) for a, b in zip(got, want))
        print('%d files%s differ by at most %.1e' % (len(worst), end, max(worst.values())))
        self.assertEqual({n: v for n, v in worst.items() if not v <= self.bound(n)}, {})

    def compare(self, folder, cases):
        self.pique(folder, cases)
        self.runtime(folder, cases)
        self.differences(folder, cases)
        self.runtime(folder, cases, '-again')
        self.differences(folder, cases, '-again')

    @staticmethod
    def bound(name):
        return 2e-3 if 'half' in name else BOUND

    @staticmethod
    def cases(path):
        with open(path) as f:
            lines = [line.split() for line in f]
        return [line for line in lines if line[0] not in SKIPPED]

    def test_every_operator_computes_what_onnx_runtime_computes(self):
        subprocess.run([sys.executable, '-B', MAKE, self.folder], check=True)
        self.compare(os.path.join(self.folder, 'onnx-good'),
                     self.cases(os.path.join(self.folder, 'onnx-good.txt')))

    def test_networks_that_pytorch_exports_do_too(self):
        python = next((p for p in (sys.executable, SYSTEM_PYTHON) if os.path.exists(p) and
                       subprocess.run([p, '-c', 'import torch'],
                                      stderr=subprocess.DEVNULL).returncode == 0), None)
        if not python:
            self.skipTest('no PyTorch; on Debian the package is python3-torch')
        subprocess.run([python, '-B', os.path.join(HERE, 'export_onnx.py'), self.folder],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.compare(self.folder, self.cases(os.path.join(self.folder, 'good.txt')))


if __name__ == '__main__':
    RUN, MAKE = sys.argv[1:3]
    onnx_runtime.need()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
