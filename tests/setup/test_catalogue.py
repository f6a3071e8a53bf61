#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""models/catalogue.json: every model says all that it must, and no two things share a name."""
import json
import os
import re
import unittest

ROOT = os.environ.get('SOURCE_ROOT') or os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
# Sums of the files inside npm packages, taken by somebody else; not part of the project.
SUMS = os.environ.get('PIQUE_NPM_SUMS') or os.path.join(
    ROOT, '..', 'shared', 'reference', 'npm-weight-sha256.txt')


class Catalogue(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, 'models', 'catalogue.json'), encoding='utf-8') as f:
            cls.whole = json.load(f)
        cls.models = cls.whole['models']
        cls.variants = [v for m in cls.models for v in m['variants']]
        cls.files = [f for v in cls.variants for f in v['files']]

    def test_the_default_is_a_model_that_runs(self):
        model = [m for m in self.models if m['name'] == self.whole['default']]
        self.assertEqual(self.whole['default'], 'realesr-animevideov3')
        self.assertTrue(model[0]['supported'])
        self.assertEqual(model[0]['variants'][0]['name'], 'realesr-animevideov3-x4')

    def test_the_recommended_model_runs_and_the_default_needs_no_single_host(self):
        by_name = {m['name']: m for m in self.models}
        self.assertEqual(self.whole['recommended'], '2x-Ani4Kv2-Compact')
        self.assertTrue(by_name[self.whole['recommended']]['supported'])
        self.assertIsNotNone(by_name[self.whole['default']]['package'])

    def test_the_nine_that_people_come_with_are_there_by_title_and_by_file(self):
        files = {'AniToon Small': '2x_AniToon_RPLKSRS_242500', 'AniToon': '2x_AniToon_RPLKSR_197500',
                 'AniToon Large': '2x_AniToon_RPLKSRL_280K',
                 'Ani4K v2 UltraCompact': '2x_Ani4Kv2_G6i2_UltraCompact_105K',
                 'Ani4K v2 Compact': '2x_Ani4Kv2_G6i2_Compact_107500',
                 'AniSD AC': '2x_AniSD_AC_RealPLKSR_127500', 'AniSD': '2x_AniSD_RealPLKSR_140K',
                 'OpenProteus Compact': '2x_OpenProteus_Compact_i2_70K',
                 'AniScale2 Compact': '2x_AniScale2S_Compact_i8_60K'}
        found = {m['title']: m['variants'][0]['name'] for m in self.models if m.get('title')}
        self.assertEqual(found, files)

    def test_no_two_names_differ_in_case_and_signs_alone(self):
        names = [(m['name'], n) for m in self.models
                 for n in {m['name'], m.get('title') or m['name']} |
                 {v['name'] for v in m['variants']}]
        loose = {}
        for model, name in names:
            plain = re.sub(r'[^a-z0-9+]', '', name.lower())
            self.assertEqual(loose.setdefault(plain, model), model, name)

    def test_each_model_has_all_its_facts(self):
        for m in self.models:
            package = ('package', 'version') if m['package'] is not None else ()
            for key in ('name', 'architecture', 'about', 'about_fr', 'licence', 'home') + package:
                self.assertIsInstance(m[key], str)
                self.assertTrue(m[key].strip(), (m['name'], key))
            self.assertIn(m['scale'], range(1, 9))
            if package:
                self.assertGreater(m['package_bytes'], 1 << 20)
                self.assertRegex(m['version'], r'^\d+\.\d+\.\d+$')
            else:
                self.assertIsNone(m['version'])
                self.assertIsNone(m['package_bytes'])
            self.assertEqual(m['scale'], m['variants'][0]['scale'])
            self.assertRegex(m['home'], r'^https://')
            self.assertNotRegex(m['about'], r'[.!]$')

    def test_a_licence_has_a_source_or_is_unknown(self):
        for m in self.models:
            if m['licence'] == 'unknown':
                self.assertFalse(m['non_commercial'])
            else:
                self.assertRegex(m['licence_source'], r'^https://')
            self.assertEqual(m['non_commercial'], '-NC' in m['licence'], m['name'])

    def test_only_known_networks_in_containers_that_are_read_are_said_to_run(self):
        for m in self.models:
            readable = all(f['name'].endswith(('.param', '.bin', '.safetensors', '.pth', '.json'))
                           for v in m['variants'] for f in v['files'])
            known = m['architecture'] in ('Compact', 'ESRGAN', 'SPAN', 'OmniSR', 'DAT', 'RealPLKSR',
                                         'UpCunet', 'UpConv7', 'VGG7')
            self.assertEqual(m['supported'], known and readable, m['name'])

    def test_names_are_there_once(self):
        names = [m['name'] for m in self.models]
        names += [v['name'] for m in self.models for v in m['variants'] if v['name'] != m['name']]
        self.assertEqual(len(names), len(set(names)))
        for m in self.models:
            for v in m['variants']:
                if len(v['files']) == 1 and '/' not in v['files'][0]['name']:
                    self.assertTrue(v['files'][0]['name'].startswith(v['name'] + '.'), v['name'])
        paths = [f['name'].lower() for f in self.files]
        self.assertEqual(len(paths), len(set(paths)))

    def test_a_file_name_stays_in_the_models_folder(self):
        for f in self.files:
            self.assertRegex(f['name'], r'^([A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*$')
            if f['path'] is not None:
                self.assertRegex(f['path'], r'^package/[\w./-]+$')
                self.assertNotIn('..', f['path'])

    def test_each_file_has_size_sum_and_a_safe_address(self):
        for f in self.files:
            if f['path'] is not None or f['sha256'] is not None:
                self.assertRegex(f['sha256'], r'^[0-9a-f]{64}$')
                self.assertIn(f['bytes'], range(1, 64 << 20))
            else:  # nobody has told: then the address is all there is
                self.assertIsNone(f['bytes'])
                self.assertIsNotNone(f['upstream'])
            if f['upstream'] is not None:
                self.assertRegex(f['upstream'], r'^https://[a-z0-9.-]+/[\w./%-]+$')
                if 'raw.githubusercontent.com' in f['upstream']:
                    self.assertRegex(f['upstream'], r'/[0-9a-f]{40}/', 'not a fixed commit')

    def test_a_model_without_a_package_has_no_paths_in_one(self):
        for m in self.models:
            for f in [f for v in m['variants'] for f in v['files']]:
                self.assertEqual(f['path'] is None, m['package'] is None, f['name'])

    def test_the_param_file_of_an_ncnn_model_comes_first(self):
        for v in self.variants:
            names = [f['name'] for f in v['files']]
            if names[-1].endswith('.bin'):
                stem = names[-1][:-len('.bin')]
                self.assertEqual(names, [stem + '.param', stem + '.bin'])
            else:
                self.assertEqual(len(names), 1)

    def test_the_page_about_models_names_each(self):
        with open(os.path.join(ROOT, 'docs', 'models.md'), encoding='utf-8') as f:
            page = f.read()
        for m in self.models:
            row = re.search(r'^\| `%s` .*$' % re.escape(m['name']), page, re.M)
            self.assertTrue(row, m['name'])
            self.assertIn(m['licence'], row.group(0))

    def test_sums_agree_with_those_taken_elsewhere(self):
        if not os.path.exists(SUMS):
            self.skipTest('there is no list of sums taken elsewhere')
        with open(SUMS, encoding='utf-8') as f:
            sums = dict(reversed(line.split(None, 1)) for line in f.read().splitlines())
        for m in [m for m in self.models if m['package']]:
            for f in [f for v in m['variants'] for f in v['files']]:
                inside = '%s-%s/%s' % (m['package'], m['version'], f['path'])
                self.assertEqual(sums.get(inside), f['sha256'], inside)


if __name__ == '__main__':
    unittest.main(verbosity=2)
