// The page's own arithmetic, without a browser: node unit_test.mjs.
import assert from 'node:assert/strict';
import test from 'node:test';

import * as format from '../src/format.js';
import { columns, History } from '../src/history.js';
import { EventParser } from '../src/stream.js';
import { segments } from '../src/timeline.js';

test('figures as text', () => {
  const cases = [
    [format.count, [[0, '0'], [7, '7'], [1.25, '1.3'], [999, '999'], [9999, '9999'], [12345, '12.3k'], [2.5e6, '2.50M'], [null, '–']]],
    [format.millis, [[0.0421, '42 µs'], [1.5, '1.50 ms'], [12.34, '12.3 ms'], [250, '250 ms'], [2500, '2.50 s'], [undefined, '–']]],
    [format.bytes, [[0, '0 B'], [512, '512 B'], [1536, '1.50 KiB'], [1 << 30, '1 GiB'], [NaN, '–']]],
    [format.percent, [[0, '0%'], [0.0042, '0.42%'], [0.055, '5.5%'], [0.84, '84%'], [1, '100%'], [undefined, '–']]],
    [format.duration, [[0, '0 s'], [59.9, '59 s'], [61, '1 min 1 s'], [3700, '1 h 1 min'], [90061, '1 d 1 h'], [null, '–']]],
  ];
  for (const [shown, pairs] of cases) for (const [value, text] of pairs) assert.equal(shown(value), text);
  assert.equal(format.words('half_open'), 'half-open');
});

test('events are the same wherever the stream is cut', () => {
  const stream = ': hello\n\nevent: sample\ndata: {"a":\ndata: 1}\n\ndata: plain\r\n\r\nevent: none\n\nid: 7\ndata\n\n';
  const expected = [['sample', '{"a":\n1}'], ['message', 'plain'], ['message', '']];
  for (let cut = 0; cut <= stream.length; ++cut) {
    const events = [];
    const parser = new EventParser((...event) => events.push(event));
    parser.push(stream.slice(0, cut));
    parser.push(stream.slice(cut));
    assert.deepEqual(events, expected, `cut at ${cut}`);
  }
});

test('the history keeps its last samples', () => {
  const history = new History();
  const samples = Object.fromEntries(columns.map((name) => [name, [1, 2, 3]]));
  history.load({ capacity: 4, samples, transitions: [], alerts: [] });
  for (const time of [4, 5]) {
    const point = Object.fromEntries(columns.map((name) => [name, time]));
    history.push({ point, transitions: [{ time }], alerts: [] });
  }
  for (const name of columns) assert.deepEqual(history[name], [2, 3, 4, 5]);
  assert.deepEqual(history.transitions, [{ time: 4 }, { time: 5 }]);
  assert.equal(history.last, 5);
  assert.equal(history.span, 4);
  history.capacity = 900;
  assert.equal(history.span, 60);
  history.time[0] = -295;
  assert.equal(history.span, 300);
});

test('the timeline covers all of the time, and no more', () => {
  const opened = { time: 50, from: 'closed', to: 'open' };
  const closed = { time: 70, from: 'open', to: 'closed' };
  const cases = [
    [[[], 'closed', 0, 100, 0], [['closed', 0, 100]]],
    [[[], 'closed', 0, 100, 40], [['unknown', 0, 40], ['closed', 40, 100]]],
    [[[opened], 'open', 0, 100, 0], [['closed', 0, 50], ['open', 50, 100]]],
    [[[opened, closed], 'closed', 0, 100, 20], [['unknown', 0, 20], ['closed', 20, 50], ['open', 50, 70], ['closed', 70, 100]]],
    [[[opened, closed], 'closed', 60, 100, 0], [['open', 60, 70], ['closed', 70, 100]]],
    [[[opened], 'open', 60, 100, 60], [['open', 60, 100]]],
  ];
  for (const [given, expected] of cases) {
    assert.deepEqual(segments(...given).map(({ state, from, to }) => [state, from, to]), expected);
  }
});
