import { z } from 'zod';
import { certificatesIn, isOfKey } from '../../src/pki/issued-chain.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { CertificateRequest, OrderRequest } from '../../src/plugin-api/issuer.js';
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
import { keepsKey, type Renewal, renewalOf } from './renewal.js';
import type { SectigoClient } from './sectigo.client.js';
import { customFieldsOf, type SectigoOptions } from './sectigo.options.js';
import { anything } from './ssl.client.js';

/** `backendCertId` names the certificate to every other call; `id` and `orderNumber` do not. */
const Enrolled = z.object({ backendCertId: z.coerce.string().min(1) });
const Entry = z.object({
  id: z.int(),
  state: z.string(),
  backendCertId: z.coerce.string().nullish(),
  serialNumber: z.string().nullish(),
});
type Entry = z.infer<typeof Entry>;
const Person = z.object({ firstName: z.string(), lastName: z.string(), email: z.string() });
/** What is stored before enrolling: the person's certificates until then. */
const Saved = z.object({ known: z.array(z.int()) });

const ready = ['issued', 'downloaded', 'expired'];
const over = ['rejected', 'revoked', 'pre_revoked'];

/** Client certificates (S/MIME). Every method throws PluginError. */
export class SmimeCertificates implements Product {
  constructor(
    private readonly client: SectigoClient,
    private readonly options: SectigoOptions,
  ) {}

  async enrol(order: OrderRequest, profile: Profile): Promise<string> {
    const { request } = order;
    const email = emailOf(request);
    demandKey(profile, request.spkiDer);
    const term = termOf(profile, request.terms, this.options);
    const name = await this.personName(email, request);
    const known = (await this.ofPerson(email)).map(({ id }) => id);
    await order.save(JSON.stringify({ known }));
    const renewal = keepsKey(request) ? renewalOf(request, this.options) : null;
    const renewed = renewal?.kind === 'renew' ? await this.renewed(renewal) : null;
    if (renewed !== null) return renewed;
    const { backendCertId } = await this.client.json(Enrolled, {
      path: '/smime/v1/enroll',
      json: {
        orgId: this.options.organizationId,
        csr: request.csrPem,
        certType: profile.id,
        term,
        email,
        ...name,
        customFields: customFieldsOf(this.options),
      },
    });
    return backendCertId;
  }

  /** Sectigo certifies the old key again. Null: it refuses to, so that the certificate is ordered anew. */
  private async renewed({ orderRef }: Renewal): Promise<string | null> {
    try {
      const path = `/smime/v2/renew/order/${encodeURIComponent(orderRef)}`;
      return (await this.client.json(Enrolled, { path, json: {} })).backendCertId;
    } catch (error) {
      if (error instanceof PluginError && error.fault === 'refused') return null;
      throw error;
    }
  }

  /**
   * A list of client certificates shows no comments, so the order is known by its key among what is new since it was
   * made. What is not issued yet shows no key, and may be an order of somebody else for the same person: it is awaited.
   */
  async find({ request, state }: OrderRequest): Promise<string | null> {
    if (state === undefined) return null;
    const { known } = Saved.parse(JSON.parse(state));
    const fresh = (await this.ofPerson(emailOf(request))).filter(({ id }) => !known.includes(id));
    let isAnyOpen = false;
    for (const { backendCertId, state: word } of fresh) {
      if (!backendCertId || over.includes(word.toLowerCase())) continue;
      const sent = await this.collect(backendCertId);
      if (!sent) isAnyOpen = true;
      else if (certificatesIn(sent).some((one) => isOfKey(one, request.spkiDer))) return backendCertId;
    }
    if (isAnyOpen)
      throw new PluginError('unavailable', 'Whose the open orders of this person are shows once they are issued.');
    return null;
  }

  async state(orderRef: string, { request }: OrderRequest): Promise<OrderState> {
    const listed = await this.ofPerson(emailOf(request));
    const word = listed.find(({ backendCertId }) => backendCertId === orderRef)?.state.toLowerCase() ?? 'unknown';
    const phase = ready.includes(word) ? 'ready' : over.includes(word) ? 'over' : 'waiting';
    return { phase, words: `Sectigo says: ${word}.`, needsApproval: false };
  }

  collect(orderRef: string): Promise<Buffer | null> {
    const path = `/smime/v1/collect/${encodeURIComponent(orderRef)}`;
    return orNotYet(() => this.client.send({ path, query: { format: 'x509' }, headers: anything }));
  }

  async newest(): Promise<string | null> {
    const query = { state: 'issued', certTypeId: this.options.profileId, size: 1, position: 0 };
    const [first] = await this.client.json(z.array(Entry), { path: '/smime/v2', query });
    return first?.backendCertId ?? null;
  }

  async revoke({ orderRef, serialHex }: { orderRef?: string; serialHex: string }, reason: RevocationReason) {
    const path = orderRef === undefined ? `serial/${serialHex}` : `order/${encodeURIComponent(orderRef)}`;
    await this.client.send({ path: `/smime/v1/revoke/${path}`, json: reason });
  }

  async isRevoked(orderRef: string): Promise<boolean> {
    const query = { backendCertId: orderRef };
    const listed = await this.client.json(z.array(Entry), { path: '/smime/v2', query });
    return listed.some((one) => one.backendCertId === orderRef && /revoked$/i.test(one.state));
  }

  async *listed(state: ListedStatus): AsyncGenerator<Listed> {
    const query = { state, certTypeId: this.options.profileId };
    for await (const { backendCertId, serialNumber } of this.client.pages(Entry, { path: '/smime/v2', query })) {
      const serialHex = serialHexOf(serialNumber);
      if (backendCertId) yield { orderRef: backendCertId, ...(serialHex && { serialHex }) };
    }
  }

  decline(): Promise<never> {
    return Promise.reject(new PluginError('refused', 'Sectigo withdraws no requests for client certificates.'));
  }

  isDeclined(): Promise<boolean> {
    return Promise.resolve(false);
  }

  private ofPerson(email: string): Promise<Entry[]> {
    return this.client.json(z.array(Entry), { path: `/smime/v2/byPersonEmail/${encodeURIComponent(email)}` });
  }

  /** As Sectigo knows the person; a person who is new there is named by the common name. */
  private async personName(
    email: string,
    { terms }: CertificateRequest,
  ): Promise<Omit<z.infer<typeof Person>, 'email'>> {
    const persons = await this.client.json(z.array(Person), { path: '/person/v2', query: { email } });
    const known = persons.find((one) => one.email.toLowerCase() === email.toLowerCase());
    if (known) return { firstName: known.firstName, lastName: known.lastName };
    const words = (terms.subject.commonName ?? '').trim().split(/\s+/);
    if (words.length > 1 && !terms.subject.commonName?.includes('@'))
      return { firstName: words.slice(0, -1).join(' '), lastName: words.at(-1) ?? '' };
    throw new PluginError(
      'refused',
      `Sectigo knows no person ${email}: add the person there, or ask with first and last name as the common name.`,
    );
  }
}

/** Throws PluginError `refused`. */
function emailOf({ terms }: CertificateRequest): string {
  const email = terms.subjectAltNames.find(({ type }) => type === 'email')?.value;
  if (email === undefined)
    throw new PluginError('refused', 'A client certificate needs an e-mail address among its alternative names.');
  return email;
}
