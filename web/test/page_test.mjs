// The page in a real browser, in front of a real server: node page_test.mjs REDOUBT CHROMIUM SERVER [FOLDER FOR PICTURES].
// Some things are one story, told in order: it is up, it dies, it comes back.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { Browser } from './chromium.mjs';
import { Endpoint, Server } from './processes.mjs';

const [redoubt, chromium, server_program, pictures] = process.argv.slice(2);
const token = 'a-token-of-this-test-alone';
const shows = (status) => `document.body.dataset.status === '${status}'`;
const text_of = (id) => `document.getElementById('${id}').textContent`;
// What the issue asks for: a dead server turns the page red within three seconds.
const red_limit = 3000;
const patience = 20_000;

async function keep_picture(page, name) {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  writeFileSync(path.join(pictures, `${name}.png`), await page.picture());
}

/** Calls for two projects, until `end()`. */
class Traffic {
  constructor(url) {
    this.url = url;
    this.going = true;
    this.done = Promise.all(['alpha', 'beta'].map((project) => this.run(project)));
  }
  async run(project) {
    const address = `${this.url}/projects/${project}/cache/key`;
    for (let at = 0; this.going; ++at) {
      // While the server is dead these fail, as they should.
      const answer = await fetch(address, at % 4 === 0 ? { method: 'PUT', body: `value ${at}` } : {});
      await answer.arrayBuffer();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  async end() {
    this.going = false;
    await this.done;
  }
}

/** How many pixels of each canvas are of the first series' colour. */
const series_pixels = `(() => {
  const made = (width, height) =>
    Object.assign(document.createElement('canvas'), { width, height }).getContext('2d', { willReadFrequently: true });
  const probe = made(1, 1);
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--series-1');
  probe.fillRect(0, 0, 1, 1);
  const wanted = probe.getImageData(0, 0, 1, 1).data;
  return [...document.querySelectorAll('.chart canvas')].map((canvas) => {
    const copy = made(canvas.width, canvas.height);
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
      if ([0, 1, 2].every((part) => Math.abs(data[at + part] - wanted[part]) < 24) && data[at + 3] > 200) ++found;
    }
    return found;
  });
})()`;

/** Texts that are hard to read: a contrast below 4.5 (WCAG AA) with what is behind them. */
const faint_texts = `(() => {
  const parts = (text) => text.match(/[0-9.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = color.map((value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = parts(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const faint = [];
  let checked = 0;
  for (const node of document.body.querySelectorAll('*')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim() !== '');
    if (!own || node.getClientRects().length === 0 || node.closest('noscript')) continue;
    const [a, b] = [luminance(parts(getComputedStyle(node).color).slice(0, 3)), luminance(behind(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    ++checked;
    if (contrast < 4.5) faint.push(node.textContent.trim().slice(0, 40) + ': ' + contrast.toFixed(2));
  }
  return checked > 30 ? faint : ['only ' + checked + ' texts were found'];
})()`;

/** What reaches beyond the right edge. */
const too_wide = `(() => {
  const edge = document.documentElement.clientWidth;
  const wide = [...document.body.querySelectorAll('*')].filter((node) => node.getBoundingClientRect().right > edge + 0.5);
  const scrolls = document.documentElement.scrollWidth > edge ? ['the page scrolls sideways'] : [];
  return scrolls.concat(wide.map((node) => node.tagName + '.' + node.className + '#' + node.id));
})()`;

test('the page', async (t) => {
  const server = new Server(server_program);
  await server.start();
  t.after(() => server.remove());
  const endpoint = await Endpoint.start(redoubt, ['--url', server.url], {
    CIRCUIT_BREAKER_RECOVERY_TIMEOUT: '1',
    CIRCUIT_BREAKER_SUCCESS_THRESHOLD: '1',
    REDIS_HEALTH_CHECK_INTERVAL: '1',
  });
  t.after(async () => assert.equal(await endpoint.end(), 0, endpoint.child.said));
  const browser = await Browser.launch(chromium);
  t.after(() => browser.close());
  const traffic = new Traffic(endpoint.url);
  t.after(() => traffic.end());
  const page = await browser.page();

  await t.test('shows a healthy server', async () => {
    await page.open(`${endpoint.url}/`);
    await page.until(shows('healthy'), patience);
    assert.equal(await page.evaluate(text_of('status-word')), 'Healthy');
    await page.until(`/^(redis|valkey) [0-9.]+/.test(${text_of('fact-version')})`, patience);
    assert.match(await page.evaluate(text_of('fact-ping')), /^[0-9.]+ (µs|ms)$/);
    assert.match(await page.evaluate('document.title'), /Healthy/);
  });

  await t.test('draws its charts and lists its pools', async () => {
    await page.until(`${series_pixels}.length === 4 && ${series_pixels}.every((count) => count > 15)`, patience);
    await page.until(`['alpha', 'beta'].every((name) => ${text_of('pools')}.includes(name))`, patience);
    await page.until(`document.querySelectorAll('#timeline rect.state-closed').length > 0`, patience);
    await page.until(`/^p50 [0-9.]+ (µs|ms), p99 [0-9.]+ (µs|ms)$/.test(
      document.querySelector('#chart-latency [role=img]').getAttribute('aria-label'))`, patience);
    await page.until(`/^calls [1-9]/.test(
      document.querySelector('#chart-throughput [role=img]').getAttribute('aria-label'))`, patience);
    await page.until(`/^used [0-9.]+ [KM]iB/.test(
      document.querySelector('#chart-memory [role=img]').getAttribute('aria-label'))`, patience);
    await keep_picture(page, 'healthy');
  });

  await t.test('is live', async () => {
    const time = await page.evaluate(text_of('fact-time'));
    await page.until(`${text_of('fact-time')} !== '${time}'`, red_limit);
  });

  await t.test('is readable in the dark, and there looks different', async () => {
    const ground = 'getComputedStyle(document.body).backgroundColor';
    await page.prefer('light');
    const light = await page.evaluate(ground);
    assert.deepEqual(await page.evaluate(faint_texts), []);
    await page.prefer('dark');
    assert.notEqual(await page.evaluate(ground), light);
    assert.deepEqual(await page.evaluate(faint_texts), []);
    await page.until(`${series_pixels}.every((count) => count > 15)`, patience);
    await keep_picture(page, 'dark');
    await page.prefer('light');
  });

  await t.test('fits a phone', async () => {
    await page.resize({ width: 360, height: 780, phone: true });
    await page.until(`${series_pixels}.every((count) => count > 15)`, patience);
    assert.deepEqual(await page.evaluate(too_wide), []);
    await keep_picture(page, 'phone');
    await page.resize({ width: 1280, height: 900 });
  });

  await t.test('is red within three seconds after the server is killed', async (t) => {
    await server.kill();
    // Which word it is depends on who was first: a probe, or the calls that opened the breaker.
    const took = await page.until(`document.body.dataset.tone === 'bad'`, red_limit);
    t.diagnostic(`red after ${Math.round(took)} ms`);
    assert.match(await page.evaluate(text_of('status-word')), /^(Unreachable|Unhealthy)$/);
    assert.notEqual(await page.evaluate(text_of('reasons')), '');
    assert.match(await page.evaluate(text_of('alerts')), /critical/);
    assert.match(await page.evaluate('document.title'), /Unreachable|Unhealthy/);
    await page.until(`document.querySelectorAll('#timeline rect.state-open').length > 0`, patience);
    assert.match(await page.evaluate(text_of('transitions')), /open from closed/);
    assert.deepEqual(await page.evaluate(faint_texts), []);
    await page.prefer('dark');
    assert.deepEqual(await page.evaluate(faint_texts), []);
    await keep_picture(page, 'red-dark');
    await page.prefer('light');
    await keep_picture(page, 'red');
  });

  await t.test('is green again when the server is back', async (t) => {
    await server.start();
    const took = await page.until(`${shows('healthy')} && document.body.dataset.tone === ''`, patience);
    t.diagnostic(`green after ${Math.round(took)} ms`);
    assert.match(await page.evaluate(text_of('alerts')), /resolved/);
    await page.until(`/closed from half-open/.test(${text_of('transitions')})`, patience);
  });

  await t.test('is red within three seconds while the server hangs, and green afterwards', async () => {
    server.signal('SIGSTOP');
    await page.until(`document.body.dataset.tone === 'bad'`, red_limit);
    server.signal('SIGCONT');
    await page.until(shows('healthy'), patience);
  });

  await t.test('shows a second viewer what was before it came', async () => {
    const second = await browser.page();
    await second.open(`${endpoint.url}/`);
    await second.until(shows('healthy'), patience);
    await second.until(`document.querySelectorAll('#timeline rect.state-open').length > 0`, patience);
    assert.match(await second.evaluate(text_of('alerts')), /resolved/);
    assert.deepEqual(second.complaints, []);
  });

  await t.test('says nothing on the console, and asks no other host', () => {
    assert.deepEqual(page.complaints, []);
    assert.ok(page.requests.length >= 4, page.requests.join('\n'));
    assert.deepEqual(page.requests.filter((url) => new URL(url).origin !== endpoint.url), []);
  });

  await t.test('keeps foreign scripts and hosts out', async () => {
    const stray = await browser.page();
    await stray.open(`${endpoint.url}/`);
    await stray.until(shows('healthy'), patience);
    const broken = await stray.evaluate(`new Promise((resolve) => {
      const seen = [];
      document.addEventListener('securitypolicyviolation', (event) => {
        seen.push(event.effectiveDirective);
        if (seen.length === 4) resolve(seen.sort());
      });
      const add = (name, fields) => document.body.append(Object.assign(document.createElement(name), fields));
      add('script', { textContent: 'window.stray = true' });
      add('style', { textContent: 'body { color: red }' });
      add('img', { src: 'http://127.0.0.2:9/x.png' });
      fetch('http://127.0.0.2:9/x').catch(() => {});
    })`);
    assert.deepEqual(broken, ['connect-src', 'img-src', 'script-src-elem', 'style-src-elem']);
    assert.equal(await stray.evaluate('window.stray'), undefined);
  });

  await t.test('is not sent again when the browser has it', async () => {
    const first = await fetch(`${endpoint.url}/page.js`);
    await first.arrayBuffer();
    const again = await fetch(`${endpoint.url}/page.js`, { headers: { 'If-None-Match': first.headers.get('etag') } });
    assert.equal(again.status, 304);
    const other = await fetch(`${endpoint.url}/page.js`, { headers: { 'If-None-Match': '"another"' } });
    await other.arrayBuffer();
    assert.equal(other.status, 200);
  });

  await t.test('says so when Redoubt itself is gone', async () => {
    await traffic.end();
    assert.equal(await endpoint.end(), 0, endpoint.child.said);
    await page.until(`${shows('lost')} && document.body.dataset.tone === 'bad'`, red_limit);
    await keep_picture(page, 'lost');
  });
});

test('a token', async (t) => {
  const endpoint = await Endpoint.start(redoubt, ['--embedded'], { REDOUBT_ADMIN_TOKEN: token });
  t.after(async () => assert.equal(await endpoint.end(), 0, endpoint.child.said));
  const browser = await Browser.launch(chromium);
  t.after(() => browser.close());
  const page = await browser.page();
  const enter = (text) => `document.getElementById('token').value = '${text}';
    document.querySelector('#token-form button').click()`;

  await t.test('is asked for, and a wrong one refused', async () => {
    await page.open(`${endpoint.url}/`);
    await page.until(shows('locked'), patience);
    assert.equal(await page.evaluate(`document.getElementById('board').hidden`), true);
    assert.equal(await page.evaluate(`document.getElementById('token-error').hidden`), true);
    await keep_picture(page, 'token');
    await page.evaluate(enter('not-the-token-of-this-test'));
    await page.until(`!document.getElementById('token-error').hidden`, patience);
    assert.equal(await page.evaluate('sessionStorage.length'), 0);
  });

  await t.test('opens the page, and is kept in this tab alone', async () => {
    await page.evaluate(enter(token));
    await page.until(shows('healthy'), patience);
    await page.open(`${endpoint.url}/?again`);
    await page.until(shows('healthy'), patience);
    assert.deepEqual(await page.evaluate('[localStorage.length, document.cookie, sessionStorage.length]'), [0, '', 1]);
    assert.ok(page.requests.every((url) => !url.includes(token)));
    const other = await browser.page();
    await other.open(`${endpoint.url}/`);
    await other.until(shows('locked'), patience);
  });
});
