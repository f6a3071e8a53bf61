# SPDX-License-Identifier: MIT
"""A server to ask, and raw requests to it: for the tests beside this file."""
import os
import resource
import socket
import subprocess

TOKEN = '5a' * 32
PROBE = os.environ.get('PIQUE_HTTP_PROBE') or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), '..', '..', 'build', 'tests', 'server', 'http-probe')


def allow_files(test, least):
    """As many open files for one test, which is skipped where the system refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < least and hard < least:
        test.skipTest('skipped: fewer than %d files may be open here' % least)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, least), hard))
    test.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))


class Probe:
    """One http-probe. port and word as it printed them."""

    def __init__(self, *args, files=None):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        self.process = subprocess.Popen([PROBE, TOKEN] + list(args), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        preexec_fn=limit if files else None)
        self.read()

    def read(self):
        port, self.word = self.process.stdout.readline().split()
        self.port = int(port)

    def new_word(self):
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        self.read()
        return self.word

    def runs(self):
        return self.process.poll() is None

    def close(self):
        """Ends it; its exit status."""
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=60)

    def rss_kib(self):
        with open('/proc/%d/status' % self.process.pid, encoding='ascii') as f:
            return int(f.read().split('VmRSS:')[1].split()[0])

    # ---- requests ----

    def connect(self, address='127.0.0.1', timeout=20):
        return socket.create_connection((address, self.port), timeout=timeout)

    def host(self):
        return b'Host: localhost:%d\r\n' % self.port

    def raw(self, data, timeout=20):
        """(status, lines by name in lower case, body) of the one answer; status 0 where the
        connection ends without one. What follows the first answer is an error, unless it is
        another answer of 400 or more."""
        with self.connect(timeout=timeout) as s:
            try:
                s.sendall(data)
            except OSError: # it may have seen enough and have closed
                pass
            return read_answer(s, data.startswith(b'HEAD '))

    def ask(self, method, path, body=None, headers=(), token=TOKEN, kind='application/json'):
        lines = [b'%s %s HTTP/1.1\r\n' % (method.encode(), path.encode()), self.host()]
        if token:
            lines.append(b'Authorization: Bearer %s\r\n' % token.encode())
        if method not in ('GET', 'HEAD'):
            lines.append(b'X-Pique: 1\r\n')
        if body is not None:
            lines.append(b'Content-Type: %s\r\nContent-Length: %d\r\n' % (kind.encode(), len(body)))
        lines += [h.encode() + b'\r\n' for h in headers]
        return self.raw(b''.join(lines) + b'Connection: close\r\n\r\n' + (body or b''))


def read_head(s, got=b''):
    """(status, lines, what came behind the head); status 0 at the end of the connection."""
    while b'\r\n\r\n' not in got:
        try:
            more = s.recv(65536)
        except ConnectionError:
            more = b''
        if not more:
            return 0, {}, got
        got += more
    head, rest = got.split(b'\r\n\r\n', 1)
    first, *lines = head.decode('latin-1').split('\r\n')
    found = {}
    for line in lines:
        name, value = line.split(':', 1)
        found[name.lower()] = value.strip()
    return int(first.split()[1]), found, rest


def read_answer(s, head_only=False):
    """The first answer that is more than 1xx, with a body of known length."""
    status, lines, rest = read_head(s)
    while 100 <= status < 200:
        status, lines, rest = read_head(s, rest)
    length = int(lines.get('content-length', 0)) if status not in (204, 304) and not head_only \
        else 0
    while len(rest) < length:
        try:
            more = s.recv(65536)
        except ConnectionError:
            break
        if not more:
            break
        rest += more
    return status, lines, rest[:length]
