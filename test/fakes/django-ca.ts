import { randomBytes, X509Certificate } from 'node:crypto';
import type { SigningCa } from '../support/signing-ca.js';
import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

export const djangoAccount = { username: 'api', password: 'Api-Passwort-0815', caSerial: '6F50CA6D3BCEF40E' };

interface HeldCertificate {
  serial: string;
  pem: string;
  /** What it was signed for; empty: no CSR is stored. */
  csr: string;
  profile: string;
  revokedReason: string;
}

export interface FakeDjangoCa extends StandIn {
  certificates: HeldCertificate[];
  /** Bodies of `sign`. */
  asked: Record<string, unknown>[];
  orders: Map<string, { serial: string | null; status: string; sign: () => string }>;
  /** `old`: paths of 2.2, where revocation had another one and objects were flat. */
  generation: 'new' | 'old';
  /** Signs what waits. */
  settle(): void;
  fails: boolean;
}

/** What `PUT ca/{serial}/` changes, with the defaults. */
const caSettings = {
  name: 'child',
  caa_identity: '',
  website: '',
  terms_of_service: '',
  sign_authority_information_access: null,
  sign_certificate_policies: null,
  sign_crl_distribution_points: null,
  sign_issuer_alternative_name: null,
  ocsp_responder_key_validity: 3,
  ocsp_response_validity: 86_400,
  acme_enabled: false,
  acme_registration: true,
  acme_profile: 'webserver',
  acme_requires_contact: true,
};
const requestTypes = ['subject_alternative_name', 'key_usage', 'extended_key_usage'];
const usages = ['digital_signature', 'content_commitment', 'key_encipherment', 'key_agreement'];
const reasons = ['unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded'];
const html = (status: number): Reply => ({
  status,
  body: '<!doctype html><title>Not Found</title>',
  headers: { 'content-type': 'text/html; charset=utf-8' },
});
const detail = (status: number, text: unknown): Reply => ({ status, body: { detail: text } });

/** The REST API of django-ca 3.2 with a worker that signs later, from exchanges with the real one. */
export async function startDjangoCa(ca: SigningCa): Promise<FakeDjangoCa> {
  const state: Omit<FakeDjangoCa, keyof StandIn> = {
    certificates: [],
    asked: [],
    orders: new Map(),
    generation: 'new',
    fails: false,
    settle: () => {
      for (const order of state.orders.values()) {
        if (order.status !== 'pending') continue;
        order.status = state.fails ? 'failed' : 'issued';
        order.serial = state.fails ? null : order.sign();
      }
    },
  };
  const { username, password, caSerial } = djangoAccount;
  const expected = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const authority = { id: 2, parent: 1, enabled: true, ...caSettings, ...shown(ca.issuingPem, state) };
  const root = { id: 1, parent: null, name: 'root', enabled: true, ...shown(ca.rootPem, state) };
  const standIn = await startStandIn((exchange) => {
    const { path, headers, method } = exchange;
    if (!path.startsWith('/django_ca/api/') || !path.endsWith('/')) return html(404);
    if (headers.authorization !== expected) return detail(401, 'Unauthorized');
    const [kind, serial, what, which, verb] = path.slice('/django_ca/api/'.length, -1).split('/');
    if (kind !== 'ca' || (serial && !/^[0-9A-F:]+$/.test(serial))) return html(404);
    if (!serial) return { status: 200, body: [authority, root] };
    if (serial !== caSerial) return detail(404, 'Not Found');
    if (!what && method === 'PUT') return change(exchange, authority);
    if (!what) return { status: 200, body: authority };
    if (method === 'POST' && what === 'sign') return sign(exchange, state, ca);
    if (what === 'orders') return order(state, which ?? '');
    const revokes = state.generation === 'new' ? what === 'certs' && verb === 'revoke' : what === 'revoke';
    if (method === 'POST' && revokes) return revoke(exchange, state, which ?? '');
    if (method === 'POST' && what === 'certs' && verb === 'resign') return resign(exchange, state, which ?? '', ca);
    if (what !== 'certs' || verb) return html(404);
    if (!which) return { status: 200, body: listed(exchange, state) };
    const found = state.certificates.find((one) => one.serial === which);
    return found ? { status: 200, body: certificate(found, state) } : html(500);
  });
  return Object.assign(state, standIn);
}

