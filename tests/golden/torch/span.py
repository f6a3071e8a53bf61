# SPDX-License-Identifier: MIT
"""SPAN and two networks made from it. Wan et al., Swift Parameter-free Attention Network for
Efficient Super-Resolution, 2023; SPANPlus is umzi2's, SPANF3 is traiNNer-redux's.

The three-part convolution is written as it is trained: three convolutions on a picture with a border
of zeros, and a shortcut. Files also hold a single convolution, eval_conv, which programs fill and
ignore, or which is all that a deployed file has."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case, level
from dysample import DySample

MEAN = (0.4488, 0.4371, 0.4040)


class Three(nn.Module):
    """single: '', 'too' or 'only'."""

    def __init__(self, inputs, outputs, single):
        super().__init__()
        self.single = single
        if single != 'only':
            self.sk = nn.Conv2d(inputs, outputs, 1)
            self.conv = nn.Sequential(nn.Conv2d(inputs, 2 * inputs, 1),
                                      nn.Conv2d(2 * inputs, 2 * outputs, 3),
                                      nn.Conv2d(2 * outputs, outputs, 1))
        if single:
            self.eval_conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x):
        if self.single == 'only':
            return self.eval_conv(x)
        # The zeros come first: at the border, the first bias counts as inside.
        return self.conv(F.pad(x, (1, 1, 1, 1))) + self.sk(x)


def single_of(sd, name):
    """Weight and bias of the one convolution that does the same, by the response to impulses."""
    part = {k[len(name) + 1:]: v.double() for k, v in sd.items() if k.startswith(name + '.')}
    outputs, inputs = part['sk.weight'].shape[:2]
    block = Three(inputs, outputs, '').double()
    block.load_state_dict({k: v for k, v in part.items() if not k.startswith('eval_conv')})
    with torch.no_grad():
        bias = block(torch.zeros(1, inputs, 5, 5).double())[0, :, 2, 2]
        dots = torch.zeros(inputs, inputs, 5, 5).double()
        dots[range(inputs), range(inputs), 2, 2] = 1
        seen = block(dots)[:, :, 1:4, 1:4] - bias.view(1, -1, 1, 1)
    return seen.transpose(0, 1).flip(2, 3), bias


class Attention(nn.Module):
    """A block; returns its result and what its first activation gave."""

    def __init__(self, features, single, active=F.silu, learnt=False):
        super().__init__()
        self.active = active
        self.c1_r, self.c2_r, self.c3_r = (Three(features, features, single) for _ in range(3))
        if learnt:
            self.att_conv = nn.Conv2d(features, features, 1)

    def forward(self, x):
        first = self.active(self.c1_r(x))
        y = self.c3_r(self.active(self.c2_r(first)))
        if hasattr(self, 'att_conv'):
            return (x + y) * torch.tanh(self.att_conv(y)), first
        return (x + y) * (torch.sigmoid(y) - 0.5), first


class SPAN(nn.Module):
    def __init__(self, channels, features, scale, single='too', norm=True):
        super().__init__()
        if not norm:
            self.register_buffer('no_norm', torch.zeros(1))
        self.conv_1 = Three(channels, features, single)
        for i in range(1, 7):
            setattr(self, 'block_%d' % i, Attention(features, single))
        self.conv_cat = nn.Conv2d(4 * features, features, 1)
        self.conv_2 = Three(features, features, single)
        self.upsampler = nn.Sequential(
            nn.Conv2d(features, channels * scale * scale, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x):
        if not hasattr(self, 'no_norm'):
            x = (x - torch.tensor(MEAN, dtype=x.dtype).view(1, 3, 1, 1)) * 255
        head = y = self.conv_1(x)
        for i in range(1, 7):
            y, first = getattr(self, 'block_%d' % i)(y)
            early = y if i == 1 else early
        return self.upsampler(self.conv_cat(torch.cat([head, self.conv_2(y), early, first], 1)))


class Group(nn.Module):
    def __init__(self, features, blocks, single):
        super().__init__()
        self.block_1 = Attention(features, single, F.mish)
        self.block_n = nn.ModuleList(Attention(features, single, F.mish) for _ in range(blocks))
        self.block_end = Attention(features, single, F.mish)
        self.conv_2 = Three(features, features, single)
        self.conv_cat = nn.Conv2d(4 * features, features, 1)

    def forward(self, x):
        early = y = self.block_1(x)[0]
        for block in self.block_n:
            y = block(y)[0]
        y, first = self.block_end(y)
        return self.conv_cat(torch.cat([x, self.conv_2(y), early, first], 1))


class SPANPlus(nn.Module):
    """upsampler: ps, dys, or conv, which is for 1x."""

    def __init__(self, channels, features, scale, upsampler, blocks=(2,), single='too'):
        super().__init__()
        self.feats = nn.Sequential(Three(channels, features, single),
                                   *(Group(features, n, single) for n in blocks))
        if upsampler == 'dys':
            self.upsampler = DySample(features, channels, scale, 4)
        else:
            last = nn.Conv2d(features, channels * scale * scale, 3, padding=1)
            self.upsampler = nn.Sequential(last, nn.PixelShuffle(scale)) \
                if upsampler == 'ps' else last

    def forward(self, x):
        return self.upsampler(self.feats(x))


class SPANF3(nn.Module):
    """fold: 1x and 2x work on a folded picture, as four times the size."""

    def __init__(self, channels, features, scale, blocks, fold=False, single='too'):
        super().__init__()
        self.scale, self.fold, inner = scale, 4 // scale if fold else 1, 4 if fold else scale
        first = Three(channels * self.fold ** 2, features, single)
        self.conv_1 = nn.Sequential(nn.PixelUnshuffle(self.fold), first) if fold else first
        self.blocks = ['block_%d' % (i + 1) for i in range(blocks)]
        for name in self.blocks:
            setattr(self, name, Attention(features, single, F.relu, True))
        self.conv_cat = nn.Conv2d(4 * features, features, 1)
        self.to_pixel = Three(features, channels * inner * inner, single)
        self.upsampler = nn.PixelShuffle(inner)

    def forward(self, x):
        h, w = x.shape[2:]
        if self.fold > 1:
            x = F.pad(x, (0, -w % self.fold, 0, -h % self.fold), 'reflect')
        head = y = self.conv_1(x)
        for name in self.blocks:
            y, first = getattr(self, name)(y)
            early = y if name == 'block_1' else early
        y = self.to_pixel(self.conv_cat(torch.cat([head, y, early, first], 1)))
        return self.upsampler(y)[:, :, :h * self.scale, :w * self.scale]


LAST = [part + kind for part in ('conv.2.', 'sk.', 'eval_conv.') for kind in ('weight', 'bias')]


def tuned(make, channels, right_single):
    """All parts of a size at which attention is neither off nor full. eval_conv gets what it should
    hold, or stays random."""
    def apply(sd):
        normed = 'upsampler.0.weight' in sd and 'conv_2.conv.0.weight' in sd and 'no_norm' not in sd
        for k, t in sd.items():
            if k.endswith('bias'):
                t.mul_(100 if normed and k.startswith('conv_1.') else 3)
        targets = []
        for name, module in make().named_modules():
            if isinstance(module, Three):
                size = 3 if name.endswith('c3_r') else 0.3 if name == 'to_pixel' else 1
                targets.append((name, size, LAST))
            elif name.endswith('att_conv'):
                targets.append((name, 1, ('weight', 'bias')))
            elif name.endswith('conv_cat'):
                targets.append((name, 1, ('weight', 'bias')))
            elif isinstance(module, nn.Conv2d) and name.startswith('upsampler') and \
                    not name.endswith(('offset', 'scope')):
                targets.append((name, 0.3, ('weight', 'bias')))
        level(make, sd, channels, targets)
        for name in [k[:-10] for k in sd if k.endswith('.sk.weight')] if right_single else ():
            sd[name + '.eval_conv.weight'], sd[name + '.eval_conv.bias'] = single_of(sd, name)
    return apply


def cases():
    ema = lambda sd: {'params_ema': sd}
    small = {'width': 13, 'height': 9}
    single = ('eval_conv.weight', 'eval_conv.bias', 'no_norm')

    def of(name, architecture, make, scale, right_single=False, channels=3, **more):
        more = dict({'tolerance': 2e-5, 'stored': 'f16', 'unused': single}, **more)
        return Case(name, architecture, make, scale=scale, channels=channels,
                    tune=tuned(make, channels, right_single), **more)

    def plus(name, *args, **more):
        features = 8 if args[1] == 'dys' else 5  # DySample takes them in four groups
        return of('spanplus-' + name, 'SPANPlus', lambda: SPANPlus(3, features, *args), args[0],
                  **more)

    def f3(name, *args, **more):
        return of('spanf3-' + name, 'SPANF3', lambda: SPANF3(3, 5, *args), args[0], True, **more)

    return [
        of('span-x4', 'SPAN', lambda: SPAN(3, 4, 4), 4, wrap=ema, seed=3, **small),
        of('span-x2-right-single', 'SPAN', lambda: SPAN(3, 5, 2), 2, True,
           container='safetensors'),
        of('span-x1-no-single', 'SPAN', lambda: SPAN(3, 5, 1, ''), 1, container='legacy', seed=1),
        of('span-x2-deployed', 'SPAN', lambda: SPAN(3, 8, 2, 'only'), 2, stored='f32',
           unused=('no_norm',)),
        of('span-x2-no-norm', 'SPAN', lambda: SPAN(3, 4, 2, norm=False), 2, wrap=ema),
        of('span-x4-no-norm-deployed', 'SPAN', lambda: SPAN(3, 12, 4, 'only', False), 4,
           container='safetensors', unused=('no_norm',), **small),
        of('span-x2-no-norm-grey', 'SPAN', lambda: SPAN(1, 5, 2, '', False), 2, channels=1,
           container='legacy'),
        plus('x2-ps', 2, 'ps', wrap=ema),
        plus('x4-dys', 4, 'dys', (1,), container='safetensors', **small),
        plus('x1-conv', 1, 'conv', container='safetensors', seed=1),
        plus('x3-dys-groups', 3, 'dys', (0, 1), '', container='safetensors', **small),
        plus('x2-ps-groups', 2, 'ps', (1, 0), stored='bf16', container='safetensors'),
        f3('x4', 4, 2, False, wrap=ema, **small),
        f3('x2-fold', 2, 2, True, width=21, height=17),
        f3('x1-fold', 1, 2, True, width=23, height=18, container='safetensors'),
        f3('x2', 2, 3, False, container='safetensors'),
    ]
