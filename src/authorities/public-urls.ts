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

/** The URLs of one authority; `pkiUrl` as in Config. */
export function publicUrls(pkiUrl: string, publicId: string): PublicUrls & { delta: string; shardedDelta: string } {
  const base = `${pkiUrl}${publicPath}/${publicId}`;
  return {
    crl: `${base}.crl`,
    shardedCrl: `${base}.{shard}.crl`,
    delta: `${base}.delta.crl`,
    shardedDelta: `${base}.{shard}.delta.crl`,
    ocsp: `${pkiUrl}${ocspPath}/${publicId}`,
    caIssuers: `${base}.crt`,
  };
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
