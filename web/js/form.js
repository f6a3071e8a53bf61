// SPDX-License-Identifier: MIT
// The form: what people change every time first, then what some do, then everything else of the
// option table, folded. A new row of the table appears here by itself, with its sentence of help and
// a way to its page of the guide.
import { Batch } from './batch.js';
import { Control } from './controls.js';
import { mixed as mixedNames, setAll, shown, targets } from './draft.js';
import { html } from './html.js';
import { t, tn, told } from './i18n.js';
import { Models } from './models.js';
import { Naming } from './naming.js';
import { Output, Size } from './output.js';
import { Presets } from './presets.js';
import { change, checked } from './state.js';

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
