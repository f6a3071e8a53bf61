#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/peers.py, which `make bench-peers` runs, on a small network and frame.

    test_peers.py BUILD MAKE_MODEL [unittest options]"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import need

need.numpy_and_pillow()
import numpy  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'bench'))
import peers  # noqa: E402

# A worker that answers, with a result that is not the network's.
WRONG = '''import sys
print('ready Wrong 1', flush=True)
for line in sys.stdin:
    if line.startswith('save '):
        open(line[5:-1], 'wb').write(b'\\0' * %d)
    print('0.5', flush=True)
'''


class Peers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='pique-test-peers-')
        self.addCleanup(shutil.rmtree, self.folder)
        self.model = os.path.join(self.folder, 'small.safetensors')
        subprocess.run([MAKE_MODEL, self.model, '16', '2', '2', '7'], check=True,
                       stdout=subprocess.DEVNULL)
        self.picture = os.path.join(self.folder, 'frame.ppm')
        with open(self.picture, 'wb') as f:
            f.write(b'P6\n30 20\n255\n' + bytes(i * 11 % 256 for i in range(30 * 20 * 3)))

    def table(self, *more):
        return subprocess.run([sys.executable, '-B', os.path.join(ROOT, 'bench', 'peers.py'), BUILD,
                               self.model, self.picture, '5', '2', *more], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)

    def test_every_peer_that_is_there_computes_the_same_network(self):
        done = self.table()
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split('|') for line in done.stdout.splitlines() if line.startswith('| ')][1:]
        self.assertTrue(rows[0][1].startswith(' pique fp32 (pique '), done.stdout)
        self.assertEqual(rows[0][4].strip(), '1.00, 1.00')
        for row in rows[1:]:
            distance = float(re.match(r' ([\d.]+|inf) dB', row[8]).group(1))
            self.assertGreater(distance, 90 if 'fp32' in row[1] else 35, row)
        self.assertIn('30 x 20; 5 rounds', done.stdout)
        for name in ('oneDNN', 'ONNX Runtime', 'PyTorch', 'ncnn'):
            there = any(row[1].startswith(' ' + name) for row in rows)
            self.assertNotEqual(there, 'left out: ' + name + ':' in done.stdout, name)

    def test_weights_are_flat_in_the_order_of_the_layers(self):
        tensors = {'body.2.bias': numpy.full(12, 5), 'body.0.weight': numpy.full((4, 3, 3, 3), 1),
                   'body.1.weight': numpy.full(4, 3), 'body.0.bias': numpy.full(4, 2),
                   'body.2.weight': numpy.full((12, 4, 3, 3), 4)}
        path = os.path.join(self.folder, 'flat')
        shape = peers.flat_weights({k: v.astype(numpy.float32) for k, v in tensors.items()}, path)
        self.assertEqual(shape, (4, 0, 2))
        flat = numpy.fromfile(path, dtype=numpy.float32)
        self.assertEqual([int(v) for v in flat[numpy.flatnonzero(numpy.diff(flat, prepend=0))]],
                         [1, 2, 3, 4, 5])
        self.assertEqual(len(flat), 108 + 4 + 4 + 432 + 12)
        with self.assertRaises(ValueError):
            peers.flat_weights({'head.weight': flat}, path)

    def test_decibels_are_those_of_full_scale(self):
        ones = numpy.ones(100, dtype=numpy.float32)
        self.assertAlmostEqual(peers.decibels(ones, ones * 0.9), 20, 4)
        self.assertEqual(peers.decibels(ones, ones), float('inf'))
        self.assertFalse(peers.decibels(ones[1:], ones) > 0)

    def test_a_peer_that_computes_something_else_is_told(self):
        script = os.path.join(self.folder, 'wrong.py')
        with open(script, 'w', encoding='ascii') as f:
            f.write(WRONG % (60 * 40 * 3 * 4))

        def wrong(setting):
            yield setting.worker('Wrong fp32', [sys.executable, script])

        real = peers.Setting.onednn, peers.Setting.torch, peers.Setting.onnxruntime
        peers.Setting.onednn = wrong
        peers.Setting.torch = peers.Setting.onnxruntime = lambda setting: iter(())
        out, sys.stdout = sys.stdout, open(os.devnull, 'w', encoding='ascii')
        try:
            with self.assertRaisesRegex(SystemExit, 'not computed right: Wrong fp32'):
                peers.main(BUILD, self.model, self.picture, '5', '1')
        finally:
            sys.stdout.close()
            sys.stdout = out
            peers.Setting.onednn, peers.Setting.torch, peers.Setting.onnxruntime = real


if __name__ == '__main__':
    BUILD, MAKE_MODEL = sys.argv[1:3]
    del sys.argv[1:3]
    unittest.main(verbosity=2)
