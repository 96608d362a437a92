import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { djangoCa } from '../../plugins/django-ca/django-ca.issuer.js';
import { plugins } from '../../plugins/index.js';
import type { OrderRequest } from '../../src/plugin-api/issuer.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';
import { commonName, DjangoClient, password, serialOf } from '../support/django-ca-client.js';
import { noMemory } from '../support/issuer-requests.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, inDays, opensslCsr } from '../support/requests.js';
import { networkContext, requestFor } from '../support/signing-ca.js';

const newCsr = (): string => opensslCsr('/CN=not-used', [], 'ec').csrPem;
const csr = newCsr();
const scripted = new ScriptedCa();
let program: TestProgram;
let client: DjangoClient;
let rootPem: string;
let root: string;

beforeAll(async () => {
  program = await startProgram({ DIALECTS: 'django-ca' }, { plugins: [...plugins, scripted.plugin] });
  client = new DjangoClient(program);
  const owner = 'ca-team@example.com';
  const authority = await program.ok('POST', '/authorities', { name: 'root', owner, commonName: 'Example Root' });
  rootPem = authority.authorityCertificate.body;
  root = serialOf(rootPem);
  await client.signUp('user', 'root_operator');
  await client.signUp('other', 'root_operator');
  await program.ok('POST', '/roles', { name: 'web@example.com' });
  await client.signUp('member', 'root_operator', 'web@example.com');
});
afterAll(() => program.stop());

const signed = (name: string, more: object = {}, user?: string): Promise<Json> =>
  client.signed(root, { csr, subject: commonName(name), ...more }, user);
const extensionOf = ({ certificate }: Json, type: string): Json =>
  certificate.extensions.find((extension: Json) => extension.type === type)?.value;

describe('orders', () => {
  it('are pending while a CA elsewhere works on them', async () => {
    const slow = await program.ok('POST', '/authorities', {
      name: 'slow',
      owner: 'ca-team@example.com',
      commonName: 'Example Slow',
      plugin: { id: 'scripted-ca', options: { behaviour: 'pending' } },
    });
    const serial = serialOf(slow.authorityCertificate.body);
    const names = 'subjectAltName=DNS:slow.example.com';
    const own = opensslCsr('/CN=slow.example.com', ['-addext', names], 'ec').csrPem;
    const value = [{ type: 'DNS', value: 'slow.example.com' }];
    const extensions = [{ type: 'subject_alternative_name', value }];
    const body = { csr: own, subject: commonName('slow.example.com'), extensions };
    const order = await client.ok('POST', `ca/${serial}/sign/`, body, 'admin');
    expect(order).toMatchObject({ status: 'pending', serial: null, user: 'admin' });
    scripted.isReady = true;
    const issued = await eventually(async () => {
      const now = await client.ok('GET', `ca/${serial}/orders/${order.slug}/`, undefined, 'admin');
      return now.status === 'issued' && now;
    });
    const certificate = await client.ok('GET', `ca/${serial}/certs/${issued.serial}/`, undefined, 'admin');
    expect(extensionOf(certificate, 'subject_alternative_name')).toEqual(value);
    // That CA reads the CSR itself, and would issue what the CSR says.
    const another = await client.ask('POST', `ca/${serial}/sign/`, { ...body, csr }, 'admin');
    expect([another.status, another.body.detail[0].loc]).toEqual([422, ['body', 'data', 'csr']]);
  });

  it.each([
    ['admin', 'ca-team@example.com'],
    ['user', 'user@example.com'],
    ['member', 'web@example.com'],
  ])('of %s belong to %s', async (user, owner) => {
    const { id } = await signed('owned.example.com', { csr: newCsr() }, user);
    expect((await program.ok('GET', `/certificates/${id}`)).owner).toBe(owner);
  });

  it('are seen by the user who made them, and at their own CA', async () => {
    const body = { csr, subject: commonName('mine.example.com') };
    const { slug, serial } = await client.ok('POST', `ca/${root}/sign/`, body);
    expect(await client.ok('GET', `ca/${root}/orders/${slug}/`)).toMatchObject({ slug, serial, status: 'issued' });
    for (const user of ['other', 'admin'])
      expect((await client.ask('GET', `ca/${root}/orders/${slug}/`, undefined, user)).status, user).toBe(404);
    for (const wrong of ['0', '999999', 'wj5ryHjWx4OT', '1e3'])
      expect((await client.ask('GET', `ca/${root}/orders/${wrong}/`)).status, wrong).toBe(404);
  });
});

