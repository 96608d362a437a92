import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesystem } from '../../plugins/filesystem/filesystem.destination.js';
import { plugins } from '../../plugins/index.js';
import { commonName, DjangoClient, serialOf } from '../support/django-ca-client.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { inDays, opensslCsr } from '../support/requests.js';

const newCsr = (): string => opensslCsr('/CN=not-used', [], 'ec').csrPem;
const csr = newCsr();
/** A destination of certificates whose keys are elsewhere. */
const keyless = { ...filesystem, id: 'keyless', needsPrivateKey: false };
let program: TestProgram;
let client: DjangoClient;
let root: string;

beforeAll(async () => {
  program = await startProgram({ DIALECTS: 'django-ca' }, { plugins: [...plugins, keyless] });
  client = new DjangoClient(program);
  const owner = 'ca-team@example.com';
  const authority = await program.ok('POST', '/authorities', { name: 'root', owner, commonName: 'Example Root' });
  root = serialOf(authority.authorityCertificate.body);
  await client.signUp('user', 'root_operator');
  await client.signUp('other', 'root_operator');
});
afterAll(() => program.stop());

const signed = (name: string, more: object = {}): Promise<Json> =>
  client.signed(root, { csr, subject: commonName(name), ...more });
const extensionOf = ({ certificate }: Json, type: string): Json =>
  certificate.extensions.find((extension: Json) => extension.type === type)?.value;

describe('resign', () => {
  it('issues with the same key and content until another end, in place of the one before', async () => {
    const extensions = [{ type: 'key_usage', value: ['digital_signature', 'key_agreement'] }];
    const first = await signed('again.example.com', { extensions, not_after: inDays(10) });
    const at = `ca/${root}/certs/${first.serial}/resign/`;
    const not_after = inDays(40);
    const order = await client.ok('POST', at, { not_after });
    const second = await client.ok('GET', `ca/${root}/certs/${order.serial}/`);
    expect(second.serial).not.toBe(first.serial);
    expect(second.not_after).toBe(not_after);
    expect(second.subject).toEqual(first.subject);
    for (const type of ['subject_alternative_name', 'key_usage', 'extended_key_usage', 'subject_key_identifier'])
      expect(extensionOf(second, type), type).toEqual(extensionOf(first, type));
    const { replaces } = await program.ok('GET', `/certificates/${second.id}`);
    expect(replaces.map(({ id }: Json) => id)).toEqual([first.id]);
    expect((await client.ask('POST', at, {}, 'other')).status).toBe(403);
  });

  it('hands on the settings and links of the one before, also those that the user could not choose', async () => {
    const closed = { label: 'closed', plugin: { id: 'keyless', options: { path: '/nowhere' } }, export: { id: 'pem' } };
    await program.ok('POST', '/destinations', { ...closed, roles: [{ name: 'ca-team@example.com' }] });
    const mail = { id: 'email', options: { interval: 7, unit: 'days', recipients: 'ops@example.com' } };
    await program.ok('POST', '/notifications', { label: 'watch', plugin: mail });
    await program.ok('POST', '/policies', { name: 'early', days: 20 });
    const { id, serial } = await signed('settled.example.com', { not_after: inDays(10) });
    const before = await program.ok('PUT', `/certificates/${id}`, {
      description: 'The shop.',
      labels: ['shop'],
      rotationPolicy: { name: 'early' },
      destinations: [{ label: 'closed' }],
      notifications: [{ label: 'watch' }],
      roles: [{ name: 'operator' }],
    });
    const order = await client.ok('POST', `ca/${root}/certs/${serial}/resign/`, { not_after: inDays(40) });
    const after = await program.ok('GET', `/certificates/${order.slug}`);
    const taken = ({ owner, description, labels, notify, rotation, ...links }: Json): Json => [
      { owner, description, labels, notify, rotation, rotationPolicy: links.rotationPolicy.name },
      [...links.destinations, ...links.notifications].map(({ label }: Json) => label).sort(),
      links.roles.map(({ name }: Json) => name).sort(),
    ];
    expect(taken(after)).toEqual(taken(before));
    expect(taken(before)).toMatchObject([{ labels: ['shop'] }, ['closed', 'watch'], { length: 3 }]);
    expect(after.nextNoticeAt).not.toBeNull();
    expect((await program.ok('GET', `/certificates/${id}`)).nextNoticeAt).toBeNull();
  });

  it('takes no place of one that has been superseded, whose successor stays', async () => {
    await program.ok('POST', '/policies', { name: 'late', days: 3 });
    const { id, serial } = await signed('succeeded.example.com');
    await program.ok('PUT', `/certificates/${id}`, { labels: ['shop'], rotationPolicy: { name: 'late' } });
    await program.ok('POST', `/certificates/${id}/rotate`, {});
    const old = await program.ok('GET', `/certificates/${id}`);
    expect(old.lifecycle).toBe('superseded');
    const order = await client.ok('POST', `ca/${root}/certs/${serial}/resign/`, {});
    const after = await program.ok('GET', `/certificates/${order.slug}`);
    expect(after).toMatchObject({ replaces: [], labels: ['shop'], rotationPolicy: { name: 'late' } });
    expect(after.notifications).toEqual(old.notifications);
  });

  it('needs the right to change the certificate, and refuses one that is revoked or on hold', async () => {
    const { serial } = await signed('lost.example.com', { csr: newCsr() });
    const resign = async (user: string): Promise<unknown> => {
      const { status, body } = await client.ask('POST', `ca/${root}/certs/${serial}/resign/`, {}, user);
      return [status, body.detail];
    };
    for (const [reason, refusal] of [
      ['certificateHold', 'The certificate is on hold: release it first.'],
      ['keyCompromise', 'The certificate is already revoked.'],
    ] as const) {
      await client.ok('POST', `ca/${root}/certs/${serial}/revoke/`, { reason });
      expect(await resign('user')).toEqual([400, refusal]);
      expect(await resign('other')).toEqual([403, 'Forbidden']);
    }
  });

  it('is not for a certificate whose key was made here, nor for an unknown one', async () => {
    const made = await program.ok('POST', '/certificates', {
      owner: 'user@example.com',
      authority: { name: 'root' },
      commonName: 'made.example.com',
    });
    const refused = await client.ask('POST', `ca/${root}/certs/${serialOf(made.body)}/resign/`, {}, 'admin');
    expect([refused.status, refused.body.detail]).toEqual([400, expect.stringContaining('/rotate')]);
    expect((await client.ask('POST', `ca/${root}/certs/ABC/resign/`, {})).status).toBe(404);
  });
});
