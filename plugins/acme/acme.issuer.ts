import { PluginError } from '../../src/plugin-api/errors.js';
import {
  type AuthorityMemory,
  defineIssuer,
  type OrderRequest,
  type Outcome,
  type PollRequest,
} from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf } from '../../src/plugin-api/service-options.js';
import { parseCertificate } from '../../src/pki/certificate.js';
import { isOfKey, withKnownIssuers } from '../../src/pki/issued-chain.js';
import { Account } from './account.js';
import { AcmeClient } from './acme.client.js';
import { type AcmeOptions, acmeOptions } from './acme.options.js';
import { Authorizations } from './authorizations.js';
import { download } from './certificate.js';
import { deathOf, finalize, newOrder, type Order, readOrder, waiting } from './order.js';
import { AcmeFailure } from './problem.js';
import { readRenewalInfo } from './renewal-info.js';

/**
 * A CA that speaks ACME (RFC 8555). The address of the order is the state of a request; the state of an authority is
 * its account with the key. Each poll reads the order and takes the one step that it is ready for, so that a crash
 * repeats at most that step, and no order is finalized twice.
 */
export const acme = defineIssuer({
  id: 'acme',
  aliases: ['acme-issuer'],
  title: 'ACME',
  description:
    'A CA that speaks ACME (RFC 8555), for example Let’s Encrypt, ZeroSSL, Sectigo or step-ca. Control of names is ' +
    'proven over HTTP or by DNS records; renewal information (RFC 9773) is followed.',
  options: acmeOptions,
  answers: 'later',
  allows: { ownValidity: true, subordinates: true },

  admit(o) {
    const { eabKeyId, eabHmacKey } = o;
    if ((eabKeyId === undefined) === (eabHmacKey === undefined)) return Promise.resolve();
    return Promise.reject(new PluginError('misconfigured', 'An external account has both a key id and an HMAC key.'));
  },

  async check(o, ctx) {
    const { directory } = await open(o, ctx);
    const { profiles = {} } = directory.meta;
    if (o.profile !== undefined && !Object.hasOwn(profiles, o.profile))
      throw new PluginError(
        'misconfigured',
        `The CA has no profile ${o.profile}; it has: ${Object.keys(profiles).join(', ') || 'none'}.`,
      );
  },

  async order(order, o, ctx) {
    const account = await signIn(order, o, ctx);
    return { ...(await place(order, account, o, 0)), pollAfterS: 1 };
  },

  async find({ state }, _, ctx) {
    ctx.signal.throwIfAborted();
    return state === undefined ? null : { status: 'pending', orderRef: placedOf(state).url, pollAfterS: 1 };
  },

  async poll(poll, o, ctx) {
    const account = await signIn(poll, o, ctx);
    // What was saved is newer when an order was placed in place of another, and that was not stored.
    const { url: orderRef, others } = placedOf(poll.state ?? poll.orderRef);
    return step({ poll: { ...poll, orderRef }, account, options: o, others }, await readOrder(account, orderRef));
  },

  async cancel({ orderRef, ...memory }, o, ctx) {
    const account = await signIn(memory, o, ctx);
    const order = await findOrder(account, orderRef);
    if (order?.status === 'valid' || order?.status === 'processing')
      throw new PluginError('refused', 'The CA issues the certificate already.');
    // An order that is ready stays unfinalized, and ends by itself; nothing is issued for it.
    if (order?.status === 'pending') await new Authorizations(account, o, noChallenges).deactivate(order);
  },

  async revoke({ chainPem: [leafPem = ''], reason, ...memory }, o, ctx) {
    const account = await signIn(memory, o, ctx);
    const certificate = parseCertificate(leafPem).der.toString('base64url');
    try {
      await account.post(account.client.directory.revokeCert, { certificate, reason });
    } catch (error) {
      if (!(error instanceof AcmeFailure) || error.type !== 'alreadyRevoked') throw error;
    }
  },

  async changeAccountKey(memory, o, ctx) {
    await (await signIn(memory, o, ctx)).changeKey();
  },

  async renewalInfo({ chainPem: [leafPem] }, o, ctx) {
    return readRenewalInfo(await open(o, ctx), leafPem);
  },
});

