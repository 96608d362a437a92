import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../config.js';
import { ServiceFiles } from './service-files.js';

const folder = mkdtempSync(join(tmpdir(), 'service-files-'));
afterAll(() => rmSync(folder, { recursive: true }));
const [token, ca] = [join(folder, 'token'), join(folder, 'ca.crt')];
const SERVICE_FILES = JSON.stringify({
  'https://kubernetes.default.svc': { token, ca },
  'https://vault.example.com:8200/base/': { token },
  'https://ca.example.com': { ca },
  'https://both.example.com/one': { token },
  'https://both.example.com/two': { ca },
});
const files = new ServiceFiles(loadConfig({ SERVICE_FILES }));

describe('SERVICE_FILES', () => {
  it('give the token of an address as its file holds it now', async () => {
    for (const value of ['first.token', 'second.token']) {
      writeFileSync(token, `${value}\n`);
      expect(await files.tokenFor('https://kubernetes.default.svc:443/')).toBe(value);
      expect(await files.tokenFor('https://vault.example.com:8200/base')).toBe(value);
    }
  });

  it.each([
    'https://evil.example',
    'http://kubernetes.default.svc',
    'https://kubernetes.default.svc:6443',
    'https://kubernetes.default.svc.evil.example',
    'https://kubernetes.default.svc/api/v1/namespaces/x/services/evil/proxy',
    'https://vault.example.com:8200',
    'https://ca.example.com',
  ])('give no token to %s', async (address) => {
    writeFileSync(token, 'the.token');
    expect(await files.tokenFor(address)).toBeNull();
  });

  it('give the CAs of an origin, whatever the path', async () => {
    writeFileSync(ca, 'PEM');
    expect(await files.caFor('https://kubernetes.default.svc/api/v1')).toBe('PEM');
    expect(await files.caFor(new URL('https://vault.example.com:8200/base/v1'))).toBeUndefined();
    expect(await files.caFor('https://other.example')).toBeUndefined();
  });

  it('give the CAs of an origin of which another path has a token alone', async () => {
    writeFileSync(ca, 'PEM');
    expect(await files.caFor('https://both.example.com/one')).toBe('PEM');
  });

  it.each(['/acme/order/1', '', 'https://'])('give no CAs to %j, which is no address', async (address) => {
    expect(await files.caFor(address)).toBeUndefined();
  });

  it.each(['', 'two words', 'a\nb', 'a\0b'])('say that %j is no token, and do not repeat it', async (text) => {
    writeFileSync(token, text);
    await expect(files.tokenFor('https://kubernetes.default.svc')).rejects.toMatchObject({
      fault: 'misconfigured',
      detail: `The file ${token} of SERVICE_FILES holds no token.`,
    });
  });

  it('say which file cannot be read, which may pass', async () => {
    rmSync(token);
    await expect(files.tokenFor('https://kubernetes.default.svc')).rejects.toMatchObject({
      fault: 'unavailable',
      detail: `The file ${token} of SERVICE_FILES cannot be read (ENOENT).`,
    });
  });
});
