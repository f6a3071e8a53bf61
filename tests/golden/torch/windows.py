# SPDX-License-Identifier: MIT
"""What the networks of windowed attention share. Pictures are (1, c, h, w), tokens (1, h, w, c),
windows (count, tokens, c); windows go row by row, and so do tokens in a window."""
import torch
import torch.nn.functional as F
from torch import nn

TOLERANCE = 2e-5  # PyTorch's own float32 was within 3e-6 of these results
MEAN = (0.4488, 0.4371, 0.4040)


def tokens(x):
    return x.permute(0, 2, 3, 1)


def picture(x):
    return x.permute(0, 3, 1, 2)


def cut(x, h, w):
    """Tokens to windows of h x w."""
    _, H, W, c = x.shape
    return x.reshape(H // h, h, W // w, w, c).transpose(1, 2).reshape(-1, h * w, c)


def join(x, h, w, H, W):
    """And back."""
    return x.reshape(H // h, W // w, h, w, -1).transpose(1, 2).reshape(1, H, W, -1)


def rolled(x, dy, dx):
    """Cyclic: the token at (dy, dx) goes to (0, 0)."""
    return torch.roll(x, (-dy, -dx), (1, 2)) if dy or dx else x


def relative_index(h, w):
    """[query, key] -> row of the bias table, for windows of h x w."""
    y = torch.arange(h).repeat_interleave(w)
    x = torch.arange(w).repeat(h)
    dy = y[:, None] - y[None, :] + h - 1
    dx = x[:, None] - x[None, :] + w - 1
    return dy * (2 * w - 1) + dx


def bands(size, window, shift):
    """A number for each row (or column) after the shift: 1 where it is in the last window but not
    from the other side of the picture, 2 where it is from there, 0 elsewhere."""
    at = torch.arange(size)
    return (at >= size - window).long() + (at >= size - shift).long()


def regions(H, W, h, w, dy, dx):
    return bands(H, h, dy)[:, None] * 3 + bands(W, w, dx)[None, :]


def shift_mask(H, W, h, w, dy, dx):
    """(windows, query, key): -100 between tokens that are no neighbours in the picture."""
    r = cut(regions(H, W, h, w, dy, dx)[None, :, :, None], h, w)[:, :, 0]
    return (r[:, :, None] != r[:, None, :]) * -100.0


def heads(x, count):
    """(n, tokens, c) -> (n, count, tokens, c / count)."""
    return x.reshape(x.shape[0], x.shape[1], count, -1).transpose(1, 2)


def attend(q, k, v, count, bias=None, mask=None):
    """softmax(q k / sqrt(d) + bias + mask) v. bias (count, query, key), mask (windows, query,
    key)."""
    q, k, v = heads(q, count), heads(k, count), heads(v, count)
    a = q * q.shape[-1] ** -0.5 @ k.transpose(2, 3)
    if bias is not None:
        a = a + bias
    if mask is not None:
        a = a + mask[:, None].to(a)
    return (a.softmax(3) @ v).transpose(1, 2).flatten(2)


def bolder(*more):
    """For `tune`: biases large enough to be missed where they are forgotten, then `more`."""
    def tune(sd):
        for k, t in sd.items():
            if k.endswith('bias') and t.dim() == 1:
                t.mul_(3)
        for f in more:
            f(sd)
    return tune


class WindowAttention(nn.Module):
    def __init__(self, dim, window, count):
        super().__init__()
        self.window, self.count = window, count
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, count))
        self.register_buffer('relative_position_index', relative_index(window, window))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x, shift):
        """Tokens to tokens."""
        _, H, W, _ = x.shape
        n = self.window
        q, k, v = self.qkv(cut(rolled(x, shift, shift), n, n)).chunk(3, 2)
        bias = self.relative_position_bias_table[relative_index(n, n)].permute(2, 0, 1)
        mask = shift_mask(H, W, n, n, shift, shift) if shift else None
        y = self.proj(attend(q, k, v, self.count, bias, mask))
        return rolled(join(y, n, n, H, W), -shift, -shift)


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """size: of the training picture; the mask for it is in the file, and nothing needs it."""

    def __init__(self, dim, window, count, shift, hidden, size):
        super().__init__()
        self.shift = shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, window, count)
        self.mlp = Mlp(dim, hidden)
        if shift:
            self.register_buffer('attn_mask',
                                 shift_mask(size, size, window, window, shift, shift))

    def forward(self, x):
        x = x + self.attn(self.norm1(x), self.shift)
        return x + self.mlp(self.norm2(x))


