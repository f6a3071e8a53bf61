// SPDX-License-Identifier: MIT
// How the page meets people: two languages and themes, keys alone, a narrow screen, a reader of
// screens; and how soon it is there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { film, glass, nonsense, picture, serve, Visitor } from './browser.mjs';

const server = serve();

const press = (v, ...keys) => keys.reduce((p, k) => p.then(() => v.page.keyboard.press(k)),
    Promise.resolve());
const open = (v) => v.page.evaluate(() =>
    document.querySelectorAll('.settings details').forEach((d) => { d.open = true; }));

for (const colorScheme of ['dark', 'light']) {
    test(`no part of the page has a fault of accessibility, ${colorScheme}`, async () => {
        const v = await Visitor.come(server, { colorScheme, forgive: /thumb/ });
        await v.axe('what a newcomer sees');
        await v.drop(film('f.mkv', 12), glass(), nonsense('bad.png'), picture('p.png'));
        await v.until('bad.png', 'failed');
        await v.until('p.png', 'paused');
        await v.axe('a queue that waits');
        await v.run();
        for (const name of ['f.mkv', 'glass.png', 'p.png'])
            await v.until(name, 'done');
        await v.item('f.mkv').locator('.frame').click();
        await v.shown(2);
        await v.axe('a film that is done');
        await v.page.getByRole('button', { name: 'Side by side' }).click();
        await v.page.getByText('What Test tries').click();
        await v.axe('side by side');
        await v.page.getByRole('button', { name: 'Gallery' }).click();
        await open(v);
        await v.page.getByRole('button', { name: 'Target size' }).click();
        await v.axe('gallery, and all settings');
        for (const name of ['Guide', 'Keys']) {
            await v.page.getByRole('button', { name, exact: true }).click();
            await v.page.waitForSelector('dialog[open]');
            await v.axe(name);
            await press(v, 'Escape');
        }
        await v.page.getByRole('button', { name: 'From the server' }).click();
        await v.page.waitForSelector('dialog[open]');
        await v.axe('files on the server');
        await press(v, 'Escape');
        await v.page.getByLabel('Check all').check();
        await v.page.getByRole('button', { name: 'Remove', exact: true }).click();
        await v.page.waitForFunction(() => !document.querySelector('.item'));
        await v.leave();
    });
}

test('a French browser gets a French page, and the language is switched at once', async () => {
    const v = await Visitor.come(server, { locale: 'fr-CA' });
    assert.equal(await v.page.getAttribute('html', 'lang'), 'fr');
    assert.equal(await v.page.textContent('.settings h2'), 'Réglages');
    await v.drop(nonsense('lettre.png'));
    await v.until('lettre.png', 'failed');
    await v.page.getByRole('button', { name: 'EN', exact: true }).click();
    await v.page.waitForSelector('.settings h2:has-text("Settings")');
    await v.page.reload();
    await v.page.waitForSelector('.settings h2:has-text("Settings")');
    await v.page.getByRole('button', { name: 'FR', exact: true }).click();
    await v.page.waitForSelector('#run:has-text("Lancer")');
    await v.page.getByText('Avancé', { exact: true }).click();
    assert.match(await v.page.textContent('.is-advanced'), /Taille des batches/);
    await v.page.getByRole('button', { name: /Retirer de la file/ }).click();
    await v.page.waitForSelector('.invite');
    v.forgive = /thumb/;
    await v.leave();
});

test('every option of the page has a name, a sentence and a page of the guide', async () => {
    const v = await Visitor.come(server);
    const all = (await server.api('options')).options.filter((o) => o.page);
    for (const lang of ['EN', 'FR']) {
        await v.page.getByRole('button', { name: lang, exact: true }).click();
        await v.page.waitForSelector(`html[lang=${lang.toLowerCase()}]`);
        await v.page.getByRole('button', { name: 'Guide', exact: true }).click();
        for (const o of all) {
            const at = v.page.locator(`#guide-${o.name}`);
            const name = (await at.locator('h4').innerText()).replace(`--${o.name}`, '').trim();
            assert.notEqual(name, o.name, `${o.name} is called ${name}`);
            assert.ok((await at.locator('p').first().textContent()).includes(
                o.help[lang.toLowerCase()]), `${o.name} says what it does in ${lang}`);
        }
        await press(v, 'Escape');
    }
    await v.leave();
});

