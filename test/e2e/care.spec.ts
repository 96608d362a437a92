import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';

const password = 'Correct-Horse-2!';
const names = (list: { name?: string; label?: string }[]): (string | undefined)[] =>
  list.map(({ name, label }) => name ?? label).sort();

describe('a certificate', () => {
  let program: TestProgram;
  const issuer = new ScriptedCa();
  let stranger = '';
  let number = 0;
  const issue = (more: object = {}) =>
    program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: `care${++number}.example.com`,
      authority: { name: 'root' },
      validityDays: 90,
      ...more,
    });
  const get = (id: number) => program.ok('GET', `/certificates/${id}`);
  const place = (label: string, path = label) =>
    program.ok('POST', '/destinations', {
      label,
      plugin: { id: 'filesystem', options: { path: join(`${program.dataDir}-${path}`) } },
    });
  const delivered = (id: number) =>
    eventually(async () => {
      const { items } = await program.ok('GET', `/certificates/${id}/deliveries`);
      return items.some((d: { state: string }) => d.state === 'delivered');
    });

  beforeAll(async () => {
    program = await startProgram({ ALLOW_CERT_DELETION: 'true' }, { plugins: [...plugins, issuer.plugin] });
    await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
    await program.ok('POST', '/authorities', {
      name: 'slow',
      owner: 'pki@example.com',
      commonName: 'Slow',
      plugin: { id: 'scripted-ca', options: { behaviour: 'pending' } },
    });
    await program.ok('POST', '/users', { username: 'bob', email: 'bob@example.com', password, roles: [] });
    stranger = await program.login('bob', password);
  });
  afterAll(() => program.stop());

  it('answers a change with 404 if it is missing, else 403 without the right, else 400 if malformed', async () => {
    const { id } = await issue();
    for (const [method, path, body] of [
      ['PUT', '', { description: 'x' }],
      ['PUT', '/description', { description: 'x' }],
      ['POST', '/update/switches', { notify: false }],
      ['POST', '/update/owner', { owner: 'a@example.com' }],
      ['DELETE', '', undefined],
      ['PUT', '/deactivate', undefined],
    ] as const) {
      expect([path, (await program.call(method, `/certificates/9999${path}`, body)).status]).toEqual([path, 404]);
      expect([
        path,
        (await program.call(method, `/certificates/${id}${path}`, body, { token: stranger })).status,
      ]).toEqual([path, 403]);
    }
    for (const [method, path, body, field] of [
      ['PUT', '/description', {}, 'description'],
      ['POST', '/update/switches', {}, 'notify'],
      ['POST', '/update/switches', { notify: true, owner: 'x@example.com' }, 'owner'],
      ['POST', '/update/owner', { owner: 'nobody' }, 'owner'],
    ] as const) {
      const answer = await program.call(method, `/certificates/${id}${path}`, body);
      expect([path, answer.status, Object.keys(answer.body.reasons)]).toEqual([path, 400, [field]]);
    }
  });

  it('keeps all other fields when a switch or the description is changed', async () => {
    const before = await issue({ description: 'first', rotation: true });
    const off = await program.ok('POST', `/certificates/${before.id}/update/switches`, { rotation: false });
    expect(off).toMatchObject({ ...before, rotation: false, renewal: { at: null, reason: 'rotation-off' } });
    const on = await program.ok('POST', `/certificates/${before.id}/update/switches`, {
      rotation: true,
      notify: false,
    });
    expect(on).toMatchObject({
      rotation: true,
      notify: false,
      active: false,
      nextNoticeAt: null,
      renewal: { at: before.renewal.at },
    });
    expect(await program.ok('PUT', `/certificates/${before.id}/description`, { description: 'second' })).toEqual({
      ...on,
      description: 'second',
    });
  });

  it.each(['PUT with the whole object', 'POST update/owner'])(
    'gets the role and the default notifications of its new owner: %s',
    async (way) => {
      const extra = await program.ok('POST', '/roles', { name: `extra ${way}` });
      const own = await program.ok('POST', '/notifications', {
        label: `own ${way}`,
        plugin: { id: 'email', options: { interval: 7, unit: 'days', recipients: 'ops@example.com' } },
      });
      const plain = await issue({ roles: [{ id: extra.id }] });
      const before = await program.ok('PUT', `/certificates/${plain.id}`, {
        notifications: [...plain.notifications, { id: own.id }],
      });
      const after = way.startsWith('PUT')
        ? await program.ok('PUT', `/certificates/${before.id}`, { ...before, owner: 'amy@example.com' })
        : await program.ok('POST', `/certificates/${before.id}/update/owner`, { owner: 'Amy@Example.com' });
      expect(after.owner).toBe('amy@example.com');
      expect(names(after.roles)).toEqual(['amy@example.com', extra.name, 'pki@example.com'].sort());
      expect(names(after.notifications)).toEqual(
        [...[15, 2, 30].map((days) => `DEFAULT_AMY@EXAMPLE.COM_${days}_DAY`), own.label].sort(),
      );
    },
  );

  it('keeps the role of its former owner when that role also owns the authority', async () => {
    const { id } = await issue({ owner: 'pki@example.com' });
    expect(
      names((await program.ok('POST', `/certificates/${id}/update/owner`, { owner: 'amy@example.com' })).roles),
    ).toEqual(['amy@example.com', 'pki@example.com']);
  });

  it('is refused two destinations that write to the same folder', async () => {
    const [a, b, c] = [await place('twin a', 'twin'), await place('twin b', 'twin'), await place('twin c', 'other')];
    const { id } = await issue();
    const answer = await program.call('PUT', `/certificates/${id}`, { destinations: [{ id: a.id }, { id: b.id }] });
    expect(answer).toMatchObject({
      status: 400,
      body: {
        reasons: {
          destinations: [
            expect.stringMatching(
              /^Duplicate destinations for plugin filesystem and account .*twin.* are not allowed$/,
            ),
          ],
        },
      },
    });
    expect(
      (await program.ok('PUT', `/certificates/${id}`, { destinations: [{ id: a.id }, { id: c.id }] })).destinations,
    ).toHaveLength(2);
  });

  it('is not deactivated when its issuer cannot do it, and the answer says so', async () => {
    const { id } = await issue();
    expect(await program.call('PUT', `/certificates/${id}/deactivate`)).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('cannot deactivate') },
    });
  });

  it('is deactivated at an issuer that can do it', async () => {
    issuer.deliver();
    const { id } = await issue({ authority: { name: 'slow' } });
    const { body } = await eventually(async () => {
      const certificate = await get(id);
      return certificate.lifecycle === 'issued' && certificate;
    });
    expect(await program.ok('PUT', `/certificates/${id}/deactivate`)).toEqual({ id });
    expect(issuer.asked.deactivate).toEqual([body]);
    expect((await get(id)).lifecycle).toBe('issued');
  });

  describe('on deletion', () => {
    it('is hidden and kept with its key', async () => {
      const { id, name } = await issue({ rotation: true });
      const { key } = await program.ok('GET', `/certificates/${id}/key`);
      expect((await program.call('DELETE', `/certificates/${id}`)).status).toBe(204);
      expect(await get(id)).toMatchObject({
        deleted: true,
        notify: false,
        rotation: false,
        nextNoticeAt: null,
        renewal: { at: null, reason: 'deleted' },
      });
      expect((await program.ok('GET', `/certificates?filter=fixedName;${name}`)).items).toEqual([]);
      expect(await program.ok('GET', `/certificates/${id}/key`)).toEqual({ key });
      expect(await program.ok('GET', `/certificates/${id}/plan`)).toMatchObject({
        willRenew: false,
        reason: 'deleted',
      });
      expect((await program.call('DELETE', `/certificates/${id}`)).status).toBe(412);
      expect((await program.call('PUT', `/certificates/${id}`, { notify: true })).status).toBe(409);
      expect((await program.call('POST', `/certificates/${id}/reissue`)).status).toBe(409);
      expect(await program.ok('PUT', `/certificates/${id}/revoke`, {})).toEqual({ id });
      const { items } = await program.ok('GET', `/logs?filter=certificate.name;${name}`);
      expect(items.map((event: { logType: string }) => event.logType)).toContain('certificate.deleted');
    });

    it('can be restored', async () => {
      const { id, name, nextNoticeAt } = await issue();
      expect((await program.call('POST', `/certificates/${id}/restore`)).status).toBe(409);
      await program.call('DELETE', `/certificates/${id}`);
      expect((await program.call('POST', `/certificates/${id}/restore`, undefined, { token: stranger })).status).toBe(
        403,
      );
      expect(await program.ok('POST', `/certificates/${id}/restore`)).toMatchObject({
        deleted: false,
        notify: true,
        nextNoticeAt,
        renewal: { at: null, reason: 'rotation-off' },
      });
      expect((await program.ok('GET', `/certificates?filter=fixedName;${name}`)).total).toBe(1);
    });

    it('is warned about again after it is restored, although its notification was deleted meanwhile', async () => {
      const { id: notification } = await program.ok('POST', '/notifications', {
        label: 'short',
        plugin: { id: 'email', options: { interval: 7, unit: 'days', recipients: 'ops@example.com' } },
      });
      const [{ id }, usual] = [await issue({ notifications: [{ id: notification }] }), await issue()];
      await program.call('DELETE', `/certificates/${id}`);
      await program.call('DELETE', `/notifications/${notification}`);
      expect(await program.ok('POST', `/certificates/${id}/restore`)).toMatchObject({
        notify: true,
        nextNoticeAt: usual.nextNoticeAt,
      });
    });

    it('is kept while a destination has it', async () => {
      const { id: placeId } = await place('served');
      const { id } = await issue({ destinations: [{ id: placeId }] });
      await delivered(id);
      expect(await program.call('DELETE', `/certificates/${id}`)).toMatchObject({
        status: 409,
        body: { detail: expect.stringContaining('Detach it first') },
      });
      await program.ok('PUT', `/certificates/${id}`, { destinations: [] });
      await eventually(async () => (await program.call('DELETE', `/certificates/${id}`)).status === 204);
    });

    it('is kept while an endpoint serves it, and can then only be revoked for keyCompromise', async () => {
      const { id: sourceId } = await program.ok('POST', '/sources', {
        label: 'seen',
        owner: 'joe@example.com',
        active: false,
        plugin: { id: 'filesystem-source', options: { path: program.dataDir } },
      });
      const [{ id }, other] = [await issue(), await issue()];
      const served = (hostName: string, days: number, certificateId: number): Promise<unknown> =>
        program.database.source.query(
          `insert into endpoint (source_id, external_id, port, name, dns_name, owner, type, certificate_id, policy_name,
            first_seen_at, last_seen_at)
         values ($1, $2, 443, $2, $2, 'joe@example.com', 'tls', $3, 'observed', $4, $4)`,
          [sourceId, hostName, certificateId, new Date(program.clock.now().getTime() - days * 86_400_000)],
        );
      await served('web.example.com', 0, id);
      await served('old.example.com', 60, other.id);
      const refused = { detail: expect.stringContaining('is served at web.example.com:') };
      expect(await program.call('DELETE', `/certificates/${id}`)).toMatchObject({ status: 409, body: refused });
      expect(await program.call('PUT', `/certificates/${id}/revoke`, { crlReason: 'superseded' })).toMatchObject({
        status: 403,
        body: refused,
      });
      const bulk = await program.ok('POST', '/certificates/bulk?dryRun=true', {
        ids: [id, other.id],
        revoke: { crlReason: 'superseded' },
      });
      expect(bulk.items.map((item: { problem?: { status: number } | null }) => item.problem?.status)).toEqual([
        403,
        undefined,
      ]);
      expect((await get(id)).lifecycle).toBe('issued');
      await program.ok('PUT', `/certificates/${id}/revoke`, { crlReason: 'keyCompromise' });
      await program.ok('PUT', `/certificates/${other.id}/revoke`, { crlReason: 'superseded' });
      expect([(await get(id)).lifecycle, (await get(other.id)).lifecycle]).toEqual(['revoked', 'revoked']);
    });

    it('lets the certificate that it was to replace renew and be warned about again', async () => {
      const old = await issue({ rotation: true });
      const heir = await issue({ replaces: [{ id: old.id }] });
      expect(await get(old.id)).toMatchObject({ notify: false, renewal: { at: null } });
      expect((await program.call('DELETE', `/certificates/${heir.id}`)).status).toBe(204);
      expect(await get(old.id)).toMatchObject({
        notify: true,
        nextNoticeAt: old.nextNoticeAt,
        renewal: { at: old.renewal.at, reason: 'policy' },
      });
    });
  });
});

