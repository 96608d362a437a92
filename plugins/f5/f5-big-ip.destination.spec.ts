import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bundle } from '../../src/plugin-api/export.js';
import { type Exchange, type Reply, startStandIn, type StandIn } from '../../test/fakes/stand-in.js';
import { startTestAuthority } from '../../test/support/bundles.js';
import { contextFor } from '../../test/support/dns-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { f5BigIp } from './f5-big-ip.destination.js';

const password = 'Marker-big-ip-4f6e';
const authority = startTestAuthority();
interface Pair {
  name: string;
  cert?: string;
  key?: string;
  chain?: string;
}
interface State {
  files: Map<string, string>;
  profiles: Map<string, Pair[]>;
}
/** The running configuration, the one on disk, uploaded files, and open transactions. */
let running: State;
let saved: State;
const uploaded = new Map<string, string>();
const open = new Map<string, Exchange[]>();
const synchronized: string[] = [];
let given = new Set<string>();
let bigIp: StandIn;
beforeAll(async () => {
  bigIp = await startStandIn(answer);
});
beforeEach(() => {
  const theirs = [{ name: 'default', cert: '/Common/default.crt', key: '/Common/default.key' }];
  running = { files: new Map(), profiles: new Map([['/Common/clientssl-web', theirs]]) };
  saved = structuredClone(running);
  uploaded.clear();
  open.clear();
  synchronized.splice(0);
});
afterAll(async () => {
  await bigIp.stop();
  authority.close();
});

/** iControl REST as its user guide (version 14.1) has it: tokens, uploads, and transactions validated as a whole. */
function answer(exchange: Exchange): Reply {
  const { method, path, headers, json } = exchange;
  if (path === '/mgmt/shared/authn/login') return signIn(exchange);
  if (!given.has(String(headers['x-f5-auth-token']))) return failed(401, 'X-F5-Auth-Token does not exist.');
  const upload = /^\/mgmt\/shared\/file-transfer\/uploads\/([\w.-]+)$/.exec(path)?.[1];
  if (upload !== undefined) return uploadedAs(upload, exchange);
  if (path === '/mgmt/tm/transaction' && method === 'POST') {
    open.set(`${open.size + 1}`, []);
    return { status: 200, body: { transId: open.size, state: 'STARTED' } };
  }
  const transaction = /^\/mgmt\/tm\/transaction\/(\d+)$/.exec(path)?.[1];
  if (transaction !== undefined) return ended(transaction, exchange);
  const [, command = ''] = /^\/mgmt\/tm\/(sys\/config|cm|util\/unix-rm)$/.exec(path) ?? [];
  if (command !== '') return ran(command, json as { command?: string; utilCmdArgs?: string });
  const id = headers['x-f5-rest-coordination-id'];
  if (id === undefined) return method === 'GET' ? shown(path) : failed(400, 'A change without a transaction.');
  const calls = open.get(String(id));
  if (!calls) return failed(404, 'The transaction does not exist.');
  calls.push(exchange);
  return { status: 200, body: json ?? {} };
}

function uploadedAs(name: string, { method, headers, bytes, text }: Exchange): Reply {
  const isWhole = headers['content-range'] === `0-${bytes.length - 1}/${bytes.length}`;
  if (method !== 'POST' || headers['content-type'] !== 'application/octet-stream' || !isWhole)
    return failed(400, 'Content-Range is invalid.');
  uploaded.set(`/var/config/rest/downloads/${name}`, text);
  return { status: 200, body: { remainingByteCount: 0 } };
}

function ran(command: string, { command: verb, utilCmdArgs = '' }: { command?: string; utilCmdArgs?: string }): Reply {
  if (command === 'sys/config' && verb === 'save') saved = structuredClone(running);
  else if (command === 'cm' && verb === 'run') synchronized.push(utilCmdArgs);
  else if (command === 'util/unix-rm' && verb === 'run') uploaded.delete(utilCmdArgs);
  else return failed(400, 'Unknown command.');
  return { status: 200, body: {} };
}

function nameIn(path: string): [collection: string, name: string] {
  const [, collection = '', name = ''] =
    /^\/mgmt\/tm\/(sys\/file\/ssl-(?:cert|key)|ltm\/profile\/client-ssl)\/?(.*)$/.exec(path) ?? [];
  return [collection, decodeURIComponent(name).replaceAll('~', '/')];
}

