# SPDX-License-Identifier: MIT
"""Omni-SR: groups of blocks that attend in windows and over a grid, to places and to channels.
Wang et al., Omni Aggregation Networks for Lightweight Image Super-Resolution, 2023."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case, times
from windows import TOLERANCE, attend, bolder, cut, join, padded, picture, relative_index, tokens

LIST = 'nets_transformers.txt'
HEADS = 4


def to_grid(x, n):
    """Windows of tokens that lie far apart: n x n of them, H/n rows and W/n columns from one to the
    next."""
    _, H, W, c = x.shape
    return x.reshape(n, H // n, n, W // n, c).permute(1, 3, 0, 2, 4).reshape(-1, n * n, c)


def from_grid(x, n, H, W):
    return x.reshape(H // n, W // n, n, n, -1).permute(2, 0, 3, 1, 4).reshape(1, H, W, -1)


class ChannelNorm(nn.LayerNorm):
    """Over the channels of each pixel of a picture."""

    def __init__(self, dim):
        super().__init__(dim, eps=1e-6)

    def forward(self, x):
        return picture(super().forward(tokens(x)))


class PreNorm(nn.Module):
    def __init__(self, norm, fn):
        super().__init__()
        self.norm, self.fn = norm, fn

    def forward(self, x):
        return x + self.fn(self.norm(x))


class Gate(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gate = nn.Sequential(nn.Identity(), nn.Linear(dim, dim // 4, bias=False), nn.SiLU(),
                                  nn.Linear(dim // 4, dim, bias=False), nn.Sigmoid())

    def forward(self, x):
        return x * self.gate(x.mean((2, 3)))[:, :, None, None]


class Local(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fn = nn.Sequential(nn.Conv2d(dim, dim, 1), nn.GELU(),
                                nn.Conv2d(dim, dim, 3, padding=1, groups=dim), nn.GELU(),
                                Gate(dim), nn.Conv2d(dim, dim, 1))

    def forward(self, x):
        return x + self.fn(x)


class Attention(nn.Module):
    def __init__(self, dim, window, grid, positions):
        super().__init__()
        self.window, self.grid = window, grid
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim, bias=False))
        self.rel_pos_bias = nn.Embedding((2 * window - 1) ** 2, HEADS) if positions else None

    def forward(self, x):
        """Tokens to tokens."""
        _, H, W, _ = x.shape
        n = self.window
        q, k, v = self.to_qkv(to_grid(x, n) if self.grid else cut(x, n, n)).chunk(3, 2)
        bias = self.rel_pos_bias(relative_index(n, n)).permute(2, 0, 1) \
            if self.rel_pos_bias else None
        y = self.to_out(attend(q, k, v, HEADS, bias))
        return from_grid(y, n, H, W) if self.grid else join(y, n, n, H, W)


class ChannelAttention(nn.Module):
    """Channels attend to each other, in each window (or grid) alone."""

    def __init__(self, dim, window, grid):
        super().__init__()
        self.window, self.grid = window, grid
        self.temperature = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=False)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x):
        _, _, H, W = x.shape
        n = self.window
        x = tokens(self.qkv_dwconv(self.qkv(x)))
        if self.grid:
            # n x n pictures of H/n x W/n, of every n-th pixel in both directions.
            x = x.reshape(H // n, n, W // n, n, -1).permute(1, 3, 0, 2, 4).flatten(2, 3)
            x = x.flatten(0, 1)
        else:
            x = cut(x, n, n)
        count, length, c = x.shape
        q, k, v = (t.transpose(1, 2).reshape(count, HEADS, c // 3 // HEADS, length)
                   for t in x.chunk(3, 2))
        a = F.normalize(q, dim=3, eps=1e-12) @ F.normalize(k, dim=3, eps=1e-12).transpose(2, 3)
        y = (a * self.temperature).softmax(3) @ v
        y = y.reshape(count, c // 3, length).transpose(1, 2)
        if self.grid:
            y = y.reshape(n, n, H // n, W // n, -1).permute(2, 0, 3, 1, 4).reshape(1, H, W, -1)
        else:
            y = join(y, n, n, H, W)
        return self.project_out(picture(y))


class Feed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.project_in = nn.Conv2d(dim, 2 * dim, 1, bias=False)
        self.dwconv = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim, bias=False)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x):
        a, b = self.dwconv(self.project_in(x)).chunk(2, 1)
        return self.project_out(F.gelu(a) * b)


class Block(nn.Module):
    def __init__(self, dim, window, positions):
        super().__init__()
        def attention(grid):
            return PreNorm(nn.LayerNorm(dim), Attention(dim, window, grid, positions))
        def channels(grid):
            return PreNorm(ChannelNorm(dim), ChannelAttention(dim, window, grid))
        def feed():
            return PreNorm(ChannelNorm(dim), Feed(dim))
        turn = nn.Identity  # the numbers of these say nothing
        self.layer = nn.ModuleList([Local(dim), turn(), attention(False), turn(), feed(),
                                    channels(False), feed(), turn(), attention(True), turn(),
                                    feed(), channels(True), feed()])

    def forward(self, x):
        for layer in self.layer:
            at_tokens = isinstance(getattr(layer, 'fn', None), Attention)
            x = picture(layer(tokens(x))) if at_tokens else layer(x)
        return x


class SpatialGate(nn.Module):
    def __init__(self, inner, dim):
        super().__init__()
        self.conv1, self.conv_f = nn.Conv2d(dim, inner, 1), nn.Conv2d(inner, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=2)
        self.conv3 = nn.Conv2d(inner, inner, 3, padding=1)
        self.conv4 = nn.Conv2d(inner, dim, 1)

    def forward(self, x):
        a = self.conv1(x)
        b = self.conv3(F.max_pool2d(self.conv2(a), 7, stride=3))
        b = F.interpolate(b, x.shape[2:], mode='bilinear', align_corners=False)
        return x * torch.sigmoid(self.conv4(b + self.conv_f(a)))


class Group(nn.Module):
    def __init__(self, dim, window, blocks, positions, bias):
        super().__init__()
        self.residual_layer = nn.Sequential(
            *[Block(dim, window, positions) for _ in range(blocks)],
            nn.Conv2d(dim, dim, 1, bias=bias))
        self.esa = SpatialGate(max(dim // 4, 16), dim)

    def forward(self, x):
        return self.esa(x + self.residual_layer(x))


class OmniSR(nn.Module):
    def __init__(self, scale, dim=12, groups=2, blocks=1, window=8, positions=True, bias=True,
                 channels=3):
        super().__init__()
        self.scale, self.window = scale, window
        self.residual_layer = nn.Sequential(
            *[Group(dim, window, blocks, positions, bias) for _ in range(groups)])
        self.input = nn.Conv2d(channels, dim, 3, padding=1, bias=bias)
        self.output = nn.Conv2d(dim, dim, 3, padding=1, bias=bias)
        self.up = nn.Sequential(nn.Conv2d(dim, channels * scale * scale, 3, padding=1, bias=bias),
                                nn.PixelShuffle(scale))

    def forward(self, x):
        _, _, h, w = x.shape
        first = self.input(padded(x, self.window, 'constant'))
        y = self.up(self.output(self.residual_layer(first)) + first)
        return y[:, :, :h * self.scale, :w * self.scale]


def tune(sd):
    for k, t in sd.items():
        if k.endswith('temperature'):
            t.abs_().add_(1.5)
    bolder(times(4, 'gate.1.weight', 'gate.3.weight'), times(0.3, 'up.0.weight'))(sd)


def cases():
    def of(*args, **more):
        return lambda: OmniSR(*args, **more)

    def case(name, make, **more):
        return Case(name, 'OmniSR', make, tune=tune, tolerance=TOLERANCE, **more)

    counted = {'total_ops': torch.zeros(1, dtype=torch.float64),
               'residual_layer.total_params': torch.zeros(1, dtype=torch.float64)}
    return [
        case('omnisr-x2', of(2), scale=2),
        case('omnisr-x4-blocks', of(4, groups=1, blocks=2), width=27, height=25, scale=4,
             container='legacy', extra=counted),
        case('omnisr-x3-window4', of(3, groups=1, window=4), width=20, height=16, scale=3,
             container='safetensors', stored='f16'),
        case('omnisr-x1-plain', of(1, dim=16, groups=1, positions=False, bias=False),
             wrap=lambda sd: {'params': sd}),
    ]
