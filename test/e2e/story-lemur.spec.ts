import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { inDays } from '../support/requests.js';

/** The members of a certificate in the API documentation of Lemur 0.8, of all its examples together. */
const documented = [
  'status',
  'cn',
  'chain',
  'authority',
  'owner',
  'serial',
  'id',
  'issuer',
  'notBefore',
  'notAfter',
  'destinations',
  'bits',
  'body',
  'description',
  'deleted',
  'notifications',
  'signingAlgorithm',
  'user',
  'active',
  'domains',
  'replaces',
  'replaced',
  'rotation',
  'rotationPolicy',
  'name',
  'roles',
  'san',
];

let program: TestProgram;
let foreign: TestAuthority;
beforeAll(async () => {
  foreign = startTestAuthority();
  program = await startProgram();
  await program.ok('POST', '/authorities', {
    name: 'verisign',
    owner: 'secure@example.com',
    commonName: 'Symantec Corporation',
    description: 'verisign test authority',
  });
});
afterAll(async () => {
  await program.stop();
  foreign.close();
});

/** Demands every documented member with the documented shape. */
function expectLemurShape(certificate: Record<string, unknown>): void {
  expect(Object.keys(certificate)).toEqual(expect.arrayContaining(documented));
  expect(certificate).toMatchObject({
    id: expect.any(Number),
    name: expect.any(String),
    serial: expect.stringMatching(/^\d+$/),
    bits: expect.any(Number),
    active: expect.any(Boolean),
    notBefore: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
    notAfter: expect.stringMatching(/\+00:00$/),
    body: expect.stringMatching(/^-----BEGIN CERTIFICATE-----/),
    user: { username: 'admin', active: true, email: expect.any(String), id: expect.any(Number) },
    rotation: expect.any(Boolean),
    rotationPolicy: { name: 'default' },
  });
  for (const role of certificate['roles'] as object[])
    expect(Object.keys(role)).toEqual(expect.arrayContaining(['id', 'description', 'name']));
  for (const domain of certificate['domains'] as object[])
    expect(Object.keys(domain)).toEqual(expect.arrayContaining(['sensitive', 'id', 'name']));
  for (const notification of certificate['notifications'] as object[]) expect(notification).toHaveProperty('id');
}

