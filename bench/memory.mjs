import { readFileSync } from 'node:fs';

const clients = 4;

/** Resident memory of a process in MiB, without forced garbage collection. */
export function residentMiB(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

/**
 * Runs `work(n)` for n from 0, `perRound` times in each of `rounds`, and measures the process after each round. `ratio`
 * compares the medians of the last and the first third of the rounds. `perThousand` is the slope of the regression
 * line, in MiB.
 */
export async function memoryBench({ pid, work, rounds, perRound }) {
  const seen = [];
  let n = 0;
  for (let round = 1; round <= rounds; round++) {
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (n < round * perRound) await work(n++);
      }),
    );
    seen.push(residentMiB(pid));
  }
  const third = Math.ceil(rounds / 3);
  const [first, last] = [middle(seen.slice(0, third)), middle(seen.slice(-third))];
  return { seen, requests: n, first, last, ratio: last / first, perThousand: (slope(seen) / perRound) * 1000 };
}

function middle(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** By least squares, per step. */
function slope(values) {
  const centre = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, _, i) => sum + (i - centre) ** 2, 0);
  return values.reduce((sum, value, i) => sum + (i - centre) * (value - mean), 0) / square;
}
