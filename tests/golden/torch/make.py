#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes ../nets/: small networks as PyTorch saves them, and what PyTorch computes with them.

    make.py [NAME ...]           writes them (those whose names begin so)
    make.py --check [NAME ...]   exit status 1 where what is committed differs, or where a result
                                 says too little: a tenth of noise on any one tensor must change it
                                 by ten times the tolerance
    make.py --list               the names

Needs PyTorch 1.13 and NumPy (Debian: python3-torch); exit status 77 without them."""
import glob
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NETS = os.path.join(HERE, '..', 'nets')
sys.path.insert(0, HERE)

try:
    import torch
    import numpy as np
except ImportError as e:
    print('skipped: %s' % e)
    sys.exit(77)

import common

HEAD = """# Networks made and computed by PyTorch, see torch/README.md. Beside each FILE lies NAME.f32: the
# picture, then the result, float32, rows of interleaved pixels. Made by torch/make.py.
#
# file architecture scale channels in_width in_height out_width out_height tolerance
"""


def families():
    """(list file, cases), one for each file here that has cases()."""
    for path in sorted(glob.glob(os.path.join(HERE, '*.py'))):
        name = os.path.splitext(os.path.basename(path))[0]
        if name in ('make', 'common'):
            continue
        module = importlib.import_module(name)
        if hasattr(module, 'cases'):
            yield getattr(module, 'LIST', 'nets.txt'), module.cases()


def line(case, result):
    return '%s %s %d %d %d %d %d %d %g\n' % (
        case.file, case.architecture, case.scale, case.channels, case.width, case.height,
        result.shape[3], result.shape[2], case.tolerance)


def numbers(case):
    return os.path.join(NETS, case.name + '.f32')


def same_object(a, b):
    if torch.is_tensor(a):
        return torch.is_tensor(b) and a.dtype == b.dtype and a.shape == b.shape and \
            bool(torch.equal(a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same_object(a[k], b[k]) for k in a)
    return a == b


def same_file(case, weights):
    path = os.path.join(NETS, case.file)
    return os.path.exists(path) and same_object(case.outer(weights), common.load(path))


def same_numbers(case, result):
    want = np.concatenate([common.interleaved(case.picture()).ravel(),
                           common.interleaved(result).ravel()])
    got = np.fromfile(numbers(case), '<f4') if os.path.exists(numbers(case)) else want[:0]
    # A unit in the last place of a float32, and float64's own noise.
    return got.shape == want.shape and bool(np.allclose(got, want, rtol=1.3e-7, atol=1e-9))


def weak_tensors(case, weights, result):
    """Names of tensors on which the result depends too little, or where it should not at all."""
    g = torch.Generator().manual_seed(case.seed ^ 2)
    weak, least = [], float('inf')
    for name, t in weights.items():
        if not t.is_floating_point():
            continue
        noise = torch.randn(t.shape, generator=g) * 0.1 * t.square().mean().sqrt()
        change = (case.run(dict(weights, **{name: t + noise})) - result).abs().max().item()
        if name.endswith(tuple(case.unused)) if case.unused else False:
            if change:
                weak.append('%s changes the result' % name)
        else:
            least = min(least, change)
            if not change > 10 * case.tolerance:
                weak.append('%s changes the result by %.1e only' % (name, change))
    return weak, least


def check(case):
    weights = case.weights()
    result = case.run(weights)
    weak, least = weak_tensors(case, weights, result)
    if not same_file(case, weights):
        weak.append('%s is not what make.py makes' % case.file)
    if not same_numbers(case, result):
        weak.append('%s.f32 is not what make.py makes' % case.name)
    print('%-26s least change %.1e  %s' % (case.name, least, ('; '.join(weak[:3]) + ' ...' * (len(weak) > 3)) or 'sound'), flush=True)
    return not weak


def make(case):
    weights = case.weights()
    result = case.run(weights)
    assert torch.isfinite(result).all(), case.name
    assert result.shape[2:] == (case.height * case.scale, case.width * case.scale), \
        (case.name, result.shape)
    path = os.path.join(NETS, case.file)
    if not same_file(case, weights):  # the old form of torch.save is never twice the same
        case.save(path, weights)
        assert same_file(case, weights), case.name
    if not same_numbers(case, result):
        common.write_numbers(numbers(case), case.picture(), result)
    print('%-26s %6d + %6d bytes, %.3f .. %.3f, deviation %.3f' % (
        case.name, common.size_of(path), common.size_of(numbers(case)), result.min(), result.max(),
        result.std()), flush=True)
    return line(case, result)


def write_lists(lines):
    for name in sorted({where for where, _ in lines}):
        text = HEAD + ''.join(text for where, text in lines if where == name)
        with open(os.path.join(NETS, name), 'w', encoding='utf-8') as file:
            file.write(text)


def kept_lines():
    """File name -> line, of the lists as they are."""
    kept = {}
    for path in glob.glob(os.path.join(NETS, 'nets*.txt')):
        with open(path, encoding='utf-8') as file:
            kept.update({t.split()[0]: t for t in file if t.strip() and t[0] != '#'})
    return kept


def main():
    torch.set_num_threads(1)
    names = [a for a in sys.argv[1:] if a[0] != '-']
    wanted = lambda case: not names or case.name.startswith(tuple(names))
    all_cases = [(where, case) for where, some in families() for case in some]
    if '--list' in sys.argv:
        print('\n'.join(case.name for _, case in all_cases))
    elif '--check' in sys.argv:
        bad = [case.name for _, case in all_cases if wanted(case) and not check(case)]
        kept = kept_lines()
        bad += [case.name for _, case in all_cases if case.file not in kept]
        print('%d cases, %d bad %s' % (len(all_cases), len(bad), ' '.join(bad)))
        return 1 if bad else 0
    else:
        kept = kept_lines()
        lines = [(where, make(case) if wanted(case) else kept.get(case.file))
                 for where, case in all_cases]
        write_lists([(where, text) for where, text in lines if text])
    return 0


if __name__ == '__main__':
    sys.exit(main())
