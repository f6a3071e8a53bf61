# SPDX-License-Identifier: MIT
"""What pique computes, once more, in NumPy and double precision.

Nothing here is fast, streams or shares a line with the program: whole pictures, direct sums. It
defines by itself what each step means, so that the program can be compared with it:

    picture  integer samples (h, w, n): grey, grey+alpha, RGB or RGBA, 8 or 16 bits
    planes   float64 (h, w, 3), or (h, w, 4) with alpha; 0..1, colour not premultiplied

    samples -> planes -> pre-downscale -> bleed -> network, n times -> resize -> effects -> samples
"""
import json
import struct
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np

LUMA = np.array([19595, 38470, 7471]) / 65536  # BT.601, 16-bit fractions whose sum is 1


# ---- models ----

@dataclass
class Compact:
    """SRVGGNetCompact: convolutions with PReLU between them, pixel shuffle, plus the nearest
    upscale of the input; `after` is the rate of a bicubic resize at the end, or 1."""
    layers: list  # (weight [out, in, 3, 3], bias [out], slope [out] or None)
    channels: int
    factor: int
    after: Fraction = Fraction(1)

    @property
    def scale(self):
        return self.factor * self.after


@dataclass
class Esrgan:
    """RRDBNet; a convolution is (weight, bias). With ESRGAN+ a dense block has a sixth entry, the
    weight of its 1x1 convolution."""
    first: tuple
    blocks: list  # of three dense blocks, each of five convolutions
    trunk: tuple
    ups: list
    hr: tuple
    last: tuple

    @property
    def channels(self):
        return self.first[0].shape[1]

    @property
    def scale(self):
        return Fraction(2 ** len(self.ups))


def esrgan_in_order(convs, ups, per_dense=5):
    """From its convolutions in the order in which they run."""
    per_block = 3 * per_dense
    count, left = divmod(len(convs) - 4 - ups, per_block)
    assert count > 0 and left == 0, 'no whole number of blocks'
    blocks = [[convs[i:i + per_dense] for i in range(b, b + per_block, per_dense)]
              for b in range(1, 1 + count * per_block, per_block)]
    trunk, *after = convs[1 + count * per_block:]
    return Esrgan(convs[0], blocks, trunk, after[:ups], after[ups], after[ups + 1])


def read_bytes(path):
    with open(path, 'rb') as file:
        return file.read()


