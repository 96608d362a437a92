import { z } from 'zod';
import { instant, InstantOut } from '../platform/http/instant.js';
import type { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { PluginLabel } from '../platform/plugins/plugin.schema.js';
import type { Authority } from './authority.entity.js';
import { issuanceCap } from './issuance-cap.js';
import type { Limits } from './limits.js';

/** An authority as it is named inside other answers, which everyone may read: nothing of its options. */
export const AuthorityLabel = z
  .object({
    id: z.int(),
    name: z.string(),
    owner: z.string(),
    description: z.string().nullable(),
    active: z.boolean(),
    plugin: PluginLabel,
    authorityCertificate: z.object({ notBefore: InstantOut, notAfter: InstantOut }),
    maxIssuanceDays: z.int().nullable().meta({ description: 'The longest validity that it issues for today.' }),
    defaultValidityDays: z.int().nullable(),
    isCabCompliant: z.boolean().nullable(),
    isCnOptional: z.boolean(),
  })
  .meta({ id: 'AuthorityLabel' });
export type AuthorityLabel = z.output<typeof AuthorityLabel>;

/** The columns that a label shows. Dates from JSON are text. */
export type LabelledAuthority = Pick<
  Authority,
  | 'id'
  | 'name'
  | 'owner'
  | 'description'
  | 'active'
  | 'pluginId'
  | 'defaultValidityDays'
  | 'isCabCompliant'
  | 'isCnOptional'
> & { notBefore: Date | string; notAfter: Date | string; limits: Limits };

/** `now` decides which of the dated limits of publicly trusted TLS applies. */
export function authorityLabel(
  { limits, pluginId, notBefore, notAfter, ...authority }: LabelledAuthority,
  plugins: Pick<ConfiguredPlugins, 'label'>,
  now: Date,
): AuthorityLabel {
  const { id, name, owner, description, active, defaultValidityDays, isCabCompliant, isCnOptional } = authority;
  return {
    id,
    name,
    owner,
    description,
    active,
    plugin: plugins.label('issuer', pluginId),
    authorityCertificate: { notBefore: instant(new Date(notBefore)), notAfter: instant(new Date(notAfter)) },
    maxIssuanceDays: issuanceCap(limits, now)?.days ?? null,
    defaultValidityDays,
    isCabCompliant,
    isCnOptional,
  };
}

/** In SQL, as JSON, what a label shows of the authority in this row. `limits`: of `limitsOf`. */
export function labelColumns(row: string, limits: string): string {
  return `json_build_object('id', ${row}.id, 'name', ${row}.name, 'owner', ${row}.owner,
    'description', ${row}.description, 'active', ${row}.active, 'pluginId', ${row}.plugin_id,
    'notBefore', ${row}.not_before, 'notAfter', ${row}.not_after, 'limits', ${limits},
    'defaultValidityDays', ${row}.default_validity_days, 'isCabCompliant', ${row}.is_cab_compliant,
    'isCnOptional', ${row}.is_cn_optional)`;
}
