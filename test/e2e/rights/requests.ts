import type { Answer, TestProgram } from '../../support/program.js';
import { team, type Fixtures } from './fixtures.js';

/** What is asked of a route: the things in its path by their places, a query, and a body that it would accept. */
export interface Asked {
  ids?: readonly (string | number)[];
  query?: string;
  body?: object;
}

type Ask = (f: Fixtures) => Asked | Promise<Asked>;

const on =
  (make: (f: Fixtures) => Promise<number | string>, body?: (f: Fixtures) => object | Promise<object>): Ask =>
  async (f) => ({ ids: [await make(f)], ...(body && { body: await body(f) }) });

const certificate = on((f) => f.certificate());
const authority = on((f) => f.authority());
/** Something at the CA of an authority whose CA is here: there is none. */
const atCa: Ask = async (f) => ({ ids: [await f.authority(), '7'] });
const changed = (): object => ({ description: 'changed' });

/** How each route is asked so that only rights decide; routes that are not here are asked as they stand. */
export const requests: Readonly<Record<string, Ask>> = {
  // Without a name or a password: who may ask is told so, and no failure counts against them.
  'post /auth/login': () => ({ body: {} }),
  'post /auth/password': () => ({ body: {} }),
  'get /.well-known/acme-challenge/:token': () => ({ ids: ['unknown'] }),
  'get /pki/:file': () => ({ ids: ['unknown.crl'] }),
  'get /problems/:code': () => ({ ids: ['conflict'] }),
  'get /plugins/:slug': () => ({ ids: ['email'] }),

  'post /certificates': (f) => ({ body: f.request() }),
  'post /certificates/upload': (f) => ({ body: f.upload() }),
  'post /certificates/upload/bulk': (f) => ({ body: f.bulkUpload() }),
  'get /certificates/current/:name': (f) => ({ ids: [f.sharedName] }),
  'get /certificates/name/:name': (f) => ({ ids: [f.sharedName] }),
  'put /certificates/:id': on((f) => f.certificate(), changed),
  'delete /certificates/:id': certificate,
  'post /certificates/:id': on(
    (f) => f.certificate(),
    () => ({ notify: false }),
  ),
  'post /certificates/:id/update/switches': on(
    (f) => f.certificate(),
    () => ({ notify: false }),
  ),
  'post /certificates/:id/update/owner': on(
    (f) => f.certificate(),
    () => ({ owner: team }),
  ),
  'post /certificates/:id/accept': on((f) => f.handedOver()),
  'post /certificates/:id/adopt': on(
    (f) => f.certificate(),
    () => ({ rotation: false }),
  ),
  'put /certificates/:id/description': on((f) => f.certificate(), changed),
  'put /certificates/:id/revoke': on(
    (f) => f.certificate(),
    () => ({ crlReason: 'superseded' }),
  ),
  'put /certificates/:id/deactivate': certificate,
  'put /certificates/:id/hold': on(
    (f) => f.certificate(),
    () => ({}),
  ),
  'put /certificates/:id/release': certificate,
  'post /certificates/:id/reissue': on(
    (f) => f.certificate(),
    () => ({}),
  ),
  'post /certificates/:id/redeploy': on((f) => f.deployed()),
  'post /certificates/:id/rotate': on(
    (f) => f.certificate(),
    () => ({}),
  ),
  'post /certificates/:id/export': on(
    (f) => f.certificate(),
    () => ({ plugin: { id: 'pem' } }),
  ),
  'post /certificates/bulk': async (f) => ({ body: { ids: [await f.certificate()], change: { notify: false } } }),
  'post /certificates/:id/verify': on(
    (f) => f.certificate(),
    () => ({}),
  ),
  'post /verify': (f) => ({ body: { chain: f.upload().body, revocation: false } }),
  'get /certificates/stats': () => ({ query: '?metric=issuer' }),
  'post /certificates/:id/restore': on(async (f) => f.deleted()),

  'get /pending_certificates/:id': on((f) => f.unfinished()),
  'put /pending_certificates/:id': on((f) => f.unfinished(), changed),
  'delete /pending_certificates/:id': on((f) => f.unfinished()),
  'get /pending_certificates/:id/key': certificate,
  'post /pending_certificates/:id/accept': on((f) => f.disputed()),
  'post /pending_certificates/:id/reject': on((f) => f.disputed()),
  'put /pending_certificates/:id/retry': on((f) => f.unfinished()),
  'post /pending_certificates/:id/upload': on(
    (f) => f.unfinished(),
    (f) => ({ body: f.foreignPem() }),
  ),

  'get /authorities/:id': authority,
  'get /authorities/:id/certificates': authority,
  // No CRL of the authority: whoever may send one is told so.
  'post /authorities/:id/revocations': on(
    (f) => f.authority(),
    () => ({ crl: 'AAAA' }),
  ),
  'get /authorities/:id/profiles': authority,
  'get /authorities/:id/profiles/:profile': atCa,
  'put /authorities/:id/profiles/:profile': async (f) => ({ ...(await atCa(f)), body: { enabled: true } }),
  'get /authorities/:id/organizations': authority,
  'get /authorities/:id/persons': authority,
  'post /authorities/:id/persons': on(
    (f) => f.authority(),
    () => ({ email: 'a@example.com', firstName: 'A', lastName: 'B', organizationId: '1' }),
  ),
  'get /authorities/:id/settings': authority,
  'put /authorities/:id/settings': on(
    (f) => f.authority(),
    () => ({ options: {} }),
  ),
  'get /authorities/:id/requests': authority,
  'get /authorities/:id/requests/:request': atCa,
  'put /authorities/:id/requests/:request': async (f) => ({ ...(await atCa(f)), body: { action: 'approve' } }),
  'put /authorities/:id/revoke': on(
    (f) => f.authority(),
    () => ({ crlReason: 'superseded' }),
  ),
  'get /authorities/:id/crl': authority,
  'post /authorities/:id/crl': authority,
  'get /authorities/:id/issuers': authority,
  'post /authorities/:id/issuers': on(
    (f) => f.authority(),
    (f) => ({ chain: f.caChain() }),
  ),
  'put /authorities/:id/issuers/current': on(
    (f) => f.authority(),
    () => ({ sha256: '0'.repeat(64) }),
  ),
  'get /authorities/csrs': () => ({}),
  'post /authorities/csrs': (f) => ({ body: f.csrBody() }),
  'get /authorities/csrs/:id': on((f) => f.authorityCsr()),
  'delete /authorities/csrs/:id': on((f) => f.authorityCsr()),
  'post /authorities/csrs/:id/certificate': on(
    (f) => f.authorityCsr(),
    (f) => ({ chain: f.caChain() }),
  ),
  'post /authorities/:id/csr': on(
    (f) => f.authority(),
    () => ({ newKey: true }),
  ),
  'delete /authorities/:id': on((f) => f.authority()),
  'post /authorities/:id/renew': on(
    (f) => f.authority(),
    () => ({ validityDays: 30 }),
  ),
  'post /authorities/:id/account-key': authority,
  'post /authorities/:id/issuers/refresh': authority,
  'post /authorities': (f) => ({ body: { name: f.word(), owner: team, commonName: f.word() } }),
  'put /authorities/:id': on(
    (f) => f.authority(),
    () => ({ owner: team, description: 'changed' }),
  ),

  'post /destinations': (f) => ({ body: f.destinationBody() }),
  'put /destinations/:id': on(
    (f) => f.destination(),
    (f) => f.destinationBody(),
  ),
  'get /destinations/:id/roles': on((f) => f.destination()),
  'delete /destinations/:id': on((f) => f.destination()),
  'get /destinations/:id/filter': on((f) => f.filteredDestination()),
  'put /destinations/:id/filter': on(
    (f) => f.destination(),
    () => ({ owner: team }),
  ),
  'delete /destinations/:id/filter': on((f) => f.filteredDestination()),
  'post /destinations/:id/test': on((f) => f.destination()),
  'post /dns_providers': (f) => ({ body: f.dnsProviderBody() }),
  'get /dns_providers/:id': on((f) => f.dnsProvider()),
  'put /dns_providers/:id': on(
    (f) => f.dnsProvider(),
    (f) => f.dnsProviderBody(),
  ),
  'delete /dns_providers/:id': on((f) => f.dnsProvider()),
  'post /dns_providers/:id/test': on((f) => f.dnsProvider()),
  'get /endpoints/:id': on((f) => f.endpoint()),
  'post /sources': (f) => ({ body: f.sourceBody() }),
  'get /sources/:id': on((f) => f.source()),
  'put /sources/:id': on(
    (f) => f.source(),
    (f) => f.sourceBody(),
  ),
  'delete /sources/:id': on((f) => f.source()),
  'post /sources/:id/clean': on((f) => f.source({ plugin: { id: 'aws-iam-source' } })),
  'get /sources/:id/findings': on((f) => f.source()),
  'post /sources/:id/sync': on((f) => f.source()),
  'get /sources/:id/syncs': on((f) => f.source()),
  'post /sources/:id/targets': on(
    (f) => f.source({ plugin: f.tlsSource() }),
    () => ({ csv: 'host\nwww.example.com\n' }),
  ),
  'post /sources/targets': (f) => ({
    body: { ...f.sourceBody(), plugin: f.tlsSource(), csv: 'host\nwww.example.com\n' },
  }),
  'post /sources/:id/test': on((f) => f.source()),
  'get /deliveries/:id': on((f) => f.delivery()),
  'post /deliveries/:id/check': on((f) => f.delivered()),
  'post /deliveries/:id/retry': on((f) => f.delivery()),

  'post /notifications': (f) => ({ body: f.notificationBody() }),
  'put /notifications/:id': on(
    (f) => f.notification(),
    (f) => f.notificationBody(),
  ),
  'delete /notifications/:id': on((f) => f.notification()),
  'post /notifications/:id/test': on((f) => f.notification()),

  'get /certificates/:id/acknowledgements': certificate,
  'put /certificates/:id/acknowledgements/:event': async (f) => ({
    ids: [await f.certificate(), 'certificate.expiring'],
    body: { reason: 'known' },
  }),
  'delete /certificates/:id/acknowledgements/:event': async (f) => ({ ids: await f.acknowledged() }),
  'put /notice-layout': () => ({ body: { productName: 'Example PKI' } }),
  'get /notices/:id': on((f) => f.notice()),
  'post /notices/:id/retry': on((f) => f.notice()),

  'post /channels': (f) => ({ body: f.channelBody() }),
  'put /channels/:id': on(
    (f) => f.channel(),
    (f) => f.channelBody(),
  ),
  'delete /channels/:id': on((f) => f.channel()),
  'post /channels/:id/test': on((f) => f.channel()),
  'get /channels/:id/preview': on((f) => f.channel()),
  'get /channels/:id': on((f) => f.channel()),

  'post /subscriptions': async (f) => ({ body: await f.subscriptionBody() }),
  'put /subscriptions/:id': on(
    (f) => f.subscription(),
    (f) => f.subscriptionBody(),
  ),
  'delete /subscriptions/:id': on((f) => f.subscription()),
  'get /subscriptions/:id': on((f) => f.subscription()),

  'post /authorities/:id/sign': (f) => ({ ids: ['team'], body: f.signBody() }),
  'post /authorities/:id/sign-unstored': (f) => ({ ids: ['team'], body: f.signUnstoredBody() }),
  'get /authorities/:id/orders/:order': (f) => ({ ids: ['team', f.sharedId] }),
  'get /certificates/:id/files/:file': (f) => ({ ids: [f.sharedId, 'chain.p7b'] }),
  'get /profiles/:id': on((f) => f.profile()),
  'get /profiles/:id/versions': on((f) => f.profile()),
  'post /profiles/:id/preview': on(
    (f) => f.profile(),
    () => ({ rules: {} }),
  ),
  'post /profiles': (f) => ({ body: { name: f.word(), rules: {} } }),
  'put /profiles/:id': on(
    (f) => f.profile(),
    (f) => ({ name: f.word(), rules: { keyTypes: ['RSA2048'] } }),
  ),
  'delete /profiles/:id': on((f) => f.profile()),

  'post /replacements': async (f) => ({ body: await f.replacementBody() }),
  'get /replacements/:id': on((f) => f.replacementRun()),
  'put /replacements/:id': on(
    (f) => f.replacementRun(),
    () => ({ state: 'paused' }),
  ),
  'get /replacements/:id/certificates': on((f) => f.replacementRun()),

  'post /revocations': async (f) => ({ body: { ids: [await f.certificate()], dryRun: false } }),
  'get /revocations/:id': on((f) => f.revocationRun()),
  'put /revocations/:id': on(
    (f) => f.revocationRun(),
    () => ({ state: 'paused' }),
  ),
  'get /revocations/:id/certificates': on((f) => f.revocationRun()),

  'post /policies': (f) => ({ body: { name: f.word(), days: 9 } }),
  'put /policies/:id': on(
    (f) => f.policy(),
    (f) => ({ name: f.word(), days: 10 }),
  ),
  'delete /policies/:id': on((f) => f.policy()),

  'put /rotation/limits': () => ({ body: { perHour: 1000 } }),
  'post /rotation/pauses': async (f) => ({ body: await f.pauseBody() }),
  'get /rotation/pauses/:id': on((f) => f.pause()),
  'put /rotation/pauses/:id': on(
    (f) => f.pause(),
    () => ({ reason: 'Another one.' }),
  ),
  'delete /rotation/pauses/:id': on((f) => f.pause()),

  'post /roles': (f) => ({ body: { name: f.word() } }),
  'get /roles/:id': on((f) => f.role()),
  'get /roles/:id/credentials': on((f) => f.role({ username: 'shared', password: 'Shared-Secret-1!' })),
  'put /roles/:id': on(
    (f) => f.role(),
    (f) => ({ name: f.word() }),
  ),
  'delete /roles/:id': on((f) => f.role()),
  'post /users': (f) => ({ body: f.userBody() }),
  'put /users/:id': on(
    (f) => f.user(),
    (f) => f.userBody(),
  ),
  'get /users/:id': on((f) => f.user()),
  'get /users/:id/roles': on((f) => f.user()),

  'post /keys': (f) => ({ body: { name: f.word(), ttl: 1 } }),
  'get /keys/:aid': on((f) => f.key()),
  'get /keys/:aid/described': on((f) => f.key()),
  'put /keys/:aid': on(
    (f) => f.key(),
    (f) => ({ name: f.word() }),
  ),
  'delete /keys/:aid': on((f) => f.key()),
  'get /users/:id/keys': () => ({ ids: [1] }),
  'post /users/:id/keys': (f) => ({ ids: [1], body: { name: f.word(), ttl: 1 } }),
  'get /users/:id/keys/:aid': async (f) => ({ ids: [1, await f.key()] }),
  'put /users/:id/keys/:aid': async (f) => ({ ids: [1, await f.key()], body: { name: f.word() } }),
  'delete /users/:id/keys/:aid': async (f) => ({ ids: [1, await f.key()] }),

  'post /domains': (f) => ({ body: { name: `${f.word()}.example.com`, sensitive: false } }),
  'get /domains/:id': on((f) => f.domain()),
  'put /domains/:id': on(
    (f) => f.domain(),
    () => ({ sensitive: true }),
  ),
  'post /domain-rules': (f) => ({ body: f.domainRuleBody() }),
  'get /domain-rules/:id': on((f) => f.domainRule()),
  'put /domain-rules/:id': on(
    (f) => f.domainRule(),
    (f) => f.domainRuleBody(),
  ),
  'delete /domain-rules/:id': on((f) => f.domainRule()),

  'delete /users/:id/identities/:identityId': async (f) => ({ ids: await f.identity() }),

  'post /jobs/:id/replay': on((f) => f.deadJob()),
  'post /jobs/replay': async (f) => {
    await f.deadJob();
    return { body: {} };
  },
  'get /tasks/:task/runs': () => ({ ids: ['jobs.prune'] }),
  'put /tasks/:task': () => ({ ids: ['jobs.prune'], body: { paused: true } }),
  'post /tasks/:task/run': () => ({ ids: ['jobs.prune'] }),
  'get /mails/:id': on((f) => f.mail()),
};

