// Drives headless Chromium through the DevTools protocol, over a pair of pipes: nothing but Node.js is needed for it.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const launch_limit = 30_000;

export class Browser {
  static async launch(program) {
    const browser = new Browser(program);
    await browser.send('Browser.getVersion');
    return browser;
  }

  constructor(program) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'redoubt-chromium-'));
    this.calls = new Map();
    this.pages = new Map();
    this.last = 0;
    this.rest = '';
    this.said = '';
    const flags = [
      '--headless=new',
      '--remote-debugging-pipe',
      `--user-data-dir=${this.folder}`,
      '--no-first-run',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-extensions',
      '--disable-sync',
      '--hide-scrollbars',
      '--force-color-profile=srgb',
    ];
    // Its sandbox wants a user other than root.
    if (process.getuid() === 0) flags.push('--no-sandbox');
    // A group of its own: Chromium is many processes.
    this.child = spawn(program, [...flags, 'about:blank'], { detached: true, stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stderr.setEncoding('utf8').on('data', (text) => (this.said = (this.said + text).slice(-4000)));
    this.child.once('error', (error) => this.fail(error));
    this.child.once('exit', () => this.fail(new Error(`Chromium ended; it said:\n${this.said}`)));
    this.out = this.child.stdio[3];
    this.out.on('error', () => {});
    this.child.stdio[4].setEncoding('utf8').on('data', (text) => this.receive(text));
    this.timer = setTimeout(() => this.fail(new Error(`Chromium did not start; it said:\n${this.said}`)), launch_limit);
  }

  fail(error) {
    this.failure = error;
    for (const { reject } of this.calls.values()) reject(error);
    this.calls.clear();
  }

  receive(text) {
    const messages = (this.rest + text).split('\0');
    this.rest = messages.pop();
    for (const message of messages) this.handle(JSON.parse(message));
  }

  handle({ id, result, error, method, params, sessionId }) {
    clearTimeout(this.timer);
    if (id === undefined) {
      this.pages.get(sessionId)?.handle(method, params);
      return;
    }
    const call = this.calls.get(id);
    this.calls.delete(id);
    if (error) call?.reject(new Error(`${call.method}: ${error.message}`));
    else call?.resolve(result);
  }

  send(method, params = {}, sessionId = undefined) {
    if (this.failure) return Promise.reject(this.failure);
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.calls.set(id, { method, resolve, reject });
      this.out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  async page({ width = 1280, height = 900 } = {}) {
    // A context of its own: no cache, cookie or storage of another page.
    const { browserContextId } = await this.send('Target.createBrowserContext');
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId);
    this.pages.set(sessionId, page);
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.send(`${domain}.enable`);
    await page.resize({ width, height });
    return page;
  }

  async close() {
    clearTimeout(this.timer);
    await this.send('Browser.close').catch(() => {});
    const forced = setTimeout(() => process.kill(-this.child.pid, 'SIGKILL'), 5000);
    await this.ended;
    clearTimeout(forced);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** One tab. `complaints` are errors and warnings of any kind, broken content policies among them; `requests` are URLs. */
export class Page {
  constructor(browser, session) {
    this.browser = browser;
    this.session = session;
    this.complaints = [];
    this.requests = [];
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  handle(method, params) {
    if (method === 'Network.requestWillBeSent') this.requests.push(params.request.url);
    if (method === 'Runtime.exceptionThrown') {
      const { text, exception } = params.exceptionDetails;
      this.complaints.push(`exception: ${text} ${exception?.description ?? ''}`);
    }
    if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type)) {
      this.complaints.push(`console.${params.type}: ${params.args.map((a) => a.value ?? a.description).join(' ')}`);
    }
    if (method === 'Log.entryAdded' && ['error', 'warning'].includes(params.entry.level)) {
      this.complaints.push(`${params.entry.source}: ${params.entry.text} ${params.entry.url ?? ''}`);
    }
  }

  async open(url) {
    const { errorText } = await this.send('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
  }

  /** The value of an expression, promises waited for. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /** Until the expression holds; how many milliseconds that took. */
  async until(expression, limit) {
    const start = performance.now();
    // A document that is being opened has no body yet.
    while (!(await this.evaluate(`document.body !== null && Boolean(${expression})`))) {
      if (performance.now() - start > limit) {
        const shown = await this.evaluate('document.body.innerText');
        throw new Error(`not within ${limit} ms: ${expression}\nThe page shows:\n${shown}\n${this.complaints.join('\n')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return performance.now() - start;
  }

  resize({ width, height, scale = 1, phone = false }) {
    return this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: scale, mobile: phone });
  }

  prefer(scheme) {
    return this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  }

  /** A PNG of the whole page. */
  async picture() {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true });
    return Buffer.from(data, 'base64');
  }
}
