#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the page a part of the program.

    embed_page.py WEB BLOB ASM TABLE DEPFILE

WEB/files.txt names the files, one a line. BLOB gets the bytes of all of them without what only
people need (squeeze_page.py), each so and, where that is smaller, compressed; ASM puts BLOB into the program, TABLE says what lies where in it.
DEPFILE tells ninja what was read. The same files make the same bytes.

Where files.txt or one that it names is not there, the program is built without a page, and says so
when it is asked for it; `make setup` gets what is missing."""
import gzip
import hashlib
import os
import re
import sys

from squeeze_page import squeeze

PATH = re.compile(r'[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*')

ASM = """/* Made by tools/embed_page.py, of %s. */
    .section .rodata
    .global pq_page_blob
    .hidden pq_page_blob
    .balign 16
pq_page_blob:
    .incbin "%s"
    .byte 0
    .section .note.GNU-stack,"",%%progbits
"""

TABLE = """/* Made by tools/embed_page.py. */
#include "server/page.h"

const struct pq_page_entry pq_page_entries[] = {
%s    {0},
};
const size_t pq_page_entry_count = %d;
"""


def names(web):
    with open(os.path.join(web, 'files.txt'), encoding='ascii') as f:
        lines = [line.strip() for line in f]
    found = [line for line in lines if line and not line.startswith('#')]
    for name in found:
        if not PATH.fullmatch(name):
            sys.exit('%s/files.txt: %s: no path of a file below it' % (web, name))
    if len(set(found)) != len(found):
        sys.exit('%s/files.txt: a file is named twice' % web)
    return found


def collect(web):
    """[(name, bytes)] and the paths that decide it."""
    read = [os.path.join(web, 'files.txt')]
    if not os.path.exists(read[0]):
        return [], read
    files = []
    read += [os.path.join(web, name) for name in names(web)]
    missing = [path for path in read if not os.path.isfile(path)]
    if missing:
        print('built without the page: %s is missing; run: make setup' % missing[0], file=sys.stderr)
        return [], read
    for name, path in zip(names(web), read[1:]):
        with open(path, 'rb') as f:
            files.append((name, squeeze(name, f.read())))
    return files, read


def write(path, data):
    """Not where it is the same already, so that nothing is built again for nothing."""
    if os.path.exists(path):
        with open(path, 'rb') as f:
            if f.read() == data:
                return
    with open(path, 'wb') as f:
        f.write(data)


def main():
    web, blob_path, asm_path, table_path, depfile = sys.argv[1:]
    files, read = collect(web)
    blob, rows = b'', ''
    for name, data in files:
        packed = gzip.compress(data, 9, mtime=0)
        if len(packed) >= len(data):
            packed = b''
        rows += '    {"%s", %d, %d, %d, %d},\n' % (name, len(blob), len(data),
                                                 len(blob) + len(data), len(packed))
        blob += data + packed
    write(blob_path, blob)
    # The sum is there so that a new blob is a new source.
    write(asm_path, (ASM % (hashlib.sha256(blob).hexdigest(), os.path.abspath(blob_path))).encode())
    write(table_path, (TABLE % (rows, len(files))).encode())
    with open(depfile, 'w', encoding='utf-8') as f:
        f.write('%s %s %s: %s\n' % (blob_path, asm_path, table_path,
                                    ' '.join(p.replace(' ', '\\ ') for p in read)))


if __name__ == '__main__':
    main()
