// The processes of the page's tests: a server, and `redoubt serve` in front of it. All end with the test.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function start(program, words, env = process.env) {
  const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      child.said = (child.said + text).slice(-8000);
      child.emit('said');
    });
  }
  child.ended = new Promise((resolve) => {
    child.once('error', (error) => {
      child.said += error.message;
      resolve(error);
    });
    child.once('exit', resolve);
  }).then((how) => {
    running.delete(child);
    child.gone = true;
    child.emit('said');
    return how;
  });
  return child;
}

/** Until `look()` gives something; each time the child says something, and at least every 20 ms. */
async function until(child, look, what) {
  const limit = performance.now() + 20_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (child.gone || performance.now() > limit) throw new Error(`${what}; it said:\n${child.said}`);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, 20);
      child.once('said', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function answers(socket) {
  return new Promise((resolve) => {
    const connection = net.connect(socket);
    connection.once('error', () => resolve(false));
    connection.once('connect', () => connection.write('PING\r\n'));
    connection.once('data', (data) => {
      connection.destroy();
      resolve(data.toString().startsWith('+PONG'));
    });
  });
}

/** A Redis or Valkey of the test's own, on a private socket, that can be killed and started again. */
export class Server {
  constructor(program) {
    this.program = program;
    this.folder = mkdtempSync(path.join(tmpdir(), 'redoubt-page-'));
    this.socket = path.join(this.folder, 'socket');
    this.url = `unix://${this.socket}`;
  }

  async start() {
    const settings = { port: 0, unixsocket: this.socket, dir: this.folder, save: '', appendonly: 'no', maxmemory: '64mb' };
    const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.child = start(this.program, [...words, '--maxmemory-policy', 'allkeys-lru']);
    await until(this.child, () => answers(this.socket), `${this.program} does not answer`);
  }

  signal(name) {
    this.child.kill(name);
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.child.ended;
    rmSync(this.socket, { force: true });
  }

  async remove() {
    if (!this.child.gone) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** `redoubt serve`, on a port that the system chooses. */
export class Endpoint {
  static async start(program, words, environment = {}) {
    const endpoint = new Endpoint();
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, REDIS_ENVIRONMENT: 'production', ...environment };
    endpoint.child = start(program, ['serve', '--port', '0', ...words], env);
    const look = () => /(http:\/\/[0-9.]+:\d+)/.exec(endpoint.child.said)?.[1];
    endpoint.url = await until(endpoint.child, look, 'redoubt serve does not say where it listens');
    return endpoint;
  }

  async end() {
    this.child.kill('SIGTERM');
    const forced = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    const status = await this.child.ended;
    clearTimeout(forced);
    return status;
  }
}
