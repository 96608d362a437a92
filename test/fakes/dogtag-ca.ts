import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseCertificate } from '../../src/pki/certificate.js';
import { type Exchange, type Reply, startStandIn, type StandIn } from './stand-in.js';
import type { SigningCa } from '../support/signing-ca.js';

interface Recording {
  exchanges: { request: { method: string; path: string }; response: { status: number; body_text: string } }[];
}

/** An exchange with the real CA. */
export function recorded(file: string, at = 0): Recording['exchanges'][number] {
  const { exchanges } = JSON.parse(readFileSync(`test/fixtures/dogtag/${file}.json`, 'utf8')) as Recording;
  const exchange = exchanges[at];
  if (!exchange) throw new Error(`There is no exchange ${at} in ${file}.`);
  return exchange;
}

/** As Dogtag's, a number of 64 bits with its sign; each of these is one that JSON.parse rounds. */
function newNonce(): string {
  const [octets, sign] = [randomBytes(8), randomBytes(1)];
  const size = (octets.readBigUInt64BE() >> 1n) | (1n << 62n) | 1n;
  return String((sign[0] ?? 0) < 128 ? size : -size);
}

type Wire = Record<string, unknown>;
interface CaRequest {
  id: number;
  profile: string;
  status: string;
  csrPem: string;
  error: string | null;
  certId: string | null;
  notes: string | null;
}
interface Certificate {
  id: string;
  leafPem: string;
  status: 'VALID' | 'REVOKED';
  reason: number | null;
  issuedOn: number;
}
/** A session; its nonces are by what was reviewed. */
type Nonces = Map<string, string>;

const agent = `Basic ${Buffer.from('agent:agent-password').toString('base64')}`;
const reasons = ['unspecified', 'key_compromise', 'ca_compromise', 'affiliation_changed', 'superseded'].concat([
  'cessation_of_operation',
  'certificate_hold',
  '',
  'remove_from_crl',
  'privilege_withdrawn',
  'aa_compromise',
]);
const html = { body: '<!doctype html><html></html>', headers: { 'content-type': 'text/html;charset=utf-8' } };
const base = 'com.netscape.certsrv';

function failure(status: number, name: string, message: string, attributes: Wire[] = []): Reply {
  return {
    status,
    body: { Attributes: { Attribute: attributes }, ClassName: `${base}.${name}`, Code: status, Message: message },
  };
}
const badRequest = (message: string): Reply => failure(400, 'base.BadRequestException', message);
const forbidden = (message: string): Reply => failure(403, 'base.ForbiddenException', message);
const broken = (message: string): Reply => failure(500, 'base.PKIException', message);

/**
 * A CA of Dogtag 10 as recorded, in the process of the test: it refuses what the real one refuses. Of its profiles
 * `tlsManual` wants an agent's approval, `tlsAuto` issues at once, and the stock `caServerCert` drops SANs.
 */
export class DogtagCa {
  readonly requests: CaRequest[] = [];
  readonly certificates: Certificate[] = [];
  readonly disabled = new Set<string>();
  private readonly sessions = new Map<string, Nonces>();
  /** Its directory server is down. */
  isDown = false;
  /** Of the account, which is known to the CA in any case. */
  roles: readonly string[] = ['Certificate Manager Agents'];

  constructor(private readonly ca: SigningCa) {}

  start(): Promise<StandIn> {
    return startStandIn((exchange) => this.answer(exchange));
  }

  /** It was restarted: sessions and nonces are gone. */
  forgetSessions(): void {
    this.sessions.clear();
  }

  /** An agent at the CA approves whatever is pending. */
  approveAll(): void {
    for (const request of this.requests) if (request.status === 'pending') this.issue(request);
  }

  reject(id: number, error: string): void {
    Object.assign(this.requests[id - 1] ?? {}, { status: 'rejected', error });
  }

