import { X509Certificate } from 'node:crypto';
import type { SigningCa } from '../support/signing-ca.js';
import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

export const fastpkiAccount = { username: 'issuer', password: 'Fast-Passwort-0815' };

export interface FakeFastpki extends StandIn {
  certificates: { id: number; certificate: string; status: string; revoked_at: string | null; reason?: string }[];
  /** Ends all access tokens; with `refresh` the refresh tokens too. */
  expire(refresh?: boolean): void;
}

const detail = (status: number, text: unknown): Reply => ({ status, body: { detail: text } });

/** FastPKI 0.3 from its source and documents. Refresh tokens are for one use. */
export async function startFastpki(ca: SigningCa): Promise<FakeFastpki> {
  const access = new Set<string>();
  const refresh = new Set<string>();
  let made = 0;
  const state: Omit<FakeFastpki, keyof StandIn> = {
    certificates: [],
    expire: (all = false) => {
      access.clear();
      if (all) refresh.clear();
    },
  };
  const tokens = (): Reply => {
    made += 1;
    access.add(`access-${made}`);
    refresh.add(`refresh-${made}`);
    const body = { access_token: `access-${made}`, refresh_token: `refresh-${made}`, token_type: 'bearer' };
    return { status: 200, body };
  };
  const signIn = ({ text, headers }: Exchange): Reply => {
    if (headers['content-type'] !== 'application/x-www-form-urlencoded') return detail(422, []);
    const form = new URLSearchParams(text);
    const { username, password } = fastpkiAccount;
    const isRight = form.get('username') === username && form.get('password') === password;
    return isRight ? tokens() : detail(401, 'Incorrect username or password');
  };
  const cas = [
    { id: 4, name: 'Issuing CA', certificate: ca.issuingPem, parent_ca_id: 3, allow_leaf_certs: true },
    { id: 3, name: 'Root CA', certificate: ca.rootPem, parent_ca_id: null, allow_leaf_certs: false },
  ];
  const sign = ({ json }: Exchange): Reply => {
    const body = json as { csr?: string; ca_id?: number; certificate_type?: string; valid_days?: number };
    if (!cas.some(({ id }) => id === body.ca_id)) return detail(404, `CA with ID ${body.ca_id ?? ''} not found`);
    if (!['server', 'client', 'ca', 'dual_purpose'].includes(body.certificate_type ?? ''))
      return detail(422, [{ loc: ['body', 'certificate_type'], msg: 'Input should be' }]);
    if (!/BEGIN CERTIFICATE REQUEST/.test(body.csr ?? '')) return detail(400, 'Failed to parse CSR');
    const certificate = ca.sign(body.csr ?? '', body.valid_days ?? 365);
    if (/email:/.test(new X509Certificate(certificate).subjectAltName ?? '') && body.certificate_type === 'server')
      return detail(400, 'Server certificates cannot have email SANs');
    const entry = { id: 100 + state.certificates.length, certificate, status: 'valid', revoked_at: null };
    state.certificates.push(entry);
    return { status: 201, body: entry };
  };
  const revoke = ({ json }: Exchange, id: number): Reply => {
    const found = state.certificates.find((one) => one.id === id);
    if (!found) return detail(404, `Certificate with ID ${id} not found`);
    if (found.status === 'revoked') return detail(409, 'Certificate is already revoked');
    Object.assign(found, { status: 'revoked', revoked_at: '2026-03-01T00:00:00Z', ...(json as object) });
    return { status: 200, body: found };
  };
  const standIn = await startStandIn((exchange) => {
    const route = `${exchange.method} ${exchange.path}`;
    if (route === 'POST /api/v1/auth/token') return signIn(exchange);
    if (route === 'POST /api/v1/auth/refresh') {
      const { refresh_token: token = '' } = exchange.json as { refresh_token?: string };
      return refresh.delete(token) ? tokens() : detail(401, 'Invalid or expired refresh token');
    }
    if (!access.has(exchange.headers.authorization?.replace('Bearer ', '') ?? ''))
      return detail(401, 'Could not validate credentials');
    if (route === 'GET /api/v1/cas/') return { status: 200, body: cas };
    if (route === 'POST /api/v1/certificates/sign-csr') return sign(exchange);
    if (route === 'GET /api/v1/certificates/' && exchange.query.get('ca_id') === '4')
      return { status: 200, body: state.certificates };
    const [, id] = /^POST \/api\/v1\/certificates\/(\d+)\/revoke$/.exec(route) ?? [];
    return id ? revoke(exchange, Number(id)) : detail(404, 'Not Found');
  });
  return Object.assign(state, standIn);
}
