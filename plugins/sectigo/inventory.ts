import { type ParsedCertificate } from '../../src/pki/certificate.js';
import { certificatesIn } from '../../src/pki/issued-chain.js';
import { toPem } from '../../src/pki/pem.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type { Held, ListRequest } from '../../src/plugin-api/ca-inventory.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Listed, ListedStatus, Product } from './product.js';

/** What Sectigo holds of the profile. It hands out no certificate that is revoked, so these are not listed. */
export async function* heldBy(product: Product, request: ListRequest, now: Date): AsyncGenerator<Held> {
  const { status, commonName, serialHex, skip = 0 } = request;
  const isPlain = [status, commonName, serialHex].every((one) => one === undefined);
  let left = skip;
  for await (const entry of entries(product, request)) {
    const isPassedOver = isPlain && left > 0;
    const held = isPassedOver ? null : await heldOf(product, entry, now);
    if (held !== null && !matches(held, request)) continue;
    if (left > 0) left -= 1;
    else if (held !== null) yield held.shown;
  }
}

/** A certificate that has just expired may still be among those that are issued. */
async function* entries(product: Product, { status, serialHex }: ListRequest): AsyncGenerator<Listed> {
  const states: Record<string, ListedStatus[]> = { valid: ['issued'], held: [], revoked: [] };
  for (const state of states[status ?? ''] ?? (['issued', 'expired'] as const))
    for await (const entry of product.listed(state)) {
      const isOther = serialHex !== undefined && entry.serialHex !== undefined && entry.serialHex !== serialHex;
      if (!isOther) yield entry;
    }
}

/** The certificates in what Sectigo sent. Throws PluginError `unavailable`: a maintenance page is an answer too. */
export function readable(sent: Buffer): ParsedCertificate[] {
  try {
    return certificatesIn(sent);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    throw new PluginError('unavailable', `What Sectigo sent as the certificate is not readable: ${error.message}.`);
  }
}

async function heldOf(
  product: Product,
  { orderRef }: Listed,
  now: Date,
): Promise<{ shown: Held; leaf?: ParsedCertificate }> {
  const sent = await product.collect(orderRef).catch((error: unknown) => {
    if (error instanceof PluginError && error.fault === 'refused') return null;
    throw error;
  });
  const certificates = sent ? readable(sent) : [];
  const leaf = certificates.find(({ isCa }) => !isCa);
  if (!leaf) return { shown: { kind: 'trouble', location: orderRef, detail: 'Sectigo hands out no certificate.' } };
  const others = certificates.filter((one) => one !== leaf);
  return {
    leaf,
    shown: {
      kind: 'certificate',
      chainPem: [leaf, ...others].map(({ der }) => toPem('CERTIFICATE', der)),
      location: orderRef,
      externalId: orderRef,
      status: leaf.notAfter < now ? 'expired' : 'valid',
    },
  };
}

function matches(
  { shown, leaf }: { shown: Held; leaf?: ParsedCertificate },
  { commonName = '', serialHex, status }: ListRequest,
): boolean {
  if (shown.kind === 'trouble' || !leaf) return true;
  const name = leaf.subjectFields.commonName ?? '';
  return (
    (status === undefined || shown.status === status) &&
    (serialHex === undefined || leaf.serialHex === serialHex.toUpperCase()) &&
    name.toLowerCase().includes(commonName.toLowerCase())
  );
}
