import { createPrivateKey } from 'node:crypto';
import { z } from 'zod';
import { PRINTABLE_ASCII } from '../../src/pki/keystore.js';
import { splitCertificates, toPem } from '../../src/pki/pem.js';
import { encryptedPrivateKeyInfo, pbes2Encrypt } from '../../src/pki/pkcs8.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { secret } from '../../src/plugin-api/options.js';
import { defineExport } from '../../src/plugin-api/plugin.js';

const ITERATIONS = 600_000;

const options = z.strictObject({
  order: z.enum(['key-first', 'key-last']).default('key-first').meta({
    title: 'Order',
    description: 'Whether the private key stands before or after the certificates.',
  }),
  passphrase: secret('Passphrase', 'Encrypts the private key: 8 to 128 printable ASCII characters. Without it the key is in the clear.')
    .min(8).max(128).regex(PRINTABLE_ASCII, 'Use printable ASCII characters only.').optional(),
});

/** Key and full chain in one file, as HAProxy and many appliances read it. The key is PKCS#8, encrypted when a passphrase is given. */
export const pemBundleExport = defineExport({
  id: 'pem-bundle',
  title: 'PEM bundle with key',
  description: 'The private key, the certificate and its chain in one PEM file.',
  needsPrivateKey: true,
  options,

  async export(bundle, { order, passphrase }) {
    if (!bundle.privateKeyPem) throw new PluginError('misconfigured', 'This certificate is stored without its private key.');
    const key = await keyPem(bundle.privateKeyPem, passphrase);
    const certificates = splitCertificates(bundle.chainPem.join('\n'));
    const parts = order === 'key-first' ? [key, ...certificates] : [...certificates, key];
    return {
      files: [{ name: `${bundle.name}.pem`, bytes: Buffer.from(parts.join('')), mode: 0o600 }],
      passphrase,
      extension: 'pem',
    };
  },
});

async function keyPem(privateKeyPem: string, passphrase: string | undefined): Promise<string> {
  const key = createPrivateKey(privateKeyPem);
  if (passphrase === undefined) return key.export({ type: 'pkcs8', format: 'pem' }).toString();
  if (!PRINTABLE_ASCII.test(passphrase)) throw new PluginError('misconfigured', 'The passphrase may hold printable ASCII characters only.');
  const encrypted = await pbes2Encrypt(key.export({ type: 'pkcs8', format: 'der' }), passphrase, ITERATIONS);
  return toPem('ENCRYPTED PRIVATE KEY', encryptedPrivateKeyInfo(encrypted));
}
