import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toPem } from '../../src/pki/pem.js';
import { CaTools, makeAuthority, owner } from '../support/ca-tools.js';
import type { Json } from '../support/json.js';
import { ocspClients } from '../support/ocsp-clients.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const tools = new CaTools();
const clients = ocspClients();
/** Higher than what a number by the time is, and than 64 bits. */
const number = '7FFFFFFFFFFFFFFFFFFF';
/** More than go into one statement. */
const many = 11_000;
const serialOf = (n: number): string => (0x1000000 + n).toString(16).toUpperCase().padStart(8, '0');
let program: TestProgram;
let ca: Json;

beforeAll(async () => {
  program = await startProgram({ PKI_URL: 'http://pki.example.net' });
  for (const name of ['old', 'other']) tools.makeCa(name);
  ca = await makeAuthority(program, 'old', {
    chain: tools.read('old.pem'),
    privateKey: tools.read('old.key'),
    commonName: undefined,
  });
});
afterAll(async () => {
  await program.stop();
  tools.close();
  clients.close();
});

/** A CRL that `openssl ca` makes: `revoked` by serial number and what its database says of the reason. */
function makeCrl(by: string, revoked: readonly (readonly [string, string])[]): string {
  const lines = revoked.map(([serial, why]) => `R\t350101000000Z\t260101000000Z${why}\t${serial}\tunknown\t/CN=x\n`);
  tools.write('database', lines.join(''));
  tools.write('database.attr', 'unique_subject = no\n');
  tools.write('number', `${number}\n`);
  tools.write(
    'ca.cnf',
    '[ca]\ndefault_ca=d\n[d]\ndatabase=database\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=30\n' +
      'crl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n',
  );
  tools.openssl(
    'ca',
    '-config',
    'ca.cnf',
    '-gencrl',
    '-cert',
    `${by}.pem`,
    '-keyfile',
    `${by}.key`,
    '-out',
    'made.crl',
  );
  return tools.read('made.crl');
}

const send = (crl: string, id = Number(ca.id)) => program.call('POST', `/authorities/${id}/revocations`, { crl });

/** What openssl reads in the CRL that the program publishes, once it has `entries`. */
async function published(entries: number): Promise<string> {
  const lists = await eventually(async () => {
    const found = (await program.ok('GET', `/authorities/${ca.id}/crl`)).lists;
    return found.length > 0 && found.every((list: Json) => list.entries === entries) && found;
  });
  const answer = await fetch(`${program.url}${new URL(lists[0].url).pathname}`);
  tools.write('published.pem', toPem('X509 CRL', Buffer.from(await answer.arrayBuffer())));
  const shown = ['-noout', '-text', '-out', 'published.txt'];
  const verdict = tools.openssl('crl', '-in', 'published.pem', ...shown, '-CAfile', 'old.pem');
  return verdict + tools.read('published.txt');
}

describe('the CRL of an imported CA', () => {
  it('is taken over with its number, dates, reasons and holds, also for certificates in the inventory', async () => {
    tools.openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'leaf.key',
      '-subj',
      '/CN=leaf.example.com',
      '-out',
      'leaf.csr',
    );
    tools.openssl(
      'x509',
      '-req',
      '-in',
      'leaf.csr',
      '-CA',
      'old.pem',
      '-CAkey',
      'old.key',
      '-set_serial',
      '0x77AA',
      '-days',
      '90',
      '-out',
      'leaf.pem',
    );
    const leaf = await program.ok('POST', '/certificates/upload', {
      owner,
      body: tools.read('leaf.pem'),
      authority: { name: 'old' },
    });
    const revoked = [
      ['77AA', ',superseded'],
      ['77AB', ',keyTime,20251224120000Z'],
      ['77AC', ',holdInstruction,holdInstructionReject'],
      ...Array.from({ length: many }, (_, n) => [serialOf(n), n % 2 ? '' : ',keyCompromise'] as const),
    ] as const;
    const crl = makeCrl('old', revoked);
    const { status, body } = await send(crl);
    expect([status, body]).toEqual([200, { entries: many + 3, added: many + 3, revoked: 1 }]);
    const text = await published(many + 3);
    expect(text).toContain('verify OK');
    expect(BigInt(/CRL Number: *\n *(0x[0-9A-F]+|\d+)/i.exec(text)?.[1] ?? 0)).toBeGreaterThan(BigInt(`0x${number}`));
    const entry = (serial: string): string =>
      new RegExp(`Serial Number: ${serial}\\n[^]*?(?=Serial Number|Signature)`).exec(text)?.[0] ?? '';
    expect(entry('77AA')).toMatch(/Jan +1 00:00:00 2026[^]*Superseded/);
    expect(entry('77AB')).toMatch(/Key Compromise[^]*Invalidity Date[^]*Dec 24 12:00:00 2025/);
    expect(entry('77AC')).toContain('Certificate Hold');
    expect(entry(serialOf(many - 1))).toMatch(/2026/);
    expect(await program.ok('GET', `/certificates/${leaf.id}`)).toMatchObject({
      lifecycle: 'revoked',
      revocationReason: 4,
    });

    // The same list again, as base64 of DER, changes nothing, and what was released here stays released.
    await program.database.source.query(
      'update revoked_certificate set reason = 8 where authority_id = $1 and reason = 6',
      [ca.id],
    );
    const base64 = crl.replaceAll(/-----.*?-----|\s/g, '');
    expect((await send(base64)).body).toEqual({ entries: many + 3, added: 0, revoked: 0 });
    // The CA revoked for good what it had on hold; here the OCSP responder says so too.
    expect((await send(makeCrl('old', [['77AC', ',cessationOfOperation']]))).body).toMatchObject({
      entries: 1,
      added: 1,
    });
    await eventually(async () => /Serial Number: 77AC\n[^]*?Cessation Of Operation/.test(await published(many + 3)));
    const url = `${program.url}${new URL(ca.plugin.options.ocsp[0]).pathname}`;
    clients.file('old.pem', tools.read('old.pem'));
    const asked = ['-url', url, '-issuer', 'old.pem', '-serial', '0x77AC', '-CAfile', 'old.pem'];
    expect(await clients.run('openssl', 'ocsp', ...asked)).toMatch(/0x77AC: revoked/);
  });

  it('is refused when another key has signed it, when it is changed, of another kind or not a CRL', async () => {
    const good = makeCrl('old', [['55', '']]);
    const changed = Buffer.from(good.replaceAll(/-----.*?-----|\s/g, ''), 'base64');
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const refusals: [string, RegExp][] = [
      [makeCrl('other', [['55', '']]), /another CA/],
      [changed.toString('base64'), /signature/],
      ['AAAA', /not readable/],
    ];
    for (const [crl, why] of refusals) {
      const { status, body } = await send(crl);
      expect([status, body.reasons.crl.join()]).toEqual([400, expect.stringMatching(why)]);
    }
    expect((await send(good)).body).toMatchObject({ entries: 1, added: 1 });
  });
});
