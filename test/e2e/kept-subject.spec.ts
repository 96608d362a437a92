import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openssl } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { opensslCsr } from '../support/requests.js';

const folder = mkdtempSync(join(tmpdir(), 'perennial-subject-'));
const owner = 'joe@example.com';
let program: TestProgram;
let number = 0;
beforeAll(async () => {
  program = await startProgram();
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
});
afterAll(async () => {
  await program.stop();
  rmSync(folder, { recursive: true });
});

/** From the general to the special, the other way round, with a domain component, and two attributes in one part. */
const orders: ((cn: string) => string)[] = [
  (cn) => `/CN=${cn}/O=Kunde/OU=IT/C=DE/ST=Bayern/L=Ulm`,
  (cn) => `/C=DE/ST=Bayern/L=Ulm/O=Kunde/OU=IT/CN=${cn}`,
  (cn) => `/OU=B/OU=A/DC=example/CN=${cn}/emailAddress=a@example.com`,
  (cn) => `/O=Kunde/CN=${cn}+UID=4711`,
];
/** As OpenSSL prints it, in the order of the certificate. */
const subjectOf = (pem: string): string =>
  openssl(['x509', '-noout', '-subject', '-nameopt', 'esc_ctrl,utf8,sep_comma_plus_space,sname'], pem);
const reissued = async (id: number): Promise<Json> => program.ok('POST', `/certificates/${id}/reissue`, {});
const subject = (order: (cn: string) => string): string => order(`kept-${++number}.example.com`);

describe('the subject of a certificate', () => {
  it.each(orders)('of a CSR keeps the order of its attributes in renewals: %s', async (order) => {
    const { csrPem } = opensslCsr(subject(order), [], 'ec');
    const first = await program.ok('POST', '/certificates', { owner, authority: { name: 'root' }, csr: csrPem });
    const expected = openssl(
      ['req', '-noout', '-subject', '-nameopt', 'esc_ctrl,utf8,sep_comma_plus_space,sname'],
      csrPem,
    );
    const second = await reissued(first.id);
    expect([subjectOf(first.body), subjectOf(second.body)]).toEqual([expected, expected]);
    // As it was stored before the order was kept.
    await program.database.source.query(`update certificate set terms = terms - 'subjectDer' where id = $1`, [
      second.id,
    ]);
    expect(subjectOf((await reissued(second.id)).body)).toBe(expected);
  });

  it.each(orders)('of an upload keeps the order of its attributes in a renewal: %s', async (order) => {
    const [key, body] = [join(folder, 'key.pem'), join(folder, 'body.pem')];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
    openssl([...made, '-multivalue-rdn', '-subj', subject(order), '-keyout', key, '-out', body]);
    const uploaded = await program.ok('POST', '/certificates/upload', {
      owner,
      body: readFileSync(body, 'utf8'),
      privateKey: readFileSync(key, 'utf8'),
    });
    await program.database.source.query('update certificate set authority_id = 1 where id = $1', [uploaded.id]);
    const renewed = await reissued(uploaded.id);
    expect(subjectOf(renewed.body)).toBe(subjectOf(uploaded.body));
    expect(renewed.serial).not.toBe(uploaded.serial);
  });
});
