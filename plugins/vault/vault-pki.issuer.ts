import { z } from 'zod';
import { parseCertificate } from '../../src/pki/certificate.js';
import { certificatesIn, chainForKey, isOfKey } from '../../src/pki/issued-chain.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type { Held, ListRequest } from '../../src/plugin-api/ca-inventory.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineIssuer, type OrderRequest, type Outcome } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { signRequestOf } from './sign-request.js';
import { type HeldAtVault, VaultPkiClient } from './vault-pki.client.js';
import { options, type VaultPkiOptions } from './vault-pki.options.js';

/** Reading each of more certificates would take longer than an attempt may. */
const mostRead = 5000;
const readsAtOnce = 8;
/** A certificate begins before it is asked for, by the `not_before_duration` of the role. */
const longestBackdatingMs = 10 * 60_000;

/** Kept with each order: when Vault was asked for the first time. */
const State = z.object({ askedAt: z.coerce.date() });

/** The PKI engine of HashiCorp Vault or OpenBao. It answers at once and knows no orders. */
export const vaultPki = defineIssuer({
  id: 'vault-pki',
  title: 'Vault PKI',
  description: 'Has requests signed by the PKI engine of HashiCorp Vault, from 1.11 on, or of OpenBao.',
  options,
  answers: 'later',

  async check(o, ctx) {
    const client = new VaultPkiClient(o, ctx);
    await client.demandRights();
    await client.issuers();
    await client.demandRole();
  },

  async order(request, o, ctx) {
    const client = new VaultPkiClient(o, ctx);
    const asked = signRequestOf(request.request, o, ctx.now());
    if (request.state === undefined) await request.save(JSON.stringify({ askedAt: ctx.now() }));
    const { serial_number, certificate, ca_chain, issuing_ca } = await client.sign(request.request.csrPem, asked);
    return issued(request, serial_number, [certificate, ...(ca_chain ?? []), ...(issuing_ca ? [issuing_ca] : [])]);
  },

  /** The certificate of a request is known by its key and by when it was asked for. */
  async find(request, o, ctx) {
    ctx.signal.throwIfAborted();
    if (request.state === undefined) return null;
    const client = new VaultPkiClient(o, ctx);
    const found = await findKept(request, client);
    if (found === null) return null;
    return issued(request, found.serial, [found.certificate, ...(await client.issuers()).flat()]);
  },

  /** Vault keeps no reason. */
  async revoke({ chainPem: [leafPem = ''] }, o, ctx) {
    await new VaultPkiClient(o, ctx).revoke(serialOf(parseCertificate(leafPem).serialHex), leafPem);
  },

  async describe(o, ctx) {
    return { issuers: (await new VaultPkiClient(o, ctx).issuers()).map((chainPem) => ({ chainPem })) };
  },

  list: heldBy,
});

async function findKept(request: OrderRequest, client: VaultPkiClient): Promise<HeldAtVault | null> {
  const askedAt = State.parse(JSON.parse(request.state ?? '{}')).askedAt;
  const serials = await client.serials();
  if (serials.length > mostRead) return null;
  for (let at = 0; at < serials.length; at += readsAtOnce) {
    const part = await Promise.all(serials.slice(at, at + readsAtOnce).map((serial) => client.certificate(serial)));
    const found = part.find((one) => one !== null && isAnswerTo(request, askedAt, one));
    if (found) return found;
  }
  return null;
}

function isAnswerTo({ request: { spkiDer, terms } }: OrderRequest, askedAt: Date, held: HeldAtVault): boolean {
  const [leaf] = readable(held.certificate);
  return (
    leaf !== undefined &&
    held.revocation_time === 0 &&
    isOfKey(leaf, spkiDer) &&
    leaf.notBefore.getTime() >= askedAt.getTime() - longestBackdatingMs &&
    leaf.notAfter <= terms.notAfter
  );
}

async function* heldBy(
  { commonName, serialHex, status, skip = 0 }: ListRequest,
  o: VaultPkiOptions,
  ctx: PluginContext,
): AsyncGenerator<Held> {
  const client = new VaultPkiClient(o, ctx);
  let left = skip;
  for (const serial of serialHex === undefined ? await client.serials() : [serialOf(serialHex)]) {
    const kept = await client.certificate(serial);
    if (kept === null) continue;
    const shown = heldOf(kept, ctx.now());
    const matches =
      shown.kind === 'trouble' ||
      ((status === undefined || shown.status === status) && nameOf(kept).includes((commonName ?? '').toLowerCase()));
    if (matches && left-- <= 0) yield shown;
  }
}

function heldOf({ serial, certificate, revocation_time: revokedS }: HeldAtVault, now: Date): Held {
  const [leaf] = readable(certificate);
  if (!leaf) return { kind: 'trouble', location: serial, detail: 'What Vault shows is no readable certificate.' };
  const isRevoked = revokedS > 0;
  return {
    kind: 'certificate',
    chainPem: [certificate],
    location: serial,
    externalId: serial,
    status: isRevoked ? 'revoked' : leaf.notAfter < now ? 'expired' : 'valid',
    ...(isRevoked && { revokedAt: new Date(revokedS * 1000) }),
  };
}

async function issued(
  { request, authority }: OrderRequest,
  externalId: string,
  pems: readonly string[],
): Promise<Outcome> {
  const certificates = pems.flatMap(readable);
  if (certificates.length === 0)
    throw new PluginError('unavailable', 'What Vault sent as a certificate is not readable.');
  const knownPem = [authority.certificatePem, ...authority.chainPem];
  const chainPem = await chainForKey({ certificates, spkiDer: request.spkiDer, knownPem });
  return { status: 'issued', chainPem, externalId };
}

/** Nothing when it is no certificate. */
function readable(pem: string): ReturnType<typeof certificatesIn> {
  try {
    return certificatesIn(Buffer.from(pem));
  } catch (error) {
    if (error instanceof PkiError) return [];
    throw error;
  }
}

function nameOf({ certificate }: HeldAtVault): string {
  return (readable(certificate)[0]?.subjectFields.commonName ?? '').toLowerCase();
}

/** A serial number as the engine writes it: lower-case bytes with colons between them. */
function serialOf(serialHex: string): string {
  const even = serialHex.length % 2 === 0 ? serialHex : `0${serialHex}`;
  return (even.toLowerCase().match(/../g) ?? []).join(':');
}
