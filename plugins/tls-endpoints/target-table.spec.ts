import { describe, expect, it } from 'vitest';
import { targetTable } from './target-table.js';

const added = (row: object, entries: string[] = []): string[] =>
  targetTable.add(entries, [targetTable.row.parse(row)]).slice(entries.length);

describe('a line of hosts', () => {
  it.each<[object, string]>([
    [{ host: 'WWW.Example.com' }, 'www.example.com'],
    [{ host: '192.0.2.7', port: '8443', servername: 'Shop.example.com' }, 'shop.example.com@192.0.2.7:8443'],
    [{ host: '2001:DB8:0::7' }, '[2001:db8::7]'],
    [{ host: '[2001:db8::7]', port: '636' }, '[2001:db8::7]:636'],
    [{ host: '2001:db8::/120', starttls: 'tls' }, 'tls://[2001:db8::/120]'],
    [{ host: '10.1.2.0/24', port: '0443' }, '10.1.2.0/24:443'],
    [{ host: 'mail.example.com', starttls: 'smtp', port: '2525' }, 'smtp://mail.example.com:2525'],
  ])('%j is the entry %s', (row, entry) => {
    expect(added(row)).toEqual([entry]);
  });

  it.each<[object, string]>([
    [{}, 'host'],
    [{ host: 'a.test:443' }, 'host'],
    [{ host: 'x@a.test' }, 'host'],
    [{ host: 'smtp://a.test' }, 'host'],
    [{ host: '10.0.0.0/8' }, 'host'],
    [{ host: '10.0.0.1-10.0.0.9' }, 'host'],
    [{ host: '300.1.1.1' }, 'host'],
    [{ host: '10.0.0.0/33' }, 'host'],
    [{ host: '2001:db8::/64' }, 'host'],
    [{ host: '2001:db8::7]:1' }, 'host'],
    [{ host: 'a.test', port: '65536' }, 'port'],
    [{ host: 'a.test', port: '-1' }, 'port'],
    [{ host: 'a.test', servername: '192.0.2.1' }, 'servername'],
    [{ host: 'a.test', starttls: 'ftp' }, 'starttls'],
  ])('%j is refused for its %s', (row, column) => {
    expect(targetTable.row.safeParse(row).error?.issues.map(({ path }) => path[0])).toEqual([column]);
  });

  it('is not added again in any spelling', () => {
    expect(added({ host: 'a.test' }, ['A.test'])).toEqual([]);
    expect(added({ host: '2001:db8:0::1', port: '1' }, ['[2001:DB8::1]:1'])).toEqual([]);
    expect(added({ host: 'a.test', port: '25' }, ['a.test'])).toEqual(['a.test:25']);
    const twice = [{ host: 'b.test' }, { host: 'B.TEST' }].map((row) => targetTable.row.parse(row));
    expect(targetTable.add([], twice)).toEqual(['b.test']);
  });
});
