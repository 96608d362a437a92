import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as der from '../der/writer.js';
import { encodeExtension } from '../extensions.js';
import { generatePrivateKey, publicKeyBitsOf, spkiOf } from '../key.js';
import { encodeNonce, OcspOid } from '../ocsp-request.js';
import { ocspWriter } from '../ocsp-response.js';
import { signatureAlgorithmOf } from '../sign.js';
import { demandCleanOcsp, lintOcsp, type OcspAsked, ocspLints } from './lint-ocsp.js';

const keyHash = Buffer.alloc(20, 7);
const nonce = Buffer.alloc(16, 9);
const certId = (serial: number): Buffer =>
  der.sequence(
    der.sequence(der.oid('1.3.14.3.2.26')),
    der.octetString(keyHash),
    der.octetString(keyHash),
    der.integer(serial),
  );
const asked: OcspAsked = { certIds: [certId(1)], nonce: null, keyHash };
const time = (text: string): Buffer => der.tlv(0x18, Buffer.from(text));
const at = time('20261101000000Z');
const next = time('20261108000000Z');
const good = der.implicit(0, Buffer.alloc(0));
const revoked = (when: Buffer, reason?: number): Buffer => {
  const code = reason === undefined ? [] : [der.explicit(0, der.tlv(0x0a, Buffer.from([reason])))];
  return der.implicit(1, Buffer.concat([when, ...code]), true);
};
const raw = (oid: string, valueDer: Buffer, critical = false): Buffer => encodeExtension({ oid, critical, valueDer });
const cutoff = (when: Buffer, critical = false): Buffer => raw(OcspOid.archiveCutoff, when, critical);

interface Parts {
  id?: Buffer;
  status?: Buffer;
  thisUpdate?: Buffer;
  nextUpdate?: Buffer | null;
  single?: readonly Buffer[];
}
const single = ({
  id = certId(1),
  status = good,
  thisUpdate = at,
  nextUpdate = next,
  single = [],
}: Parts = {}): Buffer =>
  der.sequence(
    id,
    status,
    thisUpdate,
    ...(nextUpdate === null ? [] : [der.explicit(0, nextUpdate)]),
    ...(single.length > 0 ? [der.explicit(1, der.sequence(...single))] : []),
  );
interface Whole {
  version?: Buffer;
  responder?: Buffer;
  producedAt?: Buffer;
  responses?: readonly Buffer[];
  extensions?: readonly Buffer[];
}
const response = ({
  version,
  responder,
  producedAt = at,
  responses = [single()],
  extensions = [],
}: Whole = {}): Buffer =>
  der.sequence(
    ...(version ? [der.explicit(0, version)] : []),
    responder ?? der.explicit(2, der.octetString(keyHash)),
    producedAt,
    der.sequence(...responses),
    ...(extensions.length > 0 ? [der.explicit(1, der.sequence(...extensions))] : []),
  );
const one = (parts: Parts): Buffer => response({ responses: [single(parts)] });
const found = (tbs: Buffer, by: OcspAsked = asked): string[] => lintOcsp(tbs, by).map(({ name }) => name);
const withNonce = { ...asked, nonce };

