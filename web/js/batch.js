// SPDX-License-Identifier: MIT
// Parallel processing, and how many frames go through the network together: with what each value
// needs and how fast it is here, where an estimate has told it.
import { estimateHere } from './actions.js';
import { GuideLink } from './controls.js';
import { set } from './draft.js';
import { html, useState } from './html.js';
import { bytes, duration, number, t } from './i18n.js';
import { change, current, find, state } from './state.js';

// The estimate of a value comes as an event; wait for it, at most some seconds.
async function measure(item, value) {
    const known = () => state.estimates.get(item.id) || {};
    change((s) => s.estimates.set(item.id, { ...known(), [value]: undefined }));
    await estimateHere(item, { batch: String(value), 'no-parallel': undefined });
    for (let i = 0; i < 60 && find(item.id) && !known()[value]; i++)
        await new Promise((done) => setTimeout(done, 250));
    return known()[value];
}

function Table({ item, now }) {
    const [busy, setBusy] = useState(false);
    const known = state.estimates.get(item.id) || {};
    const rows = [1, 2, 3, 4, 5, 6, 7, 8].filter((b) => known[b]);
    const taken = now || item.estimate && item.estimate.batch;
    const all = async () => {
        setBusy(true);
        for (let b = 1; b <= 8 && await measure(item, b); b++);
        await estimateHere(item, {}); // as it is set, which says what auto takes
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
            ${item && item.kind === 'film' && html`<${Table} key=${item.id} item=${item} now=${value} />`}</div>`}`;
}
