// SPDX-License-Identifier: MIT
// The stage: the current item, what came in against what came out or against what a test made, frame
// by frame, while it is still being made; the gallery of results; and before there is anything, an
// empty sheet.
import { download, downloadAll, EstimateWords, openFolder, show } from './actions.js';
import { Compare } from './compare.js';
import { html, Icon, IconButton, Small, useEffect, useState } from './html.js';
import { bytes, moment, number, t, tn } from './i18n.js';
import { title } from './models.js';
import { batchLine, Doors, facts, progressWords, tracks } from './queue.js';
import { file, result, source } from './server.js';
import { change, current } from './state.js';
import { cropOf, endTrial, runWords, test, TestPanel } from './trial.js';
import * as view from './view.js';

/* ---- the empty sheet ---- */

// The sheet before anything lies on it: empty frames with their numbers, and where files come in.
const numbers = Array.from({ length: 12 }, (_, i) => `${Math.floor(i / 2) + 1}${i % 2 ? 'A' : ''}`);

const Empty = ({ s }) => html`<div class="sheet">
    <div class="blanks" aria-hidden="true">${numbers.map((n) => html`<span class="blank">
        <i>${n}</i></span>`)}</div>
    <div class="invite"><p class="large">${t('empty.drop')}</p>
        <p>${t('empty.more')}</p>
        <${Doors} roots=${s.server.roots} /></div>
</div>`;

/* ---- the gallery ---- */

// All results: to look at, to keep one or all, and their folder.
function Gallery({ s }) {
    const done = s.items.filter((i) => i.state === 'done' && i.result);
    return html`<div class="gallery">
        <div class="row"><p class="hint">${[tn('gallery.count', done.length),
            t('gallery.folder', { folder: s.server.output.folder }),
            t('gallery.free', { size: bytes(s.server.output.free) })].join(' · ')}</p>
            <button type="button" disabled=${!done.length} onClick=${() => downloadAll(done)}>
                <${Icon} name="save" />${t('gallery.all')}</button>
            ${s.server.output.can_open && html`<button type="button" onClick=${openFolder}>
                <${Icon} name="folder" />${t('gallery.open')}</button>`}</div>
        <ul class="prints">${done.map((item) => html`<li key=${item.id}>
            <button type="button" class="frame" onClick=${() => show(item.id)}
                aria-label=${t('item.named', { what: t('item.show'), name: item.result.name })}>
                <${Small} src=${result(item, 0, 480)} /></button>
            <h3 title=${item.result.name}>${item.result.name}</h3>
            <p class="facts">${`${item.result.width} × ${item.result.height} · ${bytes(item.result.bytes)}`}</p>
            <${IconButton} icon="save" label=${t('item.named',
                { what: t('item.download'), name: item.result.name })}
                onClick=${() => download(item)} /></li>`)}</ul>
    </div>`;
}

/* ---- what is looked at ---- */

const modelOf = (item) => title(item.settings.model);

// How large what comes out is, or will be.
function outSize(item) {
    const r = item.result || item.progress || {}, i = item.info;
    const w = r.width || r.out_width, h = r.height || r.out_height;
    return w && h ? { w, h } : { w: i.width * 2, h: i.height * 2 };
}

const isThere = (item, frame) => item.state === 'done' ||
    item.kind === 'film' && (item.state === 'running' || item.state === 'paused') && item.progress &&
    frame < item.progress.saved;

// What can be shown of an item, by name.
function sidesOf(s, item, frame) {
    const out = outSize(item);
    const all = {
        source: { label: t('compare.before'), w: item.info.width, h: item.info.height,
            src: (side) => source(item, frame, side) },
        result: { label: t('compare.after', { model: modelOf(item) }), ...out,
            src: isThere(item, frame) ? (side) => result(item, frame, side) : null,
            absent: item.kind === 'film' && item.state === 'running' ? t('compare.notSaved')
                : t('compare.notRun') },
    };
    // Results of the same input with other settings.
    for (const other of s.items) {
        if (other.id !== item.id && other.name === item.name && other.bytes === item.bytes &&
            other.info && isThere(other, frame)) {
            all[`item:${other.id}`] = { label: `${modelOf(other)} · ${other.result
                ? `${other.result.width} × ${other.result.height}` : ''}`, ...outSize(other),
            src: (side) => result(other, frame, side) };
        }
    }
    return all;
}

