import { z } from 'zod';
import { serialDecimal } from '../../pki/serial.js';
import { instant, InstantOut } from '../../platform/http/instant.js';
import type { AnswerFacts } from '../issued-facts.js';
import type { Approved } from './approval.js';

/** The response with a certificate that was signed and is not stored. */
export const UnstoredView = z
  .object({
    stored: z.literal(false).meta({
      description: 'It is not kept: nothing here lists, revokes, renews or deploys it, or warns before it expires.',
    }),
    body: z.string().meta({ description: 'PEM.' }),
    chain: z.string().meta({ description: 'PEM of its issuers in order.' }),
    serial: z.string().meta({ description: 'Decimal.' }),
    serialHex: z.string(),
    fingerprint: z.string().meta({ description: 'SHA-256 of the certificate, hex.' }),
    distinguishedName: z.string(),
    notBefore: InstantOut,
    notAfter: InstantOut,
    authority: z.object({ id: z.int(), name: z.string() }),
    profile: z.object({ id: z.int(), name: z.string(), version: z.int() }).nullable(),
  })
  .meta({ id: 'UnstoredCertificate' });
export type UnstoredView = z.output<typeof UnstoredView>;

export function unstoredView(facts: AnswerFacts, { authority: { authority }, profile }: Approved): UnstoredView {
  const { bodyPem, chainPem, serialHex, sha256, distinguishedName, notBefore, notAfter } = facts;
  return {
    stored: false,
    body: bodyPem,
    chain: chainPem,
    serial: serialDecimal(serialHex),
    serialHex,
    fingerprint: sha256,
    distinguishedName,
    notBefore: instant(notBefore),
    notAfter: instant(notAfter),
    authority: { id: authority.id, name: authority.name },
    profile: profile && { id: profile.id, name: profile.name, version: profile.version },
  };
}