const asItStands: Ask = (f) => ({ ids: [f.sharedId] });

/** Asks a route of the table in the way of `requests`, with new things where it may change them. */
export async function askRoute(
  program: TestProgram,
  fixtures: Fixtures,
  route: string,
  token: string | null,
): Promise<Answer> {
  const { method, path, body } = await requestOf(fixtures, route);
  if (/^\/($|pki\/|\.well-known\/)/.test(path)) return askOutside(program, method, path, token);
  return program.call(method, path, body, { token });
}

/** A request that the route accepts, as `program.call` takes it. */
export async function requestOf(
  fixtures: Fixtures,
  route: string,
): Promise<{ method: string; path: string; body: object | undefined }> {
  const [method = '', pattern = ''] = route.split(' ');
  const { ids = [], query = '', body } = await (requests[route] ?? asItStands)(fixtures);
  const left = [...ids];
  const named = pattern.replaceAll(/:\w+/g, () => encodeURIComponent(left.shift() ?? 1));
  // Fastify prints a route that takes any rest of a path without the slash before it.
  const path = named.replace(/\*$/, '/anything');
  return { method: method.toUpperCase(), path: `${path}${query}`, body };
}

/** What is not below /api/1. A redirect is an answer. */
async function askOutside({ url }: TestProgram, method: string, path: string, token: string | null): Promise<Answer> {
  const { status, headers } = await fetch(`${url}${path}`, {
    method,
    redirect: 'manual',
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  });
  return { status, headers, body: null };
}
