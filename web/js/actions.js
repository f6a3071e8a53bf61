// SPDX-License-Identifier: MIT
// What buttons and keys do. An error becomes a note at the foot of the page with its sentence and one
// button for what helps. And what it will take: asked for the current item whenever its settings
// change.
import { askNotify } from './bar.js';
import { flush, kindOf, settingsFor, settingsOf, shown } from './draft.js';
import { html } from './html.js';
import { bytes, duration, t } from './i18n.js';
import { call, post, reload } from './server.js';
import { change, checked, current, dropItem, find, putItem, state, subscribe } from './state.js';
import { pickAgain } from './upload.js';

/* ---- doing ---- */

let serial = 0;
export function toast(text, more = {}) {
    const id = ++serial;
    change((s) => {
        s.toasts = s.toasts.concat({ id, text, ...more }).slice(-4);
    });
    if (!more.error)
        setTimeout(() => untoast(id), 6000);
}
export const untoast = (id) => change((s) => {
    s.toasts = s.toasts.filter((x) => x.id !== id);
});

export function complain(e, again) {
    toast(e.message || t('error.away'), { error: true, next: e.next, again });
}

// Do it, and where that fails say so, with a button that does it again.
export async function attempt(f) {
    try {
        return await f();
    } catch (e) {
        complain(e, () => attempt(f));
        return undefined;
    }
}

export const itemDo = (id, what) => attempt(async () => {
    await flush();
    putItem(await post(`/api/items/${id}/${what}`));
});

// Gone from the page at once, so that nobody asks for what is about to go.
export const remove = (ids) => attempt(async () => {
    ids.forEach((id) => {
        state.gone.add(id);
        dropItem(id);
    });
    try {
        for (const id of ids)
            await call('DELETE', `/api/items/${id}`);
    } catch (e) {
        ids.forEach((id) => state.gone.delete(id));
        await reload();
        throw e;
    }
});

export const again = (item) => attempt(async () => {
    const mine = state.checked.has(item.id) ? settingsOf(item)
        : settingsFor(kindOf(item), state.draft);
    const made = await post(`/api/items/${item.id}/again`, { settings: mine });
    putItem(made);
    change({ current: made.id });
    await startWhenKnown(made.id);
});

const startWhenKnown = async (id) => putItem(await post(`/api/items/${id}/start`));

// Items that Run would start.
export const startable = () => {
    const some = checked();
    const all = some.length ? some : state.items;
    return all.filter((i) => i.state === 'paused' || i.state === 'stopped' ||
        !state.asked.has(i.id) && (i.state === 'uploading' || i.state === 'looking') ||
        some.length && i.state === 'failed');
};

export const run = () => attempt(async () => {
    const ids = startable().map((i) => i.id);
    askNotify();
    state.runRest = state.adding > 0;
    await flush();
    await post('/api/queue/run', { items: ids });
    change((s) => {
        ids.forEach((id) => s.asked.add(id));
        s.trial = null;
        s.checked = new Set();
        const first = s.items.find((i) => ids.includes(i.id));
        if (first && !ids.includes(s.current))
            s.current = first.id;
    });
});

export const pauseAll = () => attempt(() => post('/api/queue/pause'));
export const resumeAll = () => attempt(() => post('/api/queue/resume'));
export const stopAll = () => attempt(async () => {
    for (const i of state.items.filter((x) => x.state === 'running' || x.state === 'waiting'))
        putItem(await post(`/api/items/${i.id}/stop`));
});
export const clearDone = () => attempt(() => post('/api/queue/clear'));
export const setParallel = (count) => attempt(() => post('/api/queue/parallel', { count }));
export const openFolder = () => attempt(() => post('/api/open'));

export const move = (id, before) => attempt(async () => {
    putItem(await post(`/api/items/${id}/move`, { before }));
});

// One place up (-1) or down (1).
export function step(id, by) {
    const at = state.items.findIndex((i) => i.id === id);
    const to = at + by;
    if (at < 0 || to < 0 || to >= state.items.length)
        return;
    const next = by < 0 ? state.items[to] : state.items[to + 1];
    move(id, next ? next.id : null);
}

export function show(id) {
    change((s) => {
        if (s.current !== id)
            s.crop = null;
        s.current = id;
        s.stage = 'compare';
        s.tab = 'stage';
    });
}

export const toggle = (id) => change((s) => {
    const next = new Set(s.checked);
    if (!next.delete(id))
        next.add(id);
    s.checked = next;
});

export function editOne(id) {
    change((s) => {
        s.checked = new Set([id]);
        s.current = id;
        s.tab = 'settings';
    });
}

// The one button below an error of an item.
export function helpItem(item) {
    switch (item.error ? item.error.next : 'retry') {
    case 'retry':
    case 'space':
        return itemDo(item.id, 'retry');
    case 'settings':
        return editOne(item.id);
    case 'upload':
        return pickAgain(item);
    default:
        return remove([item.id]);
    }
}

export const download = (item) => {
    const a = document.createElement('a');
    a.href = `/api/items/${item.id}/file`;
    a.download = item.result ? item.result.name : '';
    document.body.append(a);
    a.click();
    a.remove();
};

// Browsers take several downloads one after the other, not at once.
export async function downloadAll(items) {
    for (const item of items) {
        download(item);
        await new Promise((done) => setTimeout(done, 400));
    }
}

export const estimate = (item, settings) => post(`/api/items/${item.id}/estimate`,
    { settings: settings || settingsOf(item) });
export const estimateHere = (item, part) => attempt(() => {
    const it = find(item.id);
    return it ? estimate(it, { ...settingsFor(kindOf(it), shown()), ...part }) : null;
});

export const unwatch = (id) => attempt(() => call('DELETE', `/api/watch/${id}`));

/* ---- estimates ---- */

// What it will take: asked for the current item whenever its settings change, and shown before Run.

export function EstimateWords({ e }) {
    if (!e)
        return null;
    const short = e.disk_free !== undefined && e.disk_bytes > e.disk_free;
    return html`<span class="estimate">${[
        e.seconds !== undefined && t('estimate.time', { time: duration(e.seconds) }),
        e.out_width && `${e.out_width} × ${e.out_height}`,
        e.output_bytes && t('estimate.size', { size: bytes(e.output_bytes) }),
        e.memory_bytes && t('estimate.memory', { size: bytes(e.memory_bytes) }),
        e.disk_bytes && t('estimate.disk', { size: bytes(e.disk_bytes),
            free: bytes(e.disk_free || 0) }),
    ].filter(Boolean).join(' · ')}</span>
    ${short && html` <b class="warn">${t('estimate.full')}</b>`}`;
}

// All that Run would start, as far as it is known.
export function total(items) {
    const known = items.filter((i) => i.estimate && i.estimate.seconds !== undefined);
    return known.length && known.length === items.length
        ? known.reduce((sum, i) => sum + i.estimate.seconds, 0) : null;
}

const wanted = (item) => state.checked.size ? settingsOf(item)
    : settingsFor(kindOf(item), shown());

export function startEstimates() {
    let asked = '', timer = null;
    subscribe(() => {
        const item = current();
        if (!item || !item.info || !['paused', 'stopped'].includes(item.state) || item.progress)
            return;
        const key = item.id + JSON.stringify(wanted(item));
        if (key === asked)
            return;
        clearTimeout(timer);
        timer = setTimeout(() => {
            asked = key;
            if (find(item.id))
                estimate(item, wanted(item)).catch(() => {}); // Run will say what is wrong
        }, 600);
    });
}
