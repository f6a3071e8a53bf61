#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each header compiles alone: the public ones as C and as C++, the internal ones as C."""
import os
import shutil
import subprocess
import unittest

import source

CC = os.environ.get('CC', 'cc').split()
LIBRARIES = ['vips', 'libavcodec', 'libavutil', 'jansson', 'libsodium', 'libxxhash']
# What may stand in a header of variants, by folder: the machine whose compiler knows it, and the
# flags.
VARIANTS = {
    'src/kernels/x86/': ('x86_64', ['-mavx2', '-mfma', '-mavx512f', '-mavx512bw', '-mavx512dq',
                                    '-mavx512vl']),
    'src/kernels/arm/': ('aarch64', ['-DPQ_WIDE_NEON']),
}
WARN = ['-Wall', '-Wextra', '-Wstrict-prototypes', '-Werror']


def machine(cc):
    """The first word of what this compiler compiles for: x86_64, aarch64."""
    done = subprocess.run(cc + ['-dumpmachine'], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split('-')[0]


def compile_alone(include, language, standard, more, cc=None):
    text = '#include "%s"\n#include "%s"\n' % (include, include)
    flags = [f for f in WARN if language == 'c' or f != '-Wstrict-prototypes']
    command = (cc or CC) + ['-fsyntax-only', '-x', language, '-std=' + standard] + flags + more
    return subprocess.run(command + ['-'], input=text, text=True, stdout=subprocess.PIPE,
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
    def compiles(self, name, include, language, standard, more, cc=None):
        result = compile_alone(include, language, standard, more, cc)
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
        here = machine(CC)
        for name in internal:
            needed, level = VARIANTS.get(os.path.dirname(name) + '/', (here, []))
            if needed == here:
                self.compiles(name, name[len('src/'):], 'c', 'c17', more + level)

    def test_each_header_of_arm_alone_is_c(self):
        cross = ['aarch64-linux-gnu-gcc']
        if machine(CC) == 'aarch64':
            self.skipTest('they are among the others on this machine')
        if not shutil.which(cross[0]):
            self.skipTest('there is no %s here' % cross[0])
        needed, level = VARIANTS['src/kernels/arm/']
        self.assertEqual(machine(cross), needed)
        names = headers('src/kernels/arm/')
        self.assertGreaterEqual(len(names), 2)
        for name in names:
            self.compiles(name, name[len('src/'):], 'c', 'c17',
                          ['-Wno-unused-parameter', '-I' + source.ROOT + '/src',
                           '-I' + source.ROOT + '/include'] + level, cross)

    def test_a_header_that_needs_another_is_found(self):
        result = compile_alone('-', 'c', 'c17', [])
        self.assertNotEqual(result.returncode, 0)


if __name__ == '__main__':
    unittest.main(verbosity=2)
