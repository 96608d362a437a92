/** Runs `work` with `clients` in flight for `ms` milliseconds. Returns latencies in ms, sorted. */
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

/** The quantile `share` (0 to 1) of sorted values. */
export function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function median(values) {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}
