// SPDX-License-Identifier: MIT
// What this browser remembers: small values in localStorage. Where there is none, for the visit only.

const here = new Map();

export function kept(name, otherwise) {
    try {
        const text = localStorage.getItem('pique.' + name);
        return text === null ? otherwise : JSON.parse(text);
    } catch {
        return here.has(name) ? here.get(name) : otherwise;
    }
}

export function keep(name, value) {
    here.set(name, value);
    try {
        localStorage.setItem('pique.' + name, JSON.stringify(value));
    } catch { /* full, or forbidden: `here` has it */ }
}
