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


def module():
    """The picture module, or None where it is not built."""
    found = [p for p in glob.glob(os.path.join(source.BUILD, '**', '*picture*.so*'), recursive=True)
             if os.path.isfile(p)]
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

    def test_the_picture_module_exports_one_name(self):
        if not module():
            self.skipTest('the picture module is not built here')
        names = exported(module())
        self.assertEqual(len(names), 1, names)
        self.assertRegex(names[0], r'^pq_|^pique_')


if __name__ == '__main__':
    unittest.main(verbosity=2)
