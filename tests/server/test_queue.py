#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server and its queue, as a program sees them over HTTP: real workers, pictures and films.

    test_queue.py GROUP        one class of this file, or all without a name"""
import fcntl
import http.client
import io
import json
import os
import random
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
from test_look import pixels_of  # noqa: E402
from test_cli import PROGRAM, SANITIZED, png, png_size, read, write  # noqa: E402

# A machine may stand still for a while; what hangs does so for ever.
PATIENCE = 240


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
            if name not in more:
                env.pop(name, None)
        return env

    def start(self, *words, before=(), **more):
        self.server = subprocess.Popen(
            [*before, PROGRAM, 'serve', '--results', self.results, '--port', str(free_port()), *words],
            cwd=self.dir, env=self.environment(**more), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
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

    def post(self, path, body=None, status=200, headers=None):
        return json.loads(self.ask('POST', path, body or {}, headers, status)[2] or b'{}')

    def until(self, what, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while not what() and time.monotonic() < end:
            time.sleep(0.02)
        self.assertTrue(what())

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
                    line = read('/proc/%s/cmdline' % pid).split(b'\0')
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
        self.post('/api/items/%s/again' % b, {'output_name': '..'}, 400)
        again = self.post('/api/items/%s/again' % b, {'settings': {'model': 'tiny', 'scale': 4},
                                                      'output_name': 'larger'}, 201)
        self.assertEqual(again['output_name'], 'larger')
        again = again['id']
        self.wait(again, 'paused')
        self.post('/api/items/%s/start' % again)
        result = self.wait(again, 'done')['result']
        self.assertEqual((result['name'], result['width']), ('larger.png', 32))
        self.ask('DELETE', '/api/items/' + b, status=204)
        self.assertEqual(png_size(self.ask('GET', '/api/items/%s/source' % again)[2]), (8, 8))
        self.post('/api/queue/clear')
        self.assertEqual(self.get('/api/state')['items'], [])
        self.assertEqual(len([f for f in os.listdir(self.results) if f != '.pique']), 3)

    def test_what_names_no_entries_starts_and_moves_none(self):
        self.post('/api/queue/pause')
        a, b = [self.add('a.png', data=png(8, 8), start=False) for _ in range(2)]
        for name in (a, b):
            self.wait(name, 'paused')
        for items in (None, a, {}, {a: True}, 1, True, [1], [a, None], [[a]]):
            self.post('/api/queue/run', {'items': items}, 400)
        for body in ({'before': 1}, {'before': [b]}, {'before': False}, {}, None):
            self.post('/api/items/%s/move' % a, body, 400)
        self.assertEqual([(i['id'], i['state']) for i in self.get('/api/state')['items']],
                         [(a, 'paused'), (b, 'paused')])
        self.assertFalse(self.get('/api/state')['queue']['running'])
        self.post('/api/queue/run', {'items': []})
        self.post('/api/queue/run', {'items': [b, 'ffff']})
        self.wait(b, 'done')
        self.assertEqual(self.item(a)['state'], 'paused')

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

    def test_an_estimate_of_a_picture_tells_size_and_memory(self):
        write(self.path('a.png'), png(40, 30))
        name = self.add('a.png', start=False)
        self.wait(name, 'paused')
        self.post('/api/items/%s/estimate' % name, {'settings': {'model': 'tiny', 'scale': 3}}, 202)
        item = self.wait(name, 'paused', until=lambda i: i['estimate'])
        self.assertEqual((item['estimate']['out_width'], item['estimate']['out_height']), (120, 90))
        self.assertGreater(item['estimate']['memory_bytes'], 0)
        self.assertEqual([f for f in os.listdir(self.results) if f != '.pique'], [])

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

    def test_an_archive_has_all_results_but_those_that_were_taken_away(self):
        for data in (png(8, 8), png(8, 9), png(9, 8)):
            self.wait(self.add('a.png', data=data), 'done')
        os.remove(self.path('results', 'a.png'))
        got = self.ask('GET', '/api/results.zip', status=200)[2]
        with zipfile.ZipFile(io.BytesIO(got)) as z:
            self.assertEqual(sorted(z.namelist()), ['a (2).png', 'a (3).png'])


class Edges(ServerCase):
    """What goes wrong, and what is done in an unusual order."""

    def own(self, name, *rest):
        return self.path('state', 'pique', 'items', name, *rest)

    def held_upload(self, name, data, total):
        """A request that has sent a part of its content and stays open."""
        s = socket.create_connection(('127.0.0.1', self.port))
        s.sendall(('PUT /api/items/%s/content?offset=0 HTTP/1.1\r\nHost: localhost:%d\r\n'
                   'Authorization: Bearer %s\r\nX-Pique: 1\r\nContent-Length: %d\r\n'
                   'Content-Type: application/octet-stream\r\n\r\n'
                   % (name, self.port, self.token, total)).encode() + data)
        time.sleep(0.2)
        return s

    def test_any_name_becomes_the_name_of_a_file(self):
        names = {'a%05d.png': 'a%05d.png', '-rf.png': '-rf.png', '..hidden.png': 'hidden.png',
                 'x/../../y.png': 'y.png', 'a\nb.png': 'a?b.png', 'C:\\z.png': 'z.png',
                 'a' + 'é' * 150 + '.png': 'a' + 'é' * 93 + '.png', 'é' * 150: None}
        for given, clean in names.items():
            item = self.item(self.add(given, data=png(8, 8), start=False))
            if clean:
                self.assertEqual(item['name'], clean)
            self.post('/api/items/%s/start' % item['id'])
            self.wait(item['id'], 'done')
        for given in ('', '.', '..', '/', 'a/', ' . '):
            self.post('/api/items', {'name': given, 'bytes': 1}, 400)
        for given in os.listdir(self.results):
            self.assertLess(len(given.encode()), 256)

    def test_two_uploads_of_one_entry_do_not_meet(self):
        data = png(40, 30)
        name = self.post('/api/items', {'name': 'p.png', 'bytes': len(data)}, 201)['id']
        path = '/api/items/%s/content?offset=' % name
        with self.held_upload(name, data[:50], len(data)):
            self.ask('PUT', path + '0', data, status=409)
        self.until(lambda: self.item(name)['received'] == 50)
        self.ask('PUT', path + '50', data[50:], status=200)
        self.wait(name, 'paused')
        self.ask('PUT', path + str(len(data)), b'', status=409)

    def test_an_upload_in_chunks_is_bound_by_what_was_announced(self):
        data = png(40, 30)
        name = self.post('/api/items', {'name': 'p.png', 'bytes': len(data)}, 201)['id']
        path = '/api/items/%s/content?offset=' % name

        def chunks(parts):
            return self.ask('PUT', path + str(self.item(name)['received']), iter(parts))
        status, _, body = chunks([data[:20], data[20:50]])
        self.assertEqual((status, json.loads(body)), (200, {'received': 50}))
        status, _, body = chunks([])
        self.assertEqual((status, json.loads(body)), (200, {'received': 50}))
        status, _, body = chunks([data[50:60], data[60:] + b'x'])
        self.assertEqual(status, 400)
        self.assertIn('announced', json.loads(body)['error']['text'])
        got = self.item(name)['received']
        self.assertLess(got, len(data))
        self.assertEqual(chunks([data[got:]])[0], 200)
        self.wait(name, 'paused')

    def test_removed_during_its_upload_it_is_gone(self):
        data = png(40, 30)
        name = self.post('/api/items', {'name': 'p.png', 'bytes': len(data)}, 201)['id']
        with self.held_upload(name, data[:50], len(data)) as s:
            self.ask('DELETE', '/api/items/' + name, status=204)
            s.sendall(data[50:])
            self.assertIn(b' 404 ', s.recv(1000))
        self.until(lambda: not os.listdir(self.path('state', 'pique', 'items')))

    def test_an_upload_that_was_whole_when_the_server_died_is_looked_at(self):
        name = self.add('p.png', data=png(8, 8), start=False)
        self.wait(name, 'paused')
        self.stop()
        with open(self.own(name, 'item.json'), encoding='utf-8') as f:
            item = json.load(f)
        item['state'] = 'uploading'
        write(self.own(name, 'item.json'), json.dumps(item).encode())
        self.start()
        self.wait(name, 'paused')

    def test_what_is_held_before_it_is_known_stays_held(self):
        name = self.post('/api/items', {'name': 'p.png', 'bytes': 5}, 201)['id']
        for word in ('pause', 'stop'):
            self.post('/api/items/%s/start' % name)
            self.post('/api/items/%s/%s' % (name, word))
            self.stop()
            with open(self.own(name, 'item.json'), encoding='utf-8') as f:
                self.assertFalse(json.load(f)['wants_start'], word)
            self.start()

    def test_what_a_crash_left_of_an_entry_is_removed(self):
        self.stop()
        rest = self.own('0123456789abcdef', 'in')
        os.makedirs(rest)
        write(os.path.join(rest, 'a.png'), b'x')
        os.makedirs(self.path('results', '.pique', '0123456789abcdef', 'x'))
        os.makedirs(self.own('notes of mine'))
        self.start()
        self.assertEqual(os.listdir(self.path('state', 'pique', 'items')), ['notes of mine'])
        self.assertEqual(os.listdir(self.path('results', '.pique')), [])

    def test_a_thumb_that_is_gone_is_made_again(self):
        name = self.add('p.png', data=png(40, 30), start=False)
        self.wait(name, 'paused')
        os.remove(self.own(name, 'look', 'thumb.png'))
        thumb = self.ask('GET', '/api/items/%s/thumb' % name, status=200)[2]
        self.assertEqual(png_size(thumb), (40, 30))

    def test_there_is_no_thumb_of_what_cannot_be_read(self):
        name = self.add('p.png', data=b'nothing', start=False)
        self.wait(name, 'failed')
        task = json.loads(read(self.own(name, 'info', 'task.json')))
        self.assertTrue(task['strict'] and task['seconds']) # it cannot take for ever
        self.assertGreaterEqual(task['memory'], 2 << 30) # nor everything
        before = time.monotonic()
        self.ask('GET', '/api/items/%s/thumb' % name, status=404)
        self.assertLess(time.monotonic() - before, 5)

    def test_a_result_that_was_taken_away_is_said(self):
        name = self.add('p.png', data=png(8, 8))
        self.wait(name, 'done')
        os.remove(self.path('results', 'p.png'))
        self.ask('GET', '/api/items/%s/file' % name, status=404)
        said = self.ask('GET', '/api/items/%s/result' % name, status=404)[2].decode()
        self.assertIn('p.png', said)
        self.assertNotIn(self.dir, said)
        self.ask('GET', '/api/items/%s/thumb' % name, status=200)
        self.ask('DELETE', '/api/items/' + name, status=204)

    def test_a_result_is_sent_in_parts_and_by_its_head(self):
        name = self.add('p.png', data=png(8, 8))
        self.wait(name, 'done')
        path, whole = '/api/items/%s/file' % name, read(self.path('results', 'p.png'))
        status, headers, data = self.ask('HEAD', path, status=200)
        self.assertEqual((int(headers['Content-Length']), data), (len(whole), b''))
        part = self.ask('GET', path, headers={'Range': 'bytes=8-15'}, status=206)
        self.assertEqual(part[2], whole[8:16])
        self.ask('GET', path, headers={'Range': 'bytes=%d-' % len(whole)}, status=416)

    def test_pictures_that_nobody_waits_for_do_not_pile_up(self):
        name = self.add('p.png', data=png(300, 300), start=False)
        self.wait(name, 'paused')
        for side in range(100, 200):
            with socket.create_connection(('127.0.0.1', self.port)) as s:
                s.sendall(('GET /api/items/%s/source?side=%d HTTP/1.1\r\nHost: localhost:%d\r\n'
                           'Authorization: Bearer %s\r\n\r\n' % (name, side, self.port, self.token))
                          .encode())
        self.ask('GET', '/api/items/%s/source?side=99' % name, status=200)
        self.assertLess(len(os.listdir(self.own(name, 'look'))), 90)

    def test_what_fails_is_said_in_the_language_of_who_asked(self):
        self.stop()
        self.start(before=('env', 'PIQUE_LANG=en'))
        said = {}
        for lang in ('fr', 'en', 'fr'):
            item = self.post('/api/items', {'name': 'p.png', 'bytes': 4, 'settings': {}}, 201,
                             headers={'Accept-Language': lang})
            os.makedirs(self.own(item['id'], 'info'), exist_ok=True)
            os.makedirs(self.own(item['id'], 'info', 'task.json')) # no worker can begin
            self.ask('PUT', '/api/items/%s/content?offset=0' % item['id'], b'none', status=200)
            said.setdefault(lang, set()).add(self.wait(item['id'], 'failed')['error']['text'])
        self.assertTrue(all(len(texts) == 1 for texts in said.values()), said)
        self.assertIn('est un dossier', said['fr'].pop())
        self.assertIn('is a folder', said['en'].pop())

    def test_an_estimate_that_cannot_be_made_names_no_folder(self):
        name = self.add('p.png', data=png(8, 8), start=False)
        self.wait(name, 'paused')
        for model in ('nowhere', 'tiny', 'nowhere'):
            self.post('/api/items/%s/estimate' % name, {'settings': {'model': model}}, 202)
        item = self.wait(name, 'paused', until=lambda i: (i['estimate'] or {}).get('error'))
        self.assertIn('nowhere', item['estimate']['error'])
        self.assertNotIn(self.dir, json.dumps(item))

    def test_a_model_is_no_file_where_the_server_was_started(self):
        os.rename(os.path.join(self.models, 'tiny.safetensors'), self.path('mine.safetensors'))
        try:
            name = self.add('p.png', {'model': 'mine.safetensors'}, png(8, 8))
            self.wait(name, 'failed')
        finally:
            os.rename(self.path('mine.safetensors'), os.path.join(self.models, 'tiny.safetensors'))

    def test_presets_that_cannot_be_read_are_not_written_over(self):
        path = self.path('state', 'pique', 'presets.json')
        write(path, b'{"mine": ')
        for method, more in (('PUT', {'settings': {}}), ('DELETE', None)):
            self.ask(method, '/api/presets/a', more, status=422)
        self.assertEqual(read(path), b'{"mine": ')

    def test_a_test_of_an_entry_ends_with_it(self):
        name = self.add('p.png', data=png(300, 300), start=False)
        self.wait(name, 'paused')
        test = self.post('/api/tests', {'item': name, 'frame': 0,
                                        'settings': [{'model': 'tiny'}] * 6}, 202)['id']
        self.post('/api/tests', {'item': name, 'frame': 0, 'settings': [1]}, 400)
        self.ask('DELETE', '/api/items/' + name, status=204)
        self.ask('GET', '/api/tests/' + test, status=404)
        time.sleep(1)
        self.stop()
        self.start()
        self.until(lambda: not os.listdir(self.path('state', 'pique', 'items')))

    def test_the_command_line_leaves_no_entry_that_it_could_not_fill(self):
        os.makedirs(self.path('folder'))
        write(self.path('empty.png'), b'')
        for name in ('folder', 'empty.png', 'missing.png'):
            done = subprocess.run([PROGRAM, 'queue', 'add', name], cwd=self.dir, check=False,
                                  env=self.environment(), stderr=subprocess.PIPE, timeout=PATIENCE)
            self.assertNotEqual(done.returncode, 0, name)
            self.assertIn(name.encode(), done.stderr)
        self.assertEqual(self.get('/api/state')['items'], [])

    def test_an_answer_that_breaks_off_is_no_empty_queue(self):
        self.stop()
        for answer in (b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"items": [',
                       b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n',
                       b'HTTP/1.1 200 OK\r\n\r\n{"items": [', b'SSH-2.0\r\n\r\n', b''):
            with socket.socket() as s:
                s.bind(('127.0.0.1', 0))
                s.listen()
                write(self.path('state', 'pique', 'server.json'), json.dumps(
                    {'port': s.getsockname()[1], 'address': '127.0.0.1', 'token': '0' * 64}).encode())
                ls = subprocess.Popen([PROGRAM, 'queue', 'ls'], cwd=self.dir,
                                      env=self.environment(), stderr=subprocess.PIPE)
                c = s.accept()[0]
                c.recv(4096)
                c.sendall(answer)
                c.close()
                self.assertIn(b'server', ls.communicate(timeout=PATIENCE)[1])
                self.assertNotEqual(ls.returncode, 0, answer)

    def test_an_address_with_colons_stands_in_brackets(self):
        """However it was written, the server goes by the address that it prints."""
        self.stop()
        write(self.path('token'), b'ab' * 32 + b'\n')
        server = subprocess.Popen([PROGRAM, 'serve', '--results', self.results, '--port',
                                   str(free_port()), '--listen', '0:0:0:0:0:0:0:1', '--token-file',
                                   'token'],
                                  cwd=self.dir, env=self.environment(), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        line = server.stdout.readline()
        answer = None
        if line:
            where = re.match(r'http://(\[.*\]):(\d+)(/.*)', line.decode())
            c = http.client.HTTPConnection(where.group(1).strip('[]'), int(where.group(2)),
                                           timeout=PATIENCE)
            c.request('GET', where.group(3))
            answer = c.getresponse().status
            c.close()
        server.terminate()
        said = server.communicate(timeout=PATIENCE)[1]
        if b'listen' in said or b'address' in said:
            self.skipTest('no IPv6 here')
        self.assertIn(b'http://[::1]:', line)
        self.assertEqual(answer, 303)


    def any_request(self, chance, names):
        name = chance.choice(names)
        path = '/api/items/%s' % name
        settings = {'settings': {'model': 'tiny', 'scale': chance.choice([1, 2, 3])}}
        kind = chance.randrange(16)
        if kind < 8:
            word = ('start', 'pause', 'resume', 'stop', 'retry', 'stop', 'pause', 'start')[kind]
            return self.ask('POST', '%s/%s' % (path, word), {})
        if kind == 8:
            return self.ask('PATCH', path, settings)
        if kind == 9 and len(names) < 6:
            again = self.ask('POST', path + '/again', settings)
            if again[0] == 201:
                names.append(json.loads(again[2])['id'])
            return again
        if kind == 10:
            return self.ask('POST', path + '/move', {'before': chance.choice(names + [None])})
        if kind == 11:
            return self.ask('POST', path + '/estimate', settings)
        if kind == 12:
            return self.ask('POST', '/api/tests', {'item': name, 'frame': 0,
                                                   'settings': [settings['settings']]})
        if kind == 13 and len(names) > 2:
            names.remove(name)
            return self.ask('DELETE', path)
        if kind == 14:
            return self.ask('POST', '/api/queue/' + chance.choice(['pause', 'resume', 'run']), {})
        return self.ask('GET', path + chance.choice(['/source?side=9', '/result?side=9', '/file']))

    def test_whatever_is_asked_in_whatever_order_all_entries_end(self):
        seed = int(os.environ.get('PIQUE_TEST_SEED', '7'))
        chance = random.Random(seed)
        names = [self.add('p.png', data=png(200, 150), start=False) for _ in range(3)]
        for i in range(200):
            status, _, data = self.any_request(chance, names)
            self.assertIn(status, (200, 201, 202, 204, 404, 409), (seed, i, data[:300]))
            if i % 70 == 69: # and in mid-air the server ends, or is killed
                self.stop(chance.choice([signal.SIGTERM, signal.SIGKILL]))
                self.start()
        self.assertEqual(sorted(names), sorted(i['id'] for i in self.get('/api/state')['items']))
        self.post('/api/queue/run', {'items': names})
        for name in names:
            item = self.wait(name, 'done')
            self.assertEqual(item['result']['width'], 200 * item['settings'].get('scale', 2), seed)
            self.ask('DELETE', '/api/items/' + name, status=204)
        self.stop()
        self.start()
        self.until(lambda: not os.listdir(self.path('state', 'pique', 'items')))
        self.assertEqual(os.listdir(self.path('results', '.pique')), [])


class Films(ServerCase):
    def test_a_film_is_seen_while_it_is_made(self):
        self.film('in.mkv', '64x48', '24', '3', '-f', 'lavfi', '-i', 'sine=duration=3', '-c:v',
                  'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'aac',
                  '-metadata:s:a:0', 'language=fra')
        events = Events(self)
        name = self.add('in.mkv', {'model': 'tiny', 'batch': 4, 'segment': 24})
        item = self.wait(name, 'done')
        self.assertEqual(item['kind'], 'film')
        self.assertEqual(item['info']['width'], 64)
        self.assertIn(item['info']['frames'], (72, 73))  # by its length, which is that of the sound
        self.assertEqual([(t['kind'], t['codec'], t['language']) for t in item['info']['tracks']],
                         [('audio', 'aac', 'fra')])
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

    def slow_film(self, name='in.mkv', **more):
        """One that takes two or three seconds here."""
        if not os.path.exists(self.path(name)):
            self.film(name, '160x120', '24', '6')
        return self.add(name, {'model': 'slow', 'batch': 2, 'segment': 12}, **more)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_model('slow', 16, 3, 2)

    def undisturbed(self):
        """What comes out where nobody disturbs; the film is always the same."""
        if not Films.hash:
            result = self.run_pique('in.mkv', '-o', 'x.mkv', '--segment', '12', '--json',
                                    model='slow')
            self.check(result, 0)
            Films.hash = self.done(result)[0]['hash']
        return Films.hash

    hash = None

    def saved(self, item):
        return item['progress'] and item['progress']['saved'] >= 12

    def until_it_is_gone(self, name, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while self.worker_of(name) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertIsNone(self.worker_of(name))

    def stands_still(self, name):
        """Soon; what it had said before may yet be on its way."""
        end = time.monotonic() + PATIENCE
        while True:
            time.sleep(0.3)
            before = self.item(name)
            time.sleep(0.5)
            after = self.item(name)
            if after['progress']['done'] == before['progress']['done'] or time.monotonic() > end:
                break
        self.assertEqual(after['progress']['done'], before['progress']['done'])
        return before['state']

    def test_held_stopped_and_killed_it_goes_on_where_it_stood(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.post('/api/items/%s/pause' % name)
        self.assertEqual(self.stands_still(name), 'paused')
        shown = self.ask('GET', '/api/items/%s/result?frame=3' % name, status=200)[2]
        self.assertEqual(png_size(shown), (320, 240))
        self.post('/api/items/%s/resume' % name)
        self.wait(name, 'running')
        self.post('/api/queue/pause')
        self.assertEqual(self.stands_still(name), 'running')
        self.post('/api/queue/resume')
        self.post('/api/items/%s/stop' % name)
        self.wait(name, 'stopped')
        self.until_it_is_gone(name)
        self.post('/api/items/%s/retry' % name)
        self.wait(name, 'running', until=lambda i: i['progress'] and i['progress']['done'] > 12)
        end = time.monotonic() + PATIENCE
        while not self.worker_of(name) and time.monotonic() < end:
            time.sleep(0.01) # the one that was stopped may just be gone
        os.kill(self.worker_of(name), signal.SIGKILL) # it takes nobody along
        item = self.wait(name, 'failed')
        self.assertIn('9', item['error']['text'])
        self.assertEqual(item['error']['next'], 'retry')
        self.post('/api/items/%s/retry' % name)
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_it_survives_the_end_of_the_server(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.stop()
        self.assertIsNone(self.worker_of(name))
        self.start()
        self.wait(name, 'running', until=lambda i: i['progress'])
        self.stop(signal.SIGKILL)
        self.until_it_is_gone(name)
        self.start()
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_the_worker_of_a_killed_server_is_waited_for(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.stop(signal.SIGKILL)
        self.until_it_is_gone(name)
        folder = os.open(self.path('state', 'pique', 'items', name, 'run'), os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX) # as one that has not come to its end
        self.start()
        self.wait(name, 'running')
        time.sleep(3) # without a lock the whole film takes less
        item = self.item(name)
        self.assertEqual((item['state'], item['progress']), ('running', None))
        os.close(folder)
        self.wait(name, 'running', until=self.saved)
        self.stop(signal.SIGKILL)
        self.start() # at once
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_a_worker_that_is_held_ends_with_a_server_that_is_killed(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.post('/api/items/%s/pause' % name)
        time.sleep(0.3)
        self.stop(signal.SIGKILL)
        self.until_it_is_gone(name)
        self.start()
        self.assertEqual(self.item(name)['state'], 'paused')
        self.post('/api/items/%s/resume' % name)
        self.assertEqual(self.wait(name, 'done')['result']['hash'], self.undisturbed())

    def test_what_is_held_can_be_stopped_and_started_at_once(self):
        name = self.slow_film()
        self.wait(name, 'running', until=self.saved)
        self.post('/api/items/%s/pause' % name)
        self.post('/api/items/%s/stop' % name)
        self.until_it_is_gone(name, 8) # less than it takes until it is killed
        self.wait(name, 'stopped')
        self.post('/api/items/%s/start' % name)
        self.wait(name, 'running', until=lambda i: i['progress'])
        self.post('/api/queue/pause')
        for word in ('stop', 'start', 'pause', 'start', 'stop', 'start'):
            self.post('/api/items/%s/%s' % (name, word))
        self.until_it_is_gone(name, 8)
        self.wait(name, 'waiting')
        self.post('/api/queue/resume')
        self.wait(name, 'done')

    def test_other_settings_show_other_frames(self):
        name = self.slow_film()
        path = '/api/items/%s/result?frame=3' % name
        self.wait(name, 'running', until=self.saved)
        self.assertEqual(png_size(self.ask('GET', path, status=200)[2]), (320, 240))
        self.ask('PATCH', '/api/items/' + name, {'settings': {'model': 'tiny'}}, status=409)
        self.post('/api/items/%s/stop' % name)
        self.until_it_is_gone(name)
        other = {'settings': {'model': 'slow', 'batch': 2, 'segment': 12, 'scale': 1}}
        end = time.monotonic() + PATIENCE
        while self.ask('PATCH', '/api/items/' + name, other)[0] == 409 and time.monotonic() < end:
            time.sleep(0.01) # the server may not have buried it yet
        self.assertEqual(self.item(name)['settings'], other['settings'])
        self.ask('GET', path, status=404)
        self.post('/api/items/%s/start' % name)
        self.wait(name, 'running', until=self.saved)
        self.assertEqual(png_size(self.ask('GET', path, status=200)[2]), (160, 120))

    def test_removed_while_it_runs_it_leaves_nothing(self):
        kinds = ('running', 'paused', 'killed')
        names = {}
        items = self.path('state', 'pique', 'items')
        for kind in kinds:
            name = names[kind] = self.slow_film()
            self.wait(name, 'running', until=self.saved)
            if kind == 'paused':
                self.post('/api/items/%s/pause' % name)
            self.ask('DELETE', '/api/items/' + name, status=204)
            self.ask('GET', '/api/items/%s/thumb' % name, status=404)
            if kind == 'killed':
                self.stop(signal.SIGKILL)
            self.until_it_is_gone(name, 8)
        self.start()
        self.assertEqual(self.get('/api/state')['items'], [])
        self.until(lambda: not os.listdir(items) and not os.listdir(self.path('results', '.pique')))

    def start_with_room_for(self, size):
        """The results lie on a disk of their own, of that size."""
        self.stop()
        script = 'mount -t tmpfs -o size=%s none "$1" && shift && exec "$@"'
        words = ['unshare', '-rm', 'sh', '-c', script % size, 'sh', self.results]
        if subprocess.run(words + ['true'], stderr=subprocess.DEVNULL, check=False).returncode:
            self.skipTest('no folder of a few bytes can be made here')
        self.start(before=words)

    def test_an_estimate_tells_of_the_disk_where_the_result_will_lie(self):
        self.start_with_room_for('1m')
        self.film('in.mkv', '64x48', '24', '1')
        name = self.add('in.mkv', start=False)
        self.wait(name, 'paused')
        self.post('/api/items/%s/estimate' % name, {'settings': {'model': 'tiny'}}, 202)
        item = self.wait(name, 'paused', until=lambda i: i['estimate'])
        self.assertLess(item['estimate']['disk_free'], (1 << 20) + 1)

    def test_a_disk_that_is_full_holds_the_queue_and_says_so(self):
        self.start_with_room_for('64k')
        try:
            name = self.slow_film()
            item = self.wait(name, 'paused', until=lambda i: i['error'])
            self.assertEqual((item['error']['code'], item['error']['next']), ('ENOSPC', 'space'))
            self.assertFalse(self.get('/api/state')['queue']['running'])
            other = self.slow_film()
            self.wait(other, 'waiting')
            before = item['revision']
            self.post('/api/queue/resume')
            again = self.wait(name, 'paused', until=lambda i: i['error'] and i['revision'] > before)
            self.assertEqual(again['error']['code'], 'ENOSPC')
            self.assertEqual(self.item(other)['state'], 'waiting')
            words = ['nsenter', '-t', str(self.server.pid), '-U', '-m', '--preserve-credentials',
                     'mount', '-o', 'remount,size=64m', self.results]
            if subprocess.run(words, check=False).returncode == 0: # there is room
                self.post('/api/queue/resume')
                self.wait(name, 'done')
                self.wait(other, 'done')
        finally:
            self.stop()

    def test_a_test_shows_one_frame_also_of_a_variable_rate(self):
        grey = "geq=lum='16+mod(N*7,200)':cb=128:cr=128"
        self.ff('-f', 'lavfi', '-i', 'color=black:s=48x32:r=10:d=6,%s,select=not(mod(n\\,3))+'
                'not(mod(n\\,7))' % grey, '-vsync', 'vfr', '-c:v', 'ffv1', 'in.mkv')
        os.makedirs(self.path('all'))
        self.check(self.run_pique('in.mkv', '-m', 'tiny', '-o', 'all/%06d.png', model=None), 0)
        name = self.add('in.mkv', start=False)
        self.wait(name, 'paused')
        for frame in (0, 3, 10, 20):
            test = self.post('/api/tests', {'item': name, 'frame': frame,
                                            'settings': [{'model': 'tiny'}]}, 202)['id']
            end = time.monotonic() + PATIENCE
            while self.get('/api/tests/' + test)['runs'][0]['state'] != 'done':
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)
            shown = self.ask('GET', '/api/tests/%s/0' % test, status=200)[2]
            self.assertEqual(pixels_of(shown),
                             pixels_of(read(self.path('all', '%06d.png' % (frame + 1)))), frame)

    def test_side_by_side_nothing_takes_more_than_it_was_to(self):
        self.post('/api/queue/parallel', {'count': 2})
        share = max(os.cpu_count() // 2, 1)
        for wanted, said in ((1, [1]), (1000, [1000, share]), (None, [share])):
            settings = {'model': 'tiny', 'threads': wanted} if wanted else {'model': 'tiny'}
            name = self.add('p.png', settings, png(8, 8))
            self.wait(name, 'done')
            task = json.loads(read(self.path('state', 'pique', 'items', name, 'run', 'task.json')))
            words = [w.split('=')[1] for w in task['words'] if w.startswith('--threads=')]
            self.assertEqual([int(w) for w in words], said) # the last one holds

    def test_side_by_side(self):
        self.post('/api/queue/parallel', {'count': 2})
        a = self.slow_film()
        b = self.slow_film()
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
        os.remove(self.path('in', 'new.png')) # and another of that name comes later
        time.sleep(2.5)
        write(self.path('in', 'new.png'), png(8, 9))
        end = time.monotonic() + PATIENCE
        while len(self.get('/api/state')['items']) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual([i['name'] for i in self.get('/api/state')['items']], ['new.png'] * 2)
        self.ask('DELETE', '/api/watch/' + watch['id'], status=204)
        self.ask('DELETE', '/api/watch/' + watch['id'], status=404)
        self.assertEqual(self.get('/api/state')['watched'], [])

    def test_a_watched_folder_that_is_away_is_watched_when_it_is_back(self):
        for name in ('a', 'b'):
            os.makedirs(self.path(name))
            write(self.path(name, 'old.png'), png(8, 8))
        os.makedirs(os.path.join(os.fsencode(self.path('a')), b'\xff'))
        self.stop()
        self.start('--folder', self.path('a'), '--folder', self.path('b'))
        for root in self.get('/api/folders')['folders'] * 2: # twice is once
            self.post('/api/watch', {'folder': root['id'], 'settings': {'model': 'tiny'}}, 201)
        self.assertEqual(len(self.get('/api/state')['watched']), 2)
        self.stop()
        os.rename(self.path('a'), self.path('away'))
        self.start()
        self.assertEqual(len(self.get('/api/state')['watched']), 2)
        os.rename(self.path('away'), self.path('a'))
        end, count = time.monotonic() + PATIENCE, 0
        while not self.get('/api/state')['items'] and time.monotonic() < end:
            time.sleep(2.5) # what is there when it is seen to be back is not new
            count += 1
            write(self.path('a', 'new%d.png' % count), png(8, 8))
            time.sleep(2.5)
        names = [i['name'] for i in self.get('/api/state')['items']]
        self.assertTrue(names)
        self.assertTrue(all(name.startswith('new') for name in names), names)

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

    def test_what_opens_the_folder_is_a_program_as_any_other(self):
        """Not one that blocks and ignores the signals that a thread of the server does."""
        tools, told = self.path('tools'), self.path('told')
        os.mkdir(tools)
        self.stop()
        self.start('--no-open', DISPLAY=':0', PATH=tools)
        answer = json.loads(self.ask('POST', '/api/open', {}, status=500)[2])
        self.assertIn('xdg-open', answer['error']['text'])
        write(os.path.join(tools, 'xdg-open'),
              ('#!/bin/sh\n{ echo "$1"; while read -r line; do echo "$line"; done < '
               '/proc/self/status; } > %s.part\n/bin/mv %s.part %s\n' % (told, told, told)).encode())
        os.chmod(os.path.join(tools, 'xdg-open'), 0o755)
        self.ask('POST', '/api/open', {}, status=204)
        end = time.monotonic() + PATIENCE
        while not os.path.exists(told) and time.monotonic() < end:
            time.sleep(0.05)
        said = read(told).decode()
        self.assertEqual(said.split('\n')[0], self.results)
        masks = {name: int(re.search(name + r':\s*(\w+)', said).group(1), 16)
                 for name in ('SigBlk', 'SigIgn')}
        self.assertEqual(masks['SigBlk'], 0)
        # What else is ignored may be so since before the server.
        self.assertEqual(masks['SigIgn'] & 1 << signal.SIGPIPE - 1, 0)

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

    def test_models_that_are_fetched_at_once_are_not_taken_for_one_another(self):
        os.makedirs(self.path('bin'))
        for program in ('curl', 'npm'):
            write(self.path('bin', program), b'#!/bin/sh\nexit 6\n')
            os.chmod(self.path('bin', program), 0o755)
        names = [m['name'] for m in self.get('/api/models')['models']
                 if not m['installed']][:2]
        self.stop()
        lock = os.open(self.models, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX) # as one that fetches has it
        self.start(PATH=self.path('bin') + ':' + os.environ['PATH'])
        events = Events(self)
        for name in names:
            self.post('/api/models/%s/fetch' % name, status=202)
        time.sleep(1)
        state = self.path('state', 'pique')
        words = [json.loads(read(os.path.join(state, folder, 'task.json')))['words'][-1]
                 for folder in sorted(os.listdir(state)) if folder.startswith('fetch-')]
        self.assertEqual(words, names)
        os.close(lock)
        end = time.monotonic() + PATIENCE
        ended = {}
        while len(ended) < 2 and time.monotonic() < end:
            ended = {m['name']: m for m in events.named('model') if m['state'] == 'failed'}
            time.sleep(0.05)
        self.assertEqual(sorted(ended), sorted(names))

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

    def test_the_description_says_what_a_request_needs(self):
        described = self.get('/api/openapi.json')
        mark = {'$ref': '#/components/parameters/Mark'}
        for path, methods in described['paths'].items():
            for method, what in methods.items():
                if method in ('post', 'put', 'patch', 'delete'):
                    self.assertIn(mark, what['parameters'], (method, path))
        self.assertEqual(described['components']['parameters']['Mark']['name'], 'X-Pique')
        piece = described['paths']['/api/items/{id}/content']['put']
        self.assertTrue([p for p in piece['parameters'] if p.get('name') == 'offset'][0]['required'])
        name = self.add('a.png', data=png(8, 8))
        self.wait(name, 'done')
        described = described['paths']['/api/items/{id}/file']['get']['responses']
        for part, status in ((None, 200), ('bytes=1-2', 206), ('bytes=9999999-', 416)):
            answer = self.ask('GET', '/api/items/%s/file' % name,
                              headers={'Range': part} if part else {}, status=status)
            for header in described[str(status)]['headers']:
                self.assertIn(header, answer[1], status)
            if status != 416:
                self.assertIn(answer[1]['Content-Type'], described[str(status)]['content'])
        answer = self.ask('PUT', '/api/items/%s/content?offset=0' % name, b'x', status=409)
        self.assertIn('error', json.loads(answer[2]))

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
