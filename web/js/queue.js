// SPDX-License-Identifier: MIT
// The contact sheet: all items in the order in which they run, each a frame with what it is, how far
// it is and what can be done with it; and what is done with several.
import * as act from './actions.js';
import { setForAll } from './draft.js';
import { Component, html, Icon, IconButton, Small, useState } from './html.js';
import { bytes, duration, lang, number, t, tn } from './i18n.js';
import { file, thumb } from './server.js';
import { change, checked } from './state.js';
import { isSending, pickAgain, pickFiles, pickFolder } from './upload.js';

/* ---- one item ---- */

// "1920 × 1080", "7.5 s", "23.976 fps", "h264", "2 audio"
export function facts(item) {
    const i = item.info;
    if (!i)
        return [bytes(item.bytes)];
    const out = [`${i.width} × ${i.height}`];
    if (item.kind === 'film') {
        if (i.seconds)
            out.push(duration(i.seconds));
        if (i.fps)
            out.push(t('fact.fps', { n: number(i.fps, 3) }));
    }
    if (i.codec)
        out.push(i.depth > 8 ? `${i.codec} ${t('fact.depth', { n: i.depth })}` : i.codec);
    if (i.audio)
        out.push(tn('fact.audio', i.audio));
    if (i.subtitles)
        out.push(tn('fact.subtitles', i.subtitles));
    if (i.alpha)
        out.push(t('fact.alpha'));
    out.push(bytes(item.bytes));
    return out;
}

export const tracks = (item) => (item.info && item.info.tracks || []).map((k) =>
    [t(`track.${k.kind}`), k.codec, k.language].filter(Boolean).join(' ')).join(', ');

const share = (item, sent) => {
    if (item.state === 'uploading')
        return item.bytes ? Math.max(item.received, sent || 0) / item.bytes : 0;
    const p = item.progress;
    return p && p.total ? p.done / p.total : 0;
};

// "96 of 181 frames", "3.2 frames/s", "27 s left"
export function progressWords(item) {
    const p = item.progress;
    if (!p)
        return [];
    const film = p.unit === 'frames';
    const out = [film ? t('progress.frames', { done: number(p.done), total: number(p.total) })
        : t('progress.rows', { n: number(p.total ? Math.floor(100 * p.done / p.total) : 0) })];
    if (film && p.per_second)
        out.push(t('progress.speed', { n: number(p.per_second, p.per_second < 10 ? 1 : 0) }));
    if (p.seconds_left !== undefined && p.seconds_left !== null && item.state === 'running')
        out.push(t('progress.left', { time: duration(p.seconds_left) }));
    return out;
}

const resultWords = (r) => [`${r.width} × ${r.height}`, bytes(r.bytes),
    t('result.took', { time: duration(r.seconds) })].join(' · ');

function Buttons({ item }) {
    const { id, state } = item;
    const b = (icon, label, onClick) => html`<${IconButton} icon=${icon} onClick=${onClick}
        label=${t('item.named', { what: label, name: item.name })} />`;
    return html`<div class="tools">
        ${(state === 'paused' || state === 'stopped') &&
            b('run', t(item.progress || state === 'stopped' ? 'item.resume' : 'item.start'),
                () => act.itemDo(id, item.progress ? 'resume' : 'start'))}
        ${(state === 'running' || state === 'waiting') &&
            b('pause', t('item.pause'), () => act.itemDo(id, 'pause'))}
        ${(state === 'running' || state === 'waiting' || state === 'paused' && item.progress) &&
            b('stop', t('item.stop'), () => act.itemDo(id, 'stop'))}
        ${state === 'done' && html`<a class="tool" href=${file(item)} download
            title=${t('item.download')}
            aria-label=${t('item.named', { what: t('item.download'), name: item.name })}><${Icon}
            name="save" /></a>`}
        ${(state === 'done' || state === 'stopped' || state === 'failed') &&
            b('again', t('item.again'), () => act.again(item))}
        ${state !== 'running' && b('tune', t('item.settings'), () => act.editOne(id))}
        ${b('up', t('item.up'), () => act.step(id, -1))}
        ${b('down', t('item.down'), () => act.step(id, 1))}
        ${b('remove', t('item.remove'), () => act.remove([id]))}
    </div>`;
}

