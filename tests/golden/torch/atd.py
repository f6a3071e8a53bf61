# SPDX-License-Identifier: MIT
"""ATD: beside windowed attention, each pixel looks a dictionary of tokens up and attends to pixels
of the same category, wherever they are. Zhang et al., Transcending the Limit of Local Window:
Advanced Super-Resolution Transformer with Adaptive Token Dictionary, 2024."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from common import Case
from windows import TOLERANCE, Ends, Norm, attend, bolder, cut, heads, join, picture, \
    relative_index, residual_conv, rolled, shift_mask, tokens

LIST = 'nets_transformers.txt'


class WindowAttention(nn.Module):
    def __init__(self, dim, window, count):
        super().__init__()
        self.window, self.count = window, count
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, count))
        self.proj = nn.Linear(dim, dim)

    def forward(self, qkv, shift):
        _, H, W, _ = qkv.shape
        n = self.window
        q, k, v = cut(rolled(qkv, shift, shift), n, n).chunk(3, 2)
        bias = self.relative_position_bias_table[relative_index(n, n)].permute(2, 0, 1)
        mask = shift_mask(H, W, n, n, shift, shift) if shift else None
        y = self.proj(attend(q, k, v, self.count, bias, mask))
        return rolled(join(y, n, n, H, W), -shift, -shift)


class Lookup(nn.Module):
    def __init__(self, dim, entries, reduced, bias):
        super().__init__()
        self.wq, self.wk = nn.Linear(dim, reduced, bias=bias), nn.Linear(dim, reduced, bias=bias)
        self.wv = nn.Linear(dim, dim, bias=bias)
        self.scale = nn.Parameter(torch.zeros(entries))

    def forward(self, x, entries):
        """(pixels, c), (entries, c) -> what was found, and how much of which entry."""
        q, k = F.normalize(self.wq(x), dim=1, eps=1e-12), F.normalize(self.wk(entries), dim=1,
                                                                     eps=1e-12)
        sharp = 1 + self.scale.clamp(0, 1) * math.log(len(entries))
        a = (q @ k.t() * sharp).softmax(1)
        return a @ self.wv(entries), a


class CategoryAttention(nn.Module):
    def __init__(self, dim, count, size, bias):
        super().__init__()
        self.count, self.size = count, size
        self.logit_scale = nn.Parameter(torch.zeros(1, 1))
        self.proj = nn.Linear(dim, dim, bias=bias)

    def forward(self, qkv, a):
        """(pixels, 3 c), (pixels, entries)."""
        n, size = len(qkv), min(len(qkv), self.size)
        order = a.argmax(1).sort(stable=True).indices
        sorted_ = qkv[order]
        missing = -n % size
        sorted_ = torch.cat([sorted_, sorted_[n - missing:].flip(0)])
        q, k, v = (heads(t, self.count) for t in
                   sorted_.reshape(-1, size, qkv.shape[1]).chunk(3, 2))
        scale = self.logit_scale.clamp(max=math.log(100)).exp()
        y = ((q @ k.transpose(2, 3)) * scale).softmax(3) @ v
        y = y.transpose(1, 2).reshape(n + missing, -1)[:n]
        back = torch.empty_like(y)
        back[order] = y
        return self.proj(back)


class Depthwise(nn.Module):
    def __init__(self, dim, kernel):
        super().__init__()
        self.depthwise_conv = nn.Sequential(
            nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim), nn.GELU())

    def forward(self, x):
        return tokens(self.depthwise_conv(picture(x)))


class Feed(nn.Module):
    def __init__(self, dim, hidden, kernel):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dwconv = Depthwise(hidden, kernel)

    def forward(self, x):
        x = F.gelu(self.fc1(x))
        return self.fc2(x + self.dwconv(x))


class Layer(nn.Module):
    def __init__(self, dim, window, count, shift, hidden, kernel, entries, reduced, size, bias,
                 last):
        super().__init__()
        self.shift, self.last = shift, last
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        if not last:
            self.norm3 = nn.InstanceNorm1d(entries, affine=True)
            self.sigma = nn.Parameter(torch.zeros(entries, 1))
        self.wqkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.attn_win = WindowAttention(dim, window, count)
        self.attn_atd = Lookup(dim, entries, reduced, bias)
        self.attn_aca = CategoryAttention(dim, count, size, bias)
        self.convffn = Feed(dim, hidden, kernel)

    def forward(self, x, entries):
        _, H, W, c = x.shape
        y = self.norm1(x)
        qkv = self.wqkv(y)
        found, a = self.attn_atd(y.reshape(-1, c), entries)
        same = self.attn_aca(qkv.reshape(-1, 3 * c), a)
        x = x + self.attn_win(qkv, self.shift) + (found + same).reshape(1, H, W, c)
        x = x + self.convffn(self.norm2(x))
        if not self.last:
            # Without norm3's bias: added to all pixels alike, it changes no softmax.
            share = F.instance_norm(a.t()[None], weight=self.norm3.weight)[0].softmax(1)
            keep = torch.sigmoid(self.sigma)
            entries = keep * entries + (1 - keep) * (share @ x.reshape(-1, c))
        return x, entries


class Layers(nn.Module):
    def __init__(self, dim, entries, layers):
        super().__init__()
        self.td = nn.Parameter(torch.zeros(entries, dim))
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        entries = self.td
        for layer in self.layers:
            x, entries = layer(x, entries)
        return x


class Group(nn.Module):
    def __init__(self, dim, window, count, depth, hidden, kernel, entries, reduced, size, bias,
                 resi):
        super().__init__()
        self.residual_group = Layers(dim, entries, [
            Layer(dim, window, count, i % 2 * (window // 2), hidden, kernel, entries, reduced, size,
                  bias, i == depth - 1) for i in range(depth)])
        self.conv = residual_conv(dim, resi)

    def forward(self, x):
        return x + tokens(self.conv(picture(self.residual_group(x))))


class ATD(Ends):
    def __init__(self, upsampler, scale, dim=12, window=4, heads=(2, 3), depths=(2, 2), mlp=2,
                 kernel=5, entries=6, reduced=4, size=256, bias=True, resi='1conv', channels=3,
                 norm=True):
        super().__init__(channels, dim, upsampler, scale, normalised=norm)
        if not norm:
            self.register_buffer('no_norm', torch.zeros(1))
        self.window = window
        self.patch_embed = Norm(dim)
        self.register_buffer('relative_position_index_SA', relative_index(window, window))
        self.layers = nn.Sequential(*[
            Group(dim, window, count, depth, int(dim * mlp), kernel, entries, reduced, size, bias,
                  resi)
            for count, depth in zip(heads, depths)])
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = residual_conv(dim, resi)

    def pad(self, x):
        """By reflection that repeats the edge."""
        _, _, h, w = x.shape
        right, below = -w % self.window, -h % self.window
        x = torch.cat([x, x[:, :, h - below:].flip(2)], 2)
        return torch.cat([x, x[:, :, :, w - right:].flip(3)], 3)

    def body(self, x):
        return picture(self.norm(self.layers(self.patch_embed.norm(tokens(x)))))


def cases():
    def case(name, make, seed, **more):
        def tune(sd):
            bolder()(sd)
            for k, t in sd.items():
                if k.endswith('attn_atd.scale'):
                    t.sub_(0.4)
                elif k.endswith('logit_scale'):
                    t.abs_().mul_(0.5).add_(0.5)
                elif k.endswith('residual_group.td'):
                    t.mul_(3)
                elif k.endswith('norm3.weight'):
                    t.mul_(2)
        c = Case(name, 'ATD', make, tune=tune, tolerance=TOLERANCE,
                 unused=('no_norm', 'norm3.bias'), **more)
        c.seed = seed  # one with which no pixel is near the border of two categories
        return c

    def of(*args, **more):
        return lambda: ATD(*args, **more)

    return [
        case('atd-x2', of('pixelshuffle', 2), 52, scale=2, wrap=lambda sd: {'params_ema': sd}),
        case('atd-x4-nearest', of('nearest+conv', 4, window=8, heads=(2,), depths=(3,), kernel=7),
             5, width=24, height=16, scale=4, container='legacy'),
        case('atd-x1-nonorm', of('', 1, heads=(2,), bias=False, norm=False), 51, width=14, height=9,
             container='safetensors'),
        case('atd-x3-light-f16', of('pixelshuffledirect', 3, dim=48, heads=(4,), depths=(2,), mlp=1,
                                    reduced=8, size=128, resi='3conv'), 29, scale=3, stored='f16'),
    ]
