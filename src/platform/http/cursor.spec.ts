import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.js';

const id = fc.integer({ min: 1, max: 2_147_483_647 });
const value = fc.oneof(fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')), fc.integer(), fc.boolean(), fc.constant(null));

describe('a cursor', () => {
  it('comes back as it was, and fits into a query as it is', () => {
    fc.assert(fc.property(value, id, (v, i) => {
      const text = encodeCursor({ value: v, id: i });
      expect(text).toMatch(/^[\w-]+$/);
      expect(decodeCursor(text)).toEqual({ value: v, id: i });
    }));
  });

  it.each(['', 'x', '!!', 'e30', Buffer.from('["a"]').toString('base64url'), Buffer.from('["a",0]').toString('base64url'), Buffer.from('["a",1.5]').toString('base64url'),
    Buffer.from('[{"a":1},1]').toString('base64url'), Buffer.from('["a\\u0000",1]').toString('base64url'), `${Buffer.from('["a",1]').toString('base64url')}=`])('%j is none', (text) => {
    expect(decodeCursor(text)).toBeNull();
  });
});
