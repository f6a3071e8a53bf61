#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the built program as a user does: files, folders, pipes, terminals, signals.

    test_cli.py GROUP        one class of this file, or all without a name

PIQUE_PROGRAM is the program, PIQUE_MAKE_MODEL writes the tiny models. Pictures are written here,
with nothing but zlib. Exit status 77: everything in the group was skipped."""
import fcntl
import json
import os
import pty
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
import zlib

PROGRAM = os.environ.get('PIQUE_PROGRAM', 'pique')
MAKE_MODEL = os.environ.get('PIQUE_MAKE_MODEL', '')
SANITIZED = os.environ.get('PIQUE_TEST_SANITIZED') == '1'
# Of what is tried again and again, some: a sanitizer takes ten times as long.
LESS = SANITIZED and not os.environ.get('PIQUE_TEST_FULL')
TIMEOUT = 240 # of what hangs; a machine may stand still for a while


# ---- pictures ----

def chunk(kind, data):
    crc = zlib.crc32(kind + data)
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', crc)


def png(width, height, rows=None, claim=None, seed=1):
    """An 8-bit RGB PNG; rows: 'noise' or None for a gradient. claim: the size that it lies."""
    rng = random.Random(seed)
    raw = bytearray()
    for y in range(height):
        raw.append(0)
        if rows == 'noise':
            raw += rng.getrandbits(24 * width).to_bytes(3 * width, 'big')
        else:
            for x in range(width):
                raw += bytes(((x * 7 + seed) % 256, (y * 5) % 256, (x + y) % 256))
    w, h = claim or (width, height)
    head = struct.pack('>IIBBBBB', w, h, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(bytes(raw)))
            + chunk(b'IEND', b''))


def large_png(width, height):
    """A large one, made quickly: all rows alike."""
    row = b'\0' + bytes((x * 3) % 256 for x in range(3 * width))
    deflate = zlib.compressobj(1)
    data = b''.join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', data) + chunk(b'IEND', b'')


def ppm(width, height):
    return b'P6\n%d %d\n255\n' % (width, height) + bytes(
        (i * 11) % 256 for i in range(3 * width * height))


def png_size(data):
    """Width and height of a PNG that is whole: every chunk's sum and all pixels are there."""
    if data[:8] != b'\x89PNG\r\n\x1a\n':
        raise ValueError('not a PNG')
    at, pixels, head = 8, b'', None
    while at < len(data):
        length, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if struct.unpack('>I', data[at + 8 + length:at + 12 + length])[0] != zlib.crc32(kind + body):
            raise ValueError('damaged chunk')
        if kind == b'IHDR':
            head = struct.unpack('>IIBBBBB', body)
        if kind == b'IDAT':
            pixels += body
        at += 12 + length
    width, height, depth, colour = head[:4]
    channels = {0: 1, 2: 3, 4: 2, 6: 4, 3: 1}[colour]
    want = height * (1 + (width * channels * depth + 7) // 8)
    if kind != b'IEND' or len(zlib.decompress(pixels)) != want:
        raise ValueError('not whole')
    return width, height


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def write(path, data):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with open(path, 'wb') as f:
        f.write(data)


# ---- the program ----

def until_caught(process, number):
    """Until the program has a handler for a signal."""
    end = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < end:
        with open('/proc/%d/status' % process.pid, encoding='utf-8') as f:
            caught = int(re.search(r'SigCgt:\s*(\w+)', f.read()).group(1), 16)
        if caught >> (number - 1) & 1:
            return
        time.sleep(0.02)


class Case(unittest.TestCase):
    models = None

    @classmethod
    def setUpClass(cls):
        if not os.access(MAKE_MODEL, os.X_OK):
            raise unittest.SkipTest('PIQUE_MAKE_MODEL is not there')
        cls.models = tempfile.mkdtemp(prefix='pique-models-')
        cls.make_model('tiny', 4, 2, 2)

    @classmethod
    def tearDownClass(cls):
        if cls.models:
            shutil.rmtree(cls.models)

    @classmethod
    def make_model(cls, name, features, convs, scale, suffix='.safetensors'):
        path = os.path.join(cls.models, name + suffix)
        subprocess.run([MAKE_MODEL, path, str(features), str(convs), str(scale), '7'], check=True,
                       stdout=subprocess.DEVNULL, timeout=TIMEOUT)
        return path

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='pique-cli-')
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.cache = tempfile.mkdtemp(prefix='pique-cache-')
        self.addCleanup(shutil.rmtree, self.cache, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def put(self, name, data=None):
        write(self.path(name), png(6, 5) if data is None else data)
        return name

    def environment(self, **more):
        env = dict(os.environ, PIQUE_MODELS=self.models or self.dir, HOME=self.dir, TERM='xterm',
                   XDG_CACHE_HOME=self.cache)
        env.pop('NO_COLOR', None)
        env['PIQUE_LANG'] = 'en'  # whose sentences are compared here
        if SANITIZED:
            # The thread-local memory of the codecs' threads makes gcc 12's leak check crash.
            env['ASAN_OPTIONS'] = ':'.join(filter(None, [env.get('ASAN_OPTIONS'),
                                                         'intercept_tls_get_addr=0']))
            env['LSAN_OPTIONS'] = 'suppressions=%s:print_suppressions=0' % os.path.join(
                os.path.dirname(os.path.abspath(__file__)), '..', 'image', 'lsan.supp')
        env.update(more)
        return env

    def run_pique(self, *words, stdin=b'', model='tiny', env=None, program=None):
        line = list(program or [PROGRAM]) + list(words)
        if model:
            line += ['-m', model]
        return subprocess.run(line, cwd=self.dir, env=env or self.environment(), input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT,
                              check=False)

    def check(self, result, status, *sentences):
        """The exit status, and words that stand in one line of stderr."""
        text = result.stderr.decode('utf-8', 'replace')
        self.assertEqual(result.returncode, status, text)
        self.assertNotIn('Sanitizer', text)
        for sentence in sentences:
            self.assertIn(sentence, text)
        if status:
            self.assertTrue(text.startswith('pique: '), text)

    def files(self, folder=''):
        found = []
        for root, _, names in os.walk(self.path(folder)):
            found += [os.path.relpath(os.path.join(root, n), self.path(folder)) for n in names]
        return sorted(found)

    def assert_png(self, name, width, height):
        self.assertEqual(png_size(read(self.path(name))), (width, height), name)

    def events(self, result):
        return [json.loads(line) for line in result.stdout.splitlines()]


# ---- groups ----

class Quick(Case):
    """What needs no model."""

    @classmethod
    def setUpClass(cls):
        pass

    def fastest(self, *words):
        """Of several times, more where the machine is busy with something else."""
        best, tried, end = 9.0, 0, time.monotonic() + 20
        while tried < 7 or best >= 0.05 and time.monotonic() < end and not SANITIZED:
            start = time.monotonic()
            result = self.run_pique(*words, model=None)
            best = min(best, time.monotonic() - start)
            self.check(result, 0)
            tried += 1
        return best

    def test_version_and_models_answer_within_50_ms(self):
        for words in (['--version'], ['models']):
            seconds = self.fastest(*words)
            if not SANITIZED:
                self.assertLess(seconds, 0.05, words)

    def test_version_is_one_line(self):
        result = self.run_pique('--version', model=None)
        self.assertRegex(result.stdout.decode(), r'^pique \d+\.\d+\.\d+\n$')

    def test_help_fits_a_screen(self):
        for words in (['--help'], ['-h'], ['models', '--help'], ['models', 'fetch', '--help']):
            result = self.run_pique(*words, model=None)
            self.check(result, 0)
            lines = result.stdout.decode().splitlines()
            self.assertLessEqual(len(lines), 23)
            self.assertLessEqual(max(map(len, lines)), 80)

    def test_generated_texts_are_printed(self):
        for words, begin in ((['man'], '.TH PIQUE'), (['complete', 'bash'], '# bash'),
                             (['complete', 'zsh'], '#compdef pique'),
                             (['complete', 'fish'], '# fish'), (['schema'], '{')):
            result = self.run_pique(*words, model=None)
            self.check(result, 0)
            self.assertTrue(result.stdout.decode().startswith(begin), words)

    def test_a_command_line_that_makes_no_sense_is_2(self):
        self.put('a.png')
        lines = [
            ([], 'nothing to do'), (['a.png', '--scal', '2'], 'did you mean --scale?'),
            (['a.png', '-s', '2', '--fit', '10x10'], '--scale and --fit'),
            (['a.png', '-o', 'x.bmp'], "'.bmp' cannot be written"),
            (['a.png', '-o', 'x.png', '-f', 'webp'], 'different formats'),
            (['a.png', 'a.png', '-o', 'x.png'], 'one file'),
            (['.', '-o', 'x.png'], 'is a folder'), (['-', '-', '-o', 'out'], 'named twice'),
            (['a.png', '-o', '-', '--json'], 'standard output'),
            (['models', 'nonsense'], 'nonsense'), (['models', 'info'], 'takes NAME|FILE'),
            (['complete', 'tcsh'], 'tcsh'), (['complete', 'bash', 'zsh'], 'takes one'),
            (['devices', 'x'], "takes no 'x'"), (['models', 'fetch'], 'takes NAME'),
            (['models', 'verify', '--all'], 'no option --all'),
            (['models', 'fetch', '--from', 'elsewhere', 'x'], 'upstream or npm'),
            (['a.png', '-o', 'x.png', '--quality', '50'], 'png has no quality'),
            (['a.png', '-o', 'x.jpg', '--compression', '5'], 'not for jpg')]
        for words, sentence in lines:
            with self.subTest(words):
                self.check(self.run_pique(*words, model=None), 2, sentence)
        self.assertEqual(self.files(), ['a.png'])

    def test_a_scale_that_makes_no_sense_is_2_and_names_it(self):
        self.put('a.png')
        for scale in ('0', '-1', 'nan', '1e9', 'inf', '', 'four'):
            result = self.run_pique('a.png', '-s', scale, model=None)
            self.check(result, 2, '--scale takes a number above 0 and at most 64')
            if scale:
                self.check(result, 2, f"not '{scale}'")
        self.assertEqual(self.files(), ['a.png'])

    def test_missing_inputs_are_66_before_any_model_is_looked_for(self):
        self.put('notes/readme.txt', b'text')
        for name, sentence in (('gone.png', 'gone.png: cannot be read: No such file'),
                               ('notes', 'notes: the folder holds no picture'),
                               ('notes/readme.txt/x', 'Not a directory')):
            self.check(self.run_pique(name, '-m', 'no-such-model', model=None), 66, sentence)

    def test_an_unknown_model_is_69_and_a_missing_model_file_66(self):
        self.put('a.png')
        result = self.run_pique('a.png', model='realesr-animevideo3')
        self.check(result, 69, 'realesr-animevideo3')
        self.assertIn('realesr-animevideov3', result.stderr.decode())
        self.check(self.run_pique('a.png', model='./gone.safetensors'), 66, 'gone.safetensors')
        self.check(self.run_pique('models', 'info', 'no-such-model-at-all', model=None), 69,
                   'no-such-model-at-all')

    @unittest.skipUnless(shutil.which('bash'), 'bash is not here')
    def test_completion_does_not_run_what_files_are_called(self):
        models = self.path('models')
        for name in ('$(touch ran)', '`touch ran`', 'a b', '*'):
            write(os.path.join(models, name + '.safetensors'), b'')
        self.put('x y.png')
        script = '''
            compopt() { :; }
            eval "$("$PROGRAM" complete bash)"
            pique() { "$PROGRAM" "$@"; }
            ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _pique
                    printf '<%s>' "${COMPREPLY[@]}"; echo; }
            ask pique -m ''
            ask pique models info ''
            ask pique x
            ask pique -f we'''
        done = subprocess.run(['bash', '-c', script], cwd=self.dir, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=TIMEOUT, check=False,
                              env=self.environment(PIQUE_MODELS=models, PROGRAM=PROGRAM))
        lines = done.stdout.decode().splitlines()
        self.assertEqual(len(lines), 4, done)
        for line in lines[:2]:
            for name in ('<$(touch ran)>', '<`touch ran`>', '<a b>', '<*>'):
                self.assertIn(name, line)
        self.assertEqual(lines[2:], ['<x y.png>', '<webp><webm>'])
        self.assertEqual(self.files(), ['models/$(touch ran).safetensors', 'models/*.safetensors',
                                        'models/`touch ran`.safetensors',
                                        'models/a b.safetensors', 'x y.png'])

    def test_lists_that_cannot_be_written_are_74(self):
        for words in (['models'], ['models', 'verify'], ['devices'], ['--version']):
            with open('/dev/full', 'wb') as full:
                done = subprocess.run([PROGRAM, *words], stdout=full, stderr=subprocess.PIPE,
                                      env=self.environment(), timeout=TIMEOUT, check=False)
            self.check(done, 74, 'standard output: cannot be written')

    def test_devices_and_models_are_listed(self):
        result = self.run_pique('devices', '--json', model=None)
        self.check(result, 0)
        devices = json.loads(result.stdout)
        cpu = [d for d in devices if d['id'] == 'cpu'][0]
        self.assertTrue(cpu['usable'] and cpu['threads'] >= 1)
        self.assertIn('cpu', self.run_pique('devices', model=None).stdout.decode())
        listed = json.loads(self.run_pique('models', '--json', model=None).stdout)
        default = [m for m in listed['models'] if m['default']]
        self.assertEqual([m['name'] for m in default], ['realesr-animevideov3'])
        self.assertFalse(default[0]['installed'])
        text = self.run_pique('models', model=None).stdout.decode()
        for m in listed['models']:
            self.assertIn(m['name'], text)
            self.assertIn(m['licence'], text)


class Naming(Case):
    def test_one_input_and_a_picture_name_is_that_file(self):
        self.put('a.png')
        self.check(self.run_pique('a.png', '-o', 'b.webp'), 0)
        self.assertEqual(read(self.path('b.webp'))[8:12], b'WEBP')
        self.check(self.run_pique('a.png', '-o', 'c.png'), 0)
        self.assert_png('c.png', 12, 10)
        self.check(self.run_pique('a.png', '-o', 'd.jpg'), 0)
        self.assertEqual(read(self.path('d.jpg'))[:2], b'\xff\xd8')

    def test_without_o_the_output_stands_beside_and_tells_its_size(self):
        self.put('in/a.png')
        for words, name, size in (([], 'a_x2.png', (12, 10)), (['-s', '4x'], 'a_x4.png', (24, 20)),
                                  (['-s', '1.5'], 'a_x1.5.png', (9, 8)),
                                  (['--width', '20', '--height', '9'], 'a_20x9.png', (20, 9)),
                                  (['--suffix', '_big'], 'a_big.png', (12, 10))):
            self.check(self.run_pique('in/a.png', *words), 0)
            self.assert_png('in/' + name, *size)

    def test_a_folder_is_made_and_gets_all(self):
        self.put('a.png')
        self.put('b.ppm', ppm(4, 3))
        self.check(self.run_pique('a.png', 'b.ppm', '-o', 'new/out'), 0)
        self.assertEqual(self.files('new/out'), ['a.png', 'b.png'])
        self.check(self.run_pique('a.png', '-o', 'jpegs/', '-f', 'jpeg', '--suffix', '_n'), 0)
        self.assertEqual(self.files('jpegs'), ['a_n.jpg'])

    def test_names_never_collide_whatever_the_order(self):
        for name in ('a.png', 'my.photo.png'):
            self.put(name)
        for name in ('a.ppm', 'my.photo.ppm'):
            self.put(name, ppm(4, 3))
        names = ['a.png', 'a.ppm', 'my.photo.png', 'my.photo.ppm']
        want = ['a_png.png', 'a_ppm.png', 'my.photo_png.png', 'my.photo_ppm.png']
        for out, order in (('o1', names), ('o2', names[::-1])):
            self.check(self.run_pique(*order, '-o', out), 0)
            self.assertEqual(self.files(out), want)
            self.assert_png(out + '/a_png.png', 12, 10)
            self.assert_png(out + '/a_ppm.png', 8, 6)

    def test_files_of_one_name_from_two_folders_do_not_collide(self):
        self.put('x/a.png')
        self.put('y/a.png')
        self.check(self.run_pique('y/a.png', 'x/a.png', '-o', 'out'), 0)
        self.assertEqual(self.files('out'), ['x_a.png', 'y_a.png'])
        self.check(self.run_pique('x', 'y', '-o', 'out2'), 0)
        self.assertEqual(self.files('out2'), ['x/a.png', 'y/a.png'])

    def test_an_input_is_never_replaced(self):
        before = read(self.path(self.put('a.png')))
        self.check(self.run_pique('a.png', '-o', 'a.png', '-y'), 73, 'a.png')
        self.check(self.run_pique('a.png', '-o', '.', '-y'), 73, 'would replace an input')
        self.check(self.run_pique('a.png', '--suffix', '', '-y'), 73, 'would replace an input')
        os.symlink('.', self.path('link'))
        self.check(self.run_pique('a.png', '-o', 'link/a.png', '-y'), 73)
        self.assertEqual(read(self.path('a.png')), before)

    def test_a_link_that_is_an_input_is_never_replaced(self):
        self.put('real/a.png')
        os.symlink('real/a.png', self.path('l.png'))
        self.check(self.run_pique('l.png', '-o', 'l.png', '-y'), 73, 'input and output at once')
        self.check(self.run_pique('l.png', '--suffix', '', '-y'), 73, 'would replace an input')
        self.check(self.run_pique('l.png', 'real', '-o', '.', '-y'), 73, 'would replace an input')
        self.assertTrue(os.path.islink(self.path('l.png')))

    def test_the_longest_names_work_and_longer_ones_are_refused_at_once(self):
        self.put('n' * 251 + '.png')
        self.put('ü' * 125 + '.png')
        self.check(self.run_pique('.', '-o', 'out'), 0)
        self.assertEqual(self.files('out'), ['n' * 251 + '.png', 'ü' * 125 + '.png'])
        shutil.rmtree(self.path('out'))
        result = self.run_pique('.')
        self.check(result, 73, '_x2.png: cannot be created: File name too long')
        self.assertEqual(len(self.files()), 2)

    def test_strange_names_work(self):
        for name in ('-s.png', 'a b.png', 'new\nline.png', 'esc\x1b[31m.png', 'ünï.png'):
            self.put(name)
        with open(os.path.join(self.dir.encode(), b'bad\xff.png'), 'wb') as f:
            f.write(png(3, 3))
        result = self.run_pique('.', '-o', 'out', '--json')
        self.check(result, 0)
        self.assertEqual(len([e for e in self.events(result) if e['event'] == 'file_done']), 6)
        self.assertEqual(len(os.listdir(self.path('out').encode())), 6)
        self.check(self.run_pique('-o', 'out2', '--model', 'tiny', '--', '-s.png', model=None), 0)
        self.assertEqual(self.files('out2'), ['-s.png'])
        result = self.run_pique('gone\x1b[31m.png')
        self.check(result, 66)
        self.assertNotIn(b'\x1b', result.stderr)

    def test_a_dry_run_writes_nothing(self):
        self.put('a.png')
        result = self.run_pique('a.png', '-o', 'out', '--dry-run')
        self.check(result, 0)
        self.assertEqual(result.stdout.decode(), 'a.png (6x5) -> out/a.png\n')
        self.assertEqual(self.files(), ['a.png'])


class Tree(Case):
    def fill(self):
        for name in ('in/b.png', 'in/a.png', 'in/sub/deep/c.png', 'in/sub/d.PNG'):
            self.put(name)
        for name in ('in/.hidden.png', 'in/Thumbs.db', 'in/desktop.ini', 'in/__MACOSX/a.png',
                     'in/.git/x.png', 'in/.DS_Store', 'in/notes.txt', 'in/sub/._c.png'):
            self.put(name, b'junk')

    def test_the_tree_is_mirrored_and_junk_is_left_out(self):
        self.fill()
        result = self.run_pique('in', '-o', 'out', '--json')
        self.check(result, 0)
        self.assertEqual(self.files('out'), ['a.png', 'b.png', 'sub/d.png', 'sub/deep/c.png'])
        done = [e['input'] for e in self.events(result) if e['event'] == 'file_done']
        self.assertEqual(done, ['in/a.png', 'in/b.png', 'in/sub/d.PNG', 'in/sub/deep/c.png'])

    def test_no_recursive_stays_in_the_folder(self):
        self.fill()
        self.check(self.run_pique('in/', '-o', 'out', '--no-recursive'), 0)
        self.assertEqual(self.files('out'), ['a.png', 'b.png'])

    def test_links_that_lead_in_a_circle_end(self):
        self.fill()
        os.symlink('..', self.path('in/sub/up'))
        os.symlink('self', self.path('in/self'))
        os.symlink('gone.png', self.path('in/dangling.png'))
        self.check(self.run_pique('in', '-o', 'out'), 0)
        self.assertEqual(self.files('out'), ['a.png', 'b.png', 'sub/d.png', 'sub/deep/c.png'])

    def test_an_output_folder_inside_the_input_folder_is_not_walked(self):
        self.fill()
        for _ in range(2):
            self.check(self.run_pique('in', '-o', 'in/out', '-y'), 0)
            self.assertEqual(self.files('in/out'),
                             ['a.png', 'b.png', 'sub/d.png', 'sub/deep/c.png'])
        self.check(self.run_pique('in', '-o', 'in'), 73, 'input and output folder at once')

    def test_a_second_run_beside_its_inputs_does_not_upscale_its_own_outputs(self):
        self.put('in/a.png')
        self.check(self.run_pique('in'), 0)
        self.assertEqual(self.files('in'), ['a.png', 'a_x2.png'])
        self.check(self.run_pique('in', '--skip-existing'), 0)
        self.check(self.run_pique('in', '-y'), 0)
        self.assertEqual(self.files('in'), ['a.png', 'a_x2.png'])

    def test_a_file_named_twice_is_done_once(self):
        self.put('in/a.png')
        result = self.run_pique('in/a.png', './in/a.png', 'in', '-o', 'out', '--json')
        self.check(result, 0)
        self.assertEqual(self.files('out'), ['a.png'])


class Existing(Case):
    def test_the_default_refuses_and_the_others_go_on(self):
        self.put('a.png')
        self.put('b.png')
        self.put('out/a.png', b'old')
        self.check(self.run_pique('a.png', 'b.png', '-o', 'out'), 73, 'out/a.png: exists already')
        self.assertEqual(read(self.path('out/a.png')), b'old')
        self.assert_png('out/b.png', 12, 10)

    def test_overwrite_replaces(self):
        self.put('a.png')
        self.put('out/a.png', b'old')
        self.check(self.run_pique('a.png', '-o', 'out', '-y'), 0)
        self.assert_png('out/a.png', 12, 10)
        self.assertEqual(self.files('out'), ['a.png'])

    def test_skip_existing_leaves_and_counts(self):
        self.put('a.png')
        self.put('b.png')
        self.put('out/a.png', b'old')
        result = self.run_pique('a.png', 'b.png', '-o', 'out', '--skip-existing', '--json')
        self.check(result, 0)
        self.assertEqual(result.stderr, b'')
        self.assertEqual(read(self.path('out/a.png')), b'old')
        end = self.events(result)[-1]
        self.assertEqual((end['event'], end['done'], end['skipped'], end['failed'], end['exit']),
                         ('end', 1, 1, 0, 0))


class BadInput(Case):
    """Each with a good picture before and after it, which must be done."""

    def batch(self, bad, status, *sentences, words=()):
        self.put('1.png')
        self.put('3.png')
        result = self.run_pique('1.png', bad, '3.png', '-o', 'out', *words)
        self.check(result, status, bad, *sentences)
        self.assert_png('out/1.png', 12, 10)
        self.assert_png('out/3.png', 12, 10)
        self.assertEqual(self.files('out'), ['1.png', '3.png'])

    def test_missing(self):
        self.batch('2.png', 66, 'No such file')

    def test_empty(self):
        self.batch(self.put('2.png', b''), 65)

    def test_not_a_picture(self):
        self.batch(self.put('2.png', b'this is no picture at all\n' * 100), 65)

    def test_truncated(self):
        whole = png(64, 64, 'noise')
        for part in (9, 30, 60, len(whole) // 2, len(whole) - 20):
            with self.subTest(part):
                shutil.rmtree(self.path('out'), ignore_errors=True)
                self.batch(self.put('2.png', whole[:part]), 65)

    def test_a_size_that_lies(self):
        for claim in ((16, 60000), (16, 17), (60000, 16), (65535, 65535), (2147483647, 2147483647),
                      (0, 5)):
            with self.subTest(claim):
                shutil.rmtree(self.path('out'), ignore_errors=True)
                self.put('2.png', png(16, 16, claim=claim))
                self.put('1.png')
                self.put('3.png')
                result = self.run_pique('1.png', '2.png', '3.png', '-o', 'out')
                # 75: a row so wide may be over the memory before it is seen to be missing.
                self.assertIn(result.returncode, (65, 75), result.stderr)
                self.assertIn(b'2.png', result.stderr)
                self.assertEqual(self.files('out'), ['1.png', '3.png'])

    def test_a_portable_pixmap_that_lies(self):
        self.batch(self.put('2.ppm', b'P6 99999 99999 255\n' + bytes(100)), 65)

    def test_a_folder_without_pictures(self):
        self.put('2/readme.txt', b'text')
        self.batch('2', 66, 'holds no picture')

    def test_an_output_that_cannot_be_written(self):
        self.put('a.png')
        self.check(self.run_pique('a.png', '-o', 'gone/b.png'), 73, 'gone/b.png')
        self.put('file', b'x')
        self.check(self.run_pique('a.png', '-o', 'file/sub'), 73, 'file')
        self.check(self.run_pique('a.png', '-o', '/proc/b.png'), 73, '/proc/b.png')
        self.assertEqual(self.files(), ['a.png', 'file'])

    def test_a_device_that_is_not_there(self):
        self.put('a.png')
        self.check(self.run_pique('a.png', '--device', 'abacus'), 69, 'abacus')
        self.check(self.run_pique('a.png', '--precision', 'fp16'), 69,
                   "'cpu' does not compute in fp16")
        self.assertEqual(self.files(), ['a.png'])

    def test_a_full_disk(self):
        self.put('1.png')
        self.put('2.png', png(160, 160, 'noise'))
        self.put('3.png')
        os.mkdir(self.path('full'))
        script = ('mount -t tmpfs -o size=64k none full || exit 77\n'
                  '"$@"\nstatus=$?\nls -A full\nexit $status')
        words = ['unshare', '-rm', 'sh', '-c', script, 'sh', PROGRAM]
        if not shutil.which('unshare'):
            self.skipTest('unshare is not there')
        result = self.run_pique('1.png', '2.png', '3.png', '-o', 'full', '-q', program=words)
        if result.returncode in (1, 77) and b'pique' not in result.stderr:
            self.skipTest('no small file system can be mounted here: ' + result.stderr.decode())
        self.check(result, 75, 'full/2.png')
        self.assertEqual(result.stdout.decode().split(), ['1.png', '3.png'])


class BadModel(Case):
    def refuse(self, data, status=65, *sentences):
        write(self.path('bad.safetensors'), data)
        result = self.run_pique('a.png', '-o', 'out', model='./bad.safetensors')
        self.check(result, status, 'bad.safetensors', *sentences)
        self.assertFalse(os.path.exists(self.path('out')))

    def setUp(self):
        super().setUp()
        self.put('a.png')
        self.whole = read(os.path.join(self.models, 'tiny.safetensors'))
        length = struct.unpack('<Q', self.whole[:8])[0]
        self.header = json.loads(self.whole[8:8 + length])
        self.weights = self.whole[8 + length:]

    def pack(self, header, weights=None):
        text = json.dumps(header).encode()
        return struct.pack('<Q', len(text)) + text + (self.weights if weights is None else weights)

    def test_the_model_itself_works_when_packed_again(self):
        write(self.path('good.safetensors'), self.pack(self.header))
        self.check(self.run_pique('a.png', '-o', 'out', model='./good.safetensors'), 0)
        self.assert_png('out/a.png', 12, 10)

    def test_a_model_cut_anywhere_is_refused(self):
        size = len(self.whole)
        step = max(1, size // (12 if SANITIZED else 40))
        for cut in sorted({0, 1, 7, 8, 9, size - 1} | set(range(0, size, step))):
            with self.subTest(cut):
                self.refuse(self.whole[:cut])

    def test_a_tensor_of_the_wrong_shape_is_named(self):
        name = [n for n in self.header if n.endswith('.weight') and
                len(self.header[n].get('shape', [])) == 4][0]
        header = json.loads(json.dumps(self.header))
        header[name]['shape'] = header[name]['shape'][::-1]
        self.refuse(self.pack(header), 65, name)

    def test_a_missing_tensor_is_refused(self):
        names = sorted((n for n in self.header if n != '__metadata__'),
                       key=lambda n: self.header[n]['data_offsets'])
        last = names[-1]
        header = {n: v for n, v in self.header.items() if n != last}
        self.refuse(self.pack(header, self.weights[:self.header[last]['data_offsets'][0]]), 65)

    def test_a_header_that_lies_is_refused(self):
        for size in (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1):
            with self.subTest(size):
                self.refuse(struct.pack('<Q', size) + self.whole[8:])

    def test_a_file_that_is_no_model_is_refused(self):
        for data in (b'', b'hello', png(9, 9), os.urandom(4096)):
            self.refuse(data)

    def test_what_files_say_does_not_steer_the_terminal(self):
        evil = 'e\x1b[31m\x9b2J\u202e'
        model = read(self.make_model('evil', 4, 2, 2))
        size = struct.unpack('<Q', model[:8])[0]
        head = json.loads(model[8:8 + size])
        head['__metadata__'] = {evil: evil + '\nlicence        MIT'}
        text = json.dumps(head).encode()
        models = self.path('models')
        write(os.path.join(models, evil + '.safetensors'),
              struct.pack('<Q', len(text)) + text + model[8 + size:])
        os.makedirs(self.path(evil))
        env = self.environment(PIQUE_MODELS=models)
        for words in (['models'], ['models', 'info', evil], [evil, '-o', 'x.png'],
                      ['devices', evil], ['models', 'info', 'no' + evil], ['a.png', '--' + evil]):
            result = self.run_pique(*words, model=None, env=env)
            shown = (result.stdout + result.stderr).decode()
            self.assertIn('e?[31m?2J?', shown)
            for character in '\x1b\x9b\u202e':
                self.assertNotIn(character, shown, words)
        info = self.run_pique('models', 'info', evil, model=None, env=env).stdout.decode()
        self.assertNotIn('\nlicence ', info)
        info = self.run_pique('models', 'info', evil, '--json', model=None, env=env).stdout.decode()
        self.assertIn('\\u001b[31m\\u009b2J\\u202e', info)
        self.assertEqual(json.loads(info)['metadata'], head['__metadata__'])

    def test_info_tells_what_is_in_a_file(self):
        result = self.run_pique('models', 'info', 'tiny', '--json', model=None)
        self.check(result, 0)
        info = json.loads(result.stdout)
        self.assertEqual(info['architecture'], 'Compact')
        self.assertEqual((info['scale_num'], info['scale_den'], info['features']), (2, 1, 4))
        names = {t['name']: t['shape'] for t in info['tensors']}
        for name, tensor in self.header.items():
            if name != '__metadata__':
                self.assertEqual(names[name], tensor['shape'])
        self.assertIs(info['fp16_safe'], True)
        self.assertNotIn('fp16_unsafe', info)
        self.assertIs(info['int16_safe'], True)
        text = self.run_pique('models', 'info', 'tiny', model=None).stdout.decode()
        self.assertIn(info['sha256'], text)
        self.assertIn('fp16           safe\n', text)
        self.assertIn('int16          safe\n', text)
        self.assertIn(info['tensors'][0]['name'], text)
        self.assertIn('tiny', self.run_pique('models', model=None).stdout.decode())
        self.assertIn(b'tiny\n', self.run_pique('models', '--names', model=None).stdout)


class Pipes(Case):
    def test_a_picture_goes_through_a_pipe(self):
        result = self.run_pique('-', '-o', '-', stdin=png(6, 5))
        self.check(result, 0)
        self.assertEqual(png_size(result.stdout), (12, 10))
        self.assertEqual(result.stderr, b'')
        result = self.run_pique('-', '-s', '3', stdin=png(6, 5))
        self.assertEqual(png_size(result.stdout), (18, 15))

    def test_a_pipe_keeps_the_format_unless_told(self):
        result = self.run_pique('-', '-f', 'jpeg', stdin=png(6, 5))
        self.check(result, 0)
        jpeg = result.stdout
        self.assertEqual(jpeg[:2], b'\xff\xd8')
        self.assertEqual(self.run_pique('-', stdin=jpeg).stdout[:2], b'\xff\xd8')

    def test_one_end_may_be_a_file(self):
        self.put('a.png')
        self.assertEqual(png_size(self.run_pique('a.png', '-o', '-').stdout), (12, 10))
        self.check(self.run_pique('-', '-o', 'b.png', stdin=png(6, 5)), 0)
        self.assert_png('b.png', 12, 10)
        self.check(self.run_pique('-', '-o', 'out/', stdin=png(6, 5)), 0)
        self.assert_png('out/stdin.png', 12, 10)

    def test_bad_data_from_a_pipe_writes_nothing(self):
        result = self.run_pique('-', stdin=b'nonsense' * 99)
        self.check(result, 65)
        self.assertRegex(result.stderr, b'^pique: (standard input|-): ')
        self.assertEqual(result.stdout, b'')
        self.check(self.run_pique('-', '-o', 'x.png', stdin=b''), 65)
        self.assertEqual(self.files(), [])

    def test_names_of_outputs_are_printed_where_stdout_is_no_terminal(self):
        self.put('a.png')
        self.put('b.png')
        result = self.run_pique('a.png', 'gone.png', 'b.png', '-o', 'out')
        self.check(result, 66, 'gone.png')
        self.assertEqual(result.stdout, b'out/a.png\nout/b.png\n')
        result = self.run_pique('a.png', '-o', 'out', '-y', '-q')
        self.assertEqual((result.stdout, result.stderr), (b'', b''))

    def test_closed_streams_do_not_end_in_a_file(self):
        self.put('a.png')
        self.check(self.run_pique('a.png', '-o', 'right.png'), 0)
        for closed, status in ((0, 0), (1, 74), (2, 0)):
            shell = ['sh', '-c', f'exec "$@" {closed}>&-', 'sh', PROGRAM]
            done = self.run_pique('a.png', '-o', 'b.png', '-y', '-vv', '--json', program=shell)
            self.assertEqual(done.returncode, status, done)
            self.assertEqual(read(self.path('b.png')), read(self.path('right.png')))
        self.assertEqual(self.files(), ['a.png', 'b.png', 'right.png'])

    def test_a_full_standard_output_is_74_and_says_so(self):
        self.put('a.png')
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([PROGRAM, 'a.png', '-o', 'b.png', '-m', 'tiny'], cwd=self.dir,
                                  env=self.environment(), stdout=full, stderr=subprocess.PIPE,
                                  timeout=TIMEOUT, check=False)
        self.check(done, 74, 'standard output: cannot be written')
        self.assert_png('b.png', 12, 10)

    def test_a_reader_that_goes_away_is_74(self):
        self.put('a.png', png(200, 200, 'noise'))
        process = subprocess.Popen([PROGRAM, 'a.png', '-o', '-', '-m', 'tiny'], cwd=self.dir,
                                   env=self.environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.read(8)
        process.stdout.close()
        text = process.stderr.read().decode()
        process.stderr.close()
        self.assertEqual(process.wait(TIMEOUT), 74, text)
        self.assertIn('standard output', text)


class Batch(Case):
    """Pictures of one size that go through the network together."""

    def pictures(self):
        for i in range(7):
            self.put('in/%d.png' % i, png(21, 17, 'noise', seed=i))
        for i in range(2):
            self.put('in/%d.png' % (7 + i), png(30, 12, 'noise', seed=i))
        self.put('in/9.png', png(21, 17, 'noise', seed=9))

    def hashes(self, *words):
        result = self.run_pique('in', '-o', 'out', '-y', '--json', *words)
        self.check(result, 0)
        events = self.events(result)
        return ({e['input']: e['hash'] for e in events if e['event'] == 'file_done'},
                [e for e in events if e['event'] == 'saved'])

    def test_one_hash_at_every_batch(self):
        self.pictures()
        want, saved = self.hashes('--no-parallel')
        self.assertEqual((len(want), saved), (10, []))
        for batch in ('1', '2', '3', '8', 'auto'):
            got, saved = self.hashes('--batch', batch)
            self.assertEqual(got, want, batch)
            if batch == 'auto': # one at a time is as fast
                self.assertEqual(saved, [])
            if batch == '3':
                self.assertEqual([(e['batch'], e['frames'], e['first']) for e in saved],
                                 [(1, 3, 0), (2, 3, 3), (3, 2, 7)])
        self.assertEqual(len(self.files('out')), 10)

    def test_a_damaged_one_leaves_the_others_alone(self):
        self.pictures()
        whole = read(self.path('in', '2.png'))
        write(self.path('in', '2.png'), whole[:-300])
        result = self.run_pique('in', '-o', 'out', '--json', '--batch', '4')
        self.assertEqual(result.returncode, 65)
        events = self.events(result)
        failed = [e['input'] for e in events if e['event'] == 'file_failed']
        self.assertEqual(failed, ['in/2.png'])
        self.assertEqual(len([e for e in events if e['event'] == 'file_done']), 9)
        self.assertEqual(len(self.files('out')), 9)

    def test_what_cannot_be_done_is_told_of_it_alone(self):
        self.pictures()
        self.put('in/sub/a.png', png(21, 17, 'noise'))
        self.put('in/zub/a.png', png(21, 17, 'noise'))
        self.put('out/3.png', b'mine')
        self.put('out/sub', b'where a folder should be')
        result = self.run_pique('in', '-o', 'out', '--json', '--batch', '8')
        events = self.events(result)
        failed = {e['input']: e['message'] for e in events
                  if e['event'] == 'file_failed'}
        self.assertEqual(sorted(failed), ['in/3.png', 'in/sub/a.png'])
        self.assertIn('exists already', failed['in/3.png'])
        self.assertIn('out/sub', failed['in/sub/a.png'])
        self.assertEqual(len([e for e in events if e['event'] == 'file_done']), 10)
        self.assertEqual(read(self.path('out/3.png')), b'mine')

    def test_the_files_are_the_same(self):
        self.pictures()
        for batch in ('1', '3'):
            self.check(self.run_pique('in', '-o', 'out' + batch, '--batch', batch), 0)
        self.assertEqual(self.files('out1'), self.files('out3'))
        for name in self.files('out1'):
            self.assertEqual(read(self.path('out1', name)), read(self.path('out3', name)), name)

    def test_it_is_told_with_v(self):
        self.pictures()
        result = self.run_pique('in', '-o', 'out', '-v', '--batch', '4')
        self.check(result, 0, 'Batch 1: 4 pictures upscaled and saved',
                   'Batch 2: 3 pictures upscaled and saved')


class Chain(Case):
    """Several models one after the other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_model('restore', 4, 2, 1)

    def hash_of(self, model, *words):
        result = self.run_pique('a.png', '-o', 'x.png', '-y', '--json', *words, model=model)
        self.check(result, 0)
        return [e['hash'] for e in self.events(result) if e['event'] == 'file_done'][0]

    def test_names_and_files_follow_one_another(self):
        self.put('a.png', png(20, 15, 'noise'))
        shutil.copy(os.path.join(self.models, 'restore.safetensors'), self.path('r.safetensors'))
        result = self.run_pique('a.png', '--json', '-v', model='r.safetensors,tiny')
        self.check(result, 0, 'model r.safetensors (Compact, x1)', '2 models, x2 together')
        self.assertEqual(self.files(), ['a.png', 'a_x2.png', 'r.safetensors'])
        self.assert_png('a_x2.png', 40, 30)
        start = self.events(result)[0]
        self.assertEqual([m['scale'] for m in start['models']], [1, 2])
        self.assertEqual((start['scale'], start['model']), (2, start['models'][0]))

    def test_a_model_that_does_not_enlarge_restores(self):
        self.put('a.png', png(20, 15, 'noise'))
        self.check(self.run_pique('a.png', model='restore,restore'), 0)
        self.assert_png('a_x1.png', 20, 15)

    def test_the_last_that_enlarges_runs_as_often_as_needed(self):
        self.put('a.png', png(20, 15, 'noise'))
        result = self.run_pique('a.png', '-s', '7', '--json', model='restore,tiny')
        self.check(result, 0)
        self.assert_png('a_x7.png', 140, 105)
        done = [e for e in self.events(result) if e['event'] == 'file_done'][0]
        self.assertEqual(done['passes'], 4)

    def test_one_hash_over_threads_bands_and_memory(self):
        self.put('a.png', png(37, 31, 'noise'))
        hashes = {self.hash_of('restore,tiny', '-s', '3', *words) for words in
                  (['-j', '1'], ['-j', '3', '--band', '1'], ['--band', 'whole'],
                   ['--memory', '3M'], ['--cpu', 'scalar'])}
        self.assertEqual(len(hashes), 1)
        self.assertNotEqual(self.hash_of('tiny,restore', '-s', '3'), hashes.pop())

    def test_a_file_with_a_comma_in_its_name_is_a_file(self):
        self.put('a.png')
        for folder in (self.dir, self.models):
            shutil.copy(os.path.join(self.models, 'restore.safetensors'),
                        os.path.join(folder, 'x,y.safetensors'))
        self.check(self.run_pique('a.png', model='x,y.safetensors'), 0)
        self.assert_png('a_x1.png', 6, 5)
        result = self.run_pique('a.png', '-v', model='tiny,x,y.safetensors,x,y.safetensors')
        self.check(result, 0, '3 models, x2 together')
        os.unlink(self.path('x,y.safetensors'))
        self.check(self.run_pique('a.png', '-y', model='x,y'), 0)  # in the models folder
        os.unlink(os.path.join(self.models, 'x,y.safetensors'))

    def test_a_blend_is_one_of_the_models(self):
        self.put('a.png', png(20, 15, 'noise'))
        self.make_model('other', 4, 2, 2)
        result = self.run_pique('a.png', '-v', model='restore,tiny+other:0.5')
        self.check(result, 0, '2 models, x2 together')
        self.assert_png('a_x2.png', 40, 30)

    def test_what_is_wrong_with_a_list_is_said(self):
        self.put('a.png')
        for model, status, sentence in (
                ('tiny,', 2, 'a name is missing in this list'), (',tiny', 2, 'a name is missing'),
                ('tiny,,tiny', 2, 'a name is missing'),
                ('restore,tiny+tiny', 2, 'tiny+tiny: the model between two is written A+B:W'),
                ('tiny+tiny:1.5', 2, 'a weight W of A from 0 to 1'),
                ('tiny+nowhere:1.5', 69, 'no such model'),
                ('tiny,nowhere', 69, 'nowhere: no such model'),
                ('tiny,gone.pth', 66, 'gone.pth'), (','.join(['tiny'] * 17), 2, 'at most 16')):
            with self.subTest(model):
                self.check(self.run_pique('a.png', model=model), status, sentence)
        self.assertEqual(self.files(), ['a.png'])


class Tta(Case):
    """The mean over the eight flips and turns."""

    def run_tta(self, *words):
        result = self.run_pique('a.png', '-o', 'x.png', '-y', '--json', '--tta', *words)
        self.check(result, 0)
        return self.events(result)

    def test_one_hash_over_threads_bands_memory_and_levels(self):
        self.put('a.png', png(37, 23, 'noise'))
        hashes = set()
        for words in (['-j', '1'], ['-j', '3', '--band', '1'], ['--band', 'whole'],
                      ['--memory', '2M'], ['--cpu', 'scalar']):
            done = [e for e in self.run_tta(*words) if e['event'] == 'file_done'][0]
            hashes.add(done['hash'])
            self.assertEqual((done['out_width'], done['passes']), (74, 1))
        self.assertEqual(len(hashes), 1)

    def test_a_turned_picture_gives_the_turned_result(self):
        """But for the order of the sums, which may move a sample by one."""
        side = [bytes((x * 37 + y * 91 + x * y) % 256 for x in range(12) for _ in 'rgb')
                for y in range(9)]
        down = [b''.join(side[y][3 * x:3 * x + 3] for y in range(9)) for x in range(12)]
        out = []
        for name, rows in (('side', side), ('down', down)):
            head = b'P6\n%d %d\n255\n' % (len(rows[0]) // 3, len(rows))
            self.put(name + '.ppm', head + b''.join(rows))
            self.check(self.run_pique(name + '.ppm', '-o', name + '-out.ppm', '--tta'), 0)
            out.append(read(self.path(name + '-out.ppm'))[-24 * 18 * 3:])
        worst = max(abs(out[0][(y * 24 + x) * 3 + c] - out[1][(x * 18 + y) * 3 + c])
                    for y in range(18) for x in range(24) for c in range(3))
        self.assertLessEqual(worst, 1)

    def test_memory_for_the_whole_picture_is_told_or_refused(self):
        self.put('a.png', large_png(1500, 1500))
        result = self.run_pique('a.png', '--tta', '--memory', '100M')
        self.check(result, 75, 'a.png: ', '129 MiB of it because --tta keeps whole pictures',
                   '--memory can raise it')
        self.assertEqual(self.files(), ['a.png'])
        if not SANITIZED:
            self.check(self.run_pique('a.png', '--tta', '--memory', '400M'), 0,
                       'note: a.png: --tta keeps whole pictures, which takes 128 MiB')

    def test_progress_only_grows(self):
        self.put('a.png', png(300, 200, 'noise'))
        events = self.run_tta('-s', '4')
        done = [e['rows_done'] for e in events if e['event'] == 'progress']
        self.assertEqual(done, sorted(done))
        total = {e['rows_total'] for e in events if e['event'] == 'progress'}
        self.assertEqual(total, {4 * (600 + 400 + 1200 + 800) + 800})


class Compare(Case):
    """pique compare: one piece, several models, one sheet."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_model('restore', 4, 2, 1)
        cls.make_model('four', 4, 2, 4)

    def compare(self, *words, model='tiny,four', stdin=b''):
        return self.run_pique('compare', *words, model=model, stdin=stdin)

    def test_a_sheet_and_a_table_come_out(self):
        self.put('dir/a.png', png(60, 40, 'noise'))
        result = self.compare('dir/a.png', '--crop', '20x10+5+7', model='tiny,four,restore+tiny')
        self.check(result, 0)
        table = result.stdout.decode().splitlines()
        self.assertEqual(table[0].split(), ['MODEL', 'NETWORK', 'SECONDS', 'FILE', 'MEMORY'])
        self.assertEqual([line.split('  ')[0] for line in table[1:4]],
                         ['tiny', 'four', 'restore + tiny Compact x1 + Compact x2'])
        self.assertIn('dir/a_compare.png', table[-1])
        self.assertIn('20x10+5+7', table[-1])
        width, height = png_size(read(self.path('dir/a_compare.png')))
        self.assertEqual(width, 12 + 2 * (80 + 12))  # four pictures, x4, letters of 12
        self.assertGreaterEqual(height, 12 + 2 * (40 + 12))
        self.assertEqual(self.files(), ['dir/a.png', 'dir/a_compare.png'])

    def test_the_json_is_one_object(self):
        self.put('a.png', png(60, 40, 'noise'))
        result = self.compare('a.png', '--json', '-o', 'sheet.webp', '--tta')
        self.check(result, 0)
        sheet = json.loads(result.stdout)
        self.assertEqual(sheet['sheet'], 'sheet.webp')
        self.assertEqual(sheet['crop'], {'x': 0, 'y': 0, 'width': 60, 'height': 40})
        tiny, four = sheet['results']
        self.assertEqual((tiny['name'], tiny['scale'], tiny['width'], tiny['height']),
                         ('tiny', 2, 120, 80))
        self.assertEqual(four['models'][0]['architecture'], 'Compact')
        self.assertEqual(four['file_bytes'],
                         os.path.getsize(os.path.join(self.models, 'four.safetensors')))
        self.assertGreater(four['memory_bytes'], tiny['memory_bytes'])
        self.assertGreater(tiny['seconds'], 0)

    def test_a_blend_stands_for_one_model_also_in_a_chain(self):
        self.put('a.png', png(60, 40, 'noise'))
        self.make_model('other', 4, 2, 2)
        result = self.compare('a.png', '--json', model='tiny+other:0.5,restore+tiny+other:0.25')
        self.check(result, 0)
        self.assertEqual([(r['name'], len(r['models'])) for r in json.loads(result.stdout)['results']],
                         [('tiny+other:0.5', 1), ('restore + tiny+other:0.25', 2)])

    def test_a_picture_comes_from_a_pipe_when_the_sheet_has_a_name(self):
        self.check(self.compare('-', '-o', 's.png', stdin=png(60, 40)), 0)
        self.assertEqual(self.files(), ['s.png'])

    def test_what_cannot_be_compared_is_said(self):
        self.put('a.png', png(60, 40))
        self.put('b_compare.png')
        self.put('b.png')
        for words, model, status, sentence in (
                (['a.png', '--crop', '61x5'], 'tiny', 2, 'is not inside a picture of 60 x 40'),
                (['a.png'], 'tiny,,four', 2, 'a name is missing'),
                (['a.png'], 'tiny+', 2, 'a name is missing'),
                (['a.png'], 'tiny,nowhere', 69, 'nowhere: no such model'),
                (['a.png', '-o', '-'], 'tiny', 2, 'the sheet is a picture file'),
                (['a.png', '-o', 'x.bmp'], 'tiny', 2, 'the sheet is a picture file'),
                (['a.png', '-s', '2'], 'tiny', 2, 'has no option -s'),
                (['a.png', 'b.png'], 'tiny', 2, 'takes one'),
                (['b.png'], 'tiny', 73, 'b_compare.png: exists already'),
                (['gone.png'], 'tiny', 66, 'gone.png'),
                (['-'], 'tiny', 2, 'name the sheet by -o'),
                (['a.png', '--memory', '1M', '--tta', '-o', 'm.png'], 'four+four', 75, '--memory'),
                (['a.png'], ','.join(['tiny'] * 64), 2, 'at most 63')):
            with self.subTest(words=words, model=model):
                self.check(self.compare(*words, model=model), status, sentence)
        self.assertEqual(self.files(), ['a.png', 'b.png', 'b_compare.png'])
        self.check(self.compare('b.png', '-y'), 0)

    def test_without_a_model_those_that_are_installed_are_taken(self):
        self.put('a.png', png(60, 40))
        empty = self.environment(PIQUE_MODELS=self.path('none'))
        self.check(self.run_pique('compare', 'a.png', model=None, env=empty), 69,
                   'pique models fetch')
        here = self.environment(PIQUE_MODELS=self.path('models'))
        for source, name in (('tiny', 'mine.safetensors'), ('four', 'x,y+z.safetensors'),
                             ('restore', 'realesr-animevideov3.safetensors')):
            os.makedirs(self.path('models'), exist_ok=True)
            shutil.copy(os.path.join(self.models, source + '.safetensors'),
                        self.path('models', name))
        write(self.path('models', 'broken.pth'), b'hello')
        result = self.run_pique('compare', 'a.png', model=None, env=here)
        self.check(result, 0)
        self.assertEqual([line.split()[0] for line in result.stdout.decode().splitlines()[1:4]],
                         ['mine.safetensors', 'realesr-animevideov3.safetensors',
                          'x,y+z.safetensors'])

    def test_a_stop_leaves_nothing(self):
        self.put('a.png', png(256, 256, 'noise'))
        self.make_model('slow', 64, 16, 4)
        child = subprocess.Popen([PROGRAM, 'compare', 'a.png', '-m', 'slow,slow,slow', '--tta'],
                                 cwd=self.dir, env=self.environment(), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        until_caught(child, signal.SIGINT)
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=TIMEOUT)
        self.assertEqual(child.returncode, 130, err)
        self.assertEqual(self.files(), ['a.png'])


class Bench(Case):
    """pique bench: how fast models are here; pique kernels: what they are made of."""

    LINE = (r'^pique \d+\.\d+\.\d+ \| .+ \| -j (?P<threads>\d+) \| (?P<model>\S+) \| '
            r'(?P<size>\d+x\d+(?: x \d)?) \| (?P<key>cpu/\S+) \| [\d.]+ frames/s, best [\d.]+, '
            r'[\d.]+ MP/s, [\d.]+ GFLOP/s, \d+ % of the peak of [\d.]+, [\d.]+ MB \| '
            r'(?P<hash>[0-9a-f]{16})$')

    def bench(self, *words, model=('tiny',)):
        return self.run_pique('bench', *model, *words, model=None)

    def lines(self, *words, model=('tiny',)):
        result = self.bench(*words, model=model)
        self.check(result, 0)
        found = [re.match(self.LINE, line) for line in result.stdout.decode().splitlines()]
        self.assertNotIn(None, found, result.stdout)
        return found

    def results(self, *words, model=('tiny',)):
        result = self.bench('--json', *words, model=model)
        self.check(result, 0)
        return json.loads(result.stdout)['results']

    def test_a_run_is_one_line_that_says_of_what(self):
        [line] = self.lines('--size', '40x30', '-j', '2')
        self.assertEqual(line.group('threads', 'model', 'size'), ('2', 'tiny', '40x30'))
        self.assertRegex(line.group('key'), '^cpu/int16/')

    def test_lists_are_measured_each_with_each_and_threads_and_level_change_no_bit(self):
        lines = self.lines('--size', '40x30,17x9', '-j', '1', '--threads=3', '--batch', '1,2')
        self.assertEqual([m.group('threads', 'size') for m in lines],
                         [(j, s + b) for j in '13' for s in ('40x30', '17x9')
                          for b in ('', ' x 2')])
        hashes = [m.group('hash') for m in lines]
        self.assertEqual(hashes[:4], hashes[4:])
        self.assertEqual(len(set(hashes)), 4)
        again = self.lines('--size', '40x30', '--cpu', 'scalar', '-j', '2', '--band', '3')
        self.assertEqual(again[0].group('hash'), hashes[0])

    def test_several_models_devices_and_all_tiers_take_turns(self):
        self.make_model('other', 8, 2, 2)
        lines = self.lines('--size', '24x16', '--device', 'cpu,cpu:direct', '--precision', 'all',
                           model=('tiny', 'other'))
        self.assertEqual([m.group('model') for m in lines].count('tiny') * 2, len(lines))
        keys = [m.group('key') for m in lines if m.group('model') == 'other']
        self.assertIn('cpu/fp32/direct-1', keys)
        self.assertGreaterEqual(len(set(keys)), 2)

    def test_the_json_has_every_run_and_figures_that_agree(self):
        [one] = self.results('--size', '40x30', '-j', '2', '--runs', '7')
        self.assertEqual((one['width'], one['height'], one['batch'], one['threads'], one['runs']),
                         (40, 30, 1, 2, 7))
        times = sorted(one['seconds'])
        self.assertEqual(len(times), 7)
        self.assertEqual(times[3], one['seconds_median'])
        self.assertEqual(times[0], one['seconds_best'])
        self.assertAlmostEqual(one['frames_per_second'] * times[3], 1, 4)
        self.assertAlmostEqual(one['mpixels_per_second'] * times[3], 0.0012, 6)
        info = self.run_pique('models', 'info', 'tiny', '--json', model=None)
        flops = json.loads(info.stdout)['flops_per_pixel'] * 1200
        self.assertAlmostEqual(one['flops_per_second'] * times[3] / flops, 1, 4)
        self.assertGreater(one['peak_flops_per_second'], 1e7)
        self.assertGreater(one['peak_share'], 0)
        self.assertGreater(one['memory_bytes'], 1 << 20)
        self.assertNotIn('kernels', one)

    def test_steps_are_all_the_work_and_all_the_time(self):
        [one] = self.results('--size', '40x30', '--kernels')
        steps = one['kernels']
        convolutions = [s for s in steps if s['kind'] == 'conv2d']
        self.assertEqual(sum(s['steps'] for s in convolutions), 3 + 1)
        self.assertTrue(all(s['how'] in ('direct', 'winograd') for s in convolutions))
        self.assertTrue(all(s['pixels'] == s['steps'] * 1200 for s in convolutions))
        for share in ('time_share', 'plan_share'):
            self.assertAlmostEqual(sum(s[share] for s in steps), 1, 3)
        self.assertEqual(sorted(steps, key=lambda s: -s['seconds']), steps)
        table = self.bench('--size', '40x30', '--kernels').stdout.decode().splitlines()
        self.assertEqual(len(table), 2 + len(steps))
        self.assertEqual(table[1].split()[:3], ['steps', 'kind', 'how'])

    def test_it_can_be_interrupted(self):
        process = subprocess.Popen([PROGRAM, 'bench', 'tiny', '--size', '400x300', '--runs', '1000'],
                                   cwd=self.dir, env=self.environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        until_caught(process, signal.SIGINT)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual((process.returncode, out), (130, b''), err)

    def test_words_that_make_no_sense_are_refused(self):
        for words in (['--threads', '0'], ['--threads', '1,,2'], ['--threads', ''],
                      ['--size', '640'], ['--size', '0x4'], ['--size', '4x4x4'], ['--batch', '9'],
                      ['--precision', 'int9'], ['--runs', '4'], ['--cpu', 'sse']):
            self.check(self.bench(*words), 2, words[0])
        self.check(self.bench(model=('nobody-knows-me',)), 69, 'nobody-knows-me')
        self.check(self.bench('--device', 'gpu9'), 69, 'gpu9')
        self.check(self.bench('--precision', 'fp16'), 69, 'does not compute in fp16')
        self.check(self.bench('--device', 'fault:nan@999', '--kernels', '--size', '9x9'), 69,
                   'does not tell what each step takes')

    def test_kernels_are_listed_checked_and_timed(self):
        listed = self.run_pique('kernels', '--json', model=None)
        self.check(listed, 0)
        kernels = json.loads(listed.stdout)
        names = [k['name'] for k in kernels]
        self.assertIn('winograd', names)
        self.assertEqual({v['level'] for v in kernels[0]['variants']} & {'scalar'}, {'scalar'})
        result = self.run_pique('kernels', 'winograd', 'layer-norm', '--check', '--bench',
                                '--json', model=None)
        self.check(result, 0)
        tried = json.loads(result.stdout)
        self.assertEqual([(k['name'], k['unit']) for k in tried],
                         [('winograd', 'FLOP/s'), ('layer-norm', 'B/s')])
        for kernel in tried:
            self.assertEqual(kernel['variants'][0]['times_scalar'], 1)
            self.assertTrue(all(v['same'] and v['rate'] > 1e6 for v in kernel['variants']))
        text = self.run_pique('kernels', 'product', '--check', '--cpu', 'scalar', model=None)
        self.check(text, 0)
        self.assertEqual(text.stdout.split(), [b'product', b'scalar', b'reference'])
        self.check(self.run_pique('kernels', 'nobody', model=None), 2, 'nobody')


class Json(Case):
    def test_events_tell_the_whole_run(self):
        self.put('a.png')
        self.put('b.png', b'junk')
        result = self.run_pique('a.png', 'b.png', 'gone.png', '-o', 'out', '--json')
        self.check(result, 65, 'b.png')
        events = self.events(result)
        kinds = [e['event'] for e in events if e['event'] not in ('progress', 'note')]
        self.assertEqual(kinds,
                         ['start', 'engine', 'file_done', 'file_failed', 'file_failed', 'end'])
        start, end = events[0], events[-1]
        self.assertEqual((start['schema'], start['files']), (1, 3))
        self.assertEqual(start['model']['architecture'], 'Compact')
        done = [e for e in events if e['event'] == 'file_done'][0]
        self.assertEqual((done['in_width'], done['in_height'], done['out_width'],
                          done['out_height'], done['depth'], done['format']),
                         (6, 5, 12, 10, 8, 'png'))
        self.assertEqual(done['bytes'], os.path.getsize(self.path('out/a.png')))
        self.assertRegex(done['hash'], '^[0-9a-f]{16}$')
        failed = [e for e in events if e['event'] == 'file_failed']
        self.assertEqual([e['status'] for e in failed], ['EFORMAT', 'ENOENT'])
        self.assertEqual([e['file'] for e in failed], [2, 3])
        self.assertEqual((end['done'], end['failed'], end['exit']), (1, 2, 65))

    def test_a_device_that_fails_once_is_asked_again(self):
        self.put('a.png', png(40, 30, 'noise'))
        hashes = set()
        for device, band in (('cpu', '4'), ('fault:error@3', '4'), ('fault:nan@2', '4'),
                             ('fault:flat@1', 'whole')):
            result = self.run_pique('a.png', '-o', 'b.png', '-y', '--json', '--band', band,
                                    '--device', device)
            self.check(result, 0)
            done = [e for e in self.events(result) if e['event'] == 'file_done'][0]
            self.assertEqual(done['retries'], int(device != 'cpu'))
            hashes.add(done['hash'])
        self.assertEqual(len(hashes), 1)

    def test_a_device_that_always_fails_leaves_nothing(self):
        self.put('a.png', png(200, 150, 'noise'))
        self.put('c.png', png(200, 150, 'noise'))
        for device in 'fault:error@3+', 'fault:nan@2+', 'fault:flat@2+':
            result = self.run_pique('a.png', 'c.png', '-o', 'out', '--device', device)
            self.check(result, 69)
            for name in 'a.png', 'c.png':
                self.assertRegex(result.stderr.decode(),
                                 'pique: %s: .*, also when computed once more' % name)
            self.assertEqual(sorted(os.listdir(self.dir)), ['a.png', 'c.png', 'out'])
            self.assertEqual(os.listdir(self.path('out')), [])

    def test_the_first_failure_decides_the_status(self):
        self.put('b.png', b'junk')
        self.check(self.run_pique('gone.png', 'b.png', '-o', 'out'), 66)
        self.check(self.run_pique('b.png', 'gone.png', '-o', 'out'), 65)

    def test_the_same_picture_has_the_same_hash_whatever_the_threads(self):
        self.put('a.png', png(40, 30, 'noise'))
        hashes = set()
        for words in (['-j', '1'], ['-j', '3'], ['--band', 'whole'], ['--band', '4'],
                      ['--cpu', 'scalar'], ['--memory', '8M']):
            result = self.run_pique('a.png', '-o', 'b.png', '-y', '--json', *words)
            self.check(result, 0)
            hashes.add([e['hash'] for e in self.events(result) if e['event'] == 'file_done'][0])
        self.assertEqual(len(hashes), 1)

    def test_a_failure_before_the_start_is_an_event(self):
        self.put('a.png')
        result = self.run_pique('a.png', '--json', model='no-such-model')
        self.check(result, 69)
        events = self.events(result)
        self.assertEqual([e['event'] for e in events], ['error', 'end'])
        self.assertEqual(events[-1]['exit'], 69)


class Interrupt(Case):
    def start(self, *words, **more):
        """A program that takes SIGINT even where this test runs in the background."""
        return subprocess.Popen([PROGRAM, *words], cwd=self.dir, env=self.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                                **more)

    def interrupted(self, number):
        self.make_model('slow', 48, 12, 4)
        self.put('in/1.png')
        self.put('in/2.png', large_png(3000, 3000))
        self.put('in/3.png')
        process = self.start('in', '-o', 'out', '-m', 'slow', '--json')
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]['event'] == 'progress' and events[-1]['file'] == 2:
                process.send_signal(number)
                break
        start = time.monotonic()
        rest, text = process.communicate(timeout=TIMEOUT)
        events += [json.loads(line) for line in rest.splitlines()]
        self.assertEqual(process.returncode, 130, text)
        self.assertNotIn(b'Sanitizer', text)
        if not SANITIZED:
            self.assertLess(time.monotonic() - start, 30)
        self.assertEqual(self.files('out'), ['1.png'])
        self.assert_png('out/1.png', 24, 20)
        self.assertEqual((events[-1]['event'], events[-1]['exit']), ('end', 130))
        self.assertNotIn(3, [e.get('file') for e in events])

    def test_a_batch_that_is_interrupted_is_not_done(self):
        self.make_model('slow', 48, 12, 4)
        for i in range(3):
            self.put('in/%d.png' % i, large_png(1500, 1500))
        process = self.start('in', '-o', 'out', '-m', 'slow', '--json', '--batch', '3')
        for line in process.stdout:
            if json.loads(line)['event'] == 'progress':
                process.send_signal(signal.SIGINT)
                break
        rest, text = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 130, text)
        self.assertIn(b'3 of 3 inputs are not done', text)
        self.assertEqual(self.files('out'), [])
        kinds = [json.loads(line)['event'] for line in rest.splitlines()]
        self.assertNotIn('file_failed', kinds)
        self.assertNotIn('saved', kinds)

    def test_sigint_leaves_what_is_finished_and_nothing_else(self):
        self.interrupted(signal.SIGINT)

    def test_sigterm_does_the_same(self):
        self.interrupted(signal.SIGTERM)

    def test_a_terminal_that_is_closed_does_the_same(self):
        self.interrupted(signal.SIGHUP)

    def test_a_pipe_that_ends_with_the_run_is_no_bad_picture(self):
        process = self.start('-', '-o', 'b.png', '-m', 'tiny', '--json', stdin=subprocess.PIPE)
        for line in process.stdout:
            if json.loads(line)['event'] == 'engine':
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        _, text = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 130, text)
        self.assertIn(b'interrupted', text)

    def test_a_second_signal_kills_even_while_a_pipe_is_silent(self):
        process = self.start('-', '-o', 'b.png', '-m', 'tiny', '--json', stdin=subprocess.PIPE)
        for line in process.stdout:
            if json.loads(line)['event'] == 'progress':
                break
            if json.loads(line)['event'] == 'engine':
                time.sleep(0.3)
                break
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        self.assertIsNone(process.poll(), 'the first one waits for the end of the pipe')
        end = time.monotonic() + TIMEOUT
        while process.poll() is None and time.monotonic() < end: # two that come at once are one
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        self.assertEqual(process.wait(TIMEOUT), -signal.SIGINT)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        self.assertEqual(self.files(), [])


class Terminal(Case):
    def on_terminal(self, *words, columns=100, model='tiny', **env):
        """Everything that the program shows on a terminal of its own, and its exit status."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.dir)
            size = struct.pack('HHHH', 24, columns, 0, 0)
            fcntl.ioctl(2, termios.TIOCSWINSZ, size)
            os.execve(PROGRAM, [PROGRAM] + list(words) + ['-m', model], self.environment(**env))
        shown = b''
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        os.close(fd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return shown.decode('utf-8', 'replace'), status

    size = (600, 400) if SANITIZED else (1200, 800)

    def fill(self):
        for name in ('a', 'b', 'c'):
            self.put(f'in/{name}.png', large_png(*self.size))

    def test_progress_shows_part_rate_count_and_time(self):
        self.make_model('middle', 16, 6, 2)
        self.fill()
        shown, status = self.on_terminal('in', '-o', 'out', model='middle', NO_COLOR='1')
        self.assertEqual(status, 0, shown)
        self.assertRegex(shown, r'\r *in/a\.png +\d+%')
        self.assertIn(' 2 of 3', shown)
        self.assertRegex(shown, r'\d Mpixel/s')
        width, height = self.size
        self.assertRegex(shown, rf'in/b\.png -> out/b\.png {width}x{height} -> '
                                rf'{2 * width}x{2 * height}, \d+\.\d s')
        self.assertIn('3 done, 0 failed, 0 left out', shown)
        self.assertNotIn('\x1b', shown)

    def test_lines_are_no_wider_than_the_terminal(self):
        self.put('in/' + 'long' * 20 + '.png', large_png(500, 400))
        shown, status = self.on_terminal('in', '-o', 'out', columns=50)
        self.assertEqual(status, 0, shown)
        progress = [line for line in re.split(r'[\r\n]', shown) if '%' in line]
        self.assertTrue(progress)
        self.assertLess(max(map(len, progress)), 50)

    def test_a_narrow_terminal_gets_fewer_facts_on_one_line(self):
        for name in ('一' * 20, 'b', 'c'):
            self.put(f'in/{name}.png', large_png(500, 400))
        for columns in (5, 7, 10, 16, 24, 37):
            shown, status = self.on_terminal('in', '-o', 'out', '-y', columns=columns)
            self.assertEqual(status, 0, shown)
            progress = [line for line in re.split(r'[\r\n]', shown) if '%' in line]
            self.assertEqual(bool(progress), columns >= 7)
            for line in progress:
                self.assertLess(len(line) + line.count('一'), columns, line)

    def test_a_dry_run_shows_names_without_their_control_characters(self):
        self.put('e\x1b[31m\x9b.png')
        shown, status = self.on_terminal('e\x1b[31m\x9b.png', '-n')
        self.assertEqual((status, shown), (0, 'e?[31m?.png (6x5) -> e?[31m?_x2.png\r\n'))
        result = self.run_pique('e\x1b[31m\x9b.png', '-n')
        self.assertIn('e\x1b[31m\x9b.png', result.stdout.decode())

    def test_a_dumb_terminal_and_quiet_get_no_progress(self):
        self.put('a.png')
        shown, status = self.on_terminal('a.png', '-o', 'b.png', TERM='dumb')
        self.assertEqual((status, shown), (0, ''))
        shown, status = self.on_terminal('a.png', '-o', 'b.png', '-y', '-q')
        self.assertEqual((status, shown), (0, ''))

    def test_errors_are_coloured_unless_no_color_is_set(self):
        self.put('a.png', b'junk')
        shown, status = self.on_terminal('a.png', '-o', 'b.png')
        self.assertEqual(status, 65)
        self.assertIn('\x1b[31mpique:', shown)
        shown, _ = self.on_terminal('a.png', '-o', 'b.png', NO_COLOR='1')
        self.assertNotIn('\x1b', shown)

    def test_a_picture_is_not_poured_into_a_terminal(self):
        self.put('a.png')
        shown, status = self.on_terminal('a.png', '-o', '-')
        self.assertEqual(status, 2)
        self.assertIn('terminal', shown)
        shown, status = self.on_terminal('-', '-o', 'b.png')
        self.assertEqual(status, 2)

    def test_without_a_terminal_all_is_quiet(self):
        self.put('a.png')
        result = self.run_pique('a.png', '-o', 'b.png')
        self.check(result, 0)
        self.assertEqual(result.stderr, b'')


class Formats(Case):
    """Options reach the file: one look at each."""

    def test_every_output_format_is_written(self):
        self.put('a.png', png(16, 12))
        magic = {'png': b'\x89PNG', 'jpeg': b'\xff\xd8', 'webp': b'RIFF', 'tiff': (b'II*', b'MM'),
                 'avif': b'ftyp', 'ppm': b'P6'}
        for name, begin in magic.items():
            with self.subTest(name):
                result = self.run_pique('a.png', '-o', 'out', '-f', name, '--json')
                if b'EUNSUPPORTED' in result.stdout:
                    continue  # this machine's libvips cannot write it
                self.check(result, 0)
                output = [e['output'] for e in self.events(result) if e['event'] == 'file_done'][0]
                data = read(self.path(output))
                self.assertTrue(data[4:].startswith(b'ftyp') if name == 'avif'
                                else data.startswith(begin), data[:12])

    def test_depth_16_and_sizes(self):
        self.put('a.png', png(16, 12))
        self.check(self.run_pique('a.png', '-o', 'b.png', '--depth', '16', '--fit', '50x20'), 0)
        data = read(self.path('b.png'))
        self.assertEqual(data[24], 16)
        width, height = png_size(data)
        self.assertEqual(height, 20)
        self.assertIn(width, (26, 27))

    def test_quality_and_compression_change_the_size_of_the_file(self):
        self.put('a.png', png(64, 64, 'noise'))
        sizes = {}
        for quality in ('30', '95'):
            self.check(self.run_pique('a.png', '-o', 'q.jpg', '-y', '--quality', quality), 0)
            sizes[quality] = os.path.getsize(self.path('q.jpg'))
        self.assertLess(sizes['30'], sizes['95'])
        self.put('g.png', png(64, 64))
        for level in ('0', '9'):
            self.check(self.run_pique('g.png', '-o', 'c.png', '-y', '--compression', level), 0)
            sizes[level] = os.path.getsize(self.path('c.png'))
        self.assertLess(sizes['9'], sizes['0'])


def main():
    names = sys.argv[1:2]
    suite = unittest.TestSuite()
    for value in list(globals().values()):
        if isinstance(value, type) and issubclass(value, Case) and value is not Case and \
                (not names or value.__name__ == names[0]):
            suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(value))
    if suite.countTestCases() == 0:
        sys.exit(f'there is no group {names}')
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stderr).run(suite)
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) or not result.testsRun else 0)


if __name__ == '__main__':
    main()
