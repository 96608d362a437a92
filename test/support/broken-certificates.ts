import * as der from '../../src/pki/der/writer.js';
import * as extensions from '../../src/pki/extensions.js';
import type { LintIssuer } from '../../src/pki/lint/lint.js';
import { encodeSubject } from '../../src/pki/names.js';
import { signatureAlgorithmOf } from '../../src/pki/sign.js';
import {
  begin,
  bits,
  ca,
  changed,
  cn,
  constrained,
  constraints,
  dns,
  generalized,
  issuer,
  issuerDer,
  keyIdentifier,
  leaf,
  limits,
  noPath,
  ofCa,
  ofLeaf,
  oidOf,
  publicTls,
  raw,
  rsaIssuer,
  rsaSpkiDer,
  san,
  serverAuth,
  spkiDer,
  subject,
  time,
  twice,
  utc,
  withoutIn,
  write,
} from './tbs-certificates.js';

const rsaAlgorithm = signatureAlgorithmOf({ keyType: 'rsa' }).algorithmDer;
const policy = der.sequence(der.oid('1.2.3'));
const longLabel = `${'a'.repeat(64)}.example`;
const longName = `${`${'a'.repeat(60)}.`.repeat(5)}example`;

/** Certificates that break a rule, by its name; besides this rule they may break others. */
export const brokenCertificates: Record<string, readonly (Buffer | readonly [Buffer, LintIssuer])[]> = {
  'certificate-structure': [
    Buffer.alloc(0),
    Buffer.from('3000', 'hex'),
    Buffer.concat([leaf({}), Buffer.from([0])]),
    leaf({ serial: Buffer.from('02020041', 'hex') }),
    leaf({ spki: Buffer.concat([Buffer.from([0x30, 0x81, spkiDer.length - 2]), spkiDer.subarray(2)]) }),
    leaf({ algorithm: der.sequence(der.oid('1.2.840.10045.4.3.2'), Buffer.from('0101ff', 'hex').fill(1, 2)) }),
  ],
  'version-3': [leaf({ version: Buffer.alloc(0) }), leaf({ version: der.explicit(0, der.integer(1)) })],
  'serial-positive': [
    leaf({ serial: der.integer(0) }),
    leaf({ serial: Buffer.from('0209ff00000000000000ff', 'hex').fill(0x80, 2, 3) }),
  ],
  'serial-at-most-20-octets': [
    leaf({ serial: der.integer(Buffer.alloc(21, 0x41)) }),
    leaf({ serial: der.integer(Buffer.alloc(20, 0x81)) }),
  ],
  'serial-at-least-64-bits': [leaf({ serial: der.integer(7) }), leaf({ serial: der.integer(Buffer.alloc(7, 0x41)) })],
  'same-signature-algorithm': [leaf({ algorithm: rsaAlgorithm })],
  'signature-algorithm-parameters': [
    [leaf({ algorithm: rsaIssuer.signatureAlgorithm }), rsaIssuer],
    leaf({ algorithm: der.sequence(der.oid('1.2.840.10045.4.3.2'), der.nullValue()) }),
    leaf({ algorithm: der.sequence(der.oid('1.3.101.112'), der.nullValue()) }),
  ],
  'key-parameters': [
    leaf({ spki: der.sequence(der.sequence(der.oid('1.2.840.113549.1.1.1')), der.bitString(Buffer.alloc(3))) }),
    leaf({
      spki: der.sequence(der.sequence(der.oid('1.2.840.10045.2.1'), der.nullValue()), der.bitString(Buffer.alloc(3))),
    }),
    leaf({
      spki: der.sequence(der.sequence(der.oid('1.3.101.112'), der.nullValue()), der.bitString(Buffer.alloc(32))),
    }),
  ],
  'no-unique-identifiers': [
    leaf({ after: der.implicit(1, Buffer.from([0, 1])) }),
    leaf({ after: der.implicit(2, Buffer.from([0, 1])) }),
  ],
  'time-form': [
    time(begin, utc('2604010000Z')),
    time(begin, utc('260401000000+0100')),
    time(begin, generalized('20260401000000Z')),
    time(begin, generalized('20500401000000.5Z')),
    time(begin, utc('261301000000Z')),
  ],
  'validity-order': [time(begin, begin), time(begin, utc('251231235959Z')), time(begin, utc('x'))],
  'validity-within-issuer': [time(begin, utc('350101000001Z')), time(utc('241231235959Z'), utc('300101000000Z'))],
  'extensions-distinct': [write([...ofLeaf, extensions.basicConstraints(false)])],
  'no-encoded-defaults': [
    write([...ofLeaf, der.sequence(der.oid('1.2.3.4'), der.boolean(false), der.octetString(der.nullValue()))]),
    leaf({}, raw(oidOf.basicConstraints, der.sequence(der.boolean(false)), true)),
  ],
  'extension-syntax': [
    leaf({}, raw(oidOf.keyUsage, Buffer.from('03020781', 'hex'), true)),
    leaf({}, raw(oidOf.extendedKeyUsage, der.sequence(der.integer(1)))),
    leaf({}, raw(oidOf.subjectAltName, der.sequence(der.integer(1)))),
    leaf({}, raw(oidOf.subjectKeyIdentifier, Buffer.from('0481020102', 'hex'))),
    leaf({}, raw(oidOf.noRevAvail, der.integer(1))),
    ca({}, raw(oidOf.nameConstraints, der.sequence(), true)),
    ca(
      {},
      raw(
        oidOf.nameConstraints,
        der.sequence(der.explicit(0, der.sequence(dns('a.example'), der.implicit(0, Buffer.from([0]))))),
        true,
      ),
    ),
    ca(
      {},
      raw(
        oidOf.nameConstraints,
        der.sequence(der.explicit(0, der.sequence(dns('a.example'), der.implicit(1, Buffer.from([5]))))),
        true,
      ),
    ),
    ca({}, raw(oidOf.policyMappings, der.sequence(der.sequence(der.oid('2.5.29.32.0'), der.oid('1.2.3'))))),
  ],
  'private-extension-der': [Buffer.from('no DER'), Buffer.alloc(0)].map((value) => leaf({}, raw('1.2.3.4', value))),
  'issuer-not-empty': [leaf({ issuer: der.sequence() })],
  'issuer-is-subject-of-ca': [leaf({ issuer: encodeSubject({ commonName: 'Issuing ca', country: 'CH' }) })],
  'ca-has-subject': [ca({ subject: der.sequence() })],
  'subject-in-der': [subject(cn, der.tlv(0x0c, Buffer.from([0xff]))), subject(cn, der.tlv(0x13, Buffer.from('a_b')))],
  'subject-parts': [leaf({ subject: der.sequence(der.tlv(0x31)) })],
  'subject-single-valued-parts': [
    leaf({
      subject: der.sequence(
        der.setOf(
          der.sequence(der.oid(cn), der.utf8String('a')),
          der.sequence(der.oid('2.5.4.10'), der.utf8String('b')),
        ),
      ),
    }),
  ],
  'subject-string-types': [subject(cn, der.bmpString('a')), subject('2.5.4.6', der.utf8String('CH'))],
  'subject-lengths': [subject(cn, der.utf8String('a'.repeat(65))), subject(cn, der.utf8String(''))],
  'subject-country': [subject('2.5.4.6', der.printableString('ch')), subject('2.5.4.6', der.printableString('CHE'))],
  'subject-spaces': [subject(cn, der.utf8String(' a')), subject(cn, der.utf8String('a '))],
  'subject-control-characters': [subject(cn, der.utf8String('a\0b'))],
  'empty-subject-critical-san': [leaf({ subject: der.sequence() })],
  'san-not-critical-beside-subject': [leaf({}, { ...san(dns('a.example')), critical: true })],
  'san-not-empty': [leaf({}, san())],
  'san-of-known-kind': [
    leaf({}, san(der.explicit(4, issuerDer))),
    leaf({}, san(der.implicit(0, der.oid('1.2.3'), true))),
  ],
  'san-distinct': [leaf({}, twice('a.example'))],
  'san-dns-syntax': [
    ...[
      'a_b.example',
      'a.example.',
      '-a.example',
      'a-.example',
      'a..example',
      '',
      'a*.example',
      '*',
      'w.*.example',
      longLabel,
      longName,
    ],
    ...['bücher.example', 'a b.example', 'a.example\0.b'],
  ].map((text) => leaf({}, san(dns(text)))),
  'san-dns-a-labels': ['xn--a', 'xn--.example', 'xn--zzzz-9999999999.example'].map((text) => leaf({}, san(dns(text)))),
  'san-ip-length': [0, 3, 5, 8, 15, 32].map((octets) => leaf({}, san(der.implicit(7, Buffer.alloc(octets, 1))))),
  'san-email-syntax': ['joe', '@a.example', 'joe@', 'j o@a.example', 'joe@a_b.example', 'jö@a.example'].map((text) =>
    leaf({}, san(der.implicit(1, Buffer.from(text)))),
  ),
  'san-uri-syntax': ['//a.example', 'http:', 'http://a b', 'urn', 'http://ä.example', 'http://a\\b'].map((text) =>
    leaf({}, san(der.implicit(6, Buffer.from(text)))),
  ),
  'san-uri-host': ['spiffe://a/b', 'http://joe@a:80/', 'http:///x'].map((text) =>
    leaf({}, san(der.implicit(6, Buffer.from(text)))),
  ),
  'san-registered-id': [
    leaf({}, san(der.implicit(8, Buffer.from([0x80, 1])))),
    leaf({}, san(der.implicit(8, Buffer.alloc(0)))),
  ],
  'basic-constraints-critical': [ca({}, { ...extensions.basicConstraints(true), critical: false })],
  'ca-may-sign-certificates': [ca({}, extensions.keyUsage(['cRLSign'])), withoutIn(ofCa, oidOf.keyUsage)],
  'signs-certificates-only-as-ca': [leaf({}, extensions.keyUsage(['digitalSignature', 'keyCertSign']))],
  'signs-crls-only-as-ca': [leaf({}, extensions.keyUsage(['digitalSignature', 'cRLSign']))],
  'path-length-only-in-ca': [leaf({}, raw(oidOf.basicConstraints, der.sequence(der.integer(0)), true))],
  'path-length-below-issuer': [
    [ca({}), noPath],
    [ca({}, extensions.basicConstraints(true)), noPath],
    [ca({}, extensions.basicConstraints(true, 2)), { ...issuer, limits: { ...limits, pathLength: 2 } }],
  ],
  'key-usage-not-empty': [leaf({}, bits('00')), leaf({}, bits('0700'))],
  'key-usage-minimal': [leaf({}, bits('0080')), leaf({}, bits('00a000')), leaf({}, bits('0080'))],
  'key-usage-known': [leaf({}, bits('06800040'))],
  'key-usage-critical': [leaf({}, { ...extensions.keyUsage(['digitalSignature']), critical: false })],
  'key-usage-fits-key': [
    leaf({}, extensions.keyUsage(['digitalSignature', 'keyEncipherment'])),
    leaf({ spki: rsaSpkiDer }, extensions.keyUsage(['digitalSignature', 'keyAgreement'])),
  ],
  'key-agreement-only-one-way': [leaf({}, extensions.keyUsage(['digitalSignature', 'encipherOnly']))],
  'extended-key-usage-not-empty': [leaf({}, raw(oidOf.extendedKeyUsage, der.sequence()))],
  'extended-key-usage-distinct': [
    leaf({}, raw(oidOf.extendedKeyUsage, der.sequence(der.oid(serverAuth), der.oid(serverAuth)))),
  ],
  'extended-key-usage-not-critical': [leaf({}, { ...extensions.extendedKeyUsage([serverAuth]), critical: true })],
  'no-any-purpose': [leaf({}, extensions.extendedKeyUsage(['2.5.29.37.0']))],
  'usages-consistent': [leaf({}, extensions.keyUsage(['nonRepudiation']))],
  'authority-key-identifier': [
    withoutIn(ofLeaf, oidOf.authorityKeyIdentifier),
    leaf({}, extensions.authorityKeyIdentifier(Buffer.alloc(20, 1))),
    leaf({}, raw(oidOf.authorityKeyIdentifier, der.sequence())),
  ],
  'authority-key-identifier-alone': [
    leaf(
      {},
      raw(
        oidOf.authorityKeyIdentifier,
        der.sequence(der.implicit(0, keyIdentifier), der.implicit(2, Buffer.from([1]))),
      ),
    ),
  ],
  'subject-key-identifier': [
    withoutIn(ofLeaf, oidOf.subjectKeyIdentifier),
    withoutIn(ofCa, oidOf.subjectKeyIdentifier),
  ],
  'never-critical': ofLeaf
    .filter(({ oid }) =>
      [
        oidOf.authorityKeyIdentifier,
        oidOf.subjectKeyIdentifier,
        oidOf.crlDistributionPoints,
        oidOf.authorityInfoAccess,
      ].includes(oid as never),
    )
    .map((one) => leaf({}, { ...one, critical: true })),
  'always-critical': [ca({}, { ...constraints, critical: false }), ca({}, raw(oidOf.inhibitAnyPolicy, der.integer(0)))],
  'only-in-ca': [
    leaf({}, constraints),
    leaf({}, raw(oidOf.policyConstraints, der.sequence(der.implicit(0, Buffer.from([0]))), true)),
  ],
  'names-within-constraints': [[leaf({}, san(dns('www.example.org'))), constrained]],
  'policies-distinct': [
    leaf({}, extensions.certificatePolicies([])),
    leaf({}, raw(oidOf.certificatePolicies, der.sequence(policy, policy))),
  ],
  'crl-distribution-points': [
    leaf({}, raw(oidOf.crlDistributionPoints, der.sequence())),
    leaf({}, raw(oidOf.crlDistributionPoints, der.sequence(der.sequence()))),
    leaf({}, extensions.crlDistributionPoints(['ftp://a.example'])),
  ],
  'authority-information-access': [
    leaf({}, extensions.authorityInfoAccess({})),
    leaf({}, extensions.authorityInfoAccess({ ocsp: ['mailto:a@b'] })),
  ],
  'addresses-http': [
    leaf({}, extensions.crlDistributionPoints(['https://a.example'])),
    leaf({}, extensions.authorityInfoAccess({ ocsp: ['https://a.example'] })),
  ],
  'no-revocation-without-addresses': [
    leaf({}, extensions.noRevAvail()),
    write([...changed(ofLeaf, [extensions.noRevAvail()]).filter(({ oid }) => oid !== oidOf.crlDistributionPoints)]),
    ca({}, extensions.noRevAvail()),
  ],
  'ocsp-responder-not-checked': [
    leaf({}, extensions.ocspNoCheck()),
    leaf({}, extensions.extendedKeyUsage(['1.3.6.1.5.5.7.3.9'])),
  ],
  'tls-has-san': [withoutIn(ofLeaf, oidOf.subjectAltName), leaf({}, san(der.implicit(1, Buffer.from('a@b.example'))))],
  'tls-san-kinds': [[leaf({}, san(dns('a.example'), der.implicit(1, Buffer.from('a@b.example')))), publicTls]],
  'tls-san-not-critical': [[leaf({}, { ...san(dns('www.example.com')), critical: true }), publicTls]],
  'tls-common-name-in-san': [[leaf({}, san(dns('example.com'))), publicTls]],
  'tls-wildcard-below-registry': [[leaf({}, san(dns('*.com'))), publicTls]],
  'tls-key-usage-fits-key': [[leaf({}, extensions.keyUsage(['digitalSignature', 'keyEncipherment'])), publicTls]],
  'tls-purposes': [[leaf({}, extensions.extendedKeyUsage([serverAuth, '1.3.6.1.5.5.7.3.4'])), publicTls]],
};
