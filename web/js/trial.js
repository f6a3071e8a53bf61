// SPDX-License-Identifier: MIT
// Tests: a frame, or a piece of one, through the settings of the form, and through the same settings
// with other models, to be looked at side by side.
import { attempt } from './actions.js';
import { kindOf, settingsFor, settingsOf, shown } from './draft.js';
import { html } from './html.js';
import { duration, number, t } from './i18n.js';
import { title } from './models.js';
import { call, get, on, post } from './server.js';
import { change, state } from './state.js';
import { middle } from './view.js';

const MOST_RUNS = 6;
const MOST_KEPT = 4;

const toggleModel = (name) => change((s) => {
    const some = s.trialModels;
    s.trialModels = some.includes(name) ? some.filter((n) => n !== name)
        : some.concat(name).slice(0, MOST_RUNS);
});

// The piece that a test takes: what was drawn, all of it, or by itself the middle of what is seen.
export function cropOf(item, view) {
    const c = state.crop;
    if (c === 'whole' || !item.info)
        return null;
    if (Array.isArray(c))
        return c;
    return Math.max(item.info.width, item.info.height) > 640 ? middle(view, item.info, 512) : null;
}

export const test = (item, frame, view) => attempt(async () => {
    const base = state.checked.has(item.id) ? settingsOf(item)
        : settingsFor(kindOf(item), shown());
    const names = state.trialModels.length ? state.trialModels : [base.model];
    const settings = names.map((m) => m ? { ...base, model: m } : base);
    const crop = cropOf(item, view);
    const made = await post('/api/tests', { item: item.id, frame, crop, settings });
    change((s) => {
        s.trials = s.trials.concat({
            id: made.id, item: item.id, frame, crop, models: names,
            runs: made.runs || names.map(() => ({ state: 'waiting' })),
        }).slice(-MOST_KEPT);
        s.trial = made.id;
        s.stage = 'compare';
        s.tab = 'stage';
        s.sides = names.length > 1 ? 'grid' : 'slider';
    });
    merge(await get(`/api/tests/${made.id}`)); // what was told before we knew its name
});

function merge(told) {
    change((s) => {
        s.trials = s.trials.map((x) => x.id !== told.id ? x : {
            ...x, before: told.before, runs: x.runs.map((r, i) => newer(r, told.runs[i])),
        });
    });
}

const order = ['waiting', 'running', 'done', 'failed'];
const newer = (a, b) => b && order.indexOf(b.state) >= order.indexOf(a.state) ? b : a;

on('test', (e) => change((s) => {
    s.trials = s.trials.map((x) => x.id !== e.id ? x : {
        ...x,
        before: e.run < 0 ? e : x.before,
        runs: x.runs.map((r, i) => i === e.run ? newer(r, e) : r),
    });
}));

export const endTrial = (id) => attempt(async () => {
    change((s) => {
        s.trials = s.trials.filter((x) => x.id !== id);
        s.trial = null;
    });
    await call('DELETE', `/api/tests/${id}`);
});

export const runWords = (run) => run.state === 'done' ? duration(run.seconds)
    : run.state === 'failed' && run.error ? run.error.text : t(`trial.${run.state}`);

// Which models, and which piece.
export function TestPanel({ s, item, view, onDraw, drawing }) {
    const here = s.models.filter((m) => m.installed && m.supported);
    const crop = cropOf(item, view);
    return html`<details class="trial-panel"><summary>${t('trial.what')}</summary>
        <fieldset><legend>${t('trial.models', { n: number(MOST_RUNS) })}</legend>
            <div class="choices">${here.map((m) => html`<label class="check"><input type="checkbox"
                checked=${s.trialModels.includes(m.name)}
                disabled=${!s.trialModels.includes(m.name) && s.trialModels.length >= MOST_RUNS}
                onChange=${() => toggleModel(m.name)} />${title(m.name)}</label>`)}</div>
        </fieldset>
        <fieldset><legend>${t('trial.piece')}</legend>
            <p class="hint">${crop ? t('trial.crop', { x: crop[0], y: crop[1], w: crop[2],
                h: crop[3] }) : t('trial.whole')}</p>
            <div class="row">
                <button type="button" class="small" aria-pressed=${drawing ? 'true' : 'false'}
                    onClick=${onDraw}>${t('trial.draw')}</button>
                <button type="button" class="small" onClick=${() => change({
                    crop: middle(view, item.info, 512) })}>${t('trial.middle')}</button>
                <button type="button" class="small" onClick=${() => change({ crop: 'whole' })}>
                    ${t('trial.all')}</button>
            </div>
        </fieldset></details>`;
}
