import { parseCertificate } from '../../src/pki/certificate.js';
import { chainForKey, isOfKey } from '../../src/pki/issued-chain.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineIssuer, type Outcome, type PollRequest } from '../../src/plugin-api/issuer.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { organizations, persons, profiles } from './customers.js';
import { heldBy, readable } from './inventory.js';
import { type Product, reasonOf } from './product.js';
import { demandProfile } from './profile.js';
import { SectigoClient, sectigoCode } from './sectigo.client.js';
import { options, type SectigoOptions } from './sectigo.options.js';
import { SmimeCertificates } from './smime.client.js';
import { SslCertificates } from './ssl.client.js';

const firstPollS = 5;
const pollS = 60;
/** A person decides: minutes do not matter. */
const approvalPollS = 600;
/** "Only issued certificates could be revoked." and "already revoked". */
const notIssued = -102;
const revokedAlready = -159;
/** Declining what is in another state. */
const notRequested = -1112;

/** Sectigo Certificate Manager: server and client certificates over its REST API, with either sign-in. */
export const sectigo = defineIssuer({
  id: 'sectigo',
  title: 'Sectigo Certificate Manager',
  description: 'Orders certificates at Sectigo: TLS server certificates, or client certificates for S/MIME.',
  options,
  answers: 'later',
  // A public CA sets the dates from its terms, may add `www.` to a domain, and changes the CA that issues.
  allows: { ownValidity: true, extraNames: true, subordinates: true },

  async check(o, ctx) {
    const client = new SectigoClient(o, ctx);
    const known = await client.organizations();
    if (known.some(({ id }) => id === o.organizationId)) return void (await demandProfile(client, o));
    const names = known.map(({ id, name }) => `${id} (${name})`).join(', ');
    throw new PluginError(
      'misconfigured',
      `The account has no organization or department ${o.organizationId}; it has ${names || 'none'}.`,
    );
  },

  async order(request, o, ctx) {
    const client = new SectigoClient(o, ctx);
    const profile = await demandProfile(client, o);
    const orderRef = await productOf(client, o).enrol(request, profile);
    return { status: 'pending', orderRef, pollAfterS: firstPollS };
  },

  async find(request, o, ctx) {
    const orderRef = await opened(o, ctx).find(request);
    return orderRef === null ? null : { status: 'pending', orderRef, pollAfterS: firstPollS };
  },

  async poll(request, o, ctx) {
    const product = opened(o, ctx);
    const { phase, words, needsApproval } = await product.state(request.orderRef, request);
    if (phase === 'over') return { status: 'rejected', reason: `The order has ended without a certificate. ${words}` };
    const sent = phase === 'ready' ? await product.collect(request.orderRef) : null;
    const { orderRef } = request;
    if (sent && isReplaced(request, sent)) return { status: 'pending', orderRef, pollAfterS: pollS, progress: words };
    if (sent) return collected(request, sent);
    const pollAfterS = needsApproval ? approvalPollS : pollS;
    return { status: 'pending', orderRef, pollAfterS, progress: words, awaitsApproval: needsApproval };
  },

  async cancel(request, o, ctx) {
    const product = opened(o, ctx);
    try {
      await product.decline(request.orderRef);
    } catch (error) {
      if (sectigoCode(error) !== notRequested || !(await product.isDeclined(request.orderRef))) throw error;
    }
  },

  async revoke(request, o, ctx) {
    const product = opened(o, ctx);
    const [leafPem = ''] = request.chainPem;
    const { externalId: orderRef } = request;
    const { serialHex } = parseCertificate(leafPem);
    try {
      await product.revoke({ ...(orderRef !== undefined && { orderRef }), serialHex }, reasonOf(request));
    } catch (error) {
      const code = sectigoCode(error);
      const isDone =
        code === revokedAlready ||
        (code === notIssued && orderRef !== undefined && (await product.isRevoked(orderRef)));
      if (!isDone) throw error;
    }
  },

  /** Sectigo lists no CA certificates; they come with each certificate. */
  async describe(o, ctx) {
    const product = opened(o, ctx);
    const newest = await product.newest();
    const sent = newest === null ? null : await product.collect(newest);
    if (!sent)
      throw new PluginError(
        'misconfigured',
        'Sectigo has issued no certificate with this profile that would show its CA: upload the CA certificate.',
      );
    const certificates = readable(sent);
    const leaf = certificates.find(({ isCa }) => !isCa);
    const [, ...chainPem] = leaf ? await chainForKey({ certificates, spkiDer: leaf.spkiDer }) : [];
    return { issuers: chainPem.length > 0 ? [{ chainPem }] : [] };
  },

  profiles,

  organizations,

  persons,

  list: (request, o, ctx) => heldBy(opened(o, ctx), request, ctx.now()),
});

function opened(o: SectigoOptions, ctx: PluginContext): Product {
  return productOf(new SectigoClient(o, ctx), o);
}

function productOf(client: SectigoClient, o: SectigoOptions): Product {
  return o.product === 'ssl' ? new SslCertificates(client, o) : new SmimeCertificates(client, o);
}

/** The ID of a certificate that is being replaced shows the old certificate until the new one is issued. */
function isReplaced({ orderRef, request: { renews, spkiDer } }: PollRequest, sent: Buffer): boolean {
  const [oldPem] = renews?.externalId === orderRef ? renews.chainPem : [];
  if (oldPem === undefined || isOfKey(parseCertificate(oldPem), spkiDer)) return false;
  return !readable(sent).some((one) => isOfKey(one, spkiDer));
}

async function collected({ orderRef, request, authority }: PollRequest, sent: Buffer): Promise<Outcome> {
  const knownPem = [authority.certificatePem, ...authority.chainPem];
  const chainPem = await chainForKey({ certificates: readable(sent), spkiDer: request.spkiDer, knownPem });
  return { status: 'issued', chainPem, externalId: orderRef };
}
