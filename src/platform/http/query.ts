import { z } from 'zod';

/** `true`, `false`, `1` or `0` in a query. */
export function queryBoolean(): z.ZodType<boolean, string> {
  return z.string().transform((text, context) => {
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    context.addIssue({ code: 'custom', message: 'Expected true or false' });
    return z.NEVER;
  }).meta({ type: 'boolean' });
}

/** A whole number in a query, in decimal, from `minimum` to `maximum` inclusive. */
export function queryInt(minimum: number, maximum: number): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (value >= minimum && value <= maximum) return value;
    context.addIssue({ code: 'custom', message: `Expected a whole number from ${minimum} to ${maximum}` });
    return z.NEVER;
  }).meta({ type: 'integer', minimum, maximum });
}
