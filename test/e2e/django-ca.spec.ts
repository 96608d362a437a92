import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commonName, DjangoClient, password, serialOf } from '../support/django-ca-client.js';
import type { Json } from '../support/json.js';
import { consoleCommands, document, expectFollowed, pageCommands, runCommand } from '../support/page-commands.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { inDays, opensslCsr, opensslText } from '../support/requests.js';

const { csrPem: csr } = opensslCsr('/O=Not used/CN=not-used.example.com', ['-addext', 'keyUsage=keyCertSign'], 'ec');
let program: TestProgram;
let client: DjangoClient;
let folder: string;
let root: Json;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'django-ca-'));
  program = await startProgram({ DIALECTS: 'django-ca', PERENNIAL_ROLE: 'api' });
  client = new DjangoClient(program);
  root = await program.ok('POST', '/authorities', {
    name: 'root',
    owner: 'ca-team@example.com',
    commonName: 'Example Root',
  });
  await client.signUp('user', 'root_operator');
  await client.signUp('stranger');
});
afterAll(async () => {
  await program.stop();
  rmSync(folder, { recursive: true, force: true });
});

const rootSerial = (): string => serialOf(root.authorityCertificate.body);
const ca = (path = ''): string => `ca/${rootSerial()}/${path}`;
const signed = (name: string, more: object = {}): Promise<Json> =>
  client.signed(rootSerial(), { csr, subject: commonName(name), ...more });

describe('the quickstart of the documentation of django-ca', () => {
  it('runs as written but for host, names and password', async () => {
    const [names, answers]: [Record<string, string>, Json[]] = [{}, []];
    for (const { command, shown } of pageCommands('django-ca-quickstart.txt')) {
      const here = Object.entries(names).reduce(
        (text, [theirs, ours]) => text.replaceAll(theirs, ours),
        command.replaceAll('https://ca.example.com', program.url).replace(/-u user(?=\s)/, `-u 'user:${password}'`),
      );
      const output = await runCommand(here, folder);
      if (!here.startsWith('curl')) continue;
      const answer = [JSON.parse(output)].flat()[0];
      answers.push(answer);
      if (shown.includes('"E47C17..."')) names['E47C17...'] = answer.serial;
      if (shown.includes('"slug"')) names.wj5ryHjWx4OT = answer.slug;
      if (shown.includes('"serial": "3D6CA7..."')) names['3D6CA7...'] = answer.serial;
    }
    const [authority, order, polled, certificate] = answers;
    expect(answers).toHaveLength(4);
    expect(authority.serial).toBe(rootSerial());
    expect(order).toMatchObject({ slug: polled.slug, status: expect.stringMatching(/^(pending|issued)$/) });
    expect(polled).toMatchObject({ status: 'issued', serial: certificate.serial });
    expect(serialOf(certificate.pem)).toBe(certificate.serial);
    expect(opensslText(certificate.pem)).toMatch(/Subject: CN = example\.com\n[^]*DNS:example\.com\n/);
    const key = new X509Certificate(certificate.pem).publicKey.export({ type: 'spki', format: 'pem' });
    expect(await runCommand('openssl rsa -in priv.pem -pubout', folder)).toBe(key);
    expect(readFileSync(join(folder, 'csr.pem'), 'utf8')).toContain('CERTIFICATE REQUEST');
  });
});

describe('docs/coming-from-django-ca.md', () => {
  it('has an example that works as written but for host and password', async () => {
    await expectFollowed(consoleCommands(document('docs/coming-from-django-ca.md')), {
      program,
      folder,
      replaced: { 'https://ca.example.com': program.url, 'user:password': `user:${password}` },
    });
  });
});

