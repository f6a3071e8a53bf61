// SPDX-License-Identifier: MIT
// Two languages, switched at once. A dictionary is flat: "queue.empty": "..." with {name} where a
// value stands; "x.one" and "x.other" are chosen by the number. Numbers and dates are Intl's.
import { change } from './state.js';

const dictionaries = {};
export let lang = document.documentElement.lang === 'fr' ? 'fr' : 'en';
let words = {};
let plural = new Intl.PluralRules(lang);

async function load(which) {
    if (!dictionaries[which]) {
        const answer = await fetch(`/strings/${which}.json`);
        dictionaries[which] = await answer.json();
    }
    return dictionaries[which];
}

export async function setLang(which) {
    words = await load(which);
    lang = which;
    plural = new Intl.PluralRules(lang);
    document.documentElement.lang = lang;
    try {
        localStorage.setItem('pique.lang', lang); // as js/first.js reads it
    } catch { /* for this visit only */ }
    change({});
}

export const startLang = async () => {
    words = await load(lang);
};

export const has = (key) => key in words;

export function t(key, values) {
    const text = words[key];
    if (text === undefined)
        return key;
    return values ? text.replace(/\{(\w+)\}/g, (all, name) => name in values ? values[name] : all)
        : text;
}

// By number: key.one or key.other, with {n} the number as it is written here.
export function tn(key, n, values) {
    const kind = plural.select(n) === 'one' ? 'one' : 'other';
    return t(`${key}.${kind}`, { n: number(n), ...values });
}

export const number = (x, digits = 0) =>
    new Intl.NumberFormat(lang, { maximumFractionDigits: digits }).format(x);

const steps = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
export function bytes(x) {
    let at = 0;
    for (; x >= 1000 && at < steps.length - 1; at++)
        x /= 1000;
    return new Intl.NumberFormat(lang, {
        style: 'unit', unit: steps[at], unitDisplay: at ? 'short' : 'long',
        maximumFractionDigits: at < 2 || x >= 100 ? 0 : 1,
    }).format(x);
}

const unit = (x, name, digits = 0) => new Intl.NumberFormat(lang, {
    style: 'unit', unit: name, unitDisplay: 'narrow', maximumFractionDigits: digits,
}).format(x);

// "1 h 5 min", "3 min 20 s", "7.5 s"
export function duration(seconds) {
    if (seconds < 59.5)
        return unit(seconds, 'second', seconds < 10 ? 1 : 0);
    const whole = Math.round(seconds);
    const h = Math.floor(whole / 3600), m = Math.floor(whole % 3600 / 60), s = whole % 60;
    if (h)
        return `${unit(h, 'hour')} ${unit(m, 'minute')}`;
    return s ? `${unit(m, 'minute')} ${unit(s, 'second')}` : unit(m, 'minute');
}

export const moment = (seconds) => new Intl.DateTimeFormat(lang, {
    dateStyle: 'medium', timeStyle: 'short',
}).format(new Date(seconds * 1000));

// Of the server's tables: {"en": ..., "fr": ...}
export const told = (both) => both ? both[lang] || both.en || '' : '';
