// SPDX-License-Identifier: MIT
// A server of our own with a tiny model, and a real browser in front of it. Every page that is opened
// here must end without an error on its console and without a request to anybody else.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

export const HERE = path.dirname(fileURLToPath(import.meta.url));
export const PROGRAM = process.env.PIQUE_PROGRAM;
export const PATIENCE = Number(process.env.PIQUE_PATIENCE || 60) * 1000;
const MAKE_MODEL = process.env.PIQUE_MAKE_MODEL;
const CHROMIUM = process.env.PIQUE_CHROMIUM || '/usr/bin/chromium';
export const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/* ---- samples ---- */

const ffmpeg = (...words) => execFileSync('ffmpeg', ['-v', 'error', '-y', ...words]);
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pique-page-'));
process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));

function sample(name, make) {
    const file = path.join(dir, name);
    if (!fs.existsSync(file))
        make(file);
    return file;
}
export const picture = (name, w = 96, h = 64) => sample(name, (f) =>
    ffmpeg('-f', 'lavfi', '-i', `testsrc2=s=${w}x${h}`, '-frames:v', '1', f));
export const glass = () => sample('glass.png', (f) =>
    ffmpeg('-f', 'lavfi', '-i', 'color=red@0.5:s=64x48,format=rgba', '-frames:v', '1', f));
export const film = (name, frames, w = 96, h = 64) => sample(name, (f) =>
    ffmpeg('-f', 'lavfi', '-i', `testsrc2=s=${w}x${h}:r=24`, '-f', 'lavfi', '-i', 'sine', '-frames:v',
        String(frames), '-shortest', '-c:v', 'mpeg4', '-c:a', 'aac', f));
export const nonsense = (name) => sample(name, (f) => fs.writeFileSync(f, 'no picture at all'));

/* ---- the server ---- */

let serial = 0;

// Its one model has random weights; a slow one takes its time for a frame.
class Server {
    constructor({ slow = false } = {}) {
        this.home = path.join(dir, `home-${++serial}`);
        this.port = 20000 + process.pid % 20000 + serial;
        const models = path.join(this.home, 'data/pique/models');
        fs.mkdirSync(models, { recursive: true });
        fs.mkdirSync(path.join(this.home, 'films'));
        execFileSync(MAKE_MODEL, [path.join(models, 'tiny.safetensors'), slow ? '64' : '8',
            slow ? '24' : '2', '4', '1']);
    }

    async start() {
        const env = { ...process.env, HOME: this.home, XDG_STATE_HOME: `${this.home}/state`,
            XDG_DATA_HOME: `${this.home}/data`, XDG_CACHE_HOME: `${this.home}/cache`,
            XDG_RUNTIME_DIR: this.home };
        delete env.DISPLAY;
        delete env.WAYLAND_DISPLAY;
        this.process = spawn(PROGRAM, ['serve', '--no-open', '--port', String(this.port), '--results',
            `${this.home}/results`, '--folder', `${this.home}/films`],
        { env, stdio: ['ignore', 'pipe', 'pipe'] });
        let said = '';
        this.process.stderr.on('data', (x) => { said += x; });
        const line = await new Promise((done, failed) => {
            this.process.stdout.once('data', (x) => done(String(x)));
            this.process.once('exit', () => failed(new Error(`the server ended: ${said}`)));
        });
        this.launch = line.trim().split('\n')[0];
        const where = JSON.parse(fs.readFileSync(`${this.home}/state/pique/server.json`, 'utf8'));
        this.port = where.port;
        this.token = where.token;
        this.url = `http://127.0.0.1:${this.port}/`;
        return this;
    }

    async end(signal = 'SIGTERM') {
        const gone = new Promise((done) => this.process.once('exit', done));
        this.process.kill(signal);
        await gone;
    }

