import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';
import type { Json } from '../support/json.js';
import { type Answer, eventually, startProgram, type TestProgram } from '../support/program.js';
import { inDays, opensslCsr, opensslText } from '../support/requests.js';

const owner = 'fleet@example.com';
const rules = { stored: false, noRevocation: true, validity: { maxDays: 2 }, names: { dns: 'required' } };
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram(
    { PUBLIC_URL: 'http://pki.example.com' },
    { plugins: [...plugins, new ScriptedCa().plugin] },
  );
  await program.ok('POST', '/authorities', { name: 'root', owner, commonName: 'Example Root' });
  const plugin = { id: 'scripted-ca', options: { behaviour: 'refuses' } };
  await program.ok('POST', '/authorities', { name: 'outside', owner, commonName: 'Example Outside', plugin });
  await program.ok('POST', '/profiles', { name: 'fleet', rules });
});
afterAll(() => program.stop());

const newCsr = (commonName = 'cart.example.com'): string => opensslCsr(`/CN=${commonName}`, [], 'ec').csrPem;
const sign = (more: object = {}, headers?: Record<string, string>, authority = 'root'): Promise<Answer> => {
  const body = { owner, profile: { name: 'fleet' }, csr: newCsr(), ...more };
  return program.call('POST', `/authorities/${authority}/sign-unstored`, body, { headers });
};
const reasons = ({ status, body }: Answer): unknown => [status, body.reasons];
const query = (sql: string, values: unknown[] = []): Promise<Json[]> => program.database.source.query(sql, values);
const countOf = async (table: string): Promise<number> =>
  (await query(`select count(*)::int as count from ${table}`))[0].count;

describe('POST /authorities/{id}/sign-unstored', () => {
  it('issues a certificate that cannot be revoked, and keeps an audit event, a count, and no row of it', async () => {
    const before = await countOf('certificate');
    const { status, body } = await sign({ validityEnd: inDays(1) });
    expect([status, body.stored, body.profile]).toEqual([
      200,
      false,
      { id: expect.any(Number), name: 'fleet', version: 1 },
    ]);
    const text = opensslText(body.body);
    expect(text).toContain('DNS:cart.example.com');
    expect(text).toMatch(/(No Revocation Available|2\.5\.29\.56)/);
    expect(text).not.toMatch(/CRL Distribution Points|Authority Information Access/);
    expect(await countOf('certificate')).toBe(before);
    const { items } = await program.ok('GET', `/certificates?filter=serial;${body.serial}`);
    expect(items).toEqual([]);
    const [event] = await query(`select actor_name as actor, after from audit_event
      where action = 'certificate.signed-unstored' order by id desc limit 1`);
    expect(event).toMatchObject({
      actor: 'admin',
      after: {
        owner,
        serialHex: body.serialHex,
        fingerprint: body.fingerprint,
        names: [{ type: 'dns', value: 'cart.example.com' }],
        profile: 'fleet',
        profileVersion: 1,
      },
    });
    const metrics = await (await fetch(`${program.url}/metrics`)).text();
    expect(metrics).toContain('perennial_unstored_certificates_total{authority="root"} 1\n');
  });

  it('answers a repeated request with the same certificate where it has an Idempotency-Key', async () => {
    const csr = newCsr();
    const ask = (key?: string): Promise<Answer> =>
      sign({ csr }, key === undefined ? undefined : { 'idempotency-key': key });
    const [first, again, other] = [await ask('one'), await ask('one'), await ask()];
    expect(again.body).toEqual(first.body);
    expect(other.body.serial).not.toBe(first.body.serial);
  });

  it('demands a profile whose certificates are not stored, which no other request may have', async () => {
    expect(reasons(await sign({ profile: undefined }))).toEqual([
      400,
      { profile: [expect.stringContaining('Name a profile')] },
    ]);
    expect(reasons(await sign({ profile: { name: 'server' } }))).toEqual([
      400,
      { profile: [expect.stringContaining('are stored')] },
    ]);
    const stored = { owner, authority: { name: 'root' }, profile: { name: 'fleet' } };
    for (const more of [{ csr: newCsr() }, { commonName: 'made.example.com' }])
      expect(reasons(await program.call('POST', '/certificates', { ...stored, ...more }))).toEqual([
        400,
        { profile: [expect.stringContaining('sign-unstored')] },
      ]);
  });

  it('follows the profile, the domain policy and the rules on keys, and takes no member of management', async () => {
    expect(reasons(await sign({ validityDays: 3 }))).toEqual([400, { validityDays: [expect.any(String)] }]);
    expect(reasons(await sign({ csr: opensslCsr('/CN=Shopping Cart', [], 'ec').csrPem }))).toEqual([
      400,
      { csr: [expect.any(String)] },
    ]);
    expect((await sign({ csr: opensslCsr('/CN=a.example.com', [], 'rsa:1024').csrPem })).status).toBe(400);
    expect(reasons(await sign({ destinations: [] }))).toEqual([400, { destinations: [expect.any(String)] }]);
    expect(reasons(await sign({ csr: undefined }))).toEqual([400, { csr: [expect.any(String)] }]);
    const csr = newCsr('lost.example.com');
    const { id } = await program.ok('POST', '/certificates', { owner, authority: { name: 'root' }, csr });
    expect(reasons(await sign({ csr, owner: 'other@example.com' }))).toEqual([
      400,
      { csr: [expect.stringContaining('another owner')] },
    ]);
    await program.ok('PUT', `/certificates/${id}/revoke`, { crlReason: 'keyCompromise' });
    expect(reasons(await sign({ csr }))).toEqual([400, { csr: [expect.stringContaining('compromised')] }]);
  });

  it('is refused by an authority whose CA is elsewhere, and by one that is not active', async () => {
    expect((await sign({}, undefined, 'outside')).status).toBe(400);
    await program.ok('PUT', '/authorities/1', { owner, active: false });
    expect((await sign()).status).toBe(409);
    await program.ok('PUT', '/authorities/1', { owner, active: true });
    expect((await sign()).status).toBe(200);
  });
});