def read_safetensors(path):
    """name -> float64 array."""
    data = read_bytes(path)
    size = struct.unpack('<Q', data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == '__metadata__':
            continue
        begin, end = (8 + size + offset for offset in entry['data_offsets'])
        raw = data[begin:end]
        if entry['dtype'] == 'BF16':
            values = (np.frombuffer(raw, '<u2').astype('<u4') << 16).view('<f4')
        else:
            values = np.frombuffer(raw, {'F16': '<f2', 'F32': '<f4'}[entry['dtype']])
        tensors[name] = values.astype(np.float64).reshape(entry['shape'])
    return tensors


def compact_from_tensors(tensors):
    last = max(int(name.split('.')[1]) for name in tensors)
    layers = [(tensors['body.%d.weight' % i], tensors['body.%d.bias' % i],
               tensors.get('body.%d.weight' % (i + 1))) for i in range(0, last + 1, 2)]
    channels = layers[0][0].shape[1]
    factor = round((layers[-1][0].shape[0] / channels) ** 0.5)
    return Compact(layers, channels, factor)


def read_ncnn(param_path, bin_path):
    """The .param of a Compact or ESRGAN network, in order; Split, Input and sums need no weights."""
    lines = read_bytes(param_path).decode().splitlines()[2:]
    data = read_bytes(bin_path)
    at, layers, factor, channels, after = 0, [], 1, 3, Fraction(1)
    joins, doublings = 0, 0

    def take(dtype, count):
        nonlocal at
        values = np.frombuffer(data, dtype, count, at)
        at += values.nbytes + -values.nbytes % 4
        return values.astype(np.float64)

    for words in (line.split() for line in lines if line.strip()):
        kind, inputs, outputs = words[0], int(words[2]), int(words[3])
        options = dict(word.split('=') for word in words[4 + inputs + outputs:])
        if kind == 'Convolution':
            out, count = int(options['0']), int(options['6'])
            half = take('<u4', 1)[0] == 0x01306B47
            weight = take('<f2' if half else '<f4', count).reshape(out, -1, 3, 3)
            layers.append((weight, take('<f4', out), None))
        elif kind == 'PReLU':
            layers[-1] = layers[-1][:2] + (take('<f4', int(options['0'])),)
        elif kind == 'PixelShuffle':
            factor = int(options['0'])
        elif kind == 'Interp' and options['0'] == '3':
            after = Fraction(options['1'])
        elif kind == 'Interp':
            doublings += 1
        elif kind == 'Concat':
            joins += 1
    assert at == len(data), 'bytes left over in ' + str(bin_path)
    if joins:
        return esrgan_in_order([layer[:2] for layer in layers], doublings)
    channels = layers[0][0].shape[1]
    return Compact(layers, channels, factor, after)


def read_model(path):
    path = str(path)
    if path.endswith('.param'):
        return read_ncnn(path, path[:-len('param')] + 'bin')
    return compact_from_tensors(read_safetensors(path))


def conv3x3(x, weight, bias):
    """x [c, h, w], zeros around."""
    _, h, w = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = np.tile(bias[:, None], (1, h * w))
    for dy in range(3):
        for dx in range(3):
            y += weight[:, :, dy, dx] @ padded[:, dy:dy + h, dx:dx + w].reshape(len(x), h * w)
    return y.reshape(-1, h, w)


def pixel_shuffle(x, f):
    """Channel c f^2 + dy f + dx goes to channel c at (f y + dy, f x + dx)."""
    c, h, w = x.shape
    return x.reshape(c // (f * f), f, f, h, w).transpose(0, 3, 1, 4, 2).reshape(-1, h * f, w * f)


def bicubic_matrix(n, out):
    """Four taps, a = -0.75, pixel centres, borders clamped, no low-pass."""
    a, m = -0.75, np.zeros((out, n))
    for i in range(out):
        position = (i + 0.5) * n / out - 0.5
        first = floor(position)
        for k in range(first - 1, first + 3):
            d = abs(position - k)
            weight = ((a + 2) * d - (a + 3)) * d * d + 1 if d <= 1 else \
                ((d - 5) * d + 8) * d * a - 4 * a
            m[i, min(max(k, 0), n - 1)] += weight
    return m


def leaky(x):
    return np.where(x < 0, 0.2 * x, x)


def dense_block(convs, x):
    c1, c2, c3, c4, c5 = convs[:5]
    join = np.concatenate
    x1 = leaky(conv3x3(x, *c1))
    x2 = leaky(conv3x3(join([x, x1]), *c2))
    if len(convs) == 6:
        x2 = x2 + np.tensordot(convs[5][:, :, 0, 0], x, 1)
    x3 = leaky(conv3x3(join([x, x1, x2]), *c3))
    x4 = leaky(conv3x3(join([x, x1, x2, x3]), *c4))
    if len(convs) == 6:
        x4 = x4 + x2
    return x + 0.2 * conv3x3(join([x, x1, x2, x3, x4]), *c5)


def forward_esrgan(model, x):
    first = y = conv3x3(x, *model.first)
    for block in model.blocks:
        inner = y
        for dense in block:
            inner = dense_block(dense, inner)
        y = y + 0.2 * inner
    y = first + conv3x3(y, *model.trunk)
    for up in model.ups:
        y = leaky(conv3x3(y.repeat(2, 1).repeat(2, 2), *up))
    return conv3x3(leaky(conv3x3(y, *model.hr)), *model.last)


def forward(model, x):
    """[channels, h, w] -> [channels, h scale, w scale]; not clipped."""
    if isinstance(model, Esrgan):
        return forward_esrgan(model, x)
    y = x
    for weight, bias, slope in model.layers:
        y = conv3x3(y, weight, bias)
        if slope is not None:
            y = np.where(y < 0, slope[:, None, None] * y, y)
    f = model.factor
    y = pixel_shuffle(y, f) + x.repeat(f, 1).repeat(f, 2)
    if model.after != 1:
        h, w = (int(n * model.after) for n in y.shape[1:])
        y = bicubic_matrix(y.shape[1], h) @ y @ bicubic_matrix(y.shape[2], w).T
    return y


# ---- samples and planes ----

def to_planes(samples, depth):
    """A sample v is the float32 product v * float32(1 / max)."""
    top = np.float32(1 / (2 ** depth - 1))
    v = (samples.astype(np.float32) * top).astype(np.float64)
    n = v.shape[2]
    colours = v[:, :, :3] if n >= 3 else v[:, :, :1].repeat(3, 2)
    return np.concatenate([colours, v[:, :, n - 1:]], 2) if n in (2, 4) else colours


def flatten(planes, background):
    a = planes[:, :, 3:]
    return planes[:, :, :3] * a + np.array(background) / 255 * (1 - a)


def luma(planes):
    return planes[:, :, :3] @ LUMA


def scaled_samples(planes, depth, grey):
    """What is to be rounded: floor(this + 0.5) are the samples of the output."""
    if grey:
        planes = np.concatenate([luma(planes)[:, :, None], planes[:, :, 3:]], 2)
    return np.clip(planes, 0, 1) * (2 ** depth - 1)


# ---- alpha ----

def bleed(planes, reach=32):
    """The colour of a pixel of alpha 0 is the mean of the visible colours of the (2 reach + 1)^2
    pixels around it, weighted with alpha 2^-(|dx| + |dy|); with none visible it stays."""
    h, w, _ = planes.shape
    alpha = planes[:, :, 3:]
    total = np.concatenate([planes[:, :, :3] * alpha, alpha], 2)

    def factors(n):
        d = abs(np.arange(n)[:, None] - np.arange(n)[None, :])
        return np.where(d <= reach, 2.0 ** -np.minimum(d, reach), 0)

    total = np.einsum('yv,xu,vuc->yxc', factors(h), factors(w), total, optimize=True)
    weight = total[:, :, 3:]
    hidden = (alpha == 0) & (weight > 0)
    mean = total[:, :, :3] / np.where(weight > 0, weight, 1)
    return np.concatenate([np.where(hidden, mean, planes[:, :, :3]), alpha], 2)


def even_alpha(alpha, around=2):
    """Where the pixels within `around` (inside the picture) have one single alpha."""
    h, w = alpha.shape
    even = np.empty((h, w), bool)
    for y in range(h):
        for x in range(w):
            near = alpha[max(y - around, 0):y + around + 1, max(x - around, 0):x + around + 1]
            even[y, x] = (near == near[0, 0]).all()
    return even


def computed(planes, model):
    """What the network makes of the planes, not clipped; alpha as a grey picture."""
    x = planes.transpose(2, 0, 1)
    if model.channels == 1:
        y = np.concatenate([forward(model, plane[None]) for plane in x])
    elif model.channels == 4:
        y = forward(model, x if len(x) == 4 else np.concatenate([x, np.ones_like(x[:1])]))
        y = y[:len(x)]
    else:
        y = forward(model, x[:3])
        if len(x) == 4:
            alpha = forward(model, x[3:].repeat(3, 0))
            y = np.concatenate([y, np.tensordot(LUMA, alpha, 1)[None]])
    return y.transpose(1, 2, 0)


def mean_of_turns(planes, model):
    """Four quarter turns, each as it is and mirrored."""
    total = 0
    for quarters in range(4):
        turned = np.rot90(planes, quarters)
        total = total + np.rot90(computed(turned, model), -quarters)
        total = total + np.rot90(computed(turned[:, ::-1], model)[:, ::-1], -quarters)
    return total / 8


def through_network(planes, model, tta=False):
    """One pass; the result is clipped to 0..1. The new alpha is what the network makes of alpha as
    a grey picture, but the old value exactly where the 5x5 pixels around it have only that one."""
    y = np.clip(mean_of_turns(planes, model) if tta else computed(planes, model), 0, 1)
    if planes.shape[2] == 4:
        h, w = y.shape[:2]
        rows = [(2 * i + 1) * planes.shape[0] // (2 * h) for i in range(h)]
        columns = [(2 * i + 1) * planes.shape[1] // (2 * w) for i in range(w)]
        old, even = planes[:, :, 3], even_alpha(planes[:, :, 3])
        pick = np.ix_(rows, columns)
        y[:, :, 3] = np.where(even[pick], old[pick], y[:, :, 3])
    return y


# ---- size ----

def lanczos_matrix(n, out):
    """Lanczos-3, wider by n/out when the picture gets smaller; weights are normalised over the
    pixels that lie inside."""
    stretch = max(n / out, 1)
    centre = (np.arange(out) + 0.5) * n / out - 0.5
    d = (np.arange(n)[None, :] - centre[:, None]) / stretch
    weight = np.where(abs(d) < 3, np.sinc(d) * np.sinc(d / 3), 0)
    return weight / weight.sum(1, keepdims=True)


def resize(planes, width, height):
    """Colours are multiplied by alpha before and divided by it after; where alpha would be written
    as 0 in 16 bits, colour and alpha are 0. The result is clipped to 0..1. See even_again()."""
    alpha = planes.shape[2] == 4
    if alpha:
        planes = np.concatenate([planes[:, :, :3] * planes[:, :, 3:], planes[:, :, 3:]], 2)
    y = np.einsum('yv,xu,vuc->yxc', lanczos_matrix(planes.shape[0], height),
                  lanczos_matrix(planes.shape[1], width), planes, optimize=True)
    if alpha:
        a = np.clip(y[:, :, 3:], 0, 1)
        seen = a > 0.5 / 65535
        y = np.where(seen, np.concatenate([y[:, :, :3] / np.where(seen, a, 1), a], 2), 0)
    return np.clip(y, 0, 1)


def even_again(planes):
    """Alpha rounded to 16 bits, so that the sums of a resize do not leave what was even (opaque
    above all) uneven by the last bits, and the network then makes noise of it."""
    if planes.shape[2] == 4:
        planes[:, :, 3] = np.floor(planes[:, :, 3] * 65535 + 0.5) / 65535
    return planes


def round_half_up(v):
    return max(floor(v + Fraction(1, 2)), 1)


def target_size(options, w, h, reduced_w, reduced_h, scale):
    """Scale counts from the reduced size; a side that is not given and a fit keep the aspect of
    the picture as it came."""
    width, height = options.get('width'), options.get('height')
    if 'scale' in options:
        return tuple(max(floor(n * options['scale'] + 0.5), 1) for n in (reduced_w, reduced_h))
    if 'fit' in options:
        fit = options['fit']
        ratio = min(Fraction(fit[0], w), Fraction(fit[1], h))
        return round_half_up(w * ratio), round_half_up(h * ratio)
    if width or height:
        return (width or round_half_up(Fraction(height * w, h)),
                height or round_half_up(Fraction(width * h, w)))
    return tuple(max(int(n * scale), 1) for n in (reduced_w, reduced_h))


# ---- effects ----

def smooth(c):
    padded = np.pad(c, ((1, 1), (1, 1), (0, 0)))
    h, w, _ = c.shape
    y = 4 * c
    for dy in range(3):
        for dx in range(3):
            y = y + padded[dy:dy + h, dx:dx + w]
    y /= 13
    y[0], y[-1], y[:, 0], y[:, -1] = c[0], c[-1], c[:, 0], c[:, -1]
    return y


def effects(planes, options, mean):
    """Not clipped between the steps. mean: luma of the source, weighted with alpha."""
    c = planes[:, :, :3]
    c = c + options.get('sharpen', 0) * (c - smooth(c))
    c = mean + options.get('contrast', 1) * (c - mean)
    grey = luma(c)[:, :, None]
    c = grey + options.get('saturation', 1) * (c - grey)
    return np.concatenate([c, planes[:, :, 3:]], 2)


# ---- all of it ----

@dataclass
class Result:
    planes: np.ndarray  # of the output, before rounding
    grey: bool
    passes: int
    resized: bool  # after the passes

    def scaled(self, depth):
        return scaled_samples(self.planes, depth, self.grey)


def in_order(models, w, h, width, height):
    """The models as they run: each once, the last that enlarges, in its place, until the whole
    gives width x height."""
    enlarging = [i for i, model in enumerate(models) if model.scale > 1]
    order = list(models)

    def extent(side):
        for model in order:
            side = max(int(side * model.scale), 1)
        return side

    while enlarging and (extent(w) < width or extent(h) < height):
        order.insert(enlarging[-1], models[enlarging[-1]])
    return order


def upscale(samples, depth, model, **options):
    """model: one, or a list of those that follow one another. samples (h, w, n) as the picture is seen: orientation applied, palette expanded, CMYK
    already sRGB. Options are those of the program: scale, width, height, fit, pre_downscale,
    sharpen, contrast, saturation, alpha, background, tta."""
    models = model if isinstance(model, list) else [model]
    own_scale = Fraction(1)
    for model in models:
        own_scale *= model.scale
    planes = to_planes(samples, depth)
    alpha = options.get('alpha', 'keep')
    background = options.get('background', (255, 255, 255))
    grey = samples.shape[2] <= 2
    if planes.shape[2] == 4 and alpha == 'drop':
        planes = planes[:, :, :3]
    elif planes.shape[2] == 4 and alpha == 'flatten':
        planes = flatten(planes, background)
        grey = grey and len(set(background)) == 1
    h, w, _ = planes.shape
    weight = planes[:, :, 3] if planes.shape[2] == 4 else np.ones((h, w))
    mean = (luma(planes) * weight).sum() / weight.sum() if weight.any() else 0.0
    reduced_w, reduced_h = w, h
    if options.get('pre_downscale', h) < h:
        reduced_h = options['pre_downscale']
        reduced_w = round_half_up(Fraction(w * reduced_h, h))
        planes = even_again(resize(planes, reduced_w, reduced_h))
    width, height = target_size(options, w, h, reduced_w, reduced_h, own_scale)
    if planes.shape[2] == 4:
        planes = bleed(planes)
    order = in_order(models, reduced_w, reduced_h, width, height)
    for model in order:
        planes = through_network(planes, model, options.get('tta', False))
    resized = planes.shape[:2] != (height, width)
    if resized:
        planes = resize(planes, width, height)
    if any(name in options for name in ('sharpen', 'contrast', 'saturation')):
        planes = effects(planes, options, mean)
    return Result(planes, grey, len(order), resized)
