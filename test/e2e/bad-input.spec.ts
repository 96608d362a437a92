import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import { type Answer, startProgram, type TestProgram } from '../support/program.js';
import { inDays, opensslCsr } from '../support/requests.js';
import { runOn } from '../support/x509.js';

const folder = mkdtempSync(join(tmpdir(), 'bad-input-'));
let program: TestProgram;
let foreign: TestAuthority;
/** Ids of what exists. */
const ids = { web: 0, used: 0, certificate: 0, inUsePolicy: 0, uploaded: 0 };
let known: { body: string; chain: string; privateKey: string };

beforeAll(async () => {
  foreign = startTestAuthority();
  // No jobs run, so nothing but the requests writes while rows are counted.
  program = await startProgram({ ALLOW_WEEKEND_EXPIRATION: 'false', PERENNIAL_ROLE: 'api' });
  const { ok } = program;
  await ok('POST', '/authorities', {
    name: 'root',
    owner: 'pki@example.com',
    commonName: 'Example Root',
    validityDays: 2000,
  });
  await ok('POST', '/authorities', {
    name: 'short',
    type: 'subca',
    parent: { name: 'root' },
    owner: 'pki@example.com',
    commonName: 'Example Short',
    maxValidityDays: 30,
  });
  ids.web = (
    await ok('POST', '/destinations', { label: 'web', plugin: { id: 'filesystem', options: { path: folder } } })
  ).id;
  ids.inUsePolicy = (await ok('POST', '/policies', { name: 'used', days: 5 })).id;
  ids.certificate = (
    await ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'good.example.com',
      authority: { name: 'root' },
      rotationPolicy: { name: 'used' },
    })
  ).id;
  const {
    chainPem: [body = '', chain = ''],
    privateKeyPem: privateKey,
  } = foreign.issue('known.example.org');
  known = { body, chain, privateKey };
  ids.uploaded = (await ok('POST', '/certificates/upload', { owner: 'joe@example.com', ...known })).id;
});
afterAll(async () => {
  await program.stop();
  foreign.close();
  rmSync(folder, { recursive: true });
});

async function counts(): Promise<Record<string, number>> {
  const tables = [
    'certificate',
    'domain',
    'role',
    'channel',
    'subscription',
    'audit_event',
    'authority',
    'destination',
    'delivery',
    'rotation_policy',
    'notice',
    'mail',
    'certificate_role',
  ];
  const [row] = await program.database.source.query<[Record<string, number>]>(
    `select ${tables.map((table) => `(select count(*)::int from ${table}) as ${table}`).join(', ')}`,
  );
  return row;
}

/** Demands the refusal in the form of RFC 9457, blame on `field` (null: on none), and that nothing was written. */
async function expectRefusal(ask: () => Promise<Answer>, status: number, field: string | null): Promise<Answer> {
  const before = await counts();
  const answer = await ask();
  expect(answer.body, JSON.stringify(answer.body)).toMatchObject({
    status,
    type: expect.stringContaining('/problems/'),
    detail: expect.any(String),
    instance: expect.stringMatching(/^urn:uuid:/),
  });
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  if (field !== null) expect(Object.keys(answer.body.reasons)).toContain(field);
  expect(await counts()).toEqual(before);
  return answer;
}

let made = 0;
/** A good request of an owner whom nobody knows yet, with `changes`. */
function request(changes: object): object {
  return {
    owner: `new-${++made}@example.com`,
    commonName: `new-${made}.example.com`,
    authority: { name: 'root' },
    ...changes,
  };
}

const names = (...values: [string, string][]): object => ({
  extensions: { subAltNames: { names: values.map(([nameType, value]) => ({ nameType, value })) } },
});

