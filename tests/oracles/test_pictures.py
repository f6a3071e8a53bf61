#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pictures of every kind through the program, each compared with what pique_oracle.py computes.

    test_pictures.py PIQUE [unittest options]

The bound: a sample of the output, which is an integer, lies within half a step (rounding) of the
oracle's unrounded value, plus TOLERANCE for float32 against float64 arithmetic. Where another
bound holds, the test says which and why."""
import io
import os
import sys
import tempfile
import unittest

import need

need.numpy_and_pillow()

import numpy as np
from PIL import Image

import cmyk
import pique_oracle as oracle
import support

PROGRAM = 'pique'

# Of the range 0..1, one pass through a small network; 16-bit samples then lie within 0.5 + 0.13
# steps, 8-bit ones within 0.5 + 0.0005. Measured: 0.5 + 0.03.
TOLERANCE = 2e-6


class Pictures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix='pique-oracles-')
        cls.count = 0
        cls.models = {}
        for name, args in {'x1': (16, 3, 1), 'x2': (24, 4, 2), 'x3': (16, 2, 3), 'x4': (24, 3, 4),
                           'x2-grey': (24, 3, 2, 1), 'x2-alpha': (16, 3, 2, 4)}.items():
            cls.models[name] = support.write_model(cls.path(name + '.safetensors'), *args,
                                                   seed=len(cls.models) + 1)
        # No last weights and no biases: the output is the input.
        cls.models['same'] = support.write_model(cls.path('same.safetensors'), 8, 1, 1, last=0)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    def run_picture(self, data, suffix, model, *args, out='.png'):
        """Path of the output for a picture file of these bytes."""
        type(self).count += 1
        source = self.path('%d%s' % (self.count, suffix))
        target = self.path('%d-out%s' % (self.count, out))
        with open(source, 'wb') as f:
            f.write(data)
        support.run_pique(PROGRAM, source, '-o', target, '-m', model, '-q', *args)
        return target

    def compare(self, target, result, depth, bound, colour_bound=None):
        """bound: of 0..1, beside the half step; colour_bound: an array for colours alone."""
        got, got_depth = support.read_png(target)
        want = result.scaled(depth)
        self.assertEqual((got_depth, got.shape), (depth, want.shape))
        off = abs(got - want) - 0.5
        limit = np.full(want.shape, bound * (2 ** depth - 1))
        if colour_bound is not None:
            colours = want.shape[2] - 1
            limit[:, :, :colours] = colour_bound[:, :, None] * (2 ** depth - 1)
        worst = np.unravel_index((off / limit).argmax(), off.shape)
        print('    %-6s %d bits: at most 0.5 %+.4f steps, allowed 0.5 + %.4f' % (
            'x'.join(map(str, want.shape)), depth, off[worst], limit[worst]))
        self.assertLessEqual(off[worst], limit[worst], 'at row, column, plane %s: %d for %.4f' % (
            worst, got[worst], want[worst]))

    def check(self, samples, depth=8, model='x2', args=(), out_depth=None, tolerance=TOLERANCE,
              data=None, suffix='.png', **options):
        """samples: the picture as it is seen; data: the file, where it is not a plain PNG of
        them."""
        names = model.split(',')
        path = ','.join(self.models.get(name, name) for name in names)
        target = self.run_picture(data or support.png(samples, depth), suffix, path, *args,
                                  *(['--depth', out_depth] if out_depth else []))
        result = oracle.upscale(samples, depth, [oracle.read_model(p) for p in path.split(',')],
                                **options)
        bound = tolerance
        colour_bound = None
        if result.planes.shape[2] == 4 and result.resized:
            # Colours were divided by alpha, and so was their error.
            colour_bound = bound / np.maximum(result.planes[:, :, 3], 1e-6)
        self.compare(target, result, out_depth or depth, bound, colour_bound)

    # ---- kinds of pictures ----

    def test_an_rgb_picture_of_8_bits(self):
        self.check(support.drawing(37, 29, 3))
        self.check(support.drawing(37, 29, 3), model='x3')
        self.check(support.drawing(37, 29, 3), model='x4', out_depth=16)

    def test_an_rgb_picture_of_16_bits(self):
        self.check(support.drawing(37, 29, 3, 16), 16)
        self.check(support.drawing(37, 29, 3, 16), 16, out_depth=8)

    def test_an_rgba_picture_of_16_bits(self):
        self.check(support.drawing(110, 50, 4, 16), 16)
        self.check(support.drawing(51, 30, 4, 16), 16, model='x4')

    def test_an_rgba_picture_of_8_bits(self):
        self.check(support.drawing(110, 50, 4))
        self.check(support.drawing(110, 50, 4), model='x1', out_depth=16)

    def test_several_models_one_after_the_other(self):
        twice = 2 * TOLERANCE
        self.check(support.drawing(37, 29, 3), model='x1,x2', out_depth=16, tolerance=2 * twice)
        self.check(support.drawing(51, 30, 4, 16), 16, model='x1,x2-alpha', tolerance=2 * twice)
        self.check(support.drawing(40, 31, 1), model='x2-grey,x1', out_depth=16,
                   tolerance=2 * twice)
        self.check(support.drawing(23, 17, 3), model='x1,x2', args=['-s', '3.5'], scale=3.5,
                   out_depth=16, tolerance=4 * twice)
        self.check(support.drawing(23, 17, 3), model='x1,x1', tolerance=2 * twice)

    def test_the_mean_over_the_eight_turns(self):
        self.check(support.drawing(37, 29, 3), args=['--tta'], tta=True, out_depth=16)
        self.check(support.drawing(29, 37, 3), model='x3', args=['--tta'], tta=True)
        self.check(support.drawing(51, 30, 4, 16), 16, args=['--tta'], tta=True)
        self.check(support.drawing(40, 31, 1), model='x2-grey', args=['--tta'], tta=True)
        self.check(support.drawing(23, 17, 3), model='x1,x2', args=['--tta', '-s', '3'], scale=3,
                   tta=True, out_depth=16, tolerance=8 * TOLERANCE)

    def test_a_picture_with_nothing_visible_keeps_its_stored_colours(self):
        samples = support.drawing(20, 15, 4)
        samples[:, :, 3] = 0
        self.check(samples, out_depth=16)

    def test_an_opaque_picture_with_alpha_stays_opaque(self):
        samples = support.drawing(20, 15, 4)
        samples[:, :, 3] = 255
        self.check(samples, out_depth=16)

    def test_grey_pictures_stay_grey(self):
        self.check(support.drawing(40, 31, 1))
        self.check(support.drawing(40, 31, 1, 16), 16)
        self.check(support.drawing(90, 31, 2), out_depth=16)
        self.check(support.drawing(90, 31, 2, 16), 16)

    def test_grey_pictures_of_few_bits(self):
        for bits in (1, 2, 4):
            few = support.drawing(21, 17, 1) >> (8 - bits)
            self.check(few * 255 // (2 ** bits - 1), data=support.png(few, bits))

    def test_a_palette_picture(self):
        indices, palette = self.palette_picture()
        self.check(palette[indices[:, :, 0]], data=support.png(indices, 8, palette))
        few = indices % 4
        self.check(palette[few[:, :, 0]], data=support.png(few, 2, palette[:4]))

    def test_a_palette_picture_with_transparency(self):
        indices, palette = self.palette_picture()
        alpha = np.full(len(palette), 255)
        alpha[:9] = (0, 10, 80, 0, 200, 255, 128, 0, 60)
        samples = np.concatenate([palette, alpha[:, None]], 1)[indices[:, :, 0]]
        self.check(samples, data=support.png(indices, 8, palette, alpha[:9]))

    def palette_picture(self):
        r = np.random.RandomState(7)
        palette = r.randint(0, 256, (32, 3))
        return (support.drawing(60, 44, 1, seed=3) // 8), palette

    def jpeg(self, image, **options):
        """The file, and the samples as Pillow decodes them; both programs use libjpeg-turbo."""
        file = io.BytesIO()
        image.save(file, 'JPEG', **options)
        samples = np.array(Image.open(io.BytesIO(file.getvalue()))).astype(int)
        return file.getvalue(), samples.reshape(samples.shape[0], samples.shape[1], -1)

    def image(self, w, h, n, **more):
        samples = support.drawing(w, h, n, **more).astype('u1')
        return Image.fromarray(samples if n > 1 else samples[:, :, 0])

    def test_a_colour_jpeg(self):
        for subsampling in (0, 2):
            data, samples = self.jpeg(self.image(45, 33, 3), quality=88, subsampling=subsampling)
            self.check(samples, data=data, suffix='.jpg')

    def test_a_grey_jpeg(self):
        data, samples = self.jpeg(self.image(45, 33, 1), quality=88)
        self.assertEqual(samples.shape[2], 1)
        self.check(samples, data=data, suffix='.jpg')

    def test_one_colour_of_a_png_may_be_the_transparent_one(self):
        samples = support.drawing(40, 31, 3)
        samples[5:20, 8:30] = (17, 200, 3)
        key = np.array([17, 200, 3], '>u2').tobytes()
        alpha = np.where((samples == (17, 200, 3)).all(2), 0, 255)[:, :, None]
        self.check(np.concatenate([samples, alpha], 2),
                   data=support.png(samples, transparency=key))

    def test_pictures_in_other_formats(self):
        for suffix, n, more in (('.webp', 3, {'lossless': True}), ('.webp', 4, {'lossless': True}),
                                ('.gif', 1, {}), ('.bmp', 3, {}), ('.ppm', 3, {}), ('.pgm', 1, {}),
                                ('.tif', 3, {}), ('.tif', 4, {'compression': 'tiff_lzw'}),
                                ('.tif', 1, {'compression': 'tiff_deflate'})):
            file = io.BytesIO()
            kind = {'.tif': 'TIFF', '.pgm': 'PPM'}.get(suffix, suffix[1:].upper())
            self.image(41, 26, n).save(file, kind, **more)
            with Image.open(io.BytesIO(file.getvalue())) as image:
                # A GIF has a palette, so it is a colour picture, whatever its colours.
                mode = 'RGB' if suffix == '.gif' else {1: 'L', 3: 'RGB', 4: 'RGBA'}[n]
                samples = np.array(image.convert(mode)).astype(int).reshape(26, 41, -1)
            with self.subTest(suffix=suffix, planes=n):
                self.check(samples, data=file.getvalue(), suffix=suffix)
        samples = support.drawing(41, 26, 3, 16)
        self.check(samples, 16, data=b'P6 41 26 65535\n' + samples.astype('>u2').tobytes(),
                   suffix='.ppm')

    def test_an_exif_rotated_jpeg_is_turned_once(self):
        turn = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
                4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
                6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
                8: Image.Transpose.ROTATE_90}
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            data, samples = self.jpeg(self.image(29, 18, 3), quality=90, exif=exif)
            if orientation > 1:
                seen = Image.fromarray(samples.astype('u1')).transpose(turn[orientation])
                samples = np.array(seen).astype(int)
            with self.subTest(orientation=orientation):
                self.check(samples, data=data, suffix='.jpg')

    def cmyk_picture(self):
        """A JPEG with a profile that is a formula, and what it looks like."""
        inks = Image.fromarray(support.drawing(45, 33, 4, seed=5).astype('u1'), 'CMYK')
        data, samples = self.jpeg(inks, quality=92, icc_profile=cmyk.profile())
        return data, cmyk.to_srgb(samples)

    def test_a_cmyk_jpeg_becomes_srgb_by_its_profile(self):
        # Through a network that changes nothing. Half a step for rounding, and as much for the
        # matrix and curve of sRGB, which profiles hold in 16 bits.
        data, srgb = self.cmyk_picture()
        target = self.run_picture(data, '.jpg', self.models['same'])
        got, depth = support.read_png(target)
        self.assertEqual((got.shape, depth), (srgb.shape, 8))
        print('    at most %.3f steps, allowed 1' % abs(got - srgb).max())
        self.assertLessEqual(abs(got - srgb).max(), 1)
        with Image.open(target) as image:
            profile = image.info.get('icc_profile', b'')
            self.assertEqual(profile[16:20] or b'RGB ', b'RGB ', 'the CMYK profile is still there')

    def test_a_cmyk_jpeg_through_a_network(self):
        # The same network over the picture as the program decodes it: the bound is the usual one.
        data, _ = self.cmyk_picture()
        decoded, _ = support.read_png(self.run_picture(data, '.jpg', self.models['same']))
        self.check(decoded, data=data, suffix='.jpg')

    def test_the_smallest_pictures(self):
        for w, h in ((1, 1), (1, 17), (17, 1), (3, 5), (2, 2)):
            for n in (3, 4, 1):
                with self.subTest(width=w, height=h, planes=n):
                    self.check(support.drawing(w, h, n, 16), 16)
        self.check(support.drawing(3, 5, 4, 16), 16, model='x4')

    def test_long_pictures(self):
        self.check(support.drawing(1, 300, 3, 16), 16)
        self.check(support.drawing(300, 1, 4, 16), 16)

    # ---- models ----

    def test_a_network_of_scale_1(self):
        self.check(support.drawing(30, 20, 4, 16), 16, model='x1')

    def test_a_network_of_one_channel_takes_each_plane_alone(self):
        self.check(support.drawing(30, 20, 3, 16), 16, model='x2-grey')
        self.check(support.drawing(90, 20, 4, 16), 16, model='x2-grey')

    def test_a_network_of_four_channels_takes_alpha_itself(self):
        self.check(support.drawing(30, 20, 3, 16), 16, model='x2-alpha')
        self.check(support.drawing(90, 20, 4, 16), 16, model='x2-alpha')

    def test_weights_in_half_precision(self):
        for dtype in ('F16', 'BF16'):
            path = support.write_model(self.path(dtype + '.safetensors'), 24, 3, 2, dtype=dtype)
            self.check(support.drawing(30, 20, 3, 16), 16, model=path)

    def test_more_sizes_of_networks(self):
        for features, convs in ((48, 2), (64, 2), (32, 8)):
            path = support.write_model(self.path('%d-%d.safetensors' % (features, convs)),
                                       features, convs, 2)
            self.check(support.drawing(23, 14, 3, 16), 16, model=path)

    # ---- size ----

    def test_any_scale(self):
        small, seen = support.drawing(31, 22, 3, 16), support.drawing(70, 22, 4, 16)
        for model, scale in (('x2', 2), ('x4', 2), ('x2', 1), ('x2', 1.5), ('x4', 3), ('x2', 0.4),
                             ('x2', 3), ('x3', 2.71)):
            with self.subTest(model=model, scale=scale):
                # Two passes: the error of the first goes through the second.
                two = {'tolerance': 4 * TOLERANCE} if model == 'x2' and scale == 3 else {}
                for picture in (small, seen):
                    self.check(picture, 16, model=model, args=('-s', scale), scale=scale, **two)

    def test_more_passes(self):
        # Each pass passes on the error of the one before, and adds its own.
        self.check(support.drawing(7, 5, 3, 16), 16, model='x4', args=('-s', 16), scale=16,
                   tolerance=4 * TOLERANCE)
        self.check(support.drawing(9, 6, 4, 16), 16, model='x4', args=('-s', 16), scale=16,
                   tolerance=4 * TOLERANCE)
        self.check(support.drawing(7, 5, 3, 16), 16, model='x2', args=('-s', 8), scale=8,
                   tolerance=8 * TOLERANCE)

    def test_a_width_a_height_or_both(self):
        picture = support.drawing(31, 22, 3, 16)
        self.check(picture, 16, args=('--width', 50), width=50)
        self.check(picture, 16, args=('--height', 37), height=37)
        self.check(picture, 16, args=('--width', 40, '--height', 41), width=40, height=41)
        self.check(support.drawing(31, 22, 4, 16), 16, args=('--width', 100), width=100,
                   tolerance=4 * TOLERANCE)

    def test_the_largest_size_that_fits(self):
        picture = support.drawing(31, 22, 3, 16)
        self.check(picture, 16, args=('--fit', '50x50'), fit=(50, 50))
        self.check(picture, 16, args=('--fit', '60x33'), fit=(60, 33))

    def test_a_picture_is_reduced_first(self):
        # The reduced alpha is rounded to 16 bits; where float32 and float64 fall to two sides, one
        # such step (1.6e-5) goes through the network.
        for n, tolerance in ((3, TOLERANCE), (4, 4e-5)):
            picture = support.drawing(62, 47, n, 16)
            self.check(picture, 16, args=('--pre-downscale', 20), pre_downscale=20,
                       tolerance=tolerance)
            self.check(picture, 16, args=('--pre-downscale', 20, '-s', 1.5), pre_downscale=20,
                       scale=1.5, tolerance=tolerance)
        self.check(picture, 16, args=('--pre-downscale', 48), pre_downscale=48)

    # ---- look ----

    def test_sharpening(self):
        # The filter's gain is below 1 + 2 s.
        self.check(support.drawing(31, 22, 3, 16), 16, args=('--sharpen', 1.5), sharpen=1.5,
                   tolerance=4 * TOLERANCE)
        self.check(support.drawing(1, 4, 3, 16), 16, args=('--sharpen', 1.5), sharpen=1.5,
                   tolerance=4 * TOLERANCE)

    def test_contrast_turns_about_the_mean_of_the_source(self):
        for factor in (0.5, 1.8):
            self.check(support.drawing(31, 22, 3, 16), 16, args=('--contrast', factor),
                       contrast=factor, tolerance=2 * TOLERANCE)
        self.check(support.drawing(90, 22, 4, 16), 16, args=('--contrast', 1.8), contrast=1.8,
                   tolerance=2 * TOLERANCE)

    def test_saturation(self):
        for factor in (0, 0.5, 1.7):
            self.check(support.drawing(31, 22, 3, 16), 16, args=('--saturation', factor),
                       saturation=factor, tolerance=2 * TOLERANCE)

    def test_all_effects_after_a_resize(self):
        args = ('-s', 1.5, '--sharpen', 0.8, '--contrast', 1.3, '--saturation', 1.4)
        more = {'scale': 1.5, 'sharpen': 0.8, 'contrast': 1.3, 'saturation': 1.4}
        self.check(support.drawing(31, 22, 3, 16), 16, args=args, tolerance=5 * TOLERANCE, **more)
        self.check(support.drawing(31, 22, 1), out_depth=16, args=args, tolerance=5 * TOLERANCE,
                   **more)

    def test_alpha_is_dropped(self):
        self.check(support.drawing(60, 22, 4, 16), 16, args=('--alpha', 'drop'), alpha='drop')
        self.check(support.drawing(60, 22, 2, 16), 16, args=('--alpha', 'drop'), alpha='drop')

    def test_alpha_is_flattened(self):
        for n in (2, 4):
            picture = support.drawing(60, 22, n, 16)
            self.check(picture, 16, args=('--alpha', 'flatten'), alpha='flatten')
            self.check(picture, 16, args=('--alpha', 'flatten', '--background', '2040c0'),
                       alpha='flatten', background=(0x20, 0x40, 0xc0))

    # ---- formats ----

    def test_formats_without_loss_hold_the_same_samples(self):
        for n, formats in ((3, ('.webp', '.tif', '.ppm')), (4, ('.webp', '.tif')), (1, ('.tif',))):
            picture = support.drawing(40, 21, n)
            want, _ = support.read_png(self.run_picture(support.png(picture), '.png',
                                                        self.models['x2']))
            for suffix in formats:
                args = ['--lossless'] if suffix == '.webp' else []
                target = self.run_picture(support.png(picture), '.png', self.models['x2'], *args,
                                          out=suffix)
                with Image.open(target) as image:
                    got = np.array(image).astype(int).reshape(want.shape)
                if n == 4 and suffix == '.webp':  # may forget colours that nobody sees
                    got, want_seen = got * (got[:, :, 3:] > 0), want * (want[:, :, 3:] > 0)
                else:
                    want_seen = want
                with self.subTest(planes=n, suffix=suffix):
                    self.assertTrue((got == want_seen).all())

    def test_a_jpeg_shows_the_flattened_picture(self):
        # Even at quality 100 JPEG rounds YCbCr and its 64 coefficients a block to whole numbers.
        samples = support.drawing(60, 22, 4)
        target = self.run_picture(support.png(samples), '.png', self.models['x2'], '--quality', 100,
                                  out='.jpg')
        result = oracle.upscale(samples, 8, oracle.read_model(self.models['x2']), alpha='flatten')
        with Image.open(target) as image:
            got = np.array(image).astype(int)
        off = abs(got - result.scaled(8))
        print('    at most %.2f steps, allowed 6' % off.max())
        self.assertLessEqual(off.max(), 6)

    # ---- real weights and pictures ----

    def test_real_weights(self):
        path = support.find_model('realesr-animevideov3-x4')
        if not path:
            self.skipTest('no realesr-animevideov3-x4: pique models fetch realesr-animevideov3')
        # A deep network: 6e-8 of noise in its input, float32's own, is 1.5e-5 in its output.
        self.check(support.drawing(40, 30, 3, 16), 16, model=path, tolerance=5e-5)
        self.check(support.drawing(90, 24, 4, 16), 16, model=path, tolerance=5e-5)
        self.check(support.drawing(24, 20, 1), model=path, args=('-s', 1.5), scale=1.5,
                   tolerance=5e-5)

    def test_real_weights_of_scale_2_and_3(self):
        for name in ('realesr-animevideov3-x2', 'realesr-animevideov3-x3'):
            path = support.find_model(name)
            if not path:
                self.skipTest('no ' + name + ': pique models fetch ' + name)
            self.check(support.drawing(40, 31, 3, 16), 16, model=path, tolerance=5e-5)

    def test_pictures_from_elsewhere(self):
        names = ('0014.jpg', 'wolf_gray.jpg', 'children-alpha.png', 'tree_alpha_16bit.png')
        paths = [support.find_shared('media', name) for name in names]
        if not all(paths):
            self.skipTest('no reference pictures beside the source')
        small = support.write_model(self.path('small.safetensors'), 8, 1, 2)
        for path in paths:
            data = oracle.read_bytes(path)
            if path.endswith('.png'):
                samples, depth = support.read_png(path)
            else:
                samples, depth = np.array(Image.open(path)).astype(int), 8
                samples = samples.reshape(samples.shape[0], samples.shape[1], -1)
            with self.subTest(picture=os.path.basename(path)):
                self.check(samples, depth, model=small, data=data, suffix=path[-4:], out_depth=16)


if __name__ == '__main__':
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
