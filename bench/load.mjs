/** Runs `work` with `clients` in flight for `ms` milliseconds. Latencies are in milliseconds, in order of size. */
export async function load(work, { clients, ms }) {
  const start = performance.now();
  const latencies = [];
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let begun = performance.now(); begun - start < ms;) {
        await work();
        const now = performance.now();
        latencies.push(now - begun);
        begun = now;
      }
    }),
  );
  return { perS: latencies.length / ((performance.now() - start) / 1000), latencies: latencies.sort((a, b) => a - b) };
}

/** Of values in order of size; `share` from 0 to 1. */
export function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function median(values) {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}
