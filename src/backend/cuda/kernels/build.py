#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles the kernels into one fatbin: build.py NVCC CODES OUT DEPFILE INCLUDE... SOURCE.cu...

All sources are one translation unit, so that there is one image to load. Architectures that this
nvcc does not know are left out."""
import os
import subprocess
import sys

# Machine code for each generation (CODES, with commas), and PTX, of which the driver makes code for all
# others: that of the oldest that has matrix units for halves.
# Hopper's has instructions of its own (warpgroup.h), which are in the code for it alone, 90a.
OWN = {'90': '90a'}
PTX = '80'


def known(nvcc):
    done = subprocess.run([nvcc, '--list-gpu-code'], stdout=subprocess.PIPE, text=True, check=True)
    return {line.strip()[len('sm_'):] for line in done.stdout.splitlines()}


def smaller(nvcc):
    """Kernels compressed, which nvcc can from 12.8 on: a seventh of the size."""
    done = subprocess.run([nvcc, '--help'], stdout=subprocess.PIPE, text=True, check=True)
    return ['--compress-mode=size'] if '--compress-mode' in done.stdout else []


def main():
    nvcc, codes, out, depfile = sys.argv[1:5]
    sources = [a for a in sys.argv[5:] if a.endswith('.cu')]
    folders = [a for a in sys.argv[5:] if not a.endswith('.cu')]
    there = known(nvcc)
    codes = [code for code in codes.split(',') if code in there]
    flags = ['-std=c++17', '-O3', '-fmad=false', '-ftz=false', '-prec-div=true', '-prec-sqrt=true']
    flags += smaller(nvcc) + ['-I' + f for f in folders]
    for code in codes:
        own = OWN.get(code, code)
        flags.append('-gencode=arch=compute_%s,code=sm_%s' % (own, own))
    flags.append('-gencode=arch=compute_%s,code=compute_%s' % (PTX, PTX))
    unit = out + '.cu'
    with open(unit, 'w', encoding='utf-8') as f:
        f.write(''.join('#include "%s"\n' % os.path.abspath(s) for s in sources))
    # nvcc takes several at a time where there are several processors.
    subprocess.run([nvcc, '-fatbin', '-t0', '-o', out, unit] + flags, check=True)
    subprocess.run([nvcc, '-M', '-MF', depfile, '-MT', out, unit] + flags[:-1 - len(codes)],
                   check=True)


main()
