#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server and its queue, as a program sees them over HTTP: real workers, pictures and films.

    test_queue.py GROUP        one class of this file, or all without a name"""
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'cli'))
from test_films import ENCODERS, FilmCase  # noqa: E402
from test_cli import PROGRAM, SANITIZED, png, png_size, read, write  # noqa: E402

PATIENCE = 240 if SANITIZED else 60


class ServerCase(FilmCase):
    def setUp(self):
        super().setUp()
        self.server = None
        self.results = self.path('results')
        self.start()

    def tearDown(self):
        self.stop()
        super().tearDown()

    def environment(self, **more):
        env = super().environment(XDG_STATE_HOME=self.path('state'), **more)
        for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
            env.pop(name, None)
        return env

    def start(self, *words):
        self.server = subprocess.Popen(
            [PROGRAM, 'serve', '--results', self.results, '--port', str(free_port()), *words],
            cwd=self.dir, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.server.stdout.readline().decode()
        if not line:
            self.fail(self.server.stderr.read().decode())
        self.word = re.search(r'launch=(\w+)', line).group(1)
        with open(self.path('state', 'pique', 'server.json'), encoding='utf-8') as f:
            where = json.load(f)
        self.port, self.token = where['port'], where['token']

    def stop(self, how=signal.SIGTERM):
        if not self.server:
            return None
        self.server.send_signal(how)
        out, err = self.server.communicate(timeout=PATIENCE)
        status, self.server = self.server.returncode, None
        self.assertNotIn(b'Sanitizer', err, err.decode())
        self.assertNotIn(b'runtime error', err, err.decode())
        if how == signal.SIGTERM:
            self.assertEqual(status, 0, err.decode())
        return out

    def ask(self, method, path, body=None, headers=None, status=None):
        """(status, headers, body) of one request."""
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=PATIENCE)
        send = {'Authorization': 'Bearer ' + self.token, 'X-Pique': '1'}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            send['Content-Type'] = 'application/json'
        elif body is not None:
            send['Content-Type'] = 'application/octet-stream'
        send.update(headers or {})
        send = {k: v for k, v in send.items() if v is not None}
        c.request(method, path, body=body, headers=send)
        r = c.getresponse()
        data = r.read()
        c.close()
        if status is not None:
            self.assertEqual(r.status, status, data[:500])
        return r.status, r.headers, data

    def get(self, path, status=200):
        return json.loads(self.ask('GET', path, status=status)[2])

    def post(self, path, body=None, status=200):
        return json.loads(self.ask('POST', path, body or {}, status=status)[2] or b'{}')

    def add(self, name, settings=None, data=None, start=True, **more):
        data = read(self.path(name)) if data is None else data
        item = self.post('/api/items', dict(name=os.path.basename(name), bytes=len(data),
                                            settings=settings or {'model': 'tiny'}, **more), 201)
        self.ask('PUT', '/api/items/%s/content?offset=0' % item['id'], data, status=200)
        if start:
            self.post('/api/items/%s/start' % item['id'])
        return item['id']

    def item(self, name):
        return [i for i in self.get('/api/state')['items'] if i['id'] == name][0]

    def wait(self, name, *states, until=None):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            item = self.item(name)
            if item['state'] in states and (not until or until(item)):
                return item
            if item['state'] == 'failed' and 'failed' not in states:
                self.fail(item)
            time.sleep(0.05)
        self.fail('%s: still %s' % (states, item))
        return None

    def worker_of(self, name):
        """The process that works on an entry."""
        for pid in os.listdir('/proc'):
            if pid.isdigit():
                try:
                    line = open('/proc/%s/cmdline' % pid, 'rb').read().split(b'\0')
                except OSError:
                    continue
                if len(line) > 2 and line[1] == b'work' and line[2].endswith(
                        ('%s/run' % name).encode()):
                    return int(pid)
        return None


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Events(threading.Thread):
    """What the server tells, as it comes."""

    def __init__(self, case, after=None):
        super().__init__(daemon=True)
        self.list = []
        self.c = http.client.HTTPConnection('127.0.0.1', case.port, timeout=PATIENCE)
        headers = {'Authorization': 'Bearer ' + case.token}
        if after is not None:
            headers['Last-Event-ID'] = str(after)
        self.c.request('GET', '/api/events', headers=headers)
        self.r = self.c.getresponse()
        assert self.r.status == 200, self.r.status
        self.start()

    def run(self):
        event = {}
        try:
            for line in self.r:
                line = line.decode().rstrip('\n')
                if not line and event.get('event'):
                    self.list.append(event)
                    event = {}
                elif ': ' in line:
                    key, value = line.split(': ', 1)
                    event[key] = json.loads(value) if key == 'data' else value
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass

    def named(self, name):
        return [e['data'] for e in self.list if e['event'] == name]


class Pictures(ServerCase):
    def test_from_upload_to_download(self):
        events = Events(self)
        write(self.path('photo.png'), png(40, 30))
        name = self.add('photo.png', start=False)
        item = self.wait(name, 'paused')
        self.assertEqual((item['kind'], item['info']['width'], item['info']['height']),
                         ('picture', 40, 30))
        thumb = self.ask('GET', '/api/items/%s/thumb' % name, status=200)
        self.assertEqual(thumb[1]['Content-Type'], 'image/png')
        self.assertEqual(png_size(thumb[2]), (40, 30))
        self.post('/api/items/%s/start' % name)
        item = self.wait(name, 'done')
        self.assertEqual((item['result']['width'], item['result']['height']), (80, 60))
        got = self.ask('GET', '/api/items/%s/file' % name, status=200)
        self.assertIn('attachment', got[1]['Content-Disposition'])
        self.assertEqual(png_size(got[2]), (80, 60))
        self.assertEqual(got[2], read(self.path('results', 'photo.png')))
        self.assertEqual(os.listdir(self.path('results', '.pique')), [])
        shown = self.ask('GET', '/api/items/%s/result?side=20' % name, status=200)[2]
        self.assertEqual(png_size(shown), (20, 15))
        self.assertEqual(png_size(self.ask('GET', '/api/items/%s/source' % name)[2]), (40, 30))
        deadline = time.monotonic() + 5
        while not events.named('idle') and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(events.named('idle'), [{'done': 1, 'failed': 0}])
        self.assertEqual([e['state'] for e in events.named('item')][-1], 'done')

    def test_the_same_bits_as_from_the_command_line(self):
        write(self.path('photo.png'), png(40, 30))
        name = self.add('photo.png', {'model': 'tiny', 'scale': 3, 'sharpen': 0.5, 'format': 'webp',
                                      'lossless': True})
        item = self.wait(name, 'done')
        result = self.run_pique('photo.png', '-o', 'x.webp', '-s', '3', '--sharpen', '0.5',
                                '--lossless', '--json')
        self.check(result, 0)
        self.assertEqual(item['result']['hash'], self.done(result)[0]['hash'])
        self.assertEqual(item['result']['name'], 'photo.webp')

    def test_results_never_share_a_name_and_may_be_named(self):
        write(self.path('a.png'), png(8, 8))
        names = [self.add('a.png'), self.add('a.png'), self.add('a.png', output_name='other/b')]
        got = sorted(self.wait(n, 'done')['result']['name'] for n in names)
        self.assertEqual(got, ['a (2).png', 'a.png', 'b.png'])
        self.assertEqual(sorted(f for f in os.listdir(self.results) if f != '.pique'), got)

    def test_a_file_that_is_no_picture_is_an_entry_with_a_sentence(self):
        name = self.add('bad.png', data=b'no picture at all')
        item = self.wait(name, 'failed')
        self.assertIn('bad.png', item['error']['text'])
        self.assertEqual(item['error']['next'], 'upload')
        self.assertNotIn(self.dir, json.dumps(item))

    def test_an_upload_goes_on_where_it_broke(self):
        data = png(40, 30)
        item = self.post('/api/items', {'name': 'p.png', 'bytes': len(data)}, 201)
        path = '/api/items/%s/content?offset=' % item['id']
        half = len(data) // 2
        with socket.create_connection(('127.0.0.1', self.port)) as s: # breaks in the middle
            s.sendall(('PUT %s0 HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\n'
                       'X-Pique: 1\r\nContent-Type: application/octet-stream\r\n'
                       'Content-Length: %d\r\n\r\n' % (path, self.port, self.token, len(data)))
                      .encode() + data[:half])
            time.sleep(0.3)
        end = time.monotonic() + 10
        while self.item(item['id'])['received'] != half and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(self.item(item['id'])['received'], half)
        refused = self.ask('PUT', path + '0', data, status=409)
        self.assertEqual(json.loads(refused[2])['received'], half)
        self.ask('PUT', path + str(half), data[half:] + b'x', status=413)
        self.stop()
        self.start()
        self.assertEqual(self.item(item['id'])['received'], half)
        self.ask('PUT', path + str(half), data[half:], status=200)
        self.assertEqual(self.wait(item['id'], 'paused')['info']['width'], 40)

    def test_settings_are_checked_and_name_no_file(self):
        for settings in ({'nonsense': 1}, {'scale': 1000}, {'output': '/tmp/x'}, {'scale': [1]},
                         {'model': '../../etc/passwd'}, {'overwrite': True}, {'tta': 'yes'},
                         {'names-from': 'x'}, {'quality': 101}, {'lossless': 1}, {'job': 'x'}):
            answer = self.post('/api/items', {'name': 'a.png', 'bytes': 1, 'settings': settings},
                               400)
            self.assertTrue(answer['error']['text'], settings)
        self.assertEqual(self.get('/api/state')['items'], [])

    def test_order_other_settings_again_and_removal(self):
        self.post('/api/queue/pause')
        write(self.path('a.png'), png(8, 8))
        a, b, c = [self.add('a.png') for _ in range(3)]
        self.post('/api/items/%s/move' % c, {'before': a})
        self.post('/api/items/%s/move' % a, {'before': None})
        self.assertEqual([i['id'] for i in self.get('/api/state')['items']], [c, b, a])
        self.stop()
        self.start()
        self.assertEqual([i['id'] for i in self.get('/api/state')['items']], [c, b, a])
        self.assertFalse(self.get('/api/state')['queue']['running'])
        self.ask('PATCH', '/api/items/' + b, {'settings': {'model': 'tiny', 'scale': 1}}, status=200)
        self.ask('DELETE', '/api/items/' + c, status=204)
        self.post('/api/queue/resume')
        self.assertEqual(self.wait(b, 'done')['result']['width'], 8)
        self.wait(a, 'done')
        again = self.post('/api/items/%s/again' % b, {'settings': {'model': 'tiny', 'scale': 4}},
                          201)['id']
        self.wait(again, 'paused')
        self.post('/api/items/%s/start' % again)
        self.assertEqual(self.wait(again, 'done')['result']['width'], 32)
        self.ask('DELETE', '/api/items/' + b, status=204)
        self.assertEqual(png_size(self.ask('GET', '/api/items/%s/source' % again)[2]), (8, 8))
        self.post('/api/queue/clear')
        self.assertEqual(self.get('/api/state')['items'], [])
        self.assertEqual(len([f for f in os.listdir(self.results) if f != '.pique']), 3)

    def test_a_model_that_is_not_here_is_said(self):
        write(self.path('a.png'), png(8, 8))
        item = self.wait(self.add('a.png', {'model': 'realesrgan-x4plus'}), 'failed')
        self.assertIn('realesrgan-x4plus', item['error']['text'])

    def test_tests_run_several_settings_over_a_piece(self):
        write(self.path('a.png'), png(40, 30))
        name = self.add('a.png', start=False)
        self.wait(name, 'paused')
        events = Events(self)
        test = self.post('/api/tests', {'item': name, 'frame': 0, 'crop': [4, 2, 16, 12],
                                        'settings': [{'model': 'tiny'},
                                                     {'model': 'tiny', 'scale': 4},
                                                     {'model': 'nowhere'}]}, 202)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            now = self.get('/api/tests/' + test['id'])
            if all(r['state'] in ('done', 'failed') for r in now['runs']):
                break
            time.sleep(0.05)
        self.assertEqual([r['state'] for r in now['runs']], ['done', 'done', 'failed'])
        self.assertIn('nowhere', now['runs'][2]['error']['text'])
        for which, size in (('before', (16, 12)), ('0', (32, 24)), ('1', (64, 48))):
            self.assertEqual(png_size(self.ask('GET', '/api/tests/%s/%s' % (test['id'], which),
                                               status=200)[2]), size)
        self.assertEqual((now['runs'][1]['width'], now['runs'][1]['height']), (64, 48))
        self.assertTrue(events.named('test'))
        self.ask('DELETE', '/api/tests/' + test['id'], status=204)
        self.ask('GET', '/api/tests/' + test['id'], status=404)

    def test_presets_are_kept(self):
        self.ask('PUT', '/api/presets/anime', {'title': 'Animé', 'settings': {'scale': 2}},
                 status=200)
        self.ask('PUT', '/api/presets/bad', {'settings': {'scale': 'x'}}, status=400)
        self.stop()
        self.start()
        self.assertEqual(self.get('/api/presets')['presets'],
                         {'anime': {'title': 'Animé', 'settings': {'scale': 2}}})
        self.ask('DELETE', '/api/presets/anime', status=200)
        self.ask('DELETE', '/api/presets/anime', status=404)


    def test_all_results_come_in_one_archive(self):
        write(self.path('a.png'), png(8, 8))
        for name in [self.add('a.png'), self.add('a.png')]:
            self.wait(name, 'done')
        got = self.ask('GET', '/api/results.zip', status=200)
        self.assertEqual(got[1]['Content-Type'], 'application/zip')
        with zipfile.ZipFile(io.BytesIO(got[2])) as z:
            self.assertIsNone(z.testzip())
            self.assertEqual(sorted(z.namelist()), ['a (2).png', 'a.png'])
            self.assertEqual(z.read('a.png'), read(self.path('results', 'a.png')))


class Films(ServerCase):
    def test_a_film_is_seen_while_it_is_made(self):
        self.film('in.mkv', '64x48', '24', '3')
        events = Events(self)
        name = self.add('in.mkv', {'model': 'tiny', 'batch': 4, 'segment': 24})
        item = self.wait(name, 'done')
        self.assertEqual(item['kind'], 'film')
        self.assertEqual((item['info']['frames'], item['info']['width']), (72, 64))
        self.assertEqual(item['result']['frames'], 72)
        self.assertEqual(len(self.frame_times('results/in.mkv')), 72)
        saved = events.named('saved')
        self.assertEqual(sum(s['frames'] for s in saved), 72)
        self.assertEqual(len(saved), 18)
        self.assertEqual(png_size(self.ask('GET', '/api/items/%s/result?frame=71' % name,
                                           status=200)[2]), (128, 96))
        self.ask('GET', '/api/items/%s/result?frame=72' % name, status=404)

    def test_numbered_pictures_are_seen_and_come_in_an_archive(self):
        self.film('in.mkv', '64x48', '12', '1')
        name = self.add('in.mkv', {'model': 'tiny', 'format': 'png'})
        item = self.wait(name, 'done')
        self.assertTrue(item['result']['folder'])
        shown = self.ask('GET', '/api/items/%s/result?frame=11' % name, status=200)[2]
        self.assertEqual(png_size(shown), (128, 96))
        self.ask('GET', '/api/items/%s/result?frame=12' % name, status=404)
        with zipfile.ZipFile(io.BytesIO(self.ask('GET', '/api/items/%s/file' % name)[2])) as z:
            self.assertIsNone(z.testzip())
            self.assertEqual(z.namelist(), ['in/%06d.png' % i for i in range(1, 13)])

    def slow_film(self, name='in.mkv'):
        """One that takes some seconds here."""
        self.film(name, '320x240', '24', '6')
        return self.add(name, {'model': 'tiny', 'batch': 2, 'segment': 12})

    def undisturbed(self):
        result = self.run_pique('in.mkv', '-o', 'x.mkv', '--segment', '12', '--json')
        self.check(result, 0)
        return self.done(result)[0]['hash']

    def saved(self, item):
        return item['progress'] and item['progress']['saved'] >= 12

    def test_held_it_stands_still_and_goes_on(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.post('/api/items/%s/pause' % name)
        time.sleep(0.5)
        before = self.item(name)
        self.assertEqual(before['state'], 'paused')
        time.sleep(1)
        self.assertEqual(self.item(name)['progress']['done'], before['progress']['done'])
        shown = self.ask('GET', '/api/items/%s/result?frame=3' % name, status=200)[2]
        self.assertEqual(png_size(shown), (640, 480))
        self.post('/api/items/%s/resume' % name)
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_the_queue_holds_as_a_whole(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.post('/api/queue/pause')
        time.sleep(0.5)
        before = self.item(name)['progress']['done']
        time.sleep(1)
        self.assertEqual(self.item(name)['progress']['done'], before)
        self.post('/api/queue/resume')
        self.wait(name, 'done')

    def test_stopped_it_goes_on_later(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.post('/api/items/%s/stop' % name)
        self.wait(name, 'stopped')
        end = time.monotonic() + PATIENCE
        while self.worker_of(name) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertIsNone(self.worker_of(name))
        self.post('/api/items/%s/retry' % name)
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_it_survives_the_end_of_the_server(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.stop()
        self.assertIsNone(self.worker_of(name))
        self.start()
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_it_survives_a_server_that_is_killed(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.stop(signal.SIGKILL)
        end = time.monotonic() + PATIENCE
        while self.worker_of(name) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertIsNone(self.worker_of(name))
        self.start()
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_a_worker_that_is_held_ends_with_a_server_that_is_killed(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.post('/api/items/%s/pause' % name)
        time.sleep(0.5)
        self.stop(signal.SIGKILL)
        end = time.monotonic() + PATIENCE
        while self.worker_of(name) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertIsNone(self.worker_of(name))
        self.start()
        self.assertEqual(self.item(name)['state'], 'paused')
        self.post('/api/items/%s/resume' % name)
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_a_worker_that_dies_takes_nobody_along(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        os.kill(self.worker_of(name), signal.SIGKILL)
        item = self.wait(name, 'failed')
        self.assertIn('9', item['error']['text'])
        self.assertEqual(item['error']['next'], 'retry')
        self.post('/api/items/%s/retry' % name)
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_removed_while_it_runs_it_leaves_nothing(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.ask('DELETE', '/api/items/' + name, status=204)
        end = time.monotonic() + PATIENCE
        items = self.path('state', 'pique', 'items')
        while os.listdir(items) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(os.listdir(items), [])
        self.assertEqual(os.listdir(self.path('results', '.pique')), [])

    def test_side_by_side(self):
        self.post('/api/queue/parallel', {'count': 2})
        a, b = self.slow_film('a.mkv'), self.slow_film('b.mkv')
        end = time.monotonic() + PATIENCE
        both = False
        while not both and time.monotonic() < end:
            both = all(self.item(n)['state'] == 'running' for n in (a, b))
        self.assertTrue(both)
        self.wait(a, 'done')
        self.wait(b, 'done')

    def test_an_estimate_tells_time_memory_and_disk(self):
        self.film('in.mkv', '64x48', '24', '2')
        name = self.add('in.mkv', start=False)
        self.wait(name, 'paused')
        self.post('/api/items/%s/estimate' % name, {'settings': {'model': 'tiny', 'scale': 4}}, 202)
        item = self.wait(name, 'paused', until=lambda i: i['estimate'])
        self.assertEqual(item['estimate']['out_width'], 256)
        for key in ('seconds', 'memory_bytes', 'disk_bytes', 'output_bytes'):
            self.assertGreater(item['estimate'][key], 0, key)
        self.assertEqual(os.listdir(self.results), [])


class Doors(ServerCase):
    """Files of the server, other starts, the command line."""

    def test_folders_are_shown_by_id_and_lead_nowhere_else(self):
        os.makedirs(self.path('films', 'sub'))
        self.film('films/sub/in.mkv', '64x48', '12', '1')
        os.symlink('/etc', self.path('films', 'etc'))
        os.symlink('/etc/passwd', self.path('films', 'sub', 'passwd.mkv'))
        self.stop()
        self.start('--folder', self.path('films'))
        root = self.get('/api/folders')['folders'][0]
        self.assertEqual(root['name'], 'films')
        listed = self.get('/api/folders/' + root['id'])
        self.assertEqual([(e['name'], e['kind']) for e in listed['entries']], [('sub', 'folder')])
        sub = self.get('/api/folders/' + listed['entries'][0]['id'])
        self.assertEqual(sub['parent'], root['id'])
        self.assertEqual([e['name'] for e in sub['entries']], ['in.mkv'])
        item = self.post('/api/items', {'file': sub['entries'][0]['id'],
                                        'settings': {'model': 'tiny'}}, 201)
        self.post('/api/items/%s/start' % item['id'])
        self.wait(item['id'], 'done')
        self.assertEqual(len(self.frame_times('results/in.mkv')), 12)
        os.remove(self.path('films', 'sub', 'in.mkv'))
        os.symlink('/etc/passwd', self.path('films', 'sub', 'in.mkv'))
        self.post('/api/items', {'file': sub['entries'][0]['id']}, 404)
        self.ask('GET', '/api/folders/0123456789abcdef', status=404)

    def test_a_watched_folder_feeds_the_queue(self):
        os.makedirs(self.path('in'))
        write(self.path('in', 'old.png'), png(8, 8))
        self.stop()
        self.start('--folder', self.path('in'))
        root = self.get('/api/folders')['folders'][0]
        watch = self.post('/api/watch', {'folder': root['id'], 'settings': {'model': 'tiny'}}, 201)
        write(self.path('in', 'new.png'), png(8, 8))
        write(self.path('in', 'new.txt'), b'text')
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            items = self.get('/api/state')['items']
            if items and items[0]['state'] == 'done':
                break
            time.sleep(0.1)
        self.assertEqual([(i['name'], i['state']) for i in items], [('new.png', 'done')])
        self.assertTrue(os.path.exists(self.path('in', 'new.png')))
        self.ask('DELETE', '/api/watch/' + watch['id'], status=204)
        self.assertEqual(self.get('/api/state')['watched'], [])

    def test_a_second_start_opens_the_first(self):
        again = subprocess.run([PROGRAM, 'serve', '--results', self.results], cwd=self.dir,
                               env=self.environment(), stdout=subprocess.PIPE, check=True,
                               timeout=PATIENCE).stdout.decode()
        self.assertIn(':%d/?launch=' % self.port, again)
        word = re.search(r'launch=(\w+)', again).group(1)
        first = self.ask('GET', '/?launch=' + word, headers={'Authorization': None})
        self.assertEqual(first[0], 303)
        self.assertIn('HttpOnly', first[1]['Set-Cookie'])
        cookie = first[1]['Set-Cookie'].split(';')[0]
        self.ask('GET', '/api/state', headers={'Authorization': None, 'Cookie': cookie}, status=200)
        second = self.ask('GET', '/?launch=' + word, headers={'Authorization': None})
        self.assertNotIn('Set-Cookie', second[1])

    def test_only_its_owner_can_read_what_it_keeps(self):
        for path in (('state', 'pique'), ('state', 'pique', 'server.json')):
            self.assertEqual(os.stat(self.path(*path)).st_mode & 0o077, 0, path)

    def test_without_a_token_nothing_is_told(self):
        for path in ('/api/state', '/api/events', '/api/models', '/api/items/x/file'):
            self.ask('GET', path, headers={'Authorization': None}, status=401)

    def test_a_model_that_no_one_knows_is_fetched_with_a_sentence(self):
        events = Events(self)
        self.post('/api/models/no-such-model/fetch', status=202)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            told = events.named('model')
            if told and told[-1]['state'] != 'fetching':
                break
            time.sleep(0.05)
        self.assertEqual(told[-1]['state'], 'failed')
        self.assertIn('no-such-model', told[-1]['error']['text'])
        self.ask('POST', '/api/models/a%2fb/fetch', {}, status=400)

    def test_another_address_needs_a_token_file(self):
        result = subprocess.run([PROGRAM, 'serve', '--listen', '0.0.0.0'], cwd=self.dir,
                                env=self.environment(), stderr=subprocess.PIPE, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b'--token-file', result.stderr)

    def test_the_command_line_does_what_the_page_does(self):
        write(self.path('a.png'), png(8, 8))
        self.queue('pause')
        ids = self.queue('add', 'a.png', 'a.png', '-s', '3', '-m', 'tiny').split()
        self.assertEqual(len(ids), 2)
        for name in ids:
            self.wait(name, 'waiting')
            self.assertIn(name, self.queue('ls'))
        self.queue('rm', ids[1])
        self.queue('resume')
        self.assertEqual(self.wait(ids[0], 'done')['result']['width'], 24)
        self.assertIn('done', self.queue('ls'))
        listed = json.loads(self.queue('ls', '--json'))
        self.assertEqual([i['id'] for i in listed['items']], [ids[0]])
        self.queue('rm', 'ffff', status=66)
        self.stop()
        self.assertIn('serve', self.queue('ls', status=66))

    def queue(self, *words, status=0):
        result = subprocess.run([PROGRAM, 'queue', *words], cwd=self.dir, env=self.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                                timeout=PATIENCE)
        self.assertEqual(result.returncode, status, result.stderr.decode())
        return result.stdout.decode() if status == 0 else result.stderr.decode()

    def test_lists_say_what_there_is(self):
        options = self.get('/api/options')
        names = {o['name'] for o in options['options']}
        self.assertIn('scale', names)
        self.assertIn('tiny', json.dumps(self.get('/api/models')))
        self.assertIn('h264', [c['codec'] for c in self.get('/api/codecs')['codecs']])
        described = self.get('/api/openapi.json')
        self.assertTrue(described['openapi'].startswith('3.'))

    def test_every_path_that_is_described_is_there(self):
        paths = self.get('/api/openapi.json')['paths']
        self.assertGreater(len(paths), 25)
        for path, methods in paths.items():
            for method in methods:
                if method in ('parameters', 'summary') or path == '/api/events':
                    continue
                real = re.sub(r'\{\w+\}', '0000000000000000', path)
                status = self.ask(method.upper(), real, None if method in ('get', 'delete') else {})
                self.assertNotIn(status[0], (405, 501), (method, path))
                if status[0] == 404: # of a thing that is not there, and no path that is not
                    self.assertIn('error', json.loads(status[2]))


if __name__ == '__main__':
    group = sys.argv[1:2]
    if group:
        suite = unittest.defaultTestLoader.loadTestsFromName(group[0], sys.modules[__name__])
        result = unittest.TextTestRunner(verbosity=2).run(suite)
        everything = result.testsRun and len(result.skipped) == result.testsRun
        sys.exit(77 if everything else not result.wasSuccessful())
    unittest.main(verbosity=2)
