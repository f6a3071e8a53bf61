# SPDX-License-Identifier: MIT
"""What the families share: a case, its random weights, and the containers that people meet.

A family file writes its network down as a plain module whose state dict has the names of the public
files, and lists its cases in `cases()`. `LIST` in it names another list than nets.txt."""
import json
import math
import os
import struct
import zlib

import numpy as np
import torch

STORED = {'f32': torch.float32, 'f16': torch.float16, 'bf16': torch.bfloat16}


class Case:
    """One network, one picture.

    make       returns the module; called anew wherever one is needed
    container  zip, legacy (torch.save before 1.6), safetensors
    stored     how floating point weights are stored: f32, f16, bf16
    wrap       a function from the state dict to the object that is saved
    prefix     put before every name
    views      every second matrix is stored transposed, and neighbours share a storage
    rename     a function from a name in the module to the name in the file, None: left out
    tune       called with the state dict after it was filled, to bring layers to a sensible size
    extra      tensors that are in the file and not in the module
    unused     ends of the names that no output depends on
    seed       another number where the first draw leaves a unit dead
    """

    def __init__(self, name, architecture, make, width=22, height=17, scale=1, channels=3,
                 tolerance=1e-4, container='zip', stored='f32', wrap=None, prefix='', views=False,
                 rename=None, tune=None, extra=None, unused=(), seed=0):
        self.name, self.architecture, self.make = name, architecture, make
        self.width, self.height, self.scale, self.channels = width, height, scale, channels
        self.tolerance, self.container, self.stored = tolerance, container, stored
        self.wrap, self.prefix, self.views, self.rename = wrap, prefix, views, rename
        self.tune, self.extra, self.unused = tune, extra, unused
        self.seed = zlib.crc32(name.encode()) + seed

    @property
    def file(self):
        return self.name + ('.safetensors' if self.container == 'safetensors' else '.pth')

    def weights(self):
        """The state dict, rounded to what is stored, as float32 (integers as they are)."""
        g = torch.Generator().manual_seed(self.seed)
        module = self.make()
        sd = {k: v.detach().clone() for k, v in module.state_dict().items()}
        parameters = {k for k, _ in module.named_parameters()}
        for name, t in sd.items():
            if name in parameters:
                fill(name, t, g)
            elif name.endswith('running_mean'):
                t.copy_(torch.randn(t.shape, generator=g) * 0.2)
            elif name.endswith('running_var'):
                t.copy_(torch.rand(t.shape, generator=g) + 0.5)
        if self.tune:
            self.tune(sd)
        return {k: self.rounded(t) for k, t in sd.items()}

    def rounded(self, t):
        return t.to(STORED[self.stored]).float() if t.is_floating_point() else t

    def picture(self):
        """(1, c, h, w) in 0..1: smooth slopes and edges with a little noise."""
        g = torch.Generator().manual_seed(self.seed ^ 1)
        y, x = torch.meshgrid(torch.arange(self.height) / self.height,
                              torch.arange(self.width) / self.width, indexing='ij')
        planes = []
        for c in range(self.channels):
            a, b, p = torch.rand(3, generator=g) * 6
            plane = 0.5 + 0.3 * torch.sin(a * x + b * y + p)
            plane = torch.where(x * (c + 1) + y > 1.1, 1 - plane, plane)
            planes.append(plane + 0.2 * (torch.rand(plane.shape, generator=g) - 0.5))
        return torch.stack(planes).clamp(0, 1).float()[None]

    def run(self, weights):
        """The result in double precision."""
        module = self.make()
        module.load_state_dict(weights)
        module = module.double().eval()
        with torch.no_grad():
            return module(self.picture().double())

    def outer(self, weights):
        """The object that the file holds."""
        sd = {}
        for k, t in weights.items():
            name = self.rename(k) if self.rename else k
            if name is not None:
                sd[self.prefix + name] = t.to(STORED[self.stored]) if t.is_floating_point() else t
        for k, t in (self.extra or {}).items():
            sd[self.prefix + k] = t
        if self.views:
            sd = as_views(sd)
        return self.wrap(sd) if self.wrap else sd

    def save(self, path, weights):
        what = self.outer(weights)
        if self.container == 'safetensors':
            save_safetensors(what, path)
        else:
            torch.save(what, path, _use_new_zipfile_serialization=self.container == 'zip')