  answer(exchange: Exchange): Reply {
    const { path, headers, text } = exchange;
    if (!path.startsWith('/ca/rest/')) return { ...html, status: 404 };
    const isFile = /\/authorities\/[^/]+\/(chain|cert)$/.test(path);
    if (headers.accept === 'text/html' || (isFile && headers.accept === 'application/json')) return { status: 406 };
    if (text !== '' && headers['content-type'] !== 'application/json') return { status: 415 };
    const reply = this.route(exchange, path.slice('/ca/rest/'.length).split('/'));
    // Without an Accept header the real one speaks XML, errors included.
    return headers.accept === undefined && typeof reply.body === 'object'
      ? { ...reply, body: '<?xml version="1.0"?>', headers: { 'content-type': 'application/xml' } }
      : reply;
  }

  private route(exchange: Exchange, [kind = '', ...rest]: string[]): Reply {
    const isAgent = exchange.headers.authorization === agent && !this.isDown;
    const session = this.sessionOf(exchange);
    if (kind === 'account') return this.account(rest[0], isAgent);
    if (kind === 'agent' && !isAgent) return { ...html, status: 401 };
    if (kind === 'agent' && this.roles.length === 0) return forbidden('Authorization failed');
    if (kind === 'agent') return this.withSession(session, (nonces) => this.agent(exchange, rest, nonces));
    if (kind === 'profiles') return session ? this.profiles(exchange, rest) : forbidden('No user principal provided.');
    if (kind === 'certrequests') return rest[0] === undefined ? this.submit(exchange, isAgent) : this.status(rest[0]);
    if (kind === 'authorities') return this.authorities(rest);
    if (this.isDown) return broken('Failed to connect LDAP server Unable to connect to LDAP server');
    if (kind === 'certs' && rest[0] === 'search') return this.search(exchange);
    return kind === 'certs' ? this.certificate(rest[0] ?? '', null) : { ...html, status: 404 };
  }

  private sessionOf({ headers }: Exchange): Nonces | undefined {
    return this.sessions.get(/JSESSIONID=([^;]+)/.exec(headers.cookie ?? '')?.[1] ?? '');
  }

  /** An agent's resource begins a session where there is none. */
  private withSession(session: Nonces | undefined, work: (nonces: Nonces) => Reply): Reply {
    if (session) return work(session);
    const [id, nonces] = [randomUUID(), new Map<string, string>()];
    this.sessions.set(id, nonces);
    const reply = work(nonces);
    return { ...reply, headers: { ...reply.headers, 'set-cookie': `JSESSIONID=${id}; Path=/ca; Secure; HttpOnly` } };
  }

  private account(verb: string | undefined, isAgent: boolean): Reply {
    if (!isAgent) return { ...html, status: 401 };
    if (verb === 'logout') return { status: 204 };
    const body = { id: 'agent', FullName: 'agent', Roles: { Role: this.roles } };
    return this.withSession(undefined, () => ({ status: 200, body }));
  }

  private profiles({ method, query }: Exchange, [id]: string[]): Reply {
    const ids = ['tlsManual', 'tlsAuto', 'caServerCert'];
    if (id === undefined) {
      const [start, size] = [Number(query.get('start') ?? 0), Number(query.get('size') ?? 20)];
      const entries = ids.slice(start, start + size).map((profileId) => ({ profileId, profileName: profileId }));
      return { status: 200, body: { total: ids.length, entries, Link: [] } };
    }
    if (!ids.includes(id))
      return failure(404, 'profile.ProfileNotFoundException', `Profile ID ${id} not found`, [
        { name: 'profileId', value: id },
      ]);
    if (method === 'GET') return { status: 200, body: this.profile(id) };
    const action = query.get('action');
    if (action === null) return badRequest('Unable to modify profile state: Missing action');
    if (action !== 'enable' && action !== 'disable') return badRequest('Invalid operation');
    const wanted = action === 'disable';
    if (this.disabled.has(id) === wanted)
      return failure(409, 'base.ConflictingOperationException', `Profile already ${action}d`);
    if (wanted) this.disabled.add(id);
    else this.disabled.delete(id);
    return { status: 204 };
  }

