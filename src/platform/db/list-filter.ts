import { camelCase } from '../http/input.js';
import type { Filter } from '../http/page.js';
import { invalid } from '../http/problem.js';
import { truthOf } from '../http/query.js';
import type { Conditions } from './conditions.js';

/** Narrows a list to what matches `value`, which is what a client wrote and never empty. Throws `invalid-request`. */
export type ListFilter = (where: Conditions, value: string) => void;

/** The filters of a list by the name of the field in camelCase; a client may write it in snake_case. */
export type ListFilters = Readonly<Record<string, ListFilter>>;

/** The column holds the text, whatever the case; a value in double quotes is the whole text. */
export const words =
  (column: string): ListFilter =>
  (where, value) =>
    where.add(`${column} ilike ?`, likePattern(value));

/** The column is this whole number. */
export const whole =
  (column: string): ListFilter =>
  (where, value) =>
    where.add(`${column} = ?`, wholeNumber(value));

/** The column is this text. */
export const exactly =
  (column: string): ListFilter =>
  (where, value) =>
    where.add(`${column} = ?`, unquoted(value) ?? value);

/** The column is true or false, in any of the spellings of a query. */
export const truth =
  (column: string): ListFilter =>
  (where, value) =>
    where.add(`${column} = ?`, truthValue(value));

/**
 * Adds what a client filters by; an empty value filters nothing. Throws `invalid-request` for a field that the list
 * does not show.
 */
export function applyFilter(where: Conditions, filters: ListFilters, filter: Filter | undefined): void {
  if (!filter) return;
  const field = camelCase(filter.field);
  const apply = Object.hasOwn(filters, field) ? filters[field] : undefined;
  if (!apply) throw invalid('filter', notFilterable(filter.field, Object.keys(filters)));
  if (filter.value !== '') apply(where, filter.value);
}

/** The message for a field that a list neither sorts nor filters by. */
export function notFilterable(field: string, known: readonly string[]): string {
  return `The field '${field}' is not sortable or filterable; try ${known.join(', ')}.`;
}

/** The text inside double quotes, or null when the value is not quoted. */
export function unquoted(value: string): string | null {
  return /^"(.*)"$/s.exec(value)?.[1] ?? null;
}

/** For `like`: a part of the text, or the whole where the value is quoted. */
export function likePattern(value: string): string {
  const quoted = unquoted(value);
  return quoted === null ? `%${escapeLike(value)}%` : escapeLike(quoted);
}

/** A text that matches nothing but itself in `like`. */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

/** Throws `invalid-request` unless the text of a filter is a whole number that fits an integer column. */
export function wholeNumber(text: string): number {
  const value = /^-?\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (Math.abs(value) <= 2_147_483_647) return value;
  throw invalid('filter', 'Expected a whole number.');
}

/** Throws `invalid-request` unless the text of a filter is a truth value. */
export function truthValue(text: string): boolean {
  const value = truthOf(text);
  if (value === undefined) throw invalid('filter', 'Expected true or false.');
  return value;
}