def fan_in(t):
    return max(1, t[0].numel())


def fill(name, t, g):
    """Random, of a size that keeps a signal's size through a layer."""
    if not t.is_floating_point():
        return
    noise = torch.randn(t.shape, generator=g)
    if t.dim() >= 2:
        t.copy_(noise.clamp(-2, 2) / math.sqrt(fan_in(t)))
    elif name.endswith('weight') or name.endswith('gamma') or name.endswith('scale'):
        t.copy_(1 + 0.2 * noise.clamp(-2, 2))  # of a norm
    else:
        t.copy_(0.1 * noise)


def times(factor, *ends):
    """For `tune`: multiplies the tensors whose names end so."""
    def tune(sd):
        for end in ends:
            found = [t for k, t in sd.items() if k.endswith(end)]
            assert found, end
            for t in found:
                t.mul_(factor)
    return tune


def level(make, sd, channels, targets):
    """For `tune`: scales what the named modules add up last, so that their results deviate by about
    so much from their mean for some picture. By powers of two: the same on any machine.

    targets: (name, deviation, ends of the tensors to scale), in the order of the network."""
    g = torch.Generator().manual_seed(1)
    x = (torch.rand(1, channels, 8, 8, generator=g) * 0.6).repeat_interleave(3, 2)
    x = (x.repeat_interleave(3, 3) + torch.rand(1, channels, 24, 24, generator=g) * 0.4).double()
    module = make().double().eval()
    for name, deviation, ends in targets:
        seen = []
        module.load_state_dict(sd)
        hook = module.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output: seen.append(output.std().item()))
        with torch.no_grad():
            module(x)
        hook.remove()
        factor = 2.0 ** round(math.log2(deviation / seen[0]))
        for end in ends:
            if name + '.' + end in sd:
                sd[name + '.' + end].mul_(factor)


def as_views(sd):
    """The same values; matrices lie transposed in memory, other tensors two to a storage."""
    views, waiting = {}, None
    for i, (k, t) in enumerate(sd.items()):
        if t.dim() >= 2 and i % 4 == 0:
            views[k] = t.transpose(0, 1).contiguous().transpose(0, 1)
        elif waiting is not None and sd[waiting].dtype == t.dtype:
            both = torch.cat([sd[waiting].flatten(), t.flatten()])
            n = sd[waiting].numel()
            views[waiting] = both[:n].view(sd[waiting].shape)
            views[k] = both[n:].view(t.shape)
            waiting = None
        else:
            views[k], waiting = t, k
    return {k: views[k] for k in sd}


def save_safetensors(sd, path):
    names = {torch.float32: 'F32', torch.float16: 'F16', torch.bfloat16: 'BF16',
             torch.int64: 'I64', torch.int32: 'I32', torch.float64: 'F64'}
    head, data = {'__metadata__': {'format': 'pt'}}, b''
    for k, t in sd.items():
        raw = t.contiguous().view(torch.int16) if t.dtype == torch.bfloat16 else t.contiguous()
        raw = raw.numpy().tobytes()
        head[k] = {'dtype': names[t.dtype], 'shape': list(t.shape),
                   'data_offsets': [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + data)


def load_safetensors(path):
    kinds = {'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16,
             'I64': torch.int64, 'I32': torch.int32, 'F64': torch.float64}
    with open(path, 'rb') as file:
        raw = file.read()
    n = struct.unpack('<Q', raw[:8])[0]
    head, data, sd = json.loads(raw[8:8 + n]), raw[8 + n:], {}
    for k, v in head.items():
        if k != '__metadata__':
            begin, end = v['data_offsets']
            sd[k] = torch.frombuffer(bytearray(data[begin:end]), dtype=kinds[v['dtype']]) \
                .reshape(v['shape'])
    return sd


def load(path):
    return load_safetensors(path) if path.endswith('.safetensors') else torch.load(path)


def interleaved(x):
    """(1, c, h, w) -> float32, rows of pixels."""
    return x[0].permute(1, 2, 0).contiguous().numpy().astype('<f4')


def write_numbers(path, picture, result):
    np.concatenate([interleaved(picture).ravel(), interleaved(result).ravel()]).tofile(path)


def size_of(path):
    return os.path.getsize(path) if os.path.exists(path) else 0
