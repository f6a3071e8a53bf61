# SPDX-License-Identifier: MIT
"""MoSR, a network of gated convolutions by umzi2 after MambaOut (Yu and Wang, 2024)."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case, level
from dysample import DySample


class Norm(nn.Module):
    """Over the channels of each pixel."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias,
                            1e-6).permute(0, 3, 1, 2)


class Gated(nn.Module):
    """hidden channels gate, as many are gated; of those the last go through a kernel each."""

    def __init__(self, dim, hidden, kernel, through):
        super().__init__()
        self.parts = [hidden, hidden - through, through]
        self.norm = Norm(dim)
        self.fc1 = nn.Conv2d(dim, 2 * hidden, 3, padding=1)
        self.conv = nn.Conv2d(through, through, kernel, padding=kernel // 2, groups=through)
        self.fc2 = nn.Conv2d(hidden, dim, 3, padding=1)

    def forward(self, x):
        gate, plain, wide = torch.split(self.fc1(self.norm(x)), self.parts, 1)
        y = self.fc2(F.mish(gate) * torch.cat([plain, self.conv(wide)], 1))
        return F.mish(y) + x - 0.5


class Shortcut(nn.Module):
    def __init__(self, inputs, dim):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(inputs, dim, 3, padding=1), nn.Mish(),
                                   nn.Conv2d(dim, dim, 3, padding=1), nn.Mish())
        self.conv11 = nn.Conv2d(inputs, dim, 1)

    def forward(self, x):
        return self.block(x) + self.conv11(x)


class Geometric(nn.Module):
    """gps: the mean of eight results."""

    def __init__(self, dim, scale, channels):
        super().__init__()
        self.scale = scale
        self.in_to_k = nn.Conv2d(dim, 8 * channels * scale * scale, 3, padding=1)

    def forward(self, x):
        y = self.in_to_k(x)
        return F.pixel_shuffle(sum(y.chunk(8, 1)) / 8, self.scale)


class MoSR(nn.Module):
    def __init__(self, channels, dim, scale, blocks, upsampler, kernel=7, hidden=None, through=None):
        super().__init__()
        self.gblocks = nn.Sequential(
            nn.Conv2d(channels, dim, 3, padding=1),
            *(Gated(dim, hidden or dim * 3 // 2, kernel, through or dim) for _ in range(blocks)),
            nn.Conv2d(dim, 2 * dim, 3, padding=1), nn.Mish(),
            nn.Conv2d(2 * dim, dim, 3, padding=1), nn.Mish(), nn.Conv2d(dim, dim, 1))
        self.shortcut = Shortcut(channels, dim)
        self.upsampler = {
            'ps': lambda: nn.Sequential(nn.Conv2d(dim, channels * scale * scale, 3, padding=1),
                                        nn.PixelShuffle(scale)),
            'gps': lambda: Geometric(dim, scale, channels),
            'dys': lambda: DySample(dim, channels, scale, 4)}[upsampler]()

    def forward(self, x):
        return self.upsampler(self.gblocks(x) + self.shortcut(x) - 0.5)


def tuned(make, channels):
    def apply(sd):
        targets = []
        for name, module in make().named_modules():
            if isinstance(module, nn.Conv2d) and not name.endswith(('offset', 'scope')):
                targets.append((name, 0.3 if name.startswith('upsampler') else 1,
                                ('weight', 'bias')))
        level(make, sd, channels, targets)
    return apply


def cases():
    def of(name, *args, unused=(), **more):
        make = lambda: MoSR(*args)
        return Case('mosr-' + name, 'MoSR', make, scale=args[2], channels=args[0],
                    tune=tuned(make, args[0]), tolerance=2e-5, unused=unused, **more)

    ema = lambda sd: {'params_ema': sd}
    small = {'width': 13, 'height': 9}
    return [
        of('x4-ps', 3, 8, 4, 2, 'ps', stored='f16', wrap=ema, **small),
        of('x4-gps', 3, 8, 4, 2, 'gps', stored='f16', **small),
        of('x2-dys', 3, 8, 2, 2, 'dys', container='safetensors'),
        of('x1-gps', 3, 8, 1, 2, 'gps', 5, container='legacy'),
        of('x2-narrow', 3, 8, 2, 2, 'ps', 7, 16, 6, stored='bf16', wrap=ema),
        of('x3-grey', 1, 8, 3, 2, 'ps', **small),
    ]
