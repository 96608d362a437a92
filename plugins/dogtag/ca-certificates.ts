import { parseCertificate } from '../../src/pki/certificate.js';
import { orderChain } from '../../src/pki/chain.js';
import { certificatesIn, chainForKey } from '../../src/pki/issued-chain.js';
import { toPem } from '../../src/pki/pem.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type { Held, HeldCertificate, HeldStatus, ListRequest } from '../../src/plugin-api/ca-inventory.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { CaChain, IssuedCertificate, RevocationRequest } from '../../src/plugin-api/issuer.js';
import type { DogtagSession, Reply } from './dogtag.client.js';
import { forPeople } from './dogtag.options.js';
import { dateOf, listOf, serialHexOf, textOf, truthOf, type Wire } from './wire.js';

const pageSize = 50;
/** A nonce is spent also when the act for which it was used fails. */
const mostReviews = 3;
const onHold = '6';

/** CRLReason codes of RFC 5280 §5.3.1 in the words of the CA; it reads any letter case, but no other spelling. */
const reasons: Readonly<Record<number, string>> = {
  0: 'Unspecified',
  1: 'Key_Compromise',
  2: 'CA_Compromise',
  3: 'Affiliation_Changed',
  4: 'Superseded',
  5: 'Cessation_of_Operation',
  6: 'Certificate_Hold',
  9: 'Privilege_Withdrawn',
  10: 'AA_Compromise',
};

const searches: Readonly<Record<HeldStatus, Record<string, unknown>>> = {
  valid: { status: 'VALID' },
  expired: { status: 'EXPIRED' },
  held: { status: 'REVOKED', revocationReason: onHold, revocationReasonInUse: true },
  revoked: { status: 'REVOKED', revocationReason: '0,1,2,3,4,5,9,10', revocationReasonInUse: true },
};

/** The id of a certificate at the CA. */
export function idOf({ chainPem: [leafPem = ''] }: Pick<IssuedCertificate, 'chainPem'>): string {
  return `0x${parseCertificate(leafPem).serialHex.toLowerCase()}`;
}

/** The certificate with this id and its chain, leaf first. Throws PluginError. */
export async function collect(session: DogtagSession, id: string): Promise<string[]> {
  return chainOf(await session.get(`certs/${id}`));
}

async function chainOf(wire: Wire): Promise<string[]> {
  try {
    const [leaf] = certificatesIn(Buffer.from(textOf(wire, 'Encoded') ?? ''));
    if (!leaf) throw new PkiError('malformed-certificate', 'there is none');
    const others = certificatesIn(Buffer.from(textOf(wire, 'PKCS7CertChain') ?? ''));
    return await chainForKey({ certificates: [leaf, ...others], spkiDer: leaf.spkiDer });
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    throw new PluginError('unavailable', `The CA sent a certificate that cannot be read: ${error.message}.`);
  }
}

/** The certificate of the CA that issues, with those above it. Throws PluginError. */
export async function caChain(session: DogtagSession): Promise<CaChain> {
  const { issuerId } = session.options;
  const authorities = listOf(await session.get('authorities'), 'entries');
  const authority = authorities.find((one) =>
    issuerId === undefined ? truthOf(one, 'isHostAuthority') : textOf(one, 'id') === issuerId,
  );
  const id = textOf(authority, 'id');
  if (id === undefined)
    throw new PluginError('misconfigured', `The CA has no CA ${issuerId ?? 'of its own'} that could issue.`);
  const [chain, own] = [
    await session.download(`authorities/${id}/chain`, 'application/pkcs7-mime'),
    await session.download(`authorities/${id}/cert`, 'application/pkix-cert'),
  ];
  try {
    const ca = parseCertificate(own);
    const above = await orderChain(ca, certificatesIn(chain));
    return { chainPem: [ca, ...above].map(({ der }) => toPem('CERTIFICATE', der)) };
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    throw new PluginError('unavailable', `The CA sent a chain that cannot be read: ${error.message}.`);
  }
}

/** Revokes for good; a certificate on hold is released first, as the CA changes no reason. Throws PluginError. */
export async function revoke(
  session: DogtagSession,
  { reason, comments, ...certificate }: RevocationRequest,
): Promise<void> {
  const words = reasons[reason];
  if (words === undefined || reason === Number(onHold))
    throw new PluginError('refused', `The CA knows no such reason for a revocation (${reason}).`);
  const id = idOf(certificate);
  const before = stateOf(await review(session, id));
  if (before === 'revoked') return;
  if (before === 'held') await release(session, certificate);
  await end(session, id, { words, comments });
}

