import { describe, expect, it } from 'vitest';
import * as der from '../der/writer.js';
import { authorityKeyIdentifier, encodeExtension, ExtensionOid as oidOf } from '../extensions.js';
import { encodeSubject } from '../names.js';
import { signatureAlgorithmOf } from '../sign.js';
import { type CrlIssuer, crlLints, demandCleanCrl, lintCrl } from './lint-crl.js';

const keyIdentifier = Buffer.alloc(20, 7);
const issuer: CrlIssuer = {
  issuerDer: encodeSubject({ commonName: 'CA' }),
  issuerKeyIdentifier: keyIdentifier,
  signatureAlgorithm: signatureAlgorithmOf({ keyType: 'ec', namedCurve: 'prime256v1' }).algorithmDer,
};
const utc = (text: string) => der.tlv(0x17, Buffer.from(text));
const raw = (oid: string, valueDer: Buffer, critical = false) => encodeExtension({ oid, critical, valueDer });
const reason = (code: number, critical = false) => raw(oidOf.reasonCode, der.tlv(0x0a, Buffer.from([code])), critical);
const invalid = (time: Buffer) => raw(oidOf.invalidityDate, time);
const entry = (serial: Buffer, time = utc('261001000000Z'), ...extensions: Buffer[]) =>
  der.sequence(serial, time, ...(extensions.length > 0 ? [der.sequence(...extensions)] : []));
const serial = der.integer(Buffer.alloc(16, 0x41));
const key = encodeExtension(authorityKeyIdentifier(keyIdentifier));
const number = raw(oidOf.crlNumber, der.integer(7));
const base = (of: number, critical = true) => raw(oidOf.deltaCrlIndicator, der.integer(of), critical);
const point = der.sequence(der.explicit(0, der.explicit(0, der.implicit(6, Buffer.from('http://a.example')))));
const freshest = (critical = false) => raw(oidOf.freshestCrl, der.sequence(point), critical);

type Parts = Record<'version' | 'algorithm' | 'issuer' | 'thisUpdate' | 'nextUpdate' | 'entries', Buffer>;
const crl = (parts: Partial<Parts> = {}, ...extensions: Buffer[]) =>
  der.sequence(
    parts.version ?? der.integer(1),
    parts.algorithm ?? issuer.signatureAlgorithm,
    parts.issuer ?? issuer.issuerDer,
    parts.thisUpdate ?? utc('261101000000Z'),
    parts.nextUpdate ?? utc('261108000000Z'),
    parts.entries ?? Buffer.alloc(0),
    der.explicit(0, der.sequence(...(extensions.length > 0 ? extensions : [key, number]))),
  );
const nothing = Buffer.alloc(0);
const withEntry = (...entries: Buffer[]) => crl({ entries: der.sequence(...entries) });
const found = (tbs: Buffer) => lintCrl(tbs, issuer, { entries: true }).map(({ name }) => name);

const broken: Record<string, readonly Buffer[]> = {
  'crl-structure': [
    nothing,
    crl({}, key, raw(oidOf.crlNumber, Buffer.from('02020007', 'hex'))),
    withEntry(der.integer(1)),
  ],
  'crl-version-2': [crl({ version: nothing }), crl({ version: der.integer(0) })],
  'crl-same-signature-algorithm': [crl({ algorithm: signatureAlgorithmOf({ keyType: 'rsa' }).algorithmDer })],
  'crl-issuer-is-subject-of-ca': [crl({ issuer: encodeSubject({ commonName: 'ca' }) })],
  'crl-time-form': [
    crl({ thisUpdate: utc('2611010000Z') }),
    crl({ nextUpdate: der.tlv(0x18, Buffer.from('20261108000000Z')) }),
  ],
  'crl-next-update': [crl({ nextUpdate: nothing }), crl({ nextUpdate: utc('261101000000Z') })],
  'crl-no-empty-list': [withEntry()],
  'crl-extensions-distinct': [crl({}, key, number, number)],
  'crl-authority-key-identifier': [
    crl({}, number),
    crl({}, number, encodeExtension(authorityKeyIdentifier(Buffer.alloc(20, 8)))),
    crl({}, number, encodeExtension({ ...authorityKeyIdentifier(keyIdentifier), critical: true })),
  ],
  'crl-number': [
    crl({}, key),
    crl({}, key, raw(oidOf.crlNumber, der.integer(7), true)),
    crl({}, key, raw(oidOf.crlNumber, der.integer(Buffer.alloc(21, 1)))),
    crl({}, key, raw(oidOf.crlNumber, Buffer.from('0201ff', 'hex'))),
  ],
  'delta-crl-indicator': [
    crl({}, key, number, base(6, false)),
    crl({}, key, number, base(8)),
    crl({}, key, number, base(6), freshest()),
  ],
  'issuing-distribution-point-critical': [
    crl({}, key, number, raw(oidOf.issuingDistributionPoint, point)),
    crl({}, key, number, raw(oidOf.issuingDistributionPoint, der.sequence(), true)),
  ],
  'freshest-crl-not-critical': [crl({}, key, number, freshest(true))],
  'entry-serial': [der.tlv(0x02, Buffer.from([0x80])), der.integer(Buffer.alloc(21, 1))].map((one) =>
    withEntry(entry(one)),
  ),
  'entry-time': [utc('261101000001Z'), utc('2610010000Z')].map((time) => withEntry(entry(serial, time))),
  'entry-extensions': [
    withEntry(entry(serial, undefined, reason(1, true))),
    withEntry(entry(serial, undefined, reason(1), reason(4))),
    withEntry(der.sequence(serial, utc('261001000000Z'), der.sequence())),
  ],
  'entry-reason': [0, 7, 8, 11].map((code) => withEntry(entry(serial, undefined, reason(code)))),
  'entry-invalidity-date': [withEntry(entry(serial, undefined, invalid(utc('260901000000Z'))))],
  'entries-distinct': [withEntry(entry(serial), entry(serial))],
};

describe('the lint of a CRL', () => {
  it.each([
    ['without entries', crl()],
    [
      'with entries',
      withEntry(entry(serial, undefined, reason(1), invalid(der.generalizedTime(new Date(0)))), entry(der.integer(9))),
    ],
    ['of a shard', crl({}, key, number, raw(oidOf.issuingDistributionPoint, point, true), freshest())],
    ['that is a delta', crl({ entries: der.sequence(entry(serial, undefined, reason(8))) }, key, number, base(6))],
  ])('finds nothing in one %s', (_, tbs) => {
    expect(found(tbs)).toEqual([]);
  });

  it.each(Object.entries(broken))('has the rule %s', (rule, crls) => {
    for (const tbs of crls) expect(found(tbs), tbs.toString('hex')).toContain(rule);
  });

  it('has a broken CRL for each of its rules', () => {
    expect(Object.keys(broken).sort()).toEqual(crlLints.map(({ name }) => name).sort());
  });

  it('refuses all faults at once, and reads no entries when it does not have to', () => {
    expect(() => demandCleanCrl(crl({ version: nothing }, key), issuer)).toThrow(/crl-version-2 .*crl-number /);
    expect(() => demandCleanCrl(withEntry(entry(serial), entry(serial)), issuer)).not.toThrow();
  });
});
