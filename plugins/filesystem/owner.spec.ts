import { describe, expect, it } from 'vitest';
import { localAccounts, resolveOwner } from './owner.js';

const accounts = {
  passwd: 'root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:34:www:/var/www:/usr/sbin/nologin\n',
  group: 'root:x:0:\nssl-cert:x:113:www-data\n',
};

describe('resolveOwner', () => {
  it.each([
    ['www-data', { uid: 33, gid: 34 }],
    ['www-data:ssl-cert', { uid: 33, gid: 113 }],
    ['www-data:77', { uid: 33, gid: 77 }],
    ['1000:1001', { uid: 1000, gid: 1001 }],
    ['33', { uid: 33, gid: 34 }],
  ])('reads %s', (owner, expected) => {
    expect(resolveOwner(owner, accounts)).toEqual(expected);
  });

  it.each(['nobody-here', 'www-data:no-group', '4711'])('refuses %s', (owner) => {
    expect(() => resolveOwner(owner, accounts)).toThrow(expect.objectContaining({ fault: 'misconfigured' }));
  });

  it('knows the superuser of this machine', async () => {
    expect(resolveOwner('root', await localAccounts())).toEqual({ uid: 0, gid: 0 });
  });
});
