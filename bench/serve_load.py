#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/serve_load.py [BUILD] [FILM]: what the whole server answers, with a queue in it.

    idle           /api/state with 20 entries, by wrk: requests a second, p99
    during a job   500 requests a second, /api/state and a file of the page in turn: p99, and how much
                   slower the job is than without them, medians of 5 turns of 10 s each

A line that has a goal ends with it. Needs wrk, ffmpeg where no FILM is given, and a model:
pique models fetch realesr-animevideov3."""
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

COUNT, TURN, LINES = 20, 10, 8


class Server:
    def __init__(self, program, folder):
        env = {k: v for k, v in os.environ.items() if k not in ('DISPLAY', 'WAYLAND_DISPLAY')}
        env['XDG_STATE_HOME'] = folder
        self.process = subprocess.Popen([program, 'serve', '--port', '7999', '--results', folder + '/out'],
                                        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        where = folder + '/pique/server.json'
        while not os.path.exists(where):
            assert self.process.poll() is None
            time.sleep(0.05)
        with open(where, encoding='utf-8') as f:
            said = json.load(f)
        self.port, self.auth = said['port'], {'Authorization': 'Bearer ' + said['token']}

    def line(self):
        return http.client.HTTPConnection('127.0.0.1', self.port)

    def ask(self, method, path, body=None, line=None):
        headers = dict(self.auth, **{'X-Pique': '1'})
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            headers['Content-Type'] = 'application/json'
        elif body is not None:
            headers['Content-Type'] = 'application/octet-stream'
        c = line or self.line()
        c.request(method, path, body, headers)
        r = c.getresponse()
        data = r.read()
        assert r.status < 300, (path, r.status, data)
        return data

    def add(self, name, data, settings):
        item = json.loads(self.ask('POST', '/api/items',
                                   {'name': name, 'bytes': len(data), 'settings': settings}))['id']
        self.ask('PUT', '/api/items/%s/content?offset=0' % item, data)
        return item

    def item(self, name):
        return next(i for i in json.loads(self.ask('GET', '/api/state'))['items'] if i['id'] == name)

    def wait(self, name, *states):
        while self.item(name)['state'] not in states:
            time.sleep(0.1)


def idle(server):
    size = len(server.ask('GET', '/api/state'))
    said = subprocess.run(['wrk', '-t1', '-c64', '-d10s', '--latency', '-H',
                           'Authorization: ' + server.auth['Authorization'],
                           'http://127.0.0.1:%d/api/state' % server.port],
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    assert 'Non-2xx' not in said, said
    print('/api/state, %d entries, %.1f kB: %.0f requests/s, p99 %s   goal 5000, 20 ms' %
          (COUNT, size / 1000, float(re.search(r'Requests/sec:\s+([\d.]+)', said)[1]),
           re.search(r'99%\s+(\S+)', said)[1]), flush=True)


def load(server, seconds, a_second, took):
    """So many requests a second, each from when it was due, on connections that stay open."""
    begin, end = time.monotonic(), time.monotonic() + seconds

    def one(i):
        line = server.line()
        due = begin + i / a_second
        while due < end:
            time.sleep(max(0, due - time.monotonic()))
            server.ask('GET', '/js/app.js' if len(took) % 2 else '/api/state', line=line)
            took.append(time.monotonic() - due)
            due += LINES / a_second
    threads = [threading.Thread(target=one, args=(i,)) for i in range(LINES)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def during_job(server, film):
    with open(film, 'rb') as f:
        job = server.add(os.path.basename(film), f.read(), {'model': 'realesr-animevideov3'})
    server.ask('POST', '/api/items/%s/start' % job, {})
    server.wait(job, 'running')
    time.sleep(5)

    def frames():
        return server.item(job)['progress']['done']

    def speed(work):
        done, began = frames(), time.monotonic()
        work()
        return (frames() - done) / (time.monotonic() - began)
    took, ratios = [], []
    for _ in range(5):
        alone = speed(lambda: time.sleep(TURN))
        ratios.append(speed(lambda: load(server, TURN, 500, took)) / alone)
        assert server.item(job)['state'] == 'running', 'the film is too short'
    took.sort()
    print('during a job: %d requests in %d s, p99 %.1f ms, slowest %.1f ms   goal 500 a second, 50 ms' %
          (len(took), 5 * TURN, took[len(took) * 99 // 100] * 1000, took[-1] * 1000))
    print('the job keeps %.1f %% of its speed under them, client included' %
          (100 * statistics.median(ratios)))


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else 'build'
    with tempfile.TemporaryDirectory() as folder:
        film, picture = folder + '/film.mkv', folder + '/a.png'
        make = ['ffmpeg', '-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=s=128x96:r=24']
        subprocess.run(make + ['-frames:v', '1', picture], check=True)
        if len(sys.argv) > 2:
            film = sys.argv[2]
        else:
            subprocess.run(make + ['-t', '600', film], check=True)
        server = Server(build + '/pique', folder)
        try:
            with open(picture, 'rb') as f:
                data = f.read()
            for i in range(COUNT):
                server.wait(server.add('%d.png' % i, data, {}), 'paused')
            idle(server)
            during_job(server, film)
        finally:
            server.process.terminate()
            server.process.wait()


if __name__ == '__main__':
    main()