class Norm(nn.Module):
    """Only for the name of its tensors."""

    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)


def residual_conv(dim, kind):
    """'1conv' or '3conv', what ends a group and the body."""
    if kind == '1conv':
        return nn.Conv2d(dim, dim, 3, padding=1)
    return nn.Sequential(nn.Conv2d(dim, dim // 4, 3, padding=1), nn.LeakyReLU(0.2),
                         nn.Conv2d(dim // 4, dim // 4, 1), nn.LeakyReLU(0.2),
                         nn.Conv2d(dim // 4, dim, 3, padding=1))


def padded(x, multiple, mode='reflect'):
    """To the right and at the bottom."""
    _, _, h, w = x.shape
    right, below = -w % multiple, -h % multiple
    return F.pad(x, (0, right, 0, below), mode) if right or below else x


class Ends(nn.Module):
    """What comes before and behind the body: a base class of SwinIR, DAT, HAT, SRFormer, DRCT, ATD.

    upsampler  'pixelshuffle', 'pixelshuffledirect', 'nearest+conv', '' (1x)
    unshuffle  the picture is folded by that before the first convolution"""

    def __init__(self, channels, dim, upsampler, scale, features=8, unshuffle=1, reach=1.0,
                 normalised=True):
        super().__init__()
        self.upsampler, self.scale, self.unshuffle, self.reach = upsampler, scale, unshuffle, reach
        mean = MEAN if channels == 3 and normalised else (0,) * channels
        self.mean = torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1)
        first = nn.Conv2d(channels * unshuffle ** 2, dim, 3, padding=1)
        self.conv_first = nn.Sequential(nn.PixelUnshuffle(unshuffle), first) \
            if unshuffle > 1 else first
        inner = scale * unshuffle
        if upsampler == 'pixelshuffledirect':
            self.upsample = nn.Sequential(
                nn.Conv2d(dim, channels * inner * inner, 3, padding=1), nn.PixelShuffle(inner))
            return
        if upsampler:
            self.conv_before_upsample = nn.Sequential(
                nn.Conv2d(dim, features, 3, padding=1), nn.LeakyReLU(0.01))
        if upsampler == 'pixelshuffle':
            steps = [3] if inner == 3 else [2] * (inner.bit_length() - 1)
            self.upsample = nn.Sequential(*sum(
                ([nn.Conv2d(features, features * n * n, 3, padding=1), nn.PixelShuffle(n)]
                 for n in steps), []))
        elif upsampler == 'nearest+conv':
            self.steps = inner.bit_length() - 1
            for i in range(self.steps):
                setattr(self, 'conv_up%d' % (i + 1), nn.Conv2d(features, features, 3, padding=1))
            self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features if upsampler else dim, channels, 3, padding=1)

    def enlarge(self, x):
        if self.upsampler == 'pixelshuffledirect':
            return self.upsample(x)
        x = self.conv_before_upsample(x)
        if self.upsampler == 'pixelshuffle':
            return self.conv_last(self.upsample(x))
        for i in range(self.steps):
            x = F.interpolate(x, scale_factor=2, mode='nearest')
            x = F.leaky_relu(getattr(self, 'conv_up%d' % (i + 1))(x), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))

    def pad(self, x):
        return x

    def forward(self, x):
        _, _, h, w = x.shape
        x = self.pad(x)
        mean = self.mean.to(x)
        x = (x - mean) * self.reach
        first = self.conv_first(x)
        y = self.conv_after_body(self.body(first)) + first
        y = self.enlarge(y) if self.upsampler else x + self.conv_last(y)
        y = y / self.reach + mean
        return y[:, :, :h * self.scale, :w * self.scale]