function trialSides(trial) {
    const shape = trial.runs.find((r) => r.width) || trial.before || { width: 512, height: 512 };
    const one = (name, label, run, r) => ({ label, w: r.width || shape.width,
        h: r.height || shape.height,
        src: r.state === 'done' ? () => `/api/tests/${trial.id}/${run}` : null,
        absent: runWords(r) });
    const all = { before: one('before', t('compare.before'), 'before',
        trial.before || { state: trial.runs.some((r) => r.state === 'done') ? 'done' : 'waiting' }) };
    trial.runs.forEach((r, i) => {
        all[`run:${i}`] = one(`run:${i}`, `${title(trial.models[i])} · ${runWords(r)}`, i, r);
    });
    return all;
}

const Choice = ({ label, all, value, onChange }) => html`<label class="side">
    <span class="unseen">${label}</span><select value=${value} aria-label=${label}
        onChange=${(e) => onChange(e.target.value)}>
        ${Object.entries(all).map(([key, x]) => html`<option value=${key}
            selected=${key === value}>${x.label}</option>`)}</select></label>`;

function Frames({ item, frame, setFrame, follow, setFollow }) {
    const n = item.result && item.result.frames || item.info.frames || 1;
    if (item.kind !== 'film' || n < 2)
        return null;
    const go = (f) => {
        setFollow(false);
        setFrame(Math.min(n - 1, Math.max(0, f)));
    };
    return html`<div class="frames">
        <${IconButton} icon="up" class="tool is-left" label=${t('frame.before')}
            onClick=${() => go(frame - 1)} />
        <input type="range" min="0" max=${n - 1} value=${frame} aria-label=${t('frame.slider')}
            aria-valuetext=${t('frame.of', { i: number(frame + 1), n: number(n) })}
            onInput=${(e) => go(Number(e.target.value))} />
        <${IconButton} icon="up" class="tool is-right" label=${t('frame.next')}
            onClick=${() => go(frame + 1)} />
        <output class="edge">${t('frame.of', { i: number(frame + 1), n: number(n) })}</output>
        ${item.state === 'running' && html`<label class="check"><input type="checkbox"
            checked=${follow} onChange=${(e) => setFollow(e.target.checked)} />
            ${t('frame.follow')}</label>`}
    </div>`;
}

function Log({ s, item }) {
    const lines = s.lines.get(item.id);
    if (!lines || !lines.length)
        return null;
    return html`<details class="log" open>
        <summary>${tn('saved.title', lines.length)}</summary>
        <div role="log" tabIndex="0" aria-label=${t('saved.log')}><ol>${lines.slice(-50).reverse()
            .map((l) => html`<li key=${l.batch}>${batchLine(l)} <time>${moment(l.at)}</time></li>`)}
        </ol></div></details>`;
}

function Bar({ sides, pair, setPair, grid, setGrid, at, setAt, flicker, setFlicker }) {
    const press = (on, label, f) => html`<button type="button" class="small"
        aria-pressed=${on ? 'true' : 'false'} onClick=${f}>${label}</button>`;
    return html`<div class="toolbar">
        <${Choice} label=${t('compare.left')} all=${sides} value=${pair[0]}
            onChange=${(v) => setPair([v, pair[1]])} />
        <${Choice} label=${t('compare.right')} all=${sides} value=${pair[1]}
            onChange=${(v) => setPair([pair[0], v])} />
        <span class="group">
            ${press(!grid && flicker === null, t('compare.under'), () => {
                setGrid(false);
                setFlicker(null);
            })}
            ${press(grid, t('compare.beside'), () => setGrid(!grid))}
            ${press(flicker !== null, t('compare.flicker'), () => {
                setGrid(false);
                setFlicker(flicker === null ? true : !flicker);
            })}
        </span>
        <span class="group">
            ${press(at.zoom === view.FIT, t('compare.fit'), () => setAt(view.start))}
            ${press(at.zoom === view.oneToOne(at).zoom, t('compare.one'), () => setAt(view.oneToOne))}
        </span>
    </div>`;
}

function Head({ s, item, frame, at }) {
    const done = item.state === 'done';
    const busy = s.trials.some((x) => x.item === item.id &&
        x.runs.some((r) => r.state === 'waiting' || r.state === 'running'));
    return html`<div class="stage-head">
        <div class="who"><h2 title=${item.name}>${item.name}</h2>
            <p class="facts">${facts(item).join(' · ')}${item.kind === 'film' && tracks(item)
                ? html`<br />${tracks(item)}` : ''}</p>
            <p class="facts" aria-live="off">${item.state === 'running'
                ? progressWords(item).join(' · ') : ''}
                ${!done && item.state !== 'running' && html`<${EstimateWords} e=${item.estimate} />`}</p>
        </div>
        <div class="row">
            <button type="button" disabled=${busy} onClick=${() => test(item, frame, at)}>
                ${t(busy ? 'trial.busy' : 'trial.run')}</button>
            ${done && html`<a class="button is-main" href=${file(item)} download>
                <${Icon} name="save" />${t('item.download')}</a>`}
        </div></div>`;
}

