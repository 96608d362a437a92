import { z } from 'zod';
import type { CertificateRequest, OrderRequest } from '../../src/plugin-api/issuer.js';
import { type OrderState, orNotYet, type Product, type RevocationReason } from './product.js';
import { type Profile, termOf } from './profile.js';
import type { SectigoClient } from './sectigo.client.js';
import { customFieldsOf, type SectigoOptions } from './sectigo.options.js';

const Enrolled = z.object({ sslId: z.int() });
const Listed = z.object({ sslId: z.int() });
const Details = z.object({
  sslId: z.int(),
  status: z.string(),
  comments: z.string().nullish(),
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

  /** The SANs of the CSR do not count at Sectigo; these are one text, other than in `replace`. */
  async enrol({ request }: OrderRequest, profile: Profile): Promise<string> {
    const { organizationId, externalRequester } = this.options;
    const { sslId } = await this.client.json(Enrolled, {
      path: '/ssl/v1/enroll',
      json: {
        orgId: organizationId,
        csr: request.csrPem,
        certType: profile.id,
        term: termOf(profile, request.terms, this.options),
        subjAltNames: namesOf(request).join(','),
        comments: markOf(request),
        externalRequester: externalRequester.join(', '),
        customFields: customFieldsOf(this.options),
      },
    });
    return String(sslId);
  }

  /** Sectigo does not search by key: candidates have the name, and the order of this request has its mark. */
  async find({ request }: OrderRequest): Promise<string | null> {
    const { commonName } = request.terms.subject;
    const [subjectAlternativeName] = namesOf(request);
    const { organizationId: orgId, profileId: sslTypeId } = this.options;
    const query = { ...(commonName ? { commonName } : { subjectAlternativeName }), orgId, sslTypeId };
    const ids: number[] = [];
    for await (const { sslId } of this.client.pages(Listed, { path: '/ssl/v1', query })) ids.push(sslId);
    for (const id of ids.sort((a, b) => b - a)) {
      const { comments } = await this.details(String(id));
      if (comments?.includes(markOf(request))) return String(id);
    }
    return null;
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
    const [first] = await this.client.json(z.array(Listed), { path: '/ssl/v1', query });
    return first ? String(first.sslId) : null;
  }

  async revoke({ orderRef, serialHex }: { orderRef?: string; serialHex: string }, reason: RevocationReason) {
    const path = orderRef === undefined ? `serial/${serialHex}` : encodeURIComponent(orderRef);
    await this.client.send({ path: `/ssl/v1/revoke/${path}`, json: reason });
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

function namesOf({ terms }: CertificateRequest): string[] {
  return terms.subjectAltNames.filter(({ type }) => type === 'dns' || type === 'ip').map(({ value }) => value);
}
