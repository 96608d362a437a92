import { aliasOption, passphraseOption } from '../../src/plugin-api/store-options.js';

/** Options of every PKCS#12 file. */
export const fileOptions = {
  passphrase: passphraseOption(8, 'Opens the file: 8 to 128 printable ASCII characters. Generated when left empty.'),
  alias: aliasOption,
};
