#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/http_load.py [BUILD]: what many and large clients cost the server.

    1,000 who listen to events     memory, and the time until the last has an event
    2,000 who send nothing         how long an honest client waits
    2,000 who send a byte a second the same
    one who uploads 4 GiB          how much the memory grows, MB/s

Each line ends with the goal. Needs http-probe built in BUILD."""
import os
import selectors
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'server'))
if len(sys.argv) > 1:
    os.environ['PIQUE_HTTP_PROBE'] = os.path.join(sys.argv[1], 'tests', 'server', 'http-probe')
from probe import Probe, TOKEN # noqa: E402


def auth(probe):
    return probe.host() + b'Authorization: Bearer ' + TOKEN.encode() + b'\r\n'


def slowest(probe, seconds, between=lambda: None):
    """The longest that a small request on a new connection took, in ms, over so many seconds."""
    worst, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        status, _, _ = probe.ask('GET', '/api/small')
        worst = max(worst, time.monotonic() - began)
        assert status == 200, status
        between()
        time.sleep(0.005)
    return worst * 1000


def listeners(count):
    probe = Probe()
    before = probe.rss_kib()
    chosen, clients = selectors.DefaultSelector(), []
    for _ in range(count):
        s = probe.connect()
        s.sendall(b'GET /api/events HTTP/1.1\r\n' + auth(probe) + b'\r\n')
        clients.append(s)
    for s in clients:
        got = b''
        while b'retry: 2000\n\n\r\n' not in got:
            got += s.recv(65536)
        s.setblocking(False)
        chosen.register(s, selectors.EVENT_READ, bytearray())
    quiet = probe.rss_kib()
    worst = 0
    for i in range(50):
        began = time.monotonic()
        last = b'"n%d"' % i
        probe.ask('POST', '/api/tick', b'{"data":%s}' % last)
        waiting = count
        while waiting:
            for key, _ in chosen.select(5):
                key.data.extend(key.fileobj.recv(65536))
                if last in key.data:
                    key.data.clear()
                    waiting -= 1
        worst = max(worst, time.monotonic() - began)
    print('%d listeners: %.1f MiB (%.1f before), after 50 events %.1f MiB; all have one within '
          '%.0f ms   goal 64 MiB' % (count, quiet / 1024, before / 1024, probe.rss_kib() / 1024,
                                     worst * 1000), flush=True)
    for s in clients:
        s.close()
    assert probe.close() == 0


def slow_sockets(count, sends):
    probe = Probe()
    clients = [probe.connect() for _ in range(count)]
    for s in clients:
        s.setblocking(False)
    turn = [0]

    def drip():
        """A byte from some of them, each about once a second."""
        for _ in range(count // 150):
            turn[0] = (turn[0] + 1) % count
            try:
                clients[turn[0]].send(b'G')
            except OSError:
                pass
    worst = slowest(probe, 5, drip if sends else lambda: None)
    print('%d sockets that send %s: an honest client waits %.1f ms at most; %.1f MiB   goal 100 ms' %
          (count, 'a byte a second' if sends else 'nothing', worst, probe.rss_kib() / 1024), flush=True)
    for s in clients:
        s.close()
    assert probe.close() == 0


def upload(size):
    probe = Probe()
    probe.ask('PUT', '/api/count', b'x', kind='application/octet-stream')
    before = most = probe.rss_kib()
    piece, left, began = bytes(1 << 20), size, time.monotonic()
    with probe.connect() as s:
        s.sendall(b'PUT /api/count HTTP/1.1\r\n' + auth(probe) +
                  b'X-Pique: 1\r\nContent-Type: application/octet-stream\r\n'
                  b'Content-Length: %d\r\n\r\n' % size)
        while left:
            s.sendall(piece[:min(left, len(piece))])
            left -= min(left, len(piece))
            if left % (64 << 20) == 0:
                most = max(most, probe.rss_kib())
        answer = b''
        while b'received' not in answer:
            answer += s.recv(65536)
    seconds = time.monotonic() - began
    assert b'{"received":%d}' % size in answer
    print('%.0f GiB uploaded: memory grew by %.1f MiB; %.0f MB/s   goal 16 MiB' %
          (size / (1 << 30), (max(most, probe.rss_kib()) - before) / 1024, size / seconds / 1e6))
    assert probe.close() == 0


def main():
    import resource
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    listeners(1000)
    slow_sockets(2000, False)
    slow_sockets(2000, True)
    upload(4 << 30)


if __name__ == '__main__':
    main()
