# SPDX-License-Identifier: MIT
"""What each operator of ONNX means, in Python's floats, for tensors of a few pixels. Written from
the operators' definitions and as plainly as can be: one output element after another."""
import itertools
import math

from onnx_file import Tensor


def count(shape):
    return math.prod(shape)


def indices(shape):
    return itertools.product(*map(range, shape))


def at(shape, index):
    k = 0
    for n, i in zip(shape, index):
        k = k * n + i
    return k


def build(shape, fn, whole=False):
    return Tensor(shape, [fn(i) for i in indices(shape)], whole)


def spread_shape(*shapes):
    dims = max(map(len, shapes))
    padded = [(1,) * (dims - len(s)) + tuple(s) for s in shapes]
    return tuple(max(d) if 0 not in d else 0 for d in zip(*padded))


def get(t, index):
    """The element that a broadcast index means."""
    tail = index[len(index) - len(t.shape):]
    return t.data[at(t.shape, [0 if n == 1 else i for n, i in zip(t.shape, tail)])]


def mapped(fn, *ts, whole=None):
    whole = ts[-1].whole if whole is None else whole
    return build(spread_shape(*(t.shape for t in ts)), lambda i: fn(*(get(t, i) for t in ts)), whole)


def divide(a, b):
    if a.whole:
        return mapped(lambda x, y: int(x / y), a, b)
    return mapped(lambda x, y: x / y, a, b)


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def softplus(x):
    return math.log1p(math.exp(-abs(x))) + max(x, 0)


def erf_gelu(x):
    return x / 2 * (1 + math.erf(x / math.sqrt(2)))


def tanh_gelu(x):
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


UNARY = {
    'Relu': lambda x: max(x, 0.0), 'Sigmoid': sigmoid, 'Tanh': math.tanh, 'Softplus': softplus,
    'Erf': math.erf, 'Neg': lambda x: -x, 'Sqrt': math.sqrt, 'Exp': math.exp,
    'Floor': math.floor, 'Ceil': math.ceil, 'Abs': abs, 'Reciprocal': lambda x: 1 / x,
    'Identity': lambda x: x, 'Dropout': lambda x: x, 'Mish': lambda x: x * math.tanh(softplus(x)),
    'Not': lambda x: int(not x),
    'HardSwish': lambda x: x * max(0, min(1, x / 6 + 0.5)),
}
BINARY = {
    'Add': lambda a, b: a + b, 'Sub': lambda a, b: a - b, 'Mul': lambda a, b: a * b,
    'Min': min, 'Max': max, 'Pow': lambda a, b: a ** b, 'Mod': lambda a, b: a % b,
    'PRelu': lambda x, s: x if x >= 0 else s * x,
}


# ---- windows ----

def paddings(attrs, kernel, dilation):
    pads = list(attrs.get('pads', (0, 0, 0, 0)))
    auto = attrs.get('auto_pad', 'NOTSET')
    if auto.startswith('SAME'):
        for a in range(2):
            whole = (kernel[a] - 1) * dilation[a]
            less, more = whole // 2, whole - whole // 2
            pads[a], pads[2 + a] = (less, more) if auto == 'SAME_UPPER' else (more, less)
    return pads


def conv(attrs, x, w, b=None):
    k, s = w.shape[2:], attrs.get('strides', (1, 1))
    d, groups = attrs.get('dilations', (1, 1)), attrs.get('group', 1)
    p = paddings(attrs, k, d)
    h, wd = x.shape[2:]
    size = [(n + p[a] + p[2 + a] - d[a] * (k[a] - 1) - 1) // s[a] + 1
            for a, n in enumerate((h, wd))]
    per = w.shape[1]

    def element(i):
        _, o, y, xx = i
        total = b.data[o] if b else 0.0
        first = o // (w.shape[0] // groups) * per
        for c, ky, kx in indices((per,) + tuple(k)):
            yy, xi = y * s[0] - p[0] + ky * d[0], xx * s[1] - p[1] + kx * d[1]
            if 0 <= yy < h and 0 <= xi < wd:
                total += x.data[at(x.shape, (0, first + c, yy, xi))] * w.data[at(w.shape,
                                                                                (o, c, ky, kx))]
        return total
    return build((1, w.shape[0], *size), element)


