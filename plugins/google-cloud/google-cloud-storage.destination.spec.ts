import { createHash, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bundle } from '../../src/plugin-api/export.js';
import { type Exchange, type Reply, startStandIn, type StandIn } from '../../test/fakes/stand-in.js';
import { twoFiles } from '../../test/support/aws-suite.js';
import { startTestAuthority } from '../../test/support/bundles.js';
import { contextFor } from '../../test/support/dns-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { googleCloudStorage } from './google-cloud-storage.destination.js';

const account = generateKeyPairSync('rsa', { modulusLength: 2048 });
const authority = startTestAuthority();
const objects = '/storage/v1/b/certificates/o';
const kmsKeyName = 'projects/my-project/locations/europe-west3/keyRings/pki/cryptoKeys/files';

interface Version {
  generation: string;
  bytes: Buffer;
  kmsKeyName: string | null;
  isLive: boolean;
}
/** Versions by name, newest first: the bucket keeps those that are replaced. */
const held = new Map<string, Version[]>();
let made = 1000;
let google: StandIn;
beforeAll(async () => {
  google = await startStandIn(answer);
});
beforeEach(() => held.clear());
afterAll(async () => {
  await google.stop();
  authority.close();
});

/** Google's sign-in and the JSON API v1 of Cloud Storage, as their references have it. */
function answer(exchange: Exchange): Reply {
  const { method, path, query, headers } = exchange;
  if (headers['x-host'] === 'oauth2.googleapis.com') return signIn(exchange);
  if (headers['x-host'] !== 'storage.googleapis.com') return failed(404, 'Not Found');
  if (headers.authorization !== 'Bearer token-1') return failed(401, 'Invalid Credentials');
  if (!/\/b\/certificates\/o/.test(path)) return failed(404, 'The specified bucket does not exist.');
  if (method === 'POST' && path === `/upload${objects}`) return uploaded(exchange);
  if (method === 'GET' && path === objects) return list(query);
  const name = decodeURIComponent(path.slice(objects.length + 1));
  const generation = query.get('generation');
  const versions = held.get(name) ?? [];
  const found = versions.find((one) => (generation === null ? one.isLive : one.generation === generation));
  if (!found) return failed(404, `No such object: certificates/${name}`);
  if (method === 'GET' && query.get('alt') === 'media')
    return { status: 200, body: found.bytes, headers: { 'x-goog-generation': found.generation } };
  if (method !== 'DELETE' || generation === null) return failed(400, 'Bad Request');
  versions.splice(versions.indexOf(found), 1);
  return { status: 204 };
}

/** Pages of one. */
function list(query: URLSearchParams): Reply {
  if (query.get('versions') !== 'true') return failed(400, 'Bad Request');
  const all = [...held]
    .filter(([name]) => name.startsWith(query.get('prefix') ?? ''))
    .flatMap(([name, versions]) => versions.map(({ generation }) => ({ name, generation })));
  const at = Number(query.get('pageToken') ?? 0);
  return {
    status: 200,
    body: { items: all.slice(at, at + 1), ...(at + 1 < all.length && { nextPageToken: `${at + 1}` }) },
  };
}

function uploaded({ query, headers, bytes }: Exchange): Reply {
  const [, boundary] = /^multipart\/related; boundary=(\w+)$/.exec(headers['content-type'] ?? '') ?? [];
  if (query.get('uploadType') !== 'multipart' || !boundary) return failed(400, 'Bad Request');
  const [, head = '', content = '', end] = bytes.toString('latin1').split(`--${boundary}`);
  const bodyOf = (part: string): string => part.slice(part.indexOf('\r\n\r\n') + 4, -2);
  if (end !== '--\r\n') return failed(400, 'The multipart body has no end.');
  const { name, md5Hash } = JSON.parse(bodyOf(head)) as { name: string; md5Hash: string };
  const data = Buffer.from(bodyOf(content), 'latin1');
  if (createHash('md5').update(data).digest('base64') !== md5Hash)
    return failed(400, 'Provided MD5 hash does not match.');
  const versions = held.get(name) ?? [];
  const live = versions.find(({ isLive }) => isLive);
  if (query.get('ifGenerationMatch') !== (live?.generation ?? '0')) return failed(412, 'conditionNotMet');
  if (live) live.isLive = false;
  made += 1;
  versions.unshift({ generation: `${made}`, bytes: data, kmsKeyName: query.get('kmsKeyName'), isLive: true });
  held.set(name, versions);
  return { status: 200, body: { name, generation: `${made}` } };
}

function signIn({ text }: Exchange): Reply {
  const [, body = ''] = (new URLSearchParams(text).get('assertion') ?? '').split('.');
  const { scope } = JSON.parse(Buffer.from(body, 'base64url').toString()) as { scope: string };
  return scope === 'https://www.googleapis.com/auth/devstorage.read_write'
    ? { status: 200, body: { access_token: 'token-1', expires_in: 3599, token_type: 'Bearer' } }
    : { status: 401, body: { error: 'invalid_scope', error_description: 'Invalid scope.' } };
}

