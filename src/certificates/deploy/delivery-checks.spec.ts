import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Destinations, ReadyDestination } from '../../destinations/destinations.js';
import type { Verdict } from '../../plugin-api/destination.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Bundle } from '../../plugin-api/export.js';
import { loadConfig } from '../../platform/config.js';
import { GuardedAgents } from '../../platform/net/guarded-agent.js';
import { ServedCertificates } from '../../platform/net/served-certificate.js';
import { startTestAuthority, type TestAuthority } from '../../../test/support/bundles.js';
import { execFileSync } from '../../../test/support/sync-programs.js';
import { askedOf, DeliveryChecks } from './delivery-checks.js';

const folder = mkdtempSync(join(tmpdir(), 'delivery-checks-'));
let authority: TestAuthority;
let server: Server;
let port: number;
/** The names (SNI) that the server was asked for. */
const askedFor: string[] = [];
beforeAll(async () => {
  authority = startTestAuthority();
  const SNICallback = (name: string, answer: (error: null) => void): void => {
    askedFor.push(name);
    answer(null);
  };
  server = createServer({ minVersion: 'TLSv1.2', SNICallback });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.close();
  authority.close();
  rmSync(folder, { recursive: true });
});

/** A certificate for these names (DNS names, or with a kind: `IP:10.0.0.1`) with its key, by OpenSSL, below no CA. */
function certified(names: readonly string[], keyType: 'rsa' | 'ec' = 'ec'): Bundle {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const newKey = keyType === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : ['rsa:2048'];
  const san = `subjectAltName=${names.map((name) => (name.includes(':') ? name : `DNS:${name}`)).join()}`;
  const made = ['req', '-x509', '-newkey', ...newKey, '-nodes', '-subj', '/CN=x', '-addext', san];
  execFileSync('openssl', [...made, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  return {
    name: names.join(),
    commonName: names[0] ?? '',
    serialHex: '01',
    chainPem: [readFileSync(certificate, 'utf8')],
    privateKeyPem: readFileSync(key, 'utf8'),
  };
}

const serve = ({ chainPem, privateKeyPem }: Bundle): void =>
  server.setSecureContext({ cert: chainPem.join(''), key: privateKeyPem });

/** The real connections, to a name of several addresses that no name server here has. */
class TestAgents extends GuardedAgents {
  override async connectEach(...[host, port, signal]: Parameters<GuardedAgents['connectEach']>) {
    const addresses = addressesOf[host] ?? [host];
    return (await Promise.all(addresses.map((address) => super.connectEach(address, port, signal)))).flat();
  }
}

// The system has no route for TCP to a multicast address.
const addressesOf: Record<string, string[]> = {
  'dual.test': ['224.0.0.1', '127.0.0.1'],
  'lone.test': ['224.0.0.1'],
};

/** Checks a bundle; `verdict` is what the plugin reads back, null when it cannot. */
function check(
  bundle: Bundle,
  { verdict = null, ...more }: { verdict?: Verdict | Error | null; verifyAt?: string[]; verifyName?: string } = {},
  allowed = '127.0.0.1',
) {
  const destinations: Pick<Destinations, 'verify'> = {
    verify: () => (verdict instanceof Error ? Promise.reject(verdict) : Promise.resolve(verdict)),
  };
  const agents = new TestAgents(loadConfig({ ALLOWED_PRIVATE_HOSTS: allowed }));
  const checks = new DeliveryChecks(destinations as Destinations, new ServedCertificates(agents));
  const destination = { verifyAt: [`127.0.0.1:${port}`], verifyName: null, ...more };
  const target = { destination, plugin: { title: 'Shelf' } } as unknown as ReadyDestination;
  return checks.check(target, { location: 'a', bundle, files: [], round: '1.1' }, new AbortController().signal);
}

describe('a check of a delivery', () => {
  it('matches when the server sends the leaf that was delivered', async () => {
    const bundle = certified(['www.example.org']);
    serve(bundle);
    expect(await check(bundle)).toEqual({ outcome: 'match', detail: null });
    expect(askedFor).toEqual(['www.example.org']);
  });

  it('differs when the server sends another leaf, and names its serial number', async () => {
    const [served, wanted] = [certified(['www.example.org']), certified(['www.example.org'])];
    serve(served);
    expect(await check(wanted)).toEqual({
      outcome: 'differs',
      detail: expect.stringMatching(
        /^www\.example\.org at 127\.0\.0\.1, port \d+: .* serial number [0-9a-f]+ is served/,
      ),
    });
  });

  it('differs when an intermediate of the chain is not sent (11: certd#408)', async () => {
    const bundle = authority.issue('chain.example.org');
    const named = { ...bundle, commonName: 'chain.example.org' };
    serve({ ...named, chainPem: named.chainPem.slice(0, 1) });
    // The leaf of the test authority has no SAN, so that a name must be configured that OpenSSL finds in its subject.
    const found = await check(named, { verifyName: 'chain.example.org' });
    expect(found).toEqual({ outcome: 'differs', detail: expect.stringContaining('the chain lacks') });
    serve(named);
    expect(await check(named, { verifyName: 'chain.example.org' })).toEqual({ outcome: 'match', detail: null });
  });

  it('asks a server with two certificates for that of the key type that was delivered', async () => {
    const [rsa, ec] = [certified(['www.example.org'], 'rsa'), certified(['www.example.org'])];
    server.setSecureContext({
      cert: [rsa.chainPem.join(''), ec.chainPem.join('')],
      key: [rsa.privateKeyPem ?? '', ec.privateKeyPem ?? ''],
    });
    expect([(await check(rsa)).outcome, (await check(ec)).outcome]).toEqual(['match', 'match']);
  });

  it('is unknown when a server does not answer, and cannot be made where none may be asked', async () => {
    const bundle = certified(['www.example.org']);
    serve(bundle);
    expect(await check(bundle, { verifyAt: [`127.0.0.1:${port}`, '127.0.0.1:1'] })).toEqual({
      outcome: 'unknown',
      detail: '127.0.0.1:1 cannot be reached (ECONNREFUSED).',
    });
    expect(await check(bundle, {}, '10.0.0.1')).toEqual({
      outcome: 'denied',
      detail: expect.stringContaining('is not on the public internet'),
    });
  });

  it('does not ask an address without a route from here when the host has another one', async () => {
    const bundle = certified(['www.example.org']);
    const allowed = '127.0.0.1,224.0.0.1';
    serve(bundle);
    expect(await check(bundle, { verifyAt: [`dual.test:${port}`] }, allowed)).toEqual({
      outcome: 'match',
      detail: null,
    });
    expect(await check(bundle, { verifyAt: [`lone.test:${port}`] }, allowed)).toEqual({
      outcome: 'unknown',
      detail: expect.stringContaining('(ENETUNREACH)'),
    });
    expect(await check(bundle, { verifyAt: ['dual.test:1'] }, allowed)).toEqual({
      outcome: 'unknown',
      detail: '127.0.0.1:1 cannot be reached (ECONNREFUSED).',
    });
  });

  it('asks all servers: one that is down, or may not be asked, does not hide that another one differs', async () => {
    const [served, wanted] = [certified(['www.example.org']), certified(['www.example.org'])];
    serve(served);
    const verifyAt = ['127.0.0.1:1', '10.0.0.1:443', `127.0.0.1:${port}`];
    expect((await check(wanted, { verifyAt })).outcome).toBe('differs');
    expect((await check(served, { verifyAt })).outcome).toBe('unknown');
    expect((await check(served, { verifyAt: verifyAt.slice(1) })).outcome).toBe('denied');
  });

  it('cannot be made for wildcards alone unless a name is configured (15: certmate#381)', async () => {
    const wild = certified(['*.example.org']);
    serve(wild);
    expect(await check(wild)).toEqual({ outcome: 'not-verifiable', detail: expect.stringContaining('verifyName') });
    expect((await check(wild, { verifyName: 'probe.example.org' })).outcome).toBe('match');
  });

  it('asks for no name where the certificate has IP addresses alone, at `{name}` the first of them', async () => {
    const [wanted, other] = [certified(['IP:127.0.0.1', 'IP:10.0.0.5']), certified(['www.example.org'])];
    serve(wanted);
    askedFor.length = 0;
    const verifyAt = [`127.0.0.1:${port}`, `{name}:${port}`];
    expect(await check(wanted, { verifyAt, verifyName: 'elsewhere.org' })).toEqual({ outcome: 'match', detail: null });
    expect(askedFor).toEqual([]);
    serve(other);
    expect(await check(wanted, { verifyAt })).toEqual({
      outcome: 'differs',
      detail: expect.stringMatching(/^127\.0\.0\.1, port \d+: the certificate with serial number/),
    });
  });

  it.each<[Verdict | Error | null, string]>([
    [{ state: 'same' }, 'match'],
    [{ state: 'missing' }, 'differs'],
    [{ state: 'different', detail: 'It holds another.' }, 'differs'],
    [new PluginError('unavailable', 'It is down.'), 'unknown'],
    [new PluginError('misconfigured', 'It lets nobody read.'), 'denied'],
    [null, 'not-verifiable'],
  ])('without addresses, for a place that says %j, is: %s', async (verdict, outcome) => {
    expect((await check(certified(['a.example.org']), { verdict, verifyAt: [] })).outcome).toBe(outcome);
  });

  it('asks no server about what is not at the place', async () => {
    const bundle = certified(['www.example.org']);
    serve(bundle);
    expect((await check(bundle, { verdict: { state: 'missing' } })).outcome).toBe('differs');
  });
});

describe('the name that a server is asked for', () => {
  const asked = (names: string[], configured: string | null) =>
    askedOf(new X509Certificate(certified(names).chainPem[0] ?? ''), configured);

  it('is the configured one where the certificate has it, else its first name that is no wildcard', () => {
    const byName = (name: string) => ({ name, servername: name });
    expect(asked(['*.a.org', 'b.org'], null)).toEqual(byName('b.org'));
    expect(asked(['*.a.org', 'b.org'], 'x.a.org')).toEqual(byName('x.a.org'));
    expect(asked(['*.a.org', 'b.org'], 'elsewhere.org')).toEqual(byName('b.org'));
    expect(asked(['IP:10.0.0.5', 'b.org'], null)).toEqual(byName('b.org'));
  });

  it('is none for IP addresses alone, and there is nothing to ask for without either', () => {
    expect(asked(['IP:10.0.0.5', 'IP:fd00::5'], null)).toEqual({ name: '10.0.0.5', servername: null });
    expect(asked(['*.a.org', 'IP:10.0.0.5'], 'elsewhere.org')).toEqual({
      detail: expect.stringContaining('wildcards'),
    });
    expect(asked(['email:a@b.org'], null)).toEqual({
      detail: expect.stringContaining('no DNS name and no IP address'),
    });
  });
});
