# SPDX-License-Identifier: MIT
"""Real-CUGAN and waifu2x: cascaded U-Nets without padding, and the plain networks before them. From
the descriptions that Real-CUGAN and nunif give of their files; narrower than the public ones, which
have `wide` = 8.

Pictures are padded as the two programs do: Real-CUGAN mirrors, waifu2x repeats the border. Both
pad more to the right and below, to a size that halves evenly; the means over the picture see that."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from common import Case


def crop(x, n):
    return x[:, :, n:-n, n:-n]


def leaky(x):
    return F.leaky_relu(x, 0.1)


class Squeeze(nn.Module):
    """The seblock: channels weighted by what they are in the mean."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels // 8, 1)
        self.conv2 = nn.Conv2d(channels // 8, channels, 1)

    def forward(self, x):
        mean = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.conv2(F.relu(self.conv1(mean))))


class Pair(nn.Module):
    def __init__(self, inputs, middle, outputs, squeeze=True):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(inputs, middle, 3), nn.LeakyReLU(0.1),
                                  nn.Conv2d(middle, outputs, 3), nn.LeakyReLU(0.1))
        if squeeze:
            self.seblock = Squeeze(outputs)

    def forward(self, x):
        x = self.conv(x)
        return self.seblock(x) if hasattr(self, 'seblock') else x


