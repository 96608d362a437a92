import { cpus, totalmem } from 'node:os';

/** One line about the machine that was measured. */
export function machine(databaseWords) {
  const [cpu] = cpus();
  return `${cpu?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; Node ${process.versions.node}; ${databaseWords}`;
}

const headings = ['what', 'value', 'baseline', 'ratio', 'target', ''];

/** Rows are arrays in the order of the headings; each column is as wide as its widest cell, the numbers are flush right. */
export function table(rows) {
  const lines = [headings, ...rows];
  const widths = headings.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const cell = (text, i) => (i === 0 || i === headings.length - 1 ? text.padEnd(widths[i]) : text.padStart(widths[i]));
  return lines.map((line) => line.map(cell).join('  ').trimEnd()).join('\n');
}

const whole = (value) => Math.round(value).toLocaleString('en');

/** A rate against a baseline's, both per second: the ratio must reach `target`. */
export function rateRow(what, { perS, baselinePerS, ratio }, target) {
  return [what, `${whole(perS)}/s`, `${whole(baselinePerS)}/s`, ratio.toFixed(2), `≥ ${target}`, ratio >= target ? 'ok' : 'missed'];
}

/** A time in ms that must stay below `target`; without one it is told only. */
export function timeRow(what, ms, target) {
  return [what, `${ms.toFixed(1)} ms`, '', '', target === undefined ? '' : `< ${target} ms`, target === undefined ? '' : ms < target ? 'ok' : 'missed'];
}
