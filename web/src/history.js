// The last minutes, as columns: what the charts draw.

export const columns = ['time', 'calls', 'failures', 'p50_ms', 'p99_ms', 'memory_bytes', 'connections', 'in_use', 'waiting', 'trouble'];

export class History {
  constructor() {
    this.clear();
  }

  clear() {
    this.capacity = 900;
    for (const name of columns) this[name] = [];
    this.transitions = [];
    this.alerts = [];
  }

  /** All of it at once, as a new stream begins. */
  load(history) {
    this.clear();
    this.capacity = history.capacity;
    for (const name of columns) this[name] = history.samples[name];
    this.transitions = history.transitions;
    this.alerts = history.alerts;
  }

  push(sample) {
    for (const name of columns) this[name].push(sample.point[name]);
    const surplus = this.time.length - this.capacity;
    if (surplus > 0) for (const name of columns) this[name].splice(0, surplus);
    for (const list of ['transitions', 'alerts']) {
      this[list].push(...sample[list]);
      this[list].splice(0, this[list].length - 100);
    }
  }

  /** Seconds that the charts show: what there is, so that a young history is no speck, and a minute at least. */
  get span() {
    return Math.min(this.capacity, Math.max(60, this.last - (this.time[0] ?? this.last)));
  }

  get last() {
    return this.time.length > 0 ? this.time[this.time.length - 1] : Date.now() / 1000;
  }
}
