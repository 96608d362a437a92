import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import { fillProgram, type Ids } from '../support/filled-program.js';
import type { Json } from '../support/json.js';
import { differencesOf, type Shape, shapeOf } from '../support/lemur-wire.js';
import { adminPassword, type Answer, startProgram, type TestProgram } from '../support/program.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';

interface PageRequest {
  case: string;
  method: string;
  path: string;
  body?: Json;
  status: number;
}

const fixture = <T>(name: string): T =>
  JSON.parse(readFileSync(join(__dirname, '../fixtures/lemur-wire', name), 'utf8')) as T;
const shapes = fixture<Record<string, Shape>>('shapes.json');
const requests = fixture<PageRequest[]>('requests.json');
const folder = mkdtempSync(join(tmpdir(), 'lemur-wire-'));
/** By route, what was answered to good requests. */
const answers = new Map<string, Json[]>();
let program: TestProgram;
let foreign: TestAuthority;
/** Ids of this program, by what Lemur's had: `certificates/56`, or by kind alone for any other. */
let ids: Ids;

/** Sends it, and keeps what a good answer looks like by its route, as the shapes are kept. */
async function send(method: string, path: string, body?: Json): Promise<Answer> {
  const answer = await program.call(method, path, body);
  const route = path
    .replace(/\?.*/, '')
    .replace(/^\/certificates\/name\/.+/, '/certificates/name/:name')
    .replace(/^\/plugins\/.+/, '/plugins/:slug')
    .replaceAll(/\/\d+(?=\/|$)/g, '/:id');
  const key = `${method} ${route}${path.includes('short=true') ? '?short=true' : ''}`;
  if (answer.status < 300) answers.set(key, [...(answers.get(key) ?? []), answer.body]);
  return answer;
}

const fromNow = (days: number): string => new Date(program.clock.now().getTime() + days * 86_400_000).toISOString();

/** The path of a recorded request with ids of this program. */
function hereOf(path: string): string {
  return path.replace(
    /^\/(\w+)\/(\d+)/,
    (_, kind: string, id: string) => `/${kind}/${ids[`${kind}/${id}`] ?? ids[kind]}`,
  );
}

const kinds: Readonly<Record<string, string>> = {
  authority: 'authorities',
  roles: 'roles',
  notifications: 'notifications',
  destinations: 'destinations',
  certificates: 'certificates/15',
  addedCertificates: 'certificates/15',
  user: 'users',
};

/** The body of a recorded request as it would be sent to this program: with its ids, and PEM for what stands for it. */
function here({ case: name, body }: PageRequest): Json {
  if (typeof body !== 'object' || body === null) return body;
  const pem = foreign.issue(`${name}.example.net`);
  const texts: Readonly<Record<string, string | undefined>> = {
    '<PEM certificate x1>': pem.chainPem[0],
    '<PEM private key>': pem.privateKeyPem,
    '<PEM CSR>': undefined,
  };
  const known = (value: Json, key: string): Json => {
    if (typeof value === 'string') return value in texts ? texts[value] : value;
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((entry) => known(entry, key));
    const copy = Object.fromEntries(Object.entries(value).map(([member, inner]) => [member, known(inner, member)]));
    return kinds[key] !== undefined && 'id' in copy ? { ...copy, id: ids[kinds[key]] } : copy;
  };
  const sent: Json = known(body, '');
  if (sent.chain) sent.chain = pem.chainPem[1];
  for (const start of ['validityStart', 'validity_start']) if (sent[start]) sent[start] = fromNow(0);
  for (const end of ['validityEnd', 'validity_end']) if (sent[end]) sent[end] = fromNow(200);
  // The recording has the first two options of a plugin only.
  if (sent.plugin?.slug === 'email-notification')
    sent.plugin.pluginOptions.push({ name: 'recipients', value: 'ops@example.com' });
  return sent;
}

/** What is read of a thing of each kind. */
function reads(): string[] {
  const of = (kind: string, ...paths: string[]): string[] => paths.map((path) => `/${kind}/${ids[kind]}${path}`);
  return [
    '/auth/me',
    '/defaults',
    '/plugins',
    '/plugins/aws-destination',
    '/plugins/email-notification',
    '/certificates?count=100&showExpired=1',
    '/certificates?short=true',
    '/certificates/valid',
    '/certificates/name/mine',
    ...of('certificates', '', '/authority', '/creator', '/destinations', '/sources', '/key'),
    '/authorities',
    ...of('authorities', '', '/roles'),
    '/authorities/1/visualize',
    '/roles',
    ...of('roles', '', '/credentials'),
    '/users',
    ...of('users', '', '/keys'),
    '/keys',
    ...of('keys', '/described'),
    '/domains',
    '/endpoints',
    '/logs?count=200',
    '/pending_certificates',
    '/destinations',
    ...of('destinations', ''),
    '/notifications',
    '/sources',
    ...of('sources', ''),
  ];
}

