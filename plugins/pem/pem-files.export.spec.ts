import { describe, expect, it } from 'vitest';
import { pluginContext } from '../../test/support/bundles.js';
import { pemFilesExport } from './pem-files.export.js';

const bundle = {
  name: 'n',
  commonName: '*.example.com',
  serialHex: '01',
  chainPem: ['LEAF\n', 'ISSUING', 'UPPER\n\n'],
  privateKeyPem: 'KEY\n',
};
type Layout = 'directory' | 'nginx' | 'apache';

async function written(layout: Layout): Promise<Record<string, string>> {
  const { files } = await pemFilesExport.export({ bundle, stem: '_wildcard' }, { layout }, pluginContext());
  return Object.fromEntries(files.map(({ name, bytes, mode }) => [`${name} ${mode.toString(8)}`, bytes.toString()]));
}

describe('pem-files', () => {
  it('puts key, certificate and the whole chain in order into the files of each layout', async () => {
    expect(await written('directory')).toEqual({
      '_wildcard/privkey.pem 600': 'KEY\n',
      '_wildcard/chain.pem 644': 'ISSUING\nUPPER\n',
      '_wildcard/fullchain.pem 644': 'LEAF\nISSUING\nUPPER\n',
      '_wildcard/cert.pem 644': 'LEAF\n',
    });
    expect(await written('nginx')).toEqual({
      '_wildcard.key 600': 'KEY\n',
      '_wildcard.pem 644': 'LEAF\nISSUING\nUPPER\n',
    });
    expect(await written('apache')).toEqual({
      '_wildcard.key 600': 'KEY\n',
      '_wildcard.ca-bundle.crt 644': 'ISSUING\nUPPER\n',
      '_wildcard.crt 644': 'LEAF\n',
    });
  });

  it('never gives the certificate of one name the file of the chain of another', () => {
    const names = (stem: string): readonly string[] => pemFilesExport.fileNames(stem, { layout: 'apache' });
    expect(names('a')).toContain('a.ca-bundle.crt');
    expect(names('a.ca-bundle')).not.toContain('a.ca-bundle.crt');
  });

  it('is refused without the private key', async () => {
    const keyless = { ...bundle, privateKeyPem: undefined };
    await expect(
      pemFilesExport.export({ bundle: keyless, stem: 'x' }, { layout: 'nginx' }, pluginContext()),
    ).rejects.toMatchObject({ fault: 'misconfigured' });
  });
});
