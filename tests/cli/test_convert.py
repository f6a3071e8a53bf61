#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pique models convert and blend, from outside: the file that comes out is read here byte by byte, and gives
the same picture as the one that went in."""
import hashlib
import json
import os
import shutil
import struct
import sys
import unittest

from test_cli import Case, PROGRAM, png, read, write

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'model'))
sys.dont_write_bytecode = True
import make_pth  # noqa: E402

CODES = {'F32': ('f', 4), 'F16': ('e', 2), 'I64': ('q', 8), 'I32': ('i', 4)}


def read_strictly(data):
    """(metadata, name -> (type, shape, values)) of a safetensors file, from its description:
    https://github.com/huggingface/safetensors, "Format". Offsets must follow one another."""
    size = struct.unpack_from('<Q', data)[0]
    text, body = data[8:8 + size], data[8 + size:]
    if size % 8 or not text.startswith(b'{') or len(text) != size:
        raise ValueError('a header that is not as it should be')
    pairs = json.loads(text, object_pairs_hook=lambda p: p)
    metadata, tensors, at = {}, {}, 0
    for name, entry in pairs:
        entry = dict(entry)
        if name == '__metadata__':
            metadata = entry
            continue
        code, width = CODES[entry['dtype']]
        begin, end = entry['data_offsets']
        count = 1
        for extent in entry['shape']:
            count *= extent
        if begin != at or end != begin + count * width or name in tensors:
            raise ValueError('%s does not lie where the one before it ends' % name)
        tensors[name] = (entry['dtype'], tuple(entry['shape']),
                         list(struct.unpack_from('<%d%s' % (count, code), body, begin)))
        at = end
    if at != len(body):
        raise ValueError('bytes at the end that belong to nobody')
    return metadata, tensors


def f32(value):
    return struct.unpack('<f', struct.pack('<f', value))[0]


def sha256(path):
    return hashlib.sha256(read(path)).hexdigest()


