// SPDX-License-Identifier: MIT
// What comes out: how large, by a factor or a size to reach; the format of pictures, the container,
// codec and profile of films; and one slider for quality with the size that it leads to.
import { Control, GuideLink } from './controls.js';
import { kindOf, set, targets } from './draft.js';
import { html, useState } from './html.js';
import { bytes, has, number, t } from './i18n.js';
import { current, option } from './state.js';

/* ---- size ---- */

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
