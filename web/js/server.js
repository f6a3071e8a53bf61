// SPDX-License-Identifier: MIT
// The server: requests to it, as docs/http-api.md has them, and what happens there, as it happens.
import { lang } from './i18n.js';
import { change, dropItem, find, putItem, putState, state } from './state.js';

/* ---- requests ---- */

// Requests to the server, as docs/http-api.md has them. What it refuses becomes an Error that carries
// the sentence for the user, and what helps next.

export class Refusal extends Error {
    constructor(status, error, answer) {
        super(error.text);
        this.status = status;
        this.code = error.code;
        this.next = error.next || 'none';
        this.answer = answer;
    }
}

// Where no answer came at all; the text is the caller's to find.
export class Away extends Error {
    constructor() {
        super('');
        this.next = 'retry';
    }
}

const withLang = (path) => `${path}${path.includes('?') ? '&' : '?'}lang=${lang}`;

async function send(method, path, headers, body, signal) {
    let answer;
    try {
        answer = await fetch(withLang(path), {
            method, headers, body, signal, credentials: 'same-origin', cache: 'no-store',
        });
    } catch (e) {
        throw e.name === 'AbortError' ? e : new Away();
    }
    const text = await answer.text().catch(() => '');
    let value = null;
    try {
        value = text ? JSON.parse(text) : null;
    } catch { /* no JSON: only the status tells */ }
    if (answer.ok)
        return value;
    throw new Refusal(answer.status, value && value.error ? value.error
        : { code: String(answer.status), text: `HTTP ${answer.status}`, next: 'retry' }, value);
}

export const get = (path) => send('GET', path, {});

export const call = (method, path, body) => send(method, path,
    { 'Content-Type': 'application/json', 'X-Pique': '1' }, body && JSON.stringify(body));
// Not in Authorization, where a proxy before the server may have a password.
export const launch = (token) => send('POST', '/api/launch',
    { 'X-Pique': '1', 'X-Pique-Token': token });
export const post = (path, body = {}) => call('POST', path, body);

export const putPiece = (id, offset, piece, signal) => send('PUT',
    `/api/items/${id}/content?offset=${offset}`,
    { 'Content-Type': 'application/octet-stream', 'X-Pique': '1' }, piece, signal);

// Pictures of an item; `stamp` makes an address of its own for each that differs.
export const thumb = (item) =>
    `/api/items/${item.id}/thumb?v=${item.info ? 1 : 0}${item.state === 'looking' ? 'l' : ''}`;
export const source = (item, frame, side) =>
    `/api/items/${item.id}/source?frame=${frame}&side=${side}`;
export const result = (item, frame, side) =>
    `/api/items/${item.id}/result?frame=${frame}&side=${side}` +
    (item.result ? `&v=${(item.result.hash || '').slice(0, 12)}` : '');
export const file = (item) => `/api/items/${item.id}/file`;

// Models of the catalogue, and files of one's own, which go by their names.
export const modelsOf = (m) => [...m.models, ...m.own || []];

/* ---- events ---- */

// What happens on the server, as it happens. A browser opens six connections to a server at most, so
// one page holds the stream for all of them: whoever has the lock listens and passes on what it
// hears; when it closes, the next one gets the lock and goes on after the last event that it knows.
// Where there are no locks (a page that came without TLS from another machine), each has its own.

const names = ['item', 'saved', 'removed', 'queue', 'idle', 'test', 'watched', 'model', 'reset'];
const handlers = {};
let channel = null, last = 0, buffer = null, leads = false;

export const on = (name, f) => {
    (handlers[name] = handlers[name] || []).push(f);
};
export const isLeader = () => leads;

function take(event) {
    if (event.id)
        last = Math.max(last, event.id);
    if (buffer) { // the state is on its way: then what came meanwhile
        buffer.push(event);
        return;
    }
    const { name, data } = event;
    if (name === 'up' || name === 'down') {
        if (state.live !== (name === 'up'))
            change({ live: name === 'up' });
    } else if (name === 'item') {
        putItem(data);
    } else if (name === 'removed') {
        dropItem(data.id);
    } else if (name === 'queue') {
        change({ queue: data });
    } else if (name === 'model') {
        change({ fetching: { ...state.fetching, [data.name]: data } });
        if (data.state === 'here')
            get('/api/models').then((m) => change({ models: modelsOf(m) })).catch(() => {});
    } else if (name === 'reset' || name === 'watched') {
        reload();
    }
    for (const f of handlers[name] || [])
        f(data);
}

function tell(name, data, id) {
    const event = { name, data, id };
    if (channel)
        channel.postMessage(event);
    take(event);
}

// The state, and then the events that came while it was on its way. An item knows its revision, so an
// event that the state had already changes nothing.
let loading = null;
export function reload() {
    loading = loading || (async () => {
        buffer = buffer || [];
        try {
            const all = await get('/api/state');
            putState(all);
            last = all.event === undefined ? last : all.event;
        } finally {
            const held = buffer;
            buffer = null;
            loading = null;
            held.filter((e) => e.name !== 'reset').forEach(take);
        }
    })();
    return loading;
}

function listen() {
    leads = true;
    const source = new EventSource(`/api/events?after=${last}`);
    for (const name of names) {
        source.addEventListener(name, (e) => {
            let data;
            try {
                data = JSON.parse(e.data);
            } catch {
                return;
            }
            if (name === 'reset')
                last = 0;
            tell(name, data, Number(e.lastEventId) || 0);
        });
    }
    source.onopen = () => tell('up', null);
    source.onerror = () => {
        tell('down', null);
        if (source.readyState === EventSource.CLOSED) // refused: it does not try again by itself
            again();
    };
}

function again() {
    setTimeout(async () => {
        try {
            await reload();
            listen();
        } catch (e) {
            if (e.status === 401)
                change({ phase: 'login' });
            else
                again();
        }
    }, 2000);
}

export async function startEvents() {
    if (window.BroadcastChannel && navigator.locks) {
        channel = new BroadcastChannel('pique');
        channel.onmessage = (e) => take(e.data);
        await reload();
        navigator.locks.request('pique.events', () => new Promise(listen));
    } else {
        await reload();
        listen();
    }
}

// A line for each batch of a film, for as long as the page is open.
on('saved', (data) => {
    if (!find(data.id))
        return;
    change((s) => {
        const lines = (s.lines.get(data.id) || []).concat({ ...data, at: Date.now() / 1000 });
        s.lines.set(data.id, lines.slice(-200));
    });
});
