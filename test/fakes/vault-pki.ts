import { randomUUID, X509Certificate } from 'node:crypto';
import type { SigningCa } from '../support/signing-ca.js';
import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

/** A certificate that the engine has kept. */
export interface KeptAtVault {
  serial: string;
  pem: string;
  /** Seconds since 1970; 0: not revoked. */
  revokedAt: number;
  /** What it was asked for with. */
  body: Record<string, unknown>;
}

export interface FakeVault extends StandIn {
  readonly kept: KeptAtVault[];
  readonly calls: Exchange[];
  /** Seconds that a token lasts, and until when each given one does. */
  tokenS: number;
  readonly tokens: Map<string, number>;
  /** The role does not keep its certificates. */
  noStore: boolean;
  /** Policies of the given tokens let them sign. */
  maySign: boolean;
  expireTokens(): void;
}

export const vaultAccount = {
  roleId: 'c2e8b1a4-0000-4000-8000-000000000001',
  secretId: 'Secret-4711-Vault',
  token: 's.TokenOfThePerson',
  jwt: 'eyJhbGciOiJSUzI1NiJ9.stand-in.TokenOfThePod',
  namespace: 'team/web',
};
const issuers = { issuing: 'a0000000-0000-4000-8000-000000000001', root: 'a0000000-0000-4000-8000-000000000002' };
const denied: Reply = { status: 403, body: { errors: ['permission denied'] } };
const nothing: Reply = { status: 404, body: { errors: [] } };

/**
 * The PKI engine at `pki` of OpenBao 2.7, as it answered: AppRole and tokens, the role `web`, an issuer and its root,
 * which has no key here.
 */
