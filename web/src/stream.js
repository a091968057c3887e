// Server-sent events through fetch: an EventSource cannot send the token's header.

/** Cuts a text stream into events; `push` takes pieces as they come, wherever they are cut. */
export class EventParser {
  constructor(on_event) {
    this.on_event = on_event;
    this.rest = '';
    this.name = '';
    this.data = [];
  }

  push(text) {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop();
    for (const line of lines) this.line(line.endsWith('\r') ? line.slice(0, -1) : line);
  }

  line(line) {
    if (line === '') {
      if (this.data.length > 0) this.on_event(this.name || 'message', this.data.join('\n'));
      this.name = '';
      this.data = [];
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment: a sign of life
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.name = value;
    if (field === 'data') this.data.push(value);
  }
}

const first_pause = 500;
const longest_pause = 5000;
// The server speaks once a second.
export const silence_limit = 3000;

/**
 * Keeps one stream open for as long as the page lives. Tells `on_event(name, value)`, `on_lost(why)` and, when the server
 * wants a token or refuses the one it got, `on_refused()`, after which it rests until `start(token)`.
 */
export class Stream {
  constructor(url, listeners) {
    this.url = url;
    this.listeners = listeners;
    this.pause = first_pause;
    this.run = 0;
  }

  start(token) {
    this.token = token;
    this.abort?.abort();
    clearTimeout(this.timer);
    this.pause = first_pause;
    this.open(++this.run);
  }

  async open(run) {
    const abort = new AbortController();
    this.abort = abort;
    const watchdog = new Watchdog(silence_limit, () => abort.abort());
    let why = 'the connection was closed';
    try {
      const headers = { Accept: 'text/event-stream' };
      if (this.token) headers.Authorization = `Bearer ${this.token}`;
      const response = await fetch(this.url, { headers, cache: 'no-store', credentials: 'omit', signal: abort.signal });
      if (response.status === 401 || response.status === 403) {
        if (run === this.run) this.listeners.on_refused();
        return;
      }
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      await this.read(response.body.getReader(), watchdog, run);
    } catch (error) {
      why = abort.signal.aborted ? 'it is silent' : error instanceof TypeError ? 'it cannot be reached' : error.message;
    } finally {
      watchdog.stop();
    }
    if (run !== this.run) return;
    this.listeners.on_lost(why);
    this.timer = setTimeout(() => this.open(run), this.pause);
    this.pause = Math.min(this.pause * 2, longest_pause);
  }

  async read(reader, watchdog, run) {
    const decoder = new TextDecoder();
    const parser = new EventParser((name, data) => {
      if (run !== this.run) return;
      this.pause = first_pause;
      this.listeners.on_event(name, JSON.parse(data));
    });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      watchdog.feed();
      parser.push(decoder.decode(value, { stream: true }));
    }
  }
}

class Watchdog {
  constructor(limit, on_silence) {
    this.limit = limit;
    this.on_silence = on_silence;
    this.feed();
  }
  feed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.on_silence, this.limit);
  }
  stop() {
    clearTimeout(this.timer);
  }
}
