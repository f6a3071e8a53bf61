// SPDX-License-Identifier: MIT
// Windows above the page: the guide to every option, files that lie on the server already, and the
// list of keys, with the keys themselves.
import * as act from './actions.js';
import { attempt, toast } from './actions.js';
import { label } from './controls.js';
import { settingsFor } from './draft.js';
import { html, Icon, IconButton, useEffect, useRef, useState } from './html.js';
import { bytes, t, tn, told } from './i18n.js';
import { get, post, reload } from './server.js';
import { change, putItem, state } from './state.js';
import { pickFiles } from './upload.js';

/* ---- any window ---- */

// A window above the page: the browser's own, which keeps the focus inside and closes at Escape.

const closeDialog = () => change({ dialog: null });

function Dialog({ title, children, wide }) {
    const ref = useRef();
    useEffect(() => {
        const el = ref.current, before = document.activeElement;
        el.showModal();
        return () => {
            el.close();
            if (before && before.isConnected)
                before.focus();
        };
    }, []);
    return html`<dialog ref=${ref} class=${wide ? 'is-wide' : ''} aria-labelledby="dialog-title"
        onCancel=${(e) => {
            e.preventDefault();
            closeDialog();
        }} onClick=${(e) => e.target === ref.current && closeDialog()}>
        <div class="dialog-body"><div class="head"><h2 id="dialog-title">${title}</h2>
            <${IconButton} icon="remove" label=${t('dialog.close')} onClick=${closeDialog} /></div>
        ${children}</div></dialog>`;
}

/* ---- the guide ---- */

// The guide: every option of the table with its sentence and what more there is to say, in the
// language of the page.

const bounds = (o) => [
    o.kind === 'choice' ? t('guide.choices', { list: (o.choices || []).join(', ') }) : null,
    (o.kind === 'int' || o.kind === 'number') && o.most ? t('guide.bounds',
        { least: o.least, most: o.most }) : null,
    o.default !== null && o.default !== undefined ? t('guide.default', { value: o.default }) : null,
].filter(Boolean).join(' ');

export function Guide({ s, at }) {
    const [words, setWords] = useState('');
    const likes = (o) => `${o.name} ${label(o)} ${told(o.help)} ${told(o.detail)}`.toLowerCase()
        .includes(words.toLowerCase());
    useEffect(() => {
        const el = at && document.getElementById(`guide-${at}`);
        if (el) {
            el.scrollIntoView();
            el.focus();
        }
    }, [at]);
    const groups = s.groups.map((g) => ({ ...g, all: s.options.filter((o) => o.group === g.id &&
        likes(o)) })).filter((g) => g.all.length);
    return html`<${Dialog} title=${t('guide.title')} wide>
        <input type="search" value=${words} placeholder=${t('guide.search')}
            aria-label=${t('guide.search')} onInput=${(e) => setWords(e.target.value)} />
        ${!words && html`<p>${t('guide.intro')}</p><p>${t('form.tiles')}</p>`}
        ${groups.map((g) => html`<section key=${g.id}><h3>${told(g)}</h3>
            ${g.all.map((o) => html`<article key=${o.name} id=${`guide-${o.name}`} tabIndex="-1">
                <h4>${label(o)} <code>--${o.name}</code></h4>
                <p>${told(o.help)}${/[.!?]$/.test(told(o.help)) ? '' : '.'} ${told(o.detail)}</p>
                <p class="facts">${bounds(o)}</p></article>`)}</section>`)}
        ${!groups.length && html`<p class="hint">${t('guide.nothing')}</p>`}
    </${Dialog}>`;
}

/* ---- files on the server ---- */

// Files that lie on the server already: chosen from the folders that it was started with, without a
// copy; and folders to watch.

const add = (entries) => attempt(async () => {
    for (const e of entries)
        putItem(await post('/api/items', { file: e.id, settings: settingsFor(e.kind, state.draft) }));
    closeDialog();
});

const watch = (folder) => attempt(async () => {
    await post('/api/watch', { folder: folder.id, settings: state.draft.format
        ? settingsFor('picture', state.draft) : settingsFor('film', { ...state.draft,
            'film-format': undefined }) });
    toast(t('watch.is', { name: folder.name }));
    await reload();
    closeDialog();
});

