#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the dictionary that base/lang.c looks sentences up in, as a C file.

    make_dictionary.py OUTPUT.c strings/fr.json strings/fr_system.json ...

Each input is an object: the English sentence or format as the C source has it, and the French one.
A macro of <inttypes.h> stands in it as %<PRIu64>, and "\\n" is a line feed. Refused is what could do
harm: a translation whose conversions are not those of the English one, in the same order."""
import json
import re
import sys

CONVERSION = re.compile(r'%(?:%|[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*)?)?(?:<PRI[A-Za-z0-9]+>|'
                        r'(?:hh|h|ll|l|j|z|t|L)?[diouxXeEfFgGaAcspn]))')


def conversions(sentence):
    """What a format takes, in order. A per cent sign alone takes nothing, but printf needs it."""
    found = CONVERSION.findall(sentence)
    if '%' in CONVERSION.sub('', sentence):
        raise ValueError('a %% that is no conversion: %r' % sentence)
    return [c for c in found if c != '%%']


def same_arguments(english, french):
    """Whether both take the same arguments; how wide a column is may differ."""
    def kinds(sentence):
        return [re.sub(r'^%[-+ #0]*\d*', '%', c) for c in conversions(sentence)]
    return kinds(english) == kinds(french)


def hash_of(sentence):
    """That of base/lang.c: FNV-1a over the format without any 'l'."""
    macro = re.sub(r'<PRI([a-zA-Z])[A-Za-z0-9]*>', r'\1', sentence)
    h = 0xcbf29ce484222325
    for byte in macro.encode():
        if byte != ord('l'):
            h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def literal(sentence):
    """As C: each byte that is not plain in octal, macros outside of the quotes."""
    out = ''
    for part in re.split(r'(<PRI[A-Za-z0-9]+>)', sentence):
        if part.startswith('<PRI'):
            out += '" %s "' % part[1:-1]
            continue
        for byte in part.encode():
            plain = 0x20 <= byte < 0x7f and byte not in b'"\\?'
            out += chr(byte) if plain else '\\%03o' % byte
    return '"%s"' % out


def read(paths):
    entries = {}
    for path in paths:
        with open(path, encoding='utf-8') as f:
            pairs = json.load(f, object_pairs_hook=list)
        for english, french in pairs:
            if english in entries:
                raise ValueError('twice in the dictionary: %r' % english)
            if not same_arguments(english, french):
                raise ValueError('other conversions: %r and %r' % (english, french))
            entries[english] = french
    return entries


def main():
    entries = read(sys.argv[2:])
    rows = sorted((hash_of(e), e, f) for e, f in entries.items())
    with open(sys.argv[1], 'w', encoding='ascii') as out:
        out.write('/* Made by tools/make_dictionary.py. */\n'
                  '#include "base/dictionary.h"\n\n#include <inttypes.h>\n\n'
                  'const struct pq_dictionary_entry pq_dictionary[] = {\n')
        for h, english, french in rows:
            out.write('    {UINT64_C(0x%016x),\n     %s,\n     %s},\n'
                      % (h, literal(english), literal(french)))
        out.write('};\nconst size_t pq_dictionary_count = %d;\n' % len(rows))


if __name__ == '__main__':
    main()
