// SPDX-License-Identifier: MIT
// The pictures on the stage: two of them under one slider, or several side by side, all with one zoom
// and one place. The slider is an input that keys can move; the mouse drags the picture itself.
import { html, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { number, t } from './i18n.js';
import * as view from './view.js';

// The size of an element, as it changes.
function useSize(ref) {
    const [size, set] = useState({ w: 0, h: 0 });
    useLayoutEffect(() => {
        const el = ref.current;
        const read = () => set({ w: el.clientWidth, h: el.clientHeight });
        const watch = new ResizeObserver(read);
        watch.observe(el);
        read();
        return () => watch.disconnect();
    }, []);
    return size;
}

const px = (n) => `${n}px`;

// One picture in its pane. It stays until the next one is there, so frames do not flash.
function Layer({ side, pane, size, at, clip, big }) {
    const [missing, setMissing] = useState(null);
    const src = side.src ? side.src(view.sideFor(at, pane, size, Math.max(side.w, side.h))) : null;
    const box = view.place(at, pane, size);
    useEffect(() => setMissing(null), [src]);
    return html`<div class="layer" style=${{ clipPath: clip ? `inset(0 0 0 ${clip})` : 'none' }}>
        ${src && pane.w > 0 && html`<img
            class=${`print ${big ? 'is-big' : ''} ${missing === src ? 'is-missing' : ''}`} src=${src} alt=${side.label} draggable=${false} decoding="async"
            onError=${() => setMissing(src)} onLoad=${() => setMissing(null)}
            style=${{ left: px(box.left), top: px(box.top), width: px(box.width),
                height: px(box.height) }} />`}
        ${(!src || missing === src) && html`<p class=${`absent ${clip ? 'on-right' : ''}`}>
            ${side.absent || t('compare.notYet')}</p>`}
    </div>`;
}

// Drag, wheel, two fingers and keys change the view. Several of them may come before the page is drawn
// anew, so each changes the view that the one before left, not the view that is on the screen.
function useHands(pane, size, setAt, draw) {
    const now = useRef();
    now.current = { pane, size, draw };
    const fingers = useRef(new Map());
    const local = (e) => {
        const box = e.currentTarget.getBoundingClientRect();
        return [e.clientX - box.left, e.clientY - box.top];
    };
    return {
        onPointerDown: (e) => {
            if (e.target.closest('input,button') || e.button > 0)
                return;
            e.currentTarget.setPointerCapture(e.pointerId);
            fingers.current.set(e.pointerId, local(e));
            if (now.current.draw)
                now.current.draw.begin(...local(e));
        },
        onPointerMove: (e) => {
            const before = fingers.current.get(e.pointerId);
            if (!before)
                return;
            const { draw: drawing, pane: p, size: z } = now.current;
            const here = local(e);
            if (drawing) {
                drawing.move(...here);
            } else if (fingers.current.size === 1) {
                setAt((a) => view.pan(a, p, z, here[0] - before[0], here[1] - before[1]));
            } else {
                const other = [...fingers.current].find(([id]) => id !== e.pointerId)[1];
                const far = (q) => Math.hypot(q[0] - other[0], q[1] - other[1]) || 1;
                setAt((a) => view.zoomAt(a, p, z, far(here) / far(before), other[0], other[1]));
            }
            fingers.current.set(e.pointerId, here);
        },
        onPointerUp: (e) => {
            if (fingers.current.delete(e.pointerId) && now.current.draw)
                now.current.draw.end();
        },
        onPointerCancel: (e) => fingers.current.delete(e.pointerId),
        onDblClick: (e) => {
            if (e.target.closest('input,button'))
                return;
            const here = local(e);
            setAt((a) => a.zoom === view.FIT ? view.zoomAt(a, pane, size,
                view.oneToOne(a).zoom / view.fitScale(pane, size), ...here) : view.start);
        },
    };
}

// Preact's onWheel would be passive in some browsers; the page must not scroll below the picture.
function useWheel(ref, f) {
    const now = useRef(f);
    now.current = f;
    useEffect(() => {
        const el = ref.current;
        const wheel = (e) => {
            e.preventDefault();
            const box = el.getBoundingClientRect();
            now.current(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0015)),
                e.clientX - box.left, e.clientY - box.top);
        };
        el.addEventListener('wheel', wheel, { passive: false });
        return () => el.removeEventListener('wheel', wheel);
    }, []);
}

function Crop({ crop, source, pane, size, at }) {
    const box = view.place(at, pane, size);
    const kx = box.width / source.width, ky = box.height / source.height;
    return html`<div class="crop" style=${{ left: px(box.left + crop[0] * kx),
        top: px(box.top + crop[1] * ky), width: px(crop[2] * kx), height: px(crop[3] * ky) }}></div>`;
}

