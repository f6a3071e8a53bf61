// SPDX-License-Identifier: MIT
// Where files come in, and how they get to the server. Dropped, pasted, chosen; single ones, and
// folders with all that is in them. They are sent in pieces: two files at a time, each from where the
// server has it. A broken connection is tried again, longer and longer apart. A page that was closed
// meanwhile goes on where the browser still knows the file (a handle in its database), else the user
// chooses the file again.
import { complain, itemDo, toast } from './actions.js';
import { kindOf, settingsFor } from './draft.js';
import { t } from './i18n.js';
import { isMedia } from './kinds.js';
import { post, putPiece } from './server.js';
import { change, find, putItem, state } from './state.js';

/* ---- sending ---- */

const AT_ONCE = 2;
const waiting = [];
const active = new Map(); // id -> AbortController
let working = 0;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
export const isSending = (id) => active.has(id) || waiting.some((w) => w.id === id);
const isAnySending = () => active.size + waiting.length > 0;

/* ---- handles that outlive the page ---- */

const opened = () => new Promise((done, failed) => {
    const r = indexedDB.open('pique', 1);
    r.onupgradeneeded = () => r.result.createObjectStore('files');
    r.onsuccess = () => done(r.result);
    r.onerror = () => failed(r.error);
});

async function inStore(mode, f) {
    try {
        const db = await opened();
        return await new Promise((done, failed) => {
            const r = f(db.transaction('files', mode).objectStore('files'));
            r.onsuccess = () => done(r.result);
            r.onerror = () => failed(r.error);
        });
    } catch {
        return undefined; // a private window: then the user chooses again
    }
}
const forget = (id) => inStore('readwrite', (s) => s.delete(id));

// The file of an item from before the page was loaded anew; asks the browser's leave, so it must
// come from a click. null: it has to be chosen.
export async function known(item) {
    const handle = await inStore('readonly', (s) => s.get(item.id));
    if (!handle)
        return null;
    try {
        if (await handle.requestPermission({ mode: 'read' }) !== 'granted')
            return null;
        const file = await handle.getFile();
        return file.size === item.bytes ? file : null;
    } catch {
        return null; // moved or removed meanwhile
    }
}

/* ---- sending ---- */

const progress = (id, sent) => change((s) => {
    if (sent === null)
        s.uploads.delete(id);
    else
        s.uploads.set(id, sent);
});

async function piece(id, file, offset, size, signal) {
    try {
        const answer = await putPiece(id, offset, file.slice(offset, offset + size), signal);
        return answer.received;
    } catch (e) {
        if (e.status === 409 && e.answer && e.answer.received !== undefined)
            return e.answer.received; // it has another part of it: go on from there
        throw e;
    }
}

async function send(id, file, offset) {
    const stop = new AbortController();
    const size = state.server.limits.chunk_bytes || 1 << 23;
    active.set(id, stop);
    try {
        for (let wait = 500; ;) {
            if (!find(id)) // removed meanwhile
                return;
            try {
                progress(id, offset);
                offset = await piece(id, file, offset, size, stop.signal);
                wait = 500;
                if (offset >= file.size)
                    break;
            } catch (e) {
                if (e.status) // an answer: trying again would get the same
                    throw e;
                await sleep(wait);
                wait = Math.min(2 * wait, 15000);
            }
        }
        forget(id);
    } finally {
        active.delete(id);
        progress(id, null);
    }
}

async function work() {
    if (working >= AT_ONCE)
        return;
    working++;
    for (let next; (next = waiting.shift());) {
        try {
            await send(next.id, next.file, next.offset);
        } catch (e) {
            complain(e, () => resume(find(next.id), next.file));
        }
    }
    working--;
}

export function resume(item, file) {
    if (!item || isSending(item.id))
        return null;
    waiting.push({ id: item.id, file, offset: item.received });
    work();
    return item.id;
}

// A new item; or the rest of one that is half here, where it is the same file.
export async function add(file, handle) {
    const half = state.items.find((i) => i.state === 'uploading' && i.name === file.name &&
        i.bytes === file.size && !isSending(i.id));
    if (half)
        return resume(half, file);
    try {
        const kind = kindOf({ kind: 'unknown', name: file.name });
        const item = await post('/api/items', {
            name: file.name, bytes: file.size, settings: settingsFor(kind, state.draft),
        });
        putItem(item);
        if (handle)
            inStore('readwrite', (s) => s.put(handle, item.id));
        waiting.push({ id: item.id, file, offset: 0 });
        work();
        return item.id;
    } catch (e) {
        complain(e, () => add(file, handle));
    }
    return null;
}

addEventListener('beforeunload', (e) => {
    if (isAnySending())
        e.preventDefault();
});

/* ---- where files come in ---- */

// Of a folder only what looks like a picture or a film; a file that somebody drops by itself is
// taken whatever it is called, and the server says what it makes of it.
const MOST_FILES = 2000, MOST_DEPTH = 16;

