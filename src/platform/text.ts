import { hash } from 'node:crypto';

/**
 * The beginning of `text`, of at most `most` UTF-16 units: no character is cut in two, which neither JSON nor Postgres
 * would take.
 */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
}

/** As `cut`, of text of strangers: what Postgres does not store in text is U+FFFD. */
export function storable(text: string, most: number): string {
  return cut(text.replace(/[\0\p{Cs}]/gu, '\ufffd'), most);
}

/** So many octets fit into an entry of a B-tree of Postgres beside a few other columns. */
const mostIndexed = 2400;

/** True where a B-tree of Postgres cannot hold the text. */
export function isBeyondIndexes(text: string): boolean {
  return Buffer.byteLength(text) > mostIndexed;
}

/** The first 500 UTF-16 units of a text that is beyond indexes. */
export function indexableStart(text: string): string {
  return cut(text, 500);
}

/** `text` where an index can hold it, else its beginning and a hash of the whole: one text, one key. */
export function indexable(text: string): string {
  return isBeyondIndexes(text) ? `${indexableStart(text)}…${hash('sha256', text, 'hex')}` : text;
}
