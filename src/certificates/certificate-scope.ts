// SQL: what a subscription or a filter of a destination selects the certificate `c` by. Values are SQL expressions.

/** `owner` is in lower case. */
export const hasOwner = (owner: string): string => `lower(c.owner) = ${owner}`;

/** Whether it was issued by this authority. */
export const isOfAuthority = (authorityId: string): string => `c.authority_id = ${authorityId}`;

/** `label` is in lower case. */
export const hasLabel = (label: string): string => `c.labels <> '{}' and c.labels @> array[${label}]`;

/** Whether one of its common names and SANs is like this pattern in lower case. */
export const hasName = (pattern: string): string =>
  'exists (select from certificate_domain l join domain n on n.id = l.domain_id ' +
  `where l.certificate_id = c.id and n.name like ${pattern})`;

/** Whether a successor has been issued. */
export const isReplaced = `exists (
     select from certificate_replacement r join certificate s on s.id = r.certificate_id
     where r.replaced_id = c.id and s.state in ('issued', 'superseded') and s.deleted_at is null)`;

/** Whether it is issued, valid at `now`, and no successor has been issued. */
export const isNewestValid = (now: string): string =>
  `c.state = 'issued' and c.deleted_at is null and c.not_after > ${now} and not ${isReplaced}`;
