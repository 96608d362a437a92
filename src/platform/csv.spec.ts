import { describe, expect, it } from 'vitest';
import { readCsv } from './csv.js';

const fields = (text: string): string[][] => readCsv(text).records.map((record) => record.fields);

describe('a CSV text', () => {
  it.each<[string, string, string[][]]>([
    ['nothing', '', []],
    ['one field', 'a', [['a']]],
    ['CRLF, LF and no end of the last line', 'a,b\r\nc,d\ne,f', ['ab', 'cd', 'ef'].map((pair) => [...pair])],
    ['a byte order mark', '\ufeffa,b\r\n', [['a', 'b']]],
    [
      'empty fields and empty lines',
      ',\n\n\r\na,\n',
      [
        ['', ''],
        ['a', ''],
      ],
    ],
    [
      'quoted fields',
      '"a,b","c ""d"""\n"","e\r\nf"\n',
      [
        ['a,b', 'c "d"'],
        ['', 'e\r\nf'],
      ],
    ],
    ['an empty quoted field alone', '""\n', [['']]],
  ])('may have %s', (_, text, expected) => {
    expect(readCsv(text).fault).toBeNull();
    expect(fields(text)).toEqual(expected);
  });

  it.each<[string, number, RegExp]>([
    ['a,b\n"c\nd" e,f\n', 2, /behind a closing quote/],
    ['a,b\n\nc"d\n', 3, /within a field/],
    ['a\rb\n', 1, /carriage return/],
    ['a,b\n"c\nd\n', 2, /not closed/],
  ])('of %j has its fault on line %i', (text, line, detail) => {
    expect(readCsv(text).fault).toEqual({ line, detail: expect.stringMatching(detail) });
  });

  it('gives the line on which each record begins, also after fields of several lines', () => {
    expect(readCsv('a\n"b\nc"\n\nd\n').records.map(({ line }) => line)).toEqual([1, 2, 5]);
  });

  it('of a long quoted field is read', () => {
    expect(fields(`"${'a""'.repeat(200_000)}"`)[0]?.[0]).toHaveLength(400_000);
  });
});
