import { z } from 'zod';

const Cursor = z.tuple([z.string().max(100), z.string().max(4096), z.string().max(40)]);

/**
 * The last entry of a page: the name of the order, the sort value, and the id, which breaks ties. Both values are as
 * Postgres formats them.
 */
export interface Cursor {
  order: string;
  value: string;
  id: string;
}

/** Opaque to clients: base64url. */
export function encodeCursor({ order, value, id }: Cursor): string {
  return Buffer.from(JSON.stringify([order, value, id])).toString('base64url');
}

/** Null for anything that `encodeCursor` did not make. */
export function decodeCursor(text: string): Cursor | null {
  try {
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.toString('base64url') !== text) return null;
    const [order, value, id] = Cursor.parse(JSON.parse(bytes.toString('utf8')));
    return `${order}${value}${id}`.includes('\0') ? null : { order, value, id };
  } catch {
    return null;
  }
}
