#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes an assembly file that puts a file into the program: embed_file.py SYMBOL OUT.S [FILE].

SYMBOL is where it begins, SYMBOL_end where it ends; without a file it is of no bytes. A build that
makes OUT.S of the file makes it anew when the file changes, which an assembly file that names it
by hand would not."""
import os
import sys


def main():
    symbol, out = sys.argv[1:3]
    body = '    .incbin "%s"\n' % os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else ''
    names = [symbol, symbol + '_end']
    with open(out, 'w', encoding='utf-8') as f:
        f.write('    .section .rodata\n    .balign 64\n' +
                ''.join('    .global %s\n    .hidden %s\n' % (n, n) for n in names) +
                '%s:\n%s%s:\n    .section .note.GNU-stack, "", %%progbits\n' % (symbol, body, names[1]))


main()
