import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutationsOf, runOn } from '../../test/support/x509.js';
import { buildCsr, type CsrContent, parseCsr, verifyCsr } from './csr.js';
import { generatePrivateKey, spkiOf } from './key.js';
import { toPem } from './pem.js';

const content: CsrContent = {
  subject: { commonName: 'www.example.com', country: 'CH' },
  subjectAltNames: [
    { type: 'dns', value: 'www.example.com' },
    { type: 'ip', value: '192.0.2.1' },
    { type: 'email', value: 'a@example.com' },
    { type: 'uri', value: 'https://e.example/' },
  ],
  keyUsage: ['digitalSignature'],
  extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'],
  extensions: [{ oid: '1.3.6.1.5.5.7.1.24', critical: false, valueDer: Buffer.from('3003020105', 'hex') }],
};
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

/** A request made by openssl. */
function opensslCsr(...args: string[]): string {
  return runOn(
    {},
    'sh',
    '-c',
    'openssl req -new -nodes -keyout key.pem -out req.pem "$@" 2>/dev/null && cat req.pem',
    'sh',
    ...args,
  );
}

describe('certificate requests', () => {
  it.each(['RSA2048', 'ECCPRIME256V1', 'ECCSECP384R1', 'ECCSECP521R1', 'ED25519'])(
    'with %s satisfy openssl and are read back',
    async (keyType) => {
      const privateKey = await generatePrivateKey(keyType);
      const pem = await buildCsr(content, privateKey);
      expect(runOn({ 'r.pem': pem }, 'openssl', 'req', '-in', 'r.pem', '-noout', '-verify')).toContain('verify OK');
      const csr = parseCsr(pem);
      await verifyCsr(csr);
      expect(csr).toMatchObject({
        subject: 'CN=www.example.com,C=CH',
        subjectFields: content.subject,
        subjectAltNames: content.subjectAltNames,
        otherAltNames: [],
        keyUsage: content.keyUsage,
        extendedKeyUsage: content.extendedKeyUsage,
        keyType,
        spkiDer: spkiOf(privateKey),
        isCa: false,
      });
      expect(csr.extensions.at(-1)).toEqual(content.extensions?.[0]);
    },
  );

  it('satisfy certtool', async () => {
    const text = runOn({ 'r.pem': await buildCsr(content, ec) }, 'certtool', '--crq-info', '--infile', 'r.pem');
    expect(text).toContain('DNSname: www.example.com');
    expect(text).toContain('Self signature: verified');
  });

  it.each<[string, string[], object]>([
    [
      'RSA',
      ['-newkey', 'rsa:2048', '-subj', '/CN=a', '-addext', 'subjectAltName=DNS:a,otherName:1.2.3;UTF8:x'],
      { subjectAltNames: [{ type: 'dns', value: 'a' }], otherAltNames: [{ type: 'otherName', value: '1.2.3;UTF8:x' }] },
    ],
    [
      'RSASSA-PSS',
      ['-newkey', 'rsa:2048', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32', '-subj', '/CN=a'],
      { signatureAlgorithm: 'sha256', extensions: [] },
    ],
    [
      'basicConstraints',
      ['-newkey', 'ed25519', '-subj', '/CN=a', '-addext', 'basicConstraints=CA:TRUE,pathlen:1'],
      { isCa: true, pathLength: 1 },
    ],
    ['a challenge password', ['-newkey', 'ed25519', '-config', '/dev/null', '-subj', '/CN=a'], { keyType: 'ED25519' }],
  ])('of openssl with %s are read and verified', async (_, args, expected) => {
    const csr = parseCsr(opensslCsr(...args));
    expect(csr).toMatchObject(expected);
    await expect(verifyCsr(csr)).resolves.toMatchObject({ type: 'public' });
  });

  it('have a critical SAN when the subject is empty', async () => {
    const [extension] = parseCsr(
      await buildCsr({ subject: {}, subjectAltNames: [{ type: 'dns', value: 'a' }] }, ec),
    ).extensions;
    expect(extension).toMatchObject({ oid: '2.5.29.17', critical: true });
  });

  it('may come under the older label', async () => {
    const pem = (await buildCsr(content, ec)).replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST');
    expect(parseCsr(pem).subject).toBe('CN=www.example.com,C=CH');
  });

  it('are refused without proof of possession', async () => {
    const csr = parseCsr(await buildCsr(content, ec));
    const stranger = parseCsr(
      await buildCsr(content, generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey),
    );
    await expect(verifyCsr({ ...csr, signature: stranger.signature })).rejects.toMatchObject({
      code: 'bad-csr-signature',
    });
    await expect(verifyCsr({ ...csr, signature: Buffer.alloc(0) })).rejects.toMatchObject({
      code: 'bad-csr-signature',
    });
    const changed = Buffer.from(csr.infoDer);
    changed[changed.indexOf('www.example')] = 0x77 ^ 1;
    await expect(verifyCsr({ ...csr, infoDer: changed })).rejects.toMatchObject({ code: 'bad-csr-signature' });
  });

  it('are refused with weak or foreign keys', async () => {
    await expect(verifyCsr(parseCsr(opensslCsr('-newkey', 'rsa:1024', '-subj', '/CN=a')))).rejects.toMatchObject({
      code: 'weak-key',
    });
    await expect(
      verifyCsr(parseCsr(opensslCsr('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1', '-subj', '/CN=a'))),
    ).rejects.toMatchObject({ code: 'unsupported-key' });
    await expect(
      verifyCsr(parseCsr(opensslCsr('-newkey', 'rsa:2048', '-md5', '-subj', '/CN=a'))),
    ).rejects.toMatchObject({ code: 'unsupported-signature' });
  });

  it('are refused when malformed', async () => {
    const pem = await buildCsr(content, ec);
    for (const text of [pem + pem, toPem('CERTIFICATE REQUEST', Buffer.from('noise'))]) {
      expect(() => parseCsr(text)).toThrow(expect.objectContaining({ code: 'malformed-csr' }));
    }
    const { der } = parseCsr(pem);
    await fc.assert(
      fc.asyncProperty(mutationsOf(der), async (bytes) => {
        fc.pre(!bytes.equals(der));
        try {
          await verifyCsr(parseCsr(bytes));
        } catch (error) {
          expect(error).toHaveProperty('name', 'PkiError');
          return;
        }
        throw new Error('A changed request was accepted');
      }),
      { numRuns: 1500 },
    );
  });
});
