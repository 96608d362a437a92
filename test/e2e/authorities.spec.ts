import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority } from '../support/bundles.js';
import { publicTlsMaxDays } from '../../src/pki/public-tls.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
const tokens: Record<string, string> = {};
const ids: Record<string, number> = {};

beforeAll(async () => {
  program = await startProgram();
  const { ok } = program;
  const make = async (name: string, more: object = {}): Promise<void> => {
    ids[name] = (
      await ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: `Example ${name}`, ...more })
    ).id;
  };
  await make('root');
  await make('capped', { maxValidityDays: 90, defaultValidityDays: 60 });
  await make('public', { isCabCompliant: true });
  await make('sub', { type: 'subca', parent: { name: 'capped' } });
  const { items } = await ok('GET', '/roles?count=200');
  const role = (name: string) => ({ id: items.find((one: { name: string }) => one.name === name).id });
  const users = {
    nobody: [],
    holder: ['root_operator'],
    head: ['root_admin'],
    owner: ['pki@example.com'],
    reader: ['read-only'],
    oper: ['operator'],
  };
  for (const [username, roles] of Object.entries(users)) {
    await ok('POST', '/users', { username, email: `${username}@example.com`, password, roles: roles.map(role) });
    tokens[username] = await program.login(username, password);
  }
});
afterAll(() => program.stop());

const as = (who: string, method: string, path: string, body?: unknown) =>
  program.call(method, path, body, { token: tokens[who] });
const issue = (changes: object) =>
  program.call('POST', '/certificates', { owner: 'joe@example.com', commonName: 'www.example.com', ...changes });
const days = ({ notBefore, notAfter }: { notBefore: string; notAfter: string }): number =>
  (Date.parse(notAfter) - Date.parse(notBefore)) / dayMs;

