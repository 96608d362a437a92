import { randomBytes } from 'node:crypto';
import type { Publication, PublicUrls } from '../plugin-api/publication.js';
import type { LoadedAuthority } from './authorities.js';

/** Below this path the CAs that have their key here publish what clients need. */
export const publicPath = '/pki';

/** The OCSP responder: this path for all authorities, and one below it for each. */
export const ocspPath = `${publicPath}/ocsp`;

/** As `Authority.publicId`. */
export function newPublicId(): string {
  return randomBytes(10).toString('hex');
}

/** The URLs of one authority, with `{key}` and `{shard}` in them; `pkiUrl` as in Config. */
export function publicUrls(pkiUrl: string, publicId: string): PublicUrls & { delta: string; shardedDelta: string } {
  const base = `${pkiUrl}${publicPath}/${publicId}`;
  return {
    crl: `${base}.{key}.crl`,
    shardedCrl: `${base}.{key}.{shard}.crl`,
    delta: `${base}.{key}.delta.crl`,
    shardedDelta: `${base}.{key}.{shard}.delta.crl`,
    ocsp: `${pkiUrl}${ocspPath}/${publicId}`,
    caIssuers: `${base}.{key}.crt`,
  };
}

/** A URL of an authority for one of its keys, and for one of the shards. */
export function urlFor(template: string, { keyTag, shard }: { keyTag: string; shard: number | null }): string {
  return template.replaceAll('{key}', keyTag).replaceAll('{shard}', String(shard));
}

/**
 * Where clients learn about what the authority issued. Undefined when its key is elsewhere. Throws PluginError when its
 * issuer cannot be used.
 */
export function publicationOf(
  loaded: Pick<LoadedAuthority, 'authority' | 'plugin' | 'options'>,
): Publication | undefined {
  return loaded.authority.keyId === null ? undefined : loaded.plugin.publication?.(loaded.options);
}
