// Everything on the page but charts: what the last sample says, as text. Text only ever goes in as textContent.
import { bytes, clock, count, duration, millis, percent, unknown, words } from './format.js';

const marks = { connecting: '…', healthy: '✓', degraded: '!', unhealthy: '✕', unreachable: '✕', lost: '?', locked: '…' };
const titles = {
  connecting: 'Connecting',
  healthy: 'Healthy',
  degraded: 'Degraded',
  unhealthy: 'Unhealthy',
  unreachable: 'Unreachable',
  lost: 'No data',
  locked: 'Token needed',
};

export function by_id(id) {
  return document.getElementById(id);
}

// Only what differs is written: a live region would speak again, and a selection would be lost.
function set_text(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function set_list(list, texts) {
  if (list.children.length === texts.length && texts.every((text, at) => list.children[at].textContent === text)) return;
  list.replaceChildren(
    ...texts.map((text) => {
      const item = document.createElement('li');
      item.textContent = text;
      return item;
    }),
  );
}

/** The verdict: `status` as in `titles`, and why. */
export function show_verdict(status, reasons, endpoint = '') {
  const { dataset } = document.body;
  dataset.status = status;
  dataset.tone = ['unhealthy', 'unreachable', 'lost'].includes(status) ? 'bad' : '';
  set_text(by_id('mark'), marks[status] ?? '?');
  set_text(by_id('status-word'), titles[status] ?? status);
  set_list(by_id('reasons'), reasons);
  const title = `${marks[status] ?? '?'} ${titles[status] ?? status}${endpoint ? ` · ${endpoint}` : ''}`;
  if (document.title !== title) document.title = title;
}

export function show_facts({ server, probe, time }) {
  const role = server.role && server.role !== 'master' ? ` (${server.role})` : '';
  set_text(by_id('fact-endpoint'), server.endpoint);
  set_text(by_id('fact-version'), server.version ? `${words(server.kind)} ${server.version}${role}` : unknown);
  set_text(by_id('fact-uptime'), probe.error ? unknown : duration(server.uptime_seconds));
  set_text(by_id('fact-ping'), probe.ok ? millis(probe.ms) : probe.error ? 'no answer' : unknown);
  set_text(by_id('fact-time'), clock(time));
}

const tiles = [
  { name: 'Calls a second', show: (s) => ({ value: count(s.point.calls), note: `${count(s.totals.in_flight)} in flight` }) },
  {
    name: 'Failures a second',
    show: (s) => ({
      value: count(s.point.failures),
      note: `${count(s.totals.failed_calls)} failed, ${count(s.totals.rejected_calls)} refused`,
      tone: s.point.failures > 0 ? 'bad' : '',
      flag: 'failing',
    }),
  },
  {
    name: 'Latency p99',
    show: (s) => ({ value: millis(s.point.p99_ms), note: `p50 ${millis(s.point.p50_ms)}` }),
  },
  {
    name: 'Memory',
    show: ({ memory, probe }) => ({
      value: percent(memory.usage_percentage),
      note: memory.max_memory_bytes
        ? `${probe.error ? 'last known: ' : ''}${bytes(memory.usage_bytes)} of ${bytes(memory.max_memory_bytes)}`
        : 'not known',
      tone: memory.status === 'critical' ? 'bad' : memory.status === 'warning' ? 'warn' : '',
      flag: memory.status,
    }),
  },
  {
    name: 'Connections',
    show: ({ totals }) => ({
      value: count(totals.created),
      note: `${count(totals.busy)} busy, ${count(totals.waiting)} waiting`,
      tone: totals.waiting > 0 ? 'warn' : '',
      flag: 'waiting',
    }),
  },
  {
    name: 'Circuit breaker',
    show: ({ breaker }) => ({
      value: words(breaker.state),
      note: `for ${duration(breaker.seconds)}, opened ${breaker.circuit_opens}×`,
      tone: breaker.state === 'closed' ? '' : breaker.state.endsWith('open') && breaker.state !== 'half_open' ? 'bad' : 'warn',
      flag: breaker.state === 'disabled' ? 'by hand' : 'refusing',
    }),
  },
];

function tile_part(parent, class_name) {
  const made = document.createElement('div');
  made.className = class_name;
  parent.append(made);
  return made;
}

export function make_tiles(host) {
  const made = tiles.map(({ name, show }) => {
    const tile = tile_part(host, 'tile');
    tile_part(tile, 'tile-name').textContent = name;
    const line = tile_part(tile, 'tile-line');
    const value = tile_part(line, 'tile-value');
    const flag = tile_part(line, 'tile-flag');
    const note = tile_part(tile, 'tile-note');
    value.textContent = unknown;
    return { tile, flag, value, note, show };
  });
  return (sample) => {
    for (const { tile, flag, value, note, show } of made) {
      const shown = show(sample);
      tile.dataset.tone = shown.tone ?? '';
      set_text(value, shown.value);
      set_text(note, shown.note);
      set_text(flag, shown.tone ? shown.flag : '');
    }
  };
}

const alert_tones = { critical: 'bad', warning: 'warn', resolved: 'good' };
const alert_marks = { critical: '✕', warning: '!', resolved: '✓' };
const state_tones = { closed: 'good', half_open: 'warn', open: 'bad', forced_open: 'bad', disabled: 'warn' };

function log_item(time, tag, tone, text) {
  const item = document.createElement('li');
  const when = document.createElement('time');
  when.dateTime = new Date(time * 1000).toISOString();
  when.textContent = clock(time);
  const what = document.createElement('span');
  const label = document.createElement('span');
  label.className = 'tag';
  label.dataset.tone = tone;
  label.textContent = tag;
  what.append(label, ` ${text}`);
  item.append(when, what);
  return item;
}

// The newest first; new ones are put on top of what is there, so that a live region tells them alone.
function show_log(list, entries, make, none) {
  const newest = entries.slice(-30).reverse();
  const keys = newest.map((entry) => JSON.stringify(entry));
  if (newest.length === 0) {
    const empty = document.createElement('li');
    empty.className = 'none';
    empty.textContent = none;
    if (list.firstElementChild?.className !== 'none') list.replaceChildren(empty);
    return;
  }
  const kept = new Map();
  for (const item of [...list.children]) {
    if (keys.includes(item.dataset.key)) kept.set(item.dataset.key, item);
    else item.remove();
  }
  keys.forEach((key, at) => {
    let item = kept.get(key);
    if (!item) {
      item = make(newest[at]);
      item.dataset.key = key;
    }
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
}

export function show_logs(history) {
  show_log(
    by_id('transitions'),
    history.transitions,
    ({ time, from, to }) => log_item(time, words(to), state_tones[to] ?? '', `from ${words(from)}`),
    'No transitions so far.',
  );
  show_log(
    by_id('alerts'),
    history.alerts,
    ({ time, severity, text }) =>
      log_item(time, `${alert_marks[severity] ?? ''} ${severity}`, alert_tones[severity] ?? '', text),
    'None so far.',
  );
}

export function show_asides({ breaker, memory, pools_count, pools, advice }) {
  set_text(by_id('breaker-aside'), `${words(breaker.state)} for ${duration(breaker.seconds)}`);
  const limit = memory.limit === 'machine' ? 'of the machine, no maxmemory' : `of maxmemory, ${memory.eviction_policy}`;
  set_text(by_id('memory-aside'), memory.max_memory_bytes ? limit : 'not known');
  set_text(
    by_id('pools-aside'),
    pools_count > pools.length ? `the busiest ${pools.length} of ${pools_count}` : `${pools_count}`,
  );
  by_id('advice-panel').hidden = advice.length === 0;
  set_list(by_id('advice'), advice);
}
