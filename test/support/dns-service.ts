import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DnsPlugin, PresentedRecord } from '../../src/plugin-api/dns.js';
import type { PluginFault } from '../../src/plugin-api/errors.js';
import type { Options, OptionSchema } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { type Exchange, type Reply, type StandIn, type StandInFault, startStandIn } from '../fakes/stand-in.js';
import { failureOf } from './issuer-faults.js';
import { networkContext } from './signing-ca.js';

/**
 * What a stand-in for a DNS service holds: the values of the TXT records of each name, in the order of their making.
 */
export type TxtRecords = Map<string, string[]>;

/** A DNS plugin and the stand-in for its service. */
export interface DnsBench<S extends OptionSchema> {
  plugin: DnsPlugin<S>;
  options: Options<S>;
  /** The same with a credential that the service does not know. */
  wrong: Options<S>;
  /** Texts that must never be seen. */
  secrets: readonly string[];
  /**
   * The service, which has the zones `example.test` and `sub.example.test`. It throws for what the real one refuses.
   */
  answer(exchange: Exchange, records: TxtRecords): Reply;
}

const html = { status: 200, body: '<html>Maintenance</html>', headers: { 'content-type': 'text/html' } };
const faults: readonly (readonly [string, StandInFault['kind'], PluginFault])[] = [
  ['breaks the connection', 'drop', 'unavailable'],
  ['answers 500', { status: 500, body: '' }, 'unavailable'],
  ['answers 503 in HTML', { ...html, status: 503 }, 'unavailable'],
  ['answers 429', { status: 429, body: '' }, 'unavailable'],
  ['answers 200 in HTML', html, 'unavailable'],
];

/** Leads every request to the stand-in, and tells it in `x-host` which host was meant. */
export function contextFor(standIn: StandIn, signal = new AbortController().signal): PluginContext {
  const network = networkContext(signal);
  const fetchThere: PluginContext['site']['fetch'] = async (address, request = {}) => {
    const url = new URL(address);
    const headers = { ...request.headers, 'x-host': url.host };
    const answer = await network.site.fetch(standIn.url + url.pathname + url.search, { ...request, headers });
    return { ...answer, url };
  };
  return { ...network, now: () => new Date(), site: { ...network.site, fetch: fetchThere } };
}

/** What every DNS service must do, over its stand-in. `more` are the tests of one service alone. */
export function describeDnsService<S extends OptionSchema>(
  name: string,
  bench: DnsBench<S>,
  more?: (service: { standIn: () => StandIn; records: TxtRecords }) => void,
): void {
  const { plugin, options, wrong, secrets } = bench;
  const records: TxtRecords = new Map();
  let standIn: StandIn;
  beforeAll(async () => {
    standIn = await startStandIn((exchange) => bench.answer(exchange, records));
  });
  afterAll(() => standIn.stop());
  const present = (record: string, value: string, o = options): Promise<PresentedRecord> =>
    plugin.present({ name: record, value, ttlS: 60 }, o, contextFor(standIn));
  const remove = (record: PresentedRecord): Promise<void> => plugin.remove(record, options, contextFor(standIn));

  describe(name, () => {
    const www = '_acme-challenge.www.example.test';

    it('adds a record beside others once, and removes it alone, whether it is there or not', async () => {
      const first = await present(www, 'one');
      await present(www, 'two');
      expect(await present(www, 'one')).toEqual(first);
      expect(records.get(www)?.slice().sort()).toEqual(['one', 'two']);
      await remove(first);
      await remove(first);
      expect(records.get(www)).toEqual(['two']);
    });

    it('publishes in the longest zone, and in none that only ends alike', async () => {
      const deep = '_acme-challenge.sub.example.test';
      const record = await present(deep, 'deep');
      expect(records.get(deep)).toEqual(['deep']);
      await remove(record);
      expect(records.get(deep) ?? []).toEqual([]);
      const failure = await failureOf(present('_acme-challenge.notexample.test', 'x'), secrets);
      expect([failure.fault, failure.detail]).toEqual(['misconfigured', expect.stringContaining('lies in no')]);
    });

    it('tells its zones, and checks credentials', async () => {
      const zones = (await plugin.zones?.(options, contextFor(standIn))) ?? [];
      expect([...zones].sort()).toEqual(['example.test', 'sub.example.test']);
      await plugin.check?.(options, contextFor(standIn));
      const failure = await failureOf(Promise.resolve(plugin.check?.(wrong, contextFor(standIn))), secrets);
      expect(failure.fault).toBe('misconfigured');
    });

    it.each(['"quoted" \\ text', 'x'.repeat(300)])('publishes the value %.20j as it is', async (value) => {
      const record = await present('_acme-challenge.odd.example.test', value);
      expect(records.get('_acme-challenge.odd.example.test')).toEqual([value]);
      await present('_acme-challenge.odd.example.test', value);
      expect(records.get('_acme-challenge.odd.example.test')).toEqual([value]);
      await remove(record);
      expect(records.get('_acme-challenge.odd.example.test') ?? []).toEqual([]);
    });

    it.each(faults)('fails in clear text while the service %s', async (_, kind, fault) => {
      standIn.fail({ on: /./, kind });
      const failure = await failureOf(present('_acme-challenge.fault.example.test', 'x'), secrets);
      expect(failure.fault).toBe(fault);
    });

    more?.({ standIn: () => standIn, records });
  });
}
