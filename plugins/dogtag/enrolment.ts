import { parseCertificate } from '../../src/pki/certificate.js';
import { parseCsr } from '../../src/pki/csr.js';
import { isOfKey } from '../../src/pki/issued-chain.js';
import type { CaProfile, CaRequestLabel } from '../../src/plugin-api/ca-administration.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { CertificateRequest, OrderRequest, Outcome, PollRequest } from '../../src/plugin-api/issuer.js';
import { collect } from './ca-certificates.js';
import type { DogtagSession } from './dogtag.client.js';
import { forPeople, inputsOf } from './dogtag.options.js';
import { findProfile, lostNames } from './ca-profiles.js';
import { decide, findRequest, labelOf, listRequests, reviewRequest } from './ca-requests.js';
import { listOf, textOf } from './wire.js';

const approvalPollS = 60;
/** The clock of the CA may be so much behind ours. */
const slackMs = 300_000;
/** So long an account that sees no open requests waits for a certificate before it requests again. */
const blindWaitMs = 15 * 60_000;

/** Kept with each order: when the CA was first asked. */
interface OrderState {
  askedAt: string;
}

/** Submits the CSR. The answer of the CA is not awaited further: what is known of the order is stored first. */
export async function enrol(session: DogtagSession, order: OrderRequest): Promise<Outcome> {
  const { request } = order;
  const { options, ctx } = session;
  const profile = await findProfile(session, options.profile);
  if (!profile) throw new PluginError('misconfigured', `The CA has no profile ${options.profile}.`);
  if (!profile.enabled) throw new PluginError('misconfigured', `The profile ${profile.id} is disabled at the CA.`);
  const lost = lostNames(profile, request.terms);
  if (lost !== null) throw new PluginError('refused', lost);
  const body = { ProfileID: profile.id, Renewal: false, Input: filledIn(profile, request, session) };
  await order.save(JSON.stringify({ askedAt: ctx.now().toISOString() } satisfies OrderState));
  const query = { 'issuer-id': options.issuerId };
  const reply = await session.ask('certrequests', { method: 'POST', query, body });
  if (reply.status === 500 && /Invalid Request|Unknown Certificate Request Type/.test(reply.message))
    throw new PluginError('refused', `The CA cannot read the request: ${forPeople(reply.message, options)}.`);
  if (!reply.ok) throw await session.failure(reply);
  const [entry] = listOf(reply.wire, 'entries');
  if (!entry) throw new PluginError('unavailable', 'The CA took the request without an answer.');
  return settle(session, labelOf(entry));
}

/** How far a request is; approves it where that is ours to do. */
export async function follow(session: DogtagSession, { orderRef }: PollRequest): Promise<Outcome> {
  const label = await findRequest(session, orderRef);
  if (!label) throw new PluginError('refused', `The CA does not know the request ${orderRef}.`);
  if (label.state !== 'pending' || !session.options.autoApprove) return settle(session, label);
  try {
    await decide(session, { id: label.id, action: 'approve' });
  } catch (error) {
    if (!(error instanceof PluginError) || error.fault !== 'refused') throw error;
    // An agent should not approve by mistake what nobody waits for any more.
    await decide(session, { id: label.id, action: 'cancel' });
    return { status: 'rejected', reason: error.detail };
  }
  return settle(session, (await findRequest(session, label.id)) ?? label);
}

/**
 * Our own order, by its CSR among the open requests, and by its key among the certificates issued since. Without a
 * state the CA was never asked: a certificate of the same key is an older one then.
 */
export async function findOrder(session: DogtagSession, { request, state }: OrderRequest): Promise<Outcome | null> {
  if (state === undefined) return null;
  const { askedAt } = JSON.parse(state) as OrderState;
  const askedMs = new Date(askedAt).getTime();
  const issued = await findIssued(session, request, askedMs - slackMs);
  if (issued) return issued;
  if (session.isAgent) {
    const label = await findPending(session, request, askedMs - slackMs);
    return label && settle(session, label);
  }
  if (session.ctx.now().getTime() - askedMs < blindWaitMs)
    throw new PluginError('unavailable', 'The account sees no open requests: the certificate is awaited.');
  return null;
}

