import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bundle } from '../../src/plugin-api/export.js';
import { startTestAuthority } from '../../test/support/bundles.js';
import { startHaproxy, type TestHaproxy } from '../../test/support/haproxy.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { networkContext } from '../../test/support/signing-ca.js';
import { haproxy } from './haproxy.destination.js';

const authority = startTestAuthority();
const client = authority.issue('client.example.com');
let server: TestHaproxy;
beforeAll(async () => {
  server = await startHaproxy(authority);
});
afterAll(async () => {
  await server.remove();
  authority.close();
});

const options = (changed: object = {}) =>
  haproxy.options.parse({
    host: '127.0.0.1',
    port: server.plain,
    tls: false,
    file: `${server.certificates}/{commonName}.pem`,
    ...changed,
  });
const behindTls = (changed: object = {}): object => ({
  host: 'localhost',
  port: server.secured,
  tls: true,
  caCertificates: authority.rootPem,
  clientCertificate: client.chainPem.join(''),
  clientKey: client.privateKeyPem,
  ...changed,
});
const deliver = (bundle: Bundle, changed: object = {}) =>
  haproxy.deliver({ bundle, files: [], round: '1.1' }, options(changed), networkContext());
const remove = async (bundle: Bundle, changed: object = {}): Promise<void> => {
  const location = haproxy.locate({ bundle, fileNames: [] }, options(changed));
  await haproxy.remove?.({ bundle, location, files: [], round: '1.1' }, options(changed), networkContext());
};
const verdict = (bundle: Bundle, changed: object = {}) => {
  const location = haproxy.locate({ bundle, fileNames: [] }, options(changed));
  return haproxy.verify?.({ bundle, location, files: [], round: '1.1' }, options(changed), networkContext());
};
const checked = async (changed: object = {}): Promise<void> => haproxy.check?.(options(changed), networkContext());
const fileOf = (name: string): string => `${server.certificates}/${name}.pem`;
const loaded = async (name: string): Promise<string> =>
  /^Serial: (.*)$/m.exec(await server.ask(`show ssl cert ${fileOf(name)}`))?.[1]?.toLowerCase() ?? 'none';
const listed = async (): Promise<string[]> =>
  (await server.ask(`show ssl crt-list ${server.crtList}`)).split('\n').filter((line) => line.startsWith('/'));

