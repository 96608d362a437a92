import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { type KvFields, withoutOurs } from './kv-fields.js';
import type { VaultKvOptions } from './vault-kv.options.js';
import { orNull, VaultClient } from './vault.client.js';
import type { VaultAccess } from './vault.options.js';

const Mount = z.object({
  data: z.object({ type: z.string(), options: z.object({ version: z.string().optional() }).nullish() }),
});
const Keys = z.object({ data: z.object({ keys: z.array(z.string()) }) });
const Fields = z.record(z.string(), z.unknown());
const FieldsOf1 = z.object({ data: Fields });
const FieldsOf2 = z.object({ data: z.object({ data: Fields.nullable(), metadata: z.object({ version: z.int() }) }) });
const Versions = z.object({
  data: z.object({ versions: z.record(z.string(), z.object({ destroyed: z.boolean() })) }),
});

/** Words of an error 400 that will pass: another writer was faster, or the engine is about to become version 2. */
const passingWords = /check-and-set parameter did not match|upgrading from non-versioned/i;

/** Octets of a listing: some hundred thousand names. */
const largestList = 16 * 1024 * 1024;

/** A secret as it stands, with the version that a write replaces. */
export interface KvSecret {
  fields: KvFields;
  version: number;
}

/** The secrets of one KV engine. Every method throws PluginError. Paths are below the engine. */
export interface KvEngine {
  /** Without fields where nothing stands. */
  read(path: string): Promise<KvSecret>;
  /**
   * The names right below a folder, which is empty or ends with a slash; those of folders end with a slash. None where
   * nothing stands.
   */
  list(folder: string): Promise<string[]>;
  /** Writes in place of what was read. `unavailable` when another was faster, where the engine can tell. */
  write(path: string, fields: KvFields, read: KvSecret): Promise<void>;
  /** Removes from the secret, and from every version of it, what this program wrote where `isGoing`. */
  forget(path: string, isGoing: (fields: KvFields) => boolean): Promise<void>;
  /** Throws PluginError `misconfigured` unless the sign-in may do all of this at the path. */
  demandRights(path: string): Promise<void>;
}

/** How the server is reached, and where its engine is mounted. */
export type KvPlace = VaultAccess & Pick<VaultKvOptions, 'mount'>;

/** The engine at the mount of the options, in the version that it says it has. */
export async function openKv(o: KvPlace, ctx: PluginContext): Promise<KvEngine> {
  const vault = new VaultClient(o, ctx);
  const { type, options } = (await vault.json(Mount, { path: `/sys/internal/ui/mounts/${o.mount}` })).data;
  // Engines from before versions are called generic.
  if (type !== 'kv' && type !== 'generic')
    throw new PluginError('misconfigured', `The engine at ${o.mount} is not KV but ${type}.`);
  return options?.version === '2' ? new KvVersion2(vault, o.mount) : new KvVersion1(vault, o.mount);
}

/** One value for each path. A write replaces what is there, whoever wrote it since. */
class KvVersion1 implements KvEngine {
  constructor(
    private readonly vault: VaultClient,
    private readonly mount: string,
  ) {}

  async read(path: string): Promise<KvSecret> {
    const found = await orNull(this.vault.json(FieldsOf1, this.at(path)));
    return { fields: found?.data ?? {}, version: 0 };
  }

  list(folder: string): Promise<string[]> {
    return listed(this.vault, `/${this.mount}/${folder}`);
  }

  async write(path: string, fields: KvFields): Promise<void> {
    await settled(this.vault.send({ ...this.at(path), json: fields }));
  }

  async forget(path: string, isGoing: (fields: KvFields) => boolean): Promise<void> {
    const { fields } = await this.read(path);
    if (!isGoing(fields)) return;
    const rest = withoutOurs(fields);
    if (Object.keys(rest).length > 0) await this.write(path, rest);
    else await settled(this.vault.send({ ...this.at(path), method: 'DELETE' }));
  }

  demandRights(path: string): Promise<void> {
    return this.vault.demandRights(`${this.mount}/${path}`, ['create', 'read', 'update', 'delete']);
  }

  private at(path: string): { path: string } {
    return { path: `/${this.mount}/${path}` };
  }
}

/** Each write is a version more; the engine keeps the last ones, with the keys in them. */
class KvVersion2 implements KvEngine {
  constructor(
    private readonly vault: VaultClient,
    private readonly mount: string,
  ) {}

  async read(path: string, version?: number): Promise<KvSecret> {
    const { data, metadata } = (await this.versionAt({ ...this.at('data', path), query: { version } })) ?? {};
    return { fields: data ?? {}, version: metadata?.version ?? 0 };
  }

  list(folder: string): Promise<string[]> {
    return listed(this.vault, `/${this.mount}/metadata/${folder}`);
  }

  async write(path: string, fields: KvFields, { version }: KvSecret): Promise<void> {
    await settled(this.vault.send({ ...this.at('data', path), json: { data: fields, options: { cas: version } } }));
  }

  /** Other fields of the current version become a version without this program's; then the old ones are destroyed. */
  async forget(path: string, isGoing: (fields: KvFields) => boolean): Promise<void> {
    const current = await this.read(path);
    const going: number[] = [];
    for (const version of await this.versions(path))
      if (isGoing((await this.read(path, version)).fields)) going.push(version);
    const rest = withoutOurs(current.fields);
    if (going.includes(current.version) && Object.keys(rest).length > 0) await this.write(path, rest, current);
    if (going.length > 0)
      await settled(this.vault.send({ ...this.at('destroy', path), method: 'PUT', json: { versions: going } }));
  }

  async demandRights(path: string): Promise<void> {
    await this.vault.demandRights(`${this.mount}/data/${path}`, ['create', 'read', 'update']);
    await this.vault.demandRights(`${this.mount}/metadata/${path}`, ['read']);
    await this.vault.demandRights(`${this.mount}/destroy/${path}`, ['update']);
  }

  private async versions(path: string): Promise<number[]> {
    const found = await orNull(this.vault.json(Versions, this.at('metadata', path)));
    return Object.entries(found?.data.versions ?? {})
      .filter(([, { destroyed }]) => !destroyed)
      .map(([version]) => Number(version));
  }

  /** A version that was deleted is answered with 404, and with its number. */
  private async versionAt(call: JsonCall): Promise<z.infer<typeof FieldsOf2>['data'] | undefined> {
    try {
      return (await orNull(this.vault.json(FieldsOf2, call)))?.data;
    } catch (error) {
      const deleted = FieldsOf2.safeParse(error instanceof HttpFailure ? error.answer.body : undefined);
      if (!deleted.success) throw error;
      return deleted.data.data;
    }
  }

  private at(kind: 'data' | 'metadata' | 'destroy', path: string): { path: string } {
    return { path: `/${this.mount}/${kind}/${path}` };
  }
}

async function listed(vault: VaultClient, path: string): Promise<string[]> {
  const found = await orNull(vault.json(Keys, { path, query: { list: 'true' }, maxBytes: largestList }));
  return found?.data.keys ?? [];
}

/** A bundle is never to blame for an error 400: another was faster, or a person must change the settings. */
async function settled(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof HttpFailure && error.answer.status === 400)) throw error;
    throw new PluginError(passingWords.test(error.detail) ? 'unavailable' : 'misconfigured', error.detail);
  }
}
