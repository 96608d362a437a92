import { describe, expect, it } from 'vitest';
import { entryFault, isEntry, type TargetOptions, targetsOf, textOf } from './targets.js';

const targets = (hosts: string[], more: Partial<TargetOptions> = {}) => [
  ...targetsOf({ hosts, exclude: [], port: 443, ports: [], largeScan: false, ...more }),
];
const texts = (...given: Parameters<typeof targets>): string[] => targets(...given).map(textOf);

describe('the servers of the options', () => {
  it.each([
    ['10.0.0.6/31', ['10.0.0.6:443', '10.0.0.7:443']],
    ['10.0.0.7/31', ['10.0.0.6:443', '10.0.0.7:443']],
    ['255.255.255.255/32', ['255.255.255.255:443']],
    ['10.0.0.255/23:8443', expect.objectContaining({ length: 512, 0: '10.0.0.0:8443', 511: '10.0.1.255:8443' })],
    ['[2001:DB8::fffe/127]', ['[2001:db8::fffe]:443', '[2001:db8::ffff]:443']],
    ['[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128]:1', ['[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1']],
    ['Shop.test@10.0.0.6/31', ['shop.test@10.0.0.6:443', 'shop.test@10.0.0.7:443']],
  ])('of the network %s are its addresses', (entry, expected) => {
    expect(texts([entry])).toEqual(expected);
  });

  it.each([
    ['a.test:25', 'smtp', 25],
    ['a.test:465', 'tls', 465],
    ['tls://a.test:25', 'tls', 25],
    ['imap://a.test', 'imap', 143],
    ['ldap://a.test:1389', 'ldap', 1389],
    ['tls://a.test', 'tls', 443],
    ['a.test:5432', 'postgres', 5432],
  ])('%s begin TLS in %s at port %d', (entry, protocol, port) => {
    expect(targets([entry])).toMatchObject([{ host: 'a.test', protocol, port }]);
  });

  it('have further ports unless they have one of their own', () => {
    const hosts = ['a.test', 'b.test:8443', 'smtp://c.test'];
    const expected = ['a.test:443', 'a.test:25', 'b.test:8443', 'c.test:25'];
    expect(texts(hosts, { ports: [25, 443] })).toEqual(expected);
  });

  it('are each named once, in any spelling', () => {
    expect(texts(['10.0.0.1', '10.0.0.0/30', '[::1]', '[0:0::1]', 'A.test', 'a.test'])).toEqual([
      ...['10.0.0.1:443', '10.0.0.0:443', '10.0.0.2:443', '10.0.0.3:443', '[::1]:443', 'a.test:443'],
    ]);
  });

  it('are not those that are excluded by name, address or network', () => {
    const exclude = ['A.test', '10.0.0.1', '10.0.0.4/30', '2001:db8::/64'];
    const hosts = ['a.test', 'b.test', '10.0.0.0/29', '[2001:db8::1]', '[2001:db8:1::1]'];
    expect(texts(hosts, { exclude })).toEqual([
      ...['b.test:443', '10.0.0.0:443', '10.0.0.2:443', '10.0.0.3:443', '[2001:db8:1::1]:443'],
    ]);
  });

  it.each([
    '300.1.1.1',
    '10.0.0.1-10.0.0.9',
    '1.2',
    'a.test@b.7',
    '10.0.0.0/15',
    '[2001:db8::]/64',
    'a.test/24',
    '::1',
  ])('are not read from %s', (text) => {
    expect(isEntry(text)).toBe(false);
    expect(entryFault(text)).toMatch(
      text.includes('/') ? /^must be a network of at most 65,536/ : /^must be \[protocol/,
    );
  });
});
