import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import type { Json } from '../support/json.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';

const issuer = new ScriptedCa();
const password = 'Correct-Horse-2!';
let program: TestProgram;
let strange: string;
/** Ids of requests that the issuer keeps, by what becomes of them. */
const ids: Record<string, number> = {};

beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, issuer.plugin] });
  const { ok, call } = program;
  await ok('POST', '/authorities', {
    name: 'slow',
    owner: 'pki@example.com',
    commonName: 'Slow CA',
    plugin: { id: 'scripted-ca', options: { behaviour: 'pending' } },
  });
  await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Other CA' });
  await Promise.all(
    ['uploaded', 'cancelled', 'kept'].map(async (name) => {
      const { body } = await call('POST', '/certificates', {
        owner: 'joe@example.com',
        commonName: `${name}.example.com`,
        authority: { name: 'slow' },
        validityDays: 90,
      });
      ids[name] = body.id;
    }),
  );
  await ok('POST', '/users', { username: 'ann', email: 'ann@example.com', password, roles: [] });
  strange = await program.login('ann', password);
});
afterAll(() => program.stop());

const orderOf = async (id: number): Promise<string> =>
  (await program.database.source.query('select order_ref from certificate where id = $1', [id]))[0].order_ref;

describe('pending certificates', () => {
  it('are listed with the progress of their orders (28: certmate#399)', async () => {
    const { items, total } = await program.ok('GET', '/pending_certificates?sortBy=id&sortDir=asc');
    expect(total).toBe(3);
    expect(items.map(({ id }: { id: number }) => id)).toEqual(Object.values(ids).sort((a, b) => a - b));
    expect(items[0]).toMatchObject({
      resolved: false,
      resolvedCertId: null,
      numberAttempts: 0,
      status: 'A person looks at it.',
      body: null,
      lastUpdated: expect.stringMatching(/^\d{4}-/),
    });
    expect((await program.ok('GET', '/pending_certificates?filter=cn;kept')).items).toMatchObject([
      { id: ids['kept'] },
    ]);
    expect(await program.ok('GET', '/pending_certificates?owner=nobody@example.com')).toEqual({ items: [], total: 0 });
  });

  it('can be changed', async () => {
    const path = `/pending_certificates/${ids['kept']}`;
    expect(await program.ok('PUT', path, { description: 'For the shop', notify: false })).toMatchObject({
      description: 'For the shop',
      notify: false,
      resolved: false,
    });
    expect((await program.call('PUT', path, { description: 'mine' }, { token: strange })).status).toBe(403);
  });

  it('give their private key to users with the right, and record it in the audit log', async () => {
    const path = `/pending_certificates/${ids['kept']}/key`;
    expect(createPrivateKey((await program.ok('GET', path)).key).asymmetricKeyType).toBe('ec');
    expect((await program.call('GET', path, undefined, { token: strange })).status).toBe(403);
    expect((await program.ok('GET', `/logs?filter=targetId;${ids['kept']}`)).items.slice(0, 2)).toMatchObject([
      { logType: 'key.refused' },
      { logType: 'key.viewed' },
    ]);
  });

  it('take an uploaded certificate of their order, and no other', async () => {
    const id = ids['uploaded'] ?? 0;
    const path = `/pending_certificates/${id}/upload`;
    const [body = '', ...chain] = await issuer.answerTo(await orderOf(id));
    const other = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'uploaded.example.com',
      authority: { name: 'root' },
      validityDays: 90,
    });
    for (const wrong of [{ body: other.body, chain: other.chain }, { body: 'nonsense' }, { body }]) {
      expect(await program.call('POST', path, wrong), JSON.stringify(wrong).slice(0, 80)).toMatchObject({
        status: 400,
        body: { reasons: { body: expect.any(Array) } },
      });
    }
    expect((await program.call('POST', path, { body, chain: chain.join('') }, { token: strange })).status).toBe(403);
    expect(await program.ok('POST', path, { body, chain: chain.join(''), externalId: 'order-1' })).toMatchObject({
      resolved: true,
      resolvedCertId: id,
      lifecycle: 'issued',
      externalId: 'order-1',
      serial: BigInt(`0x${new X509Certificate(body).serialNumber}`).toString(),
    });
    expect((await program.call('POST', path, { body, chain: chain.join('') })).status).toBe(409);
    const { items } = await program.ok('GET', `/logs?filter=targetId;${id}`);
    expect(items.filter(({ logType }: Json) => logType === 'certificate.issued')).toMatchObject([
      { user: { username: 'admin' } },
    ]);
  });

  it('get the new owner of their predecessor unless they got another owner themselves', async () => {
    const { id } = await program.ok('POST', `/certificates/${ids['uploaded']}/reissue`);
    await program.ok('PUT', `/certificates/${ids['uploaded']}`, { owner: 'amy@example.com' });
    const { owner, roles, notifications } = await program.ok('GET', `/pending_certificates/${id}`);
    expect([owner, roles.map(({ name }: { name: string }) => name).sort()]).toEqual([
      'amy@example.com',
      ['amy@example.com', 'pki@example.com'],
    ]);
    expect(notifications.every(({ label }: { label: string }) => label.startsWith('DEFAULT_AMY@'))).toBe(true);
    await program.ok('PUT', `/pending_certificates/${id}`, { owner: 'bea@example.com' });
    await program.ok('PUT', `/certificates/${ids['uploaded']}`, { owner: 'joe@example.com' });
    expect((await program.ok('GET', `/pending_certificates/${id}`)).owner).toBe('bea@example.com');
    await program.call('DELETE', `/pending_certificates/${id}`, {});
  });

  it('can be cancelled once, with a reason', async () => {
    const path = `/pending_certificates/${ids['cancelled']}`;
    expect((await program.call('DELETE', path, { note: 'no longer' }, { token: strange })).status).toBe(403);
    expect((await program.call('DELETE', path, { note: 'no longer' })).status).toBe(204);
    expect((await program.call('DELETE', path)).status).toBe(409);
    expect(await program.ok('GET', path)).toMatchObject({
      lifecycle: 'cancelled',
      resolved: true,
      resolvedCertId: null,
    });
    expect((await program.ok('GET', `/logs?filter=targetId;${ids['cancelled']}`)).items[0]).toMatchObject({
      logType: 'certificate.cancelled',
      after: { note: 'no longer' },
    });
  });

  it('leave the list when they are issued, and their id shows the certificate', async () => {
    issuer.deliver();
    expect(
      await eventually(async () => {
        const one = await program.ok('GET', `/pending_certificates/${ids['kept']}`);
        return one.resolved && one;
      }),
    ).toMatchObject({ resolvedCertId: ids['kept'], lifecycle: 'issued' });
    expect(await program.ok('GET', '/pending_certificates')).toEqual({ items: [], total: 0 });
    expect((await program.call('GET', '/pending_certificates/4711')).status).toBe(404);
    expect((await program.call('POST', '/pending_certificates', {})).status).toBe(405);
  });
});
