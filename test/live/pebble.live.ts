import { X509Certificate } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AcmeStage } from '../support/acme-stage.js';
import { openssl } from '../support/bundles.js';
import { describeLive } from '../support/live.js';
import { namedIsInstalled } from '../support/named.js';
import { blocksOf, document, outputsOf, preparation } from '../support/page-commands.js';
import { missingPebble, type PebbleSetup, startPebble, type TestPebble } from '../support/pebble.js';
import { ownFolder } from '../support/own-server.js';
import { adminPassword, eventually } from '../support/program.js';

const missing = missingPebble() ?? (namedIsInstalled() ? undefined : 'BIND is not installed (Debian: bind9)');
const san = (value: string): object => ({ extensions: { subAltNames: { names: [{ nameType: 'DNSName', value }] } } });

describeLive('Pebble', missing, () => {
  let stage: AcmeStage;
  const servers: TestPebble[] = [];

  beforeAll(async () => {
    stage = await AcmeStage.open(['_acme-challenge.moved IN CNAME proof']);
  });
  afterAll(async () => {
    await stage.close();
    for (const server of servers) await server.remove();
  });

  async function pebble(more: Partial<PebbleSetup> = {}): Promise<TestPebble> {
    const { dnsServer, httpPort, tlsPort } = stage;
    const server = await startPebble({ dnsServer, httpPort, tlsPort, ...more });
    servers.push(server);
    return server;
  }
  const authority = async (name: string, server: TestPebble, options = {}, root?: string): Promise<void> =>
    stage.authority(name, server, options, root ?? (await server.root()));

  it('issues by http-01 in spite of bad nonces and of slow validation', async () => {
    const server = await pebble({
      faults: { PEBBLE_WFE_NONCEREJECT: '40', PEBBLE_VA_NOSLEEP: '0', PEBBLE_VA_SLEEPTIME: '4' },
    });
    await authority('slow', server, { challenge: 'http-01' });
    const certificate = await stage.issued(await stage.order('slow', 'one.example.test', san('two.example.test')));
    expect(stage.names(certificate)).toEqual(['DNS:one.example.test', 'DNS:two.example.test']);
    expect(openssl(['x509', '-noout', '-issuer'], certificate.body)).toMatch(/Pebble Intermediate/);
    await stage.noAnswers();
  });

  it('issues a wildcard by dns-01, behind a CNAME record, and removes the records', async () => {
    await authority('dns', await pebble());
    const provider = await stage.dnsProvider();
    expect(await stage.program.ok('POST', `/dns_providers/${provider}/test`)).toMatchObject({ ok: true });
    const certificate = await stage.issued(await stage.order('dns', '*.moved.example.test', san('moved.example.test')));
    expect(stage.names(certificate)).toEqual(['DNS:*.moved.example.test', 'DNS:moved.example.test']);
    await stage.noAnswers();
    expect(await stage.named.txt('proof.example.test')).toEqual([]);
  });

  it('issues by tls-alpn-01, also for an IP address', async () => {
    await authority('alpn', await pebble(), { challenge: 'tls-alpn-01' });
    const names = [
      { nameType: 'DNSName', value: 'alpn.example.test' },
      { nameType: 'IPAddress', value: '127.0.0.1' },
    ];
    const extensions = { subAltNames: { names } };
    const certificate = await stage.issued(await stage.order('alpn', 'alpn.example.test', { extensions }));
    expect(stage.names(certificate)).toEqual(['DNS:alpn.example.test', 'IP Address:127.0.0.1']);
    await stage.noAnswers();
  });

  it('binds the account to an external one, and says what is missing without it', async () => {
    const hmacKey = Buffer.alloc(32, 7).toString('base64url');
    const server = await pebble({ externalAccounts: { 'kid-1': hmacKey } });
    await authority('unbound', server);
    const failing = await stage.order('unbound', 'www.example.test');
    const fault = await eventually(
      async () => (await stage.program.ok('GET', `/certificates/${failing}`)).order.detail as string | null,
    );
    expect(fault).toMatch(/external account/);
    await stage.program.ok('DELETE', `/pending_certificates/${failing}`);
    await authority('bound', server, { eabKeyId: 'kid-1', eabHmacKey: hmacKey });
    await stage.issued(await stage.order('bound', 'www.example.test'));
  });

  it('follows the preferred chain', async () => {
    const server = await pebble({ faults: { PEBBLE_ALTERNATE_ROOTS: '2' } });
    const root = await server.root(1);
    const preferredChain = /CN ?= ?(.+)/.exec(openssl(['x509', '-noout', '-subject'], root))?.[1] ?? '';
    await authority('preferred', server, { preferredChain }, root);
    const certificate = await stage.issued(await stage.order('preferred', 'www.example.test'));
    const [, intermediate = ''] = (certificate.body + certificate.chain).split(/(?<=-----END CERTIFICATE-----)\s*/);
    expect(openssl(['x509', '-noout', '-issuer'], intermediate)).toContain(preferredChain);
  });

  it('renews where authorizations are reused, and revokes', async () => {
    const server = await pebble({ faults: { PEBBLE_AUTHZREUSE: '100' } });
    await authority('renewing', server);
    const first = await stage.issued(await stage.order('renewing', 'again.example.test', { rotation: true }));
    const second = await stage.renewed(first);
    expect(second.serial).not.toBe(first.serial);
    expect(stage.names(second)).toEqual(stage.names(first));
    await stage.program.ok('PUT', `/certificates/${second.id}/revoke`, { crlReason: 'keyCompromise' });
    const serialHex = new X509Certificate(second.body as string).serialNumber;
    await eventually(async () => (await server.statusOf(serialHex)) === 'Revoked');
  });

  it('says in clear text why a name was not proven', async () => {
    await authority('failing', await pebble(), { challenge: 'http-01' });
    const detail = await stage.failed(await stage.order('failing', 'www.nowhere.test'));
    expect(detail).toMatch(/^www\.nowhere\.test was not proven: /);
    await stage.noAnswers();
  });

  it('ends an order that a restarted CA no longer knows only after a while, and issues the next', async () => {
    const server = await pebble({ faults: { PEBBLE_VA_NOSLEEP: '0', PEBBLE_VA_SLEEPTIME: '15' } });
    await authority('forgetful', server, { challenge: 'http-01' }, await server.root());
    const id = await stage.order('forgetful', 'lost.example.test');
    await eventually(
      async () => (await stage.program.ok('GET', `/certificates/${id}`)).order?.progress as string | null,
    );
    await server.stop();
    await server.start();
    const fault = await eventually(async () => {
      const { order } = await stage.program.ok('GET', `/certificates/${id}`);
      return order?.fault ? (order as { fault: string; detail: string }) : null;
    }, 60_000);
    expect(fault.detail).toMatch(/127\.0\.0\.1/);
    expect((await stage.program.ok('GET', `/certificates/${id}`)).lifecycle).toBe('pending');
    await stage.program.ok('DELETE', `/pending_certificates/${id}`);
  });

  it('issues by the example of its page, as it is written', async () => {
    const server = await pebble();
    const folder = await ownFolder('acme-page');
    writeFileSync(join(folder, 'server-ca.pem'), server.caPem);
    writeFileSync(join(folder, 'root.pem'), await server.root());
    const blocks = blocksOf(document('docs/issuers/acme.md'), 'bash');
    const outputs = await outputsOf([...preparation(), ...blocks], folder, {
      PERENNIAL: stage.program.url,
      PASSWORD: adminPassword,
      DIRECTORY: server.directoryUrl,
      SERVER_CA: 'server-ca.pem',
      NAME: 'page.example.test',
    });
    rmSync(folder, { recursive: true });
    expect(outputs.slice(2).join('')).toMatch(/^acme\n\nissued\n[^]*DNS:page\.example\.test/);
  });

  it('stores a moment in the window that the CA suggests, where it suggests one', async () => {
    const server = await pebble();
    await authority('ari', server);
    const certificate = await stage.issued(await stage.order('ari', 'ari.example.test', { rotation: true }));
    const offers = 'renewalInfo' in (JSON.parse(await server.directory()) as object);
    const row = await eventually(async () => {
      const [found] = await stage.program.database.source.query(
        `select window_start as start, suggested_at as at, window_end as end,
           ask_at > now() + interval '1 minute' as asked
         from renewal_info where certificate_id = $1`,
        [certificate.id],
      );
      // The next question is planned before the first answer is stored.
      const answered = offers ? found?.at : found?.asked;
      return answered ? (found as { start: Date; at: Date | null; end: Date }) : null;
    });
    expect(row.at !== null).toBe(offers);
    if (row.at) expect([row.at >= row.start, row.at <= row.end]).toEqual([true, true]);
  });
});
