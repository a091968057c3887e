// The charts: two series each at most, told apart by dashes as well as by colour, over bands where the server was in trouble.
import uPlot from 'uplot';

import { clock, hour_and_minute } from './format.js';

const height = 160;
const font = '11px system-ui, "DejaVu Sans", sans-serif';

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function element(name, class_name, parent) {
  const made = document.createElement(name);
  if (class_name) made.className = class_name;
  parent?.append(made);
  return made;
}

/** From 0 to a round figure above everything, so that the scale does not dance. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 1.5, 2, 3, 4, 5, 7.5, 10]) if (value <= step * magnitude) return step * magnitude;
  return 10 * magnitude;
}

export class Chart {
  /**
   * `series`: one or two of `{column, label}`. `format`: a figure as text. `lines()`: horizontal marks `{value, label, tone, above}`.
   * `least()`: how far the scale goes at least. `steps`: the distances that its marks may have.
   */
  constructor(host, history, { series, format, lines = () => [], least = () => 0, steps }) {
    this.host = host;
    this.history = history;
    this.series = series;
    this.format = format;
    this.lines = lines;
    this.least = least;
    this.steps = steps;
    this.legend = element('ul', 'legend', host);
    this.figures = series.map(({ label }, index) => {
      const item = element('li', '', this.legend);
      element('span', index === 0 ? 'swatch' : 'swatch second', item);
      element('span', '', item).textContent = label;
      return element('b', '', item);
    });
    this.at = element('li', 'at', this.legend);
    this.plot_host = element('div', 'plot', host);
    this.plot_host.setAttribute('role', 'img');
    this.build();
    new ResizeObserver(() => this.plot.setSize({ width: this.width(), height })).observe(this.plot_host);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.build());
  }

  width() {
    return Math.max(120, Math.floor(this.plot_host.clientWidth));
  }

  build() {
    this.plot?.destroy();
    const axis = { stroke: color('--quiet'), font, grid: { stroke: color('--grid-line'), width: 1 }, ticks: { show: false } };
    const look = [
      { stroke: color('--series-1'), width: 1.75, fill: color('--series-1-fill') },
      { stroke: color('--series-2'), width: 1.75, dash: [5, 3] },
    ];
    this.plot = new uPlot(
      {
        width: this.width(),
        height,
        padding: [8, 8, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: 'redoubt' }, drag: { setScale: false, x: false, y: false }, y: false },
        scales: {
          x: { time: true, range: () => [this.history.last - this.history.span, this.history.last] },
          y: { range: (_, __, most) => [0, this.top(most ?? 0)] },
        },
        axes: [
          { ...axis, values: (_, at) => at.map(this.history.span < 300 ? clock : hour_and_minute), space: 72, size: 26 },
          { ...axis, values: (_, at) => at.map(this.format), size: 62, space: 30, ...(this.steps && { incrs: this.steps }) },
        ],
        series: [{}, ...this.series.map((_, index) => ({ ...look[index], points: { show: false }, spanGaps: false }))],
        hooks: {
          drawClear: [(plot) => this.draw_bands(plot)],
          draw: [(plot) => this.draw_lines(plot)],
          setCursor: [() => this.show_figures()],
        },
      },
      this.data(),
      this.plot_host,
    );
    this.show_figures();
  }

  top(most) {
    const least = this.least();
    return least >= most && least > 0 ? least : ceiling(most);
  }

  data() {
    return [this.history.time, ...this.series.map(({ column }) => this.history[column])];
  }

  update() {
    this.plot.setData(this.data());
    this.show_figures();
  }

  /** What is under the cursor, else the latest. */
  show_figures() {
    const last = this.history.time.length - 1;
    const under = this.plot?.cursor.idx;
    const index = under ?? last;
    const texts = this.series.map(({ column }) => this.format(this.history[column][index]));
    texts.forEach((text, at) => (this.figures[at].textContent = text));
    this.at.textContent = under == null || under === last ? '' : `at ${clock(this.history.time[index])}`;
    this.plot_host.setAttribute('aria-label', this.series.map(({ label }, at) => `${label} ${texts[at]}`).join(', '));
  }

  draw_bands(plot) {
    const { time, trouble } = this.history;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = color('--band');
    for (let from = 0; from < time.length; ++from) {
      if (!trouble[from]) continue;
      let to = from;
      while (to + 1 < time.length && trouble[to + 1]) ++to;
      const left = Math.max(bbox.left, plot.valToPos(time[from], 'x', true));
      const right = plot.valToPos(Math.min(time[to] + 1, this.history.last), 'x', true);
      ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
      from = to;
    }
    ctx.restore();
  }

  draw_lines(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = color('--text');
    ctx.font = `${11 * devicePixelRatio}px system-ui, "DejaVu Sans", sans-serif`;
    ctx.textAlign = 'right';
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const { value, label, tone, above } of this.lines()) {
      const y = Math.round(plot.valToPos(value, 'y', true));
      ctx.textBaseline = above ? 'bottom' : 'top';
      ctx.strokeStyle = color(tone);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.fillText(label, bbox.left + bbox.width - 4 * devicePixelRatio, y + (above ? -1 : 2) * devicePixelRatio);
    }
    ctx.restore();
  }
}