function Trouble({ item }) {
    if (item.state === 'uploading' && !isSending(item.id)) {
        return html`<div class="trouble"><p>${t('upload.broken')}</p>
            <button type="button" class="small" onClick=${() => pickAgain(item)}>
                ${t('upload.goOn')}</button></div>`;
    }
    if (!item.error)
        return null;
    const next = item.error.next || 'none';
    return html`<div class="trouble" role="alert"><p>${item.error.text}</p>
        <button type="button" class="small" onClick=${() => act.helpItem(item)}>
            ${t(`next.${next}`)}</button></div>`;
}

function State({ item, sent }) {
    const words = item.state === 'running' ? progressWords(item)
        : item.state === 'done' && item.result ? [resultWords(item.result)]
            : [t(`state.${item.state === 'paused' && !item.progress ? 'new' : item.state}`)]
                .concat(item.state === 'paused' || item.state === 'stopped'
                    ? progressWords(item) : []);
    const part = share(item, sent);
    const busy = item.state === 'running' || item.state === 'uploading' ||
        item.progress && (item.state === 'paused' || item.state === 'stopped');
    return html`<p class=${`state is-${item.state}`}>${words.join(' · ')}</p>
        ${busy && html`<progress max="1" value=${part}
            aria-label=${t('item.progress', { name: item.name })}>${number(100 * part)} %</progress>`}`;
}

// Drawn anew only when something of its own has changed; there may be thousands.
export class Item extends Component {
    shouldComponentUpdate(next) {
        const p = this.props;
        return p.item !== next.item || p.current !== next.current || p.checked !== next.checked ||
            p.sent !== next.sent || p.line !== next.line || p.lang !== next.lang ||
            p.pending !== next.pending || p.index !== next.index || p.sending !== next.sending;
    }

    keys(e) {
        const { item } = this.props;
        if (e.target !== e.currentTarget)
            return;
        if (e.altKey && (e.key === 'ArrowUp' || e.key === 'ArrowDown')) {
            e.preventDefault();
            act.step(item.id, e.key === 'ArrowUp' ? -1 : 1);
        } else if (e.key === 'ArrowUp' || e.key === 'ArrowDown') {
            e.preventDefault();
            const other = e.key === 'ArrowUp' ? e.currentTarget.previousElementSibling
                : e.currentTarget.nextElementSibling;
            if (other)
                other.focus();
        } else if (e.key === 'Enter') {
            act.show(item.id);
        } else if (e.key === ' ') {
            e.preventDefault();
            act.toggle(item.id);
        } else if (e.key === 'Delete') {
            act.remove([item.id]);
        }
    }

    render({ item, current, checked, sent, line, pending, index }) {
        const film = item.kind === 'film';
        const seen = item.info && item.state !== 'looking';
        return html`<li class=${`item ${current ? 'is-current' : ''} ${film ? 'is-film' : ''}`}
            data-id=${item.id} data-state=${item.state} tabIndex="0"
            aria-current=${current ? 'true' : undefined} aria-label=${item.name}
            onKeyDown=${(e) => this.keys(e)} draggable="true"
            onDragStart=${(e) => {
                e.dataTransfer.setData('application/x-pique', item.id);
                e.dataTransfer.effectAllowed = 'move';
            }}>
            <label class="pick" title=${t('item.check')}><input type="checkbox" checked=${checked}
                aria-label=${t('item.named', { what: t('item.check'), name: item.name })}
                onChange=${() => act.toggle(item.id)} /></label>
            <button type="button" class="frame" onClick=${() => act.show(item.id)}
                aria-label=${t('item.named', { what: t('item.show'), name: item.name })}>
                ${seen && html`<${Small} src=${thumb(item)} />`}
            </button>
            <div class="what">
                <h3 title=${item.name}><span class="edge" aria-hidden="true">${index}</span>
                    <span class="name">${item.name}</span></h3>
                <p class="facts" title=${tracks(item)}>${facts(item).join(' · ')}</p>
                <${State} item=${item} sent=${sent} />
                ${line && item.state === 'running' && html`<p class="line">${batchLine(line)}</p>`}
                ${pending && html`<p class="line">${t('item.pending')}</p>`}
                <${Trouble} item=${item} />
                ${(item.notes || []).map((n) => html`<p class="note">${n}</p>`)}
                <${Buttons} item=${item} />
            </div>
        </li>`;
    }
}

