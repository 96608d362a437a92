import { setTimeout as sleep } from 'node:timers/promises';
import { inspect, isDeepStrictEqual } from 'node:util';

/** Something is not as it should be. `expected` and `seen` are texts. */
export class Unexpected extends Error {
  constructor(what, expected, seen) {
    super(what);
    this.expected = expected;
    this.seen = seen;
  }
}

function shown(value) {
  return typeof value === 'string' ? value.trim() : inspect(value, { depth: 6, breakLength: 100 });
}

/** Throws Unexpected unless both are deeply the same. */
export function expectSame(what, seen, expected) {
  if (!isDeepStrictEqual(seen, expected)) throw new Unexpected(what, shown(expected), shown(seen));
}

/** Throws Unexpected unless the text matches. */
export function expectMatch(what, seen, pattern) {
  if (!pattern.test(seen)) throw new Unexpected(what, `matching ${pattern}`, shown(seen));
}

/**
 * Asks until `ask` gives something; throws Unexpected after `timeoutMs`, with what `describe` says of the state of
 * things.
 */
export async function until(what, ask, { timeoutMs = 30_000, describe = () => 'it did not happen' } = {}) {
  for (const end = Date.now() + timeoutMs; ;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end)
      throw new Unexpected(what, `within ${Math.round(timeoutMs / 1000)} s`, shown(await describe()));
    await sleep(200);
  }
}

/** A serial number in one form, whoever has printed it: lower-case hex without leading zeros. */
export function serialOf(hex) {
  return BigInt(`0x${hex.replaceAll(':', '')}`).toString(16);
}
