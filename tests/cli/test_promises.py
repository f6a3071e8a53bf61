#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The promises that hold for the whole program: one result whatever runs it, memory that does not
grow with the height of the picture, nothing done after a wrong result.

PIQUE_TEST_FULL=1 measures memory at full size, which takes minutes."""
import json
import math
import os
import struct
import subprocess
import sys
import unittest

from test_cli import PROGRAM, SANITIZED, Case, large_png, png, write

FULL = os.environ.get('PIQUE_TEST_FULL') == '1'
LEVELS = ['scalar', 'avx2', 'avx512', 'avx512-vnni', 'neon']
TIERS = ['fp32', 'int16']
BANDS = ['4', '8', '16', '64', 'whole']


class Promises(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_model('small', 24, 3, 2)

    def hash_of(self, name, *words, model='small'):
        result = self.run_pique(name, '-o', 'out.png', '-y', '--json', *words, model=model)
        if result.returncode and b'this processor has no' in result.stderr:
            return None
        self.check(result, 0)
        return [e['hash'] for e in self.events(result) if e['event'] == 'file_done'][0]

    def test_one_hash_over_threads_bands_and_instruction_sets(self):
        self.put('a.png', png(37, 71, 'noise'))
        threads = ['3'] if SANITIZED else ['1', '2', '3']
        hashes = set()
        for tier in TIERS:
            want = self.hash_of('a.png', '-j', '1', '--band', 'whole', '--precision', tier)
            hashes.add(want)
            for level in LEVELS:
                if self.hash_of('a.png', '--cpu', level) is None:
                    print('skipped: this processor has no', level, file=sys.stderr)
                    continue
                for count in threads:
                    for band in BANDS:
                        words = ('--cpu', level, '-j', count, '--band', band, '--precision', tier)
                        self.assertEqual(self.hash_of('a.png', *words), want, words)
        self.assertEqual(len(hashes), len(TIERS))

    def test_one_hash_with_passes_resize_and_effects_too(self):
        self.put('a.png', png(19, 23, 'noise'))
        for more in (['-s', '7'], ['-s', '1.5', '--sharpen', '0.7'], ['--contrast', '1.2'],
                     ['--pre-downscale', '11', '--saturation', '0.5']):
            hashes = {self.hash_of('a.png', *more, *words)
                      for words in (['-j', '1', '--band', '4'], ['-j', '3', '--band', 'whole'],
                                    ['-j', '2', '--cpu', 'scalar'], ['--memory', '3M'])}
            self.assertEqual(len(hashes), 1, more)

    def test_whole_maps_may_lie_on_a_disk_or_statistics_be_sampled(self):
        """A network with statistics over the whole picture: one hash wherever its maps lie; where they
        may lie nowhere, an approximation that says so before and behind."""
        model = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden', 'nets',
                             'realplksr-x1-no-ea.pth')
        self.put('a.png', png(1100, 700, 'noise'))
        want = self.hash_of('a.png', '--memory', '900M', model=model)
        for words in (['--memory', '60M', '-j', '1'], ['--memory', '60M', '--band', '7', '-j', '3']):
            self.assertEqual(self.hash_of('a.png', *words, model=model), want)
        sampled = ['a.png', '-o', 'out.png', '-y', '--json', '--memory', '90M', '--no-scratch']
        result = self.run_pique(*sampled, model=model)
        self.check(result, 0)
        notes = [e['text'] for e in self.events(result) if e['event'] == 'note']
        self.assertIn('the result is an approximation', ' '.join(notes))
        done = [e for e in self.events(result) if e['event'] == 'file_done'][0]
        self.assertTrue(done['approximate'])
        self.assertNotEqual(done['hash'], want)
        # The whole picture, 9 MiB, and the maps of the sample, 73 MiB, are together more than this.
        sampled[sampled.index('90M')] = '80M'
        self.check(self.run_pique(*sampled, model=model), 75)
        # A folder that is not there is a disk without room.
        result = self.run_pique('a.png', '-o', 'out.png', '-y', '--json', '--memory', '90M',
                                model=model, env=dict(self.environment(), TMPDIR='/nowhere'))
        self.check(result, 0)
        done = [e for e in self.events(result) if e['event'] == 'file_done'][0]
        self.assertTrue(done['approximate'])

    def peak_kib(self, name, model):
        """Largest resident size of one run."""
        line = [PROGRAM, name, '-o', 'out.png', '-y', '--compression', '1', '-m', model]
        child = subprocess.Popen(line, cwd=self.dir, env=self.environment(),
                                 stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(child.returncode, 0)
        return usage.ru_maxrss

    @unittest.skipIf(SANITIZED, 'skipped: a sanitizer keeps freed memory')
    def test_memory_grows_with_the_width_and_not_with_the_height(self):
        features, convs, scale = (64, 16, 4) if FULL else (24, 2, 2)
        low, high = (1080, 8640) if FULL else (216, 1728)
        self.make_model('bound', features, convs, scale)
        self.put('low.png', large_png(1920, low))
        self.put('high.png', large_png(1920, high))
        a, b = self.peak_kib('low.png', 'bound'), self.peak_kib('high.png', 'bound')
        print('peak %.1f MB for 1920x%d, %.1f MB for 1920x%d' %
              (a * 1024 / 1e6, low, b * 1024 / 1e6, high), file=sys.stderr)
        self.assertLess(a * 1024, 200e6)
        self.assertLess(b, a * 1.1)

    def test_a_wrong_result_is_computed_once_more_and_then_refused(self):
        self.put('a.png', png(64, 64, 'noise'))
        want = self.hash_of('a.png')
        for fault in ('error', 'nan', 'flat'):
            once = self.run_pique('a.png', '-o', 'b.png', '--json', '--band', 'whole', '--device',
                                  'fault:%s@1' % fault, model='small')
            self.check(once, 0)
            done = [e for e in self.events(once) if e['event'] == 'file_done'][0]
            self.assertEqual((done['hash'], done['retries']), (want, 1), fault)
            os.unlink(self.path('b.png'))
            ever = self.run_pique('a.png', '-o', 'b.png', '--band', 'whole', '--device',
                                  'fault:%s@1+' % fault, model='small')
            self.check(ever, 69, 'a.png')
            self.assertEqual(self.files(), ['a.png', 'out.png'], 'nothing half-written')

    def test_a_weight_that_is_no_number_is_seen_in_the_first_rows_it_spoils(self):
        """Whether samples are converted by the device, or by stages that do more to a picture."""
        path = self.make_model('broken', 4, 2, 2)
        with open(path, 'rb') as f:
            data = bytearray(f.read())
        size = struct.unpack('<Q', data[:8])[0]
        header = json.loads(data[8:8 + size])
        last = max((n for n in header if n.endswith('.bias')), key=lambda n: int(n.split('.')[1]))
        at = 8 + size + header[last]['data_offsets'][0]
        data[at:at + 4] = struct.pack('<f', math.nan)
        write(path, bytes(data))
        self.put('a.png', png(70, 400, 'noise'))
        for words in (), ('--sharpen', '0.5'):
            result = self.run_pique('a.png', '-o', 'b.png', '--band', '4', '--precision', 'fp32',
                                    *words, model='broken')
            self.check(result, 69, 'not finite numbers', 'output rows 0 to ')
            self.assertEqual(self.files(), ['a.png'])


def main():
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Promises)
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stderr).run(suite)
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == '__main__':
    main()
