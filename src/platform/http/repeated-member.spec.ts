import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { repeatedMember } from './repeated-member.js';

const found = (text: string): string | undefined => repeatedMember(text, JSON.parse(text))?.join('.');

describe('a member that a JSON text has twice', () => {
  it.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"a":1,"b":{"c":1,"d":2,"c":3}}', 'b.c'],
    ['{"a":[{"x":1},{"x":1,"x":1}]}', 'a.1.x'],
    ['{ "a" :\n1 , "\\u0061"\t: 2 }', 'a'],
    ['{"a\\\\":1,"a\\"":2,"a\\\\":3}', 'a\\'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    ['{"":1,"":2}', ''],
    ['{"a":"b\\":","a":"\\\\"}', 'a'],
  ])('is found in %s', (text, path) => {
    expect(found(text)).toBe(path);
  });

  it.each(['{}', '[]', '"a"', '1', '{"a":{"a":{"a":1}}}', '{"a":"\\"b\\":1","b":"a\\\\"}', '["a","a",{"a":"a"}]'])(
    'is not found in %s',
    (text) => {
      expect(found(text)).toBeUndefined();
    },
  );

  it('is not found in any text that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        expect(found(JSON.stringify(value, null, indent))).toBeUndefined();
      }),
    );
  });

  it('is found wherever an object has one', () => {
    const member = fc.tuple(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(fc.array(member), member, fc.array(member), fc.jsonValue(), (before, [name, value], after, other) => {
        const members = [...before, [name, value] as const, ...after, [name, other] as const];
        const text = `[0,{${members.map(([key, one]) => `${JSON.stringify(key)}:${JSON.stringify(one)}`).join(',')}}]`;
        expect(found(text)).toBeDefined();
      }),
    );
  });
});
