#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Networks of every architecture, written as ONNX, in ONNX Runtime.

    test_export.py RUN_MODEL EXPORT_OPS NETS [unittest options]

Every network of NETS, tests/golden/nets, is written as ONNX and must yield there what PyTorch made of
the committed picture, and what pique makes of a picture of another size; some also with half weights. EXPORT_OPS writes operations alone, in more ways than the networks have.
Without ONNX Runtime (see test_onnx.py) this is skipped."""
import array
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

import onnx_runtime

BOUND = 1e-4  # of values around 0 .. 1
# Several convolutions that become one are rounded to half floats after that, and not before.
JOINED, BOUND_OF_JOINED = {'SPAN', 'SPANF3', 'SPANPlus'}, 5e-3


class Case:
    def __init__(self, line):
        self.file, self.architecture, *numbers = line.split()[:8]
        self.scale, self.channels, self.width, self.height, *self.out = map(int, numbers)
        self.name = self.file.rsplit('.', 1)[0]


def read_cases(folder):
    cases = []
    for path in sorted(glob.glob(os.path.join(folder, 'nets*.txt'))):
        with open(path) as f:
            cases += [Case(line) for line in f if line.strip() and line[0] != '#']
    return cases


def planes(pixels, channels):
    """Of interleaved pixels."""
    out = array.array('f')
    for c in range(channels):
        out.extend(pixels[c::channels])
    return out


def write(path, values):
    with open(path, 'wb') as f:
        values.tofile(f)


def largest(got, want):
    """The largest difference; infinite where something is no number or is missing."""
    if not got or len(got) != len(want) or any(a != a for a in got):
        return float('inf')
    return max(abs(a - b) for a, b in zip(got, want))


class Export(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='pique-export-')
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def pique(self, model, size, case, *copy):
        """Run NAME.in; `copy` is how the model is saved."""
        base = self.path(case)
        done = subprocess.run([RUN, model, *map(str, size), base + '.in', base + '.got', *copy],
                              stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, case + ': ' + done.stderr.decode())

    def golden(self, case):
        """Write the committed picture; what PyTorch made of it."""
        pixels = onnx_runtime.floats(os.path.join(NETS, case.name + '.f32'))
        count = case.width * case.height * case.channels
        write(self.path(case.name + '.in'), planes(pixels[:count], case.channels))
        return planes(pixels[count:], case.channels)

    def noise(self, name, width, height, channels):
        random.seed(name)
        write(self.path(name + '.in'),
              array.array('f', (random.random() for _ in range(width * height * channels))))

    def report(self, what, differences, half=False):
        worst = {}
        for case, difference in differences:
            worst[case.architecture] = max(worst.get(case.architecture, 0), difference)
        print('%s, %d networks: ' % (what, len(differences)) +
              ', '.join('%s %.0e' % each for each in sorted(worst.items())))
        self.assertEqual({c.name: d for c, d in differences if not d <=
                          (BOUND_OF_JOINED if half and c.architecture in JOINED else BOUND)}, {})

    def test_onnx_runtime_computes_what_pytorch_did(self):
        wanted, runs = [], []
        for case in CASES:
            wanted.append(self.golden(case))
            self.pique(os.path.join(NETS, case.file), (case.width, case.height), case.name,
                       self.path(case.name + '.onnx'))
            runs.append((case.name, case.channels, case.height, case.width))
        self.assertEqual(onnx_runtime.run(self.folder, runs), '')
        self.report('the committed pictures',
                    [(case, largest(onnx_runtime.floats(self.path(case.name + '.ort')), want))
                     for case, want in zip(CASES, wanted)])

    def compare_noise(self, cases, size_of, half):
        runs = []
        for case in cases:
            size = size_of(case)
            model = os.path.join(NETS, case.file)
            self.noise(case.name, *size, case.channels)
            if half:
                rounded = self.path(case.name + '.safetensors')
                self.pique(model, size, case.name, rounded, *half)
                model = rounded
            self.pique(model, size, case.name, self.path(case.name + '.onnx'), *half)
            runs.append((case.name, case.channels, size[1], size[0]))
        self.assertEqual(onnx_runtime.run(self.folder, runs), '')
        return [(case, largest(*(onnx_runtime.floats(self.path(case.name + end))
                                 for end in ('.ort', '.got')))) for case in cases]

    def test_a_picture_of_another_size_yields_what_pique_makes_of_it(self):
        self.report('another size', self.compare_noise(CASES, lambda c: (53, 41), ()))

    def test_operations_alone_are_what_pique_computes(self):
        done = subprocess.run([EXPORT_OPS, self.folder, '25'], stdout=subprocess.PIPE, check=True)
        runs = [tuple(line.split()) for line in done.stdout.decode().splitlines()]
        self.assertEqual(onnx_runtime.run(self.folder, runs), '')
        off = {name: largest(*(onnx_runtime.floats(self.path(name + end))
                               for end in ('.ort', '.got'))) for name, *_ in runs}
        print('%d operations differ by at most %.0e' % (len(off), max(off.values())))
        self.assertEqual({n: v for n, v in off.items() if not v <= BOUND}, {})

    def test_half_weights_do_too(self):
        seen, cases = set(), []
        for case in CASES:
            if case.architecture not in seen:
                cases.append(case)
            seen.add(case.architecture)
        self.report('half weights',
                    self.compare_noise(cases, lambda c: (c.width + 5, c.height + 2), ('half',)), half=True)


if __name__ == '__main__':
    RUN, EXPORT_OPS, NETS = sys.argv[1:4]
    CASES = read_cases(NETS)
    onnx_runtime.need()
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
