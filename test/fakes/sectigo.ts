import { X509Certificate } from 'node:crypto';
import type { SigningCa } from '../support/signing-ca.js';
import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

/** A certificate at Sectigo. `id` is its number in the list, `ref` the one that other calls take. */
export interface SectigoOrder {
  id: number;
  ref: string;
  product: 'ssl' | 'smime';
  status: string;
  body: Record<string, unknown>;
  leafPem: string | null;
  /** CSR and reason of a replacement that waits to be issued. */
  replacing?: { csr: string; reason: string };
  /** The order that it renews. */
  renews?: string;
}

/** What `person/v2` shows; the rest is null there. */
export interface SectigoPerson {
  id?: number;
  firstName: string;
  lastName: string;
  email: string;
  organizationId?: number;
  validationType?: string;
}

export interface FakeSectigo extends StandIn {
  readonly orders: SectigoOrder[];
  readonly calls: Exchange[];
  /** How collecting answers: PEM with the root first or last, or PKCS#7 in PEM or DER. */
  form: 'root first' | 'leaf first' | 'PKCS#7 PEM' | 'PKCS#7 DER' | 'leaf only';
  /** The answer to collecting what is not there yet. */
  notYet: { code: number; description: string };
  persons: SectigoPerson[];
  mandatoryFields: string[];
  /** Approves and issues whatever waits. */
  issueAll(): void;
  expireTokens(): void;
}

export const sectigoAccount = {
  login: 'automat',
  password: 'Passwort-4711',
  customerUri: 'example',
  clientId: 'client-1',
  clientSecret: 'Client-Secret-0815',
};
const profiles = [
  { id: 21, name: 'OV SSL', description: '', terms: [90, 200, 365], keyTypes: {}, useSecondaryOrgName: false },
  { id: 22, name: 'Long SSL', description: '', terms: [365], keyTypes: {}, useSecondaryOrgName: false },
  { id: 23, name: 'RSA SSL', description: '', terms: [90], keyTypes: { RSA: ['2048', '4096'], EC: ['P-384'] } },
];

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    readonly description: string,
  ) {
    super(description);
  }
}

/**
 * Sectigo Certificate Manager from its REST reference 25.5 and the Admin Operations OpenAPI 25.9: both sign-ins, error
 * codes, members and their types. The token endpoint is `/token`.
 */
export async function startSectigo(ca: SigningCa): Promise<FakeSectigo> {
  const orders: SectigoOrder[] = [];
  const calls: Exchange[] = [];
  const tokens = new Set<string>();
  let tokensGiven = 0;
  const account: Omit<FakeSectigo, keyof StandIn> = {
    orders,
    calls,
    form: 'root first',
    notYet: { code: 0, description: 'Being processed by Sectigo' },
    persons: [],
    mandatoryFields: [],
    issueAll: () => {
      for (const order of orders.filter(({ leafPem, status }) => !leafPem && !/declined|rejected/i.test(status))) {
        order.leafPem = ca.sign(String(order.body.csr), Number(order.body.term));
        order.status = order.product === 'ssl' ? 'Issued' : 'issued';
      }
      for (const order of orders.filter(({ replacing }) => replacing)) {
        order.leafPem = ca.sign(order.replacing?.csr ?? '', Number(order.body.term));
        delete order.replacing;
      }
    },
    expireTokens: () => tokens.clear(),
  };

  const token = ({ text, headers, method }: Exchange): Reply => {
    const form = new URLSearchParams(text);
    const isForm = headers['content-type'] === 'application/x-www-form-urlencoded' && method === 'POST';
    const { clientId, clientSecret } = sectigoAccount;
    if (!isForm || form.get('grant_type') !== 'client_credentials')
      return { status: 400, body: { error: 'unsupported_grant_type' } };
    if (form.get('client_id') !== clientId || form.get('client_secret') !== clientSecret)
      return { status: 401, body: { error: 'unauthorized_client', error_description: 'Invalid client credentials' } };
    const made = `token-${++tokensGiven}`;
    tokens.add(made);
    return { status: 200, body: { access_token: made, expires_in: 300, token_type: 'Bearer' } };
  };

  const demandSignIn = ({ headers }: Exchange): void => {
    const { login, password, customerUri } = sectigoAccount;
    const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
    if (bearer !== undefined && tokens.has(bearer)) return;
    if (headers.login === login && headers.password === password && headers.customeruri === customerUri) return;
    throw new Refusal(401, -16, `Unknown user ${String(headers.login)} / ${String(headers.password)}`);
  };

  const standIn = await startStandIn((exchange) => {
    calls.push(exchange);
    if (exchange.path === '/token') return token(exchange);
    try {
      demandSignIn(exchange);
      return answer(exchange, account, ca);
    } catch (error) {
      if (error instanceof Refusal)
        return { status: error.status, body: { code: error.code, description: error.description } };
      throw error;
    }
  });
  return Object.assign(account, standIn);
}

