// SPDX-License-Identifier: MIT
// Everything that the page shows, in one object, and who wants to know when it changes. Items are
// replaced, never changed in place, so that a card can tell by identity whether it has to be drawn.
import { kept } from './kept.js';

export const state = {
    phase: 'loading', // 'ready', 'login', 'away'
    live: true,
    server: null, // version, output, roots, limits, watched
    queue: { running: true, parallel: 1 },
    items: [],
    options: [],
    groups: [],
    models: [],
    codecs: [],
    presets: {},
    current: null, // id of the item on the stage
    checked: new Set(), // ids that settings and actions are meant for
    draft: kept('draft', {}), // settings of what comes next
    pending: new Map(), // id -> settings that the server does not have yet
    uploads: new Map(), // id -> bytes that this page has sent
    lines: new Map(), // id -> batches as they were saved
    trials: [], // tests: { id, item, frame, crop, runs }
    trial: null, // id of the test on the stage
    trialModels: [], // names of the models that the next test compares; none: the form's
    crop: null, // the piece that it takes: [x, y, w, h], 'whole', or null: what is seen
    sides: 'slider', // or 'grid': one beside the other
    fetching: {}, // name of a model -> how far it is
    estimates: new Map(), // id -> { batch: estimate }
    tab: 'queue', // what a narrow screen shows: 'queue', 'stage', 'settings'
    stage: 'compare', // or 'gallery'
    dialog: null, // { name, ... }
    toasts: [],
    adding: 0, // drops whose files are still being announced
    runRest: false, // Run was pressed meanwhile: it means those too
    gone: new Set(), // ids that the user removed; events on their way bring none back
    asked: new Set(), // ids that run as soon as they are here
};

const listeners = new Set();

export function subscribe(f) {
    listeners.add(f);
    return () => listeners.delete(f);
}

export function change(f) {
    if (typeof f === 'function')
        f(state);
    else
        Object.assign(state, f);
    for (const each of listeners)
        each();
}

export const find = (id) => state.items.find((i) => i.id === id) || null;
export const current = () => find(state.current);
export const option = (name) => state.options.find((o) => o.name === name) || null;
export const model = (name) => state.models.find((m) => m.name === name) || null;
export const checked = () => state.items.filter((i) => state.checked.has(i.id));

const place = (a, b) => a.position - b.position || a.created - b.created;

// An ITEM as it came, unless we know a newer one.
export function putItem(item) {
    if (state.gone.has(item.id))
        return;
    change((s) => {
        const at = s.items.findIndex((i) => i.id === item.id);
        if (at >= 0 && s.items[at].revision > item.revision)
            return;
        const items = s.items.slice();
        if (at >= 0)
            items[at] = item;
        else
            items.push(item);
        s.items = items.sort(place);
        if (!s.current || !s.items.some((i) => i.id === s.current))
            s.current = item.id;
        noteEstimate(s, item);
    });
}

export function dropItem(id) {
    change((s) => {
        const at = s.items.findIndex((i) => i.id === id);
        if (at < 0)
            return;
        s.items = s.items.filter((i) => i.id !== id);
        s.checked.delete(id);
        s.pending.delete(id);
        s.lines.delete(id);
        s.trials = s.trials.filter((t) => t.item !== id);
        if (s.current === id)
            s.current = (s.items[at] || s.items[at - 1] || { id: null }).id;
    });
}

// What is known of each batch size, one after the other, to show them side by side.
function noteEstimate(s, item) {
    const e = item.estimate;
    if (e && e.batch)
        s.estimates.set(item.id, { ...s.estimates.get(item.id), [e.batch]: e });
}

export function putState(all) {
    change((s) => {
        s.server = all;
        s.queue = all.queue;
        s.items = all.items.filter((i) => !s.gone.has(i.id)).sort(place);
        s.phase = 'ready';
        if (!s.items.some((i) => i.id === s.current))
            s.current = s.items.length ? s.items[0].id : null;
        s.checked = new Set([...s.checked].filter((id) => s.items.some((i) => i.id === id)));
    });
}
