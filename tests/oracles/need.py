# SPDX-License-Identifier: MIT
"""NumPy and Pillow, which building pique does not need: without them a test is skipped."""
import importlib.util
import os
import sys

SYSTEM = '/usr/bin/python3'  # the one that distribution packages serve


def numpy_and_pillow():
    missing = [name for name in ('numpy', 'PIL') if not importlib.util.find_spec(name)]
    if not missing:
        return
    if os.path.exists(SYSTEM) and not os.environ.get('PIQUE_SYSTEM_PYTHON'):
        os.environ['PIQUE_SYSTEM_PYTHON'] = '1'
        os.execv(SYSTEM, [SYSTEM] + sys.argv)
    print('skipped: Python has no ' + ' and no '.join(missing) +
          '; on Debian the packages are python3-numpy and python3-pil')
    sys.exit(77)