describe('revoke', () => {
  const paths = ['revoke/SERIAL/', 'certs/SERIAL/revoke/'];

  it.each(paths)('works at %s, once', async (path) => {
    const { serial } = await signed('revoked.example.com');
    const at = `ca/${root}/${path.replace('SERIAL', serial.toLowerCase())}`;
    const body = { reason: 'affiliationChanged', compromised: '2026-01-02T03:04:05Z' };
    expect((await client.ask('POST', at, body, 'other')).status).toBe(403);
    const revoked = await client.ok('POST', at, body);
    expect(revoked).toMatchObject({
      serial,
      revoked: true,
      revoked_date: expect.stringMatching(/^\d{4}-.*Z$/),
      revoked_reason: 'affiliationChanged',
      compromised: '2026-01-02T03:04:05Z',
    });
    const again = await client.ask('POST', at, {});
    expect([again.status, again.body]).toEqual([400, { detail: 'The certificate is already revoked.' }]);
    expect(await client.ok('GET', `ca/${root}/certs/${serial}/`)).toEqual(revoked);
  });

  it('needs no body, and refuses an unknown reason, an unknown and an expired certificate', async () => {
    const { serial } = await signed('plain.example.com');
    const at = `ca/${root}/certs/${serial}/revoke/`;
    const unknown = await client.ask('POST', at, { reason: 'boredom' });
    expect([unknown.status, unknown.body.detail[0].loc]).toEqual([422, ['body', 'data', 'reason']]);
    expect((await client.ask('POST', `ca/${root}/certs/ABC/revoke/`, {})).status).toBe(404);
    expect((await client.ok('POST', at)).revoked_reason).toBe('unspecified');
  });

  it('puts on hold and releases by reasons of their own', async () => {
    const { serial } = await signed('held.example.com');
    const revoke = (reason: string): Promise<Json> =>
      client.ask('POST', `ca/${root}/certs/${serial}/revoke/`, { reason });
    expect((await revoke('removeFromCRL')).status).toBe(400);
    expect((await revoke('certificateHold')).body).toMatchObject({ revoked: true, revoked_reason: 'certificateHold' });
    expect((await revoke('certificateHold')).status).toBe(400);
    expect((await revoke('removeFromCRL')).body).toMatchObject({ revoked: false, revoked_date: null });
    expect((await revoke('certificateHold')).status).toBe(200);
    expect((await revoke('superseded')).body).toMatchObject({ revoked: true, revoked_reason: 'superseded' });
  });
});

describe('lists of certificates', () => {
  const names = async (query: string): Promise<string[]> =>
    (await client.ok('GET', `ca/${serialOf(listed.authorityCertificate.body)}/certs/${query}`, undefined, 'admin')).map(
      ({ subject }: Json) => subject[0].value,
    );
  let listed: Json;

  beforeAll(async () => {
    listed = await program.ok('POST', '/authorities', { name: 'listed', owner: 'x@example.com', commonName: 'Listed' });
    // The key of another owner's certificate would be refused.
    const own = opensslCsr('/CN=not-used', [], 'ec').csrPem;
    const path = `ca/${serialOf(listed.authorityCertificate.body)}`;
    for (const [name, days] of Object.entries({ short: 2, a: 90, b: 90, c: 90, gone: 90, held: 90 }))
      await client.ok(
        'POST',
        `${path}/sign/`,
        {
          csr: own,
          subject: commonName(`${name}.example.com`),
          not_after: inDays(days, program.clock.now()),
          ...(name === 'b' && { profile: 'webserver' }),
        },
        'admin',
      );
    const all = await client.ok('GET', `${path}/certs/`, undefined, 'admin');
    const revoke = (name: string, reason: string): Promise<Json> => {
      const { serial } = all.find(({ subject }: Json) => subject[0].value === `${name}.example.com`);
      return client.ok('POST', `${path}/certs/${serial}/revoke/`, { reason }, 'admin');
    };
    await revoke('gone', 'superseded');
    await revoke('held', 'certificateHold');
  });

  it('leave out what is revoked, on hold or expired, unless it is asked for', async () => {
    const of = (text: string): string[] => text.split(' ').map((name) => `${name}.example.com`);
    expect(await names('')).toEqual(of('short a b c'));
    expect(await names('?revoked=true')).toEqual(of('short a b c gone held'));
    expect(await names('?profile=webserver')).toEqual(of('b'));
    expect(await names('?profile=nope')).toEqual([]);
    expect(await names('?autogenerated=true')).toEqual(of('short a b c'));
    expect(await names('?limit=2&offset=1')).toEqual(of('a b'));
    expect(await names('?limit=2&offset=3&revoked=true')).toEqual(of('c gone'));
    expect(await names('?offset=9')).toEqual([]);
    program.clock.advance(3 * 86_400_000);
    expect(await names('')).toEqual(of('a b c'));
    expect(await names('?expired=true')).toEqual(of('short a b c'));
    // What expired long ago is in another part of the table.
    await program.database.db.single.query(
      `update certificate set retired = true where common_name = 'short.example.com'`,
    );
    expect(await names('?expired=true')).toEqual(of('a b c short'));
    expect(await names('?expired=true&offset=2')).toEqual(of('c short'));
  });

  it('have any length, and are the same in parts', async () => {
    const copies = 1100;
    await program.database.db.single.query(
      `insert into certificate overriding system value
       select (jsonb_populate_record(c, jsonb_build_object('id', 100000 + n, 'name', 'copy ' || n,
         'sha256', encode(sha256(n::text::bytea), 'hex'), 'serial_hex', 'C' || n, 'secret_id', gen_random_uuid()))).*
       from certificate c, generate_series(1, $1::int) n where c.common_name = 'c.example.com'`,
      [copies],
    );
    expect(await names('')).toHaveLength(3 + copies);
    expect(await names('?offset=990&limit=20')).toHaveLength(20);
    expect(await names('?offset=1100')).toHaveLength(3);
  });
});