/** A way to the runtime API on which somebody acts once between the first `set` and its `commit`. */
async function startMeddler(
  act: () => Promise<string>,
): Promise<{ port: number; meddled(): string; stop(): Promise<void> }> {
  let meddled = '';
  const proxy = createServer((incoming) => {
    const outgoing = connect(server.plain, '127.0.0.1');
    incoming.once('data', (chunk: Buffer) => {
      const text = chunk.toString();
      const at = meddled === '' ? text.indexOf('commit ssl cert') : -1;
      if (at < 0) return void outgoing.write(text);
      outgoing.write(text.slice(0, at));
      let answer = '';
      outgoing.on('data', (part: Buffer) => {
        answer += part.toString();
        if (meddled !== '' || !answer.includes('Transaction created')) return;
        meddled = 'begun';
        void act().then((words) => {
          meddled = words;
          outgoing.write(text.slice(at));
        });
      });
    });
    outgoing.pipe(incoming);
    for (const socket of [incoming, outgoing]) socket.on('error', () => undefined);
    incoming.on('close', () => outgoing.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    port: (proxy.address() as AddressInfo).port,
    meddled: () => meddled,
    stop: () => new Promise((resolve) => proxy.close(() => resolve())),
  };
}

describe('the options of haproxy', () => {
  it.each([
    { file: 'a b.pem' },
    { file: 'a;b.pem' },
    { file: 'a\nshow info' },
    { file: '{name}.pem' },
    { file: '' },
    { crtList: 'a b' },
    { host: 'a b' },
    { port: 0 },
    { clientKey: '-----BEGIN ENCRYPTED PRIVATE KEY-----' },
    { other: 1 },
  ])('refuse %j', (changed) => {
    expect(haproxy.options.safeParse({ host: 'a', port: 1, file: 'x.pem', ...changed }).success).toBe(false);
  });
});

describe('haproxy', () => {
  it('serves what was delivered, and the next one, without a reload', async () => {
    for (const bundle of [authority.issue('fixed.example.com'), authority.issue('fixed.example.com')]) {
      const { location } = await deliver(bundle);
      expect(location).toBe(`${fileOf('fixed.example.com')} at 127.0.0.1:${server.plain}`);
      expect(await server.served('fixed.example.com')).toBe(bundle.serialHex);
      await deliver(bundle);
      expect(await server.served('fixed.example.com')).toBe(bundle.serialHex);
    }
  });

  it('takes certificates behind TLS with a client certificate', async () => {
    const bundle = authority.issue('fixed.example.com');
    await checked(behindTls());
    await deliver(bundle, behindTls());
    expect(await server.served('fixed.example.com')).toBe(bundle.serialHex);
  });

  it('puts each of many certificates at once into its own file', async () => {
    const names = ['fixed.example.com', 'second.example.com', 'listed.example.com'];
    for (let round = 0; round < 3; round += 1) {
      const bundles = names.map((name) => authority.issue(name));
      await Promise.all(bundles.map((bundle) => deliver(bundle)));
      // One by one: HAProxy refuses to show a certificate while it shows another one.
      for (const [i, { serialHex }] of bundles.entries()) expect(await loaded(names[i] ?? '')).toBe(serialHex);
    }
  });

  it('never calls a certificate missing while HAProxy works on others', async () => {
    const bundle = authority.issue('fixed.example.com');
    await deliver(bundle);
    const asked = Array.from({ length: 40 }, async () => verdict(bundle));
    for (const one of await Promise.allSettled(asked))
      if (one.status === 'fulfilled') expect(one.value).toEqual({ state: 'same' });
      else expect(one.reason).toMatchObject({ fault: 'unavailable' });
  });

  it('adds a certificate that HAProxy does not know to a list, once, and takes it out again', async () => {
    const { crtList } = server;
    const [first, second] = [authority.issue('*.new.example.com'), authority.issue('*.new.example.com')];
    const before = await listed();
    for (const bundle of [first, first, second]) await deliver(bundle, { crtList });
    expect(await listed()).toEqual([...before, fileOf('_wildcard.new.example.com')]);
    expect(await server.served('a.new.example.com')).toBe(second.serialHex);
    await remove(first, { crtList });
    expect(await server.served('a.new.example.com')).toBe(second.serialHex);
    for (let times = 0; times < 2; times += 1) await remove(second, { crtList });
    expect(await listed()).toEqual(before);
    expect(await loaded('_wildcard.new.example.com')).toBe('none');
    expect(await server.served('a.new.example.com')).not.toBe(second.serialHex);
  });

  it('tells which certificate HAProxy holds, and whether its list names it', async () => {
    const { crtList } = server;
    const [bundle, other] = [authority.issue('held.example.com'), authority.issue('held.example.com')];
    expect(await verdict(bundle, { crtList })).toEqual({ state: 'missing' });
    await deliver(bundle, { crtList });
    expect(await verdict(bundle, { crtList })).toEqual({ state: 'same' });
    await deliver(other, { crtList });
    const file = fileOf('held.example.com');
    const detail = `HAProxy holds another certificate in ${file}.`;
    expect(await verdict(bundle, { crtList })).toEqual({ state: 'different', detail });
    await server.ask(`del ssl crt-list ${crtList} ${file}`);
    expect(await verdict(other, { crtList })).toMatchObject({ detail: expect.stringMatching(/list .* does not name/) });
    await remove(other, { crtList });
    expect(await verdict(other, { crtList })).toEqual({ state: 'missing' });
  });

  it('takes a certificate off every line of a list', async () => {
    const { crtList } = server;
    const bundle = authority.issue('twice.example.com');
    await deliver(bundle, { crtList });
    await server.ask(`add ssl crt-list ${crtList} ${fileOf('twice.example.com')}`);
    await remove(bundle, { crtList });
    expect(await loaded('twice.example.com')).toBe('none');
  });

  it('waits while a transaction of another file is open, and leaves that alone', async () => {
    const other = authority.issue('second.example.com');
    const pem = [other.privateKeyPem, ...other.chainPem].join('');
    await server.ask(`set ssl cert ${fileOf('second.example.com')} <<\n${pem}\n`);
    const bundle = authority.issue('fixed.example.com');
    const error = await failureOf(deliver(bundle));
    expect([error.fault, error.detail]).toEqual(['unavailable', expect.stringMatching(/transaction of .*second/)]);
    await server.ask(`commit ssl cert ${fileOf('second.example.com')}`);
    expect(await loaded('second.example.com')).toBe(other.serialHex);
    await deliver(bundle);
    expect(await loaded('fixed.example.com')).toBe(bundle.serialHex);
  });

  it('goes on in a transaction of the same file that was left open', async () => {
    const [left, bundle] = [authority.issue('fixed.example.com'), authority.issue('fixed.example.com')];
    await server.ask(`set ssl cert ${fileOf('fixed.example.com')} <<\n${left.privateKeyPem}${left.chainPem[0]}\n`);
    await deliver(bundle);
    expect(await server.served('fixed.example.com')).toBe(bundle.serialHex);
  });

  it('replaces at once what another has mixed into its transaction', async () => {
    const [other, bundle] = [authority.issue('second.example.com'), authority.issue('fixed.example.com')];
    const meddle = `set ssl cert ${fileOf('second.example.com')} <<\n${other.privateKeyPem}${other.chainPem[0]}\n`;
    const proxy = await startMeddler(() => server.ask(meddle));
    await deliver(bundle, { port: proxy.port });
    expect(proxy.meddled()).toMatch(/^Transaction updated for certificate .*fixed\.example\.com/);
    expect(await server.served('fixed.example.com')).toBe(bundle.serialHex);
    await proxy.stop();
  });

  it('cannot unload a certificate that its configuration names, and says what to do', async () => {
    const bundle = authority.issue('fixed.example.com');
    await deliver(bundle);
    const error = await failureOf(remove(bundle));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringMatching(/reload HAProxy/)]);
    await deliver(authority.issue('fixed.example.com'));
    await remove(bundle);
  });

  it.each([
    ['a file that the configuration does not name', {}, /certificate list to which it is added/],
    ['a list that there is not', { crtList: '/nowhere.txt' }, /no certificate list \/nowhere\.txt/],
  ])('tells a person of %s', async (_, changed, words) => {
    const error = await failureOf(deliver(authority.issue('unknown.example.com'), changed));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringMatching(words)]);
  });

  it.each([
    ['CA certificates without TLS', { caCertificates: 'x-----BEGIN CERTIFICATE-----' }, /TLS, which is off/],
    ['half a client certificate', { tls: true, clientCertificate: '-----BEGIN CERTIFICATE-----' }, /Give both/],
    [
      'a client key of another certificate',
      {
        tls: true,
        clientCertificate: client.chainPem[0],
        clientKey: `${authority.issue('x.example.com').privateKeyPem}`,
      },
      /cannot be used/,
    ],
  ])('does not admit %s', async (_, changed, words) => {
    const admitted = async (): Promise<void> => haproxy.admit?.(options(changed), networkContext());
    for (const work of [admitted, () => deliver(authority.issue('fixed.example.com'), changed)]) {
      const error = await failureOf(work());
      expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringMatching(words)]);
    }
  });

  it('tells a person that the API is for operators alone', async () => {
    const port = server.operator;
    for (const work of [() => deliver(authority.issue('fixed.example.com'), { port }), () => checked({ port })]) {
      const error = await failureOf(work());
      expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringMatching(/level admin/)]);
    }
  });

  it('refuses a key of another certificate before it asks', async () => {
    const bundle = { ...authority.issue('fixed.example.com'), privateKeyPem: client.privateKeyPem };
    expect((await failureOf(deliver(bundle, { port: 1 }))).fault).toBe('refused');
  });

  it('refuses to remove from another HAProxy than that of the options', async () => {
    const removal = { bundle: client, location: `${fileOf('fixed.example.com')} at other:1`, files: [], round: '1.1' };
    const work = haproxy.remove?.(removal, options(), networkContext()) ?? Promise.resolve();
    expect((await failureOf(work)).fault).toBe('misconfigured');
  });

  it('tells of a chain that is larger than the buffers of HAProxy', async () => {
    const bundle = authority.issue('fixed.example.com');
    const issuer = bundle.chainPem[1] ?? '';
    const error = await failureOf(deliver({ ...bundle, chainPem: [...bundle.chainPem, ...Array(30).fill(issuer)] }));
    expect([error.fault, error.detail]).toEqual(['misconfigured', expect.stringMatching(/tune\.bufsize/)]);
  });
});

describe('haproxy is tried later', () => {
  let silent: Server;
  beforeAll(async () => {
    silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => silent.close());

  it.each<[string, () => object, RegExp]>([
    ['nothing listens', () => ({ port: 1 }), /ECONNREFUSED|refuse/],
    ['nothing answers', () => ({ port: (silent.address() as AddressInfo).port, timeoutS: 1 }), /in time/],
    ['its certificate is not of the CA', () => behindTls({ caCertificates: client.chainPem[0] }), /certificate/],
    ['its certificate is for another name', () => behindTls({ host: '127.0.0.1' }), /127\.0\.0\.1/],
    ['it demands a client certificate', () => behindTls({ clientCertificate: undefined, clientKey: undefined }), /\S/],
  ])('when %s', async (_, changed, words) => {
    const error = await failureOf(deliver(authority.issue('fixed.example.com'), changed()), [client.privateKeyPem]);
    expect([error.fault, error.detail]).toEqual(['unavailable', expect.stringMatching(words)]);
  });
});
