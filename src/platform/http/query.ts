import { z } from 'zod';

const truths: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  yes: true,
  y: true,
  on: true,
  1: true,
  false: false,
  f: false,
  no: false,
  n: false,
  off: false,
  0: false,
};

/** The boolean behind `true`, `yes`, `on`, `1` or their opposites, in any case; undefined for other text. */
export function truthOf(text: string): boolean | undefined {
  const key = text.toLowerCase();
  return Object.hasOwn(truths, key) ? truths[key] : undefined;
}

/** A boolean in a query, in any usual spelling. */
export function queryBoolean(): z.ZodType<boolean, string> {
  return z
    .string()
    .transform((text, context) => {
      const value = truthOf(text);
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom', message: 'Expected true or false' });
      return z.NEVER;
    })
    .meta({ type: 'boolean' });
}

/** A whole number in a query, in decimal, from `minimum` to `maximum` inclusive. */
export function queryInt(minimum: number, maximum: number): z.ZodType<number, string> {
  return z
    .string()
    .transform((text, context) => {
      const value = /^-?\d{1,15}$/.test(text) ? Number(text) : NaN;
      if (value >= minimum && value <= maximum) return value;
      context.addIssue({ code: 'custom', message: `Expected a whole number from ${minimum} to ${maximum}` });
      return z.NEVER;
    })
    .meta({ type: 'integer', minimum, maximum });
}
