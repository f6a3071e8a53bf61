// SPDX-License-Identifier: MIT
// The other ways in: pasted, a folder, files on the server, a watched folder; and what each batch size
// takes before anything runs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { film, nonsense, picture, serve, sleep, Visitor } from './browser.mjs';

const server = serve();

const names = async () => (await server.api('state')).items.map((i) => i.name);

test('a picture is pasted, and one without a name of its own gets one', async () => {
    const v = await Visitor.come(server);
    await v.page.evaluate((base64) => {
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        const t = new DataTransfer();
        t.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
        document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: t, bubbles: true,
            cancelable: true }));
    }, fs.readFileSync(picture('one.png')).toString('base64'));
    const item = v.page.locator('.item[data-state="paused"]');
    await item.waitFor();
    assert.match(await item.getAttribute('aria-label'), /^pasted-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.png$/);
    await v.leave();
});

// A folder with a folder in it, and with something that is neither picture nor film.
function folder() {
    const at = path.join(server.home, 'mine');
    fs.mkdirSync(path.join(at, 'inner'), { recursive: true });
    fs.copyFileSync(picture('one.png'), path.join(at, '10.png'));
    fs.copyFileSync(picture('one.png'), path.join(at, '9.png'));
    fs.copyFileSync(film('short.mkv', 4), path.join(at, 'inner', 'film.MKV'));
    fs.copyFileSync(nonsense('a.txt'), path.join(at, 'a.txt'));
    return at;
}

async function assertFolderIsIn(v) {
    for (const name of ['9.png', '10.png', 'film.MKV'])
        await v.until(name, 'paused');
    assert.deepEqual(await names(), ['9.png', '10.png', 'film.MKV']);
}

test('of a folder that is chosen all pictures and films come in, in their order', async () => {
    const v = await Visitor.come(server);
    const [chooser] = await Promise.all([v.page.waitForEvent('filechooser'),
        v.page.locator('.queue').getByRole('button', { name: 'Choose a folder' }).click()]);
    await chooser.setFiles(folder());
    await assertFolderIsIn(v);
    await v.leave();
});

test('of a folder that is dropped too, by a real drag', async () => {
    const v = await Visitor.come(server);
    const chrome = await v.context.newCDPSession(v.page);
    const data = { items: [], files: [folder()], dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', 'drop'])
        await chrome.send('Input.dispatchDragEvent', { type, x: 700, y: 450, data });
    await assertFolderIsIn(v);
    await v.leave();
});

test('a file on the server is chosen, and runs where it lies', async () => {
    const v = await Visitor.come(server);
    fs.copyFileSync(picture('one.png'), path.join(server.home, 'films', 'there.png'));
    await v.page.locator('.queue').getByRole('button', { name: 'From the server' }).click();
    await v.page.getByLabel('there.png').check();
    await v.page.getByRole('button', { name: 'Add 1 file' }).click();
    await v.until('there.png', 'paused');
    await v.run();
    await v.until('there.png', 'done');
    await v.shown(2);
    await v.leave();
});

test('what comes into a watched folder runs by itself, until that is ended', async () => {
    const v = await Visitor.come(server);
    await v.page.locator('.queue').getByRole('button', { name: 'From the server' }).click();
    await v.page.getByRole('button', { name: 'Watch this folder' }).click();
    const note = v.page.locator('.note', { hasText: 'films is watched' });
    await note.waitFor();
    fs.copyFileSync(picture('one.png'), path.join(server.home, 'films', 'new.png'));
    await v.until('new.png', 'done');
    assert.deepEqual(await names(), ['new.png'], 'what lay there before is left alone');
    await note.getByRole('button', { name: 'End' }).click();
    await note.waitFor({ state: 'detached' });
    assert.deepEqual((await server.api('state')).watched, []);
    await v.leave();
});

// The batch size that is taken by itself, from the estimate that the page asks for.
async function estimatedBatch(name) {
    for (let n = 0; n < 200; n++) {
        const { estimate } = (await server.api('state')).items.find((i) => i.name === name);
        if (estimate && estimate.batch)
            return estimate.batch;
        await sleep(100);
    }
    return assert.fail('no estimate came');
}

test('each batch size says its memory and its speed, and auto says which it takes', async () => {
    const v = await Visitor.come(server);
    await v.drop(film('batch.mkv', 48));
    await v.until('batch.mkv', 'paused');
    const auto = await estimatedBatch('batch.mkv');
    await v.page.getByText('Advanced', { exact: true }).click();
    await v.page.getByRole('button', { name: 'Estimate 1 to 8' }).click();
    const rows = v.page.locator('.batches tbody tr');
    await rows.nth(7).waitFor();
    await v.page.waitForSelector(`.batches tr:nth-child(${auto}).is-now:has-text("(auto)")`);
    const said = await rows.evaluateAll((all) => all.map((r) => [...r.children].map((c) =>
        c.textContent.trim())));
    assert.deepEqual(said.map((r) => parseInt(r[0], 10)), [1, 2, 3, 4, 5, 6, 7, 8]);
    for (const [, memory, speed] of said) {
        assert.match(memory, /^[\d.]+ [kMG]i?B$/);
        assert.match(speed, /^[\d.,]+ frames\/s$/);
    }
    assert.equal(said.filter((r) => /auto/.test(r[0])).length, 1);
    await v.page.locator('#o-batch').fill('3');
    await v.page.waitForSelector('.batches .is-now:has-text("3")');
    await v.page.getByRole('checkbox', { name: 'Parallel processing' }).uncheck();
    await v.page.locator('#o-batch').waitFor({ state: 'detached' });
    await v.drop(picture('one.png'));
    await v.until('one.png', 'paused');
    await v.page.locator('.item[aria-label="one.png"] .frame').click();
    await v.page.getByRole('checkbox', { name: 'Parallel processing' }).check();
    await v.page.waitForSelector('.stage h2:has-text("one.png")');
    assert.equal(await v.page.getByRole('button', { name: 'Estimate 1 to 8' }).count(), 0,
        'one picture is no batch');
    await v.leave();
});

test('a browser that is not known gets in with the token, and only with that', async () => {
    const v = await Visitor.come(server, { stranger: true, forgive: /401/ });
    await v.axe('the way in');
    await v.page.getByLabel('Token').fill('5b'.repeat(32));
    await v.page.getByRole('button', { name: 'Enter' }).click();
    await v.page.waitForSelector('[role=alert]:has-text("token")');
    await v.page.getByLabel('Token').fill(` ${server.token}\n`);
    await v.page.getByRole('button', { name: 'Enter' }).click();
    await v.page.waitForSelector('.queue');
    const [cookie] = await v.context.cookies();
    assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite],
        [`pique_${server.port}`, true, 'Strict']);
    assert.equal(v.page.url(), server.url);
    await v.leave();
});

test('one notification comes when the queue is done, where they are allowed', async () => {
    const v = await Visitor.come(server, { permissions: ['notifications'] });
    await v.page.evaluate(() => {
        window.notes = [];
        const Real = window.Notification;
        window.Notification = class { constructor(title, more) { window.notes.push([title, more.body]); } };
        Object.defineProperty(window.Notification, 'permission', { get: () => Real.permission });
    });
    await v.drop(picture('one.png'), picture('two.png'));
    await v.run();
    await v.until('two.png', 'done');
    await v.page.waitForFunction(() => window.notes.length > 0);
    const [notes, allowed] = await v.page.evaluate(() => [window.notes, Notification.permission]);
    assert.equal(allowed, 'granted');
    assert.equal(notes.length, 1);
    assert.match(notes[0][1], /2/);
    await v.leave();
});
