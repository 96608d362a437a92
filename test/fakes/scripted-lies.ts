import { generateKeyPairSync } from 'node:crypto';
import type { CertificateRequest } from '../../src/plugin-api/issuer.js';
import { dayMs } from '../support/requests.js';
import type { BehaviourName } from './scripted-ca.issuer.js';

const hourMs = 3_600_000;

/** What the CA issues for another request than was made, or with another chain; always ready. */
export interface Lie {
  request?: (request: CertificateRequest) => CertificateRequest;
  /** `rootPem`: what an answer is without. */
  chain?: (chainPem: readonly string[], rootPem: string) => readonly string[];
  /** The leaf is signed by another CA that has the same name; the chain is that of the right one. */
  isForged?: boolean;
}

export const lies: Partial<Record<BehaviourName, Lie>> = {
  'wrong-key': {
    request: (request) => ({
      ...request,
      spkiDer: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' }),
    }),
  },
  'other-names': {
    request: ({ terms, ...request }) => ({
      ...request,
      terms: { ...terms, subjectAltNames: [...terms.subjectAltNames, { type: 'dns', value: 'evil.example.com' }] },
    }),
  },
  longer: { request: (request) => moved(request, 0, dayMs) },
  expired: {
    request: (request) =>
      moved(request, -23 * hourMs, request.terms.notBefore.getTime() - request.terms.notAfter.getTime() - 22 * hourMs),
  },
  'other-signature': { isForged: true },
  'no-chain': { chain: (chainPem) => chainPem.slice(0, 1) },
  'shuffled-chain': { chain: ([leaf = '', ...above], rootPem) => [leaf, rootPem, ...above] },
  'incomplete-chain': { chain: ([leaf = ''], rootPem) => [leaf, rootPem] },
};

/** With other dates, by these milliseconds. */
function moved({ terms, ...request }: CertificateRequest, beginMs: number, endMs: number): CertificateRequest {
  const notBefore = new Date(terms.notBefore.getTime() + beginMs);
  return { ...request, terms: { ...terms, notBefore, notAfter: new Date(terms.notAfter.getTime() + endMs) } };
}
