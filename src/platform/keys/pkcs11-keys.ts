import { createHash, type KeyObject, randomBytes, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { Injectable } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import type { Signer } from '../../plugin-api/signer.js';
import { DerReader } from '../../pki/der/reader.js';
import * as der from '../../pki/der/writer.js';
import { generationOf, publicKeyOf } from '../../pki/key.js';
import { type Attribute, Ck, CkError, type Pkcs11Module, USER_NOT_LOGGED_IN } from './pkcs11-module.js';
import { Pkcs11Token } from './pkcs11-token.js';

/** A key in a token: the CKA_ID of the pair, and the public key as SubjectPublicKeyInfo. */
export interface TokenKey {
  deviceId: Buffer;
  spkiDer: Buffer;
}

const CURVES: Readonly<Record<string, string>> = {
  prime256v1: '1.2.840.10045.3.1.7',
  secp384r1: '1.3.132.0.34',
  secp521r1: '1.3.132.0.35',
};
const EC_PUBLIC_KEY = '1.2.840.10045.2.1';
const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';
const ED25519 = '1.3.101.112';
/** RFC 8017 §9.2, note 1: what precedes the hash in a DigestInfo. */
const DIGEST_INFO: Readonly<Record<string, Buffer>> = {
  sha1: Buffer.from('3021300906052b0e03021a05000414', 'hex'),
  sha256: Buffer.from('3031300d060960864801650304020105000420', 'hex'),
  sha384: Buffer.from('3041300d060960864801650304020205000430', 'hex'),
  sha512: Buffer.from('3051300d060960864801650304020305000440', 'hex'),
};

/** Makes keys inside a PKCS#11 token, which never leave it, and signs there. */
@Injectable()
export class Pkcs11Keys {
  constructor(private readonly token: Pkcs11Token) {}

  get isConfigured(): boolean {
    return this.token.isConfigured;
  }

  /** Throws PkiError `unsupported-key`, and PluginError as `Pkcs11Token.run`. */
  async create(keyType: string): Promise<TokenKey> {
    const generation = generationOf(keyType);
    const left: Buffer[] = [];
    try {
      const key = await this.token.run(async (module, session) => {
        // An attempt that failed may have left a pair: the next one must not share its id.
        const deviceId = randomBytes(16);
        left.push(deviceId);
        const [mechanism, templates] = generationIn(generation, deviceId, keyType);
        const { publicKey, privateKey } = await module.generateKeyPair(session, mechanism, templates);
        const [extractable] = await module.attribute(session, privateKey, Ck.extractable);
        if (extractable !== 0)
          throw new PluginError('misconfigured', 'The PKCS#11 token makes keys that can leave it.');
        return { deviceId, spkiDer: await spkiIn(module, session, publicKey, generation) };
      });
      left.pop();
      return key;
    } finally {
      for (const deviceId of left) await this.forget({ deviceId }).catch(() => undefined);
    }
  }

  /**
   * Needs no token until it signs. Its `sign` throws PluginError as `Pkcs11Token.run`, and `misconfigured` when the
   * token signs with another key than this.
   */
  signerFor({ deviceId, spkiDer }: TokenKey): Signer {
    const key = publicKeyOf(spkiDer);
    const keyType = key.asymmetricKeyType as Signer['keyType'];
    return {
      keyType,
      namedCurve: key.asymmetricKeyDetails?.namedCurve,
      spkiDer,
      sign: async (hash, data) => {
        const [mechanism, input] = inputOf(keyType, hash, data);
        let isMissed = false;
        const raw = await this.token.run(async (module, session) => {
          const [privateKey] = await module.findObjects(session, ofKey(deviceId, Ck.privateKey));
          if (privateKey === undefined && !isMissed) {
            isMissed = true;
            throw new CkError(USER_NOT_LOGGED_IN, 'C_FindObjects');
          }
          if (privateKey === undefined)
            throw new PluginError('unavailable', 'The PKCS#11 token does not hold the private key of this authority.');
          return module.sign(session, mechanism, privateKey, input);
        });
        const signature = keyType === 'ec' ? ecdsaDer(raw) : raw;
        if (await isBy(hash, data, key, signature)) return signature;
        throw new PluginError(
          'misconfigured',
          `The PKCS#11 token signs with another key than that of this authority: more than one key, or a wrong one, has ` +
            `its CKA_ID ${deviceId.toString('hex')}. Nothing is signed until the token holds the right key alone.`,
        );
      },
    };
  }

  /** Destroys the pair in the token. */
  async forget({ deviceId }: Pick<TokenKey, 'deviceId'>): Promise<void> {
    await this.token.run(async (module, session) => {
      for (const kind of [Ck.privateKey, Ck.publicKey])
        for (const object of await module.findObjects(session, ofKey(deviceId, kind)))
          await module.destroy(session, object);
    });
  }
}

function ofKey(deviceId: Buffer, kind: number): Attribute[] {
  return [
    [Ck.class, kind],
    [Ck.id, deviceId],
  ];
}

/** Whether this key made the signature: a token promises no more than an object with the CKA_ID that was asked for. */
const isBy: (hash: string | null, data: Buffer, key: KeyObject, signature: Buffer) => Promise<boolean> =
  promisify(verify);

type Generation = ReturnType<typeof generationOf>;

/** How C_GenerateKeyPair makes this key under this CKA_ID. */
function generationIn(
  generation: Generation,
  deviceId: Buffer,
  keyType: string,
): [mechanism: number, templates: { public: Attribute[]; private: Attribute[] }] {
  const named: Attribute[] = [
    [Ck.token, true],
    [Ck.id, deviceId],
    [Ck.label, Buffer.from(`perennial ${keyType} ${deviceId.toString('hex', 0, 4)}`)],
  ];
  const secret: Attribute[] = [
    [Ck.private, true],
    [Ck.sensitive, true],
    [Ck.extractable, false],
    [Ck.sign, true],
  ];
  const [mechanism, parameters] = mechanismOf(generation);
  return [mechanism, { public: [...named, [Ck.verify, true], ...parameters], private: [...named, ...secret] }];
}

function mechanismOf(generation: Generation): [mechanism: number, parameters: Attribute[]] {
  if (generation.type === 'ed25519') return [Ck.edGenerate, [[Ck.ecParams, der.oid(ED25519)]]];
  if (generation.type === 'ec')
    return [Ck.ecGenerate, [[Ck.ecParams, der.oid(CURVES[generation.options.namedCurve] ?? '')]]];
  const exponent = Buffer.from([1, 0, 1]);
  return [
    Ck.rsaGenerate,
    [
      [Ck.modulusBits, generation.options.modulusLength],
      [Ck.publicExponent, exponent],
    ],
  ];
}

async function spkiIn(
  module: Pkcs11Module,
  session: number,
  publicKey: number,
  generation: Generation,
): Promise<Buffer> {
  if (generation.type === 'rsa') {
    const modulus = await module.attribute(session, publicKey, Ck.modulus);
    const exponent = await module.attribute(session, publicKey, Ck.publicExponent);
    const key = der.sequence(der.integer(modulus), der.integer(exponent));
    return der.sequence(der.sequence(der.oid(RSA_ENCRYPTION), der.nullValue()), der.bitString(key));
  }
  const point = DerReader.over(await module.attribute(session, publicKey, Ck.ecPoint)).octetString();
  const algorithm =
    generation.type === 'ed25519'
      ? der.sequence(der.oid(ED25519))
      : der.sequence(der.oid(EC_PUBLIC_KEY), der.oid(CURVES[generation.options.namedCurve] ?? ''));
  return der.sequence(algorithm, der.bitString(point));
}

/** The hash is made here: every token knows these mechanisms. */
function inputOf(keyType: Signer['keyType'], hash: string | null, data: Buffer): [mechanism: number, input: Buffer] {
  if (hash === null) return [Ck.eddsa, data];
  const digest = createHash(hash).update(data).digest();
  if (keyType === 'ec') return [Ck.ecdsa, digest];
  const head = DIGEST_INFO[hash];
  if (!head) throw new Error(`RSA signatures with ${hash} are not made here.`);
  return [Ck.rsaPkcs, Buffer.concat([head, digest])];
}

/** Two numbers of equal length, one behind the other, as ECDSA-Sig-Value (RFC 3279 §2.2.3). */
function ecdsaDer(signature: Buffer): Buffer {
  const half = signature.length / 2;
  return der.sequence(der.integer(signature.subarray(0, half)), der.integer(signature.subarray(half)));
}