describe('authorities', () => {
  it('are shown to users with a right to read them, and answer 404 to others', async () => {
    const total = async (who: string, query = ''): Promise<number> =>
      (await as(who, 'GET', `/authorities${query}`)).body.total;
    expect([await total('nobody'), await total('holder'), await total('reader'), await total('oper')]).toEqual([
      0, 1, 4, 4,
    ]);
    for (const [who, status] of [
      ['nobody', 404],
      ['holder', 200],
      ['reader', 200],
      ['oper', 200],
    ] as const) {
      for (const path of ['', '/roles', '/visualize'])
        expect((await as(who, 'GET', `/authorities/${ids['root']}${path}`)).status, `${who}${path}`).toBe(status);
    }
    expect((await as('holder', 'GET', `/authorities/${ids['public']}`)).status).toBe(404);
  });

  it('are filtered and sorted', async () => {
    const names = async (query: string): Promise<string[]> =>
      (await program.ok('GET', `/authorities?${query}`)).items.map(({ name }: { name: string }) => name);
    expect(await names('filter=name;UBLI')).toEqual(['public']);
    expect(await names('filter=cn;example%20root')).toEqual(['root']);
    expect(await names('owner=PKI@example.com&sortBy=name&sortDir=desc')).toEqual(['sub', 'root', 'public', 'capped']);
    expect(await names('active=false')).toEqual([]);
    expect(await names('filter=active;true&sortBy=name&count=1')).toEqual(['capped']);
  });

  it('show their roles', async () => {
    const { items, total } = await program.ok('GET', `/authorities/${ids['root']}/roles`);
    expect([total, items.map(({ name }: { name: string }) => name).sort()]).toEqual([
      3,
      ['pki@example.com', 'root_admin', 'root_operator'],
    ]);
  });

  it('are not patched', async () => {
    expect((await program.call('PATCH', `/authorities/${ids['root']}`)).status).toBe(405);
  });

  it('are refused when a role with the name of one of their own roles exists already', async () => {
    await program.ok('POST', '/roles', { name: 'taken_ADMIN' });
    expect(
      (await program.call('POST', '/authorities', { name: 'taken', owner: 'pki@example.com', commonName: 'Taken' }))
        .status,
    ).toBe(409);
    expect((await program.ok('GET', '/authorities?filter=name;taken')).total).toBe(0);
  });

  it('leave no key behind when they cannot be made or stored', async () => {
    const keys = async (): Promise<number> =>
      (await program.database.source.query('select count(*)::int as count from signing_key'))[0].count;
    const before = await keys();
    const parent = { type: 'subca', parent: { name: 'sub' }, owner: 'pki@example.com' };
    const refusedByIssuer = { ...parent, name: 'too-deep', commonName: 'Too deep' };
    const nameIsTaken = { name: 'root', owner: 'pki@example.com', commonName: 'Another root' };
    expect((await program.call('POST', '/authorities', refusedByIssuer)).status).toBe(400);
    expect((await program.call('POST', '/authorities', nameIsTaken)).status).toBe(409);
    expect(await keys()).toBe(before);
  });

  it('are changed by their owner and admin roles, not by users who may only issue', async () => {
    const change = (who: string) =>
      as(who, 'PUT', `/authorities/${ids['root']}`, { owner: 'pki@example.com', description: `by ${who}` });
    expect(
      await Promise.all(
        ['nobody', 'holder', 'reader', 'oper', 'head', 'owner'].map(async (who) => (await change(who)).status),
      ),
    ).toEqual([404, 403, 403, 403, 200, 200]);
  });

  it('answer users who may not read them like missing ones, whatever the method', async () => {
    const [hidden, missing] = [ids['root'] as number, 987_654];
    const asked = async (method: string, path: (id: number) => string, body?: (id: number) => object) => {
      const [one, other] = await Promise.all(
        [hidden, missing].map(async (id) => {
          const answer = await as('nobody', method, path(id), body?.(id));
          return [answer.status, answer.body.detail.replaceAll(String(id), 'ID'), answer.body.reasons] as const;
        }),
      );
      expect(one).toEqual(other);
      return one?.[0];
    };
    const change = () => ({ owner: 'pki@example.com', description: 'mine', name: 'guess' });
    expect(await asked('GET', (id) => `/authorities/${id}`)).toBe(404);
    expect(await asked('GET', (id) => `/authorities/${id}/roles`)).toBe(404);
    expect(await asked('GET', (id) => `/authorities/${id}/visualize`)).toBe(404);
    expect(await asked('PUT', (id) => `/authorities/${id}`, change)).toBe(404);
    // Its name is shown with the certificates that it has issued; a guess of its number does not tell it.
    const refused = await as('nobody', 'POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'a.example.com',
      authority: { id: hidden },
    });
    expect([refused.status, refused.body.detail]).toEqual([403, `You are not allowed to use authority ${hidden}.`]);
  });

  it('are tightened by their owner, and loosened by administrators alone', async () => {
    const owner = 'pki@example.com';
    const { id } = await program.ok('POST', '/authorities', {
      name: 'bound',
      owner,
      commonName: 'Bound',
      maxValidityDays: 90,
      isCabCompliant: true,
    });
    const put = (who: string, body: object) => as(who, 'PUT', `/authorities/${id}`, { owner, ...body });
    const cases: [object, string][] = [
      [{ isPrivate: true }, 'isPrivate'],
      [{ isCabCompliant: null }, 'isCabCompliant'],
      [{ options: { cab_compliant: false } }, 'isCabCompliant'],
      [{ maxValidityDays: 91 }, 'maxValidityDays'],
      [{ maxValidityDays: null, isPrivate: true }, 'maxValidityDays, isPrivate'],
    ];
    for (const [body, members] of cases) {
      for (const who of ['owner', 'oper']) expect((await put(who, body)).status, `${who} ${members}`).toBe(403);
      expect((await put('owner', body)).body.detail).toMatch(new RegExp(`: ${members}\\.$`));
    }
    const tightened = await put('owner', { maxValidityDays: 60, active: false });
    expect(tightened).toMatchObject({ status: 200, body: { maxValidityDays: 60, active: false } });
    expect((await put('owner', { description: 'still off' })).body).toMatchObject({
      active: false,
      isCabCompliant: true,
      isPrivate: false,
    });
    expect((await put('owner', { active: true })).body.detail).toMatch(/: active\.$/);
    expect((await put('owner', tightened.body)).status).toBe(200);
    expect(
      await program.ok('PUT', `/authorities/${id}`, {
        owner,
        active: true,
        maxValidityDays: null,
        isCabCompliant: false,
        isPrivate: true,
      }),
    ).toMatchObject({ active: true, maxValidityDays: null, isCabCompliant: false, isPrivate: true });
  });

  it('record in the audit log what was changed', async () => {
    const owner = 'pki@example.com';
    const { id } = await program.ok('POST', '/authorities', {
      name: 'recorded',
      owner,
      commonName: 'Recorded',
      description: 'old',
    });
    await program.ok('POST', '/roles', { name: 'helpers' });
    await program.ok('PUT', `/authorities/${id}`, {
      owner,
      description: 'new',
      roles: [{ name: 'recorded_admin' }, { name: 'helpers' }],
    });
    const {
      items: [event],
    } = await program.ok('GET', '/logs?count=1&filter=logType;authority.updated');
    expect(event).toMatchObject({
      targetId: String(id),
      before: { description: 'old', roles: [owner, 'recorded_admin', 'recorded_operator'] },
      after: { description: 'new', roles: [owner, 'recorded_admin', 'helpers'] },
    });
  });

  it("are created by Lemur's requests, and an option that is not supported is refused by name", async () => {
    const request = (changes: object) => ({
      name: 'TimeTestAuthority5',
      owner: 'secure@example.com',
      commonName: 'AcommonName',
      type: 'root',
      sensitivity: 'medium',
      ...changes,
    });
    const made = await program.ok(
      'POST',
      '/authorities',
      request({
        country: 'US',
        state: 'California',
        location: 'Los Gatos',
        organization: 'Netflix',
        organizationalUnit: 'Operations',
        description: 'test',
        validityYears: '20',
        signingAlgorithm: 'sha384WithECDSA',
        plugin: { slug: 'cryptography-issuer' },
        serialNumber: 255,
        firstSerial: 1,
        keyName: null,
        extensions: {
          subAltNames: { names: [] },
          custom: [],
          basicConstraints: { ca: true, pathLength: 1 },
          keyUsage: { useKeyCertSign: true, useCRLSign: true },
        },
      }),
    );
    expect(made.authorityCertificate).toMatchObject({
      serial: '255',
      keyType: 'ECCSECP384R1',
      signingAlgorithm: 'sha384',
      pathLength: 1,
    });
    expect(days(made.authorityCertificate)).toBeCloseTo(20 * 365.25, 0);
    for (const [changes, field] of [
      [{ keyName: 'hsm-1' }, 'keyName'],
      [{ firstSerial: 7 }, 'firstSerial'],
      [{ serialNumber: 0 }, 'serialNumber'],
      [{ type: 'subca', parent: { name: 'root' }, serialNumber: 5 }, 'serialNumber'],
      [{ signingAlgorithm: 'sha1WithRSA' }, 'signingAlgorithm'],
      [{ signingAlgorithm: 'sha512WithECDSA', keyType: 'ECCPRIME256V1' }, 'signingAlgorithm'],
      [{ sensitivity: 'high' }, 'sensitivity'],
      [{ extensions: { keyUsage: { useKeyEncipherment: true } } }, 'extensions.keyUsage.useKeyEncipherment'],
      [
        { extensions: { subAltNames: { names: [{ nameType: 'DNSName', value: 'a' }] } } },
        'extensions.subAltNames.names',
      ],
      [{ extensions: { basicConstraints: { ca: false } } }, 'extensions.basicConstraints.ca'],
    ] as const) {
      const { status, body } = await program.call('POST', '/authorities', request({ name: 'other', ...changes }));
      expect([status, Object.keys(body.reasons ?? {})], JSON.stringify(changes)).toEqual([400, [field]]);
    }
  });

  it('shorten to their own end, if they are told to, what would outlive them, and say what was asked', async () => {
    const ca = await program.ok('POST', '/authorities', {
      name: 'soon-over',
      owner: 'pki@example.com',
      commonName: 'Soon over',
      validityDays: 30,
    });
    expect(ca.validityBeyondCa).toBe('refuse');
    const asked = { owner: 'joe@example.com', authority: { name: 'soon-over' }, validityDays: 60 };
    const refused = await program.call('POST', '/certificates', { ...asked, commonName: 'a.example.com' });
    expect([refused.status, refused.body.reasons]).toEqual([400, { validityDays: [expect.stringContaining('after')] }]);
    const changed = await program.ok('PUT', `/authorities/${ca.id}`, { ...ca, validityBeyondCa: 'shorten' });
    expect(changed.validityBeyondCa).toBe('shorten');
    const made = await program.ok('POST', '/certificates', { ...asked, commonName: 'a.example.com' });
    const lengthDays = (Date.parse(made.askedNotAfter) - Date.parse(made.notBefore)) / 86_400_000;
    expect([made.notAfter, lengthDays]).toEqual([ca.authorityCertificate.notAfter, 60]);
    const within = await program.ok('POST', '/certificates', {
      ...asked,
      commonName: 'b.example.com',
      validityDays: 5,
    });
    expect(within.askedNotAfter).toBeNull();
    // Once the CA lives long enough, the renewal is as long as was asked.
    await program.ok('POST', `/authorities/${ca.id}/renew`, { validityDays: 3000 });
    const renewed = await program.ok('POST', `/certificates/${made.id}/reissue`, {});
    const days = (Date.parse(renewed.notAfter) - Date.parse(renewed.notBefore)) / 86_400_000;
    expect([Math.round(days), renewed.askedNotAfter]).toEqual([60, null]);
  });

  it("take Lemur's options as JSON or as text, and the whole object that was read", async () => {
    const { id } = await program.ok('POST', '/authorities', {
      name: 'lemur',
      owner: 'pki@example.com',
      commonName: 'Lemur',
      plugin: { id: 'local-ca', options: { ocsp: ['http://ocsp.example.com'] } },
    });
    const put = (body: object) => program.ok('PUT', `/authorities/${id}`, { owner: 'pki@example.com', ...body });
    expect(
      await put({ options: '[{"name": "cab_compliant", "value": true}, {"name": "cn_optional", "value": false}]' }),
    ).toMatchObject({
      isCabCompliant: true,
      isCnOptional: false,
      plugin: { options: { ocsp: ['http://ocsp.example.com'] } },
    });
    const changed = await put({ options: { caIssuers: 'http://ca.example.com/a.der', cab_compliant: null } });
    expect(changed).toMatchObject({
      isCabCompliant: null,
      isCnOptional: false,
      plugin: { options: { ocsp: ['http://ocsp.example.com'], caIssuers: ['http://ca.example.com/a.der'] } },
    });
    expect(JSON.parse(changed.options)).toContainEqual({ name: 'cn_optional', value: false });
    expect(await program.ok('PUT', `/authorities/${id}`, changed)).toEqual(changed);
    for (const [body, field] of [
      [{ options: '{' }, 'options'],
      [{ options: [{ name: 'cab_compliant', value: 7 }] }, 'options'],
      [{ options: [{ name: 'colour', value: 1 }] }, 'plugin.options.colour'],
      [{ name: 'other' }, 'name'],
      [{ colour: 1 }, 'colour'],
    ] as const) {
      const { status, body: problem } = await program.call('PUT', `/authorities/${id}`, {
        owner: 'pki@example.com',
        ...body,
      });
      expect([status, Object.keys(problem.reasons)]).toEqual([400, [field]]);
    }
    expect(
      (
        await issue({
          authority: { id },
          commonName: undefined,
          extensions: { subAltNames: { names: [{ nameType: 'DNSName', value: 'a.example.com' }] } },
        })
      ).body.reasons,
    ).toHaveProperty('commonName');
  });
});

