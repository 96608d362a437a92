import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bundle } from '../../src/plugin-api/export.js';
import { type Exchange, type Reply, startStandIn, type StandIn } from '../../test/fakes/stand-in.js';
import { openssl, startTestAuthority } from '../../test/support/bundles.js';
import { contextFor } from '../../test/support/dns-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { azureKeyVault } from './azure-key-vault.destination.js';

const clientSecret = 'Marker-azure-secret-4f6e';
const authority = startTestAuthority();
const folder = mkdtempSync(join(tmpdir(), 'key-vault-'));

interface Version {
  leafPem: string;
  contentType: string;
}
interface Held {
  versions: Version[];
  tags: Record<string, string>;
}
const held = new Map<string, Held>();
const deleted = new Map<string, Held>();
let vault: StandIn;
beforeAll(async () => {
  vault = await startStandIn(answer);
});
beforeEach(() => {
  held.clear();
  deleted.clear();
});
afterAll(async () => {
  await vault.stop();
  authority.close();
  rmSync(folder, { recursive: true });
});

/** Azure's sign-in and the certificates of a key vault, version 7.4, as their references have them. */
function answer(exchange: Exchange): Reply {
  const { method, path, query, headers } = exchange;
  if (headers['x-host'] === 'login.microsoftonline.com') return signIn(exchange);
  if (headers['x-host'] !== 'web.vault.azure.net') return failed(404, 'NotFound');
  if (headers.authorization !== 'Bearer token-1') return failed(401, 'Unauthorized');
  if (query.get('api-version') !== '7.4') return failed(400, 'BadParameter');
  const [, kind = '', name = '', verb = ''] = /^\/(\w+)\/([0-9A-Za-z-]{1,127})(?:\/(\w+))?$/.exec(path) ?? [];
  const found = held.get(name);
  switch (`${method} ${kind} ${verb}`) {
    case 'GET certificates ':
      return found ? { status: 200, body: shown(found) } : failed(404, 'CertificateNotFound');
    case 'POST certificates import':
      return imported(name, exchange);
    case 'DELETE certificates ':
      if (!found) return failed(404, 'CertificateNotFound');
      deleted.set(name, found);
      held.delete(name);
      return { status: 200, body: shown(found) };
    case 'POST deletedcertificates recover': {
      const gone = deleted.get(name);
      if (!gone) return failed(404, 'CertificateNotFound');
      deleted.delete(name);
      held.set(name, gone);
      return { status: 200, body: shown(gone) };
    }
    default:
      return failed(405, 'BadMethod');
  }
}

function signIn({ path, text }: Exchange): Reply {
  const form = new URLSearchParams(text);
  if (path !== '/tenant-1/oauth2/v2.0/token' || form.get('scope') !== 'https://vault.azure.net/.default')
    return { status: 400, body: { error: 'invalid_request', error_description: 'AADSTS900144' } };
  if (form.get('client_secret') !== clientSecret)
    return { status: 401, body: { error: 'invalid_client', error_description: `AADSTS7000215: ${text}` } };
  return { status: 200, body: { token_type: 'Bearer', expires_in: 3599, access_token: 'token-1' } };
}

function imported(name: string, { json }: Exchange): Reply {
  if (deleted.has(name)) return failed(409, 'Conflict', 'ObjectIsDeletedButRecoverable');
  const { value, pwd, policy, tags } = json as {
    value: string;
    pwd?: string;
    policy: { secret_props: { contentType: string } };
    tags: Record<string, string>;
  };
  const { contentType } = policy.secret_props;
  const pem = contentType === 'application/x-pkcs12' ? opened(value, pwd ?? '') : value;
  const leaf = new X509Certificate(pem.slice(pem.indexOf('-----BEGIN CERTIFICATE')));
  if (!leaf.checkPrivateKey(createPrivateKey(pem))) return failed(400, 'BadParameter');
  const versions = [{ leafPem: String(leaf), contentType }, ...(held.get(name)?.versions ?? [])];
  held.set(name, { versions, tags });
  return { status: 200, body: shown({ versions, tags }) };
}

/** OpenSSL reads what the vault gets. */
function opened(base64: string, password: string): string {
  const file = join(folder, 'in.p12');
  writeFileSync(file, Buffer.from(base64, 'base64'));
  return openssl(['pkcs12', '-in', file, '-nodes', '-legacy', '-passin', `pass:${password}`]);
}

