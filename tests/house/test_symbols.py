#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the built libraries export."""
import glob
import os
import re
import subprocess
import unittest

import source


def exported(path):
    """Names that a shared library defines for others, with their version, but no absolute ones (a
    version itself is one) and none that a sanitizer adds."""
    out = subprocess.run(['nm', '-D', '--defined-only', '--with-symbol-versions', path],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    names = [line.split()[-1] for line in out.splitlines() if line.split()[-2] not in ('A', 'a')]
    return [n for n in names if not re.match(r'_*(asan|ubsan|tsan|lsan|sanitizer)', n)]


def module(kind):
    """A module, or None where it is not built."""
    found = [p for p in glob.glob(os.path.join(source.BUILD, 'src', '**', 'pique-%s.so' % kind),
                                  recursive=True) if os.path.isfile(p)]
    return found[0] if found else None


@unittest.skipUnless(source.has('nm'), 'nm is not installed')
class Symbols(unittest.TestCase):
    def shared_object(self):
        path = os.path.join(source.BUILD, 'libpique.so')
        self.assertTrue(os.path.exists(path), path)
        return path

    def test_the_library_exports_pique_names_only(self):
        for name in exported(self.shared_object()):
            self.assertRegex(name, r'^pique_[a-z0-9_]+@@PIQUE_0$')

    def test_what_the_public_headers_declare_is_exported(self):
        declared = set()
        for name in source.files():
            if re.match(r'include/pique/.*\.h$', name):
                text = source.code(source.read(name))
                text = re.sub(r'typedef[^;]*;', '', text)
                declared |= set(re.findall(r'\b(pique_[a-z0-9_]+)\s*\(', text))
        names = {n.split('@')[0] for n in exported(self.shared_object())}
        self.assertGreater(len(declared), 20)
        self.assertEqual(sorted(declared - names), [])

    def test_its_name_carries_the_version_of_the_interface(self):
        out = subprocess.run(['readelf', '-d', self.shared_object()], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
        self.assertIn('[libpique.so.0]', out)

    def test_each_module_exports_one_name_and_needs_none_of_ours(self):
        for kind in ('picture', 'video'):
            path = module(kind)
            if not path:
                self.skipTest('the %s module is not built here' % kind)
            self.assertEqual([n.split('@')[0] for n in exported(path)],
                             ['pique_%s_module' % kind])
            out = subprocess.run(['nm', '-D', '--undefined-only', path], stdout=subprocess.PIPE,
                                 text=True, check=True).stdout
            self.assertEqual(re.findall(r'\b(?:pq|pique)_\w+', out), [])


if __name__ == '__main__':
    unittest.main(verbosity=2)
