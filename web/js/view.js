// SPDX-License-Identifier: MIT
// One view for all pictures that are compared: how large, and which point is in the middle. Units: a
// picture's own pixels for sizes and crops, 0..1 across it for the middle, CSS pixels on the screen.

export const FIT = 0;
const LEAST = 0.02, MOST = 32;

export const start = { zoom: FIT, x: 0.5, y: 0.5 };

export const fitScale = (pane, size) => Math.min(pane.w / size.w, pane.h / size.h, 8) || 1;
export const scaleOf = (view, pane, size) => view.zoom === FIT ? fitScale(pane, size) : view.zoom;

// Where the picture lies in its pane.
export function place(view, pane, size) {
    const k = scaleOf(view, pane, size);
    const w = size.w * k, h = size.h * k;
    return { left: pane.w / 2 - view.x * w, top: pane.h / 2 - view.y * h, width: w, height: h };
}

const within = (x) => Math.min(1, Math.max(0, x));

export function pan(view, pane, size, dx, dy) {
    const k = scaleOf(view, pane, size);
    return { ...view, zoom: k, x: within(view.x - dx / (size.w * k)),
        y: within(view.y - dy / (size.h * k)) };
}

// Larger or smaller by a factor; the point (px, py) of the pane stays where it is.
export function zoomAt(view, pane, size, factor, px = pane.w / 2, py = pane.h / 2) {
    const k = scaleOf(view, pane, size);
    const zoom = Math.min(MOST, Math.max(LEAST, k * factor));
    const at = place(view, pane, size);
    const ux = (px - at.left) / at.width, uy = (py - at.top) / at.height;
    return {
        zoom,
        x: within(ux + (pane.w / 2 - px) / (size.w * zoom)),
        y: within(uy + (pane.h / 2 - py) / (size.h * zoom)),
    };
}

// A pixel of the picture is a pixel of the screen.
export const oneToOne = (view) => ({ ...view, zoom: 1 / (window.devicePixelRatio || 1) });

// The longest side to ask for: as much as is seen, in few steps so that it is seldom asked anew.
export function sideFor(view, pane, size, own) {
    const k = scaleOf(view, pane, size);
    const need = Math.max(size.w, size.h) * k * (window.devicePixelRatio || 1);
    for (const side of [1024, 2048]) {
        if (need <= side * 1.1)
            return side < own ? side : 0;
    }
    return 0;
}

// A square of at most `side` around the middle of the view, in pixels of the source.
export function middle(view, source, side) {
    const w = Math.min(side, source.width), h = Math.min(side, source.height);
    const x = Math.round(Math.min(source.width - w, Math.max(0, view.x * source.width - w / 2)));
    const y = Math.round(Math.min(source.height - h, Math.max(0, view.y * source.height - h / 2)));
    return [x, y, w, h];
}
