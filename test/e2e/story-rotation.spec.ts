import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, opensslCsr } from '../support/requests.js';
import type { Json } from '../support/json.js';
import { sweptTwice } from '../support/sweeps.js';

const folder = mkdtempSync(join(tmpdir(), 'rotation-'));
let program: TestProgram;
let authorityId: number;
beforeAll(async () => {
  program = await startProgram();
  const { ok } = program;
  authorityId = (
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' })
  ).id;
  await ok('POST', '/policies', { name: 'ten days', days: 10, spreadHours: 0 });
  await ok('POST', '/policies', { name: 'half', lifetimeFraction: 0.5, spreadHours: 0 });
  await ok('POST', '/destinations', {
    label: 'web',
    plugin: { id: 'filesystem', options: { path: join(folder, 'web') } },
  });
  await ok('POST', '/roles', { name: 'ops' });
});
afterAll(async () => {
  await program.stop();
  rmSync(folder, { recursive: true });
});

const issue = (commonName: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/certificates', {
    owner: 'joe@example.com',
    commonName,
    authority: { name: 'root' },
    validityDays: 90,
    ...more,
  });
const get = (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}`);
const successorOf = async (id: number): Promise<Json> => {
  const brief = await eventually(async () => (await get(id)).replacedBy[0]);
  return get(brief.id);
};
const until = (id: number, state: string): Promise<Json> =>
  eventually(async () => {
    const certificate = await get(id);
    return certificate.lifecycle === state && certificate;
  });
const mailAbout = (words: string): Promise<Json> =>
  eventually(async () =>
    (await program.ok('GET', '/mails?count=200')).items.find(({ subject }: { subject: string }) =>
      subject.includes(words),
    ),
  );
const deliveriesOf = async (id: number): Promise<Json[]> =>
  (await program.ok('GET', `/certificates/${id}/deliveries`)).items;
const delivered = (id: number): Promise<Json> =>
  eventually(async () => {
    const [delivery] = await deliveriesOf(id);
    return delivery?.state === 'delivered' && delivery;
  });
const served = (name: string, under = 'web'): X509Certificate =>
  new X509Certificate(readFileSync(join(folder, under, name, 'cert.pem')));
const anotherSweep = (): Promise<void> => sweptTwice(program, 'due-work', 'due-deliveries', 'expiry-notices');

describe('rotation', () => {
  it('happens some days before the expiry or after a share of the lifetime, as its plan says', async () => {
    const byDays = await issue('days.example.com', { rotationPolicy: { name: 'ten days' } });
    const byShare = await issue('share.example.com', { rotationPolicy: { name: 'half' } });
    const plan = async (id: number): Promise<Json> => program.ok('GET', `/certificates/${id}/plan`);
    const before = (certificate: Json, days: number): number => Date.parse(certificate.notAfter) - days * dayMs;
    expect(await plan(byDays.id)).toMatchObject({
      willRenew: true,
      reason: 'policy',
      text: expect.stringContaining('10 days'),
    });
    expect(Date.parse((await plan(byDays.id)).at)).toBe(before(byDays, 10));
    expect(Date.parse((await plan(byShare.id)).at)).toBe(before(byShare, 45));

    program.clock.advance(46 * dayMs);
    await successorOf(byShare.id);
    expect((await get(byDays.id)).replacedBy).toEqual([]);
    program.clock.advance(35 * dayMs);
    await successorOf(byDays.id);
  });

  it('issues the same terms with a new key, delivers to the same destination and tells the owner', async () => {
    await program.ok('POST', '/notifications', {
      label: 'ops soon',
      plugin: { id: 'email', options: { recipients: 'ops@example.com', interval: 5 } },
    });
    const old = await issue('same.example.com', {
      keyType: 'ECCSECP384R1',
      rotation: true,
      roles: [{ name: 'ops' }],
      notifications: [{ label: 'ops soon' }],
      destinations: [{ label: 'web' }],
      organization: 'Example',
      extensions: {
        subAltNames: {
          names: [
            { nameType: 'DNSName', value: '*.same.example.com' },
            { nameType: 'IPAddress', value: '2001:db8::1' },
            { nameType: 'uniformResourceIdentifier', value: 'spiffe://example.com/x' },
          ],
        },
        keyUsage: { useDigitalSignature: true, useKeyAgreement: true },
        extendedKeyUsage: { useClientAuthentication: true },
        custom: [{ oid: '1.2.3.4', encoding: 'string', value: 'x' }],
      },
    });
    await delivered(old.id);
    expect(served('same.example.com').fingerprint256).toBe(new X509Certificate(old.body).fingerprint256);
    program.clock.advance(61 * dayMs);
    const fresh = await successorOf(old.id);
    await until(old.id, 'superseded');
    const same = [
      'cn',
      'owner',
      'keyType',
      'distinguishedName',
      'extensions',
      'notify',
      'rotation',
      'rotationPolicy',
      'authority',
      'san',
      'bits',
    ];
    for (const member of same) expect(fresh[member], member).toEqual(old[member]);
    const ids = (things: { id: number }[]): number[] => things.map(({ id }) => id).sort((a, b) => a - b);
    for (const member of ['roles', 'notifications', 'destinations', 'domains'])
      expect(ids(fresh[member]), member).toEqual(ids(old[member]));
    const [a, b] = [new X509Certificate(old.body), new X509Certificate(fresh.body)];
    expect(b.publicKey.equals(a.publicKey)).toBe(false);
    expect([b.subjectAltName, b.subject, b.keyUsage]).toEqual([a.subjectAltName, a.subject, a.keyUsage]);
    expect(Date.parse(fresh.notAfter) - Date.parse(fresh.notBefore)).toBe(
      Date.parse(old.notAfter) - Date.parse(old.notBefore),
    );
    expect(fresh.replaces).toMatchObject([{ id: old.id }]);
    expect(served('same.example.com').fingerprint256).toBe(b.fingerprint256);
    expect(readFileSync(join(folder, 'web/same.example.com/privkey.pem'), 'utf8')).toBe(
      (await program.ok('GET', `/certificates/${fresh.id}/key`)).key,
    );
    const mail = await mailAbout('same.example.com: renewed');
    expect(mail).toMatchObject({ to: ['joe@example.com'], text: expect.stringContaining('deployed at: web') });
    expect((await deliveriesOf(old.id))[0].state).toBe('replaced');
  });

  it('tells the owner to deploy by hand when the certificate has no destination', async () => {
    const old = await issue('hand.example.com', { rotation: true });
    program.clock.advance(61 * dayMs);
    await until(old.id, 'superseded');
    expect(await mailAbout('hand.example.com: renewed, must be deployed by hand')).toMatchObject({
      to: ['joe@example.com'],
    });
  });

  it('keeps every attribute of the subject when the certificate was issued for a CSR', async () => {
    const { csrPem: csr } = opensslCsr(
      '/DC=com/DC=example/O=Kunde/OU=a/OU=b/serialNumber=7/CN=dn.example.com',
      [],
      'ec',
    );
    const old = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      authority: { name: 'root' },
      validityDays: 90,
      csr,
      rotation: true,
    });
    const fresh = await program.ok('POST', `/certificates/${old.id}/reissue`);
    expect(new X509Certificate(fresh.body).subject).toBe(new X509Certificate(old.body).subject);
    expect(fresh.hasPrivateKey).toBe(true);
  });
});

describe('a renewal that fails', () => {
  it('at a destination leaves the predecessor active until the successor is delivered everywhere', async () => {
    const { ok } = program;
    const path = join(folder, 'fragile');
    await ok('POST', '/destinations', { label: 'fragile', plugin: { id: 'filesystem', options: { path } } });
    const old = await issue('fragile.example.com', {
      rotation: true,
      destinations: [{ label: 'web' }, { label: 'fragile' }],
    });
    await eventually(async () => (await deliveriesOf(old.id)).every(({ state }) => state === 'delivered'));
    rmSync(path, { recursive: true });
    writeFileSync(path, 'not a folder');
    program.clock.advance(61 * dayMs);
    const fresh = await successorOf(old.id);
    const failing = await eventually(async () =>
      (await deliveriesOf(fresh.id)).find(({ state }) => state === 'failing'),
    );
    expect(failing).toMatchObject({
      fault: 'misconfigured',
      detail: expect.any(String),
      attempts: 1,
      nextAttemptAt: expect.any(String),
    });
    await eventually(async () => (await deliveriesOf(fresh.id)).some(({ state }) => state === 'delivered'));
    expect(await get(old.id)).toMatchObject({
      lifecycle: 'issued',
      notify: true,
      nextNoticeAt: expect.any(String),
      renewal: { reason: 'renewal-under-way', at: null },
    });
    expect((await program.call('POST', `/certificates/${old.id}/reissue`)).status).toBe(409);
    for (let attempt = 2; attempt <= 5; attempt += 1) {
      program.clock.advance(3_600_000);
      await eventually(async () => (await deliveriesOf(fresh.id)).some(({ attempts }) => attempts === attempt));
    }
    expect(await mailAbout('fragile.example.com: delivery to fragile fails')).toMatchObject({
      to: ['joe@example.com'],
      text: expect.stringContaining('5 attempts'),
    });
    rmSync(path);
    mkdirSync(path);
    await ok('POST', `/deliveries/${failing.id}/retry`);
    await until(old.id, 'superseded');
    expect(served('fragile.example.com', 'fragile').fingerprint256).toBe(
      new X509Certificate(fresh.body).fingerprint256,
    );
  });

  it('at a destination is complete once the successor is detached from that destination', async () => {
    const { ok } = program;
    const path = join(folder, 'given-up');
    const { id } = await ok('POST', '/destinations', {
      label: 'given up',
      plugin: { id: 'filesystem', options: { path } },
    });
    const old = await issue('given-up.example.com', {
      rotation: true,
      destinations: [{ label: 'web' }, { label: 'given up' }],
    });
    await eventually(async () => (await deliveriesOf(old.id)).every(({ state }) => state === 'delivered'));
    await ok('PUT', `/destinations/${id}`, {
      label: 'given up',
      plugin: { id: 'filesystem', options: { path: '/proc/none' } },
    });
    program.clock.advance(61 * dayMs);
    const fresh = await successorOf(old.id);
    await eventually(async () => (await deliveriesOf(fresh.id)).find(({ state }) => state === 'failing'));
    expect((await get(old.id)).lifecycle).toBe('issued');
    await ok('PUT', `/certificates/${fresh.id}`, { destinations: [{ label: 'web' }] });
    await until(old.id, 'superseded');
  });

  it('at the authority is recorded, told to the owner and retried until it succeeds (14: certmate#417)', async () => {
    const { ok } = program;
    const old = await issue('stuck.example.com', { rotation: true });
    await ok('PUT', `/authorities/${authorityId}`, { owner: 'pki@example.com', active: false });
    program.clock.advance(61 * dayMs);
    const failing = await eventually(async () => {
      const certificate = await get(old.id);
      return certificate.renewal.attempts > 0 && certificate;
    });
    expect(failing).toMatchObject({
      lifecycle: 'issued',
      renewal: { fault: 'misconfigured', detail: 'Authority root is not active.', at: expect.any(String) },
    });
    expect(Date.parse(failing.renewal.at)).toBeGreaterThan(program.clock.now().getTime());
    expect(await mailAbout('stuck.example.com: renewal failed')).toMatchObject({
      to: ['joe@example.com'],
      text: expect.stringContaining('Authority root is not active.'),
    });
    expect((await program.call('POST', `/certificates/${old.id}/reissue`)).status).toBe(409);
    await ok('PUT', `/authorities/${authorityId}`, { owner: 'pki@example.com', active: true });
    program.clock.advance(7 * 3_600_000);
    await until(old.id, 'superseded');
    expect((await get(old.id)).renewal).toMatchObject({ attempts: 0, fault: null });
  });

  it('is retried after the certificate has expired, with growing delays (21: cert-manager#3941)', async () => {
    const { ok } = program;
    const old = await issue('late.example.com', { rotation: true });
    await ok('PUT', `/authorities/${authorityId}`, { owner: 'pki@example.com', active: false });
    program.clock.advance(100 * dayMs);
    let waited = 0;
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const { renewal } = await eventually(async () => {
        const certificate = await get(old.id);
        return certificate.renewal.attempts === attempt && certificate;
      });
      const wait = Date.parse(renewal.at) - program.clock.now().getTime();
      expect(wait).toBeGreaterThan(waited);
      waited = wait;
      program.clock.advance(wait + 1000);
    }
    await ok('PUT', `/authorities/${authorityId}`, { owner: 'pki@example.com', active: true });
    program.clock.advance(3_600_000);
    expect((await successorOf(old.id)).lifecycle).toBe('issued');
  });
});

describe('POST /certificates/{id}/reissue', () => {
  it('renews at once, and only once for two simultaneous requests', async () => {
    const old = await issue('now.example.com');
    const [one, two] = await Promise.all([1, 2].map(() => program.call('POST', `/certificates/${old.id}/reissue`)));
    expect([one?.status, two?.status].sort()).toEqual([200, 409]);
    expect((await until(old.id, 'superseded')).replacedBy).toHaveLength(1);
    expect((await program.call('POST', `/certificates/${old.id}/reissue`)).status).toBe(409);
  });
});

describe('plans', () => {
  it('change with their policy', async () => {
    const { ok } = program;
    const { id: policyId } = await ok('POST', '/policies', { name: 'moving', days: 10, spreadHours: 0 });
    const certificate = await issue('moving.example.com', { rotationPolicy: { name: 'moving' } });
    await ok('PUT', `/policies/${policyId}`, { name: 'moving', days: 40, spreadHours: 0 });
    const planned = await eventually(async () => {
      const { renewal } = await get(certificate.id);
      return Date.parse(renewal.at) === Date.parse(certificate.notAfter) - 40 * dayMs && renewal;
    });
    expect(planned.reason).toBe('policy');
    program.clock.advance(45 * dayMs);
    await ok('PUT', `/policies/${policyId}`, { name: 'moving', days: 44, spreadHours: 0 });
    await anotherSweep();
    expect((await get(certificate.id)).replacedBy).toEqual([]);
    await ok('PUT', `/policies/${policyId}`, { name: 'moving', lifetimeFraction: 0.8, spreadHours: 0 });
    await until(certificate.id, 'superseded');
  });

  it('change with the certificate: rotation off and on, another policy', async () => {
    const { ok } = program;
    const { id } = await issue('switch.example.com');
    const plan = (): Promise<Json> => ok('GET', `/certificates/${id}/plan`);
    expect(await plan()).toMatchObject({ willRenew: false, reason: 'rotation-off' });
    await ok('PUT', `/certificates/${id}`, { rotation: true });
    expect(await plan()).toMatchObject({ willRenew: true });
    await ok('PUT', `/certificates/${id}`, { rotation: false });
    program.clock.advance(80 * dayMs);
    await anotherSweep();
    expect(await get(id)).toMatchObject({
      lifecycle: 'issued',
      replacedBy: [],
      renewal: { at: null, reason: 'rotation-off' },
    });
    await ok('PUT', `/certificates/${id}`, { rotation: true, rotationPolicy: { name: 'half' } });
    await until(id, 'superseded');
  });
});

describe('a certificate that another one replaces', () => {
  it('neither renews nor warns until its replacement is revoked (19: OctopusDeploy#7978)', async () => {
    const { ok } = program;
    const old = await issue('replaced.example.com', { rotation: true });
    const fresh = await issue('replaced.example.com', { replaces: [{ name: old.name }] });
    expect(await get(old.id)).toMatchObject({
      notify: false,
      nextNoticeAt: null,
      renewal: { at: null, reason: 'replaced' },
      replacedBy: [{ id: fresh.id }],
    });
    expect(await ok('GET', `/certificates/${old.id}/plan`)).toMatchObject({ willRenew: false, reason: 'replaced' });
    program.clock.advance(70 * dayMs);
    await anotherSweep();
    expect((await get(old.id)).replacedBy).toMatchObject([{ id: fresh.id }]);
    await ok('PUT', `/certificates/${fresh.id}/revoke`, { crlReason: 'keyCompromise' });
    await until(old.id, 'superseded');
  });

  it('keeps its warnings when they were switched on again and its replacement is changed', async () => {
    const { ok } = program;
    const old = await issue('again.example.com');
    const fresh = await issue('again.example.com', { replaces: [{ id: old.id }] });
    await ok('PUT', `/certificates/${old.id}`, { notify: true });
    await ok('PUT', `/certificates/${fresh.id}`, await get(fresh.id));
    expect((await get(old.id)).notify).toBe(true);
  });
});

describe('revocation', () => {
  it('switches rotation and notices off, tells the owner, and happens once', async () => {
    const { ok, call } = program;
    const { id } = await issue('revoked.example.com', { rotation: true });
    expect(
      await ok('PUT', `/certificates/${id}/revoke`, { crlReason: 'keyCompromise', comments: 'Laptop lost' }),
    ).toEqual({ id });
    expect(await get(id)).toMatchObject({
      lifecycle: 'revoked',
      status: 'revoked',
      notify: false,
      rotation: false,
      nextNoticeAt: null,
      revocationReason: 1,
      revokedAt: expect.any(String),
      renewal: { at: null, reason: 'revoked' },
    });
    expect(await mailAbout('revoked.example.com: revoked')).toMatchObject({
      to: ['joe@example.com'],
      text: expect.stringContaining('Laptop lost'),
    });
    expect((await call('PUT', `/certificates/${id}/revoke`, {})).status).toBe(409);
    expect((await call('POST', `/certificates/${id}/reissue`)).status).toBe(409);
    program.clock.advance(89 * dayMs);
    await anotherSweep();
    expect((await get(id)).replacedBy).toEqual([]);
    const log = await ok('GET', '/logs?count=200');
    expect(
      log.items.filter((event: Json) => event.logType === 'certificate.revoked' && event.targetId === String(id)),
    ).toHaveLength(1);
  });

  it('of a successor that is not delivered yet makes its predecessor renew again', async () => {
    const { ok } = program;
    const path = join(folder, 'broken');
    writeFileSync(path, 'not a folder');
    await ok('POST', '/destinations', { label: 'broken', plugin: { id: 'filesystem', options: { path } } });
    const old = await issue('twice.example.com', { rotation: true, destinations: [{ label: 'broken' }] });
    program.clock.advance(61 * dayMs);
    const first = await successorOf(old.id);
    await ok('PUT', `/certificates/${first.id}/revoke`, {});
    const second = await eventually(async () =>
      (await get(old.id)).replacedBy.find(({ id }: { id: number }) => id !== first.id),
    );
    expect(second.lifecycle).toBe('issued');
    rmSync(path);
    program.clock.advance(3_600_000);
    await until(old.id, 'superseded');
    expect(served('twice.example.com', 'broken').fingerprint256).toBe(
      new X509Certificate((await get(second.id)).body).fingerprint256,
    );
  });
});

describe('destinations of a certificate', () => {
  const files = (name: string): string => join(folder, 'web', name, 'fullchain.pem');

  it('are attached and detached by PUT', async () => {
    const { ok } = program;
    const { id, body, chain } = await issue('attach.example.com');
    const attached = await ok('PUT', `/certificates/${id}`, { destinations: [{ label: 'web' }] });
    expect(attached.destinations).toMatchObject([{ label: 'web', plugin: { slug: 'filesystem' } }]);
    expect((await delivered(id)).location).toBe(join(folder, 'web/attach.example.com'));
    expect(readFileSync(files('attach.example.com'), 'utf8')).toBe(body + chain);
    expect((await ok('PUT', `/certificates/${id}`, { destinations: [] })).destinations).toEqual([]);
    await eventually(async () => !existsSync(files('attach.example.com')));
    await eventually(async () => (await deliveriesOf(id))[0].state === 'removed');
    await ok('PUT', `/certificates/${id}`, { destinations: [{ label: 'web' }] });
    await delivered(id);
    expect(existsSync(files('attach.example.com'))).toBe(true);
    await ok('PUT', `/certificates/${id}`, { destinations: [] });
    expect((await ok('PUT', `/certificates/${id}`, { destinations: [{ label: 'web' }] })).destinations).toMatchObject([
      { label: 'web' },
    ]);
    await eventually(
      async () =>
        (await deliveriesOf(id))
          .filter(({ state }) => state !== 'removed')
          .map(({ state }) => state)
          .join() === 'delivered',
    );
    expect(readFileSync(files('attach.example.com'), 'utf8')).toBe(body + chain);
  });

  it('keep the successor when its superseded predecessor is detached', async () => {
    const { ok } = program;
    const old = await issue('kept.example.com', { rotation: true, destinations: [{ label: 'web' }] });
    await delivered(old.id);
    const fresh = await ok('POST', `/certificates/${old.id}/reissue`);
    await until(old.id, 'superseded');
    await ok('PUT', `/certificates/${old.id}`, { destinations: [] });
    await eventually(async () => (await deliveriesOf(old.id)).every(({ state }) => state === 'removed'));
    expect(served('kept.example.com').fingerprint256).toBe(new X509Certificate(fresh.body).fingerprint256);
  });

  it('that are added during a renewal get the successor too', async () => {
    const { ok } = program;
    const path = join(folder, 'slow');
    writeFileSync(path, 'not a folder');
    await ok('POST', '/destinations', { label: 'slow', plugin: { id: 'filesystem', options: { path } } });
    const old = await issue('added.example.com', { rotation: true, destinations: [{ label: 'slow' }] });
    const fresh = await ok('POST', `/certificates/${old.id}/reissue`);
    await ok('PUT', `/certificates/${old.id}`, { destinations: [{ label: 'slow' }, { label: 'web' }] });
    rmSync(path);
    await eventually(async () => {
      program.clock.advance(60_000);
      return (await get(old.id)).lifecycle === 'superseded';
    });
    expect(served('added.example.com').fingerprint256).toBe(new X509Certificate(fresh.body).fingerprint256);
  });

  it('refuse a second certificate of the same name unless it replaces the first', async () => {
    const { ok } = program;
    const first = await issue('clash.example.com', { destinations: [{ label: 'web' }] });
    await delivered(first.id);
    const second = await issue('clash.example.com', { destinations: [{ label: 'web' }] });
    const refused = await eventually(async () =>
      (await deliveriesOf(second.id)).find(({ state }) => state === 'failing'),
    );
    expect(refused).toMatchObject({ fault: 'misconfigured', detail: expect.stringContaining(first.name) });
    expect(served('clash.example.com').fingerprint256).toBe(new X509Certificate(first.body).fingerprint256);
    await ok('PUT', `/certificates/${second.id}`, { replaces: [{ id: first.id }] });
    await ok('POST', `/deliveries/${refused.id}/retry`);
    await delivered(second.id);
    expect(served('clash.example.com').fingerprint256).toBe(new X509Certificate(second.body).fingerprint256);
  });

  it('can be deleted once no certificate is attached or delivered, also after rotations', async () => {
    const { ok, call } = program;
    const { id } = await ok('POST', '/destinations', {
      label: 'short-lived',
      plugin: { id: 'filesystem', options: { path: join(folder, 'short') } },
    });
    const old = await issue('short.example.com', { destinations: [{ label: 'short-lived' }] });
    await delivered(old.id);
    const fresh = await ok('POST', `/certificates/${old.id}/reissue`);
    await until(old.id, 'superseded');
    expect((await call('DELETE', `/destinations/${id}`)).status).toBe(409);
    await ok('PUT', `/certificates/${fresh.id}`, { destinations: [] });
    await eventually(async () => (await deliveriesOf(fresh.id))[0].state === 'removed');
    expect(await ok('DELETE', `/destinations/${id}`)).toEqual({ result: true });
    expect((await get(old.id)).destinations).toEqual([]);
  });
});
