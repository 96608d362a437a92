import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaTools, issueFrom, makeAuthority } from '../support/ca-tools.js';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const tools = new CaTools();
let program: TestProgram;
let imported: Json;
beforeAll(async () => {
  program = await startProgram({ PKI_URL: 'http://pki.example.net' });
  tools.makeCa('sha1');
  imported = await makeAuthority(program, 'imported', {
    commonName: undefined,
    chain: tools.read('sha1.pem'),
    privateKey: tools.read('sha1.key'),
  });
});
afterAll(async () => {
  await program.stop();
  tools.close();
});

/** The subject key identifier, as openssl shows it. */
const identifierOf = (text: string): string =>
  /Subject Key Identifier:[^\n]*\n\s*([0-9A-F:]+)/.exec(text)?.[1] ?? 'none';
const inCertificate = (pem: string): string => identifierOf(tools.text(pem));
const fetchUrl = (url: string): Promise<Response> => fetch(`${program.url}${new URL(url).pathname}`);
/** The addresses of the CRL and the CA certificate in what an authority issued. */
function addressesIn({ body }: Json): { crl: string; crt: string } {
  const text = tools.text(body);
  const [, crl = ''] = /URI:(\S+\.crl)/.exec(text) ?? [];
  const [, crt = ''] = /CA Issuers - URI:(\S+)/.exec(text) ?? [];
  return { crl, crt };
}

describe('the identifier of a key that an authority keeps', () => {
  it('stays in renewals, cross-certificates and CSRs, so that what it issued before still verifies', async () => {
    const before = inCertificate(imported.authorityCertificate.body);
    await makeAuthority(program, 'below', { type: 'subca', parent: { name: 'imported' }, validityDays: 300 });
    const old = await issueFrom(program, 'below');
    const { csr } = await program.ok('POST', `/authorities/${imported.id}/csr`, { newKey: false });
    tools.write('renewal.csr', csr);
    expect(identifierOf(tools.openssl('req', '-in', 'renewal.csr', '-noout', '-text'))).toBe(before);

    await makeAuthority(program, 'crossing');
    await program.ok('POST', `/authorities/${imported.id}/renew`, { parent: { name: 'crossing' }, validityDays: 900 });
    const { authorityCertificate: after } = await program.ok('POST', `/authorities/${imported.id}/renew`, {});
    const { items } = await program.ok('GET', `/authorities/${imported.id}/issuers`);
    expect(items.map(({ body }: Json) => inCertificate(body))).toEqual([before, before, before]);
    expect(tools.verified(old, after.body)).toBe('leaf.pem: OK');
  });

  it('may differ between its certificates: CRL and certificate are found by each', async () => {
    const old = await issueFrom(program, 'imported');
    tools.makeCa('bridge');
    tools.write(
      'ext',
      'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=01:02:03:04:05\n',
    );
    tools.openssl('req', '-new', '-key', 'sha1.key', '-subj', '/O=Outside/CN=sha1', '-out', 'cross.csr');
    tools.openssl(
      'x509',
      '-req',
      '-in',
      'cross.csr',
      '-CA',
      'bridge.pem',
      '-CAkey',
      'bridge.key',
      '-days',
      '900',
      '-extfile',
      'ext',
      '-out',
      'cross.pem',
    );
    const chain = tools.read('cross.pem') + tools.read('bridge.pem');
    const { items } = await program.ok('POST', `/authorities/${imported.id}/issuers`, { chain });
    const { sha256 } = items.find(({ origin }: Json) => origin === 'uploaded');
    await program.ok('PUT', `/authorities/${imported.id}/issuers/current`, { sha256 });
    const fresh = await issueFrom(program, 'imported');
    expect(addressesIn(fresh).crl).toContain('.01020304.crl');
    expect(addressesIn(old).crl).not.toBe(addressesIn(fresh).crl);
    for (const leaf of [old, fresh]) {
      const { crl, crt } = addressesIn(leaf);
      await eventually(async () => (await fetchUrl(crl)).status === 200);
      const issuer = await fetchUrl(crt.replace(/crt$/, 'pem'));
      expect([issuer.status, (await fetchUrl(crt)).status]).toEqual([200, 200]);
      const pem = await issuer.text();
      expect(tools.text(leaf.body)).toContain(inCertificate(pem));
    }
    const unknown = addressesIn(fresh).crl.replace('01020304', '0102030f');
    expect((await fetchUrl(unknown)).status).toBe(404);
  });
});
