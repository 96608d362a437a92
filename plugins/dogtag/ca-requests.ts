import { parsePem, CSR_LABELS, toPem } from '../../src/pki/pem.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type {
  CaRequest,
  CaRequestAction,
  CaRequestDecision,
  CaRequestLabel,
  CaRequestState,
  CaRequestType,
  Part,
  PartRequest,
} from '../../src/plugin-api/ca-administration.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { isRaced, outrun } from './ca-certificates.js';
import type { DogtagSession } from './dogtag.client.js';
import { dateOf, decimalId, listOf, objectOf, pairsOf, serialHexOf, textOf, type Wire } from './wire.js';

const mostReviews = 3;

const types: Readonly<Record<string, CaRequestType>> = {
  enrollment: 'enrolment',
  renewal: 'renewal',
  revocation: 'revocation',
  unrevocation: 'release',
};
const states: Readonly<Record<string, CaRequestState>> = {
  begin: 'pending',
  pending: 'pending',
  svc_pending: 'approved',
  approved: 'approved',
  complete: 'issued',
  rejected: 'rejected',
  canceled: 'cancelled',
};
/** The states in which nothing is left to do for an action. */
const reached: Partial<Record<CaRequestAction, readonly CaRequestState[]>> = {
  approve: ['approved', 'issued'],
  reject: ['rejected'],
  cancel: ['cancelled'],
};

/** The requests in order of their ids. `after` is an id in Dogtag 10, and a number of requests in Dogtag 11. */
export async function listRequests(
  session: DogtagSession,
  { after, count, state, type }: PartRequest & { state?: CaRequestState; type?: CaRequestType },
): Promise<Part<CaRequestLabel>> {
  const start = after !== undefined && /^\d{1,48}$/.test(after) ? after : undefined;
  const requestState = state && wordFor(states, state);
  const query = { requestState, requestType: type && wordFor(types, type), start, pageSize: count };
  const items = listOf(await session.get('agent/certrequests', { query }), 'entries').map(labelOf);
  const last = items.at(-1);
  if (!last || items.length < count) return { items };
  const next = session.startsAtId ? BigInt(last.id) + 1n : BigInt(start ?? 0) + BigInt(items.length);
  return { items, next: String(next) };
}

/** The request as everybody may see it; null when the CA has none with this id. */
export async function findRequest(session: DogtagSession, id: string): Promise<CaRequestLabel | null> {
  const reply = await session.ask(`certrequests/${decimalId(id)}`);
  if (reply.ok) return labelOf(reply.wire);
  await session.demandMissing(reply);
  return null;
}

/** The whole request as an agent sees it; null when the CA has none with this id. */
export async function reviewRequest(session: DogtagSession, id: string): Promise<CaRequest | null> {
  const label = await findRequest(session, id);
  return label && requestOf(label, await session.get(`agent/certrequests/${label.id}`));
}

/**
 * Decides about a request. What an agent has reviewed must come back as a whole, under its nonce, which any attempt
 * spends: each begins with a review.
 */
export async function decide(
  session: DogtagSession,
  { id, action, note, values = {} }: CaRequestDecision,
): Promise<void> {
  const label = await findRequest(session, id);
  if (!label) throw new PluginError('refused', `The CA has no request ${decimalId(id)}.`);
  for (let left = mostReviews; ; left -= 1) {
    const reviewed = await session.get(`agent/certrequests/${label.id}`);
    const body = { ...withValues(reviewed, values), ...(note !== undefined && { requestNotes: note }) };
    const reply = await session.ask(`agent/certrequests/${label.id}/${action}`, { method: 'POST', body });
    if (reply.ok) return;
    const now = await findRequest(session, label.id);
    if (now && reached[action]?.includes(now.state)) return;
    if (now && now.state !== 'pending')
      throw new PluginError('refused', `The request ${label.id} is ${now.state} at the CA.`);
    if (!isRaced(reply)) throw await session.failure(reply);
    if (left === 0) throw outrun();
  }
}

