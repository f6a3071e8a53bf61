# SPDX-License-Identifier: MIT
"""SAFMN: features at four sizes modulate each other. Sun et al., Spatially-Adaptive Feature
Modulation for Efficient Image Super-Resolution, 2023.

A picture is mirrored to the right and below to a multiple of 8, as the programs that run these files
do; then the sizes halve evenly."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case, level
from mosr import Norm

LEVELS = 4


class Modulation(nn.Module):
    def __init__(self, dim):
        super().__init__()
        part = dim // LEVELS
        self.mfr = nn.ModuleList(nn.Conv2d(part, part, 3, padding=1, groups=part)
                                 for _ in range(LEVELS))
        self.aggr = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        parts = []
        for i, (conv, y) in enumerate(zip(self.mfr, x.chunk(LEVELS, 1))):
            y = conv(F.max_pool2d(y, 2 ** i))
            parts.append(F.interpolate(y, scale_factor=2 ** i, mode='nearest'))
        return F.gelu(self.aggr(torch.cat(parts, 1))) * x


class Mixer(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.ccm = nn.Sequential(nn.Conv2d(dim, hidden, 3, padding=1), nn.GELU(),
                                 nn.Conv2d(hidden, dim, 1))

    def forward(self, x):
        return self.ccm(x)


class Block(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.norm1, self.norm2 = Norm(dim), Norm(dim)
        self.safm = Modulation(dim)
        self.ccm = Mixer(dim, hidden)

    def forward(self, x):
        x = x + self.safm(self.norm1(x))
        return x + self.ccm(self.norm2(x))


class SAFMN(nn.Module):
    def __init__(self, dim, scale, blocks, hidden):
        super().__init__()
        self.scale = scale
        self.to_feat = nn.Conv2d(3, dim, 3, padding=1)
        self.feats = nn.Sequential(*(Block(dim, hidden) for _ in range(blocks)))
        self.to_img = nn.Sequential(nn.Conv2d(dim, 3 * scale * scale, 3, padding=1),
                                    nn.PixelShuffle(scale))

    def forward(self, x):
        h, w = x.shape[2:]
        x = self.to_feat(F.pad(x, (0, -w % 8, 0, -h % 8), 'reflect'))
        return self.to_img(x + self.feats(x))[:, :, :h * self.scale, :w * self.scale]


def tuned(make):
    def apply(sd):
        targets = []
        for k, t in sd.items():
            if k.endswith('bias'):
                t.mul_(3)
        for name, module in make().named_modules():
            if isinstance(module, nn.Conv2d):
                targets.append((name, 0.3 if name.startswith('to_img') else 1, ('weight', 'bias')))
        level(make, sd, 3, targets)
    return apply


def cases():
    def of(name, *args, **more):
        make = lambda: SAFMN(*args)
        return Case('safmn-' + name, 'SAFMN', make, scale=args[1], tune=tuned(make),
                    tolerance=2e-5, **more)

    return [
        of('x2', 12, 2, 2, 24, width=24, height=16, wrap=lambda sd: {'params': sd}),
        of('x4-odd', 12, 4, 2, 18, stored='f16', width=19, height=13),
        of('x1-odd', 8, 1, 2, 16, container='safetensors', width=22, height=25),
    ]
