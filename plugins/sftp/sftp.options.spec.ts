import { describe, expect, it } from 'vitest';
import { options } from './sftp.options.js';

/** Options that are right. */
const right = {
  host: 'web1.example.com',
  hostKeys: 'web1.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA5TVTZAnttANQXk6K+jobf9Z2E1IkfGIA9mzLgbUSrW',
  user: 'deploy',
  password: 'Marker-password-3c1',
  folder: '/etc/ssl/perennial',
};

describe('the options of sftp', () => {
  it('take a server with its host key, a user and a folder', () => {
    expect(options.safeParse(right).error).toBeUndefined();
  });

  it.each([
    { host: 'a b' },
    { port: 0 },
    { hostKeys: '' },
    { hostKeys: 'web1.example.com' },
    { user: 'a b' },
    { privateKey: 'x' },
    { folder: 'relative' },
    { folder: '/a/../b' },
    { folder: '/a/' },
    { mode: '0644' },
    { owner: 'www-data' },
    { command: 'reload\nrm x' },
    { command: 'reload {name}' },
    { other: 1 },
  ])('refuse %j', (changed) => {
    expect(options.safeParse({ ...right, ...changed }).success).toBe(false);
  });
});
