# SPDX-License-Identifier: MIT
"""Finds the sentences that pique says in its C source: for the test of the French dictionary.

A sentence is a literal, put together of its pieces, that stands where it is looked up: as the
format of pq_fail() and its like (SAID), in pq_tr() or in PQ_SAID(). Prose that stands elsewhere is
found too, so that nothing is said in English alone by mistake."""
import re

# Which argument of a function is looked up in the dictionary, counted from 0. A name that several
# files use for a static function of theirs has all their places.
SAID = {
    'PQ_SAID': {0}, 'bad_tensor': {1}, 'build_chain': {3}, 'check_zeros': {4}, 'damaged': {1, 2},
    'fail': {2}, 'fail_line': {1}, 'fail_names': {2}, 'ncnn_fail_layer': {3},
    'ncnn_unsupported': {2}, 'note': {1, 2}, 'pq_av_fail': {3}, 'pq_av_io_fail': {3},
    'pq_build_check_vector': {3}, 'pq_cli_agreed': {1}, 'pq_engine_note': {2}, 'pq_engine_tell': {2}, 'pq_fail': {2},
    'pq_http_refuse': {3},
    'pq_fail_errno': {3}, 'pq_film_note': {1}, 'pq_import_fail': {2}, 'pq_import_refuse': {1},
    'pq_log': {2}, 'pq_onnx_refuse': {1}, 'pq_parts_fail': {2}, 'pq_parts_finish': {2},
    'pq_pm_broken': {1}, 'pq_report_note': {1}, 'pq_report_skipped': {2}, 'pq_taking_check': {1},
    'pq_refusal': {2}, 'pq_tell_line': {1}, 'pq_tell_note': {1}, 'pq_tr': {0}, 'pq_vips_fail': {3},
    'refuse': {2}, 'refuse_pair': {2},
}
# The table of profiles has what each is for as the third of its columns.
ONLY_IN = {'X': ('src/video/codecs.c', {2})}

STRING = r'"(?:\\.|[^"\\\n])*"'
MACRO = r'\b[A-Z][A-Za-z0-9_]*\b'
SEQUENCE = re.compile(r'%s(?:\s*(?:%s|%s(?!\s*\()))*' % (STRING, STRING, MACRO))
# What only whoever works on pique reads stays English.
DEBUG = re.compile(r'PIQUE_LOG_(?:DEBUG|TRACE),\s*$')
CONVERSION = re.compile(r'%[-+ #0]*[\d.*]*(?:<PRI\w+>|(?:hh|h|ll|l|j|z|t|L)?[a-zA-Z%])')
# Two words with a blank between them, each of two letters at least and one of lower case.
PROSE = re.compile(r"[A-Za-z]{2,}[,;:.)'%s]* +[('%s]*[a-z]{2,}")
ESCAPES = {'n': '\n', 't': '\t', 'r': '\r', '0': '\0', '\\': '\\', '"': '"', "'": "'"}


def without_comments(text):
    """The same length: comments and includes become blanks."""
    def blank(m):
        return re.sub(r'[^\n]', ' ', m.group(0))
    text = re.sub(r'(%s|\'(?:\\.|[^\'\\\n])*\')|/\*.*?\*/|//[^\n]*' % STRING,
                  lambda m: m.group(1) or blank(m), text, flags=re.S)
    return re.sub(r'^[ \t]*#[ \t]*(?:include|error|pragma)\b.*$', blank, text, flags=re.M)


def unescaped(piece):
    def one(m):
        s = m.group(1)
        return chr(int(s, 8)) if s[0] in '01234567' else ESCAPES.get(s, '\\' + s)
    return re.sub(r'\\([0-7]{1,3}|.)', one, piece)


def joined(pieces, macros):
    """One text of a row of literals and of macros that are literals."""
    text = ''
    for piece in re.findall('%s|%s' % (STRING, MACRO), pieces):
        if piece[0] == '"':
            text += unescaped(piece[1:-1])
        elif piece.startswith('PRI'):
            text += '<%s>' % piece
        else:
            text += unescaped(macros.get(piece, ''))
    return text


def place(blanked, at):
    """The function in whose parentheses a literal stands, and which argument it belongs to; or the
    struct that is initialised, and which member."""
    depth = argument = 0
    for i in range(at - 1, -1, -1):
        c = blanked[i]
        if c in ')]}':
            depth += 1
        elif c in '([{' and depth:
            depth -= 1
        elif c == '(':
            m = re.search(r'(\w+)\s*$', blanked[max(0, i - 80):i])
            return (m.group(1) if m else '', argument)
        elif c == '{':
            m = re.search(r'struct (\w+) \w+ = $', blanked[max(0, i - 80):i])
            return (m.group(1) if m else '', argument)
        elif c == '[' or (c == ';' and not depth):
            return ('', argument)
        elif c == ',' and not depth:
            argument += 1
    return ('', argument)


def literals(text, name=''):
    """Each literal of a C source: line, text, and whether it is looked up."""
    text = without_comments(text)
    macros = {m: s[1:-1] for m, s in
              re.findall(r'^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(%s)[ \t]*$' % STRING, text,
                         re.M)}
    blanked = re.sub(r'%s|\'(?:\\.|[^\'\\\n])*\'' % STRING,
                     lambda m: m.group(0)[0] + '_' * (len(m.group(0)) - 2) + m.group(0)[-1], text)
    for m in SEQUENCE.finditer(text):
        function, argument = place(blanked, m.start())
        if function == 'pq_log' and DEBUG.search(text[:m.start()]):
            continue
        said = argument in SAID.get(function, ())
        if function in ONLY_IN:
            said = name == ONLY_IN[function][0] and argument in ONLY_IN[function][1]
        yield text.count('\n', 0, m.start()) + 1, joined(m.group(0), macros), said


def has_words(sentence):
    """Whether there is anything to translate: a word, or a mark that French sets off by a blank."""
    return bool(re.search(r'[A-Za-z]{2,}|[:;?!]', CONVERSION.sub(' ', sentence)))


def is_prose(text):
    return bool(PROSE.search(text))
