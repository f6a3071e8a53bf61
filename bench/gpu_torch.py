#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What PyTorch does with the network of realesr-animevideov3-x4 (Compact: 64 features, 16 convolutions)
on the same GPU: frames of 1920 x 1080 a second, medians of five, in fp16. Weights are random: its time
does not depend on them. For each way one line."""
import statistics
import time

import torch

from compact import Compact


def frames_per_second(network, frames):
    with torch.inference_mode():
        for _ in range(5):
            network(frames)
        rates = []
        for _ in range(5):
            torch.cuda.synchronize()
            start, done = time.perf_counter(), 0
            while time.perf_counter() - start < 0.5:
                network(frames)
                torch.cuda.synchronize()
                done += frames.shape[0]
            rates.append(done / (time.perf_counter() - start))
    return statistics.median(rates)


def main():
    torch.backends.cudnn.benchmark = True
    frames = torch.rand(1, 3, 1080, 1920, device='cuda').half()
    frames = frames.to(memory_format=torch.channels_last)
    network = Compact().cuda().half().eval().to(memory_format=torch.channels_last)
    print('PyTorch %s, channels last, eager:    %.2f frames a second' %
          (torch.__version__, frames_per_second(network, frames)), flush=True)
    compiled = torch.compile(network, mode='max-autotune-no-cudagraphs')
    print('PyTorch %s, channels last, compiled: %.2f frames a second' %
          (torch.__version__, frames_per_second(compiled, frames)))


main()
