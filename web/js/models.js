// SPDX-License-Identifier: MIT
// Models as cards: what it is for, its architecture, scale and licence, and how fast it is here.
import { set } from './draft.js';
import { html, useState } from './html.js';
import { bytes, lang, number, t } from './i18n.js';
import { post } from './server.js';
import { change, model, state } from './state.js';

export const title = (name) => {
    const m = model(name);
    return m ? m.title || m.name : name || (state.models.find((x) => x.default) || {}).name || '';
};

const FILM = 1920 * 1080 / 1e6; // megapixels of a frame

function speed(m) {
    if (!m.mpixels_per_second)
        return t('model.unmeasured');
    const frames = m.mpixels_per_second / FILM;
    return t(frames >= 1 ? 'model.fast' : 'model.slow', {
        n: number(frames >= 1 ? frames : 1 / frames, 1) });
}

const about = (m) => (lang === 'fr' && m.about_fr) || m.about;

// A model that is not here: how to get it, or how far that is.
function Fetch({ m, told }) {
    const going = told && told.state === 'fetching';
    const start = (e) => {
        e.preventDefault(); // it is no choice of the card
        post(`/api/models/${m.name}/fetch`).catch(({ message }) => change({ fetching: {
            ...state.fetching, [m.name]: { state: 'failed', error: { text: message } } } }));
    };
    return html`<span class="facts">${going
        ? html`<span role="status">${t('model.fetching', { percent: told.bytes_total
            ? number(100 * told.bytes_done / told.bytes_total, 0) : 0 })}</span>`
        : html`${told && told.error ? `${told.error.text} ` : ''}<button type="button" class="small"
            disabled=${!m.supported} onClick=${start}>${m.bytes
                ? t('model.getSize', { size: bytes(m.bytes) }) : t('model.get')}</button>`}</span>`;
}

function Card({ m, chosen, onChoose, told }) {
    const looks = `${chosen ? 'is-chosen' : ''} ${m.installed ? '' : 'is-away'}`;
    return html`<label class=${`card ${looks}`}><input type="radio" name="model" value=${m.name}
        checked=${chosen} disabled=${!m.supported || !m.installed} onChange=${onChoose} />
        <span class="card-name">${title(m.name)}
            ${m.recommended && html` <b class="badge">${t('model.recommended')}</b>`}
            ${m.default && html` <b class="badge">${t('model.default')}</b>`}</span>
        ${m.about && html`<span class="about">${about(m)}</span>`}
        <span class="facts">${[m.architecture, m.scale ? `× ${m.scale}` : null,
            m.licence === 'unknown' ? t('model.licence') : m.licence].filter(Boolean).join(' · ')}
            ${m.non_commercial && html` <b class="badge">${t('model.nonCommercial')}</b>`}</span>
        ${m.installed ? html`<span class="facts">${speed(m)}</span>`
            : html`<${Fetch} m=${m} told=${told} />`}
    </label>`;
}

const choose = (m) => set({ model: m.default ? undefined : m.name });

export function Models({ s, value }) {
    const [all, setAll] = useState(false);
    const [words, setWords] = useState('');
    const name = value || (s.models.find((m) => m.default) || {}).name;
    const likes = (m) => `${m.name} ${m.title || ''} ${about(m) || ''} ${m.architecture}`.toLowerCase()
        .includes(words.toLowerCase());
    const known = s.models.some((m) => m.name === name);
    const list = s.models.filter((m) => all ? likes(m)
        : m.name === name || m.recommended || m.default);
    return html`<fieldset class="models"><legend>${t('section.model')}</legend>
        ${!known && name && html`<p class="note">${t('model.other', { name })}</p>`}
        ${all && html`<input type="search" value=${words} placeholder=${t('model.search')}
            aria-label=${t('model.search')} onInput=${(e) => setWords(e.target.value)} />`}
        <div class=${`cards ${all ? 'is-all' : ''}`}>${list.map((m) => html`<${Card} key=${m.name}
            m=${m} told=${s.fetching[m.name]} chosen=${m.name === name}
            onChoose=${() => choose(m)} />`)}</div>
        ${s.models.length > list.length || all ? html`<button type="button" class="small"
            aria-expanded=${all ? 'true' : 'false'} onClick=${() => setAll(!all)}>
            ${t(all ? 'model.fewer' : 'model.all', { n: number(s.models.length) })}</button>` : ''}
    </fieldset>`;
}
