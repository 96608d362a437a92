import { z } from 'zod';
import { parseCertificate } from '../../src/pki/certificate.js';
import { certificatesIn, chainForKey, isOfKey } from '../../src/pki/issued-chain.js';
import { PkiError } from '../../src/pki/pki-error.js';
import { partOfAll } from '../../src/plugin-api/ca-administration.js';
import type { Held } from '../../src/plugin-api/ca-inventory.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type CertificateRequest, defineIssuer, type OrderRequest, type Outcome } from '../../src/plugin-api/issuer.js';
import { HttpFailure } from '../../src/plugin-api/json-client.js';
import type { SubjectAltName } from '../../src/plugin-api/terms.js';
import { settings } from './ca-settings.js';
import { type CertificateOrder, DjangoCaClient, type HeldAtDjango } from './django-ca.client.js';
import { options } from './django-ca.options.js';
import { signRequestOf } from './sign-request.js';

const firstPollS = 2;
const pollS = 15;
/** So long an order may wait for its turn to be signed; until then it cannot be found. */
const longestTurnMs = 15 * 60_000;
/** django-ca drops the seconds of a date. */
const wholeMinuteMs = 60_000;

/** The names of CRLReason codes (RFC 5280 §5.3.1). */
const reasons: Readonly<Record<number, string>> = {
  0: 'unspecified',
  1: 'keyCompromise',
  2: 'cACompromise',
  3: 'affiliationChanged',
  4: 'superseded',
  5: 'cessationOfOperation',
  6: 'certificateHold',
  9: 'privilegeWithdrawn',
  10: 'aACompromise',
};

/** Kept with each order: when django-ca was asked; absent when it has answered that it did not take the order. */
const State = z.object({ askedAt: z.coerce.date().optional() });
type State = z.output<typeof State>;

/** A CA of django-ca, over its REST API. */
export const djangoCa = defineIssuer({
  id: 'django-ca',
  title: 'django-ca',
  description: 'Has requests signed by a CA of django-ca over its REST API, version 2.2 or newer.',
  options,
  answers: 'later',

  async check(o, ctx) {
    const client = new DjangoCaClient(o, ctx);
    await client.chainPem();
    await client.certificates({ expired: false, revoked: false });
  },

  async order(request, o, ctx) {
    const client = new DjangoCaClient(o, ctx);
    const asked = signRequestOf(request.request);
    await request.save(JSON.stringify({ askedAt: ctx.now() } satisfies State));
    const again = o.resigns ? resignable(request.request) : null;
    const sign = async () =>
      (again === null ? null : await client.resign(again, request.request.terms.notAfter)) ??
      (await client.sign(asked));
    const order = await sign().catch(async (error: unknown) => {
      if (error instanceof HttpFailure && error.answer.status < 500) await request.save('{}');
      throw error;
    });
    return outcomeOf(request, client, order);
  },

  async poll(request, o, ctx) {
    const client = new DjangoCaClient(o, ctx);
    return outcomeOf(request, client, await client.order(request.orderRef));
  },

  /** Orders cannot be listed: what is found is the certificate, once it is signed, and until then it is awaited. */
  async find(request, o, ctx) {
    const client = new DjangoCaClient(o, ctx);
    const held = await client.certificates({ expired: false, revoked: false });
    const found = held.find(({ pem }) => isAnswerTo(request, pem));
    if (found) return issued(request, client, found.pem);
    const { askedAt } = State.parse(JSON.parse(request.state ?? '{}'));
    if (askedAt && ctx.now().getTime() - askedAt.getTime() < longestTurnMs)
      throw new PluginError('unavailable', 'django-ca may have the order: its certificate is awaited.');
    return null;
  },

  async revoke({ chainPem: [leafPem = ''], reason }, o, ctx) {
    const name = reasons[reason];
    if (name === undefined)
      throw new PluginError('refused', `django-ca does not know the revocation reason ${reason}.`);
    await new DjangoCaClient(o, ctx).revoke(parseCertificate(leafPem).serialHex, name);
  },

  profiles: {
    async list(request, o, ctx) {
      const all = await new DjangoCaClient(o, ctx).profiles();
      const labels = all.map(({ name, description }) => ({ id: name, name, ...(description && { description }) }));
      return partOfAll(labels, request);
    },
  },

  settings,

  async describe(o, ctx) {
    return { issuers: [{ chainPem: await new DjangoCaClient(o, ctx).chainPem() }] };
  },

  async *list({ commonName, serialHex, status, skip = 0 }, o, ctx) {
    const which = { expired: status !== 'valid', revoked: status !== 'valid' };
    const held = await new DjangoCaClient(o, ctx).certificates(which);
    const matching = held
      .map((one) => heldOf(one, ctx.now()))
      .filter(
        (one) =>
          one.kind === 'trouble' ||
          ((status === undefined || one.status === status) &&
            (serialHex === undefined || one.location === serialHex.toUpperCase()) &&
            (commonName === undefined || nameOf(one).includes(commonName.toLowerCase()))),
      );
    yield* matching.slice(skip);
  },
});

