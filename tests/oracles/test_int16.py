#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tier int16 of the processor against fp32, with the weights that people run.

    test_int16.py RUN-MODEL [unittest options]

docs/numerics.md states the bound of each architecture, and what was measured. Crops of
docs/sample.png are always there; photographs and films' frames are where PIQUE_SHARED has them."""
import os
import sys
import tempfile
import unittest

import need

need.numpy_and_pillow()

import support

sys.path.insert(0, os.path.join(os.environ.get('PIQUE_SOURCE_ROOT', os.path.join(
    os.path.dirname(os.path.abspath(__file__)), '..', '..')), 'tools'))
import measure_tiers

PROGRAM = 'run-model'
CROP = 64
# Architecture: dB at least, then at most so much of all values off by more than one 8-bit step, and
# by more than two.
BOUNDS = {'Compact': (72, 0.0001, 0), 'ESRGAN': (68, 0.001, 0.0001), 'OmniSR': (75, 0, 0),
          'UpCunet': (72, 0.0001, 0), 'UpConv7': (75, 0, 0), 'VGG7': (75, 0, 0)}
MODELS = {'realesr-animevideov3-x2': 'Compact', 'realesr-animevideov3-x3': 'Compact',
          'realesr-animevideov3-x4': 'Compact', 'realesrgan-x4fast': 'Compact',
          '2x-AniScale': 'Compact', '4x-NMKD-YandereNeo-Superlite': 'ESRGAN',
          'realesrgan-x4plus-anime': 'ESRGAN', 'realesrgan-x4plus': 'ESRGAN',
          '4x_WTP_descreenton': 'OmniSR', 'realcugan/up2x-conservative': 'UpCunet',
          'realcugan/up2x-denoise3x': 'UpCunet', 'realcugan/up4x-no-denoise': 'UpCunet',
          'waifu2x-cunet/noise1_model': 'UpCunet',
          'waifu2x-upconv-7-anime/noise1_scale2.0x_model': 'UpConv7',
          'waifu2x-vgg-7/noise1_model': 'VGG7'}


def pictures():
    paths = [os.path.join(measure_tiers.ROOT, 'docs', 'sample.png')]
    paths += [support.find_shared(name) for name in ('media/0014.jpg', 'frame_640x360.png')]
    return list(measure_tiers.crops([path for path in paths if path], CROP))


class Int16(unittest.TestCase):
    def test_each_network_is_within_its_bound(self):
        found = {name: support.find_model(name) for name in MODELS}
        if not any(found.values()):
            self.skipTest('no weights: pique models fetch realesr-animevideov3-x4')
        crops = pictures()
        for name, path in found.items():
            if not path:
                print('    skipped: no weights of ' + name)
                continue
            with self.subTest(model=name), tempfile.TemporaryDirectory() as folder:
                db, largest, one, two, bad, _ = measure_tiers.measure(
                    PROGRAM, path, crops, folder, ['int16'])['int16']
                print('    %s: %.1f dB, %.2f steps at most' % (name, db, largest), flush=True)
                least, most_one, most_two = BOUNDS[MODELS[name]]
                self.assertEqual(bad, 0)
                self.assertGreaterEqual(db, least)
                self.assertLess(db, 110)  # it is not fp32 that was run
                self.assertLessEqual(one, most_one)
                self.assertLessEqual(two, most_two)


if __name__ == '__main__':
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
