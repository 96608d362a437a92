import fc, { type Arbitrary } from 'fast-check';
import type { Json } from './json.js';

/** What clients send by mistake or on purpose, whatever was asked for. */
export const hostile: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  1e308,
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff\ud800',
  '😀',
  '\u202egnp.exe',
  'İ',
  'ß',
  '\r\nX: y',
  "'; drop table certificate; --",
  '%',
  '_%\\',
  '\\',
  '${7*7}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '../../../etc/passwd',
  '__proto__',
  'constructor',
  'toString',
  'NaN',
  'null',
  '[object Object]',
  '1e999',
  '0x10',
  '9999-99-99',
  '0000-00-00T00:00:00Z',
  '+275760-09-13T00:00:00Z',
  'x'.repeat(5000),
  '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----',
  '-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----',
  '(a+)+$',
  '*',
  '*.*',
  'a..b',
  'xn--',
  '@',
  'a@',
  '::',
  '0.0.0.0',
  '169.254.169.254',
  'file:///etc/passwd',
  [],
  {},
  [null],
  [[]],
  [{}],
  { id: null },
  { id: '1' },
  { name: '' },
  { __proto__: null, constructor: { prototype: {} } },
  Array.from({ length: 300 }, (_, i) => i),
  nested(200),
];

function nested(depth: number): unknown {
  return depth === 0 ? 'deep' : { a: [nested(depth - 1)] };
}

/** How schemas become values. `known`: what fits a member of this name better than chance; `resolve` follows `$ref`. */
export interface Making {
  known: (member: string) => Arbitrary<unknown> | undefined;
  resolve: (schema: Json) => Json;
}

/** Values that fit a JSON schema; members that need not be there often are not. */
export function valuesOf(given: Json, making: Making): Arbitrary<unknown> {
  const schema = making.resolve(given);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((choice: Json) => valuesOf(choice, making)));
  switch (schema.type) {
    case 'object':
      return objects(schema, making);
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}, making), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, 3),
      });
    case 'integer':
      return fc.integer({
        min: Math.max(schema.minimum ?? 0, -(2 ** 31)),
        max: Math.min(schema.maximum ?? 1000, 2 ** 31 - 1),
      });
    case 'number':
      return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'string':
      return texts(schema);
    default:
      return fc.jsonValue({ maxDepth: 1 });
  }
}

function objects(schema: Json, making: Making): Arbitrary<unknown> {
  const members = Object.entries<Json>(schema.properties ?? {});
  const record = Object.fromEntries(
    members.map(([name, member]) => [name, making.known(name) ?? valuesOf(member, making)]),
  );
  const required = new Set<string>(schema.required ?? []);
  const kept = fc.tuple(
    ...members.map(([name]) =>
      required.has(name) ? fc.constant(true) : fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    ),
  );
  return fc
    .tuple(fc.record(record), kept)
    .map(([whole, keep]) => Object.fromEntries(Object.entries(whole).filter((_, i) => keep[i])));
}

function texts(schema: Json): Arbitrary<unknown> {
  if (schema.format === 'date-time')
    return fc
      .date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  if (schema.format === 'uuid') return fc.uuid();
  if (schema.pattern?.includes('@')) return fc.emailAddress();
  if (schema.pattern?.startsWith('^[0-2]')) return fc.constantFrom('1.3.6.1.4.1.99999.1', '2.5.29.37', '1.2.3');
  const minLength = schema.minLength ?? 0;
  const maxLength = Math.max(minLength, Math.min(schema.maxLength ?? 20, 20));
  return fc.oneof(
    { weight: 3, arbitrary: fc.stringMatching(/^[a-z0-9-]{1,12}$/) },
    { weight: 1, arbitrary: fc.string({ minLength, maxLength, unit: 'grapheme' }) },
  );
}