// "Batch 3: 4 frames upscaled and saved"
export const batchLine = (line) => tn('saved.line', line.frames, { batch: number(line.batch) });

const itemProps = (s, item, index) => ({
    key: item.id, item, index: index + 1, lang,
    current: s.current === item.id,
    checked: s.checked.has(item.id),
    sent: s.uploads.get(item.id),
    sending: isSending(item.id),
    pending: s.pending.has(item.id),
    line: (s.lines.get(item.id) || []).at(-1),
});

/* ---- all of them ---- */

const PAGE = 200;

export const Doors = ({ roots }) => html`<div class="doors">
    <button type="button" onClick=${pickFiles}><${Icon} name="file" />${t('drop.files')}</button>
    <button type="button" onClick=${pickFolder}><${Icon} name="folder" />${t('drop.folder')}</button>
    ${roots.length > 0 && html`<button type="button"
        onClick=${() => change({ dialog: { name: 'folders' } })}><${Icon} name="disk" />
        ${t('drop.server')}</button>`}
</div>`;

function Several({ s }) {
    const some = checked();
    const all = s.items.length > 0 && some.length === s.items.length;
    const ids = some.map((i) => i.id);
    return html`<div class="several">
        <label class="check"><input type="checkbox" checked=${all}
            ref=${(el) => { if (el) el.indeterminate = some.length > 0 && !all; }}
            onChange=${() => change((x) => {
                x.checked = new Set(all ? [] : x.items.map((i) => i.id));
            })} />${some.length ? tn('queue.checked', some.length) : t('queue.all')}</label>
        ${some.length > 0 && html`
            <button type="button" class="small" onClick=${() => change({ tab: 'settings' })}>
                ${t('queue.settings')}</button>
            <button type="button" class="small" onClick=${setForAll}>${t('queue.toAll')}</button>
            <button type="button" class="small" onClick=${() => act.remove(ids)}>
                ${t('queue.remove')}</button>`}
        ${some.length === 0 && s.items.some((i) => i.state === 'done') && html`
            <button type="button" class="small" onClick=${act.clearDone}>${t('queue.clear')}</button>`}
    </div>`;
}

// Before which item a dragged one would come; null: to the end.
function dropBefore(e, list) {
    for (const li of list.querySelectorAll('.item')) {
        const box = li.getBoundingClientRect();
        if (e.clientY < box.top + box.height / 2)
            return li.dataset.id;
    }
    return null;
}

export function Queue({ s }) {
    const [most, setMost] = useState(PAGE);
    const [mark, setMark] = useState(undefined);
    const drags = (e) => [...e.dataTransfer.types].includes('application/x-pique');
    return html`<section class="queue" aria-label=${t('queue.title')}>
        <div class="head"><h2>${t('queue.title')}</h2>
            <label class="side">${t('queue.parallel')}
                <select value=${s.queue.parallel}
                    onChange=${(e) => act.setParallel(Number(e.target.value))}>
                    ${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => html`<option value=${n}
                        selected=${n === s.queue.parallel}>${n}</option>`)}
                </select></label></div>
        <${Doors} roots=${s.server.roots} />
        ${(s.server.watched || []).map((w) => html`<p class="note">
            ${t('watch.is', { name: w.name })} <button type="button" class="small"
                onClick=${() => act.unwatch(w.id)}>${t('watch.end')}</button></p>`)}
        ${s.items.length === 0 ? html`<p class="hint">${t('queue.empty')}</p>` : html`
            <${Several} s=${s} />
            <ol class="items" onDragOver=${(e) => {
                if (drags(e)) {
                    e.preventDefault();
                    setMark(dropBefore(e, e.currentTarget));
                }
            }} onDragLeave=${() => setMark(undefined)} onDrop=${(e) => {
                if (!drags(e))
                    return;
                e.preventDefault();
                const id = e.dataTransfer.getData('application/x-pique');
                const before = dropBefore(e, e.currentTarget);
                setMark(undefined);
                if (before !== id)
                    act.move(id, before);
            }} data-mark=${mark === null ? 'end' : undefined}>
                ${s.items.slice(0, most).map((item, at) => html`<${Item}
                    ...${itemProps(s, item, at)} />`)}
            </ol>
            ${s.items.length > most && html`<button type="button" onClick=${() => setMost(most + PAGE)}>
                ${tn('queue.more', s.items.length - most)}</button>`}`}
    </section>`;
}
