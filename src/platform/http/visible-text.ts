import { z } from 'zod';

/** Any control, format, private or unassigned character, and the separators of lines and paragraphs. */
const visible = /^[^\p{C}\p{Zl}\p{Zp}]*$/u;

/**
 * The name or label of an object: 1 to `maxLength` characters without spaces around them. Two names that look the same
 * are the same: composed characters (Unicode NFC), and none that is invisible or changes the direction of the text.
 */
export function visibleText(maxLength: number): z.ZodString {
  return z
    .string()
    .trim()
    .normalize('NFC')
    .min(1)
    .max(maxLength)
    .regex(visible, 'Must not contain control or invisible characters');
}
