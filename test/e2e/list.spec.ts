import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificateOrders } from '../../src/certificates/list/list.schema.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import type { Json } from '../support/json.js';

const names = (page: { items: { cn: string }[] }) => page.items.map(({ cn }) => cn);
const idsOf = (page: { items: { id: number }[] }) => page.items.map(({ id }) => id);

describe('the list of certificates', () => {
  let program: TestProgram;
  const all: Json[] = [];
  beforeAll(async () => {
    program = await startProgram({ ALLOW_CERT_DELETION: 'true' });
    await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
    await program.ok('POST', '/authorities', { name: 'other', owner: 'pki@example.com', commonName: 'Quite Another' });
    await program.ok('POST', '/users', {
      username: 'ann',
      email: 'ann@example.com',
      password: 'Correct-Horse-2!',
      roles: [],
    });
    await program.ok('POST', '/destinations', {
      label: 'web',
      plugin: { id: 'filesystem', options: { path: program.dataDir } },
    });
    for (let i = 0; i < 7; i++) all.push(await issue(i));
  });
  afterAll(() => program.stop());

  const issue = (i: number, more: object = {}) =>
    program.ok('POST', '/certificates', {
      owner: i % 2 ? 'ann@example.com' : 'bob@example.com',
      commonName: `n${i}.example.com`,
      authority: { name: 'root' },
      validityDays: 30 + (i % 3),
      ...more,
    });
  const list = (query: string) => program.ok('GET', `/certificates?${query}`);

  /** Everything, page after page, while `meanwhile` goes on beside it. */
  async function walk(path: string, meanwhile: () => Promise<unknown>): Promise<number[]> {
    const seen: number[] = [];
    for (let after: string | undefined = ''; after !== undefined;) {
      const [page]: Json[] = await Promise.all([
        program.ok('GET', `${path}${after && `&after=${after}`}`),
        meanwhile(),
      ]);
      seen.push(...idsOf(page));
      after = page.next;
    }
    return seen;
  }

  it.each(
    Object.keys(certificateOrders).flatMap((by) => [
      [by, 'asc', ''],
      [by, 'desc', '&showExpired=1'],
    ]),
  )('continues after a cursor by %s %s%s, and skips and repeats none during changes', async (by, dir, more) => {
    const query = `sortBy=${by}&sortDir=${dir}${more}`;
    const wanted = idsOf(await list(`${query}&count=200`));
    const doomed: number[] = [];
    const write = async (): Promise<void> => {
      const gone = doomed.splice(0).map((id) => program.ok('DELETE', `/certificates/${id}`));
      const made = [0, 1].map((i) => issue(i));
      doomed.push(...(await Promise.all(made)).map(({ id }) => id));
      await Promise.all(gone);
    };
    const seen = await walk(`/certificates?count=2&${query}`, write);
    expect(seen.filter((id) => wanted.includes(id))).toEqual(wanted);
    expect(new Set(seen).size).toBe(seen.length);
    for (const id of doomed) await program.ok('DELETE', `/certificates/${id}`);
  });

  it('takes a cursor only for the sort order that it was made for', async () => {
    const { next } = await list('count=2&sortBy=name');
    const { status, body } = await program.call('GET', `/certificates?count=2&sortBy=owner&after=${next}`);
    expect([status, Object.keys(body.reasons)]).toEqual([400, ['after']]);
  });

  it('is sorted newest first by default, and has the same order in numbered pages', async () => {
    const everything = names(await list('count=200'));
    expect([...names(await list('count=3&page=1')), ...names(await list('count=3&page=2'))]).toEqual(
      everything.slice(0, 6),
    );
    expect(await list('count=3&page=100')).toEqual({ items: [], total: everything.length });
  });

  it('finds by part of a name and by exact value, and refuses unknown filters', async () => {
    expect(names(await list('filter=cn;n3.exam'))).toEqual(['n3.example.com']);
    expect(names(await list('filter=cn;"n4.example.com"'))).toEqual(['n4.example.com']);
    expect(names(await list('filter=cn;%25'))).toEqual([]);
    expect(names(await list('filter=name;n3'))).toEqual(['n3.example.com']);
    expect(names(await list('filter=name;3.'))).toEqual([]);
    for (const query of [
      'sortBy=sealedKey',
      'count=0',
      'count=1001',
      'after=nonsense',
      'active=perhaps',
      'filter=id;abc',
      'filter=notAfter;soon',
    ]) {
      expect((await program.call('GET', `/certificates?${query}`)).status, query).toBe(400);
    }
    for (const [query, field] of [
      ['filter=private_key;x', 'filter'],
      ['sortBy=private_key', 'sortBy'],
    ] as const) {
      const { status, body } = await program.call('GET', `/certificates?${query}`);
      expect([status, body.reasons[field][0]]).toEqual([
        400,
        expect.stringContaining(`The field 'private_key' is not sortable or filterable`),
      ]);
    }
  });

  it('is filtered by every parameter and filter, in all spellings that Lemur takes', async () => {
    const { id: webId } = (await program.ok('GET', '/destinations')).items[0];
    const special = await issue(50, {
      commonName: 'special.example.com',
      authority: { name: 'other' },
      description: 'For the Special day',
      keyType: 'RSA2048',
      destinations: [{ label: 'web' }],
      rotation: true,
      validityDays: 5,
    });
    await program.ok('POST', `/certificates/${special.id}/update/switches`, { notify: false, rotation: true });
    const hex = special.serialHex as string;
    const only = [
      `id=${special.id}`,
      `filter=id;${special.id}`,
      `filter=fixedName;${special.name}`,
      `filter=fixed_name;${special.name}`,
      `filter=name;"${special.name}"`,
      `filter=name;${special.name.slice(1, 20).toUpperCase()}`,
      'filter=san;special.exa',
      'filter=cn;SPEC',
      'filter=cn;sp',
      'filter=commonName;"Special.example.com"',
      'active=false',
      'active=NO',
      'active=0',
      'filter=active;off',
      'filter=notify;n',
      'rotation=true',
      'rotation=Yes',
      'filter=rotation;1',
      'filter=rotation;on',
      `destinationId=${webId}`,
      `filter=destination;${webId}`,
      'filter=issuer;Another',
      'filter=issuer;other',
      'filter=issuer;"other"',
      'filter=description;special DAY',
      'filter=keyType;rsa',
      'filter=bits;2048',
      `filter=signingAlgorithm;${special.signingAlgorithm}&id=${special.id}`,
      `serial=${special.serial}`,
      `serial=0x${hex}`,
      `serial=${hex.replace(/..(?=.)/g, '$&:')}`,
      `filter=serial;${special.serial}`,
      `filter=serialHex;${hex.toLowerCase()}`,
      `filter=fingerprint;${special.fingerprint}`,
      'timeRange=1',
      'filter=distinguishedName;special',
      `filter=notAfter;${special.notAfter.slice(0, 10)}`,
    ];
    for (const query of only) expect(idsOf(await list(query)), query).toEqual([special.id]);
    const bob = (await list('count=200')).items.filter(({ owner }: Json) => owner === 'bob@example.com').length;
    for (const query of ['owner=BOB@example.com', 'filter=owner;bob', 'filter=owner;"Bob@example.com"'])
      expect((await list(query)).total, query).toBe(bob);
    const many = (await list('')).total;
    for (const query of [
      'creator=admin',
      'creator=1',
      'filter=creator;admin',
      'filter=status;valid',
      'filter=lifecycle;issued',
      'lifecycle=issued',
      'show=1',
      'filter=name;',
      'filter=issuer;',
    ]) {
      expect((await list(query)).total, query).toBe(many);
    }
    for (const query of [
      'creator=ann',
      'creator=nobody',
      'filter=issuer;nowhere',
      'filter=owner;nowhere',
      'filter=keyType;dsa',
      'filter=externalId;x',
      'filter=status;revoked',
    ]) {
      expect(await list(query), query).toEqual({ items: [], total: 0 });
    }
    expect(Object.keys((await list('short=true&count=1')).items[0]).sort()).toEqual([
      'authority',
      'cn',
      'id',
      'issuer',
      'name',
      'notify',
      'owner',
      'rotation',
    ]);
    expect(names(await list('timeRange=5&count=1'))).toEqual(['special.example.com']);
    const gone = await issue(51);
    await program.ok('DELETE', `/certificates/${gone.id}`);
    expect((await list(`id=${gone.id}&showExpired=1`)).total).toBe(0);
  });

  it('shows a user only own certificates with show=true', async () => {
    const token = await program.login('ann', 'Correct-Horse-2!');
    const { body: before } = await program.call('GET', '/certificates?show=true', undefined, { token });
    expect(before.total).toBe(0);
    const { id } = (await program.ok('GET', '/users?filter=username;ann')).items[0];
    const {
      items: [role],
    } = await program.ok('GET', '/roles?filter=name;"ann@example.com"');
    await program.ok('PUT', `/users/${id}`, { username: 'ann', email: 'ann@example.com', roles: [{ id: role.id }] });
    const { body } = await program.call('GET', '/certificates?show=true&filter=owner;example', undefined, {
      token: await program.login('ann', 'Correct-Horse-2!'),
    });
    expect(new Set(body.items.map(({ owner }: Json) => owner))).toEqual(new Set(['ann@example.com']));
    expect(body.total).toBe(3);
  });

  it('leads to the authority, creator, destinations, domains and notifications of a certificate', async () => {
    const { id } = await issue(60, { destinations: [{ label: 'web' }] });
    const at = (what: string) => program.ok('GET', `/certificates/${id}/${what}`);
    expect(await at('authority')).toMatchObject({ name: 'root', authorityCertificate: { cn: 'Example Root' } });
    expect(await at('creator')).toMatchObject({ username: 'admin' });
    expect(await at('destinations')).toMatchObject({
      items: [{ label: 'web', plugin: { slug: 'filesystem' } }],
      total: 1,
    });
    expect(await at('domains')).toMatchObject({ items: [{ name: 'n60.example.com', sensitive: false }], total: 1 });
    expect((await at('notifications')).items.map(({ label }: Json) => label)).toContain(
      'DEFAULT_BOB@EXAMPLE.COM_30_DAY',
    );
    expect((await program.call('GET', '/certificates/999999/authority')).status).toBe(404);
    expect(await program.ok('GET', '/destinations/stats')).toEqual({
      items: { labels: ['web'], values: [2] },
      total: 1,
    });
  });

  it('has statistics in the format of charts', async () => {
    const { total } = await list('');
    for (const metric of ['bits', 'issuer', 'not_after', 'signing_algorithm']) {
      const { items, total: labels } = await program.ok('GET', `/certificates/stats?metric=${metric}`);
      expect([items.labels.length, items.values.length], metric).toEqual([labels, labels]);
      expect(
        items.values.reduce((sum: number, value: number) => sum + value, 0),
        metric,
      ).toBeGreaterThanOrEqual(total);
    }
    for (const query of ['', '?metric=owner'])
      expect((await program.call('GET', `/certificates/stats${query}`)).status).toBe(400);
  });

  it('at /certificates/valid leaves out revoked and replaced certificates', async () => {
    const valid = (query: string) => program.ok('GET', `/certificates/valid?${query}`);
    expect((await valid('')).total).toBe((await list('')).total);
    expect(names(await valid('filter=cn;N3.%25'))).toEqual(['n3.example.com']);
    expect(names(await valid('filter=cn;%253.example.com&owner=Ann@example.com'))).toEqual(['n3.example.com']);
    expect(names(await valid('san=n_.example.com'))).toEqual([]);
    expect(await valid('san=%25.example.com&count=2&page=2')).toMatchObject({
      total: (await list('')).total,
      items: [{}, {}],
    });
    expect(await valid('filter=cn;example.com')).toEqual({ items: [], total: 0 });
    expect((await program.call('GET', '/certificates/valid?filter=owner;x')).status).toBe(400);
    await issue(70, { commonName: 'n3.example.com', replaces: [{ id: all[3].id }] });
    expect(idsOf(await valid('filter=cn;n3.example.com'))).not.toContain(all[3].id);
    await program.ok('PUT', `/certificates/${all[4].id}/revoke`, {});
    expect(await valid('filter=cn;n4.%25')).toEqual({ items: [], total: 0 });
  });

  it('returns all valid certificates without a page, and is refused when there are more than 1,000', async () => {
    const { source } = program.database;
    const { total } = await program.ok('GET', '/certificates/valid');
    await source.query(
      `
      insert into certificate (state, name, owner, authority_id, common_name, distinguished_name, body_der, secret_id,
        issuer, issuer_sha256, serial_hex, sha256, spki_sha256,
        key_type, bits, not_before, not_after, san_count, terms, notify, rotation, rotation_policy_id, created_at)
      select state, 'many-' || n, owner, authority_id, 'many', distinguished_name, body_der, gen_random_uuid(), issuer,
        issuer_sha256, 'F' || n, 'many' || n, spki_sha256,
        key_type, bits, not_before, not_after, san_count, terms, false, false, rotation_policy_id, created_at
        from certificate, generate_series(1, $2) n where id = $1`,
      [all[0].id, 1000 - total],
    );
    expect((await program.ok('GET', '/certificates/valid')).items).toHaveLength(1000);
    await issue(8);
    expect((await program.call('GET', '/certificates/valid')).body).toMatchObject({
      status: 400,
      reasons: { count: [expect.stringContaining('Read them in pages')] },
    });
    expect(await program.ok('GET', '/certificates/valid?count=1000')).toMatchObject({
      total: 1001,
      next: expect.any(String),
    });
    await source.query(`delete from certificate where common_name = 'many'`);
  });

  it('has the same paging as the other lists', async () => {
    for (const path of [
      '/roles',
      '/users',
      '/notifications',
      '/policies',
      '/authorities',
      '/destinations',
      '/jobs',
      '/deliveries',
    ]) {
      const wanted = idsOf(await program.ok('GET', `${path}?count=200&sortBy=id`));
      const seen = await walk(`${path}?sortBy=id&count=${Math.max(1, Math.floor(wanted.length / 3))}`, () =>
        Promise.resolve(),
      );
      expect(
        seen.filter((id) => wanted.includes(id)),
        path,
      ).toEqual(wanted);
      expect((await program.call('GET', `${path}?filter=secret_options;x`)).body.detail, path).toContain(
        `The field 'secret_options' is not sortable or filterable`,
      );
    }
  });

  it('leaves out certificates that expired long ago without showExpired', async () => {
    // Nothing renews meanwhile.
    await program.database.source.query('update certificate set rotation = false, next_renewal_at = null');
    const before = (await list('showExpired=1')).total;
    program.clock.advance(45 * 86_400_000);
    expect((await list('')).total).toBe(before);
    expect(
      (await program.ok('GET', '/certificates/valid')).items.every(
        ({ notAfter }: Json) => new Date(notAfter) > program.clock.now(),
      ),
    ).toBe(true);
    program.clock.advance(20 * 86_400_000);
    await eventually(async () => (await list('timeRange=5200')).total === (await list('')).total);
    expect((await list('')).total).toBeLessThan(before);
    expect((await list('showExpired=1')).total).toBeGreaterThanOrEqual(before);
  });
});
