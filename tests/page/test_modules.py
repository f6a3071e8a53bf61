#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Getting the page's modules, with packages and a registry that are made up: no network here."""
import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
PACKAGES = {
    'preact': {'dist/preact.mjs': 'export const h = 1;\n//# sourceMappingURL=preact.mjs.map\n',
               'hooks/dist/hooks.mjs': 'import{options as n}from"preact";export default n;\n',
               'LICENSE': 'theirs\n'},
    'htm': {'dist/htm.mjs': 'export default 2;\n', 'LICENSE': 'theirs\n'},
}


def package(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w:gz') as tar:
        for name, text in files.items():
            info = tarfile.TarInfo('package/' + name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


class Modules(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        for folder in ('tools', 'web', 'bin', 'registry'):
            os.mkdir(os.path.join(self.dir, folder))
        shutil.copy(os.path.join(ROOT, 'tools', 'page_modules'), os.path.join(self.dir, 'tools'))
        # The interpreter itself: what is called python3 may be a script that needs other programs.
        os.symlink(os.path.realpath(sys.executable), os.path.join(self.dir, 'bin', 'python3'))
        for tool in ('cp', 'sh', 'env', 'touch'):
            os.symlink(shutil.which(tool), os.path.join(self.dir, 'bin', tool))
        lock = {'packages': {}}
        for name, files in PACKAGES.items():
            data = package(files)
            with open(os.path.join(self.dir, 'registry', name + '-1.0.0.tgz'), 'wb') as f:
                f.write(data)
            total = base64.b64encode(hashlib.sha512(data).digest()).decode()
            lock['packages']['node_modules/' + name] = {'version': '1.0.0',
                                                        'integrity': 'sha512-' + total}
        with open(os.path.join(self.dir, 'web', 'package-lock.json'), 'w', encoding='utf-8') as f:
            json.dump(lock, f)

    def tearDown(self):
        shutil.rmtree(self.dir)

    def tool(self, name, text):
        path = os.path.join(self.dir, 'bin', name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write('#!/bin/sh\n' + text)
        os.chmod(path, 0o755)

    def npm(self):
        # The last word is NAME@VERSION; what it packs comes to where it stands.
        self.tool('npm', 'for w; do :; done; touch %s/asked; cp %s/registry/"${w%%@*}"-1.0.0.tgz .\n'
                  % (self.dir, self.dir))

    def run_it(self):
        r = subprocess.run([os.path.join(self.dir, 'tools', 'page_modules')], text=True,
                           env={'PATH': os.path.join(self.dir, 'bin')}, stderr=subprocess.PIPE)
        return r.returncode, r.stderr

    def vendor(self, name):
        with open(os.path.join(self.dir, 'web', 'vendor', name), encoding='utf-8') as f:
            return f.read()

    def test_names_of_packages_become_addresses_beside_the_file(self):
        self.npm()
        code, text = self.run_it()
        self.assertEqual(code, 0, text)
        self.assertIn('preact 1.0.0', text)
        self.assertEqual(self.vendor('hooks.js'),
                         'import{options as n}from"./preact.js";export default n;\n')
        self.assertEqual(self.vendor('preact.js'), 'export const h = 1;\n')
        self.assertEqual(self.vendor('htm.licence.txt'), 'theirs\n')

    def test_where_all_is_there_nobody_is_asked_and_nothing_said(self):
        self.npm()
        self.run_it()
        os.remove(os.path.join(self.dir, 'asked'))
        self.assertEqual(self.run_it(), (0, ''))
        self.assertFalse(os.path.exists(os.path.join(self.dir, 'asked')))

    def test_a_package_with_another_sum_is_refused_and_nothing_of_it_is_kept(self):
        self.npm()
        with open(os.path.join(self.dir, 'registry', 'preact-1.0.0.tgz'), 'ab') as f:
            f.write(b'x')
        code, text = self.run_it()
        self.assertEqual(code, 65)
        self.assertIn('SHA-512 differs', text)
        self.assertFalse(os.path.exists(os.path.join(self.dir, 'web', 'vendor', 'preact.js')))

    def test_without_npm_curl_gets_it(self):
        self.tool('curl', 'while [ "$1" != --output ]; do shift; done; cp %s/registry/"${3##*/}" "$2"\n'
                  % self.dir)
        self.assertEqual(self.run_it()[0], 0)
        self.assertEqual(self.vendor('htm.js'), 'export default 2;\n')

    def test_without_a_way_to_the_registry_it_says_so(self):
        self.tool('npm', 'exit 1\n')
        code, text = self.run_it()
        self.assertEqual(code, 69)
        self.assertIn('is the network there?', text)


if __name__ == '__main__':
    unittest.main()
