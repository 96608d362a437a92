import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { Authorities } from '../../src/authorities/authorities.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';

const issuer = new ScriptedCa();
const owner = 'pki@example.com';
let program: TestProgram;
/** Authorities that are not active: one that signs at once, one behind a network, one whose plugin is not installed. */
const kinds = ['local', 'remote', 'gone'] as const;
type Kind = (typeof kinds)[number];
const ids: Record<Kind, number> = { local: 0, remote: 0, gone: 0 };
const issued: Record<Kind, Json> = { local: null, remote: null, gone: null };

beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, issuer.plugin] });
  const { ok } = program;
  for (const kind of kinds) {
    const slow = { plugin: { id: 'scripted-ca', options: { behaviour: 'pending' } } };
    const body = { name: kind, owner, commonName: `Example ${kind}`, ...(kind === 'remote' && slow) };
    ids[kind] = (await ok('POST', '/authorities', body)).id;
  }
  issuer.deliver();
  for (const kind of kinds) {
    const { id } = await issue(kind, `${kind}.example.com`);
    issued[kind] = await eventually(async () => {
      const certificate = await ok('GET', `/certificates/${id}`);
      return certificate.lifecycle === 'issued' && certificate;
    });
  }
  for (const kind of kinds) await ok('PUT', `/authorities/${ids[kind]}`, { owner, active: false });
  await program.database.source.query(
    `update authority set plugin_id = 'gone-issuer', version = version + 1 where name = 'gone'`,
  );
});
afterAll(() => program.stop());

const request = (kind: Kind, commonName: string): object => ({
  owner: 'joe@example.com',
  commonName,
  authority: { name: kind },
  validityDays: 90,
});
const issue = (kind: Kind, commonName: string): Promise<Json> =>
  program.ok('POST', '/certificates', request(kind, commonName));

function refusal(kind: Kind): object {
  const gone = kind === 'gone' ? ' This installation has no issuer plugin "gone-issuer".' : '';
  const detail = `Authority ${kind} is not active.${gone}`;
  return { status: 409, body: { type: expect.stringMatching(/\/authority-inactive$/), detail } };
}

describe.each(kinds)('an authority that is not active (%s)', (kind) => {
  it('refuses a request for a certificate and says that it is not active', async () => {
    expect(await program.call('POST', '/certificates', request(kind, 'new.example.com'))).toMatchObject(refusal(kind));
  });

  it('refuses a renewal and says so, also in the plan of the certificate', async () => {
    const { call, ok } = program;
    const { id } = issued[kind];
    const text = expect.stringMatching(`^Authority ${kind} is not active.$`);
    expect(await call('POST', `/certificates/${id}/reissue`)).toMatchObject({ status: 409, body: { detail: text } });
    expect(await call('POST', `/certificates/${id}/rotate`, { dryRun: true })).toMatchObject({ status: 409 });
    expect(await ok('GET', `/certificates/${id}/plan`)).toMatchObject({
      authority: { name: kind, active: false },
      rights: { allowed: false, text },
    });
  });

  it('refuses to be the parent of an authority and says so', async () => {
    const body = { name: `below ${kind}`, owner, commonName: `Below ${kind}`, type: 'subca', parent: { name: kind } };
    expect(await program.call('POST', '/authorities', body)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining(`Authority ${kind} is not active.`) },
    });
  });

  it('still shows and exports the certificates that it has issued', async () => {
    const { call, ok } = program;
    const { id } = issued[kind];
    expect((await call('POST', `/certificates/${id}/export`, { plugin: { slug: 'pem' } })).status).toBe(200);
    expect(await ok('GET', `/certificates/${id}`)).toMatchObject({ authority: { name: kind, active: false } });
    expect(await ok('GET', `/authorities/${ids[kind]}`)).toMatchObject({ active: false });
  });
});

describe('an authority that is not active', () => {
  it('still revokes, and the CA is told once its plugin is installed', async () => {
    for (const kind of ['remote', 'gone'] as const)
      expect((await program.call('PUT', `/certificates/${issued[kind].id}/revoke`, {})).status).toBe(200);
    await eventually(() => Promise.resolve(issuer.asked.revoke.length === 1));
  });

  it('issues again once it is active, also when another process activated it', async () => {
    const { call, database } = program;
    expect(await call('POST', '/certificates', request('local', 'again.example.com'))).toMatchObject({ status: 409 });
    await database.source.query(`update authority set active = true, version = version + 1 where name = 'local'`);
    expect(await call('POST', '/certificates', request('local', 'again.example.com'))).toMatchObject({ status: 200 });
    await database.source.query(`update authority set active = false, version = version + 1 where name = 'local'`);
    expect(await call('POST', '/certificates', request('local', 'again.example.com'))).toMatchObject(refusal('local'));
  });
});

describe('authorities in the memory of a process', () => {
  const kept = () => program.perennial.app.get(Authorities, { strict: false });

  it('are loaded once and used by every reader until they change', async () => {
    const first = await kept().get(ids.local);
    expect(await kept().resolve({ name: 'LOCAL' })).toBe(first);
    await program.call('POST', `/certificates/${issued.local.id}/export`, { plugin: { slug: 'pem' } });
    expect(await kept().get(ids.local)).toBe(first);
    await program.ok('PUT', `/authorities/${ids.local}`, { owner, description: 'changed' });
    const second = await kept().get(ids.local);
    expect([second === first, second.authority.description]).toEqual([false, 'changed']);
  });

  it('are loaded again when another process has changed one of their roles', async () => {
    const first = await kept().get(ids.local);
    await program.database.source.query(`update role set name = 'renamed' where name = 'local_operator'`);
    const second = await kept().get(ids.local);
    expect(first.roles.map(({ name }) => name)).toContain('local_operator');
    expect(second.roles.map(({ name }) => name)).toContain('renamed');
    expect(await kept().get(ids.local)).toBe(second);
  });
});
