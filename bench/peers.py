#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pique beside what else computes the same network on the processor of this machine.

    bench/peers.py BUILD [MODEL [FRAME [ROUNDS [THREADS]]]]     which `make bench-peers` calls

MODEL is one of the Compact kind (realesr-animevideov3), FRAME a picture, or - for one of 640x360 that is
made up. Every peer is a process of its own that keeps network and frame. They take turns, ROUNDS times
(9), so that what else the machine does meets them all; in each round the peak of multiply-adds is
measured, too. What each makes is compared with what pique makes in fp32, so that it is known to be the
same network. The table is for bench/results.md. What is not installed is left out, and said.

A worker prints "ready VERSION" once it is warm; then it answers "run" with seconds, "peak" with
operations a second, and "save PATH" with "saved" when its result is there as float32 planes."""
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'oracles'))
import need  # noqa: E402
import onnx_runtime  # noqa: E402

need.numpy_and_pillow()
import numpy  # noqa: E402
from PIL import Image  # noqa: E402


class Worker:
    def __init__(self, name, command, env=None):
        self.name, self.seconds = name, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env={**os.environ, **(env or {})})
        words = self.line().split(' ', 1)
        self.there = words[0] == 'ready'
        self.version = words[1] if self.there else ''

    def line(self):
        return self.process.stdout.readline().rstrip('\n')

    def ask(self, what):
        self.process.stdin.write(what + '\n')
        self.process.stdin.flush()
        answer = self.line()
        if not answer:
            sys.exit('%s ended' % self.name)
        return answer

    def run(self):
        self.seconds.append(float(self.ask('run')))

    def memory(self):
        """The most that the process had in memory, its interpreter with it, in MB."""
        with open('/proc/%d/status' % self.process.pid, encoding='ascii') as f:
            line = next(l for l in f if l.startswith('VmHWM'))
        return int(line.split()[1]) * 1024 / 1e6

    def end(self):
        self.process.stdin.close()
        self.process.wait()


# ---- what goes in ----

def made_up(width=640, height=360):
    """Edges and noise, the same everywhere."""
    x, y, c = numpy.meshgrid(numpy.arange(width), numpy.arange(height), numpy.arange(3),
                             indexing='ij')
    noise = numpy.random.default_rng(1).integers(0, 16, x.shape)
    return (((x * 3 + c) // 37 * 53 + y // 23 * 91 + noise) & 255).transpose(1, 0, 2)


def frame_of(name):
    """Planes of float32 in 0 .. 1."""
    pixels = made_up() if name == '-' else numpy.asarray(Image.open(name).convert('RGB'))
    return (pixels.transpose(2, 0, 1) / 255).astype(numpy.float32)


def read_tensors(path):
    with open(path, 'rb') as f:
        head = json.loads(f.read(struct.unpack('<Q', f.read(8))[0]))
        data = f.read()
    return {name: numpy.frombuffer(data[slice(*t['data_offsets'])], dtype=numpy.float32)
            .reshape(t['shape']) for name, t in head.items() if name != '__metadata__'}


def flat_weights(tensors, path):
    """Those of a Compact network one behind another; features, layers and scale."""
    numbers = sorted({int(name.split('.')[1]) for name in tensors})
    order = ['body.%d.%s' % (n, what) for n in numbers for what in ('weight', 'bias')
             if 'body.%d.%s' % (n, what) in tensors]
    if set(order) != set(tensors):
        raise ValueError('only networks of the Compact kind are known to all')
    numpy.concatenate([tensors[name].ravel() for name in order]).tofile(path)
    features = tensors['body.0.weight'].shape[0]
    scale = round((tensors['body.%d.weight' % numbers[-1]].shape[0] / 3) ** 0.5)
    return features, (len(numbers) - 3) // 2, scale


# ---- who computes ----

def flops(features, layers, scale, pixels):
    macs = 9 * (3 * features + layers * features * features + features * 3 * scale * scale)
    return 2 * macs * pixels


class Setting:
    def __init__(self, build, model, frame, threads, folder):
        self.build, self.threads, self.folder = build, threads, folder
        self.model = self.convert(model, 'model.safetensors')
        self.onnx = self.convert(model, 'model.onnx')
        self.weights = os.path.join(folder, 'weights')
        self.shape = flat_weights(read_tensors(self.model), self.weights)
        planes = frame_of(frame)
        self.height, self.width = planes.shape[1:]
        self.planes = os.path.join(folder, 'planes')
        planes.tofile(self.planes)
        self.missing = []

    def convert(self, model, name):
        path = os.path.join(self.folder, name)
        subprocess.run([os.path.join(self.build, 'pique'), 'models', 'convert', model, path],
                       check=True, stdout=subprocess.DEVNULL)
        return path

    def worker(self, name, command, env=None):
        worker = Worker(name, [str(w) for w in command], env)
        if worker.there:
            return worker
        self.missing.append('%s: it does not run here, see above' % name)
        return None

    def pique_tiers(self):
        """What --precision knows and this processor computes in."""
        schema = json.loads(subprocess.run([os.path.join(self.build, 'pique'), 'schema'], check=True,
                                           stdout=subprocess.PIPE).stdout)
        known = schema['properties']['precision']['enum']
        found = []
        for number, tier in enumerate(known):
            if tier == 'auto':
                continue
            done = subprocess.run(
                [os.path.join(self.build, 'pique'), 'bench', self.model, '--size', '16x16',
                 '--precision', tier], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                found.append((number, tier))
        return found

    def pique(self):
        command = os.path.join(self.build, 'bench', 'peer-pique')
        for number, tier in self.pique_tiers():
            yield self.worker('pique ' + tier, [command, self.model, self.width, self.height,
                                                self.planes, self.threads, 'cpu', number])

    def onednn(self):
        command = os.path.join(self.build, 'bench', 'peer-onednn')
        if not os.path.exists(command):
            self.missing.append('oneDNN: libdnnl-dev is not there, or is not version 2')
            return
        for tier in ('fp32', 'bf16'):
            yield self.worker('oneDNN ' + tier,
                              [command, self.weights, *self.shape, self.width, self.height,
                               self.planes, tier], {'OMP_NUM_THREADS': str(self.threads)})

    def torch(self):
        python = next((p for p in (sys.executable, need.SYSTEM) if os.path.exists(p) and subprocess.run(
            [p, '-c', 'import torch, numpy'], stderr=subprocess.DEVNULL).returncode == 0), None)
        if not python:
            self.missing.append('PyTorch: python3-torch is not there')
            return
        worker = os.path.join(ROOT, 'bench', 'peers', 'torch_worker.py')
        for words in (['fp32'], ['fp32', 'channels_last'], ['bf16', 'channels_last']):
            yield self.worker('PyTorch ' + ', '.join(words).replace('_', ' '),
                              [python, worker, self.weights, *self.shape, self.width, self.height,
                               self.planes, self.threads, *words],
                              {'OMP_NUM_THREADS': str(self.threads)})

    def onnxruntime(self):
        if not shutil.which('node') or not os.path.isdir(
                os.path.join(onnx_runtime.MODULES, 'onnxruntime-node')):
            self.missing.append('ONNX Runtime: node and the npm package onnxruntime-node are not there')
            return
        yield self.worker('ONNX Runtime fp32',
                          ['node', os.path.join(ROOT, 'bench', 'peers', 'onnxruntime.js'),
                           onnx_runtime.MODULES, self.onnx, self.width, self.height, self.planes,
                           self.threads])

    def workers(self):
        all_of_them = [w for kind in (self.pique, self.onednn, self.onnxruntime, self.torch)
                       for w in kind() if w]
        self.missing.append('ncnn: Debian and npm have no package of it')
        return all_of_them


# ---- what comes out ----

def result_of(worker, folder):
    path = os.path.join(folder, 'result')
    worker.ask('save ' + path)
    return numpy.fromfile(path, dtype=numpy.float32)


def decibels(have, want):
    if have.shape != want.shape:
        return float('nan')
    error = numpy.mean((have.astype(numpy.float64) - want) ** 2)
    return float('inf') if error == 0 else 10 * numpy.log10(1 / error)


def machine():
    with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as f:
        names = [l.split(':', 1)[1].strip() for l in f if l.startswith('model name')]
    return names[0] if names else 'unknown processor'


def load():
    with open('/proc/loadavg', encoding='ascii') as f:
        return f.read().split()[0]


def print_table(setting, workers, peaks, distances, loads):
    work = flops(*setting.shape, setting.width * setting.height)
    first = workers[0]
    median, best = statistics.median(first.seconds), min(first.seconds)
    print('%s, %d threads; %s, %d x %d; %d rounds; load %s before, %s after (idle is 0, this program '
          'alone %d)\n' % (machine(), setting.threads, time.strftime('%Y-%m-%d'), setting.width,
                           setting.height, len(peaks), *loads, setting.threads))
    print('peak of multiply-adds in registers: median %.0f, best %.0f GFLOP/s\n' %
          (statistics.median(peaks) / 1e9, max(peaks) / 1e9))
    print('| program | median | best | time / pique fp32: medians, bests | GFLOP/s, best | of the peak | '
          'memory | from pique fp32 |\n|---|---:|---:|---:|---:|---:|---:|---:|')
    for w in workers:
        m, b = statistics.median(w.seconds), min(w.seconds)
        print('| %s (%s) | %.3f s | %.3f s | %.2f, %.2f | %.0f | %.0f %% | %.0f MB | %s |' %
              (w.name, w.version, m, b, m / median, b / best, work / b / 1e9,
               100 * work / b / max(peaks), w.memory(),
               '-' if w is first else '%.1f dB' % distances[w.name]))
    print()
    for line in setting.missing:
        print('- left out: ' + line)


def main(build, model='realesr-animevideov3', frame='-', rounds='9', threads=''):
    rounds = max(5, int(rounds))
    threads = int(threads or 0) or len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix='pique-peers-') as folder:
        before = load()
        setting = Setting(build, model, frame, threads, folder)
        workers = setting.workers()
        if not workers or workers[0].name != 'pique fp32':
            sys.exit('pique itself does not run')
        want = result_of(workers[0], folder)
        distances = {w.name: decibels(result_of(w, folder), want) for w in workers}
        peaks = []
        for r in range(rounds):
            peaks.append(float(workers[0].ask('peak')))
            for w in workers if r % 2 == 0 else workers[::-1]:
                time.sleep(0.05)  # until the threads of the one before sleep
                w.run()
        print_table(setting, workers, peaks, distances, (before, load()))
        for w in workers:
            w.end()
    # The same network differs by roundings alone: fp32 by 1e-5 of full scale, bf16 by a few hundredths.
    wrong = [n for n, d in distances.items() if not d >= (90 if 'fp32' in n else 35)]
    if wrong:
        sys.exit('not the same network, or not computed right: ' + ', '.join(wrong))


if __name__ == '__main__':
    if not 2 <= len(sys.argv) <= 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