beforeAll(async () => {
  foreign = startTestAuthority();
  const slow = new ScriptedCa();
  program = await startProgram(
    {
      DEFAULT_AUTHORITY: 'root',
      DEFAULT_STATE: 'California',
      DEFAULT_COUNTRY: 'US',
      SECURITY_TEAM_EMAIL: 'sec@example.com',
    },
    { plugins: [...plugins, slow.plugin] },
  );
  const filled = await fillProgram(program, folder);
  const good = async (method: string, path: string, body?: object): Promise<Json> => {
    const answer = await send(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const make = async (path: string, body: object): Promise<number> => (await good('POST', path, body)).id;
  // Sources belong to whoever makes them, if mail reaches them.
  await good('PUT', '/users/1', { email: 'admin@example.com' });
  const issue = (commonName: string, more: object = {}): Promise<number> =>
    make('/certificates', { owner: 'joe@example.com', commonName, organization: 'Example', ...more });
  const old = await issue('old.example.com', { location: 'Los Gatos', organizationalUnit: 'Web' });
  const { chainPem } = foreign.issue('keyless.example.net');
  await make('/authorities', {
    name: 'pending',
    owner: 'pki@example.com',
    commonName: 'Pending',
    plugin: { id: 'scripted-ca', options: { behaviour: 'pending' } },
  });
  await issue('pending.example.com', { authority: { name: 'pending' } });
  const names = { names: ['a', 'b'].map((label) => ({ nameType: 'DNSName', value: `${label}.example.com` })) };
  const mine = await issue('mine.example.com', {
    name: 'mine',
    destinations: [{ id: filled['destinations'] }],
    replaces: [{ id: old }],
    extensions: { subAltNames: names },
  });
  const role = await make('/roles', {
    name: 'vendor',
    username: 'vendor',
    password: 'secret',
    users: [{ name: 'ann' }],
  });
  const aws = { slug: 'aws-source', pluginOptions: [{ name: 'accountNumber', value: '123456789012' }] };
  const issuing = await make('/authorities', {
    name: 'IssuingCA',
    owner: 'pki@example.com',
    commonName: 'Issuing',
    type: 'subca',
    parent: { name: 'root' },
    roles: [{ id: role }],
    plugin: { id: 'local-ca', options: { caIssuers: ['http://ca.example.com/ca.der'] } },
  });
  ids = {
    ...filled,
    certificates: mine,
    'certificates/15': mine,
    'certificates/56': await make('/certificates/upload', { owner: 'joe@example.com', body: chainPem[0] }),
    'certificates/102': await issue('revoked.example.com'),
    authorities: issuing,
    'authorities/5': await make('/authorities', { name: 'PlainRoot', owner: 'pki@example.com', commonName: 'Plain' }),
    roles: role,
    'users/12': await make('/users', { username: 'c-user', email: 'c-user@example.com', roles: [] }),
    keys: filled['aid'] ?? 0,
    'keys/9': await make('/keys', { name: 'c-key', ttl: 30 }),
    'sources/4': await make('/sources', { label: 'aws-elb', active: false, owner: 'joe@example.com', plugin: aws }),
    'domains/120': await make('/domains', { name: 'c-dom.example.com' }),
    'notifications/37': await make('/notifications', {
      label: 'c-not',
      plugin: { id: 'email', options: { recipients: 'ops@example.com' } },
    }),
    'destinations/9': await make('/destinations', {
      label: 'c-aws',
      plugin: { slug: 'aws-destination', pluginOptions: [{ name: 'accountNumber', value: '111111111111' }] },
    }),
  };
  const { source } = program.database;
  await source.query('update endpoint set certificate_id = $1', [mine]);
  await source.query(
    `insert into source_certificate (source_id, location, certificate_id, sync_id, first_seen_at, seen_at)
     select $2, '/etc/ssl', $1, max(id), now(), now() from source_sync where source_id = $2`,
    [mine, filled['sources']],
  );
  for (const path of reads()) await good('GET', path);
  const spare = { destinations: 'destinations/9', notifications: 'notifications/37' };
  for (const kind of Object.keys(spare)) {
    const { label, plugin } = await good('GET', `/${kind}/${ids[spare[kind as keyof typeof spare]]}`);
    await good('DELETE', `/${kind}/${await make(`/${kind}`, { label: `${label} 2`, plugin })}`);
  }
  await good('DELETE', `/roles/${await make('/roles', { name: 'spare' })}`);
  await good('PUT', `/sources/${ids['sources/4']}`, { label: 'aws-elb', active: false, plugin: aws });
  await good('PUT', `/roles/${role}`, { name: 'vendor', users: [{ name: 'ann' }] });
  await good('PUT', `/certificates/${old}/description`, { description: 'The old one' });
  await good('POST', `/certificates/${old}/update/switches`, { notify: true });
  await good('POST', `/certificates/${old}/update/owner`, { owner: 'ann@example.com' });
  await good('POST', `/users/${filled['users']}/keys`, { name: 'for ann', ttl: 30 });
  await good('POST', '/auth/login', { username: 'admin', password: adminPassword });
});
afterAll(async () => {
  await program.stop();
  foreign.close();
  rmSync(folder, { recursive: true });
});

/** Requests of Lemur's page that are refused here, or have nothing to answer them, by case. */
const refused: Readonly<Record<string, string>> = {
  'filter-name': 'a filter without a value; Lemur answers 500',
  'filter-id;abc': 'an id that is no number; Lemur answers 500',
  'ac-ui-sha1': 'SHA-1 signatures are never issued',
  'ac-ui-ecc-rsa': 'an ECC key cannot sign with RSA',
  's-put-ui': 'the plugin has no regions: IAM is global, and load balancers are not looked at yet',
  'en-type': 'endpoints have no label; Lemur answers 500',
};

/** Members of Lemur's answers that ours lack or have with another type: on which routes, where, and why. */
const differences: readonly (readonly [route: RegExp, path: RegExp, reason: string])[] = [
  [/certificate/, /(^|\.)rotationPolicy$/, 'null in Lemur without one; here every certificate has one'],
  [/certificates/, /(^|\.)san$/, 'true in both for a certificate with several names'],
  [/certificates/, /extendedKeyUsage\.use\w+$/, 'those that the certificate has'],
  [/upload$/, /^(authority\..*|extensions\.subAltNames\.names\[\])$/, 'the certificate that is uploaded here has none'],
  [/^POST \/authorities$/, /chain$/, 'null in both for a root'],
  [
    /certificates/,
    /(replaces|replacedBy)\[\]\.issuer$/,
    'an empty object in Lemur, by a defect; here the name of the issuer',
  ],
  [/^GET \/(endpoints|logs)$/, /certificate\.issuer$/, 'as in replaces[]'],
  [/./, /(^|\.)status$/, 'null in Lemur until something has looked at the certificate; here always known'],
  [/certificates/, /(replaces|replacedBy)\[\]\.chain$/, 'only the certificate itself has its chain'],
  [/^GET \/(endpoints|logs)$/, /certificate\.chain$/, 'as in replaces[]'],
  [
    /certificates/,
    /destinations\[\]\.options\[\]\.value$/,
    'GET /destinations has the values, for those who may see them',
  ],
  [/certificates/, /destinations\[\]\.plugin\.pluginOptions\[\]\.value$/, 'as options[].value'],
  [/certificates|pending/, /notifications\[\]\.plugin\.pluginOptions\[\]\.value$/, 'the values stand in options[]'],
  [
    /^(GET|PUT) \/authorities\/:id$|authority$|^POST \/authorities$/,
    /^options$/,
    'null in Lemur where nothing is set; here always the text of a list',
  ],
  [/creator$/, /^(profilePicture|roles)$/, 'who holds which roles is for administrators: GET /users/{id}'],
  [
    /^GET \/endpoints$/,
    /certificatePath|registryType|policy\.id|ciphers\[\]\.id/,
    'of load balancers of AWS, which are not looked at yet',
  ],
  [
    /^GET \/logs$/,
    /^items\[\]\.(certificate|user\..*)$/,
    'entries about other things than certificates, and by others than users',
  ],
  [
    /plugin|destinations|sources|notifications|authorit|pending|certificates\/valid/,
    /options\[\]\.(default|value|available)$/i,
    'belongs to the options of one plugin',
  ],
  [/roles\/:id\/credentials$/, /./, 'null where a role keeps none'],
  [/^(POST|PUT) \/(users\/:id\/)?keys/, /^jwt$/, 'a key is shown once, when it is made'],
];
/** Members that are null where nothing is known or set, though no answer in the recording has them so. */
const nullable = new RegExp(
  `(^|\\.)(${[
    'description',
    'body',
    'serial',
    'serialHex',
    'signingAlgorithm',
    'defaultValidityDays',
    'maxIssuanceDays',
    'isCabCompliant',
    'location',
    'organization',
    'organizationalUnit',
    'country',
    'state',
    'days',
    'chain',
    'san',
    'csr',
    'cn',
    'externalId',
    'user',
    'authority',
  ].join('|')})$`,
);

describe("Lemur's page", () => {
  it('gets an answer to every request that it sends, with the exceptions of the table', async () => {
    const answered: Record<string, unknown> = {};
    for (const request of requests) {
      const { status, body } = await send(request.method, hereOf(request.path), here(request));
      const mayRefuse = request.case in refused;
      if (status >= 300 !== mayRefuse) answered[request.case] = [status, body.reasons ?? body];
    }
    expect(answered).toEqual({});
  });

  it('gets every field that Lemur returns, with its type, with the exceptions of the table', async () => {
    for (const path of reads()) await send('GET', path);
    const found = Object.entries(shapes).flatMap(([route, shape]) => {
      const ours = answers.get(route);
      if (!ours)
        return differences.some(([on, path]) => on.test(route) && path.test('')) ? [] : [`${route}: no answer`];
      return [...differencesOf(shape, shapeOf(ours))]
        .filter(([path, what]) => !(what.startsWith('null where') && nullable.test(path)))
        .filter(([path]) => !differences.some(([on, where]) => on.test(route) && where.test(path)))
        .map(([path, what]) => `${route} ${path}: ${what}`);
    });
    expect(found).toEqual([]);
  });
});