const shown = ({ versions, tags }: Held): object => ({
  cer: new X509Certificate(versions[0]?.leafPem ?? '').raw.toString('base64'),
  tags,
});
const failed = (status: number, code: string, inner?: string): Reply => ({
  status,
  body: { error: { code, message: `It is ${code}`, ...(inner !== undefined && { innererror: { code: inner } }) } },
});

const options = (changed: object = {}) =>
  azureKeyVault.options.parse({
    vaultUrl: 'https://web.vault.azure.net/',
    tenantId: 'tenant-1',
    clientId: 'app-1',
    clientSecret,
    ...changed,
  });
const issue = (): Required<Omit<Bundle, 'rootPem'>> => authority.issue('*.example.com');
const deliver = (bundle: Bundle, changed: object = {}) =>
  azureKeyVault.deliver({ bundle, files: [], round: '1.1' }, options(changed), contextFor(vault));
const placed = (bundle: Bundle) => ({
  bundle: { ...bundle, privateKeyPem: undefined },
  location: azureKeyVault.locate({ bundle, fileNames: [] }, options()),
  files: [],
  round: '1.1',
});
const verify = async (bundle: Bundle) => azureKeyVault.verify?.(placed(bundle), options(), contextFor(vault));
const remove = async (bundle: Bundle): Promise<void> =>
  azureKeyVault.remove?.(placed(bundle), options(), contextFor(vault));
const name = 'wildcard-example-com';

describe('azure-key-vault', () => {
  it('imports a certificate, and its successor as the newest version, each once', async () => {
    const [before, after] = [issue(), issue()];
    expect(await verify(before)).toEqual({ state: 'missing' });
    for (const bundle of [before, before, after]) {
      const { location } = await deliver(bundle);
      expect(location).toBe(`https://web.vault.azure.net/certificates/${name}`);
      expect(await verify(bundle)).toEqual({ state: 'same' });
    }
    expect(held.get(name)?.versions.map(({ contentType }) => contentType)).toEqual([
      'application/x-pkcs12',
      'application/x-pkcs12',
    ]);
    expect(await verify(before)).toMatchObject({ state: 'different' });
    await deliver(before, { format: 'pem' });
    expect(held.get(name)?.versions[0]?.contentType).toBe('application/x-pem-file');
    expect(await verify(before)).toEqual({ state: 'same' });
  });

  it('removes a certificate and no successor, and uses its name again', async () => {
    const [before, after] = [issue(), issue()];
    await deliver(before);
    await deliver(after);
    await remove(before);
    expect(await verify(after)).toEqual({ state: 'same' });
    await remove(after);
    await remove(after);
    expect([held.size, deleted.size]).toEqual([0, 1]);
    const error = await failureOf(deliver(before));
    expect([error.fault, error.detail]).toEqual(['unavailable', expect.stringContaining('recovers')]);
    await deliver(before);
    expect(await verify(before)).toEqual({ state: 'same' });
  });

  it('changes no certificate of another unless that is allowed, and deletes none', async () => {
    const bundle = issue();
    const theirs = { leafPem: issue().chainPem[0] ?? '', contentType: 'application/x-pkcs12' };
    held.set(name, { versions: [theirs], tags: {} });
    expect((await failureOf(deliver(bundle))).detail).toContain('was not made by this program');
    held.set(name, { versions: [{ ...theirs, leafPem: bundle.chainPem[0] ?? '' }], tags: {} });
    expect((await failureOf(remove(bundle))).fault).toBe('misconfigured');
    await deliver(issue(), { overwrite: true });
    expect(held.get(name)?.versions).toHaveLength(2);
  });

  it('imports once when the answer is lost', async () => {
    const bundle = issue();
    vault.fail({ on: /import/, kind: 'lose' });
    expect((await failureOf(deliver(bundle))).fault).toBe('unavailable');
    await deliver(bundle);
    expect(held.get(name)?.versions).toHaveLength(1);
  });

  it('is misconfigured with a wrong secret, and repeats it in no error', async () => {
    const wrong = 'Marker-azure-wrong-4f6e';
    expect((await failureOf(deliver(issue(), { clientSecret: wrong }), [wrong])).fault).toBe('misconfigured');
  });

  it.each([
    { vaultUrl: 'https://vault.example.com' },
    { vaultUrl: 'https://web.vault.azure.net.example.com' },
    { vaultUrl: 'http://web.vault.azure.net' },
    { name: 'a.b' },
    { tenantId: 'a/b' },
  ])('refuses the options %j', (changed) => {
    expect(() => options(changed)).toThrow();
  });
});
