#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program on a GPU that the driver of the tests stands in for.

PIQUE_STANDIN_FOLDER has its libcuda.so.1. Skipped without ffmpeg where films are needed."""
import array
import json
import os
import random
import struct
import sys
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
from test_cli import Case, chunk, png, read  # noqa: E402
from test_films import FilmCase  # noqa: E402
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'server'))
from test_queue import ServerCase  # noqa: E402

FOLDER = os.environ.get('PIQUE_STANDIN_FOLDER', '')
DIRECT = '--device', 'cpu:direct'  # the processor with the kernels whose bits a GPU has in fp32


def png_of(colour, depth, width, height, seed=1):
    """A PNG of this colour type, 0, 2, 4 or 6; rows of noisy, of patchy and of full alpha."""
    rng = random.Random(100 * colour + depth + seed)
    channels, size = {0: 1, 2: 3, 4: 2, 6: 4}[colour], depth // 8
    raw = bytearray()
    for y in range(height):
        row = bytearray(rng.getrandbits(8 * size * channels * width).to_bytes(size * channels * width, 'big'))
        for x in range(width if colour >= 4 and y // 6 % 3 else 0):
            alpha = (255, 0, 90)[(x // 8 + y // 6) % 3] if y // 6 % 3 == 1 else 255
            row[(x + 1) * size * channels - size:(x + 1) * size * channels] = bytes([alpha] * size)
        raw += b'\0' + row
    head = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(bytes(raw)))
            + chunk(b'IEND', b''))


class OnStandIn:
    """Runs everything with the stand-in driver; its faults end the program with status 1."""

    def gpu(self, *words, model='tiny', **more):
        env = self.environment(LD_LIBRARY_PATH=FOLDER, PIQUE_STANDIN_STRICT='1',
                               **{'PIQUE_STANDIN': 'threads', **more})
        return self.run_pique('--device', 'cuda', *words, env=env, model=model)

    def gpus(self, count, *words, model='tiny', device='cuda:all', **more):
        """All of several."""
        env = self.environment(LD_LIBRARY_PATH=FOLDER, PIQUE_STANDIN_STRICT='1',
                               PIQUE_STANDIN_DEVICES=str(count), **{'PIQUE_STANDIN': 'threads', **more})
        return self.run_pique('--device', device, *words, env=env, model=model)


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
        self.check(result, 0, 'cuda/fp16/tiles-3')
        self.assert_png('out.png', 122, 94)

    def test_auto_is_bf16_where_that_is_safe_and_fp16_is_not(self):
        model = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden', 'nets', 'realplksr-x4.pth')
        self.put('in.png', png(31, 27, 'noise'))
        for words, key in (((), 'cuda/bf16/tiles-3'), (('--precision', 'fp16'), 'cuda/fp16/tiles-3')):
            result = self.gpu('in.png', '-o', 'out.png', '--overwrite', '--verbose', '-m', model, *words, model=None)
            self.check(result, 0, key)
        self.assert_png('out.png', 124, 108)

    def test_bf16_is_computed_in_where_it_is_asked_for(self):
        self.put('in.png', png(61, 47, 'noise'))
        self.check(self.gpu('in.png', '-o', 'out.png', '--precision', 'bf16', '--verbose'), 0, 'cuda/bf16/tiles-3')
        self.assert_png('out.png', 122, 94)

    def test_a_kernel_that_fails_leaves_no_picture(self):
        self.put('in.png', png(61, 47))
        for launch in ('1', '3', '6'):
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


    def test_grey_and_alpha_are_those_of_the_processor_on_one_gpu_and_on_two(self):
        for depth in (8, 16):
            for colour in (0, 2, 4, 6):
                for i in range(2):
                    self.put('in/%d-%d-%d.png' % (depth, colour, i), png_of(colour, depth, 33, 41, seed=i))
        for words in ((), ('--scale', '3', '--sharpen', '0.5'), ('--alpha', 'flatten', '--background', '#204060'),
                      ('--alpha', 'drop', '--contrast', '1.2')):
            self.check(self.run_pique(*DIRECT, 'in', '-o', 'cpu', '--overwrite', *words), 0)
            for count in (1, 2):
                self.check(self.gpus(count, 'in', '-o', 'gpu', '--overwrite', '--precision', 'fp32', *words), 0)
                for name in self.files('in'):
                    self.assertEqual(read(self.path('cpu', name)), read(self.path('gpu', name)), (name, words))

    def test_alpha_that_a_lost_gpu_had_is_made_by_the_fallback(self):
        self.put('in.png', png_of(6, 8, 61, 47))
        self.check(self.run_pique(*DIRECT, 'in.png', '-o', 'cpu.png'), 0)
        result = self.gpu('in.png', '-o', 'gpu.png', '--fallback', 'cpu:direct', PIQUE_STANDIN_FAILS='9')
        self.check(result, 0, 'gpu.png was computed by the fallback')
        self.assertEqual(read(self.path('cpu.png')), read(self.path('gpu.png')))

    def test_several_gpus_make_the_pictures_of_one(self):
        for i in range(7):
            self.put('in/%d.png' % i, png(33 + i // 4, 21, 'noise', seed=i))
        self.check(self.run_pique(*DIRECT, 'in', '-o', 'cpu'), 0)
        for count in (1, 2, 3):
            for batch in ('auto', '3'):
                out = 'gpu-%d-%s' % (count, batch)
                result = self.gpus(count, 'in', '-o', out, '--batch', batch, '--precision', 'fp32', '--json')
                self.check(result, 0)
                done = [e['input'] for e in self.events(result) if e['event'] == 'file_done']
                self.assertEqual(done, ['in/%d.png' % i for i in range(7)])
                for i in range(7):
                    self.assertEqual(read(self.path('cpu/%d.png' % i)), read(self.path('%s/%d.png' % (out, i))))

    def test_a_gpu_that_is_lost_leaves_its_pictures_to_the_other(self):
        for i in range(6):
            self.put('in/%d.png' % i, png(33, 21, 'noise', seed=i))
        self.check(self.run_pique(*DIRECT, 'in', '-o', 'cpu'), 0)
        said = 0
        for fails in ('2@0', '2@1', '9@0'):
            result = self.gpus(2, 'in', '-o', 'gpu', '--overwrite', '--precision', 'fp32', '--verbose',
                               PIQUE_STANDIN_FAILS=fails)
            self.check(result, 0)
            said += b'failed (in/' in result.stderr
            for i in range(6):
                self.assertEqual(read(self.path('cpu/%d.png' % i)), read(self.path('gpu/%d.png' % i)), fails)
        self.assertGreater(said, 0)  # one may be given too little to fail

    def test_a_picture_of_a_lost_gpu_is_made_by_the_fallback_and_said(self):
        self.put('in.png', png(61, 47, 'noise'))
        self.put('second.png', png(31, 47, 'noise'))
        self.check(self.run_pique(*DIRECT, 'in.png', 'second.png', '-o', 'cpu'), 0)
        result = self.gpu('in.png', 'second.png', '-o', 'gpu', '--fallback', 'cpu:direct', '--json', PIQUE_STANDIN_FAILS='5')
        self.check(result, 0)
        events = self.events(result)
        done = [e for e in events if e['event'] == 'file_done']
        for e in done:
            self.assertEqual(e['fallback'], [{'first': 0, 'last': 0, 'numeric_key': 'cpu/fp32/direct-1'}])
        self.assertEqual([e['moved'] for e in done], [1, 0])
        notes = [e['text'] for e in events if e['event'] == 'note']
        self.assertIn('what is missing is computed on cpu:direct as cpu/fp32/direct-1', ' '.join(notes))
        for name in ('in.png', 'second.png'):
            self.assertEqual(read(self.path('cpu', name)), read(self.path('gpu', name)))

    def test_a_gpu_that_is_too_small_leaves_its_pictures_to_the_fallback(self):
        self.put('in.png', png(61, 47, 'noise'))
        self.check(self.run_pique(*DIRECT, 'in.png', '-o', 'cpu.png'), 0)
        self.check(self.gpu('in.png', '-o', 'no.png', PIQUE_STANDIN_BYTES='20000'), 75)
        result = self.gpu('in.png', '-o', 'gpu.png', '--fallback', 'cpu:direct', '--memory', '1G',
                          PIQUE_STANDIN_BYTES='60000')
        self.check(result, 0, 'gpu.png was computed by the fallback, as cpu/fp32/direct-1')
        self.assertEqual(read(self.path('cpu.png')), read(self.path('gpu.png')))

    def test_devices_that_compute_otherwise_are_refused(self):
        self.put('in.png')
        result = self.gpus(2, 'in.png', '-o', 'out.png', device='cuda:0,cpu')
        self.check(result, 2, 'cpu as cpu/int16/winograd-3')
        self.check(self.gpus(2, 'in.png', '-o', 'out.png', device='cuda,cuda:0'), 2, 'named twice')
        self.check(self.gpus(2, 'in.png', '-o', 'out.png', device='cuda:1,cuda:2'), 69, 'cuda:2')


class Films(OnStandIn, FilmCase):
    def frames_of(self, name):
        return self.ff('-i', name, '-f', 'md5', '-')

    def clip(self, pixels='gbrp'):
        self.film('in.mkv', '48x72', '24', '0.5', '-pix_fmt', pixels, '-c:v', 'ffv1')
        self.check(self.run_pique(*DIRECT, 'in.mkv', '-o', 'cpu.mkv', '--overwrite', '--codec', 'ffv1'), 0)

    def test_every_batch_size_makes_the_film_of_the_processor(self):
        self.clip()
        for batch in ('1', '3', '8'):
            self.check(self.gpu('in.mkv', '-o', 'gpu.mkv', '--overwrite', '--codec', 'ffv1', '--batch', batch,
                                '--precision', 'fp32'), 0)
            self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'), batch)

    def test_alpha_of_a_film_goes_through_the_gpu(self):
        alpha = 'geq=r=r(X\\,Y):g=g(X\\,Y):b=b(X\\,Y):a=255*min(1\\,mod(X+Y+N\\,40)/20)'
        for pixels in ('gbrap10le', 'yuva420p'):
            self.film('in.mkv', '48x72', '24', '0.3', '-vf', 'format=rgba,' + alpha, '-pix_fmt', pixels, '-c:v', 'ffv1')
            words = 'in.mkv', '--overwrite', '--codec', 'ffv1', '--alpha', 'keep', '--no-report'
            self.check(self.run_pique(*DIRECT, *words, '-o', 'cpu.mkv'), 0)
            for batch in ('1', '3'):
                self.check(self.gpu(*words, '-o', 'gpu.mkv', '--batch', batch, '--precision', 'fp32'), 0)
                self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'), (pixels, batch))

    def test_luma_and_chroma_are_converted_by_the_gpu_within_a_step_of_the_processor(self):
        for pixels in ('yuv420p', 'yuv422p10le', 'yuv444p'):
            self.clip(pixels)
            films = set()
            for batch in ('1', '3'):
                self.check(self.gpu('in.mkv', '-o', 'gpu.mkv', '--overwrite', '--codec', 'ffv1', '--batch', batch,
                                    '--precision', 'fp32', PIQUE_STANDIN='threads'), 0)
                films.add(self.frames_of('gpu.mkv'))
            self.assertEqual(len(films), 1, pixels)
            ours, theirs = (array.array('H', self.ff('-i', name, '-f', 'rawvideo', '-pix_fmt',
                                                     pixels if '10' in pixels else pixels + '10le', '-'))
                            for name in ('gpu.mkv', 'cpu.mkv'))
            step = 1 if '10' in pixels else 4
            self.assertEqual(len(ours), len(theirs))
            self.assertLessEqual(max(abs(a - b) for a, b in zip(ours, theirs)), 2 * step, pixels)
            self.assertLess(abs(sum(ours) - sum(theirs)) / len(ours), 0.1 * step, pixels)

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


    def test_several_gpus_make_the_film_of_one(self):
        self.clip()
        for count in (1, 2, 3):
            for batch in ('1', '3'):
                result = self.gpus(count, 'in.mkv', '-o', 'gpu.mkv', '--overwrite', '--codec', 'ffv1', '--batch',
                                   batch, '--precision', 'fp32', '--json')
                self.check(result, 0)
                self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'), (count, batch))
                events = self.events(result)
                done = [e for e in events if e['event'] == 'file_done'][0]
                self.assertEqual((done['moved'], done['fallback']), (0, []))

    def test_a_film_goes_on_when_one_of_its_gpus_is_lost(self):
        self.clip()
        for fails in ('7@0', '5@1', '40@0'):
            result = self.gpus(2, 'in.mkv', '-o', 'gpu.mkv', '--overwrite', '--codec', 'ffv1', '--batch', '1',
                               '--precision', 'fp32', PIQUE_STANDIN_FAILS=fails)
            self.check(result, 0)
            if fails == '7@0':
                self.check(result, 0, 'cuda:0 failed (the GPU failed')
            self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'), fails)

    def test_a_small_gpu_beside_a_large_one(self):
        self.clip()
        for bytes in ('300000@1', '60000@1', '300000@0'):
            result = self.gpus(2, 'in.mkv', '-o', 'gpu.mkv', '--overwrite', '--codec', 'ffv1', '--batch', '8',
                               '--precision', 'fp32', '--memory', '1G', PIQUE_STANDIN_BYTES=bytes)
            self.check(result, 0)
            self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'), bytes)

    def test_a_fallback_ends_the_film_and_its_report_says_which_frames(self):
        self.clip()
        result = self.gpu('in.mkv', '-o', 'gpu.mkv', '--codec', 'ffv1', '--precision', 'fp32', '--batch', '1',
                          '--fallback', 'cpu:direct', PIQUE_STANDIN_FAILS='60')
        self.check(result, 0, 'no device is left that computes as cuda/fp32/direct-2')
        report = json.loads(read(self.path('gpu.mkv.json')))
        stretch = report['result']['fallback']
        self.assertEqual(len(stretch), 1)
        self.assertEqual(stretch[0]['last'], report['result']['frames'] - 1)
        self.assertEqual(stretch[0]['last'] - stretch[0]['first'] + 1, report['result']['fallback_frames'])
        self.assertGreater(stretch[0]['first'], 0)
        self.assertEqual(stretch[0]['numeric_key'], 'cpu/fp32/direct-1')
        # The two keys happen to have the same bits.
        self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'))

    def test_a_fallback_converts_what_the_gpu_took_as_luma_and_chroma(self):
        self.clip('yuv420p')
        self.check(self.gpu('in.mkv', '-o', 'gpu.mkv', '--codec', 'ffv1', '--precision', 'fp32', '--batch', '2',
                            '--fallback', 'cpu:direct', '--keep-frames', 'source', PIQUE_STANDIN_FAILS='120'), 0)
        stretch = json.loads(read(self.path('gpu.mkv.json')))['result']['fallback'][0]
        ours, theirs = (self.ff('-i', name, '-f', 'framemd5', '-').splitlines()[-12:] for name in ('gpu.mkv', 'cpu.mkv'))
        self.assertGreater(stretch['first'], 0)
        self.assertEqual(ours[stretch['first']:], theirs[stretch['first']:])
        self.assertNotEqual(ours[0], theirs[0])

    def test_a_job_that_was_stopped_is_resumed_with_a_fallback(self):
        self.clip()
        words = ('in.mkv', '-o', 'gpu.mkv', '--codec', 'ffv1', '--precision', 'fp32', '--batch', '1', '--segment', '2')
        self.check(self.gpu(*words, PIQUE_STANDIN_FAILS='90'), 69)
        env = self.environment(LD_LIBRARY_PATH=FOLDER, PIQUE_STANDIN='threads', PIQUE_STANDIN_FAILS='30')
        self.check(self.run_pique('resume', 'gpu.mkv', '--fallback', 'cpu:direct', model=None, env=env), 0)
        report = json.loads(read(self.path('gpu.mkv.json')))
        self.assertGreater(report['result']['segments_kept'], 0)
        self.assertGreater(report['result']['fallback_frames'], 0)
        self.assertEqual(self.frames_of('cpu.mkv'), self.frames_of('gpu.mkv'))


class Queue(ServerCase):
    def setUp(self):
        super().setUp()
        self.stop()

    def start_on_gpu(self, launches):
        """Every process loses its device at that launch. The sandbox lets it read the driver. By the 90th two frames
        are computed, a segment, and what is computed is saved."""
        self.start(LD_LIBRARY_PATH=FOLDER, PIQUE_MODULE_DIR=FOLDER, PIQUE_STANDIN='threads',
                   PIQUE_STANDIN_FAILS=str(launches))

    def test_a_film_goes_on_in_a_new_process_when_its_gpu_is_lost(self):
        self.film('in.mkv', '48x72', '24', '0.5', '-pix_fmt', 'gbrp', '-c:v', 'ffv1')
        self.check(self.run_pique(*DIRECT, 'in.mkv', '-o', 'cpu.mkv', '--overwrite', '--codec', 'ffv1'), 0)
        self.start_on_gpu(90)
        item = self.wait(self.add('in.mkv', {'model': 'tiny', 'device': 'cuda', 'precision': 'fp32', 'batch': 1,
                                             'segment': 2, 'codec': 'ffv1'}), 'done')
        anew = [n for n in item['notes'] if 'goes on in a new process' in n]
        self.assertGreater(len(anew), 1, item['notes'])
        self.assertIn('the GPU failed', anew[0])
        made = [os.path.join('results', n) for n in self.files('results') if n.endswith('.mkv')]
        self.assertEqual(self.ff('-i', 'cpu.mkv', '-f', 'md5', '-'), self.ff('-i', made[0], '-f', 'md5', '-'))

    def test_a_fallback_is_for_a_gpu_that_gets_nowhere(self):
        """One that works again in a new process is better than another device."""
        self.film('in.mkv', '48x72', '24', '0.5', '-pix_fmt', 'gbrp', '-c:v', 'ffv1')
        settings = {'model': 'tiny', 'device': 'cuda', 'precision': 'fp32', 'batch': 1, 'segment': 2,
                    'codec': 'ffv1', 'fallback': 'cpu:direct'}
        self.start_on_gpu(90)
        item = self.wait(self.add('in.mkv', settings), 'done')
        self.assertEqual(item['result']['fallback_frames'], 0)
        self.stop()
        self.start_on_gpu(3)
        item = self.wait(self.add('in.mkv', settings), 'done')
        self.assertEqual(item['result']['fallback_frames'], item['result']['frames'])
        self.assertGreater(item['result']['moved'], 0)
        self.assertIn('computed on cpu:direct as cpu/fp32/direct-1', ' '.join(item['notes']))

    def test_a_gpu_that_gets_nowhere_is_given_up(self):
        self.film('in.mkv', '48x72', '24', '0.5', '-pix_fmt', 'gbrp', '-c:v', 'ffv1')
        self.start_on_gpu(3)
        item = self.wait(self.add('in.mkv', {'model': 'tiny', 'device': 'cuda', 'segment': 2}), 'failed')
        self.assertIn('the GPU failed', item['error']['text'])


if __name__ == '__main__':
    name = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith('-') else None
    program = unittest.main(defaultTest=name, exit=False, verbosity=2)
    skipped = len(program.result.skipped) == program.result.testsRun
    sys.exit(77 if skipped and program.result.wasSuccessful() else not program.result.wasSuccessful())