describe('the issuer django-ca of this program, as a client', () => {
  const optionsWith = (changed: object = {}) =>
    djangoCa.options.parse({
      url: `${program.url}/django_ca/`,
      username: 'user',
      password,
      caSerial: root,
      ...changed,
    });
  const ask = async (name: string, extendedKeyUsage: string[] = []): Promise<OrderRequest> => {
    const { order } = await requestFor([name], { days: 30 });
    const terms = { ...order.request.terms, extendedKeyUsage };
    return {
      ...order,
      request: { ...order.request, terms },
      authority: { ...order.authority, certificatePem: rootPem },
    };
  };

  it('passes the test of the connection, and learns of the CA', async () => {
    await djangoCa.check?.(optionsWith(), networkContext());
    const described = await djangoCa.describe?.(optionsWith(), networkContext());
    expect(described?.issuers[0]?.chainPem).toEqual([rootPem]);
  });

  it('has a request signed, finds it again, renews it, revokes it twice and lists it', async () => {
    const request = await ask('client.example.com');
    expect(await djangoCa.find?.(request, optionsWith(), networkContext())).toBeNull();
    const first = await djangoCa.order(request, optionsWith(), networkContext());
    if (first.status !== 'issued') throw new Error(first.status);
    expect(await djangoCa.find?.(request, optionsWith(), networkContext())).toMatchObject({ status: 'issued' });
    const terms = { ...request.request.terms, notAfter: new Date(request.request.terms.notAfter.getTime() + dayMs) };
    const renewal = { ...request, request: { ...request.request, terms, renews: first } };
    const second = await djangoCa.order(renewal, optionsWith({ resigns: true }), networkContext());
    if (second.status !== 'issued') throw new Error(second.status);
    const [before, after] = [first, second].map(({ chainPem }) => new X509Certificate(chainPem[0] ?? ''));
    expect(after?.publicKey.equals(before?.publicKey as X509Certificate['publicKey'])).toBe(true);
    expect(after?.subjectAltName).toBe(before?.subjectAltName);
    const revocation = { ...noMemory, chainPem: second.chainPem, reason: 4 };
    await djangoCa.revoke?.(revocation, optionsWith(), networkContext());
    await djangoCa.revoke?.(revocation, optionsWith(), networkContext());
    const listed: string[] = [];
    const of = { commonName: 'client.example.com', status: 'revoked' } as const;
    for await (const { location } of djangoCa.list?.(of, optionsWith(), networkContext()) ?? []) listed.push(location);
    expect(listed).toEqual([serialOf(second.chainPem[0] ?? '')]);
  });

  it('issues, renews and revokes through an authority of another program', async () => {
    const other = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
    try {
      const options = { url: `${program.url}/django_ca/`, username: 'user', password, caSerial: root };
      const owner = 'team@example.com';
      await other.ok('POST', '/authorities', { name: 'remote', owner, plugin: { id: 'django-ca', options } });
      const body = { owner, authority: { name: 'remote' }, commonName: 'story.example.com', validityDays: 20 };
      const { id } = await other.ok('POST', '/certificates', body);
      const certificate = await eventually(async () => {
        const one = await other.ok('GET', `/certificates/${id}`);
        return one.lifecycle === 'issued' && one;
      });
      const at = `ca/${root}/certs/${serialOf(certificate.body)}/`;
      expect(await client.ok('GET', at)).toMatchObject({ profile: 'webserver', revoked: false });
      await other.ok('POST', `/certificates/${id}/rotate`, {});
      await eventually(async () => {
        const all: Json[] = await client.ok('GET', `ca/${root}/certs/`);
        return all.filter(({ subject }) => subject[0].value === 'story.example.com').length === 2;
      });
      await other.ok('PUT', `/certificates/${id}/revoke`, { crlReason: 'superseded' });
      await eventually(async () => (await client.ok('GET', at)).revoked_reason === 'superseded');
    } finally {
      await other.stop();
    }
  });

  it.each([
    ['a wrong password', { password: 'Wrong-Horse-9!' }, 'misconfigured'],
    ['a CA that does not exist', { caSerial: 'ABCD' }, 'refused'],
    ['a profile that does not exist', { profile: 'nope' }, 'refused'],
  ])('is told of %s', async (_, changed, fault) => {
    const order = djangoCa.order(await ask('fault.example.com'), optionsWith(changed), networkContext());
    await expect(order).rejects.toMatchObject({ fault });
  });
});
