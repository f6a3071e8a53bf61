# SPDX-License-Identifier: MIT
"""RCAN: residual groups of residual blocks with channel attention. Zhang et al., Image
Super-Resolution Using Very Deep Residual Channel Attention Networks, 2018; the folded input for 1x
and 2x is that of training programs."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case, level

MEAN = torch.tensor((0.4488, 0.4371, 0.4040))


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Squeeze(nn.Module):
    def __init__(self, features, reduction):
        super().__init__()
        self.conv_du = nn.Sequential(nn.Conv2d(features, features // reduction, 1), nn.ReLU(),
                                     nn.Conv2d(features // reduction, features, 1), nn.Sigmoid())

    def forward(self, x):
        return x * self.conv_du(x.mean((2, 3), keepdim=True))


class Residual(nn.Module):
    def __init__(self, *body):
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x):
        return x + self.body(x)


class Shift(nn.Conv2d):
    """The mean, taken away or added by a convolution that is in the file."""

    def __init__(self, sign):
        super().__init__(3, 3, 1)
        self.sign = sign


class RCAN(nn.Module):
    def __init__(self, channels, features, scale, groups, blocks, reduction, fold=False, norm=True):
        super().__init__()
        self.scale, self.fold, self.range = scale, 4 // scale if fold else 1, 255 if norm else 1
        if norm:
            self.sub_mean, self.add_mean = Shift(-1), Shift(1)
        first = conv(channels * self.fold ** 2, features)
        self.head = nn.Sequential(*[nn.PixelUnshuffle(self.fold)] * fold, first)
        self.body = nn.Sequential(
            *(Residual(*(Residual(conv(features, features), nn.ReLU(), conv(features, features),
                                  Squeeze(features, reduction)) for _ in range(blocks)),
                       conv(features, features)) for _ in range(groups)),
            conv(features, features))
        ups, inner = [], scale * self.fold
        for step in {1: (), 2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}[inner]:
            ups += [conv(features, step * step * features), nn.PixelShuffle(step)]
        self.tail = nn.Sequential(nn.Sequential(*ups), conv(features, channels))

    def forward(self, x):
        h, w = x.shape[2:]
        x = F.pad(x, (0, -w % self.fold, 0, -h % self.fold), 'reflect') * self.range
        x = self.head(self.sub_mean(x) if hasattr(self, 'sub_mean') else x)
        x = self.tail(x + self.body(x))
        x = self.add_mean(x) if hasattr(self, 'add_mean') else x
        return x[:, :, :h * self.scale, :w * self.scale] / self.range


def tuned(make, channels):
    def apply(sd):
        module = make()
        size, targets = module.range, []
        for k, t in sd.items():
            if k.endswith('bias') and 'conv_du' not in k:
                t.mul_(2 * size)
            elif k.endswith('conv_du.0.weight'):
                t.abs_().div_(size)  # a few units only: all of them alive
            elif k.endswith('conv_du.0.bias'):
                t.add_(1)
            elif k.endswith('conv_du.2.bias'):
                t.mul_(5)
        for name, sign in (('sub_mean', -1), ('add_mean', 1)) if size == 255 else ():
            sd[name + '.weight'].copy_(torch.eye(3).view(3, 3, 1, 1))
            sd[name + '.bias'].copy_(sign * 255 * MEAN)
        for name, part in module.named_modules():
            if isinstance(part, nn.Conv2d) and 'conv_du' not in name and 'mean' not in name:
                targets.append((name, size * (0.3 if name.startswith('tail.1') else 1),
                                ('weight', 'bias')))
        level(make, sd, channels, targets)
    return apply


def cases():
    def of(name, *args, **more):
        make = lambda: RCAN(*args)
        return Case('rcan-' + name, 'RCAN', make, scale=args[2], channels=args[0],
                    tune=tuned(make, args[0]), tolerance=2e-5, **more)

    small = {'width': 13, 'height': 9}
    return [
        of('x4', 3, 8, 4, 2, 2, 4, stored='f16', seed=1, **small),
        of('x2', 3, 8, 2, 2, 1, 2, container='safetensors'),
        of('x3-no-norm', 3, 8, 3, 1, 2, 4, False, False, container='legacy', **small),
        of('x2-fold', 3, 8, 2, 1, 2, 4, True, stored='bf16', width=21, height=17,
           wrap=lambda sd: {'params': sd}),
        of('x1-fold-no-norm', 3, 8, 1, 1, 2, 4, True, False, stored='f16', width=23, height=18),
    ]