describe('POST /certificates refuses', () => {
  it.each<[string, object, string]>([
    ['an unknown field', { colour: 'red' }, 'colour'],
    ['no owner', { owner: undefined }, 'owner'],
    ['a reserved name as owner', { owner: 'Admin' }, 'owner'],
    ['an owner that looks like a mail address and is none', { owner: 'Joe Doe <joe@example.com>' }, 'owner'],
    ['an owner to whom no mail can be sent', { owner: `${'x'.repeat(65)}@example.com` }, 'owner'],
    ['an owner that is no mail address', { owner: 'web-team' }, 'owner'],
    ['an owner of 300 characters', { owner: `${'x'.repeat(300)}@example.com` }, 'owner'],
    ['a number as common name', { commonName: 7 }, 'commonName'],
    ['a common name of 65 characters', { commonName: 'x'.repeat(65) }, 'commonName'],
    ['no name at all', { commonName: undefined }, 'commonName'],
    ['a NUL in the common name', { commonName: 'a\0.example.com' }, 'commonName'],
    ['a NUL in the name', { name: 'a\0b' }, 'name'],
    ['a name of 300 characters', { name: 'x'.repeat(300) }, 'name'],
    ['a country that is no code', { country: 'Germany' }, 'country'],
    ['an unknown type of key', { keyType: 'DSA2048' }, 'keyType'],
    ['a weak type of key', { keyType: 'RSA1024' }, 'keyType'],
    ['an unknown authority', { authority: { name: 'none' } }, 'authority'],
    ['an authority that is named by nothing', { authority: {} }, 'authority'],
    ['an authority by a text as id', { authority: { id: 'one' } }, 'authority.id'],
    ['an unknown role', { roles: [{ name: 'none' }] }, 'roles.0'],
    ['an unknown destination', { destinations: [{ label: 'none' }] }, 'destinations.0'],
    ['an unknown notification', { notifications: [{ id: 4711 }] }, 'notifications.0'],
    ['an unknown rotation policy', { rotationPolicy: { name: 'none' } }, 'rotationPolicy'],
    ['an unknown certificate to replace', { replaces: [{ id: 4711 }] }, 'replaces.0'],
    ['the same under its old name', { replacements: [{ id: 4711 }] }, 'replacements.0'],
    ['an unknown kind of name', names(['directoryName', 'CN=x']), 'extensions.subAltNames.names.0.nameType'],
    [
      'a host name with a space',
      names(['DNSName', 'ok.example.com'], ['DNSName', 'not ok.example.com']),
      'extensions.subAltNames.names.1.value',
    ],
    ['a wildcard in the middle', names(['DNSName', 'a.*.example.com']), 'extensions.subAltNames.names.0.value'],
    ['an address that is none', names(['IPAddress', '999.1.1.1']), 'extensions.subAltNames.names.0.value'],
    [
      '5,000 names',
      names(...Array.from({ length: 5000 }, (_, i): [string, string] => ['DNSName', `n${i}.example.com`])),
      'extensions.subAltNames.names',
    ],
    ['the usage of a CA', { extensions: { keyUsage: { useKeyCertSign: true } } }, 'extensions.keyUsage'],
    ['a CA', { extensions: { basicConstraints: { ca: true } } }, 'extensions.basicConstraints.ca'],
    [
      'an unknown usage',
      { extensions: { extendedKeyUsage: { useTheForce: true } } },
      'extensions.extendedKeyUsage.useTheForce',
    ],
    [
      'an extension whose value is no DER',
      { extensions: { custom: [{ oid: '1.2.3.4', encoding: 'b64asn1', value: '!!!' }] } },
      'extensions.custom.0.value',
    ],
    [
      'a CA by the back door',
      { extensions: { custom: [{ oid: '2.5.29.19', encoding: 'b64asn1', value: 'MAMBAf8=' }] } },
      'extensions.custom.0.oid',
    ],
    [
      'an extension twice',
      { extensions: { custom: [1, 2].map(() => ({ oid: '1.2.3.4', encoding: 'string', value: 'x' })) } },
      'extensions.custom.1.oid',
    ],
    [
      'an extension in characters that it cannot hold',
      { extensions: { custom: [{ oid: '1.2.3.4', encoding: 'ia5string', value: 'ü' }] } },
      'extensions.custom.0.value',
    ],
    [
      'no key identifier',
      { extensions: { subjectKeyIdentifier: { includeSKI: false } } },
      'extensions.subjectKeyIdentifier.includeSKI',
    ],
    [
      'the issuer by its own issuer',
      { extensions: { authorityKeyIdentifier: { useAuthorityCert: true } } },
      'extensions.authorityKeyIdentifier.useAuthorityCert',
    ],
    ['a CSR that is none', { csr: 'nonsense' }, 'csr'],
    ['a DNS provider', { dnsProvider: { id: 1 } }, 'dnsProvider'],
    ['years that are no number', { validityDays: undefined, validityYears: 'two' }, 'validityYears'],
  ])('%s', async (_, changes, field) => {
    await expectRefusal(() => program.call('POST', '/certificates', request(changes)), 400, field);
  });

  /** The first such day of the week (0 is Sunday) that is at least `days` away. */
  const weekday = (day: number, days: number): string =>
    inDays(days + ((7 + day - new Date(inDays(days)).getUTCDay()) % 7));
  const monday = (days: number): string => weekday(1, days);
  it.each<[string, () => object, string]>([
    ['dates that are none', () => ({ validityStart: 'tomorrow', validityEnd: inDays(30) }), 'validityStart'],
    ['a month that does not exist', () => ({ validityEnd: '2028-13-01T00:00:00Z' }), 'validityEnd'],
    ['a day that does not exist', () => ({ validityEnd: '2028-02-30T00:00:00Z' }), 'validityEnd'],
    ['an end that is a number', () => ({ validityEnd: 1_900_000_000 }), 'validityEnd'],
    ['a start without an end', () => ({ validityStart: inDays(1) }), 'validityEnd'],
    ['an end before the start', () => ({ validityStart: monday(60), validityEnd: monday(30) }), 'validityStart'],
    ['an end in the past', () => ({ validityEnd: '2020-01-06T00:00:00Z' }), 'validityEnd'],
    ['a start before the CA', () => ({ validityStart: inDays(-100), validityEnd: monday(30) }), 'validityStart'],
    ['an end beyond the CA', () => ({ validityDays: 2100 }), 'validityDays'],
    ['years beyond the CA', () => ({ validityYears: 10 }), 'validityYears'],
    [
      'more days than the authority issues for',
      () => ({ validityDays: 31, authority: { name: 'short' } }),
      'validityDays',
    ],
    ['an end on a weekend, where that is not wanted', () => ({ validityEnd: weekday(6, 30) }), 'validityEnd'],
    ['no day', () => ({ validityDays: 0 }), 'validityDays'],
    ['half a year', () => ({ validityYears: 0.5 }), 'validityYears'],
    ['two lengths', () => ({ validityDays: 10, validityYears: 1 }), 'validityEnd'],
  ])('%s', async (_, changes, field) => {
    await expectRefusal(() => program.call('POST', '/certificates', request(changes())), 400, field);
  });

  it('a CSR that is forged, weak, or asks for an extension or a delivery that is not possible', async () => {
    const good = opensslCsr('/CN=csr.example.com', [], 'ec').csrPem;
    const der = Buffer.from(good.replace(/-----[^-]+-----/g, ''), 'base64');
    der.writeUInt8((der.at(-1) ?? 0) ^ 1, der.length - 1);
    const forged =
      `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END ` + `CERTIFICATE REQUEST-----\n`;
    const csrs = {
      forged,
      weak: opensslCsr('/CN=csr.example.com', [], 'rsa:1024').csrPem,
      ca: opensslCsr('/CN=csr.example.com', ['-addext', 'basicConstraints=critical,CA:TRUE'], 'ec').csrPem,
      signs: opensslCsr('/CN=csr.example.com', ['-addext', 'keyUsage=keyCertSign'], 'ec').csrPem,
      otherName: opensslCsr('/CN=csr.example.com', ['-addext', 'subjectAltName=otherName:1.2.3.4;UTF8:x'], 'ec').csrPem,
      nameless: opensslCsr('/O=Example', [], 'ec').csrPem,
      certificate: known.body,
    };
    for (const csr of Object.values(csrs))
      await expectRefusal(
        () => program.call('POST', '/certificates', request({ csr, commonName: undefined })),
        400,
        'csr',
      );
    await expectRefusal(
      () =>
        program.call(
          'POST',
          '/certificates',
          request({ csr: good, commonName: undefined, destinations: [{ label: 'web' }] }),
        ),
      400,
      'destinations',
    );
    expect((await program.call('POST', '/certificates', request({ csr: good, commonName: undefined }))).status).toBe(
      200,
    );
  });

  it('an authority that is switched off', async () => {
    const { id } = await program.ok('POST', '/authorities', {
      name: 'retired',
      owner: 'pki@example.com',
      commonName: 'Example Retired',
    });
    await program.ok('PUT', `/authorities/${id}`, { owner: 'pki@example.com', active: false });
    await expectRefusal(
      () => program.call('POST', '/certificates', request({ authority: { name: 'retired' } })),
      409,
      null,
    );
  });

  it('no certificate that would expire on a weekend, and shortens it to the Friday before instead', async () => {
    for (const days of [30, 31, 32, 33, 34, 35, 36]) {
      const { notAfter } = await program.ok('POST', '/certificates', request({ validityDays: days }));
      expect([1, 2, 3, 4, 5]).toContain(new Date(notAfter).getUTCDay());
    }
  });
});

