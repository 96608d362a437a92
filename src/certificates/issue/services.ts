import type { LoadedAuthority } from '../../authorities/authorities.js';
import { invalid } from '../../platform/http/problem.js';
import type { IssuerExtension } from '../../plugin-api/terms.js';
import type { Extensions } from './extensions.schema.js';

/**
 * What a request wants left out of what its authority says about itself in certificates; undefined: nothing. Throws
 * Problem `invalid-request` when the authority has not got what must be in, or cannot leave out what must not.
 */
export function leftOut(
  extensions: Extensions | undefined,
  { authority, plugin, options }: LoadedAuthority,
): IssuerExtension[] | undefined {
  if (!extensions) return undefined;
  const { certificateInfoAccess: aia, crlDistributionPoints, cRLDistributionPoints } = extensions;
  const asked = [
    { extension: 'authorityInfoAccess', wish: aia?.includeAIA, field: 'certificateInfoAccess.includeAIA' },
    {
      extension: 'crlDistributionPoints',
      wish: crlDistributionPoints?.includeCrlDp,
      field: 'crlDistributionPoints.includeCrlDp',
    },
    {
      extension: 'crlDistributionPoints',
      wish: cRLDistributionPoints?.includeCrlDp,
      field: 'cRLDistributionPoints.includeCrlDp',
    },
  ] as const;
  const said = asked.filter(({ wish }) => wish !== undefined);
  if (said.length === 0) return undefined;
  const written = plugin.addsExtensions?.(options);
  for (const { extension, wish, field } of said) {
    if (!written)
      throw invalid(
        `extensions.${field}`,
        `Authority ${authority.name} does not let requests decide about this extension.`,
      );
    if (wish && !written.includes(extension))
      throw invalid(
        `extensions.${field}`,
        `Authority ${authority.name} has no addresses to put there; they are options of its plugin.`,
      );
  }
  const unwanted = said.filter(({ wish }) => wish === false).map(({ extension }) => extension);
  return unwanted.length > 0 ? unwanted : undefined;
}
