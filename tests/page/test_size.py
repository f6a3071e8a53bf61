#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the program carries of the page: that the list of files is whole, that squeezing them changes
nothing, and that all of them together stay small."""
import gzip
import os
import re
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
WEB = os.path.join(ROOT, 'web')
sys.path.insert(0, os.path.join(ROOT, 'tools'))
from squeeze_page import squeeze  # noqa: E402

MOST_BYTES = 60000


def names():
    with open(os.path.join(WEB, 'files.txt'), encoding='ascii') as f:
        return f.read().split()


def read(name):
    with open(os.path.join(WEB, name), 'rb') as f:
        return f.read()


class Size(unittest.TestCase):
    def test_what_a_browser_loads_is_at_most_60_kB_compressed(self):
        """Of the two languages one is loaded at a time; licences are there for who asks."""
        absent = [n for n in names() if not os.path.exists(os.path.join(WEB, n))]
        if absent:
            print('skipped: %s is missing; run: make setup' % absent[0])
            raise unittest.SkipTest(absent[0])
        sizes = {n: len(gzip.compress(squeeze(n, read(n)), 9, mtime=0)) for n in names()}
        loaded = sum(s for n, s in sizes.items() if not n.startswith('strings/')
                     and not n.endswith('.txt'))
        loaded += max(s for n, s in sizes.items() if n.startswith('strings/'))
        print('the page: %d bytes compressed' % loaded)
        self.assertLessEqual(loaded, MOST_BYTES,
                             sorted(sizes.items(), key=lambda x: -x[1])[:8])

    def test_the_list_has_every_file_that_is_there(self):
        there = set()
        for folder in ('js', 'strings'):
            there |= {folder + '/' + n for n in os.listdir(os.path.join(WEB, folder))}
        listed = {n for n in names() if n.startswith(('js/', 'strings/'))}
        self.assertEqual(sorted(listed ^ there), [])

    def test_every_module_that_is_imported_is_listed(self):
        for name in names():
            if not name.startswith('js/'):
                continue
            for other in re.findall(r"from '([^']+)'", read(name).decode()):
                path = os.path.normpath(os.path.join(os.path.dirname(name), other))
                self.assertIn(path, names(), name)

    def test_no_file_has_a_script_or_a_style_inside(self):
        html = read('index.html').decode()
        self.assertNotRegex(html, r'<style|\sstyle=|\son\w+=|<script>')
        for name in names():
            if name.startswith('js/'):
                text = read(name).decode()
                self.assertNotRegex(text, r'\beval\(|new Function|innerHTML|\sstyle="', name)

    def test_no_string_looks_like_a_comment(self):
        """What the squeezing of modules counts on: behind " // " comes no end of a string."""
        for name in names():
            if name.startswith('js/'):
                for line in read(name).decode().split('\n'):
                    before = re.sub(r' +// .*', '', line)
                    for quote in '\'"':
                        self.assertEqual(before.count(quote) % 2 and line.count(quote) % 2 == 0,
                                         False, '%s: %s' % (name, line))

    def test_squeezing_leaves_code_and_takes_comments(self):
        got = squeeze('js/a.js', b"// head\n\n/* ---- a ---- */\n    f('http://x'); // why\n").decode()
        self.assertEqual(got, "f('http://x');\n")
        self.assertEqual(squeeze('a.css', b'/* x */ a { b: c; }\n'), b'a{b:c;}\n')
        self.assertEqual(squeeze('vendor/a.js', b'// theirs\n'), b'// theirs\n')


if __name__ == '__main__':
    unittest.main()
