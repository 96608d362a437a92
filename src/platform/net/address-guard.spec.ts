import { describe, expect, it } from 'vitest';
import { AddressGuard } from './address-guard.js';

describe('AddressGuard', () => {
  const strict = new AddressGuard([]);

  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '2001:db8::1',
    '2001:0:7f00:1::',
  ])('refuses %s', (address) => {
    expect(strict.permits(address)).toBe(false);
  });

  it.each([
    '1.1.1.1',
    '100.63.255.255',
    '172.15.255.255',
    '172.32.0.1',
    '192.0.1.1',
    '::ffff:8.8.8.8',
    '2606:4700:4700::1111',
    '2a00:1450::1',
  ])('permits %s', (address) => {
    expect(strict.permits(address)).toBe(true);
  });

  it('opens what the operator allows, and no more', () => {
    const guard = new AddressGuard(['10.1.0.0/16', '192.168.7.7', 'fd00::/8', 'vault.internal', '0.0.0.0/32']);
    expect(['10.1.255.1', '::ffff:10.1.0.1', '192.168.7.7', 'fd00::1', '0.0.0.0'].map((a) => guard.permits(a))).toEqual(
      [true, true, true, true, true],
    );
    expect(['10.2.0.1', '192.168.7.8', 'fc00::1', '127.0.0.1'].map((a) => guard.permits(a))).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(['vault.internal', 'VAULT.internal.', 'x.vault.internal', '10.1.0.1'].map((n) => guard.trusts(n))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
