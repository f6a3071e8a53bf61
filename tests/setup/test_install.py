#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `meson install` puts below a prefix works there: the program finds library and module, and
a program of somebody else is built and run with what pkg-config says."""
import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import unittest

ROOT = os.environ.get('SOURCE_ROOT') or os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
BUILD = os.environ.get('BUILD_ROOT', os.path.join(ROOT, 'build'))
LIBDIR = os.environ.get('LIBDIR', 'lib')
MAKE_MODEL = os.path.join(BUILD, 'tests', 'model', 'make-model')
PICTURE = b'P6\n5 4\n255\n' + bytes(range(60))


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='pique-install-')
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.root = os.path.join(cls.folder, 'root')
        done = subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', cls.root],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stdout)
        found = [os.path.dirname(p) for p, _, names in os.walk(cls.root)
                 if os.path.basename(p) == 'bin' and 'pique' in names]
        cls.prefix = found[0]
        with open(os.path.join(cls.folder, 'in.ppm'), 'wb') as f:
            f.write(PICTURE)
        cls.model = os.path.join(cls.folder, 'tiny.safetensors')
        subprocess.run([MAKE_MODEL, cls.model, '4', '2', '2', '7'], check=True,
                       stdout=subprocess.DEVNULL)

    def run_here(self, words, **more):
        env = {k: v for k, v in os.environ.items()
               if k not in ('LD_LIBRARY_PATH', 'PIQUE_MODULE_DIR')}
        env.update(more)
        done = subprocess.run(words, cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=100, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def size(self, name):
        with open(os.path.join(self.folder, name), 'rb') as f:
            return f.read().split()[1:3]

    def test_the_program_finds_the_library_that_came_with_it(self):
        program = os.path.join(self.prefix, 'bin', 'pique')
        self.assertRegex(self.run_here([program, '--version']), r'^pique \d')
        if not shutil.which('readelf'):
            self.skipTest('readelf is not installed')
        text = self.run_here(['readelf', '-d', program])
        self.assertEqual(re.findall(r'(?:RUNPATH|RPATH).*\[(.*)\]', text), ['$ORIGIN/../' + LIBDIR])

    def test_the_program_finds_the_picture_module(self):
        if not os.path.exists(os.path.join(self.prefix, LIBDIR, 'pique', 'pique-picture.so')):
            self.skipTest('the picture module is not built here')
        program = os.path.join(self.prefix, 'bin', 'pique')
        self.run_here([program, '-m', self.model, '-o', 'out.ppm', 'in.ppm'])
        self.assertEqual(self.size('out.ppm'), [b'10', b'8'])

    def test_manual_page_and_completions_are_there(self):
        for name in ('man/man1/pique.1', 'man/fr/man1/pique.1',
                     'bash-completion/completions/pique.bash', 'zsh/site-functions/_pique', 'fish/vendor_completions.d/pique.fish'):
            self.assertGreater(os.path.getsize(os.path.join(self.prefix, 'share', name)), 200, name)

    def test_each_manual_page_speaks_its_language(self):
        for name, heading in (('man/man1/pique.1', '.SH NAME'), ('man/fr/man1/pique.1', '.SH NOM')):
            with open(os.path.join(self.prefix, 'share', name), encoding='utf-8') as f:
                self.assertIn(heading + '\n', f.read())

    def test_the_example_is_built_as_it_says_and_runs(self):
        if os.environ.get('SANITIZED') != 'none':
            self.skipTest('a sanitized library needs a sanitized program')
        library = os.path.join(self.prefix, LIBDIR)
        flags = shlex.split(self.run_here(
            ['pkg-config', '--define-variable=prefix=' + self.prefix, '--cflags', '--libs', 'pique'],
            PKG_CONFIG_PATH=os.path.join(library, 'pkgconfig')))
        self.assertIn('-lpique', flags)
        source = os.path.join(ROOT, 'examples', 'upscale.c')
        self.run_here(os.environ.get('CC', 'cc').split() + ['-Wall', '-Werror', source] + flags +
                      ['-o', 'upscale'])
        if not os.path.exists(os.path.join(library, 'pique', 'pique-picture.so')):
            self.skipTest('the picture module is not built here')
        text = self.run_here(['./upscale', self.model, 'in.ppm', 'example.ppm'],
                             LD_LIBRARY_PATH=library)
        self.assertIn('example.ppm: 10 x 8', text)
        self.assertEqual(self.size('example.ppm'), [b'10', b'8'])
        env = dict(os.environ, LD_LIBRARY_PATH=library)
        gone = subprocess.run(['./upscale', self.model, 'gone.ppm', 'b.ppm'], cwd=self.folder,
                              env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        self.assertEqual(gone.returncode, 1)
        self.assertIn('gone.ppm', gone.stdout)


class Prefix(unittest.TestCase):
    """`make install` with a Meson and a Ninja that only say how they were called."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='pique-prefix-')
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copy(os.path.join(ROOT, 'Makefile'), self.folder)
        os.makedirs(self.path('build/meson-info'))
        os.makedirs(self.path('build/meson-logs'))
        for name in ('build/build.ninja', 'build/meson-logs/install-log.txt'):
            with open(self.path(name), 'w', encoding='utf-8'):
                pass
        with open(self.path('build/meson-info/intro-buildoptions.json'), 'w', encoding='utf-8') as f:
            f.write('[{"name": "prefix", "value": "/usr/local", "section": "directory"}]')
        os.makedirs(self.path('bin'))
        for name in ('meson', 'ninja', 'pkg-config', 'ldconfig'):
            with open(self.path('bin', name), 'w', encoding='utf-8') as f:
                f.write('#!/bin/sh\necho "%s $*"\n' % name)
            os.chmod(f.name, os.stat(f.name).st_mode | stat.S_IXUSR)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def install(self, *words):
        env = {k: v for k, v in os.environ.items() if not k.startswith(('MAKE', 'MFLAGS', 'SUDO'))}
        env = {k: v for k, v in env.items() if k not in ('PREFIX', 'DESTDIR', 'BUILD')}
        env['PATH'] = self.path('bin') + ':' + os.environ['PATH']
        done = subprocess.run(['make', '-C', self.folder, '--no-print-directory', 'install'] +
                              list(words), env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return [l for l in done.stdout.splitlines() if l != 'ldconfig ']

    def test_a_prefix_that_is_given_counts_in_a_folder_that_was_built_for_another(self):
        self.assertEqual(self.install('PREFIX=/opt/pique'), [
            'meson configure --prefix=/opt/pique build', 'ninja -C build',
            'meson install -C build --no-rebuild'])

    def test_the_prefix_that_it_was_built_for_changes_nothing(self):
        calls = ['ninja -C build', 'meson install -C build --no-rebuild']
        self.assertEqual(self.install('PREFIX=/usr/local'), calls)
        self.assertEqual(self.install(), calls)


if __name__ == '__main__':
    unittest.main(verbosity=2)
