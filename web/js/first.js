// SPDX-License-Identifier: MIT
// Before the first paint: the theme and the language that were chosen last, so that nothing flashes.

(function () {
    var root = document.documentElement, theme = null, lang = null;
    try {
        theme = localStorage.getItem('pique.theme');
        lang = localStorage.getItem('pique.lang');
    } catch (e) { /* no storage: the system decides */ }
    if (theme === 'dark' || theme === 'light')
        root.dataset.theme = theme;
    if (!lang)
        lang = (navigator.languages || [navigator.language || 'en'])
            .map(function (l) { return l.slice(0, 2).toLowerCase(); })
            .filter(function (l) { return l === 'fr' || l === 'en'; })[0];
    root.lang = lang === 'fr' ? 'fr' : 'en';
})();
