import { describe, expect, it } from 'vitest';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import type { IssuerPlugin, OrderRequest, Outcome } from '../../src/plugin-api/issuer.js';
import type { OptionSchema, Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { StandIn, StandInFault } from '../fakes/stand-in.js';
import { type Asked, networkContext, requestFor, type SigningCa } from './signing-ca.js';

/** An issuer and the stand-in for its CA, new for each test. */
export interface IssuerBench<S extends OptionSchema> {
  plugin: IssuerPlugin<S>;
  /** `changed` overrides options, e.g. with a wrong password. */
  options: (changed?: Record<string, unknown>) => Options<S>;
  standIn: () => StandIn;
  ca: () => SigningCa;
  /** Names for which the CA issues. */
  names: readonly string[];
  /** Which request submits an order, and which one reads how far it is. */
  submits: RegExp;
  reads?: RegExp;
  /** How many certificates or orders the CA has. */
  ordered: () => number;
  /** The CA shows certificates but no orders: `find` sees nothing of what is pending. */
  findsIssuedOnly?: boolean;
  /** Makes pending orders ready. */
  settle?: () => void;
  /** Options with a wrong password, token or key. */
  wrong: Record<string, unknown>;
  /** Texts that must never be seen. */
  secrets: readonly string[];
  /** Makes every session or token that was given so far invalid. */
  expire?: () => void;
}

const html = { status: 200, body: '<html>Maintenance</html>', headers: { 'content-type': 'text/html' } };
const passing: readonly (readonly [string, StandInFault['kind']])[] = [
  ['breaks the connection', 'drop'],
  ['answers 500', { status: 500, body: { error: 'internal' } }],
  ['answers 503 in HTML', { ...html, status: 503 }],
  ['answers 429', { status: 429, body: {}, headers: { 'retry-after': '7' } }],
  ['answers 200 in HTML', html],
  ['answers 404 in HTML', { ...html, status: 404 }],
  ['answers 200 with other JSON', { status: 200, body: { hello: 'world' } }],
  ['answers 200 with nothing', { status: 200, body: '' }],
];

/** The error with which work fails; it must be a PluginError that holds none of `secrets`. */
export async function failureOf(work: Promise<unknown>, secrets: readonly string[] = []): Promise<PluginError> {
  const error: unknown = await work.then(
    () => 'it did not fail',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PluginError);
  const said = JSON.stringify([String(error), (error as PluginError).detail, error]);
  for (const secret of secrets) expect(said).not.toContain(secret);
  return error as PluginError;
}

/** Orders, and polls until the certificate is there. */
export async function issue<S extends OptionSchema>(
  { plugin, options, settle }: IssuerBench<S>,
  order: OrderRequest,
  ctx: PluginContext = networkContext(),
): Promise<Extract<Outcome, { status: 'issued' }>> {
  let outcome = await plugin.order(order, options(), ctx);
  settle?.();
  for (let left = 5; outcome.status === 'pending' && left > 0; left -= 1) {
    const { orderRef, state } = outcome;
    const polled: Outcome | undefined = await plugin.poll?.({ ...order, orderRef, state }, options(), ctx);
    outcome = polled ?? outcome;
  }
  if (outcome.status !== 'issued') throw new Error(`It is not issued: ${JSON.stringify(outcome)}`);
  return outcome;
}

/** Every issuer behaves alike when its CA or the network fails. */
export function describeFaults<S extends OptionSchema>(bench: IssuerBench<S>): void {
  const { plugin, options, secrets } = bench;
  const finds = 'find' in plugin;
  const ask = (changed: Parameters<typeof requestFor>[1] = {}): Promise<Asked> =>
    requestFor(bench.names, { ca: bench.ca(), ...changed });

  describe(`${plugin.id} and faults of its CA`, () => {
    it.each(passing)('takes it as a passing fault when the CA %s while an order is submitted', async (_, kind) => {
      const { order } = await ask();
      bench.standIn().fail({ on: bench.submits, kind });
      const error = await failureOf(plugin.order(order, options(), networkContext()), secrets);
      expect([error.fault, error.detail]).toEqual(['unavailable', expect.stringMatching(/\S/)]);
      expect((await issue(bench, order)).chainPem).toHaveLength(2);
    });

    it.runIf(bench.reads).each(passing)('takes it as a passing fault when the CA %s in a poll', async (_, kind) => {
      const { order } = await ask();
      const outcome = await plugin.order(order, options(), networkContext());
      if (outcome.status !== 'pending') throw new Error('There is no order.');
      bench.settle?.();
      bench.standIn().fail({ on: bench.reads ?? /^$/, kind });
      const polled = plugin.poll?.({ ...order, orderRef: outcome.orderRef }, options(), networkContext());
      expect((await failureOf(polled ?? Promise.resolve(), secrets)).fault).toBe('unavailable');
      const again = await plugin.poll?.({ ...order, orderRef: outcome.orderRef }, options(), networkContext());
      expect(again?.status).toBe('issued');
    });

    it('takes it as a passing fault when the CA does not answer in time', async () => {
      const { order } = await ask();
      bench.standIn().fail({ on: bench.submits, kind: 'hang' });
      const late = plugin.order(order, options({ timeoutS: 1 }), networkContext());
      expect((await failureOf(late, secrets)).detail).toMatch(/did not answer in time/);
    });

    it('stops when it is aborted while the CA hangs', async () => {
      const { order } = await ask();
      const stop = new AbortController();
      bench.standIn().fail({ on: bench.submits, kind: 'hang' });
      const waiting = plugin.order(order, options(), networkContext(stop.signal));
      while (!bench.standIn().seen.some((line) => bench.submits.test(line)))
        await new Promise((resolve) => setTimeout(resolve, 5));
      stop.abort();
      expect((await failureOf(waiting)).fault).toBe('unavailable');
    });

    it.runIf(finds)('finds the order whose answer was lost, and orders nothing twice', async () => {
      const { order, saved } = await ask({ idempotencyKey: 'lost' });
      expect(await plugin.find?.(order, options(), networkContext())).toBeNull();
      bench.standIn().fail({ on: bench.submits, kind: 'lose' });
      expect((await failureOf(plugin.order(order, options(), networkContext()))).fault).toBe('unavailable');
      expect(bench.ordered()).toBe(1);
      const after = { ...order, ...(saved.length > 0 && { state: saved.at(-1) }) };
      if (bench.findsIssuedOnly) bench.settle?.();
      let found = (await plugin.find?.(after, options(), networkContext())) ?? null;
      bench.settle?.();
      if (found?.status === 'pending')
        found = (await plugin.poll?.({ ...after, orderRef: found.orderRef }, options(), networkContext())) ?? null;
      expect(found?.status).toBe('issued');
      expect(bench.ordered()).toBe(1);
    });

    it.runIf(finds)('finds no order of another request', async () => {
      await issue(bench, (await ask({ idempotencyKey: 'one' })).order);
      const other = await ask({ idempotencyKey: 'two' });
      expect(await plugin.find?.(other.order, options(), networkContext())).toBeNull();
    });

    it('says that a person must act when the credentials are wrong, and repeats none of them', async () => {
      const { order } = await ask();
      const error = await failureOf(plugin.order(order, options(bench.wrong), networkContext()), [
        ...secrets,
        ...Object.values(bench.wrong).map(String),
      ]);
      expect(error.fault satisfies PluginFault).toBe('misconfigured');
      expect(bench.ordered()).toBe(0);
    });

    it.runIf(bench.expire)('signs in again when its session or token has expired', async () => {
      await issue(bench, (await ask({ idempotencyKey: 'one' })).order);
      bench.expire?.();
      expect((await issue(bench, (await ask({ idempotencyKey: 'two' })).order)).chainPem).toHaveLength(2);
    });

    it('returns the leaf first and what issued it, as openssl verifies it', async () => {
      const { chainPem } = await issue(bench, (await ask()).order);
      expect(chainPem).toHaveLength(2);
      bench.ca().verify(chainPem);
    });
  });
}