describe("the requests of Lemur's documentation", () => {
  let uploadedId: number;
  let issuedId: number;

  it('upload a certificate', async () => {
    const {
      chainPem: [body, chain],
      privateKeyPem,
    } = foreign.issue('cert1.example.net');
    const uploaded = await program.ok('POST', '/certificates/upload', {
      owner: 'joe@example.com',
      body,
      chain,
      privateKey: privateKeyPem,
      destinations: [],
      notifications: [],
      replacements: [],
      roles: [],
      notify: true,
      name: 'cert1',
    });
    expectLemurShape(uploaded);
    expect(uploaded).toMatchObject({ name: 'cert1', active: true, owner: 'joe@example.com' });
    uploadedId = uploaded.id;
  });

  it('create a certificate that replaces it', async () => {
    const [start, end] = [inDays(1), inDays(365)];
    const certificate = await program.ok('POST', '/certificates', {
      owner: 'secure@example.net',
      commonName: 'test.example.net',
      country: 'US',
      extensions: {
        subAltNames: {
          names: [
            { nameType: 'DNSName', value: '*.test.example.net' },
            { nameType: 'DNSName', value: 'www.test.example.net' },
          ],
        },
      },
      replacements: [{ id: uploadedId }],
      notify: true,
      validityEnd: end.replace('Z', '.000Z'),
      authority: { name: 'verisign' },
      organization: 'Netflix, Inc.',
      location: 'Los Gatos',
      state: 'California',
      validityStart: start.replace('Z', '.000Z'),
      organizationalUnit: 'Operations',
    });
    expectLemurShape(certificate);
    expect(certificate).toMatchObject({
      cn: 'test.example.net',
      replaces: [{ id: uploadedId }],
      san: true,
      issuer: 'SymantecCorporation',
      notBefore: start.replace('Z', '+00:00'),
      country: 'US',
      state: 'California',
      location: 'Los Gatos',
      organization: 'Netflix, Inc.',
      organizationalUnit: 'Operations',
      lifecycle: 'issued',
      status: 'valid',
      authority: {
        active: true,
        owner: 'secure@example.com',
        id: 1,
        description: 'verisign test authority',
        name: 'verisign',
      },
    });
    const [from, to] = [start, end].map((date) => date.slice(0, 10).replaceAll('-', ''));
    expect(certificate.name).toBe(`SAN-test.example.net-SymantecCorporation-${from}-${to}`);
    expect(certificate.distinguishedName).toContain('O=Netflix\\, Inc.');
    issuedId = certificate.id;
    const replaced = await program.ok('GET', `/certificates/${uploadedId}`);
    expect(replaced).toMatchObject({ active: false, notify: false, replaced: [{ id: issuedId }], nextNoticeAt: null });
  });

  it('list replacements, and the certificates of a notification', async () => {
    const page = await program.ok('GET', `/certificates/${issuedId}/replacements`);
    expect(page).toMatchObject({ total: 1, items: [{ id: uploadedId }] });
    page.items.forEach(expectLemurShape);
    expect((await program.ok('GET', `/certificates/${uploadedId}/replacements`)).items).toMatchObject([
      { id: issuedId },
    ]);
    const [{ id: notificationId }] = (await program.ok('GET', `/certificates/${issuedId}`)).notifications;
    const warned = await program.ok(
      'GET',
      `/notifications/${notificationId}/certificates?sortBy=id&sortDir=asc&page=1&count=10`,
    );
    expect((await program.call('GET', '/notifications/9999/certificates')).status).toBe(404);
    expect(warned).toMatchObject({ total: 1, items: [{ id: issuedId }] });
    warned.items.forEach(expectLemurShape);
  });

  it('change a certificate', async () => {
    const changed = await program.ok('PUT', `/certificates/${issuedId}`, {
      owner: 'jimbob@example.com',
      active: false,
      notifications: [],
      destinations: [],
      replacements: [],
    });
    expectLemurShape(changed);
    expect(changed).toMatchObject({
      owner: 'jimbob@example.com',
      active: false,
      notify: false,
      destinations: [],
      replaces: [],
    });
    expect(changed.roles.map((role: { name: string }) => role.name).sort()).toEqual([
      'jimbob@example.com',
      'secure@example.com',
    ]);
  });

  it('list certificates, page by page', async () => {
    const page = await program.ok(
      'GET',
      '/certificates?sortBy=id&sortDir=asc&page=1&filter=cn;test.example.net&count=10',
    );
    expect(page).toMatchObject({ total: 1, items: [{ id: issuedId }] });
    page.items.forEach(expectLemurShape);
    for (const [filter, total] of [
      ['cn;"test.example.net"', 1],
      ['cn;est.example.net', 1],
      ['cn;"est.example.net"', 0],
      ['cn;"test_example_net"', 0],
      ['owner;"jimbob@example_com"', 0],
      ['owner;jimbob', 1],
    ] as const) {
      expect((await program.ok('GET', `/certificates?filter=${encodeURIComponent(filter)}`)).total, filter).toBe(total);
    }
  });

  it('read a key', async () => {
    expect(await program.ok('GET', `/certificates/${issuedId}/key`)).toEqual({
      key: expect.stringMatching(/^-----BEGIN /),
    });
  });

  it('export with the whole plugin in the body', async () => {
    const exported = await program.ok('POST', `/certificates/${issuedId}/export`, {
      export: {
        plugin: {
          pluginOptions: [
            {
              available: ['Java Key Store (JKS)'],
              required: true,
              type: 'select',
              name: 'type',
              helpMessage: 'Choose the format you wish to export',
              value: 'Java Key Store (JKS)',
            },
            {
              required: false,
              type: 'str',
              name: 'passphrase',
              validation: '^(?=.*[A-Za-z])(?=.*\\d)(?=.*[$@$!%*#?&])[A-Za-z\\d$@$!%*#?&]{8,}$',
              helpMessage:
                'If no passphrase is given one will be generated for you, we highly ' +
                'recommend this. Minimum length is 8.',
            },
            {
              required: false,
              type: 'str',
              name: 'alias',
              helpMessage: 'Enter the alias you wish to use for the keystore.',
            },
          ],
          version: 'unknown',
          description: 'Attempts to generate a JKS keystore or truststore',
          title: 'Java',
          author: 'Kevin Glisson',
          type: 'export',
          slug: 'java-export',
        },
      },
    });
    expect(exported).toEqual({
      data: expect.any(String),
      passphrase: expect.stringMatching(/^.{8,}$/),
      extension: 'jks',
      files: [{ name: expect.stringMatching(/\.jks$/), data: exported.data }],
    });
    expect(Buffer.from(exported.data, 'base64').readUInt32BE()).toBe(0xfeedfeed);
  });

  it('change nothing when they send a certificate back as it was read', async () => {
    const before = await program.ok('GET', `/certificates/${issuedId}`);
    const after = await program.ok('PUT', `/certificates/${issuedId}`, before);
    expect(after).toEqual(before);
  });

  it('get a refusal of an export with the plugin name that they used', async () => {
    await program.ok('POST', '/users', { username: 'ann', email: 'ann@example.com', password: 'Correct-Horse-2!' });
    const { status, body } = await program.call(
      'POST',
      `/certificates/${issuedId}/export`,
      { plugin: { slug: 'openssl-export' } },
      { token: await program.login('ann', 'Correct-Horse-2!') },
    );
    expect([status, body.message]).toEqual([
      403,
      expect.stringMatching(/openssl-export.*does not require a private key/),
    ]);
  });

  it('write every extension, in camel case or snake case', async () => {
    const usages = {
      keyUsage: { useDigitalSignature: true, useKeyEncipherment: true, useCRLSign: false },
      extendedKeyUsage: {
        useServerAuthentication: true,
        useEapOverLAN: true,
        useEapOverPPP: true,
        useOCSPSigning: false,
      },
    };
    const camel = {
      ...usages,
      subAltNames: {
        names: [
          { nameType: 'DNSName', value: 'ext.example.net' },
          { nameType: 'IPAddress', value: '192.0.2.7' },
        ],
      },
      basicConstraints: { ca: false, pathLength: null },
      subjectKeyIdentifier: { includeSKI: true },
      authorityKeyIdentifier: { useKeyIdentifier: true, useAuthorityCert: false },
      certificateInfoAccess: { includeAIA: false },
      cRLDistributionPoints: { includeCrlDp: 'false' },
      custom: [{ oid: '1.2.3.4.5', encoding: 'string', value: 'x', isCritical: false }],
    };
    const snake = {
      key_usage: { use_digital_signature: true, use_key_encipherment: true, use_crl_sign: false },
      extended_key_usage: {
        use_server_authentication: true,
        use_eap_over_lan: true,
        use_eap_over_ppp: true,
        use_ocsp_signing: false,
      },
      sub_alt_names: {
        names: [
          { name_type: 'DNSName', value: 'ext.example.net' },
          { name_type: 'IPAddress', value: '192.0.2.7' },
        ],
      },
      basic_constraints: { ca: false, path_length: null },
      subject_key_identifier: { include_ski: true },
      authority_key_identifier: { use_key_identifier: true, use_authority_cert: false },
      certificate_info_access: { include_aia: false },
      crl_distribution_points: { include_crl_dp: 'false' },
      custom: [{ oid: '1.2.3.4.5', encoding: 'string', value: 'x', is_critical: false }],
    };
    const request = { owner: 'joe@example.com', authority: { name: 'verisign' }, validityDays: 30 };
    const [one, other] = [
      await program.ok('POST', '/certificates', { ...request, commonName: 'ext.example.net', extensions: camel }),
      await program.ok('POST', '/certificates', { ...request, common_name: 'ext.example.net', extensions: snake }),
    ];
    expect(one.extensions).toMatchObject({
      keyUsage: { useDigitalSignature: true, useKeyEncipherment: true },
      extendedKeyUsage: { useServerAuthentication: true, useEapOverLAN: true, useEapOverPPP: true },
    });
    expect(other.extensions).toEqual(one.extensions);
  });

  it('give years as text, an empty name, and no DNS provider', async () => {
    const { id, name, notAfter } = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'years.example.net',
      authority: { name: 'verisign' },
      name: '',
      validityYears: '2',
      dnsProvider: null,
    });
    expect(Number(notAfter.slice(0, 4))).toBe(program.clock.now().getUTCFullYear() + 2);
    expect(name).toMatch(/^years\.example\.net-/);
    expect(id).toBeGreaterThan(issuedId);
  });

  it('revoke a certificate', async () => {
    expect(await program.ok('PUT', `/certificates/${issuedId}/revoke`, {})).toEqual({ id: issuedId });
    expect(await program.ok('GET', `/certificates/${issuedId}`)).toMatchObject({
      status: 'revoked',
      active: false,
      rotation: false,
    });
  });
});

