import { z } from 'zod';
import { generatePassphrase, PRINTABLE_ASCII } from '../../src/pki/keystore.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { secret } from '../../src/plugin-api/options.js';

/** Options of every JKS file. */
export const fileOptions = {
  passphrase: secret('Passphrase', 'Opens the store and its key: 6 to 128 printable ASCII characters. Generated when left empty.')
    .min(6).max(128).regex(PRINTABLE_ASCII, 'Use printable ASCII characters only.').optional(),
  alias: z.string().min(1).max(200).optional().meta({
    title: 'Alias',
    description: 'Name of the entry, or what the names in a trust store begin with; in lower case as Java expects it. The common name when left empty.',
  }),
};

/** The given passphrase or a new one. Throws PluginError for one that some reader would understand differently. */
export function passphraseOf(given: string | undefined): string {
  const passphrase = given ?? generatePassphrase();
  if (PRINTABLE_ASCII.test(passphrase)) return passphrase;
  throw new PluginError('misconfigured', 'The passphrase may hold printable ASCII characters only.');
}
