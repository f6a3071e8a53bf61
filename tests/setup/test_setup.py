#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/setup among made-up commands: each way to refuse, and what it asks root for."""
import os
import pty
import re
import shutil
import stat
import subprocess
import tempfile
import time
import unittest

ROOT = os.environ.get('SOURCE_ROOT') or os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
TOOLS = ['sh', 'sed', 'awk', 'tr', 'wc', 'fold', 'dirname', 'grep', 'env', 'cat', 'true']

PLAN = 'Inst libvips-dev (8.14.1-3 Debian:12 [amd64])\nInst libvips42 (8.14.1-3 Debian:12 [amd64])\n' \
       'Conf libvips42 (8.14.1-3)\n'
URIS = "'http://x/a.deb' a.deb 1500000 SHA256:0\n'http://x/b.deb' b.deb 2600000 SHA256:0\n"


class Place:
    """A folder with a copy of the tool and a PATH of fakes that log how they are called."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='pique-setup-')
        os.makedirs(self.path('bin'))
        os.makedirs(self.path('real'))
        os.makedirs(self.path('tools'))
        for name in ('setup', 'packages.txt'):
            shutil.copy(os.path.join(ROOT, 'tools', name), self.path('tools'))
        # Checks for files that this machine may well have would hide what is being tested.
        with open(self.path('tools/packages.txt')) as f:
            text = f.read()
        with open(self.path('tools/packages.txt'), 'w') as f:
            f.write(text.replace('file:/', 'file:' + self.path('none') + '/'))
        for tool in TOOLS:
            os.symlink(shutil.which(tool), self.path('real', tool))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def fake(self, name, body):
        path = self.path('bin', name)
        with open(path, 'w') as f:
            f.write('#!/bin/sh\nprintf "%%s\\n" "%s $*" >>"%s"\n%s\n' %
                    (name, self.path('log'), body))
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def debian(self, missing='libvips-dev', plan=PLAN, lists='/x/Packages', uid=1000):
        """Everything is installed but `missing`, which is there after an apt-get install."""
        self.fake('dpkg-query', '''
shift 3
for p in "$@"; do
    case " %s " in *" $p "*) [ -f "%s" ] || continue ;; esac
    echo "installed $p"
done''' % (missing, self.path('done')))
        self.fake('apt-get', '''
case " $* " in
*" -s "*) printf '%%s' '%s' ;;
*" --print-uris "*) printf '%%s' "%s" ;;
*" indextargets "*) echo '%s' ;;
*" install "*) : >"%s" ;;
esac''' % (plan, URIS, lists, self.path('done')))
        self.fake('apt-cache', "printf 'Installed-Size: 5000\\nInstalled-Size: 5000\\n'")
        self.fake('id', 'echo %d' % uid)

    def run(self, *words, stdin=subprocess.DEVNULL):
        env = {'PATH': self.path('bin') + ':' + self.path('real'), 'HOME': self.folder}
        result = subprocess.run(['/bin/sh', self.path('tools/setup')] + list(words), env=env,
                                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, timeout=60, check=False)
        return result.returncode, result.stdout

    def log(self):
        if not os.path.exists(self.path('log')):
            return []
        with open(self.path('log')) as f:
            return f.read().splitlines()

    def installs(self):
        return [l for l in self.log() if l.startswith('apt-get ') and ' install ' in l + ' ' and
                ' -s ' not in l and '--print-uris' not in l]


class Setup(unittest.TestCase):
    def setUp(self):
        self.place = Place()
        self.addCleanup(shutil.rmtree, self.place.folder)

    def test_nothing_is_called_or_said_where_everything_is_there(self):
        self.place.debian(missing='none')
        best, end = 9.0, time.monotonic() + 20
        while best >= 0.2 and time.monotonic() < end: # something else may take the machine
            start = time.monotonic()
            self.assertEqual(self.place.run('build', 'demo'), (0, ''))
            best = min(best, time.monotonic() - start)
        self.assertEqual([l for l in self.place.log() if not l.startswith('dpkg-query')], [])
        self.assertLess(best, 0.2)

    def test_without_root_and_sudo_it_gives_one_line_and_69(self):
        self.place.debian()
        code, text = self.place.run()
        self.assertEqual(code, 69)
        self.assertEqual(text.splitlines()[-1],
                         'apt-get install --no-install-recommends libvips-dev')
        self.assertEqual(self.place.installs(), [])

    def test_where_nobody_can_type_a_password_it_gives_one_line_and_69(self):
        self.place.debian()
        self.place.fake('sudo', '[ "$1" = -n ] && exit 1\nexec "$@"')
        code, text = self.place.run()
        self.assertEqual(code, 69)
        self.assertEqual(text.splitlines()[-1],
                         'sudo apt-get install --no-install-recommends libvips-dev')
        self.assertEqual(self.place.installs(), [])

    def test_where_there_are_no_lists_the_line_gets_them_first(self):
        self.place.debian(lists='')
        install = 'apt-get install --no-install-recommends libvips-dev'
        self.assertEqual(self.place.run()[1].splitlines()[-1], 'apt-get update && ' + install)
        self.place.fake('sudo', '[ "$1" = -n ] && exit 1\nexec "$@"')
        self.assertEqual(self.place.run()[1].splitlines()[-1],
                         'sudo apt-get update && sudo ' + install)
        self.assertNotIn('apt-get update', self.place.log())

    def test_on_a_terminal_sudo_may_ask(self):
        self.place.debian()
        self.place.fake('sudo', '[ "$1" = -n ] && exit 1\nexec "$@"')
        try:
            master, slave = pty.openpty()
        except OSError as e:
            self.skipTest('no terminal can be made here: %s' % e)
        code, text = self.place.run(stdin=slave)
        os.close(master)
        os.close(slave)
        self.assertEqual(code, 0, text)
        self.assertEqual(len(self.place.installs()), 1)

    def test_sudo_is_asked_for_the_installation_only_and_after_the_list_and_size(self):
        self.place.debian()
        self.place.fake('sudo', '[ "$1" = -n ] && shift\nexec "$@"')
        code, text = self.place.run()
        self.assertEqual(code, 0, text)
        lines = text.splitlines()
        self.assertEqual(lines[0], 'Missing: libvips-dev')
        self.assertIn('2 packages: 4.1 MB to download, 10 MB on disk', lines[1])
        self.assertIn('libvips-dev libvips42', lines[2])
        self.assertTrue(any(l.startswith('+ sudo env') for l in lines[3:]))
        sudo = [l for l in self.place.log() if l.startswith('sudo')]
        self.assertEqual(len(sudo), 2)
        self.assertEqual(sudo[0], 'sudo -n true')
        for flag in ('--no-install-recommends', '--no-upgrade', '--no-remove', ' -y '):
            self.assertIn(flag, sudo[1])
        self.assertNotIn('apt-get update', '\n'.join(self.place.log()))

    def test_root_needs_no_sudo(self):
        self.place.debian(uid=0)
        code, text = self.place.run()
        self.assertEqual(code, 0, text)
        self.assertEqual(len(self.place.installs()), 1)

    def test_lists_are_fetched_once_where_there_are_none(self):
        self.place.debian(uid=0, lists='')
        code, text = self.place.run()
        self.assertEqual(code, 0, text)
        self.assertEqual(self.place.log().count('apt-get update'), 1)

    def test_an_upgrade_is_refused(self):
        self.place.debian(uid=0, plan='Inst libc6 [2.36-1] (2.36-2 Debian:12 [amd64])\n' + PLAN)
        code, text = self.place.run()
        self.assertEqual(code, 69)
        self.assertIn('libc6 (upgraded)', text)
        self.assertEqual(self.place.installs(), [])

    def test_a_removal_is_refused(self):
        self.place.debian(uid=0, plan='Remv libfoo [1.0]\n' + PLAN)
        code, text = self.place.run()
        self.assertEqual(code, 69)
        self.assertIn('libfoo (removed)', text)
        self.assertEqual(self.place.installs(), [])

    def test_a_failed_installation_is_69(self):
        self.place.debian(uid=0)
        self.place.fake('apt-get', '''
case " $* " in
*" -s "*|*" --print-uris "*) ;;
*" indextargets "*) echo x ;;
*) exit 100 ;;
esac''')
        self.assertEqual(self.place.run()[0], 69)

    def test_elsewhere_than_on_debian_it_lists_and_stops(self):
        code, text = self.place.run()
        self.assertEqual(code, 69)
        self.assertIn('not a Debian system', text)
        for name in ('meson', 'libvips-dev', 'libcmocka-dev'):
            self.assertIn(name, text)

    def test_elsewhere_what_is_there_is_not_asked_for(self):
        os.makedirs(self.place.path('none/usr/include'))
        open(self.place.path('none/usr/include/stdio.h'), 'w').close()
        for name in ('make', 'meson', 'ninja', 'gcc', 'pkg-config', 'ffmpeg'):
            self.place.fake(name, '')
        self.assertEqual(self.place.run(), (0, ''))
        self.place.fake('pkg-config', '[ "$2" != vips ]')
        code, text = self.place.run()
        self.assertEqual((code, text.splitlines()[-1]), (69, 'libvips-dev'))

    def test_the_oracles_get_every_module_that_they_ask_for(self):
        with open(os.path.join(ROOT, 'tests', 'oracles', 'need.py'), encoding='utf-8') as f:
            needed = re.search(r"for name in \((.*?)\)", f.read()).group(1)
        with open(os.path.join(ROOT, 'tools', 'packages.txt'), encoding='utf-8') as f:
            listed = re.findall(r'^oracle .* py:(\w+)$', f.read(), re.M)
        self.assertEqual(sorted(re.findall(r"'(\w+)'", needed)), sorted(listed))

    def test_a_group_that_is_none_is_a_usage_error(self):
        self.assertEqual(self.place.run('nonsense')[0], 2)


if __name__ == '__main__':
    unittest.main(verbosity=2)
