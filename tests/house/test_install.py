#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is installed runs from where it lies, whatever the loader's cache knows."""
import glob
import os
import subprocess
import tempfile
import unittest

import source


@unittest.skipUnless(source.has('meson'), 'meson is not installed under that name')
class Install(unittest.TestCase):
    def test_the_installed_program_finds_its_library(self):
        with tempfile.TemporaryDirectory() as folder:
            install = ['meson', 'install', '--no-rebuild', '-C', source.BUILD, '--destdir', folder]
            subprocess.run(install, stdout=subprocess.DEVNULL, check=True)
            program = glob.glob(os.path.join(folder, '**', 'bin', 'pique'), recursive=True)
            self.assertEqual(len(program), 1)
            env = {k: v for k, v in os.environ.items() if k != 'LD_LIBRARY_PATH'}
            done = subprocess.run([program[0], '--version'], env=env, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertRegex(done.stdout, r'^pique \d')
            for name in ('libpique.so.0', 'pique.h', 'pique.1'):
                found = glob.glob(os.path.join(folder, '**', name), recursive=True)
                self.assertEqual(len(found), 1, name)


if __name__ == '__main__':
    unittest.main(verbosity=2)
