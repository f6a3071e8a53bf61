#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_pth.py FOLDER: small PyTorch files, made without PyTorch.

Python's own pickler writes them, with classes that are called as PyTorch's are, so that opcodes,
memo and globals come out as torch.save() has them; the archive around is written by hand, as
PyTorch's own zip writer does.

FOLDER/good/X.pth          files that must read as the .safetensors beside them
FOLDER/bad/X.pth           files that must be refused, and FOLDER/bad.txt: NAME<tab>what is said"""
import collections
import io
import json
import os
import pickle
import struct
import sys
import types
import zlib


# ---- PyTorch, as far as a pickler sees it ----

def module(name):
    m = sys.modules.setdefault(name, types.ModuleType(name))
    parent, _, last = name.rpartition('.')
    if parent:
        setattr(sys.modules[parent], last, m)
    return m


def give(module_name, name, thing):
    thing.__module__ = module_name
    thing.__qualname__ = thing.__name__ = name
    setattr(module(module_name), name, thing)
    return thing


for NAME in ('torch', 'torch._utils', 'torch._tensor', 'torch.nn', 'torch.nn.parameter',
             'torch.cuda', 'torch.jit', 'torch.jit._pickle', '__torch__', 'net_arch', 'omegaconf',
             'whoever', 'whoever.knows', 'another'):
    module(NAME)

STORAGES = {'F32': 'FloatStorage', 'F16': 'HalfStorage', 'BF16': 'BFloat16Storage',
            'F64': 'DoubleStorage', 'I64': 'LongStorage', 'I32': 'IntStorage',
            'U8': 'ByteStorage', 'BOOL': 'BoolStorage', 'ODD': 'OddStorage'}
SIZES = {'F32': 4, 'F16': 2, 'BF16': 2, 'F64': 8, 'I64': 8, 'I32': 4, 'U8': 1, 'BOOL': 1, 'ODD': 1}
CLASSES = {t: give('torch', n, type(n, (), {})) for t, n in STORAGES.items()}


def function(module_name, name):
    return give(module_name, name, lambda *a: None)


REBUILD = function('torch._utils', '_rebuild_tensor')
REBUILD2 = function('torch._utils', '_rebuild_tensor_v2')
REBUILD_PARAMETER = function('torch._utils', '_rebuild_parameter')
REBUILD_SPARSE = function('torch._utils', '_rebuild_sparse_tensor')
FROM_TYPE = function('torch._tensor', '_rebuild_from_type_v2')
SIZE = give('torch', 'Size', type('Size', (), {}))
PARAMETER = give('torch.nn.parameter', 'Parameter', type('Parameter', (), {}))
INT_LIST = function('torch.jit._pickle', 'build_intlist')
MODULE = give('net_arch', 'Net', type('Net', (), {}))
OPAQUE = give('omegaconf', 'DictConfig', type('DictConfig', (), {}))


class Storage:
    def __init__(self, dtype, data, count=None, key=None):
        self.dtype, self.data, self.key = dtype, data, key
        self.count = len(data) // SIZES[dtype] if count is None else count


class Call:
    """Pickles as function(*args)."""
    def __init__(self, f, *args):
        self.call = (f, args)

    def __reduce__(self):
        return self.call


def with_items(call, items=None, values=None):
    """The call, and then items put into what it gives, as into a list or a dictionary."""
    c = Call(None)
    c.call = call.call + (None, iter(items) if items else None, iter(values) if values else None)
    return c


def contiguous(shape):
    strides, n = [], 1
    for extent in reversed(shape):
        strides.insert(0, n)
        n *= extent
    return tuple(strides)


def tensor(storage, shape, offset=0, strides=None, f=REBUILD2):
    strides = contiguous(shape) if strides is None else tuple(strides)
    if f is REBUILD:
        return Call(f, storage, offset, tuple(shape), strides)
    return Call(f, storage, offset, tuple(shape), strides, False, collections.OrderedDict())


# ---- pickles ----

class Pickler(pickle.Pickler):
    def __init__(self, file, protocol, legacy, view=None):
        super().__init__(file, protocol)
        self.storages, self.legacy, self.view = {}, legacy, view

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        if id(obj) not in self.storages:
            key = obj.key or (str(94000000 + 32 * len(self.storages)) if self.legacy
                              else str(len(self.storages)))
            self.storages[id(obj)] = (key, obj)
        tail = (self.view,) if self.legacy else ()
        return ('storage', CLASSES[obj.dtype], self.storages[id(obj)][0], 'cpu', obj.count) + tail


def dump(obj, protocol=2, legacy=False, view=None):
    out = io.BytesIO()
    p = Pickler(out, protocol, legacy, view)
    p.dump(obj)
    return out.getvalue(), list(p.storages.values())


# ---- the archive, as PyTorch's zip writer has it ----

def zip_file(entries, crc=None, zip64=True, align=64, pack=()):
    """entries: (name, data). crc: {name: a wrong sum}. pack: endings of names to deflate."""
    out, central = b'', b''
    crc = crc or {}
    for name, data in entries:
        raw, at = name.encode(), len(out)
        total, size, method = crc.get(name, zlib.crc32(data)), len(data), 0
        if name.endswith(tuple(pack)):
            squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
            data, method = squeeze.compress(data) + squeeze.flush(), 8
        pad = -(at + 30 + len(raw) + 4) % align
        extra = b'FB' + struct.pack('<H', pad) + b'Z' * pad
        out += struct.pack('<4s5H3I2H', b'PK\3\4', 0, 0x808, method, 0, 0, 0, 0, 0, len(raw),
                           len(extra))
        out += raw + extra + data
        if data:
            out += struct.pack('<4s3I', b'PK\7\10', total, len(data), size)
        central += struct.pack('<4s6H3I5H2I', b'PK\1\2', 0, 0, 0x808, method, 0, 0, total,
                               len(data), size, len(raw), 0, 0, 0, 0, 0, at) + raw
    at, n = len(out), len(entries)
    out += central
    if zip64:
        end = len(out)
        out += struct.pack('<4sQ2H2I4Q', b'PK\6\6', 44, 0x31e, 45, 0, 0, n, n, len(central), at)
        out += struct.pack('<4sIQI', b'PK\6\7', 0, end, 1)
    return out + struct.pack('<4s4H2IH', b'PK\5\6', 0, 0, n, n, len(central), at, 0)


def entries_of(obj, protocol=2, top='archive', byteorder=b'little'):
    text, storages = dump(obj, protocol)
    entries = [(top + '/data.pkl', text)]
    if byteorder:
        entries.append((top + '/byteorder', byteorder))
    entries += [('%s/data/%s' % (top, key), s.data) for key, s in storages]
    return entries + [(top + '/version', b'3\n'), (top + '/.data/serialization_id', b'0' * 40)]


def save(obj, **more):
    return zip_file(entries_of(obj, **more))


MAGIC = 0x1950a86a20f9469cfc6c
SYSTEM = {'protocol_version': 1001, 'little_endian': True,
          'type_sizes': {'short': 2, 'int': 4, 'long': 4}}


def save_legacy(obj, magic=MAGIC, version=1001, system=SYSTEM, view=None, keys=None, lie=0,
                tail=b''):
    text, storages = dump(obj, 2, True, view)
    order = sorted(storages, key=lambda s: s[0])
    out = b''.join(pickle.dumps(x, 2) for x in (magic, version, system))
    out += text + pickle.dumps(keys(order) if keys else [k for k, _ in order], 2)
    return out + b''.join(struct.pack('<q', s.count + lie) + s.data for _, s in order) + tail


# ---- a small network ----

def numbers(seed, count):
    """In [-1, 1), in steps that bf16 can hold too."""
    state, out = seed * 7919 + 17, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % (1 << 31)
        out.append(((state >> 16) % 256 - 128) / 128)
    return out


CODES = {'F32': 'f', 'F16': 'e', 'F64': 'd', 'I64': 'q', 'I32': 'i'}


def pack(dtype, values):
    if dtype == 'BF16':
        return b''.join(struct.pack('<f', v)[2:] for v in values)
    return struct.pack('<%d%s' % (len(values), CODES[dtype]), *values)


def network(features=2, convs=1, scale=2, channels=1):
    """name -> (shape, values) of a Compact network."""
    out, last = collections.OrderedDict(), 2 * convs + 2
    for i in range(0, last + 1, 2):
        inputs = channels if i == 0 else features
        outputs = channels * scale * scale if i == last else features
        shape = (outputs, inputs, 3, 3)
        out['body.%d.weight' % i] = (shape, numbers(i, outputs * inputs * 9))
        out['body.%d.bias' % i] = ((outputs,), numbers(i + 50, outputs))
        if i < last:
            out['body.%d.weight' % (i + 1)] = ((features,), numbers(i + 90, features))
    return out


def safetensors(net, dtype='F32'):
    head, data = {}, b''
    for name, (shape, values) in net.items():
        raw = pack(dtype, values)
        head[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(data), len(data + raw)]}
        data += raw
    text = json.dumps(head).encode()
    return struct.pack('<Q', len(text)) + text + data


def read_safetensors(data):
    """The network of a file whose weights are all f32."""
    n = struct.unpack_from('<Q', data)[0]
    head, out = json.loads(data[8:8 + n]), collections.OrderedDict()
    for name, t in head.items():
        if name != '__metadata__':
            begin, end = t['data_offsets']
            values = struct.unpack_from('<%df' % ((end - begin) // 4), data, 8 + n + begin)
            out[name] = (tuple(t['shape']), list(values))
    return out


def plain(net, dtype='F32', f=REBUILD2):
    d = collections.OrderedDict()
    for name, (shape, values) in net.items():
        d[name] = tensor(Storage(dtype, pack(dtype, values)), shape, f=f)
    return d


def permuted(shape, values, order):
    """values as a tensor whose dimensions lie in memory in another order: (data, strides)."""
    strides, n = [0] * len(shape), 1
    for d in reversed(order):
        strides[d] = n
        n *= shape[d]
    out, from_strides = [0.0] * n, contiguous(shape)
    for i, v in enumerate(values):
        out[sum(i // from_strides[d] % shape[d] * strides[d] for d in range(len(shape)))] = v
    return out, strides


def transposed(net):
    d = collections.OrderedDict()
    for name, (shape, values) in net.items():
        out, strides = permuted(shape, values, list(range(len(shape)))[::-1])
        d[name] = tensor(Storage('F32', pack('F32', out)), shape, strides=strides)
    return d


def shared(net):
    """All in one storage, at odd distances; and strided by two."""
    whole = [9.0] * 3
    d = collections.OrderedDict()
    places = []
    for name, (shape, values) in net.items():
        places.append((name, shape, len(whole)))
        for v in values:
            whole += [v, 7.0]
    s = Storage('F32', pack('F32', whole))
    for name, shape, at in places:
        d[name] = tensor(s, shape, at, [2 * n for n in contiguous(shape)])
    return d


def script_class(path, name):
    """A class of TorchScript: __torch__, the module of the class, and a mangled part where the same
    class was compiled before for another instance."""
    parts = path.split('.')
    for i in range(1, len(parts)):
        module('.'.join(parts[:i + 1]))
    return give(path, name, type(name, (), {}))


def script(net):
    """What torch.jit.script() makes of SRVGGNetCompact, as PyTorch 1.13 saves it: a tree of objects,
    one a dot of a name, whose attributes stand in the order of the class, with tensors as they are
    and lists of numbers through a function. Written down from the data.pkl of a real one, whose
    instructions are these but for the memo and for tuples of up to three, which it marks as well."""
    def new(cls, **attributes):
        o = cls()
        o.training = True
        o._is_full_backward_hook = None
        o.__dict__.update(attributes)
        return o

    layers, tensors = collections.OrderedDict(), plain(net)
    for name in net:
        _, layer, last = name.split('.')
        layers.setdefault(layer, collections.OrderedDict())[last] = tensors[name]
    body, mangled = SCRIPT['list'](), {}
    body.training, body._is_full_backward_hook = True, None
    for layer, weights in layers.items():
        shape = net['body.%s.weight' % layer][0]
        conv = len(shape) == 4
        if conv and shape not in mangled:  # a class of its own for each shape of a convolution
            mangled[shape] = script_class(
                '__torch__.torch.nn.modules.conv' +
                ('.___torch_mangle_%d' % (len(mangled) - 1) if mangled else ''), 'Conv2d')
        o = (mangled[shape] if conv else SCRIPT['prelu'])()
        o.__dict__.update(weights)
        o.training, o._is_full_backward_hook = True, None
        if conv:
            o.transposed = False
            o._reversed_padding_repeated_twice = Call(INT_LIST, [1, 1, 1, 1])
        setattr(body, layer, o)
    return new(SCRIPT['net'], num_in_ch=net['body.0.weight'][0][1], upscale=2, body=body,
               upsampler=new(SCRIPT['shuffle'], upscale_factor=2))


def script_entries(net):
    """The archive of torch.jit.save(): data first, then the pickle, code that is packed, and
    constants, of which there are none."""
    text, storages = dump(script(net))
    entries = [('archive/data/%s' % key, s.data) for key, s in storages]
    entries.append(('archive/data.pkl', text))
    for name in ('__torch__', '__torch__/torch/nn/modules/conv',
                 '__torch__/torch/nn/modules/conv/___torch_mangle_0'):
        entries += [('archive/code/%s.py' % name, b'def forward(self):\n  pass\n' * 20),
                    ('archive/code/%s.py.debug_pkl' % name, b'x' * 300)]
    return entries + [('archive/constants.pkl', b'\x80\2).'), ('archive/version', b'2\n')]


SCRIPT = {'net': script_class('__torch__', 'SRVGGNetCompact'),
          'list': script_class('__torch__.torch.nn.modules.container', 'ModuleList'),
          'prelu': script_class('__torch__.torch.nn.modules.activation', 'PReLU'),
          'shuffle': script_class('__torch__.torch.nn.modules.pixelshuffle', 'PixelShuffle')}


def whole_module(net):
    def new(modules, parameters):
        o = MODULE()
        o.training = True
        o._parameters = collections.OrderedDict(parameters)
        o._buffers = collections.OrderedDict()
        o._modules = collections.OrderedDict(modules)
        o._forward_hooks = collections.OrderedDict()
        return o
    layers = collections.OrderedDict()
    for name, t in plain(net).items():
        _, layer, last = name.split('.')
        t = Call(REBUILD_PARAMETER, t, True, collections.OrderedDict())
        layers.setdefault(layer, []).append((last, t))
    return new([('body', new([(k, new([], v)) for k, v in layers.items()], []))], [])


def renamed(d, prefix):
    return collections.OrderedDict((prefix + k, v) for k, v in d.items())


class WithMetadata(collections.OrderedDict):
    """As Module.state_dict() gives: attributes set by BUILD."""
    def __reduce__(self):
        return (collections.OrderedDict, (), {'_metadata': {'': {'version': 1}}}, None,
                iter(self.items()))


def good():
    net = network()
    other = {k: (s, [0.0] * len(v)) for k, (s, v) in net.items()}
    yield 'zip', save(plain(net)), safetensors(net)
    yield 'no_byteorder', save(plain(net), byteorder=None, top='net_g_30000'), safetensors(net)
    yield 'zip32', zip_file(entries_of(plain(net)), zip64=False), safetensors(net)
    for protocol in (3, 4, 5):
        yield 'protocol%d' % protocol, save(plain(net), protocol=protocol), safetensors(net)
    yield 'legacy', save_legacy(plain(net)), safetensors(net)
    yield 'legacy_v1', save_legacy(plain(net, f=REBUILD)), safetensors(net)
    for dtype in ('F16', 'BF16', 'F64'):
        yield dtype.lower(), save(plain(net, dtype)), safetensors(net, dtype)
        yield 'legacy_' + dtype.lower(), save_legacy(plain(net, dtype)), safetensors(net, dtype)
    yield 'transposed', save(transposed(net)), safetensors(net)
    yield 'legacy_transposed', save_legacy(transposed(net)), safetensors(net)
    yield 'shared', save(shared(net)), safetensors(net)
    yield 'legacy_shared', save_legacy(shared(net)), safetensors(net)
    yield 'params', save({'params': plain(net)}), safetensors(net)
    yield 'ema', save({'params': plain(other), 'params_ema': plain(net)}), safetensors(net)
    yield 'double', save({'state_dict': {'generator': plain(net)}, 'iter': 1}), safetensors(net)
    yield 'single', save({'weights': plain(net)}), safetensors(net)
    yield 'module', save(renamed(plain(net), 'module.')), safetensors(net)
    yield 'generator', save(renamed(plain(net), 'module.netG.')), safetensors(net)
    yield 'metadata', save(WithMetadata(plain(net))), safetensors(net)
    yield 'lightning', save({
        'epoch': 7, 'global_step': 1 << 40, 'pytorch-lightning_version': '2.1', 'best': 0.25,
        'hyper_parameters': Call(OPAQUE, {'lr': 1e-4}), 'lr_schedulers': [{'base_lrs': [0.1]}],
        'optimizer_states': [{'state': {0: {'step': tensor(Storage('F32', bytes(4)), ())}}}],
        'big': 1 << 70, 'none': None, 'kwargs': {'scale': 2, 'deep': {'x': 1}},
        'state_dict': renamed(plain(net), 'net.')}), safetensors(net)
    what = give('whoever.knows', 'What', type('What', (), {}))
    d = {'params': plain(net), 'a': Call(what, 1), 'b': what,
         'c': Call(function('another', 'one'), what)}
    yield 'named', save(d), safetensors(net)
    d = plain(net)
    d['mask'] = tensor(Storage('U8', b'abc'), (3,))
    d['flag'] = tensor(Storage('BOOL', b'\1'), ())
    d['sparse'] = Call(REBUILD_SPARSE, 1, 2)
    yield 'left_out', save(d), safetensors(net)
    yield 'legacy_left_out', save_legacy(d), safetensors(net)
    d = collections.OrderedDict(
        (k, Call(FROM_TYPE, REBUILD2, PARAMETER, t.call[1], {})) for k, t in plain(net).items())
    yield 'subclass', save(d), safetensors(net)
    d = plain(net)
    for k, t in d.items():
        a = list(t.call[1])
        a[2] = Call(SIZE, a[2])
        d[k] = Call(REBUILD2, *a)
    yield 'size', save(d), safetensors(net)
    yield 'script', zip_file(script_entries(net), pack=['.py', '.debug_pkl']), safetensors(net)
    yield 'whole_module', save(whole_module(net)), safetensors(net)
    more = network()
    more['empty'] = ((0, 3), [])
    more['scalar'] = ((), [0.5])
    more['ones'] = ((1, 1, 2, 1), [1, 2])
    d = plain(more)
    d['ones'].call = tensor(Storage('F32', pack('F32', [1, 2])), (1, 1, 2, 1),
                            strides=(1 << 62, 77, 1, 9)).call
    yield 'shapes', save(d), safetensors(more)
    yield 'legacy_shapes', save_legacy(d), safetensors(more)
    more = network()
    more['repeated'] = ((3, 2), [1, 2, 1, 2, 1, 2])
    d = plain(more)
    d['repeated'] = tensor(Storage('F32', pack('F32', [1, 2])), (3, 2), strides=(0, 1))
    yield 'expanded', save(d), safetensors(more)
    # an old view of a view: all storages are the middle of larger ones
    d = plain({k: (s, [5.0] + v + [5.0]) for k, (s, v) in net.items()})
    one = {'a': ((2,), [3, 4])}
    s = Storage('F32', pack('F32', [1, 2, 3, 4, 5]))
    yield 'legacy_view', save_legacy({'a': tensor(s, (2,), 1)}, view=('1', 1, 4)), safetensors(one)


# ---- files that lie ----

def with_pickle(text, *storages):
    return zip_file([('a/data.pkl', text)] + [('a/data/' + k, d) for k, d in storages])


def one(storage, shape=(2,), offset=0, strides=None, **more):
    return save({'a.b': tensor(storage, shape, offset, strides)}, **more)


def two():
    return Storage('F32', pack('F32', [1, 2]))


def code(name):
    m, _, f = name.rpartition('.')
    return b'\x80\2c' + m.encode() + b'\n' + f.encode() + b'\nX\2\0\0\0id\x85R.'


def bad():
    e = entries_of(plain(network()))
    sound = zip_file(e)
    first = e[0][0]
    # the archive
    yield 'duplicate', 'two entries of one name', zip_file(e + [e[0]])
    yield 'capitals', 'two entries of one name', zip_file(e + [('archive/DATA.PKL', b'x')])
    yield 'only_capitals', 'not one of PyTorch', zip_file([('archive/DATA.PKL', e[0][1])] + e[1:])
    yield 'bad_crc', 'do not fit their checksum', zip_file(e, crc={first: 1})
    yield 'bad_crc_tensor', 'do not fit their checksum', zip_file(e, crc={'archive/data/3': 1})
    yield 'bad_crc_byteorder', 'do not fit their checksum', zip_file(e, crc={e[1][0]: 1})
    yield 'appended', 'does not end with its end record', sound + b'x'
    yield 'prepended', 'zip', b'PK\3\4' + sound
    yield 'two_archives', 'end record', sound + sound
    yield 'comment', 'comment', sound[:-2] + b'\5\0'
    yield 'real_comment', 'does not end with', sound[:-2] + b'\5\0hello'
    at = sound.index(b'PK\1\2')
    for name, offset, new, says in (
            ('encrypted', 8, b'\x09\x08', 'encrypted'), ('deflated', 10, b'\x08\0', 'kind of an'),
            ('imploded', 10, b'\x06\0', 'unusual'), ('tried', 8, b'\x0c\x08', 'unusual'),
            ('masked', 8, b'\x08\x28', 'unusual'), ('size', 24, b'\xff', 'two sizes'),
            ('both_sizes', 20, b'\xff\0\0\0\xff\0\0\0', 'belong to nobody'),
            ('crc', 16, b'\1\2\3\4', 'belong to nobody'), ('disk', 34, b'\1', 'several parts'),
            ('offset', 42, b'\1', 'belong to none'), ('far_offset', 42, b'\xff\xff\xff\x7f', 'zip'),
            ('wide', 24, b'\xff\xff\xff\xff', 'two sizes'),
            ('extra', 30, b'\4', 'zip'), ('name', 28, b'\xff\xff', 'longer than its place'),
            ('no_name', 28, b'\0\0', 'name is empty'), ('name_zero', 46, b'\0', 'zero bytes'),
            ('other_name', 46, b'b', 'two names')):
        yield 'central_' + name, says, sound[:at + offset] + new + sound[at + offset + len(new):]
    for name, offset, new, says in (
            ('encrypted', 6, b'\x09\x08', 'encrypted'), ('deflated', 8, b'\x08\0', 'kind of an'),
            ('flags', 6, b'\x08\x00', 'kind of an entry'), ('size', 22, b'\xff', 'two things'),
            ('packed', 18, b'\xff', 'two things'), ('crc', 14, b'\1', 'two things'),
            ('name', 30, b'b', 'two names'), ('extra', 28, b'\xff\xff', 'longer than its place'),
            ('extra_field', 30 + len(first) + 2, b'\xff', 'extra field')):
        yield 'local_' + name, says, sound[:offset] + new + sound[offset + len(new):]
    at = sound.index(b'PK\7\10')
    yield 'descriptor', 'belong to nobody', sound[:at + 8] + b'\1' + sound[at + 9:]
    at = sound.index(b'PK\6\6')
    for name, offset, new, says in (
            ('count', 32, b'\1', 'several parts'), ('size', 40, b'\0\0\1', 'different things'),
            ('offset', 48, b'\1', 'different things'), ('length', 4, b'\x2d', 'locator'),
            ('locator', 56 + 8, b'\1', 'locator'), ('disks', 56 + 16, b'\2', 'locator'),
            ('disk', 16, b'\1', 'several parts')):
        yield 'end64_' + name, says, sound[:at + offset] + new + sound[at + offset + len(new):]
    at = len(sound) - 22
    for name, offset, new, says in (
            ('count', 8, b'\1\0\1', 'different things'), ('one_count', 8, b'\1', 'several parts'),
            ('size', 12, b'\1', 'different things'), ('offset', 16, b'\1', 'different things')):
        yield 'end_' + name, says, sound[:at + offset] + new + sound[at + offset + len(new):]
    small = zip_file(e, zip64=False)
    at = len(small) - 22
    for name, offset, new, says in (
            ('count', 8, b'\xff\xff\xff\xff', 'more entries'),
            ('fewer', 8, b'\1\0\1\0', 'more in its directory'),
            ('empty', 8, b'\0\0\0\0', 'empty'), ('size', 12, b'\1', 'does not end where'),
            ('offset', 16, b'\xff\xff\xff\xff', 'does not end where')):
        yield 'end32_' + name, says, small[:at + offset] + new + small[at + offset + len(new):]
    yield 'packed', 'compressed zip archive', zip_file(e, pack=['data.pkl'])
    yield 'packed_tensor', 'compressed zip archive', zip_file(e, pack=['data/3'])
    yield 'packed_byteorder', 'compressed zip archive', zip_file(e, pack=['byteorder'])
    yield 'no_folder', 'not one of PyTorch', zip_file([('data.pkl', e[0][1])])
    yield 'two_folders', 'not one of PyTorch', zip_file(e + [('b/x', b'x')])
    yield 'no_pickle', 'not one of PyTorch', zip_file(e[1:])
    yield 'nothing', 'is empty', b'PK\5\6' + bytes(18)
    yield 'big_endian', 'big-endian', save(plain(network()), byteorder=b'big')
    yield 'long_pickle', 'goes on after', zip_file([(first, e[0][1] + b'.')] + e[1:])
    # storages and tensors
    yield 'storage_short', "does not fit its 8 bytes", one(Storage('F32', pack('F32', [1, 2]), 3))
    yield 'storage_long', "does not fit its 8 bytes", one(Storage('F32', pack('F32', [1, 2]), 1))
    yield 'storage_type', "does not fit its 8 bytes", one(Storage('F64', pack('F32', [1, 2]), 2))
    yield 'storage_2_63', 'more bytes than the file', one(Storage('F32', b'12345678', 1 << 63))
    yield 'storage_2_62', 'more bytes than the file', one(Storage('F32', b'12345678', 1 << 62))
    yield 'storage_negative', 'more bytes than the file', one(Storage('F32', b'12345678', -1))
    yield 'storage_odd', 'not known', one(Storage('ODD', b'12345678'))
    yield 'storage_missing', "storage '0' is missing", zip_file(
        [x for x in entries_of({'a': tensor(two(), (2,))}) if not x[0].endswith('data/0')])
    yield 'storage_path', "'../version' is missing", zip_file(
        [x for x in entries_of({'a': tensor(Storage('U8', b'3\n', key='../version'), (2,))})
         if not x[0].endswith('/../version')])
    yield 'storage_twice', 'two things are said', zip_file(list(dict(entries_of(
        {'a': tensor(Storage('F32', b'12345678', key='k'), (2,)),
         'b': tensor(Storage('F16', b'12345678', key='k'), (2,))})).items()))
    for name, says, arguments in (
            ('size', 'beyond', ((3,),)), ('offset', 'beyond', ((2,), 1)),
            ('stride', 'beyond', ((2,), 0, (2,))), ('huge', '0 to 65536', ((1 << 62,),)),
            ('huge_offset', 'beyond', ((2,), (1 << 63) - 1)), ('long', 'numbers', ((1 << 64,),)),
            ('long_offset', 'numbers', ((2,), 1 << 63)), ('negative', 'numbers', ((-1,), 0, (1,))),
            ('negative_offset', 'numbers', ((2,), -1)),
            ('negative_stride', 'numbers', ((2,), 1, (-1,))),
            ('huge_stride', 'beyond', ((2, 3), 0, ((1 << 63) - 1, (1 << 63) - 1))),
            ('dims', 'numbers', ((1,) * 9,)), ('strides', 'numbers', ((2,), 0, (1, 1))),
            ('bomb', 'several times as large', ((65536, 65536), 0, (0, 0))),
            ('overflow', 'larger than any memory', ((65536,) * 8, 0, (0,) * 8))):
        yield 'tensor_' + name, says, one(two(), *arguments)
    yield 'tensor_setitem', 'used as a dictionary', save(
        {'a': with_items(tensor(two(), (2,)), values=[('x', 1), ('y', 2)])})
    yield 'tensor_append', 'used as a dictionary', save(
        {'a': with_items(tensor(two(), (2,)), items=[1, 2])})
    yield 'parameter_setitem', 'used as a dictionary', save({'a': with_items(
        Call(REBUILD_PARAMETER, tensor(two(), (2,)), True, {}), values=[('x', 1)])})
    yield 'tensor_float', 'numbers', save({'a': Call(REBUILD2, two(), 0, (2.0,), (1,))})
    yield 'tensor_few', 'numbers', save({'a': Call(REBUILD2, two(), 0)})
    yield 'tensor_none', 'no storage', save({'a': Call(REBUILD2, None, 0, (2,), (1,))})
    yield 'tensor_name', 'control', save({'a\33[2J': tensor(two(), (2,))})
    yield 'tensor_long_name', 'too long', save({'a' * 300: tensor(two(), (2,))})
    yield 'tensor_no_name', 'empty', save({'': tensor(two(), (2,))})
    yield 'same_name', "two tensors are named 'a.b'", save(
        {'a.b': tensor(two(), (2,)), 'a': {'b': tensor(two(), (2,))}})
    # the object
    yield 'a_list', 'no dictionary of tensors', save([1, 2])
    yield 'a_tensor', 'no dictionary of tensors', save(tensor(two(), (2,)))
    yield 'itself', 'within itself', with_pickle(b'\x80\2}q\0X\1\0\0\0ah\0s.')
    deep = {'a': 1}
    for _ in range(100):
        deep = {'a': deep, 'b': 1}
    yield 'deep', 'too many others', save(deep)
    wide = {'x': 1}
    for _ in range(30):
        wide = {'a': wide, 'b': wide, 'c': wide}
    yield 'many', 'more than any model', save(wide)
    # code
    for name in ('os.system', 'posix.system', 'nt.system', 'subprocess.Popen', 'sys.exit',
                 'builtins.eval', 'builtins.exec', '__builtin__.compile', 'builtins.getattr',
                 '__builtin__.__import__', 'builtins.open', 'runpy.run_path',
                 'importlib.import_module', 'ctypes.CDLL', 'socket.socket', 'shutil.rmtree',
                 'pty.spawn', 'webbrowser.open', 'os.path.join', 'torch.load',
                 'numpy.testing._private.utils.runstring'):
        yield ('code_' + name, 'tries to run code when it is opened (%s)' % name,
               with_pickle(code(name)))
    yield 'code_stack', 'tries to run code', with_pickle(
        b'\x80\4\x8c\5posix\x94\x8c\6system\x94\x93\x94\x8c\2id\x94\x85\x94R.')
    yield 'code_dotted', 'tries to run code', with_pickle(
        b'\x80\4\x8c\x13torch.serialization\x8c\x09os.system\x93\x8c\2id\x85R.')
    yield 'code_inst', 'tries to run code', with_pickle(b'\x80\2(X\2\0\0\0idios\nsystem\n.')
    yield 'code_text', 'tries to run code', with_pickle(b"cos\nsystem\n(S'id'\ntR.")
    yield 'code_unused', 'tries to run code', with_pickle(b'\x80\2cos\nsystem\n0}.')
    yield 'code_several', '(os.system, builtins.eval, posix.fork)', with_pickle(
        b'\x80\2}(X\1\0\0\0acos\nsystem\nX\1\0\0\0bctorch\nSize\nX\1\0\0\0ccbuiltins\neval\n'
        b'X\1\0\0\0dcos\nsystem\nX\1\0\0\0ecposix\nfork\nu.')
    yield 'code_many', ' and more)', with_pickle(b'\x80\2' + b''.join(
        b'cos\nf%d\n0' % i for i in range(400)) + b'N.')
    yield 'code_long', 'tries to run code', with_pickle(b'\x80\2cos\n' + b'x' * 256 + b'\n.')
    yield 'code_cut', 'tries to run code', with_pickle(b'\x80\2cos\nsystem\nq')
    yield 'frozen', 'is a frozen TorchScript module', zip_file(
        [('a/data.pkl', b'\x80\2c__torch__\nNet\n)\x81}X\1\0\0\0tNsb.'), ('a/constants/0', b'12345678'),
         ('a/constants.pkl', b'\x80\2).')])
    # the older form
    net = plain(network())
    yield 'legacy_magic', 'not one of PyTorch', save_legacy(net, magic=MAGIC + 1)
    yield 'legacy_pickle', 'not one of PyTorch', pickle.dumps({'a': 1}, 2)
    yield 'legacy_code', 'tries to run code', code('os.system')
    yield 'legacy_code_inside', 'tries to run code', save_legacy({'a': Call(os.system, 'id')})
    yield 'legacy_code_keys', 'tries to run code', save_legacy(
        net, keys=lambda o: [Call(os.system, 'id')])
    yield 'legacy_version', '1001', save_legacy(net, version=1002)
    yield 'legacy_big', 'big-endian', save_legacy(net, system={'little_endian': False})
    yield 'legacy_unsaid', 'big-endian', save_legacy(net, system={})
    yield 'legacy_tail', 'belong to no tensor', save_legacy(net, tail=b'x')
    yield 'legacy_count', 'in one place', save_legacy(net, lie=1)
    yield 'legacy_huge', 'in one place', save_legacy(net, lie=1 << 62)
    yield 'legacy_keys', 'list of storages', save_legacy(net, keys=lambda o: [])
    yield 'legacy_other_key', 'list of storages', save_legacy(
        net, keys=lambda o: ['x'] + [k for k, _ in o[1:]])
    yield 'legacy_key_twice', 'list of storages', save_legacy(
        net, keys=lambda o: [o[0][0]] + [k for k, _ in o[:-1]])
    yield 'legacy_key_type', 'list of storages', save_legacy(net, keys=lambda o: {'a': 1})
    yield 'legacy_key_number', 'list of storages', save_legacy(net, keys=lambda o: [1] * len(o))
    for name, view in (('far', ('1', 4, 4)), ('long', ('1', 0, 1 << 62)),
                       ('negative', ('1', -1, 2)), ('short', ('1', 0)), ('type', 'x')):
        yield 'legacy_view_' + name, 'reaches beyond it', save_legacy(
            {'a': tensor(Storage('F32', pack('F32', [1, 2, 3, 4, 5])), (2,))}, view=view)


def main():
    folder = sys.argv[1]
    for part in ('good', 'bad'):
        os.makedirs(os.path.join(folder, part), exist_ok=True)

    def write(part, name, data):
        with open(os.path.join(folder, part, name), 'wb') as f:
            f.write(data)

    names = []
    for name, data, same in good():
        write('good', name + '.pth', data)
        write('good', name + '.safetensors', same)
        names.append(name)
    with open(os.path.join(folder, 'good.txt'), 'w') as f:
        f.write(''.join(n + '\n' for n in names))
    with open(os.path.join(folder, 'bad.txt'), 'w') as f:
        for name, says, data in bad():
            write('bad', name + '.pth', data)
            f.write('%s\t%s\n' % (name, says))


if __name__ == '__main__':
    main()
