import { z } from 'zod';
import { parseCertificate } from '../../src/pki/certificate.js';
import { certificatesIn, isOfKey } from '../../src/pki/issued-chain.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { CertificateRequest, OrderRequest } from '../../src/plugin-api/issuer.js';
import type { SubjectAltName } from '../../src/plugin-api/terms.js';
import {
  type Listed,
  type ListedStatus,
  type OrderState,
  orNotYet,
  type Product,
  type RevocationReason,
  serialHexOf,
} from './product.js';
import { demandKey, type Profile, termOf } from './profile.js';
import { type Renewal, renewalOf, SavedRenewal } from './renewal.js';
import type { SectigoClient } from './sectigo.client.js';
import { customFieldsOf, type SectigoOptions } from './sectigo.options.js';

const Enrolled = z.object({ sslId: z.int() });
const Entry = z.object({
  sslId: z.int(),
  commonName: z.string().nullish(),
  serialNumber: z.string().nullish(),
});
const Details = z.object({
  sslId: z.int(),
  status: z.string(),
  comments: z.string().nullish(),
  serialNumber: z.string().nullish(),
});

/** `Enrolled - Pending Download` and its like appear in details alone. */
const phases: Readonly<Record<string, OrderState['phase']>> = {
  issued: 'ready',
  replaced: 'ready',
  expired: 'ready',
  downloaded: 'ready',
  'enrolled - pending download': 'ready',
  declined: 'over',
  rejected: 'over',
  invalid: 'over',
  revoked: 'over',
};
const unapproved = ['requested', 'awaiting approval', 'init'];

/** Server certificates. Every method throws PluginError. */
export class SslCertificates implements Product {
  constructor(
    private readonly client: SectigoClient,
    private readonly options: SectigoOptions,
  ) {}

  /** A renewal that Sectigo refuses is ordered anew. */
  async enrol(order: OrderRequest, profile: Profile): Promise<string> {
    demandKey(profile, order.request.spkiDer);
    const renewal = renewalOf(order.request, this.options);
    if (!renewal) return this.ordered(order, profile);
    const known = renewal.kind === 'renew' ? await this.idsOf(order.request) : [];
    await order.save(JSON.stringify({ renewal, known } satisfies SavedRenewal));
    try {
      return await this.renewed(order.request, renewal);
    } catch (error) {
      if (!(error instanceof PluginError) || error.fault !== 'refused') throw error;
      await order.save(JSON.stringify({ known: [] } satisfies SavedRenewal));
      return this.ordered(order, profile);
    }
  }

  /** The SANs of the CSR do not count at Sectigo; these are one text, other than in `replace`. */
  private async ordered({ request }: OrderRequest, profile: Profile): Promise<string> {
    const { organizationId, externalRequester } = this.options;
    const { sslId } = await this.client.json(Enrolled, {
      path: '/ssl/v1/enroll',
      json: {
        orgId: organizationId,
        csr: request.csrPem,
        certType: profile.id,
        term: termOf(profile, request.terms, this.options),
        subjAltNames: sansOf(request.terms.subjectAltNames).join(','),
        comments: markOf(request),
        externalRequester: externalRequester.join(', '),
        customFields: customFieldsOf(this.options),
      },
    });
    return String(sslId);
  }

  private async renewed({ csrPem, terms, renews }: CertificateRequest, { kind, orderRef }: Renewal): Promise<string> {
    const path = encodeURIComponent(orderRef);
    if (kind === 'renew') {
      const { sslId } = await this.client.json(Enrolled, { path: `/ssl/v1/renewById/${path}`, json: { csr: csrPem } });
      return String(sslId);
    }
    const json = {
      csr: csrPem,
      reason: 'The key is replaced.',
      commonName: terms.subject.commonName,
      subjectAlternativeNames: sansOf(parseCertificate(renews?.chainPem[0] ?? '').subjectAltNames),
    };
    await this.client.send({ path: `/ssl/v1/replace/${path}`, json });
    return orderRef;
  }

  /** Sectigo does not search by key: candidates have the name, and the order of this request has its mark. */
  async find({ request, state }: OrderRequest): Promise<string | null> {
    const { renewal, known } = SavedRenewal.parse(JSON.parse(state ?? '{}'));
    if (renewal) return this.findRenewal(request, renewal, known);
    for (const id of await this.idsOf(request)) {
      const { comments } = await this.details(String(id));
      if (comments?.includes(markOf(request))) return String(id);
    }
    return null;
  }