const broken: Record<string, readonly (Buffer | readonly [Buffer, OcspAsked])[]> = {
  'ocsp-structure': [
    Buffer.alloc(0),
    one({ status: der.implicit(3, Buffer.alloc(0)) }),
    one({ status: der.implicit(0, Buffer.from([1])) }),
    one({ single: [cutoff(Buffer.from('1881', 'hex'))] }),
    der.sequence(response()),
  ],
  'ocsp-version-1': [response({ version: der.integer(0) }), response({ version: der.integer(1) })],
  'ocsp-responder-key': [
    response({ responder: der.explicit(2, der.octetString(Buffer.alloc(20, 8))) }),
    response({ responder: der.explicit(1, der.sequence()) }),
  ],
  'ocsp-time-form': [
    response({ producedAt: der.tlv(0x17, Buffer.from('261101000000Z')) }),
    one({ thisUpdate: time('20261101000000.5Z') }),
    one({ nextUpdate: time('202611080000Z') }),
    one({ status: revoked(time('20261031000000+0100')) }),
    one({ single: [cutoff(time('2026'))] }),
  ],
  'ocsp-next-update': [
    one({ nextUpdate: null }),
    one({ nextUpdate: at }),
    one({ thisUpdate: time('20261101000001Z') }),
  ],
  'ocsp-answers-request': [
    one({ id: certId(2) }),
    response({ responses: [] }),
    response({ responses: [single(), single()] }),
    [response(), { ...asked, certIds: [certId(1), certId(2)] }],
    [response({ responses: [single({ id: certId(2) }), single()] }), { ...asked, certIds: [certId(1), certId(2)] }],
  ],
  'ocsp-revocation-time': [
    one({ status: revoked(time('20261101000001Z'), 1) }),
    response({ responses: [single(), single({ status: revoked(time('20990101000000Z')) })] }),
  ],
  'ocsp-reason': [0, 7, 8, 11].map((reason) => one({ status: revoked(at, reason) })),
  'ocsp-extensions': [
    one({ single: [cutoff(at, true)] }),
    one({ single: [cutoff(at), cutoff(at)] }),
    [response({ extensions: [raw(OcspOid.nonce, der.octetString(nonce), true)] }), withNonce],
  ],
  'ocsp-nonce': [
    response({ extensions: [encodeNonce(nonce)] }),
    [response(), withNonce],
    [response({ extensions: [encodeNonce(nonce.subarray(1))] }), withNonce],
  ],
  'ocsp-archive-cutoff': [one({ single: [cutoff(time('20261101000001Z'))] })],
};

describe('the lint of an OCSP response', () => {
  it.each(Object.entries(broken))('has the rule %s', (rule, responses) => {
    for (const each of responses) {
      const [tbs, by] = Buffer.isBuffer(each) ? [each, asked] : each;
      expect(found(tbs, by), tbs.toString('hex')).toContain(rule);
    }
  });

  it('has a broken response for each of its rules, and each name once', () => {
    expect(Object.keys(broken).sort()).toEqual(ocspLints.map(({ name }) => name).sort());
  });

  it('finds nothing in what is right', () => {
    expect(found(response())).toEqual([]);
    for (const reason of [undefined, 1, 6, 10]) expect(found(one({ status: revoked(at, reason) }))).toEqual([]);
    expect(found(one({ status: der.implicit(2, Buffer.alloc(0)), single: [cutoff(at)] }))).toEqual([]);
    expect(found(response({ extensions: [encodeNonce(nonce)] }), withNonce)).toEqual([]);
  });

  it('finds nothing in what the writer writes', async () => {
    const key = await generatePrivateKey('ECCPRIME256V1');
    const spkiDer = spkiOf(key);
    const signatureAlgorithm = signatureAlgorithmOf({ keyType: 'ec', namedCurve: 'prime256v1' }).algorithmDer;
    const writer = ocspWriter({ spkiDer, signatureAlgorithm, certificateDer: Buffer.alloc(0) });
    const [thisUpdate, nextUpdate] = [new Date('2026-11-01T00:00:00Z'), new Date('2050-11-01T00:00:00Z')];
    const certIds = [certId(1), certId(2), certId(3)];
    const tbs = writer.tbs({
      responses: [
        { certIdDer: certIds[0] as Buffer, status: 'good', archiveCutoff: new Date('1999-01-01T00:00:00Z') },
        { certIdDer: certIds[1] as Buffer, status: { revokedAt: thisUpdate, reason: 0 } },
        { certIdDer: certIds[2] as Buffer, status: { revokedAt: thisUpdate, reason: 4 } },
      ],
      ...{ thisUpdate, nextUpdate, nonce },
    });
    const hash = createHash('sha1').update(publicKeyBitsOf(spkiDer)).digest();
    expect(found(tbs, { certIds, nonce, keyHash: hash })).toEqual([]);
  });

  it('keeps a response that breaks rules from being signed, and names them all', () => {
    expect(() => demandCleanOcsp(one({ id: certId(2), nextUpdate: null }), asked)).toThrow(
      /OCSP response not signed: [^]*ocsp-next-update[^]*ocsp-answers-request/,
    );
    expect(() => demandCleanOcsp(response(), asked)).not.toThrow();
  });
});
