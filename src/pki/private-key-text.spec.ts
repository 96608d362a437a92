import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { runOn } from '../../test/support/x509.js';
import { buildCsr } from './csr.js';
import { spkiOf } from './key.js';
import { toPem } from './pem.js';
import { holdsPrivateKey } from './private-key-text.js';

const keys: [string, KeyObject][] = [
  ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
  ['RSASSA-PSS', generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey],
  ['P-256', generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey],
  ['P-521', generateKeyPairSync('ec', { namedCurve: 'secp521r1' }).privateKey],
  ['Ed25519', generateKeyPairSync('ed25519').privateKey],
];
const cipher = { cipher: 'aes-256-cbc', passphrase: 'a pass phrase' };

describe('text that holds a private key', () => {
  it.each(keys)('is detected: %s in every form', (name, key) => {
    const der = key.export({ format: 'der', type: 'pkcs8' });
    const forms = [
      key.export({ format: 'pem', type: 'pkcs8' }).toString(),
      key.export({ format: 'pem', type: 'pkcs8', ...cipher }).toString(),
      der.toString('base64'),
      der.toString('base64url'),
      key.export({ format: 'der', type: 'pkcs8', ...cipher }).toString('base64'),
      toPem('CERTIFICATE', der),
      JSON.stringify({ key: toPem('DATA', der) }),
      ...(name === 'RSASSA-PSS' ? [] : [JSON.stringify(key.export({ format: 'jwk' }))]),
      ...(name === 'RSA' ? [key.export({ format: 'der', type: 'pkcs1' }).toString('base64')] : []),
      ...(name.startsWith('P-') ? [key.export({ format: 'der', type: 'sec1' }).toString('base64')] : []),
    ];
    for (const form of forms)
      for (const text of [form, `a note: ${form}`, form.replaceAll('\n', '\r\n'), form.replaceAll('\n', '\\n')])
        expect(holdsPrivateKey(text), text).toBe(true);
  });

  it.each([
    '-----begin rsa private key-----',
    '-----BEGIN OPENSSH PRIVATE KEY-----',
    '-----BEGIN PGP PRIVATE KEY BLOCK-----',
    '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----',
    'PuTTY-User-Key-File-3: ssh-ed25519',
  ])('is detected: %s', (text) => expect(holdsPrivateKey(`x\n${text}\nabc`)).toBe(true));

  it('is detected: PKCS#12', () => {
    const script =
      'openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a -keyout k -out c 2>/dev/null && ' +
      'openssl pkcs12 -export -inkey k -in c -passout pass: | openssl base64';
    expect(holdsPrivateKey(runOn({}, 'sh', '-c', script))).toBe(true);
  });

  it('is not reported for a certificate, a request, a public key, or prose about keys', async () => {
    for (const [name, key] of keys.filter(([one]) => one !== 'RSASSA-PSS')) {
      const certificate = runOn(
        { k: key.export({ format: 'pem', type: 'pkcs8' }) },
        'sh',
        '-c',
        'openssl req -x509 -key k -subj /CN=MIIEvQ -addext subjectAltName=DNS:a.example',
      );
      const csr = await buildCsr({ subject: { commonName: 'a.example' }, subjectAltNames: [] }, key);
      const publicKey = spkiOf(key).toString('base64');
      for (const text of [certificate, csr, publicKey, toPem('PUBLIC KEY', spkiOf(key))])
        expect(holdsPrivateKey(text), name).toBe(false);
    }
    for (const text of ['The private key is in the vault.', 'MIIEvQ', 'MAMA MIA, MICHAEL!', '{"kty":"EC","x":"a"}', ''])
      expect(holdsPrivateKey(text)).toBe(false);
  });

  it('is searched in linear time', () => {
    // Of the processor: how long others keep it does not count.
    const begin = process.cpuUsage();
    for (const part of ['MII ', 'M', '-----BEGIN ', '"d":"', 'MIIEvQIBADAN\n', '----- '])
      expect(holdsPrivateKey(part.repeat(1_000_000 / part.length)), part).toBe(false);
    expect(process.cpuUsage(begin).user).toBeLessThan(5_000_000);
  });
});
