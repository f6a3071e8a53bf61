# SPDX-License-Identifier: MIT
"""HAT: Swin blocks with a gated convolution beside the attention, and at the end of each group one
attention from windows to larger windows around them. Chen et al., Activating More Pixels in Image
Super-Resolution Transformer, 2023."""
import torch
import torch.nn.functional as F
from torch import nn

from common import Case, times
from windows import TOLERANCE, Ends, Mlp, Norm, attend, bolder, cut, join, padded, picture, \
    relative_index, rolled, shift_mask, tokens

LIST = 'nets_transformers.txt'
CONV_SCALE = 0.01


def overlap_index(window, large):
    """[query, key]. Differences are counted from window - large + 1 and not from where they begin,
    so that many are negative, which PyTorch takes from the end of the table."""
    def places(n):
        at = torch.arange(n)
        return at.repeat_interleave(n), at.repeat(n)
    (qy, qx), (ky, kx) = places(window), places(large)
    dy = ky[None, :] - qy[:, None] + window - large + 1
    dx = kx[None, :] - qx[:, None] + window - large + 1
    return dy * (window + large - 1) + dx


class Gate(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.attention = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(dim, inner, 1), nn.ReLU(),
                                       nn.Conv2d(inner, dim, 1), nn.Sigmoid())

    def forward(self, x):
        return x * self.attention(x)


class ConvBlock(nn.Module):
    def __init__(self, dim, inner, squeezed):
        super().__init__()
        self.cab = nn.Sequential(nn.Conv2d(dim, inner, 3, padding=1), nn.GELU(),
                                 nn.Conv2d(inner, dim, 3, padding=1), Gate(dim, squeezed))

    def forward(self, x):
        return self.cab(x)


class WindowAttention(nn.Module):
    def __init__(self, dim, window, count):
        super().__init__()
        self.window, self.count = window, count
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, count))
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, shift):
        _, H, W, _ = x.shape
        n = self.window
        q, k, v = self.qkv(cut(rolled(x, shift, shift), n, n)).chunk(3, 2)
        bias = self.relative_position_bias_table[relative_index(n, n)].permute(2, 0, 1)
        mask = shift_mask(H, W, n, n, shift, shift) if shift else None
        y = self.proj(attend(q, k, v, self.count, bias, mask))
        return rolled(join(y, n, n, H, W), -shift, -shift)


class Hybrid(nn.Module):
    def __init__(self, dim, window, count, shift, hidden, inner, squeezed):
        super().__init__()
        self.shift = shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, window, count)
        self.conv_block = ConvBlock(dim, inner, squeezed)
        self.mlp = Mlp(dim, hidden)

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, self.shift) + CONV_SCALE * tokens(self.conv_block(picture(y)))
        return x + self.mlp(self.norm2(x))


class Overlap(nn.Module):
    def __init__(self, dim, window, large, count, hidden):
        super().__init__()
        self.window, self.large, self.count = window, large, count
        self.relative_position_bias_table = nn.Parameter(
            torch.zeros((window + large - 1) ** 2, count))
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = Mlp(dim, hidden)

    def around(self, x):
        """Tokens to large windows; outside of the picture there are zeros."""
        n, border = self.large, (self.large - self.window) // 2
        x = F.pad(x, (0, 0, border, border, border, border))
        x = x.unfold(1, n, self.window).unfold(2, n, self.window)  # 1, rows, columns, c, n, n
        return x.permute(0, 1, 2, 4, 5, 3).flatten(3, 4).flatten(0, 2)

    def forward(self, x):
        _, H, W, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).chunk(3, 3)
        index = overlap_index(self.window, self.large)
        bias = self.relative_position_bias_table[index].permute(2, 0, 1)
        y = attend(cut(q, self.window, self.window), self.around(k), self.around(v), self.count,
                   bias)
        x = x + self.proj(join(y, self.window, self.window, H, W))
        return x + self.mlp(self.norm2(x))


class Blocks(nn.Module):
    def __init__(self, blocks, overlap):
        super().__init__()
        self.blocks, self.overlap_attn = nn.Sequential(*blocks), overlap

    def forward(self, x):
        return self.overlap_attn(self.blocks(x))


class Group(nn.Module):
    def __init__(self, dim, window, large, count, depth, hidden, inner, squeezed, resi):
        super().__init__()
        self.residual_group = Blocks(
            [Hybrid(dim, window, count, i % 2 * (window // 2), hidden, inner, squeezed)
             for i in range(depth)], Overlap(dim, window, large, count, hidden))
        self.conv = nn.Conv2d(dim, dim, 3, padding=1) if resi == '1conv' else nn.Identity()

    def forward(self, x):
        return x + tokens(self.conv(picture(self.residual_group(x))))


class HAT(Ends):
    def __init__(self, scale, dim=12, window=4, overlap=0.5, heads=(2, 3), depths=(2, 1), mlp=2,
                 compress=3, squeeze=6, resi='1conv', channels=3, features=8):
        super().__init__(channels, dim, 'pixelshuffle', scale, features)
        self.window = window
        large = window + int(window * overlap)
        self.register_buffer('relative_position_index_SA', relative_index(window, window))
        self.register_buffer('relative_position_index_OCA', overlap_index(window, large))
        self.patch_embed = Norm(dim)
        self.layers = nn.Sequential(*[
            Group(dim, window, large, count, depth, dim * mlp, dim // compress, dim // squeeze,
                  resi)
            for count, depth in zip(heads, depths)])
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = nn.Conv2d(dim, dim, 3, padding=1) if resi == '1conv' \
            else nn.Identity()

    def pad(self, x):
        return padded(x, self.window)

    def body(self, x):
        return picture(self.norm(self.layers(self.patch_embed.norm(tokens(x)))))


def cases():
    def case(name, make, **more):
        def tune(sd):
            # 1/100 is little: what it multiplies is made large, so that it is seen.
            bolder(times(20, 'cab.2.weight', 'cab.2.bias'),
                   times(3, 'cab.0.weight'), times(0.1, 'attention.1.weight'))(sd)
            for k, t in sd.items():
                if k.endswith('attention.1.bias'):
                    t.abs_().add_(1)  # or the ReLU between would often be 0
        return Case(name, 'HAT', make, tune=tune, tolerance=TOLERANCE, **more)

    def of(*args, **more):
        return lambda: HAT(*args, **more)

    ema = lambda sd: {'params_ema': sd}
    return [
        case('hat-x2', of(2), scale=2, wrap=ema),
        case('hat-x4-heads', of(4, heads=(3,), depths=(3,), squeeze=3, mlp=4), scale=4,
             container='legacy', wrap=ema),
        case('hat-x3-window8', of(3, window=8, heads=(2,), depths=(2,)), width=24, height=16,
             scale=3, container='safetensors', stored='f16'),
        case('hat-x1-identity', of(1, resi='identity', channels=1, overlap=1.0), channels=1,
             width=21),
    ]