describe('the maximum validity of an authority', () => {
  it('bounds requests, and the default validity is shorter', async () => {
    const { status, body } = await issue({ authority: { name: 'capped' }, validityDays: 91 });
    expect([status, body.reasons]).toEqual([400, { validityDays: ['This authority issues for at most 90 days.'] }]);
    const made = (await issue({ authority: { name: 'capped' } })).body;
    expect([days(made), made.authority]).toEqual([
      60,
      expect.objectContaining({
        maxIssuanceDays: 90,
        defaultValidityDays: 60,
        isCabCompliant: null,
        isCnOptional: true,
      }),
    ]);
  });

  it('bounds the authorities below it', async () => {
    expect(await program.ok('GET', `/authorities/${ids['sub']}`)).toMatchObject({
      maxValidityDays: 90,
      maxIssuanceDays: 90,
    });
    expect((await issue({ authority: { name: 'sub' }, validityDays: 91 })).status).toBe(400);
    for (const maxValidityDays of [91, null]) {
      expect(
        (await program.call('PUT', `/authorities/${ids['sub']}`, { owner: 'pki@example.com', maxValidityDays })).body
          .reasons,
      ).toHaveProperty('maxValidityDays');
    }
    const below = { type: 'subca', owner: 'pki@example.com', commonName: 'Below', name: 'below' };
    expect(
      (await program.call('POST', '/authorities', { ...below, parent: { name: 'capped' }, maxValidityDays: 100 })).body
        .reasons,
    ).toHaveProperty('maxValidityDays');
    expect(
      (await program.call('POST', '/authorities', { ...below, parent: { name: 'public' }, isCabCompliant: false })).body
        .reasons,
    ).toHaveProperty('isCabCompliant');
  });

  it('bounds all authorities below it as soon as it is lowered, at any depth', async () => {
    const make = (name: string, more: object) =>
      program.ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: name, ...more });
    const top = await make('top', {});
    await make('mid', { type: 'subca', parent: { name: 'top' }, pathLength: 1 });
    const low = await make('low', { type: 'subca', parent: { name: 'mid' }, maxValidityDays: 300 });
    const long = (await issue({ authority: { name: 'low' }, validityDays: 250 })).body;
    expect(long.authority.maxIssuanceDays).toBe(300);
    await program.ok('PUT', `/authorities/${top.id}`, { owner: 'pki@example.com', maxValidityDays: 30 });
    expect((await issue({ authority: { name: 'low' }, validityDays: 31 })).body.reasons).toEqual({
      validityDays: ['This authority issues for at most 30 days.'],
    });
    const short = (await issue({ authority: { name: 'low' } })).body;
    expect([
      days(short),
      short.authority.maxIssuanceDays,
      days(await program.ok('POST', `/certificates/${long.id}/reissue`)),
    ]).toEqual([30, 30, 30]);
    expect((await program.ok('GET', `/certificates/${long.id}`)).authority.maxIssuanceDays).toBe(30);
    expect(
      await program.ok('PUT', `/authorities/${low.id}`, { owner: 'pki@example.com', description: 'as it was' }),
    ).toMatchObject({ maxValidityDays: 300, maxIssuanceDays: 30 });
    expect(
      (
        await program.call('POST', '/certificates/upload', {
          owner: 'eve@example.com',
          body: long.body,
          authority: { name: 'low' },
        })
      ).body.reasons,
    ).toHaveProperty('body');
  });

  it("bounds the authorities below it also when a request uses Lemur's options", async () => {
    const { id } = await program.ok('POST', '/authorities', {
      type: 'subca',
      parent: { name: 'public' },
      name: 'under',
      owner: 'pki@example.com',
      commonName: 'Under',
    });
    for (const cab_compliant of [false, null, 'false']) {
      expect(
        (await program.call('PUT', `/authorities/${id}`, { owner: 'pki@example.com', options: { cab_compliant } })).body
          .reasons,
      ).toHaveProperty('isCabCompliant');
    }
    expect(await program.ok('GET', `/authorities/${id}`)).toMatchObject({ isCabCompliant: true });
  });

  it('bounds imported certificates, and a certificate that exists already is refused', async () => {
    const foreign = startTestAuthority();
    try {
      const {
        chainPem: [body = '', chain = ''],
        privateKeyPem: privateKey,
      } = foreign.issue('known.example.org');
      const made = (await issue({ authority: { name: 'root' }, validityDays: 400, commonName: 'long.example.com' }))
        .body;
      const upload = (changes: object) =>
        program.call('POST', '/certificates/upload', { owner: 'eve@example.com', body: made.body, ...changes });
      // The same issuer and serial number under another owner would let that owner revoke what is not theirs.
      expect((await upload({ authority: { name: 'root' } })).status).toBe(409);
      expect((await upload({})).status).toBe(409);
      expect((await upload({ body, chain, privateKey, authority: { name: 'root' } })).body.reasons).toHaveProperty(
        'authority',
      );
      await program.ok('PUT', `/authorities/${ids['root']}`, { owner: 'pki@example.com', maxValidityDays: 300 });
      expect((await upload({ authority: { name: 'root' } })).body.reasons).toEqual({
        body: ['This authority issues for at most 300 days.'],
      });
      await program.ok('PUT', `/authorities/${ids['root']}`, { owner: 'pki@example.com', maxValidityDays: null });
    } finally {
      foreign.close();
    }
  });

  it('follows the validity limits of publicly trusted TLS, for automatic renewals too', async () => {
    const allowed = () => publicTlsMaxDays(program.clock.now());
    const certificate = (await issue({ authority: { name: 'public' }, rotation: true })).body;
    expect(Math.ceil(days(certificate))).toBe(Math.min(365, allowed()));
    expect(await program.ok('GET', `/authorities/${ids['public']}`)).toMatchObject({
      maxValidityDays: null,
      maxIssuanceDays: allowed(),
      isCabCompliant: true,
    });
    program.clock.advance(Math.max(0, Date.UTC(2029, 2, 16) - program.clock.now().getTime()));
    const {
      replacedBy: [successor],
    } = await eventually(async () => {
      const old = await program.ok('GET', `/certificates/${certificate.id}`);
      return old.replacedBy.length > 0 && old;
    });
    const renewed = await program.ok('GET', `/certificates/${successor.id}`);
    expect(days(renewed)).toBeCloseTo(47, 3);
    expect(days(renewed)).toBeLessThan(47);
    expect(await program.ok('GET', `/authorities/${ids['public']}`)).toMatchObject({ maxIssuanceDays: 47 });
    expect((await issue({ authority: { name: 'public' }, validityDays: 48 })).body.reasons).toEqual({
      validityDays: ['This authority issues for at most 47 days.'],
    });
    // Thirty days before its end would be within its first half: it lives for two thirds of its time instead.
    const { at } = await program.ok('GET', `/certificates/${renewed.id}/plan`);
    const planned = (Date.parse(at) - Date.parse(renewed.notBefore)) / dayMs;
    expect(planned).toBeLessThan((47 * 2) / 3);
    // Renewals are spread over a fiftieth of the lifetime.
    expect(planned).toBeGreaterThan((47 * 2) / 3 - 47 / 50);
  });
});

