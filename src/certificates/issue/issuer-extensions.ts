import type { LoadedAuthority } from '../../authorities/authorities.js';
import { invalid } from '../../platform/http/problem.js';
import type { IssuerExtension } from '../../plugin-api/terms.js';
import type { Extensions } from './extensions.schema.js';

/** What a request says about one extension that the issuer writes: addresses of its CRL, OCSP and CA certificate. */
export interface IssuerExtensionWish {
  extension: IssuerExtension;
  wanted: boolean;
  /** The member of the request, for errors. */
  field: string;
}

/** The wishes of a request about the extensions that its issuer writes. */
export function issuerExtensionWishes(extensions: Extensions | undefined): IssuerExtensionWish[] {
  if (!extensions) return [];
  const { certificateInfoAccess: aia, crlDistributionPoints, cRLDistributionPoints } = extensions;
  const members = [
    { extension: 'authorityInfoAccess', wanted: aia?.includeAIA, field: 'certificateInfoAccess.includeAIA' },
    {
      extension: 'crlDistributionPoints',
      wanted: crlDistributionPoints?.includeCrlDp,
      field: 'crlDistributionPoints.includeCrlDp',
    },
    {
      extension: 'crlDistributionPoints',
      wanted: cRLDistributionPoints?.includeCrlDp,
      field: 'cRLDistributionPoints.includeCrlDp',
    },
  ] as const;
  return members.flatMap(({ wanted, ...member }) => (wanted === undefined ? [] : [{ ...member, wanted }]));
}

/**
 * The extensions that the issuer must leave out; undefined: none. Throws Problem `invalid-request` when the authority
 * does not write a wanted extension, or does not let requests decide.
 */
export function leftOut(
  wishes: readonly IssuerExtensionWish[],
  { authority, plugin, options }: LoadedAuthority,
): IssuerExtension[] | undefined {
  if (wishes.length === 0) return undefined;
  const written = plugin.addsExtensions?.(options);
  for (const { extension, wanted, field } of wishes) {
    if (!written)
      throw invalid(
        `extensions.${field}`,
        `Authority ${authority.name} does not let requests decide about this extension.`,
      );
    if (wanted && !written.includes(extension))
      throw invalid(
        `extensions.${field}`,
        `Authority ${authority.name} has no addresses to put there; they are options of its plugin.`,
      );
  }
  const unwanted = wishes.filter(({ wanted }) => !wanted).map(({ extension }) => extension);
  return unwanted.length > 0 ? unwanted : undefined;
}
