#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pique look: what a file is, and one picture of it, also of a film that is being made.

    test_look.py GROUP        one class of this file, or all without a name

Films are made here with ffmpeg; what needs it is skipped where it is missing."""
import json
import os
import signal
import struct
import subprocess
import sys
import unittest
import zlib

from test_cli import LESS, PROGRAM, Case, chunk, png, read, write
from test_films import FilmCase, needs


def make_png(width, height, colour, depth, rows):
    """Rows of bytes, without filter."""
    head = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b''.join(b'\0' + row for row in rows))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', data) + chunk(b'IEND', b'')


def paeth(a, b, c):
    pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def pixels_of(data):
    """Width, height, channels and the rows of an 8-bit PNG."""
    at, packed = 8, b''
    while at < len(data):
        length, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b'IHDR':
            width, height, depth, colour = struct.unpack('>IIBB', body[:10])
        if kind == b'IDAT':
            packed += body
        at += 12 + length
    if depth != 8:
        raise ValueError('not 8 bits')
    n = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    raw, rows, before = zlib.decompress(packed), [], bytearray(width * n)
    for y in range(height):
        at = y * (width * n + 1)
        how, row = raw[at], bytearray(raw[at + 1:at + 1 + width * n])
        for i in range(len(row)):
            a, b = row[i - n] if i >= n else 0, before[i]
            c = before[i - n] if i >= n else 0
            row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth(a, b, c))[how]) & 255
        rows.append(bytes(row))
        before = row
    return width, height, n, rows


class Looking:
    """For cases: the command, and what came."""

    def look(self, *words, status=0):
        result = self.run_pique('look', *words, model=None)
        self.check(result, status)
        return result

    def told(self, *words):
        return json.loads(self.look(*words, '--json').stdout)

    def shown(self, *words):
        self.look(*words, '-o', 'shown.png', '-y')
        return pixels_of(read(self.path('shown.png')))

    def middle(self, *words):
        """The middle pixel."""
        width, height, n, rows = self.shown(*words)
        at = width // 2 * n
        return tuple(rows[height // 2][at:at + n])


class Pictures(Looking, Case):
    @classmethod
    def setUpClass(cls):
        pass

    def test_a_picture_is_shown_as_it_is(self):
        for colour, n in ((0, 1), (2, 3), (6, 4)):
            rows = [bytes((x * 7 + y * 31 + x * y) % 256 for x in range(13 * n)) for y in range(9)]
            self.put('in.png', make_png(13, 9, colour, 8, rows))
            self.assertEqual(self.shown('in.png'), (13, 9, n, rows))

    def test_16_bits_become_8_by_rounding(self):
        values = [0, 127, 128, 256, 257, 32767, 65000, 65535]
        rows = [struct.pack('>24H', *(v for v in values for _ in range(3)))]
        self.put('in.png', make_png(8, 1, 2, 16, rows))
        _, _, _, got = self.shown('in.png')
        self.assertEqual(list(got[0][::3]), [int(v / 257 + 0.5) for v in values])

    def test_a_piece_is_cut_where_it_is_said_and_else_in_the_middle(self):
        self.put('in.png', png(40, 30, rows='noise'))
        rows = pixels_of(read(self.path('in.png')))[3]
        _, _, _, got = self.shown('in.png', '--crop', '7x5+11+13')
        self.assertEqual(got, [row[33:54] for row in rows[13:18]])
        _, _, _, got = self.shown('in.png', '--crop', '10x10')
        self.assertEqual(got, [row[45:75] for row in rows[10:20]])
        for piece in ('41x1+0+0', '10x10+31+0', '10x10+0+21'):
            result = self.look('in.png', '--crop', piece, '-o', 'no.png', status=2)
            self.assertIn('does not lie', result.stderr.decode())
            self.assertFalse(os.path.exists(self.path('no.png')))

    def test_the_longest_side_is_reduced_and_never_enlarged(self):
        self.put('in.png', png(640, 360))
        self.assertEqual(self.shown('in.png', '--side', '320')[:2], (320, 180))
        self.assertEqual(self.shown('in.png', '--side', '640')[:2], (640, 360))
        self.assertEqual(self.shown('in.png', '--side', '9999')[:2], (640, 360))
        self.put('in.png', png(2, 900))
        self.assertEqual(self.shown('in.png', '--side', '30')[:2], (1, 30))

    def test_a_reduced_picture_keeps_its_brightness_and_has_no_moire(self):
        rows = [bytes(((x + y) % 2) * 255 for x in range(400) for _ in range(3)) for y in range(400)]
        self.put('in.png', make_png(400, 400, 2, 8, rows))
        _, _, _, got = self.shown('in.png', '--side', '100')
        for row in got[4:-4]:
            self.assertTrue(all(abs(v - 128) <= 2 for v in row[12:-12]), row)

    def test_colours_behind_nothing_do_not_show_when_it_is_reduced(self):
        half = b'\xff\x00\x00\xff' * 20 + b'\x00\xff\x00\x00' * 20
        self.put('in.png', make_png(40, 40, 6, 8, [half] * 40))
        _, _, n, got = self.shown('in.png', '--side', '10')
        self.assertEqual(n, 4)
        for x in range(10):
            r, g, _, a = got[5][4 * x:4 * x + 4]
            self.assertTrue(a <= 2 or (r >= 250 and g <= 5), got[5])
        self.assertEqual((got[5][3], got[5][39]), (255, 0))

    def test_what_it_is_is_told(self):
        self.put('in.png', make_png(3, 2, 6, 8, [b'abcdefghijkl'] * 2))
        told = self.told('in.png')
        want = {'kind': 'picture', 'width': 3, 'height': 2, 'frames': 1, 'codec': 'png',
                'container': 'png', 'depth': 8, 'alpha': True}
        self.assertEqual({k: told[k] for k in want}, want)
        self.assertNotIn('out_width', told)
        told = self.told('in.png', '-o', 'out.png', '--side', '2')
        self.assertEqual((told['out_width'], told['out_height'], told['frame']), (2, 1, 0))
        self.assertIn('3x2', self.look('in.png').stdout.decode())

    def test_what_cannot_be_looked_at_gets_a_sentence(self):
        self.put('text.png', b'no picture at all\n' * 100)
        self.look('text.png', '-o', 'out.png', status=65)
        self.look('gone.png', '-o', 'out.png', status=66)
        whole = png(200, 200, rows='noise')
        self.put('cut.png', whole[:len(whole) // 2])
        self.look('cut.png', '-o', 'out.png', status=65)
        os.makedirs(self.path('empty'))
        self.look('empty', '-o', 'out.png', status=66)
        self.assertEqual(self.files(), ['cut.png', 'text.png'])

    def test_an_output_that_is_there_is_kept_unless_it_may_be_replaced(self):
        self.put('in.png')
        self.put('out.png', b'mine')
        self.look('in.png', '-o', 'out.png', status=73)
        self.assertEqual(read(self.path('out.png')), b'mine')
        self.look('in.png', '-o', 'out.png', '-y')

    def test_options_that_make_no_sense_are_refused(self):
        self.put('in.png')
        self.look('in.png', '--frame', '1', '--at', '1', status=2)
        self.look('in.png', '--crop', 'auto', status=2)
        self.look('in.png', '-o', '-', '--json', status=2)
        self.look('in.png', '--frame', '-1', status=2)
        self.look('in.png', 'in.png', status=2)

    def test_the_picture_can_go_down_a_pipe(self):
        self.put('in.png', png(40, 30))
        got = pixels_of(self.look('in.png', '-o', '-').stdout)
        self.assertEqual(got, pixels_of(read(self.path('in.png'))))

    def test_a_folder_of_numbered_pictures_is_looked_at_by_number(self):
        for i in (1, 2, 12):
            self.put('out/%06d.png' % i, png(10 + i, 5))
        self.assertEqual(self.shown('out', '--frame', '0')[0], 11)
        self.assertEqual(self.shown('out', '--frame', '11')[0], 22)
        self.look('out', '--frame', '4', '-o', 'no.png', status=66)


GREY = "geq=lum='16+2*N':cb=128:cr=128"
EXACT = ('-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-qp', '0', '-preset', 'veryfast')


def grey_of(number):
    return int(2 * number * 255 / 219 + 0.5)


class Films(Looking, FilmCase):
    """Frame n is grey of step n, so that each tells its number."""

    def greys(self, name, *more, drop=''):
        self.ff('-f', 'lavfi', '-i', 'color=black:s=48x32:r=10:d=10,' + GREY + drop,
                *(more or (*EXACT, '-g', '24', '-bf', '3')), name)
        return name

    def assert_shows(self, number, *words):
        r, g, b = self.middle(*words)
        self.assertTrue(r == g == b and abs(r - grey_of(number)) <= 1,
                        '%s: %d, which is none of frame %d' % (words, r, number))

    def test_each_frame_by_number_and_by_time(self):
        for name in ('in.mp4', 'in.mkv', 'in.ts', 'in.mov'):
            self.greys(name)
            for n in (0, 24, 99) if LESS else (0, 1, 23, 24, 50, 77, 99):
                self.assert_shows(n, name, '--frame', str(n))
                self.assert_shows(n, name, '--at', '%.3f' % (n / 10 + 0.05))
            result = self.look(name, '--frame', '100', '-o', 'no.png', status=66)
            self.assertIn('no frame 100', result.stderr.decode())
        self.assertNotIn('no.png', self.files())

    def test_frames_of_a_variable_rate_count_as_they_are_seen(self):
        kept = [n for n in range(100) if n % 3 == 0 or n % 7 == 0]
        drop = ",select='not(mod(n,3))+not(mod(n,7))'"
        for name in ('in.mkv', 'in.mp4'):
            self.greys(name, '-vsync', 'vfr', *EXACT, '-g', '12', '-bf', '3', drop=drop)
            for i in (1, 20, len(kept) - 1) if LESS else (0, 1, 2, 3, 11, 20, len(kept) - 1):
                self.assert_shows(kept[i], name, '--frame', str(i))
                self.assert_shows(kept[i], name, '--at', '%.3f' % (kept[i] / 10 + 0.05))
                at = self.told(name, '--frame', str(i), '-o', 'shown.png', '-y')['at']
                self.assertAlmostEqual(at, kept[i] / 10, places=3)
                self.assert_shows(kept[i], name, '--at', '%.9f' % at)
            self.look(name, '--frame', str(len(kept)), '-o', 'no.png', status=66)

    def test_a_codec_that_is_read_from_its_beginning(self):
        self.greys('in.avi', '-c:v', 'mpeg4', '-q:v', '1', '-bf', '2')
        r, _, _ = self.middle('in.avi', '--frame', '60')
        self.assertTrue(abs(r - grey_of(60)) <= 2, r)
        self.look('in.avi', '--frame', '100', '-o', 'no.png', status=66)

    def test_a_piece_of_a_frame_small(self):
        self.film('in.mkv', '320x180', '24', '1')
        width, height, _, _ = self.shown('in.mkv', '--frame', '3', '--side', '64')
        self.assertEqual((width, height), (64, 36))
        whole = self.shown('in.mkv', '--frame', '3')[3]
        piece = self.shown('in.mkv', '--frame', '3', '--crop', '20x10+100+50')[3]
        self.assertEqual(piece, [row[300:360] for row in whole[50:60]])

    def test_a_frame_is_turned_as_it_is_seen_and_not_stretched(self):
        self.film('plain.mp4', '64x48')
        self.ff('-i', 'plain.mp4', '-c', 'copy', '-metadata:s:v', 'rotate=90', 'turned.mp4')
        told = self.told('turned.mp4')
        self.assertEqual((told['width'], told['height']), (48, 64))
        self.assertEqual(self.shown('turned.mp4', '--frame', '2')[:2], (48, 64))
        self.film('wide.mp4', '64x48', '24', '1', '-vf', 'setsar=2', *EXACT)
        self.assertEqual(self.shown('wide.mp4')[:2], (64, 48))

    def test_a_frame_is_the_picture_that_the_pipeline_makes_of_it(self):
        self.film('in.mkv', '64x48', '24', '1')
        self.upscale('in.mkv', '-o', 'kept.mkv', '--keep-frames', 'source', '--no-report')
        for n in (0, 5, 17):
            kept = pixels_of(read(self.path('kept_frames', 'source', '%06d.png' % (n + 1))))
            self.assertEqual(self.shown('in.mkv', '--frame', str(n)), kept)

    @needs('aac')
    def test_what_a_film_is_is_told_with_its_tracks(self):
        write(self.path('a.srt'), b'1\n00:00:00,000 --> 00:00:01,000\nhello\n')
        self.ff('-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=24000/1001:duration=2', '-f', 'lavfi',
                '-i', 'sine=d=2', '-i', 'a.srt', '-map', '0', '-map', '1', '-map', '2', '-c:v',
                'libx264', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-c:s', 'srt',
                '-metadata:s:a:0', 'language=jpn', '-metadata:s:s:0', 'language=fre', 'in.mkv')
        told = self.told('in.mkv')
        want = {'kind': 'film', 'width': 64, 'height': 48, 'codec': 'h264',
                'container': 'matroska', 'depth': 8, 'alpha': False, 'audio': 1, 'subtitles': 1,
                'tracks': [{'kind': 'audio', 'codec': 'aac', 'language': 'jpn'},
                           {'kind': 'subtitle', 'codec': 'subrip', 'language': 'fre'}]}
        self.assertEqual({k: told[k] for k in want}, want)
        self.assertAlmostEqual(told['fps'], 23.976, places=2)
        self.assertAlmostEqual(told['seconds'], 2, delta=0.1)
        self.assertAlmostEqual(told['frames'], 48, delta=2)  # Matroska does not say

    def test_a_picture_that_moves_is_a_film(self):
        self.greys('in.mkv')
        self.ff('-i', 'in.mkv', '-t', '2', 'in.gif')
        self.assertEqual(self.told('in.gif')['kind'], 'film')
        r, _, _ = self.middle('in.gif', '--frame', '15')[:3]
        self.assertTrue(abs(r - grey_of(15)) <= 3, r)
        self.ff('-i', 'in.mkv', '-frames:v', '1', 'still.gif')
        self.assertEqual(self.told('still.gif')['kind'], 'picture')

    def test_pictures_with_a_number_are_a_film(self):
        for i in range(1, 6):
            self.put('f%03d.png' % i, png(10, 8, rows='noise', seed=i))
        want = pixels_of(read(self.path('f004.png')))
        self.assertEqual(self.shown('f%03d.png', '--frame', '3'), want)

    def test_a_turned_photo_is_seen_as_it_is_meant(self):
        self.film('in.mkv', '64x48')
        self.ff('-i', 'in.mkv', '-frames:v', '1', 'a.jpg')
        data = read(self.path('a.jpg'))
        exif = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
        write(self.path('b.jpg'),
              data[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + data[2:])
        self.assertEqual(self.shown('a.jpg')[:2], (64, 48))
        self.assertEqual(self.shown('b.jpg')[:2], (48, 64))


class Jobs(Looking, FilmCase):
    """A film that is looked at while it is made."""

    def start(self, after, *words):
        """Hold it once so many batches are saved; the frames that are."""
        words += () if '-m' in words else ('-m', 'tiny')
        process = subprocess.Popen([PROGRAM, *words, '--json'], cwd=self.dir,
                                   env=self.environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        frames = count = 0
        for line in process.stdout:
            event = json.loads(line)
            if event['event'] == 'saved':
                frames, count = event['first'] + event['frames'], count + 1
                if count == after:
                    break
        process.send_signal(signal.SIGSTOP)
        self.assertEqual(count, after)
        return process, frames

    def finish(self, process):
        process.send_signal(signal.SIGCONT)
        process.stdout.read()
        self.assertEqual(process.wait(timeout=240), 0)

    def look_while_it_is_made(self, after, *words):
        process, frames = self.start(after, *words)
        seen = {}
        for n in sorted({0, 1, 7, frames // 2, frames - 2, frames - 1}):
            if 0 <= n < frames:
                seen[n] = self.shown('out.mkv.job', '--frame', str(n))
                self.assertEqual(seen[n][:2], (128, 96))
        result = self.look('out.mkv.job', '--frame', '95', '-o', 'no.png', status=66)
        self.assertIn('not there yet', result.stderr.decode())
        self.look('out.mkv.job', '--frame', '123456789', '-o', 'no.png', status=66)
        told = self.told('out.mkv.job', '--frame', '0')
        self.assertEqual((told['kind'], told['width'], told['height']), ('film', 128, 96))
        self.finish(process)
        return seen

    def test_every_frame_that_is_saved_can_be_seen_and_is_that_of_the_result(self):
        self.film('in.mkv', '64x48', '24', '4')
        for after in (1, 13) if LESS else (1, 5, 13, 20):
            seen = self.look_while_it_is_made(after, 'in.mkv', '-o', 'out.mkv', '--segment', '24',
                                              '--batch', '3', '-y', '--no-report')
            self.assertGreater(len(seen), 1)
            for n, picture in seen.items():
                self.assertEqual(self.shown('out.mkv', '--frame', str(n)), picture, n)

    def test_what_is_in_the_journal_alone_is_seen_too(self):
        self.make_model('heavy', 64, 96, 2)
        self.film('in.mkv', '320x180', '24', '10')
        process, frames = self.start(2, 'in.mkv', '-o', 'out.mkv', '-m', 'heavy', '--batch', '2',
                                     '--no-report')
        seg = os.listdir(self.path('out.mkv.job', 'seg'))
        self.assertIn('000000.j0.mkv', seg)
        for n in sorted({0, frames // 2, frames - 1}) if LESS else range(frames):
            width, height, _, rows = self.shown('out.mkv.job', '--frame', str(n))
            self.assertEqual((width, height), (640, 360))
            self.check(self.run_pique('preview', 'in.mkv', '--at', str(n / 24), '-o', 'want.png',
                                      '-y', model='heavy'), 0)
            want = pixels_of(read(self.path('want.png')))[3]
            # Frames of a film have less colour than pictures.
            apart = [abs(a - b) for x, y in zip(rows, want) for a, b in zip(x, y)]
            self.assertLess(sum(apart) / len(apart), 8, n)
        process.kill()

    def test_numbered_pictures_are_seen_as_they_come(self):
        self.film('in.mkv', '64x48', '24', '4')
        for dst, job in (('out', 'out/in.job'), ('some%05d.png', 'some%05d.png.job')):
            process, frames = self.start(4, 'in.mkv', '-o', dst, '-f', 'png', '--batch', '2',
                                         '--no-report')
            got = self.shown(job, '--frame', str(frames - 1))
            name = 'out/in/%06d.png' if dst == 'out' else dst
            self.assertEqual(got, pixels_of(read(self.path(name % frames))))
            self.look(job, '--frame', '95', '-o', 'no.png', status=66)
            self.finish(process)

    def test_a_job_that_is_damaged_gets_a_sentence(self):
        os.makedirs(self.path('a.job'))
        for text, status in ((b'', 65), (b'{}', 65), (b'{"format": 1}', 65),
                             (b'{"format": 1, "spec": {}}', 65),
                             (b'{"format": 1, "spec": {"segment": "0", "container": "mkv"}}', 65),
                             (b'{"format": 1, "spec": {"segment": "240", "pictures": "../%06d.png, "}}',
                              65),
                             (b'{"format": 1, "spec": {"segment": "240", "container": "mkv"}}', 66)):
            write(self.path('a.job', 'job.json'), text)
            self.look('a.job', '-o', 'no.png', status=status)
        os.makedirs(self.path('a.job', 'seg'))
        for name in ('000000.mkv', '000000.mkv.part', '000000.j0.mkv'):
            write(self.path('a.job', 'seg', name), b'\x1aE\xdf\xa3 no film')
        self.look('a.job', '-o', 'no.png', status=66)
        self.look('a.job', '--at', '1', '-o', 'no.png', status=2)


if __name__ == '__main__':
    GROUP = sys.argv[1:2]
    if GROUP:
        SUITE = unittest.defaultTestLoader.loadTestsFromName(GROUP[0], sys.modules[__name__])
        RESULT = unittest.TextTestRunner(verbosity=2).run(SUITE)
        NOTHING = RESULT.testsRun <= len(RESULT.skipped) and RESULT.wasSuccessful()
        sys.exit(77 if NOTHING else not RESULT.wasSuccessful())
    unittest.main(verbosity=2)
