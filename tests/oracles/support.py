# SPDX-License-Identifier: MIT
"""Pictures, models and runs of the program, for the tests beside this file.

PNG is read and written here by zlib and a few lines, because Pillow has no 16-bit RGBA, and so that
no decoder of the program judges its own output."""
import json
import os
import struct
import subprocess
import zlib

import numpy as np

SIGNATURE = b'\x89PNG\r\n\x1a\n'


# ---- PNG ----

def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + \
        struct.pack('>I', zlib.crc32(kind + body))


def png(samples, depth=8, palette=None, transparency=b''):
    """samples (h, w, n): grey, grey+alpha, RGB, RGBA, or with a palette its indices. Row filters
    are left at none."""
    h, w, n = samples.shape
    colour = 3 if palette is not None else {1: 0, 2: 4, 3: 2, 4: 6}[n]
    if depth == 16:
        rows = samples.astype('>u2').tobytes()
    elif depth == 8:
        rows = samples.astype('u1').tobytes()
    else:
        bits = np.unpackbits(samples.astype('u1').reshape(h, w, 1), axis=2)[:, :, 8 - depth:]
        rows = np.packbits(bits.reshape(h, w * depth), axis=1).tobytes()
    step = len(rows) // h
    raw = b''.join(b'\0' + rows[y * step:(y + 1) * step] for y in range(h))
    body = chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, depth, colour, 0, 0, 0))
    if palette is not None:
        body += chunk(b'PLTE', np.array(palette, 'u1').tobytes())
    if len(transparency):
        body += chunk(b'tRNS', bytes(int(v) for v in transparency))
    return SIGNATURE + body + chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b'')


