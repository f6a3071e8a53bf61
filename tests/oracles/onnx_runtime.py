# SPDX-License-Identifier: MIT
"""ONNX Runtime, a package of npm: npm ci --ignore-scripts in tests/oracles/onnxruntime, which
`make check-oracles` does; PIQUE_ORT names another folder."""
import array
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.environ.get('PIQUE_ORT') or os.path.join(HERE, 'onnxruntime', 'node_modules')


def need():
    if shutil.which('node') and os.path.isdir(os.path.join(MODULES, 'onnxruntime-node')):
        return
    print('skipped: no ONNX Runtime; npm ci --ignore-scripts in tests/oracles/onnxruntime gets it, '
          'and node runs it')
    sys.exit(77)


def run(folder, cases):
    """FOLDER/NAME.onnx on the planes NAME.in, into NAME.ort, for each (name, channels, height,
    width); what failed, a line each."""
    args = [str(a) for case in cases for a in case]
    done = subprocess.run(['node', os.path.join(HERE, 'onnxruntime', 'run.js'), folder, *args],
                          stdout=subprocess.PIPE, env={**os.environ, 'PIQUE_ORT': MODULES})
    return done.stdout.decode()


def floats(path):
    values = array.array('f')
    with open(path, 'rb') as f:
        values.frombytes(f.read())
    return values