describe('DELETE /certificates/{id}', () => {
  it('answers 405 when the settings do not allow deletion', async () => {
    const program = await startProgram();
    expect((await program.call('DELETE', '/certificates/1')).status).toBe(405);
    await program.stop();
  });
});

describe('a successor without a destination', () => {
  let program: TestProgram;
  beforeAll(async () => {
    program = await startProgram();
    await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
  });
  afterAll(() => program.stop());
  const issue = (commonName: string) =>
    program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName,
      authority: { name: 'root' },
      validityDays: 90,
    });
  const dayMs = 86_400_000;

  it('leaves the warnings about its predecessor on until somebody switches them off', async () => {
    const [old, seen] = [await issue('byhand.example.com'), await issue('seen.example.com')];
    for (const { id } of [old, seen]) await program.ok('POST', `/certificates/${id}/reissue`);
    expect(await program.ok('GET', `/certificates/${old.id}`)).toMatchObject({
      lifecycle: 'superseded',
      awaitsDeployment: true,
      notify: true,
      nextNoticeAt: old.nextNoticeAt,
    });
    await program.ok('POST', `/certificates/${seen.id}/update/switches`, { notify: false });
    program.clock.advance(61 * dayMs);
    const { text } = await eventually(async () => {
      const { items } = await program.ok('GET', '/mails?count=200');
      return items.find((mail: { text: string }) =>
        mail.text.includes('Its successor is issued, but has no destination: put it in place by hand'),
      );
    });
    expect(text.split('put it in place by hand')).toHaveLength(2);
    expect(text).toContain(`/certificates/${old.id}`);
    expect(text).not.toContain(`/certificates/${seen.id}\n`);
  });

  it('ends the warnings about its predecessor once it is delivered to a destination', async () => {
    const old = await issue('later.example.com');
    const fresh = await program.ok('POST', `/certificates/${old.id}/reissue`);
    const { id } = await program.ok('POST', '/destinations', {
      label: 'later',
      plugin: { id: 'filesystem', options: { path: `${program.dataDir}-later` } },
    });
    await program.ok('PUT', `/certificates/${fresh.id}`, { destinations: [{ id }] });
    const settled = await eventually(async () => {
      const now = await program.ok('GET', `/certificates/${old.id}`);
      return !now.awaitsDeployment && now;
    });
    expect(settled).toMatchObject({ lifecycle: 'superseded', nextNoticeAt: null });
  });

  it('makes its predecessor active again when it is revoked', async () => {
    const old = await issue('back.example.com');
    const fresh = await program.ok('POST', `/certificates/${old.id}/reissue`);
    await program.ok('PUT', `/certificates/${fresh.id}/revoke`, { crlReason: 'keyCompromise' });
    expect(await program.ok('GET', `/certificates/${old.id}`)).toMatchObject({
      lifecycle: 'issued',
      supersededAt: null,
      awaitsDeployment: false,
      nextNoticeAt: old.nextNoticeAt,
    });
    expect((await program.ok('POST', `/certificates/${old.id}/reissue`)).lifecycle).toBe('issued');
  });
});