test('parallel processing has its box, and then a slider from 1 to 8', async () => {
    const v = await Visitor.come(server);
    await v.drop(film('g.mkv', 12));
    await v.until('g.mkv', 'paused');
    await v.page.getByText('Advanced', { exact: true }).click();
    const slider = v.page.getByRole('slider', { name: 'Batch size' });
    assert.equal(await slider.getAttribute('aria-valuetext'), 'auto');
    await slider.focus();
    await press(v, 'End');
    assert.equal(await slider.getAttribute('aria-valuetext'), '8');
    await v.page.waitForSelector('.batches .is-now:has-text("8")');
    await v.page.getByRole('checkbox', { name: 'Parallel processing' }).uncheck();
    assert.equal(await slider.count(), 0);
    assert.match(await v.page.textContent('.is-advanced'), /no tiles/);
    await v.page.waitForTimeout(600);
    const item = (await server.api('state')).items.find((i) => i.name === 'g.mkv');
    assert.equal(item.settings['no-parallel'], true);
    await v.page.getByRole('button', { name: /Remove from the queue/ }).click();
    await v.leave();
});

test('a preset is kept, used and given away', async () => {
    const v = await Visitor.come(server);
    await v.page.getByRole('button', { name: '× 8', exact: true }).click();
    await v.page.getByText('Presets', { exact: true }).click();
    await v.page.getByLabel('Name of a new preset').fill('Très grand');
    await press(v, 'Enter');
    await v.page.waitForSelector('.toast:has-text("Très grand")');
    await v.page.getByRole('button', { name: 'Reset', exact: true }).click();
    await v.page.getByLabel('Use a preset').selectOption({ label: 'Très grand' });
    await v.page.waitForSelector('button[aria-pressed=true]:has-text("× 8")');
    const [file] = await Promise.all([v.page.waitForEvent('download'),
        v.page.getByRole('button', { name: 'Export' }).click()]);
    await v.page.getByRole('button', { name: 'Delete', exact: true }).click();
    await v.page.waitForFunction(() => !document.querySelector('#preset'));
    await v.page.setInputFiles('.settings input[type=file]', await file.path());
    await v.page.waitForSelector('#preset option:has-text("Très grand")', { state: 'attached' });
    await v.leave();
});

test('keys alone lead from a file to its result', async () => {
    const v = await Visitor.come(server);
    const chosen = v.page.waitForEvent('filechooser');
    await v.page.waitForTimeout(300); // until the browser knows that a program chooses
    await press(v, 'o');
    const chooser = await chosen;
    await chooser.setFiles([picture('keys.png')]);
    await v.until('keys.png', 'paused');
    await press(v, 'Control+Enter');
    await v.until('keys.png', 'done');
    for (let i = 0; i < 60 && !await v.page.evaluate(() =>
        document.activeElement.matches('.item')); i++)
        await press(v, 'Tab');
    await press(v, 'Enter');
    await v.shown(2);
    for (let i = 0; i < 60 && !await v.page.evaluate(() =>
        document.activeElement.matches('.pictures')); i++)
        await press(v, 'Tab');
    const width = () => v.page.evaluate(() => document.querySelector('.print').clientWidth);
    const before = await width();
    await press(v, '+');
    assert.ok(await width() > before);
    await press(v, '0', 'f');
    await v.page.waitForSelector('.over');
    await press(v, 's', 'Tab', 'ArrowLeft');
    assert.equal(await v.page.inputValue('.split'), '49.5');
    await press(v, '?');
    await v.page.waitForSelector('dialog[open] kbd');
    await press(v, 'Escape');
    await v.page.waitForFunction(() => !document.querySelector('dialog'));
    await v.leave();
});

