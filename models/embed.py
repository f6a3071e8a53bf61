#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns catalogue.json into a C array, without the white space: embed.py catalogue.json out.c"""
import json
import sys


def main():
    source, target = sys.argv[1:]
    with open(source, encoding='utf-8') as f:
        data = json.dumps(json.load(f), ensure_ascii=False, separators=(',', ':')).encode()
    lines = [','.join(str(b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
    with open(target, 'w', encoding='ascii') as f:
        f.write('/* SPDX-License-Identifier: MIT */\n'
                '/* Made from models/catalogue.json by models/embed.py. */\n'
                '#include "cli/catalogue_json.h"\n\n'
                'const unsigned char pq_catalogue_json[] = {\n' + ',\n'.join(lines) + '};\n'
                'const size_t pq_catalogue_json_size = sizeof pq_catalogue_json;\n')


main()
