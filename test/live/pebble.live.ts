import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openssl } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { describeLive } from '../support/live.js';
import { namedIsInstalled, startNamed, type TestNamed } from '../support/named.js';
import { freePort } from '../support/own-server.js';
import { missingPebble, type PebbleSetup, startPebble, type TestPebble } from '../support/pebble.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const missing = missingPebble() ?? (namedIsInstalled() ? undefined : 'BIND is not installed (Debian: bind9)');
const issueMs = 90_000;
const dayMs = 86_400_000;

describeLive('Pebble', missing, () => {
  let named: TestNamed;
  let program: TestProgram;
  const servers: TestPebble[] = [];

  beforeAll(async () => {
    named = await startNamed(['example.test'], undefined, ['* IN A 127.0.0.1', '_acme-challenge.moved IN CNAME proof']);
    const port = await freePort();
    program = await startProgram({
      PORT: String(port),
      ALLOWED_PRIVATE_HOSTS: '127.0.0.1',
      DNS_RESOLVERS: `127.0.0.1:${named.port}`,
      DNS_PROPAGATION_CHECK: 'resolvers',
    });
  });
  afterAll(async () => {
    await program.stop();
    for (const server of servers) await server.remove();
    await named.remove();
  });

  async function pebble(more: Partial<PebbleSetup> = {}): Promise<TestPebble> {
    const httpPort = Number(new URL(program.url).port);
    const server = await startPebble({ dnsServer: `127.0.0.1:${named.port}`, httpPort, ...more });
    servers.push(server);
    return server;
  }

  async function authority(name: string, server: TestPebble, options: object = {}, root?: string): Promise<void> {
    await program.ok('POST', '/authorities', {
      name,
      owner: 'team@example.com',
      chain: root ?? (await server.root()),
      plugin: {
        id: 'acme',
        options: {
          directoryUrl: server.directoryUrl,
          caCertificates: server.caPem,
          termsOfServiceAgreed: true,
          contacts: ['team@example.com'],
          ...options,
        },
      },
    });
  }

  async function order(name: string, commonName: string, more: object = {}): Promise<number> {
    const { id } = await program.ok('POST', '/certificates', {
      owner: 'team@example.com',
      authority: { name },
      commonName,
      validityDays: 90,
      ...more,
    });
    return id;
  }

  /** The certificate once it is issued; throws with what the order says when it has failed. */
  async function issued(id: number): Promise<Json> {
    return eventually(async () => {
      const certificate = await program.ok('GET', `/certificates/${id}`);
      if (certificate.lifecycle === 'failed') throw new Error(JSON.stringify(certificate.order));
      return certificate.lifecycle === 'issued' ? certificate : null;
    }, issueMs);
  }

  const names = ({ body }: Json): string[] =>
    (new X509Certificate(body as string).subjectAltName ?? '').split(', ').sort();
  const noRecords = (): Promise<unknown> =>
    eventually(async () => {
      const rows: unknown[] = await program.database.source.query('select id from challenge');
      return rows.length === 0;
    });

  it('issues by http-01 in spite of bad nonces and of slow validation', async () => {
    const server = await pebble({
      faults: { PEBBLE_WFE_NONCEREJECT: '40', PEBBLE_VA_NOSLEEP: '0', PEBBLE_VA_SLEEPTIME: '4' },
    });
    await authority('slow', server, { challenge: 'http-01' });
    const certificate = await issued(
      await order('slow', 'one.example.test', {
        extensions: { subAltNames: { names: [{ nameType: 'DNSName', value: 'two.example.test' }] } },
      }),
    );
    expect(names(certificate)).toEqual(['DNS:one.example.test', 'DNS:two.example.test']);
    expect(openssl(['x509', '-noout', '-issuer'], certificate.body)).toMatch(/Pebble Intermediate/);
    await noRecords();
  });

  it('issues a wildcard by dns-01, behind a CNAME record, and removes the records', async () => {
    const server = await pebble();
    await authority('dns', server);
    const plugin = {
      id: 'rfc2136',
      options: {
        server: '127.0.0.1',
        port: named.port,
        zones: ['example.test'],
        keyName: 'updater',
        keySecret: named.keySecret,
      },
    };
    const provider = await program.ok('POST', '/dns_providers', { name: 'bind', plugin });
    expect(await program.ok('POST', `/dns_providers/${provider.id}/test`)).toMatchObject({ ok: true });
    const certificate = await issued(
      await order('dns', '*.moved.example.test', {
        extensions: { subAltNames: { names: [{ nameType: 'DNSName', value: 'moved.example.test' }] } },
      }),
    );
    expect(names(certificate)).toEqual(['DNS:*.moved.example.test', 'DNS:moved.example.test']);
    await noRecords();
    expect(await named.txt('proof.example.test')).toEqual([]);
  });

  it('binds the account to an external one, and says what is missing without it', async () => {
    const hmacKey = Buffer.alloc(32, 7).toString('base64url');
    const server = await pebble({ externalAccounts: { 'kid-1': hmacKey } });
    await authority('unbound', server);
    const failing = await order('unbound', 'www.example.test');
    const fault = await eventually(async () => (await program.ok('GET', `/certificates/${failing}`)).order.detail);
    expect(fault).toMatch(/external account/);
    await program.ok('DELETE', `/pending_certificates/${failing}`);
    await authority('bound', server, { eabKeyId: 'kid-1', eabHmacKey: hmacKey });
    await issued(await order('bound', 'www.example.test'));
  });

  it('follows the preferred chain and the profile', async () => {
    const server = await pebble({ faults: { PEBBLE_ALTERNATE_ROOTS: '2' } });
    const root = await server.root(1);
    const preferredChain = /CN ?= ?(.+)/.exec(openssl(['x509', '-noout', '-subject'], root))?.[1] ?? '';
    await authority('preferred', server, { preferredChain }, root);
    const certificate = await issued(await order('preferred', 'www.example.test'));
    const [, intermediate = ''] = (certificate.body + certificate.chain).split(/(?<=-----END CERTIFICATE-----)\s*/);
    expect(openssl(['x509', '-noout', '-issuer'], intermediate)).toContain(preferredChain);
  });

  it('renews where authorizations are reused, and revokes', async () => {
    const server = await pebble({ faults: { PEBBLE_AUTHZREUSE: '100' } });
    await authority('renewing', server);
    const first = await issued(await order('renewing', 'again.example.test', { rotation: true }));
    const { id } = await program.ok('POST', `/certificates/${first.id}/rotate`, {});
    const second = await issued(id ?? first.id + 1);
    expect(second.serial).not.toBe(first.serial);
    expect(names(second)).toEqual(names(first));
    await program.ok('PUT', `/certificates/${second.id}/revoke`, { crlReason: 'keyCompromise' });
    const serialHex = new X509Certificate(second.body as string).serialNumber;
    await eventually(async () => (await server.statusOf(serialHex)) === 'Revoked');
  });

  it('says in clear text why a name was not proven, and cancels nothing more', async () => {
    const server = await pebble();
    await authority('failing', server, { challenge: 'http-01' });
    const id = await order('failing', 'www.nowhere.test');
    const detail = await eventually(async () => {
      const certificate = await program.ok('GET', `/certificates/${id}`);
      return certificate.lifecycle === 'failed' ? (certificate.order.detail as string) : null;
    }, issueMs);
    expect(detail).toMatch(/^www\.nowhere\.test was not proven: .*(www\.nowhere\.test|dns)/i);
    await noRecords();
  });

  it('follows renewal information where the CA offers it', async () => {
    const server = await pebble();
    await authority('ari', server);
    const certificate = await issued(await order('ari', 'ari.example.test', { rotation: true }));
    const [row] = await eventually(async () => {
      const rows = await program.database.source.query(
        'select window_start as start, suggested_at as at, window_end as end, ask_at as ask from renewal_info where certificate_id = $1',
        [certificate.id],
      );
      return rows[0]?.ask > new Date(Date.now() + 60_000) || rows[0]?.at ? rows : null;
    }, issueMs);
    if (!(await offersRenewalInfo(server))) {
      expect(row.at).toBeNull();
      return;
    }
    expect(row.at >= row.start && row.at <= row.end).toBe(true);
    expect(row.end.getTime()).toBeLessThan(Date.now() + 90 * dayMs);
  });

  async function offersRenewalInfo(server: TestPebble): Promise<boolean> {
    return 'renewalInfo' in (JSON.parse(await server.directory()) as object);
  }
});
