import { describe, expect, it } from 'vitest';
import { localCa } from '../../plugins/local-ca/local-ca.issuer.js';
import { pluginContext } from '../../test/support/bundles.js';
import { parseCertificate } from './certificate.js';
import { generatePrivateKey } from './key.js';
import { crossCheckCertificate } from './cross-check.js';
import { signerOf } from './sign.js';

const options = localCa.options.parse({});

async function root(keyType: string, pathLength?: number): Promise<string> {
  const { chainPem } = await localCa.createAuthority!(
    {
      subject: { commonName: 'Root' },
      notBefore: new Date('2026-01-01'),
      notAfter: new Date('2060-01-01'),
      pathLength,
      signer: signerOf(await generatePrivateKey(keyType)),
    },
    options,
    pluginContext(),
  );
  return chainPem[0] ?? '';
}

describe('crossCheckCertificate', () => {
  it.each(['RSA2048', 'ECCPRIME256V1', 'ECCSECP384R1', 'ECCSECP521R1', 'ED25519'])(
    'agrees about a CA with a key of type %s',
    async (keyType) => {
      const pem = await root(keyType, 1);
      await expect(crossCheckCertificate(parseCertificate(pem), pem, pem)).resolves.toBeUndefined();
    },
  );

  it('refuses a certificate that both parsers read differently, or that another key signed', async () => {
    const pem = await root('ECCPRIME256V1');
    const ours = parseCertificate(pem);
    await expect(crossCheckCertificate({ ...ours, serialHex: '1' }, pem, pem)).rejects.toThrow('disagree');
    await expect(crossCheckCertificate({ ...ours, pathLength: 3 }, pem, pem)).rejects.toThrow('disagree');
    await expect(crossCheckCertificate(ours, pem, await root('ECCPRIME256V1'))).rejects.toThrow('disagree');
  });
});
