#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The two dictionaries of the page against each other, against its modules and against the table of
options: nothing is missing, nothing is left over, and what is put in is put in by both."""
import json
import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
WEB = os.path.join(ROOT, 'web')
LANGUAGES = ('en', 'fr')

# t('key'), tn('key') for key.one and key.other, t(a ? 'key' : 'key'), t(`family.${x}`).
CALL = re.compile(r'\b(tn?)\(')
KEY = re.compile(r"'([a-z][\w-]*(?:\.[\w-]+)+)'")
FAMILY = re.compile(r'`([a-z][\w-]*(?:\.[\w-]+)*\.)\$\{')
# A family whose name itself comes first: t(`${name}.title`) of the three parts of the page.
NAMED = {'${name}.title': ('queue', 'stage', 'settings')}


def read(*path):
    with open(os.path.join(WEB, *path), encoding='utf-8') as f:
        return f.read()


def dictionary(lang):
    def no_twice(pairs):
        names = [k for k, _ in pairs]
        twice = {k for k in names if names.count(k) > 1}
        if twice:
            raise ValueError('%s.json has twice: %s' % (lang, sorted(twice)))
        return dict(pairs)
    return json.loads(read('strings', lang + '.json'), object_pairs_hook=no_twice)


def argument(text, start):
    """What stands between the bracket that opens before start and the comma or bracket that ends it."""
    depth, i = 0, start
    while i < len(text):
        c = text[i]
        if c in '([{':
            depth += 1
        elif c in ')]}':
            if depth == 0:
                return text[start:i]
            depth -= 1
        elif c == ',' and depth == 0:
            return text[start:i]
        i += 1
    return text[start:]


def used(text):
    """(keys, families) of a module."""
    keys, families = set(), set()
    for m in CALL.finditer(text):
        inside = argument(text, m.end())
        for key in KEY.findall(inside):
            keys |= {key + '.one', key + '.other'} if m.group(1) == 'tn' else {key}
        families |= set(FAMILY.findall(inside))
        for name, parts in NAMED.items():
            if name in inside:
                keys |= {name.replace('${name}', p) for p in parts}
    for m in re.finditer(r"'(keys\.\w+)'", text):  # the list of keys is a table
        keys.add(m.group(1))
    return keys, families


def modules():
    folder = os.path.join(WEB, 'js')
    return {n: read('js', n) for n in sorted(os.listdir(folder)) if n.endswith('.js')}


def options():
    """The names of the options that the page has."""
    with open(os.path.join(ROOT, 'src', 'option', 'option.def'), encoding='utf-8') as f:
        rows = re.split(r'^PQ_OPTION\(', f.read(), flags=re.M)[1:]
    return [re.search(r'\.name = "([^"]+)"', r).group(1) for r in rows if 'PQ_FOR_ITEM' in r]


class Strings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.words = {lang: dictionary(lang) for lang in LANGUAGES}
        cls.keys, cls.families = set(), set()
        for text in modules().values():
            keys, families = used(text)
            cls.keys |= keys
            cls.families |= families

    def test_both_languages_have_the_same_keys(self):
        self.assertEqual(sorted(self.words['en']), sorted(self.words['fr']))

    def test_both_languages_put_in_the_same_values(self):
        for key, text in self.words['en'].items():
            # French may say "one file" without the number, never a value that English has not.
            self.assertEqual(set(re.findall(r'\{(\w+)\}', text)),
                             set(re.findall(r'\{(\w+)\}', self.words['fr'][key])), key)

    def test_no_key_is_missing(self):
        self.assertEqual(sorted(self.keys - set(self.words['en'])), [])

    def test_no_key_is_unused(self):
        left = [k for k in self.words['en'] if k not in self.keys and
                not any(k.startswith(f) for f in self.families)]
        self.assertEqual(left, [])

    def test_each_family_of_keys_has_members(self):
        for family in self.families:
            self.assertTrue(any(k.startswith(family) for k in self.words['en']), family)

    def test_no_text_is_empty_or_ends_in_white_space(self):
        for lang, words in self.words.items():
            for key, text in words.items():
                self.assertTrue(text and text == text.strip(), '%s: %s' % (lang, key))

    def test_french_marks_stand_behind_a_space_that_does_not_break(self):
        for key, text in self.words['fr'].items():
            self.assertNotRegex(text, r' [:;?!%»]|« ', key)

    def test_each_option_of_the_page_has_a_name_in_both_languages(self):
        names = options()
        self.assertGreater(len(names), 30)
        for name in names:
            for lang in LANGUAGES:
                self.assertIn('option.' + name, self.words[lang])

    def test_no_name_is_of_an_option_that_is_gone(self):
        gone = [k for k in self.words['en'] if k.startswith('option.') and
                k[len('option.'):] not in options()]
        self.assertEqual(gone, [])

    def test_the_page_knows_files_by_the_suffixes_that_the_program_knows(self):
        with open(os.path.join(ROOT, 'src', 'base', 'suffix.c'), encoding='utf-8') as f:
            lists = re.findall(r'suffixes\[\] = \{(.*?)\}', f.read(), re.S)
        text = re.sub(r"' \+\s+'", '', read('js', 'kinds.js'))
        for name, theirs in zip(('pictures', 'films'), lists, strict=True):
            ours = re.search(r"const %s = new RegExp\('\\\\.\((.*?)\)" % name, text)[1]
            self.assertEqual(sorted(ours.split('|')), sorted(re.findall(r'"\.(\w+)"', theirs)))

    def test_a_key_is_found_wherever_a_module_names_it(self):
        keys, families = used("t('a.b'); tn('c.d', n); t(x ? 'e.f' : 'g.h', { n: 'no.key' }); "
                              't(`i.${j}`); get(\'k.l\')')
        self.assertEqual(keys, {'a.b', 'c.d.one', 'c.d.other', 'e.f', 'g.h'})
        self.assertEqual(families, {'i.'})


if __name__ == '__main__':
    unittest.main()
