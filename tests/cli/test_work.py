#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pique work: a task of a queue, shut off from everything that it does not name.

Where the kernel has no Landlock, what must be refused is skipped."""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from test_cli import LESS, PROGRAM, SANITIZED, png, png_size, read, write
from test_films import FilmCase


def landlock():
    """The version of Landlock; 0: none."""
    return max(0, ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1))


class Work(FilmCase):
    def setUp(self):
        super().setUp()
        for name in ('task', 'in', 'out', 'else'):
            os.makedirs(self.path(name))

    def task(self, command, *words, **more):
        task = {'command': command, 'words': list(words), 'read': [self.path('in')],
                'write': [self.path('out')], 'lang': 'en'}
        task.update(more)
        write(self.path('task', 'task.json'), json.dumps(task).encode())

    def work(self, command, *words, status=0, **more):
        self.task(command, *words, **more)
        result = self.run_pique('work', 'task', model=None)
        self.check(result, status)
        return result

    def test_a_picture_is_upscaled(self):
        self.put('in/a.png', png(20, 15))
        result = self.work('run', '--json', '-m', 'tiny', self.path('in', 'a.png'), '-o',
                           self.path('out', 'b.png'))
        self.assertEqual(self.events(result)[-1]['event'], 'end')
        self.assert_png('out/b.png', 40, 30)

    def test_a_film_is_upscaled_as_it_is_outside(self):
        self.film('in/a.mkv', '64x48', '24', '2')
        words = ('--json', '--segment', '12', '--no-report', '-m', 'tiny', self.path('in', 'a.mkv'))
        result = self.work('run', *words, '-o', self.path('out', 'b.mkv'))
        inside = self.done(result)[0]['hash']
        self.assertEqual(len(self.frame_times('out/b.mkv')), 48)
        self.assertEqual(os.listdir(self.path('out')), ['b.mkv'])
        outside = self.run_pique(*words, '-o', self.path('else', 'b.mkv'), model=None)
        self.assertEqual(self.done(outside)[0]['hash'], inside)

    def test_a_film_becomes_pictures_and_a_gif_a_film(self):
        self.film('in/a.mkv', '64x48', '24', '0.5')
        self.ff('-i', 'in/a.mkv', 'in/b.gif')
        self.work('run', '-m', 'tiny', '--no-report', self.path('in', 'a.mkv'), '-o',
                  self.path('out', '%06d.png'))
        self.work('run', '-m', 'tiny', '--no-report', self.path('in', 'b.gif'), '-o',
                  self.path('out', 'b.mp4'))
        self.assertEqual(len(os.listdir(self.path('out'))), 13)

    def test_pictures_of_every_kind_are_read_and_written(self):
        self.put('in/a.png', png(20, 15))
        suffixes = ['.jpg', '.webp', '.tif', '.avif']
        for suffix in suffixes:
            words = ('-m', 'tiny', self.path('in', 'a.png'), '-o', self.path('out', 'a' + suffix))
            if self.run_pique(*words, '-y', model=None).returncode:
                continue  # this build does not write it
            self.work('run', *words, '-y')
            shutil.copy(self.path('out', 'a' + suffix), self.path('in', 'b' + suffix))
            self.work('run', '-m', 'tiny', self.path('in', 'b' + suffix), '-o',
                      self.path('out', 'b.png'), '-y')
            self.assert_png('out/b.png', 80, 60)

    def test_a_frame_is_previewed_and_a_file_is_looked_at(self):
        self.film('in/a.mkv', '64x48', '24', '1')
        self.work('preview', '-m', 'tiny', self.path('in', 'a.mkv'), '--at', '0.5', '-o',
                  self.path('out', 'a.png'))
        self.assert_png('out/a.png', 128, 96)
        result = self.work('look', self.path('in', 'a.mkv'), '--frame', '3', '-o',
                           self.path('out', 'b.png'), '--json', strict=True)
        self.assertEqual(json.loads(result.stdout)['kind'], 'film')
        self.assert_png('out/b.png', 64, 48)
        self.put('in/a.png', png(20, 15))
        result = self.work('look', self.path('in', 'a.png'), '--json', strict=True)
        self.assertEqual(json.loads(result.stdout)['width'], 20)

    @unittest.skipUnless(landlock(), 'this kernel has no Landlock')
    def test_what_is_not_named_is_neither_read_nor_written(self):
        self.put('in/a.png', png(20, 15))
        self.put('else/a.png', png(20, 15))
        out = self.path('out', 'b.png')
        result = self.run_work('look', self.path('else', 'a.png'), '-o', out)
        self.assertIn('ermission', result.stderr.decode())
        self.run_work('look', self.path('in', 'a.png'), '-o', self.path('else', 'b.png'))
        self.run_work('look', self.path('in', 'a.png'), '-o', self.path('in', 'b.png'))
        os.symlink(self.path('else', 'a.png'), self.path('in', 'link.png'))
        self.run_work('look', self.path('in', 'link.png'), '-o', out)
        self.assertEqual(self.files(), ['else/a.png', 'in/a.png', 'in/link.png', 'task/task.json'])
        self.work('look', self.path('in', 'a.png'), '-o', out)

    def run_work(self, *words):
        """A task that must fail."""
        self.task(*words)
        result = self.run_pique('work', 'task', model=None)
        self.assertNotEqual(result.returncode, 0)
        self.assertTrue(result.stderr.startswith(b'pique: '), result.stderr)
        return result

    def test_the_task_itself_cannot_be_rewritten(self):
        if landlock():
            self.put('in/a.png', png(20, 15))
            self.run_work('look', self.path('in', 'a.png'), '-y', '-o', self.path('task', 'task.json'))
            self.assertIn(b'command', read(self.path('task', 'task.json')))

    def test_a_task_that_makes_no_sense_gets_a_sentence(self):
        file = self.path('task', 'task.json')
        self.check(self.run_pique('work', 'task', model=None), 66, 'task.json')
        for text in (b'', b'[]', b'{}', b'{"command": "fetch"}', b'{"command": 1}',
                     b'{"command": "run", "words": "a"}', b'{"command": "run", "words": [1]}',
                     b'{"command": "run", "words": []}', b'{"command": "run", "command": "look"}',
                     b'{"command": "look", "words": ["a", "b"]}',
                     b'{"command": "look", "words": ["a"], "read": [null]}',
                     b'{"command": "look", "words": ["a"], "memory": -1}',
                     b'{"command": "look", "words": ["a"], "memory": "many"}', b'{"' * 100000):
            write(file, text)
            self.check(self.run_pique('work', 'task', model=None), 65, 'task.json')
        write(file, b'{"command": "look", "words": ["a.png", "--scale=2"]}')
        self.check(self.run_pique('work', 'task', model=None), 2, '--scale')
        self.check(self.run_pique('work', model=None), 2)
        self.check(self.run_pique('work', 'a', 'b', model=None), 2)

    @unittest.skipIf(SANITIZED, 'sanitizers take what memory they want')
    def test_memory_has_an_end_and_a_sentence(self):
        self.put('in/a.png', png(800, 800))
        words = ('-m', 'tiny', self.path('in', 'a.png'), '-o', self.path('out', 'b.png'), '-y')
        self.work('run', *words, memory=2 << 30)
        self.task('run', *words, memory=24 << 20)
        result = self.run_pique('work', 'task', model=None)
        self.assertNotEqual(result.returncode, 0)
        self.assertGreater(result.returncode, 0, 'it was killed')

    def long_task(self):
        self.task('run', '--json', '--segment', '12', '--batch', '1', '--no-report', '-m',
                  'tiny', self.path('in', 'a.mkv'), '-o', self.path('out', 'b.mkv'))

    def test_it_lets_others_go_first_and_stops_when_it_is_told(self):
        seconds = 5 if LESS else 20
        self.film('in/a.mkv', '320x240', '24', str(seconds))
        self.long_task()
        process = subprocess.Popen([PROGRAM, 'work', 'task'], cwd=self.dir, env=self.environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        for line in process.stdout:
            if json.loads(line)['event'] == 'saved':
                break
        with open('/proc/%d/stat' % process.pid, encoding='ascii') as f:
            nice = int(f.read().rsplit(')', 1)[1].split()[16])
        self.assertEqual(nice, min(os.nice(0) + 5, 19))
        with open('/proc/%d/status' % process.pid, encoding='utf-8') as f:
            self.assertIn('NoNewPrivs:\t1', f.read())
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        self.assertEqual(process.wait(timeout=240), 130)
        self.assertTrue(os.path.exists(self.path('out', 'b.mkv.job', 'job.json')))
        result = self.run_pique('work', 'task', model=None)
        self.check(result, 0)
        self.assertEqual(self.done(result)[0]['frames'], 24 * seconds)

    def test_it_ends_with_whoever_started_it(self):
        self.film('in/a.mkv', '320x240', '24', '20')
        self.long_task()
        parent = subprocess.Popen(
            [sys.executable, '-c', 'import subprocess, sys, time\n'
             'p = subprocess.Popen([sys.argv[1], "work", "task"], stdout=subprocess.PIPE)\n'
             'for line in p.stdout:\n'
             '    if b\'"saved"\' in line: break\n'
             'print(p.pid, flush=True)\ntime.sleep(600)\n', PROGRAM],
            cwd=self.dir, env=self.environment(), stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.addCleanup(parent.stdout.close)
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        end = time.monotonic() + 120
        while time.monotonic() < end and self.lives(child):
            time.sleep(0.1)
        self.assertFalse(self.lives(child))

    @staticmethod
    def lives(pid):
        try:
            with open('/proc/%d/stat' % pid, encoding='ascii') as f:
                return f.read().rsplit(')', 1)[1].split()[0] != 'Z'
        except OSError:
            return False

    def test_speeds_are_noted_unless_it_is_strict(self):
        self.put('in/a.png', png(600, 500))
        words = ('-m', 'tiny', self.path('in', 'a.png'), '-o', self.path('out', 'b.png'), '-y')
        speeds = os.path.join(self.cache, 'pique', 'speeds.json')
        self.work('run', *words, strict=True)
        if landlock():
            self.assertFalse(os.path.exists(speeds))
        self.work('run', *words)
        self.assertTrue(os.path.exists(speeds))
        self.assertEqual(png_size(read(self.path('out', 'b.png'))), (1200, 1000))


if __name__ == '__main__':
    unittest.main(verbosity=2)