  /**
   * A renewal has no mark of its own, so it is known by its key: among what is new since it was asked for, or, for a
   * replacement, at the certificate itself. What shows no key yet is awaited.
   */
  private async findRenewal(
    request: CertificateRequest,
    { kind, orderRef }: Renewal,
    known: readonly number[],
  ): Promise<string | null> {
    const fresh = kind === 'replace' ? [] : (await this.idsOf(request)).filter((id) => !known.includes(id)).map(String);
    let isAnyOpen = false;
    for (const candidate of kind === 'replace' ? [orderRef] : fresh) {
      const { phase } = await this.state(candidate);
      if (phase === 'over') continue;
      const sent = phase === 'ready' ? await this.collect(candidate) : null;
      if (!sent) isAnyOpen = true;
      else if (certificatesIn(sent).some((one) => isOfKey(one, request.spkiDer))) return candidate;
    }
    if (isAnyOpen) throw new PluginError('unavailable', 'Whether Sectigo has the renewal shows once it is issued.');
    return null;
  }

  /** The certificates of this profile with the name of a request, the newest first. */
  private async idsOf({ terms }: CertificateRequest): Promise<number[]> {
    const { commonName } = terms.subject;
    const [subjectAlternativeName] = sansOf(terms.subjectAltNames);
    const { organizationId: orgId, profileId: sslTypeId } = this.options;
    const query = { ...(commonName ? { commonName } : { subjectAlternativeName }), orgId, sslTypeId };
    const ids: number[] = [];
    for await (const { sslId } of this.client.pages(Entry, { path: '/ssl/v1', query })) ids.push(sslId);
    return ids.sort((a, b) => b - a);
  }

  async state(orderRef: string): Promise<OrderState> {
    const { status } = await this.details(orderRef);
    const word = status.toLowerCase();
    const needsApproval = unapproved.includes(word);
    return {
      phase: phases[word] ?? 'waiting',
      words: needsApproval ? 'It waits for approval at Sectigo.' : `Sectigo says: ${status}.`,
      needsApproval,
    };
  }

  collect(orderRef: string): Promise<Buffer | null> {
    const path = `/ssl/v1/collect/${encodeURIComponent(orderRef)}`;
    return orNotYet(() => this.client.send({ path, query: { format: 'x509' }, headers: anything }));
  }

  async newest(): Promise<string | null> {
    const { organizationId: orgId, profileId: sslTypeId } = this.options;
    const query = { status: 'Issued', orgId, sslTypeId, size: 1, position: 0 };
    const [first] = await this.client.json(z.array(Entry), { path: '/ssl/v1', query });
    return first ? String(first.sslId) : null;
  }

  async revoke({ orderRef, serialHex }: { orderRef?: string; serialHex: string }, reason: RevocationReason) {
    const isAtId = orderRef !== undefined && (await this.isCurrent(orderRef, serialHex));
    const path = isAtId ? encodeURIComponent(orderRef) : `serial/${serialHex}`;
    await this.client.send({ path: `/ssl/v1/revoke/${path}`, json: reason });
  }

  async *listed(status: ListedStatus): AsyncGenerator<Listed> {
    const { organizationId: orgId, profileId: sslTypeId } = this.options;
    const query = { status: { issued: 'Issued', expired: 'Expired' }[status], orgId, sslTypeId };
    for await (const { sslId, commonName, serialNumber } of this.client.pages(Entry, { path: '/ssl/v1', query })) {
      const serialHex = serialHexOf(serialNumber);
      yield { orderRef: String(sslId), ...(serialHex && { serialHex }), ...(commonName && { commonName }) };
    }
  }

  async isRevoked(orderRef: string): Promise<boolean> {
    return (await this.details(orderRef)).status.toLowerCase() === 'revoked';
  }

  async decline(orderRef: string): Promise<void> {
    const json = { message: 'The request was withdrawn.' };
    await this.client.send({ path: `/ssl/v1/decline/${encodeURIComponent(orderRef)}`, json });
  }

  async isDeclined(orderRef: string): Promise<boolean> {
    return (await this.state(orderRef)).phase === 'over';
  }

  /** A certificate that was replaced has left its ID to the one that replaced it. */
  private async isCurrent(orderRef: string, serialHex: string): Promise<boolean> {
    const current = serialHexOf((await this.details(orderRef)).serialNumber);
    return current === undefined || current === serialHexOf(serialHex);
  }

  private details(orderRef: string): Promise<z.infer<typeof Details>> {
    return this.client.json(Details, { path: `/ssl/v1/${encodeURIComponent(orderRef)}` });
  }
}

/** Collecting answers with the certificate itself, whatever its form. */
export const anything = { accept: '*/*' };

/** By which the order of a request is found again. */
function markOf({ idempotencyKey }: CertificateRequest): string {
  return `Perennial ${idempotencyKey}`;
}

function sansOf(names: readonly SubjectAltName[]): string[] {
  return names.filter(({ type }) => type === 'dns' || type === 'ip').map(({ value }) => value);
}