def deconv(attrs, x, w, b=None):
    k, s = w.shape[2:], attrs.get('strides', (1, 1))
    p, more = attrs.get('pads', (0, 0, 0, 0)), attrs.get('output_padding', (0, 0))
    size = [s[a] * (x.shape[2 + a] - 1) + more[a] + k[a] - p[a] - p[2 + a] for a in range(2)]
    out = build((1, w.shape[1], *size), lambda i: b.data[i[1]] if b else 0.0)
    for c, y, xx, o, ky, kx in indices((*x.shape[1:], w.shape[1], *k)):
        yy, xi = y * s[0] + ky - p[0], xx * s[1] + kx - p[1]
        if 0 <= yy < size[0] and 0 <= xi < size[1]:
            out.data[at(out.shape, (0, o, yy, xi))] += (x.data[at(x.shape, (0, c, y, xx))] *
                                                        w.data[at(w.shape, (c, o, ky, kx))])
    return out


def pool(attrs, x, join):
    k = attrs['kernel_shape']
    s = attrs.get('strides', (1, 1))
    size = [(x.shape[2 + a] - k[a]) // s[a] + 1 for a in range(2)]
    return build((*x.shape[:2], *size), lambda i: join(
        [x.data[at(x.shape, (i[0], i[1], i[2] * s[0] + ky, i[3] * s[1] + kx))]
         for ky, kx in indices(k)]))


# ---- moving ----

def reshape(x, shape, zero_is_zero=False):
    shape = [x.shape[d] if n == 0 and not zero_is_zero else n for d, n in enumerate(shape)]
    if -1 in shape:
        shape[shape.index(-1)] = len(x.data) // -count(shape)
    assert count(shape) == len(x.data), shape
    return Tensor(shape, x.data, x.whole)


def transpose(x, perm):
    shape = [x.shape[p] for p in perm]

    def element(i):
        back = [0] * len(perm)
        for d, p in enumerate(perm):
            back[p] = i[d]
        return x.data[at(x.shape, back)]
    return build(shape, element, x.whole)


def cut(x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes
    take = [range(n) for n in x.shape]
    for k, a in enumerate(axes):
        take[a] = range(x.shape[a])[slice(starts[k], ends[k], steps[k] if steps else 1)]
    return build([len(t) for t in take],
                 lambda i: x.data[at(x.shape, [t[k] for t, k in zip(take, i)])], x.whole)


def concat(axis, ts):
    shape = list(ts[0].shape)
    axis %= len(shape)
    shape[axis] = sum(t.shape[axis] for t in ts)

    def element(i):
        k = i[axis]
        for t in ts:
            if k < t.shape[axis]:
                return t.data[at(t.shape, (*i[:axis], k, *i[axis + 1:]))]
            k -= t.shape[axis]
    return build(shape, element, ts[0].whole)


def gather(x, index, axis):
    shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1:])
    n = len(index.shape)
    return build(shape, lambda i: x.data[at(x.shape, (
        *i[:axis], index.data[at(index.shape, i[axis:axis + n])] % x.shape[axis],
        *i[axis + n:]))], x.whole)


def pad(attrs, x, pads, value=0.0):
    n, mode = len(x.shape), attrs.get('mode', 'constant')
    shape = [x.shape[d] + pads[d] + pads[n + d] for d in range(n)]

    def element(i):
        source = []
        for d, k in enumerate(i):
            k -= pads[d]
            if not 0 <= k < x.shape[d]:
                if mode == 'constant':
                    return value
                last = x.shape[d] - 1
                k = min(max(k, 0), last) if mode == 'edge' else (-k if k < 0 else 2 * last - k)
            source.append(k)
        return x.data[at(x.shape, source)]
    return build(shape, element)