describe("the lists of Lemur's scripts", () => {
  const idsOf = async (query: string): Promise<number[]> =>
    (await program.ok('GET', query)).items.map(({ id }: { id: number }) => id);

  it('are sorted by fields in either spelling', async () => {
    for (const [path, snake, camel] of [
      ['certificates', 'not_after', 'notAfter'],
      ['certificates', 'date_created', 'dateCreated'],
      ['notifications', 'plugin_name', 'pluginName'],
      ['roles', 'third_party', 'thirdParty'],
    ] as const) {
      const wanted = await idsOf(`/${path}?count=200&sortBy=${camel}&sortDir=desc`);
      expect(wanted.length, path).toBeGreaterThan(1);
      expect(await idsOf(`/${path}?count=200&sortBy=${snake}&sortDir=desc`), path).toEqual(wanted);
    }
  });

  it("are filtered by a plugin under Lemur's name or ours, by owner, and by what is active", async () => {
    const { id: destination } = await program.ok('POST', '/destinations', {
      label: 'aws',
      plugin: { slug: 'aws-destination', pluginOptions: [{ name: 'accountNumber', value: '123456789012' }] },
    });
    const { id: source } = await program.ok('POST', '/sources', {
      label: 'aws',
      owner: 'Ops@example.com',
      active: false,
      plugin: { slug: 'aws-source', pluginOptions: [{ name: 'accountNumber', value: '123456789012' }] },
    });
    for (const [query, wanted] of [
      ['/destinations?filter=pluginName;aws-destination', [destination]],
      ['/destinations?filter=plugin_name;"aws-iam"', [destination]],
      ['/destinations?filter=pluginName;sftp-destination', []],
      ['/sources?filter=plugin_name;aws-source', [source]],
      ['/sources?owner=OPS@example.com', [source]],
      ['/sources?owner=joe@example.com', []],
      ['/sources?active=false', [source]],
      ['/sources?active=1', []],
      ['/authorities?filter=pluginName;cryptography-issuer', [1]],
      ['/authorities?filter=plugin;local-ca', [1]],
      ['/endpoints?owner=joe@example.com&active=true', []],
      ['/users?active=0', []],
      ['/notifications?active=no', []],
    ] as const)
      expect(await idsOf(query), query).toEqual(wanted);
    expect(await idsOf('/notifications?active=true&filter=plugin_name;email-notification&count=200')).toEqual(
      await idsOf('/notifications?count=200'),
    );
  });

  it('return objects that a PUT takes unchanged', async () => {
    const { id: policy } = await program.ok('POST', '/policies', { name: 'weekly', days: 7 });
    const { id: role } = await program.ok('POST', '/roles', { name: 'web team' });
    const { id: domain } = await program.ok('POST', '/domains', { name: 'q.example.net' });
    const { id: key } = await program.ok('POST', '/keys', { name: 'k', ttl: 1 });
    const notification = Math.min(...(await idsOf('/notifications?count=200')));
    const paths = [
      '/authorities/1',
      '/certificates/1',
      '/pending_certificates/1',
      '/destinations/1',
      '/sources/1',
      '/users/2',
      `/notifications/${notification}`,
      `/policies/${policy}`,
      `/roles/${role}`,
      `/domains/${domain}`,
      `/keys/${key}`,
    ];
    for (const path of paths) {
      const read = await program.ok('GET', path);
      expect(await program.ok('PUT', path, read), path).toEqual(read);
    }
  });
});

