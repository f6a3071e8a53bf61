#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A file of the page without what only people need: comments and indentation. Nothing is renamed or
moved, so what a browser shows of it still reads like the source.

    tools/squeeze_page.py FILE      the file, squeezed, to standard output

In modules a comment stands on lines of its own, or at the end of a line behind ` // `; no string
and no template of ours holds that (tests/page/test_size.py looks). What is of others, in vendor/, is
left as it is.
"""
import json
import re
import sys


def module(text):
    lines = []
    for line in text.split('\n'):
        line = re.sub(r' +// .*', '', line.strip())
        if line and not line.startswith('//') and not re.fullmatch(r'/\*.*\*/', line):
            lines.append(line)
    return '\n'.join(lines) + '\n'


def style(text):
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    text = re.sub(r'\s+', ' ', text)
    return re.sub(r' ?([{};,]) ?', r'\1', text).replace(': ', ':').strip() + '\n'


def squeeze(path, data):
    """path as web/files.txt has it; data and the result are bytes."""
    if path.startswith('vendor/'):
        return data
    text = data.decode('utf-8')
    if path.endswith('.js'):
        text = module(text)
    elif path.endswith('.css'):
        text = style(text)
    elif path.endswith('.json'):
        text = json.dumps(json.loads(text), ensure_ascii=False, separators=(',', ':'))
    elif path.endswith('.html'):
        text = re.sub(r'<!--.*?-->\n?', '', text, flags=re.S)
    return text.encode('utf-8')


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit('usage: tools/squeeze_page.py FILE')
    with open(sys.argv[1], 'rb') as f:
        sys.stdout.buffer.write(squeeze(sys.argv[1], f.read()))
