// SPDX-License-Identifier: MIT
// A newcomer's way: drop, Run, look, keep.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';
import { film, glass, nonsense, picture, serve, Visitor } from './browser.mjs';

const server = serve();

async function kept(visitor, click) {
    const [download] = await Promise.all([visitor.page.waitForEvent('download'), click()]);
    return { name: download.suggestedFilename(), data: fs.readFileSync(await download.path()) };
}

test('the printed address lets a browser in once, and leads to the page', async () => {
    const v = await Visitor.come(server);
    await v.context.clearCookies();
    const page = await v.context.newPage();
    await page.goto(server.launch);
    await page.waitForSelector('.invite');
    assert.ok(!page.url().includes('launch'));
    const cookies = await v.context.cookies();
    assert.ok(cookies.some((c) => c.name === `pique_${server.port}` && c.httpOnly));
    v.server = { url: new URL('/', page.url()).href }; // "localhost" now, which is the same server
    v.requests.length = 0;
    await v.leave();
});

test('a browser without a cookie is told how to get in', async () => {
    const v = await Visitor.come(server, { forgive: /401/ });
    await v.context.clearCookies();
    await v.page.reload();
    await v.page.waitForSelector('.alone');
    assert.match(await v.page.textContent('.alone'), /pique serve/);
    await v.leave();
});

test('a picture goes from drop to the result in two actions', async () => {
    const v = await Visitor.come(server);
    await v.drop(picture('one.png'));
    await v.run();
    await v.until('one.png', 'done');
    await v.shown(2);
    assert.match(await v.item('one.png').textContent(), /96 × 64.*384 × 256/s);
    const slider = v.page.getByLabel('Before and after');
    await slider.focus();
    await v.page.keyboard.press('ArrowRight');
    assert.equal(await slider.inputValue(), '50.5');
    const file = await kept(v, () => v.page.click('.stage-head .is-main'));
    assert.equal(file.name, 'one.png');
    assert.equal(file.data.subarray(1, 4).toString(), 'PNG');
    assert.equal(file.data.readUInt32BE(16), 384);
    await v.leave();
});

test('a batch with other settings runs, and all of it comes down from the gallery', async () => {
    const v = await Visitor.come(server);
    await v.page.getByRole('button', { name: '× 2', exact: true }).click();
    await v.drop(picture('a.png', 64, 48), picture('b.png', 64, 48), glass());
    await v.run();
    for (const name of ['a.png', 'b.png', 'glass.png'])
        await v.until(name, 'done');
    await v.page.waitForSelector('.toast:has-text("done")');
    assert.match(await v.item('b.png').textContent(), /128 × 96/);
    await v.page.getByRole('button', { name: 'Gallery' }).click();
    const here = (await server.api('state')).items.filter((i) => i.state === 'done').length;
    assert.equal(await v.page.locator('.prints li').count(), here);
    const coming = v.page.waitForEvent('download');
    await v.page.getByRole('button', { name: 'Download all' }).click();
    const archive = await coming;
    assert.equal(archive.suggestedFilename(), 'pique.zip');
    const listed = execFileSync('python3', ['-m', 'zipfile', '-l', await archive.path()]);
    assert.equal(listed.toString().trim().split('\n').length, here + 1);
    await v.item('glass.png').locator('.frame').click();
    await v.shown(2);
    assert.equal(await v.page.locator('.pictures.has-alpha').count(), 1);
    await v.leave();
});

test('a film tells of its batches, shows its frames and can be kept', async () => {
    const v = await Visitor.come(server);
    await v.drop(film('clip.mkv', 40));
    await v.until('clip.mkv', 'paused');
    assert.match(await v.item('clip.mkv').textContent(), /24 fps.*mpeg4.*1 audio track/s);
    await v.item('clip.mkv').locator('.frame').click();
    await v.run();
    await v.until('clip.mkv', 'done');
    await v.page.waitForSelector('.log li');
    assert.match(await v.page.textContent('.log li:last-child'),
        /^Batch \d+: \d+ frames? upscaled and saved/);
    await v.page.getByLabel('Frame', { exact: true }).focus();
    await v.page.keyboard.press('End');
    assert.equal(await v.page.textContent('.frames output'), 'Frame 40 / 40');
    await v.shown(2);
    const file = await kept(v, () => v.page.click('.stage-head .is-main'));
    assert.equal(file.name, 'clip.mkv');
    assert.ok(file.data.length > 1000);
    await v.leave();
});

test('what is no picture says so in a sentence, with one button for what helps', async () => {
    const v = await Visitor.come(server, { forgive: /thumb/ });
    await v.drop(nonsense('letter.png'));
    await v.until('letter.png', 'failed');
    const trouble = v.item('letter.png').locator('.trouble');
    assert.match(await trouble.textContent(), /letter\.png/);
    assert.equal(await trouble.locator('button').count(), 1);
    await v.page.getByRole('button', { name: 'Remove from the queue: letter.png' }).click();
    await v.item('letter.png').waitFor({ state: 'detached' });
    await v.leave();
});

test('Test shows the middle of a picture through the settings', async () => {
    const v = await Visitor.come(server);
    await v.drop(picture('large.png', 1000, 700));
    await v.until('large.png', 'paused');
    await v.item('large.png').locator('.frame').click();
    await v.page.getByRole('button', { name: 'Test', exact: true }).click();
    await v.page.waitForSelector('.trials');
    await v.shown(2);
    const sizes = await v.page.evaluate(() => [...document.querySelectorAll('.print')]
        .map((i) => i.naturalWidth));
    assert.deepEqual(sizes, [512, 2048]);
    await v.leave();
});

test('names are a list that is filled with the stems', async () => {
    const v = await Visitor.come(server);
    await v.drop(picture('first.png'));
    await v.until('first.png', 'paused');
    await v.item('first.png').locator('input').check();
    await v.page.getByText('Naming', { exact: true }).click();
    await v.page.getByLabel('Custom').check();
    const name = v.page.getByLabel('Name of the result of first.png');
    assert.equal(await name.inputValue(), 'first');
    await name.fill('the castle');
    await name.press('Tab');
    await v.run();
    await v.until('first.png', 'done');
    assert.ok(fs.existsSync(`${server.home}/results/the castle.png`));
    await v.leave();
});

test('a file on the server is chosen, not typed, and not copied', async () => {
    fs.copyFileSync(picture('far.png'), `${server.home}/films/far.png`);
    const v = await Visitor.come(server);
    await v.page.getByRole('button', { name: 'From the server' }).first().click();
    await v.page.getByLabel(/far\.png/).check();
    await v.page.getByRole('button', { name: 'Add 1 file' }).click();
    await v.until('far.png', 'paused');
    const item = (await server.api('state')).items.find((i) => i.name === 'far.png');
    assert.equal(item.uploaded, false);
    await v.leave();
});
