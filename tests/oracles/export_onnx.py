#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""export_onnx.py FOLDER: networks of known architectures, tiny and of random weights, as PyTorch
exports them: opsets 11, 13 and 16, sizes open and fixed; and the transformers of tests/golden/torch,
in one opset each.

FOLDER/good.txt has a line NAME WIDTH HEIGHT CHANNELS SCALE for each FOLDER/NAME.onnx and NAME.in."""
import os
import sys
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1)
warnings.filterwarnings('ignore')

def conv(i, o, k=3):
    return nn.Conv2d(i, o, k, 1, k // 2)


class Compact(nn.Module):
    def __init__(self, up, features=8, convs=2):
        super().__init__()
        layers = [conv(3, features), nn.PReLU(features)]
        for _ in range(convs):
            layers += [conv(features, features), nn.PReLU(features)]
        self.body = nn.Sequential(*layers, conv(features, 3 * up * up), nn.PixelShuffle(up))
        self.up = up

    def forward(self, x):
        return self.body(x) + F.interpolate(x, scale_factor=self.up, mode='nearest')


class Dense(nn.Module):
    def __init__(self, features, growth=4):
        super().__init__()
        self.convs = nn.ModuleList(
            [conv(features + i * growth, growth if i < 4 else features) for i in range(5)])

    def forward(self, x):
        parts = [x]
        for i in range(4):
            parts.append(F.leaky_relu(self.convs[i](torch.cat(parts, 1)), 0.2))
        return self.convs[4](torch.cat(parts, 1)) * 0.2 + x


class ESRGAN(nn.Module):
    def __init__(self, unshuffle, features=8):
        super().__init__()
        self.unshuffle = unshuffle
        self.first = conv(3 * unshuffle ** 2, features)
        self.body = nn.Sequential(Dense(features), Dense(features), conv(features, features))
        self.ups = nn.ModuleList([conv(features, features) for _ in range(2)])
        self.last = nn.Sequential(conv(features, features), nn.LeakyReLU(0.2), conv(features, 3))

    def forward(self, x):
        y = self.first(F.pixel_unshuffle(x, self.unshuffle) if self.unshuffle > 1 else x)
        y = y + self.body(y)
        for up in self.ups:
            y = F.leaky_relu(up(F.interpolate(y, scale_factor=2, mode='nearest')), 0.2)
        return self.last(y)


class LargeKernel(nn.Module):
    """A block of RealPLKSR, with either of its two normalisations."""

    def __init__(self, dim, layer_norm):
        super().__init__()
        self.mixer = nn.Sequential(conv(dim, 2 * dim), nn.Mish(), conv(2 * dim, dim))
        self.large, self.gate = conv(dim // 2, dim // 2, 7), conv(dim, dim)
        self.refine, self.layer_norm = conv(dim, dim, 1), layer_norm
        self.norm = nn.GroupNorm(4, dim)
        nn.init.uniform_(self.norm.weight)
        nn.init.uniform_(self.norm.bias)

    def forward(self, x):
        y = x
        if self.layer_norm:
            mean = y.mean(1, keepdim=True)
            y = (y - mean) / torch.sqrt((y - mean).pow(2).mean(1, keepdim=True) + 1e-6)
            y = self.norm.weight[:, None, None] * y + self.norm.bias[:, None, None]
        y = self.mixer(y)
        a, b = torch.split(y, [y.size(1) // 2] * 2, dim=1)
        y = torch.cat([self.large(a), b], 1)
        y = self.refine(y * torch.sigmoid(self.gate(y)))
        return x + (y if self.layer_norm else self.norm(y))


class RealPLKSR(nn.Module):
    def __init__(self, layer_norm, dim=8, up=2):
        super().__init__()
        self.feats = nn.Sequential(conv(3, dim), LargeKernel(dim, layer_norm),
                                   LargeKernel(dim, layer_norm), nn.Dropout2d(0.1),
                                   conv(dim, 3 * up * up))
        self.up = nn.PixelShuffle(up)

    def forward(self, x):
        n, c, h, w = x.shape
        return self.up(self.feats(x) + x.unsqueeze(2).expand(n, c, 4, h, w).reshape(n, 4 * c, h, w))


class Excite(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.down, self.up = conv(features, features // 2, 1), conv(features // 2, features, 1)

    def forward(self, x):
        y = torch.mean(x, dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.up(F.relu(self.down(y))))


def valid(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3), nn.LeakyReLU(0.1))


class UNet(nn.Module):
    def __init__(self, features, bottom, crop):
        super().__init__()
        self.crop = crop
        self.start = nn.Sequential(valid(3, features), valid(features, features))
        self.down = nn.Conv2d(features, features, 2, 2)
        self.middle = nn.Sequential(valid(features, features), valid(features, features),
                                    Excite(features))
        self.up = nn.ConvTranspose2d(features, features, 2, 2)
        self.end = nn.Sequential(valid(features, features), bottom)

    def forward(self, x):
        a = self.start(x)
        b = self.middle(F.leaky_relu(self.down(a), 0.1))
        return self.end(F.pad(a, [-self.crop] * 4) + F.leaky_relu(self.up(b), 0.1))


class UpCunet(nn.Module):
    """Two U-nets, a reflected border, and a size that is made even."""

    def __init__(self, features=8):
        super().__init__()
        self.first = UNet(features, nn.ConvTranspose2d(features, 3, 4, 2, 3), 4)
        self.second = UNet(features, nn.Conv2d(features, 3, 3), 4)

    def forward(self, x):
        h, w = x.shape[2:]
        even = [((n - 1) // 2 + 1) * 2 for n in (h, w)]
        x = F.pad(x, (12, 12 + even[1] - w, 12, 12 + even[0] - h), 'reflect')
        x = self.first(x)
        x = F.pad(x, (-8,) * 4) + self.second(x)
        return x[:, :, :h * 2, :w * 2]


class Tokens(nn.Module):
    """Channels last and tokens, as in transformers, without their attention."""

    def __init__(self, dim=8):
        super().__init__()
        self.first, self.last = conv(3, dim), conv(dim, 3)
        self.norm, self.grow, self.shrink = nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.Linear(
            2 * dim, dim)

    def mlp(self, t):
        return t + self.shrink(F.gelu(self.grow(self.norm(t))))

    def forward(self, x):
        y = self.first(x)
        n, c, h, w = y.shape
        y = self.mlp(y.flatten(2).transpose(1, 2)).transpose(1, 2).view(n, c, h, w)
        return self.last(self.mlp(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)) + x


class Mixed(nn.Module):
    """What the others have not: batch and instance norm, groups, pools, resizes, picks."""

    def __init__(self, dim=8):
        super().__init__()
        self.first, self.batch = nn.Conv2d(3, dim, 3, 1, 1, bias=False), nn.BatchNorm2d(dim)
        self.row = nn.Conv2d(dim, dim, (1, 5), 1, (0, 2), groups=dim)
        self.spread = nn.Conv2d(dim, dim, 3, 1, 2, dilation=2, groups=2)
        self.instance, self.last = nn.InstanceNorm2d(dim, affine=True), conv(dim, 3)
        self.batch.running_mean.uniform_()
        self.batch.running_var.uniform_(0.5, 1)

    def forward(self, x):
        mean = torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1)
        y = F.relu(self.batch(self.first((x - mean) * 2 / 1.5)))
        y = self.row(F.pad(y, (1, 1, 1, 1), 'reflect'))[:, :, 1:-1, 1:-1]
        a, b = self.instance(self.spread(y)).chunk(2, 1)
        y = torch.cat([a * torch.sigmoid(b), torch.tanh(b)], 1)
        p = F.interpolate(F.avg_pool2d(y, 2), size=y.shape[2:], mode='bilinear',
                          align_corners=False)
        y = (y + p * F.hardswish(p) + F.softplus(y) * 0.1)[:, [1, 0, 3, 2, 5, 4, 7, 6]]
        n, c, h, w = y.shape
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        z = F.interpolate(F.interpolate(x, scale_factor=2, mode='bicubic', align_corners=False),
                          scale_factor=0.5, mode='bicubic', align_corners=False)
        return torch.clamp(self.last(y) + z + mean, -1, 2)


NETWORKS = {'compact2': (2, Compact(2)), 'compact4': (4, Compact(4)), 'esrgan': (4, ESRGAN(1)),
            'esrgan_unshuffle': (2, ESRGAN(2)), 'realplksr': (2, RealPLKSR(False)),
            'realplksr_layer_norm': (2, RealPLKSR(True)), 'upcunet': (2, UpCunet()),
            'tokens': (1, Tokens()), 'mixed': (1, Mixed())}
WIDTH, HEIGHT = 40, 32
TRANSFORMERS = ('swinir', 'drct', 'dat', 'omnisr', 'srformer')


def transformers():
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../golden/torch'))
    for family in TRANSFORMERS:
        for case in __import__(family).cases():
            if case.channels != 3 or 'jpeg' in case.name or 'shift3' in case.name:
                continue  # their windows do not fit this size
            net = case.make()
            net.load_state_dict(case.weights())
            yield case.name.replace('-', '_'), case.scale, net


def export(folder, cases, name, scale, net, opset, kind):
    axes = {'x': {0: 'n', 2: 'h', 3: 'w'}, 'y': {0: 'n', 2: 'h', 3: 'w'}}
    case = '%s_%d_%s' % (name, opset, kind)
    base = os.path.join(folder, case)
    net.eval()
    x = torch.rand(1, 3, HEIGHT, WIDTH)
    torch.onnx.export(net, x, base + '.onnx', opset_version=opset, input_names=['x'],
                      output_names=['y'], dynamic_axes=axes if kind == 'open' else None)
    x.numpy().tofile(base + '.in')
    cases.write('%s %d %d 3 %d\n' % (case, WIDTH, HEIGHT, scale))


def main(folder):
    with open(os.path.join(folder, 'good.txt'), 'w') as f:
        for name, (scale, net) in NETWORKS.items():
            for opset in (11, 13, 16):
                for kind in ('open', 'fixed'):
                    export(folder, f, name, scale, net, opset, kind)
        for name, scale, net in transformers():
            export(folder, f, name, scale, net, 13, 'open')
            export(folder, f, name, scale, net, 16, 'fixed')


if __name__ == '__main__':
    main(sys.argv[1])
