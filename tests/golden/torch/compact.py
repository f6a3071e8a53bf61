# SPDX-License-Identifier: MIT
"""Compact (SRVGGNetCompact): convolutions with an activation each, then a pixel shuffle, added to the
picture enlarged by repetition. Wang et al., Real-ESRGAN, 2021, and its repository's README."""
import torch.nn.functional as F
from torch import nn

from common import Case, times


class Compact(nn.Module):
    def __init__(self, channels, features, convs, scale, activation='prelu'):
        super().__init__()
        self.scale = scale
        layers = [nn.Conv2d(channels, features, 3, padding=1)]
        for _ in range(convs):
            layers += [self.active(activation, features), nn.Conv2d(features, features, 3, padding=1)]
        layers += [self.active(activation, features),
                   nn.Conv2d(features, channels * scale * scale, 3, padding=1)]
        self.body = nn.Sequential(*layers)

    @staticmethod
    def active(kind, features):
        return {'prelu': lambda: nn.PReLU(features), 'relu': nn.ReLU,
                'leaky': lambda: nn.LeakyReLU(0.1)}[kind]()

    def forward(self, x):
        return F.pixel_shuffle(self.body(x), self.scale) + \
            F.interpolate(x, scale_factor=self.scale, mode='nearest')


def slopes(sd):
    """PReLU slopes of about a quarter, as they are trained from."""
    for k, t in sd.items():
        if t.dim() == 1 and k.endswith('weight'):
            t.sub_(0.8)


def cases():
    small = times(0.3, 'body.6.weight', 'body.6.bias')

    def tune(sd):
        slopes(sd)
        small(sd)

    def of(*args):
        return lambda: Compact(*args)

    both = lambda sd: {'params': {k: t * 0.5 for k, t in sd.items()}, 'params_ema': sd}
    return [
        Case('compact-x2', 'Compact', of(3, 16, 2, 2), scale=2, tune=tune),
        Case('compact-x4-f16', 'Compact', of(3, 16, 2, 4), scale=4, width=13, height=11, tune=tune,
             stored='f16', wrap=both),
        Case('compact-x2-grey', 'Compact', of(1, 16, 2, 2), scale=2, channels=1, tune=tune,
             container='legacy'),
        Case('compact-x4-grey', 'Compact', of(1, 16, 2, 4), scale=4, channels=1, tune=tune,
             container='safetensors', stored='bf16'),
        Case('compact-x1-views', 'Compact', of(3, 16, 2, 1), tune=tune, views=True,
             prefix='module.', wrap=lambda sd: {'state_dict': sd, 'epoch': 3}),
        # The slope is not in the file; 0.1 is what training programs take.
        Case('compact-x2-leaky', 'Compact', of(3, 16, 2, 2, 'leaky'), scale=2, tune=small),
    ]