describe('the expiry of an authority', () => {
  it('is announced once for each lead, to its owner and the security team', async () => {
    const { id } = await program.ok('POST', '/authorities', {
      name: 'ending',
      owner: 'ending@example.com',
      commonName: 'Ending',
      validityDays: 800,
    });
    const mails = async (): Promise<{ subject: string; recipients: string[] }[]> =>
      (await program.ok('GET', '/mails?count=200')).items
        .filter(({ subject }: { subject: string }) => subject.startsWith('Authority ending expires'))
        .reverse();
    const told = (count: number) => eventually(async () => (await mails()).length === count);
    program.clock.advance(500 * dayMs);
    await told(1);
    // Two leads at once: what was missed is not said twice.
    program.clock.advance(240 * dayMs);
    await told(2);
    program.clock.advance(35 * dayMs);
    await told(3);
    program.clock.advance(35 * dayMs);
    const rows = await eventually(async () => {
      const found = await program.database.source.query<{ leadDays: number; open: boolean }[]>(
        `select (data->>'leadDays')::int as "leadDays", sent_at is null as open from notice
          where authority_id = $1 and event = 'authority.expiring' order by 1 desc`,
        [id],
      );
      return found.every(({ open }) => !open) && found;
    });
    expect(rows.map(({ leadDays }) => leadDays)).toEqual([365, 90, 30]);
    expect((await mails()).map(({ subject }) => subject)).toEqual([
      'Authority ending expires in 299 days',
      'Authority ending expires in 59 days',
      'Authority ending expires in 24 days',
    ]);
  });
});

