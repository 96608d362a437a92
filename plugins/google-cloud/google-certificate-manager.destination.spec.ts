import { createPrivateKey, generateKeyPairSync, verify as isSignedBy, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bundle } from '../../src/plugin-api/export.js';
import { type Exchange, type Reply, startStandIn, type StandIn } from '../../test/fakes/stand-in.js';
import { startTestAuthority } from '../../test/support/bundles.js';
import { contextFor } from '../../test/support/dns-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { googleCertificateManager } from './google-certificate-manager.destination.js';

const account = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const authority = startTestAuthority();
const parent = '/v1/projects/my-project/locations/global/certificates';
const name = 'wildcard-example-com';

interface Held {
  pemCertificate: string;
  labels: Record<string, string>;
}
const held = new Map<string, Held>();
/** Operations by name: how often they are still asked for in vain, and how they end. */
const operations = new Map<string, { polls: number; error?: { message: string } }>();
let failing: string | null = null;
let pollsInVain = 0;
let google: StandIn;
beforeAll(async () => {
  google = await startStandIn(answer);
});
beforeEach(() => {
  held.clear();
  failing = null;
  pollsInVain = 0;
});
afterAll(async () => {
  await google.stop();
  authority.close();
});

/** Google's sign-in and Certificate Manager v1 as their references have it: changes are operations. */
function answer(exchange: Exchange): Reply {
  const { method, path, query, headers, json } = exchange;
  if (headers['x-host'] === 'oauth2.googleapis.com') return signIn(exchange);
  if (headers['x-host'] !== 'certificatemanager.googleapis.com') return failed(404, 'Not Found');
  if (headers.authorization !== 'Bearer token-1') return failed(401, 'Request had invalid credentials.');
  const operation = operations.get(path.replace('/v1/', ''));
  if (operation) return shownOperation(path.replace('/v1/', ''));
  const id = path === parent ? (query.get('certificateId') ?? '') : path.slice(parent.length + 1);
  if (!/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(id)) return failed(400, 'The name is not valid.');
  const found = held.get(id);
  const input = json as { selfManaged?: { pemCertificate: string; pemPrivateKey: string }; labels?: Held['labels'] };
  if (method === 'POST') return found ? failed(409, 'It already exists.') : stored(id, input, {});
  if (!found) return failed(404, 'It was not found.');
  if (method === 'GET') return { status: 200, body: found };
  if (method === 'PATCH' && query.get('updateMask') === 'selfManaged') return stored(id, input, found.labels);
  if (method !== 'DELETE') return failed(400, 'Bad Request');
  held.delete(id);
  return begun();
}

function stored(
  id: string,
  { selfManaged, labels }: { selfManaged?: { pemCertificate: string; pemPrivateKey: string }; labels?: Held['labels'] },
  before: Held['labels'],
): Reply {
  const { pemCertificate = '', pemPrivateKey = '' } = selfManaged ?? {};
  if (!new X509Certificate(pemCertificate).checkPrivateKey(createPrivateKey(pemPrivateKey)))
    return failed(400, 'The key does not match.');
  if (failing === null) held.set(id, { pemCertificate, labels: labels ?? before });
  return begun();
}

function begun(): Reply {
  const operation = `projects/my-project/locations/global/operations/${operations.size}`;
  operations.set(operation, { polls: pollsInVain, ...(failing !== null && { error: { message: failing } }) });
  return { status: 200, body: { name: operation } };
}

function shownOperation(id: string): Reply {
  const operation = operations.get(id);
  if (!operation || operation.polls-- > 0) return { status: 200, body: { name: id, done: false } };
  return { status: 200, body: { name: id, done: true, ...(operation.error && { error: operation.error }) } };
}

function signIn({ text }: Exchange): Reply {
  const [head = '', body = '', signature = ''] = (new URLSearchParams(text).get('assertion') ?? '').split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  const signed = Buffer.from(`${head}.${body}`);
  const isRight =
    claims['scope'] === 'https://www.googleapis.com/auth/cloud-platform' &&
    isSignedBy('sha256', signed, account.publicKey, Buffer.from(signature, 'base64url'));
  return isRight
    ? { status: 200, body: { access_token: 'token-1', expires_in: 3599, token_type: 'Bearer' } }
    : { status: 401, body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } };
}

