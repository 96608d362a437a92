import { once } from 'node:events';
import { createServer, type Server, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { pluginContext } from '../../test/support/bundles.js';
import { namedIsInstalled, startNamed, type TestNamed } from '../../test/support/named.js';
import { connectTo } from '../../test/support/own-server.js';
import { rfc2136 } from './rfc2136.dns.js';

const name = '_acme-challenge.www.example.test';

/** A context that reaches what is at 127.0.0.1, at the time of this machine unless another is given. */
function context(now = new Date(), signal = new AbortController().signal): PluginContext {
  return { ...pluginContext({ connect: connectTo }, signal), now: () => now };
}

function optionsFor(port: number, change: Record<string, unknown> = {}) {
  return rfc2136.options.parse({
    server: '127.0.0.1',
    port,
    zones: ['test', 'example.test'],
    keyName: 'updater',
    keySecret: Buffer.alloc(32, 1).toString('base64'),
    ...change,
  });
}

describe.skipIf(!namedIsInstalled())('rfc2136 with BIND', () => {
  let named: TestNamed;
  beforeAll(async () => {
    named = await startNamed(['example.test', 'sub.example.test']);
  });
  afterAll(() => named.remove());
  const options = (change: Record<string, unknown> = {}) =>
    optionsFor(named.port, { zones: ['example.test.', 'Sub.Example.test'], keySecret: named.keySecret, ...change });

  it('adds a record beside others once, and removes it alone', async () => {
    const first = await rfc2136.present({ name, value: 'one', ttlS: 60 }, options(), context());
    await rfc2136.present({ name, value: 'two', ttlS: 60 }, options(), context());
    expect(await rfc2136.present({ name, value: 'one', ttlS: 60 }, options(), context())).toEqual(first);
    expect(await named.txt(name)).toEqual(['one', 'two']);
    await rfc2136.remove(first, options(), context());
    await rfc2136.remove(first, options(), context());
    expect(await named.txt(name)).toEqual(['two']);
    expect(await named.txt('kept.example.test')).toEqual(['kept']);
  });

  it('updates the longest zone that holds a name', async () => {
    const record = { name: '_acme-challenge.SUB.example.test', value: 'deep', ttlS: 60 };
    await rfc2136.present(record, options(), context());
    expect(await named.txt(record.name)).toEqual(['deep']);
    await expect(rfc2136.present({ ...record, name: 'notexample.test' }, options(), context())).rejects.toMatchObject({
      fault: 'misconfigured',
      detail: expect.stringContaining('lies in none of the zones'),
    });
    expect(await rfc2136.zones?.(options(), context())).toEqual(['example.test', 'sub.example.test']);
  });

  it.each([['"quoted" \\ text'], ['ü'], ['x'.repeat(255)], ['y'.repeat(256)], ['z'.repeat(600)], ['']])(
    'publishes the value %j as it is',
    async (value) => {
      const record = await rfc2136.present({ name: 'value.example.test', value, ttlS: 1 }, options(), context());
      expect(await named.txt('value.example.test')).toEqual([Buffer.from(value).toString('latin1')]);
      await rfc2136.remove(record, options(), context());
      expect(await named.txt('value.example.test')).toEqual([]);
    },
  );

  it('refuses names that DNS cannot carry', async () => {
    for (const bad of [
      'a..example.test',
      `${'a'.repeat(64)}.example.test`,
      'bücher.example.test',
      `${'a.'.repeat(130)}example.test`,
    ])
      await expect(rfc2136.present({ name: bad, value: 'x', ttlS: 60 }, options(), context())).rejects.toMatchObject({
        fault: 'refused',
      });
  });

  it('refuses a value that no record holds', async () => {
    const record = { name, value: 'x'.repeat(65_000), ttlS: 60 };
    await expect(rfc2136.present(record, options(), context())).rejects.toMatchObject({ fault: 'refused' });
  });

  it('checks key and zones, and changes nothing', async () => {
    await rfc2136.check?.(options(), context());
    expect(await named.txt('kept.example.test')).toEqual(['kept']);
  });

  it.each<[string, Record<string, string | string[]>, RegExp]>([
    ['another secret', { keySecret: Buffer.from('Marker-4f6e').toString('base64') }, /does not accept the signature/],
    ['an unknown key', { keyName: 'nobody' }, /does not know the key/],
    ['another algorithm', { keyAlgorithm: 'hmac-sha512' }, /does not know the key/],
    ['a zone that is not there', { zones: ['elsewhere.test'] }, /does not update the zone elsewhere.test: NOTAUTH/],
  ])('says that it has %s', async (_, change, detail) => {
    const thrown: unknown = await rfc2136.check?.(options(change), context()).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ fault: 'misconfigured', detail: expect.stringMatching(detail) });
    expect(String(thrown)).not.toContain(String(change['keySecret'] ?? named.keySecret));
  });

  it('says that the clocks differ', async () => {
    const past = context(new Date(new Date().getTime() - 3_600_000));
    await expect(rfc2136.check?.(options(), past)).rejects.toMatchObject({
      fault: 'misconfigured',
      detail: expect.stringContaining('has another time'),
    });
  });

  it('says that the key may not update the zone', async () => {
    const record = { name, value: 'x', ttlS: 60 };
    await expect(rfc2136.present(record, options({ keyName: 'reader' }), context())).rejects.toMatchObject({
      fault: 'misconfigured',
      detail: '127.0.0.1 does not update the zone example.test.: REFUSED.',
    });
  });
});