describe('settings', () => {
  let open: TestProgram;
  beforeAll(async () => {
    open = await startProgram({
      ADMIN_ONLY_AUTHORITY_CREATION: 'false',
      DEFAULT_COUNTRY: 'CH',
      DEFAULT_STATE: 'Zug',
      DEFAULT_LOCATION: 'Baar',
      DEFAULT_ORGANIZATION: 'Example',
      DEFAULT_ORGANIZATIONAL_UNIT: 'PKI',
      DEFAULT_AUTHORITY: 'usual',
      DEFAULT_ISSUER_PLUGIN: 'cryptography-issuer',
      DEFAULT_VALIDITY_DAYS: '120',
      ALLOW_WEEKEND_EXPIRATION: 'false',
    });
    await open.ok('POST', '/authorities', {
      name: 'usual',
      owner: 'pki@example.com',
      commonName: 'Usual',
      maxValidityDays: 90,
    });
    const [team] = (await open.ok('GET', '/roles?filter=name;usual_operator')).items;
    await open.ok('POST', '/roles', { name: 'team@example.com' });
    for (const [username, roles] of [
      ['member', [{ name: 'team@example.com' }, { id: team.id }]],
      ['guest', [{ name: 'read-only' }, { name: 'team@example.com' }]],
    ] as const) {
      await open.ok('POST', '/users', { username, email: `${username}@example.com`, password, roles });
      tokens[username] = await open.login(username, password);
    }
  });
  afterAll(() => open.stop());

  it('are shown at /defaults and used for a certificate', async () => {
    const { authority, ...said } = await open.ok('GET', '/defaults');
    expect([authority.name, said]).toEqual([
      'usual',
      {
        country: 'CH',
        state: 'Zug',
        location: 'Baar',
        organization: 'Example',
        organizationalUnit: 'PKI',
        issuerPlugin: 'cryptography-issuer',
        validityDays: 90,
        allowWeekendExpiration: false,
      },
    ]);
    const made = await open.ok('POST', '/certificates', { owner: 'joe@example.com', commonName: 'www.example.com' });
    expect([made.authority.name, made.distinguishedName]).toEqual([
      'usual',
      'CN=www.example.com,OU=PKI,O=Example,L=Baar,ST=Zug,C=CH',
    ]);
  });

  it('let users create root authorities for their own roles, and none below the authority of others', async () => {
    const make = (who: string, changes: object) =>
      open.call(
        'POST',
        '/authorities',
        { owner: 'team@example.com', commonName: 'Team', ...changes },
        { token: tokens[who] },
      );
    expect((await make('member', { name: 'team' })).status).toBe(200);
    const sub = { name: 'below', commonName: 'Below', type: 'subca' };
    expect((await make('member', { ...sub, parent: { name: 'team' } })).status).toBe(200);
    const issued = await open.call(
      'POST',
      '/certificates',
      { owner: 'team@example.com', commonName: 'www.example.com', authority: { name: 'usual' } },
      { token: tokens['member'] },
    );
    expect(issued.status).toBe(200);
    for (const [who, changes] of [
      ['member', { ...sub, name: 'b', parent: { name: 'usual' } }],
      ['member', { name: 'c', owner: 'pki@example.com' }],
      ['member', { name: 'd', owner: 'member@example.com' }],
      ['member', { name: 'e', isPrivate: true }],
      ['guest', { name: 'f' }],
    ] as const)
      expect((await make(who, changes)).status, JSON.stringify(changes)).toBe(403);
    expect((await open.ok('GET', '/authorities')).items.map(({ name }: { name: string }) => name).sort()).toEqual([
      'below',
      'team',
      'usual',
    ]);
  });
});
