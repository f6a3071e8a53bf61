#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What was set up once needs no network again: in a network namespace without one."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.environ.get('SOURCE_ROOT') or os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
BUILD = os.environ.get('BUILD_ROOT', '')


def namespace():
    """Words that run a command without a network, or None where that is not allowed here."""
    for words in (['unshare', '-n'], ['unshare', '-rn']):
        if shutil.which('unshare') and subprocess.run(words + ['true'], stderr=subprocess.DEVNULL,
                                                      check=False).returncode == 0:
            return words
    return None


def quiet(words):
    done = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=110, check=False)
    return done.returncode, done.stdout


def models_folder():
    """As pique finds it."""
    env = os.environ.get
    data = env('XDG_DATA_HOME') or os.path.expanduser('~/.local/share')
    return env('PIQUE_MODELS') or os.path.join(data, 'pique', 'models')


class Network(unittest.TestCase):
    def setUp(self):
        self.words = namespace()
        if not self.words:
            self.skipTest('no network namespace can be made here')

    def test_the_namespace_has_no_network(self):
        code, text = quiet(self.words + ['cat', '/proc/net/route'])
        self.assertEqual(code, 0)
        self.assertLessEqual(len(text.splitlines()), 1, text)  # a heading at most

    def test_the_second_set_up_needs_none(self):
        # We are built, so all is there. apt-get must not even be asked.
        folder = tempfile.mkdtemp(prefix='pique-network-')
        self.addCleanup(shutil.rmtree, folder)
        for name in ('apt-get', 'sudo'):
            with open(os.path.join(folder, name), 'w', encoding='utf-8') as f:
                f.write('#!/bin/sh\necho "$0 was called"\nexit 1\n')
            os.chmod(f.name, 0o755)
        path = 'PATH=' + folder + ':' + os.environ['PATH']
        self.assertEqual(quiet(self.words + ['env', path, 'tools/setup', 'build']), (0, ''))

    def test_the_second_demo_needs_none(self):
        program = os.path.join(BUILD, 'pique')
        if BUILD != os.path.join(ROOT, 'build') or not os.path.exists(program):
            self.skipTest('for the release build alone')
        model = os.path.join(models_folder(), 'realesr-animevideov3-x4.bin')
        if not os.path.isdir(os.path.join(BUILD, 'demo')) or not os.path.exists(model):
            self.skipTest('the demo has not run here')
        code, text = quiet(self.words + ['make', 'demo'])
        self.assertEqual(code, 0, text)
        self.assertIn('here already', text)
        self.assertIn('Upscaled x4:', text)


if __name__ == '__main__':
    if not namespace():
        print('skipped: no network namespace can be made here')
        sys.exit(77)
    unittest.main(verbosity=2)
