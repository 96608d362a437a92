import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { runOn } from '../support/x509.js';

let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({ PKI_URL: 'http://pki.example.net' });
});
afterAll(() => program.stop());

const makeAuthority = (name: string): Promise<Json> =>
  program.ok('POST', '/authorities', { name, owner: 'pki@example.com', commonName: name });
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
});