describe("a request of Lemur's scripts", () => {
  const issue = (commonName: string, more: object = {}): Promise<Json> =>
    program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName,
      authority: { name: 'verisign' },
      validityDays: 30,
      ...more,
    });

  it('issues the same again when its body is a certificate that was read', async () => {
    const read = await issue('again.example.com', {
      organization: 'Example',
      extensions: { extendedKeyUsage: { useClientAuthentication: true } },
    });
    const { id, ...withoutId } = await program.ok('GET', `/certificates/${read.id}`);
    for (const body of [{ ...withoutId, id }, withoutId, { ...withoutId, csr: null, name: '' }]) {
      const again = await program.ok('POST', '/certificates', body);
      expect(again.id).not.toBe(id);
      const same = ['state', 'organization', 'distinguishedName', 'extensions', 'keyType', 'owner', 'notAfter'];
      for (const member of same) expect(again[member], member).toEqual(read[member]);
    }
    const alone = { owner: 'joe@example.com', commonName: 'a.example.com', notAfter: read.notAfter };
    expect((await program.call('POST', '/certificates', alone)).body.reasons).toHaveProperty('notAfter');
  });

  it('switches notices when its body is the whole certificate', async () => {
    const read = await issue('switch.example.com', { description: 'kept' });
    expect(
      await program.ok('POST', `/certificates/${read.id}`, { ...read, description: 'ignored', notify: false }),
    ).toMatchObject({ notify: false, description: 'kept' });
  });

  it('exports with the whole certificate in the body, and shows no key of a certificate without one', async () => {
    const read = await issue('whole.example.com');
    const body = { ...read, plugin: { slug: 'java-truststore-jks', pluginOptions: [] } };
    expect(await program.ok('POST', `/certificates/${read.id}/export`, body)).toMatchObject({ extension: 'jks' });
    const { chainPem } = foreign.issue('nokey.example.net');
    const uploaded = await program.ok('POST', '/certificates/upload', { owner: 'joe@example.com', body: chainPem[0] });
    expect(await program.ok('GET', `/certificates/${uploaded.id}/key`)).toEqual({ key: null });
  });

  it.each(['mine', 'currentUser', 'true', '1', 'all', 'false'])('lists certificates with show=%s', async (show) => {
    expect((await program.ok('GET', `/certificates?show=${show}`)).total).toBeGreaterThan(0);
  });

  it('makes an API key for a user by id', async () => {
    const { id } = await program.ok('POST', '/users', { username: 'kim', email: 'kim@example.com' });
    expect((await program.ok('POST', '/keys', { name: 'k', ttl: '30', user_id: id })).user.id).toBe(id);
  });

  it('that leaves out lists empties roles and notifications, but must name destinations and replaces', async () => {
    const [role] = [await program.ok('POST', '/roles', { name: 'helpers' })];
    const place = await program.ok('POST', '/destinations', {
      label: 'lists',
      plugin: { id: 'filesystem', options: { path: `${program.dataDir}-lists` } },
    });
    const old = await issue('old.lists.example.com');
    const { id } = await issue('lists.example.com', {
      roles: [{ id: role.id }],
      destinations: [{ id: place.id }],
      replaces: [{ id: old.id }],
    });
    const put = (body: object) => program.call('PUT', `/certificates/${id}`, { owner: 'joe@example.com', ...body });
    const rolesOf = (body: Json): string[] => body.roles.map(({ name }: { name: string }) => name);
    const refused = await put({ description: 'x' });
    expect([refused.status, Object.keys(refused.body.reasons)]).toEqual([400, ['destinations', 'replaces']]);
    expect(rolesOf(await program.ok('GET', `/certificates/${id}`))).toContain('helpers');
    expect(Object.keys((await put({ destinations: [] })).body.reasons)).toEqual(['replaces']);
    const { status, body } = await put({ destinations: [], replaces: [] });
    expect([status, rolesOf(body)]).toEqual([200, expect.not.arrayContaining(['helpers'])]);
    // Lists that are empty need no name: nothing would be removed.
    await program.ok('PUT', `/certificates/${id}`, { roles: [{ id: role.id }] });
    const shortly = await put({ description: 'x' });
    expect([shortly.status, rolesOf(shortly.body)]).toEqual([200, expect.not.arrayContaining(['helpers'])]);
    // A change that only this API knows leaves them.
    await program.ok('PUT', `/certificates/${id}`, { roles: [{ id: role.id }] });
    expect(rolesOf(await program.ok('PUT', `/certificates/${id}`, { description: 'y' }))).toContain('helpers');

    const user = await program.ok('POST', '/users', {
      username: 'lea',
      email: 'lea@example.com',
      roles: [{ id: role.id }],
    });
    const rest = { ...(await program.ok('GET', `/users/${user.id}`)), roles: undefined };
    const whole = await program.call('PUT', `/users/${user.id}`, rest);
    expect([whole.status, Object.keys(whole.body.reasons)]).toEqual([400, ['roles']]);
    expect((await program.ok('PUT', `/users/${user.id}`, { active: false })).roles).toMatchObject([
      { name: 'helpers' },
    ]);
  });

  it('filters the log by a part of an address or a name', async () => {
    const { total } = await program.ok('GET', '/logs?filter=user.email;ADMIN');
    expect(total).toBeGreaterThan(0);
    expect((await program.ok('GET', '/logs?filter=user.email;"admin"')).total).toBe(0);
    const { items } = await program.ok('GET', '/logs?filter=certificate.name;whole.example');
    expect(items[0]).toMatchObject({ certificate: { cn: 'whole.example.com' }, user: { username: 'admin' } });
  });
});