describe('POST /certificates/upload refuses', () => {
  const upload = (changes: object): Promise<Answer> =>
    program.call('POST', '/certificates/upload', { owner: `new-${++made}@example.com`, ...changes });

  it('parts that do not belong together, with the name of the wrong field', async () => {
    const {
      chainPem: [body = '', chain = ''],
      privateKeyPem: privateKey,
    } = foreign.issue('fresh.example.org');
    const encrypted = runOn(
      { 'key.pem': privateKey },
      'openssl',
      'pkcs8',
      '-topk8',
      '-in',
      'key.pem',
      '-passout',
      'pass:secret',
    );
    const cases: [object, string][] = [
      [{ body: 'nonsense' }, 'body'],
      [{ body: body.replace(/A/g, '!') }, 'body'],
      [{ body: body.slice(0, 300) }, 'body'],
      [{ body: '' }, 'body'],
      [{ body, privateKey: known.privateKey }, 'privateKey'],
      [{ body, privateKey: 'nonsense' }, 'privateKey'],
      [{ body, privateKey: encrypted }, 'privateKey'],
      [{ body, chain: foreign.rootPem }, 'chain'],
      [{ body, chain: 'nonsense' }, 'chain'],
      [{ body, csr: opensslCsr('/CN=fresh.example.org', [], 'ec').csrPem }, 'csr'],
      [{ body, name: 'x'.repeat(300) }, 'name'],
      [{ body, authority: { name: 'root' } }, 'authority'],
      [{ body, authority: { name: 'none' } }, 'authority'],
      [{ body, destinations: [{ label: 'web' }] }, 'destinations'],
      [{ body, roles: [{ id: 4711 }] }, 'roles.0'],
      [{ body, owner: 'creator' }, 'owner'],
    ];
    for (const [changes, field] of cases) await expectRefusal(() => upload(changes), 400, field);
    await expectRefusal(() => upload({ body, externalId: '7' }), 403, null);
    expect((await upload({ body, chain: foreign.rootPem + chain, privateKey })).body).toMatchObject({
      chain: chain + foreign.rootPem,
    });
  });

  it('a certificate that is stored already', async () => {
    await expectRefusal(() => upload(known), 409, null);
    await expectRefusal(() => upload({ ...known, name: 'another name' }), 409, null);
  });
});

