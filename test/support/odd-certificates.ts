import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as der from '../../src/pki/der/writer.js';
import { toPem } from '../../src/pki/pem.js';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const ecdsaSha256 = der.sequence(der.oid('1.2.840.10045.4.3.2'));
const plainSpki = publicKey.export({ format: 'der', type: 'spki' });
/** Text that no compression makes shorter. */
const noise = (characters: number): string => randomBytes(characters).toString('hex').slice(0, characters);

/** What of a certificate is odd; the rest is as usual. All in DER or BER. */
interface Parts {
  version: Buffer;
  serial: Buffer;
  innerAlgorithm: Buffer;
  algorithm: Buffer;
  issuer: Buffer;
  notBefore: Buffer;
  notAfter: Buffer;
  subject: Buffer;
  spki: Buffer;
  uniqueIds: Buffer[];
  extensions: Buffer[];
}

export const attribute = (oid: string, value: Buffer): Buffer => der.setOf(der.sequence(der.oid(oid), value));
const cn = (value: Buffer): Buffer => attribute('2.5.4.3', value);
const utf8 = (text: string): Buffer => der.utf8String(text);
const ofText = (tag: number, text: string): Buffer => der.tlv(tag, Buffer.from(text, 'latin1'));
const extension = (oid: string, value: Buffer, ...critical: Buffer[]): Buffer =>
  der.sequence(der.oid(oid), ...critical, der.octetString(value));
const san = (...names: Buffer[]): Buffer => extension('2.5.29.17', der.sequence(...names));
const dns = (octets: Buffer | string): Buffer => der.implicit(2, Buffer.from(octets));

/** A certificate whose signature is by its own key unless `algorithm` says something else. */
export function madeOf(parts: Partial<Parts>): Buffer {
  const name = der.sequence(cn(utf8(`odd-${noise(12)}.example.com`)));
  const { extensions = [], algorithm = ecdsaSha256, subject = name } = parts;
  const tbs = der.sequence(
    parts.version ?? der.explicit(0, der.integer(2)),
    parts.serial ?? der.integer(randomBytes(9)),
    parts.innerAlgorithm ?? algorithm,
    parts.issuer ?? subject,
    der.sequence(parts.notBefore ?? ofText(0x17, '250101000000Z'), parts.notAfter ?? ofText(0x17, '491231235959Z')),
    subject,
    parts.spki ?? plainSpki,
    ...(parts.uniqueIds ?? []),
    ...(extensions.length > 0 ? [der.explicit(3, der.sequence(...extensions))] : []),
  );
  return der.sequence(tbs, algorithm, der.bitString(sign('sha256', tbs, privateKey)));
}

const spki = (oid: string, parameters: Buffer[], key: Buffer): Buffer =>
  der.sequence(der.sequence(der.oid(oid), ...parameters), der.bitString(key));
const generated = (type: 'dsa' | 'ed448' | 'x25519'): Buffer =>
  (type === 'dsa'
    ? generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 })
    : generateKeyPairSync(type as 'ed448')
  ).publicKey.export({ format: 'der', type: 'spki' });
const onCurve = (namedCurve: string): Buffer =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'der', type: 'spki' });

/** Lengths in more octets than needed. */
const padded = (tag: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([tag, 0x84, 0, 0, content.length >> 8, content.length & 0xff]), content]);
const indefinite = (tag: number, ...content: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([tag, 0x80]), ...content, Buffer.alloc(2)]);
const contentOf = (element: Buffer): Buffer => {
  const octets = (element[1] ?? 0) < 0x80 ? 0 : (element[1] ?? 0) & 0x7f;
  return element.subarray(2 + octets);
};