class UNet1(nn.Module):
    """One level deep. `bottom` is the factor of its last layer: 1, 2 or 3."""

    def __init__(self, inputs, outputs, bottom, wide):
        super().__init__()
        w = 8 * wide
        self.conv1 = Pair(inputs, w // 2, w, False)
        self.conv1_down = nn.Conv2d(w, w, 2, 2)
        self.conv2 = Pair(w, 2 * w, w)
        self.conv2_up = nn.ConvTranspose2d(w, w, 2, 2)
        self.conv3 = nn.Conv2d(w, w, 3)
        self.conv_bottom = nn.Conv2d(w, outputs, 3) if bottom == 1 else \
            nn.ConvTranspose2d(w, outputs, 4, 2, 3) if bottom == 2 else \
            nn.ConvTranspose2d(w, outputs, 5, 3, 2)

    def forward(self, x):
        x = self.conv1(x)
        y = leaky(self.conv2_up(self.conv2(leaky(self.conv1_down(x)))))
        return self.conv_bottom(leaky(self.conv3(crop(x, 4) + y)))


class UNet2(nn.Module):
    """Two levels deep."""

    def __init__(self, inputs, outputs, wide):
        super().__init__()
        w = 8 * wide
        self.conv1 = Pair(inputs, w // 2, w, False)
        self.conv1_down = nn.Conv2d(w, w, 2, 2)
        self.conv2 = Pair(w, w, 2 * w)
        self.conv2_down = nn.Conv2d(2 * w, 2 * w, 2, 2)
        self.conv3 = Pair(2 * w, 4 * w, 2 * w)
        self.conv3_up = nn.ConvTranspose2d(2 * w, 2 * w, 2, 2)
        self.conv4 = Pair(2 * w, w, w)
        self.conv4_up = nn.ConvTranspose2d(w, w, 2, 2)
        self.conv5 = nn.Conv2d(w, w, 3)
        self.conv_bottom = nn.Conv2d(w, outputs, 3)

    def forward(self, x):
        x = self.conv1(x)
        y = self.conv2(leaky(self.conv1_down(x)))
        z = leaky(self.conv3_up(self.conv3(leaky(self.conv2_down(y)))))
        y = leaky(self.conv4_up(self.conv4(crop(y, 4) + z)))
        return self.conv_bottom(leaky(self.conv5(crop(x, 16) + y)))


class RealCUGAN(nn.Module):
    """kind: 2, 3, 4, or 'fast', which is 2 on a picture folded into 12 channels."""

    def __init__(self, kind, wide=1, pro=False):
        super().__init__()
        self.kind, self.scale = kind, 2 if kind == 'fast' else kind
        if pro:
            self.register_buffer('pro', torch.zeros(1))
        middle = 3 if kind in (2, 3) else 8 * wide
        self.unet1 = UNet1(12 if kind == 'fast' else 3, middle, 3 if kind == 3 else 2, wide)
        self.unet2 = UNet2(middle, middle, wide)
        if kind in (4, 'fast'):
            self.conv_final = nn.Conv2d(middle, 12, 3)

    def forward(self, picture):
        h, w = picture.shape[2:]
        pro = hasattr(self, 'pro')
        x = base = picture * 0.7 + 0.15 if pro else picture
        margin = {2: 18, 3: 14, 4: 19, 'fast': 38}[self.kind]
        unit = 2 if self.kind in (2, 4) else 4
        if self.kind == 'fast':  # whose network takes even halves only: mirrored twice
            x, unit = F.pad(x, (0, -w % 4, 0, -h % 4), 'reflect'), 1
        x = F.pad(x, (margin, margin + -w % unit, margin, margin + -h % unit), 'reflect')
        if self.kind == 'fast':
            x = F.pixel_unshuffle(x, 2)
        x = self.unet1(x)
        x = self.unet2(x) + crop(x, 20)
        if hasattr(self, 'conv_final'):
            x = F.pixel_shuffle(crop(self.conv_final(x), 1), 2)
        x = x[:, :, :h * self.scale, :w * self.scale]
        if hasattr(self, 'conv_final'):
            x = x + F.interpolate(base, scale_factor=self.scale, mode='nearest')
        return (x - 0.15) / 0.7 if pro else x


class Waifu2x(nn.Module):
    """What repeats the border, and cuts what is there too much."""

    scale, unit = 1, 1

    def forward(self, picture):
        h, w = picture.shape[2:]
        n = math.ceil(self.border / self.scale)
        right, below = -(w + 2 * n) % self.unit, -(h + 2 * n) % self.unit
        x = self.network(F.pad(picture, (n, n + right, n, n + below), 'replicate'))
        return x[:, :, :h * self.scale, :w * self.scale].clamp(0, 1)


class Chain(Waifu2x):
    def __init__(self, widths):
        super().__init__()
        layers = []
        for i, (a, b) in enumerate(zip(widths, widths[1:])):
            last = i == len(widths) - 2
            up = last and self.scale == 2
            layers.append(nn.ConvTranspose2d(a, b, 4, 2, 3) if up else nn.Conv2d(a, b, 3))
            if not last:
                layers.append(nn.LeakyReLU(0.1))
        self.net = nn.Sequential(*layers)

    def network(self, x):
        return self.net(x)


class VGG7(Chain):
    border = 7

    def __init__(self, wide=1):
        super().__init__([3, 4 * wide, 4 * wide, 8 * wide, 8 * wide, 16 * wide, 16 * wide, 3])


class UpConv7(Chain):
    border, scale = 14, 2

    def __init__(self, wide=1):
        super().__init__([3, 2 * wide, 4 * wide, 8 * wide, 16 * wide, 16 * wide, 32 * wide, 3])


class Cunet(Waifu2x):
    def __init__(self, scale, clip, wide=1):
        super().__init__()
        self.scale, self.clip, self.unit = scale, clip, 4
        self.border = 28 if scale == 1 else 36
        self.unet1 = UNet1(3, 3, scale, wide)
        self.unet2 = UNet2(3, 3, wide)

    def network(self, x):
        x = self.unet1(x)
        if self.clip:
            x = x.clamp(0, 1)
        return self.unet2(x) + crop(x, 20)


def nunif(name, **kwargs):
    kwargs = dict({'in_channels': 3, 'out_channels': 3}, **kwargs)
    return lambda sd: {'nunif_model': 1, 'name': name, 'updated_at': '2023-01-31 06:00:00+00:00',
                       'kwargs': kwargs, 'train_kwargs': None, 'state_dict': sd}


def tune(clipped=False):
    """Results about 0..1 on which the deepest layers still have a say."""
    def apply(sd):
        squeezed = {k.split('seblock')[0] + 'conv.2.weight' for k in sd if 'seblock' in k}
        for k, t in sd.items():
            if k.endswith('bias'):
                t.mul_(3)
            if t.dim() == 4 and '_up.' in k or k == 'unet1.conv_bottom.weight' and t.shape[2] > 3:
                # A transposed convolution: inputs first, and few taps meet one output.
                t.mul_(math.sqrt(t[0].numel() / (t.shape[0] * (t.shape[2] // 2) ** 2)))
            if k.endswith('seblock.conv1.weight'):
                t.abs_()  # a few units only: all of them alive
            elif k.endswith('seblock.conv1.bias'):
                t.add_(0.5)
            elif k.endswith('seblock.conv2.bias'):
                t.mul_(4).sub_(1)
            elif t.dim() == 4 and 'unet' in k and 'conv_bottom' not in k:
                t.mul_(3 if k in squeezed else 1.6 if '_up' in k else 1.4)
            elif k == 'unet2.conv_bottom.weight' or k == 'unet1.conv_bottom.weight':
                t.mul_(0.5)
            elif k == 'conv_final.weight':
                t.mul_(0.6)
            if clipped and k in ('unet1.conv_bottom.bias', 'net.12.bias'):
                t.add_(0.5)
            elif clipped and k == 'net.12.weight':
                t.mul_(0.5)
    return apply


def cases():
    size = {'width': 50, 'height': 45}

    def cugan(name, kind, pro=False, **more):
        return Case(name, 'Real-CUGAN', lambda: RealCUGAN(kind, pro=pro), tune=tune(),
                    scale=2 if kind == 'fast' else kind, unused=('pro',), tolerance=2e-5, **more)

    def waifu2x(name, architecture, make, **more):
        return Case('waifu2x-' + name, architecture, make, tune=clipped, tolerance=2e-5, **more)

    clipped = tune(clipped=True)
    return [
        cugan('cugan-2x', 2, width=37, height=40, seed=1, container='safetensors'),
        cugan('cugan-3x', 3, width=37, height=33, stored='f16'),
        cugan('cugan-4x', 4, width=33, height=32, stored='f16', container='legacy'),
        # The public files say a number, those saved again a tensor.
        cugan('cugan-2x-pro', 2, True, stored='bf16', wrap=lambda sd: dict(sd, pro=1), **size),
        cugan('cugan-3x-pro', 3, True, width=32, height=34, stored='f16', container='safetensors'),
        cugan('cugan-2x-fast', 'fast', width=49, height=43, stored='f16'),
        waifu2x('vgg7', 'VGG7', VGG7, wrap=nunif('waifu2x.vgg_7')),
        waifu2x('upconv7', 'UpConv7', UpConv7, scale=2, wrap=nunif('waifu2x.upconv_7')),
        waifu2x('cunet', 'UpCunet', lambda: Cunet(1, True), stored='f16', width=39, height=33,
                wrap=nunif('waifu2x.cunet', no_clip=False)),
        waifu2x('upcunet', 'UpCunet', lambda: Cunet(2, True), scale=2, stored='f16', width=37,
                height=31, wrap=nunif('waifu2x.upcunet', no_clip=False)),
        waifu2x('upcunet-no-clip', 'UpCunet', lambda: Cunet(2, False), scale=2, stored='f16',
                width=33, height=30, seed=1,
                wrap=nunif('waifu2x.upcunet', no_clip=True)),
    ]
