# SPDX-License-Identifier: MIT
"""Writes ONNX files: a protobuf by hand, without the onnx package."""
import struct

FLOAT, INT32, INT64, BOOL, HALF, DOUBLE, BFLOAT16 = 1, 6, 7, 9, 10, 11, 16


class Tensor:
    """A shape and a flat list; whole: int64, else float."""

    def __init__(self, shape, data, whole=False):
        self.shape, self.data, self.whole = tuple(shape), list(data), whole


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while True:
        out.append(value & 127 | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def fixed32(field, value):
    return varint(field << 3 | 5) + struct.pack('<f', value)


def dims_of(shape):
    return b''.join(number(1, d) for d in shape)


def half_bits(data):
    return [struct.unpack('<H', struct.pack('<e', v))[0] for v in data]


def bfloat_bits(data):
    return [struct.unpack('<I', struct.pack('<f', v))[0] >> 16 for v in data]


def tensor(t, name='', how='raw'):
    """TensorProto. how: raw, list, unpacked, and for floats half, half-list, bfloat, double."""
    head = dims_of(t.shape)
    tail = block(8, name) if name else b''
    n = len(t.data)
    if t.whole:
        body = {'raw': lambda: block(9, struct.pack('<%dq' % n, *t.data)),
                'list': lambda: block(7, b''.join(map(varint, t.data))),
                'unpacked': lambda: b''.join(number(7, v) for v in t.data)}
        return head + number(2, INT64) + body.get(how, body['raw'])() + tail
    kind, body = {
        'raw': (FLOAT, lambda: block(9, struct.pack('<%df' % n, *t.data))),
        'list': (FLOAT, lambda: block(4, struct.pack('<%df' % n, *t.data))),
        'unpacked': (FLOAT, lambda: b''.join(fixed32(4, v) for v in t.data)),
        'half': (HALF, lambda: block(9, struct.pack('<%de' % n, *t.data))),
        'half-list': (HALF, lambda: block(5, b''.join(map(varint, half_bits(t.data))))),
        'bfloat': (BFLOAT16, lambda: block(9, struct.pack('<%dH' % n, *bfloat_bits(t.data)))),
        'double': (DOUBLE, lambda: block(10, struct.pack('<%dd' % n, *t.data))),
    }[how]
    return head + number(2, kind) + body() + tail


def attribute(name, value):
    head = block(1, name)
    if isinstance(value, Tensor):
        return head + block(5, tensor(value)) + number(20, 4)
    if isinstance(value, str):
        return head + block(4, value) + number(20, 3)
    if isinstance(value, float):
        return head + fixed32(2, value) + number(20, 1)
    if isinstance(value, int):
        return head + number(3, value) + number(20, 2)
    if value and isinstance(value[0], float):
        return head + b''.join(fixed32(7, v) for v in value) + number(20, 6)
    return head + b''.join(number(8, v) for v in value) + number(20, 7)


def node(op, ins, outs, attrs=None, name='', domain=''):
    out = b''.join(block(1, i) for i in ins) + b''.join(block(2, o) for o in outs)
    out += (block(3, name) if name else b'') + block(4, op)
    out += b''.join(block(5, attribute(k, v)) for k, v in (attrs or {}).items())
    return out + (block(7, domain) if domain else b'')


def port(name, shape, kind=FLOAT):
    dims = b''.join(block(1, number(1, d) if isinstance(d, int) else block(2, d)) for d in shape)
    return block(1, name) + block(2, block(1, number(1, kind) + block(2, dims)))


def graph(nodes, initializers, inputs, outputs):
    return (b''.join(block(1, n) for n in nodes) + block(2, 'g') +
            b''.join(block(5, t) for t in initializers) +
            b''.join(block(11, p) for p in inputs) + b''.join(block(12, p) for p in outputs))


def model(graph_bytes, opset=17, ir=8, extra=b'', domain=''):
    """The opset comes last, so that no file that is cut off is a whole one."""
    return (number(1, ir) + block(2, 'make_onnx') + block(7, graph_bytes) + extra +
            block(8, block(1, domain) + number(2, opset)))
