import { storable } from '../platform/text.js';
import type { FoundTrouble } from '../plugin-api/source.js';

/** What says which part of a source a trouble is. */
export type UnreadPart = Pick<FoundTrouble, 'location' | 'usersExcept'>;

/** SQL: whether a location or an external id is in the part that a row of `unreadParts` with this alias names. */
export function isPartOf(column: string, part: string): string {
  const isUser =
    `${part}."usersExcept" is not null and ` +
    `not exists (select from unnest(${part}."usersExcept") as o where starts_with(${column}, o))`;
  return `(${isWithin(column, `${part}.location`)}
    or (${isUser} and ${isWithin(`split_part(${column}, ' ', 2)`, `${part}.location`)}))`;
}

/** SQL: the rows of a parameter that has the value `parameterOf`, for `from`. */
export function unreadParts(parameter: string, alias: string): string {
  return `jsonb_to_recordset(${parameter}::jsonb) as ${alias}(location text, "usersExcept" text[])`;
}

/** The parts as a parameter for `unreadParts`. */
export function parameterOf(parts: readonly UnreadPart[]): string {
  return JSON.stringify(
    parts.map(({ location, usersExcept }) => ({ location: storable(location, Infinity), usersExcept })),
  );
}

/** SQL: the thing itself or what stands with it in one file or server, or, after a separator, all that begins so. */
function isWithin(column: string, location: string): string {
  return `(${column} = ${location}
    or starts_with(${column}, ${location} || '#') or starts_with(${column}, ${location} || ' (')
    or (right(${location}, 1) in ('/', ':') and starts_with(${column}, ${location})))`;
}
