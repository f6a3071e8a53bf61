#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How tools/check counts, and how it ends."""
import importlib.machinery
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = os.environ.get('SOURCE_ROOT') or os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
sys.dont_write_bytecode = True


def load():
    path = os.path.join(ROOT, 'tools', 'check')
    loader = importlib.machinery.SourceFileLoader('check', path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('check', loader))
    loader.exec_module(module)
    return module


CMOCKA = '''[==========] Running 4 test(s).
[ RUN      ] a
[       OK ] a
[ RUN      ] b
[  SKIPPED ] b
[ RUN      ] c
[  FAILED  ] c
[ RUN      ] d
[       OK ] d
[==========] 4 test(s) run.
[  PASSED  ] 2 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] b
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] c
'''
MESON = '''#!/usr/bin/env python3
import json, os, sys
if sys.argv[1] == 'setup':
    os.makedirs(sys.argv[-1] + '/meson-logs', exist_ok=True)
    open(sys.argv[-1] + '/build.ninja', 'w').close()
    sys.exit(0)
folder = sys.argv[sys.argv.index('-C') + 1]
os.makedirs(folder + '/meson-logs', exist_ok=True)
with open(folder + '/meson-logs/testlog.json', 'w') as f:
    for r in os.environ['RESULTS'].split():
        f.write(json.dumps({'name': 'x', 'result': r, 'stdout': ''}) + '\\n')
sys.exit('FAIL' in os.environ['RESULTS'])
'''


class Count(unittest.TestCase):
    def setUp(self):
        self.count = load().count

    def test_cases_of_cmocka_are_counted_one_by_one(self):
        self.assertEqual(self.count({'result': 'FAIL', 'stdout': CMOCKA}), (2, 1, 1))
        fine = CMOCKA.split('[  FAILED  ]')[0] + '[       OK ] c\n'
        self.assertEqual(self.count({'result': 'OK', 'stdout': fine, 'stderr': ''})[1], 0)

    def test_a_program_that_dies_among_its_cases_is_one_failure(self):
        cut = CMOCKA[:CMOCKA.index('[ RUN      ] c')]
        self.assertEqual(self.count({'result': 'FAIL', 'stdout': cut}), (1, 1, 0))
        self.assertEqual(self.count({'result': 'TIMEOUT', 'stdout': cut}), (1, 1, 0))

    def test_cases_of_unittest_are_counted_one_by_one(self):
        text = 'Ran 9 tests in 1.2s\n\nFAILED (failures=1, errors=1, skipped=2)\n'
        self.assertEqual(self.count({'result': 'FAIL', 'stderr': text}), (5, 2, 2))
        self.assertEqual(self.count({'result': 'OK', 'stderr': 'Ran 9 tests in 1s\n\nOK\n'}),
                         (9, 0, 0))

    def test_any_other_program_counts_as_one(self):
        self.assertEqual(self.count({'result': 'OK', 'stdout': 'fine'}), (1, 0, 0))
        self.assertEqual(self.count({'result': 'SKIP'}), (0, 0, 1))
        self.assertEqual(self.count({'result': 'TIMEOUT'}), (0, 1, 0))
        self.assertEqual(self.count({'result': 'ERROR'}), (0, 1, 0))


class Whole(unittest.TestCase):
    """tools/check with a Meson and a Ninja that are made up."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='pique-check-')
        self.addCleanup(shutil.rmtree, self.folder)
        os.makedirs(self.folder + '/tools')
        shutil.copy(os.path.join(ROOT, 'tools', 'check'), self.folder + '/tools')
        self.program('meson', MESON)
        self.program('ninja', '#!/bin/sh\nexit "${NINJA:-0}"\n')

    def program(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def run_it(self, results, *words, **env):
        env = dict(os.environ, PATH=self.folder + ':' + os.environ['PATH'], RESULTS=results, **env)
        done = subprocess.run([self.folder + '/tools/check'] + list(words), env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout.splitlines()[-1]

    def test_the_last_line_is_the_sum_over_three_builds(self):
        self.assertEqual(self.run_it('OK OK SKIP'), (0, '6 passed, 0 failed, 3 skipped'))

    def test_arm_is_one_more_that_only_its_name_asks_for(self):
        self.assertEqual(self.run_it('OK OK SKIP', 'arm'), (0, '2 passed, 0 failed, 1 skipped'))
        self.assertEqual(self.run_it('OK FAIL', 'arm'), (1, '1 passed, 1 failed, 0 skipped'))

    def test_one_failure_anywhere_is_a_failure(self):
        self.assertEqual(self.run_it('OK FAIL', 'release'), (1, '1 passed, 1 failed, 0 skipped'))

    def test_a_build_that_does_not_come_about_is_a_failure(self):
        self.assertEqual(self.run_it('OK', 'asan', NINJA='1'), (1, '0 passed, 1 failed, 0 skipped'))


if __name__ == '__main__':
    unittest.main(verbosity=2)
