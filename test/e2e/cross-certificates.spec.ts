import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuthorityCsrs1763700000084 } from '../../migrations/1763700000084-authority-csrs.js';
import { WhatKeepsAuthorities1763700000088 } from '../../migrations/1763700000088-what-keeps-authorities.js';
import { migrations } from '../../migrations/index.js';
import { CaTools, makeAuthority, owner } from '../support/ca-tools.js';
import { redoAll, undoLast } from '../support/database.js';
import type { Json } from '../support/json.js';
import { ocspClients } from '../support/ocsp-clients.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const tools = new CaTools();
const clients = ocspClients();
let program: TestProgram;
beforeAll(async () => {
  program = await startProgram({ PKI_URL: 'http://pki.example.net' });
});
afterAll(async () => {
  await program.stop();
  tools.close();
  clients.close();
});

describe('a subordinate CA that is deleted', () => {
  it('need not be revoked while another authority has its certificate, and is then revoked there', async () => {
    tools.makeCa('root');
    tools.makeCa('twin', { by: 'root' });
    await makeAuthority(program, 'twin-root', { chain: tools.read('root.pem'), privateKey: tools.read('root.key') });
    const asked = { type: 'subca', parent: { name: 'twin-root' }, chain: tools.read('twin.pem') };
    const twin = { ...asked, privateKey: tools.read('twin.key'), commonName: undefined };
    const [one, other] = [await makeAuthority(program, 'twin-1', twin), await makeAuthority(program, 'twin-2', twin)];
    await program.ok('DELETE', `/authorities/${one.id}`);
    expect((await program.call('DELETE', `/authorities/${other.id}`)).status).toBe(409);
    await program.ok('PUT', `/authorities/${other.id}/revoke`, {});
    await program.ok('DELETE', `/authorities/${other.id}`);
  });
});

describe('a cross-certificate by another authority here', () => {
  it('keeps that authority, and is revoked there with all others of its CA', async () => {
    const parent = await makeAuthority(program, 'parent');
    const other = await makeAuthority(program, 'other');
    const ca = await makeAuthority(program, 'crossed', { type: 'subca', parent: { name: 'parent' } });
    await program.ok('POST', `/authorities/${ca.id}/renew`, { parent: { name: 'other' } });
    const { items } = await program.ok('GET', `/authorities/${ca.id}/issuers`);
    const cross: Json = items.find(({ origin }: Json) => origin === 'cross-signed');
    const deleted = await program.call('DELETE', `/authorities/${other.id}`);
    expect([deleted.status, deleted.body.reasons]).toEqual([409, { authority_issuer: [expect.any(String)] }]);

    /** What the CRL of an authority and its OCSP responder say of a certificate, by openssl. */
    const said = async ({ plugin, authorityCertificate }: Json, pem: string): Promise<[boolean, string]> => {
      const { crlDistributionPoints, ocsp } = plugin.options;
      const crl = await fetch(`${program.url}${new URL(crlDistributionPoints[0].replace('.{key}', '')).pathname}`);
      tools.write(
        'list.pem',
        `-----BEGIN X509 CRL-----\n${Buffer.from(await crl.arrayBuffer())
          .toString('base64')
          .replace(/.{64}/g, '$&\n')}\n-----END X509 CRL-----\n`,
      );
      const list = tools.openssl('crl', '-in', 'list.pem', '-noout', '-text');
      clients.file('signer.pem', authorityCertificate.body);
      clients.file('ca.pem', pem);
      tools.write('ca.pem', pem);
      const serial = tools.openssl('x509', '-in', 'ca.pem', '-noout', '-serial').trim().replace('serial=', '');
      const url = `${program.url}${new URL(ocsp[0]).pathname}`;
      const status = await clients.run(
        'openssl',
        'ocsp',
        '-url',
        url,
        '-issuer',
        'signer.pem',
        '-cert',
        'ca.pem',
        '-CAfile',
        'signer.pem',
      );
      return [list.includes(serial), /ca\.pem: (\w+)/.exec(status)?.[1] ?? status];
    };
    const places: [Json, string][] = [
      [parent, ca.authorityCertificate.body],
      [other, cross.body],
    ];
    for (const [signer, pem] of places) {
      let answer: unknown;
      await eventually(async () => (answer = await said(signer, pem).catch(() => undefined)) !== undefined);
      expect(answer).toEqual([false, 'good']);
    }
    await program.ok('PUT', `/authorities/${ca.id}/revoke`, { crlReason: 'cACompromise' });
    for (const [signer, pem] of places)
      await eventually(async () => {
        const [isListed, status] = await said(signer, pem);
        return isListed && status === 'revoked';
      });
    expect((await program.call('PUT', `/authorities/${ca.id}/revoke`, {})).status).toBe(409);
  });

  it('keeps its CA from deletion until it and the certificate by the parent are revoked', async () => {
    await makeAuthority(program, 'going-parent');
    await makeAuthority(program, 'going-other');
    const ca = await makeAuthority(program, 'going', { type: 'subca', parent: { name: 'going-parent' } });
    await program.ok('POST', `/authorities/${ca.id}/renew`, { parent: { name: 'going-other' } });
    const refused = await program.call('DELETE', `/authorities/${ca.id}`);
    expect(refused.status).toBe(409);
    expect(refused.body.detail).toMatch(/by going-parent.* by going-other.*PUT \/authorities\/\d+\/revoke/);
    await program.ok('PUT', `/authorities/${ca.id}/revoke`, { crlReason: 'cessationOfOperation' });
    await program.ok('DELETE', `/authorities/${ca.id}`);
  });

  it('is known again after the migration is undone and made again, and keys that wait are not lost', async () => {
    const { source } = program.database;
    const signers = () => source.query('select id, signer_id from authority_issuer order by id');
    const before = await signers();
    expect(before.some((row: Json) => row.signer_id !== null)).toBe(true);
    const undo = async (until: (typeof migrations)[number]): Promise<void> => {
      for (let left = migrations.length - migrations.indexOf(until); left > 0; left -= 1) await undoLast(source);
    };
    await undo(WhatKeepsAuthorities1763700000088);
    await redoAll(source);
    expect(await signers()).toEqual(before);
    await program.ok('POST', '/authorities/csrs', { name: 'waiting', owner, commonName: 'Waiting' });
    await expect(undo(AuthorityCsrs1763700000084)).rejects.toThrow('wait for their certificate');
  });
});