describe('PUT /certificates/{id} refuses', () => {
  it.each<[string, object, string]>([
    ['an unknown role', { roles: [{ name: 'none' }] }, 'roles.0'],
    ['an unknown notification', { notifications: [{ label: 'none' }] }, 'notifications.0'],
    ['an unknown destination', { destinations: [{ id: 4711 }] }, 'destinations.0'],
    ['an unknown policy', { rotationPolicy: { id: 4711 } }, 'rotationPolicy'],
    ['a reserved owner', { owner: 'creator' }, 'owner'],
    ['a text as switch', { notify: 'perhaps' }, 'notify'],
    ['a long description', { description: 'x'.repeat(2000) }, 'description'],
    [
      'a new owner beside an unknown role',
      { owner: 'fresh@example.com', destinations: [], replaces: [], roles: [{ name: 'none' }] },
      'roles.0',
    ],
  ])('%s', async (_, body, field) => {
    await expectRefusal(() => program.call('PUT', `/certificates/${ids.certificate}`, body), 400, field);
  });

  it('a destination that needs a key for a certificate without one', async () => {
    const { csrPem: csr } = opensslCsr('/CN=keyless.example.com', [], 'ec');
    const { id } = await program.ok('POST', '/certificates', request({ csr, commonName: undefined }));
    await expectRefusal(
      () => program.call('PUT', `/certificates/${id}`, { destinations: [{ label: 'web' }] }),
      400,
      'destinations',
    );
  });

  it('a destination for a certificate that is revoked', async () => {
    const { id } = await program.ok('POST', '/certificates', request({}));
    await program.ok('PUT', `/certificates/${id}/revoke`, {});
    await expectRefusal(
      () => program.call('PUT', `/certificates/${id}`, { destinations: [{ label: 'web' }] }),
      409,
      null,
    );
  });
});