function shown(path: string): Reply {
  const [collection, name] = nameIn(path);
  const pairs = running.profiles.get(name);
  if (collection.startsWith('ltm'))
    return pairs
      ? { status: 200, body: { certKeyChain: pairs } }
      : failed(404, `The requested profile (${name}) was not found.`);
  const text = running.files.get(name);
  if (text === undefined) return failed(404, `The requested file (${name}) was not found.`);
  const digest = createHash('sha1').update(text).digest('hex');
  return { status: 200, body: { name, checksum: `SHA1:${text.length}:${digest}` } };
}

function ended(id: string, { method, json }: Exchange): Reply {
  const calls = open.get(id);
  if (!calls) return failed(404, 'The transaction does not exist.');
  open.delete(id);
  if (method === 'DELETE') return { status: 200, body: {} };
  if (method !== 'PATCH' || (json as { state?: string }).state !== 'VALIDATING') return failed(400, 'Bad state.');
  const next = structuredClone(running);
  for (const call of calls) {
    const fault = applied(call, next);
    if (fault !== null) return failed(400, fault);
  }
  const fault = faultIn(next);
  if (fault !== null) return failed(400, fault);
  running = next;
  return { status: 200, body: { state: 'COMPLETED' } };
}

function applied({ method, path, json }: Exchange, { files, profiles }: State): string | null {
  const [collection, there] = nameIn(path);
  const body = (json ?? {}) as { name?: string; partition?: string; sourcePath?: string; certKeyChain?: Pair[] };
  const name = method === 'POST' ? `/${body.partition}/${body.name}` : there;
  if (collection.startsWith('ltm')) {
    if (!profiles.has(name)) return `The requested profile (${name}) was not found.`;
    profiles.set(name, body.certKeyChain ?? []);
    return null;
  }
  if ((method === 'POST') === files.has(name)) return `${name}: exists or not`;
  if (method === 'DELETE') return files.delete(name) ? null : 'missing';
  const text = uploaded.get(String(body.sourcePath).replace(/^file:/, ''));
  if (text === undefined) return `Failed! exit_code (9), ${body.sourcePath}`;
  files.set(name, text);
  return null;
}

/** Every profile must have a certificate with its key. */
function faultIn({ files, profiles }: State): string | null {
  for (const [profile, pairs] of profiles)
    for (const { cert = '', key = '', chain } of pairs.filter(({ cert: path }) => path !== '/Common/default.crt')) {
      const [certificate, privateKey] = [files.get(cert), files.get(key)];
      if (certificate === undefined || privateKey === undefined || (chain !== undefined && !files.has(chain)))
        return `The file of ${profile} is in use or missing: referenced by the profile.`;
      if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey)))
        return `Profile ${profile}'s key and certificate do not match`;
    }
  return null;
}

function signIn({ json }: Exchange): Reply {
  const body = json as Record<string, string>;
  if (body['username'] !== 'perennial' || body['password'] !== password || body['loginProviderName'] !== 'tmos')
    return failed(401, `Authentication failed for ${JSON.stringify(body)}`);
  const token = `TOKEN${given.size}`;
  given.add(token);
  return { status: 200, body: { token: { token, timeout: 1200 } } };
}

const failed = (code: number, message: string): Reply => ({ status: code, body: { code, message } });
const options = (changed: object = {}) =>
  f5BigIp.options.parse({ url: 'https://bigip.example.com', username: 'perennial', password, ...changed });
const profiles = { profiles: ['clientssl-web'] };
const issue = (): Required<Omit<Bundle, 'rootPem'>> => authority.issue('*.example.com');
const deliver = (bundle: Bundle, changed: object = {}) =>
  f5BigIp.deliver({ bundle, files: [], round: '1.1' }, options(changed), contextFor(bigIp));
const placed = (bundle: Bundle, changed: object) => ({
  bundle: { ...bundle, privateKeyPem: undefined },
  location: f5BigIp.locate({ bundle, fileNames: [] }, options(changed)),
  files: [],
  round: '1.1',
});
const verify = async (bundle: Bundle, changed: object = {}) =>
  f5BigIp.verify?.(placed(bundle, changed), options(changed), contextFor(bigIp));
const remove = async (bundle: Bundle): Promise<void> =>
  f5BigIp.remove?.(placed(bundle, {}), options(), contextFor(bigIp));

