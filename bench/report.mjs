import { cpus, totalmem } from 'node:os';

/** One line about the measured machine. */
export function machine(databaseWords) {
  const [cpu] = cpus();
  return (
    `${cpu?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB; Node ${process.versions.node}; ` +
    `${databaseWords}`
  );
}

/** Progress on stderr: a run takes many minutes. */
export function stage(what) {
  console.error(`# ${what} …`);
}

const headings = ['what', 'value', 'baseline', 'ratio', 'target', ''];

/** Rows are arrays in the order of the headings. Column width is the widest cell; numbers are right-aligned. */
export function table(rows) {
  const lines = [headings, ...rows];
  const widths = headings.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const cell = (text, i) => (i === 0 || i === headings.length - 1 ? text.padEnd(widths[i]) : text.padStart(widths[i]));
  return lines.map((line) => line.map(cell).join('  ').trimEnd()).join('\n');
}

const whole = (value) => Math.round(value).toLocaleString('en');

/** A rate against a baseline, both per second: the ratio must reach `target`. */
export function rateRow(what, { perS, baselinePerS, ratio }, target) {
  return [
    what,
    `${whole(perS)}/s`,
    `${whole(baselinePerS)}/s`,
    ratio.toFixed(2),
    `≥ ${target}`,
    ratio >= target ? 'ok' : 'missed',
  ];
}

/** A time in ms that must stay below `target`; without a target it is only reported. */
export function timeRow(what, ms, target) {
  return [
    what,
    `${ms.toFixed(1)} ms`,
    '',
    '',
    target === undefined ? '' : `< ${target} ms`,
    target === undefined ? '' : ms < target ? 'ok' : 'missed',
  ];
}

/** Memory of a process in MiB after and before; `most` bounds the ratio. */
export function memoryRow(what, after, before, most) {
  const ratio = after / before;
  return [
    what,
    `${whole(after)} MiB`,
    `${whole(before)} MiB`,
    ratio.toFixed(2),
    most === undefined ? '' : `≤ ${most}`,
    most === undefined ? '' : ratio <= most ? 'ok' : 'missed',
  ];
}
