import { createPrivateKey } from 'node:crypto';
import { z } from 'zod';
import { splitCertificates, toPem } from '../../src/pki/pem.js';
import { encryptedPrivateKeyInfo, pbes2Encrypt } from '../../src/pki/pkcs8.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { passphraseOption, printable } from '../../src/plugin-api/store-options.js';
import { defineExport } from '../../src/plugin-api/export.js';

const ITERATIONS = 600_000;

const options = z.strictObject({
  order: z.enum(['key-first', 'key-last']).default('key-first').meta({
    title: 'Order',
    description: 'Whether the private key stands before or after the certificates.',
  }),
  passphrase: passphraseOption(
    8,
    'Encrypts the private key: 8 to 128 printable ASCII characters. Without it the key is in the clear.',
  ),
});

/**
 * Key and full chain in one file, as HAProxy and many appliances read it. The key is PKCS#8, encrypted if a passphrase
 * is given.
 */
export const pemBundleExport = defineExport({
  id: 'pem-bundle',
  title: 'PEM bundle with key',
  description: 'The private key, the certificate and its chain in one PEM file.',
  needsPrivateKey: true,
  options,

  fileNames: (stem) => [`${stem}.pem`],

  async export({ bundle, stem }, { order, passphrase }) {
    if (!bundle.privateKeyPem)
      throw new PluginError('misconfigured', 'This certificate is stored without its private key.');
    const key = await keyPem(bundle.privateKeyPem, passphrase);
    const certificates = splitCertificates(bundle.chainPem.join('\n'));
    const parts = order === 'key-first' ? [key, ...certificates] : [...certificates, key];
    return {
      files: [{ name: `${stem}.pem`, bytes: Buffer.from(parts.join('')), mode: 0o600 }],
      passphrase,
      extension: 'pem',
    };
  },
});

async function keyPem(privateKeyPem: string, passphrase: string | undefined): Promise<string> {
  const key = createPrivateKey(privateKeyPem);
  if (passphrase === undefined) return key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const encrypted = await pbes2Encrypt(key.export({ type: 'pkcs8', format: 'der' }), printable(passphrase), ITERATIONS);
  return toPem('ENCRYPTED PRIVATE KEY', encryptedPrivateKeyInfo(encrypted));
}