describe('f5-big-ip', () => {
  it('installs certificate, key and chain, and a successor in their place, and keeps no uploaded file', async () => {
    const [before, after] = [issue(), issue()];
    expect(await verify(before)).toEqual({ state: 'missing' });
    for (const bundle of [before, after]) {
      expect(await deliver(bundle)).toEqual({ location: '/Common/_wildcard.example.com at bigip.example.com' });
      const [leaf, chain] = bundle.chainPem;
      expect(Object.fromEntries(saved.files)).toEqual({
        '/Common/_wildcard.example.com.crt': leaf,
        '/Common/_wildcard.example.com.key': bundle.privateKeyPem,
        '/Common/_wildcard.example.com-chain.crt': chain,
      });
      expect([uploaded.size, open.size]).toEqual([0, 0]);
      expect(await verify(bundle)).toEqual({ state: 'same' });
    }
    expect(await verify(before)).toMatchObject({ state: 'different' });
    const uploads = bigIp.seen.filter((line) => line.includes('/uploads/')).length;
    await deliver(after);
    expect(bigIp.seen.filter((line) => line.includes('/uploads/'))).toHaveLength(uploads);
  });

  it('sets the certificate in profiles, which go on with its successor', async () => {
    const [before, after] = [issue(), issue()];
    await deliver(before);
    expect(await verify(before, profiles)).toMatchObject({ detail: expect.stringContaining('/Common/clientssl-web') });
    await deliver(before, profiles);
    const stem = '/Common/_wildcard.example.com';
    expect(running.profiles.get('/Common/clientssl-web')).toEqual([
      { name: 'default', cert: `${stem}.crt`, key: `${stem}.key`, chain: `${stem}-chain.crt` },
    ]);
    await deliver(after, { ...profiles, deviceGroup: 'pair' });
    expect(await verify(after, profiles)).toEqual({ state: 'same' });
    expect(synchronized).toEqual(['config-sync to-group pair']);
    const missing = await failureOf(deliver(after, { profiles: ['nowhere'] }));
    expect([missing.fault, missing.detail]).toEqual(['misconfigured', expect.stringContaining('/Common/nowhere')]);
  });

  it('sets the certificate in the other profiles when some are gone, and names those', async () => {
    const one = issue();
    const gone = { profiles: ['gone', 'clientssl-web', 'too'] };
    expect(await verify(one, gone)).toEqual({ state: 'missing' });
    const failure = await failureOf(deliver(one, gone));
    const detail = ['gone', 'too']
      .map((name) => `${name}: BIG-IP has no client SSL profile /Common/${name}.`)
      .join(' ');
    expect([failure.fault, failure.detail]).toEqual(['misconfigured', detail]);
    expect(await verify(one, profiles)).toEqual({ state: 'same' });
    expect(saved.files.size).toBe(3);
    expect((await failureOf(verify(one, gone))).detail).toBe(detail);
    expect(await verify(issue(), { ...gone, name: '{commonName}' })).toMatchObject({ state: 'different' });
  });

  it('removes a certificate that no profile uses, and no successor', async () => {
    const [before, after] = [issue(), issue()];
    await deliver(before);
    await deliver(after, profiles);
    await remove(before);
    const error = await failureOf(remove(after));
    expect([error.fault, running.files.size]).toEqual(['misconfigured', 3]);
    running.profiles.set('/Common/clientssl-web', []);
    await remove(after);
    await remove(after);
    expect([running.files.size, saved.files.size]).toEqual([0, 0]);
  });

  it.each([
    /POST .*\/transaction$/,
    /PATCH .*\/transaction/,
    /POST .*\/uploads/,
    /POST .*\/unix-rm/,
    /POST .*\/config/,
  ])('delivers once when the answer to %s is lost', async (on) => {
    const bundle = issue();
    bigIp.fail({ on, kind: 'lose' });
    expect((await failureOf(deliver(bundle, profiles))).fault).toBe('unavailable');
    await deliver(bundle, profiles);
    expect(await verify(bundle, profiles)).toEqual({ state: 'same' });
    expect([saved.files.size, uploaded.size]).toEqual([3, 0]);
  });

  it('signs in again when its token has lapsed, and is misconfigured with a wrong password', async () => {
    await deliver(issue());
    given = new Set();
    await deliver(issue());
    const wrong = { password: 'Marker-wrong-4f6e' };
    expect((await failureOf(deliver(issue(), wrong), [password, wrong.password])).fault).toBe('misconfigured');
  });

  it.each([{ name: '{name}' }, { name: 'a/b' }, { partition: 'a/b' }, { profiles: ['a b'] }, { url: 'https://u:p@x' }])(
    'refuses the options %j',
    (changed) => {
      expect(() => options(changed)).toThrow();
    },
  );
});
