import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { asn1Faults } from '../support/dumpasn1.js';
import { type Case, makeCases } from './cases.js';
import { Engines } from './engines.js';
import { kinds } from './kinds.js';
import type { Said } from './programs.js';

/*
 * Hierarchies that our CA has issued, with its CRLs and OCSP answers, judged by OpenSSL, GnuTLS, Java and our own
 * validator. The generator says what the verdict is, and all of them must give it for the reason that it says.
 */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

interface Difference {
  engine: 'openssl' | 'gnutls' | 'java' | 'ours';
  says: Said;
  kinds: readonly string[];
}

/** Where a validator is known to say something else; it must go on to say so. */
const differences: Readonly<Record<string, Difference>> = {
  'GnuTLS looks at no policies': {
    engine: 'gnutls',
    says: 'good',
    kinds: ['a leaf with another policy', 'a leaf without a policy', 'a CA with another policy'],
  },
  'certtool goes without a CRL that it cannot use': {
    engine: 'gnutls',
    says: 'good',
    kinds: ['a CRL that is out of date', 'no CRL', 'a CRL that another key has signed'],
  },
  'GnuTLS compares no subjects with name constraints': {
    engine: 'gnutls',
    says: 'good',
    kinds: ['a subject that is not permitted'],
  },
  'GnuTLS has one message for all constraints of an issuer': {
    engine: 'gnutls',
    says: 'name constraints',
    kinds: ['a path length that is exceeded', 'an issuer that is no CA', 'an issuer that must not sign certificates'],
  },
  'GnuTLS reads no delta CRLs': {
    engine: 'gnutls',
    says: 'revoked',
    kinds: ['a leaf that a delta CRL releases from a hold'],
  },
  'Java reads no delta CRLs': {
    engine: 'java',
    says: 'revoked',
    kinds: ['a leaf that a delta CRL releases from a hold'],
  },
  'We name the fault of the nearest issuer, which has the right name and the wrong key': {
    engine: 'ours',
    says: 'signature',
    kinds: ['another root of the same name'],
  },
};

let engines: Engines;
let cases: Case[];
let byJava: Map<Case, { crl: Said; ocsp: Said }>;
beforeAll(async () => {
  engines = new Engines();
  cases = await makeCases(20260301);
  const said = await engines.java(cases);
  byJava = new Map(cases.map((one, at) => [one, said[at] ?? { crl: '? nothing', ocsp: '? nothing' }]));
});
afterAll(() => engines.close());

/** The verdicts by CRL, that of Java by OCSP, and the statuses that are read from OCSP answers. */
function expectedOf({ kind, verdict, path }: Case): object {
  const said: Record<Difference['engine'], Said> = { openssl: verdict, gnutls: verdict, java: verdict, ours: verdict };
  for (const { engine, says, kinds: where } of Object.values(differences))
    if (where.includes(kind)) said[engine] = says;
  const statuses = path.map(({ ocsp, status }) => (ocsp === null ? 'none' : status));
  // Only the CRL has a fault.
  const javaByOcsp = verdict === 'status unknown' ? 'good' : verdict;
  return { ...said, javaByOcsp, ocsp: { openssl: statuses, gnutls: statuses, ours: statuses } };
}

describe('OpenSSL, GnuTLS, Java and we agree', () => {
  it('where the table of differences does not say otherwise, of kinds that there are', () => {
    const named = Object.values(differences).flatMap((one) => one.kinds);
    expect(Object.keys(kinds)).toEqual(expect.arrayContaining(named));
  });

  it('on at least 200 hierarchies of 1 to 4 CAs, with every type of key', () => {
    expect(cases.length).toBeGreaterThanOrEqual(200);
    expect(new Set(cases.map(({ path }) => path.length))).toEqual(new Set([1, 2, 3, 4]));
    const types = (depth: number) => new Set(cases.map(({ path }) => path.at(depth)?.certificate.keyType));
    for (const depth of [0, 1, 2])
      expect([...types(depth)]).toEqual(
        expect.arrayContaining(['ECCPRIME256V1', 'ECCSECP384R1', 'ECCSECP521R1', 'RSA2048', 'ED25519']),
      );
    expect(cases.map(({ anchors }) => anchors[0]?.keyType)).toEqual(expect.arrayContaining(['RSA3072', 'RSA4096']));
  });

  it.each(Object.keys(kinds))('on %s', async (kind) => {
    const ofKind = cases.filter((one) => one.kind === kind);
    const said = ofKind.map(async (one) => {
      const java = byJava.get(one);
      return [one.name, { ...(await engines.judge(one)), java: java?.crl, javaByOcsp: java?.ocsp }] as const;
    });
    expect(Object.fromEntries(await Promise.all(said))).toEqual(
      Object.fromEntries(ofKind.map((one) => [one.name, expectedOf(one)])),
    );
  });
});

describe('dumpasn1', () => {
  it('finds no fault in certificates, CRLs and OCSP answers of each kind', async () => {
    const objects = new Map<string, Buffer>();
    for (const kind of Object.keys(kinds)) {
      const one = cases.findLast((each) => each.kind === kind);
      if (!one) throw new Error(`There is no case of the kind "${kind}"`);
      const certificates = [...one.anchors, ...one.intermediates, one.leaf];
      for (const [at, { der }] of certificates.entries()) objects.set(`${one.name}: certificate ${at}`, der);
      for (const { url, der } of one.crls) objects.set(`${one.name}: ${url}`, der);
      for (const [at, { ocsp }] of one.path.entries())
        for (const [idHash, answer] of Object.entries(ocsp ?? {})) objects.set(`${one.name}: ${idHash} ${at}`, answer);
    }
    expect(objects.size).toBeGreaterThan(400);
    expect(await asn1Faults(objects)).toEqual({});
  });
});