/** Revokes for the time being. Throws PluginError `refused` for a certificate that is revoked for good. */
export async function hold(session: DogtagSession, certificate: IssuedCertificate, comments?: string): Promise<void> {
  const id = idOf(certificate);
  const before = stateOf(await review(session, id));
  if (before === 'revoked') throw new PluginError('refused', 'The certificate is revoked for good.');
  if (before !== 'held') await end(session, id, { words: reasons[Number(onHold)] ?? '', comments });
}

/** Makes a certificate that was on hold valid again. Throws as `hold`. */
export async function release(session: DogtagSession, certificate: IssuedCertificate): Promise<void> {
  const id = idOf(certificate);
  const before = stateOf(await review(session, id));
  if (before === 'revoked') throw new PluginError('refused', 'The certificate is revoked for good.');
  if (before !== 'held') return;
  const reply = await session.ask(`agent/certs/${id}/unrevoke`, { method: 'POST' });
  if (!reply.ok) throw await session.failure(reply);
  demandDone(session, reply);
}

/** Revokes under a fresh nonce each time, since whatever fails has spent it. */
async function end(
  session: DogtagSession,
  id: string,
  { words, comments }: { words: string; comments?: string | undefined },
): Promise<void> {
  for (let left = mostReviews; ; left -= 1) {
    const reviewed = await review(session, id);
    const wanted = words === reasons[Number(onHold)] ? 'held' : 'revoked';
    if (stateOf(reviewed) === wanted) return;
    const body = { Reason: words, Nonce: textOf(reviewed, 'Nonce'), Comments: comments };
    const reply = await session.ask(`agent/certs/${id}/revoke`, { method: 'POST', body });
    if (reply.ok) return demandDone(session, reply);
    if (!isRaced(reply)) throw await session.failure(reply);
    if (left === 0) throw outrun();
  }
}

/** Somebody else was quicker, or the session is another one since the CA was restarted. */
export function isRaced(reply: Reply): boolean {
  return (reply.status === 400 || reply.status === 403) && /nonce|already been revoked/i.test(reply.message);
}

/** For a decision that was raced each time: it says nothing against what was to be done. */
export function outrun(): PluginError {
  return new PluginError('unavailable', 'The CA did not take the nonce of any review.');
}

async function review(session: DogtagSession, id: string): Promise<Wire> {
  return session.get(`agent/certs/${id}`);
}

function stateOf(wire: Wire): HeldStatus {
  const status = textOf(wire, 'Status') ?? '';
  if (status === 'REVOKED') return textOf(wire, 'RevocationReason') === onHold ? 'held' : 'revoked';
  if (status === 'REVOKED_EXPIRED') return 'revoked';
  return status === 'EXPIRED' ? 'expired' : 'valid';
}

/** The CA answers 200 also for what it did not do. */
function demandDone(session: DogtagSession, { wire }: Reply): void {
  if (textOf(wire, 'operationResult') !== 'error') return;
  const said = forPeople(textOf(wire, 'errorMessage') ?? 'no reason given', session.options);
  throw new PluginError('unavailable', `The CA did not do it: ${said}.`);
}

/** What the CA holds, in the order of its serial numbers. Throws PluginError. */
export async function* listCertificates(
  session: DogtagSession,
  { commonName, serialHex, status, skip = 0 }: ListRequest,
): AsyncIterable<Held> {
  const id = serialHex === undefined ? undefined : `0x${serialHex.toLowerCase()}`;
  const body = {
    ...(commonName !== undefined && { commonName, subjectInUse: true }),
    ...(id !== undefined && { serialFrom: id, serialTo: id }),
    ...(status !== undefined && searches[status]),
  };
  for (let start = skip; ; start += pageSize) {
    const query = { start, size: pageSize };
    const entries = listOf(await session.get('certs/search', { method: 'POST', query, body }), 'entries');
    for (const entry of entries) yield await held(session, textOf(entry, 'id') ?? '');
    if (entries.length < pageSize) return;
  }
}

async function held(session: DogtagSession, id: string): Promise<Held> {
  const location = serialHexOf(id);
  const reply = await session.ask(`certs/${id}`);
  if (!reply.ok) {
    await session.demandMissing(reply);
    return { kind: 'trouble', location, detail: 'The CA lists it, and does not have it.' };
  }
  const wire = reply.wire;
  try {
    return { ...factsOf(wire), location, externalId: id, chainPem: await chainOf(wire) };
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    return { kind: 'trouble', location, detail: error.detail };
  }
}

function factsOf(wire: Wire): Pick<HeldCertificate, 'kind' | 'status' | 'revokedAt' | 'reason'> {
  const [revokedAt, reason] = [dateOf(textOf(wire, 'RevokedOn')), textOf(wire, 'RevocationReason')];
  return {
    kind: 'certificate',
    status: stateOf(wire),
    ...(revokedAt && { revokedAt }),
    ...(reason !== undefined && { reason: Number(reason) }),
  };
}
