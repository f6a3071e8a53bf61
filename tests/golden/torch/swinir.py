# SPDX-License-Identifier: MIT
"""SwinIR: groups of Swin Transformer blocks, each closed by a convolution and a shortcut.
Liang et al., SwinIR: Image Restoration Using Swin Transformer, 2021."""
from torch import nn

from common import Case, times
from windows import TOLERANCE, Ends, Norm, SwinBlock, bolder, padded, picture, residual_conv, tokens

LIST = 'nets_transformers.txt'


class Blocks(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.blocks(x)


class Group(nn.Module):
    def __init__(self, dim, window, count, depth, hidden, size, resi):
        super().__init__()
        self.residual_group = Blocks(
            SwinBlock(dim, window, count, i % 2 * (window // 2), hidden, size)
            for i in range(depth))
        self.conv = residual_conv(dim, resi)

    def forward(self, x):
        return x + tokens(self.conv(picture(self.residual_group(x))))


class SwinIR(Ends):
    def __init__(self, upsampler, scale=1, dim=12, window=4, heads=(2, 2), depths=(2, 2), mlp=2,
                 resi='1conv', channels=3, unshuffle=1, windows_a_side=2):
        super().__init__(channels, dim, upsampler, scale, unshuffle=unshuffle,
                         reach=255.0 if window == 7 else 1.0)
        self.window = window
        self.patch_embed = Norm(dim)
        self.layers = nn.Sequential(*[
            Group(dim, window, n, depth, int(dim * mlp), window * windows_a_side, resi)
            for n, depth in zip(heads, depths)])
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = residual_conv(dim, resi)

    def pad(self, x):
        return padded(x, self.window * self.unshuffle)

    def body(self, x):
        x = self.patch_embed.norm(tokens(x))
        return picture(self.norm(self.layers(x)))


def cases():
    def of(*args, **more):
        return lambda: SwinIR(*args, **more)

    def case(name, make, tune=None, **more):
        return Case(name, 'SwinIR', make, tune=bolder(tune or times(0.3, 'conv_last.weight')),
                    tolerance=TOLERANCE, unused=('attn_mask',), **more)

    def jpeg(sd):
        times(0.02, 'conv_first.weight')(sd)
        times(60, 'conv_last.weight', 'conv_last.bias')(sd)

    ema = lambda sd: {'params_ema': sd}
    plain = lambda sd: {'params': sd}
    return [
        case('swinir-x4', of('pixelshuffle', 4), scale=4, wrap=plain),
        case('swinir-x3-direct', of('pixelshuffledirect', 3, heads=(2, 3), depths=(3, 2)), scale=3,
             tune=times(0.3, 'upsample.0.weight'), container='safetensors'),
        case('swinir-x4-nearest-3conv', of('nearest+conv', 4, resi='3conv'), scale=4, wrap=ema,
             tune=times(2, 'conv_last.weight'), container='legacy'),
        case('swinir-x2-nearest-f16', of('nearest+conv', 2, window=8, heads=(3,), depths=(2,)),
             width=24, height=16, scale=2, stored='f16', wrap=ema),
        case('swinir-x1-grey', of('', channels=1, mlp=4, depths=(2, 1)), channels=1),
        case('swinir-x1-jpeg', of('', window=7, depths=(2,), heads=(2,)), tune=jpeg),
        case('swinir-x2-unshuffle', of('pixelshuffle', 2, unshuffle=2), width=32, height=24,
             scale=2, wrap=plain),
        case('swinir-x1-unshuffle', of('nearest+conv', 1, unshuffle=2), container='safetensors',
             tune=times(2, 'conv_last.weight')),
    ]