def unfilter(kind, line, above, bpp):
    line = bytearray(line)
    for i in range(len(line)):
        a = line[i - bpp] if i >= bpp else 0
        c = above[i - bpp] if i >= bpp else 0
        b = above[i]
        if kind == 1:
            line[i] = (line[i] + a) & 255
        elif kind == 2:
            line[i] = (line[i] + b) & 255
        elif kind == 3:
            line[i] = (line[i] + (a + b) // 2) & 255
        elif kind == 4:
            p = a + b - c
            pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
            line[i] = (line[i] + (a if pa <= pb and pa <= pc else b if pb <= pc else c)) & 255
    return line


def read_png(path):
    """(samples (h, w, n), depth) of a PNG of 8 or 16 bits without palette and interlacing."""
    with open(path, 'rb') as file:
        data = file.read()
    assert data[:8] == SIGNATURE, str(path) + ' is no PNG'
    at, idat = 8, b''
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack('>I', data[at + 8 + size:at + 12 + size])[0]
        if kind == b'IHDR':
            w, h, depth, colour, _, _, interlaced = struct.unpack('>IIBBBBB', body)
        elif kind == b'IDAT':
            idat += body
        at += 12 + size
    assert not interlaced and depth in (8, 16) and colour != 3, 'a PNG that pique does not write'
    n = {0: 1, 4: 2, 2: 3, 6: 4}[colour]
    raw, bpp = zlib.decompress(idat), n * depth // 8
    step = w * bpp
    assert len(raw) == h * (step + 1)
    rows, above = [], bytearray(step)
    for y in range(h):
        line = raw[y * (step + 1):(y + 1) * (step + 1)]
        above = unfilter(line[0], line[1:], above, bpp)
        rows.append(bytes(above))
    samples = np.frombuffer(b''.join(rows), '>u2' if depth == 16 else 'u1')
    return samples.reshape(h, w, n).astype(int), depth


# ---- pictures ----

def drawing(w, h, n, depth=8, seed=1):
    """Slopes, hard edges, flat parts and noise; alpha (n 2 or 4) is opaque at the left, empty at
    the right, with a soft edge and a hole between."""
    r = np.random.RandomState(seed)
    y, x = np.mgrid[0:h, 0:w].astype(float)
    colours = 3 if n >= 3 else 1
    c = np.stack([0.5 + 0.45 * np.sin(x / (5 + k) + y / (9 - k) + 2 * k) for k in range(colours)], 2)
    c[(x // 7 + y // 5) % 3 == 1] *= 0.3
    c[(x - w / 2) ** 2 + (y - h / 2) ** 2 < min(w, h) ** 2 / 16] = (0.9, 0.2, 0.1)[:colours]
    c += r.uniform(-0.06, 0.06, c.shape)
    if n in (2, 4):
        a = np.clip((w * 0.4 - x + 3 * np.sin(y / 4)) / 4 + 0.5, 0, 1)
        a[(x - w * 0.2) ** 2 + (y - h * 0.5) ** 2 < min(w, h) ** 2 / 40] = 0.4
        c[a == 0] = (0.0, 1.0, 0.3)[:colours]
        c = np.concatenate([c, a[:, :, None]], 2)
    return np.floor(np.clip(c, 0, 1) * (2 ** depth - 1) + 0.5).astype(int)


# ---- models ----

def write_model(path, features, convs, scale, channels=3, seed=1, last=0.15, dtype='F32'):
    """A Compact network whose body counts: weights are uniform and keep the size of activations
    (He et al., 2015), those of the last convolution are `last` times that."""
    r = np.random.RandomState(seed)
    header, data = {}, b''

    def put(name, values, kind):
        nonlocal data
        if kind == 'BF16':
            raw = (values.astype('<f4').view('<u4') >> 16).astype('<u2').tobytes()
        else:
            raw = values.astype({'F32': '<f4', 'F16': '<f2'}[kind]).tobytes()
        header[name] = {'dtype': kind, 'shape': list(values.shape),
                        'data_offsets': [len(data), len(data) + len(raw)]}
        data += raw

    for i in range(convs + 2):
        inputs = channels if i == 0 else features
        outputs = channels * scale * scale if i == convs + 1 else features
        size = (6 / (9 * inputs)) ** 0.5 * (last if i == convs + 1 else 1)
        put('body.%d.weight' % (2 * i), r.uniform(-size, size, (outputs, inputs, 3, 3)), dtype)
        put('body.%d.bias' % (2 * i), r.uniform(-0.05, 0.05, outputs) * bool(last), dtype)
        if i <= convs:
            put('body.%d.weight' % (2 * i + 1), r.uniform(-0.2, 0.5, outputs), dtype)
    text = json.dumps(header).encode()
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + data)
    return str(path)


def find_model(name):
    """The file of real weights, the .param of a pair, where this machine has them, else None."""
    data = os.environ.get('XDG_DATA_HOME') or os.path.expanduser('~/.local/share')
    folders = (os.environ.get('PIQUE_TEST_MODELS', '').split(':') +
               [os.environ.get('PIQUE_MODELS', ''), os.path.join(data, 'pique/models')])
    for folder in folders:
        for ending in ('.param', '.pth', '.json'):
            path = os.path.join(folder, name + ending)
            if folder and os.path.exists(path) and (
                    ending != '.param' or os.path.exists(path[:-5] + 'bin')):
                return path
    return None


def find_shared(*names):
    """A file of the reference folder where this machine has one, else None."""
    root = os.environ.get('PIQUE_SHARED')
    if not root:
        root = os.path.join(os.environ.get('PIQUE_SOURCE_ROOT', '.'), '..', 'shared')
    path = os.path.join(root, 'reference', *names)
    return path if os.path.exists(path) else None


# ---- the program ----

def run_pique(program, *args):
    """In fp32: what this folder compares is exact."""
    done = subprocess.run([program, *map(str, args), '--precision', 'fp32'], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300)
    if done.returncode:
        raise AssertionError('pique %s: status %d: %s' % (
            ' '.join(map(str, args)), done.returncode, done.stderr.decode(errors='replace')))
