// SPDX-License-Identifier: MIT
// What happens in mid-job: pause, stop, reload, a server that dies, tabs beside tabs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { film, PATIENCE, picture, serve, sleep, Visitor } from './browser.mjs';

const server = serve({ slow: true });

const item = async (name) => (await server.api('state')).items.find((i) => i.name === name);
async function until(name, f) {
    const end = Date.now() + PATIENCE;
    for (;;) {
        const i = await item(name);
        if (i && f(i))
            return i;
        assert.ok(Date.now() < end, `${name} is still ${JSON.stringify(i)}`);
        await sleep(100);
    }
}
const saved = (i) => i.progress && i.progress.saved > 0;
const button = (v, what, name) => v.page.getByRole('button', { name: `${what}: ${name}` });

// A film at work, of which something is saved.
async function begun(v, name) {
    await v.drop(film(name, 240, 160, 120));
    await v.run();
    return until(name, (i) => i.state === 'running' && saved(i));
}

async function removed(v, name) {
    // Pictures that the server was asked for before cannot come any more.
    const id = await v.item(name).getAttribute('data-id');
    v.forgive = new RegExp(`${v.forgive.source}|404.*${id}.*frame=`);
    const stop = button(v, 'Stop', name);
    if (await stop.count())
        await stop.click();
    await button(v, 'Remove from the queue', name).click();
    await v.item(name).waitFor({ state: 'detached' });
}

test('a film is paused, resumed and stopped by its buttons', async () => {
    const v = await Visitor.come(server);
    await begun(v, 'held.mkv');
    await button(v, 'Pause', 'held.mkv').click();
    await v.until('held.mkv', 'paused');
    await sleep(1500); // frames in flight end
    const at = (await item('held.mkv')).progress.done;
    await sleep(1500);
    assert.equal((await item('held.mkv')).progress.done, at, 'it stands still');
    await button(v, 'Resume', 'held.mkv').click();
    await until('held.mkv', (i) => i.state === 'running' && i.progress && i.progress.done > at);
    await button(v, 'Stop', 'held.mkv').click();
    await v.until('held.mkv', 'stopped');
    await removed(v, 'held.mkv');
    await v.leave();
});

test('the queue is held and goes on', async () => {
    const v = await Visitor.come(server);
    await begun(v, 'queue.mkv');
    await v.page.locator('.transport').getByRole('button', { name: 'Pause' }).click();
    await v.page.locator('.transport').getByRole('button', { name: 'Resume' }).waitFor();
    assert.equal((await server.api('state')).queue.running, false);
    await v.page.locator('.transport').getByRole('button', { name: 'Resume' }).click();
    await v.page.locator('.transport').getByRole('button', { name: 'Pause' }).waitFor();
    assert.equal((await server.api('state')).queue.running, true);
    await removed(v, 'queue.mkv');
    await v.leave();
});

test('a page that is loaded anew in mid-job shows how far it is', async () => {
    const v = await Visitor.come(server);
    await begun(v, 'again.mkv');
    const done = (await item('again.mkv')).progress.done;
    await v.page.reload();
    await v.until('again.mkv', 'running');
    const text = await v.item('again.mkv').locator('.state').textContent();
    assert.ok(Number(text.match(/^(\d+) of/)[1]) >= done, text);
    await v.page.locator('.print').first().waitFor();
    await removed(v, 'again.mkv');
    await v.leave();
});

test('ten tabs follow one film over one stream of events', async () => {
    const v = await Visitor.come(server, { forgive: /404.*frame=/ }); // removed while others look
    const pages = [v.page];
    while (pages.length < 10)
        pages.push(await v.open());
    await begun(v, 'tabs.mkv');
    for (const page of pages) {
        await page.waitForFunction(() => /^\d+ of \d+ frames/.test(
            (document.querySelector('.item .state') || {}).textContent || ''));
    }
    const before = (await item('tabs.mkv')).progress.done;
    for (const page of pages) {
        await page.waitForFunction((n) => Number((document.querySelector('.item .state').textContent
            .match(/^\d+/) || [0])[0]) > n, before);
    }
    assert.equal(v.requests.filter((u) => u.includes('/api/events')).length, 1);
    await v.page.close(); // whoever led is gone: another one listens
    v.page = pages[1];
    await removed(v, 'tabs.mkv');
    await pages[9].waitForFunction(() => !document.querySelector('.item'));
    await v.leave();
});

test('a server that is killed and started again goes on with its film', async () => {
    const v = await Visitor.come(server, { forgive: /ERR_|Failed to (load|fetch)|503/ });
    await begun(v, 'phoenix.mkv');
    await server.end('SIGKILL');
    await v.page.waitForSelector('.summary.warn');
    const { token } = server;
    await server.start();
    if (server.token !== token) {
        await v.context.addCookies([{ name: `pique_${server.port}`, value: server.token,
            url: server.url }]);
        await v.page.goto(server.launch);
        v.server = { ...server, url: new URL('/', v.page.url()).href };
        v.requests.length = 0;
    }
    await v.item('phoenix.mkv').waitFor();
    await until('phoenix.mkv', (i) => i.state !== 'looking');
    const resume = button(v, 'Resume', 'phoenix.mkv');
    if (await resume.count())
        await resume.click();
    await until('phoenix.mkv', (i) => i.state === 'running' && saved(i));
    await removed(v, 'phoenix.mkv');
    await v.leave();
});

test('a connection that breaks in an upload is tried again', async () => {
    const v = await Visitor.come(server, { forgive: /ERR_FAILED/ });
    let broken = 0;
    await v.page.route('**/content?**', (route) => broken++ < 2 ? route.abort() : route.continue());
    await v.drop(picture('broken-line.png'));
    await v.until('broken-line.png', 'paused');
    assert.equal(broken, 3);
    await removed(v, 'broken-line.png');
    await v.leave();
});

test('items are put in another order, and each can have its own settings', async () => {
    const v = await Visitor.come(server);
    await v.drop(picture('x.png'), picture('y.png'));
    await v.until('x.png', 'paused');
    await v.until('y.png', 'paused');
    await v.item('y.png').focus();
    await v.page.keyboard.press('Alt+ArrowUp');
    await v.page.waitForSelector('.item:first-child[aria-label="y.png"]');
    await v.item('y.png').dragTo(v.item('x.png'), { targetPosition: { x: 200, y: 80 } });
    await v.page.waitForSelector('.item:first-child[aria-label="x.png"]');
    await v.item('x.png').locator('input').check();
    await v.page.getByRole('button', { name: '× 3', exact: true }).click();
    await until('x.png', (i) => i.settings.scale === 3);
    assert.equal((await item('y.png')).settings.scale, undefined);
    await v.page.getByRole('button', { name: 'Same settings for all' }).click();
    await until('y.png', (i) => i.settings.scale === 3);
    await v.page.getByLabel(/^1 checked/).check();
    await v.page.getByRole('button', { name: 'Remove', exact: true }).click();
    await v.page.waitForFunction(() => !document.querySelector('.item'));
    await v.leave();
});
