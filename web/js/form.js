// SPDX-License-Identifier: MIT
// The form: what people change every time first, then what some do, then everything else of the
// option table, folded. A new row of the table appears here by itself, with its sentence of help and
// a way to its page of the guide.
import { attempt, estimateHere, toast } from './actions.js';
import { kindOf, mixed as mixedNames, set, setAll, shown, targets } from './draft.js';
import { html, useState } from './html.js';
import { bytes, duration, has, number, t, tn, told } from './i18n.js';
import { Models } from './models.js';
import { call, get } from './server.js';
import { change, checked, current, find, option, putItem, state } from './state.js';

/* ---- controls ---- */

// One option of the program as a control, from its row of GET /api/options: a box for a flag, a list
// for a choice, a slider or a number for what has bounds, else a line of text. Each has its sentence
// of help and a way to its page of the guide.

export const label = (o) => has(`option.${o.name}`) ? t(`option.${o.name}`) : o.name;
const choiceWord = (o, c) => has(`choice.${o.name}.${c}`) ? t(`choice.${o.name}.${c}`) : c;

export const GuideLink = ({ name }) => html`<a class="guide" href=${`#guide-${name}`}
    aria-label=${t('guide.about', { name: has(`option.${name}`) ? t(`option.${name}`) : name })}
    onClick=${(e) => {
        e.preventDefault();
        change({ dialog: { name: 'guide', at: name } });
    }}>${t('guide.more')}</a>`;

export const Help = ({ o, id }) => html`<p class="help" id=${id}>${told(o.help)} <${GuideLink}
    name=${o.name} /></p>`;

// What is typed goes out when it is whole: at Enter, or on leaving the field.
function Line({ o, id, value, onChange, type, ...rest }) {
    const [typed, setTyped] = useState(null);
    const commit = (e) => {
        if (typed !== null)
            onChange(e.target.value.trim());
        setTyped(null);
    };
    return html`<input id=${id} type=${type || 'text'} aria-describedby=${`${id}-help`}
        value=${typed !== null ? typed : value === undefined ? '' : value} autocomplete="off"
        placeholder=${o.default === null ? t('form.auto') : String(o.default)}
        onInput=${(e) => setTyped(e.target.value)} onBlur=${commit}
        onKeyDown=${(e) => e.key === 'Enter' && commit(e)} ...${rest} />`;
}

const sliders = {
    sharpen: [0, 2, 0.1], contrast: [0.8, 1.2, 0.05], saturation: [0, 2, 0.05],
    compression: [0, 9, 1], quality: [1, 100, 1],
};

const asNumber = (text) => {
    const x = Number(text.replace(',', '.'));
    return text !== '' && Number.isFinite(x) ? x : undefined;
};

function Input({ o, id, value }) {
    const give = (v) => set({ [o.name]: v === '' ? undefined : v });
    const described = { 'aria-describedby': `${id}-help` };
    if (o.kind === 'choice') {
        const now = value === undefined ? o.default : value;
        return html`<select id=${id} ...${described} value=${now === null ? '' : now}
            onChange=${(e) => give(e.target.value === o.default ? '' : e.target.value)}>
            ${o.default === null && html`<option value="" selected=${now === null}>
                ${t('form.auto')}</option>`}
            ${(o.choices || []).map((c) => html`<option value=${c} selected=${c === now}>
                ${choiceWord(o, c)}</option>`)}</select>`;
    }
    if (sliders[o.name]) {
        const [min, max, step] = sliders[o.name];
        const now = value === undefined ? Number(o.default) : value;
        return html`<span class="slide"><input id=${id} type="range" min=${min} max=${max} step=${step}
            value=${now} ...${described} onInput=${(e) => {
                const v = Number(e.target.value);
                give(v === Number(o.default) ? '' : v);
            }} /><output for=${id}>${number(now, 2)}</output></span>`;
    }
    if (o.kind === 'int' || o.kind === 'number') {
        return html`<${Line} o=${o} id=${id} value=${value} type="number" min=${o.least} max=${o.most}
            step=${o.kind === 'int' ? 1 : 'any'} onChange=${(v) => {
                const x = asNumber(v);
                give(x === undefined ? '' : Math.min(o.most, Math.max(o.least, x)));
            }} />`;
    }
    if (o.repeats) {
        return html`<${Line} o=${o} id=${id} value=${(value || []).join(' ')} onChange=${(v) =>
            give(v ? v.split(/\s+/) : '')} />`;
    }
    return html`<${Line} o=${o} id=${id} value=${value} onChange=${(v) => give(v)} />`;
}

export function Control({ o, value, mixed }) {
    const id = `o-${o.name}`;
    const note = mixed && html`<span class="mixed">${t('form.mixed')}</span>`;
    if (o.kind === 'flag') {
        return html`<div class="field"><label class="check"><input type="checkbox" id=${id}
            checked=${!!value} aria-describedby=${`${id}-help`}
            onChange=${(e) => set({ [o.name]: e.target.checked || undefined })} />${label(o)}</label>
            ${note}<${Help} o=${o} id=${`${id}-help`} /></div>`;
    }
    return html`<div class="field"><label for=${id}>${label(o)} ${note}</label>
        <${Input} o=${o} id=${id} value=${value} /><${Help} o=${o} id=${`${id}-help`} /></div>`;
}

/* ---- size ---- */

// How large: a factor, or a size to reach; and whether to reduce first.

const none = { scale: undefined, width: undefined, height: undefined, fit: undefined,
    resolution: undefined };
const factors = [1, 2, 3, 4, 8, 16];
const heights = { '720p': 'HD 720p', '1080p': 'Full HD 1080p', '1440p': 'QHD 1440p',
    '2160p': '4K UHD 2160p', '4320p': '8K UHD 4320p' };
const reductions = [480, 720, 1080];

const whole = (text) => {
    const n = Math.round(Number(text));
    return n >= 1 && n <= 1000000 ? n : undefined;
};

function Factor({ value }) {
    const own = value !== undefined && !factors.includes(Number(value));
    return html`<div class="pills" role="group" aria-label=${t('option.scale')}>
        <button type="button" aria-pressed=${value === undefined ? 'true' : 'false'}
            onClick=${() => set(none)}>${t('size.model')}</button>
        ${factors.map((f) => html`<button type="button" aria-pressed=${Number(value) === f
            ? 'true' : 'false'} onClick=${() => set({ ...none, scale: f })}>× ${number(f)}</button>`)}
        <input type="number" min="0.1" max="64" step="any" class="short" value=${own ? value : ''}
            placeholder=${t('size.own')} aria-label=${t('size.ownFactor')} onChange=${(e) => {
                const x = Number(e.target.value);
                set({ ...none, scale: x > 0 && x <= 64 ? x : undefined });
            }} /></div>`;
}

function Target({ v }) {
    const fit = typeof v.fit === 'string' ? v.fit.split('x') : ['', ''];
    const put = (part) => set({ ...none, ...part });
    return html`<div class="target">
        <label>${t('option.resolution')}<select value=${v.resolution || ''}
            onChange=${(e) => put({ resolution: e.target.value || undefined })}>
            <option value="">${t('size.none')}</option>
            ${Object.entries(heights).map(([k, name]) => html`<option value=${k}
                selected=${k === v.resolution}>${name}</option>`)}</select></label>
        <label>${t('option.width')}<input type="number" min="1" value=${v.width || ''}
            onChange=${(e) => put({ height: v.height, width: whole(e.target.value) })} /></label>
        <label>${t('option.height')}<input type="number" min="1" value=${v.height || ''}
            onChange=${(e) => put({ width: v.width, height: whole(e.target.value) })} /></label>
        <div class="row"><label>${t('size.fitWidth')}<input type="number" min="1" value=${fit[0]}
            onChange=${(e) => put({ fit: whole(e.target.value)
                ? `${whole(e.target.value)}x${whole(fit[1]) || whole(e.target.value)}` : undefined })} />
            </label>
            <label>${t('size.fitHeight')}<input type="number" min="1" value=${fit[1]}
            onChange=${(e) => put({ fit: whole(e.target.value)
                ? `${whole(fit[0]) || whole(e.target.value)}x${whole(e.target.value)}` : undefined })} />
            </label></div>
    </div>`;
}

export function Size({ v }) {
    const [wants, setWants] = useState(null);
    const target = wants !== null ? wants : !!(v.width || v.height || v.fit || v.resolution);
    const p = v['pre-downscale'];
    return html`<fieldset><legend>${t('section.size')}</legend>
        <div class="pills" role="group" aria-label=${t('size.how')}>
            <button type="button" aria-pressed=${target ? 'false' : 'true'} onClick=${() => {
                setWants(false);
                set(none);
            }}>${t('size.byFactor')}</button>
            <button type="button" aria-pressed=${target ? 'true' : 'false'}
                onClick=${() => setWants(true)}>${t('size.byTarget')}</button></div>
        ${target ? html`<${Target} v=${v} />` : html`<${Factor} value=${v.scale} />`}
        <p class="help">${t('size.help')} <${GuideLink} name="scale" /></p>
        <div class="field"><label for="o-pre-downscale">${t('option.pre-downscale')}</label>
            <select id="o-pre-downscale" value=${p === undefined ? '' : p} onChange=${(e) =>
                set({ 'pre-downscale': whole(e.target.value) })}>
                <option value="">${t('size.original')}</option>
                ${reductions.concat(p && !reductions.includes(p) ? p : []).map((h) => html`<option
                    value=${h} selected=${h === p}>${h}p</option>`)}</select>
            <p class="help">${t('size.preHelp')} <${GuideLink} name="pre-downscale" /></p></div>
    </fieldset>`;
}

/* ---- format and quality ---- */

// What comes out: the format of pictures, the container, codec and profile of films, and one slider
// for quality with the size that it leads to.

const pictures = ['auto', 'png', 'jpeg', 'webp', 'tiff', 'avif', 'jxl', 'ppm'];
const films = ['auto', 'mp4', 'mkv', 'mov', 'webm', 'y4m', 'png', 'jpeg', 'webp'];
const lossy = new Set(['jpeg', 'webp', 'avif', 'jxl']);

const word = (f, film) => film && pictures.includes(f) && f !== 'auto'
    ? t('format.frames', { format: f.toUpperCase() })
    : has(`choice.format.${f}`) ? t(`choice.format.${f}`) : f.toUpperCase();

// Only what the program itself knows.
function Format({ name, list, film, v, known }) {
    const id = `o-${name}`;
    return html`<div class="field"><label for=${id}>${t(film ? 'format.film' : 'format.picture')}</label>
        <select id=${id} value=${v[name] || 'auto'} onChange=${(e) => set({
            [name]: e.target.value === 'auto' ? undefined : e.target.value })}>
            ${list.filter((f) => known.includes(f)).map((f) => html`<option value=${f}
                selected=${f === (v[name] || 'auto')}>${word(f, film)}</option>`)}</select></div>`;
}

// Films have a number of their own for it, which runs the other way and whose best value is the
// profile's; the slider speaks of it only when it was moved.
const WORST = 45;
const crfOf = (q) => Math.round((100 - q) / 100 * WORST * 2) / 2;
const qualityOf = (crf) => Math.round(100 - crf / WORST * 100);

function Quality({ v, film, picture }) {
    const q = film && !picture ? v.crf !== undefined ? qualityOf(v.crf) : undefined : v.quality;
    const item = current();
    const size = item && item.estimate && item.estimate.output_bytes;
    const now = q === undefined ? film && !picture ? 60 : 95 : q;
    return html`<div class="field"><label for="o-quality">${t('option.quality')}</label>
        <span class="slide"><input id="o-quality" type="range" min="1" max="100" value=${now}
            aria-describedby="o-quality-help" onInput=${(e) => {
                const n = Number(e.target.value);
                set({ quality: n === 95 ? undefined : n,
                    crf: film ? crfOf(n) : undefined });
            }} /><output for="o-quality">${q === undefined && film && !picture ? t('form.auto')
                : number(now)}</output></span>
        <p class="help" id="o-quality-help">${size ? t('format.size', { size: bytes(size) })
            : t('format.quality')}
            ${(v.quality !== undefined || v.crf !== undefined) && html` <button type="button"
                class="small" onClick=${() => set({ quality: undefined, crf: undefined })}>
                ${t('form.reset')}</button>`} <${GuideLink} name="quality" /></p></div>`;
}

function Codec({ s, v }) {
    const codec = v.codec || 'h264';
    const list = (s.codecs.find((c) => c.codec === codec) || { profiles: [] }).profiles;
    return html`<div class="field"><label for="o-codec">${t('option.codec')}</label>
        <select id="o-codec" value=${v.codec || ''} onChange=${(e) => set({
            codec: e.target.value || undefined, profile: undefined })}>
            <option value="">${t('form.auto')}</option>
            ${s.codecs.map((c) => html`<option value=${c.codec} selected=${c.codec === v.codec}>
                ${has(`codec.${c.codec}`) ? t(`codec.${c.codec}`) : c.codec}</option>`)}</select></div>
        <div class="field"><label for="o-profile">${t('option.profile')}</label>
        <select id="o-profile" value=${v.profile || ''} onChange=${(e) => set({
            profile: e.target.value || undefined, codec: e.target.value ? codec : v.codec })}>
            <option value="">${t('form.auto')}</option>
            ${list.map((p) => html`<option value=${p.name} selected=${p.name === v.profile}>
                ${p.name} – ${p.about}</option>`)}</select>
            <p class="help">${t('format.codec')} <${GuideLink} name="codec" /></p></div>`;
}

export function Output({ s, v, mixed }) {
    const kinds = targets().map(kindOf);
    const film = !kinds.length || kinds.includes('film');
    const picture = !kinds.length || kinds.includes('picture');
    const known = (option('format') || { choices: [] }).choices;
    const more = (name) => option(name) && html`<${Control} o=${option(name)} value=${v[name]}
        mixed=${mixed.has(name)} />`;
    return html`<fieldset><legend>${t('section.output')}</legend>
        ${picture && html`<${Format} name="format" list=${pictures} v=${v} known=${known} />`}
        ${film && html`<${Format} name="film-format" list=${films} film v=${v} known=${known} />
            <${Codec} s=${s} v=${v} />`}
        ${(film || lossy.has(v.format)) && html`<${Quality} v=${v} film=${film}
            picture=${picture && lossy.has(v.format)} />`}
        ${more('alpha')}
        ${film && html`${more('fps')}
            <div class="field"><label class="check"><input type="checkbox" checked=${!v['no-audio']}
                onChange=${(e) => set({ 'no-audio': e.target.checked ? undefined : true })} />
                ${t('format.audio')}</label></div>
            <div class="field"><label class="check"><input type="checkbox" checked=${!v['no-subs']}
                onChange=${(e) => set({ 'no-subs': e.target.checked ? undefined : true })} />
                ${t('format.subs')}</label></div>`}
    </fieldset>`;
}

/* ---- parallel processing ---- */

// Parallel processing, and how many frames go through the network together: with what each value
// needs and how fast it is here, where an estimate has told it.

// The estimate of a value comes as an event; wait for one that differs, at most some seconds.
async function measure(item, value) {
    const before = find(item.id).estimate;
    await estimateHere(item, { batch: value, 'no-parallel': undefined });
    for (let i = 0; i < 60; i++) {
        await new Promise((done) => setTimeout(done, 250));
        const now = find(item.id);
        if (!now)
            return null;
        if (now.estimate && now.estimate !== before &&
            JSON.stringify(now.estimate) !== JSON.stringify(before))
            return now.estimate;
    }
    return find(item.id).estimate;
}

function Table({ item, now }) {
    const [busy, setBusy] = useState(false);
    const known = state.estimates.get(item.id) || {};
    const rows = [1, 2, 3, 4, 5, 6, 7, 8].filter((b) => known[b]);
    const taken = now || item.estimate && item.estimate.batch;
    const all = async () => {
        setBusy(true);
        for (let b = 1; b <= 8 && await measure(item, String(b)); b++);
        setBusy(false);
    };
    return html`${rows.length > 0 && html`<table class="batches"><thead><tr>
        <th scope="col">${t('batch.size')}</th><th scope="col">${t('batch.memory')}</th>
        <th scope="col">${t('batch.speed')}</th></tr></thead><tbody>
        ${rows.map((b) => html`<tr class=${b === taken ? 'is-now' : ''}>
            <th scope="row">${number(b)}${!now && b === taken ? ` (${t('batch.auto')})` : ''}</th>
            <td>${known[b].memory_bytes ? bytes(known[b].memory_bytes) : '–'}</td>
            <td>${known[b].seconds && known[b].frames > 1
                ? t('progress.speed', { n: number(known[b].frames / known[b].seconds, 2) })
                : known[b].seconds ? duration(known[b].seconds) : '–'}</td></tr>`)}</tbody></table>`}
        ${item.info && item.state !== 'running' && html`<button type="button" class="small"
            disabled=${busy} onClick=${all}>${t(busy ? 'batch.measuring' : 'batch.measure')}</button>`}`;
}

export function Batch({ v }) {
    const on = !v['no-parallel'];
    const value = v.batch === undefined || v.batch === 'auto' ? 0 : Number(v.batch);
    const item = current();
    return html`<div class="field"><label class="check"><input type="checkbox" id="o-no-parallel"
        checked=${on} onChange=${(e) => set({ 'no-parallel': e.target.checked ? undefined : true,
            batch: e.target.checked ? v.batch : undefined })} />${t('batch.parallel')}</label>
        <p class="help">${t('batch.help')} <${GuideLink} name="no-parallel" /></p></div>
        ${on && html`<div class="field"><label for="o-batch">${t('batch.size')}</label>
            <span class="slide"><input id="o-batch" type="range" min="0" max="8" step="1" value=${value}
                aria-valuetext=${value ? number(value) : t('batch.auto')} onInput=${(e) => set({
                    batch: e.target.value === '0' ? undefined : e.target.value })} />
                <output for="o-batch">${value ? number(value) : t('batch.auto')}</output></span>
            <p class="help">${t('batch.sizeHelp')} <${GuideLink} name="batch" /></p>
            ${item && html`<${Table} key=${item.id} item=${item} now=${value} />`}</div>`}`;
}

/* ---- names ---- */

// What results are called: as the file, with a suffix, or each as the user says, from a list that is
// filled with the names they have.

const stem = (name) => name.replace(/\.[^.]*$/, '') || name;

const rename = (item, name) => attempt(async () => {
    if (name !== (item.output_name || ''))
        putItem(await call('PATCH', `/api/items/${item.id}`, { output_name: name === stem(item.name)
            ? '' : name }));
});

function Names({ items }) {
    return html`<ol class="names">${items.map((item) => html`<li key=${item.id}>
        <label><span class="unseen">${t('naming.of', { name: item.name })}</span>
        <input type="text" maxLength="180" value=${item.output_name || stem(item.name)}
            disabled=${item.state === 'looking'} spellcheck="false"
            onChange=${(e) => rename(item, e.target.value.trim() || stem(item.name))} /></label></li>`)}
    </ol>`;
}

export function Naming({ v }) {
    const items = targets();
    const named = items.some((i) => i.output_name);
    const [mode, setMode] = useState(null);
    const now = mode || (named ? 'custom' : v.suffix !== undefined ? 'suffix' : 'original');
    const radio = (value) => html`<label class="check"><input type="radio" name="naming" value=${value}
        checked=${now === value} onChange=${() => {
            setMode(value);
            if (value !== 'suffix')
                set({ suffix: undefined });
            if (value === 'original')
                items.filter((i) => i.output_name).forEach((i) => rename(i, stem(i.name)));
        }} />${t(`naming.${value}`)}</label>`;
    return html`<details class="part"><summary>${t('section.naming')}</summary>
        <div role="radiogroup" aria-label=${t('section.naming')} class="choices">${radio('original')}
            ${radio('suffix')}${radio('custom')}</div>
        ${now === 'suffix' && html`<div class="field"><label for="o-suffix">${t('option.suffix')}</label>
            <input id="o-suffix" type="text" maxLength="60" value=${v.suffix === undefined ? ''
                : v.suffix} placeholder=${t('naming.example')} onChange=${(e) => set({
                    suffix: e.target.value.replace(/[/\\]/g, '') || undefined })} /></div>`}
        ${now === 'custom' && (items.length ? html`<${Names} items=${items} />`
            : html`<p class="hint">${t('naming.none')}</p>`)}
        <p class="help">${t('naming.help')} <${GuideLink} name="suffix" /></p></details>`;
}

/* ---- presets ---- */

// Sets of settings by name: kept on the server, and as a file to give away.
const MOST_BYTES = 1 << 18;

// Names in addresses are plain; the title stands beside it. A title of other letters gets a number.
function plain(title) {
    const word = title.normalize('NFKD').replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '');
    const sum = [...title].reduce((a, c) => (a * 31 + c.codePointAt(0)) >>> 0, 7).toString(36);
    return (word === title ? word : `${word.slice(0, 48)}-${sum}`).slice(0, 64);
}

const put = (all) => change({ presets: all.presets });
export const loadPresets = async () => put(await get('/api/presets'));

// "film-format" is the form's own; on the server it rides along as the format of films.
const pack = (draft) => {
    const { 'film-format': film, ...settings } = draft;
    return film && !settings.format ? { ...settings, format: film } : settings;
};
const isFilm = /^(mp4|mkv|mov|webm|y4m)$/;
const unpack = (settings) => {
    if (!isFilm.test(settings.format || ''))
        return settings;
    const { format, ...rest } = settings;
    return { ...rest, 'film-format': format };
};

const save = (title, draft) => attempt(async () => {
    put(await call('PUT', `/api/presets/${plain(title)}`, { title, settings: pack(draft) }));
    toast(t('preset.saved', { name: title }));
});

function exportFile(title, settings) {
    const blob = new Blob([JSON.stringify({ pique: 'preset', title, settings }, null, 1)],
        { type: 'application/json' });
    const a = Object.assign(document.createElement('a'), {
        href: URL.createObjectURL(blob), download: `${plain(title)}.pique.json` });
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}

// A file of somebody else: only names of options that there are, and plain values; the server checks
// the values.
async function importFile(file) {
    try {
        const found = file.size <= MOST_BYTES ? JSON.parse(await file.text()) : null;
        if (!found || found.pique !== 'preset' || typeof found.settings !== 'object')
            throw new Error();
        const settings = Object.fromEntries(Object.entries(found.settings)
            .filter(([name]) => option(name)));
        await save(String(found.title || file.name).slice(0, 80), settings);
    } catch {
        toast(t('preset.bad', { name: file.name }), { error: true, next: 'none' });
    }
}

function Presets({ s }) {
    const [title, setTitle] = useState('');
    const [chosen, setChosen] = useState('');
    const all = Object.entries(s.presets).filter(([, p]) => p && typeof p.settings === 'object');
    const one = s.presets[chosen];
    return html`<details class="part"><summary>${t('section.presets')}</summary>
        ${all.length > 0 && html`<div class="field"><label for="preset">${t('preset.choose')}</label>
            <select id="preset" value=${chosen} onChange=${(e) => {
                setChosen(e.target.value);
                if (s.presets[e.target.value])
                    setAll(unpack(s.presets[e.target.value].settings));
            }}><option value="">${t('preset.none')}</option>
                ${all.map(([name, p]) => html`<option value=${name} selected=${name === chosen}>
                    ${p.title || name}</option>`)}</select></div>`}
        ${one && html`<div class="row">
            <button type="button" class="small" onClick=${() => exportFile(one.title, one.settings)}>
                ${t('preset.export')}</button>
            <button type="button" class="small" onClick=${() => attempt(async () => {
                put(await call('DELETE', `/api/presets/${chosen}`).then(() => get('/api/presets')));
                setChosen('');
            })}>${t('preset.delete')}</button></div>`}
        <form class="row" onSubmit=${(e) => {
            e.preventDefault();
            if (title.trim())
                save(title.trim(), shown());
            setTitle('');
        }}><input type="text" maxLength="80" value=${title} placeholder=${t('preset.name')}
            aria-label=${t('preset.name')} onInput=${(e) => setTitle(e.target.value)} />
            <button class="small">${t('preset.save')}</button></form>
        <label class="small button">${t('preset.import')}<input type="file" class="unseen"
            accept=".json,application/json" onChange=${(e) => {
                if (e.target.files[0])
                    importFile(e.target.files[0]);
                e.target.value = '';
            }} /></label></details>`;
}

/* ---- the whole ---- */

// The form: what people change every time first, then what some do, then everything else of the
// option table, folded. A new row of the table appears here by itself.

// Those that have a place of their own above.
const placed = new Set(['model', 'yes', 'scale', 'width', 'height', 'fit', 'resolution',
    'pre-downscale', 'format', 'quality', 'codec', 'profile', 'alpha', 'fps', 'no-audio', 'no-subs',
    'suffix', 'batch', 'no-parallel', 'lang', 'json', 'sharpen', 'contrast', 'saturation']);
const look = ['sharpen', 'contrast', 'saturation'];
const frames = ['keep-frames', 'frame-format', 'dedicated', 'no-report'];

function Whom() {
    const some = checked(), n = targets().length;
    return html`<p class="whom">${some.length
        ? html`${tn('form.checked', some.length)} <button type="button" class="small"
            onClick=${() => change({ checked: new Set() })}>${t('form.leave')}</button>`
        : n ? tn('form.fresh', n) : t('form.next')}</p>`;
}

export function Settings({ s }) {
    const v = shown(), mixed = mixedNames();
    const by = (name) => s.options.find((o) => o.name === name);
    const control = (o) => o && html`<${Control} key=${o.name} o=${o} value=${v[o.name]}
        mixed=${mixed.has(o.name)} />`;
    const rest = s.groups.map((g) => ({ ...g, all: s.options.filter((o) => o.group === g.id &&
        !placed.has(o.name) && !frames.includes(o.name)) })).filter((g) => g.all.length);
    return html`<section class="settings" aria-label=${t('settings.title')}>
        <div class="head"><h2>${t('settings.title')}</h2>
            ${Object.keys(v).length > 0 && html`<button type="button" class="small"
                onClick=${() => setAll({})}>${t('form.resetAll')}</button>`}</div>
        <${Whom} />
        <${Models} s=${s} value=${v.model} />
        <${Size} v=${v} />
        <${Output} s=${s} v=${v} mixed=${mixed} />
        <details class="part"><summary>${t('section.look')}</summary>${look.map(by).map(control)}
        </details>
        <${Naming} v=${v} />
        <details class="part"><summary>${t('section.frames')}</summary>${frames.map(by).map(control)}
            <p class="hint">${t('frames.cleanup')}</p></details>
        <${Presets} s=${s} />
        <details class="part is-advanced"><summary>${t('section.advanced')}</summary>
            <${Batch} v=${v} />
            <p class="hint">${t('form.tiles')}</p>
            ${rest.map((g) => html`<fieldset key=${g.id}><legend>${told(g)}</legend>
                ${g.all.map(control)}</fieldset>`)}</details>
    </section>`;
}
