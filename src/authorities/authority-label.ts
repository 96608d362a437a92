import { z } from 'zod';
import { instant, InstantOut } from '../platform/http/instant.js';
import type { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { PluginLabel } from '../platform/plugins/plugin.schema.js';
import type { Authority } from './authority.entity.js';
import { issuanceCap, type Limits } from './limits.js';

/** What every view of an authority shows. */
export const authorityMembers = {
  id: z.int(),
  name: z.string(),
  owner: z.string(),
  description: z.string().nullable(),
  active: z.boolean(),
  maxIssuanceDays: z
    .int()
    .nullable()
    .meta({
      description:
        'The longest validity that it issues today: `maxValidityDays`, or less if the authorities above it or the ' +
        'limits of publicly trusted TLS allow less.',
    }),
  defaultValidityDays: z.int().nullable(),
  isCabCompliant: z.boolean().nullable(),
  isCnOptional: z.boolean(),
};

/** An authority as other answers name it. Everyone may read it, so it has nothing of the options. */
export const AuthorityLabel = z
  .object({
    ...authorityMembers,
    plugin: PluginLabel,
    authorityCertificate: z.object({ notBefore: InstantOut, notAfter: InstantOut }),
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

type CommonView = Pick<AuthorityLabel, keyof typeof authorityMembers>;

/** `now` decides which of the dated limits of publicly trusted TLS applies. */
export function commonView(authority: Omit<CommonView, 'maxIssuanceDays'>, limits: Limits, now: Date): CommonView {
  const { id, name, owner, description, active, defaultValidityDays, isCabCompliant, isCnOptional } = authority;
  const maxIssuanceDays = issuanceCap(limits, now)?.days ?? null;
  return {
    id,
    name,
    owner,
    description,
    active,
    maxIssuanceDays,
    defaultValidityDays,
    isCabCompliant,
    isCnOptional,
  };
}

/** `now` as in `commonView`. */
export function authorityLabel(
  authority: LabelledAuthority,
  plugins: Pick<ConfiguredPlugins, 'label'>,
  now: Date,
): AuthorityLabel {
  const [notBefore, notAfter] = [new Date(authority.notBefore), new Date(authority.notAfter)];
  return {
    plugin: plugins.label('issuer', authority.pluginId),
    authorityCertificate: { notBefore: instant(notBefore), notAfter: instant(notAfter) },
    ...commonView(authority, authority.limits, now),
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
