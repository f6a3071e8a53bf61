#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom, over the #include lines of src/."""
import re
import unittest

import source

# Everybody may use base, itself, the public headers and the C library.
MAY = {
    'base': [],
    'tensor': [],
    'kernels': ['tensor'],
    'graph': ['tensor'],
    'model': ['graph', 'tensor'],
    'arch': ['model', 'graph', 'tensor'],
    'backend': ['graph', 'kernels', 'tensor'],
    'upscale': ['backend', 'arch', 'model', 'graph', 'kernels', 'tensor'],
    'image': ['upscale', 'kernels', 'tensor'],
    'film': ['upscale', 'arch', 'tensor'],
    'video': ['film', 'upscale'],
    'option': [],
    'job': ['option'],
    'server': ['option', 'job'],
    'cli': ['option', 'job', 'server'],
}

# Headers of libraries that stop at one layer.
ONLY_IN = [
    (r'vips/|glib|gio/|gobject', ['image']),
    (r'libav|libsw|zimg', ['image', 'video']),
    (r'cuda|nv[A-Z]|ffnvcodec|vulkan|volk|CL/', ['backend']),
    (r'jansson', ['model', 'base', 'cli', 'film', 'video', 'job', 'server']),
    (r'sodium', ['base', 'server']),
    (r'microhttpd', ['server']),
    (r'cmocka', []),
]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]*)[">]', re.M)


def offences(name, text):
    """The include lines of one file that break a rule, as sentences."""
    layer = name.split('/')[1]
    found = []
    for kind, target in INCLUDE.findall(source.code(text)):
        folder = target.split('/')[0] if '/' in target else None
        if folder in MAY and folder != layer and folder != 'base' and folder not in MAY[layer]:
            found.append('%s: %s/ may not include %s' % (name, layer, target))
        elif kind == '"' and folder is None:
            found.append('%s: %s has no folder before it' % (name, target))
        elif kind == '"' and folder not in MAY and folder != 'pique':
            found.append('%s: %s is in no folder that the house knows' % (name, target))
        for pattern, layers in ONLY_IN:
            if kind == '<' and re.match(pattern, target) and layer not in layers:
                found.append('%s: %s may not include <%s>' % (name, layer, target))
    return found


class Layers(unittest.TestCase):
    def test_no_file_includes_what_its_layer_may_not(self):
        names = [n for n in source.files() if re.match(r'src/[^/]+/.*\.(c|h|cu)$', n)]
        self.assertGreater(len(names), 10)
        for name in names:
            self.assertIn(name.split('/')[1], MAY, name + ': a folder that the house does not know')
            self.assertEqual(offences(name, source.read(name)), [])

    def test_the_program_uses_the_public_api_alone(self):
        self.assertEqual(len(offences('src/cli/x.c', '#include "graph/graph.h"\n')), 1)
        self.assertEqual(offences('src/cli/x.c', '#include "pique/pique.h"\n'), [])

    def test_a_library_at_the_wrong_layer_is_found(self):
        self.assertEqual(len(offences('src/cli/x.c', '#include <vips/vips.h>\n')), 1)
        self.assertEqual(len(offences('src/kernels/x86/x.c', '#include "graph/graph.h"\n')), 1)
        self.assertEqual(offences('src/base/x.c', '/* #include "graph/graph.h" */\n'), [])

    def test_the_public_headers_include_no_internal_one(self):
        for name in source.files():
            if not name.startswith('include/'):
                continue
            for kind, target in INCLUDE.findall(source.code(source.read(name))):
                self.assertTrue(kind == '<' or '/' not in target, '%s: %s' % (name, target))


if __name__ == '__main__':
    unittest.main(verbosity=2)
