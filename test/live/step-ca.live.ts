import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AcmeStage } from '../support/acme-stage.js';
import { describeLive } from '../support/live.js';
import { namedIsInstalled } from '../support/named.js';
import { missingStepCa, startStepCa, type TestStepCa } from '../support/step-ca.js';

const missing = missingStepCa() ?? (namedIsInstalled() ? undefined : 'BIND is not installed (Debian: bind9)');

describeLive('step-ca', missing, () => {
  let stage: AcmeStage;
  let ca: TestStepCa;

  beforeAll(async () => {
    stage = await AcmeStage.open();
    ca = await startStepCa(stage);
    await stage.authority('step', { ...ca, caPem: ca.rootPem }, {}, ca.rootPem);
  });
  afterAll(async () => {
    await stage.close();
    await ca.remove();
  });

  it('issues by http-01, renews, and revokes', async () => {
    const first = await stage.issued(await stage.order('step', 'www.example.test', { rotation: true }));
    expect(stage.names(first)).toEqual(['DNS:www.example.test']);
    const second = await stage.renewed(first);
    expect(second.serial).not.toBe(first.serial);
    expect(new X509Certificate(second.body as string).issuer).toBe('CN=step issuing');
    await stage.program.ok('PUT', `/certificates/${second.id}/revoke`, { crlReason: 'superseded' });
    await stage.revokedAtCa(second.id);
  });

  it('issues a wildcard by dns-01, and removes the record', async () => {
    await stage.dnsProvider();
    const certificate = await stage.issued(await stage.order('step', '*.example.test'));
    expect(stage.names(certificate)).toEqual(['DNS:*.example.test']);
    await stage.noAnswers();
    expect(await stage.named.txt('_acme-challenge.example.test')).toEqual([]);
  });

  it('issues by tls-alpn-01', async () => {
    await stage.authority('alpn', { ...ca, caPem: ca.rootPem }, { challenge: 'tls-alpn-01' }, ca.rootPem);
    const certificate = await stage.issued(await stage.order('alpn', 'alpn.example.test'));
    expect(stage.names(certificate)).toEqual(['DNS:alpn.example.test']);
    await stage.noAnswers();
  });

  it('goes on with its account after the CA has restarted', async () => {
    await ca.stop();
    const id = await stage.order('step', 'later.example.test');
    await ca.start();
    await stage.issued(id);
  });
});
