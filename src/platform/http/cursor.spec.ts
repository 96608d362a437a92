import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.js';

const id = fc.integer({ min: 1 }).map(String);
const value = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));

describe('a cursor', () => {
  it('comes back as it was, and fits into a query as it is', () => {
    fc.assert(
      fc.property(value, id, (v, i) => {
        const text = encodeCursor({ order: 'id asc', value: v, id: i });
        expect(text).toMatch(/^[\w-]+$/);
        expect(decodeCursor(text)).toEqual({ order: 'id asc', value: v, id: i });
      }),
    );
  });

  it.each([
    '',
    'x',
    '!!',
    'e30',
    Buffer.from('["a"]').toString('base64url'),
    Buffer.from('["a","b",0]').toString('base64url'),
    Buffer.from('["a","b"]').toString('base64url'),
    Buffer.from('[{"a":1},"b","1"]').toString('base64url'),
    Buffer.from('["a","b\\u0000","1"]').toString('base64url'),
    `${Buffer.from('["a","b","1"]').toString('base64url')}=`,
  ])('%j is none', (text) => {
    expect(decodeCursor(text)).toBeNull();
  });
});
