import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pluginContext } from '../../../test/support/bundles.js';
import { namedIsInstalled, startNamed, type TestNamed } from '../../../test/support/named.js';
import { rfc2136 } from '../../../plugins/rfc2136/rfc2136.dns.js';
import { connectTo } from '../../../test/support/own-server.js';
import { loadConfig } from '../config.js';
import { DnsLookup } from './dns-lookup.js';

describe.skipIf(!namedIsInstalled())('DNS lookups', () => {
  let named: TestNamed;
  /** Name servers at the port of the one that was started. */
  class Lookup extends DnsLookup {
    protected override readonly port = named.port;
  }
  const lookup = (check = 'authoritative', resolver = `127.0.0.1:${named.port}`): DnsLookup =>
    new Lookup(loadConfig({ DNS_RESOLVERS: resolver, DNS_PROPAGATION_CHECK: check }));
  const { signal } = new AbortController();

  beforeAll(async () => {
    named = await startNamed(['example.test', 'sub.example.test'], undefined, [
      'alias IN CNAME one.sub',
      'one.sub IN CNAME wrong-zone',
      'chain IN CNAME alias2',
      'alias2 IN CNAME end',
      'circle IN CNAME circle2',
      'circle2 IN CNAME circle',
    ]);
  });
  afterAll(() => named.remove());

  it('follows CNAME records to their end, and refuses a circle', async () => {
    expect(await lookup().followAliases('chain.example.test', signal)).toBe('end.example.test');
    expect(await lookup().followAliases('end.example.test', signal)).toBe('end.example.test');
    expect(await lookup().followAliases('nothing.example.test', signal)).toBe('nothing.example.test');
    await expect(lookup().followAliases('circle.example.test', signal)).rejects.toMatchObject({
      fault: 'misconfigured',
    });
  });

  it.each(['authoritative', 'resolvers'])('sees a TXT record only once it is published (%s)', async (check) => {
    const name = `_acme-challenge.${check}.sub.example.test`;
    const options = rfc2136.options.parse({
      server: '127.0.0.1',
      port: named.port,
      zones: ['sub.example.test'],
      keyName: 'updater',
      keySecret: named.keySecret,
    });
    const ctx = { ...pluginContext({ connect: connectTo }, signal), now: () => new Date() };
    expect(await lookup(check).showsTxt(name, 'value', signal)).toBe(false);
    await rfc2136.present({ name, value: 'other', ttlS: 60 }, options, ctx);
    expect(await lookup(check).showsTxt(name, 'value', signal)).toBe(false);
    await rfc2136.present({ name, value: 'value', ttlS: 60 }, options, ctx);
    expect(await lookup(check).showsTxt(name, 'value', signal)).toBe(true);
  });

  it('asks nobody when the check is switched off', async () => {
    expect(await lookup('none', '127.0.0.1:1').showsTxt('a.example.test', 'value', signal)).toBe(true);
  });

  it('is unavailable without a resolver that answers, and stops when it is told to', async () => {
    await expect(lookup('authoritative', '127.0.0.1:1').followAliases('a.test', signal)).rejects.toMatchObject({
      fault: 'unavailable',
    });
    await expect(lookup().followAliases('a.test', AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  });
});
