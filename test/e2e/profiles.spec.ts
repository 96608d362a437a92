import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCsr, type CsrContent } from '../../src/pki/csr.js';
import * as der from '../../src/pki/der/writer.js';
import { encodeSubject } from '../../src/pki/names.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { opensslText } from '../support/requests.js';

const day = 86_400_000;
const password = 'Correct-Horse-2!';
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
let program: TestProgram;
let number = 0;
beforeAll(async () => {
  program = await startProgram({ DEFAULT_ORGANIZATION: 'Example Org', DEFAULT_COUNTRY: 'DE' });
  await authority('root', {
    plugin: {
      id: 'local-ca',
      options: {
        crlDistributionPoints: ['http://crl.example/root'],
        ocsp: ['http://ocsp.example'],
        policies: ['1.3.6.1.4.1.99999.1'],
      },
    },
  });
  // So that certificates may begin before they are issued.
  program.clock.advance(3_600_000);
});
afterAll(() => program.stop());

const authority = (name: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/authorities', { name, owner: 'joe@example.com', commonName: `Example ${name}`, ...more });
const request = (more: object) => ({
  owner: 'joe@example.com',
  authority: { name: 'root' },
  validityDays: 30,
  ...more,
});
const issue = (more: object, path = '/certificates') => program.call('POST', path, request(more));
const names = (...of: [string, string][]) => ({
  extensions: { subAltNames: { names: of.map(([nameType, value]) => ({ nameType, value })) } },
});
const own = async (rules: object, name = `own-${++number}`): Promise<{ id: number; name: string }> =>
  program.ok('POST', '/profiles', { name, rules });
const csrOf = (subjectDer: Buffer, more: Partial<CsrContent> = {}): Promise<string> =>
  buildCsr({ subject: {}, subjectAltNames: [], ...more, subjectDer }, ec);

/** What OpenSSL prints of an extension: the text below its title, or null when it is not there. */
function extension(text: string, title: string): string | null {
  const [, value] = new RegExp(`X509v3 ${title}: ?(?:critical)?\\s*\\n\\s*(.*)\\n`).exec(text) ?? [];
  return value?.trim() ?? null;
}

interface Case {
  profile: string;
  of: string;
  body: object;
  usage?: string;
  purposes?: string;
  names?: string | null;
}

const certificates: Case[] = [
  {
    profile: 'server',
    of: 'a common name, which becomes a DNS name',
    body: { commonName: 'www.example.com' },
    usage: 'Digital Signature',
    purposes: 'TLS Web Server Authentication',
    names: 'DNS:www.example.com',
  },
  {
    profile: 'server',
    of: 'an RSA key, which enciphers keys too',
    body: { commonName: 'www.example.com', keyType: 'RSA2048' },
    usage: 'Digital Signature, Key Encipherment',
    names: 'DNS:www.example.com',
  },
  {
    profile: 'server',
    of: 'addresses beside the common name',
    body: { commonName: 'Example Site', ...names(['IPAddress', '192.0.2.7'], ['DNSName', 'a.example.com']) },
    names: 'IP Address:192.0.2.7, DNS:a.example.com',
  },
  {
    profile: 'client',
    of: 'a host name as common name, which stays in the subject only',
    body: { commonName: 'host.example.com' },
    usage: 'Digital Signature',
    purposes: 'TLS Web Client Authentication',
    names: null,
  },
  {
    profile: 'client',
    of: 'an e-mail address as common name',
    body: { commonName: 'anna@example.com' },
    purposes: 'TLS Web Client Authentication',
    names: 'email:anna@example.com',
  },
  {
    profile: 'dual-purpose',
    of: 'a host and a person',
    body: { commonName: 'mesh.example.com', ...names(['rfc822Name', 'anna@example.com']) },
    purposes: 'TLS Web Server Authentication, TLS Web Client Authentication',
    names: 'DNS:mesh.example.com, email:anna@example.com',
  },
  {
    profile: 'e-mail',
    of: 'an EC key, which agrees on keys',
    body: { commonName: 'anna@example.com' },
    usage: 'Digital Signature, Key Agreement',
    purposes: 'E-mail Protection',
    names: 'email:anna@example.com',
  },
  {
    profile: 'code-signing',
    of: 'the name of a team',
    body: { commonName: 'Release Team' },
    usage: 'Digital Signature',
    purposes: 'Code Signing',
    names: null,
  },
  {
    profile: 'ocsp-responder',
    of: 'an administrator',
    body: { commonName: 'Example OCSP' },
    usage: 'Digital Signature',
    purposes: 'OCSP Signing',
    names: null,
  },
  {
    profile: 'none',
    of: 'what a request without a profile gets',
    body: { commonName: 'www.example.com' },
    usage: 'Digital Signature',
    purposes: 'TLS Web Server Authentication',
    names: 'DNS:www.example.com',
  },
];

const refusals: [profile: string, body: object, fields: string[]][] = [
  ['server', { commonName: 'a.example.com', ...names(['rfc822Name', 'anna@example.com']) }, ['extensions.subAltNames']],
  ['server', { commonName: 'Example Site' }, ['extensions.subAltNames']],
  ['client', { commonName: 'anna', ...names(['DNSName', 'a.example.com']) }, ['extensions.subAltNames']],
  ['client', { commonName: 'anna', ...names(['IPAddress', '192.0.2.1']) }, ['extensions.subAltNames']],
  ['e-mail', { commonName: 'Anna' }, ['extensions.subAltNames']],
  ['code-signing', names(['uniformResourceIdentifier', 'https://example.com']), ['commonName']],
  ['ca', { commonName: 'Sub CA' }, ['profile']],
  [
    'server',
    { commonName: 'a.example.com', extensions: { keyUsage: { useKeyEncipherment: true } } },
    ['extensions.keyUsage'],
  ],
  [
    'server',
    { commonName: 'a.example.com', extensions: { extendedKeyUsage: { useClientAuthentication: true } } },
    ['extensions.extendedKeyUsage'],
  ],
  [
    'client',
    {
      commonName: 'anna',
      extensions: { custom: [{ oid: '1.3.6.1.4.1.99999.5', encoding: 'b64asn1', value: 'BQA=' }] },
    },
    ['extensions.custom'],
  ],
  ['no-such-profile', { commonName: 'a.example.com' }, ['profile']],
];

describe('a built-in profile', () => {
  it.each(certificates)('$profile issues for $of', async ({ profile, body, ...expected }) => {
    const { status, body: made } = await issue({ ...body, profile: { name: profile } });
    expect([status, made.detail]).toEqual([200, undefined]);
    expect(made.profile).toEqual({ id: expect.any(Number), name: profile, version: 1 });
    expect(await program.ok('GET', `/certificates/${made.id}`)).toEqual(made);
    const text = opensslText(made.body);
    if (expected.usage) expect(extension(text, 'Key Usage')).toBe(expected.usage);
    if (expected.purposes) expect(extension(text, 'Extended Key Usage')).toBe(expected.purposes);
    expect(extension(text, 'Subject Alternative Name')).toBe(expected.names);
    expect(text.includes('OCSP No Check')).toBe(profile === 'ocsp-responder');
  });

  it.each(refusals)('%s refuses %j', async (profile, body, fields) => {
    const { status, body: problem } = await issue({ ...body, profile: { name: profile } });
    expect([status, Object.keys(problem.reasons ?? {})]).toEqual([400, fields]);
  });

  it('is not changed and not deleted', async () => {
    const { items } = await program.ok('GET', '/profiles?filter=name;"server"');
    const [server] = items as [{ id: number; rules: object }];
    expect(server).toMatchObject({ name: 'server', builtIn: true, version: 1 });
    expect((await program.call('PUT', `/profiles/${server.id}`, { ...server, rules: {} })).status).toBe(409);
    expect((await program.call('DELETE', `/profiles/${server.id}`)).status).toBe(409);
    expect((await program.ok('POST', '/profiles', { name: 'our server', rules: server.rules })).version).toBe(1);
  });

  it('for OCSP responders is for administrators', async () => {
    await program.ok('POST', '/users', {
      username: 'joe',
      email: 'joe@example.com',
      password,
      roles: [{ name: 'joe@example.com' }],
    });
    const token = await program.login('joe', password);
    const body = request({ commonName: 'Sly OCSP', profile: { name: 'ocsp-responder' } });
    const refused = await program.call('POST', '/certificates', body, { token });
    expect([refused.status, refused.body.detail]).toEqual([
      403,
      'Only an administrator issues by the profile ocsp-responder: it has the extended key usage 1.3.6.1.5.5.7.3.9.',
    ]);
    expect(
      (await program.call('POST', '/certificates', { ...body, profile: { name: 'server' } }, { token })).status,
    ).toBe(400);
    expect(
      (await program.call('POST', '/certificates', { ...body, profile: { name: 'client' } }, { token })).status,
    ).toBe(200);
  });
});

describe('a profile of the user', () => {
  it('reports everything that a request breaks at once', async () => {
    const { name } = await own({
      validity: { maxDays: 10 },
      keyTypes: ['RSA4096'],
      keyUsage: { always: ['digitalSignature'] },
      extendedKeyUsage: { always: ['clientAuth'] },
      subject: { organization: { fixed: 'Other Org' }, location: 'required', state: 'forbidden' },
      names: { uri: 'required', dns: 'forbidden' },
      extensions: [],
    });
    const { status, body } = await issue({
      profile: { name },
      commonName: 'a.example.com',
      organization: 'Example Org',
      state: 'Hesse',
      validityDays: 30,
      extensions: {
        keyUsage: { useKeyAgreement: true },
        extendedKeyUsage: { useServerAuthentication: true },
        custom: [{ oid: '1.3.6.1.4.1.99999.5', encoding: 'b64asn1', value: 'BQA=' }],
      },
    });
    expect(status).toBe(400);
    expect(body.reasons).toEqual({
      keyType: ['ECCPRIME256V1 keys are not allowed; use RSA4096.'],
      state: ['The subject must not have a state.'],
      location: ['The location is required.'],
      organization: ['The organization must be "Other Org".'],
      'extensions.subAltNames': ['The DNS name a.example.com is not allowed.', 'At least one URI is required.'],
      'extensions.keyUsage': ['The key usage keyAgreement is not allowed.'],
      'extensions.extendedKeyUsage': ['The extended key usage serverAuth is not allowed.'],
      'extensions.custom': ['The extension 1.3.6.1.4.1.99999.5 is not allowed.'],
      validityDays: [`Profile ${name} issues for at most 10 days.`],
    });
  });

  it('fixes attributes, forbids defaults of the settings, and sets the validity', async () => {
    const { name } = await own({
      validity: { defaultDays: 5, maxDays: 10, backdateMinutes: 30 },
      subject: { organization: 'forbidden', country: { fixed: 'AT' }, organizationalUnit: { fixed: 'Ops' } },
    });
    const { body } = await issue({ profile: { name }, commonName: 'a.example.com', validityDays: undefined });
    expect(body.distinguishedName).toBe('CN=a.example.com,OU=Ops,C=AT');
    expect(Date.parse(body.notAfter) - Date.parse(body.notBefore)).toBe(5 * day);
    expect(Math.abs(Date.parse(body.notBefore) + 30 * 60_000 - Date.parse(body.dateCreated))).toBeLessThan(60_000);
  });

  it('adds fixed attributes to the subject of a CSR and blames the CSR for others', async () => {
    const { name } = await own({ subject: { organization: { fixed: 'Example Org' }, others: 'forbidden' } });
    const plain = await csrOf(encodeSubject({ commonName: 'a.example.com' }));
    const made = await issue({ profile: { name }, csr: plain });
    expect(made.body.distinguishedName).toBe('O=Example Org,CN=a.example.com');
    const named = { subjectAltNames: [{ type: 'dns', value: 'a.example.com' } as const] };
    const serial = der.setOf(der.sequence(der.oid('2.5.4.5'), der.printableString('4711')));
    const other = der.setOf(der.sequence(der.oid('2.5.4.10'), der.utf8String('Other Org')));
    const refused = await issue({ profile: { name }, csr: await csrOf(der.sequence(other, serial), named) });
    expect([refused.status, refused.body.reasons]).toEqual([
      400,
      {
        csr: [
          'The organization must be "Example Org".',
          'The subject has attributes other than CN, C, ST, L, O and OU, which is not allowed.',
        ],
      },
    ]);
  });

  it('judges names, usages and keys of a CSR', async () => {
    const csr = await csrOf(encodeSubject({ commonName: 'anna' }), {
      subjectAltNames: [{ type: 'dns', value: 'a.example.com' }],
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'],
    });
    const { body } = await issue({ profile: { name: 'client' }, csr });
    expect(body.reasons).toEqual({
      csr: [
        'The DNS name a.example.com is not allowed.',
        'The key usage keyEncipherment needs an RSA key.',
        'The extended key usage serverAuth is not allowed.',
      ],
    });
    expect(
      (await issue({ profile: { name: 'client' }, csr: await csrOf(encodeSubject({ commonName: 'anna' })) })).status,
    ).toBe(200);
  });

  it('writes its own policies and addresses in place of those of the authority', async () => {
    const { name } = await own({
      policies: ['2.23.140.1.2.1'],
      crlDistributionPoints: ['http://other.example/crl'],
      ocsp: [],
      caIssuers: ['http://other.example/ca'],
    });
    const text = opensslText((await issue({ profile: { name }, commonName: 'a.example.com' })).body.body);
    expect(text).toContain('Policy: 2.23.140.1.2.1');
    expect(text).toContain('URI:http://other.example/crl');
    expect(text).toContain('CA Issuers - URI:http://other.example/ca');
    expect(text).not.toMatch(/99999|crl\.example|ocsp\.example/);
    const plain = opensslText((await issue({ commonName: 'a.example.com' })).body.body);
    expect(plain).toMatch(/99999[^]*|crl\.example/);
    expect(plain).toContain('ocsp.example');
  });

  it('makes short-lived certificates without revocation information', async () => {
    expect(
      (await program.call('POST', '/profiles', { name: 'bad', rules: { noRevocation: true } })).body.reasons,
    ).toEqual({
      'rules.validity.maxDays': ['Certificates that cannot be revoked are valid for at most 7 days: set the maximum.'],
    });
    const { name } = await own({ noRevocation: true, validity: { defaultDays: 1, maxDays: 7 } });
    const made = await issue({ profile: { name }, commonName: 'a.example.com', validityDays: undefined });
    const text = opensslText(made.body.body);
    expect(text).toMatch(/2\.5\.29\.56|No Revocation/i);
    expect(text).not.toMatch(/crl\.example|ocsp\.example/);
    const renewed = await program.ok('POST', `/certificates/${made.body.id}/reissue`);
    expect(opensslText(renewed.body)).toMatch(/2\.5\.29\.56|No Revocation/i);
  });

  it('refuses rules that no certificate could follow', async () => {
    for (const [rules, field] of [
      [{ keyUsage: { always: ['keyCertSign'] } }, 'rules.keyUsage'],
      [{ keyUsage: { always: ['encipherOnly'] } }, 'rules.keyUsage'],
      [{ validity: { defaultDays: 9, maxDays: 8 } }, 'rules.validity.defaultDays'],
      [{ extendedKeyUsage: { always: ['serverauth'] } }, 'rules.extendedKeyUsage.always.0'],
      [{ keyTypes: [] }, 'rules.keyTypes'],
      [{ subject: { country: { fixed: 'Germany' } } }, 'rules.subject.country'],
      [{ policies: ['1.2.3', '1.2.3'] }, 'rules.policies'],
      [{ colour: 'red' }, 'rules.colour'],
    ] as const) {
      const { status, body } = await program.call('POST', '/profiles', { name: 'bad', rules });
      expect([status, Object.keys(body.reasons ?? {})]).toEqual([400, [field]]);
    }
  });
});

describe('the versions of a profile', () => {
  it('are kept, and each certificate has the one that it was issued by', async () => {
    const { id, name } = await own({ validity: { maxDays: 40 } });
    const first = (await issue({ profile: { name }, commonName: 'a.example.com' })).body;
    const changed = await program.ok('PUT', `/profiles/${id}`, { name, rules: { keyTypes: ['ECCPRIME256V1'] } });
    expect(changed.version).toBe(2);
    expect((await program.ok('PUT', `/profiles/${id}`, { ...changed, description: 'Ours' })).version).toBe(2);
    const second = (await issue({ profile: { id }, commonName: 'a.example.com', validityDays: 50 })).body;
    expect([first.profile.version, second.profile.version]).toEqual([1, 2]);
    expect((await program.ok('GET', `/profiles/${id}/versions`)).items).toMatchObject([
      { version: 2, rules: { keyTypes: ['ECCPRIME256V1'] }, author: 'admin' },
      { version: 1, rules: { validity: { maxDays: 40 } } },
    ]);
    expect((await program.call('DELETE', `/profiles/${id}`)).status).toBe(409);
  });

  it('are followed by renewals: the newest counts', async () => {
    const { id, name } = await own({
      extendedKeyUsage: { always: ['serverAuth', 'clientAuth'], onRequest: ['codeSigning'] },
    });
    const old = (
      await issue({
        profile: { name },
        commonName: 'a.example.com',
        extensions: { extendedKeyUsage: { useCodeSigning: true } },
      })
    ).body;
    await program.ok('PUT', `/profiles/${id}`, {
      name,
      rules: {
        validity: { maxDays: 20 },
        extendedKeyUsage: { always: ['serverAuth'], onRequest: ['codeSigning'] },
        policies: ['1.2.3.4'],
      },
    });
    expect((await program.ok('GET', `/certificates/${old.id}/plan`)).profile).toEqual({
      id,
      name,
      version: 2,
      newest: 2,
      text: null,
    });
    const renewed = await program.ok('POST', `/certificates/${old.id}/reissue`);
    expect(renewed.profile).toEqual({ id, name, version: 2 });
    expect(Date.parse(renewed.notAfter) - Date.parse(renewed.notBefore)).toBe(20 * day);
    const text = opensslText(renewed.body);
    expect(extension(text, 'Extended Key Usage')).toBe('TLS Web Server Authentication, Code Signing');
    expect(text).toContain('Policy: 1.2.3.4');
  });

  it('never lose a renewal: what the newest refuses follows the version of its predecessor, and says why', async () => {
    const { id, name } = await own({ names: { dns: 'required' } });
    const old = (await issue({ profile: { name }, commonName: 'a.example.com' })).body;
    const update = (rules: object) => program.ok('PUT', `/profiles/${id}`, { name, active: false, rules });
    await update({ keyTypes: ['RSA2048'], names: { dns: 'forbidden' } });
    const why =
      `Version 2 of its profile ${name} refuses its renewal: ECCPRIME256V1 keys are not allowed; use RSA2048. ` +
      'The DNS name a.example.com is not allowed.';
    expect((await program.ok('GET', `/certificates/${old.id}/plan`)).profile).toMatchObject({
      version: 1,
      newest: 2,
      text: `${why} It follows version 1.`,
    });
    const renewed = await program.ok('POST', `/certificates/${old.id}/reissue`);
    expect(renewed.profile).toEqual({ id, name, version: 1 });
    const { items } = await program.ok('GET', `/logs?filter=certificate.name;"${renewed.name}"`);
    expect(JSON.stringify(items)).toContain(why);
    await update({ keyTypes: ['RSA2048'], strictRenewal: true });
    const refused = await program.call('POST', `/certificates/${renewed.id}/reissue`);
    expect([refused.status, refused.body.detail]).toEqual([
      400,
      `Version 3 of its profile ${name} refuses its renewal: ECCPRIME256V1 keys are not allowed; use RSA2048.`,
    ]);
    expect((await issue({ profile: { name }, commonName: 'a.example.com' })).body.reasons).toEqual({
      profile: [`The profile ${name} is not active; choose another one.`],
    });
  });

  it('renew by another profile on request', async () => {
    const old = (await issue({ commonName: 'mesh.example.com' })).body;
    expect(old.profile).toBeNull();
    const refused = await program.call('POST', `/certificates/${old.id}/reissue`, { profile: { name: 'client' } });
    expect([refused.status, Object.keys(refused.body.reasons)]).toEqual([400, ['extensions.subAltNames']]);
    const to = { profile: { name: 'dual-purpose' } };
    const preview = await program.ok('POST', `/certificates/${old.id}/rotate`, { ...to, dryRun: true });
    expect(preview.action).toBe('reissue');
    const renewed = await program.ok('POST', `/certificates/${old.id}/reissue`, to);
    expect(extension(opensslText(renewed.body), 'Extended Key Usage')).toBe(
      'TLS Web Server Authentication, TLS Web Client Authentication',
    );
    expect(renewed.profile).toMatchObject({ name: 'dual-purpose' });
  });
});

describe('the profiles of an authority', () => {
  it('are its default for requests that name none, and the only ones that it allows', async () => {
    const made = await authority('bound', {
      defaultProfile: { name: 'server' },
      allowedProfiles: [{ name: 'server' }, { name: 'client' }],
    });
    expect(made).toMatchObject({
      defaultProfile: { name: 'server' },
      allowedProfiles: [{ name: 'server' }, { name: 'client' }],
    });
    const listed = async (profile: string | number): Promise<string[]> =>
      (await program.ok('GET', `/authorities?profile=${profile}`)).items.map(({ name }: Json) => name);
    expect(await listed('Client')).toEqual(['bound']);
    expect(await listed(made.defaultProfile.id)).toContain('bound');
    expect(await listed('e-mail')).not.toContain('bound');
    const from = (more: object) => issue({ authority: { name: 'bound' }, commonName: 'a.example.com', ...more });
    expect((await from({})).body.profile.name).toBe('server');
    expect((await from({ profile: { name: 'client' } })).body.profile.name).toBe('client');
    const refused = await from({ profile: { name: 'none' } });
    expect([refused.status, Object.keys(refused.body.reasons)]).toEqual([400, ['profile']]);
    expect(
      (await program.call('PUT', `/authorities/${made.id}`, { ...made, allowedProfiles: [{ name: 'client' }] })).body
        .reasons,
    ).toEqual({ defaultProfile: ['The default profile is not one of allowedProfiles.'] });
    await program.ok('PUT', `/authorities/${made.id}`, { ...made, defaultProfile: null });
    expect((await from({})).body.reasons.profile).toEqual([
      `Name a profile that authority bound issues by; GET /authorities/${made.id} lists them.`,
    ]);
    const { id } = await own({});
    await program.ok('PUT', `/authorities/${made.id}`, { ...made, defaultProfile: null, allowedProfiles: [{ id }] });
    expect((await program.call('DELETE', `/profiles/${id}`)).status).toBe(409);
  });

  it('are widened by administrators alone', async () => {
    const made = await authority('narrow', { allowedProfiles: [{ name: 'client' }] });
    const token = await program.login('joe', password);
    const put = (more: object) => program.call('PUT', `/authorities/${made.id}`, { ...made, ...more }, { token });
    expect((await put({ allowedProfiles: [] })).body.detail).toContain('allowedProfileIds');
    expect((await put({ allowedProfiles: [{ name: 'client' }, { name: 'none' }] })).status).toBe(403);
    expect((await put({ description: 'ours' })).status).toBe(200);
    const free = await authority('free');
    expect(
      (
        await program.call(
          'PUT',
          `/authorities/${free.id}`,
          { ...free, allowedProfiles: [{ name: 'server' }] },
          { token },
        )
      ).status,
    ).toBe(200);
  });
});