test('a screen of 360 pixels shows everything without scrolling sideways', async () => {
    const v = await Visitor.come(server, { viewport: { width: 360, height: 740 }, hasTouch: true });
    await v.drop(picture('phone.png'));
    await v.run();
    await v.until('phone.png', 'done');
    for (const name of ['Queue', 'View', 'Settings']) {
        await v.page.getByRole('navigation').getByRole('button', { name }).click();
        await open(v);
        const [wide, sections] = await v.page.evaluate(() => [document.documentElement.scrollWidth,
            [...document.querySelectorAll('main > section')].map((s) => s.scrollWidth - s.clientWidth)]);
        assert.ok(wide <= 360 && Math.max(...sections) <= 0, `${name}: ${wide}, ${sections}`);
        await v.axe(`${name} on a phone`);
    }
    await v.page.getByRole('navigation').getByRole('button', { name: 'Queue' }).click();
    await v.item('phone.png').locator('.frame').click();
    await v.shown(2);
    await v.leave();
});

test('the first paint comes within 200 ms', async () => {
    const v = await Visitor.come(server);
    const times = [];
    for (let i = 0; i < 7; i++) {
        await v.page.reload();
        await v.page.waitForSelector('.queue');
        times.push(await v.page.evaluate(() =>
            performance.getEntriesByName('first-contentful-paint')[0].startTime));
    }
    times.sort((a, b) => a - b);
    assert.ok(times[3] < 200, `${times.map(Math.round)} ms`);
    await v.leave();
});

test('the mouse moves the picture, zooms at its place and draws a crop', async () => {
    const v = await Visitor.come(server);
    await v.drop(picture('mouse.png', 400, 300));
    await v.until('mouse.png', 'paused');
    await v.shown(1);
    const print = v.page.locator('.print').first();
    // What is seen once the page has drawn what it was told.
    const at = () => print.evaluate((i) => new Promise((done) => requestAnimationFrame(() =>
        requestAnimationFrame(() => done([i.offsetLeft, i.offsetTop, i.offsetWidth])))));
    const drag = async (x0, y0, x1, y1) => {
        const { x, y } = await v.page.locator('.pictures').boundingBox();
        await v.page.mouse.move(x + x0, y + y0);
        await v.page.mouse.down();
        await v.page.mouse.move(x + x1, y + y1, { steps: 5 });
        await v.page.mouse.up();
    };
    const before = await at();
    await drag(300, 200, 360, 230);
    const moved = await at();
    assert.ok(Math.abs(moved[0] - before[0] - 60) < 3 && Math.abs(moved[1] - before[1] - 30) < 3,
        `${before} to ${moved}`);
    // Three turns of the wheel and three keys before the page is drawn anew: none is lost.
    await v.page.locator('.pictures').evaluate((el) => {
        for (let i = 0; i < 3; i++)
            el.dispatchEvent(new WheelEvent('wheel', { deltaY: -200, cancelable: true }));
        for (let i = 0; i < 3; i++)
            el.dispatchEvent(new KeyboardEvent('keydown', { key: '-', cancelable: true }));
    });
    const zoomed = (await at())[2], wanted = moved[2] * Math.exp(0.9) * 0.8 ** 3;
    assert.ok(Math.abs(zoomed - wanted) < 3, `${zoomed}, not ${wanted}`);
    await v.page.mouse.wheel(0, -400);
    await v.page.waitForFunction((w) => document.querySelector('.print').offsetWidth > 1.5 * w,
        zoomed);
    await v.page.getByRole('button', { name: 'Fit' }).click();
    await v.page.getByText('What Test tries').click();
    await v.page.getByRole('button', { name: 'Draw a crop' }).click();
    await v.page.waitForSelector('.pictures.is-drawing');
    await drag(250, 150, 400, 300);
    await v.page.waitForSelector('.pictures:not(.is-drawing)');
    const scale = 400 / (await at())[2];
    const crop = (await v.page.textContent('.trial-panel')).match(/(\d+) × (\d+) pixels/);
    assert.ok(Math.abs(crop[1] - 150 * scale) < 4 && Math.abs(crop[2] - 150 * scale) < 4, crop[0]);
    await v.leave();
});