function answer(exchange: Exchange, account: Omit<FakeSectigo, keyof StandIn>, ca: SigningCa): Reply {
  const { method, path, query } = exchange;
  const [, product = '', , ...rest] = path.replace(/^\/api/, '').split('/');
  const route = `${method} ${product}/${rest.join('/')}`;
  if (route === 'GET organization/')
    return ok([{ id: 7, name: 'Example', departments: [{ id: 8, name: 'Web', parentName: 'Example' }] }]);
  if (product === 'person' && rest.length === 0)
    return method === 'POST' ? newPerson(exchange, account) : persons(query, account);
  if (product !== 'ssl' && product !== 'smime') return { status: 404 };
  if (rest[0] === 'types') return ok(profiles);
  if (rest[0] === 'customFields')
    return ok(account.mandatoryFields.map((name, at) => ({ id: at, name, mandatory: true })));
  if (route === `POST ${product}/enroll`) return enrol(exchange, product, account);
  if (/^POST (ssl\/renewById|smime\/renew\/order)\//.test(route)) return renew(exchange, product, rest.at(-1), account);
  if (route.startsWith('POST ssl/replace/')) return replace(exchange, find(account, product, rest[1]));
  if (rest[0] === 'collect') return collect(find(account, product, rest[1]), account, ca);
  if (rest[0] === 'revoke') return revoke(exchange, product, rest.slice(1), account);
  if (route === 'POST ssl/decline/' + (rest[1] ?? '')) return decline(find(account, product, rest[1]));
  if (rest[0] === 'byPersonEmail')
    return ok(listed(account, product).filter((one) => one.email === decodeURIComponent(rest[1] ?? '')));
  if (method === 'GET' && !rest[0]) return list(query, product, account);
  if (method === 'GET') return details(find(account, product, rest[0]));
  return { status: 404 };
}

function ok(body: object): Reply {
  return { status: 200, body };
}

function persons(query: URLSearchParams, account: Pick<FakeSectigo, 'persons'>): Reply {
  const [email, name, organization] = ['email', 'name', 'organizationId'].map((one) => query.get(one));
  const [size, position] = [Number(query.get('size') ?? 200), Number(query.get('position') ?? 0)];
  const found = account.persons.filter(
    (one) =>
      (email === null || one.email === email) &&
      (name === null || `${one.firstName} ${one.lastName}`.includes(name ?? '')) &&
      (organization === null || String(one.organizationId) === organization),
  );
  const unset = { middleName: null, phone: null, secondaryEmails: [], commonName: '', eppn: null, upn: null };
  return ok(found.slice(position, position + size).map((one, at) => ({ id: 900 + at, ...unset, ...one })));
}

/** The id is in the header alone. */
function newPerson({ json }: Exchange, { persons }: Pick<FakeSectigo, 'persons'>): Reply {
  const body = json as Required<SectigoPerson>;
  if (typeof body.organizationId !== 'number') throw new Refusal(400, -1002, 'Cannot parse message body');
  if (![7, 8].includes(body.organizationId)) throw new Refusal(400, -639, 'Organization not found');
  if (!['STANDARD', 'HIGH', undefined].includes(body.validationType))
    throw new Refusal(400, -1002, 'Cannot parse message body');
  for (const name of ['email', 'firstName', 'lastName'] as const)
    if (!body[name]) throw new Refusal(400, -7, `${name} is missing`);
  if (persons.some(({ email }) => email === body.email)) throw new Refusal(400, -105, 'The person exists already.');
  const id = 500 + persons.length;
  persons.push({ ...body, id });
  return { status: 201, headers: { location: `https://cert-manager.com/api/person/v2/${id}` } };
}

function find({ orders }: Pick<FakeSectigo, 'orders'>, product: string, ref?: string): SectigoOrder {
  const found = orders.find((one) => one.product === product && one.ref === ref);
  if (!found) throw new Refusal(product === 'ssl' ? 404 : 400, -124, 'Incorrect certificate ID.');
  return found;
}

function enrol(
  { json, headers }: Exchange,
  product: 'ssl' | 'smime',
  { orders, mandatoryFields }: Pick<FakeSectigo, 'orders' | 'mandatoryFields'>,
): Reply {
  const body = json as Record<string, unknown>;
  if (!headers['content-type']?.startsWith('application/json') || typeof body !== 'object')
    throw new Refusal(400, -1002, 'Cannot parse message body');
  for (const name of ['subjAltNames', 'externalRequester', 'comments', 'csr'])
    if (body[name] !== undefined && typeof body[name] !== 'string')
      throw new Refusal(400, -1002, 'Cannot parse message body');
  if (![7, 8].includes(Number(body.orgId))) throw new Refusal(400, -639, 'Organization not found');
  const profile = profiles.find(({ id }) => id === body.certType);
  if (!profile) throw new Refusal(400, -111, 'Unknown certificate profile');
  if (!profile.terms.includes(Number(body.term))) throw new Refusal(400, -36, 'Term is not allowed');
  if (!/^-----BEGIN CERTIFICATE REQUEST-----/.test(String(body.csr))) throw new Refusal(400, -9, 'CSR is not valid');
  const fields = (body.customFields ?? []) as { name: string }[];
  for (const name of mandatoryFields)
    if (!fields.some((field) => field.name === name)) throw new Refusal(400, -62, `Custom field ${name} is required`);
  if (product === 'smime') {
    for (const name of ['email', 'firstName', 'lastName'])
      if (!body[name]) throw new Refusal(400, -7, `${name} is missing`);
  }
  const id = 1000 + orders.length;
  const order: SectigoOrder = {
    id,
    ref: product === 'ssl' ? String(id) : `9${id}`,
    product,
    status: product === 'ssl' ? 'Requested' : 'requested',
    body,
    leafPem: null,
  };
  orders.push(order);
  return ok(product === 'ssl' ? { sslId: id, renewId: `r${id}` } : { orderNumber: 5, backendCertId: order.ref });
}

/** Client certificates are renewed with their old key, server certificates by a CSR. */
function renew(
  { json }: Exchange,
  product: 'ssl' | 'smime',
  ref: string | undefined,
  account: Pick<FakeSectigo, 'orders'>,
): Reply {
  const old = find(account, product, ref);
  if (!old.leafPem || /revoked/i.test(old.status)) throw new Refusal(400, -104, 'Certificate can not be renewed.');
  const { csr } = json as { csr?: string };
  if (product === 'ssl' && !/^-----BEGIN CERTIFICATE REQUEST-----/.test(csr ?? ''))
    throw new Refusal(400, -9, 'CSR is not valid');
  const id = 1000 + account.orders.length;
  const order: SectigoOrder = {
    ...old,
    id,
    ref: product === 'ssl' ? String(id) : `9${id}`,
    status: product === 'ssl' ? 'Applied' : 'requested',
    body: { ...old.body, ...(csr !== undefined && { csr }) },
    leafPem: null,
    renews: old.ref,
  };
  account.orders.push(order);
  return ok(product === 'ssl' ? { sslId: id } : { orderNumber: 5, backendCertId: order.ref });
}

function replace({ json }: Exchange, order: SectigoOrder): Reply {
  const { csr, reason, subjectAlternativeNames: names } = json as Record<string, unknown>;
  if (!Array.isArray(names)) throw new Refusal(400, -1002, 'Cannot parse message body');
  if (typeof csr !== 'string' || typeof reason !== 'string' || reason === '' || reason.length > 512)
    throw new Refusal(400, -7, 'A field is missing');
  if (order.status !== 'Issued') throw new Refusal(400, -104, 'Certificate can not be replaced.');
  order.replacing = { csr, reason };
  return { status: 204 };
}

function collect(order: SectigoOrder, { form, notYet }: Pick<FakeSectigo, 'form' | 'notYet'>, ca: SigningCa): Reply {
  if (/revoked/i.test(order.status)) throw new Refusal(400, -192, 'The certificate is revoked.');
  if (!order.leafPem) throw new Refusal(400, notYet.code, notYet.description);
  const leafFirst = [order.leafPem, ca.issuingPem, ca.rootPem];
  const bodies = {
    'root first': () => leafFirst.toReversed().join(''),
    'leaf first': () => leafFirst.join(''),
    'leaf only': () => order.leafPem ?? '',
    'PKCS#7 PEM': () => ca.pkcs7(leafFirst.toReversed().join(''), 'PEM'),
    'PKCS#7 DER': () => ca.pkcs7(leafFirst.join(''), 'DER'),
  };
  return { status: 200, body: bodies[form](), headers: { 'content-type': 'application/octet-stream' } };
}

function revoke(
  { json, method }: Exchange,
  product: 'ssl' | 'smime',
  path: string[],
  { orders }: Pick<FakeSectigo, 'orders'>,
): Reply {
  const { reasonCode, reason } = json as { reasonCode: number; reason: string };
  if (method !== 'POST' || ![0, 1, 3, 4, 5].includes(reasonCode) || !reason || reason.length > 512)
    throw new Refusal(400, -7, 'Reason is not valid');
  const named = product === 'smime' && path[0] === 'order' ? path.slice(1) : path;
  const order = orders.find(
    (one) =>
      one.product === product &&
      (named[0] === 'serial'
        ? one.leafPem && BigInt(`0x${new X509Certificate(one.leafPem).serialNumber}`) === BigInt(`0x${named[1] ?? '0'}`)
        : one.ref === named[0]),
  );
  if (!order) throw new Refusal(400, -124, 'Incorrect certificate ID.');
  if (/revoked/i.test(order.status)) throw new Refusal(400, -102, 'Only issued certificates could be revoked.');
  if (!order.leafPem) throw new Refusal(400, -102, 'Only issued certificates could be revoked.');
  order.status = product === 'ssl' ? 'Revoked' : 'revoked';
  return { status: 204 };
}

function decline(order: SectigoOrder): Reply {
  if (order.status !== 'Requested') throw new Refusal(400, -1112, 'The certificate is not in the state Requested.');
  order.status = 'Declined';
  return { status: 204 };
}

function listed({ orders }: Pick<FakeSectigo, 'orders'>, product: string) {
  return orders
    .filter((one) => one.product === product)
    .map(({ id, ref, status, body, leafPem }) => ({
      id,
      state: status,
      certificateDetails: {},
      serialNumber: serialOf(leafPem),
      orderNumber: 0,
      backendCertId: status === 'rejected' ? null : ref,
      expires: null,
      email: body.email,
    }));
}

function list(query: URLSearchParams, product: 'ssl' | 'smime', account: Pick<FakeSectigo, 'orders'>): Reply {
  const size = Number(query.get('size') ?? 200);
  const position = Number(query.get('position') ?? 0);
  if (size > 200) throw new Refusal(400, -7, 'size is not valid');
  const status = query.get('status') ?? query.get('state');
  const backendCertId = query.get('backendCertId');
  const name = query.get('commonName') ?? query.get('subjectAlternativeName');
  const found = account.orders.filter(
    (one) =>
      one.product === product &&
      (status === null || one.status === status) &&
      (backendCertId === null || one.ref === backendCertId) &&
      (name === null || String(one.body.subjAltNames).split(',').includes(name)),
  );
  const page = found.slice(position, position + size);
  if (product === 'smime') return ok(listed({ orders: page }, product));
  return ok(
    page.map(({ id, leafPem, body }) => ({
      sslId: id,
      commonName: String(body.subjAltNames).split(',')[0],
      subjectAlternativeNames: [],
      serialNumber: serialOf(leafPem),
    })),
  );
}

function details({ id, status, body, leafPem }: SectigoOrder): Reply {
  const { comments, term } = body;
  return ok({ id, sslId: id, status, comments, orderNumber: 0, term, serialNumber: serialOf(leafPem) });
}

/** With colons, as SCM shows it. */
function serialOf(leafPem: string | null): string {
  return leafPem === null ? '' : (new X509Certificate(leafPem).serialNumber.match(/../g) ?? []).join(':');
}
