import { describe, expect, it } from 'vitest';
import { LAYOUTS, mainPath, planFiles, storePath } from './layout.js';

describe('layouts', () => {
  const bundle = {
    name: 'n',
    commonName: '*.example.com',
    serialHex: '01',
    chainPem: ['LEAF\n', 'ISSUING', 'UPPER\n\n'],
  };
  const planned = (layout: (typeof LAYOUTS)[number]): Record<string, string> =>
    Object.fromEntries(
      planFiles(layout, bundle, 'KEY\n').map(({ name, text, holdsKey }) => [
        `${name}${holdsKey ? ' (key)' : ''}`,
        text,
      ]),
    );

  it('put the same facts into different files', () => {
    expect(planned('directory')).toEqual({
      'privkey.pem (key)': 'KEY\n',
      'chain.pem': 'ISSUING\nUPPER\n',
      'fullchain.pem': 'LEAF\nISSUING\nUPPER\n',
      'cert.pem': 'LEAF\n',
    });
    expect(planned('combined')).toEqual({ '_wildcard.example.com.pem (key)': 'KEY\nLEAF\nISSUING\nUPPER\n' });
    expect(planned('nginx')).toEqual({
      '_wildcard.example.com.key (key)': 'KEY\n',
      '_wildcard.example.com.pem': 'LEAF\nISSUING\nUPPER\n',
    });
    expect(planned('apache')).toEqual({
      '_wildcard.example.com.key (key)': 'KEY\n',
      '_wildcard.example.com.ca-bundle.crt': 'ISSUING\nUPPER\n',
      '_wildcard.example.com.crt': 'LEAF\n',
    });
  });

  it('name the path of the certificate', () => {
    expect(LAYOUTS.map((layout) => mainPath(layout, '/certs', 'a.test'))).toEqual([
      '/certs/a.test',
      '/certs/a.test.pem',
      '/certs/a.test.pem',
      '/certs/a.test.crt',
    ]);
    expect(storePath('nginx', '/certs/a.test.pem')).toBe('/certs/.a.test.pem.d');
  });

  it('never write the certificate of one name to the path of the chain of another', () => {
    const chainOfA = planFiles('apache', { ...bundle, commonName: 'a' }, 'KEY')[1]?.name;
    expect(chainOfA).toBe('a.ca-bundle.crt');
    expect(mainPath('apache', '/certs', 'a.ca-bundle')).not.toBe(`/certs/${chainOfA}`);
  });
});
