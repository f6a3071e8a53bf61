#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The example program of examples/ does what it says: the same picture as the program's."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
from test_cli import Case, png, read  # noqa: E402

EXAMPLE = sys.argv.pop(1)


class Example(Case):
    def run_example(self, *words):
        return subprocess.run([EXAMPLE, *words], cwd=self.dir, env=self.environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)

    def test_it_upscales_a_picture_as_the_program_does(self):
        self.put('a.png', png(31, 17, 'noise'))
        model = os.path.join(self.models, 'tiny.safetensors')
        result = self.run_example(model, 'a.png', 'b.png')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, b'b.png: 62 x 34\n')
        self.assertIn(b'100 %', result.stderr)
        self.check(self.run_pique('a.png', '-o', 'c.png'), 0)
        self.assertEqual(read(self.path('b.png')), read(self.path('c.png')))

    def test_it_says_what_went_wrong(self):
        model = os.path.join(self.models, 'tiny.safetensors')
        result = self.run_example(model, 'gone.png', 'b.png')
        self.assertEqual(result.returncode, 1)
        self.assertIn(b'gone.png', result.stderr)
        self.assertEqual(self.run_example('gone.safetensors', 'a.png', 'b.png').returncode, 1)
        self.assertEqual(self.run_example().returncode, 2)


if __name__ == '__main__':
    unittest.main(verbosity=2)