async function outcomeOf(request: OrderRequest, client: DjangoCaClient, order: CertificateOrder): Promise<Outcome> {
  const { slug: orderRef, status, serial } = order;
  if (status === 'failed') return { status: 'rejected', reason: 'django-ca could not sign; its log says why.' };
  if (status === 'pending' || !serial)
    return { status: 'pending', orderRef, pollAfterS: status === 'issued' ? pollS : firstPollS };
  return issued(request, client, (await client.certificate(serial)).pem);
}

async function issued({ request, authority }: OrderRequest, client: DjangoCaClient, leafPem: string): Promise<Outcome> {
  const certificates = [leafPem, ...(await client.chainPem())].flatMap(readable);
  const knownPem = [authority.certificatePem, ...authority.chainPem];
  const chainPem = await chainForKey({ certificates, spkiDer: request.spkiDer, knownPem });
  return { status: 'issued', chainPem, externalId: parseCertificate(leafPem).serialHex };
}

function readable(pem: string): ReturnType<typeof certificatesIn> {
  try {
    return certificatesIn(Buffer.from(pem));
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    throw new PluginError('unavailable', `What django-ca sent as a certificate is not readable: ${error.message}.`);
  }
}

/** The serial number of the certificate that is renewed, when the request has its key and its names. */
function resignable({ renews, spkiDer, terms }: CertificateRequest): string | null {
  const [leafPem] = renews?.chainPem ?? [];
  if (leafPem === undefined) return null;
  const { subjectAltNames, subjectFields, serialHex, spkiDer: oldKey } = parseCertificate(leafPem);
  const spellings = (names: readonly SubjectAltName[]): string =>
    names
      .map(({ type, value }) => `${type}:${value.toLowerCase()}`)
      .sort()
      .join();
  const isSame =
    isOfKey({ spkiDer: oldKey }, spkiDer) &&
    spellings(subjectAltNames) === spellings(terms.subjectAltNames) &&
    subjectFields.commonName === terms.subject.commonName;
  return isSame ? serialHex : null;
}

/** A request may have the key of an older certificate, so the end must be the one that was asked for, too. */
function isAnswerTo({ request: { spkiDer, terms } }: OrderRequest, pem: string): boolean {
  try {
    const certificate = parseCertificate(pem);
    const differenceMs = Math.abs(certificate.notAfter.getTime() - terms.notAfter.getTime());
    return isOfKey(certificate, spkiDer) && differenceMs < wholeMinuteMs;
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}

function heldOf({ pem, revoked, revoked_date, revoked_reason }: HeldAtDjango, now: Date): Held {
  try {
    const { serialHex, notAfter } = parseCertificate(pem);
    const code = Object.entries(reasons).find(([, name]) => name === revoked_reason)?.[0];
    return {
      kind: 'certificate',
      chainPem: [pem],
      location: serialHex,
      externalId: serialHex,
      status: revoked ? (code === '6' ? 'held' : 'revoked') : notAfter < now ? 'expired' : 'valid',
      ...(revoked && revoked_date && { revokedAt: new Date(revoked_date) }),
      ...(revoked && code !== undefined && { reason: Number(code) }),
    };
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return { kind: 'trouble', location: pem.slice(0, 100), detail: error.message };
  }
}

function nameOf({ chainPem: [pem = ''] }: Extract<Held, { kind: 'certificate' }>): string {
  return (parseCertificate(pem).subjectFields.commonName ?? '').toLowerCase();
}