const failed = (status: number, message: string): Reply => ({ status, body: { error: { code: status, message } } });
const options = (changed: object = {}) =>
  googleCloudStorage.options.parse({
    serviceAccountKey: JSON.stringify({
      type: 'service_account',
      project_id: 'my-project',
      private_key: account.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: 'robot@my-project.iam.gserviceaccount.com',
    }),
    bucket: 'certificates',
    prefix: 'tls/',
    ...changed,
  });
const issue = (): Required<Omit<Bundle, 'rootPem'>> => authority.issue('www.example.com');
const deliver = (bundle: Bundle, o = options()) =>
  googleCloudStorage.deliver({ bundle, files: twoFiles(bundle), round: '1.1' }, o, contextFor(google));
const placed = (bundle: Bundle, hasFiles: boolean) => ({
  bundle: { ...bundle, privateKeyPem: undefined },
  location: googleCloudStorage.locate({ bundle, fileNames: ['www.example.com.pem'] }, options()),
  files: hasFiles
    ? twoFiles(bundle).map(({ name, bytes }) => ({ name, sha256Hex: createHash('sha256').update(bytes).digest('hex') }))
    : [],
  round: '1.1',
});
const verify = async (bundle: Bundle, hasFiles = true) =>
  googleCloudStorage.verify?.(placed(bundle, hasFiles), options(), contextFor(google));
const remove = async (bundle: Bundle): Promise<void> =>
  googleCloudStorage.remove?.(placed(bundle, true), options(), contextFor(google));
const versions = (): number[] => ['pem', 'key'].map((end) => held.get(`tls/www.example.com.${end}`)?.length ?? 0);

describe('google-cloud-storage', () => {
  it('keeps files as objects, and writes none that is there already', async () => {
    const [before, after] = [issue(), issue()];
    expect(await verify(before)).toEqual({ state: 'missing' });
    expect(await deliver(before)).toEqual({ location: 'gs://certificates/tls/www.example.com.pem' });
    await deliver(before);
    expect(versions()).toEqual([1, 1]);
    expect(held.get('tls/www.example.com.key')?.[0]?.bytes.toString()).toBe(before.privateKeyPem);
    expect([await verify(before), await verify(before, false)]).toEqual([{ state: 'same' }, { state: 'same' }]);
    await deliver(after, options({ kmsKeyName }));
    expect(versions()).toEqual([2, 2]);
    expect(held.get('tls/www.example.com.key')?.[0]?.kmsKeyName).toBe(kmsKeyName);
    for (const hasFiles of [true, false])
      expect([await verify(before, hasFiles), await verify(after, hasFiles)]).toMatchObject([
        { state: 'different' },
        { state: 'same' },
      ]);
  });

  it('removes every version that holds the key, and nothing of a successor', async () => {
    const [before, after] = [issue(), issue()];
    await deliver(before);
    await deliver(after);
    await remove(before);
    expect(await verify(after)).toEqual({ state: 'same' });
    await remove(after);
    expect(held.get('tls/www.example.com.key')).toEqual([]);
    await remove(after);
  });

  it('overwrites nothing that something else has written meanwhile', async () => {
    const [one, other] = [issue(), issue()];
    google.fail({
      on: /GET \/storage/,
      kind: () => {
        const bytes = Buffer.from(other.privateKeyPem);
        held.set('tls/www.example.com.key', [{ generation: '7', bytes, kmsKeyName: null, isLive: true }]);
        return failed(404, 'No such object');
      },
    });
    const error = await failureOf(deliver(one));
    expect([error.fault, error.detail]).toEqual(['unavailable', expect.stringContaining('meanwhile')]);
    expect(held.get('tls/www.example.com.key')?.[0]?.generation).toBe('7');
    await deliver(one);
    expect(await verify(one)).toEqual({ state: 'same' });
  });

  it('writes each file once when the answer is lost', async () => {
    const one = issue();
    google.fail({ on: /POST \/upload/, kind: 'lose' });
    expect((await failureOf(deliver(one))).fault).toBe('unavailable');
    await deliver(one);
    expect(versions()).toEqual([1, 1]);
  });

  it.each([
    ['the bucket is missing', undefined, 'misconfigured', { bucket: 'nowhere' }],
    ['the account may not read it', failed(403, 'robot does not have storage.objects.get access'), 'misconfigured', {}],
    ['it is down', { status: 503, body: '' }, 'unavailable', {}],
  ] as const)('fails in clear text when %s', async (_, kind, fault, changed) => {
    if (kind) google.fail({ on: /GET \/storage/, kind });
    expect((await failureOf(deliver(issue(), options(changed)), ['-----BEGIN'])).fault).toBe(fault);
  });

  it('checks that the bucket can be listed', async () => {
    await googleCloudStorage.check?.(options(), contextFor(google));
    const work = Promise.resolve(googleCloudStorage.check?.(options({ bucket: 'nowhere' }), contextFor(google)));
    expect((await failureOf(work)).detail).toContain('bucket does not exist');
  });

  it.each([
    { bucket: 'A' },
    { prefix: '/x' },
    { prefix: 'a/../b' },
    { kmsKeyName: 'key' },
    { serviceAccountKey: '{}' },
  ])('refuses the options %j', (changed) => {
    expect(() => options(changed)).toThrow();
  });
});
