import { aliasOption, passphraseOption } from '../../src/plugin-api/store-options.js';

/** Options of every JKS file. */
export const fileOptions = {
  passphrase: passphraseOption(
    6,
    'Opens the store and its key: 6 to 128 printable ASCII characters. Generated when left empty.',
  ),
  alias: aliasOption,
};
