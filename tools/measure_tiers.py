#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What 16 bits do to models: each runs in fp32, on the measuring devices cpu:fp16 and cpu:bf16, and
in the tier int16, over crops of pictures.

    measure_tiers.py [--crop N] [--build DIR] [--tier TIER] MODEL ... -- PICTURE ...

A line a model and tier: the signal-to-noise ratio against fp32 in dB, the largest difference and
the shares of values that are off by more than one step and two, all in 8-bit steps of the result
before it is rounded, how many values are not finite, and the largest value in fp32: a network that is not
trained may leave 0..1 far behind. Values are clipped to 0..1 before they are compared.
docs/numerics.md says what was found. Needs NumPy and Pillow."""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')


def crops(paths, size):
    """The middle of each picture, as RGB planes in 0..1."""
    for path in paths:
        image = Image.open(path).convert('RGB')
        w, h = min(size, image.width), min(size, image.height)
        x, y = (image.width - w) // 2, (image.height - h) // 2
        pixels = np.asarray(image.crop((x, y, x + w, y + h)))
        yield np.moveaxis(pixels, 2, 0).astype('<f4') * np.float32(1 / 255)


def run(program, model, planes, folder, device=None):
    source, result = os.path.join(folder, 'in.f32'), os.path.join(folder, 'out.f32')
    planes.tofile(source)
    subprocess.run([program, model, str(planes.shape[2]), str(planes.shape[1]), source, result,
                    *(['', device] if device else [])], check=True)
    return np.fromfile(result, '<f4').astype(np.float64)


WAYS = {'fp16': 'cpu:fp16', 'bf16': 'cpu:bf16', 'int16': 'int16'}


def measure(program, model, pictures, folder, tiers):
    """tier -> (dB, largest, shares, not finite, largest value)"""
    found = {tier: [0.0, 0, 0.0, 0, 0, 0] for tier in tiers}
    size = 0.0
    for planes in pictures:
        want = run(program, model, planes, folder)
        size = max(size, float(np.abs(want).max()))
        want = np.clip(want, 0, 1)
        for tier, f in found.items():
            have = run(program, model, planes, folder, WAYS[tier])
            finite = np.isfinite(have)
            f[4] += int((~finite).sum())
            off = np.abs(np.clip(np.where(finite, have, 2), 0, 1) - want)
            f[0] += float((off ** 2).sum())
            f[1] += off.size
            f[2] = max(f[2], float(off.max()) * 255)
            f[3] += int((off * 255 > 1).sum())
            f[5] += int((off * 255 > 2).sum())
    return {tier: (-10 * np.log10(max(f[0] / f[1], 1e-20)), f[2], f[3] / f[1], f[5] / f[1], f[4],
                   size)
            for tier, f in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--crop', type=int, default=128)
    parser.add_argument('--build', default=os.path.join(ROOT, 'build'))
    parser.add_argument('--tier', choices=sorted(WAYS), action='append')
    parser.add_argument('models', nargs='+', metavar='MODEL')
    argv = sys.argv[1:]
    split = argv.index('--') if '--' in argv else len(argv)
    options = parser.parse_args(argv[:split])
    program = os.path.join(options.build, 'tests', 'oracles', 'run-model')
    pictures = list(crops(argv[split + 1:] or [os.path.join(ROOT, 'docs', 'sample.png')],
                          options.crop))
    print('%-28s %-5s %7s %9s %10s %10s %10s %9s' % ('model', 'tier', 'dB', 'largest', 'over 1',
                                                    'over 2', 'not finite', 'values'))
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            name = os.path.splitext(os.path.basename(model))[0]
            for tier, f in measure(program, model, pictures, folder,
                                   options.tier or list(WAYS)).items():
                print('%-28s %-5s %7.1f %9.2f %9.4f%% %9.4f%% %10d %9.2g' %
                      (name, tier, f[0], f[1], 100 * f[2], 100 * f[3], *f[4:]), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
