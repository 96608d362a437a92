import { parseCertificate } from '../../src/pki/certificate.js';
import { certificatesIn, chainForKey, isOfKey } from '../../src/pki/issued-chain.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type { Held } from '../../src/plugin-api/ca-inventory.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineIssuer, type OrderRequest, type Outcome } from '../../src/plugin-api/issuer.js';
import { type Authority, FastpkiClient, type HeldAtFastpki } from './fastpki.client.js';
import { options } from './fastpki.options.js';

const dayMs = 24 * 60 * 60 * 1000;
const reasons = [
  'Unspecified',
  'Key compromise',
  'CA compromise',
  'Affiliation changed',
  'Superseded',
  'Cessation of operation',
  'Certificate hold',
  'Unspecified',
  'Remove from CRL',
  'Privilege withdrawn',
  'AA compromise',
];

/** A CA of FastPKI, over its REST API. */
export const fastpki = defineIssuer({
  id: 'fastpki',
  title: 'FastPKI',
  description: 'Has requests signed by a CA of FastPKI over its REST API.',
  options,
  answers: 'later',

  async check(o, ctx) {
    const client = new FastpkiClient(o, ctx);
    await client.certificates((await client.chain())[0].id);
  },

  async order(request, o, ctx) {
    const client = new FastpkiClient(o, ctx);
    const { notAfter } = request.request.terms;
    // The CA counts whole days from its own clock: rounded down, the certificate does not outlast what was approved.
    const validDays = Math.floor((notAfter.getTime() - ctx.now().getTime()) / dayMs);
    if (validDays < 1) throw new PluginError('refused', 'FastPKI issues for whole days: ask for one day at least.');
    const chain = await client.chain();
    return issued(request, chain, await client.sign(chain[0].id, request.request.csrPem, validDays));
  },

  async find(request, o, ctx) {
    const client = new FastpkiClient(o, ctx);
    const chain = await client.chain();
    const held = await client.certificates(chain[0].id);
    const found = held.find((one) => isAnswerTo(request, one));
    return found ? issued(request, chain, found) : null;
  },

  async revoke({ chainPem: [leafPem = ''], externalId, reason }, o, ctx) {
    const client = new FastpkiClient(o, ctx);
    await client.revoke(externalId ?? (await idOf(client, leafPem)), reasons[reason] ?? 'Unspecified');
  },

  async describe(o, ctx) {
    const chain = await new FastpkiClient(o, ctx).chain();
    return { issuers: [{ chainPem: chain.map(({ certificate }) => certificate) }] };
  },

  async *list({ commonName, serialHex, status, skip = 0 }, o, ctx) {
    const client = new FastpkiClient(o, ctx);
    const held = await client.certificates((await client.chain())[0].id);
    let left = skip;
    for (const one of held) {
      const shown = heldOf(one, ctx.now());
      const { kind } = shown;
      const certificate = kind === 'certificate' ? parseCertificate(one.certificate) : null;
      const matches =
        certificate === null ||
        ((status === undefined || (kind === 'certificate' && shown.status === status)) &&
          (serialHex === undefined || certificate.serialHex === serialHex.toUpperCase()) &&
          (certificate.subjectFields.commonName ?? '').toLowerCase().includes((commonName ?? '').toLowerCase()));
      if (matches && left-- <= 0) yield shown;
    }
  },
});

/** The id of a certificate that was found elsewhere. Throws PluginError `refused` when FastPKI does not have it. */
async function idOf(client: FastpkiClient, leafPem: string): Promise<string> {
  const { der } = parseCertificate(leafPem);
  for (const { id, certificate } of await client.certificates((await client.chain())[0].id))
    if (readable(certificate)[0]?.der.equals(der)) return String(id);
  throw new PluginError('refused', 'FastPKI does not have this certificate.');
}

async function issued(
  { request, authority }: OrderRequest,
  chain: readonly Authority[],
  { id, certificate }: HeldAtFastpki,
): Promise<Outcome> {
  const certificates = [certificate, ...chain.map((one) => one.certificate)].flatMap(readable);
  const knownPem = [authority.certificatePem, ...authority.chainPem];
  const chainPem = await chainForKey({ certificates, spkiDer: request.spkiDer, knownPem });
  return { status: 'issued', chainPem, externalId: String(id) };
}

/** A request may have the key of an older certificate, so the end must be that of this request, too. */
function isAnswerTo(
  { request: { spkiDer, terms, renews } }: OrderRequest,
  { id, certificate, status }: HeldAtFastpki,
): boolean {
  if (status === 'revoked' || renews?.externalId === String(id)) return false;
  const [leaf] = readable(certificate);
  if (!leaf || !isOfKey(leaf, spkiDer)) return false;
  const earlierMs = terms.notAfter.getTime() - leaf.notAfter.getTime();
  return earlierMs >= 0 && earlierMs < 2 * dayMs;
}

function readable(pem: string): ReturnType<typeof certificatesIn> {
  try {
    return certificatesIn(Buffer.from(pem));
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    throw new PluginError('unavailable', `What FastPKI sent as a certificate is not readable: ${error.message}.`);
  }
}

function heldOf({ id, certificate, status, revoked_at }: HeldAtFastpki, now: Date): Held {
  const location = String(id);
  try {
    const { notAfter } = parseCertificate(certificate);
    return {
      kind: 'certificate',
      chainPem: [certificate],
      location,
      externalId: location,
      // FastPKI itself never says that one has expired.
      status: status === 'revoked' ? 'revoked' : notAfter < now ? 'expired' : 'valid',
      ...(revoked_at && { revokedAt: new Date(revoked_at) }),
    };
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return { kind: 'trouble', location, detail: error.message };
  }
}