// Drawing a crop: from corner to corner, in pixels of the source.
function drawer(source, pane, size, at, from, onCrop) {
    const point = (x, y) => {
        const box = view.place(at, pane, size);
        return [(x - box.left) / box.width * source.width, (y - box.top) / box.height * source.height]
            .map(Math.round);
    };
    const clamp = (v, most) => Math.min(most, Math.max(0, v));
    return {
        begin: (x, y) => { from.current = point(x, y); },
        move: (x, y) => {
            const a = from.current, b = point(x, y);
            if (!a)
                return;
            const [x0, x1] = [a[0], b[0]].map((v) => clamp(v, source.width)).sort((p, q) => p - q);
            const [y0, y1] = [a[1], b[1]].map((v) => clamp(v, source.height)).sort((p, q) => p - q);
            if (x1 - x0 >= 16 && y1 - y0 >= 16)
                onCrop([x0, y0, x1 - x0, y1 - y0], false);
        },
        end: () => onCrop(null, true),
    };
}

// `sides`: [{ label, src(side), w, h, absent }], the first one below. size: pixels of the result.
export function Compare({ sides, grid, size, at, setAt, source, crop, drawing, onCrop, flicker,
    alpha, name, onKey }) {
    const root = useRef(), from = useRef(null);
    const all = useSize(root);
    const columns = grid ? Math.min(sides.length, all.w < 620 ? 1 : sides.length > 4 ? 3 : 2) : 1;
    const rows = grid ? Math.ceil(sides.length / columns) : 1;
    const pane = { w: all.w / columns, h: all.h / rows };
    const [split, setSplit] = useState(50);
    const draw = drawing && source ? drawer(source, pane, size, at, from, onCrop) : null;
    const hands = useHands(pane, size, setAt, draw);
    useWheel(root, (factor, x, y) => setAt((a) =>
        view.zoomAt(a, pane, size, factor, x % pane.w, y % pane.h)));
    const keys = (e) => {
        if (e.target !== e.currentTarget || e.altKey || e.ctrlKey || e.metaKey)
            return;
        const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40],
            ArrowDown: [0, -40] };
        if (moves[e.key])
            setAt((a) => view.pan(a, pane, size, ...moves[e.key]));
        else if (e.key === '+' || e.key === '=')
            setAt((a) => view.zoomAt(a, pane, size, 1.25));
        else if (e.key === '-')
            setAt((a) => view.zoomAt(a, pane, size, 0.8));
        else if (!onKey(e.key))
            return;
        e.preventDefault();
    };
    const big = view.scaleOf(at, pane, size) * (window.devicePixelRatio || 1) >= 3;
    // The thumb is 44 px wide, so its middle goes from 22 px to 22 px before the end.
    const cut = `calc(22px + (100% - 44px) * ${split / 100})`;
    // What is not made yet takes no room: then the first picture has all of it.
    const second = sides[1] && sides[1].src ? sides[1] : null;
    const layer = (side, clip) => html`<${Layer} side=${side} pane=${pane} size=${size} at=${at}
        clip=${clip} big=${big} />`;
    return html`<div class=${`pictures ${alpha ? 'has-alpha' : ''} ${drawing ? 'is-drawing' : ''}`}
        ref=${root} tabIndex="0" role="group" aria-label=${t('compare.stage', { name })} ...${hands}
        onKeyDown=${keys}>
        ${grid ? sides.map((side, i) => html`<div class="pane" style=${{
            left: px(pane.w * (i % columns)), top: px(pane.h * Math.floor(i / columns)),
            width: px(pane.w), height: px(pane.h) }}>
            ${layer(side)}<span class="tag">${side.label}</span></div>`)
        : html`<div class="pane is-whole">
            ${layer(sides[0])}
            ${second && (flicker === null ? layer(second, cut)
                : flicker ? html`<div class="over">${layer(second)}</div>` : null)}
            ${(flicker === null || !flicker || !second) && html`<span class="tag">
                ${sides[0].label}</span>`}
            ${sides[1] && (flicker === null || flicker || !second) && html`<span class="tag on-right">
                ${second ? second.label : sides[1].absent || t('compare.notYet')}</span>`}
            ${crop && source && html`<${Crop} crop=${crop} source=${source} pane=${pane} size=${size}
                at=${at} />`}
            ${second && flicker === null && !drawing && html`
                <div class="divider" style=${{ left: cut }}></div>
                <input class="split" type="range" min="0" max="100" step="0.5" value=${split}
                    aria-label=${t('compare.slider')}
                    aria-valuetext=${t('compare.share', { n: number(split), name: sides[0].label })}
                    onInput=${(e) => setSplit(Number(e.target.value))} />`}
        </div>`}
    </div>`;
}
