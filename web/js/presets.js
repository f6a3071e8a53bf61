// SPDX-License-Identifier: MIT
// Sets of settings by name: kept on the server, and as a file to give away.
import { attempt, toast } from './actions.js';
import { setAll, shown } from './draft.js';
import { html, useState } from './html.js';
import { t } from './i18n.js';
import { call, get } from './server.js';
import { change, option } from './state.js';

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

export function Presets({ s }) {
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