const failed = (status: number, message: string): Reply => ({ status, body: { error: { code: status, message } } });
const options = (changed: object = {}, key = account) =>
  googleCertificateManager.options.parse({
    serviceAccountKey: JSON.stringify({
      type: 'service_account',
      project_id: 'my-project',
      private_key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: 'robot@my-project.iam.gserviceaccount.com',
    }),
    ...changed,
  });
const issue = (commonName = '*.Example.com'): Required<Omit<Bundle, 'rootPem'>> => authority.issue(commonName);
const deliver = (bundle: Bundle, o = options()) =>
  googleCertificateManager.deliver({ bundle, files: [], round: '1.1' }, o, contextFor(google));
const placed = (bundle: Bundle) => ({
  bundle: { ...bundle, privateKeyPem: undefined },
  location: googleCertificateManager.locate({ bundle, fileNames: [] }, options()),
  files: [],
  round: '1.1',
});
const verify = async (bundle: Bundle) =>
  googleCertificateManager.verify?.(placed(bundle), options(), contextFor(google));
const remove = async (bundle: Bundle): Promise<void> =>
  googleCertificateManager.remove?.(placed(bundle), options(), contextFor(google));

describe('google-certificate-manager', () => {
  it('uploads a certificate with its chain, and its successor in its place, when the operation has ended', async () => {
    const [before, after] = [issue(), issue()];
    pollsInVain = 1;
    expect(await verify(before)).toEqual({ state: 'missing' });
    for (const bundle of [before, after]) {
      await deliver(bundle);
      expect(held.get(name)).toEqual({
        pemCertificate: bundle.chainPem.join(''),
        labels: { 'managed-by': 'perennial' },
      });
      expect(await verify(bundle)).toEqual({ state: 'same' });
    }
    expect(await verify(before)).toMatchObject({ state: 'different' });
    const changes = google.seen.filter((line) => !line.startsWith('GET')).length;
    await deliver(after);
    expect(google.seen.filter((line) => !line.startsWith('GET'))).toHaveLength(changes);
  });

  it('removes a certificate and no successor', async () => {
    const [before, after] = [issue(), issue()];
    await deliver(before);
    await deliver(after);
    await remove(before);
    expect(held.size).toBe(1);
    await remove(after);
    await remove(after);
    expect(held.size).toBe(0);
  });

  it('fails with the words of an operation that fails', async () => {
    failing = 'The certificate chain is not valid.';
    const error = await failureOf(deliver(issue()));
    expect([error.fault, error.detail]).toEqual(['refused', expect.stringContaining('chain is not valid')]);
  });

  it('uploads once when the answer is lost', async () => {
    const bundle = issue();
    google.fail({ on: /POST \/v1/, kind: 'lose' });
    expect((await failureOf(deliver(bundle))).fault).toBe('unavailable');
    await deliver(bundle);
    expect(await verify(bundle)).toEqual({ state: 'same' });
  });

  it('changes no certificate of another unless that is allowed, and deletes none', async () => {
    const bundle = issue();
    held.set(name, { pemCertificate: issue().chainPem[0] ?? '', labels: {} });
    expect((await failureOf(deliver(bundle))).detail).toContain('was not made by this program');
    await deliver(bundle, options({ overwrite: true }));
    expect(await verify(bundle)).toEqual({ state: 'same' });
    expect((await failureOf(remove(bundle))).fault).toBe('misconfigured');
  });

  it('has a valid name for every common name', async () => {
    for (const commonName of ['9.example.com', `${'long.'.repeat(20)}example.com`, 'a_b.example.com', 'x.']) {
      const bundle = { ...issue(), commonName };
      await deliver(bundle);
      expect(await verify(bundle)).toEqual({ state: 'same' });
    }
  });

  it('is misconfigured with the key of another account', async () => {
    const error = await failureOf(deliver(issue(), options({}, stranger)), ['-----BEGIN']);
    expect(error.fault).toBe('misconfigured');
  });

  it.each([{ location: 'Europe' }, { name: 'A.b' }, { scope: 'x' }, { serviceAccountKey: '{}' }])(
    'refuses the options %j',
    (changed) => {
      expect(() => options(changed)).toThrow();
    },
  );
});
