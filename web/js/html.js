// SPDX-License-Identifier: MIT
// Preact and htm, bound together once; and small drawings for buttons, on a grid of 16, which say
// nothing that the button's name does not.
import htm from '../vendor/htm.js';
import { h } from '../vendor/preact.js';

export { Component, createRef, render } from '../vendor/preact.js';
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
export const html = htm.bind(h);

// Small drawings for buttons, on a grid of 16. They say nothing that the button's name does not.

const paths = {
    run: 'M4 2.5v11l9-5.5z',
    pause: 'M4 3h3v10H4zM9 3h3v10H9z',
    stop: 'M3.5 3.5h9v9h-9z',
    again: 'M8 2.5a5.5 5.5 0 1 0 5.2 3.7l-1.6.6A3.8 3.8 0 1 1 8 4.2V7l4.5-3.6L8 0z',
    remove: 'M4 3 3 4l4 4-4 4 1 1 4-4 4 4 1-1-4-4 4-4-1-1-4 4z',
    up: 'M8 3 3 9l1.2 1.1L8 5.6l3.8 4.5L13 9z',
    down: 'M8 13 3 7l1.2-1.1L8 10.4l3.8-4.5L13 7z',
    save: 'M7.2 2h1.6v6l2.3-2.3 1.1 1.1L8 11 3.8 6.8l1.1-1.1L7.2 8zM3 12.4h10V14H3z',
    tune: 'M2 4h6V2.6h2V4h4v1.5h-4v1.4H8V5.5H2zm0 6.5h2V9.1h2v1.4h8V12H6v1.4H4V12H2z',
    grip: 'M5 3h2v2H5zm4 0h2v2H9zM5 7h2v2H5zm4 0h2v2H9zm-4 4h2v2H5zm4 0h2v2H9z',
    see: 'M2 2h12v12H2zm1.5 1.5v9H8v-9z',
    file: 'M3.5 1.5H9l3.5 3.5v9.5h-9zM5 3v10h6V6H8V3z',
    folder: 'M1.5 3h5l1.5 2h6.5v8.5h-13zM3 6.5V12h10V6.5z',
    disk: 'M2 3h12v4.4H2zm0 5.6h12V13H2zm2-4v1.2h1.2V4.6zm0 5.6v1.2h1.2v-1.2z',
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"
    focusable="false"><path d=${paths[name]} /></svg>`;

// A button with a drawing alone has its name for who cannot see it, and as a tip.
export const IconButton = ({ icon, label, ...rest }) => html`<button type="button" class="tool"
    title=${label} aria-label=${label} ...${rest}><${Icon} name=${icon} /></button>`;

// A small picture beside its name; where there is none, its place stays empty.
export const Small = ({ src }) => html`<img src=${src} alt="" loading="lazy" decoding="async"
    draggable=${false} onError=${(e) => e.target.classList.add('is-missing')}
    onLoad=${(e) => e.target.classList.remove('is-missing')} />`;