/** What the CA says of a request, in a list or alone. Throws PluginError `unavailable` when it is something else. */
export function labelOf(wire: Wire): CaRequestLabel {
  if (textOf(wire, 'requestStatus') === undefined)
    throw new PluginError('unavailable', 'The CA answered with something that is no request.');
  const [type, serial] = [types[textOf(wire, 'requestType') ?? ''], textOf(wire, 'certId')];
  const detail = textOf(wire, 'errorMessage');
  const url = textOf(wire, 'requestURL') ?? '';
  return {
    id: decimalId(textOf(wire, 'requestID', 'requestId') ?? url.slice(url.lastIndexOf('/') + 1)),
    ...(type && { type }),
    state: states[textOf(wire, 'requestStatus') ?? ''] ?? 'pending',
    ...(serial !== undefined && { serialHex: serialHexOf(serial) }),
    ...(detail !== undefined && { detail }),
  };
}

function requestOf(label: CaRequestLabel, wire: Wire): CaRequest {
  const inputs = pairsOf(listOf(wire, 'Input').flatMap((input) => listOf(input, 'Attribute')));
  const { cert_request: csr = '', ...others } = inputs;
  const [profileId, assignee] = [textOf(wire, 'ProfileID'), textOf(wire, 'requestOwner')];
  const [note, createdAt, csrPem] = [
    textOf(wire, 'requestNotes'),
    dateOf(textOf(wire, 'requestCreationTime')),
    csrPemOf(csr),
  ];
  return {
    ...label,
    ...(profileId !== undefined && { profileId }),
    ...(assignee !== undefined && { assignee }),
    ...(note !== undefined && { note }),
    ...(createdAt && { createdAt }),
    ...(csrPem !== null && { csrPem }),
    inputs: others,
    policies: policiesOf(wire).map(({ def }) => {
      const description = textOf(def, 'description');
      return {
        id: textOf(def, 'id') ?? '',
        ...(description !== undefined && { description }),
        values: listOf(def, 'policyAttribute').map((one) => {
          const words = textOf(objectOf(one, 'Descriptor'), 'Description');
          return {
            name: textOf(one, 'name') ?? '',
            value: textOf(one, 'Value') ?? '',
            ...(words !== undefined && { description: words }),
          };
        }),
      };
    }),
  };
}

/** The CSR, with or without armour at the CA; null when it is none. */
export function csrPemOf(text: string): string | null {
  try {
    const armoured = text.includes('-----BEGIN')
      ? text
      : `-----BEGIN CERTIFICATE REQUEST-----\n${text}\n-----END CERTIFICATE REQUEST-----`;
    const [der] = parsePem(armoured, ...CSR_LABELS);
    return der ? toPem('CERTIFICATE REQUEST', der) : null;
  } catch (error) {
    if (error instanceof PkiError) return null;
    throw error;
  }
}

function policiesOf(wire: Wire): { def: Wire }[] {
  return listOf(wire, 'ProfilePolicySet')
    .flatMap((set) => listOf(set, 'policies'))
    .map((policy) => ({ def: objectOf(policy, 'def') ?? {} }));
}

/** The reviewed request with other values. Throws PluginError `refused` for a name that none of its policies has. */
function withValues(reviewed: Wire, values: Readonly<Record<string, string>>): Wire {
  const names = Object.keys(values);
  if (names.length === 0) return reviewed;
  const copy = structuredClone(reviewed);
  const attributes = policiesOf(copy).flatMap(({ def }) => listOf(def, 'policyAttribute'));
  const unknown = names.filter((name) => !attributes.some((one) => textOf(one, 'name') === name));
  if (unknown.length > 0)
    throw new PluginError('refused', `The request has no value ${unknown.slice(0, 5).join(', ')} to change.`);
  for (const one of attributes) {
    const value = values[textOf(one, 'name') ?? ''];
    if (value !== undefined) Object.assign(one, { Value: value });
  }
  return copy;
}

/** Of several words for one state, the CA's lists know the last. */
function wordFor<T>(words: Readonly<Record<string, T>>, wanted: T): string | undefined {
  return Object.entries(words).findLast(([, value]) => value === wanted)?.[0];
}
