// Figures as text. Everything unknown is a dash, never a zero.

export const unknown = '–';

function known(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

/** Three significant digits at most, and no more decimals than `decimals`. */
function short(value, decimals) {
  const magnitude = Math.abs(value);
  const digits = magnitude >= 100 || Number.isInteger(value) ? 0 : magnitude >= 10 ? 1 : 2;
  return value.toFixed(Math.min(digits, decimals));
}

export function count(value) {
  if (!known(value)) return unknown;
  for (const [unit, name] of [[1e9, 'G'], [1e6, 'M'], [1e4, 'k']]) {
    if (Math.abs(value) >= unit) return short(value / (unit === 1e4 ? 1e3 : unit), 2) + name;
  }
  return short(value, 1);
}

export function millis(value) {
  if (!known(value)) return unknown;
  if (value >= 1000) return `${short(value / 1000, 2)} s`;
  if (value < 1) return `${Math.round(value * 1000)} µs`;
  return `${short(value, 2)} ms`;
}

export function bytes(value) {
  if (!known(value)) return unknown;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    ++at;
  }
  return `${short(value, at === 0 ? 0 : 2)} ${units[at]}`;
}

export function percent(fraction) {
  if (!known(fraction)) return unknown;
  const value = fraction * 100;
  return `${value < 10 ? short(value, value < 1 ? 2 : 1) : value.toFixed(0)}%`;
}

export function duration(seconds) {
  if (!known(seconds)) return unknown;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

function two(value) {
  return String(value).padStart(2, '0');
}

/** Local time of day from seconds since 1970, with 24 hours everywhere. */
export function clock(seconds) {
  if (!known(seconds)) return unknown;
  const date = new Date(seconds * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function hour_and_minute(seconds) {
  return clock(seconds).slice(0, 5);
}

export function words(name) {
  return String(name).replace(/_/g, '-');
}
