// The table of pools: what each project has open, and what of it is busy. Rows are kept, so that nothing flickers.
import { count } from './format.js';

const shown_at_first = 12;

export class Pools {
  constructor(body, more) {
    this.body = body;
    this.more = more;
    this.rows = new Map();
    this.all = false;
    more.addEventListener('click', () => {
      this.all = !this.all;
      this.show(this.pools);
    });
  }

  show(pools) {
    this.pools = pools;
    const listed = this.all ? pools : pools.slice(0, shown_at_first);
    const names = new Set(listed.map((pool) => pool.name));
    for (const [name, row] of this.rows) {
      if (names.has(name)) continue;
      row.line.remove();
      this.rows.delete(name);
    }
    listed.forEach((pool, index) => {
      let row = this.rows.get(pool.name);
      if (!row) this.rows.set(pool.name, (row = new Row(pool.name)));
      if (this.body.children[index] !== row.line) this.body.insertBefore(row.line, this.body.children[index] ?? null);
      row.show(pool);
    });
    this.more.hidden = pools.length <= shown_at_first;
    this.more.textContent = this.all ? `Show the busiest ${shown_at_first}` : `Show all ${pools.length}`;
  }
}

function cell(line, class_name) {
  const made = document.createElement('td');
  made.className = class_name;
  line.append(made);
  return made;
}

function part(parent, class_name) {
  const made = document.createElement('span');
  made.className = class_name;
  parent.append(made);
  return made;
}

class Row {
  constructor(name) {
    this.line = document.createElement('tr');
    const heading = document.createElement('th');
    heading.scope = 'row';
    heading.className = 'name';
    heading.textContent = name;
    heading.title = name;
    this.line.append(heading);
    this.use = document.createElement('div');
    this.use.className = 'use';
    cell(this.line, '').append(this.use);
    const track = part(this.use, 'use-track');
    this.open = part(track, 'use-open');
    this.busy = part(track, 'use-busy');
    this.text = part(this.use, 'use-text');
    this.leased = cell(this.line, 'number wide');
    this.in_flight = cell(this.line, 'number');
    this.waiting = cell(this.line, 'number');
  }

  show(pool) {
    const busy = pool.created - pool.available;
    const full = pool.waiting > 0 && busy >= pool.max;
    this.open.style.width = `${(100 * pool.created) / Math.max(1, pool.max)}%`;
    this.busy.style.width = `${(100 * busy) / Math.max(1, pool.max)}%`;
    this.text.textContent = `${busy} busy, ${pool.created}/${pool.max}${full ? ' – full' : ''}`;
    this.use.dataset.tone = full ? 'bad' : '';
    this.leased.textContent = count(pool.leased);
    this.in_flight.textContent = count(pool.in_flight);
    this.waiting.textContent = count(pool.waiting);
    this.waiting.classList.toggle('flagged', pool.waiting > 0);
  }
}
