# SPDX-License-Identifier: MIT
"""Attention as PyTorch's exporter writes it, for make_onnx.py: windows by Reshape and Transpose,
shifts by two Slices and Concat, the mask computed from the size or baked into the file."""
from onnx_file import Tensor

FAR = -100.0


def joined(n, *parts):
    return n.op('Concat', *parts, axis=0)


def linear(n, t, i, o):
    return n.op('Add', n.weight(o), n.op('MatMul', t, n.weight(i, o)))


def last(n, x):
    return n.op('Transpose', x, perm=[0, 2, 3, 1])


def first(n, t):
    return n.op('Transpose', t, perm=[0, 3, 1, 2])


def sides(n, t):
    """Rows and columns of tokens, as lists of one number."""
    return n.size(t, 1), n.size(t, 2)


def cut(n, t, h, w, c):
    """Tokens [1, H, W, c] to windows [windows, h w, c]."""
    rows, columns = sides(n, t)
    shape = joined(n, n.op('Div', rows, n.ints(h)), n.ints(h), n.op('Div', columns, n.ints(w)),
                   n.ints(w, c))
    t = n.op('Transpose', n.op('Reshape', t, shape), perm=[0, 2, 1, 3, 4])
    return n.op('Reshape', t, n.ints(-1, h * w, c))


def join(n, t, h, w, like):
    rows, columns = sides(n, like)
    shape = joined(n, n.op('Div', rows, n.ints(h)), n.op('Div', columns, n.ints(w)),
                   n.ints(h, w, -1))
    t = n.op('Transpose', n.op('Reshape', t, shape), perm=[0, 2, 1, 3, 4])
    return n.op('Reshape', t, joined(n, n.ints(1), rows, columns, n.ints(-1)))


def to_grid(n, t, g, c):
    """Windows of every (H / g)-th row and (W / g)-th column."""
    rows, columns = sides(n, t)
    shape = joined(n, n.ints(g), n.op('Div', rows, n.ints(g)), n.ints(g),
                   n.op('Div', columns, n.ints(g)), n.ints(c))
    t = n.op('Transpose', n.op('Reshape', t, shape), perm=[1, 3, 0, 2, 4])
    return n.op('Reshape', t, n.ints(-1, g * g, c))


def from_grid(n, t, g, like):
    rows, columns = sides(n, like)
    shape = joined(n, n.op('Div', rows, n.ints(g)), n.op('Div', columns, n.ints(g)),
                   n.ints(g, g, -1))
    t = n.op('Transpose', n.op('Reshape', t, shape), perm=[2, 0, 3, 1, 4])
    return n.op('Reshape', t, joined(n, n.ints(1), rows, columns, n.ints(-1)))


def rolled(n, t, by, axes=(1, 2)):
    for axis in axes:
        a = n.op('Slice', t, n.ints(by), n.ints(2 ** 63 - 1), n.ints(axis), n.ints(1))
        b = n.op('Slice', t, n.ints(0), n.ints(by), n.ints(axis), n.ints(1))
        t = n.op('Concat', a, b, axis=axis)
    return t


def number(n, t, axis):
    return n.op('Gather', n.op('Shape', t), n.scalar(axis), axis=0)


def bands(n, t, axis, window, shift):
    size = number(n, t, axis)
    at = n.op('Range', n.scalar(0), size, n.scalar(1))
    parts = [n.op('Not', n.op('Less', at, n.op('Sub', size, n.scalar(k))))
             for k in (window, shift)]
    return n.op('Add', *(n.op('Cast', p, to=7) for p in parts))


def computed_mask(n, t, h, w, dy, dx):
    """[windows, 1, tokens, tokens], of rolled tokens."""
    rows = n.op('Mul', n.op('Unsqueeze', bands(n, t, 1, h, dy), n.ints(1)), n.scalar(3))
    r = n.op('Add', rows, n.op('Unsqueeze', bands(n, t, 2, w, dx), n.ints(0)))
    r = cut(n, n.op('Unsqueeze', r, n.ints(0, 3)), h, w, 1)
    r = n.op('Squeeze', r, n.ints(2))
    same = n.op('Equal', n.op('Unsqueeze', r, n.ints(2)), n.op('Unsqueeze', r, n.ints(1)))
    far = n.op('Mul', n.op('Cast', n.op('Not', same), to=1), n.scalar(FAR))
    return n.op('Unsqueeze', far, n.ints(1))