describe('POST /certificates/{id}/export refuses', () => {
  it.each<[string, object, string]>([
    ['an unknown plugin', { plugin: { slug: 'none' } }, 'plugin.slug'],
    ['a plugin of another kind', { plugin: { id: 'filesystem' } }, 'plugin.id'],
    ['no plugin', { plugin: {} }, 'plugin.slug'],
    ['an unknown option', { plugin: { id: 'pkcs12', options: { colour: 'red' } } }, 'plugin.options.colour'],
    [
      'a short passphrase',
      { plugin: { slug: 'java-export', pluginOptions: [{ name: 'passphrase', value: 'abc' }] } },
      'plugin.options.passphrase',
    ],
  ])('%s', async (_, body, field) => {
    await expectRefusal(() => program.call('POST', `/certificates/${ids.certificate}/export`, body), 400, field);
  });

  it('a key that is not stored here', async () => {
    const { csrPem: csr } = opensslCsr('/CN=keyless2.example.com', [], 'ec');
    const { id } = await program.ok('POST', '/certificates', request({ csr, commonName: undefined }));
    await expectRefusal(
      () => program.call('POST', `/certificates/${id}/export`, { plugin: { id: 'pkcs12' } }),
      400,
      'plugin',
    );
  });
});

describe('POST /authorities refuses', () => {
  const authority = (changes: object): object => ({
    name: `ca-${++made}`,
    owner: `new-${made}@example.com`,
    commonName: `CA ${made}`,
    ...changes,
  });

  it.each<[string, object, string]>([
    ['an unknown plugin', { plugin: { slug: 'none' } }, 'plugin.slug'],
    ['an unknown option', { plugin: { id: 'local-ca', options: { colour: 'red' } } }, 'plugin.options.colour'],
    ['a wrong option', { plugin: { id: 'local-ca', options: { ocsp: ['nonsense'] } } }, 'plugin.options.ocsp.0'],
    ['a subca without a parent', { type: 'subca' }, 'parent'],
    ['a subca of nobody', { type: 'subca', parent: { name: 'none' } }, 'parent'],
    ['a root with a parent', { parent: { name: 'root' } }, 'parent'],
    [
      'a subca that outlives its parent',
      { type: 'subca', parent: { name: 'root' }, validityYears: 30 },
      'validityYears',
    ],
    ['a key that does not sign so', { keyType: 'RSA2048', signingAlgorithm: 'sha256WithECDSA' }, 'signingAlgorithm'],
    ['a weak key', { keyType: 'RSA1024' }, 'keyType'],
    ['a country that is no code', { country: 'Germany' }, 'country'],
    ['a name of 125 characters, which leaves no room for its roles', { name: 'x'.repeat(125) }, 'name'],
    ['an unknown role', { roles: [{ name: 'none' }] }, 'roles.0'],
    ['an end before the start', { validityStart: inDays(20), validityEnd: inDays(10) }, 'validityEnd'],
    ['an unknown field', { colour: 'red' }, 'colour'],
  ])('%s', async (_, changes, field) => {
    await expectRefusal(() => program.call('POST', '/authorities', authority(changes)), 400, field);
  });

  it('a path length above that of its parent, and a name that exists already', async () => {
    await expectRefusal(
      () => program.call('POST', '/authorities', authority({ type: 'subca', parent: { name: 'short' } })),
      400,
      null,
    );
    await expectRefusal(() => program.call('POST', '/authorities', authority({ name: 'ROOT' })), 409, null);
  });
});

