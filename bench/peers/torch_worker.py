#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch as a worker of bench/peers.py, on a network of the Compact kind:

    torch_worker.py WEIGHTS FEATURES LAYERS SCALE WIDTH HEIGHT PLANES THREADS fp32|bf16 [channels_last]

WEIGHTS are those of onednn.c."""
import os
import sys
import time

import numpy
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from compact import Compact  # noqa: E402


def load(network, path):
    values = torch.from_numpy(numpy.fromfile(path, dtype=numpy.float32))
    at = 0
    for parameter in network.parameters():  # of each layer its weights, bias, slopes
        count = parameter.numel()
        parameter.data.copy_(values[at:at + count].view_as(parameter))
        at += count
    if at != values.numel():
        sys.exit('a network of another kind')


def main(weights, features, layers, scale, width, height, planes, threads, tier, *layout):
    torch.set_num_threads(int(threads))
    network = Compact(int(features), int(layers), int(scale)).eval()
    load(network, weights)
    frame = torch.from_numpy(numpy.fromfile(planes, dtype=numpy.float32))
    frame = frame.view(1, 3, int(height), int(width))
    if layout:
        network, frame = (x.to(memory_format=torch.channels_last) for x in (network, frame))
    if tier == 'bf16':
        network, frame = network.bfloat16(), frame.bfloat16()
    with torch.inference_mode():
        result = network(frame)
        print('ready PyTorch', torch.__version__, flush=True)
        for line in sys.stdin:
            line = line.rstrip('\n')
            if line == 'run':
                start = time.perf_counter()
                result = network(frame)
                print('%.9f' % (time.perf_counter() - start), flush=True)
            elif line.startswith('save '):
                result.float().contiguous().numpy().tofile(line[5:])
                print('saved', flush=True)
            else:
                sys.exit('what was asked is not understood')


main(*sys.argv[1:])
