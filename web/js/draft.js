// SPDX-License-Identifier: MIT
// Settings: what the form shows, whom it is meant for, and how they get to the server. With items
// checked the form is theirs; else it is the draft, which is for new items and for all that were
// never started. A change is sent a moment later, and at the latest before a run.
import { keep } from './kept.js';
import { isFilm } from './kinds.js';
import { call, on } from './server.js';
import { change, checked, find, option, putItem, state } from './state.js';

// What only films have; a picture is not bothered with it.
const filmGroups = new Set(['film', 'tracks', 'job']);

export const kindOf = (item) => item.kind !== 'unknown' ? item.kind
    : isFilm(item.name) ? 'film' : 'picture';

// Whom the form is for.
const isFresh = (item) => item.state === 'uploading' || item.state === 'looking' ||
    item.state === 'paused' && !item.progress;
const isOpen = (item) => isFresh(item) || item.state === 'paused' || item.state === 'stopped' ||
    item.state === 'failed' || item.state === 'waiting' || item.state === 'done';
export const targets = () => {
    const some = checked();
    return some.length ? some.filter(isOpen) : state.items.filter(isFresh);
};

export const settingsOf = (item) => state.pending.get(item.id) || item.settings;

// What an item of a kind gets of a draft. The draft has the format of films apart, as "film-format",
// so that pictures and films of one drop can have theirs.
export function settingsFor(kind, draft) {
    const out = {};
    for (const [name, value] of Object.entries(draft)) {
        const o = option(name);
        if (!o || value === undefined || value === null)
            continue;
        if (kind === 'picture' && filmGroups.has(o.group) || kind === 'film' && name === 'format')
            continue;
        out[name] = value;
    }
    if (kind === 'film' && draft['film-format'])
        out.format = draft['film-format'];
    return out;
}

function draftOf(item) {
    const settings = { ...settingsOf(item) };
    if (kindOf(item) === 'film' && settings.format) {
        settings['film-format'] = settings.format;
        delete settings.format;
    }
    return settings;
}

// What the form shows: of several items the first one's.
export function shown() {
    const some = checked();
    return some.length ? Object.assign({}, ...some.slice().reverse().map(draftOf)) : state.draft;
}

// The names in which the checked items differ.
export function mixed() {
    const some = checked().map(draftOf);
    const names = new Set(some.flatMap((s) => Object.keys(s)));
    return new Set([...names].filter((n) =>
        some.some((s) => JSON.stringify(s[n]) !== JSON.stringify(some[0][n]))));
}

function merge(draft, part) {
    const out = { ...draft, ...part };
    for (const name of Object.keys(out)) {
        if (out[name] === undefined || out[name] === null)
            delete out[name];
    }
    return out;
}

let timer = null;
function later() {
    clearTimeout(timer);
    timer = setTimeout(() => flush().catch(() => {}), 400);
}

function want(s, item, draft) {
    const settings = settingsFor(kindOf(item), draft);
    if (JSON.stringify(settings) !== JSON.stringify(item.settings))
        s.pending.set(item.id, settings);
    else
        s.pending.delete(item.id);
}

// Change some settings; undefined: back to the default.
export function set(part) {
    change((s) => {
        if (!s.checked.size) {
            s.draft = merge(s.draft, part);
            keep('draft', s.draft);
        }
        if (!('batch' in part)) // what was estimated for each batch size holds no more
            s.estimates.clear();
        for (const item of targets())
            want(s, item, merge(draftOf(item), part));
    });
    later();
}

// All settings at once: a preset, or what the form shows for every item that can still change.
export function setAll(draft, whom) {
    change((s) => {
        if (!s.checked.size || whom) {
            s.draft = { ...draft };
            keep('draft', s.draft);
        }
        for (const item of whom || targets())
            want(s, item, draft);
    });
    later();
}
export const setForAll = () => setAll(shown(), state.items.filter((i) => isFresh(i)));

// While the server looks into a file it takes no settings; then they wait for the next event.
const takes = (item) => item && item.state !== 'looking' && item.state !== 'running';

export async function flush() {
    clearTimeout(timer);
    for (const [id, settings] of [...state.pending]) {
        const item = find(id);
        if (!item) {
            state.pending.delete(id);
            continue;
        }
        if (!takes(item) || item.state === 'done')
            continue;
        try {
            putItem(await call('PATCH', `/api/items/${id}`, { settings }));
        } catch (e) {
            if (e.status !== 409) { // refused: the form shows again what holds
                change((s) => s.pending.delete(id));
                throw e;
            }
            continue;
        }
        change((s) => {
            if (s.pending.get(id) === settings)
                s.pending.delete(id);
        });
    }
}

on('item', (item) => {
    if (state.pending.has(item.id) && takes(item) && item.state !== 'done')
        later();
});