it('an authority that is disabled while it signs hands out nothing, and no event says that it has', async () => {
  const events = (): Promise<number> => countOf(`audit_event where action = 'certificate.signed-unstored'`);
  const before = await events();
  const { source } = program.database;
  const disabling = source.createQueryRunner();
  try {
    await disabling.startTransaction();
    await disabling.query('update authority set active = false, version = version + 1 where id = 1');
    const signing = sign();
    await eventually(async () => {
      const [{ count }] = await query(`select count(*)::int as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%for share of a%'`);
      return count > 0;
    });
    await disabling.commitTransaction();
    expect((await signing).status).toBe(409);
  } finally {
    await disabling.release();
  }
  expect(await events()).toBe(before);
  await program.ok('PUT', '/authorities/1', { owner, active: true });
});

describe('a profile whose certificates are not stored', () => {
  it('needs certificates without revocation, and so a short validity', async () => {
    const make = (some: object): Promise<Answer> => program.call('POST', '/profiles', { name: 'other', rules: some });
    expect(reasons(await make({ stored: false }))).toEqual([400, { 'rules.stored': [expect.any(String)] }]);
    expect(reasons(await make({ ...rules, validity: { maxDays: 8 } }))).toEqual([
      400,
      { 'rules.validity.maxDays': [expect.any(String)] },
    ]);
  });

  it('as the newest version leaves the renewals of stored certificates to the version before', async () => {
    const { id } = await program.ok('POST', '/profiles', { name: 'turning', rules: { validity: { maxDays: 2 } } });
    const first = await program.ok('POST', '/certificates', {
      owner,
      authority: { name: 'root' },
      profile: { id },
      commonName: 'kept.example.com',
    });
    await program.ok('PUT', `/profiles/${id}`, { name: 'turning', rules });
    const second = await program.ok('POST', `/certificates/${first.id}/reissue`, {});
    expect(second.profile).toMatchObject({ name: 'turning', version: 1 });
  });
});
