#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each header compiles alone: the public ones as C and as C++, the internal ones as C."""
import os
import subprocess
import unittest

import source

CC = os.environ.get('CC', 'cc').split()
LIBRARIES = ['vips', 'libavcodec', 'libavutil', 'jansson', 'libsodium', 'libxxhash']
# What may stand in a header of x86 variants.
LEVELS = ['-mavx2', '-mfma', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl']
WARN = ['-Wall', '-Wextra', '-Wstrict-prototypes', '-Werror']


def compile_alone(include, language, standard, more):
    text = '#include "%s"\n#include "%s"\n' % (include, include)
    flags = [f for f in WARN if language == 'c' or f != '-Wstrict-prototypes']
    return subprocess.run(CC + ['-fsyntax-only', '-x', language, '-std=' + standard] + flags + more +
                          ['-'], input=text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)


def library_flags():
    """Where the libraries' own headers are; one that is not there needs no flags."""
    flags = []
    for name in LIBRARIES:
        done = subprocess.run(['pkg-config', '--cflags', name], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False)
        flags += done.stdout.split()
    return list(dict.fromkeys(flags))


def headers(prefix):
    return [n for n in source.files() if n.startswith(prefix) and n.endswith('.h')]


class Headers(unittest.TestCase):
    def compiles(self, name, include, language, standard, more):
        result = compile_alone(include, language, standard, more)
        self.assertEqual(result.returncode, 0, '%s as %s:\n%s' % (name, standard, result.stdout))

    def test_each_public_header_alone_is_c(self):
        public = headers('include/pique/')
        self.assertGreaterEqual(len(public), 5)
        for name in public:
            for standard in ('c99', 'c17'):
                self.compiles(name, name[len('include/'):], 'c', standard,
                              ['-I' + source.ROOT + '/include', '-pedantic'])

    def test_each_public_header_alone_is_cpp(self):
        empty = subprocess.run(CC + ['-fsyntax-only', '-x', 'c++', '-'], input='#include <stddef.h>\n',
                               text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               check=False)
        if empty.returncode != 0:
            self.skipTest('this compiler has no C++')
        for name in headers('include/pique/'):
            self.compiles(name, name[len('include/'):], 'c++', 'c++11',
                          ['-I' + source.ROOT + '/include', '-pedantic'])

    def test_each_internal_header_alone_is_c(self):
        internal = headers('src/')
        self.assertGreaterEqual(len(internal), 10)
        more = ['-D_GNU_SOURCE', '-Wno-unused-parameter', '-I' + source.ROOT + '/src',
                '-I' + source.ROOT + '/include', '-I' + source.BUILD + '/src']
        more += library_flags()
        for name in internal:
            level = LEVELS if name.startswith('src/kernels/x86/') else []
            self.compiles(name, name[len('src/'):], 'c', 'c17', more + level)

    def test_a_header_that_needs_another_is_found(self):
        result = compile_alone('-', 'c', 'c17', [])
        self.assertNotEqual(result.returncode, 0)


if __name__ == '__main__':
    unittest.main(verbosity=2)
