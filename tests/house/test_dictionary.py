#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The French dictionary against the source: each sentence is in it, none is too many, and what a
format takes is the same in both languages."""
import collections
import errno
import json
import os
import re
import sys
import unittest

import sentences
import source

sys.path.insert(0, os.path.join(source.ROOT, 'tools'))
import make_dictionary  # noqa: E402

# Whose sentences are all in the dictionary.
FOLDERS = ['arch', 'backend', 'base', 'cli', 'film', 'graph', 'image', 'job', 'kernels', 'model',
           'option', 'server', 'tensor', 'upscale', 'video']

# What the option table has in a language of its own, and what is written for shells and man.
NOT_SENTENCES = {'src/option/' + n for n in
                 ('completion.c', 'help.c', 'man.c', 'man_text.c', 'schema.c', 'table.c')}

# Prose that nobody is told: names in files and formats, what other programs print, settings.
NOT_SAID = [
    (r'src/base/cpu\.c', r'model name|(MemAvailable|VmHWM): %llu kB'),
    (r'src/base/pool\.c', r'%ld %ld'),
    (r'src/cli/ask\.c', r'%s %s HTTP/1\.1.*|Content-Type: .*'),
    (r'src/cli/files\.c', r'System Volume Information'),
    (r'src/cli/get\.c', r'Range: bytes=%<PRIu64>-'),
    (r'src/cli/report\.c', r'pique: (debug|trace): '),  # whose lines are English too
    (r'src/cli/speeds\.c', r'model name|%s, %ld cores'),  # keys of a record
    (r'src/film/(describe|spec)\.c', r'.*'),  # job.json, which has one language
    (r'src/image/load\.c', r'remature end|instead of RST'),  # what libjpeg says
    (r'src/image/vips\.c', r'out of memory|unable to malloc|not supported'),  # what libvips says
    (r'src/kernels/.*', r'GCC unroll 32'),
    (r'src/model/container\.c', r'version https://git-lfs| and cannot be opened by this version '
                                r'yet'),  # which is found where it ends a sentence
    (r'src/(arch|model)/.*', r'tensors left out|enlarge first'),  # names of metadata
    (r'src/option/option\.h', r'a bit for each command, and one more'),  # of an assertion
    (r'src/server/.*', r'(text|image|application)/\S+; charset=utf-8|attachment; filename="|'
                       r'\{"error".*|default-src .*|id: %<PRIu64>.*| [a-z0-9 ]+ '),
    (r'src/video/(choose|codecs)\.c', r' ?(yuv|gbr|crf=|profile=|b=0).*'),
    (r'src/video/describe\.c', r'(top|bottom) field first'),  # values of `pique probe --json`
]

# English words that French uses, or names.
SAME = set('''a activation affine architecture attention boot codec conv2d convolutions dysample
features h kb ko licence max mean min mpixel multiplication pique pixel pool s sha256 sha-256
shuffle unshuffle'''.split())

# Words that no French sentence has: what was forgotten in the middle of one.
ENGLISH = re.compile(r'\b(the|is|are|was|were|of|and|with|cannot|which|this|that|has|have|not|for|'
                     r'frames?|picture|pictures|layer|files|bytes|from|its|it)\b')


class French(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.french = json.loads(source.read('strings/fr.json'))
        cls.system = json.loads(source.read('strings/fr_system.json'))
        cls.said = collections.OrderedDict()  # sentence -> where it is said first
        cls.everything = set()
        cls.prose = []
        for name in source.files():
            m = re.match(r'src/(\w+)/.*\.[ch]$', name)
            if not m or name in NOT_SENTENCES:
                continue
            for line, text, said in sentences.literals(source.read(name), name):
                if said:
                    cls.everything.add(text)
                if m.group(1) not in FOLDERS:
                    continue
                where = '%s:%d' % (name, line)
                if said and sentences.has_words(text):
                    cls.said.setdefault(text, where)
                elif not said and sentences.is_prose(text) and not cls.allowed(name, text):
                    cls.prose.append('%s: %r' % (where, text))

    @staticmethod
    def allowed(name, text):
        return any(re.fullmatch(n, name) and re.fullmatch(t, text, re.S) for n, t in NOT_SAID)

    def test_each_sentence_of_the_source_is_in_the_dictionary(self):
        self.assertGreater(len(self.said), 1000)
        missing = ['%s: %r' % (where, s) for s, where in self.said.items() if s not in self.french]
        done = collections.Counter(w.split('/')[1] for s, w in self.said.items() if s in self.french)
        for folder, count in sorted(collections.Counter(
                w.split('/')[1] for w in self.said.values()).items()):
            print('%-8s %4d of %4d' % (folder, done[folder], count))
        self.assertEqual(missing, [])

    def test_no_entry_of_the_dictionary_is_without_a_sentence(self):
        self.assertEqual([s for s in self.french if s not in self.everything], [])

    def test_no_prose_is_said_past_the_dictionary(self):
        self.assertEqual(self.prose, [])

    def test_both_languages_take_the_same_arguments_in_the_same_order(self):
        for english, french in self.french.items():
            self.assertTrue(make_dictionary.same_arguments(english, french), english)

    def test_a_translation_begins_and_ends_as_the_sentence_does(self):
        """Blanks and line feeds at the ends join sentences to others."""
        for english, french in self.french.items():
            for blank in (r'^\s*', r'\s*$'):
                a, b = (re.sub('  +', '  ', re.search(blank, t.replace('\u00a0', '')).group(0))
                        for t in (english, french))
                if english.lstrip()[:1] in ('', ':', ';') or french.lstrip()[:1] in (':', ';'):
                    a, b = a.strip(' '), b.strip(' ')
                self.assertEqual(a, b, english)

    def test_no_english_is_left_in_french(self):
        for english, french in self.french.items():
            text = re.sub(r'«[^»]*»|\[[^]]*\]|--?[a-z][\w-]*|%<\w+>|\w+/\w+', ' ', french)
            found = ENGLISH.findall(text)
            self.assertEqual(found, [], french)
            if french == english:
                words = re.findall(r'[a-z][a-z0-9-]*', sentences.CONVERSION.sub(' ', english).lower())
                self.assertEqual([w for w in words if w not in SAME], [], english)

    def test_french_has_its_blanks_and_quotes(self):
        for french in list(self.french.values()) + list(self.system.values()):
            self.assertNotRegex(french, r'(?<!pique)(?<![\u00a0\s:/])[:;?!](\s|$)', french)
            self.assertNotRegex(french, r' [:;?!»]|« |«(?!\u00a0)|(?<!\u00a0)»', french)
            self.assertNotRegex(french, r"(^|\s)'%|%s'|''", french)

    def test_what_the_system_says_is_what_it_says(self):
        texts = {os.strerror(e) for e in errno.errorcode}
        missing = [t for t in ('No such file or directory', 'Permission denied',
                               'No space left on device') if t not in self.system]
        self.assertEqual(missing, [])
        self.assertGreater(len(texts & set(self.system)), 40)

    # ---- the tools themselves ----

    def test_a_sentence_is_found_in_its_pieces_and_with_its_macros(self):
        code = '''#define KIND "b c"
            int f(void) { return pq_fail(err, 3, "%s: " /* why */ KIND " d %" PRIu64
                                         "\\n", x ? "one two" : pq_tr("three"), "e"); }'''
        found = [(t, said) for _, t, said in sentences.literals(code)]
        self.assertIn(('%s: b c d %<PRIu64>\n', True), found)
        self.assertIn(('three', True), found)
        self.assertIn(('one two', False), found)
        self.assertTrue(sentences.is_prose('one two'))
        self.assertFalse(sentences.is_prose('one'))

    def test_other_arguments_or_another_order_are_refused(self):
        same = make_dictionary.same_arguments
        self.assertTrue(same('%s: %d of %5.1f%%', '%s\u00a0: %d de %6.1f%%'))
        self.assertTrue(same('%<PRIu64> a', '%<PRIu64> b'))
        for english, french in (('%s %d', '%d %s'), ('%s', ''), ('a', '%n'), ('%d', '%ld'),
                                ('%<PRIu64>', '%<PRId64>'), ('%<PRIu64>', '%lu'),
                                ('%.*s', '%s'), ('%.2f', '%f')):
            self.assertFalse(same(english, french), (english, french))
        with self.assertRaises(ValueError):
            same('100%', '100%')

    def test_hash_and_literal_are_those_of_c(self):
        self.assertEqual(make_dictionary.hash_of('%<PRIu64>'), make_dictionary.hash_of('%llu'))
        self.assertEqual(make_dictionary.hash_of('%<PRIu64>'), make_dictionary.hash_of('%lu'))
        self.assertNotEqual(make_dictionary.hash_of('%<PRIu64>'), make_dictionary.hash_of('%ld'))
        self.assertEqual(make_dictionary.literal('"é\n%<PRId64>?'),
                         '"\\042\\303\\251\\012%" PRId64 "\\077"')


if __name__ == '__main__':
    unittest.main(verbosity=2)
