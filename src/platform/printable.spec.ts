import { describe, expect, it } from 'vitest';
import { escapeUnprintable, printableLine } from './printable.js';

const odd = {
  NUL: '\0',
  'escape sequence': '\u001b[31m',
  'line feed': '\r\n',
  DEL: '\u007f',
  'C1 control sequence introducer': '\u009b2J',
  'right-to-left override': '\u202e',
  isolate: '\u2066',
  'line separator': '\u2028',
  'paragraph separator': '\u2029',
  'zero width space': '\u200b',
  'byte order mark': '\ufeff',
  'tag character': '\u{e0041}',
  'half of a pair': '\ud800',
};
const acts = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe('text of strangers', () => {
  it.each(Object.entries(odd))('with a %s is one harmless line, and is escaped without loss in JSON', (_, text) => {
    const name = `a${text}b`;
    expect(printableLine(name)).toMatch(/^a .*b$/);
    expect(printableLine(name)).not.toMatch(acts);
    expect(escapeUnprintable(name)).not.toMatch(acts);
    const written = escapeUnprintable(JSON.stringify({ name }));
    expect(written).not.toMatch(acts);
    expect(JSON.parse(written)).toEqual({ name });
  });

  it('stays as it is where nothing in it acts', () => {
    for (const text of ['Müller & Söhne', '株式会社', '\\u0041 "quoted"', '😀'])
      expect([printableLine(text), escapeUnprintable(text)]).toEqual([text, text]);
  });
});
