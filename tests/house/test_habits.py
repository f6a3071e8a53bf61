#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How the project writes: what no file may hold, and what each must."""
import os
import re
import unittest

import source

# Calls that go through base/, where a test can fail the N-th of them.
WRAPPED = re.compile(r'(?<![\w.>])(malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|'
                     r'vasprintf|aligned_alloc|posix_memalign|open|openat|creat|fopen|fdopen|read|'
                     r'pread|write|pwrite|fread|fwrite|rename|renameat2?|mmap|fsync|fdatasync)\s*\(')

# Where a layer calls one of them all the same, and why.
ALLOWED = {
    'src/cli/child.c': {'open', 'read', 'write'},  # in a new process, and what it says at once
    'src/job/process.c': {'open', 'read', 'write'},  # pipes, and what a new process begins with
    'src/server/folders.c': {'open'},  # O_PATH: a root for openat2()
    'src/job/sandbox_files.c': {'open'},  # O_PATH: names a file for the kernel, opens nothing
}

# Below the program, nothing ends the process.
ENDS = re.compile(r'(?<![\w.>])(exit|_exit|abort|quick_exit|_Exit)\s*\(')

LEFTOVER = re.compile(r'\b(TO[D]O|FIX[M]E|X[X]X|HAC[K])\b')

TEXT = re.compile(r'\.(c|h|cc|py|sh|build|txt|md|json|def|map|supp|in|yml)$|(^|/)(Makefile|LICENSE|'
                  r'run|setup|demo|check)$')
SOURCE = re.compile(r'\.(c|h|py|sh|def)$|(^|/)(Makefile|meson_options\.txt)$|^tools/[^.]*$|'
                    r'^\.ci/run$')


def calls(name, text, pattern):
    allowed = ALLOWED.get(name, {})
    found = []
    for number, line in enumerate(source.code(text).split('\n'), 1):
        for m in pattern.finditer(line):
            if m.group(1) not in allowed:
                found.append('%s:%d: %s()' % (name, number, m.group(1)))
    return found


class Habits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.names = source.files()
        cls.texts = {n: source.read(n) for n in cls.names if TEXT.search(n)}

    def test_memory_and_files_go_through_base(self):
        found = []
        for name, text in self.texts.items():
            if re.match(r'src/.*\.[ch]$', name) and not name.startswith('src/base/'):
                found += calls(name, text, WRAPPED)
        self.assertEqual(found, [])

    def test_nothing_below_the_program_ends_the_process(self):
        found = []
        for name, text in self.texts.items():
            if re.match(r'src/.*\.[ch]$', name) and \
                    not name.startswith(('src/cli/', 'src/job/process.c')):
                found += calls(name, text, ENDS)
        self.assertEqual(found, [])

    def test_a_direct_call_is_found_and_a_member_or_a_comment_is_not(self):
        self.assertEqual(len(calls('src/x/x.c', 'p = malloc(3);', WRAPPED)), 1)
        self.assertEqual(calls('src/x/x.c', 'a->free(a); a.open(b); pq_free(c); /* free(d) */',
                               WRAPPED), [])
        self.assertEqual(calls('src/x/x.c', 'puts("free(memory)");', WRAPPED), [])

    def test_each_source_file_begins_with_its_licence(self):
        for name in self.names:
            if SOURCE.search(name):
                head = '\n'.join(source.read(name).split('\n')[:3])
                self.assertIn('SPDX-License-Identifier: MIT', head, name)

    def test_nothing_is_left_to_do(self):
        for name, text in self.texts.items():
            self.assertIsNone(LEFTOVER.search(text), name)

    def test_lines_end_and_files_end_as_editorconfig_says(self):
        for name, text in self.texts.items():
            self.assertNotIn('\r', text, name)
            self.assertIsNone(re.search(r'[ \t]$', text, re.M), name + ': white space at a line end')
            if text:
                self.assertTrue(text.endswith('\n'), name + ': no line feed at its end')

    def test_no_line_of_c_is_longer_than_100_columns(self):
        for name, text in self.texts.items():
            if name.endswith(('.c', '.h', '.cu')):
                for number, line in enumerate(text.split('\n'), 1):
                    self.assertLessEqual(len(line), 100, '%s:%d' % (name, number))

    def test_nobody_changes_the_umask_which_all_threads_and_children_share(self):
        for name, text in self.texts.items():
            if re.match(r'src/.*\.c$', name):
                self.assertNotRegex(text, r'\bumask\(', name)

    def test_no_file_is_over_one_megabyte(self):
        for name in self.names:
            size = os.path.getsize(os.path.join(source.ROOT, name))
            self.assertLessEqual(size, 1 << 20, name)

    def test_no_weights_are_committed(self):
        small = re.compile(r'\.(bin|safetensors)$|^tests/golden/nets/[^/]*\.pth$')  # random numbers
        for name in self.names:
            if not small.search(name):
                self.assertNotRegex(name, r'\.(pth|pt|ckpt|onnx|gguf)$')
            else:
                size = os.path.getsize(os.path.join(source.ROOT, name))
                self.assertLessEqual(size, (320 if 'tests/golden/nets/' in name else 128) << 10, name)

    def test_internal_headers_use_pragma_once_and_public_ones_a_guard(self):
        for name, text in self.texts.items():
            if re.match(r'src/.*\.h$', name):
                self.assertIn('#pragma once', text, name)
            elif re.match(r'include/.*\.h$', name):
                self.assertRegex(text, r'#ifndef PIQUE_[A-Z]+_H\n#define PIQUE_[A-Z]+_H\n', name)


if __name__ == '__main__':
    unittest.main(verbosity=2)