def depth_to_space(x, b, mode):
    n, c, h, w = x.shape
    if mode == 'CRD':
        t = transpose(reshape(x, (n, c // b // b, b, b, h, w)), (0, 1, 4, 2, 5, 3))
    else:
        t = transpose(reshape(x, (n, b, b, c // b // b, h, w)), (0, 3, 4, 1, 5, 2))
    return reshape(t, (n, c // b // b, h * b, w * b))


def space_to_depth(x, b):
    n, c, h, w = x.shape
    t = transpose(reshape(x, (n, c, h // b, b, w // b, b)), (0, 3, 5, 1, 2, 4))
    return reshape(t, (n, c * b * b, h // b, w // b))


# ---- scales ----

def taps(attrs, o, scale, size):
    """Which inputs output o of one axis reads, and with what weights."""
    where = attrs.get('coordinate_transformation_mode', 'half_pixel')
    mode = attrs.get('mode', 'nearest')
    x = o / scale if where == 'asymmetric' else (o + 0.5) / scale - 0.5
    if mode == 'nearest':
        how = attrs.get('nearest_mode', 'round_prefer_floor')
        k = {'floor': math.floor(x), 'round_prefer_floor': math.ceil(x - 0.5),
             'round_prefer_ceil': math.floor(x + 0.5)}[how]
        return [(min(max(k, 0), size - 1), 1.0)]
    first = math.floor(x)
    t = x - first
    if mode == 'linear':
        weights = [(first, 1 - t), (first + 1, t)]
    else:
        a = attrs.get('cubic_coeff_a', -0.75)

        def near(d):
            return ((a + 2) * d - (a + 3)) * d * d + 1

        def far(d):
            return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        weights = [(first - 1, far(1 + t)), (first, near(t)), (first + 1, near(1 - t)),
                   (first + 2, far(2 - t))]
    return [(min(max(k, 0), size - 1), w) for k, w in weights]


def resize(attrs, x, scales, sizes):
    h, w = x.shape[2:]
    if sizes:
        scales = [sizes.data[d] / x.shape[d] for d in range(4)]
        shape = sizes.data
    else:
        scales = scales.data
        shape = [math.floor(x.shape[d] * scales[d]) for d in range(4)]
    rows = [taps(attrs, y, scales[2], h) for y in range(shape[2])]
    columns = [taps(attrs, k, scales[3], w) for k in range(shape[3])]
    return build(shape, lambda i: sum(
        wy * wx * x.data[at(x.shape, (i[0], i[1], y, k))]
        for y, wy in rows[i[2]] for k, wx in columns[i[3]]))


# ---- statistics ----

def mean(x, axes, keep):
    axes = [a % len(x.shape) for a in axes]
    kept = [1 if d in axes else n for d, n in enumerate(x.shape)]
    total = [0.0] * count(kept)
    for i in indices(x.shape):
        total[at(kept, [0 if d in axes else k for d, k in enumerate(i)])] += x.data[at(x.shape, i)]
    n = len(x.data) // count(kept)
    shape = kept if keep else [v for d, v in enumerate(kept) if d not in axes]
    return Tensor(shape, [t / n for t in total])


def normalise(x, axes, eps):
    m = mean(x, axes, True)
    centred = mapped(lambda a, b: a - b, x, m)
    v = mean(mapped(lambda a: a * a, centred), axes, True)
    return mapped(lambda a, b: a / math.sqrt(b + eps), centred, v)


def per_channel(t, dims):
    return reshape(t, (len(t.data),) + (1,) * (dims - 2))


def scaled(x, weight, bias):
    y = mapped(lambda a, b: a * b, x, weight)
    return mapped(lambda a, b: a + b, y, bias) if bias else y


def batch_norm(x, scale, bias, m, var, eps):
    f = mapped(lambda s, v: s / math.sqrt(v + eps), scale, var)
    t = mapped(lambda b, mm, ff: b - mm * ff, bias, m, f)
    return scaled(x, per_channel(f, 4), per_channel(t, 4))


def group_norm(x, groups, scale, bias, eps):
    n, c, h, w = x.shape
    y = normalise(reshape(x, (n, groups, c // groups * h * w)), (2,), eps)
    if len(scale.data) == groups:
        y = scaled(y, reshape(scale, (groups, 1)), reshape(bias, (groups, 1)))
        return reshape(y, x.shape)
    return scaled(reshape(y, x.shape), per_channel(scale, 4), per_channel(bias, 4))


def softmax(x, axis):
    e = mapped(math.exp, x)
    n = x.shape[axis]
    return build(x.shape, lambda i: get(e, i) / sum(
        get(e, (*i[:axis], j, *i[axis + 1:])) for j in range(n)))


def matmul(a, b):
    k = a.shape[-1]
    lead = spread_shape(a.shape[:-2], b.shape[:-2])
    return build((*lead, a.shape[-2], b.shape[-1]), lambda i: sum(
        get(a, (*i[:-1], j)) * get(b, (*i[:-2], j, i[-1])) for j in range(k)))


def gemm(attrs, a, b, c=None):
    b = transpose(b, (1, 0)) if attrs.get('transB') else b
    y = mapped(lambda v: v * attrs.get('alpha', 1.0), matmul(a, b))
    return mapped(lambda v, w: v + attrs.get('beta', 1.0) * w, y, c) if c else y


# ---- all of them ----

def listed(attrs, name, ins, i):
    return attrs[name] if name in attrs else ins[i].data if len(ins) > i and ins[i] else None


def split(attrs, ins, outs):
    x, axis = ins[0], attrs.get('axis', 0) % len(ins[0].shape)
    n = x.shape[axis]
    each = -(-n // outs)
    sizes = listed(attrs, 'split', ins, 1) or [min(each, n - i * each) for i in range(outs)]
    parts, first = [], 0
    for size in sizes:
        parts.append(cut(x, [first], [first + size], [axis]))
        first += size
    return parts


def squeezed(x, axes, grow):
    shape = list(x.shape)
    if grow:
        dims = len(shape) + len(axes)
        for a in sorted(a % dims for a in axes):
            shape.insert(a, 1)
    elif axes is None:
        shape = [n for n in shape if n != 1]
    else:
        axes = [a % len(shape) for a in axes]
        shape = [n for d, n in enumerate(shape) if d not in axes]
    return Tensor(shape, x.data, x.whole)


def one(op, attrs, ins):
    """The result of a node with one result."""
    x = ins[0] if ins else None
    rest = [t.data if t else None for t in ins[1:]]
    axes = attrs.get('axes')
    if op in UNARY:
        return mapped(UNARY[op], x)
    if op in BINARY:
        return mapped(BINARY[op], *ins)
    if op == 'Constant':
        return attrs['value'] if 'value' in attrs else (
            Tensor((len(attrs['value_ints']),), attrs['value_ints'], True)
            if 'value_ints' in attrs else Tensor((), [attrs['value_float']]))
    table = {
        'AveragePool': lambda: pool(attrs, x, lambda v: sum(v) / len(v)),
        'BatchNormalization': lambda: batch_norm(*ins, attrs.get('epsilon', 1e-5)),
        'Cast': lambda: mapped(float if attrs['to'] != 7 else int, x, whole=attrs['to'] == 7),
        'Clip': lambda: mapped(lambda v: min(max(v, rest[0][0] if rest and rest[0] else v),
                                             rest[1][0] if len(rest) > 1 else math.inf), x),
        'Concat': lambda: concat(attrs['axis'], ins),
        'ConstantOfShape': lambda: Tensor(x.data, attrs['value'].data * count(x.data),
                                          attrs['value'].whole),
        'Conv': lambda: conv(attrs, *ins),
        'ConvTranspose': lambda: deconv(attrs, *ins),
        'DepthToSpace': lambda: depth_to_space(x, attrs['blocksize'], attrs.get('mode', 'DCR')),
        'Div': lambda: divide(*ins),
        'Equal': lambda: mapped(lambda a, b: int(a == b), *ins, whole=True),
        'Expand': lambda: build(spread_shape(x.shape, rest[0]), lambda i: get(x, i), x.whole),
        'Flatten': lambda: reshape(x, (count(x.shape[:attrs.get('axis', 1)]), -1)),
        'Gather': lambda: gather(x, ins[1], attrs.get('axis', 0) % len(x.shape)),
        'Gelu': lambda: mapped(tanh_gelu if attrs.get('approximate') == 'tanh' else erf_gelu, x),
        'Gemm': lambda: gemm(attrs, *ins),
        'GlobalAveragePool': lambda: mean(x, (2, 3), True),
        'GroupNormalization': lambda: group_norm(x, attrs['num_groups'], *ins[1:],
                                                 attrs.get('epsilon', 1e-5)),
        'HardSigmoid': lambda: mapped(lambda v: max(0, min(1, attrs.get('alpha', 0.2) * v +
                                                           attrs.get('beta', 0.5))), x),
        'InstanceNormalization': lambda: scaled(
            normalise(x, range(2, len(x.shape)), attrs.get('epsilon', 1e-5)),
            per_channel(ins[1], len(x.shape)), per_channel(ins[2], len(x.shape))),
        'Less': lambda: mapped(lambda a, b: int(a < b), *ins, whole=True),
        'LayerNormalization': lambda: scaled(normalise(x, (-1,), attrs.get('epsilon', 1e-5)),
                                             ins[1], ins[2] if len(ins) > 2 else None),
        'LeakyRelu': lambda: mapped(lambda v: v if v >= 0 else attrs.get('alpha', 0.01) * v, x),
        'MatMul': lambda: matmul(*ins),
        'MaxPool': lambda: pool(attrs, x, max),
        'Pad': lambda: pad(attrs, x, *rest[:1]),
        'Range': lambda: Tensor((len(range(x.data[0], rest[0][0], rest[1][0])),),
                                range(x.data[0], rest[0][0], rest[1][0]), True),
        'ReduceL2': lambda: mapped(lambda v: math.sqrt(v * x.shape[axes[0]]),
                                   mean(mapped(lambda v: v * v, x), axes, True)),
        'ReduceMean': lambda: mean(x, axes if axes else rest[0], attrs.get('keepdims', 1)),
        'Reshape': lambda: reshape(x, rest[0]),
        'Resize': lambda: resize(attrs, x, ins[2] if len(ins) > 2 else None,
                                 ins[3] if len(ins) > 3 else None),
        'Shape': lambda: Tensor((len(x.shape),), x.shape, True),
        'Slice': lambda: cut(x, *rest),
        'Softmax': lambda: softmax(x, attrs['axis'] % len(x.shape)),
        'SpaceToDepth': lambda: space_to_depth(x, attrs['blocksize']),
        'Squeeze': lambda: squeezed(x, listed(attrs, 'axes', ins, 1), False),
        'Transpose': lambda: transpose(x, attrs['perm']),
        'Unsqueeze': lambda: squeezed(x, listed(attrs, 'axes', ins, 1), True),
        'Where': lambda: mapped(lambda c, a, b: a if c else b, *ins),
    }
    return table[op]()


def run(nodes, values):
    """nodes: (op, input names, output names, attributes); values: what there is, which grows."""
    for op, ins, outs, attrs in nodes:
        args = [values[i] if i else None for i in ins]
        if op == 'Split':
            results = split(attrs, args, len(outs))
        else:
            results = [one(op, attrs, args)]
        values.update(zip(outs, results))
    return values
