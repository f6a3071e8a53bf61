# SPDX-License-Identifier: MIT
"""DRCT: five Swin blocks a group, densely connected. Hsu et al., DRCT: Saving Image
Super-Resolution away from Information Bottleneck, 2024."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case
from windows import TOLERANCE, Ends, Norm, SwinBlock, bolder, padded, picture, tokens

LIST = 'nets_transformers.txt'


class Group(nn.Module):
    def __init__(self, dim, growth, window, heads, mlp, size):
        super().__init__()
        for i in range(5):
            width = dim + i * growth
            self.add_module('swin%d' % (i + 1), SwinBlock(
                width, window, heads - width % heads, i % 2 * (window // 2),
                int(width * (mlp if i < 3 else 1)), size))
            self.add_module('adjust%d' % (i + 1),
                            nn.Conv2d(width, growth if i < 4 else dim, 1))

    def forward(self, x):
        all_ = x
        for i in range(1, 6):
            y = picture(getattr(self, 'swin%d' % i)(all_))
            y = tokens(getattr(self, 'adjust%d' % i)(y))
            if i < 5:
                all_ = torch.cat([all_, F.leaky_relu(y, 0.2)], 3)
        return x + 0.2 * y


class DRCT(Ends):
    def __init__(self, scale, dim=12, growth=2, window=4, heads=(3, 2), mlp=2, channels=3,
                 resi='1conv', windows_a_side=2):
        super().__init__(channels, dim, 'pixelshuffle', scale)
        self.window = window
        self.patch_embed = Norm(dim)
        self.layers = nn.Sequential(*[
            Group(dim, growth, window, n, mlp, window * windows_a_side) for n in heads])
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = nn.Conv2d(dim, dim, 3, padding=1) if resi == '1conv' \
            else nn.Identity()

    def pad(self, x):
        return padded(x, self.window)

    def body(self, x):
        return picture(self.norm(self.layers(self.patch_embed.norm(tokens(x)))))


def cases():
    def case(name, make, **more):
        def tune(sd):
            bolder()(sd)
            for k, t in sd.items():
                if 'adjust5' in k:
                    t.mul_(3)
        return Case(name, 'DRCT', make, tune=tune, tolerance=TOLERANCE, unused=('attn_mask',),
                    **more)

    def of(*args, **more):
        return lambda: DRCT(*args, **more)

    return [
        case('drct-x2', of(2), scale=2, wrap=lambda sd: {'params_ema': sd}),
        case('drct-x4-growth', of(4, growth=4, heads=(4,), mlp=1.5, windows_a_side=3),
             width=24, height=16, scale=4, container='safetensors', stored='f16'),
        case('drct-x1-identity', of(1, heads=(3,), resi='identity', channels=1), channels=1,
             container='legacy'),
    ]
