import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { CertificateRequest, Outcome } from '../../src/plugin-api/issuer.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import type { CertificateTerms } from '../../src/plugin-api/terms.js';
import { parseCsr } from '../../src/pki/csr.js';
import type { Account } from './account.js';
import { read } from './acme.client.js';
import type { AcmeOptions } from './acme.options.js';
import { AcmeFailure, AcmeProblem, retryAfterOf, wordsOf } from './problem.js';
import { renewalIdOf } from './renewal-info.js';

export const Identifier = z.object({ type: z.string(), value: z.string() });
export type Identifier = z.output<typeof Identifier>;

/** RFC 8555 §7.1.3. */
const Order = z.object({
  status: z.enum(['pending', 'ready', 'processing', 'valid', 'invalid']),
  expires: z.iso.datetime({ offset: true }).optional(),
  authorizations: z.array(z.url()),
  finalize: z.url(),
  certificate: z.url().optional(),
  error: AcmeProblem.optional(),
});
/** `retryAfterS`: when the CA wants to be asked again. */
export type Order = z.output<typeof Order> & { retryAfterS?: number };

/** Without a wish of the CA. */
const pollAfterS = 3;
/** A CA may refuse `replaces` for good reasons that do not stand in the way of the renewal (RFC 9773 §5). */
const refusesReplaces = new Set(['alreadyReplaced', 'malformed', 'unauthorized', 'serverInternal', 'conflict']);

/** Asks for the certificate, and answers the address of the order. Throws PluginError. */
export async function newOrder(
  account: Account,
  request: CertificateRequest,
  options: AcmeOptions,
): Promise<{ url: string; order: Order }> {
  const { directory } = account.client;
  const { notBefore, notAfter } = request.terms;
  const wishes = {
    identifiers: identifiersOf(request.terms),
    ...(options.profile !== undefined && { profile: options.profile }),
    ...(options.sendsValidity && { notBefore: inSeconds(notBefore), notAfter: inSeconds(notAfter) }),
  };
  const replaces = directory.renewalInfo === undefined ? null : renewalIdOf(request.renews?.chainPem[0]);
  const answer = await withoutReplaces(replaces, (more) => account.post(directory.newOrder, { ...wishes, ...more }));
  const { location } = answer.headers;
  if (location === undefined) throw new PluginError('unavailable', 'The CA gave the order no address.');
  return { url: location, order: orderOf(account, answer) };
}

/** The order at this address. Throws PluginError: `refused` when the CA does not know it. */
export async function readOrder(account: Account, url: string): Promise<Order> {
  return orderOf(account, await account.post(url));
}

/**
 * Sends the CSR of an order that is ready (RFC 8555 §7.4). It may be sent once: whoever is not sure reads the order.
 */
export async function finalize(account: Account, { finalize: url }: Order, csrPem: string): Promise<Order> {
  const csr = parseCsr(csrPem).der.toString('base64url');
  return orderOf(account, await account.post(url, { csr }));
}

/** An order that the CA has not finished. */
export function waiting(
  orderRef: string,
  { expires, retryAfterS = pollAfterS }: Order,
  progress: string,
): Extract<Outcome, { status: 'pending' }> {
  return {
    status: 'pending',
    orderRef,
    pollAfterS: retryAfterS,
    progress,
    ...(expires !== undefined && { expiresAt: new Date(expires) }),
  };
}

/** Why an order is dead. */
export function deathOf({ error }: Order): string {
  return `The CA has ended the order: ${error ? wordsOf(error) : 'it does not say why.'}`;
}

/** The names in the order of the request, the common name last where it is not among the SANs. Throws PluginError. */
function identifiersOf({ subject, subjectAltNames }: CertificateTerms): Identifier[] {
  const unfit = subjectAltNames.find(({ type }) => type !== 'dns' && type !== 'ip');
  if (unfit) throw new PluginError('refused', `ACME knows domains and IP addresses, not ${unfit.type}:${unfit.value}.`);
  const names = subjectAltNames.map(({ type, value }) => ({ type, value: value.toLowerCase() }));
  const { commonName } = subject;
  const isListed = names.some(({ value }) => value === commonName?.toLowerCase());
  if (commonName !== undefined && !isListed && (names.length === 0 || isDomain(commonName)))
    names.push({ type: 'dns', value: commonName.toLowerCase() });
  if (names.length === 0) throw new PluginError('refused', 'ACME needs a domain or an IP address.');
  return names;
}

function isDomain(text: string): boolean {
  return /^(\*\.)?([a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63}$/i.test(text);
}

async function withoutReplaces(
  replaces: string | null,
  ask: (more: { replaces?: string }) => Promise<FetchResponse>,
): Promise<FetchResponse> {
  if (replaces === null) return ask({});
  try {
    return await ask({ replaces });
  } catch (error) {
    if (!(error instanceof AcmeFailure) || !refusesReplaces.has(error.type)) throw error;
    return ask({});
  }
}

function orderOf(account: Account, answer: FetchResponse): Order {
  const retryAfterS = retryAfterOf(answer, account.client.ctx.now());
  return { ...read(Order, answer), ...(retryAfterS !== undefined && { retryAfterS }) };
}

function inSeconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
