import type { KeyObject } from 'node:crypto';
import { parseCertificate } from '../pki/certificate.js';
import { openPrivateKey, publicMatches, strongKeyOf } from '../pki/key.js';
import { readPkcs12 } from '../pki/pkcs12-reader.js';
import { signatureAlgorithmOf, signerOf } from '../pki/sign.js';
import { blame } from '../platform/http/blame.js';
import { invalid } from '../platform/http/problem.js';
import type { CreateAuthority } from './authority.schema.js';
import { blameChain, type CaChain, readCaChain } from './ca-chain.js';

/** A CA that was made elsewhere, with its key. */
export interface ImportedCa {
  privateKey: KeyObject;
  chain: CaChain;
}

type Given = Pick<CreateAuthority, 'chain' | 'privateKey' | 'pkcs12' | 'passphrase'>;

/**
 * The CA that a request brings along with its private key; null when it brings no key. Throws Problem
 * `invalid-request`: the key must be strong, must belong to the certificate, and this must be a CA certificate that has
 * not expired.
 */
export async function readImportedCa(request: Given, now: Date): Promise<ImportedCa | null> {
  const ca = request.pkcs12 === undefined ? await fromPem(request) : await fromPkcs12(request.pkcs12, request);
  if (!ca) return null;
  const field = request.pkcs12 === undefined ? 'privateKey' : 'pkcs12';
  const { spkiDer, notAfter } = parseCertificate(ca.chain.certificatePem);
  if (!publicMatches(ca.privateKey, spkiDer))
    throw invalid(field, 'The private key does not belong to the CA certificate.');
  blame(field, () => {
    strongKeyOf(spkiDer);
    signatureAlgorithmOf(signerOf(ca.privateKey));
  });
  if (notAfter <= now) throw invalid('chain', `The CA certificate expired at ${notAfter.toISOString()}.`);
  return ca;
}

async function fromPem({ privateKey: pem, chain, passphrase }: Given): Promise<ImportedCa | null> {
  if (pem === undefined) return null;
  if (chain === undefined) throw invalid('chain', 'Send the certificate of the CA too.');
  const privateKey = blame('privateKey', () => openPrivateKey(pem, passphrase));
  return { privateKey, chain: await blameChain(() => readCaChain([chain])) };
}

/** `chain` may bring certificates that the file lacks. */
async function fromPkcs12(pkcs12: string, { chain = '', passphrase = '' }: Given): Promise<ImportedCa> {
  const { privateKey, certificatesPem } = await blame('pkcs12', () =>
    readPkcs12(Buffer.from(pkcs12, 'base64'), passphrase),
  );
  const all = [...certificatesPem, ...(chain === '' ? [] : [chain])];
  const own = certificatesPem.find((pem) => publicMatches(privateKey, parseCertificate(pem).spkiDer));
  if (own === undefined) throw invalid('pkcs12', 'The file holds no certificate of its private key.');
  return { privateKey, chain: await blameChain(() => readCaChain([own, ...all.filter((pem) => pem !== own)])) };
}
