import { z } from 'zod';
import { localCa } from '../../plugins/local-ca/local-ca.issuer.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineIssuer, type OrderRequest, type Outcome } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import type { RemoteOrder } from './remote-ca.js';

const options = z.strictObject({ url: z.string().meta({ title: 'URL', description: 'Where the CA listens.' }) });
const local = localCa.options.parse({});

/**
 * The plugin for remote-ca.ts. A request for a name that begins with `never` stays pending; one that begins with `wrong`
 * gets a name that nobody asked for. The local CA signs, and the remote one keeps what was signed first.
 */
export const remoteIssuer = defineIssuer({
  id: 'remote-ca',
  title: 'Remote CA',
  description: 'A CA that is late, loses answers and errs.',
  options,
  answers: 'later',
  createAuthority: (request, _, ctx) =>
    localCa.createAuthority?.(request, local, ctx) ?? Promise.reject(new Error('The local CA makes authorities.')),
  order: async ({ request }, { url }, ctx) =>
    pending(await ask(url, ctx, 'POST', '/orders', { key: request.idempotencyKey })),
  find: async ({ request }, { url }, ctx) => {
    const found = await ask(url, ctx, 'GET', `/orders?key=${request.idempotencyKey}`);
    return found && pending(found);
  },
  poll: async ({ orderRef, ...order }, { url }, ctx) => {
    const path = `/orders/${orderRef}`;
    const found = await ask(url, ctx, 'GET', path);
    if (!found || found.cancelled) throw new PluginError('refused', 'There is no such order.');
    if (found.chainPem) return issued(found);
    if (order.request.terms.subject.commonName?.startsWith('never')) return pending(found);
    return issued(await ask(url, ctx, 'PUT', path, { chainPem: await sign(order, ctx) }));
  },
  cancel: async ({ orderRef }, { url }, ctx) => {
    await ask(url, ctx, 'DELETE', `/orders/${orderRef}`);
  },
  revoke: async ({ chainPem: [leafPem = ''] }, { url }, ctx) => {
    await ask(url, ctx, 'POST', '/revocations', { serialHex: parseCertificate(leafPem).serialHex });
  },
});

async function ask(
  url: string,
  { signal }: PluginContext,
  method: string,
  path: string,
  body?: object,
): Promise<RemoteOrder | null> {
  try {
    const response = await fetch(url + path, { method, signal, ...(body && { body: JSON.stringify(body) }) });
    if (response.ok) return (await response.json()) as RemoteOrder | null;
  } catch (error) {
    throw new PluginError('unavailable', 'The CA does not answer.', undefined, { cause: error });
  }
  throw new PluginError('unavailable', 'The CA is busy.');
}

async function sign(order: OrderRequest, ctx: PluginContext): Promise<readonly string[]> {
  const { request } = order;
  const { terms } = request;
  const isWrong = terms.subject.commonName?.startsWith('wrong');
  const subjectAltNames = isWrong
    ? [...terms.subjectAltNames, { type: 'dns' as const, value: 'evil.example.com' }]
    : terms.subjectAltNames;
  const outcome = await localCa.order(
    { ...order, request: { ...request, terms: { ...terms, subjectAltNames } } },
    local,
    ctx,
  );
  return outcome.status === 'issued' ? outcome.chainPem : [];
}

function pending(order: RemoteOrder | null): Outcome {
  if (!order) throw new PluginError('unavailable', 'The CA said nothing.');
  return { status: 'pending', orderRef: order.ref, pollAfterS: 1 };
}

function issued(order: RemoteOrder | null): Outcome {
  if (!order?.chainPem) throw new PluginError('unavailable', 'The CA said nothing.');
  return { status: 'issued', chainPem: order.chainPem };
}
