import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { sweptTwice } from '../support/sweeps.js';
import { runOn } from '../support/x509.js';

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({ PKI_URL: 'http://pki.example.net', SECURITY_TEAM_EMAIL: 'security@example.com' });
  // The first signing key is that of another authority.
  await makeAuthority('other');
});
afterAll(() => program.stop());

const makeAuthority = (name: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: name, ...more });
const request = (authority: string): object => ({
  owner: 'joe@example.com',
  commonName: `${authority}.example.com`,
  authority: { name: authority },
  validityDays: 90,
});
const listsOf = async ({ id }: Json): Promise<Json[]> => (await program.ok('GET', `/authorities/${id}/crl`)).lists;
/** Of the list of all certificates that the present key signs. */
const urlOf = (authority: Json): Promise<string> =>
  eventually(async () => (await listsOf(authority)).map(({ url }: Json): string => url)[0]);

/** Waits until the published list has the serial number, and gives what openssl reads in it. */
function listed(url: string, serialHex = ''): Promise<string> {
  return eventually(async () => {
    const answer = await fetch(`${program.url}${new URL(url).pathname}`);
    if (answer.status !== 200) return false;
    const files = { 'l.crl': Buffer.from(await answer.arrayBuffer()) };
    const text = runOn(files, 'openssl', 'crl', '-inform', 'DER', '-in', 'l.crl', '-noout', '-text');
    return text.includes(serialHex) && text;
  });
}

describe('an overdue CRL', () => {
  it('is told once, and once more when it has ended, while the program stays ready', async () => {
    const { source } = program.database;
    const silent = await makeAuthority('silent', { plugin: { id: 'local-ca', options: { crlShards: 2 } } });
    await eventually(async () => (await listsOf(silent)).filter(({ number }) => number !== null).length === 3);
    await source.query(`
      create function mute() returns trigger language plpgsql as 'begin return null; end';
      create trigger mute before insert on outbox for each row when (new.job = 'crl.make') execute function mute()`);
    const mails = async (): Promise<Json[]> =>
      (await program.ok('GET', '/mails?count=100')).items.filter(({ subject }: Json) => subject.includes(' silent: '));
    const subjects = async (): Promise<string[]> => (await mails()).map(({ subject }) => subject as string).sort();
    const ready = async (): Promise<Json> => (await fetch(`${program.url}/health/ready`)).json();
    expect((await ready()).warnings).toEqual([]);

    program.clock.advance(130 * 3_600_000);
    const overdue = 'Authority silent: its CRL is overdue';
    await eventually(async () => (await subjects()).includes(overdue));
    const [{ to, text }] = (await mails()) as [Json];
    expect(to).toEqual(expect.arrayContaining(['pki@example.com', 'security@example.com']));
    expect(text).toContain('Overdue CRLs: 3');
    expect(await ready()).toMatchObject({ status: 'ok', warnings: [expect.stringMatching(/^\d+ of \d+ CRLs are/)] });

    program.clock.advance(40 * 3_600_000);
    const ended = 'Authority silent: its CRL has ended';
    await eventually(async () => (await subjects()).includes(ended));
    // As many sweeps later as have told of it.
    await sweptTwice(program, 'crl-notices');
    expect(await subjects()).toEqual([ended, overdue]);

    await source.query('drop function mute cascade');
    program.clock.advance(6 * 60_000);
    await eventually(async () => (await ready()).warnings.length === 0);
  });
});

describe('a CRL', () => {
  it('is made by the sweep when its first job was lost', async () => {
    const { source } = program.database;
    await source.query(`
      create function lose() returns trigger language plpgsql as 'begin return null; end';
      create trigger lose before insert on outbox for each row when (new.job = 'crl.make') execute function lose()`);
    const lost = await makeAuthority('lost');
    const url = await urlOf(lost);
    expect((await listsOf(lost))[0]).toMatchObject({ number: null, nextAt: expect.any(String) });
    await source.query('drop function lose cascade');
    program.clock.advance(6 * 60_000);
    expect(await listed(url)).toContain('No Revoked Certificates');
  });

  it('has what was revoked before it was there, when its shards become more', async () => {
    const { source } = program.database;
    const growing = await makeAuthority('growing', { plugin: { id: 'local-ca', options: { crlShards: 1 } } });
    await eventually(async () => (await listsOf(growing)).length === 2);
    await source.query(`
      create function late() returns trigger language plpgsql as 'begin return null; end';
      create trigger late before insert on outbox for each row when (new.job = 'authority.changed')
        execute function late()`);
    const owner = 'pki@example.com';
    const options = { ...growing.plugin.options, crlShards: 50 };
    await program.ok('PUT', `/authorities/${growing.id}`, { owner, plugin: { id: 'local-ca', options } });
    const certificates = [];
    for (let n = 0; n < 3; n++) certificates.push(await program.ok('POST', '/certificates', request('growing')));
    for (const { id } of certificates) await program.ok('PUT', `/certificates/${id}/revoke`, {});
    await eventually(async () => (await listsOf(growing)).every(({ entries }) => entries === 3));
    await source.query('drop function late cascade');
    await program.ok('PUT', `/authorities/${growing.id}`, { owner });
    for (const { body, serialHex } of certificates) {
      const text = runOn({ 'c.pem': body }, 'openssl', 'x509', '-in', 'c.pem', '-noout', '-text');
      await listed(/URI:(\S+\.crl)/.exec(text)?.[1] ?? '', serialHex);
    }
  });

  it('of an earlier key is made while the present key does not open, and nothing is issued', async () => {
    const old = await makeAuthority('locked');
    const [early, url] = [await program.ok('POST', '/certificates', request('locked')), await urlOf(old)];
    await program.ok('POST', `/authorities/${old.id}/renew`, { newKey: true });
    await program.database.source.query(
      `with present as (update authority set version = version + 1 where id = $1 returning key_id)
       update signing_key set sealed_key = (select sealed_key from signing_key order by id limit 1)
       where id = (select key_id from present)`,
      [old.id],
    );
    await program.ok('PUT', `/certificates/${early.id}/revoke`, { crlReason: 'superseded' });
    expect(await listed(url, early.serialHex)).toContain('Superseded');
    expect((await program.call('POST', '/certificates', request('locked'))).status).toBeGreaterThanOrEqual(400);
  });
});
