#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an honest client gets: of http-probe, over a socket."""
import gzip
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import unittest

from probe import Probe, TOKEN, allow_files, read_answer, read_head

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'tools'))
from squeeze_page import squeeze  # noqa: E402

SECURE = {
    'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
}
FILE = bytes((i * 7 + i // 251) & 0xff for i in range(1 << 20))
WEB = os.path.join(HERE, 'web')


class Case(unittest.TestCase):
    args = []

    @classmethod
    def setUpClass(cls):
        cls.probe = Probe(*cls.args)

    @classmethod
    def tearDownClass(cls):
        code = cls.probe.close()
        assert code == 0, code

    def ask(self, *args, **more):
        status, lines, body = self.probe.ask(*args, **more)
        for name, value in SECURE.items():
            self.assertEqual(lines.get(name), value, (args, name))
        return status, lines, body

    def json(self, *args, **more):
        status, lines, body = self.ask(*args, **more)
        self.assertEqual(lines['content-type'], 'application/json')
        self.assertEqual(lines['cache-control'], 'no-store')
        return status, json.loads(body)


class Routes(Case):
    def test_json_goes_in_and_comes_out(self):
        body = {'a': [1, 2.5, True, None], 'b': 'd\u00e9j\u00e0'}
        for method in ('POST', 'PATCH'):
            self.assertEqual(self.json(method, '/api/echo', json.dumps(body).encode()), (200, body))
        self.assertEqual(self.json('POST', '/api/echo'), (200, {}))
        self.assertEqual(self.json('DELETE', '/api/echo'), (200, {}))

    def test_a_body_as_large_as_the_route_takes_is_taken(self):
        body = b'{"a":"%s"}' % (b'x' * ((64 << 10) - 8))
        self.assertEqual(self.ask('POST', '/api/echo', body)[0], 200)
        status, answer = self.json('POST', '/api/echo', body + b' ')
        self.assertEqual((status, answer['error']['code']), (413, 'body'))

    def test_json_in_chunks_is_one_body(self):
        request = (b'POST /api/echo HTTP/1.1\r\n' + self.probe.host() + b'Authorization: Bearer ' +
                   TOKEN.encode() + b'\r\nX-Pique: 1\r\nContent-Type: application/json\r\n'
                   b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n')
        self.assertEqual(self.probe.raw(request)[2], b'{"a":1}')

    def test_parts_of_a_path_reach_the_route(self):
        self.assertEqual(self.json('GET', '/api/parts/k3f9/b_.-c'),
                         (200, {'a': 'k3f9', 'b': 'b_.-c'}))
        longest = 'k' * 64
        self.assertEqual(self.json('GET', '/api/parts/a/' + longest)[1]['b'], longest)

    def test_a_query_reaches_the_route(self):
        def ask(query, *headers):
            return self.json('GET', '/api/asked' + query, headers=headers)[1]
        self.assertEqual(ask(''), {'french': False, 'loopback': True, 'number': 7, 'text': None})
        self.assertEqual(ask('?number=12')['number'], 12)
        self.assertEqual(ask('?number=1001')['number'], -1)
        self.assertEqual(ask('?number=-1')['number'], -1)
        self.assertEqual(ask('?text=d%C3%A9j%C3%A0+vu%3F')['text'], 'd\u00e9j\u00e0 vu?')
        self.assertTrue(ask('', 'Accept-Language: fr-CA,en;q=0.5')['french'])
        self.assertTrue(ask('?lang=fr')['french'])
        self.assertFalse(ask('?lang=en', 'Accept-Language: fr')['french'])
        self.assertFalse(ask('', 'X-Forwarded-For: 192.0.2.1')['loopback'])

    def test_head_is_get_without_the_body(self):
        status, lines, body = self.ask('HEAD', '/api/small')
        self.assertEqual((status, lines['content-length'], body), (200, '33', b''))
        status, lines, body = self.ask('HEAD', '/')
        self.assertEqual((status, body), (200, b''))
        self.assertGreater(int(lines['content-length']), 100)

    def test_another_method_is_told_which_there_are(self):
        for method, path, allow in (('PUT', '/api/echo', 'POST, PATCH, DELETE'),
                                    ('POST', '/api/small', 'GET, HEAD'),
                                    ('GET', '/api/count', 'PUT'), ('POST', '/', 'GET, HEAD'),
                                    ('DELETE', '/api/events', 'GET, HEAD')):
            status, lines, body = self.ask(method, path)
            self.assertEqual((status, lines['allow']), (405, allow))
            self.assertEqual(json.loads(body)['error']['code'], 'method')

    def test_what_is_not_there_is_404_with_a_sentence(self):
        for path in ('/api/none', '/api/', '/none', '/js/none.js', '/api/gone'):
            status, answer = self.json('GET', path)
            self.assertEqual(status, 404)
            self.assertEqual(sorted(answer['error']), ['code', 'next', 'text'])
            self.assertGreater(len(answer['error']['text']), 10)

    def test_a_route_that_forgets_to_answer_is_500(self):
        self.assertEqual(self.json('GET', '/api/nothing')[0], 500)

    def test_a_connection_serves_many_requests(self):
        request = (b'GET /api/small HTTP/1.1\r\n' + self.probe.host() + b'Authorization: Bearer ' +
                   TOKEN.encode() + b'\r\n\r\n')
        refused = b'GET /api/none HTTP/1.1\r\n' + self.probe.host() + b'\r\n'
        with self.probe.connect() as s:
            for _ in range(20):
                s.sendall(request)
                self.assertEqual(read_answer(s)[0], 200)
                s.sendall(refused)
                self.assertEqual(read_answer(s)[0], 401)
            s.sendall(request * 5)
            got = b''
            while got.count(b'"revision":17}') < 5:
                got += s.recv(65536)

    def test_both_addresses_answer(self):
        if not socket.has_ipv6:
            self.skipTest('no IPv6 here')
        try:
            s = self.probe.connect('::1')
        except OSError:
            self.skipTest('no IPv6 here')
        with s:
            s.sendall(b'GET / HTTP/1.1\r\nHost: [::1]:%d\r\n\r\n' % self.probe.port)
            self.assertEqual(read_answer(s)[0], 200)

    def test_a_browser_with_our_origin_may_change_things(self):
        port = self.probe.port
        headers = ('Origin: http://localhost:%d' % port, 'Sec-Fetch-Site: same-origin',
                   'Cookie: theme=dark; pique_%d=%s' % (port, TOKEN))
        self.assertEqual(self.json('POST', '/api/echo', b'{}', headers=headers, token=None)[0], 200)

    def test_behind_a_proxy_with_tls_and_a_password_the_page_works(self):
        """What nginx sends with the configuration of docs/server.md, and with one that passes the
        password on, once it is in by its token."""
        for host in ('pique.example', 'pique.example:%d' % self.probe.port):
            for i, more in enumerate(['']
                                     + ['Authorization: Basic %04d\r\n' % i for i in range(15)]):
                answer = self.probe.raw((
                    'POST /api/echo HTTP/1.1\r\nHost: %s\r\nOrigin: https://pique.example\r\n'
                    'Sec-Fetch-Site: same-origin\r\nX-Pique: 1\r\n%s%s'
                    'Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}' % (
                        host, more, 'X-Pique-Token: %s\r\n' % TOKEN if i == 1 else
                        'Cookie: pique_%d=%s\r\n' % (self.probe.port, TOKEN))).encode())
                self.assertEqual((answer[0], answer[2]), (200, b'{"a":1}'))

    def test_no_answer_has_a_cors_header(self):
        for headers in ((), ('Origin: http://evil.example',)):
            for path in ('/', '/api/small', '/api/file'):
                lines = self.ask('GET', path, headers=headers)[1]
                self.assertEqual([n for n in lines if n.startswith('access-control')], [])


class Files(Case):
    def test_a_file_is_kept_under_its_name(self):
        status, lines, body = self.ask('GET', '/api/file')
        self.assertEqual((status, body == FILE), (200, True))
        self.assertEqual(lines['content-type'], 'video/x-matroska')
        self.assertEqual(lines['content-disposition'],
                         'attachment; filename="d__j__ _vu_.mkv"; '
                         "filename*=UTF-8''d%C3%A9j%C3%A0%20%22vu%22.mkv")
        self.assertEqual(lines['accept-ranges'], 'bytes')

    def test_a_picture_is_shown_and_has_no_ranges(self):
        status, lines, body = self.ask('GET', '/api/picture', headers=['Range: bytes=0-9'])
        self.assertEqual((status, body == FILE), (200, True))
        self.assertNotIn('content-disposition', lines)
        self.assertNotIn('accept-ranges', lines)

    def test_a_part_of_a_file_is_that_part(self):
        for text, first, end in (('0-0', 0, 1), ('100-199', 100, 200), ('1048575-', 1048575, 1 << 20),
                                 ('-5', (1 << 20) - 5, 1 << 20), ('1000000-9999999', 1000000, 1 << 20)):
            status, lines, body = self.ask('GET', '/api/file', headers=['Range: bytes=' + text])
            self.assertEqual((status, body == FILE[first:end]), (206, True), text)
            self.assertEqual(lines['content-range'], 'bytes %d-%d/1048576' % (first, end - 1))

    def test_a_part_that_is_not_there_is_416(self):
        status, lines, body = self.ask('GET', '/api/file', headers=['Range: bytes=1048576-'])
        self.assertEqual((status, lines['content-range'], body), (416, 'bytes */1048576', b''))

    def test_several_parts_are_the_whole(self):
        status, _, body = self.ask('GET', '/api/file', headers=['Range: bytes=0-1,5-6'])
        self.assertEqual((status, len(body)), (200, 1 << 20))

    def test_a_download_goes_on_where_the_file_is_the_same(self):
        etag = self.ask('HEAD', '/api/file')[1]['etag']
        for value, expected in ((etag, 206), ('"other"', 200), ('W/' + etag, 200)):
            status = self.ask('GET', '/api/file',
                              headers=['Range: bytes=5-', 'If-Range: ' + value])[0]
            self.assertEqual(status, expected)


class Uploads(Case):
    def put(self, body, path='/api/count', **more):
        return self.json('PUT', path, body, kind='application/octet-stream', **more)

    def test_octets_are_counted(self):
        for n in (0, 1, 1000, 5 << 20):
            self.assertEqual(self.put(b'x' * n), (200, {'received': n}))

    def test_octets_in_chunks_are_counted(self):
        head = (b'PUT /api/count HTTP/1.1\r\n' + self.probe.host() + b'Authorization: Bearer ' +
                TOKEN.encode() + b'\r\nX-Pique: 1\r\nContent-Type: application/octet-stream\r\n'
                b'Transfer-Encoding: chunked\r\n\r\n')
        chunks = b''.join(b'%x\r\n%s\r\n' % (n, b'x' * n) for n in (1, 10, 100, 1000, 100000))
        self.assertEqual(self.probe.raw(head + chunks + b'0\r\n\r\n')[2], b'{"received":101111}')

    def test_who_asks_first_is_told_to_go_on(self):
        head = (b'PUT /api/count HTTP/1.1\r\n' + self.probe.host() + b'Authorization: Bearer %s\r\n'
                b'X-Pique: 1\r\nContent-Type: application/octet-stream\r\nContent-Length: 5\r\n'
                b'Expect: 100-continue\r\n\r\n')
        with self.probe.connect() as s:
            s.sendall(head % TOKEN.encode())
            self.assertEqual(read_head(s)[0], 100)
            s.sendall(b'hello')
            self.assertEqual(read_answer(s)[2], b'{"received":5}')
        with self.probe.connect() as s: # and who may not is told before he sends anything
            s.sendall(head % (b'00' * 32))
            self.assertEqual(read_head(s)[0], 401)

    def test_an_upload_that_is_not_wanted_hears_why_after_it_was_sent(self):
        for n in (0, 100, 8 << 20):
            status, answer = self.put(b'x' * n, '/api/count?refuse=1')
            self.assertEqual((status, answer), (409, {'received': 5}))

    def test_an_upload_that_fails_hears_why(self):
        for at in (0, 500000, (8 << 20) - 1):
            body = bytearray(b'x' * (8 << 20))
            body[at] = ord('!')
            status, answer = self.put(bytes(body))
            self.assertEqual((status, answer['error']['next']), (507, 'space'))

    def test_an_upload_that_breaks_off_is_ended_once(self):
        before = self.json('GET', '/api/ends')[1]
        head = (b'PUT /api/count HTTP/1.1\r\n' + self.probe.host() + b'Authorization: Bearer ' +
                TOKEN.encode() + b'\r\nX-Pique: 1\r\nContent-Type: application/octet-stream\r\n'
                b'Content-Length: 1000\r\n\r\nhello')
        for _ in range(3):
            with self.probe.connect() as s:
                s.sendall(head)
        self.put(b'x')
        end = time.monotonic() + 60
        after = self.json('GET', '/api/ends')[1]
        while after['broken'] < before['broken'] + 3 and time.monotonic() < end:
            time.sleep(0.02)
            after = self.json('GET', '/api/ends')[1]
        self.assertEqual(after['broken'] - before['broken'], 3)
        self.assertEqual(after['whole'] - before['whole'], 1)


class Events(Case):
    def listen(self, path='/api/events', headers=()):
        s = self.probe.connect()
        lines = ['GET %s HTTP/1.1' % path, self.probe.host().decode().strip(),
                 'Authorization: Bearer ' + TOKEN] + list(headers)
        s.sendall('\r\n'.join(lines + ['', '']).encode())
        status, found, rest = read_head(s)
        self.assertEqual((status, found['content-type']), (200, 'text/event-stream'))
        for name, value in SECURE.items():
            self.assertEqual(found.get(name), value)
        return Stream(s, rest)

    def tick(self, data):
        return self.json('POST', '/api/tick', json.dumps({'data': data}).encode())[1]['last']

    def test_an_event_reaches_all_who_listen(self):
        streams = [self.listen() for _ in range(5)]
        last = self.tick({'n': 1})
        for s in streams:
            self.assertEqual(s.next(), {'id': str(last), 'event': 'tick', 'data': '{"n":1}'})
            s.close()

    def test_who_comes_back_gets_what_was_missed(self):
        ids = [self.tick(i) for i in range(5)]
        for path, headers in (('/api/events', ['Last-Event-ID: %d' % ids[1]]),
                              ('/api/events?after=%d' % ids[1], [])):
            s = self.listen(path, headers)
            got = [s.next() for _ in range(3)]
            self.assertEqual([(int(e['id']), e['data']) for e in got],
                             [(ids[2], '2'), (ids[3], '3'), (ids[4], '4')])
            s.close()

    def test_what_is_forgotten_is_a_reset(self):
        first = self.tick(0)
        for i in range(40):
            self.tick('x' * 1000)
        for id in (str(first), '5', 'abc', '-1', '99999999999999999999', str(1 << 62)):
            s = self.listen(headers=['Last-Event-ID: ' + id])
            event = s.next()
            self.assertEqual((event['event'], event['data']), ('reset', '{}'))
            last = self.tick('on')
            event = s.next()
            self.assertEqual((int(event['id']), event['data']), (last, '"on"'))
            s.close()

    def test_an_event_larger_than_the_ring_is_a_reset_for_all(self):
        s = self.listen()
        last = self.tick('x' * 20000)
        self.assertEqual(s.next(), {'id': str(last), 'event': 'reset', 'data': '{}'})
        self.tick('on')
        self.assertEqual(s.next()['data'], '"on"')
        s.close()

    def test_who_does_not_read_is_ended_or_reset_and_the_rest_go_on(self):
        slow, quick = self.listen(), self.listen()
        got = []

        def read():
            for e in iter(quick.next, None):
                got.append(e)
                if e['data'] == '"end"':
                    return
        reader = threading.Thread(target=read)
        reader.start()
        body = b'{"data":"%s"}' % (b'y' * 8000)
        with self.probe.connect() as s: # one connection: this is a lot of events
            for _ in range(1500):
                s.sendall(b'POST /api/tick HTTP/1.1\r\n' + self.probe.host() +
                          b'Authorization: Bearer ' + TOKEN.encode() + b'\r\nX-Pique: 1\r\n'
                          b'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n'
                          % len(body) + body)
                self.assertEqual(read_answer(s)[0], 200)
        while reader.is_alive():
            self.tick('end')
            reader.join(timeout=0.05)
        for e in iter(slow.next, None):
            got.append(e)
            if e['event'] == 'reset':
                break
        slow.close()
        quick.close()
        for e in got: # never half of one
            self.assertIn((e['event'], len(e['data'])), (('tick', 8002), ('tick', 5), ('reset', 2)))
        self.assertGreater(len(got), 10)

    def test_a_quiet_stream_says_that_it_lives(self):
        s = self.listen()
        s.socket.settimeout(20)
        self.assertEqual(s.line(), 'retry: 2000')
        self.assertEqual(s.line(), '')
        self.assertEqual(s.line(), ':')
        s.close()

    def test_the_server_ends_with_streams_open(self):
        probe = Probe()
        self.__class__.probe, mine = probe, self.__class__.probe
        try:
            streams = [self.listen() for _ in range(20)]
            self.assertEqual(probe.close(), 0)
        finally:
            self.__class__.probe = mine
        for s in streams:
            while s.next():
                pass
            s.close()


class Stream:
    """Lines and events of a chunked stream."""

    def __init__(self, s, rest):
        self.socket, self.raw, self.text = s, rest, b''

    def more(self):
        """Another piece of the body; False at its end."""
        while True:
            if b'\r\n' in self.raw:
                size, rest = self.raw.split(b'\r\n', 1)
                n = int(size, 16)
                if n == 0:
                    return False
                if len(rest) >= n + 2:
                    self.text += rest[:n]
                    self.raw = rest[n + 2:]
                    return True
            try:
                got = self.socket.recv(65536)
            except ConnectionError:
                return False
            if not got:
                return False
            self.raw += got

    def line(self):
        while b'\n' not in self.text:
            if not self.more():
                return None
        line, self.text = self.text.split(b'\n', 1)
        return line.decode()

    def next(self):
        """The next event; None at the end."""
        event = {}
        for line in iter(self.line, None):
            if line == '' and 'data' in event:
                return event
            if line and not line.startswith((':', 'retry:')):
                name, value = line.split(': ', 1)
                event[name] = value
        return None

    def close(self):
        self.socket.close()


class Page(Case):
    def test_the_page_needs_no_token_and_is_not_kept_unasked(self):
        for path, name, kind in (('/', 'index.html', 'text/html; charset=utf-8'),
                                 ('/index.html', 'index.html', 'text/html; charset=utf-8'),
                                 ('/js/app.js', 'js/app.js', 'text/javascript; charset=utf-8'),
                                 ('/tiny.json', 'tiny.json', 'application/json')):
            status, lines, body = self.ask('GET', path, token=None)
            with open(os.path.join(WEB, name), 'rb') as f:
                self.assertEqual((status, body), (200, squeeze(name, f.read())))
            self.assertEqual(lines['content-type'], kind)
            self.assertEqual(lines['cache-control'], 'no-cache')

    def test_it_is_compressed_for_who_takes_that(self):
        plain = self.ask('GET', '/', token=None)
        packed = self.ask('GET', '/', token=None, headers=['Accept-Encoding: gzip, br'])
        self.assertEqual(packed[1]['content-encoding'], 'gzip')
        self.assertEqual(packed[1]['vary'], 'Accept-Encoding')
        self.assertEqual(gzip.decompress(packed[2]), plain[2])
        self.assertLess(len(packed[2]), len(plain[2]))
        self.assertNotEqual(packed[1]['etag'], plain[1]['etag'])
        # What is no smaller is sent as it is.
        self.assertNotIn('content-encoding',
                         self.ask('GET', '/tiny.json', headers=['Accept-Encoding: gzip'])[1])

    def test_what_a_browser_has_is_not_sent_again(self):
        for extra in ([], ['Accept-Encoding: gzip']):
            etag = self.ask('GET', '/', token=None, headers=extra)[1]['etag']
            for value in (etag, '"a", ' + etag, 'W/' + etag, '*'):
                status, lines, body = self.ask('GET', '/', token=None,
                                               headers=extra + ['If-None-Match: ' + value])
                self.assertEqual((status, lines['etag'], body), (304, etag, b''))
            for value in ('"a"', etag[:-2] + '"', ''):
                self.assertEqual(self.ask('GET', '/', token=None, headers=extra + [
                    'If-None-Match: ' + value])[0], 200)

    def test_a_launch_word_gives_the_cookie_once(self):
        word = self.probe.new_word()
        status, lines, body = self.ask('GET', '/?launch=' + word, token=None)
        self.assertEqual((status, lines['location'], body), (303, '/', b''))
        cookie = 'pique_%d=%s' % (self.probe.port, TOKEN)
        self.assertEqual(lines['set-cookie'], cookie + '; HttpOnly; SameSite=Strict; Path=/')
        self.assertEqual(lines['cache-control'], 'no-store')
        self.assertEqual(self.ask('GET', '/api/small', token=None, headers=['Cookie: ' + cookie])[0],
                         200)
        status, lines, body = self.ask('GET', '/?launch=' + word, token=None)
        self.assertEqual((status, lines.get('set-cookie')), (401, None))
        self.assertIn(b'pique serve', body)
        # Who is in already may load the address again.
        self.assertEqual(self.ask('GET', '/?launch=' + word, token=None,
                                  headers=['Cookie: ' + cookie])[0], 303)


class Lockout(Case):
    def test_ten_different_wrong_tokens_lock_out(self):
        for i in range(9):
            self.assertEqual(self.ask('GET', '/api/small', token='%064x' % i)[0], 401)
        for i in range(30): # the same one, none at all: no guesses
            self.assertEqual(self.ask('GET', '/api/small', token='%064x' % 1)[0], 401)
            self.assertEqual(self.ask('GET', '/api/small', token=None)[0], 401)
        self.assertEqual(self.ask('GET', '/api/small')[0], 200)
        for i in range(20): # nor what a page of somebody else makes a browser send
            self.assertEqual(self.ask('GET', '/api/small', token='%064x' % (100 + i),
                                      headers=['Sec-Fetch-Site: cross-site'])[0], 403)
            self.assertEqual(self.ask('GET', '/?launch=%032x' % i, token=None,
                                      headers=['Sec-Fetch-Site: cross-site'])[0], 401)
        self.assertEqual(self.ask('GET', '/api/small', token='%064x' % 9)[0], 429)
        status, lines, body = self.ask('GET', '/api/small')
        self.assertEqual((status, lines['retry-after']), (429, '60'))
        self.assertEqual(json.loads(body)['error']['next'], 'retry')
        self.assertEqual(self.ask('GET', '/?launch=' + self.probe.word, token=None)[0], 429)
        self.assertEqual(self.ask('GET', '/')[0], 200)


class Crowd(unittest.TestCase):
    """More who send nothing than there may be connections."""

    def test_who_only_waits_makes_room_for_who_asks(self):
        allow_files(self, 2000)
        probe = Probe(files=600)
        self.addCleanup(probe.close)
        crowd = []
        for i in range(700):
            crowd.append(probe.connect())
            if i % 50 == 0:
                self.assertEqual(probe.ask('GET', '/api/small')[0], 200)
        listener = probe.connect() # who is answered does not have to go
        listener.sendall(b'GET /api/events HTTP/1.1\r\n' + probe.host() + b'Authorization: Bearer ' +
                         TOKEN.encode() + b'\r\n\r\n')
        self.assertEqual(read_head(listener)[0], 200)
        for i in range(700):
            crowd.append(probe.connect())
        for _ in range(20):
            self.assertEqual(probe.ask('GET', '/api/small')[0], 200)
        probe.ask('POST', '/api/tick', b'{"data":1}')
        got = b''
        while b'event: tick' not in got:
            got += listener.recv(65536)
        for s in crowd + [listener]:
            s.close()
        self.assertEqual(probe.ask('GET', '/api/small')[0], 200)

    def test_fewer_files_than_connections_is_no_end(self):
        probe = Probe(files=24)
        self.addCleanup(probe.close)
        crowd = []
        for _ in range(100):
            crowd.append(probe.connect())
            self.assertEqual(probe.ask('GET', '/api/small')[0], 200)
        for s in crowd:
            s.close()


class Folder(unittest.TestCase):
    """--ui-folder: the page from files."""

    def test_files_are_served_as_they_are_now_and_no_link_is_followed(self):
        with tempfile.TemporaryDirectory() as folder:
            web = os.path.join(folder, 'web')
            shutil.copytree(WEB, web)
            with open(os.path.join(folder, 'secret'), 'w', encoding='ascii') as f:
                f.write('secret')
            os.symlink('../secret', os.path.join(web, 'link'))
            os.symlink('..', os.path.join(web, 'up'))
            os.mkfifo(os.path.join(web, 'pipe'))
            os.mkdir(os.path.join(web, '.git'))
            probe = Probe(web)
            self.addCleanup(probe.close)
            self.assertIn(b'A page', probe.ask('GET', '/', token=None)[2])
            self.assertEqual(probe.ask('GET', '/js/app.js')[1]['content-type'],
                             'text/javascript; charset=utf-8')
            with open(os.path.join(web, 'index.html'), 'w', encoding='ascii') as f:
                f.write('changed')
            self.assertEqual(probe.ask('GET', '/')[2], b'changed')
            for path in ('/link', '/up/secret', '/pipe', '/js', '/none', '/js/none.js'):
                self.assertEqual(probe.ask('GET', path)[0], 404, path)
            for path in ('/../secret', '/.git', '/js/../../secret'):
                self.assertEqual(probe.ask('GET', path)[0], 400, path)


if __name__ == '__main__':
    unittest.main(verbosity=2)