  private profile(id: string): Wire {
    const stock = JSON.parse(recorded('12-profile-get').response.body_text) as Wire & {
      PolicySets: { PolicySet: { value: Wire[] }[] };
    };
    const [set] = stock.PolicySets.PolicySet;
    if (set && id !== 'caServerCert') {
      set.value = set.value.filter((policy) => policy.id !== '12');
      const params = [{ name: 'userExtOID', value: '2.5.29.17' }];
      set.value.push({ id: '12', def: { classId: 'userExtensionDefaultImpl', id: 'SAN', params }, constraint: {} });
    }
    const authenticatorId = id === 'tlsAuto' ? 'AgentCertAuth' : null;
    return { ...stock, id, authenticatorId, enabled: !this.disabled.has(id) };
  }

  private submit({ json }: Exchange, isAgent: boolean): Reply {
    const body = json as { ProfileID?: string; Input?: { Attribute?: { name: string; Value?: unknown }[] }[] };
    if (json === undefined) return badRequest('Unable to create enrollment request: Missing input data');
    const profile = body.ProfileID ?? '';
    if (!['tlsManual', 'tlsAuto', 'caServerCert'].includes(profile))
      return badRequest(`Bad request data: Profile ${profile} Not Found`);
    if (this.disabled.has(profile)) return badRequest(`Bad request data: Profile ${profile} not enabled`);
    if (this.isDown || (profile === 'tlsAuto' && !isAgent))
      return failure(401, 'base.UnauthorizedException', 'Authentication failed: Invalid Credential.');
    const values = new Map(
      (body.Input ?? []).flatMap(({ Attribute = [] }) => Attribute.map((one) => [one.name, one.Value] as const)),
    );
    if (values.get('cert_request_type') !== 'pkcs10')
      return broken('Unable to create enrollment request: Unknown Certificate Request Type ');
    const csrPem = values.get('cert_request');
    if (typeof csrPem !== 'string' || !csrPem.includes('CERTIFICATE REQUEST'))
      return broken('Unable to create enrollment request: Invalid Request');
    const id = this.requests.length + 1;
    const request = { id, profile, status: 'pending', csrPem, error: null, certId: null, notes: null };
    this.requests.push(request);
    if (profile === 'tlsAuto') this.issue(request);
    return { status: 200, body: { total: 1, entries: [this.entry(request)], Link: [] } };
  }

  private issue(request: CaRequest): void {
    const leafPem = this.ca.sign(request.csrPem, 90);
    const certId = `0x${parseCertificate(leafPem).serialHex.toLowerCase()}`;
    this.certificates.push({ id: certId, leafPem, status: 'VALID', reason: null, issuedOn: Date.now() });
    Object.assign(request, { status: 'complete', certId });
  }

  private entry({ id, status, certId, error }: CaRequest, requestType = 'enrollment'): Wire {
    return {
      requestType,
      requestStatus: status,
      requestURL: `https://ca/ca/rest/certrequests/${id}`,
      realm: null,
      certId,
      certURL: certId === null ? null : `https://ca/ca/rest/certs/${BigInt(certId)}`,
      certRequestType: requestType === 'enrollment' ? 'pkcs10' : null,
      operationResult: 'success',
      errorMessage: error,
    };
  }

  private status(text: string): Reply {
    if (!/^(0x[0-9a-f]+|\d+)$/.test(text)) return { status: 404 };
    const found = this.isDown ? undefined : this.requests[Number(text) - 1];
    return found ? { status: 200, body: this.entry(found) } : this.unknownRequest(Number(text));
  }

  private unknownRequest(id: number): Reply {
    return failure(404, 'request.RequestNotFoundException', `Request ID 0x${id.toString(16)} not found`, [
      { name: 'requestId', value: String(id) },
    ]);
  }

