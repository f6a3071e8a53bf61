#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Films through the program, as ffprobe sees them before and after.

    test_films.py GROUP        one class of this file, or all without a name

Films are made here with ffmpeg. Skipped where ffmpeg or a part of it is missing."""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest

from test_cli import PROGRAM, SANITIZED, Case, png, png_size, read, write

MEDIA = os.environ.get('PIQUE_MEDIA', '')
FULL = os.environ.get('PIQUE_TEST_FULL') == '1'


def encoders():
    try:
        text = subprocess.run(['ffmpeg', '-hide_banner', '-encoders'], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return set()
    return {line.split()[1] for line in text.split('\n')[10:] if line.strip()}


ENCODERS = encoders()


def needs(*names):
    missing = [n for n in names if n not in ENCODERS]
    return unittest.skipIf(missing, 'ffmpeg has no ' + ', '.join(missing))


class FilmCase(Case):
    @classmethod
    def setUpClass(cls):
        if 'libx264' not in ENCODERS:
            raise unittest.SkipTest('ffmpeg with libx264 is not there')
        super().setUpClass()

    def ff(self, *words):
        result = subprocess.run(['ffmpeg', '-hide_banner', '-loglevel', 'error', '-y', *words],
                                cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, check=False)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return result.stdout

    def probe(self, name, *more):
        out = subprocess.run(['ffprobe', '-loglevel', 'error', '-of', 'json', '-show_streams',
                              '-show_format', '-show_chapters', *more, self.path(name)],
                             stdout=subprocess.PIPE, check=True).stdout
        return json.loads(out)

    def video(self, name, *more):
        return [s for s in self.probe(name, *more)['streams'] if s['codec_type'] == 'video'
                and not s['disposition']['attached_pic']][0]

    def frame_times(self, name):
        """Time of every frame in seconds, and where the last one ends."""
        out = subprocess.run(['ffprobe', '-loglevel', 'error', '-of', 'json', '-select_streams', 'v',
                              '-show_entries', 'packet=pts_time,duration_time', self.path(name)],
                             stdout=subprocess.PIPE, check=True).stdout
        return sorted(float(p['pts_time']) for p in json.loads(out)['packets'])

    def pixels(self, name, pix='rgb24', *more):
        return self.ff('-i', name, *more, '-f', 'rawvideo', '-pix_fmt', pix, '-')

    def film(self, name='in.mp4', size='64x48', rate='24', seconds='1', *more):
        self.ff('-f', 'lavfi', '-i', 'testsrc=size=%s:rate=%s:duration=%s' % (size, rate, seconds),
                *(more or ('-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'ultrafast')), name)
        return name

    def upscale(self, *words, status=0, **more):
        result = self.run_pique(*words, **more)
        self.check(result, status)
        return result

    def done(self, result):
        return [e for e in self.events(result) if e['event'] == 'file_done']


class Command(FilmCase):
    """What the command line makes of films: names, folders, jobs."""

    def test_names_and_dedicated_folders(self):
        os.makedirs(self.path('in'))
        self.film('in/a.mkv', '40x30', '12', '0.3')
        self.put('in/b.png')
        write(self.path('names.txt'), b'one\r\ntwo\n')
        self.upscale('in', '-o', 'out', '--dedicated', '--names-from', 'names.txt', '--no-report')
        self.assertEqual(sorted(self.files('out')), ['images/two.png', 'videos/one.mkv'])
        write(self.path('names.txt'), b'../one\n')
        self.upscale('in', '-o', 'out2', '--names-from', 'names.txt', status=2)

    def test_a_film_becomes_its_own_kind_and_what_no_one_writes_becomes_mkv(self):
        for name in ('a.mp4', 'b.avi', 'c.mov'):
            self.film(name, '40x30', '12', '0.2', '-c:v', 'mpeg4')
        self.upscale('a.mp4', 'b.avi', 'c.mov', '--no-report')
        for name in ('a_x2.mp4', 'b_x2.mkv', 'c_x2.mov'):
            self.assertTrue(os.path.exists(self.path(name)), name)
        self.upscale('a.mp4', '-o', 'a.avi', status=2)
        self.upscale('a.mp4', '-o', 'a.mp4', '-y', status=73)

    def test_unfinished_films_in_a_folder_are_no_inputs(self):
        os.makedirs(self.path('in', 'b.mkv.job', 'seg'))
        self.film('in/a.mkv', '40x30', '12', '0.2')
        shutil.copy(self.path('in', 'a.mkv'), self.path('in', 'b.mkv.job', 'seg', '000001.mkv'))
        write(self.path('in', 'b.mkv.job', 'job.json'), b'{}')
        self.upscale('in', '-o', 'out', '--no-report')
        self.assertEqual(self.files('out'), ['a.mkv'])

    def test_an_animation_is_a_film_where_one_is_asked_for(self):
        self.film('in.mkv', '40x30', '12', '0.5')
        self.ff('-i', 'in.mkv', 'a.gif')
        result = self.upscale('a.gif')
        self.assertIn('only the first', result.stderr.decode())
        self.upscale('a.gif', '-f', 'mkv', '--no-report')
        self.assertEqual(len(self.frame_times('a_x2.mkv')), 6)

    def test_a_report_never_replaces_what_was_there(self):
        self.film('in.mkv', '40x30', '12', '0.2')
        write(self.path('out.mkv.json'), b'mine')
        result = self.upscale('in.mkv', '-o', 'out.mkv')
        self.assertIn('out.mkv.json', result.stderr.decode())
        self.assertEqual(read(self.path('out.mkv.json')), b'mine')

    def test_a_pipe_takes_y4m_alone(self):
        self.film('in.mkv', '40x30', '12', '0.2')
        result = self.upscale('in.mkv', '-o', '-', '-f', 'mp4', status=2)
        self.assertIn('y4m', result.stderr.decode())

    def test_words_reach_the_job_by_its_folder_and_by_its_output(self):
        os.makedirs(self.path('out.mkv.job'))
        write(self.path('out.mkv.job', 'job.json'), b'{}')
        control = self.path('out.mkv.job', 'control')
        for name in ('out.mkv', 'out.mkv.job', 'out.mkv.job/'):
            for word in ('pause', 'stop'):
                self.check(self.run_pique(word, name, model=None), 0)
                self.assertEqual(read(control).decode().strip(), word)
            self.check(self.run_pique('continue', name, model=None), 0)
            self.assertNotIn(read(control).decode().strip(), ('pause', 'stop'))
        result = self.run_pique('resume', 'other.mkv', model=None)
        self.check(result, 66)
        self.assertIn('other.mkv', result.stderr.decode())
        result = self.run_pique('resume', 'out.mkv', model=None)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn('out.mkv.job', result.stderr.decode())

    def test_a_film_goes_on_from_any_folder_with_all_of_its_options(self):
        self.film('in.mkv', '64x48', '24', '4')
        words = ['--segment', '12', '--batch', '3', '--enc', 'g=7', '--enc', 'bf=0', '--crop',
                 '60x40+2+4', '--fps', '23.976']
        os.makedirs(self.path('sub'))
        process = Same.start(self, 'in.mkv', '-o', 'sub/out.mkv', *words)
        _, status = Same.interrupt(self, process, 5, signal.SIGINT)
        if status != 130:
            self.skipTest('the film was finished before it could be interrupted')
        os.makedirs(self.path('elsewhere'))
        result = subprocess.run([PROGRAM, 'resume', '../sub/out.mkv', '-j', '1', '--json'],
                                cwd=self.path('elsewhere'), env=self.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        self.check(result, 0)
        done = self.done(result)[0]
        self.assertGreater(done['segments_kept'], 0)
        self.upscale('in.mkv', '-o', 'whole.mkv', *words, '--json')
        self.assertEqual(self.frame_times('whole.mkv'), self.frame_times('sub/out.mkv'))

    def test_numbered_pictures_go_on_as_well(self):
        self.film('in.mkv', '64x48', '24', '4')
        process = Same.start(self, 'in.mkv', '-o', 'out', '-f', 'png', '--segment', '12')
        _, status = Same.interrupt(self, process, 5, signal.SIGINT)
        if status != 130:
            self.skipTest('the film was finished before it could be interrupted')
        self.check(self.run_pique('resume', 'out/in', model=None), 0)
        pictures = [n for n in self.files('out') if n.endswith('.png')]
        self.assertEqual(len(pictures), 96)


class Kept(FilmCase):
    """What a film has beside its pixels comes out as it went in."""

    def rich_film(self):
        """Uneven frames, three audio tracks, two subtitle formats, fonts, chapters and titles."""
        write(self.path('a.srt'), b'1\n00:00:00,100 --> 00:00:00,900\nhello\n')
        write(self.path('b.ass'), b'[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, '
              b'Fontname, Fontsize\nStyle: Default,Arial,20\n\n[Events]\nFormat: Layer, Start, End, '
              b'Style, Text\nDialogue: 0,0:00:00.20,0:00:01.20,Default,{\\b1}bold\n')
        write(self.path('one.ttf'), b'\0\1\0\0' + bytes(range(200)))
        write(self.path('two.otf'), b'OTTO' + bytes(range(100)))
        write(self.path('meta.txt'), b';FFMETADATA1\ntitle=A film\nartist=Somebody\n[CHAPTER]\n'
              b'TIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=First\n[CHAPTER]\nTIMEBASE=1/1000\n'
              b'START=500\nEND=2000\ntitle=Second\n')
        self.ff('-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=25:duration=2',
                '-f', 'lavfi', '-i', 'sine=440:duration=2', '-f', 'lavfi', '-i', 'sine=880:duration=2',
                '-f', 'lavfi', '-i', 'sine=220:duration=2', '-i', 'a.srt', '-i', 'b.ass',
                '-f', 'ffmetadata', '-i', 'meta.txt',
                '-map', '0', '-map', '1', '-map', '2', '-map', '3', '-map', '4', '-map', '5',
                '-map_metadata', '6', '-map_chapters', '6',
                '-vf', "select='not(mod(n\\,3))+not(mod(n\\,7))'", '-vsync', 'vfr',
                '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-pix_fmt', 'yuv420p',
                '-c:a:0', 'flac', '-c:a:1', 'aac', '-c:a:2', 'ac3', '-c:s:0', 'srt', '-c:s:1', 'ass',
                '-metadata:s:a:0', 'language=jpn', '-metadata:s:a:1', 'language=eng',
                '-metadata:s:a:1', 'title=Commentary', '-metadata:s:a:2', 'language=fre',
                '-metadata:s:s:0', 'language=eng', '-metadata:s:s:1', 'language=fre',
                '-disposition:a:0', 'default', '-disposition:a:1', 'comment',
                '-disposition:s:1', 'forced', '-attach', 'one.ttf', '-attach', 'two.otf',
                '-metadata:s:t:0', 'mimetype=font/ttf', '-metadata:s:t:1', 'mimetype=font/otf',
                'rich.mkv')
        return 'rich.mkv'

    def assert_streams_kept(self, before, after, kinds):
        def of(probe, kind):
            return [s for s in probe['streams'] if s['codec_type'] == kind]
        for kind in kinds:
            self.assertEqual(len(of(before, kind)), len(of(after, kind)), kind)
            for a, b in zip(of(before, kind), of(after, kind)):
                for field in ('codec_name', 'channels', 'sample_rate', 'disposition'):
                    self.assertEqual(a.get(field), b.get(field), (kind, field))
                for tag in ('language', 'title', 'filename', 'mimetype'):
                    self.assertEqual(a.get('tags', {}).get(tag), b.get('tags', {}).get(tag), tag)

    def test_uneven_frames_tracks_subtitles_fonts_and_chapters(self):
        name = self.rich_film()
        self.upscale(name, '-o', 'out.mkv')
        before, after = self.probe(name), self.probe('out.mkv')
        self.assert_streams_kept(before, after, ['audio', 'subtitle', 'attachment'])
        chapters = [[(c['start_time'], c['end_time'], c['tags']['title']) for c in p['chapters']]
                    for p in (before, after)]
        self.assertEqual(*chapters)
        for tag in ('title', 'ARTIST'):
            self.assertEqual(before['format']['tags'].get(tag), after['format']['tags'].get(tag))
        times = self.frame_times(name), self.frame_times('out.mkv')
        self.assertEqual(*times)
        self.assertGreater(len(set(round(b - a, 3) for a, b in zip(times[0], times[0][1:]))), 1)
        v = self.video('out.mkv')
        self.assertEqual((v['width'], v['height']), (128, 96))
        # Audio is copied, bit for bit.
        for i in range(3):
            packets = [self.ff('-i', f, '-map', '0:a:%d' % i, '-c', 'copy', '-f', 'md5', '-')
                       for f in (name, 'out.mkv')]
            self.assertEqual(*packets)

    @unittest.skipUnless(os.path.exists(os.path.join(MEDIA, 'onepiece_demo.mp4')),
                         'the demo film is not beside the checkout')
    def test_a_film_of_somebody_else(self):
        shutil.copy(os.path.join(MEDIA, 'onepiece_demo.mp4'), self.path('in.mp4'))
        self.upscale('in.mp4', '-o', 'out.mp4', '--segment', '60')
        before, after = self.probe('in.mp4'), self.probe('out.mp4')
        self.assert_streams_kept(before, after, ['audio'])
        self.assertEqual(len(before['streams']), len(after['streams']))
        times = self.frame_times('in.mp4'), self.frame_times('out.mp4')
        self.assertEqual(len(times[0]), 181)
        self.assertEqual(len(times[1]), 181)
        for a, b in zip(*times):
            self.assertAlmostEqual(a, b, 3)
        a, b = (self.video(n) for n in ('in.mp4', 'out.mp4'))
        self.assertEqual((b['width'], b['height']), (2 * a['width'], 2 * a['height']))
        for field in ('codec_name', 'pix_fmt', 'sample_aspect_ratio', 'display_aspect_ratio',
                      'r_frame_rate', 'avg_frame_rate', 'disposition'):
            self.assertEqual(a.get(field), b.get(field), field)
        self.assertAlmostEqual(float(before['format']['duration']),
                               float(after['format']['duration']), 1)
        sounds = [self.ff('-i', n, '-map', '0:a', '-c', 'copy', '-f', 'md5', '-')
                  for n in ('in.mp4', 'out.mp4')]
        self.assertEqual(*sounds)

    def test_what_a_container_refuses_is_said_before_the_start(self):
        name = self.rich_film()
        result = self.upscale(name, '-o', 'out.mp4')
        text = result.stderr.decode()
        self.assertIn('note', text)
        self.assertIn('one.ttf', text)
        after = self.probe('out.mp4')
        self.assertEqual(len([s for s in after['streams'] if s['codec_type'] == 'audio']), 3)
        self.assertEqual(len([s for s in after['streams'] if s['codec_type'] == 'subtitle']), 2)

    def test_tracks_can_be_left_out(self):
        name = self.rich_film()
        self.upscale(name, '-o', 'out.mkv', '--no-audio', '--no-subs')
        kinds = {s['codec_type'] for s in self.probe('out.mkv')['streams']}
        self.assertNotIn('audio', kinds)
        self.assertNotIn('subtitle', kinds)
        self.upscale(name, '-o', 'out.mkv', '-y', '--map', 'a:1,s:0')
        after = self.probe('out.mkv')['streams']
        self.assertEqual([s['tags']['language'] for s in after if s['codec_type'] == 'audio'],
                         ['eng'])
        self.assertEqual([s['codec_name'] for s in after if s['codec_type'] == 'subtitle'],
                         ['subrip'])

    def test_colour_tags_of_every_matrix_and_range(self):
        for matrix, primaries, transfer in (('bt709', 'bt709', 'bt709'),
                                            ('smpte170m', 'smpte170m', 'smpte170m'),
                                            ('bt2020nc', 'bt2020', 'bt2020-10'),
                                            ('bt2020nc', 'bt2020', 'arib-std-b67')):
            for rng in ('tv', 'pc'):
                self.film('in.mkv', '64x48', '24', '0.3', '-pix_fmt', 'yuv420p', '-c:v', 'libx264',
                          '-colorspace', matrix, '-color_primaries', primaries, '-color_trc',
                          transfer, '-color_range', rng)
                self.upscale('in.mkv', '-o', 'out.mkv', '-y')
                a, b = self.video('in.mkv'), self.video('out.mkv')
                for field in ('color_space', 'color_primaries', 'color_transfer', 'color_range'):
                    self.assertEqual(a.get(field), b.get(field), (matrix, rng, field))

    @needs('libx265')
    def test_hdr10_stays_hdr10(self):
        master = ('G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)')
        self.film('in.mkv', '64x48', '24', '0.5', '-pix_fmt', 'yuv420p10le', '-c:v', 'libx265',
                  '-x265-params', 'log-level=error:hdr10=1:repeat-headers=1:colorprim=bt2020:'
                  'transfer=smpte2084:colormatrix=bt2020nc:max-cll=1000,400:master-display=' + master,
                  '-color_primaries', 'bt2020', '-color_trc', 'smpte2084', '-colorspace', 'bt2020nc')
        for out in ('out.mkv', 'out.mp4'):
            self.upscale('in.mkv', '-o', out, '--codec', 'h265')
            v = self.video(out)
            self.assertEqual(v['pix_fmt'], 'yuv420p10le')
            self.assertEqual((v['color_space'], v['color_transfer'], v['color_primaries']),
                             ('bt2020nc', 'smpte2084', 'bt2020'))
            frames = self.probe(out, '-show_frames', '-read_intervals', '%+#1')['frames']
            kinds = {d['side_data_type']: d for f in frames for d in f.get('side_data_list', [])}
            self.assertIn('Mastering display metadata', kinds)
            self.assertIn('Content light level metadata', kinds)
            self.assertEqual(kinds['Content light level metadata']['max_content'], 1000)

    @needs('mpeg2video')
    def test_an_anamorphic_interlaced_film_keeps_its_shape(self):
        self.ff('-f', 'lavfi', '-i', 'testsrc=size=72x58:rate=25:duration=1', '-vf',
                'setsar=64/45,tinterlace=interleave_top', '-c:v', 'mpeg2video', '-flags', '+ildct+ilme',
                '-q:v', '2', 'dvd.mpg')
        before = self.video('dvd.mpg')
        for more in ([], ['--deinterlace']):
            self.upscale('dvd.mpg', '-o', 'out.mkv', '-y', *more)
            after = self.video('out.mkv')
            self.assertEqual(after['sample_aspect_ratio'], before['sample_aspect_ratio'])
            self.assertEqual(after['display_aspect_ratio'], before['display_aspect_ratio'])
            self.assertEqual((after['width'], after['height']), (144, 116))

    @needs('prores_ks')
    def test_transparency_of_prores_4444(self):
        self.ff('-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=24:duration=0.3', '-vf',
                "format=yuva444p10le,geq=lum='p(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='1023*gt(X,32)'",
                '-c:v', 'prores_ks', '-profile:v', '4444', 'in.mov')
        self.upscale('in.mov', '-o', 'out.mov', '--codec', 'prores', '--profile', '4444')
        v = self.video('out.mov')
        self.assertTrue(v['pix_fmt'].startswith('yuva444p'), v['pix_fmt'])
        data = self.pixels('out.mov', 'rgba', '-frames:v', '1')
        alpha = data[3::4]
        row = alpha[48 * 128:49 * 128]
        self.assertEqual(row[10], 0)
        self.assertEqual(row[120], 255)

    def test_a_rotated_film_is_as_it_is_seen(self):
        self.film('flat.mp4', '64x48', '24', '0.3')
        self.ff('-i', 'flat.mp4', '-c', 'copy', '-metadata:s:v:0', 'rotate=90', 'in.mp4')
        self.upscale('in.mp4', '-o', 'out.mp4')
        v = self.video('out.mp4')
        self.assertEqual((v['width'], v['height']), (96, 128))
        self.assertFalse([d for d in v.get('side_data_list', []) if d.get('rotation')])
        # ffmpeg turns what it reads by itself.
        want = self.ff('-i', 'in.mp4', '-frames:v', '1', '-vf', 'scale=96:128', '-f', 'rawvideo',
                       '-pix_fmt', 'gray', '-')
        got = self.pixels('out.mp4', 'gray', '-frames:v', '1')
        self.assertLess(sum(abs(a - b) for a, b in zip(want, got)) / len(want), 40)

    def test_formats_of_pixels(self):
        for pix in ('yuv444p', 'yuv422p', 'yuv420p10le', 'gray', 'yuvj420p'):
            self.film('in.mkv', '50x38', '24', '0.3', '-pix_fmt', pix, '-c:v', 'ffv1')
            self.upscale('in.mkv', '-o', 'out.mkv', '-y')
            v = self.video('out.mkv')
            self.assertEqual((v['width'], v['height']), (100, 76), pix)
            if '10' in pix:
                self.assertIn('10', v['pix_fmt'])

    def test_odd_sizes(self):
        for size in ('33x27', '65x48', '64x47'):
            w, h = map(int, size.split('x'))
            self.film('in.mkv', size, '24', '0.3', '-pix_fmt', 'yuv444p', '-c:v', 'ffv1')
            self.upscale('in.mkv', '-o', 'out.mkv', '-y', '-s', '1')
            v = self.video('out.mkv')
            self.assertEqual((v['width'], v['height']), (w + w % 2, h + h % 2)
                             if v['pix_fmt'] == 'yuv420p' else (w, h))
            self.upscale('in.mkv', '-o', 'out.mkv', '-y')
            v = self.video('out.mkv')
            self.assertEqual((v['width'], v['height']), (2 * w, 2 * h))

    def test_sound_stays_with_the_picture(self):
        """A white frame and a beep each second; both where they were."""
        seconds = 600 if FULL else 12
        self.ff('-f', 'lavfi', '-i', "color=black:size=32x32:rate=24000/1001:duration=%d,"
                "geq=lum='255*lt(mod(T,1),0.041)':cb=128:cr=128" % seconds, '-f', 'lavfi', '-i',
                "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.04)':d=%d" % seconds, '-c:v', 'libx264',
                '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'aac', 'in.mp4')
        self.upscale('in.mp4', '-o', 'out.mp4', '--segment', '50')
        rate = 24000 / 1001
        for a, b in zip(self.frame_times('in.mp4'), self.frame_times('out.mp4')):
            self.assertLess(abs(a - b), 0.001)
        before, after = (self.flashes_and_beeps(n) for n in ('in.mp4', 'out.mp4'))
        for was, now in zip(before, after):
            self.assertGreater(len(was), 0.95 * seconds)
            self.assertEqual(len(was), len(now))
            for a, b in zip(was, now):
                self.assertLess(abs(a - b), 0.5 / rate)

    def flashes_and_beeps(self, name):
        """When the picture turns white, and when the sound begins."""
        raw = self.pixels(name, 'gray', '-vf', 'scale=16:16')
        rate, size = 24000 / 1001, 16 * 16
        flashes = [i / rate for i in range(len(raw) // size) if raw[i * size] > 128 and
                   (i == 0 or raw[(i - 1) * size] <= 128)]
        sound = self.ff('-i', name, '-ac', '1', '-ar', '8000', '-f', 's16le', '-')
        samples = struct.unpack('<%dh' % (len(sound) // 2), sound)
        loud = [i / 8000 for i, v in enumerate(samples) if abs(v) > 4000]
        beeps = [t for k, t in enumerate(loud) if k == 0 or t - loud[k - 1] > 0.5]
        return flashes, beeps


class Colour(FilmCase):
    """Through a network that changes nothing, colours come back as they were."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.identity = os.path.join(cls.models, 'identity.safetensors')
        nf, tensors = 4, {}
        tensors['body.0.weight'], tensors['body.0.bias'] = (nf, 3, 3, 3), (nf,)
        tensors['body.1.weight'] = (nf,)
        tensors['body.2.weight'], tensors['body.2.bias'] = (nf, nf, 3, 3), (nf,)
        tensors['body.3.weight'] = (nf,)
        tensors['body.4.weight'], tensors['body.4.bias'] = (3, nf, 3, 3), (3,)
        head, at = {}, 0
        for name, shape in tensors.items():
            size = 4
            for n in shape:
                size *= n
            head[name] = {'dtype': 'F32', 'shape': list(shape), 'data_offsets': [at, at + size]}
            at += size
        text = json.dumps(head).encode()
        write(cls.identity, struct.pack('<Q', len(text)) + text + bytes(at))

    def planes(self, name, pix, width, height):
        """Samples of the first frame as lists of rows, a plane each."""
        data = self.pixels(name, pix, '-frames:v', '1')
        deep = '10' in pix or '12' in pix
        cx = 1 if '444' in pix else 2
        cy = 2 if '420' in pix else 1
        planes, at = [], 0
        for w, h in ((width, height), (width // cx, height // cy), (width // cx, height // cy)):
            n = w * h
            samples = struct.unpack_from('<%dH' % n, data, at) if deep else data[at:at + n]
            planes.append([samples[y * w:(y + 1) * w] for y in range(h)])
            at += n * (2 if deep else 1)
        return planes

    @staticmethod
    def is_even(planes, p, x, y):
        """Whether nothing changes within the reach of the chroma filters around a sample."""
        reach = 4
        ratio_x = len(planes[0][0]) // len(planes[p][0])
        ratio_y = len(planes[0]) // len(planes[p])
        for plane in planes:
            rx = len(planes[0][0]) // len(plane[0])
            ry = len(planes[0]) // len(plane)
            cx, cy = x * ratio_x // rx, y * ratio_y // ry
            want = plane[cy][cx]
            for row in plane[max(cy - reach, 0):cy + reach + 1]:
                if any(v != want for v in row[max(cx - reach, 0):cx + reach + 1]):
                    return False
        return True

    def assert_back(self, pix, matrix, rng):
        width, height = 448, 48
        colours = [(255, 255, 255), (191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0),
                   (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0), (255, 0, 0), (0, 255, 0),
                   (0, 0, 255), (90, 120, 200), (200, 160, 140)]
        bar = width // len(colours)
        row = b''.join(bytes(c) * bar for c in colours)
        write(self.path('bars.ppm'), b'P6\n%d %d\n255\n' % (width, height) + row * height)
        self.ff('-i', 'bars.ppm', '-vf', 'format=gbrp,zscale=matrix=%s:range=%s,format=%s' % (
                    {'smpte170m': '170m', 'bt470bg': '470bg', 'bt709': '709',
                     'bt2020nc': '2020_ncl'}[matrix], {'tv': 'limited', 'pc': 'full'}[rng], pix),
                '-c:v', 'ffv1', '-colorspace', matrix, '-color_range', rng, 'in.mkv')
        self.upscale('in.mkv', '-o', 'out.mkv', '-y', '--codec', 'ffv1', model=self.identity)
        v = self.video('out.mkv')
        self.assertEqual(v['pix_fmt'].replace('yuvj', 'yuv'), pix)
        a, b = (self.planes(n, pix, width, height) for n in ('in.mkv', 'out.mkv'))
        seen = 0
        for p in range(3):
            for y in range(0, len(a[p]), 5):
                for x in range(0, len(a[p][0]), 3):
                    if '444' in pix or self.is_even(a, p, x, y):
                        seen += 1
                        self.assertLessEqual(abs(a[p][y][x] - b[p][y][x]), 1,
                                             (pix, matrix, rng, p, x, y))
        self.assertGreater(seen, 50)

    def test_bars_of_every_matrix_range_and_depth(self):
        for matrix in ('bt709', 'smpte170m', 'bt470bg', 'bt2020nc'):
            for rng in ('tv', 'pc'):
                for pix in ('yuv444p', 'yuv444p10le', 'yuv422p10le', 'yuv420p', 'yuv420p10le',
                            'yuv420p12le'):
                    with self.subTest(pix=pix, matrix=matrix, range=rng):
                        self.assert_back(pix, matrix, rng)

    def test_rgb_comes_back_bit_for_bit(self):
        self.ff('-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=24:duration=0.2', '-vf', 'format=gbrp',
                '-c:v', 'ffv1', 'in.mkv')
        self.upscale('in.mkv', '-o', 'out.mkv', '--codec', 'ffv1', model=self.identity)
        self.assertEqual(self.pixels('in.mkv'), self.pixels('out.mkv'))
        self.upscale('in.mkv', '-o', 'out.mkv', '-y', '--codec', 'h264', '--profile', 'lossless',
                     model=self.identity)
        self.assertEqual(self.pixels('in.mkv'), self.pixels('out.mkv'))


class Written(FilmCase):
    """What films become."""

    @needs('libx265')
    def test_segments_of_few_frames_can_be_of_any_encoder(self):
        """What x265 says of when a packet is decoded goes back at the end of so few, one time out of some."""
        self.film('in.mkv', '48x32', '24', '1')
        for _ in range(3):
            self.upscale('in.mkv', '-o', 'out.mkv', '--codec', 'h265', '--preset', 'veryslow', '--segment', '2',
                         '--batch', '1', '--overwrite')
            self.assertEqual(len(self.probe('out.mkv', '-show_frames')['frames']), 24)

    def test_every_profile_makes_a_film_of_its_kind(self):
        self.film('in.mp4', '64x48', '24', '0.5')
        for codec, profile, out, name, pix in (
                ('h264', 'main', 'out.mp4', 'h264', 'yuv420p'),
                ('h264', 'high', 'out.mkv', 'h264', 'yuv420p'),
                ('h264', 'lossless', 'out.mkv', 'h264', None),
                ('h265', 'main10', 'out.mp4', 'hevc', 'yuv420p10le'),
                ('prores', '422 hq', 'out.mov', 'prores', 'yuv422p10le'),
                ('dnxhd', 'dnxhr hq', 'out.mov', 'dnxhd', 'yuv422p'),
                ('vp9', None, 'out.webm', 'vp9', 'yuv420p'),
                ('av1', None, 'out.mkv', 'av1', None),
                ('ffv1', None, 'out.mkv', 'ffv1', None)):
            with self.subTest(codec=codec, profile=profile):
                words = ['in.mp4', '-o', out, '-y', '--codec', codec]
                if codec == 'dnxhd':
                    words += ['--width', '256', '--height', '192']
                if profile:
                    words += ['--profile', profile]
                self.upscale(*words)
                v = self.video(out)
                self.assertEqual(v['codec_name'], name)
                if pix:
                    self.assertEqual(v['pix_fmt'], pix)
                self.assertEqual(len(self.frame_times(out)), 12)

    def test_numbered_pictures_are_what_the_pictures_would_be(self):
        self.film('in.mkv', '40x30', '12', '0.5', '-pix_fmt', 'gbrp', '-c:v', 'ffv1')
        self.ff('-i', 'in.mkv', '-pix_fmt', 'rgb24', 'f%03d.png')
        self.upscale('in.mkv', '-o', 'frames', '-f', 'png')
        self.upscale('f001.png', 'f004.png', '-o', 'alone')
        for number, name in ((1, 'f001.png'), (4, 'f004.png')):
            a = self.ff('-i', 'frames/in/%06d.png' % number, '-f', 'rawvideo', '-')
            b = self.ff('-i', 'alone/' + name, '-f', 'rawvideo', '-')
            self.assertEqual(a, b)
        pictures = [n for n in self.files('frames') if n.endswith('.png')]
        self.assertEqual(len(pictures), 6)

    def test_frames_of_sixteen_bits_are_kept_beside_the_film(self):
        self.film('in.mkv', '40x30', '12', '0.5', '-pix_fmt', 'yuv420p10le', '-c:v', 'ffv1')
        self.upscale('in.mkv', '-o', 'out.mkv', '--keep-frames', 'both', '--frame-format', 'png16')
        for kind, size in (('source', (40, 30)), ('result', (80, 60))):
            data = read(self.path('out_frames', kind, '000003.png'))
            self.assertEqual(png_size(data), size)
            self.assertEqual(data[24], 16)
            samples = self.ff('-i', 'out_frames/%s/000003.png' % kind, '-f', 'rawvideo', '-pix_fmt',
                              'rgb48be', '-')
            self.assertTrue(any(a != b for a, b in zip(samples[::2], samples[1::2])))

    def test_y4m_through_pipes(self):
        self.film('in.mp4', '40x30', '24', '0.5')
        y4m = self.ff('-i', 'in.mp4', '-f', 'yuv4mpegpipe', '-')
        result = self.run_pique('-', '-o', '-', '-f', 'y4m', stdin=y4m)
        self.check(result, 0)
        self.assertTrue(result.stdout.startswith(b'YUV4MPEG2 W80 H60'), result.stdout[:80])
        self.assertEqual(result.stdout.count(b'FRAME'), 12)

    def test_another_rate_keeps_the_length(self):
        self.film('in.mp4', '40x30', '24', '2')
        for rate, frames in (('12', 24), ('48', 96), ('25', 50)):
            self.upscale('in.mp4', '-o', 'out.mp4', '-y', '--fps', rate)
            times = self.frame_times('out.mp4')
            self.assertEqual(len(times), frames)
            self.assertAlmostEqual(float(self.probe('out.mp4')['format']['duration']), 2, 1)

    def test_a_part_of_a_film(self):
        self.film('in.mp4', '40x30', '24', '3')
        self.upscale('in.mp4', '-o', 'out.mp4', '--ss', '1', '--to', '00:00:02')
        times = self.frame_times('out.mp4')
        self.assertEqual(len(times), 24)
        self.assertLess(times[0], 0.001)

    def test_black_bars_are_taken_off(self):
        self.ff('-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=24:duration=1', '-vf',
                'pad=64:64:0:8:black', '-c:v', 'libx264', '-pix_fmt', 'yuv420p', 'in.mp4')
        self.upscale('in.mp4', '-o', 'out.mp4', '--crop', 'auto')
        v = self.video('out.mp4')
        self.assertEqual((v['width'], v['height']), (128, 96))
        self.upscale('in.mp4', '-o', 'out.mp4', '-y', '--crop', '32x20+4+10')
        v = self.video('out.mp4')
        self.assertEqual((v['width'], v['height']), (64, 40))

    def test_sizes(self):
        self.film('in.mp4', '64x48', '24', '0.3')
        for words, size in ((['--resolution', '720p'], (960, 720)), (['-s', '3'], (192, 144)),
                            (['--width', '100'], (100, 76)),
                            (['--pre-downscale', '24', '-s', '2'], (64, 48))):
            self.upscale('in.mp4', '-o', 'out.mp4', '-y', *words)
            v = self.video('out.mp4')
            self.assertEqual((v['width'], v['height']), size, words)

    def test_films_and_pictures_in_one_command(self):
        self.film('a.mp4', '40x30', '24', '0.3')
        self.film('b.mkv', '40x30', '24', '0.3')
        self.put('c.png')
        write(self.path('broken.mp4'), read(self.path('a.mp4'))[:900])
        result = self.run_pique('a.mp4', 'broken.mp4', 'b.mkv', 'c.png', '-o', 'out')
        self.assertNotEqual(result.returncode, 0)
        self.assertIn('broken.mp4', result.stderr.decode())
        names = [n for n in self.files('out') if not n.endswith('.json')]
        self.assertEqual(sorted(names), ['a.mp4', 'b.mkv', 'c.png'])
        self.assertEqual([n for n in self.files() if '.job' in n], [])

    def test_a_report_lies_beside_the_film(self):
        self.film('in.mp4', '40x30', '24', '0.3')
        self.upscale('in.mp4', '-o', 'out.mp4', '--sharpen', '0.3')
        report = json.loads(read(self.path('out.mp4.json')))
        text = json.dumps(report)
        for word in ('sharpen', '0.3', 'sha256', 'unique', 'reused', 'hash', 'decode', 'encode'):
            self.assertIn(word, text)
        self.upscale('in.mp4', '-o', 'two.mp4', '--no-report')
        self.assertFalse(os.path.exists(self.path('two.mp4.json')))


class Same(FilmCase):
    """One result, whatever the batch, the threads and the interruptions."""

    def hash_of(self, *words):
        result = self.upscale('in.mkv', '-o', 'out.mkv', '-y', '--json', *words)
        done = self.done(result)[0]
        return done['hash'], done

    def test_one_hash_at_every_batch_and_number_of_threads(self):
        self.film('in.mkv', '40x30', '24', '1', '-pix_fmt', 'yuva420p', '-c:v', 'ffv1')
        for more in ([], ['-s', '3', '--sharpen', '0.4', '--contrast', '1.1'], ['--tta'],
                     ['--crop', '33x21+3+5']):
            want = None
            for batch in ('1', '2', '5', '8'):
                for threads in ('1', '2'):
                    got = self.hash_of(*more, '--batch', batch, '-j', threads)[0]
                    want = want or got
                    self.assertEqual(got, want, (more, batch, threads))
            self.assertEqual(self.hash_of(*more, '--no-parallel')[0], want)

    def test_the_film_is_the_same_file_of_the_same_frames(self):
        self.film('in.mkv', '40x30', '24', '1')
        sums = set()
        for words in (['--batch', '1', '-j', '1'], ['--batch', '4', '-j', '2'], ['--no-parallel']):
            self.hash_of(*words)
            sums.add(self.ff('-i', 'out.mkv', '-map', '0:v', '-c', 'copy', '-f', 'md5', '-'))
        self.assertEqual(len(sums), 1)

    @unittest.skipUnless(os.path.exists(os.path.join(MEDIA, 'onepiece_demo.mp4')),
                         'the demo film is not beside the checkout')
    def test_181_frames_at_batch_4_are_46_inferences(self):
        shutil.copy(os.path.join(MEDIA, 'onepiece_demo.mp4'), self.path('in.mkv'))
        result = self.upscale('in.mkv', '-o', 'null:', '--json', '--batch', '4', '--skip-duplicates',
                              'off', '--pre-downscale', '60')
        done = self.done(result)[0]
        self.assertEqual(done['frames'], 181)
        self.assertEqual(done['inferences'], 46)

    def start(self, *words):
        env = self.environment()
        return subprocess.Popen([PROGRAM, *words, '-m', 'tiny', '--json'], cwd=self.dir, env=env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def interrupt(self, process, after, number):
        """Send a signal once so many batches are saved."""
        saved = []
        for line in process.stdout:
            event = json.loads(line)
            if event['event'] == 'saved':
                saved.append(event)
                if len(saved) == after:
                    process.send_signal(number)
                    break
        process.stdout.read()
        process.stderr.read()
        return saved, process.wait(timeout=240)

    def test_killed_after_a_batch_is_saved_it_goes_on(self):
        self.film('in.mkv', '64x48', '24', '4')
        want = self.hash_of('--segment', '24')[0]
        os.remove(self.path('out.mkv'))
        some = (1, 3, 9) if SANITIZED else (1, 2, 4, 7, 11, 16)
        for after in range(1, 33) if os.environ.get('PIQUE_TEST_FULL') else some:
            process = self.start('in.mkv', '-o', 'out.mkv', '--segment', '24', '--batch', '3')
            saved, status = self.interrupt(process, after, signal.SIGKILL)
            if status == 0:
                continue
            # Every frame that was told of can be read from the job by another program.
            frames = 0
            seg = self.path('out.mkv.job', 'seg')
            for name in sorted(os.listdir(seg)):
                if name.endswith('.mkv') and '.j' not in name or name.endswith('.part'):
                    out = subprocess.run(['ffprobe', '-loglevel', 'quiet', '-count_frames', '-of',
                                          'json', '-show_streams', os.path.join(seg, name)],
                                         stdout=subprocess.PIPE, check=False).stdout
                    streams = json.loads(out or b'{}').get('streams', [])
                    frames += int(streams[0].get('nb_read_frames', 0)) if streams else 0
            self.assertGreaterEqual(frames, saved[-1]['first'] + saved[-1]['frames'])
            result = self.upscale('in.mkv', '-o', 'out.mkv', '--segment', '24', '--json')
            self.assertEqual(self.done(result)[0]['hash'], want)
            self.assertEqual(len(self.frame_times('out.mkv')), 96)
            os.remove(self.path('out.mkv'))

    def test_interrupted_it_says_how_to_go_on_and_resume_does(self):
        self.film('in.mkv', '64x48', '24', '4')
        want = self.hash_of('--segment', '12')[0]
        os.remove(self.path('out.mkv'))
        process = self.start('in.mkv', '-o', 'out.mkv', '--segment', '12', '--batch', '3')
        _, status = self.interrupt(process, 5, signal.SIGINT)
        self.assertEqual(status, 130)
        result = self.run_pique('resume', 'out.mkv.job', '--json', model=None)
        self.check(result, 0)
        self.assertEqual(self.done(result)[0]['hash'], want)
        self.assertFalse(os.path.exists(self.path('out.mkv.job')))

    def test_another_option_is_refused_with_its_name(self):
        self.film('in.mkv', '64x48', '24', '4')
        process = self.start('in.mkv', '-o', 'out.mkv', '--segment', '12', '--batch', '3')
        self.interrupt(process, 5, signal.SIGINT)
        result = self.run_pique('in.mkv', '-o', 'out.mkv', '--segment', '12', '--sharpen', '1')
        self.assertNotEqual(result.returncode, 0)
        self.assertIn('sharpen', result.stderr.decode())

    def test_what_is_sealed_can_be_kept(self):
        self.film('in.mkv', '64x48', '24', '4')
        process = self.start('in.mkv', '-o', 'out.mkv', '--segment', '12', '--batch', '3')
        self.interrupt(process, 10, signal.SIGINT)
        result = self.run_pique('stop', 'out.mkv.job', '--keep', '-o', 'kept.mkv', model=None)
        self.check(result, 0)
        frames = len(self.frame_times('kept.mkv'))
        self.assertTrue(frames >= 12 and frames % 12 == 0, frames)


class Refused(FilmCase):
    """Bad films: one sentence each, and the others go on."""

    def assert_refused(self, name, *words, out='out.mkv'):
        result = self.run_pique(name, '-o', out, *words)
        self.assertNotEqual(result.returncode, 0, name)
        text = result.stderr.decode('utf-8', 'replace')
        self.assertNotIn('Sanitizer', text)
        lines = [line for line in text.strip().split('\n') if line.startswith('pique: ') and
                 'note:' not in line]
        self.assertEqual(len(lines), 1, text)
        self.assertIn(name, lines[0])
        self.assertFalse(os.path.exists(self.path(out)))
        return lines[0]

    def test_sound_alone(self):
        self.ff('-f', 'lavfi', '-i', 'sine=duration=1', '-c:a', 'aac', 'in.mp4')
        self.assertIn('video', self.assert_refused('in.mp4'))

    def test_a_text_that_is_called_a_film(self):
        write(self.path('in.mp4'), b'this is not a film\n' * 50)
        self.assert_refused('in.mp4')

    def test_a_playlist_opens_nothing(self):
        self.film('secret.mp4', '40x30', '24', '0.2')
        write(self.path('in.mp4'), b'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n'
              b'#EXT-X-ENDLIST\n')
        self.assert_refused('in.mp4')
        write(self.path('in.mkv'), b"ffconcat version 1.0\nfile secret.mp4\n")
        self.assert_refused('in.mkv')

    def test_no_frames_one_frame_and_a_film_cut_short(self):
        self.film('one.mkv', '40x30', '24', '0.04')
        self.upscale('one.mkv', '-o', 'o.mkv')
        self.assertEqual(len(self.frame_times('o.mkv')), 1)
        self.ff('-f', 'lavfi', '-i', 'testsrc=size=40x30:rate=24:duration=1', '-frames:v', '0',
                '-c:v', 'ffv1', 'none.mkv')
        self.assert_refused('none.mkv')
        self.film('long.mkv', '40x30', '24', '2')
        whole = read(self.path('long.mkv'))
        for part in (100, 1000, len(whole) // 2):
            write(self.path('in.mkv'), whole[:part])
            result = self.run_pique('in.mkv', '-o', 'cut.mkv', '-y')
            self.assertIn('in.mkv', result.stderr.decode())

    def test_a_codec_that_nobody_reads(self):
        self.film('in.avi', '40x30', '24', '0.3', '-c:v', 'mpeg4')
        data = read(self.path('in.avi')).replace(b'FMP4', b'ZQXJ')
        write(self.path('in.avi'), data)
        self.assert_refused('in.avi')

    def test_a_size_that_dnxhd_forbids_comes_with_the_list(self):
        self.film('in.mkv', '64x48', '24', '0.3')
        line = self.assert_refused('in.mkv', '--codec', 'dnxhd', '--profile', 'DNxHD 115',
                                   out='out.mov')
        self.assertIn('1920x1080', line)


class Tools(FilmCase):
    """Looking at films, and at one frame of them."""

    def test_probe_tells_a_person_and_a_program(self):
        self.film('in.mp4', '64x48', '24', '1')
        result = self.run_pique('probe', 'in.mp4', model=None)
        self.check(result, 0)
        text = result.stdout.decode()
        for word in ('64', '48', '24', 'h264'):
            self.assertIn(word, text)
        result = self.run_pique('probe', 'in.mp4', '--json', model=None)
        self.assertEqual(json.loads(result.stdout)['video']['width'], 64)

    def test_a_preview_is_the_frame_that_the_film_would_have(self):
        self.film('in.mkv', '64x48', '24', '2', '-pix_fmt', 'gbrp', '-c:v', 'ffv1')
        self.upscale('preview', 'in.mkv', '--at', '1', '-o', 'p.png')
        self.upscale('in.mkv', '-o', 'all', '-f', 'png')
        a = self.ff('-i', 'p.png', '-f', 'rawvideo', '-')
        b = self.ff('-i', 'all/in/000025.png', '-f', 'rawvideo', '-')
        self.assertEqual(a, b)
        self.upscale('preview', 'in.mkv', '--at', '0:01', '--crop', '20x10+4+6', '-o', 'c.png')
        self.assertEqual(png_size(read(self.path('c.png'))), (40, 20))

    def test_a_dry_run_says_what_would_be_done(self):
        self.film('in.mkv', '64x48', '24', '1')
        result = self.upscale('in.mkv', '-o', 'out.mkv', '--dry-run')
        self.assertIn('128', result.stdout.decode())
        self.assertFalse(os.path.exists(self.path('out.mkv')))
        self.assertFalse(os.path.exists(self.path('out.mkv.job')))


if __name__ == '__main__':
    group = sys.argv[1:2]
    if group:
        suite = unittest.defaultTestLoader.loadTestsFromName(group[0], sys.modules[__name__])
        result = unittest.TextTestRunner(verbosity=2).run(suite)
        everything = result.testsRun and len(result.skipped) == result.testsRun
        sys.exit(77 if everything else not result.wasSuccessful())
    unittest.main(verbosity=2)
