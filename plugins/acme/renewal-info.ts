import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { RenewalInfo } from '../../src/plugin-api/issuer.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { type AcmeClient, read } from './acme.client.js';
import { retryAfterOf } from './problem.js';

/** RFC 9773 §4.2. */
const Answer = z.object({
  suggestedWindow: z.object({
    start: z.iso.datetime({ offset: true }),
    end: z.iso.datetime({ offset: true }),
  }),
  explanationURL: z.string().max(2048).optional(),
});
const askAgainS = 6 * 3600;

/**
 * How a certificate is named in renewal information (RFC 9773 §4.1); null for one that does not name the key of its
 * issuer.
 */
export function renewalIdOf(leafPem: string | undefined): string | null {
  if (leafPem === undefined) return null;
  const { authorityKeyIdentifier, serialHex } = parseCertificate(leafPem);
  if (authorityKeyIdentifier === undefined || serialHex.startsWith('-')) return null;
  return `${base64url(authorityKeyIdentifier)}.${base64url(integerOf(serialHex))}`;
}

/** Null when the CA offers no renewal information, or none for this certificate. Throws PluginError. */
export async function readRenewalInfo(client: AcmeClient, leafPem: string | undefined): Promise<RenewalInfo | null> {
  const { renewalInfo } = client.directory;
  const id = renewalIdOf(leafPem);
  if (renewalInfo === undefined || id === null) return null;
  const answer = await client.get(`${renewalInfo.replace(/\/$/, '')}/${id}`);
  const { suggestedWindow, explanationURL } = read(Answer, answer);
  const [windowStart, windowEnd] = [new Date(suggestedWindow.start), new Date(suggestedWindow.end)];
  if (!(windowStart < windowEnd))
    throw new PluginError('unavailable', 'The CA suggests a window for the renewal that ends before it begins.');
  return {
    windowStart,
    windowEnd,
    retryAfterS: retryAfterOf(answer, client.ctx.now()) ?? askAgainS,
    ...(explanationURL !== undefined && { explanationUrl: explanationURL }),
  };
}

/** The octets of the INTEGER: with a zero before them where they would be negative. */
function integerOf(serialHex: string): string {
  const even = serialHex.length % 2 === 0 ? serialHex : `0${serialHex}`;
  return Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even;
}

function base64url(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64url');
}