describe.skipIf(!namedIsInstalled()).each(['hmac-sha384', 'hmac-sha512'])(
  'rfc2136 with a key of %s',
  (keyAlgorithm) => {
    it('updates a zone', async () => {
      const named = await startNamed(['example.test'], keyAlgorithm);
      const options = optionsFor(named.port, { zones: ['example.test'], keySecret: named.keySecret, keyAlgorithm });
      await rfc2136.present({ name, value: 'signed', ttlS: 60 }, options, context());
      expect(await named.txt(name)).toEqual(['signed']);
      await named.remove();
    });
  },
);

describe('rfc2136 with a server that cannot be trusted', () => {
  const servers: Server[] = [];
  afterAll(() => servers.forEach((server) => server.close()));

  async function answering(answer: (request: Buffer) => Buffer | null): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (request) => {
        const bytes = answer(request.subarray(2));
        if (bytes === null) return;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(bytes.length);
        socket.end(Buffer.concat([length, bytes]));
      });
    });
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }
  const present = (port: number, signal?: AbortSignal) =>
    rfc2136.present({ name, value: 'x', ttlS: 60 }, optionsFor(port), context(new Date(), signal));
  const success = (request: Buffer): Buffer =>
    Buffer.concat([request.subarray(0, 2), Buffer.from([0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 0])]);
  const echo = (request: Buffer): Buffer => {
    const answer = Buffer.from(request);
    answer.writeUInt16BE(0xa800, 2);
    return answer;
  };

  it.each<[string, (request: Buffer) => Buffer, string]>([
    ['is not signed', success, 'is not signed by the key'],
    ['has the signature of the request', echo, 'is not signed by the key'],
    [
      'has another id',
      (r) => Buffer.concat([Buffer.from([~(r[0] ?? 0), r[1] ?? 0]), success(r).subarray(2)]),
      'something else',
    ],
    ['is the request itself', (r) => r, 'something else'],
    ['is too short', (r) => r.subarray(0, 7), 'something else'],
    [
      'points to itself',
      (r) =>
        Buffer.concat([
          r.subarray(0, 2),
          Buffer.from([0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xc0, 12, 0, 250, 0, 255, 0, 0, 0, 0, 0, 18, 0xc0, 12]),
          Buffer.alloc(16),
        ]),
      'something else',
    ],
  ])('believes no answer that %s', async (_, answer, detail) => {
    await expect(present(await answering(answer))).rejects.toMatchObject({
      fault: 'unavailable',
      detail: expect.stringContaining(detail),
    });
  });

  it('gives up a server that closes the connection, and a silent one when it is told to stop', async () => {
    await expect(present(await answering(() => Buffer.alloc(0)))).rejects.toMatchObject({ fault: 'unavailable' });
    const stop = new AbortController();
    const port = await answering(() => {
      stop.abort();
      return null;
    });
    await expect(present(port, stop.signal)).rejects.toThrow();
  });
});
