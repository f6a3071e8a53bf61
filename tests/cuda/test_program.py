#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program on a GPU that the driver of the tests stands in for.

PIQUE_STANDIN_FOLDER has its libcuda.so.1. Skipped without ffmpeg where films are needed."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
from test_cli import Case, png, read  # noqa: E402
from test_films import FilmCase  # noqa: E402
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'server'))
from test_queue import ServerCase  # noqa: E402

FOLDER = os.environ.get('PIQUE_STANDIN_FOLDER', '')
DIRECT = '--device', 'cpu:direct'  # the processor with the kernels whose bits a GPU has in fp32


class OnStandIn:
    """Runs everything with the stand-in driver; its faults end the program with status 1."""

    def gpu(self, *words, model='tiny', **more):
        env = self.environment(LD_LIBRARY_PATH=FOLDER, PIQUE_STANDIN_STRICT='1',
                               **{'PIQUE_STANDIN': 'threads', **more})
        return self.run_pique('--device', 'cuda', *words, env=env, model=model)


class Pictures(OnStandIn, Case):
    def test_devices_are_listed(self):
        env = self.environment(LD_LIBRARY_PATH=FOLDER)
        result = self.run_pique('devices', '--json', model=None, env=env)
        self.check(result, 0)
        cuda = json.loads(result.stdout)[1]
        self.assertEqual(cuda['id'], 'cuda:0')
        self.assertTrue(cuda['usable'])
        self.assertIn('Stand-in', cuda['name'])
        text = self.run_pique('devices', model=None, env=env).stdout.decode()
        self.assertIn('4 multiprocessors', text)

    def test_fp32_is_the_picture_of_the_processor(self):
        self.put('in.png', png(61, 47, 'noise'))
        self.check(self.run_pique(*DIRECT, 'in.png', '-o', 'cpu.png'), 0)
        for mode in ('lazy', 'threads'):
            self.check(self.gpu('in.png', '-o', mode + '.png', '--precision', 'fp32', PIQUE_STANDIN=mode), 0)
            self.assertEqual(read(self.path('cpu.png')), read(self.path(mode + '.png')), mode)

    def test_auto_is_fp16_where_the_network_is_safe_in_it(self):
        self.put('in.png', png(61, 47, 'noise'))
        result = self.gpu('in.png', '-o', 'out.png', '--verbose')
        self.check(result, 0, 'cuda/fp16/tiles-1')
        self.assert_png('out.png', 122, 94)

    def test_a_kernel_that_fails_leaves_no_picture(self):
        self.put('in.png', png(61, 47))
        for launch in ('1', '5', '9'):
            result = self.gpu('in.png', '-o', 'out.png', PIQUE_STANDIN_FAILS=launch)
            self.check(result, 69, 'the GPU failed')
            self.assertEqual(self.files(), ['in.png'])

    def test_a_network_with_statistics_is_that_of_the_processor_or_says_that_it_has_no_room(self):
        """A GPU has no scratch file: what it cannot hold is not told to go through one."""
        model = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden', 'nets',
                             'realplksr-x1-no-ea.pth')
        self.put('in.png', png(90, 70, 'noise'))
        self.check(self.run_pique(*DIRECT, 'in.png', '-o', 'cpu.png', model=model), 0)
        self.check(self.gpu('in.png', '-o', 'gpu.png', '--precision', 'fp32', '-m', model, model=None), 0)
        self.assertEqual(read(self.path('cpu.png')), read(self.path('gpu.png')))
        result = self.gpu('in.png', '-o', 'no.png', '--memory', '1M', '-m', model, model=None)
        self.check(result, 75)
        self.assertNotIn('they go through a scratch file', result.stderr.decode())
        self.assertFalse(os.path.exists(self.path('no.png')))

    def test_a_device_that_is_not_there_is_named(self):
        self.put('in.png')
        env = self.environment(LD_LIBRARY_PATH=FOLDER)
        self.check(self.run_pique('--device', 'cuda:3', 'in.png', '-o', 'out.png', env=env), 69, 'cuda:3')

    def test_a_batch_of_pictures_is_one_inference(self):
        for i in range(4):
            self.put('in/%d.png' % i, png(33, 21, 'noise', seed=i))
        self.check(self.run_pique(*DIRECT, 'in', '-o', 'cpu', '--batch', '4'), 0)
        self.check(self.gpu('in', '-o', 'gpu', '--batch', '4', '--precision', 'fp32'), 0)
        for i in range(4):
            self.assertEqual(read(self.path('cpu/%d.png' % i)), read(self.path('gpu/%d.png' % i)), i)


