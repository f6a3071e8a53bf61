# SPDX-License-Identifier: MIT
"""waifu2x's swin_unet: Swin blocks at three sizes, the smaller ones between 2 x 2 convolutions.
Windows of 6 x 6 as in Liu et al., Swin Transformer, 2021; the rest from the documentation and the
files of nunif."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case
from windows import TOLERANCE, attend, bolder, cut, join, picture, relative_index, rolled, \
    shift_mask, tokens

LIST = 'nets_transformers.txt'
WINDOW, BORDER, STEP = 6, 8, 48


class Attention(nn.Module):
    def __init__(self, dim, count):
        super().__init__()
        self.count = count
        self.relative_position_bias_table = nn.Parameter(
            torch.zeros((2 * WINDOW - 1) ** 2, count))
        self.register_buffer('relative_position_index',
                             relative_index(WINDOW, WINDOW).flatten())
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, shift):
        _, H, W, _ = x.shape
        n = WINDOW
        q, k, v = self.qkv(cut(rolled(x, shift, shift), n, n)).chunk(3, 2)
        bias = self.relative_position_bias_table[relative_index(n, n)].permute(2, 0, 1)
        mask = shift_mask(H, W, n, n, shift, shift) if shift else None
        y = self.proj(attend(q, k, v, self.count, bias, mask))
        return rolled(join(y, n, n, H, W), -shift, -shift)


class PlainNorm(nn.Module):
    """LayerNorm that has no bias."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.layer_norm(x, x.shape[3:], self.weight, None, 1e-5)


class Block(nn.Module):
    def __init__(self, dim, count, shift, norm):
        super().__init__()
        self.shift = shift
        self.norm1, self.norm2 = (PlainNorm(dim), PlainNorm(dim)) if norm else \
            (nn.Identity(), nn.Identity())
        self.attn = Attention(dim, count)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Identity(),
                                 nn.Linear(2 * dim, dim))

    def forward(self, x):
        x = x + self.attn(self.norm1(x), self.shift)
        return x + self.mlp(self.norm2(x))


class Blocks(nn.Module):
    def __init__(self, dim, count, depth, norm):
        super().__init__()
        self.block = nn.Sequential(*[Block(dim, count, i % 2 * (WINDOW // 2), norm)
                                     for i in range(depth)])

    def forward(self, x):
        return self.block(x)


class Down(nn.Module):
    def __init__(self, dim, out):
        super().__init__()
        self.conv = nn.Conv2d(dim, out, 2, stride=2)

    def forward(self, x):
        return tokens(self.conv(picture(x)))


class Up(nn.Module):
    """Tokens to a picture, or to tokens, `scale` times as large."""

    def __init__(self, dim, out, scale):
        super().__init__()
        self.scale = scale
        self.proj = nn.Linear(dim, out * scale * scale)

    def forward(self, x):
        return F.pixel_shuffle(picture(self.proj(x)), self.scale)


class UNet(nn.Module):
    def __init__(self, scale, dim, count, channels, norm):
        super().__init__()
        c, d = dim, 2 * dim
        e = d if scale == 4 else c
        self.patch = nn.Sequential(nn.Conv2d(channels, c // 2, 3), nn.LeakyReLU(0.1),
                                   nn.Conv2d(c // 2, c, 3), nn.LeakyReLU(0.1))
        self.swin1, self.down1 = Blocks(c, count, 2, norm), Down(c, d)
        self.swin2, self.down2 = Blocks(d, count, 2, norm), Down(d, d)
        self.swin3, self.up2 = Blocks(d, count, 6, norm), Up(d, d, 2)
        self.swin4, self.up1 = Blocks(d, count, 2, norm), Up(d, e, 2)
        self.proj2 = nn.Linear(c, d) if scale == 4 else nn.Identity()
        self.swin5, self.to_image = Blocks(e, count, 2, norm), Up(e, channels, scale)

    def forward(self, x):
        x = self.patch(x)[:, :, 6:-6, 6:-6]
        a = self.swin1(tokens(x))
        b = self.swin2(self.down1(a))
        y = self.swin3(self.down2(b))
        y = self.swin4(tokens(self.up2(y)) + b)
        y = self.swin5(tokens(self.up1(y)) + self.proj2(a))
        return self.to_image(y).clamp(0, 1)


class SwinUNet(nn.Module):
    """The network takes 16 + 48 n pixels, and gives those that are 8 or more from the edge: the
    picture's edge is repeated, by 8 to the left and at the top, and as needed at the other
    sides."""

    def __init__(self, scale, dim=8, count=2, channels=3, norm=False):
        super().__init__()
        self.scale = scale
        self.unet = UNet(scale, dim, count, channels, norm)

    def forward(self, x):
        _, _, h, w = x.shape
        sides = (BORDER, BORDER + -w % STEP, BORDER, BORDER + -h % STEP)
        y = self.unet(F.pad(x, sides, 'replicate'))
        return y[:, :, :h * self.scale, :w * self.scale]


def cases():
    def case(name, scale, indices=False, options={}, **more):
        def tune(sd):
            bolder()(sd)
            for k, t in sd.items():
                if k == 'unet.to_image.proj.bias':
                    t.mul_(0.3).add_(0.5)
                elif k == 'unet.to_image.proj.weight':
                    t.mul_(0.1)
                elif k.endswith('bias_table'):
                    t.mul_(3)
                elif k.endswith(('proj.weight', 'mlp.3.weight')) and 'block' in k:
                    t.mul_(0.25)

        def wrap(sd):
            kwargs = {'in_channels': 3, 'out_channels': 3}
            if scale == 4:
                kwargs['pre_antialias'] = False
            if scale > 1:
                kwargs.update(base_dim=8, layer_norm=bool(options.get('norm')))
            return {'nunif_model': 1, 'name': 'waifu2x.swin_unet_%dx' % scale,
                    'updated_at': '2024-01-01 00:00:00+00:00', 'kwargs': kwargs,
                    'train_kwargs': {'size': 64, 'amp': True}, 'state_dict': sd}

        return Case(name, 'SwinUNet', lambda: SwinUNet(scale, **options), scale=scale, tune=tune,
                 tolerance=TOLERANCE, wrap=wrap,
                 rename=None if indices else
                 lambda k: None if k.endswith('position_index') else k, **more)

    return [
        case('swin-unet-2x', 2, indices=True),
        case('swin-unet-1x-wide', 1, width=50, height=20),
        case('swin-unet-4x-norm', 4, options={'norm': True}),
        case('swin-unet-4x-f16', 4, width=26, height=9, stored='f16'),
    ]
