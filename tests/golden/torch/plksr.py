# SPDX-License-Identifier: MIT
"""PLKSR and RealPLKSR: a large kernel on some of the channels. Lee et al., Partial Large Kernel CNNs
for Efficient Super-Resolution, 2024; the second is the variant of training programs with a group
norm or, later, a layer norm, and DySample at its end."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case
from dysample import DySample


class Large(nn.Module):
    """One dense kernel."""

    def __init__(self, part, kernel):
        super().__init__()
        self.part = part
        self.conv = nn.Conv2d(part, part, kernel, padding=kernel // 2)

    def large(self, x):
        return self.conv(x)

    def forward(self, x):
        return torch.cat([self.large(x[:, :self.part]), x[:, self.part:]], 1)


class Sparse(Large):
    """A sum of small kernels, dilated."""

    def __init__(self, part, kernels, dilations):
        nn.Module.__init__(self)
        self.part = part
        self.convs = nn.ModuleList(nn.Conv2d(part, part, k, padding=k // 2 * d, dilation=d)
                                   for k, d in zip(kernels, dilations))

    def large(self, x):
        return sum(conv(x) for conv in self.convs)


class Rectangular(Large):
    """A high one, a wide one and a small one; their short side is a third of the long one."""

    def __init__(self, part, kernel):
        nn.Module.__init__(self)
        self.part = part
        m, n = kernel, kernel // 3
        self.mn_conv = nn.Conv2d(part, part, (m, n), padding=(m // 2, n // 2))
        self.nm_conv = nn.Conv2d(part, part, (n, m), padding=(n // 2, m // 2))
        self.nn_conv = nn.Conv2d(part, part, (n, n), padding=(n // 2, n // 2))

    def large(self, x):
        return self.mn_conv(x) + self.nm_conv(x) + self.nn_conv(x)


class Attention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1), nn.Sigmoid())

    def forward(self, x):
        return x * self.f(x)


class LayerNorm(nn.Module):
    """Over the channels of each pixel."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias,
                            1e-6).permute(0, 3, 1, 2)