  private agent(exchange: Exchange, [kind, id, action]: string[], nonces: Nonces): Reply {
    if (kind === 'certs') return this.agentCertificate(exchange, id ?? '', action, nonces);
    if (id === undefined) return this.list(exchange);
    const request = this.requests[Number(id) - 1];
    if (!request) return this.unknownRequest(Number(id));
    if (action === undefined) return { status: 200, body: this.review(request, nonces) };
    const refusal = this.nonceRefusal(exchange, nonces, `cert-request ${id}`);
    return refusal ?? this.decide(request, action, exchange.json as Wire);
  }

  private list({ query }: Exchange): Reply {
    const [state, start, size] = [query.get('requestState'), Number(query.get('start') ?? 0), query.get('pageSize')];
    const found = this.requests.filter((one) => one.id >= start && (state === null || one.status === state));
    const entries = found.slice(0, Number(size ?? 20)).map((one) => this.entry(one));
    return { status: 200, body: { total: found.length, entries, Link: [] } };
  }

  private review({ id, status, csrPem, profile, notes }: CaRequest, nonces: Nonces): Wire {
    const stock = JSON.parse(recorded('30-agent-review-request').response.body_text) as Wire;
    const nonce = newNonce();
    nonces.set(`cert-request ${id}`, nonce);
    const [first, ...others] = stock.Input as Wire[];
    const attributes = [
      { name: 'cert_request_type', Value: 'pkcs10', Descriptor: null },
      { name: 'cert_request', Value: csrPem, Descriptor: null },
    ];
    return {
      ...stock,
      nonce,
      requestId: String(id),
      requestStatus: status,
      requestNotes: notes,
      requestCreationTime: new Date().toUTCString(),
      ProfileID: profile,
      Input: [{ ...first, Attribute: attributes }, ...others],
    };
  }

  private decide(request: CaRequest, action: string, body: Wire): Reply {
    if (!Array.isArray(body.ProfilePolicySet)) return broken('Property Error - Invalid Property notBefore');
    if (request.status !== 'pending') return badRequest('Bad request data: Request Not In Pending State');
    if (/2037-/.test(JSON.stringify(body)))
      return badRequest('Request Validity Out of Range: Sun Mar 01 00:00:00 UTC 2037 Rejected - {1}');
    request.notes = typeof body.requestNotes === 'string' ? body.requestNotes : null;
    if (action === 'approve') this.issue(request);
    if (action === 'reject') request.status = 'rejected';
    if (action === 'cancel') request.status = 'canceled';
    return { status: 204 };
  }

  /** A nonce works once, in its session, and only with all its 64 bits. */
  private nonceRefusal({ text }: Exchange, nonces: Nonces, what: string): Reply | null {
    const [, nonce] = /"[Nn]once"\s*:\s*"?(-?\d+)"?/.exec(text) ?? [];
    if (nonce === undefined) return badRequest('Missing nonce.');
    const known = nonces.get(what);
    if (known === undefined) return badRequest(`Nonce for ${what} does not exist`);
    if (known !== nonce) return forbidden(`Invalid nonce: ${nonce}`);
    nonces.delete(what);
    return null;
  }

  private agentCertificate(exchange: Exchange, id: string, action: string | undefined, nonces: Nonces): Reply {
    const found = this.certificates.find((one) => one.id === id);
    if (!found || action === undefined) return this.certificate(id, nonces);
    if (action === 'unrevoke') return this.unrevoke(found);
    const { Reason: reason } = exchange.json as { Reason?: string };
    const serial = id.slice(2);
    const refusal = this.nonceRefusal(exchange, nonces, `cert-revoke ${serial}`);
    if (refusal) return refusal;
    const code = reasons.indexOf(typeof reason === 'string' && reason !== '' ? reason.toLowerCase() : '?');
    if (code < 0) return { ...html, status: 500 };
    if (found.status === 'REVOKED') return badRequest(`certificate #${serial} has already been revoked`);
    Object.assign(found, { status: 'REVOKED', reason: code });
    return { status: 200, body: this.acted(found, 'revocation') };
  }

