# SPDX-License-Identifier: MIT
"""DAT: blocks that attend in windows and blocks that attend across channels take turns, each beside
a depthwise convolution of the values. Chen et al., Dual Aggregation Transformer for Image
Super-Resolution, 2023."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case, times
from windows import Ends, attend, bolder, cut, join, picture, relative_index, \
    residual_conv, rolled, shift_mask, tokens

LIST = 'nets_transformers.txt'


class Positions(nn.Module):
    """A small network from the distance of two tokens to what is added to their logit."""

    def __init__(self, dim, count):
        super().__init__()
        def step(out):
            return nn.Sequential(nn.LayerNorm(dim), nn.ReLU(), nn.Linear(dim, out))
        self.pos_proj = nn.Linear(2, dim)
        self.pos1, self.pos2, self.pos3 = step(dim), step(dim), step(count)

    def forward(self, distances):
        x = self.pos2(self.pos1(self.pos_proj(distances)))
        # Its bias is left out: added to all logits of a head alike, it changes no softmax.
        return F.linear(self.pos3[1](self.pos3[0](x)), self.pos3[2].weight)


class Branch(nn.Module):
    """Windows of h x w over half of the channels."""

    def __init__(self, dim, h, w, count):
        super().__init__()
        self.h, self.w, self.count = h, w, count
        self.pos = Positions(dim // 16 or 6, count)
        y, x = torch.arange(1 - h, h), torch.arange(1 - w, w)
        self.register_buffer('rpe_biases', torch.stack(
            torch.meshgrid(y, x, indexing='ij'), 2).flatten(0, 1).float())
        self.register_buffer('relative_position_index', relative_index(h, w))

    def forward(self, q, k, v, shifted):
        _, H, W, _ = q.shape
        h, w = self.h, self.w
        dy, dx = (h // 2, w // 2) if shifted else (0, 0)
        q, k, v = (cut(rolled(t, dy, dx), h, w) for t in (q, k, v))
        bias = self.pos(self.rpe_biases)[relative_index(h, w)].permute(2, 0, 1)
        mask = shift_mask(H, W, h, w, dy, dx) if shifted else None
        return rolled(join(attend(q, k, v, self.count, bias, mask), h, w, H, W), -dy, -dx)


class Mixer(nn.Module):
    """What both kinds of attention have: the convolution of the values, and two gates."""

    def __init__(self, dim, qkv_bias):
        super().__init__()
        self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias=qkv_bias), nn.Linear(dim, dim)
        self.dwconv = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1, groups=dim),
                                    nn.BatchNorm2d(dim), nn.GELU())
        self.channel_interaction = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(dim, dim // 8, 1), nn.BatchNorm2d(dim // 8),
            nn.GELU(), nn.Conv2d(dim // 8, dim, 1))
        self.spatial_interaction = nn.Sequential(
            nn.Conv2d(dim, dim // 16, 1), nn.BatchNorm2d(dim // 16), nn.GELU(),
            nn.Conv2d(dim // 16, 1, 1))

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, 3)
        seen = picture(self.attention(q, k, v))
        local = self.dwconv(picture(v))
        return self.proj(tokens(self.mix(seen, local)))


class Spatial(Mixer):
    def __init__(self, dim, qkv_bias, split, count, shifted, size):
        super().__init__(dim, qkv_bias)
        self.split, self.shifted = split, shifted
        shapes = [(split[0], split[1]), (split[1], split[0])]
        self.attns = nn.ModuleList(Branch(dim // 2, h, w, count // 2) for h, w in shapes)
        for i, (h, w) in enumerate(shapes if shifted else []):
            self.register_buffer('attn_mask_%d' % i, shift_mask(size, size, h, w, h // 2, w // 2))

    def attention(self, q, k, v):
        _, H, W, _ = q.shape
        n = max(self.split)
        q, k, v = (F.pad(t, (0, 0, 0, -W % n, 0, -H % n)).chunk(2, 3) for t in (q, k, v))
        both = [a(q[i], k[i], v[i], self.shifted) for i, a in enumerate(self.attns)]
        return torch.cat(both, 3)[:, :H, :W]

    def mix(self, seen, local):
        return seen * torch.sigmoid(self.channel_interaction(local)) + \
            local * torch.sigmoid(self.spatial_interaction(seen))


class Channel(Mixer):
    def __init__(self, dim, qkv_bias, count):
        super().__init__(dim, qkv_bias)
        self.temperature = nn.Parameter(torch.ones(count, 1, 1))

    def attention(self, q, k, v):
        _, H, W, c = q.shape
        count = len(self.temperature)
        q, k, v = (t.flatten(0, 2).t().reshape(count, c // count, H * W) for t in (q, k, v))
        a = F.normalize(q, dim=2, eps=1e-12) @ F.normalize(k, dim=2, eps=1e-12).transpose(1, 2)
        y = (a * self.temperature).softmax(2) @ v
        return y.reshape(c, H * W).t().reshape(1, H, W, c)

    def mix(self, seen, local):
        return seen * torch.sigmoid(self.spatial_interaction(local)) + \
            local * torch.sigmoid(self.channel_interaction(seen))


class SpatialGate(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x):
        a, b = x.chunk(2, 3)
        return a * tokens(self.conv(picture(self.norm(b))))


class Feed(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden // 2, dim)
        self.sg = SpatialGate(hidden // 2)

    def forward(self, x):
        return self.fc2(self.sg(F.gelu(self.fc1(x))))


class Block(nn.Module):
    def __init__(self, dim, attn, hidden):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn, self.ffn = attn, Feed(dim, hidden)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


def is_shifted(group, block):
    """Of the blocks 0, 2, 4, .. of a group every second one, beginning with 2 or with 0."""
    return block % 4 == (2 if group % 2 == 0 else 0)


class Group(nn.Module):
    def __init__(self, index, dim, depth, split, count, hidden, qkv_bias, size, resi):
        super().__init__()
        self.blocks = nn.Sequential(*[
            Block(dim, Channel(dim, qkv_bias, count) if i % 2 else
                  Spatial(dim, qkv_bias, split, count, is_shifted(index, i), size), hidden)
            for i in range(depth)])
        self.conv = residual_conv(dim, resi)

    def forward(self, x):
        return x + tokens(self.conv(picture(self.blocks(x))))


class DAT(Ends):
    def __init__(self, upsampler, scale, dim=16, split=(2, 4), depths=(3, 1), heads=(2, 4),
                 growth=2, qkv_bias=True, size=8, resi='1conv', channels=3):
        super().__init__(channels, dim, upsampler, scale)
        self.before_RG = nn.Sequential(nn.Identity(), nn.LayerNorm(dim))
        self.layers = nn.Sequential(*[
            Group(i, dim, depth, split, count, dim * growth, qkv_bias, size, resi)
            for i, (depth, count) in enumerate(zip(depths, heads))])
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = residual_conv(dim, resi)

    def body(self, x):
        return picture(self.norm(self.layers(self.before_RG(tokens(x)))))


def cases():
    def case(name, make, seed, **more):
        def tune(sd):
            bolder(times(2, 'channel_interaction.4.weight'),
                   times(3, 'pos3.2.weight'))(sd)
            for k, t in sd.items():
                if k.endswith('temperature'):
                    t.abs_().add_(2)
                elif k.endswith('channel_interaction.2.bias'):
                    t.abs_().add_(0.7)  # GELU of so few channels would often be 0
                elif k.endswith('spatial_interaction.1.running_mean'):
                    t.abs_().add_(0.3)
                elif k.endswith('spatial_interaction.3.weight'):
                    t.abs_().mul_(-0.25).sub_(0.7)  # against the bias: the sigmoid stays awake
                elif 'spatial_interaction' in k and t.numel() == 1 and k.endswith('bias'):
                    t.abs_().mul_(0.5).add_(1)
        c = Case(name, 'DAT', make, tune=tune, tolerance=1e-5,
                 unused=('attn_mask_0', 'attn_mask_1', 'pos3.2.bias'), **more)
        c.seed = seed  # one with which no part of the small networks is asleep
        return c

    def of(*args, **more):
        return lambda: DAT(*args, **more)

    ema = lambda sd: {'params_ema': sd}
    return [
        case('dat-x2', of('pixelshuffle', 2), 3, scale=2, wrap=ema),
        case('dat-x4-light', of('pixelshuffledirect', 4, split=(4, 8), depths=(4,), heads=(4,),
                                resi='3conv'), 5, scale=4, container='legacy'),
        case('dat-x3-square', of('pixelshuffle', 3, split=(4, 4), depths=(3,), heads=(2,),
                                 qkv_bias=False, growth=4), 1, width=20, height=16, scale=3,
             container='safetensors'),
        case('dat-x1-grey-bf16', of('pixelshuffledirect', 1, dim=24, depths=(2,), heads=(6,),
                                    channels=1), 1, channels=1, stored='bf16',
             wrap=lambda sd: {'params': sd}),
    ]
