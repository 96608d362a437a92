import type { KeyObject } from 'node:crypto';
import type { ParsedCertificate } from '../pki/certificate.js';
import { parsePrivateKey, publicMatches } from '../pki/key.js';
import { explainFault } from './fault-text.js';
import type { Fernet } from './fernet.js';

/** The key of a certificate, or the reason why there is none; both null when Lemur has no key. */
export type StoredKey = { key: KeyObject; fault: null } | { key: null; fault: string | null };

/** Opens a private key of Lemur and checks that it belongs to this certificate. */
export function openKey(fernet: Fernet, token: Buffer | string | null, { spkiDer }: ParsedCertificate): StoredKey {
  if (token === null || token.length === 0) return { key: null, fault: null };
  try {
    const text = fernet.open(token);
    // Lemur seals an empty text when there is no key.
    if (text.length === 0) return { key: null, fault: null };
    const key = parsePrivateKey(text.toString());
    text.fill(0);
    return publicMatches(key, spkiDer)
      ? { key, fault: null }
      : { key: null, fault: 'It belongs to another certificate.' };
  } catch (error) {
    return { key: null, fault: explainFault(error) };
  }
}
