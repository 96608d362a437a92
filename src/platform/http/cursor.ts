import { z } from 'zod';

/** The last entry of a page: what it was sorted by (times as text, as Postgres gave them) and its id, which settles ties. */
const Cursor = z.tuple([z.union([z.string(), z.number(), z.boolean(), z.null()]), z.int().min(1).max(2_147_483_647)]);

export interface Cursor { value: string | number | boolean | null; id: number }

/** Opaque to clients: base64url. */
export function encodeCursor({ value, id }: Cursor): string {
  return Buffer.from(JSON.stringify([value, id])).toString('base64url');
}

/** Null for anything that `encodeCursor` did not make. */
export function decodeCursor(text: string): Cursor | null {
  try {
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.toString('base64url') !== text) return null;
    const [value, id] = Cursor.parse(JSON.parse(bytes.toString('utf8')));
    return typeof value === 'string' && value.includes('\0') ? null : { value, id };
  } catch {
    return null;
  }
}
