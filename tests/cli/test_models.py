#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pique models as a person sees it: files that are dropped into the folder, speeds that were
measured, names that mean two things, the folder as it changes; and a model that is got because a
run names it."""
import json
import os
import pty
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import test_cli
from test_cli import Case, large_png, read, write

CURL = '''#!/bin/sh
for a; do case $a in https://*) file=$(basename "$a") ;; esac; done
[ -f "$SERVED/$file" ] || exit 6
printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'
cat "$SERVED/$file"
'''


def with_metadata(data, metadata):
    size, = struct.unpack('<Q', data[:8])
    head = json.loads(data[8:8 + size])
    head['__metadata__'] = metadata
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + data[8 + size:]


class Models(Case):
    def setUp(self):
        super().setUp()
        self.models = tempfile.mkdtemp(prefix='pique-models-', dir=self.dir)
        self.tiny = read(os.path.join(type(self).models, 'tiny.safetensors'))

    def put_model(self, name, data=None):
        path = os.path.join(self.models, name)
        write(path, self.tiny if data is None else data)
        os.utime(path, (1000000, 1000000))  # nobody writes it any more
        return path

    def listed(self):
        result = self.run_pique('models', '--json', model=None)
        self.check(result, 0)
        return json.loads(result.stdout)

    def own(self, name):
        return [m for m in self.listed()['own'] if m['file'] == name][0]

    def table(self):
        result = self.run_pique('models', model=None)
        self.check(result, 0)
        return result.stdout.decode()

    # ---- files that were dropped in ----

    def test_a_file_appears_with_what_is_in_it(self):
        self.put_model('mine.safetensors', with_metadata(self.tiny, {'License': 'CC0-1.0'}))
        self.put_model('sub/other.safetensors')
        mine = self.own('mine.safetensors')
        self.assertEqual((mine['architecture'], mine['scale'], mine['licence'], mine['installed']),
                         ('Compact', 2, 'CC0-1.0', True))
        self.assertEqual(mine['bytes'], os.path.getsize(self.models + '/mine.safetensors'))
        self.assertEqual(self.own('sub/other.safetensors')['licence'], 'unknown')
        self.assertRegex(self.table(), r'(?m)^mine\.safetensors +Compact +x2 +\d\.\d kB  CC0-1\.0 +'
                                       r'- +here$')

    def test_an_onnx_file_appears_and_has_a_name_like_the_others(self):
        path = os.path.join(self.models, 'mine.onnx')
        self.check(self.run_pique('models', 'convert', self.put_model('a.safetensors'), path,
                                  model=None), 0)
        os.utime(path, (1000000, 1000000))
        self.assertEqual(self.own('mine.onnx')['scale'], 2)
        self.assertIn(b'\nmine\n', self.run_pique('models', '--names', model=None).stdout)
        self.check(self.run_pique('models', 'info', 'mine', model=None), 0)

    def test_columns_stand_below_each_other_whatever_the_script(self):
        self.put_model('\u30cf\u30c3\u30c8.safetensors')
        self.put_model('\u00e9t\u00e9.safetensors')
        rows = [line for line in self.table().splitlines() if ' Compact ' in line]
        columns = {line.index(' Compact ') + len([c for c in line if c >= '\u3000'])
                   for line in rows}
        self.assertEqual((len(columns), len(rows) > 2), (1, True), rows)

    def test_what_cannot_be_opened_is_listed_as_that(self):
        self.put_model('cut.safetensors', self.tiny[:-1])
        self.put_model('text.pth', b'hello')
        cut = self.own('cut.safetensors')
        self.assertFalse(cut['supported'])
        self.assertIn('problem', cut)
        self.assertNotIn(self.models, cut['problem'])
        self.assertRegex(self.table(), r'(?m)^text\.pth +\? .*cannot be opened$')

    def test_what_was_seen_is_remembered_until_the_file_changes(self):
        path = self.put_model('mine.safetensors')
        self.assertEqual(self.own('mine.safetensors')['architecture'], 'Compact')
        before = os.stat(path)
        with open(path, 'r+b') as f:
            f.write(b'x' * 100)
        os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
        self.assertEqual(self.own('mine.safetensors')['architecture'], 'Compact')
        os.utime(path)
        self.assertIn('problem', self.own('mine.safetensors'))
        os.unlink(path)
        self.assertEqual(self.listed()['own'], [])
        record = json.loads(read(os.path.join(self.cache, 'pique', 'models.json')))
        self.assertEqual(record['files'], {})

    def test_records_that_are_damaged_are_ignored_with_a_note(self):
        self.put_model('mine.safetensors')
        for text in (b'', b'{', b'[]', b'{"format": 99}', b'{"format": 1, "files": 3}',
                     b'{"format": 1, "files": {"' + self.models.encode() +
                     b'/mine.safetensors": {"bytes": "x"}}}', b'\0' * 100, b'[' * 200000):
            write(os.path.join(self.cache, 'pique', 'models.json'), text)
            write(os.path.join(self.cache, 'pique', 'speeds.json'), text)
            self.assertEqual(self.own('mine.safetensors')['architecture'], 'Compact')
        write(os.path.join(self.cache, 'pique', 'speeds.json'), b'{')
        self.assertIn('speeds.json is damaged', self.table())

    def test_a_cache_that_cannot_be_written_is_no_trouble(self):
        self.put_model('mine.safetensors')
        write(os.path.join(self.cache, 'pique'), b'a file')
        self.assertEqual(self.own('mine.safetensors')['architecture'], 'Compact')
        self.put('a.png', large_png(600, 600))
        self.check(self.run_pique('a.png', model='mine'), 0)

    def test_names_that_are_no_text_are_listed(self):
        name = os.fsencode(self.models) + b'/odd\xff\x1b.safetensors'
        with open(name, 'wb') as f:
            f.write(self.tiny)
        os.utime(name, (1000000, 1000000))
        for _ in range(2):
            self.assertIn('odd??.safetensors', self.table())

    def test_a_file_that_is_being_written_is_not_listed(self):
        path = os.path.join(self.models, 'slow.safetensors')
        with open(path, 'wb') as f:
            f.write(self.tiny)
            f.flush()
            self.assertEqual(self.listed()['own'], [])
        self.assertEqual([m['file'] for m in self.listed()['own']], ['slow.safetensors'])

    # ---- names ----

    def test_names_that_mean_two_things_are_told(self):
        other = with_metadata(self.tiny, {'a': 'b'})
        self.put_model('one.safetensors')
        self.put_model('one.pth', other)
        self.put_model('two.safetensors')
        self.put_model('2x-AniScale.safetensors', with_metadata(self.tiny, {'c': 'd'}))
        notes = '\n'.join(self.listed()['notes'])
        self.assertIn('have one name: -m one means one.safetensors', notes)
        self.assertIn('one.safetensors and two.safetensors are the same weights', notes)
        self.assertIn('2x-AniScale.safetensors: the catalogue has a model of that name', notes)
        self.assertIn('Note: ', self.table())

    def test_a_known_model_is_found_by_its_title(self):
        self.put_model('2x_Ani4Kv2_G6i2_Compact_107500.pth')
        row = [m for m in self.listed()['models'] if m['name'] == '2x-Ani4Kv2-Compact'][0]
        self.assertTrue(row['installed'] and row['recommended'] and row['non_commercial'])
        self.assertEqual(row['bytes'], len(self.tiny))
        self.put('a.png')
        for name in ('2x-Ani4Kv2-Compact', 'Ani4K v2 Compact', '2X ANI4K-V2 compact',
                     '2x_Ani4Kv2_G6i2_Compact_107500'):
            self.check(self.run_pique('a.png', '-o', 'b.png', '-y', model=name), 0)
        self.assertIn('Recommended for anime: 2x-Ani4Kv2-Compact', self.table())

    # ---- speeds ----

    def test_a_run_of_some_size_is_remembered_as_a_speed(self):
        self.put_model('mine.safetensors')
        self.put('small.png', large_png(100, 100))
        self.put('a.png', large_png(600, 600))
        self.check(self.run_pique('small.png', model='mine'), 0)
        self.check(self.run_pique('a.png', '-o', 'one.png', '-j', '1', model='mine'), 0)
        self.check(self.run_pique('a.png', '-o', 'four.png', '-s', '4', model='mine'), 0)
        self.assertFalse(os.path.exists(os.path.join(self.cache, 'pique', 'speeds.json')))
        self.assertNotIn('mpixels_per_second', self.own('mine.safetensors'))
        self.check(self.run_pique('a.png', model='mine'), 0)
        self.assertGreater(self.own('mine.safetensors')['mpixels_per_second'], 0)
        self.assertRegex(self.table(), r'(?m)^mine\.safetensors .* MP/s +here$')
        record = json.loads(read(os.path.join(self.cache, 'pique', 'speeds.json')))
        (sha256, speeds), = record['speeds'].items()
        self.assertEqual(sha256, self.own('mine.safetensors')['sha256'])
        (key, one), = speeds.items()
        self.assertEqual(key, one['numeric_key'] + ' @ ' + one['machine'])
        # On another machine it says nothing.
        one['machine'] = 'another'
        write(os.path.join(self.cache, 'pique', 'speeds.json'), json.dumps(record).encode())
        self.assertNotIn('mpixels_per_second', self.own('mine.safetensors'))

    def test_a_damaged_record_of_speeds_is_written_anew_with_a_note(self):
        self.put_model('mine.safetensors')
        self.put('a.png', large_png(600, 600))
        path = os.path.join(self.cache, 'pique', 'speeds.json')
        write(path, b'{"format": 1, "speeds": ')
        self.check(self.run_pique('a.png', model='mine'), 0, 'record of speeds')
        self.assertEqual(json.loads(read(path))['format'], 1)

    # ---- watching ----

    def watch(self, *words):
        child = subprocess.Popen([test_cli.PROGRAM, 'models', '--watch', *words], cwd=self.dir,
                                 env=self.environment(), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stderr.close)
        self.buffer = b''
        return child

    def line(self, child, seconds=30):
        end = time.monotonic() + seconds
        while b'\n' not in self.buffer:
            if not select.select([child.stdout], [], [], max(0, end - time.monotonic()))[0]:
                return None
            data = os.read(child.stdout.fileno(), 65536)
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line.decode()

    def test_a_watch_tells_what_comes_changes_and_goes(self):
        self.put_model('first.safetensors')
        child = self.watch('--json')
        first = json.loads(self.line(child))
        self.assertEqual((first['event'], first['file'], first['architecture']),
                         ('added', 'first.safetensors', 'Compact'))
        self.assertEqual(json.loads(self.line(child))['event'], 'ready')
        path = os.path.join(self.models, 'slow.safetensors')
        with open(path, 'wb') as f:
            f.write(self.tiny[:100])
            f.flush()
            self.assertIsNone(self.line(child, 2))
            f.write(self.tiny[100:])
        event = json.loads(self.line(child))
        self.assertEqual((event['event'], event['file'], event['bytes'], event['scale']),
                         ('added', 'slow.safetensors', len(self.tiny), 2))
        write(path, with_metadata(self.tiny, {'licence': 'MIT'}))
        event = json.loads(self.line(child))
        self.assertEqual((event['event'], event['licence']), ('changed', 'MIT'))
        os.unlink(path)
        self.assertEqual(json.loads(self.line(child)),
                         {'event': 'removed', 'file': 'slow.safetensors'})
        write(os.path.join(self.models, '2x_Ani4Kv2_G6i2_Compact_107500.pth'), self.tiny)
        event = json.loads(self.line(child))
        self.assertEqual((event['name'], event['installed'], event['bytes']),
                         ('2x-Ani4Kv2-Compact', True, len(self.tiny)))
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(20), 130)
        self.assertEqual(child.stderr.read(), b'')

    def test_a_watch_names_the_variant_that_came(self):
        child = self.watch('--json')
        self.line(child)
        self.put_model('realesr-animevideov3-x2.bin')
        self.put_model('realesr-animevideov3-x2.param')
        event = json.loads(self.line(child))
        self.assertEqual((event['name'], event['scale'], event['bytes']),
                         ('realesr-animevideov3-x2', 2, 2 * len(self.tiny)))
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(20), 130)

    def test_a_watch_for_a_person(self):
        child = self.watch()
        self.assertIn('Ctrl-C', self.line(child))
        self.put_model('mine.safetensors')
        self.assertRegex(self.line(child), r'^\+ mine\.safetensors +Compact +x2')
        os.unlink(os.path.join(self.models, 'mine.safetensors'))
        self.assertEqual(self.line(child), '- mine.safetensors')
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(20), 130)

    # ---- a run that names a model that is not here ----

    def network(self, **served):
        """A curl that gives these files, and no npm."""
        folder = self.path('bin')
        write(folder + '/curl', CURL.encode())
        os.chmod(folder + '/curl', os.stat(folder + '/curl').st_mode | stat.S_IXUSR)
        for tool in ('sh', 'cat', 'basename'):
            os.symlink(shutil.which(tool), os.path.join(folder, tool))
        for name, data in served.items():
            write(self.path('served', name), data)
        return {'PATH': folder, 'SERVED': self.path('served')}

    ANI4K = '2x_Ani4Kv2_G6i2_Compact_107500'

    def test_yes_gets_the_model(self):
        self.put('a.png')
        env = self.environment(**self.network(**{self.ANI4K + '.pth': self.tiny}))
        result = self.run_pique('a.png', '-o', 'b.png', '--yes', model='ani4k v2 compact', env=env)
        self.check(result, 0, 'NOT FOR COMMERCIAL USE')
        self.assertEqual(test_cli.png_size(read(self.path('b.png'))), (12, 10))
        self.assertEqual(result.stdout, b'b.png\n')
        self.assertIn(self.ANI4K + '.pth', os.listdir(self.models))

    def test_without_a_terminal_and_yes_nothing_is_fetched(self):
        self.put('a.png')
        env = self.environment(**self.network(**{self.ANI4K + '.pth': self.tiny}))
        self.check(self.run_pique('a.png', model='2x-Ani4Kv2-Compact', env=env), 69,
                   'pique models fetch 2x-Ani4Kv2-Compact')
        self.check(self.run_pique('a.png', '--yes', '-n', model='2x-Ani4Kv2-Compact', env=env), 69)
        self.assertEqual(os.listdir(self.models), [])

    def test_offline_no_other_model_is_taken_and_the_default_is_told(self):
        self.put('a.png')
        env = self.environment(**self.network())
        words = ('a.png', '--yes', '-q')
        result = self.run_pique(*words, model='2x-Ani4Kv2-Compact', env=env)
        self.assertEqual(result.returncode, 69)
        self.assertIn(b'2x-Ani4Kv2-Compact is not here and cannot be had', result.stderr)
        self.assertNotIn(b'without -m', result.stderr)
        self.put_model('realesr-animevideov3.safetensors')
        result = self.run_pique(*words, model='2x-Ani4Kv2-Compact', env=env)
        self.assertEqual(result.returncode, 69)
        self.assertIn(b'without -m the default is used, realesr-animevideov3', result.stderr)
        self.assertEqual(self.files_here(), ['a.png'])

    def files_here(self):
        return sorted(n for n in os.listdir(self.dir) if n.endswith('.png'))

    def on_terminal(self, words, answer, env):
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.dir)
            os.execve(test_cli.PROGRAM, [test_cli.PROGRAM] + words, env)
        shown, asked = b'', False
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
            if b'[Y/n]' in shown and not asked:
                asked = True
                os.write(fd, answer)
        os.close(fd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return shown.decode('utf-8', 'replace'), status

    def test_a_person_is_asked(self):
        self.put('a.png')
        env = self.environment(**self.network(**{self.ANI4K + '.pth': self.tiny}))
        words = ['a.png', '-o', 'b.png', '-m', '2x-Ani4Kv2-Compact']
        shown, status = self.on_terminal(words, b'n\n', env)
        self.assertIn('CC-BY-NC-4.0, not for commercial use. Get it now?', shown)
        self.assertEqual(status, 69, shown)
        self.assertEqual(self.files_here(), ['a.png'])
        shown, status = self.on_terminal(words, b'\n', env)
        self.assertEqual(status, 0, shown)
        self.assertEqual(self.files_here(), ['a.png', 'b.png'])

    def test_who_chose_no_model_is_told_once_of_the_recommended_one(self):
        self.put('a.png')
        self.put_model('realesr-animevideov3.safetensors')
        env = self.environment()
        shown, status = self.on_terminal(['a.png', '-o', 'b.png'], b'', env)
        self.assertEqual(status, 0, shown)
        self.assertIn('for anime 2x-Ani4Kv2-Compact is recommended', shown)
        shown, status = self.on_terminal(['a.png', '-o', 'c.png'], b'', env)
        self.assertEqual(status, 0, shown)
        self.assertNotIn('recommended', shown)


if __name__ == '__main__':
    if not os.access(test_cli.MAKE_MODEL, os.X_OK):
        print('skipped: PIQUE_MAKE_MODEL is not there')
        sys.exit(77)
    unittest.main(verbosity=2)
