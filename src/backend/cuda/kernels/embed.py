#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes an assembly file that puts a fatbin into the program: embed.py OUT.S [FATBIN]. Without one
the kernels are of no bytes."""
import os
import sys


def main():
    body = '    .incbin "%s"\n' % os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else ''
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write('    .section .rodata\n    .balign 64\n'
                '    .global cuda_kernels\n    .global cuda_kernels_bytes\n'
                '    .hidden cuda_kernels\n    .hidden cuda_kernels_bytes\n'
                'cuda_kernels_bytes:\n    .quad 2f - 1f\n    .balign 64\n'
                'cuda_kernels:\n1:\n' + body + '2:\n'
                '    .section .note.GNU-stack, "", %progbits\n')


main()