def baked_mask(n, H, W, window, shift, far=FAR):
    """[windows, tokens, tokens] for one size."""
    band = lambda i, size: (i >= size - window) + (i >= size - shift)
    data = []
    for top in range(0, H, window):
        for left in range(0, W, window):
            r = [band(top + y, H) * 3 + band(left + x, W)
                 for y in range(window) for x in range(window)]
            data += [0.0 if a == b else far for a in r for b in r]
    tokens = window * window
    return n.constant(Tensor((H * W // tokens, tokens, tokens), data))


def split_heads(n, t, tokens, count, across=False):
    t = n.op('Reshape', t, n.ints(-1, tokens, count, 2))
    return n.op('Transpose', t, perm=[0, 2, 3, 1] if across else [0, 2, 1, 3])


def weigh(n, q, k, v, tokens, keys, bias=True, mask=None):
    """Two heads of two channels each."""
    q = n.op('Mul', split_heads(n, q, tokens, 2), n.scalar(0.75))
    a = n.op('MatMul', q, split_heads(n, k, keys, 2, True))
    if bias:
        a = n.op('Add', a, n.weight(2, tokens, keys))
    if mask:
        a = n.op('Add', a, mask)
    y = n.op('MatMul', n.op('Softmax', a, axis=3), split_heads(n, v, keys, 2))
    return n.op('Reshape', n.op('Transpose', y, perm=[0, 2, 1, 3]), n.ints(-1, tokens, 4))


def thirds(n, t):
    return [n.op('Slice', t, n.ints(4 * i), n.ints(4 * i + 4), n.ints(2)) for i in range(3)]


def enter(n):
    return last(n, n.conv('x', 3, 4))


def leave(n, t, y):
    return n.conv(first(n, n.op('Add', t, linear(n, y, 4, 4))), 4, 3)


def normal(n, t):
    return n.op('LayerNormalization', t, n.weight(4), n.weight(4), axis=-1)


def unit(n, t):
    norm = n.op('Clip', n.op('ReduceL2', t, axes=[3], keepdims=1), n.scalar(1e-12))
    return n.op('Div', t, n.op('Expand', norm, n.op('Shape', t)))


def weigh_channels(n, q, k, v):
    """Each [batch, heads, channels, pixels]."""
    a = n.op('MatMul', unit(n, q), n.op('Transpose', unit(n, k), perm=[0, 1, 3, 2]))
    a = n.op('Mul', a, n.weight(2, 1, 1, low=1, high=3))
    return n.op('MatMul', n.op('Softmax', a, axis=-1), v)


def register(good, bad):
    def windows(h, w, shift, mask=None, **how):
        def fn(n):
            t = enter(n)
            x = rolled(n, normal(n, t), shift) if shift else normal(n, t)
            q, k, v = thirds(n, linear(n, cut(n, x, h, w, 4), 4, 12))
            m = computed_mask(n, x, h, w, shift, shift) if shift and not mask else None
            m = mask(n) if mask else m
            y = join(n, weigh(n, q, k, v, h * w, h * w, mask=m), h, w, x)
            return leave(n, t, rolled(n, y, -shift) if shift else y)
        return fn

    good(size=(6, 9), name='attention_in_windows')(windows(3, 3, 0))
    good(size=(4, 12), name='attention_in_wide_windows')(windows(2, 4, 0))
    good(size=(4, 6), name='attention_in_shifted_windows')(windows(2, 2, 1))
    good(size=(6, 9), name='attention_of_one_size', fixed=True)(windows(3, 3, 0))

    def fixed_mask(n):
        return n.op('Unsqueeze', baked_mask(n, 6, 9, 3, 1), n.ints(1))

    good(size=(6, 9), name='attention_with_a_mask_of_one_size', fixed=True)(
        windows(3, 3, 1, fixed_mask))

    @good(size=(6, 9), fixed=True)
    def attention_with_a_mask_in_five_dimensions(n):
        """As the first programs wrote it, with qkv taken apart by Gather."""
        t = enter(n)
        x = cut(n, rolled(n, t, 1), 3, 3, 4)
        qkv = n.op('Reshape', linear(n, x, 4, 12), n.ints(6, 9, 3, 2, 2))
        qkv = n.op('Transpose', qkv, perm=[2, 0, 3, 1, 4])
        q, k, v = (n.op('Gather', qkv, n.scalar(i), axis=0) for i in range(3))
        a = n.op('MatMul', n.op('Mul', q, n.scalar(0.5)),
                 n.op('Transpose', k, perm=[0, 1, 3, 2]))
        a = n.op('Add', a, n.weight(1, 2, 9, 9))
        mask = n.op('Unsqueeze', baked_mask(n, 6, 9, 3, 1), n.ints(0, 2))
        a = n.op('Add', n.op('Reshape', a, n.ints(1, 6, 2, 9, 9)), mask)
        a = n.op('Softmax', n.op('Reshape', a, n.ints(-1, 2, 9, 9)), axis=-1)
        y = n.op('Transpose', n.op('MatMul', a, v), perm=[0, 2, 1, 3])
        y = join(n, n.op('Reshape', y, n.ints(6, 9, 4)), 3, 3, t)
        return leave(n, t, rolled(n, y, -1))

    @good(size=(6, 9))
    def attention_over_a_grid(n):
        t = enter(n)
        q, k, v = thirds(n, linear(n, to_grid(n, t, 3, 4), 4, 12))
        return leave(n, t, from_grid(n, weigh(n, q, k, v, 9, 9), 3, t))

    @good(size=(4, 6))
    def attention_to_folded_keys(n):
        """Keys and values of 2 x 2 pixels, of a quarter of the channels each."""
        t = enter(n)
        x = cut(n, t, 2, 2, 4)
        kv = n.op('Reshape', linear(n, x, 4, 2), n.ints(-1, 1, 2, 1, 2, 2, 1))
        kv = n.op('Transpose', kv, perm=[5, 0, 1, 3, 2, 4, 6])
        k, v = n.many(2, 'Split', n.op('Reshape', kv, n.ints(2, -1, 1, 4)), axis=0)
        k, v = (n.op('Squeeze', i, n.ints(0)) for i in (k, v))
        y = weigh(n, linear(n, x, 4, 4), k, v, 4, 1)
        return leave(n, t, join(n, y, 2, 2, t))

    @good(size=(4, 6))
    def attention_among_channels(n):
        t = enter(n)
        q, k, v = (n.op('Slice', linear(n, t, 4, 12), n.ints(4 * i), n.ints(4 * i + 4), n.ints(3))
                   for i in range(3))
        q, k, v = (n.op('Reshape', first(n, i), n.ints(1, 2, 2, -1)) for i in (q, k, v))
        rows, columns = sides(n, t)
        y = n.op('Reshape', weigh_channels(n, q, k, v), joined(n, n.ints(1, 4), rows, columns))
        return leave(n, t, last(n, y))

    def channels(n, grid):
        t = enter(n)
        rows, columns = sides(n, t)
        shape = joined(n, n.op('Div', rows, n.ints(2)), n.ints(2), n.op('Div', columns, n.ints(2)),
                       n.ints(2, 4))
        parts = []
        for part in range(3):
            p = n.op('Transpose', n.op('Reshape', linear(n, t, 4, 4), shape),
                     perm=[1, 3, 4, 0, 2] if grid else [0, 2, 4, 1, 3])
            parts.append(n.op('Reshape', p, n.ints(4, 2, 2, -1) if grid else n.ints(-1, 2, 2, 4)))
        y = weigh_channels(n, *parts)
        half = (n.op('Div', rows, n.ints(2)), n.op('Div', columns, n.ints(2)))
        y = n.op('Reshape', y, joined(n, n.ints(2, 2, 4), *half) if grid
                 else joined(n, *half, n.ints(4, 2, 2)))
        y = n.op('Transpose', y, perm=[3, 0, 4, 1, 2] if grid else [0, 3, 1, 4, 2])
        return leave(n, t, n.op('Reshape', y, joined(n, n.ints(1), rows, columns, n.ints(4))))

    good(size=(4, 6), name='attention_among_channels_in_windows')(lambda n: channels(n, False))
    good(size=(4, 6), name='attention_among_channels_over_a_grid')(lambda n: channels(n, True))

    @good(size=(6, 9))
    def attention_with_computed_biases(n):
        t = enter(n)
        q, k, v = thirds(n, linear(n, cut(n, t, 3, 3, 4), 4, 12))
        d = n.op('Gemm', n.weight(5, 2), n.weight(4, 2), n.weight(4), transB=1)
        mean = n.op('ReduceMean', d, axes=[-1])
        d = n.op('Relu', n.op('Sub', d, mean))
        table = n.op('Gather', n.op('MatMul', d, n.weight(4, 2)),
                     n.constant(Tensor((9, 9), [(i * 7) % 5 for i in range(81)], True)), axis=0)
        bias = n.op('Transpose', table, perm=[2, 0, 1])
        a = n.op('MatMul', split_heads(n, q, 9, 2), split_heads(n, k, 9, 2, True))
        a = n.op('Softmax', n.op('Add', a, bias), axis=3)
        y = n.op('Transpose', n.op('MatMul', a, split_heads(n, v, 9, 2)), perm=[0, 2, 1, 3])
        return leave(n, t, join(n, n.op('Reshape', y, n.ints(-1, 9, 4)), 3, 3, t))

    # ---- what is refused ----

    def refused(name, says, fn, **how):
        fn.__name__ = name
        bad(says, **how)(fn)

    def odd_mask(n):
        return n.op('Unsqueeze', baked_mask(n, 6, 9, 3, 2), n.ints(1))

    def weak_mask(n):
        return n.op('Unsqueeze', baked_mask(n, 6, 9, 3, 1, far=-1.0), n.ints(1))

    not_it = "is not the mask of shifted windows"
    refused('mask_of_another_shift', not_it, windows(3, 3, 1, odd_mask), fixed=True)
    refused('mask_that_is_weak', not_it, windows(3, 3, 1, weak_mask), fixed=True)
    refused('mask_without_a_shift', not_it, windows(3, 3, 0, odd_mask), fixed=True)
    refused('mask_for_another_size', 'does not fit, or is for one size only',
            windows(3, 3, 1, fixed_mask))

    @bad('attention that goes round the picture cannot be run')
    def shift_without_a_mask(n):
        t = enter(n)
        q, k, v = thirds(n, linear(n, cut(n, rolled(n, t, 1), 3, 3, 4), 4, 12))
        y = join(n, weigh(n, q, k, v, 9, 9), 3, 3, t)
        return leave(n, t, rolled(n, y, -1))

    @bad('it needs pixels that were moved round the picture')
    def roll(n):
        return n.conv(first(n, rolled(n, enter(n), 2)), 4, 3)

    @bad('it joins pixels of different places')
    def roll_and_not(n):
        t = enter(n)
        return n.conv(first(n, n.op('Add', t, rolled(n, t, 2))), 4, 3)

    @bad('attention can be run in windows of rows and columns only')
    def attention_of_all_pixels(n):
        t = enter(n)
        q, k, v = (n.op('Reshape', linear(n, t, 4, 4), n.ints(1, -1, 4)) for _ in range(3))
        a = n.op('MatMul', q, n.op('Transpose', k, perm=[0, 2, 1]))
        y = n.op('MatMul', n.op('Softmax', a, axis=2), v)
        rows, columns = sides(n, t)
        return leave(n, t, n.op('Reshape', y, joined(n, n.ints(1), rows, columns, n.ints(4))))
