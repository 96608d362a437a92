import { z } from 'zod';
import { parseCertificate } from '../../src/pki/certificate.js';
import { isOfKey } from '../../src/pki/issued-chain.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type { CertificateRequest } from '../../src/plugin-api/issuer.js';
import type { SubjectAltName } from '../../src/plugin-api/terms.js';
import type { SectigoOptions } from './sectigo.options.js';

const dayMs = 24 * 60 * 60 * 1000;

/** What a request renews at Sectigo. `replace`: the certificate gets another key, and keeps its end and its ID. */
export interface Renewal {
  kind: 'renew' | 'replace';
  orderRef: string;
}

/** What is stored of an order before Sectigo is asked: what it renews there, and what was listed by then. */
export const SavedRenewal = z.object({
  renewal: z.object({ kind: z.enum(['renew', 'replace']), orderRef: z.string() }).optional(),
  known: z.array(z.int()).default([]),
});
export type SavedRenewal = z.output<typeof SavedRenewal>;

/** Null: it is a new order. Sectigo renews and replaces with the names of the certificate, whatever is asked. */
export function renewalOf({ renews, terms }: CertificateRequest, o: SectigoOptions): Renewal | null {
  const [leafPem] = renews?.chainPem ?? [];
  const orderRef = renews?.externalId;
  if (!o.renewsAtSectigo || leafPem === undefined || orderRef === undefined) return null;
  try {
    const old = parseCertificate(leafPem);
    const had = spellings(old.subjectAltNames);
    const asked = spellings(terms.subjectAltNames);
    const isSame =
      [...asked].every((name) => had.has(name)) &&
      [...had].every((name) => asked.has(name) || asked.has(name.replace(/^dns:www\./, 'dns:')));
    if (!isSame) return null;
    return { kind: terms.notAfter.getTime() > old.notAfter.getTime() + dayMs ? 'renew' : 'replace', orderRef };
  } catch (error) {
    if (error instanceof PkiError) return null;
    throw error;
  }
}

/** Whether the certificate that is renewed has the key of the request. */
export function keepsKey({ renews, spkiDer }: CertificateRequest): boolean {
  const [leafPem] = renews?.chainPem ?? [];
  return leafPem !== undefined && isOfKey(parseCertificate(leafPem), spkiDer);
}

function spellings(names: readonly SubjectAltName[]): Set<string> {
  return new Set(names.map(({ type, value }) => `${type}:${value.toLowerCase()}`));
}
