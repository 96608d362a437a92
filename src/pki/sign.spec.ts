import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { realWorld } from '../../test/support/odd-certificates.js';
import { isSignedBy, parseCertificate } from './certificate.js';
import * as der from './der/writer.js';
import { generatePrivateKey, KEY_TYPES, publicKeyOf } from './key.js';
import { signatureAlgorithmName, signatureAlgorithmOf, signerOf, verifySignature } from './sign.js';

const data = Buffer.from('to be signed');

describe('signatures', () => {
  it.each(KEY_TYPES.filter((keyType) => !/RSA(3|4)/.test(keyType)))(
    '%s signs short and long data with the hash that fits, and verifies',
    async (keyType) => {
      const signer = signerOf(await generatePrivateKey(keyType));
      const { hash, algorithmDer } = signatureAlgorithmOf(signer);
      const expected = {
        RSA2048: 'sha256',
        ECCPRIME256V1: 'sha256',
        ECCSECP384R1: 'sha384',
        ECCSECP521R1: 'sha512',
        ED25519: null,
      }[keyType as 'RSA2048'];
      expect(hash).toBe(expected);
      expect(signatureAlgorithmName(algorithmDer)).toBe(expected ?? 'ed25519');
      const signature = await signer.sign(hash, data);
      expect(await verifySignature({ algorithmDer, data, signature }, publicKeyOf(signer.spkiDer))).toBe(true);
      const long = Buffer.alloc(2_500_001, 7);
      const ofLong = await signer.sign(hash, long);
      expect(await verifySignature({ algorithmDer, data: long, signature: ofLong }, publicKeyOf(signer.spkiDer))).toBe(
        true,
      );
      expect(
        await verifySignature({ algorithmDer, data: Buffer.from('another'), signature }, publicKeyOf(signer.spkiDer)),
      ).toBe(false);
      expect(
        await verifySignature({ algorithmDer, data, signature: Buffer.from('x') }, publicKeyOf(signer.spkiDer)),
      ).toBe(false);
    },
  );

  it('are invalid if the algorithm does not fit the key', async () => {
    const signer = signerOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey);
    const signature = await signer.sign('sha256', data);
    const { algorithmDer } = signatureAlgorithmOf({ keyType: 'rsa' });
    expect(await verifySignature({ algorithmDer, data, signature }, publicKeyOf(signer.spkiDer))).toBe(false);
  });

  it('of unknown algorithms are named but not verified', async () => {
    const { spkiDer } = signerOf(generateKeyPairSync('ed25519').privateKey);
    const algorithmDer = der.sequence(der.oid('1.2.3'));
    expect(signatureAlgorithmName(algorithmDer)).toBe('1.2.3');
    await expect(verifySignature({ algorithmDer, data, signature: data }, publicKeyOf(spkiDer))).rejects.toMatchObject({
      code: 'unsupported-signature',
    });
    await expect(
      verifySignature({ algorithmDer: data, data, signature: data }, publicKeyOf(spkiDer)),
    ).rejects.toMatchObject({ code: 'unsupported-signature' });
  });

  it('are refused for keys of other types', () => {
    expect(() => signerOf(generateKeyPairSync('ed448').privateKey)).toThrow(
      expect.objectContaining({ code: 'unsupported-key' }),
    );
    expect(() => signatureAlgorithmOf({ keyType: 'ec', namedCurve: 'secp256k1' })).toThrow(
      expect.objectContaining({ code: 'unsupported-key' }),
    );
  });
});

describe('RSASSA-PSS', () => {
  const leaf = parseCertificate(realWorld('pss-mgf1-sha1.cert.pem'));

  it('is verified with the hash of its mask', async () => {
    const issuer = parseCertificate(realWorld('pss-mgf1-sha1.issuer.pem'));
    expect(leaf.signatureAlgorithm).toBe('sha256');
    expect(await isSignedBy(leaf, issuer)).toBe(true);
    const { algorithmDer, signature } = leaf;
    expect(await verifySignature({ algorithmDer, data, signature }, publicKeyOf(issuer.spkiDer))).toBe(false);
  });
});