function Trials({ s, item }) {
    const some = s.trials.filter((x) => x.item === item.id);
    if (!some.length)
        return null;
    return html`<div class="trials" role="group" aria-label=${t('trial.list')}>
        <button type="button" class="small" aria-pressed=${s.trial ? 'false' : 'true'}
            onClick=${() => change({ trial: null, sides: 'slider' })}>${t('trial.none')}</button>
        ${some.map((x, i) => html`<span class="group"><button type="button" class="small"
            aria-pressed=${s.trial === x.id ? 'true' : 'false'}
            onClick=${() => change({ trial: x.id })}>${t('trial.number', { n: number(i + 1) })}</button>
            <${IconButton} icon="remove" label=${t('trial.end', { n: number(i + 1) })}
                onClick=${() => endTrial(x.id)} /></span>`)}</div>`;
}

function Looking({ s, item }) {
    const [frame, setFrame] = useState(0);
    const [follow, setFollow] = useState(true);
    const [at, setAt] = useState(view.start);
    const [pairs, setPairs] = useState({});
    const [flicker, setFlicker] = useState(null);
    const [drawing, setDrawing] = useState(false);
    const trial = s.trials.find((x) => x.id === s.trial && x.item === item.id) || null;
    const grid = s.sides === 'grid';
    const saved = item.progress ? item.progress.saved : 0;
    useEffect(() => {
        if (follow && item.state === 'running' && saved > 0)
            setFrame(saved - 1);
    }, [saved, follow, item.state]);
    const sides = trial ? trialSides(trial) : sidesOf(s, item, frame);
    const names = Object.keys(sides), key = trial ? trial.id : 'item';
    const asked = pairs[key] || names.slice(0, 2);
    const pair = asked.map((n, i) => names.includes(n) ? n : names[i]);
    const shownSides = trial && grid ? names : pair;
    const list = shownSides.map((n) => sides[n]);
    const size = list.reduce((a, b) => b.w * b.h > a.w * a.h ? b : a);
    const onKey = (k) => {
        const f = { 0: () => setAt(view.start), 1: () => setAt(view.oneToOne),
            f: () => setFlicker((f) => f === null ? true : !f), s: () => setFlicker(null),
            '[': () => setFrame((f) => Math.max(0, f - 1)),
            ']': () => setFrame((f) => Math.min((item.info.frames || 1) - 1, f + 1)) }[k];
        if (f)
            f();
        return !!f;
    };
    return html`<${Head} s=${s} item=${item} frame=${frame} at=${at} />
        <${Bar} sides=${sides} pair=${pair} setPair=${(p) => setPairs({ ...pairs, [key]: p })}
            grid=${grid} setGrid=${(g) => change({ sides: g ? 'grid' : 'slider' })} at=${at}
            setAt=${setAt} flicker=${flicker} setFlicker=${setFlicker} />
        <${Trials} s=${s} item=${item} />
        <${Compare} sides=${list} grid=${grid} size=${{ w: size.w, h: size.h }} at=${at} setAt=${setAt}
            name=${item.name} alpha=${item.info.alpha} flicker=${flicker} onKey=${onKey}
            source=${trial ? null : item.info} drawing=${drawing && !trial}
            crop=${Array.isArray(s.crop) || drawing ? cropOf(item, at) : null}
            onCrop=${(c, end) => {
                if (c)
                    change({ crop: c });
                if (end)
                    setDrawing(false);
            }} />
        ${!trial && html`<${Frames} item=${item} frame=${frame} setFrame=${setFrame}
            follow=${follow} setFollow=${setFollow} />`}
        <${TestPanel} s=${s} item=${item} view=${at} drawing=${drawing} onDraw=${() => {
            change({ trial: null, sides: 'slider' });
            setDrawing(!drawing);
        }} />
        <${Log} s=${s} item=${item} />`;
}

export function Stage({ s }) {
    const item = current();
    const tab = (name) => html`<button type="button" class="tab" aria-pressed=${s.stage === name
        ? 'true' : 'false'} onClick=${() => change({ stage: name })}>${t(`stage.${name}`)}</button>`;
    return html`<section class="stage" aria-label=${t('stage.title')}>
        <div class="tabs">${tab('compare')}${tab('gallery')}</div>
        ${s.stage === 'gallery' ? html`<${Gallery} s=${s} />`
        : !item ? html`<${Empty} s=${s} />`
        : !item.info ? html`<div class="sheet"><p class="hint">${item.error ? item.error.text
            : t(`state.${item.state}`)}</p></div>`
        : html`<${Looking} key=${item.id} s=${s} item=${item} />`}
    </section>`;
}