describe('destinations, notifications and policies', () => {
  const destination = (options: object, label = `d-${++made}`): object => ({
    label,
    plugin: { id: 'filesystem', options },
  });
  const exported = (step: object): object => ({ ...destination({ path: '/srv/x' }), export: step });
  const notification = (options: object, label = `n-${++made}`): object => ({
    label,
    plugin: { id: 'email', options },
  });

  it.each<[string, string, () => object, string]>([
    ['destinations', 'an unknown plugin', () => ({ label: 'x', plugin: { id: 'none' } }), 'plugin.id'],
    ['destinations', 'a missing option', () => destination({}), 'plugin.options.path'],
    ['destinations', 'an option of the wrong type', () => destination({ path: 7 }), 'plugin.options.path'],
    [
      'destinations',
      'an unknown option',
      () => destination({ path: '/srv/x', colour: 'red' }),
      'plugin.options.colour',
    ],
    [
      'destinations',
      'a value that does not exist',
      () => destination({ path: '/srv/x', mode: '0777' }),
      'plugin.options.mode',
    ],
    ['destinations', 'an unknown export', () => exported({ id: 'none' }), 'export.id'],
    [
      'destinations',
      'a wrong option of the export',
      () => exported({ id: 'pem-files', options: { layout: 'pile' } }),
      'export.options.layout',
    ],
    [
      'destinations',
      'an export that would make up a passphrase',
      () => exported({ id: 'pkcs12' }),
      'export.options.passphrase',
    ],
    [
      'destinations',
      'an export for a plugin that takes no files',
      () => ({
        label: 'x',
        plugin: { id: 'vault-kv', options: { url: 'https://vault.example.com', token: 't' } },
        export: { id: 'pem' },
      }),
      'export',
    ],
    ['destinations', 'no label', () => destination({ path: '/srv/x' }, ' '), 'label'],
    ['notifications', 'a missing option', () => notification({}), 'plugin.options.recipients'],
    [
      'notifications',
      'no interval',
      () => notification({ recipients: 'a@example.com', interval: 0 }),
      'plugin.options.interval',
    ],
    [
      'notifications',
      'recipients that are none',
      () => notification({ recipients: 'nobody' }),
      'plugin.options.recipients',
    ],
    [
      'notifications',
      'a plugin of another kind',
      () => ({ label: 'x', plugin: { id: 'filesystem', options: {} } }),
      'plugin.id',
    ],
    ['policies', 'no rule', () => ({ name: 'x' }), 'days'],
    ['policies', 'a share beyond one', () => ({ name: 'x', lifetimeFraction: 2 }), 'lifetimeFraction'],
    ['policies', 'negative days', () => ({ name: 'x', days: -1 }), 'days'],
    ['policies', 'an unknown field', () => ({ name: 'x', days: 1, colour: 'red' }), 'colour'],
  ])('(%s) are refused with %s', async (path, _, body, field) => {
    await expectRefusal(() => program.call('POST', `/${path}`, body()), 400, field);
  });

  it('have a unique name, in upper or lower case', async () => {
    await program.ok('POST', '/notifications', notification({ recipients: 'a@example.com' }, 'Soon'));
    await expectRefusal(
      () => program.call('POST', '/notifications', notification({ recipients: 'a@example.com' }, 'SOON')),
      409,
      null,
    );
    await expectRefusal(() => program.call('POST', '/destinations', destination({ path: '/srv/x' }, 'WEB')), 409, null);
    await expectRefusal(() => program.call('POST', '/policies', { name: 'USED', days: 3 }), 409, null);
    for (const [path, body, detail] of [
      ['/destinations', destination({ path: '/srv/x' }, 'WEB'), 'this label'],
      ['/policies', { name: 'USED', days: 3 }, 'this name'],
      ['/authorities', { name: 'ROOT', owner: 'pki@example.com', commonName: 'Again' }, 'authority ROOT'],
    ] as const) {
      expect((await program.call('POST', path, body)).body.detail, path).toContain(detail);
    }
  });

  it('have a unique name, in composed or decomposed characters', async () => {
    const [composed, decomposed] = ['Caf\u00e9', 'Cafe\u0301'];
    for (const [path, of] of [
      ['/destinations', (label: string) => destination({ path: '/srv/x' }, label)],
      ['/notifications', (label: string) => notification({ recipients: 'a@example.com' }, label)],
      ['/policies', (name: string) => ({ name, days: 3 })],
      ['/roles', (name: string) => ({ name })],
      ['/users', (username: string) => ({ username, email: `${++made}@example.com` })],
    ] as const) {
      await program.ok('POST', path, of(composed));
      await expectRefusal(() => program.call('POST', path, of(decomposed)), 409, null);
    }
    const { roles } = await program.ok('POST', '/certificates', request({ roles: [{ name: decomposed }] }));
    expect(roles).toContainEqual(expect.objectContaining({ name: composed }));
  });

  it('cannot be deleted while they are used', async () => {
    const { id } = await program.ok('POST', '/certificates', request({ destinations: [{ label: 'web' }] }));
    await expectRefusal(() => program.call('DELETE', `/destinations/${ids.web}`), 409, null);
    expect((await program.call('DELETE', `/destinations/${ids.web}`)).body.reasons.certificate).toContain(String(id));
    await expectRefusal(() => program.call('DELETE', `/policies/${ids.inUsePolicy}`), 409, null);
    const [standard] = (await program.ok('GET', '/policies?filter=name;default')).items;
    await expectRefusal(() => program.call('DELETE', `/policies/${standard.id}`), 409, null);
    await expectRefusal(() => program.call('PUT', `/policies/${standard.id}`, { name: 'renamed', days: 3 }), 409, null);
    expect((await program.ok('GET', `/certificates/${id}`)).destinations).toHaveLength(1);
  });
});