/** Unknown members are ignored; a text cannot be null, an extension can. */
function change({ json }: Exchange, authority: object): Reply {
  const given = Object.entries(json as object).filter(([name]) => name in caSettings);
  const isNull = given.find(([name, value]) => value === null && !name.startsWith('sign_'));
  if (isNull) return html(500);
  const wrong = given.find(([name, value]) => name === 'website' && !/^(https?:.*)?$/.test(String(value)));
  if (wrong) return detail(400, "{'website': ['Enter a valid URL.']}");
  Object.assign(authority, Object.fromEntries(given));
  return { status: 200, body: authority };
}

function shown(pem: string, { generation }: Pick<FakeDjangoCa, 'generation'>): object {
  return generation === 'old' ? { pem } : { certificate: { pem } };
}

function certificate(held: HeldCertificate, state: Pick<FakeDjangoCa, 'generation'>): object {
  const { revokedReason, profile } = held;
  const revoked = revokedReason !== '';
  return {
    revoked,
    revoked_date: revoked ? '2026-03-01T00:00:00Z' : null,
    revoked_reason: revokedReason,
    profile,
    autogenerated: false,
    ...shown(held.pem, state),
  };
}

function listed({ query }: Exchange, state: Omit<FakeDjangoCa, keyof StandIn>): object[] {
  return state.certificates
    .filter(({ revokedReason }) => query.get('revoked') === 'true' || revokedReason === '')
    .map((one) => certificate(one, state));
}

function sign({ json }: Exchange, state: Omit<FakeDjangoCa, keyof StandIn>, ca: SigningCa): Reply {
  const body = json as {
    csr?: string;
    not_after?: string;
    subject?: unknown;
    extensions?: { type: string; value: string[] }[];
  };
  if (!Array.isArray(body.subject))
    return detail(422, [{ type: 'missing', loc: ['body', 'data', 'subject'], msg: 'Field required' }]);
  if (!/BEGIN CERTIFICATE REQUEST/.test(body.csr ?? '')) return detail(400, 'Unable to parse CSR.');
  for (const { type, value } of body.extensions ?? []) {
    const isUsage = type !== 'key_usage' || value.every((one) => usages.includes(one));
    if (!requestTypes.includes(type) || !isUsage)
      return detail(422, [{ type: 'literal_error', loc: ['body', 'data', 'extensions'], msg: 'Input should be' }]);
  }
  state.asked.push(body);
  return ordered(state, ca, body.csr ?? '', body.not_after ?? '');
}

function ordered(state: Omit<FakeDjangoCa, keyof StandIn>, ca: SigningCa, csr: string, notAfter: string): Reply {
  const signed = (): string => {
    const days = Math.round((Date.parse(notAfter) - Date.now()) / 86_400_000);
    const pem = ca.sign(csr, days);
    const serial = new X509Certificate(pem).serialNumber.replace(/^0+/, '');
    state.certificates.push({ serial, pem, csr, profile: 'webserver', revokedReason: '' });
    return serial;
  };
  const slug = randomBytes(6).toString('hex');
  state.orders.set(slug, { serial: null, status: 'pending', sign: signed });
  return order(state, slug);
}

/** Since 2.3. */
function resign({ json }: Exchange, state: Omit<FakeDjangoCa, keyof StandIn>, serial: string, ca: SigningCa): Reply {
  if (state.generation === 'old') return html(404);
  const held = state.certificates.find((one) => one.serial === serial);
  if (!held) return detail(404, 'Not Found');
  if (held.csr === '') return detail(400, 'Cannot resign certificate without a CSR.');
  return ordered(state, ca, held.csr, (json as { not_after: string }).not_after);
}

function order({ orders }: Pick<FakeDjangoCa, 'orders'>, slug: string): Reply {
  const found = orders.get(slug);
  if (!found) return html(500);
  const { status, serial } = found;
  return { status: 200, body: { slug, status, serial, created: '', updated: '' } };
}

function revoke({ json }: Exchange, { certificates }: Pick<FakeDjangoCa, 'certificates'>, serial: string): Reply {
  const { reason } = json as { reason: string };
  if (!reasons.includes(reason))
    return detail(422, [{ loc: ['body', 'revocation', 'reason'], msg: 'Input should be' }]);
  const found = certificates.find((one) => one.serial === serial);
  if (!found) return detail(404, 'Not Found');
  if (found.revokedReason !== '') return detail(400, 'The certificate is already revoked.');
  found.revokedReason = reason;
  return { status: 200, body: {} };
}
