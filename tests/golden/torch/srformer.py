# SPDX-License-Identifier: MIT
"""SRFormer: as SwinIR, with keys and values of a quarter of the tokens, each gathered from 2 x 2 of
a quarter of the channels, and a depthwise convolution between the two layers that follow. Zhou et
al., SRFormer: Permuted Self-Attention for Single Image Super-Resolution, 2023."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case
from windows import TOLERANCE, Ends, Norm, attend, bolder, cut, join, padded, picture, regions, \
    relative_index, residual_conv, rolled, tokens

LIST = 'nets_transformers.txt'


def aligned_index(window):
    """[query, key]: the distance of a query's 2 x 2 tokens to a key's."""
    half = window // 2
    at = torch.arange(window) // 2
    return relative_index(half, half)[(at[:, None] * half + at[None, :]).flatten()]


def permuted_mask(H, W, window, shift):
    """(windows, query, key). A key's region is that of a picture of half the size."""
    half = window // 2
    kept = -(-shift // 2)  # rounded up
    q = cut(regions(H, W, window, window, shift, shift)[None, :, :, None], window, window)
    k = cut(regions(H // 2, W // 2, half, half, kept, kept)[None, :, :, None], half, half)
    return (q != k.transpose(1, 2)) * -100.0


class Attention(nn.Module):
    def __init__(self, dim, window, count, bias):
        super().__init__()
        self.window, self.count = window, count
        self.relative_position_bias_table = nn.Parameter(torch.zeros((window - 1) ** 2, count))
        self.register_buffer('aligned_relative_position_index', aligned_index(window))
        self.kv = nn.Linear(dim, dim // 2, bias=bias)
        self.q = nn.Linear(dim, dim, bias=bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x, shift):
        _, H, W, c = x.shape
        n = self.window
        half = n // 2
        x = cut(rolled(x, shift, shift), n, n)
        # row pair, row, column pair, column, k or v, channel
        # -> k or v, row pair, column pair, row, column, channel
        kv = self.kv(x).reshape(-1, half, 2, half, 2, 2, c // 4).permute(5, 0, 1, 3, 2, 4, 6)
        k, v = kv.reshape(2, -1, half * half, c)
        bias = self.relative_position_bias_table[aligned_index(n)].permute(2, 0, 1)
        mask = permuted_mask(H, W, n, shift) if shift else None
        y = self.proj(attend(self.q(x), k, v, self.count, bias, mask))
        return rolled(join(y, n, n, H, W), -shift, -shift)


class Depthwise(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.depthwise_conv = nn.Sequential(
            nn.Conv2d(dim, dim, 5, padding=2, groups=dim), nn.GELU())

    def forward(self, x):
        return tokens(self.depthwise_conv(picture(x)))


class Feed(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dwconv = Depthwise(hidden)

    def forward(self, x):
        x = F.gelu(self.fc1(x))
        return self.fc2(x + self.dwconv(x))


class Block(nn.Module):
    def __init__(self, dim, window, count, shift, hidden, bias, size):
        super().__init__()
        self.shift = shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Attention(dim, window, count, bias)
        self.mlp = Feed(dim, hidden)
        if shift:
            self.register_buffer('attn_mask', permuted_mask(size, size, window, shift))

    def forward(self, x):
        x = x + self.attn(self.norm1(x), self.shift)
        return x + self.mlp(self.norm2(x))


class Blocks(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.blocks(x)


class Group(nn.Module):
    def __init__(self, dim, window, count, depth, hidden, bias, size, resi):
        super().__init__()
        self.residual_group = Blocks(
            Block(dim, window, count, i % 2 * (window // 2), hidden, bias, size)
            for i in range(depth))
        self.conv = residual_conv(dim, resi)

    def forward(self, x):
        return x + tokens(self.conv(picture(self.residual_group(x))))


class SRFormer(Ends):
    def __init__(self, upsampler, scale=1, dim=12, window=4, heads=(2, 3), depths=(2, 2), mlp=2,
                 bias=True, resi='1conv', channels=3, size=None):
        super().__init__(channels, dim, upsampler, scale)
        self.window = window
        self.patch_embed = Norm(dim)
        self.layers = nn.Sequential(*[
            Group(dim, window, count, depth, dim * mlp, bias, size or 4 * window, resi)
            for count, depth in zip(heads, depths)])
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = residual_conv(dim, resi)

    def pad(self, x):
        return padded(x, self.window)

    def body(self, x):
        return picture(self.norm(self.layers(self.patch_embed.norm(tokens(x)))))


def cases():
    def case(name, make, **more):
        return Case(name, 'SRFormer', make, tune=bolder(), tolerance=TOLERANCE,
                    unused=('attn_mask',), **more)

    def of(*args, **more):
        return lambda: SRFormer(*args, **more)

    return [
        case('srformer-x2-direct', of('pixelshuffledirect', 2), scale=2,
             wrap=lambda sd: {'params': sd}),
        case('srformer-x4', of('pixelshuffle', 4, window=8, heads=(3,), depths=(2,), size=16),
             scale=4, wrap=lambda sd: {'params_ema': sd}),
        case('srformer-x3-shift3', of('pixelshuffle', 3, window=6, heads=(2,), depths=(3,), size=24,
                                      resi='3conv', bias=False), scale=3, container='safetensors'),
        case('srformer-x4-nearest', of('nearest+conv', 4, heads=(2,), depths=(2,)), width=24,
             height=16, scale=4, container='legacy', stored='f16'),
        case('srformer-x1', of('', heads=(2,), depths=(2,), channels=1), channels=1),
    ]
