import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority } from '../support/bundles.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

describe('the successor of a certificate', () => {
  const elsewhere = startTestAuthority();
  let program: TestProgram;
  let number = 0;
  beforeAll(async () => {
    program = await startProgram();
    await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  });
  afterAll(async () => {
    elsewhere.close();
    await program.stop();
  });

  const issue = (more: object = {}) =>
    program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: `line${++number}.example.com`,
      authority: { name: 'root' },
      validityDays: 90,
      rotationPolicy: { name: 'default' },
      ...more,
    });
  const get = (id: number) => program.ok('GET', `/certificates/${id}`);
  const reissue = (id: number) => program.ok('POST', `/certificates/${id}/reissue`);
  const revoke = (id: number) => program.ok('PUT', `/certificates/${id}/revoke`, { crlReason: 'superseded' });
  const destination = async (name: string) => {
    const folder = join(program.dataDir, '..', `${program.dataDir.split('/').at(-1)}-${name}${number}`);
    const { id } = await program.ok('POST', '/destinations', {
      open: true,
      label: `${name}${number}`,
      plugin: { id: 'filesystem', options: { path: folder } },
    });
    return {
      id: id as number,
      folder,
      served: async (cn: string) =>
        BigInt(`0x${new X509Certificate(await readFile(join(folder, cn, 'cert.pem'))).serialNumber}`).toString(),
    };
  };
  const delivered = (id: number, count = 1) =>
    eventually(async () => {
      const { items } = await program.ok('GET', `/certificates/${id}/deliveries`);
      return items.filter((d: { state: string }) => d.state === 'delivered').length === count;
    });

  it('lets its predecessor renew again when it is revoked before it was delivered', async () => {
    const place = await destination('a');
    const old = await issue({ destinations: [{ id: place.id }] });
    await delivered(old.id);
    await rm(place.folder, { recursive: true });
    await writeFile(place.folder, 'in the way');
    const heir = await reissue(old.id);
    await eventually(
      async () => (await program.ok('GET', `/certificates/${heir.id}/deliveries`)).items[0].state === 'failing',
    );
    await revoke(heir.id);
    const again = await get(old.id);
    expect(again).toMatchObject({ lifecycle: 'issued', notify: true, renewal: { reason: 'policy' } });
    expect(again.renewal.at).not.toBeNull();
    await rm(place.folder);
    expect((await reissue(old.id)).id).not.toBe(heir.id);
  });

  it('is overwritten by its predecessor when it is revoked before it was delivered everywhere', async () => {
    const [here, there] = [await destination('b'), await destination('c')];
    const old = await issue({ destinations: [{ id: here.id }, { id: there.id }] });
    await delivered(old.id, 2);
    await rm(there.folder, { recursive: true });
    await writeFile(there.folder, 'in the way');
    const heir = await reissue(old.id);
    await eventually(async () => (await here.served(old.cn)) === heir.serial);
    expect((await get(old.id)).lifecycle).toBe('issued');
    await rm(there.folder);
    await mkdir(there.folder);
    await revoke(heir.id);
    await eventually(
      async () => (await here.served(old.cn)) === old.serial && (await get(old.id)).lifecycle === 'issued',
    );
  });

  it('is delivered to a destination that its predecessor got during the renewal', async () => {
    const [first, second] = [await destination('d'), await destination('e')];
    const old = await issue({ destinations: [{ id: first.id }] });
    await delivered(old.id);
    await rm(first.folder, { recursive: true });
    await writeFile(first.folder, 'in the way');
    const heir = await reissue(old.id);
    await program.ok('PUT', `/certificates/${old.id}`, { destinations: [{ id: first.id }, { id: second.id }] });
    await rm(first.folder);
    program.clock.advance(60_000);
    await delivered(heir.id, 2);
    await eventually(async () => (await get(old.id)).lifecycle === 'superseded');
    expect(await second.served(old.cn)).toBe(heir.serial);
  });

  it('blocks a new destination of its predecessor when the user may not change the successor', async () => {
    const [first, second] = [await destination('i'), await destination('j')];
    const old = await issue({ destinations: [{ id: first.id }] });
    await delivered(old.id);
    await rm(first.folder, { recursive: true });
    await writeFile(first.folder, 'in the way');
    const heir = await reissue(old.id);
    await program.ok('PUT', `/certificates/${heir.id}`, { owner: 'amy@example.com' });
    const password = 'Correct-Horse-2!';
    await program.ok('POST', '/users', {
      username: 'joe',
      email: 'joe@example.com',
      password,
      roles: [{ name: 'joe@example.com' }],
    });
    const token = await program.login('joe', password);
    const attach = { destinations: [{ id: first.id }, { id: second.id }] };
    expect(await program.call('PUT', `/certificates/${old.id}`, attach, { token })).toMatchObject({
      status: 403,
      body: { detail: `You are not authorized to change certificate ${heir.name}.` },
    });
    expect((await get(old.id)).destinations).toHaveLength(1);
    await program.ok('PUT', `/certificates/${heir.id}`, { owner: 'joe@example.com' });
    expect((await program.call('PUT', `/certificates/${old.id}`, attach, { token })).status).toBe(200);
    expect((await get(heir.id)).destinations).toHaveLength(2);
    await rm(first.folder);
  });

  it('gives warnings and renewal back to a former predecessor, for users who may change that one', async () => {
    const password = 'Correct-Horse-2!';
    const [old, heir] = [await issue(), await issue({ owner: 'bea@example.com' })];
    await program.ok('POST', '/users', {
      username: 'bea',
      email: 'bea@example.com',
      password,
      roles: [{ name: 'bea@example.com' }],
    });
    const token = await program.login('bea', password);
    const asBea = (body: object) => program.call('PUT', `/certificates/${heir.id}`, body, { token });
    expect((await asBea({ replaces: [{ id: old.id }] })).status).toBe(403);
    const linked = await program.ok('PUT', `/certificates/${heir.id}`, { replaces: [{ id: old.id }] });
    expect(await get(old.id)).toMatchObject({
      notify: false,
      nextNoticeAt: null,
      renewal: { at: null, reason: 'replaced' },
    });
    expect((await asBea(linked)).status).toBe(200);
    expect((await asBea({ replaces: [] })).status).toBe(403);
    await program.ok('PUT', `/certificates/${heir.id}`, { replaces: [] });
    expect(await get(old.id)).toMatchObject({
      notify: true,
      nextNoticeAt: old.nextNoticeAt,
      renewal: old.renewal,
      replacedBy: [],
    });
  });

  it('cannot be replaced by its own predecessor, directly or in several steps', async () => {
    const [a, b, c] = [await issue(), await issue(), await issue()];
    const replace = (heir: { id: number }, old: { id: number }) =>
      program.call('PUT', `/certificates/${heir.id}`, { replaces: [{ id: old.id }] });
    for (const [heir, old] of [
      [b, a],
      [c, b],
    ])
      expect((await replace(heir, old)).status).toBe(200);
    for (const old of [b, c])
      expect(await replace(a, old)).toMatchObject({
        status: 409,
        body: {
          detail: `Certificate ${old.name} replaces ${a.name} already: neither can take the place of the other.`,
        },
      });
    const renewal = await reissue(c.id);
    expect((await replace(c, renewal)).status).toBe(409);
    expect(await get(renewal.id)).toMatchObject({ notify: true, nextNoticeAt: expect.any(String) });
  });

  it('cannot be a revoked or expired certificate while its predecessor is valid', async () => {
    const [old, revoked, short] = [await issue(), await issue(), await issue({ validityDays: 1 })];
    await revoke(revoked.id);
    program.clock.advance(2 * 86_400_000);
    const replaces = [{ id: old.id }];
    for (const heir of [revoked, short])
      expect((await program.call('PUT', `/certificates/${heir.id}`, { replaces })).status).toBe(409);
    const { body, chain } = short;
    await program.database.source.query('delete from certificate where id = $1', [short.id]);
    expect(
      (await program.call('POST', '/certificates/upload', { owner: 'joe@example.com', body, chain, replaces })).status,
    ).toBe(409);
    expect(await get(old.id)).toMatchObject({ notify: true, nextNoticeAt: old.nextNoticeAt });
    const long = await issue();
    expect((await program.call('PUT', `/certificates/${long.id}`, { replaces: [{ id: revoked.id }] })).status).toBe(
      200,
    );
  });

  it('leaves no certificate without a warning when its only notification is switched off', async () => {
    const silent = await program.ok('POST', '/notifications', {
      label: 'silent',
      active: false,
      plugin: { id: 'email', options: { interval: 7, unit: 'days', recipients: 'ops@example.com' } },
    });
    const certificate = await issue();
    const after = await program.ok('PUT', `/certificates/${certificate.id}`, { notifications: [{ id: silent.id }] });
    expect([after.nextNoticeAt, after.notifications.length]).toEqual([certificate.nextNoticeAt, 4]);
  });

  it.each<[string, 'PUT' | 'DELETE', (heir: number) => Promise<unknown>]>([
    [
      'switched off, and the link is removed',
      'PUT',
      (heir) => program.ok('PUT', `/certificates/${heir}`, { replaces: [] }),
    ],
    ['deleted, and the successor is revoked', 'DELETE', revoke],
  ])('gives back the warnings of its predecessor after their notification was %s', async (_, method, free) => {
    const own = {
      label: `own${number}`,
      plugin: { id: 'email', options: { interval: 7, unit: 'days', recipients: 'ops@example.com' } },
    };
    const { id: notification } = await program.ok('POST', '/notifications', own);
    // Both end at the same moment.
    const [old, usual] = await program.clock.stopped(async () => [
      await issue({ notifications: [{ id: notification }] }),
      await issue(),
    ]);
    const heir = await issue({ replaces: [{ id: old.id }] });
    await program.ok(
      method,
      `/notifications/${notification}`,
      method === 'PUT' ? { ...own, active: false } : undefined,
    );
    await free(heir.id);
    expect(await get(old.id)).toMatchObject({
      notify: true,
      nextNoticeAt: usual.nextNoticeAt,
      notifications: expect.arrayContaining(usual.notifications),
    });
  });

  const uploaded = (replaces: object[] | undefined, place: { id: number } | undefined, owner = 'joe@example.com') => {
    const { chainPem, privateKeyPem } = elsewhere.issue(`up${++number}.example.com`);
    const body = { body: chainPem[0], chain: chainPem[1], owner };
    const more = { replaces, destinations: place && [{ id: place.id }] };
    return { body, withKey: { ...body, ...more, privateKey: privateKeyPem } };
  };

  it.each<[string, (oldId: number, place: { id: number }) => Promise<{ id: number }>]>([
    ['a request', (id, place) => issue({ replaces: [{ id }], destinations: [{ id: place.id }] })],
    [
      'a change of an existing certificate',
      async (id, place) => {
        const successor = await issue({ destinations: [{ id: place.id }] });
        return program.ok('PUT', `/certificates/${successor.id}`, { replaces: [{ id }] });
      },
    ],
    ['an upload', (id, place) => program.ok('POST', '/certificates/upload', uploaded([{ id }], place).withKey)],
    [
      'an upload that takes over the upload of another owner',
      async (id, place) => {
        const { body, withKey } = uploaded([{ id }], place);
        await program.ok('POST', '/certificates/upload', { ...body, owner: 'amy@example.com' });
        return program.ok('POST', '/certificates/upload', withKey);
      },
    ],
  ])('by %s ends the warnings and open deliveries of its predecessor until the link is removed', async (_, replace) => {
    const place = await destination('r');
    await writeFile(place.folder, 'in the way');
    const old = await issue({ destinations: [{ id: place.id }] });
    const stateOf = async () => (await program.ok('GET', `/certificates/${old.id}/deliveries`)).items[0].state;
    await eventually(async () => (await stateOf()) === 'failing');
    const successor = await replace(old.id, place);
    expect(await get(old.id)).toMatchObject({
      lifecycle: 'issued',
      notify: false,
      nextNoticeAt: null,
      renewal: { at: null, reason: 'replaced' },
      replacedBy: [{ id: successor.id }],
    });
    expect(await stateOf()).toBe('replaced');
    await program.ok('PUT', `/certificates/${successor.id}`, { replaces: [] });
    const again = await get(old.id);
    expect(again).toMatchObject({ notify: true, renewal: { reason: 'policy' } });
    expect(again.nextNoticeAt).not.toBeNull();
    await rm(place.folder);
  });

  it('supersedes its predecessor once the failing destination is detached', async () => {
    const place = await destination('f');
    const old = await issue({ destinations: [{ id: place.id }] });
    await delivered(old.id);
    await rm(place.folder, { recursive: true });
    await writeFile(place.folder, 'in the way');
    const heir = await reissue(old.id);
    await program.ok('PUT', `/certificates/${heir.id}`, { destinations: [] });
    await eventually(async () => (await get(old.id)).lifecycle === 'superseded');
    await rm(place.folder);
  });

  it('is delivered when it is detached and attached again at once', async () => {
    const place = await destination('g');
    const certificate = await issue({ destinations: [{ id: place.id }] });
    await delivered(certificate.id);
    await program.ok('PUT', `/certificates/${certificate.id}`, { destinations: [] });
    await program.ok('PUT', `/certificates/${certificate.id}`, { destinations: [{ id: place.id }] });
    await delivered(certificate.id);
    await eventually(async () => (await place.served(certificate.cn)) === certificate.serial);
    expect((await get(certificate.id)).destinations).toHaveLength(1);
  });

  it('is not delivered once it is revoked', async () => {
    const place = await destination('h');
    const certificate = await issue();
    await revoke(certificate.id);
    expect(
      (await program.call('PUT', `/certificates/${certificate.id}`, { destinations: [{ id: place.id }] })).status,
    ).toBe(409);
    expect((await program.ok('GET', `/certificates/${certificate.id}/deliveries`)).items).toEqual([]);
  });
});