def mixer(dim, kernels, activation):
    first, second = kernels
    return nn.Sequential(nn.Conv2d(dim, 2 * dim, first, padding=first // 2), activation,
                         nn.Conv2d(2 * dim, dim, second, padding=second // 2))


class Block(nn.Module):
    """channe_mixer is what PLKSR's files say."""

    def __init__(self, dim, kernels, large, attention):
        super().__init__()
        self.channe_mixer = mixer(dim, kernels, nn.GELU())
        self.lk = large()
        if attention:
            self.attn = Attention(dim)
        self.refine = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        y = self.lk(self.channe_mixer(x))
        return x + self.refine(self.attn(y) if hasattr(self, 'attn') else y)


class RealBlock(nn.Module):
    def __init__(self, dim, part, kernel, attention, layer_norm):
        super().__init__()
        if layer_norm:
            self.layer_norm = LayerNorm(dim)
        self.channel_mixer = mixer(dim, (3, 3), nn.Mish())
        self.lk = Large(part, kernel)
        if attention:
            self.attn = Attention(dim)
        self.refine = nn.Conv2d(dim, dim, 1)
        if not layer_norm:
            self.norm = nn.GroupNorm(4, dim)

    def forward(self, x):
        y = self.layer_norm(x) if hasattr(self, 'layer_norm') else x
        y = self.lk(self.channel_mixer(y))
        y = self.refine(self.attn(y) if hasattr(self, 'attn') else y)
        return x + (self.norm(y) if hasattr(self, 'norm') else y)


class PLKSR(nn.Module):
    def __init__(self, dim, scale, blocks, upsampler=None, without_weights=()):
        super().__init__()
        self.scale = scale
        self.feats = nn.Sequential(nn.Conv2d(3, dim, 3, padding=1), *blocks, *without_weights,
                                   nn.Conv2d(dim, 3 * scale * scale, 3, padding=1))
        self.to_img = upsampler or nn.PixelShuffle(scale)

    def forward(self, x):
        return self.to_img(self.feats(x) + x.repeat_interleave(self.scale ** 2, 1))


def plain(dim, scale, kernels, large, attention):
    return lambda: PLKSR(dim, scale, [Block(dim, kernels, large, attention) for _ in range(2)])


def real(dim, scale, part, kernel, attention=True, layer_norm=False, dysample=False):
    def make():
        blocks = [RealBlock(dim, part, kernel, attention, layer_norm) for _ in range(2)]
        up = DySample(3 * scale * scale, 3, scale, 4 if scale % 2 == 0 else 3,
                      scale != 1) if dysample else None
        return PLKSR(dim, scale, blocks, up, [nn.Dropout2d(0)])
    return make


def tune(sd):
    """Brings the last convolution to the size of a correction, and makes biases count."""
    last = max(int(k.split('.')[1]) for k in sd if k.startswith('feats.'))
    for k, t in sd.items():
        if k == 'feats.%d.weight' % last:
            t.mul_(0.3)
        elif k.endswith('bias'):
            t.mul_(2)
        elif k.startswith('to_img.offset'):
            t.mul_(2)
        elif k.endswith(('refine.weight', 'channe_mixer.2.weight', 'lk.nn_conv.weight')):
            t.mul_(2)


def cases():
    ema = lambda sd: {'params_ema': sd}
    plain_lk = lambda: Large(4, 9)
    sparse = lambda: Sparse(4, (5, 5, 5, 5), (1, 2, 3, 4))
    rectangular = lambda: Rectangular(4, 17)
    x3, x4 = {'width': 17, 'height': 13}, {'width': 13, 'height': 9}

    def of_real(name, dim, scale, part, kernel, *flags, **more):
        return Case('realplksr-' + name, 'RealPLKSR', real(dim, scale, part, kernel, *flags),
                    scale=scale, tune=tune, tolerance=2e-5, unused=('init_pos',) * (scale == 1),
                    **more)

    def of_plain(name, dim, scale, *parts, **more):
        return Case('plksr-' + name, 'PLKSR', plain(dim, scale, *parts), scale=scale, tune=tune,
                    tolerance=2e-5, **more)

    return [  # attention, layer norm, DySample
        of_real('x4', 12, 4, 3, 13, True, False, False, stored='f16', wrap=ema, **x4),
        of_real('x2-k17', 12, 2, 3, 17, True, False, False, stored='f16', container='safetensors'),
        of_real('x3-no-ea', 16, 3, 4, 13, False, False, False, stored='f16', **x3),
        of_real('x1-no-ea', 8, 1, 2, 9, False, False, False, container='legacy'),
        of_real('x2-layer-norm', 8, 2, 4, 9, True, True, False, wrap=ema),
        of_real('x4-layer-norm-no-ea', 16, 4, 4, 9, False, True, False, stored='bf16', **x4),
        of_real('x1-dysample', 8, 1, 4, 9, True, False, True, container='safetensors'),
        of_real('x2-dysample', 8, 2, 4, 9, True, False, True),
        of_real('x3-dysample', 12, 3, 4, 9, False, False, True, stored='f16', **x3),
        of_real('x4-dysample', 8, 4, 4, 9, True, True, True, stored='f16', views=True, **x4),
        of_plain('x2-ccm', 12, 2, (3, 1), plain_lk, True),
        of_plain('x4-dccm', 12, 4, (3, 3), plain_lk, False, stored='f16', container='legacy', **x4),
        of_plain('x3-iccm', 16, 3, (1, 3), plain_lk, True, stored='f16', **x3),
        of_plain('x2-sparse', 12, 2, (3, 1), sparse, True, stored='bf16'),
        of_plain('x2-rectangular', 12, 2, (3, 1), rectangular, True, container='safetensors'),
    ]
