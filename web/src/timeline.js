// The breaker's states over the last minutes: the worse the state, the taller the bar.

const heights = { closed: 8, half_open: 22, open: 40, forced_open: 40, disabled: 3, unknown: 2 };

/**
 * What the breaker was in, oldest first: `{state, from, to}`. Before `watched_since` nobody knows, unless a transition
 * tells; `transitions` are of one endpoint.
 */
export function segments(transitions, state, begin, now, watched_since) {
  const found = [];
  let to = now;
  let current = state;
  for (let at = transitions.length - 1; at >= 0 && to > begin; --at) {
    const { time, from } = transitions[at];
    found.unshift({ state: current, from: Math.max(begin, Math.min(time, to)), to });
    to = Math.min(time, to);
    current = from;
  }
  if (to > begin) {
    const known = Math.min(to, Math.max(begin, watched_since));
    if (known < to) found.unshift({ state: current, from: known, to });
    if (known > begin) found.unshift({ state: 'unknown', from: begin, to: known });
  }
  return found;
}

export function draw(svg, parts, begin, now) {
  const scale = 900 / (now - begin);
  svg.replaceChildren(
    ...parts.map(({ state, from, to }) => {
      const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
      const height = heights[state] ?? 2;
      bar.setAttribute('class', `state-${state in heights ? state : 'unknown'}`);
      // What has only just begun is seen, too.
      const width = Math.max(1.5, (to - from) * scale);
      bar.setAttribute('x', Math.min((from - begin) * scale, 900 - width).toFixed(2));
      bar.setAttribute('width', width.toFixed(2));
      bar.setAttribute('y', String(40 - height));
      bar.setAttribute('height', String(height));
      return bar;
    }),
  );
}