async function findIssued(
  session: DogtagSession,
  { spkiDer, terms: { subject } }: CertificateRequest,
  since: number,
): Promise<Outcome | null> {
  const { commonName } = subject;
  const body = {
    ...(commonName !== undefined && { commonName, matchExactly: true, subjectInUse: true }),
    issuedOnInUse: true,
    issuedOnFrom: String(since),
  };
  const pageSize = 50;
  for (let start = 0; ; start += pageSize) {
    const query = { start, size: pageSize };
    const entries = listOf(await session.get('certs/search', { method: 'POST', query, body }), 'entries');
    for (const id of entries.map((entry) => textOf(entry, 'id') ?? '')) {
      const chainPem = await collect(session, id);
      if (isOfKey(parseCertificate(chainPem[0] ?? ''), spkiDer)) return { status: 'issued', chainPem, externalId: id };
    }
    if (entries.length < pageSize) return null;
  }
}

/** Only an agent sees the CSRs of requests. Newest first, and none that is older than the order. */
async function findPending(
  session: DogtagSession,
  { csrPem }: CertificateRequest,
  since: number,
): Promise<CaRequestLabel | null> {
  const labels: CaRequestLabel[] = [];
  let after: string | undefined;
  do {
    const wanted = { count: 100, state: 'pending', type: 'enrolment', ...(after !== undefined && { after }) } as const;
    const part = await listRequests(session, wanted);
    labels.push(...part.items);
    after = part.next;
  } while (after !== undefined);
  const ours = parseCsr(csrPem).der;
  for (const label of labels.reverse()) {
    const request = await reviewRequest(session, label.id);
    if (request?.csrPem !== undefined && parsed(request.csrPem)?.equals(ours)) return label;
    if (request?.createdAt && request.createdAt.getTime() < since) return null;
  }
  return null;
}

function parsed(csrPem: string): Buffer | null {
  try {
    return parseCsr(csrPem).der;
  } catch {
    return null;
  }
}

/** What the state of a request at the CA means for our order. */
async function settle(session: DogtagSession, label: CaRequestLabel): Promise<Outcome> {
  const { options } = session;
  const { id, state, serialHex, detail } = label;
  if (state === 'issued' && serialHex !== undefined) {
    const externalId = `0x${serialHex.toLowerCase()}`;
    return { status: 'issued', chainPem: await collect(session, externalId), externalId };
  }
  if (state === 'rejected' || state === 'cancelled') {
    const why = detail === undefined ? '' : `: ${forPeople(detail, options)}`;
    return { status: 'rejected', reason: `The request ${id} was ${state} at the CA${why}.` };
  }
  return {
    status: 'pending',
    orderRef: id,
    pollAfterS: options.autoApprove ? 1 : approvalPollS,
    awaitsApproval: !options.autoApprove,
    progress: `The request ${id} waits for ${options.autoApprove ? 'our' : 'the'} approval at the CA.`,
  };
}

/** The inputs of the profile, as far as they are known. Throws PluginError for an input that the profile has not. */
function filledIn(
  { id, inputs }: CaProfile,
  { csrPem, terms: { subject } }: CertificateRequest,
  { options }: DogtagSession,
): object[] {
  const extra = inputsOf(options);
  const names = new Set(inputs.flatMap(({ fields }) => fields.map(({ name }) => name)));
  const foreign = [...extra.keys()].filter((name) => !names.has(name));
  if (foreign.length > 0)
    throw new PluginError(
      'misconfigured',
      `The profile ${id} has no input ${foreign.join(', ')}. It has ${[...names].join(', ')}.`,
    );
  if (!names.has('cert_request'))
    throw new PluginError('misconfigured', `The profile ${id} takes no CSR, so it cannot be used here.`);
  const known: Record<string, string | undefined> = {
    cert_request_type: 'pkcs10',
    cert_request: csrPem,
    requestor_name: options.requestorName,
    requestor_email: options.requestorEmail,
    sn_cn: subject.commonName,
    sn_o: subject.organization,
    sn_ou: subject.organizationalUnit,
    sn_c: subject.country,
  };
  return inputs.map((input) => ({
    id: input.id,
    Attribute: input.fields.flatMap(({ name }) => {
      const value = extra.get(name) ?? known[name];
      return value === undefined ? [] : [{ name, Value: value }];
    }),
  }));
}