class Convert(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = make_pth.read_safetensors(read(os.path.join(cls.models, 'tiny.safetensors')))
        cls.make_model('pair', 4, 2, 2, suffix='.param')

    def convert(self, *words, status=0, sentence=''):
        result = self.run_pique('models', 'convert', *words, model=None)
        self.check(result, status, sentence)
        return result

    def picture(self, model):
        self.check(self.run_pique('a.png', '-o', 'b.png', '-y', model=model), 0)
        return read(self.path('b.png'))

    def inputs(self):
        """Files of every kind, with the weights of tiny."""
        write(self.path('zip.pth'), make_pth.save({'params_ema': make_pth.plain(self.net)}))
        write(self.path('old.pth'), make_pth.save_legacy(make_pth.transposed(self.net)))
        write(self.path('script.pt'), make_pth.save(make_pth.script(self.net)))
        shutil.copy(os.path.join(self.models, 'tiny.safetensors'), self.path('st.safetensors'))
        return ['zip.pth', 'old.pth', 'script.pt', 'st.safetensors']

    def test_every_kind_becomes_the_same_weights_and_the_same_picture(self):
        self.put('a.png', png(23, 17, 'noise'))
        wanted = self.picture('tiny')
        for name in self.inputs():
            result = self.convert('./' + name, 'out.safetensors', '-y')
            self.assertIn(b'out.safetensors (', result.stdout)
            metadata, tensors = read_strictly(read(self.path('out.safetensors')))
            self.assertEqual({n: ('F32',) + t for n, t in self.net.items()}, tensors, name)
            self.assertEqual(sorted(metadata), ['format', 'pique_version', 'source_sha256'])
            self.assertEqual(metadata['format'], 'pt')
            self.assertEqual(metadata['source_sha256'], sha256(self.path(name)))
            self.assertEqual(self.picture('./out.safetensors'), wanted, name)

    def test_half_rounds_to_nearest_even(self):
        self.put('a.png')
        self.convert('tiny', 'half.safetensors', '--half')
        _, tensors = read_strictly(read(self.path('half.safetensors')))
        for name, (shape, values) in self.net.items():
            rounded = struct.unpack('<%de' % len(values), struct.pack('<%de' % len(values), *values))
            self.assertEqual(tensors[name], ('F16', shape, list(rounded)), name)
        self.picture('./half.safetensors')

    def test_an_ncnn_pair_gets_the_names_of_its_architecture(self):
        self.put('a.png', png(23, 17, 'noise'))
        self.convert('pair', 'out.safetensors')
        metadata, tensors = read_strictly(read(self.path('out.safetensors')))
        self.assertEqual(list(tensors), list(self.net))
        self.assertEqual(metadata['source_sha256'], sha256(os.path.join(self.models, 'pair.bin')))
        self.assertEqual(self.picture('./out.safetensors'), self.picture('pair'))

    def test_an_onnx_file_gives_the_same_picture(self):
        self.put('a.png', png(23, 17, 'noise'))
        for name in ('tiny', 'pair'):
            wanted = self.picture(name)
            self.convert(name, 'out.onnx', '-y')
            self.assertEqual(self.picture('./out.onnx'), wanted, name)
        self.convert('./out.onnx', 'again.onnx')
        self.assertEqual(self.picture('./again.onnx'), wanted)
        self.convert('tiny', 'half.onnx', '--half')
        self.assertLess(len(read(self.path('half.onnx'))), len(read(self.path('out.onnx'))))
        self.picture('./half.onnx')

    def test_a_weight_that_a_half_cannot_hold_is_named(self):
        net = dict(self.net)
        shape, values = net['body.2.bias']
        net['body.2.bias'] = (shape, [70000.0] + list(values[1:]))
        write(self.path('big.pth'), make_pth.save(make_pth.plain(net)))
        self.convert('big.pth', 'out.safetensors', '--half', status=65,
                     sentence="big.pth: tensor 'body.2.bias' holds 70000, and the largest 16-bit")
        self.convert('big.pth', 'out.safetensors')
        self.assertEqual(self.files(), ['big.pth', 'out.safetensors'])

    def test_nothing_is_replaced_unless_asked_for_and_never_the_model_itself(self):
        self.put('out.safetensors', b'mine')
        self.convert('tiny', 'out.safetensors', status=73, sentence='--overwrite replaces it')
        self.assertEqual(read(self.path('out.safetensors')), b'mine')
        self.convert('tiny', 'out.safetensors', '-y')
        os.link(self.path('out.safetensors'), self.path('same.safetensors'))
        self.convert('./out.safetensors', 'same.safetensors', '-y', status=73, sentence='itself')
        self.assertEqual(self.files(), ['out.safetensors', 'same.safetensors'])

    def test_what_cannot_be_written_or_read_is_refused(self):
        write(self.path('cut.pth'), make_pth.save(make_pth.plain(self.net))[:-9])
        for words, status, sentence in (
                (['tiny'], 2, 'takes NAME|FILE OUT.safetensors'), (['tiny', 'a', 'b'], 2, 'takes'),
                (['tiny', 'x.pth'], 2, 'ends in .safetensors'),
                (['tiny', '-'], 2, 'ends in .safetensors'),
                (['tiny', 'no/x.safetensors'], 73, 'its folder does not exist'),
                (['nonsense', 'x.safetensors'], 69, 'nonsense'),
                (['gone.pth', 'x.safetensors'], 66, 'gone.pth'),
                (['cut.pth', 'x.safetensors'], 65, 'cut.pth: ')):
            with self.subTest(words):
                self.convert(*words, status=status, sentence=sentence)
        self.assertEqual(self.files(), ['cut.pth'])

    def test_a_blend_lies_between_its_two(self):
        self.put('a.png', png(23, 17, 'noise'))
        other = {n: (s, [f32(v * 0.9) for v in values])
                 for n, (s, values) in self.net.items()}
        write(self.path('other+x.pth'), make_pth.save(make_pth.plain(other)))
        result = self.run_pique('models', 'blend', 'tiny', 'other+x.pth', '0.25',
                                'out.safetensors', model=None)
        self.check(result, 0)
        metadata, tensors = read_strictly(read(self.path('out.safetensors')))
        for name, (shape, values) in self.net.items():
            want = [f32(f32(0.25 * v) + f32(0.75 * o)) for v, o in zip(values, other[name][1])]
            self.assertEqual(tensors[name], ('F32', shape, want), name)
        self.assertEqual(metadata['blend_weight'], '0.25')
        self.assertEqual(metadata['blend_b_sha256'], sha256(self.path('other+x.pth')))
        self.assertNotIn('source_sha256', metadata)
        wanted = self.picture('./out.safetensors')
        self.assertEqual(self.picture('tiny+other+x.pth:0.25'), wanted)
        self.assertEqual(self.picture('tiny+./other+x.pth:1'), self.picture('tiny'))
        self.assertNotEqual(self.picture('tiny+other+x.pth:.5'), wanted)
        info = self.run_pique('models', 'info', 'tiny+other+x.pth:0.25', '--json', model=None)
        self.check(info, 0)
        self.assertEqual(json.loads(info.stdout)['container'], 'blend')
        # A file that is called so goes first.
        shutil.copy(self.path('out.safetensors'), self.path('tiny+other+x.pth:1'))
        self.assertEqual(self.picture('tiny+other+x.pth:1'), wanted)

    def test_what_cannot_be_blended_is_refused(self):
        self.put('a.png')
        self.make_model('threefold', 4, 2, 3)
        blend = ['models', 'blend']
        for words, status, sentence in (
                (blend + ['tiny', 'tiny', '0.5'], 2, 'takes A B W OUT.safetensors'),
                (blend + ['tiny', 'tiny', '1.5', 'x.safetensors'], 2, "0 to 1, not '1.5'"),
                (blend + ['tiny', 'tiny', 'nan', 'x.safetensors'], 2, "0 to 1, not 'nan'"),
                (blend + ['tiny', 'tiny', '-1', 'x.safetensors'], 2, '-1'),
                (blend + ['tiny', 'gone', '1', 'x.safetensors'], 69, 'gone'),
                (blend + ['tiny', 'threefold', '1', 'x.safetensors'], 65,
                 "threefold.safetensors: tensor 'body.6.weight' has shape"),
                (['a.png', '-m', 'tiny+threefold:0.5'], 65, "tensor 'body.6.weight'"),
                (['a.png', '-m', 'tiny+gone:0.5'], 69, 'tiny+gone:0.5'),
                (['a.png', '-m', 'tiny+tiny:2'], 2, 'a weight W of A from 0 to 1')):
            with self.subTest(words):
                self.check(self.run_pique(*words, model=None), status, sentence)
        self.assertEqual(self.files(), ['a.png'])

    def test_a_full_disk_leaves_nothing(self):
        os.mkdir(self.path('full'))
        net = dict(make_pth.network(features=64, convs=2))
        write(self.path('large.pth'), make_pth.save(make_pth.plain(net)))
        script = ('mount -t tmpfs -o size=64k none full || exit 77\n'
                  '"$@"\nstatus=$?\nls -A full\nexit $status')
        words = ['unshare', '-rm', 'sh', '-c', script, 'sh', PROGRAM]
        if not shutil.which('unshare'):
            self.skipTest('unshare is not there')
        result = self.run_pique('models', 'convert', 'large.pth', 'full/x.safetensors', model=None,
                                program=words)
        if result.returncode in (1, 77) and b'pique' not in result.stderr:
            self.skipTest('no small file system can be mounted here: ' + result.stderr.decode())
        self.check(result, 75, 'full/x.safetensors')
        self.assertEqual(result.stdout, b'')


if __name__ == '__main__':
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Convert)
    outcome = unittest.TextTestRunner(verbosity=2, stream=sys.stderr).run(suite)
    sys.exit(0 if outcome.wasSuccessful() else 1)