export async function startVault(ca: SigningCa): Promise<FakeVault> {
  const state: Omit<FakeVault, keyof StandIn> = {
    kept: [],
    calls: [],
    tokenS: 3600,
    tokens: new Map([[vaultAccount.token, Infinity]]),
    noStore: false,
    maySign: true,
    expireTokens: () => {
      for (const token of state.tokens.keys()) if (token !== vaultAccount.token) state.tokens.set(token, 0);
    },
  };
  const standIn = await startStandIn((exchange) => {
    state.calls.push(exchange);
    const { method, path, headers } = exchange;
    const route = `${method} ${path.replace(/^\/v1\//, '')}`;
    if (headers['x-vault-namespace'] !== vaultAccount.namespace)
      return { status: 404, body: { errors: ['namespace not found'] } };
    if (route === 'POST auth/approle/login') return signIn(exchange, state);
    if (/^POST auth\/(kubernetes|jwt\/ci)\/login$/.test(route)) return signInByJwt(exchange, state);
    const token = String(headers['x-vault-token'] ?? '');
    if (!((state.tokens.get(token) ?? 0) > Date.now())) return denied;
    if (route === 'POST auth/token/renew-self') return renew(token, state);
    if (route === 'POST sys/capabilities-self') return capabilities(exchange, state);
    if (!/^\S+ pki\//.test(route))
      return { status: 404, body: { errors: [`no handler for route "${path.slice(4)}". route entry not found.`] } };
    return engine(route.replace(' pki/', ' '), exchange, state, ca);
  });
  return Object.assign(state, standIn);
}

type State = Omit<FakeVault, keyof StandIn>;

function engine(route: string, exchange: Exchange, state: State, ca: SigningCa): Reply {
  const { query, json } = exchange;
  const signs = /^POST (?:issuer\/([^/]+)\/)?(sign|sign-verbatim)(?:\/([^/]+))?$/.exec(route);
  if (signs) return state.maySign ? sign(signs, exchange, state, ca) : denied;
  if (route === 'POST revoke') return revoke(json as Record<string, string>, state, ca);
  if (route === 'GET roles/web') return found({ allowed_domains: ['example.com'], issuer_ref: 'default' });
  if (route === 'GET certs' && query.get('list') === 'true')
    return state.kept.length > 0 ? found({ keys: state.kept.map(({ serial }) => serial) }) : nothing;
  if (route.startsWith('GET cert/')) {
    const kept = state.kept.find(({ serial }) => route === `GET cert/${serial}`);
    return kept ? found({ certificate: kept.pem, revocation_time: kept.revokedAt }) : nothing;
  }
  if (route === 'GET issuers' && query.get('list') === 'true') return found(issuerList());
  if ([`GET issuer/${issuers.issuing}/json`, 'GET issuer/web/json'].includes(route))
    return found({ certificate: ca.issuingPem, ca_chain: [ca.issuingPem, ca.rootPem], issuer_id: issuers.issuing });
  if (route.startsWith('GET issuer/')) return noIssuer(route.split('/')[1] ?? '');
  return nothing;
}

function found(data: object): Reply {
  return { status: 200, body: { request_id: randomUUID(), lease_id: '', renewable: false, data, auth: null } };
}

function refuse(status: number, ...errors: string[]): Reply {
  return { status, body: { errors } };
}

function noIssuer(ref: string): Reply {
  return refuse(500, `unable to find PKI issuer for reference: ${ref}`);
}

function issuerList(): object {
  return {
    keys: [issuers.root, issuers.issuing],
    key_info: {
      [issuers.issuing]: { is_default: true, issuer_name: 'web', key_id: 'k', serial_number: '01' },
      [issuers.root]: { is_default: false, issuer_name: '', key_id: '', serial_number: '02' },
    },
  };
}

function given(state: State, auth: object = {}): Reply {
  const token = `s.${randomUUID()}`;
  state.tokens.set(token, Date.now() + state.tokenS * 1000);
  return { status: 200, body: { data: null, auth: { client_token: token, lease_duration: state.tokenS, ...auth } } };
}

function signIn({ json }: Exchange, state: State): Reply {
  const { role_id, secret_id } = json as Record<string, string>;
  const { roleId, secretId } = vaultAccount;
  if (role_id !== roleId || secret_id !== secretId) return refuse(400, `invalid role or secret ID`);
  return given(state, { renewable: true });
}

function signInByJwt({ json }: Exchange, state: State): Reply {
  const { role, jwt } = json as Record<string, string>;
  if (role !== 'perennial') return refuse(400, `invalid role name "${role}"`);
  return jwt === vaultAccount.jwt ? given(state, { renewable: true }) : refuse(403, `permission denied: ${jwt}`);
}

function renew(token: string, state: State): Reply {
  if (state.tokens.get(token) === Infinity) return refuse(400, 'lease is not renewable');
  state.tokens.set(token, Date.now() + state.tokenS * 1000);
  return { status: 200, body: { data: null, auth: { client_token: token, lease_duration: state.tokenS } } };
}

function capabilities({ json }: Exchange, { maySign }: State): Reply {
  const { paths } = json as { paths: string[] };
  return found(Object.fromEntries(paths.map((path) => [path, maySign ? ['update'] : ['deny']])));
}

function sign(
  [, issuer, verb, role]: RegExpExecArray,
  { json }: Exchange,
  { kept, noStore }: State,
  ca: SigningCa,
): Reply {
  const body = json as Record<string, unknown>;
  const csr = typeof body.csr === 'string' ? body.csr : '';
  if (issuer !== undefined && issuer !== 'web') return noIssuer(issuer);
  if (verb === 'sign' && role !== 'web') return refuse(400, `unknown role: ${role ?? ''}`);
  if (!csr.includes('-----BEGIN CERTIFICATE REQUEST-----')) return refuse(400, 'csr contains no data');
  if (body.ttl !== undefined && body.not_after !== undefined)
    return refuse(400, 'Either ttl or not_after should be provided.');
  if (typeof body.ttl !== 'number' || typeof body.alt_names !== 'string') return refuse(400, 'Field validation failed');
  const outside = `${body.alt_names}`.split(',').find((name) => name !== '' && !/(^|[.@])example\.com$/.test(name));
  if (verb === 'sign' && outside !== undefined)
    return refuse(400, `subject alternate name ${outside} not allowed by this role`);
  const pem = ca.sign(csr, Math.floor(body.ttl / 86_400));
  const serial = serialOf(pem);
  if (!noStore) kept.push({ serial, pem, revokedAt: 0, body });
  const chain = [ca.issuingPem, ca.rootPem].map((one) => one.trim());
  return found({ certificate: pem.trim(), issuing_ca: ca.issuingPem.trim(), ca_chain: chain, serial_number: serial });
}

function revoke({ serial_number: serial, certificate }: Record<string, string>, { kept }: State, ca: SigningCa): Reply {
  const now = Math.floor(Date.now() / 1000);
  if (certificate !== undefined) {
    if (!new X509Certificate(certificate).checkIssued(new X509Certificate(ca.issuingPem)))
      return refuse(
        500,
        '1 error occurred:\n\t* unable to verify signature on presented cert from any present issuer\n\n',
      );
    const known = kept.find((one) => one.serial === serialOf(certificate));
    const row = known ?? { serial: serialOf(certificate), pem: certificate, revokedAt: 0, body: {} };
    if (!known) kept.push(row);
    row.revokedAt ||= now;
    return found({ revocation_time: row.revokedAt, state: 'revoked' });
  }
  const row = kept.find((one) => one.serial === serial);
  if (!row) return refuse(400, `certificate with serial ${serial ?? ''} not found.`);
  row.revokedAt ||= now;
  return found({ revocation_time: row.revokedAt, state: 'revoked' });
}

function serialOf(pem: string): string {
  return (new X509Certificate(pem).serialNumber.toLowerCase().match(/../g) ?? []).join(':');
}