export function Folders({ s }) {
    const [here, setHere] = useState(null); // null: the roots
    const [chosen, setChosen] = useState(new Set());
    const [trouble, setTrouble] = useState(null);
    const go = async (id) => {
        setChosen(new Set());
        try {
            setHere(id ? await get(`/api/folders/${id}`) : null);
            setTrouble(null);
        } catch (e) {
            setTrouble(e.message || t('error.away'));
        }
    };
    useEffect(() => {
        if (s.server.roots.length === 1)
            go(s.server.roots[0].id);
    }, []);
    const entries = here ? here.entries : s.server.roots.map((r) => ({ ...r, kind: 'folder' }));
    const files = entries.filter((e) => e.kind !== 'folder');
    const some = files.filter((e) => chosen.has(e.id));
    const toggle = (id) => {
        const next = new Set(chosen);
        if (!next.delete(id))
            next.add(id);
        setChosen(next);
    };
    return html`<${Dialog} title=${t('folders.title')}>
        <p class="hint">${here ? here.name : t('folders.roots')}</p>
        ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
        ${here && html`<div class="row">
            <button type="button" class="small" onClick=${() => go(here.parent)}>
                ${t('folders.up')}</button>
            <button type="button" class="small" onClick=${() => watch(here)}>
                ${t('folders.watch')}</button>
            ${files.length > 0 && html`<button type="button" class="small"
                onClick=${() => setChosen(new Set(files.map((e) => e.id)))}>
                ${t('folders.all')}</button>`}</div>`}
        <ul class="files">${entries.map((e) => html`<li key=${e.id}>${e.kind === 'folder'
            ? html`<button type="button" class="plain" onClick=${() => go(e.id)}><${Icon}
                name="folder" />${e.name}</button>`
            : html`<label class="check"><input type="checkbox" checked=${chosen.has(e.id)}
                onChange=${() => toggle(e.id)} />${e.name} <span class="facts">${bytes(e.bytes)}</span>
                </label>`}</li>`)}
            ${!entries.length && html`<li class="hint">${t('folders.empty')}</li>`}</ul>
        <div class="row"><button type="button" class="is-main" disabled=${!some.length}
            onClick=${() => add(some)}>${tn('folders.add', some.length)}</button></div>
    </${Dialog}>`;
}

/* ---- keys ---- */

// Keys for the whole page, and the list of all. Nothing happens while somebody types.

const list = [
    ['Ctrl + Enter', 'keys.run'], ['O', 'keys.open'], ['P', 'keys.pause'], ['?', 'keys.help'],
    ['G', 'keys.gallery'], ['↑ ↓', 'keys.walk'], ['Alt + ↑ ↓', 'keys.move'], ['Space', 'keys.check'],
    ['Enter', 'keys.show'], ['Delete', 'keys.remove'], ['+ −', 'keys.zoom'], ['0', 'keys.fit'],
    ['1', 'keys.one'], ['← → ↑ ↓', 'keys.pan'], ['F', 'keys.flicker'], ['S', 'keys.slider'],
    ['[ ]', 'keys.frame'],
];

export const Keys = () => html`<${Dialog} title=${t('keys.title')}><dl class="keys">
    ${list.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t(what)}</dd></div>`)}
</dl></${Dialog}>`;

export function startKeys() {
    addEventListener('keydown', (e) => {
        const typing = e.target.matches && e.target.matches(
            'textarea,select,input:not([type=checkbox],[type=radio],[type=range])');
        if ((e.ctrlKey || e.metaKey) && e.key === 'Enter' && !state.dialog) {
            e.preventDefault();
            if (act.startable().length)
                act.run();
            return;
        }
        if (typing || e.ctrlKey || e.metaKey || e.altKey || state.dialog || state.phase !== 'ready')
            return;
        const f = {
            '?': () => change({ dialog: { name: 'keys' } }),
            o: pickFiles,
            p: () => state.queue.running ? act.pauseAll() : act.resumeAll(),
            g: () => change((s) => { s.stage = s.stage === 'gallery' ? 'compare' : 'gallery'; }),
        }[e.key];
        if (f) {
            e.preventDefault();
            f();
        }
    });
}
