import { z } from 'zod';
import { PluginError } from './errors.js';
import { secret } from './options.js';

/** Beyond ASCII, readers of key stores disagree about the bytes of a passphrase. */
const printableAscii = /^[\x20-\x7e]+$/;

/**
 * A passphrase for a file: `atLeast` to 128 printable ASCII characters. `description` says what it opens and what
 * happens without it.
 */
export function passphraseOption(atLeast: number, description: string): z.ZodOptional<z.ZodString> {
  return secret('Passphrase', description)
    .min(atLeast)
    .max(128)
    .regex(printableAscii, 'Use printable ASCII characters only.')
    .optional();
}

/** The same passphrase. Throws PluginError for one that some reader would understand differently. */
export function printable(passphrase: string): string {
  if (printableAscii.test(passphrase)) return passphrase;
  throw new PluginError('misconfigured', 'The passphrase may hold printable ASCII characters only.');
}

/** The name of what lies in a key or trust store. */
export const aliasOption = z
  .string()
  .min(1)
  .max(200)
  .optional()
  .meta({
    title: 'Alias',
    description:
      'Name of the entry, or what the names in a trust store begin with; in lower case ' +
      'as Java expects it. The common name when left empty.',
  });
