#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Requests that must be refused: with a status from 400 on, or with the end of the connection;
never with what was asked for, and never with the end of the server.

A table of blocks. Each row is bytes as they go over the wire, or a function of them; HOST, AUTH and
MARK stand for the lines of an honest client. After each block an honest request is answered."""
import json
import socket
import time
import unittest

from probe import Probe, TOKEN, allow_files

CRLF = b'\r\n'


class Table:
    """The rows, made for one port."""

    def __init__(self, port):
        self.port = port
        self.host = b'Host: localhost:%d\r\n' % port
        self.auth = b'Authorization: Bearer ' + TOKEN.encode() + CRLF
        self.mark = b'X-Pique: 1\r\n'
        self.json = b'Content-Type: application/json\r\n'
        self.octets = b'Content-Type: application/octet-stream\r\n'

    def get(self, target=b'/api/small', more=b'', host=None, auth=None, method=b'GET',
            version=b'HTTP/1.1'):
        return (method + b' ' + target + b' ' + version + CRLF +
                (self.host if host is None else host) + (self.auth if auth is None else auth) +
                more + CRLF)

    def post(self, more=b'', body=b'{"a":1}', length=None, mark=None, kind=None,
             target=b'/api/echo', method=b'POST', auth=None):
        """more replaces Content-Length where length is b''."""
        if length is None:
            length = b'Content-Length: %d\r\n' % len(body)
        return (method + b' ' + target + b' HTTP/1.1\r\n' + self.host +
                (self.auth if auth is None else auth) + (self.mark if mark is None else mark) +
                (self.json if kind is None else kind) + length + more + CRLF + body)

    def hosts(self):
        p = b'%d' % self.port
        names = [
            b'', b'localhost', b'localhost:', b'localhost:0', b'localhost:80', b'localhost:99999',
            b'localhost:0' + p, b'localhost:' + p + b'0', b'localhost:+' + p, b'localhost:-' + p,
            b'localhost.:' + p, b'localhost:' + p + b'.', b'evil.example', b'evil.example:' + p,
            b'localhost.evil.example:' + p, b'evil-localhost:' + p, b'notlocalhost:' + p,
            b'127.0.0.1', b'127.0.0.2:' + p, b'127.1:' + p, b'127.0.1:' + p, b'0:' + p,
            b'0.0.0.0:' + p, b'2130706433:' + p, b'0x7f000001:' + p, b'0177.0.0.1:' + p,
            b'127.0.0.1.nip.io:' + p, b'::1:' + p, b'[::]:' + p, b'[::1%lo]:' + p,
            b'[::ffff:127.0.0.1]:' + p, b'[0:0:0:0:0:0:0:1]:' + p, b'[::1', b'[::1]',
            b'user@localhost:' + p, b'localhost:' + p + b'@evil.example',
            b'localhost:' + p + b'/', b'localhost:' + p + b'?', b'localhost:' + p + b'#x',
            b'http://localhost:' + p, b'localhost:' + p + b', evil.example',
            b'localhost:' + p + b' evil.example', b'localhost :' + p, b'local host:' + p,
            b'localhost\t:' + p, b'localhost:' + p + b'\x00', b'localhost:' + p + b'\x00.evil',
            b'\x00localhost:' + p, b'localhost:' + p + b'\x0b', b'localhost:' + p + b'\x7f',
            b'l\xc3\xb6calhost:' + p, b'xn--lcalhost-n4a:' + p, b'%6cocalhost:' + p,
            b'pique.example:80', b'pique.example:443', b'www.pique.example:' + p,
            b'192.168.0.1:' + p, b'10.0.0.1:' + p, b'169.254.169.254', b'metadata.google.internal',
            b'*', b'.', b'a' * 5000 + b':' + p,
        ]
        rows = [self.get(host=b'Host: ' + n + CRLF) for n in names]
        rows += [self.get(target=b'/', host=b'Host: evil.example\r\n', auth=b''),
                 self.get(target=b'/js/app.js', host=b'Host: evil.example\r\n', auth=b''),
                 self.get(target=b'/api/events', host=b'Host: evil.example\r\n'),
                 self.get(host=b''), self.get(host=b'', version=b'HTTP/1.0'),
                 self.get(host=self.host * 2), self.get(host=self.host + b'Host: evil.example\r\n'),
                 self.get(host=b'Host: evil.example\r\n' + self.host),
                 self.get(host=b'Host : localhost:' + p + CRLF),
                 self.get(host=b'Host\t: localhost:' + p + CRLF),
                 self.get(host=b'X-Forwarded-Host: localhost:' + p + b'\r\nHost: evil.example\r\n'),
                 self.get(host=b'Host: localhost:\r\n ' + p + CRLF),
                 self.get(host=b' Host: localhost:' + p + CRLF)]
        return rows

    def origins(self):
        p = b'%d' % self.port
        own = b'Origin: http://localhost:' + p + CRLF
        bad = [b'null', b'', b'http://evil.example', b'https://localhost:' + p,
               b'http://localhost', b'http://localhost:1', b'http://127.0.0.1:' + p,
               b'http://[::1]:' + p, b'http://localhost:' + p + b'/', b'http://localhost:' + p +
               b'.evil.example', b'http://localhost:' + p + b'@evil.example', b'file://',
               b'HTTP://localhost:' + p, b'localhost:' + p, b'//localhost:' + p, b'*',
               b'http://localhost:' + p + b' http://evil.example', b'chrome-extension://abcdef',
               b'moz-extension://abcdef', b'http://evil.example:' + p, b'data:,', b'about:blank']
        rows = [self.post(more=b'Origin: ' + o + CRLF) for o in bad]
        rows += [self.get(more=b'Origin: ' + o + CRLF) for o in bad]
        sites = [b'cross-site', b'same-site', b'none', b'', b'same-origin, cross-site', b'SAME-ORIGIN']
        rows += [self.post(more=own + b'Sec-Fetch-Site: ' + s + CRLF) for s in sites]
        rows += [self.post(more=b'Sec-Fetch-Site: ' + s + CRLF) for s in sites + [b'same-origin']]
        rows += [self.get(more=b'Sec-Fetch-Site: ' + s + CRLF) for s in sites if s != b'none']
        rows += [self.get(target=b'/api/events', more=b'Sec-Fetch-Site: cross-site\r\n'),
                 self.get(target=b'/api/picture', more=b'Sec-Fetch-Site: same-site\r\n'),
                 self.post(more=own * 2), self.post(more=own + b'Origin: null\r\n'),
                 self.post(more=own + b'Sec-Fetch-Site: same-origin\r\n' * 2)]
        return rows

    def marks(self):
        rows = [self.post(mark=m) for m in (b'', b'X-Pique: 0\r\n', b'X-Pique:\r\n',
                                            b'X-Pique: 11\r\n', b'X-Pique: true\r\n',
                                            b'X-Pique: 1\r\nX-Pique: 1\r\n', b'XPique: 1\r\n',
                                            b'X_Pique: 1\r\n')]
        kinds = [b'', b'text/plain', b'application/x-www-form-urlencoded',
                 b'multipart/form-data; boundary=a', b'application/jsonp', b'text/json',
                 b'application/json; charset=utf-7', b'application/json;', b'application/json, a',
                 b'application/octet-stream', b'*/*', b'application/JSON+x']
        rows += [self.post(kind=b'Content-Type: ' + k + CRLF) for k in kinds]
        rows += [self.post(kind=b''), self.post(kind=self.json * 2),
                 self.post(kind=self.json, target=b'/api/count', method=b'PUT'),
                 self.post(kind=b'', target=b'/api/count', method=b'PUT'),
                 self.post(kind=self.octets, mark=b'', target=b'/api/count', method=b'PUT'),
                 self.post(kind=b'Content-Type: multipart/form-data; boundary=x\r\n',
                           target=b'/api/count', method=b'PUT')]
        return rows

    def tokens(self):
        t = TOKEN.encode()
        name = b'pique_%d' % self.port
        # Three wrong ones in all: more would be a lockout, which another test is for.
        wrong = b'5b' + t[2:]
        auths = [b'', b'Authorization:\r\n', b'Authorization: Bearer\r\n',
                 b'Authorization: Bearer ' + wrong + CRLF, b'Authorization: ' + wrong + CRLF,
                 b'Authorization: Basic ' + wrong + CRLF,
                 b'Cookie: ' + name + b'=' + wrong + CRLF, b'Cookie: ' + name + CRLF,
                 b'Cookie: ' + name + b'1=' + t + CRLF, b'Cookie: x' + name + b'=' + t + CRLF,
                 b'Cookie: pique=' + t + CRLF, b'Cookie: pique_1=' + t + CRLF,
                 b'Cookie: ' + name.upper() + b'=' + t + CRLF,
                 b'Cookie: $Version=1; a=' + t + CRLF, b'Cookie: ;;;;\r\n',
                 b'Cookie: a=b\r\nCookie: ' + name + b'=' + t + CRLF,
                 b'X-Authorization: Bearer ' + t + CRLF, b'Proxy-Authorization: Bearer ' + t + CRLF,
                 self.auth * 2, b'Authorization: Bearer ' + wrong + b'\r\nCookie: ' + name + b'=' +
                 t + CRLF]
        rows = [self.get(auth=a) for a in auths]
        rows += [self.post(auth=a) for a in auths]
        rows += [self.get(target=b'/api/small?token=' + t, auth=b''),
                 self.get(target=b'/api/events', auth=b''), self.get(target=b'/api/file', auth=b''),
                 self.get(target=b'/api/none', auth=b''), self.get(target=b'/api', auth=b''),
                 self.get(target=b'/api/', auth=b''),
                 self.get(target=b'/?launch=' + b'0' * 32, auth=b''),
                 self.get(target=b'/?launch=', auth=b'')]
        return rows

    def paths(self):
        targets = [
            b'/..', b'/../', b'/../etc/passwd', b'/../../../../etc/passwd', b'/./', b'/.',
            b'/js/../index.html', b'/js/./app.js', b'/js/..', b'//', b'//etc/passwd', b'///',
            b'/js//app.js', b'/%2e%2e/etc/passwd', b'/%2E%2E%2Fetc%2Fpasswd', b'/..%2f',
            b'/..%5c..%5cwindows', b'/%252e%252e/', b'/%c0%ae%c0%ae/', b'/%u002e%u002e/',
            b'/..;/', b'/..\\..\\', b'/\\', b'/js%2fapp.js', b'/js/app.js%00', b'/js/app.js%00.png',
            b'/%00', b'/\x00', b'/js/app.js\x00.png', b'/\x00/../x', b'/\x01', b'/\x7f', b'/\x80',
            b'/\xff\xfe', b'/\xc3\xa9', b'/%', b'/%2', b'/%zz', b'/index%2ehtml', b'/%69ndex.html',
            b'/.git/config', b'/.htaccess', b'/.env', b'/etc/passwd', b'/proc/self/environ',
            b'/file=/etc/passwd', b'/static/../../x', b'/index.html/', b'/index.html/x',
            b'/index.html;a=b', b'/INDEX.HTML', b'/js', b'/js/', b'/nothing', b'/tiny.json.',
            b'/api/..', b'/api/../index.html', b'/api/./small', b'/api//small', b'/api/small/',
            b'/api/small/..', b'/api/small%00', b'/api/small\x00', b'/api/sm%61ll', b'/api%2fsmall',
            b'/api/small;x', b'/api/parts/a', b'/api/parts/a/', b'/api/parts//b',
            b'/api/parts/../b', b'/api/parts/a/..', b'/api/parts/%2e%2e/b', b'/api/parts/a/b/c',
            b'/api/parts/a/b%2fc', b'/api/parts/a/' + b'b' * 65, b'/api/parts/a*/b',
            b'/api/parts/a/b:c', b'/api/parts/~/b', b'/api/parts/$HOME/b', b'/api/parts/.x/b',
            b'/api/' + b'a/' * 300, b'/' + b'a' * 600, b'/' + b'a' * 40000,
            b'/api/small?a=%', b'/api/small?a=%zz', b'/api/small?a=%00', b'/api/small?a=%ff',
            b'/api/small?a=1&a=2', b'/api/small?a=\x01', b'/api/small?a=%0d%0aX:1',
            b'/api/small?' + b'&'.join(b'a%d=1' % i for i in range(20)), b'/api/small?\x00',
            b'/api/small?a=%c0%80', b'/api/small?a=%ed%a0%80', b'/api/small?%=1',
            b'/api/small?' + b'a' * 40000, b'*', b'', b'api/small', b'?', b'#',
            b'/api/small#x', b'http://evil.example/api/small', b'http://localhost/api/small',
            b'http://localhost:%d/api/small' % self.port, b'HTTP://evil.example/',
            b'https://evil.example/', b'//evil.example/api/small', b'evil.example:80',
            b'localhost:%d' % self.port, b'ftp://a/', b'file:///etc/passwd', b'http:/api/small',
            b'/api/small HTTP/1.1', b'/api /small', b'/api\t/small', b'\t/api/small',
            b'/"onload="', b'/<script>', b"/'", b'/{}', b'/|id', b'/`id`', b'/$(id)', b'/a&b',
            b'/a=b', b'/a+b', b'/a,b', b'/a@b', b'/a!b', b'/a(b)', b'/^', b'/[a]',
        ]
        return [self.get(target=t) for t in targets]

    def methods(self):
        names = [b'TRACE', b'CONNECT', b'OPTIONS', b'TRACK', b'DEBUG', b'PROPFIND', b'MKCOL', b'COPY',
                 b'MOVE', b'LOCK', b'SEARCH', b'PURGE', b'get', b'Get', b'G', b'GETT', b'GE T', b'',
                 b'GET\x00', b'GET\t', b'\x16\x03\x01', b'PRI', b'*', b'A' * 5000, b'POST\r\nX:']
        rows = [self.get(method=m) for m in names]
        rows += [self.get(target=t, method=m, more=self.mark) for t, m in
                 ((b'/api/small', b'PUT'), (b'/api/small', b'DELETE'), (b'/api/small', b'PATCH'),
                  (b'/api/small', b'POST'), (b'/api/echo', b'GET'), (b'/api/echo', b'HEAD'),
                  (b'/', b'POST'), (b'/', b'PUT'), (b'/', b'DELETE'), (b'/js/app.js', b'PATCH'),
                  (b'/api/events', b'POST'), (b'/api/events', b'DELETE'), (b'*', b'OPTIONS'),
                  (b'/api/count', b'POST'), (b'/api/count', b'GET'))]
        versions = [b'HTTP/0.9', b'HTTP/2.0', b'HTTP/3', b'HTTP/1.', b'HTTP/1', b'HTTP/11',
                    b'HTTP/-1.1', b'HTTP/1.1.1', b'http/1.1', b'HTCPCP/1.0', b'HTTP/1.1x',
                    b'HTTP/ 1.1', b'XTTP/1.1', b'HTTP/1.1\x00', b'RTSP/1.0', b'ICY']
        rows += [self.get(version=v) for v in versions]
        rows += [b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'GET\r\n\r\n', b'GET /\r\n\r\n', b'\xff' * 1000 + CRLF * 2,
                 b'GET  /api/small HTTP/1.1\r\n' + self.host + self.auth + CRLF,
                 b' GET /api/small HTTP/1.1\r\n' + self.host + self.auth + CRLF,
                 self.get(more=b'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n'
                               b'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n'),
                 self.get(more=b'Connection: Upgrade\r\nUpgrade: websocket\r\n'
                               b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
                               b'Sec-WebSocket-Version: 13\r\n')]
        return rows

    def lengths(self):
        values = [b'18446744073709551616', b'18446744073709551615', b'9223372036854775808',
                  b'99999999999999999999999999', b'-1', b'-0', b'+7', b'7 7', b'7,7', b'7, 7', b'0x7',
                  b'7a', b'a', b'', b'7.0', b'7e0', b'"7"', b'\x007', b'7\x00', b'\xb7', b'07_', b'7;',
                  b'1099511627776']
        rows = [self.post(length=b'Content-Length: ' + v + CRLF) for v in values]
        rows += [self.post(length=b'Content-Length: 7\r\nContent-Length: 7\r\n'),
                 self.post(length=b'Content-Length: 7\r\nContent-Length: 70\r\n'),
                 self.post(length=b'Content-Length: 70\r\nContent-Length: 7\r\n'),
                 self.post(length=b'Content-Length : 7\r\n'),
                 self.post(length=b'Content-Length: 7\r\ncontent-length: 8\r\n'),
                 self.post(length=b'Content-Length: 1000000\r\n', body=b'{' * 1000),
                 self.post(body=b'{"a":"' + b'x' * (65 << 10) + b'"}'),
                 self.post(target=b'/api/count', method=b'PUT', kind=self.octets,
                           length=b'Content-Length: 1099511627776\r\n'),
                 self.get(more=b'Content-Length: 5\r\n') + b'hello',
                 self.get(more=b'Content-Length: 5\r\n', method=b'HEAD') + b'hello',
                 self.get(more=b'Transfer-Encoding: chunked\r\n') + b'0\r\n\r\n',
                 self.get(target=b'/', more=b'Content-Length: 5\r\n', auth=b'') + b'hello',
                 self.post(method=b'DELETE'),
                 self.post(method=b'DELETE', length=b'Transfer-Encoding: chunked\r\n',
                           body=b'0\r\n\r\n')]
        return rows

    def codings(self):
        chunked = b'Transfer-Encoding: chunked\r\n'
        whole = b'7\r\n{"a":1}\r\n0\r\n\r\n'
        values = [b'gzip', b'chunked, gzip', b'gzip, chunked', b'identity', b'xchunked', b'chunkedx',
                  b'chunked, chunked', b'chunked;q=1', b'\x0bchunked', b'chunked\x00', b'"chunked"',
                  b'chunked,', b',chunked', b'cow', b'']
        rows = [self.post(length=b'Transfer-Encoding: ' + v + CRLF, body=whole) for v in values]
        rows += [self.post(length=chunked + b'Content-Length: 7\r\n', body=whole),
                 self.post(length=b'Content-Length: 7\r\n' + chunked, body=whole),
                 self.post(length=b'Content-Length: 0\r\n' + chunked, body=whole),
                 self.post(length=chunked * 2, body=whole),
                 self.post(length=chunked + b'Transfer-Encoding: identity\r\n', body=whole),
                 self.post(length=b'Transfer-Encoding : chunked\r\nContent-Length: 7\r\n', body=whole),
                 self.post(length=b'Transfer-Encoding:\r\n chunked\r\n', body=whole),
                 self.post(length=b'X: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 7\r\n'),
                 self.post(length=b'X: \x00Transfer-Encoding: chunked\r\nContent-Length: 7\r\n')]
        sizes = [b'g', b'-1', b'+7', b'0x7', b'', b' ', b'10000000000000007', b'fffffffffffffffff',
                 b'\x007', b'7\x00', b'7 7', b'7g']
        rows += [self.post(length=chunked, body=n + b'\r\n{"a":1}\r\n0\r\n\r\n') for n in sizes]
        rows += [self.post(length=chunked, body=b'7\r\n{"a":1}X\r\n0\r\n\r\n'),
                 self.post(length=chunked, body=b'6\r\n{"a":1}\r\n0\r\n\r\n'),
                 self.post(length=chunked, body=b'9\r\n{"a":1}\r\n0\r\n\r\n'),
                 self.post(length=chunked, body=b'1\r\nx\r\n' * (200 << 10))]
        return rows

    def bodies(self):
        texts = [b'[]', b'1', b'null', b'"a"', b'{', b'}', b'{}{}', b'{"a":1,"a":2}', b'{"a":1,}',
                 b'{a:1}', b"{'a':1}", b'\x00', b'{"a":"\x00"}', b'{"a":"\\u0000"}', b'\xff\xfe{\x00',
                 b'\xef\xbb\xbf{}', b'{"a":"\xff"}', b'{"a":1e999}', b'{"a":NaN}', b'{"a":Infinity}',
                 b'{"a":99999999999999999999}', b'{"a":"\\ud800"}', b'<a/>', b'a=1', b'[' * 60000,
                 b'{"a":' * 10000 + b'1' + b'}' * 10000, b'{"a":' + b'[' * 16 + b']' * 16 + b'}',
                 b'{} // a', b'{"a":"\n"}', b' ']
        rows = [self.post(body=t) for t in texts]
        rows += [self.post(body=t, method=b'PATCH') for t in texts[:5]]
        return rows

    def floods(self):
        rows = [self.get(more=b''.join(b'X-%d: 1\r\n' % i for i in range(n)))
                for n in (63, 64, 100, 500, 1000, 5000)]
        rows += [self.get(more=b'X: ' + b'a' * n + CRLF) for n in (33000, 65536, 200000, 1 << 20)]
        rows += [self.get(more=b'a' * n + b': 1\r\n') for n in (33000, 200000)]
        rows += [self.get(more=b'Cookie: ' + b'a=b; ' * 20000 + CRLF),
                 self.get(more=b'Accept-Language: ' + b'fr,' * 20000 + CRLF),
                 self.get(more=b'Range: bytes=' + b'0-1,' * 20000 + CRLF),
                 self.get(more=b'no colon\r\n'),
                 self.get(more=b': no name\r\n'), self.get(more=b'X\x00Y: 1\r\n'),
                 self.get(more=b'X: a\x00b\r\n'), self.get(more=b'X Y: 1\r\n'),
                 self.get(more=b'X\t: 1\r\n'), self.get(more=b'X(y): 1\r\n'),
                 self.get(more=b'X\xc3\xa9: 1\r\n'), self.get(more=b'X: a\x01b\r\n'),
                 self.get(more=b'X: a\x7fb\r\n'), self.get(more=b'X: 1\r\n folded\r\n'),
                 self.get(more=b'X: 1\r\n\tfolded\r\n'), self.get(more=b'"X": 1\r\n'),
                 self.get(more=b'X{}: 1\r\n'), self.get(more=b'Expect: cake\r\n'),
                 self.get(more=b'Expect: 100-continue\r\nExpect: 100-continue\r\n'),
                 b'GET ' + b'/' * 100000, b'A' * 100000 + CRLF * 2,
                 b'GET / HTTP/1.1\r\n' + b'X' * 100000]
        return rows

    def waiting(self):
        """What is not whole: the server may wait for the rest, but not for long."""
        chunked = b'Transfer-Encoding: chunked\r\n'
        put = {'target': b'/api/count', 'method': b'PUT', 'kind': self.octets}
        return [
            b'', b'G', b'GET / HTTP/1.1\r\n', self.get()[:-2], self.get()[:-1], b'\r\n' * 50,
            b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', b'\x00' * 100 + CRLF * 2,
            self.post(length=b'Content-Length: 70\r\n'), self.post(length=chunked, body=b''),
            self.post(length=chunked, body=b'7\r\n{"a"'), self.post(length=chunked, body=b'7'),
            self.post(length=chunked, body=b'7\r\n{"a":1}\r\n'),
            self.post(length=chunked, body=b'7\r\n{"a":1}\r\n0\r\n'),
            self.post(length=chunked, body=b'ffffffffffffffff\r\n{"a":1}\r\n0\r\n\r\n'),
            self.post(length=chunked, body=b'7fffffffffffffff\r\n{"a":1}\r\n0\r\n\r\n'),
            self.post(length=chunked, body=b'7;' + b'a' * 40000 + b'\r\n{"a":1}\r\n0\r\n\r\n'),
            self.post(length=chunked, body=b'0' * 40000 + b'7\r\n{"a":1}\r\n0\r\n\r\n'),
            self.post(length=b'Content-Length: 100\r\n', **put),
            self.post(length=chunked, body=b'5\r\nhel', **put),
        ]

    def smuggled(self):
        """Two requests in one: the second asks for what it may not have, and must not be answered
        with it."""
        inner = b'GET /api/small HTTP/1.1\r\n' + self.host + self.auth + CRLF
        chunked = b'Transfer-Encoding: chunked\r\n'
        return [
            self.post(length=b'Content-Length: %d\r\n' % (5 + len(inner)) + chunked,
                      body=b'0\r\n\r\n' + inner),
            self.post(length=chunked + b'Content-Length: 4\r\n', body=b'0\r\n\r\n' + inner),
            self.post(length=b'Content-Length: 0\r\nContent-Length: %d\r\n' % len(inner), body=inner),
            self.post(length=b'Content-Length: %d\r\nContent-Length: 0\r\n' % len(inner), body=inner),
            self.post(length=b'Content-Length: +0\r\n', body=inner),
            self.post(length=b'Content-Length: 0,0\r\n', body=inner),
            self.post(length=b'Content-Length : 0\r\n', body=inner),
            self.post(length=b'Transfer-Encoding : chunked\r\n', body=b'0\r\n\r\n' + inner),
            self.post(length=b'Transfer-Encoding: xchunked\r\n', body=b'0\r\n\r\n' + inner),
            self.post(length=b'Transfer-Encoding: chunked, identity\r\n', body=b'0\r\n\r\n' + inner),
            self.get(more=b'Content-Length: %d\r\n' % len(inner)) + inner,
            self.get(more=chunked) + b'0\r\n\r\n' + inner,
            self.get(host=b'Host: evil.example\r\n', more=b'Content-Length: x\r\n') + inner,
            self.post(length=b'X: a\x00\r\nContent-Length: 0\r\n', body=inner),
            self.post(length=b'X: a\r\n b\r\nContent-Length: 0\r\n', body=inner),
        ]


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.probe = Probe()
        cls.table = Table(cls.probe.port)

    @classmethod
    def tearDownClass(cls):
        code = cls.probe.close()
        assert code == 0, code

    def refuses(self, rows):
        for row in rows:
            with self.subTest(request=row[:300]):
                status, lines, body = self.probe.raw(row, timeout=60)
                self.assertTrue(status == 0 or 400 <= status < 600, (status, body[:200]))
                self.assertTrue(self.probe.runs())
                self.assertNotIn(b'revision', body)
                self.assertNotIn(b'root:', body)
                for name in lines:
                    self.assertFalse(name.startswith('access-control-'), name)
        status, _, body = self.probe.ask('GET', '/api/small')
        self.assertEqual((status, body), (200, b'{"version":"0.1.0","revision":17}'))

    def test_a_host_that_is_not_ours_is_refused(self):
        self.refuses(self.table.hosts())

    def test_a_page_of_somebody_else_is_refused(self):
        self.refuses(self.table.origins())

    def test_what_a_form_can_send_is_refused(self):
        self.refuses(self.table.marks())

    def test_who_has_no_token_is_refused(self):
        self.refuses(self.table.tokens())

    def test_a_path_that_is_not_ours_is_refused(self):
        self.refuses(self.table.paths())

    def test_a_method_or_protocol_that_is_not_ours_is_refused(self):
        self.refuses(self.table.methods())

    def test_a_length_that_is_none_is_refused(self):
        self.refuses(self.table.lengths())

    def test_a_coding_that_is_none_is_refused(self):
        self.refuses(self.table.codings())

    def test_a_body_that_is_no_json_object_is_refused(self):
        self.refuses(self.table.bodies())

    def test_a_flood_of_lines_is_refused(self):
        self.refuses(self.table.floods())

    def test_what_is_not_whole_is_not_waited_for_long(self):
        rows = self.table.waiting()
        began = time.monotonic()
        open_ones = []
        for row in rows:
            s = self.probe.connect(timeout=60)
            s.sendall(row)
            open_ones.append(s)
        for row, s in zip(rows, open_ones):
            with self.subTest(request=row[:200]), s:
                self.assertEqual(s.recv(65536)[:10] in (b'', b'HTTP/1.1 4'), True)
        self.assertLess(time.monotonic() - began, 90)
        _, _, body = self.probe.ask('GET', '/api/ends')
        self.assertEqual(json.loads(body)['broken'], 2)
        self.refuses([])

    def test_slow_bodies_of_whom_nobody_knows_make_room_and_end(self):
        """More of them than there may be connections; each byte breaks the silence."""
        allow_files(self, 1000)
        probe = Probe(files=600)
        self.addCleanup(probe.close)
        row = Table(probe.port).post(auth=b'', length=b'Content-Length: 60000\r\n', body=b'{')
        crowd = [probe.connect() for _ in range(320)]
        self.addCleanup(lambda: [s.close() for s in crowd])
        for s in crowd:
            try:
                s.sendall(row)
            except OSError: # it had to go already
                pass
            s.setblocking(False)
        self.assertEqual(probe.ask('GET', '/api/small')[0], 200)
        began, left = time.monotonic(), list(crowd)
        while left and time.monotonic() - began < 90:
            for s in list(left):
                try:
                    s.send(b'x')
                    if s.recv(1) == b'':
                        left.remove(s)
                except BlockingIOError:
                    pass
                except OSError:
                    left.remove(s)
            time.sleep(1)
        self.assertEqual(len(left), 0)
        self.assertEqual(probe.ask('GET', '/api/small')[0], 200)

    def test_a_page_that_is_read_slowly_makes_room(self):
        probe = Probe(files=200)
        self.addCleanup(probe.close)
        row = Table(probe.port).get(target=b'/', auth=b'') * 20000
        crowd = []
        self.addCleanup(lambda: [s.close() for s in crowd])
        for _ in range(100): # as many as there may be, and each has more to get than it takes
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.connect(('127.0.0.1', probe.port))
            s.setblocking(False)
            try:
                while True:
                    s.send(row)
            except OSError:
                pass
            crowd.append(s)
        self.assertEqual(probe.ask('GET', '/api/small')[0], 200)

    def test_a_request_within_a_request_is_not_answered(self):
        for row in self.table.smuggled():
            with self.subTest(request=row[:200]), self.probe.connect() as s:
                s.sendall(row)
                s.settimeout(10)
                got = b''
                try:
                    while True:
                        more = s.recv(65536)
                        if not more:
                            break
                        got += more
                except ConnectionError:
                    pass
                self.assertNotIn(b'revision', got)
                self.assertNotIn(b'HTTP/1.1 2', got)
        self.refuses([])

    def test_the_table_has_three_hundred_rows_and_more(self):
        t = self.table
        rows = sum((block() for block in (t.hosts, t.origins, t.marks, t.tokens, t.paths, t.methods,
                                          t.lengths, t.codings, t.bodies, t.floods, t.waiting,
                                          t.smuggled)), [])
        print('%d hostile requests, %d different' % (len(rows), len(set(rows))))
        self.assertGreaterEqual(len(set(rows)), 300)


if __name__ == '__main__':
    unittest.main(verbosity=2)
