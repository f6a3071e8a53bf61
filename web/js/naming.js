// SPDX-License-Identifier: MIT
// What results are called: as the file, with a suffix, or each as the user says, from a list that is
// filled with the names they have.
import { attempt } from './actions.js';
import { GuideLink } from './controls.js';
import { set, targets } from './draft.js';
import { html, useState } from './html.js';
import { t } from './i18n.js';
import { call } from './server.js';
import { putItem } from './state.js';

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
