import { z } from 'zod';
import type { DeliveryRequest, PlacedRequest, PlaceRequest, Verdict } from './destination.js';
import { PluginError } from './errors.js';
import type { PluginContext } from './plugin.js';

/** The options `bucket` and `prefix` of a destination that keeps files as objects. */
export interface ObjectPlace {
  bucket: string;
  prefix: string;
}

/** The objects of one bucket, which may keep versions. Every method throws PluginError. */
export interface ObjectStore {
  /** Stores the object whole or not at all; nothing when it has these bytes already. */
  put(key: string, bytes: Buffer): Promise<void>;
  /** The content, of one version where it is named; null when there is none. */
  read(key: string, version?: string): Promise<Buffer | null>;
  /** The versions of exactly this object, also behind a mark of its deletion. */
  versionsOf(key: string): Promise<string[]>;
  /** Succeeds when there is no such version. */
  deleteVersion(key: string, version: string): Promise<void>;
}

/** A kind of object store. `scheme` begins the locations: `s3` in `s3://bucket/key`. */
export interface ObjectStoreKind<O extends ObjectPlace> {
  scheme: string;
  open: (options: O, ctx: PluginContext) => ObjectStore;
  sha256Hex: (bytes: Buffer) => string;
  /** Whether the bytes begin with this certificate; null when they hold none. */
  isSameLeaf: (bytes: Buffer, leafPem: string) => boolean | null;
}

/** The verbs of a destination that keeps the files of an export as objects of a bucket. */
export interface ObjectVerbs<O extends ObjectPlace> {
  check(options: O, ctx: PluginContext): Promise<void>;
  locate(request: PlaceRequest, options: O): string;
  deliver(request: DeliveryRequest, options: O, ctx: PluginContext): Promise<{ location: string }>;
  verify(request: PlacedRequest, options: O, ctx: PluginContext): Promise<Verdict>;
  remove(request: PlacedRequest, options: O, ctx: PluginContext): Promise<void>;
}

/** The option `prefix`. */
export const prefixOption = z
  .string()
  .max(500)
  .regex(/^(?:[\w.@-]+\/)*[\w.@-]*$/, 'must be letters, digits and .@-_ between slashes, without one at its start')
  .refine((text) => !text.split('/').some((part) => part === '.' || part === '..'), 'must not have . or .. in it')
  .default('')
  .meta({ title: 'Prefix', description: 'What stands before the names of the files.', examples: ['certificates/'] });

/** One behaviour for every object store: a removal deletes each version that holds the certificate or its key. */
export function objectVerbs<O extends ObjectPlace>(kind: ObjectStoreKind<O>): ObjectVerbs<O> {
  const { scheme, open, sha256Hex } = kind;
  const start = ({ bucket }: O): string => `${scheme}://${bucket}/`;
  const locationOf = (name: string, o: O): string => `${start(o)}${o.prefix}${name}`;
  const mainOf = ({ location }: PlacedRequest, o: O): string => {
    const key = location.slice(start(o).length);
    if (location.startsWith(start(o)) && key.startsWith(o.prefix)) return key;
    throw new PluginError('misconfigured', `"${location}" is not below "${start(o)}${o.prefix}".`);
  };
  const isMain = (bytes: Buffer, { bundle: { chainPem }, files }: PlacedRequest): boolean =>
    files[0]?.sha256Hex === sha256Hex(bytes) || kind.isSameLeaf(bytes, chainPem[0] ?? '') === true;
  return {
    check: async (o, ctx) => void (await open(o, ctx).versionsOf(`${o.prefix}.perennial-check`)),

    locate: ({ fileNames: [main = ''] }, o) => locationOf(main, o),

    async deliver({ files }, o, ctx) {
      const [main] = files;
      if (main === undefined) throw new PluginError('refused', 'There is no file to write.');
      const store = open(o, ctx);
      // The main file last: whoever sees its successor finds the other files.
      for (const { name, bytes } of [...files].reverse()) await store.put(o.prefix + name, bytes);
      return { location: locationOf(main.name, o) };
    },

    async verify(request, o, ctx) {
      const [store, main] = [open(o, ctx), mainOf(request, o)];
      for (const { name, sha256Hex: delivered } of request.files) {
        const bytes = await store.read(o.prefix + name);
        if (bytes === null) return { state: 'missing' };
        if (sha256Hex(bytes) !== delivered)
          return { state: 'different', detail: `The object ${o.prefix}${name} has other content than was delivered.` };
      }
      if (request.files.length > 0) return { state: 'same' };
      const bytes = await store.read(main);
      if (bytes === null) return { state: 'missing' };
      if (kind.isSameLeaf(bytes, request.bundle.chainPem[0] ?? '') === true) return { state: 'same' };
      return { state: 'different', detail: `The object ${main} holds something else.` };
    },

    async remove(request, o, ctx) {
      const [store, main] = [open(o, ctx), mainOf(request, o)];
      const held = await store.read(main);
      if (held !== null && !isMain(held, request)) return;
      const others = request.files.filter(({ name }) => o.prefix + name !== main);
      for (const { name, sha256Hex: delivered } of others)
        await removeVersions(store, o.prefix + name, (bytes) => held !== null || sha256Hex(bytes) === delivered);
      await removeVersions(store, main, (bytes) => isMain(bytes, request));
    },
  };
}

/** In a bucket that keeps versions, the content of each that goes must not stay behind a mark of its deletion. */
async function removeVersions(store: ObjectStore, key: string, isGoing: (bytes: Buffer) => boolean): Promise<void> {
  for (const version of await store.versionsOf(key)) {
    const bytes = await store.read(key, version);
    if (bytes !== null && isGoing(bytes)) await store.deleteVersion(key, version);
  }
}
