import { Conditions } from '../../platform/db/conditions.js';
import { invalid } from '../../platform/http/problem.js';
import type { Filter } from '../../platform/http/page.js';
import type { ListQuery } from './list.schema.js';

const withName = `select l.certificate_id from certificate_domain l join domain d on d.id = l.domain_id where d.name like ?`;
const byName = `c.id in (${withName})`;
/** A union, because each half has an index of its own, and none serves both halves of an "or". */
const byAnyName = `c.id in (select id from certificate where lower(name) like ? union ${withName})`;

const filters: Readonly<Record<string, (where: Conditions, value: string) => void>> = {
  id: (w, v) => w.add('c.id = ?', whole('filter', v)),
  name: (w, v) => exact(v) === null ? w.add(byAnyName, pattern(v)) : w.add('c.name = ?', exact(v)),
  fixedName: (w, v) => w.add('c.name = ?', v),
  cn: (w, v) => w.add(byName, pattern(v)),
  issuer: (w, v) => w.add('(c.issuer ilike ? or c.authority_id in (select id from authority where name ilike ?))', pattern(v)),
  owner: (w, v) => w.add('lower(c.owner) like ?', pattern(v)),
  serial: (w, v) => w.add('c.serial_hex = ?', serialHex(v)),
  destination: (w, v) => w.add(`c.id in (select certificate_id from delivery where destination_id = ? and state not in ('removing', 'removed'))`, whole('filter', v)),
  notify: (w, v) => w.add('c.notify = ?', truth(v)),
  active: (w, v) => w.add('c.notify = ?', truth(v)),
  rotation: (w, v) => w.add('c.rotation = ?', truth(v)),
  state: (w, v) => w.add('c.state = ?', v),
  description: (w, v) => w.add('c.description ilike ?', pattern(v)),
};

/** What a list query selects. `hideBefore`: what ended earlier is left out unless it is asked for. Throws `invalid-request`. */
export function conditionsOf(query: ListQuery, now: Date, hideBefore: Date): Conditions {
  const where = new Conditions();
  where.add('c.deleted_at is null');
  if (!query.showExpired) where.add('c.not_after > ?', hideBefore);
  if (query.owner !== undefined) where.add('lower(c.owner) = ?', query.owner.toLowerCase());
  if (query.id !== undefined) where.add('c.id = ?', query.id);
  if (query.state !== undefined) where.add('c.state = ?', query.state);
  if (query.active !== undefined) where.add('c.notify = ?', query.active);
  if (query.rotation !== undefined) where.add('c.rotation = ?', query.rotation);
  if (query.destinationId !== undefined) filters.destination?.(where, String(query.destinationId));
  if (query.serial !== undefined) where.add('c.serial_hex = ?', serialHex(query.serial));
  if (query.timeRange !== undefined) {
    where.add('c.not_after > ?', now);
    where.add('c.not_after <= ?', new Date(now.getTime() + query.timeRange * 7 * 86_400_000));
  }
  if (query.filter) applyFilter(where, query.filter);
  return where;
}

function applyFilter(where: Conditions, { field, value }: Filter): void {
  const filter = Object.hasOwn(filters, field) ? filters[field] : undefined;
  if (!filter) throw invalid('filter', `The field '${field}' is not sortable or filterable; try ${Object.keys(filters).join(', ')}.`);
  filter(where, value);
}

/** The text inside quotes, or null when the value is not quoted. */
function exact(value: string): string | null {
  return /^"(.*)"$/s.exec(value)?.[1] ?? null;
}

/** For `like`, lower case: a part of the text, or the whole where the value is quoted. */
function pattern(value: string): string {
  const quoted = exact(value);
  const escaped = (quoted ?? value).toLowerCase().replace(/[\\%_]/g, '\\$&');
  return quoted === null ? `%${escaped}%` : escaped;
}

function whole(field: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw invalid(field, 'Expected a whole number.');
  return Number(text);
}

function truth(text: string): boolean {
  const value = { true: true, 1: true, false: false, 0: false }[text.toLowerCase()];
  if (value === undefined) throw invalid('filter', 'Expected true or false.');
  return value;
}

function serialHex(text: string): string {
  const digits = text.replaceAll(':', '').replace(/^0x/i, '');
  const isHex = /^0x|:/i.test(text) ? /^[0-9a-f]{1,64}$/i.test(digits) : false;
  if (!isHex && !/^\d{1,60}$/.test(text)) throw invalid('serial', 'Expected a decimal number, 0x… or aa:bb:….');
  return BigInt(isHex ? `0x${digits}` : text).toString(16).toUpperCase();
}
