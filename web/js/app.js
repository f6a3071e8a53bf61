// SPDX-License-Identifier: MIT
// The page: begins, and puts its parts together. What it shows is state.js; how that changes,
// server.js (events) and actions.js (the user).
import { startEstimates } from './actions.js';
import { Bar, startNotify, Tabs, Toasts } from './bar.js';
import { Settings } from './form.js';
import { html, render, useEffect, useState } from './html.js';
import { startLang, t } from './i18n.js';
import { loadPresets } from './presets.js';
import { Queue } from './queue.js';
import { get, launch, modelsOf, startEvents } from './server.js';
import { Stage } from './stage.js';
import { change, state, subscribe } from './state.js';
import { startDrop } from './upload.js';
import { Folders, Guide, Keys, startKeys } from './windows.js';

const Alone = ({ title, text, button, children }) => html`
    <header class="bar"><h1 class="mark">pique</h1></header>
    <main class="alone"><h2>${title}</h2>${text.map((x) => html`<p>${x}</p>`)}
    ${children}${button && html`<button type="button" class="is-main"
        onClick=${() => location.reload()}>${t('next.retry')}</button>`}</main>`;

// Who has the token exchanges it for a word that opens the page once, which gives the cookie.
function Login() {
    const [said, say] = useState('');
    const enter = async (e) => {
        e.preventDefault();
        try {
            const { word } = await launch(new FormData(e.target).get('token').trim());
            location.replace(`/?launch=${word}`);
        } catch (why) {
            say(why.message || t('error.away'));
        }
    };
    return html`<${Alone} title=${t('login.title')} button text=${[t('login.how'), t('login.far')]}>
        <form class="row" onSubmit=${enter}><label>${t('login.token')} <input name="token" required
            type="password" autocomplete="off" /></label><button>${t('login.enter')}</button></form>
        <p role="alert">${said}</p><//>`;
}

const dialogs = { guide: Guide, folders: Folders, keys: Keys };

function App() {
    const [, draw] = useState(0);
    useEffect(() => subscribe(() => draw((n) => n + 1)), []);
    const s = state;
    if (s.phase === 'loading')
        return html`<header class="bar"><h1 class="mark">pique</h1></header>
            <main class="sheet-bare"></main>`;
    if (s.phase === 'login')
        return html`<${Login} />`;
    if (s.phase === 'away')
        return html`<${Alone} title=${t('error.awayTitle')} text=${[t('error.away')]} button />`;
    const Window = s.dialog && dialogs[s.dialog.name];
    return html`<${Bar} s=${s} /><main class=${`work is-${s.tab}`}>
        <${Queue} s=${s} /><${Stage} s=${s} /><${Settings} s=${s} /></main>
        <${Tabs} s=${s} /><${Toasts} s=${s} />
        <div class="veil" aria-hidden="true"><p>${t('empty.release')}</p></div>
        ${Window && html`<${Window} s=${s} ...${s.dialog} />`}`;
}

async function begin() {
    const tables = Promise.all(['options', 'models', 'codecs'].map((x) => get(`/api/${x}`)));
    tables.catch(() => {}); // told of below
    await startLang();
    const root = document.getElementById('app');
    try {
        const [options, models, codecs] = await tables;
        change({ options: options.options.filter((o) => o.page), groups: options.groups,
            models: modelsOf(models), codecs: codecs.codecs });
        await startEvents();
        loadPresets().catch(() => {}); // an old file of presets is no reason to stop
    } catch (e) {
        change({ phase: e.status === 401 || e.status === 429 ? 'login' : 'away' });
    }
    root.replaceChildren();
    render(html`<${App} />`, root);
    startDrop();
    startKeys();
    startNotify();
    startEstimates();
}

begin();