describe('CAs', () => {
  it('are shown in both generations of the contract', async () => {
    const pem: string = root.authorityCertificate.body;
    const [shown] = await client.ok('GET', 'ca/');
    const { fingerprint256, fingerprint512 } = new X509Certificate(pem);
    const name = commonName('Example Root');
    expect(shown).toMatchObject({
      id: root.id,
      name: 'root',
      enabled: true,
      can_sign_certificates: true,
      parent: null,
      serial: rootSerial(),
      pem,
      subject: name,
      issuer: name,
      fingerprints: { 'SHA-256': fingerprint256, 'SHA-512': fingerprint512 },
      certificate: {
        serial: rootSerial(),
        version: 2,
        subject: name,
        issuer: name,
        signature_hash_algorithm: 'SHA-256',
        signature_algorithm_oid: '1.2.840.10045.4.3.2',
        public_key_algorithm_oid: '1.2.840.10045.2.1',
        pem,
      },
    });
    expect(shown.not_after).toBe(new Date(new X509Certificate(pem).validTo).toISOString().replace('.000', ''));
    expect(shown.certificate.extensions).toEqual(
      expect.arrayContaining([
        { type: 'basic_constraints', critical: true, value: { ca: true, path_length: null } },
        { type: 'key_usage', critical: true, value: ['key_cert_sign', 'crl_sign'] },
      ]),
    );
    expect(await client.ok('GET', ca())).toEqual(shown);
  });

  it.each([
    ['in lower case', (serial: string) => serial.toLowerCase()],
    ['with leading zeros', (serial: string) => `0000${serial}`],
    ['with colons', (serial: string) => serial.replaceAll(/..(?=.)/g, '$&:')],
  ])('are found by their serial number %s', async (_, spell) => {
    expect((await client.ok('GET', `ca/${encodeURIComponent(spell(rootSerial()))}/`)).name).toBe('root');
  });

  it('are not found by other serial numbers, by strangers, or when they are not active', async () => {
    for (const serial of ['ABC', '0', 'xyz', '-5', 'A'.repeat(200)])
      expect((await client.ask('GET', `ca/${serial}/`)).status, serial).toBe(404);
    expect(await client.ok('GET', 'ca/', undefined, 'stranger')).toEqual([]);
    expect(await client.ask('GET', ca(), undefined, 'stranger')).toMatchObject({
      status: 404,
      body: { detail: 'Not Found' },
    });
    await program.ok('PUT', `/authorities/${root.id}`, { owner: root.owner, active: false });
    expect((await client.ask('GET', ca())).status).toBe(404);
    await program.ok('PUT', `/authorities/${root.id}`, { owner: root.owner, active: true });
  });

  it('keep the serial numbers of their earlier certificates, and show the newest', async () => {
    const renewable = { name: 'renewed', owner: 'ca-team@example.com', commonName: 'Example Renewed' };
    const { id, authorityCertificate } = await program.ok('POST', '/authorities', renewable);
    const after = await program.ok('POST', `/authorities/${id}/renew`, {});
    const earlier = serialOf(authorityCertificate.body);
    const shown = await client.ok('GET', `ca/${earlier}/`, undefined, 'admin');
    expect(shown.serial).not.toBe(earlier);
    expect(shown.pem).toBe((after.authorityCertificate ?? after).body ?? shown.pem);
  });

  it('take back what was read from them, and refuse changes that they would not keep', async () => {
    const fields = [
      'name',
      'caa_identity',
      'website',
      'acme_enabled',
      'ocsp_response_validity',
      'sign_certificate_policies',
    ];
    const shown = await client.ok('GET', ca(), undefined, 'admin');
    const same = Object.fromEntries(fields.map((field) => [field, shown[field]]));
    expect(Object.values(same)).not.toContain(undefined);
    expect(await client.ok('PUT', ca(), same, 'admin')).toEqual(shown);
    const { status, body } = await client.ask('PUT', ca(), { ...same, name: 'new', acme_enabled: true }, 'admin');
    expect([status, body.detail.map(({ loc }: Json) => loc)]).toEqual([
      422,
      [
        ['body', 'data', 'name'],
        ['body', 'data', 'acme_enabled'],
      ],
    ]);
    expect((await client.ask('PUT', ca(), same)).status).toBe(403);
    expect((await client.ask('PUT', ca(), { enabled: false }, 'admin')).status).toBe(422);
  });
});

