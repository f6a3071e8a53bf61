// SPDX-License-Identifier: MIT
// One option of the program as a control, from its row of GET /api/options: a box for a flag, a list
// for a choice, a slider or a number for what has bounds, else a line of text. Each has its sentence
// of help and a way to its page of the guide.
import { set } from './draft.js';
import { html, useState } from './html.js';
import { has, number, t, told } from './i18n.js';
import { change } from './state.js';

export const label = (o) => has(`option.${o.name}`) ? t(`option.${o.name}`) : o.name;
const choiceWord = (o, c) => has(`choice.${o.name}.${c}`) ? t(`choice.${o.name}.${c}`) : c;

export const GuideLink = ({ name }) => html`<a class="guide" href=${`#guide-${name}`}
    aria-label=${t('guide.about', { name: has(`option.${name}`) ? t(`option.${name}`) : name })}
    onClick=${(e) => {
        e.preventDefault();
        change({ dialog: { name: 'guide', at: name } });
    }}>${t('guide.more')}</a>`;

const Help = ({ o, id }) => html`<p class="help" id=${id}>${told(o.help)} <${GuideLink}
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