    // Whatever a test left behind is no matter of the next one.
    async clear() {
        for (const i of (await this.api('state')).items) {
            await fetch(`${this.url}api/items/${i.id}`, { method: 'DELETE',
                headers: { Authorization: `Bearer ${this.token}`, 'X-Pique': '1' } });
        }
        for (let n = 0; n < 100 && (await this.api('state')).items.length; n++)
            await sleep(100);
    }

    async api(where) {
        const answer = await fetch(`${this.url}api/${where}`,
            { headers: { Authorization: `Bearer ${this.token}` } });
        return answer.json();
    }
}

/* ---- the browser ---- */

let browser = null;
// A server and a browser for the tests of a file, each of which begins with an empty queue.
export function serve(options) {
    const server = new Server(options);
    before(async () => {
        await server.start();
        browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    });
    afterEach(() => server.clear());
    after(async () => {
        await browser.close();
        await server.end();
    });
    return server;
}

// A visitor whom the server knows, or a stranger. forgive: what the console may say, where a test breaks things.
export class Visitor {
    static async come(server, options = {}) {
        const v = new Visitor();
        const { forgive, stranger, ...more } = options;
        v.server = server;
        v.forgive = forgive || /^$/;
        v.errors = [];
        v.requests = [];
        v.context = await browser.newContext({ viewport: { width: 1440, height: 900 },
            locale: 'en-GB', colorScheme: 'dark', acceptDownloads: true, ...more });
        if (!stranger) {
            await v.context.addCookies([{ name: `pique_${server.port}`, value: server.token,
                url: server.url }]);
        }
        await v.context.addInitScript(() => {
            if (!localStorage.getItem('pique.draft'))
                localStorage.setItem('pique.draft', '{"model": "tiny"}');
        });
        v.page = await v.open(stranger ? '.alone' : '.queue');
        return v;
    }

    async open(sign = '.queue') {
        const page = await this.context.newPage();
        page.setDefaultTimeout(PATIENCE);
        page.on('pageerror', (e) => this.errors.push(String(e.stack)));
        page.on('console', (m) => {
            if (m.type() === 'error' || m.type() === 'warning')
                this.errors.push(`${m.text()} ${m.location().url}`);
        });
        page.on('request', (r) => this.requests.push(r.url()));
        await page.goto(this.server.url);
        await page.waitForSelector(sign);
        return page;
    }

    async leave() {
        await this.context.close();
        const others = this.requests.filter((u) => !u.startsWith(this.server.url) &&
            !u.startsWith('blob:'));
        assert.deepEqual(others, [], 'no request to another host');
        assert.deepEqual(this.errors.filter((e) => !this.forgive.test(e)), [], 'no console error');
    }

    // As if the files came from a folder window.
    async drop(...files) {
        const data = files.map((f) => ({ name: path.basename(f),
            bytes: fs.readFileSync(f).toString('base64') }));
        const transfer = await this.page.evaluateHandle((all) => {
            const t = new DataTransfer();
            for (const f of all) {
                const bytes = Uint8Array.from(atob(f.bytes), (c) => c.charCodeAt(0));
                t.items.add(new File([bytes], f.name));
            }
            return t;
        }, data);
        await this.page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
    }

    item(name) {
        return this.page.locator('.item', { has: this.page.getByText(name, { exact: true }) });
    }

    async until(name, ...states) {
        const wanted = states.map((s) => `.item[aria-label="${name}"][data-state="${s}"]`).join(',');
        await this.page.waitForSelector(wanted);
    }

    run() {
        return this.page.click('#run:not(:disabled)');
    }

    // Pictures on the stage that are really there.
    async shown(count) {
        await this.page.waitForFunction((n) => [...document.querySelectorAll('.print')]
            .filter((i) => i.complete && i.naturalWidth > 0).length >= n, count);
    }

    async axe(what) {
        await this.page.evaluate(fs.readFileSync(AXE, 'utf8'));
        const found = await this.page.evaluate(() => window.axe.run());
        assert.deepEqual(found.violations.map((x) => `${x.id}: ${x.nodes.map((n) =>
            n.target.join(' ')).slice(0, 4).join(', ')}`), [], what);
    }
}
