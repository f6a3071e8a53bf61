#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch files through the whole program: the same picture as from the same weights in another
file, and a refusal of those that try to run code."""
import json
import os
import sys
import unittest

from test_cli import Case, png, read, write

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'model'))
sys.dont_write_bytecode = True
import make_pth  # noqa: E402


class Pth(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = make_pth.read_safetensors(read(os.path.join(cls.models, 'tiny.safetensors')))

    def model(self, name, data):
        write(os.path.join(self.models, name), data)
        return name

    def upscaled(self, model):
        self.check(self.run_pique('a.png', '-o', 'b.png', '-y', model=model), 0)
        return read(self.path('b.png'))

    def test_the_same_weights_give_the_same_picture(self):
        self.put('a.png', png(23, 17, 'noise'))
        wanted = self.upscaled('tiny')
        for name, data in (('zip.pth', make_pth.save({'params': make_pth.plain(self.net)})),
                           ('old.pth', make_pth.save_legacy(make_pth.plain(self.net))),
                           ('turned.pt', make_pth.save(make_pth.transposed(self.net))),
                           ('one.ckpt', make_pth.save({'state_dict': make_pth.shared(self.net)}))):
            self.model(name, data)
            self.assertEqual(self.upscaled(name.rsplit('.', 1)[0]), wanted, name)

    def test_info_lists_what_the_pickle_names(self):
        self.model('listed.pth', make_pth.save({'epoch': 3, 'params': make_pth.plain(self.net)}))
        result = self.run_pique('models', 'info', 'listed', '--json', model=None)
        self.check(result, 0)
        info = json.loads(result.stdout)
        self.assertEqual(info['container'], 'pth')
        self.assertEqual(info['metadata']['epoch'], '3')
        tensors = len(self.net)
        self.assertEqual(info['globals'], [
            {'name': 'collections.OrderedDict', 'uses': tensors + 1, 'role': 'interpreted'},
            {'name': 'torch._utils._rebuild_tensor_v2', 'uses': tensors, 'role': 'interpreted'},
            {'name': 'torch.FloatStorage', 'uses': tensors, 'role': 'interpreted'}])
        text = self.run_pique('models', 'info', 'listed', model=None).stdout.decode()
        self.assertIn('\npickle globals\n', text)
        self.assertRegex(text, r'\n *%d x  interpreted +torch.FloatStorage\n' % tensors)
        made = {'params': make_pth.plain(self.net), 'who': make_pth.Call(make_pth.OPAQUE, 1)}
        self.model('opaque.pth', make_pth.save(made))
        text = self.run_pique('models', 'info', 'opaque', model=None).stdout.decode()
        self.assertRegex(text, r'\n +1 x  opaque +omegaconf.DictConfig\n')
        info = json.loads(self.run_pique('models', 'info', 'tiny', '--json', model=None).stdout)
        self.assertEqual(info['globals'], [])
        self.assertIn(b'listed.pth', self.run_pique('models', model=None).stdout)

    def test_a_file_that_tries_to_run_code_is_refused(self):
        self.put('a.png')
        self.model('evil.pth', make_pth.with_pickle(make_pth.code('os.system')))
        for words in (['a.png', '-m', 'evil'], ['models', 'info', 'evil']):
            self.check(self.run_pique(*words, model=None), 65,
                       'evil.pth: tries to run code when it is opened (os.system)')
        code = b''.join(b'c%s\n0' % n for n in (b'os\nsystem', b'torch\nSize', b'builtins\nexec'))
        self.model('worse.pth', make_pth.with_pickle(b'\x80\2' + code + b'}.'))
        self.check(self.run_pique('models', 'info', 'worse', model=None), 65,
                   'tries to run code when it is opened (os.system, builtins.exec)')
        self.assertEqual(self.files(), ['a.png'])

    def test_torchscript_opens_and_gives_the_same_picture(self):
        self.put('a.png', png(23, 17, 'noise'))
        self.model('script.pt', make_pth.zip_file(make_pth.script_entries(self.net),
                                                  pack=['.py', '.debug_pkl']))
        self.assertEqual(self.upscaled('script'), self.upscaled('tiny'))


if __name__ == '__main__':
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Pth)
    outcome = unittest.TextTestRunner(verbosity=2, stream=sys.stderr).run(suite)
    sys.exit(0 if outcome.wasSuccessful() else 1)