interface Step {
  poll: PollRequest;
  account: Account;
  options: AcmeOptions;
  /** How many orders for this request had a certificate of another key. */
  others: number;
}

/**
 * A CA may give one open order to two requests with the same names (Boulder does). The request that comes second finds
 * the certificate of the other. A CA that goes on taking a wrong key is believed: its answer is kept in dispute.
 */
const afterSharedS = 60;
const mostOthers = 3;

const noChallenges: OrderRequest['challenges'] = {
  canPresent: () => Promise.resolve(false),
  present: () => Promise.reject(new Error('Nothing is presented for an order that ends.')),
  withdraw: () => Promise.resolve(),
};

function open(options: AcmeOptions, ctx: PluginContext): Promise<AcmeClient> {
  ctx.signal.throwIfAborted();
  return AcmeClient.open(options.directoryUrl, connectionOf(options), ctx);
}

async function signIn(memory: AuthorityMemory, options: AcmeOptions, ctx: PluginContext): Promise<Account> {
  return Account.open(await open(options, ctx), options, memory);
}

async function place(
  order: OrderRequest,
  account: Account,
  options: AcmeOptions,
  others: number,
): Promise<Extract<Outcome, { status: 'pending' }>> {
  const { url, order: made } = await newOrder(account, order.request, options);
  await order.save(others === 0 ? url : `${url} ${others}`);
  return waiting(url, made, 'The CA has the order.');
}

/** What `place` saved: the address of the order, and after how many others it was placed. */
function placedOf(state: string): { url: string; others: number } {
  const [url = '', others = '0'] = state.split(' ');
  return { url, others: Number(others) };
}

/** Takes the next step of an order (RFC 8555 §7.1.6), and those that follow at once. */
async function step(work: Step, order: Order): Promise<Outcome> {
  const { poll, account, options, others } = work;
  const { orderRef, request, authority, challenges } = poll;
  switch (order.status) {
    case 'pending':
    case 'ready': {
      const { dead, progress } = await new Authorizations(account, options, challenges).advance(order);
      if (dead !== undefined) return { status: 'rejected', reason: dead };
      if (progress !== undefined) return waiting(orderRef, order, progress);
      const next = order.status === 'ready' ? order : await readOrder(account, orderRef);
      if (next.status !== 'ready') return waiting(orderRef, next, 'The CA has every proof.');
      const finalized = await finalize(account, next, request.csrPem);
      return finalized.status === 'ready' ? waiting(orderRef, finalized, 'The CA has the CSR.') : step(work, finalized);
    }
    case 'processing':
      return waiting(orderRef, order, 'The CA issues the certificate.');
    case 'valid': {
      const url = order.certificate;
      if (url === undefined) throw new PluginError('unavailable', 'The CA names no address of the certificate.');
      const sent = await download(account, url, options.preferredChain);
      const chainPem = await withKnownIssuers(sent, [authority.certificatePem, ...authority.chainPem]);
      if (others >= mostOthers || isOfKey(parseCertificate(chainPem[0] ?? ''), request.spkiDer))
        return { status: 'issued', chainPem, externalId: url };
      const progress = 'The CA used the order for another request with the same names, and has a new one.';
      return { ...(await place(poll, account, options, others + 1)), pollAfterS: afterSharedS, progress };
    }
    case 'invalid': {
      // The authorizations say more than the order does.
      const dead = await new Authorizations(account, options, challenges).withdrawAll(order);
      return { status: 'rejected', reason: dead ?? deathOf(order) };
    }
  }
}

async function findOrder(account: Account, url: string): Promise<Order | null> {
  try {
    return await readOrder(account, url);
  } catch (error) {
    if (error instanceof PluginError && error.fault === 'refused') return null;
    throw error;
  }
}
