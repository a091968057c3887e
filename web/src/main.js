// The page of `redoubt serve`: one stream of events in, one screen out.
import './page.css';

import { Chart } from './charts.js';
import { bytes, count, millis, percent } from './format.js';
import { History } from './history.js';
import { Pools } from './pools.js';
import { Stream } from './stream.js';
import { draw, segments } from './timeline.js';
import { by_id, make_tiles, show_asides, show_facts, show_logs, show_verdict } from './view.js';

// Of this tab, and gone with it.
const token_key = 'redoubt-token';

const history = new History();
const show_tiles = make_tiles(by_id('tiles'));
const pools = new Pools(by_id('pools'), by_id('pools-more'));
let latest;
let locked = false;

function thresholds() {
  const memory = latest?.memory;
  if (!memory?.max_memory_bytes) return [];
  return [
    { value: memory.warning * memory.max_memory_bytes, label: `warning ${percent(memory.warning)}`, tone: '--warn' },
    { value: memory.critical * memory.max_memory_bytes, label: `critical ${percent(memory.critical)}`, tone: '--bad', above: true },
  ];
}

const charts = [
  new Chart(by_id('chart-throughput'), history, {
    series: [
      { column: 'calls', label: 'calls' },
      { column: 'failures', label: 'failed or refused' },
    ],
    format: count,
    least: () => 4,
  }),
  new Chart(by_id('chart-latency'), history, {
    series: [
      { column: 'p50_ms', label: 'p50' },
      { column: 'p99_ms', label: 'p99' },
    ],
    format: millis,
  }),
  new Chart(by_id('chart-memory'), history, {
    series: [{ column: 'memory_bytes', label: 'used' }],
    format: bytes,
    lines: thresholds,
    least: () => latest?.memory.max_memory_bytes ?? 0,
    steps: Array.from({ length: 50 }, (_, power) => 2 ** power),
  }),
  new Chart(by_id('chart-connections'), history, {
    series: [
      { column: 'in_use', label: 'busy' },
      { column: 'waiting', label: 'callers waiting' },
    ],
    format: count,
    least: () => 4,
  }),
];

function show_timeline() {
  const now = history.last;
  const begin = now - history.capacity;
  const since = Math.min(history.time[0] ?? now, latest.time - latest.breaker.seconds);
  draw(by_id('timeline'), segments(history.transitions, latest.breaker.state, begin, now, since), begin, now);
}

let drawing = false;

// Once a frame at most, and not at all while nobody looks.
function show() {
  drawing = false;
  if (!latest) return;
  show_verdict(latest.status, latest.reasons, latest.server.endpoint);
  show_facts(latest);
  show_tiles(latest);
  show_asides(latest);
  show_logs(history);
  show_timeline();
  pools.show(latest.pools);
  for (const chart of charts) chart.update();
}

function show_soon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(show);
}

function lock(refused) {
  locked = true;
  by_id('token-form').hidden = false;
  by_id('board').hidden = true;
  by_id('token-error').hidden = !refused;
  by_id('token-error').textContent = refused ? 'The server did not accept that token.' : '';
  show_verdict('locked', ['Enter the token of this server to see its state.']);
  by_id('token').focus();
}

function unlock() {
  if (!locked) return;
  locked = false;
  by_id('token-form').hidden = true;
  by_id('board').hidden = false;
}

const stream = new Stream('events', {
  on_event(name, value) {
    unlock();
    if (name === 'history') history.load(value);
    if (name !== 'sample') return;
    history.push(value);
    latest = value;
    // A tab in the background gets no frames, but its title is seen.
    if (document.hidden) show_verdict(value.status, value.reasons, value.server.endpoint);
    show_soon();
  },
  on_lost(why) {
    if (locked) return;
    const old = latest ? ` What is below is of ${new Date(latest.time * 1000).toLocaleTimeString()}.` : '';
    latest = undefined;
    show_verdict('lost', [`Redoubt's own endpoint does not tell anything: ${why}.${old}`]);
  },
  on_refused() {
    const had = sessionStorage.getItem(token_key) !== null;
    sessionStorage.removeItem(token_key);
    lock(had);
  },
});

by_id('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(token_key, by_id('token').value);
  by_id('token').value = '';
  stream.start(sessionStorage.getItem(token_key));
});

stream.start(sessionStorage.getItem(token_key));
