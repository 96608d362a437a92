import { hash } from 'node:crypto';

/**
 * The first `most` UTF-16 units of `text` at most. No surrogate pair is split: neither JSON nor Postgres would accept
 * a half.
 */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
}

/** As `cut`, for text from outside: characters that Postgres cannot store become U+FFFD. */
export function storable(text: string, most: number): string {
  return cut(text.replace(/[\0\p{Cs}]/gu, '\ufffd'), most);
}

/** How many octets fit into a B-tree entry of Postgres beside a few other columns. */
const mostIndexed = 2400;

/** Whether the text is too long for a B-tree entry of Postgres. */
export function isBeyondIndexes(text: string): boolean {
  return Buffer.byteLength(text) > mostIndexed;
}

/** The first 500 UTF-16 units of a text that is too long for an index. */
export function indexableStart(text: string): string {
  return cut(text, 500);
}

/** `text` if an index can hold it, else its beginning and a hash of the whole. Different texts have different keys. */
export function indexable(text: string): string {
  return isBeyondIndexes(text) ? `${indexableStart(text)}…${hash('sha256', text, 'hex')}` : text;
}
