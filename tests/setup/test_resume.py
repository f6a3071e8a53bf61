#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Downloads that break off, hosts that lie, files that change: with the real curl and a server on
the loopback address that does what it is told. A script that stands for curl sends https addresses
there; the program itself knows of no such thing."""
import errno
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = os.environ.get('FETCH_TEST', '')
MAKE_MODEL = os.environ.get('PIQUE_MAKE_MODEL', '')
CURL = shutil.which('curl')

# enum pq_fault_kind
ALLOC, OPEN, READ, WRITE, SYNC, RENAME = range(6)

WRAPPER = '''#!/bin/sh
printf '%%s\\n' "$*" >>"$HOME/log"
for a; do
    shift
    case $a in
    =https) a==http ;;
    https://*) a=http://127.0.0.1:%d/${a#https://*/} ;;
    esac
    set -- "$@" "$a"
done
exec %s "$@"
'''


class Served:
    """A file, and how the host behaves."""

    def __init__(self, data, etag='"one"'):
        self.data, self.etag = data, etag
        self.cuts = []  # the next answers end after so many bytes of body
        self.ranges = True
        self.skew = 0  # a lie about where a part begins
        self.body = None  # sent in the place of a part
        self.length = None  # a lie about the size
        self.status = None
        self.pause = 0  # seconds between the pieces of a body
        self.modified = None
        self.asked = []  # the Range of each request


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path.startswith('/moved/'):
            self.send_response(302)
            self.send_header('Location', self.path[len('/moved'):])
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        one = self.server.files.get(self.path)
        if not one or one.status:
            self.send_error(one.status if one else 404)
            return
        wanted = self.headers.get('Range')
        one.asked.append(wanted)
        match = re.fullmatch(r'bytes=(\d+)-', wanted or '')
        condition = self.headers.get('If-Range')
        begin = int(match.group(1)) if match and one.ranges else 0
        if condition and condition not in (one.etag, one.modified):
            begin = 0
        if begin and begin >= len(one.data):
            self.send_error(416)
            return
        body = one.data[begin:]
        self.send_response(206 if begin else 200)
        if one.etag:
            self.send_header('ETag', one.etag)
        if one.modified:
            self.send_header('Last-Modified', one.modified)
        if begin:
            self.send_header('Content-Range', 'bytes %d-%d/%d' % (
                begin + one.skew, len(one.data) - 1, len(one.data)))
            body = one.body if one.body is not None else body
        self.send_header('Content-Length', str(one.length or len(body)))
        self.end_headers()
        if one.cuts:
            body = body[:one.cuts.pop(0)]
            self.close_connection = True
        try:
            for at in range(0, len(body), 1 << 16):
                self.wfile.write(body[at:at + (1 << 16)])
                self.wfile.flush()
                time.sleep(one.pause)
        except OSError:
            self.close_connection = True


class Resume(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix='pique-resume-')
        self.addCleanup(shutil.rmtree, self.home)
        self.models = os.path.join(self.home, 'models')
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.files = {}
        self.server.daemon_threads = True
        thread = threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.02})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        os.makedirs(os.path.join(self.home, 'bin'))
        path = os.path.join(self.home, 'bin', 'curl')
        with open(path, 'w', encoding='ascii') as f:
            f.write(WRAPPER % (self.server.server_address[1], CURL))
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        os.symlink(shutil.which('sh'), os.path.join(self.home, 'bin', 'sh'))
        self.model = self.make_model(16, 3)

    def make_model(self, features, convolutions):
        path = os.path.join(self.home, 'made.safetensors')
        subprocess.run([MAKE_MODEL, path, str(features), str(convolutions), '2', '7'], check=True,
                       stdout=subprocess.DEVNULL)
        with open(path, 'rb') as f:
            return f.read()

    def serve(self, path, data, **how):
        one = Served(data)
        for key, value in how.items():
            setattr(one, key, value)
        self.server.files[path] = one
        return one

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}
        env.update(HOME=self.home, PATH=os.path.join(self.home, 'bin'), PIQUE_MODELS=self.models,
                   LC_ALL='C')
        return env

    def fetch(self, *words, command='fetch', **more):
        done = subprocess.run([PROGRAM, command] + list(words), timeout=60,
                              env=dict(self.environment(), **more),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    def names(self):
        found = os.listdir(self.models) if os.path.isdir(self.models) else []
        return sorted(n for n in found if n != '.sums.json')

    def parts(self):
        return [n for n in self.names() if n.endswith('.part')]

    def is_whole(self, name, data):
        with open(os.path.join(self.models, name), 'rb') as f:
            self.assertEqual(hashlib.sha256(f.read()).digest(), hashlib.sha256(data).digest())
        self.assertEqual(self.names(), [name])

    URL = 'https://up.example/x.safetensors'

    # ---- going on ----

    def test_a_connection_that_breaks_is_gone_on_with_in_the_same_run(self):
        one = self.serve('/x.safetensors', self.model, cuts=[1000, 2000])
        code, text = self.fetch(self.URL)
        self.assertEqual(code, 0, text)
        self.assertEqual(one.asked, [None, 'bytes=1000-', 'bytes=3000-'])
        self.assertIn('broke off at 1000 bytes; it goes on', text)
        self.is_whole('x.safetensors', self.model)

    def break_off(self, **how):
        """A part of 1000 bytes is here, and the host is well again."""
        one = self.serve('/x.safetensors', self.model, cuts=[1000, 0, 0, 0], **how)
        code, text = self.fetch(self.URL)
        self.assertEqual(code, 74, text)
        self.assertEqual(len(self.parts()), 1, self.names())
        one.cuts, one.asked = [], []
        return one

    def test_the_next_run_goes_on_where_the_last_one_stopped(self):
        one = self.break_off()
        code, text = self.fetch(self.URL)
        self.assertEqual(code, 0, text)
        self.assertIn('goes on at 1000 bytes', text)
        self.assertEqual(one.asked, ['bytes=1000-'])
        self.is_whole('x.safetensors', self.model)

    def test_the_time_of_the_last_change_will_do_where_there_is_no_etag(self):
        one = self.break_off(etag=None, modified='Wed, 21 Oct 2015 07:28:00 GMT')
        self.assertEqual(self.fetch(self.URL)[0], 0)
        self.assertEqual(one.asked, ['bytes=1000-'])

    def test_a_weak_etag_is_no_validator(self):
        one = self.serve('/x.safetensors', self.model, cuts=[1000], etag='W/"one"')
        self.fetch(self.URL)
        one.cuts, one.asked = [], []
        self.assertEqual(self.fetch(self.URL)[0], 0)
        self.is_whole('x.safetensors', self.model)

    def test_without_a_validator_and_a_sum_it_starts_anew(self):
        one = self.serve('/x.safetensors', self.model, cuts=[1000, 0, 0, 0], etag=None)
        self.fetch(self.URL)
        one.cuts, one.asked = [], []
        self.assertEqual(self.fetch(self.URL)[0], 0)
        self.assertEqual(one.asked, [None])

    def test_a_known_sum_is_validator_enough(self):
        one = self.serve('/x.safetensors', self.model, cuts=[1000, 0, 0, 0], etag=None)
        words = (self.URL, '--sha256', hashlib.sha256(self.model).hexdigest().upper())
        self.fetch(*words)
        one.cuts, one.asked = [], []
        self.assertEqual(self.fetch(*words)[0], 0)
        self.assertEqual(one.asked, ['bytes=1000-'])

    def test_an_address_that_leads_on_is_followed(self):
        self.serve('/x.safetensors', self.model)
        code, text = self.fetch('https://up.example/moved/x.safetensors')
        self.assertEqual(code, 0, text)
        self.is_whole('x.safetensors', self.model)

    def start(self, one):
        one.pause = 0.2
        child = subprocess.Popen([PROGRAM, 'fetch', 'https://up.example/big.safetensors'],
                                 env=self.environment(), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(child.kill)
        for _ in range(400):
            if any(os.path.getsize(os.path.join(self.models, p)) > 100000 for p in self.parts()):
                return child
            time.sleep(0.025)
        self.fail('no part came')

    def test_interrupted_or_killed_it_keeps_the_part_and_goes_on(self):
        data = self.make_model(64, 8)
        self.assertGreater(len(data), 1 << 20)
        for number in (signal.SIGINT, signal.SIGKILL):
            one = self.serve('/big.safetensors', data)
            child = self.start(one)
            child.send_signal(number)
            self.assertEqual(child.wait(30), 130 if number == signal.SIGINT else -number)
            one.pause, one.asked = 0, []
            code, text = self.fetch('https://up.example/big.safetensors')
            self.assertEqual(code, 0, text)
            self.assertRegex(one.asked[0], r'^bytes=\d{6,}-$')
            self.is_whole('big.safetensors', data)
            shutil.rmtree(self.models)

    def test_a_part_that_is_whole_needs_no_network(self):
        one = self.break_off()
        part = os.path.join(self.models, self.parts()[0])
        with open(part, 'wb') as f:
            f.write(self.model)
        self.assertEqual(self.fetch(self.URL)[0], 0)
        self.assertEqual(one.asked, [])
        self.is_whole('x.safetensors', self.model)

    # ---- what has changed, and who lies ----

    def test_a_file_that_changed_starts_anew(self):
        one = self.break_off()
        one.data, one.etag = self.make_model(8, 5), '"two"'
        code, text = self.fetch(self.URL)
        self.assertEqual(code, 0, text)
        self.assertIn('starts anew', text)
        self.is_whole('x.safetensors', one.data)

    def test_a_file_that_became_shorter_than_the_part_starts_anew(self):
        one = self.break_off(etag=None, modified='Wed, 21 Oct 2015 07:28:00 GMT')
        part = os.path.join(self.models, self.parts()[0])
        one.data = self.make_model(2, 1)
        with open(part, 'ab') as f:
            f.write(self.model[1000:len(one.data) + 10])
        code, text = self.fetch(self.URL)
        self.assertEqual(code, 0, text)
        self.is_whole('x.safetensors', one.data)

    def test_a_host_without_ranges_sends_the_whole(self):
        one = self.break_off()
        one.ranges = False
        self.assertEqual(self.fetch(self.URL)[0], 0)
        self.is_whole('x.safetensors', self.model)

    def test_a_part_that_begins_elsewhere_is_not_taken(self):
        one = self.break_off()
        one.skew = -7
        code, text = self.fetch(self.URL)
        self.assertEqual(code, 0, text)
        self.assertEqual(one.asked, ['bytes=1000-', None])
        self.is_whole('x.safetensors', self.model)

    def test_a_part_with_another_etag_is_not_taken(self):
        one = self.break_off()
        record = [n for n in self.names() if n.endswith('.json')][0]
        path = os.path.join(self.models, record)
        with open(path, encoding='utf-8') as f:
            text = f.read()
        one.etag = '"two"'
        one.modified = '"one"'  # so that the condition holds
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        self.assertEqual(self.fetch(self.URL)[0], 0)
        self.assertEqual(one.asked, ['bytes=1000-', None])

    def test_a_part_of_other_bytes_meets_the_sum_and_is_fetched_again(self):
        one = self.break_off()
        one.body = bytes(len(self.model) - 1000)
        code, text = self.fetch(self.URL, '--sha256', hashlib.sha256(self.model).hexdigest())
        self.assertEqual(code, 0, text)
        self.assertIn('what was put together is wrong', text)
        self.assertEqual(one.asked, ['bytes=1000-', None])
        self.is_whole('x.safetensors', self.model)

    def test_a_wrong_sum_is_refused_and_nothing_is_left(self):
        self.serve('/x.safetensors', self.model)
        code, text = self.fetch(self.URL, '--sha256', '0' * 64)
        self.assertEqual(code, 65)
        self.assertIn('wrong SHA-256', text)
        self.assertEqual(self.names(), [])

    def test_a_record_that_is_damaged_or_of_another_address_is_no_record(self):
        for change in (lambda t: t[:20], lambda t: t.replace('x.safe', 'y.safe'),
                       lambda t: t.replace('"one', '"a\\r\\nb'), lambda t: '[' * 100000,
                       lambda t: re.sub('"total": [0-9]+', '"total": 999', t)):
            one = self.break_off()
            path = [n for n in self.names() if n.endswith('.json')][0]
            path = os.path.join(self.models, path)
            with open(path, encoding='utf-8') as f:
                text = change(f.read())
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
            self.assertEqual(self.fetch(self.URL)[0], 0)
            self.assertEqual(one.asked, [None])
            self.is_whole('x.safetensors', self.model)
            shutil.rmtree(self.models)

    def test_a_part_that_is_a_link_is_not_followed(self):
        self.break_off()
        victim = os.path.join(self.home, 'victim')
        with open(victim, 'wb') as f:
            f.write(b'x' * 1000)
        part = os.path.join(self.models, self.parts()[0])
        os.unlink(part)
        os.symlink(victim, part)
        self.assertEqual(self.fetch(self.URL)[0], 0)
        self.assertEqual(os.path.getsize(victim), 1000)
        self.is_whole('x.safetensors', self.model)

    def test_old_parts_go(self):
        self.break_off()
        for name in self.names():
            os.utime(os.path.join(self.models, name), (1, 1))
        self.serve('/delta_1.safetensors', self.model)
        self.assertEqual(self.fetch('delta')[0], 0)
        self.assertEqual(self.names(), ['delta_1.safetensors'])

    # ---- from an address ----

    def test_what_is_no_model_is_refused_and_removed(self):
        for data in (b'<html>not found</html>' * 100, self.model[:-1], b'', b'7767517\n3 3\n'):
            self.serve('/x.safetensors', data)
            code, text = self.fetch(self.URL)
            self.assertIn(code, (65, 74), text)
            self.assertEqual(self.names(), [])

    def test_a_size_over_the_cap_is_refused_before_the_body(self):
        self.serve('/x.safetensors', self.model, length=5 << 30)
        code, text = self.fetch(self.URL)
        self.assertEqual(code, 65, text)
        self.assertIn('is larger than', text)
        self.assertEqual(self.names(), [])

    def test_only_https_addresses_are_taken(self):
        for url in ('http://up.example/x.pth', 'file:///etc/passwd', 'ftp://up.example/x.pth',
                    'https://me:secret@up.example/x.pth', 'https:///x.pth', 'https://a/b c.pth',
                    'HTTPS://up.example/x.pth'):
            self.assertEqual(self.fetch(url)[0], 2, url)
        self.assertFalse(os.path.exists(os.path.join(self.home, 'log')))

    def test_the_name_is_of_the_address_or_given(self):
        for words, name in (((), 'x_y.safetensors'), (('--name', 'mine'), 'mine.safetensors'),
                            (('--name', 'a.pth'), 'a.pth')):
            self.serve('/x%20y.safetensors?a=/b', self.model)
            self.serve('/x(y.safetensors?a=/b', self.model)
            code, text = self.fetch('https://up.example/x(y.safetensors?a=/b', *words)
            self.assertEqual(code, 0, text)
            self.assertEqual(self.names(), [name])
            shutil.rmtree(self.models)

    def test_names_that_would_hide_something_are_refused(self):
        self.serve('/x.safetensors', self.model)
        for name, code in (('.hidden', 2), ('a/b', 2), ('alpha.pth', 73), ('x.param', 65)):
            self.assertEqual(self.fetch(self.URL, '--name', name)[0], code, name)
        self.assertEqual(self.fetch('https://up.example/')[0], 2)
        self.assertEqual(self.names(), [])

    def test_what_is_here_is_not_replaced_and_the_same_is_not_fetched_again(self):
        one = self.serve('/x.safetensors', self.model)
        self.assertEqual(self.fetch(self.URL)[0], 0)
        one.asked = []
        code, text = self.fetch(self.URL)
        self.assertEqual(code, 0, text)
        self.assertIn('is here already', text)
        self.assertEqual(self.fetch(self.URL, '--sha256', '0' * 64)[0], 73)
        self.assertEqual(self.fetch('https://up.example/else/x.safetensors')[0], 73)
        self.assertEqual(one.asked, [])

    def test_any_allocation_and_any_call_of_the_disk_may_fail(self):
        self.serve('/x.safetensors', self.model)
        faults = [(ALLOC, n, errno.ENOMEM) for n in range(1, 90, 2)]
        faults += [(kind, n, number) for n in range(1, 7) for kind, number in (
            (OPEN, errno.EACCES), (READ, errno.EIO), (WRITE, errno.ENOSPC), (SYNC, errno.EIO),
            (RENAME, errno.EACCES))]
        for fault in faults:
            code, text = self.fetch(self.URL, FAULT='%d:%d:%d' % fault)
            self.assertIn(code, (0, 65, 73, 74, 75), (fault, text))
            for name in self.names():
                if not name.startswith('.'):
                    with open(os.path.join(self.models, name), 'rb') as f:
                        self.assertEqual(f.read(), self.model)
            if code == 0:
                shutil.rmtree(self.models)
        code, text = self.fetch(self.URL)
        self.assertIn(code, (0, 73), text)

    def test_json_tells_the_course(self):
        self.serve('/x.safetensors', self.model)
        code, text = self.fetch(self.URL, '--json')
        events = [json.loads(line) for line in text.splitlines()]
        self.assertEqual(code, 0)
        done = [e for e in events if e['event'] == 'fetch_done'][0]
        self.assertEqual(done['sha256'], hashlib.sha256(self.model).hexdigest())
        self.assertEqual(done['bytes'], len(self.model))
        self.assertEqual(events[-1], {'event': 'end', 'exit': 0})
        data = self.make_model(64, 8)
        self.serve('/slow.safetensors', data, pause=0.05)
        code, text = self.fetch('https://up.example/slow.safetensors', '--json')
        events = [json.loads(line) for line in text.splitlines()]
        course = [e for e in events if e['event'] == 'fetch_progress']
        self.assertTrue(course, text)
        self.assertEqual(course[-1]['bytes_total'], len(data))
        self.assertGreater(course[-1]['bytes_per_second'], 0)
        self.assertGreaterEqual(course[-1]['seconds_left'], 0)

    # ---- trusted the first time ----

    def test_an_untold_sum_is_remembered_and_another_file_is_refused(self):
        one = self.serve('/delta_1.safetensors', self.model)
        code, text = self.fetch('Delta force')
        self.assertEqual(code, 0, text)
        self.assertIn('this first download is trusted', text)
        self.assertEqual(self.fetch('delta', command='verify')[0], 0)
        one.data, one.etag = self.make_model(8, 5), '"two"'
        os.unlink(os.path.join(self.models, 'delta_1.safetensors'))
        code, text = self.fetch('delta')
        self.assertEqual(code, 65, text)
        self.assertIn('wrong SHA-256', text)
        self.assertEqual(self.names(), [])
        right = hashlib.sha256(one.data).hexdigest()
        self.assertEqual(self.fetch('delta', '--sha256', right)[0], 0)
        self.assertIn('right', self.fetch('delta', command='verify')[1])

    def test_a_file_that_was_put_there_by_hand_is_remembered_as_it_is(self):
        os.makedirs(self.models)
        with open(os.path.join(self.models, 'delta_1.safetensors'), 'wb') as f:
            f.write(self.model)
        self.assertIn('unknown  delta_1', self.fetch('delta', command='verify')[1])
        code, text = self.fetch('delta')
        self.assertEqual(code, 0, text)
        self.assertIn('is trusted', text)
        self.assertIn('right    delta_1', self.fetch('delta', command='verify')[1])
        with open(os.path.join(self.models, 'delta_1.safetensors'), 'ab') as f:
            f.write(b'x')
        self.assertEqual(self.fetch('delta', command='verify')[0], 65)

    def test_a_file_from_an_address_is_verified_too(self):
        self.serve('/x.safetensors', self.model)
        self.assertEqual(self.fetch(self.URL)[0], 0)
        code, text = self.fetch(command='verify')
        self.assertEqual(code, 0, text)
        self.assertIn('right    x.safetensors', text)
        with open(os.path.join(self.models, 'x.safetensors'), 'ab') as f:
            f.write(b'x')
        code, text = self.fetch(command='verify')
        self.assertEqual(code, 65, text)
        self.assertIn('WRONG    x.safetensors', text)

    def test_a_file_of_an_untold_sum_must_be_a_model(self):
        self.serve('/delta_1.safetensors', b'no model')
        code, text = self.fetch('delta')
        self.assertEqual(code, 65, text)
        self.assertEqual(self.names(), [])

    def test_remembered_sums_that_are_damaged_are_forgotten_with_a_note(self):
        self.serve('/delta_1.safetensors', self.model)
        self.assertEqual(self.fetch('delta')[0], 0)
        with open(os.path.join(self.models, '.sums.json'), 'w', encoding='ascii') as f:
            f.write('{"format": 1, "files": ')
        code, text = self.fetch('delta')
        self.assertEqual(code, 0, text)
        self.assertIn('is damaged', text)


if __name__ == '__main__':
    if not PROGRAM or not CURL or not os.access(MAKE_MODEL, os.X_OK):
        print('skipped: FETCH_TEST, curl or PIQUE_MAKE_MODEL is not there')
        sys.exit(77)
    unittest.main(verbosity=2)