  private unrevoke(found: Certificate): Reply {
    if (found.status === 'REVOKED' && found.reason === 6) {
      Object.assign(found, { status: 'VALID', reason: null });
      return { status: 200, body: this.acted(found, 'unrevocation') };
    }
    const errorMessage = 'One or more certificates could not be unrevoked';
    return { status: 200, body: { ...this.acted(found, 'unrevocation'), operationResult: 'error', errorMessage } };
  }

  private acted({ id }: Certificate, type: string): Wire {
    const [csrPem, profile, notes, error] = ['', '', null, null];
    const certId = type === 'revocation' ? id : null;
    return this.entry({ id: 99, status: 'complete', certId, csrPem, profile, notes, error }, type);
  }

  /** `nonces`: of an agent, who gets a nonce as a number of 64 bits. */
  private certificate(id: string, nonces: Nonces | null): Reply {
    if (!/^(0x[0-9a-f]+|\d+)$/.test(id)) return { status: 404 };
    const found = this.certificates.find((one) => BigInt(one.id) === BigInt(id));
    if (!found)
      return failure(404, 'cert.CertNotFoundException', `Certificate ID 0x${BigInt(id).toString(16)} not found`, [
        { name: 'certId', value: String(BigInt(id)) },
      ]);
    const nonce = newNonce();
    nonces?.set(`cert-revoke ${found.id.slice(2)}`, nonce);
    const pkcs7 = this.ca.pkcs7(found.leafPem + this.ca.issuingPem + this.ca.rootPem, 'DER').toString('base64');
    const text = JSON.stringify({
      id: found.id,
      IssuerDN: parseCertificate(found.leafPem).issuer,
      SubjectDN: parseCertificate(found.leafPem).subject,
      Encoded: found.leafPem.replaceAll('\n', '\r\n'),
      PKCS7CertChain: pkcs7.replaceAll(/(.{76})/g, '$1\r\n'),
      Status: found.status,
      RevokedOn: found.reason === null ? null : String(found.issuedOn),
      RevocationReason: found.reason,
      Nonce: '@nonce@',
    }).replace('"@nonce@"', nonces ? nonce : 'null');
    return { status: 200, body: text, headers: { 'content-type': 'application/json' } };
  }

  private search({ json, query }: Exchange): Reply {
    const wanted = json as Record<string, unknown> | undefined;
    if (!wanted) return badRequest('Unable to search for certificates: Missing search request');
    const [start, size] = [Number(query.get('start') ?? 0), Number(query.get('size') ?? 20)];
    // Filters count only with their switches.
    const isMatch = ({ id, leafPem, status, reason, issuedOn }: Certificate): boolean => {
      const names = parseCertificate(leafPem).subject.toLowerCase();
      return (
        (wanted.status === undefined || wanted.status === status) &&
        (wanted.subjectInUse !== true || names.includes(String(wanted.commonName).toLowerCase())) &&
        (wanted.issuedOnInUse !== true || issuedOn >= Number(wanted.issuedOnFrom)) &&
        (wanted.serialFrom === undefined || BigInt(wanted.serialFrom as string) === BigInt(id)) &&
        (wanted.revocationReasonInUse !== true || String(wanted.revocationReason).split(',').includes(String(reason)))
      );
    };
    const found = this.certificates.filter(isMatch);
    const entries = found.slice(start, start + size).map(({ id, status }) => ({ id, Status: status, Type: 'X.509' }));
    return { status: 200, body: { total: found.length, entries, Link: [] } };
  }

  private authorities([id, what]: string[]): Reply {
    const known = '4067fdda-5655-48ca-82ce-36cb75935252';
    if (id === undefined) {
      const host = { isHostAuthority: true, id: known, parentID: null, serial: 1, enabled: true, ready: true };
      return { status: 200, body: JSON.stringify([host]), headers: { 'content-type': 'application/json' } };
    }
    if (id !== known) return badRequest(`Bad AuthorityID: ${id}`);
    if (what === 'cert') return { status: 200, body: Buffer.from(parseCertificate(this.ca.issuingPem).der) };
    return { status: 200, body: this.ca.pkcs7(this.ca.rootPem + this.ca.issuingPem, 'DER') };
  }
}