/** Kinds of certificates that nobody should make and that OpenSSL reads; each is made anew. */
export const oddCertificates: Readonly<Record<string, () => Buffer>> = {
  'a negative serial number': () => madeOf({ serial: der.tlv(2, Buffer.from([0xfb])) }),
  'the serial number 0': () => madeOf({ serial: der.integer(0) }),
  'a serial number of 3,000 octets': () => madeOf({ serial: der.tlv(2, Buffer.from([1]), randomBytes(2999)) }),
  'the version 6': () => madeOf({ version: der.explicit(0, der.integer(5)) }),
  'no version, but extensions': () => madeOf({ version: Buffer.alloc(0), extensions: [san(dns('v1.example.com'))] }),
  'two signature algorithms': () => madeOf({ innerAlgorithm: der.sequence(der.oid('1.2.840.10045.4.3.3')) }),
  'an unknown signature algorithm': () => madeOf({ algorithm: der.sequence(der.oid('1.2.3.4.5.6')) }),
  'a signature by SM2': () => madeOf({ algorithm: der.sequence(der.oid('1.2.156.10197.1.501')) }),
  'unreadable PSS parameters': () =>
    madeOf({
      algorithm: der.sequence(der.oid('1.2.840.113549.1.1.10'), der.sequence(der.explicit(0, der.integer(1)))),
    }),
  'unique identifiers': () =>
    madeOf({ uniqueIds: [der.implicit(1, Buffer.from([0, 1])), der.implicit(2, Buffer.from([0, 2]))] }),

  'the country USA': () => madeOf({ subject: der.sequence(attribute('2.5.4.6', der.printableString('USA'))) }),
  'a common name of 65 characters': () => madeOf({ subject: der.sequence(cn(utf8('a'.repeat(65)))) }),
  'a common name of 12,000 characters': () => madeOf({ subject: der.sequence(cn(utf8(noise(12_000)))) }),
  'an organization of 65 characters': () =>
    madeOf({ subject: der.sequence(attribute('2.5.4.10', utf8('o'.repeat(65))), cn(utf8(noise(8)))) }),
  'a newline and a tab in a name': () => madeOf({ subject: der.sequence(cn(utf8(`a\r\nb\tc${noise(8)}`))) }),
  'NUL and a turned direction in a name': () =>
    madeOf({ subject: der.sequence(cn(utf8(`victim.example\0.a\u202egpj.example`))) }),
  'an empty attribute': () => madeOf({ subject: der.sequence(attribute('2.5.4.11', utf8('')), cn(utf8(noise(8)))) }),
  'an empty set': () => madeOf({ subject: der.sequence(der.setOf(), cn(utf8(noise(8)))) }),
  'an empty name': () => madeOf({ subject: der.sequence() }),
  'half a character': () => madeOf({ subject: der.sequence(cn(der.tlv(0x1e, Buffer.from([0, 97, 0xd8, 1, 0])))) }),
  'octets that are no UTF-8': () =>
    madeOf({ subject: der.sequence(cn(der.tlv(0x0c, Buffer.from([0xff, 0xfe, 0xc3])))) }),
  'characters beyond Unicode': () =>
    madeOf({ subject: der.sequence(cn(der.tlv(0x1c, Buffer.from([0x7f, 0, 0, 1, 0, 0, 0xd8, 0])))) }),
  'Latin-1 in a PrintableString': () => madeOf({ subject: der.sequence(cn(ofText(0x13, 'M\xfcller & S\xf6hne'))) }),
  'an attribute that is a sequence': () => madeOf({ subject: der.sequence(cn(der.sequence(utf8(noise(8))))) }),
  'an issuer of 9,000 characters': () =>
    madeOf({ issuer: der.sequence(cn(utf8(`i${noise(9000)}`)), attribute('2.5.4.10', utf8(noise(9000)))) }),

  'a name of 3,000 characters': () => madeOf({ extensions: [san(dns(`${noise(3000)}.example.com`))] }),
  'two names that begin alike': () => {
    const start = noise(2990);
    return madeOf({ extensions: [san(dns(`${start}.a.example`), dns(`${start}.b.example`))] });
  },
  'UTF-8 in a DNS name': () => madeOf({ extensions: [san(dns('b\u00fccher.example'))] }),
  'Latin-1 in all names': () =>
    madeOf({ extensions: [san(...[1, 2, 6].map((tag) => der.implicit(tag, Buffer.from('b\xfc:x@b\xfc', 'latin1'))))] }),
  'names of every kind': () =>
    madeOf({
      extensions: [
        san(
          der.explicit(0, der.oid('1.3.6.1.4.1.311.20.2.3'), der.explicit(0, utf8('joe@example.com'))),
          der.explicit(3, der.sequence()),
          der.explicit(4, der.sequence(cn(utf8('Joe')), attribute('2.5.4.10', utf8('Example')))),
          der.explicit(5, der.explicit(1, utf8('party'))),
          der.implicit(7, Buffer.from([10, 0, 0, 0, 255, 0, 0, 0])),
          der.implicit(7, Buffer.from([1, 2, 3])),
          der.implicit(8, Buffer.from([42, 3, 4])),
        ),
      ],
    }),

  'the year 0': () => madeOf({ notBefore: ofText(0x18, '00000101000000Z'), notAfter: ofText(0x18, '00001231235959Z') }),
  'the year 9999': () => madeOf({ notAfter: ofText(0x18, '99991231235959Z') }),
  'an end before its beginning': () => madeOf({ notAfter: ofText(0x17, '240101000000Z') }),
  'times without seconds': () =>
    madeOf({ notBefore: ofText(0x17, '2501010000Z'), notAfter: ofText(0x18, '203001010000Z') }),
  'times with offsets and fractions': () =>
    madeOf({ notBefore: ofText(0x17, '250101000000+0100'), notAfter: ofText(0x18, '20300101000000.5-0800') }),
  'times that are none': () =>
    madeOf({ notBefore: ofText(0x17, 'yesterday'), notAfter: ofText(0x18, '20251345999999Z') }),

  'an extension that stands twice': () =>
    madeOf({
      extensions: [
        san(dns('one.example.com')),
        san(dns('two.example.com')),
        extension('1.2.3', utf8('a')),
        extension('1.2.3', utf8('b')),
      ],
    }),
  'malformed extensions': () =>
    madeOf({
      extensions: ['14', '15', '17', '19', '35', '37'].map((n) => extension(`2.5.29.${n}`, Buffer.from('00ff', 'hex'))),
    }),
  'a true of 1': () => madeOf({ extensions: [extension('2.5.29.19', der.sequence(), der.tlv(1, Buffer.from([1])))] }),

  'an indefinite length': () => indefinite(0x30, contentOf(madeOf({ extensions: [san(dns('ber.example.com'))] }))),
  'padded lengths': () => padded(0x30, contentOf(madeOf({}))),
  'strings in pieces': () =>
    madeOf({
      subject: der.sequence(cn(indefinite(0x2c, utf8('in.'), utf8('pieces.example.com')))),
      extensions: [
        der.sequence(
          der.oid('2.5.29.17'),
          indefinite(
            0x24,
            ...[0, 3].map((at) =>
              der.octetString(der.sequence(dns('p.example.com')).subarray(...(at === 0 ? [0, 3] : [3]))),
            ),
          ),
        ),
      ],
    }),
  'octets behind it': () => Buffer.concat([madeOf({}), Buffer.from('trailing')]),

  'a DSA key': () => madeOf({ spki: generated('dsa') }),
  'an Ed448 key': () => madeOf({ spki: generated('ed448') }),
  'an X25519 key': () => madeOf({ spki: generated('x25519') }),
  'a key on a brainpool curve': () => madeOf({ spki: onCurve('brainpoolP384r1') }),
  'a key of no known algorithm': () => madeOf({ spki: spki('1.2.3.4', [], randomBytes(300)) }),
  'an RSA key that is none': () => madeOf({ spki: spki('1.2.840.113549.1.1.1', [der.nullValue()], randomBytes(30)) }),
  'an EC key on no curve': () => madeOf({ spki: spki('1.2.840.10045.2.1', [der.nullValue()], randomBytes(65)) }),
};

/** Kinds that are read here and not by OpenSSL. */
export const beyondOpenssl: ReadonlySet<string> = new Set([
  'half a character',
  'octets that are no UTF-8',
  'characters beyond Unicode',
  'octets behind it',
]);

/** A stored sample, PEM. */
export function realWorld(name: string): string {
  return readFileSync(join(__dirname, 'real-world', name), 'utf8');
}

/** Each kind with a certificate of it, PEM. */
export function oneOfEach(): [kind: string, pem: string][] {
  const made = Object.entries(oddCertificates).map(([kind, make]) => [kind, toPem('CERTIFICATE', make())] as const);
  const stored = ['country-three-letters', 'san-3000-characters', 'rsa-pss-2048', 'pss-mgf1-sha1', 'p256-named'];
  return [...made, ...stored.map((name) => [name, realWorld(`${name}.cert.pem`)] as const)].map(([kind, pem]) => [
    kind,
    pem,
  ]);
}
