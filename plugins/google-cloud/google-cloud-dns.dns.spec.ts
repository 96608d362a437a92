import { generateKeyPairSync, verify } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeDnsService, type TxtRecords } from '../../test/support/dns-service.js';
import { googleCloudDns } from './google-cloud-dns.dns.js';

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const given = new Set<string>();
const base = '/dns/v1/projects/my-project/managedZones';
const zones = [
  { name: 'hidden', dnsName: 'example.test.', visibility: 'private' },
  { name: 'main-zone', dnsName: 'example.test.', visibility: 'public' },
  { name: 'sub-zone', dnsName: 'sub.example.test.' },
];

interface RecordSet {
  name: string;
  type: string;
  ttl: number;
  rrdatas: string[];
}

/**
 * Google's token endpoint (RFC 7523) and Cloud DNS v1 as their references have it: changes compare what they delete.
 */
function answer(exchange: Exchange, records: TxtRecords): Reply {
  const { method, path, query, headers, json } = exchange;
  if (headers['x-host'] === 'oauth2.googleapis.com') return signIn(exchange);
  if (headers['x-host'] !== 'dns.googleapis.com') return failed(404, 'Not Found');
  if (!given.has(headers.authorization ?? '')) return failed(401, 'Request had invalid credentials.');
  if (method === 'GET' && path === base) {
    const at = Number(query.get('pageToken') ?? '0');
    const next = at + 1 < zones.length ? { nextPageToken: String(at + 1) } : {};
    return { status: 200, body: { managedZones: zones.slice(at, at + 1), ...next } };
  }
  const [, zoneName = '', what = ''] = new RegExp(`^${base}/([^/]+)/(rrsets|changes)$`).exec(path) ?? [];
  const zone = zones.find(({ name }) => name === zoneName);
  if (!zone) return failed(404, 'The zone does not exist.');
  if (method === 'GET' && what === 'rrsets')
    return { status: 200, body: { rrsets: setsOf(records, query.get('name') ?? '') } };
  if (method !== 'POST' || what !== 'changes') return failed(404, 'Not Found');
  return change(records, zone.dnsName, json as { additions: RecordSet[]; deletions: RecordSet[] });
}

function change(
  records: TxtRecords,
  zone: string,
  { additions, deletions }: { additions: RecordSet[]; deletions: RecordSet[] },
): Reply {
  if (additions.length + deletions.length === 0) return failed(400, 'The change is empty.');
  for (const set of deletions)
    if (!isDeepStrictEqual(setsOf(records, set.name)[0], set)) return failed(412, 'Precondition not met.');
  const after = new Set(deletions.map(({ name }) => name));
  for (const { name, rrdatas } of additions) {
    if (!`.${name}`.endsWith(`.${zone}`) || rrdatas.length === 0) return failed(400, 'Invalid value.');
    if (setsOf(records, name).length > 0 && !after.has(name)) return failed(409, 'The resource already exists.');
  }
  for (const { name } of deletions) records.delete(name.slice(0, -1));
  for (const { name, rrdatas } of additions)
    records.set(
      name.slice(0, -1),
      rrdatas.map((data) =>
        [...data.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part = '']) => part.replace(/\\(.)/g, '$1')).join(''),
      ),
    );
  return { status: 200, body: { status: 'pending' } };
}

function setsOf(records: TxtRecords, name: string): RecordSet[] {
  const values = records.get(name.slice(0, -1));
  const quoted = (value: string): string =>
    (value.match(/.{1,255}/g) ?? ['']).map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(' ');
  return values ? [{ name, type: 'TXT', ttl: 60, rrdatas: values.map(quoted) }] : [];
}

function signIn({ method, path, text }: Exchange): Reply {
  const form = new URLSearchParams(text);
  const [head = '', body = '', signature = ''] = (form.get('assertion') ?? '').split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  const isRight =
    method === 'POST' &&
    path === '/token' &&
    form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
    claims['aud'] === 'https://oauth2.googleapis.com/token' &&
    claims['iss'] === 'robot@my-project.iam.gserviceaccount.com' &&
    Number(claims['exp']) - Number(claims['iat']) <= 3600;
  if (!isRight) return { status: 400, body: { error: 'invalid_request', error_description: 'Bad Request' } };
  const isSigned = verify(
    'sha256',
    Buffer.from(`${head}.${body}`),
    pair.publicKey,
    Buffer.from(signature, 'base64url'),
  );
  if (!isSigned) return { status: 401, body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } };
  const token = `token-${given.size}`;
  given.add(`Bearer ${token}`);
  return { status: 200, body: { access_token: token, expires_in: 3599, token_type: 'Bearer' } };
}

const failed = (status: number, message: string): Reply => ({ status, body: { error: { code: status, message } } });
const options = (key: typeof pair) =>
  googleCloudDns.options.parse({
    serviceAccountKey: JSON.stringify({
      type: 'service_account',
      project_id: 'my-project',
      private_key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: 'robot@my-project.iam.gserviceaccount.com',
    }),
  });

describeDnsService('google-cloud-dns', {
  plugin: googleCloudDns,
  options: options(pair),
  wrong: options(stranger),
  secrets: ['-----BEGIN'],
  answer,
});
