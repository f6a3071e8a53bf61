#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program in French: by the command line, by pique's variable and by the locale.

    test_french.py GROUP       Words or Film, or all without a name"""
import json
import sys
import unittest

from test_cli import Case
from test_films import FilmCase

NBSP = '\u00a0'
LOCALES = ('LC_ALL', 'LC_MESSAGES', 'LANG', 'LANGUAGE', 'PIQUE_LANG')


def in_language(case, **chosen):
    """An environment in which nothing but what is chosen says a language."""
    env = {k: v for k, v in case.environment().items() if k not in LOCALES}
    env.update(chosen)
    return env


class Words(Case):
    """What needs neither a model nor a film."""

    def says(self, words, status, **chosen):
        result = self.run_pique(*words, model=None, env=in_language(self, **chosen))
        self.check(result, status)
        return result.stderr.decode()

    def knows_the_option(self):
        schema = json.loads(self.run_pique('schema', model=None).stdout)
        return 'lang' in schema['properties']

    def test_a_missing_file_is_missing_in_the_language_of_the_locale(self):
        french = 'pique: no.png%s: ne peut être lu%s: Aucun fichier ou dossier de ce nom\n' % (
            NBSP, NBSP)
        english = 'pique: no.png: cannot be read: No such file or directory\n'
        for chosen in ({'LANG': 'fr_FR.UTF-8'}, {'LC_MESSAGES': 'fr_CA'}, {'LC_ALL': 'fr'},
                       {'LANG': 'en_GB.UTF-8', 'LC_ALL': 'fr_FR'}, {'PIQUE_LANG': 'fr'},
                       {'LANG': 'C', 'PIQUE_LANG': 'fr'}, {'LANG': 'fr_FR', 'LC_ALL': ''}):
            self.assertEqual(self.says(['no.png'], 66, **chosen), french, chosen)
        for chosen in ({}, {'LANG': 'C'}, {'LANG': 'de_DE.UTF-8'}, {'LANG': 'fr_FR', 'LC_ALL': 'C'},
                       {'LANG': 'fr_FR', 'PIQUE_LANG': 'en'}):
            self.assertEqual(self.says(['no.png'], 66, **chosen), english, chosen)

    def test_a_bad_option_is_refused_in_french(self):
        self.assertEqual(self.says(['--qualty', '3'], 2, LANG='fr_FR.UTF-8'),
                         "pique: pique n'a pas d'option --qualty%s; vouliez-vous dire --quality%s?\n"
                         % (NBSP, NBSP))
        self.assertIn("attend un nombre entier de 1 à 100, pas «%sabc%s»" % (NBSP, NBSP),
                      self.says(['--quality', 'abc', 'a.png'], 2, LANG='fr_FR.UTF-8'))

    def test_the_command_line_says_the_language_before_anything_else_is_looked_at(self):
        for words in (['--lang=fr', '--qualty', '3'], ['--lang', 'fr', '--qualty', '3']):
            self.assertIn("n'a pas d'option --", self.says(words, 2, LANG='C'))
        for words in (['--lang=en', '--qualty', '3'], ['--lang', 'en', '--qualty', '3']):
            self.assertIn('has no option --', self.says(words, 2, LANG='fr_FR.UTF-8'))
        # Behind -- it is the name of a file, and the option of another is not it.
        self.assertIn('cannot be read', self.says(['--', '--lang=fr'], 66, LANG='C'))

    def test_the_option_says_the_language_of_all(self):
        if not self.knows_the_option():
            self.skipTest('this program has no option --lang')
        self.assertIn('Aucun fichier', self.says(['--lang', 'fr', 'no.png'], 66, LANG='C'))
        self.assertIn('No such file', self.says(['--lang', 'en', 'no.png'], 66, LANG='fr_FR'))

    def test_the_language_may_stand_before_the_command(self):
        for words in (['--lang', 'fr', 'man'], ['--lang=fr', 'man'], ['man', '--lang', 'fr']):
            result = self.run_pique(*words, model=None)
            self.check(result, 0)
            self.assertIn('.SH NOM', result.stdout.decode(), words)

    def test_names_of_members_and_events_are_the_same_in_both(self):
        for chosen in ({'LANG': 'C'}, {'LANG': 'fr_FR.UTF-8'}):
            result = self.run_pique('devices', '--json', model=None, env=in_language(self, **chosen))
            self.check(result, 0)
            self.assertIn(b'"memory_total"', result.stdout)
            self.assertIn(b'"usable"', result.stdout)

    def test_lists_are_in_french(self):
        result = self.run_pique('models', model=None, env=in_language(self, LANG='fr_FR.UTF-8'))
        self.check(result, 0)
        lines = result.stdout.decode().split('\n')
        self.assertRegex(lines[0], r'^NOM +RÉSEAU +ÉCH\. +TAILLE +LICENCE +VITESSE +ÉTAT$')
        self.assertIn('\nDossier%s: ' % NBSP, result.stdout.decode())
        result = self.run_pique('codecs', model=None, env=in_language(self, LANG='fr_FR.UTF-8'))
        if result.returncode == 0:
            self.assertIn('8 bits, lu partout', result.stdout.decode())


class Film(FilmCase):
    def test_the_line_of_a_finished_film_is_french_or_english(self):
        self.film('in.mp4', '40x30', '12', '0.5')
        for lang, there in (('fr_FR.UTF-8', r'in\.mp4 -> out\.mp4 40x30 -> \d+x\d+, 6 images \(dont '
                                            r'\d+ déjà vues\), [\d.]+ [kM]?o, '),
                            ('C', r'in\.mp4 -> out\.mp4 40x30 -> \d+x\d+, 6 frames \(\d+ of them '
                                  r'were there before\), [\d.]+ [kM]?B, ')):
            result = self.upscale('in.mp4', '-o', 'out.mp4', '-y', '-v', '--no-report',
                                  env=in_language(self, LANG=lang))
            self.assertRegex(result.stderr.decode(), there)

    def test_what_the_modules_say_is_french_too(self):
        self.put('no.mp4', b'no film at all' * 100)
        result = self.run_pique('in.mp4', 'no.mp4', env=in_language(self, LANG='fr_FR.UTF-8'))
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stderr.decode(), 'no\\.mp4\u00a0: .*(film|ouverture)')


if __name__ == '__main__':
    suite = unittest.TestSuite()
    for group in (Words, Film):
        if sys.argv[1:2] in ([], [group.__name__]):
            suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(group))
    done = unittest.TextTestRunner(verbosity=2).run(suite)
    skipped = done.testsRun == len(done.skipped)
    sys.exit(77 if skipped and done.wasSuccessful() else not done.wasSuccessful())
