import type { PublicUrls, Publication } from '../../src/plugin-api/publication.js';
import type { IssuerExtension, RawExtension } from '../../src/plugin-api/terms.js';
import * as extensions from '../../src/pki/extensions.js';

/** In the address of a CRL: the number of its shard. */
export const shardMark = '{shard}';

/** In any address: which key of the authority signs, as `keyTag` gives it. */
const keyMark = '{key}';

type Addresses = Pick<Publication, 'crl' | 'crlShards' | 'ocsp' | 'caIssuers'>;

/** The extensions that these addresses make. */
export function writtenBy({ crl, caIssuers, ocsp }: Addresses): IssuerExtension[] {
  return [
    ...(crl.length > 0 ? ['crlDistributionPoints' as const] : []),
    ...(caIssuers.length + ocsp.length > 0 ? ['authorityInfoAccess' as const] : []),
  ];
}

/** The addresses of what one key of the authority signs. */
function addressesOfKey(addresses: Addresses, keyTag: string): Addresses {
  const named = (urls: readonly string[]): string[] => urls.map((url) => url.replaceAll(keyMark, keyTag));
  const { crl, ocsp, caIssuers, crlShards } = addresses;
  return { crl: named(crl), ocsp: named(ocsp), caIssuers: named(caIssuers), crlShards };
}

/** The extensions that are the same in every certificate. */
export function constantAddresses(
  given: Addresses,
  keyTag: string,
  leaveOut: readonly IssuerExtension[] = [],
): RawExtension[] {
  const addresses = addressesOfKey(given, keyTag);
  const written = writtenBy(addresses).filter((one) => !leaveOut.includes(one));
  const { crl, crlShards } = addresses;
  return [
    ...(written.includes('crlDistributionPoints') && crlShards === 0 ? [extensions.crlDistributionPoints(crl)] : []),
    ...(written.includes('authorityInfoAccess') ? [extensions.authorityInfoAccess(addresses)] : []),
  ];
}

/** The extensions that depend on the serial number: the distribution point is the shard that the number falls in. */
export function addressesOfSerial(
  { crl, crlShards }: Pick<Addresses, 'crl' | 'crlShards'>,
  keyTag: string,
  serial: Buffer,
  leaveOut: readonly IssuerExtension[] = [],
): RawExtension[] {
  if (crlShards === 0 || crl.length === 0 || leaveOut.includes('crlDistributionPoints')) return [];
  // The last octets of a serial number are random, also of one that a person chose for a root.
  const shard = serial.readUIntBE(Math.max(0, serial.length - 4), Math.min(4, serial.length)) % crlShards;
  return [
    extensions.crlDistributionPoints(
      crl.map((url) => url.replaceAll(shardMark, String(shard)).replaceAll(keyMark, keyTag)),
    ),
  ];
}

/** The addresses of the core, each where none are given. */
export function publishedAt(
  given: Addresses,
  urls: PublicUrls,
): { crlDistributionPoints?: string[]; ocsp?: string[]; caIssuers?: string[] } {
  return {
    ...(given.crl.length === 0 && { crlDistributionPoints: [given.crlShards > 0 ? urls.shardedCrl : urls.crl] }),
    ...(given.ocsp.length === 0 && { ocsp: [urls.ocsp] }),
    ...(given.caIssuers.length === 0 && { caIssuers: [urls.caIssuers] }),
  };
}