class Films(OnStandIn, FilmCase):
    def frames_of(self, name):
        return self.ff('-i', name, '-f', 'md5', '-')

    def clip(self):
        self.film('in.mkv', '48x72', '24', '0.5', '-pix_fmt', 'yuv444p', '-c:v', 'ffv1')
        self.check(self.run_pique(*DIRECT, 'in.mkv', '-o', 'cpu.mkv', '--codec', 'ffv1'), 0)

    def test_every_batch_size_makes_the_film_of_the_processor(self):
        self.clip()
        for batch in ('1', '3', '8'):
            self.check(self.gpu('in.mkv', '-o', 'gpu.mkv', '--overwrite', '--codec', 'ffv1', '--batch', batch,
                                '--precision', 'fp32'), 0)
            self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'), batch)

    def test_a_small_gpu_lowers_band_and_batch_and_makes_the_same_film(self):
        self.clip()
        said = set()
        for bytes in (1200000, 600000, 300000):
            result = self.gpu('in.mkv', '-o', 'gpu.mkv', '--overwrite', '--codec', 'ffv1', '--batch', '8',
                              '--precision', 'fp32', '--memory', '1G', PIQUE_STANDIN_BYTES=str(bytes))
            self.check(result, 0)
            text = result.stderr.decode()
            said |= {word for word in ('a band of', 'there is no memory for a batch of') if word in text}
            self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'), bytes)
        self.assertEqual(len(said), 2, said)

    def test_a_film_whose_gpu_was_lost_goes_on_where_it_was(self):
        self.clip()
        result = self.gpu('in.mkv', '-o', 'gpu.mkv', '--codec', 'ffv1', '--precision', 'fp32', '--batch', '1',
                          '--segment', '2', PIQUE_STANDIN_FAILS='60')
        self.check(result, 69, 'the GPU failed')
        self.assertFalse(os.path.exists(self.path('gpu.mkv')))
        result = self.gpu('in.mkv', '-o', 'gpu.mkv', '--codec', 'ffv1', '--precision', 'fp32', '--batch', '1',
                          '--segment', '2')
        self.check(result, 0)
        self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'))


class Queue(ServerCase):
    def setUp(self):
        super().setUp()
        self.stop()

    def start_on_gpu(self, launches):
        """Every process loses its device at that launch. The sandbox lets it read the driver."""
        self.start(LD_LIBRARY_PATH=FOLDER, PIQUE_MODULE_DIR=FOLDER, PIQUE_STANDIN='threads',
                   PIQUE_STANDIN_FAILS=str(launches))

    def test_a_film_goes_on_in_a_new_process_when_its_gpu_is_lost(self):
        self.film('in.mkv', '48x72', '24', '0.5', '-pix_fmt', 'yuv444p', '-c:v', 'ffv1')
        self.check(self.run_pique(*DIRECT, 'in.mkv', '-o', 'cpu.mkv', '--codec', 'ffv1'), 0)
        self.start_on_gpu(60)
        item = self.wait(self.add('in.mkv', {'model': 'tiny', 'device': 'cuda', 'precision': 'fp32', 'batch': 1,
                                             'segment': 2, 'codec': 'ffv1'}), 'done')
        anew = [n for n in item['notes'] if 'goes on in a new process' in n]
        self.assertGreater(len(anew), 1, item['notes'])
        self.assertIn('the GPU failed', anew[0])
        made = [os.path.join('results', n) for n in self.files('results') if n.endswith('.mkv')]
        self.assertEqual(self.ff('-i', 'cpu.mkv', '-f', 'md5', '-'), self.ff('-i', made[0], '-f', 'md5', '-'))

    def test_a_gpu_that_gets_nowhere_is_given_up(self):
        self.film('in.mkv', '48x72', '24', '0.5', '-pix_fmt', 'yuv444p', '-c:v', 'ffv1')
        self.start_on_gpu(3)
        item = self.wait(self.add('in.mkv', {'model': 'tiny', 'device': 'cuda', 'segment': 2}), 'failed')
        self.assertIn('the GPU failed', item['error']['text'])


if __name__ == '__main__':
    name = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith('-') else None
    program = unittest.main(defaultTest=name, exit=False, verbosity=2)
    skipped = len(program.result.skipped) == program.result.testsRun
    sys.exit(77 if skipped and program.result.wasSuccessful() else not program.result.wasSuccessful())
