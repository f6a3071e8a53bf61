# SPDX-License-Identifier: MIT
"""The network of realesr-animevideov3 and its like (Compact) in PyTorch."""
from torch import nn


class Compact(nn.Module):
    def __init__(self, features=64, convolutions=16, scale=4):
        super().__init__()
        body = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(convolutions):
            body += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        body += [nn.Conv2d(features, 3 * scale * scale, 3, padding=1), nn.PixelShuffle(scale)]
        self.body = nn.Sequential(*body)
        self.scale = scale

    def forward(self, x):
        return self.body(x) + nn.functional.interpolate(x, scale_factor=self.scale, mode='nearest')
