import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { ParsedCertificate } from '../../src/pki/certificate.js';
import { contentOf } from '../../src/pki/certificate-file.js';
import { orderChain } from '../../src/pki/chain.js';
import { publicMatches } from '../../src/pki/key.js';
import { toPem } from '../../src/pki/pem.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Options } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { serviceOptions } from '../../src/plugin-api/service-options.js';
import { defineSource, type Found, pollRateOption } from '../../src/plugin-api/source.js';
import type { KvFields } from './kv-fields.js';
import { type KvEngine, openKv } from './vault-kv.client.js';
import { demandSignIn, vaultAccess, vaultPath } from './vault.options.js';

const options = z.strictObject({
  ...vaultAccess,
  mount: vaultPath
    .default('secret')
    .meta({ title: 'Path of the engine', description: 'Where the KV engine is mounted. Its version is found out.' }),
  path: vaultPath.optional().meta({
    title: 'Folder',
    description: 'Secrets in and below this folder of the engine, without `data/`. Absent: all of them.',
  }),
  authorities: z.boolean().default(false).meta({
    title: 'Certificates of authorities',
    description: 'Import CA certificates too. Otherwise they are only chains.',
  }),
  readKeys: z.boolean().default(false).meta({
    title: 'Take private keys',
    description: 'Import an unencrypted private key of the same secret. Otherwise private keys are ignored.',
  }),
  mostSecrets: z.int().min(1).max(100_000).default(10_000).meta({
    title: 'Most secrets',
    description: 'A scan that finds more secrets fails: each one is read.',
  }),
  pollRate: pollRateOption,
  ...serviceOptions,
});

type KvSourceOptions = Options<typeof options>;

/** Folders in folders, and objects in the fields of a secret, are followed so far. */
const deepest = 20;

/** Finds certificates in the secrets of the KV engine of HashiCorp Vault or OpenBao. */
export const vaultKvSource = defineSource({
  id: 'vault-kv-source',
  title: 'Vault KV',
  description:
    'Finds PEM certificates in the fields of secrets of the KV engine, version 1 or 2, of Vault or OpenBao, whatever ' +
    'the fields are called. Read-only.',
  options,

  admit: demandSignIn,

  async check(o, ctx) {
    const kv = await openKv(o, ctx);
    await kv.list(encoded(folderOf(o)));
  },

  async *scan(o, ctx) {
    ctx.signal.throwIfAborted();
    const kv = await openKv(o, ctx);
    let secrets = 0;
    for await (const place of placesBelow(kv, folderOf(o), ctx)) {
      secrets += 1;
      if (secrets > o.mostSecrets)
        throw new PluginError('misconfigured', `There are more than ${o.mostSecrets} secrets. Choose a folder.`);
      if (typeof place !== 'string') yield { ...place, location: `${o.mount}/${place.location}` };
      else yield* await findsAt(kv, place, o);
    }
  },
});

function folderOf({ path }: KvSourceOptions): string {
  return path === undefined ? '' : `${path}/`;
}

type Trouble = Extract<Found, { kind: 'trouble' }>;

/** The path of each secret in and below a folder, and a trouble for each folder below it that cannot be listed. */
async function* placesBelow(kv: KvEngine, top: string, ctx: PluginContext): AsyncGenerator<string | Trouble> {
  const open = [top];
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    ctx.signal.throwIfAborted();
    const names = folder === top ? await kv.list(encoded(folder)) : await orTrouble(kv.list(encoded(folder)), folder);
    if (!Array.isArray(names)) {
      yield names;
      continue;
    }
    for (const name of names) {
      const path = folder + name;
      if (/^\.*\/?$/.test(name)) yield trouble(path, 'Its name cannot be part of an address.');
      else if (!name.endsWith('/')) yield path;
      else if (path.split('/').length > deepest) yield trouble(path, `It is more than ${deepest} folders deep.`);
      else open.push(path);
    }
  }
}

async function findsAt(kv: KvEngine, path: string, o: KvSourceOptions): Promise<Found[]> {
  const location = `${o.mount}/${path}`;
  const read = await orTrouble(kv.read(encoded(path)), location);
  return 'kind' in read ? [read] : findsIn(read.fields, location, o);
}

/** One finding for each certificate in the fields, in their order; a CA certificate is a candidate for the chains. */
async function findsIn(fields: KvFields, location: string, o: KvSourceOptions): Promise<Found[]> {
  const certificates = new Map<string, ParsedCertificate>();
  const keys: KeyObject[] = [];
  const finds: Found[] = [];
  for (const text of textsIn(fields)) {
    const content = await contentOf({ path: 'field.pem', bytes: Buffer.from(text) }, []);
    for (const one of content.certificates) certificates.set(one.fingerprintSha256, one);
    if (o.readKeys) keys.push(...content.keys);
    finds.push(...content.faults.map((detail) => trouble(location, detail)));
  }
  const all = [...certificates.values()];
  const leaves = all.filter(({ isCa }) => o.authorities || !isCa);
  for (const [at, leaf] of leaves.entries()) {
    const issuers = all.filter((one) => one.isCa && one !== leaf);
    const chain = [leaf, ...(await orderChain(leaf, issuers))];
    const key = keys.find((one) => publicMatches(one, leaf.spkiDer));
    finds.push({
      kind: 'certificate',
      location: at === 0 ? location : `${location}#${at + 1}`,
      chainPem: chain.map(({ der }) => toPem('CERTIFICATE', der)),
      ...(key && { privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString() }),
    });
  }
  return finds;
}

/** Every text with PEM in a value, by the names of the members, so that the order is the same in each scan. */
function textsIn(value: unknown, depth = 0): string[] {
  if (typeof value === 'string') return value.includes('-----BEGIN') ? [value] : [];
  if (typeof value !== 'object' || value === null || depth > deepest) return [];
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, member]) => textsIn(member, depth + 1));
}

/** A part that may not be read is a trouble; without the server, or the sign-in, the scan ends. */
async function orTrouble<T extends object>(work: Promise<T>, location: string): Promise<T | Trouble> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof PluginError) || error.fault === 'unavailable') throw error;
    return trouble(location, error.message);
  }
}

function trouble(location: string, detail: string): Trouble {
  return { kind: 'trouble', location, detail };
}

function encoded(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