describe('a malformed request', () => {
  const raw = (body: string, type?: string): Promise<Answer> =>
    program.call('POST', '/certificates', body, { headers: type ? { 'content-type': type } : {} });

  it('is refused with 400, 413 or 415', async () => {
    await expectRefusal(() => raw('{"owner":'), 400, null);
    await expectRefusal(() => raw('[]'), 400, null);
    await expectRefusal(() => raw('7'), 400, null);
    await expectRefusal(() => raw(''), 400, null);
    await expectRefusal(() => program.call('POST', '/certificates'), 400, null);
    await expectRefusal(() => raw('{"__proto__":{}}'), 400, 'body');
    await expectRefusal(
      () => raw('{"owner":"a@example.com","owner_":1,"common_name":"a","commonName":"b"}'),
      400,
      'commonName',
    );
    await expectRefusal(() => raw(`{"a":${'['.repeat(50)}${']'.repeat(50)}}`), 400, 'a.0.0');
    await expectRefusal(() => raw('owner=joe', 'application/x-www-form-urlencoded'), 415, null);
    await expectRefusal(() => raw('{}', 'text/plain'), 415, null);
    await expectRefusal(() => raw(JSON.stringify(request({ description: 'x'.repeat(2_000_000) }))), 413, null);
  });

  it.each(['abc', '0', '-1', '1.5', '99999999999', '1e3', '%00'])(
    'is refused for the certificate id "%s"',
    async (id) => {
      for (const [method, path] of [
        ['GET', ''],
        ['GET', '/key'],
        ['GET', '/plan'],
        ['PUT', '/revoke'],
        ['POST', '/reissue'],
      ] as const) {
        const body = method === 'PUT' ? {} : undefined;
        await expectRefusal(() => program.call(method, `/certificates/${id}${path}`, body), 400, 'id');
      }
    },
  );

  it('is answered with 404 or 405 for an unknown path or method', async () => {
    for (const path of [
      '/certificates/4711',
      '/authorities/4711',
      '/destinations/4711',
      '/notifications/4711',
      '/policies/4711',
      '/deliveries/4711',
      '/mails/4711',
      '/nothing',
    ]) {
      await expectRefusal(() => program.call('GET', path), 404, null);
    }
    await expectRefusal(() => program.call('PATCH', `/certificates/${ids.certificate}`, {}), 405, null);
  });

  it.each([
    'page=0',
    'count=1001',
    'count=x',
    'sortBy=private_key',
    'sortDir=up',
    'filter=cn',
    'filter=private_key;x',
    'serial=zz',
    'active=maybe',
    'lifecycle=gone',
    'colour=red',
    'filter=id;x',
    'after=x',
  ])('is refused for a list with %s', async (query) => {
    await expectRefusal(() => program.call('GET', `/certificates?${query}`), 400, query.slice(0, query.indexOf('=')));
  });
});
