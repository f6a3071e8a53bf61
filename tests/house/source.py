# SPDX-License-Identifier: MIT
"""What the tests of the house share: the files of the project, and C without its comments."""
import os
import re
import subprocess

ROOT = os.environ.get('SOURCE_ROOT') or os.path.abspath(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
BUILD = os.environ.get('BUILD_ROOT') or os.path.join(ROOT, 'build')


def files():
    """Paths of the project's own files, relative to its root: what git knows and would add; without
    git, everything but build folders."""
    git = subprocess.run(['git', '-C', ROOT, '-c', 'safe.directory=*', 'ls-files', '-z', '--cached',
                          '--others', '--exclude-standard'], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False) if has('git') else None
    if git and git.returncode == 0:
        names = git.stdout.decode().split('\0')
    else:
        names = []
        for folder, sub, found in os.walk(ROOT):
            sub[:] = [s for s in sub if s != '.git' and s != 'node_modules' and
                      not os.path.exists(os.path.join(folder, s, 'build.ninja'))]
            names += [os.path.relpath(os.path.join(folder, f), ROOT) for f in found]
    return sorted(n for n in names if n and os.path.isfile(os.path.join(ROOT, n)))


def has(command):
    return any(os.access(os.path.join(p, command), os.X_OK)
               for p in os.environ.get('PATH', '').split(os.pathsep))


def read(name):
    with open(os.path.join(ROOT, name), encoding='utf-8') as f:
        return f.read()


def code(text):
    """C without comments and the insides of strings; lines stay where they are."""
    def blank(m):
        s = m.group(0)
        if s.startswith('/'):
            return re.sub(r'[^\n]', ' ', s)
        return s[0] + s[-1]
    # An #include keeps its "string".
    keep = {}
    def hide(m):
        keep[len(keep)] = m.group(0)
        return '\0%d\0' % (len(keep) - 1)
    text = re.sub(r'^[ \t]*#[ \t]*include[ \t]*["<][^">]*[">]', hide, text, flags=re.M)
    text = re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)
    return re.sub('\0(\\d+)\0', lambda m: keep[int(m.group(1))], text)