describe('sign', () => {
  it('takes subject and extensions from the request, and of the CSR the key alone', async () => {
    const subject = [
      { oid: '2.5.4.6', value: 'AT' },
      { oid: '2.5.4.11', value: 'One' },
      { oid: '2.5.4.11', value: 'Two' },
      { oid: '0.9.2342.19200300.100.1.1', value: 'u7' },
      ...commonName('host.example.com'),
    ];
    const names = [
      { type: 'DNS', value: 'host.example.com' },
      { type: 'IP', value: '192.0.2.7' },
      { type: 'email', value: 'joe@example.com' },
      { type: 'URI', value: 'https://host.example.com/' },
      { type: 'RID', value: '1.2.3.4' },
    ];
    const extensions = [
      { type: 'subject_alternative_name', critical: false, value: names },
      { type: 'key_usage', critical: true, value: ['digital_signature', 'content_commitment'] },
      { type: 'extended_key_usage', value: ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'] },
      { type: 'tls_feature', critical: false, value: ['status_request'] },
    ];
    const not_after = inDays(20);
    const certificate = await signed('', {
      subject,
      extensions,
      not_after,
      algorithm: 'SHA-256',
      autogenerated: false,
    });
    expect(certificate).toMatchObject({ subject, not_after, ca: root.id, revoked: false, revoked_date: null, csr });
    expect(certificate.certificate.extensions).toEqual(
      expect.arrayContaining([
        { type: 'subject_alternative_name', critical: false, value: names },
        { type: 'key_usage', critical: true, value: ['digital_signature', 'content_commitment'] },
        { type: 'extended_key_usage', critical: false, value: ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'] },
        { type: 'unrecognized_extension', critical: false, value: { oid: '1.3.6.1.5.5.7.1.24', value: 'MAMCAQU=' } },
      ]),
    );
    const text = opensslText(certificate.pem);
    expect(text).toContain('Subject: C = AT, OU = One, OU = Two, UID = u7, CN = host.example.com');
    expect(text).toMatch(/TLS Feature: *\n +status_request\n/);
    expect(text).not.toContain('Not used');
  });

  it('issues without a subject when there are names, whose extension is then critical', async () => {
    const value = [{ type: 'DNS', value: 'bare.example.com' }];
    const extensions = [{ type: 'subject_alternative_name', critical: true, value }];
    const certificate = await signed('', { subject: [], extensions });
    expect(certificate.certificate.extensions).toContainEqual(extensions[0]);
  });

  it.each([
    ['no subject', { subject: undefined }, ['subject']],
    ['a subject without a name', { subject: [{ oid: '2.5.4.10', value: 'Only an organization' }] }, ['subject']],
    ['an OID that is none', { subject: [{ oid: '2.5.4.x', value: 'a' }] }, ['subject', 0, 'oid']],
    ['a country of three letters', { subject: [{ oid: '2.5.4.6', value: 'AUT' }] }, ['subject']],
    ['no CSR', { csr: undefined }, ['csr']],
    ['what is no CSR', { csr: 'nothing' }, ['csr']],
    ['an unknown member', { serial: 5 }, ['serial']],
    ['a profile that there is not', { profile: 'nope' }, ['profile']],
    ['an end in the past', { not_after: '2020-01-01T00:00:00Z' }, ['not_after']],
    ['a hash that the key does not sign with', { algorithm: 'SHA-512' }, ['algorithm']],
    ['autogenerated', { autogenerated: true }, ['autogenerated']],
    ['a password of the key', { key_backend_options: { password: 'x' } }, ['key_backend_options', 'password']],
    ['both ends', { not_after: inDays(5), expires: inDays(5) }, ['expires']],
  ])('refuses %s with 422, and says where', async (_, change, place) => {
    const { status, body } = await client.ask('POST', ca('sign/'), {
      csr,
      subject: commonName('a.example.com'),
      ...change,
    });
    expect([status, body.detail[0]]).toEqual([422, expect.objectContaining({ loc: ['body', 'data', ...place] })]);
  });

  it.each([
    ['key_usage', { value: ['key_cert_sign'] }],
    ['key_usage', { critical: false, value: ['digital_signature'] }],
    ['extended_key_usage', { value: ['1.3.6.1.5.5.7.3.9'] }],
    ['extended_key_usage', { critical: true, value: ['1.3.6.1.5.5.7.3.1'] }],
    ['subject_alternative_name', { value: [{ type: 'dirName', value: 'CN=x' }] }],
    ['subject_alternative_name', { value: [{ type: 'DNS', value: 'not a name' }] }],
    ['subject_alternative_name', { critical: true, value: [{ type: 'DNS', value: 'a.example.com' }] }],
    ['basic_constraints', { critical: true, value: { ca: true, path_length: 0 } }],
    ['ocsp_no_check', { value: null }],
    ['ms_certificate_template', { value: {} }],
  ])('refuses the extension %s as %j: none is left out in silence', async (type, extension) => {
    const extensions = [{ type, ...extension }];
    const { status, body } = await client.ask('POST', ca('sign/'), {
      csr,
      subject: commonName('a.example.com'),
      extensions,
    });
    expect([status, body.detail[0].loc.slice(0, 4)]).toEqual([422, ['body', 'data', 'extensions', 0]]);
  });

  it('issues by the profile here that has the place of the one that is named', async () => {
    const purposes = async (profile: string, more: object = {}): Promise<Json> => {
      const certificate = await signed(`${profile}.example.com`, { profile, ...more });
      const { extensions } = certificate.certificate;
      return [certificate.profile, extensions.find(({ type }: Json) => type === 'extended_key_usage').value];
    };
    const [forServers, forClients] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];
    expect(await purposes('webserver')).toEqual(['webserver', [forServers]]);
    expect(await purposes('server')).toEqual(['server', [forServers, forClients]]);
    expect(await purposes('client', { subject: commonName('Anna') })).toEqual(['client', [forClients]]);
    const listed = await client.ok('GET', 'profiles/');
    expect(listed.map(({ name }: Json) => name)).toEqual(
      expect.arrayContaining(['webserver', 'server', 'client', 'enduser', 'ocsp', 'code-signing']),
    );
    expect(listed.map(({ name }: Json) => name)).not.toContain('ca');
    expect(await client.ok('GET', 'profiles/webserver/')).toEqual(
      listed.find(({ name }: Json) => name === 'webserver'),
    );
    expect((await client.ask('GET', 'profiles/nope/')).status).toBe(404);
  });

  it('asks the rights and policies of this program', async () => {
    const body = { csr, subject: commonName('a.example.com') };
    expect((await client.ask('POST', ca('sign/'), body, 'stranger')).status).toBe(404);
    await client.signUp('reader', 'read-only', 'root_operator');
    expect(await client.ask('POST', ca('sign/'), body, 'reader')).toMatchObject({
      status: 403,
      body: { detail: 'Forbidden' },
    });
    const { id } = (await program.ok('GET', '/certificates?filter=cn;server.example.com&count=1')).items[0];
    expect(await program.ok('GET', `/certificates/${id}`)).toMatchObject({
      owner: 'user@example.com',
      user: { username: 'user' },
    });
  });

  it('answers a repeated request with the first order where it has an Idempotency-Key', async () => {
    const [headers, body] = [{ 'Idempotency-Key': 'sign-1' }, { csr, subject: commonName('once.example.com') }];
    const first = await client.ask('POST', ca('sign/'), body, 'user', headers);
    expect((await client.ask('POST', ca('sign/'), body, 'user', headers)).body).toEqual(first.body);
    const extensions = [{ type: 'key_usage', value: ['key_agreement'] }];
    expect((await client.ask('POST', ca('sign/'), { ...body, extensions }, 'user', headers)).status).toBe(400);
  });
});
