// SPDX-License-Identifier: MIT
// The bar at the top: what runs, and the buttons that everything else leads to; theme, language and
// the notification; what a narrow screen shows at a time; and the notes at the foot of the page.
import * as act from './actions.js';
import { toast, total } from './actions.js';
import { html, Icon, IconButton } from './html.js';
import { duration, lang, number, setLang, t, tn } from './i18n.js';
import { keep, kept } from './kept.js';
import { isLeader, on } from './server.js';
import { change } from './state.js';

/* ---- theme ---- */

// Dark, light, or as the system is. app.css reads data-theme; js/first.js sets it before the paint.

export const theme = () => document.documentElement.dataset.theme || 'auto';

function setTheme(which) {
    if (which === 'auto')
        delete document.documentElement.dataset.theme;
    else
        document.documentElement.dataset.theme = which;
    try {
        localStorage.setItem('pique.theme', which);
    } catch { /* for this visit only */ }
    change({});
}

/* ---- the notification ---- */

// One notification when the queue has nothing more to do: not one a file, and not one a tab.

const can = () => 'Notification' in window;
const wantsNotify = () => kept('notify', true);

function setNotify(wanted) {
    keep('notify', wanted);
    change({});
    if (wanted)
        askNotify();
}

// Called by the click on Run: browsers ask only then.
export function askNotify() {
    if (can() && wantsNotify() && Notification.permission === 'default')
        Promise.resolve(Notification.requestPermission()).catch(() => {});
}

export function startNotify() {
    on('idle', ({ done, failed }) => {
        const text = failed ? `${tn('idle.done', done)} ${tn('idle.failed', failed)}`
            : tn('idle.done', done);
        toast(text);
        if (isLeader() && can() && wantsNotify() && Notification.permission === 'granted') {
            try {
                const note = new Notification(t('idle.title'), {
                    body: text, tag: 'pique', icon: '/icon.svg',
                });
                note.onclick = () => window.focus();
            } catch { /* some phones have no notifications of pages */ }
        }
    });
}

/* ---- the bar ---- */

function summary(s) {
    const running = s.items.filter((i) => i.state === 'running');
    const waiting = s.items.filter((i) => i.state === 'waiting');
    if (!s.live)
        return t('bar.away');
    if (!running.length && !waiting.length)
        return s.items.length ? tn('bar.items', s.items.length) : '';
    const left = running.map((i) => i.progress && i.progress.seconds_left)
        .filter((x) => x !== undefined && x !== null);
    const speed = running.map((i) => i.progress && i.progress.unit === 'frames' &&
        i.progress.per_second || 0).reduce((a, b) => a + b, 0);
    return [tn('bar.running', running.length), waiting.length ? tn('bar.waiting', waiting.length) : '',
        speed ? t('progress.speed', { n: number(speed, speed < 10 ? 1 : 0) }) : '',
        left.length ? t('progress.left', { time: duration(Math.max(...left)) }) : '',
        s.queue.running ? '' : t('bar.held')].filter(Boolean).join(' · ');
}

function Transport({ s }) {
    const ready = act.startable();
    const time = total(ready);
    const busy = s.items.some((i) => i.state === 'running' || i.state === 'waiting');
    return html`<div class="transport">
        <button type="button" class="is-main" id="run" disabled=${!ready.length} onClick=${act.run}
            title=${time === null ? undefined : t('estimate.time', { time: duration(time) })}>
            <${Icon} name="run" />${ready.length ? tn('bar.run', ready.length) : t('bar.runNone')}
            ${time !== null && html`<span class="small-words">${duration(time)}</span>`}</button>
        ${(busy || !s.queue.running) && (s.queue.running
            ? html`<button type="button" onClick=${act.pauseAll}><${Icon} name="pause" />
                <span class="word">${t('bar.pause')}</span></button>`
            : html`<button type="button" onClick=${act.resumeAll}><${Icon} name="run" />
                <span class="word">${t('bar.resume')}</span></button>`)}
        ${busy && html`<button type="button" onClick=${act.stopAll}><${Icon} name="stop" />
            <span class="word">${t('bar.stop')}</span></button>`}
    </div>`;
}

const Looks = () => html`<div class="looks">
    <div class="pills is-lang" role="group" aria-label=${t('bar.language')}>
        ${[['en', 'English'], ['fr', 'Français']].map(([code, name]) => html`<button type="button"
            lang=${code} title=${name} aria-pressed=${lang === code ? 'true'
                : 'false'} onClick=${() => setLang(code)}>${code.toUpperCase()}</button>`)}</div>
    <select aria-label=${t('bar.theme')} title=${t('bar.theme')} value=${theme()}
        onChange=${(e) => setTheme(e.target.value)}>
        ${['auto', 'dark', 'light'].map((x) => html`<option value=${x} selected=${x === theme()}>
            ${t(`theme.${x}`)}</option>`)}</select>
    <label class="check is-bell" title=${t('bar.notify')}><input type="checkbox"
        checked=${wantsNotify()} onChange=${(e) => setNotify(e.target.checked)} />
        ${t('bar.bell')}</label>
    <button type="button" class="small" onClick=${() => change({ dialog: { name: 'guide' } })}>
        ${t('bar.guide')}</button>
    <button type="button" class="small" aria-label=${t('keys.title')} title=${t('keys.title')}
        onClick=${() => change({ dialog: { name: 'keys' } })}>?</button>
</div>`;

export const Bar = ({ s }) => html`<header class="bar"><h1 class="mark">pique</h1>
    <${Transport} s=${s} />
    <p class=${`summary ${s.live ? '' : 'warn'}`} role="status">${summary(s)}</p>
    <${Looks} /></header>`;

// What a narrow screen shows one at a time.
export const Tabs = ({ s }) => html`<nav class="switch" aria-label=${t('bar.parts')}>
    ${['queue', 'stage', 'settings'].map((name) => html`<button type="button"
        aria-current=${s.tab === name ? 'page' : undefined} onClick=${() => change({ tab: name })}>
        ${t(`${name}.title`)}</button>`)}</nav>`;

export const Toasts = ({ s }) => html`<div class="toasts" aria-live="polite">
    ${s.toasts.map((x) => html`<div key=${x.id} class=${`toast ${x.error ? 'is-error' : ''}`}
        role=${x.error ? 'alert' : undefined}><p>${x.text}</p>
        ${x.error && x.next !== 'none' && html`<button type="button" class="small" onClick=${() => {
            act.untoast(x.id);
            if (x.next === 'settings')
                change({ tab: 'settings' });
            else if (x.again)
                x.again();
        }}>${t(`next.${x.next}`)}</button>`}
        ${(!x.error || x.next === 'none') && html`<${IconButton} icon="remove"
            label=${t('dialog.close')} onClick=${() => act.untoast(x.id)} />`}</div>`)}</div>`;
