import { describe, expect, it } from 'vitest';
import { execFileSync } from '../../../test/support/sync-programs.js';
import type { AuthorityRepository, AuthorityWithKey } from '../../authorities/authority.repository.js';
import { parseCertificate } from '../../pki/certificate.js';
import { issuerIdsOf } from '../../pki/ocsp-request.js';
import type { Database } from '../../platform/db/database.js';
import { OcspIssuers } from './ocsp-issuers.js';

function makeCa(id: number): AuthorityWithKey {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'];
  const args = ['req', '-x509', '-days', '30', '-subj', `/CN=ca ${id}`, ...key];
  const certificatePem = execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  return { id, publicId: `ca${id}`, certificatePem, keyId: id };
}

/** The issuers of `cas`, which may grow, and how often these were read. */
function issuersOf(cas: readonly AuthorityWithKey[]): { issuers: OcspIssuers; reads: () => number } {
  let reads = 0;
  const withKeys = (): Promise<readonly AuthorityWithKey[]> => Promise.resolve((reads++, [...cas]));
  const clock = { now: () => new Date() };
  const issuers = new OcspIssuers({} as Database, clock, { withKeys } as unknown as AuthorityRepository);
  return { issuers, reads: () => reads };
}

const idOf = ({ certificatePem }: AuthorityWithKey): string =>
  issuerIdsOf(parseCertificate(certificatePem))[0] as string;

describe('the issuers that OCSP knows', () => {
  it('reads the database once for all unknown issuers that are asked for at the same time', async () => {
    const ca = makeCa(1);
    const { issuers, reads } = issuersOf([ca]);
    const beganAtMs = performance.now();
    for (const round of [1, 2]) {
      const asked = Array.from({ length: 500 }, (_, n) => issuers.find(`sha1 ${round} ${n}`, null));
      expect(new Set(await Promise.all(asked))).toEqual(new Set([null]));
    }
    for (let n = 0; n < 100; n++) expect(await issuers.find(idOf(ca), null)).not.toBeNull();
    expect(reads()).toBe(2);
    // A timer may fire a little early.
    expect(performance.now() - beganAtMs).toBeGreaterThan(900);
  });

  it('reads nothing for an unknown hash', async () => {
    const { issuers, reads } = issuersOf([makeCa(1)]);
    expect(await issuers.find(null, null)).toBeNull();
    expect(reads()).toBe(0);
  });

  it('knows a new authority the first time that it is asked for', async () => {
    const cas = [makeCa(1)];
    const { issuers } = issuersOf(cas);
    expect(await issuers.find('sha1 a b', null)).toBeNull();
    const added = makeCa(2);
    cas.push(added);
    expect(await issuers.find(idOf(added), null)).toMatchObject({ authorityId: 2 });
  });
});