async function ofHandle(handle, depth, out) {
    if (out.length >= MOST_FILES)
        return;
    if (handle.kind === 'file') {
        if (depth === 0 || isMedia(handle.name))
            out.push({ file: await handle.getFile(), handle });
    } else if (depth < MOST_DEPTH) {
        for await (const inner of handle.values())
            await ofHandle(inner, depth + 1, out);
    }
}

const readAll = async (reader) => {
    const all = [];
    for (;;) { // at most a hundred come at a time
        const some = await new Promise((done, failed) => reader.readEntries(done, failed));
        if (!some.length)
            return all;
        all.push(...some);
    }
};

async function ofEntry(entry, depth, out) {
    if (out.length >= MOST_FILES)
        return;
    if (entry.isFile) {
        if (depth === 0 || isMedia(entry.name))
            out.push({ file: await new Promise((done, failed) => entry.file(done, failed)) });
    } else if (depth < MOST_DEPTH) {
        for (const inner of await readAll(entry.createReader()))
            await ofEntry(inner, depth + 1, out);
    }
}

// Handles and entries are there only while the event is handled, so all are asked for at once.
async function ofTransfer(transfer) {
    const asked = [...transfer.items].filter((i) => i.kind === 'file').map((i) => ({
        handle: i.getAsFileSystemHandle ? i.getAsFileSystemHandle().catch(() => null) : null,
        entry: i.webkitGetAsEntry ? i.webkitGetAsEntry() : null,
        file: i.getAsFile(),
    }));
    const out = [];
    for (const { handle, entry, file } of asked) {
        const found = await handle;
        if (found)
            await ofHandle(found, 0, out);
        else if (entry && entry.isDirectory)
            await ofEntry(entry, 0, out);
        else if (file)
            out.push({ file });
    }
    return out;
}

async function take(list) {
    list.sort((a, b) => (a.file.webkitRelativePath || a.file.name)
        .localeCompare(b.file.webkitRelativePath || b.file.name, undefined, { numeric: true }));
    if (!list.length)
        toast(t('drop.nothing'));
    state.adding++;
    for (const { file, handle } of list) {
        const id = await add(file, handle);
        if (id && state.runRest)
            itemDo(id, 'start');
    }
    if (--state.adding === 0)
        state.runRest = false;
}

/* ---- choosing ---- */

function picker(options) {
    return new Promise((done) => {
        const input = Object.assign(document.createElement('input'), { type: 'file' }, options);
        input.className = 'unseen';
        input.tabIndex = -1;
        input.setAttribute('aria-hidden', 'true');
        input.onchange = () => {
            done([...input.files]);
            input.remove();
        };
        input.oncancel = () => input.remove();
        document.body.append(input);
        input.click();
    });
}

export const pickFiles = async () => {
    take((await picker({ multiple: true, accept: 'image/*,video/*,.mkv,.flv,.jxl,.y4m' }))
        .map((file) => ({ file })));
};
export const pickFolder = async () => {
    take((await picker({ webkitdirectory: true })).filter((f) => isMedia(f.name))
        .map((file) => ({ file })));
};

// The rest of a half-sent file, or a file again that did not arrive well.
export async function pickAgain(item) {
    const file = await known(item) || (await picker({}))[0];
    if (!file)
        return;
    if (item.state === 'uploading' && file.size === item.bytes)
        resume(item, file);
    else
        await add(file);
}

/* ---- the whole page takes drops ---- */

export function startDrop() {
    const root = document.documentElement;
    let depth = 0;
    const over = (on) => root.classList.toggle('is-dropping', on);
    const hasFiles = (e) => e.dataTransfer && [...e.dataTransfer.types].includes('Files');
    addEventListener('dragenter', (e) => {
        if (hasFiles(e)) {
            depth++;
            over(true);
        }
    });
    addEventListener('dragleave', (e) => {
        if (hasFiles(e) && --depth <= 0) {
            depth = 0;
            over(false);
        }
    });
    addEventListener('dragover', (e) => {
        if (hasFiles(e))
            e.preventDefault();
    });
    addEventListener('drop', async (e) => {
        if (!hasFiles(e))
            return;
        e.preventDefault();
        depth = 0;
        over(false);
        take(await ofTransfer(e.dataTransfer));
    });
    addEventListener('paste', (e) => {
        const files = [...(e.clipboardData ? e.clipboardData.files : [])];
        if (!files.length)
            return;
        e.preventDefault();
        const now = new Date().toISOString().slice(0, 19).replace(/[T:]/g, '-');
        take(files.map((file) => ({ // what is copied from a screen has no name of its own
            file: /^image\.png$/.test(file.name)
                ? new File([file], `${t('drop.pasted')}-${now}.png`, { type: file.type }) : file,
        })));
    });
}
