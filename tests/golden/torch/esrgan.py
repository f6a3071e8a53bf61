# SPDX-License-Identifier: MIT
"""ESRGAN (RRDBNet): dense blocks within residual blocks. Wang et al., ESRGAN, 2018; ESRGAN+ is
Rakotonirina and Rasoanaivo, 2020; folded input is Real-ESRGAN's. The names in the module are
BasicSR's; four programs name the same tensors in four ways."""
import re

import torch
import torch.nn.functional as F
from torch import nn

from common import Case


class Dense(nn.Module):
    def __init__(self, features, growth, plus):
        super().__init__()
        for i in range(5):
            setattr(self, 'conv%d' % (i + 1), nn.Conv2d(
                features + i * growth, growth if i < 4 else features, 3, padding=1))
        if plus:
            self.conv1x1 = nn.Conv2d(features, growth, 1, bias=False)

    def forward(self, x):
        parts = [x]
        for i in range(4):
            y = F.leaky_relu(getattr(self, 'conv%d' % (i + 1))(torch.cat(parts, 1)), 0.2)
            if hasattr(self, 'conv1x1') and i == 1:
                y = y + self.conv1x1(x)
            elif hasattr(self, 'conv1x1') and i == 3:
                y = y + parts[2]
            parts.append(y)
        return x + 0.2 * self.conv5(torch.cat(parts, 1))


class Block(nn.Module):
    def __init__(self, *args):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = Dense(*args), Dense(*args), Dense(*args)

    def forward(self, x):
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class ESRGAN(nn.Module):
    """fold: the picture is folded so often, mirrored to the right and below where it does not fit."""

    def __init__(self, channels, features, growth, blocks, ups, fold=1, plus=False):
        super().__init__()
        self.ups, self.fold = ups, fold
        self.conv_first = nn.Conv2d(channels * fold * fold, features, 3, padding=1)
        self.body = nn.Sequential(*(Block(features, growth, plus) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        for i in range(ups):
            setattr(self, 'conv_up%d' % (i + 1), nn.Conv2d(features, features, 3, padding=1))
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)

    def forward(self, x):
        h, w = x.shape[2:]
        if self.fold > 1:
            x = F.pad(x, (0, -w % self.fold, 0, -h % self.fold), 'reflect')
            x = F.pixel_unshuffle(x, self.fold)
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for i in range(self.ups):
            x = F.interpolate(x, scale_factor=2, mode='nearest')
            x = F.leaky_relu(getattr(self, 'conv_up%d' % (i + 1))(x), 0.2)
        x = self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))
        scale = 2 ** self.ups // self.fold
        return x[:, :, :h * scale, :w * scale]


def old(blocks, ups):
    """ESRGAN's first names: all layers numbered, activations and shuffles too."""
    def rename(name):
        name = re.sub(r'^body\.(\d+)\.rdb(\d)\.conv(\d)\.', r'model.1.sub.\1.RDB\2.conv\3.0.', name)
        name = re.sub(r'^body\.(\d+)\.rdb(\d)\.conv1x1\.', r'model.1.sub.\1.RDB\2.conv1x1.', name)
        name = re.sub(r'^conv_up(\d)', lambda m: 'model.%d' % (3 * int(m.group(1))), name)
        for mine, number in (('conv_first', '0'), ('conv_body', '1.sub.%d' % blocks),
                             ('conv_hr', str(3 * ups + 2)), ('conv_last', str(3 * ups + 4))):
            name = name.replace(mine, 'model.' + number)
        return name
    return rename


def bsrgan(name):
    name = re.sub(r'^body\.(\d+)\.rdb', r'RRDB_trunk.\1.RDB', name)
    return re.sub('^conv_up', 'upconv', name).replace('conv_body', 'trunk_conv') \
        .replace('conv_hr', 'HRconv')


def tune(sd):
    """Residual branches are multiplied by 0.2 twice: they must be large to be seen."""
    for k, t in sd.items():
        if k.endswith('bias'):
            t.mul_(3)
        elif '.rdb' in k and 'conv5' in k:
            t.mul_(5)
        elif k != 'conv_last.weight':
            t.mul_(1.3)
        else:
            t.mul_(0.4)


def cases():
    def of(name, rename, ups, *more, scale=None, channels=3, plus=False, fold=1, blocks=1,
           **options):
        return Case('esrgan-' + name, 'ESRGAN',
                    lambda: ESRGAN(channels, 8, 4, blocks, ups, fold, plus), channels=channels,
                    scale=2 ** ups // fold, tune=tune, tolerance=2e-5,
                    rename=rename(blocks, ups) if rename is old else rename, **options)

    ema = lambda sd: {'params_ema': sd}
    return [
        of('x1', old, 0, container='legacy'),
        of('x2', old, 1, stored='f16', blocks=2),
        of('x4', old, 2, width=13, height=9, views=True),
        of('x8', old, 3, width=9, height=7, stored='f16'),
        of('x4-plus', old, 2, width=11, height=8, plus=True, container='legacy'),
        of('x4-basicsr', None, 2, width=13, height=9, blocks=2, stored='bf16', wrap=ema),
        of('x2-bsrgan', bsrgan, 1, container='safetensors'),
        of('x4-bsrgan-grey', bsrgan, 2, channels=1, width=13, height=9),
        of('x2-rgba', old, 1, channels=4, width=13, height=9),
        of('x2-fold', None, 2, fold=2, width=21, height=17, wrap=ema),
        of('x2-fold-even', None, 2, fold=2, width=22, height=18, container='safetensors'),
        of('x1-fold', None, 2, fold=4, width=23, height=18, stored='f16', wrap=ema, seed=1),
        of('x2-fold-old', old, 2, fold=2, width=23, height=15),
        of('x1-fold-old', old, 1, fold=2, width=19, height=17, stored='f16'),
    ]
