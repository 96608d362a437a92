import { cpus, totalmem } from 'node:os';
import { costLevel, levels } from './levels.mjs';
import { quantile } from './load.mjs';

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

/** A figure on stderr as soon as it is known: a run that is stopped has told what it measured. */
export function known(what) {
  console.error(`#   ${what}`);
}

const headings = ['what', 'value', 'against', 'ratio', 'target', ''];

/** Rows are arrays in the order of the headings, and may be shorter. A column is as wide as its widest cell. */
export function table(rows, titles = headings) {
  const lines = [titles, ...rows].map((row) => titles.map((_, i) => row[i] ?? ''));
  const widths = titles.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const cell = (text, i) => (i === 0 || i === titles.length - 1 ? text.padEnd(widths[i]) : text.padStart(widths[i]));
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

const ms = (value) => `${value.toFixed(2)} ms`;
/** Each figure of one certificate as text, and its target: at most `most`, or `mostOfBare` times the bare one. */
const costs = [
  { what: 'CPU of the program', name: 'programMs', text: ms, mostOfBare: 1.3 },
  { what: 'CPU of PostgreSQL', name: 'postgresMs', text: ms, most: 0.5 },
  { what: 'WAL', name: 'walBytes', text: (value) => `${whole(value)} B`, most: 4500 },
  { what: 'commits', name: 'commits', text: (value) => value.toFixed(2) },
];
const speeds = [
  { what: 'rate', name: 'perS', text: (value) => `${whole(value)}/s` },
  { what: 'p50', name: 'p50', text: ms },
  { what: 'p99', name: 'p99', text: ms },
];

/** What issuing costs and how fast it is, beside the build before, if it was measured, and the bare handler. */
export function issueTable({ here, before, bare, rowBytes }) {
  const row = ({ what, name, text, most, mostOfBare }, level) => {
    const [value, bareValue] = [here[level][name], bare[level][name]];
    const limit = most ?? (mostOfBare && mostOfBare * bareValue);
    const cells = [text(value), before ? text(before[level][name]) : '', text(bareValue)];
    const target = most !== undefined ? `≤ ${text(most)}` : mostOfBare !== undefined ? `ratio ≤ ${mostOfBare}` : '';
    const verdict = limit === undefined ? '' : value <= limit ? 'ok' : 'missed';
    return [`  ${what}`, ...cells, (value / bareValue).toFixed(2), target, verdict];
  };
  const trips = here.roundTrips;
  return table(
    [
      [`one certificate, ${costLevel} clients (a row has ${whole(rowBytes)} bytes)`],
      ...costs.map((figure) => row(figure, costLevel)),
      [
        '  round trips, 1 client',
        trips.toFixed(1),
        before ? before.roundTrips.toFixed(1) : '',
        '1.0',
        '',
        '≤ 1',
        trips < 1.1 ? 'ok' : 'missed',
      ],
      ...levels.flatMap((level) => [
        [`${level} client${level === 1 ? '' : 's'}`],
        ...speeds.map((figure) =>
          row(level === 1 && figure.name === 'p50' ? { ...figure, mostOfBare: 1.6 } : figure, level),
        ),
      ]),
    ],
    ['issue', 'here', 'before', 'bare handler', 'ratio', 'target', ''],
  );
}

/** OCSP answers a second, beside those of a server that does nothing else, and the signatures of `openssl speed`. */
export function ocspTable({ preSigned, fresh, bare, opensslPerS }) {
  const row = (what, { perS, latencies, cpuMs }, target) => [
    `  ${what}`,
    `${whole(perS)}/s`,
    (perS / bare.perS).toFixed(2),
    ms(cpuMs),
    ms(quantile(latencies, 0.5)),
    ms(quantile(latencies, 0.99)),
    target === undefined ? '' : `≥ ${whole(target)}/s`,
    target === undefined ? '' : perS >= target ? 'ok' : 'missed',
  ];
  return table(
    [
      row('signed before it is asked for', preSigned, 6000),
      row('signed anew for a nonce, P-256', fresh, 2000),
      row('a bare server of node:http', bare),
      ['  signatures of one core (openssl speed)', opensslPerS ? `${whole(opensslPerS)}/s` : 'no openssl'],
    ],
    ['OCSP, 16 clients', 'answers', 'of bare', 'CPU of the program', 'p50', 'p99', 'target', ''],
  );
}
