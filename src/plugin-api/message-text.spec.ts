import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, cutEscaped, escapeEntities, leftOut, textWithin } from './message-text.js';

const texts = fc.string({ unit: fc.constantFrom('a', ' ', '<', '&', 'ü', '🚀', 'é'), maxLength: 60 });
const halfOfACharacter = /\p{Surrogate}/u;

describe('cut', () => {
  it('keeps a text that fits, and else its beginning without half of a character', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 80 }), (text, most) => {
        const short = cut(text, most);
        expect(short.length).toBeLessThanOrEqual(most);
        expect(short).not.toMatch(halfOfACharacter);
        if (text.length <= most) expect(short).toBe(text);
        else expect([short.at(-1), text.startsWith(short.slice(0, -1))]).toEqual(['…', true]);
      }),
    );
  });
});

describe('cutEscaped', () => {
  it('keeps the longest beginning whose escaped form fits, and cuts no entity', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 80 }), (text, most) => {
        const short = cutEscaped(text, most, escapeEntities);
        expect(short.length).toBeLessThanOrEqual(most);
        expect(short).not.toMatch(/&(?!amp;|lt;|gt;)/);
        expect(short).not.toMatch(halfOfACharacter);
        const kept = [...Array(text.length + 1).keys()].map((n) => escapeEntities(cut(text, n)));
        const longest = kept
          .filter(({ length }) => length <= most)
          .reduce((a, b) => (b.length >= a.length ? b : a), '');
        expect(short.length).toBe(longest.length);
      }),
    );
  });
});

describe('textWithin', () => {
  const form = {
    paragraph: (text: string) => text,
    card: ({ title }: { title: string }) => `* ${title}`,
    more: leftOut,
  };
  const content = (paragraphs: string[], titles: string[]) => ({
    heading: '',
    paragraphs,
    cards: titles.map((title) => ({ title, url: 'https://pki.example.org/1', facts: [] })),
  });

  it('keeps as many whole cards as fit, and counts the others', () => {
    expect(textWithin(content(['Hello'], ['a', 'b']), { ...form, most: 15 })).toBe('Hello\n\n* a\n\n* b');
    const many = content(['Hello'], Array<string>(20).fill('card'));
    const expected = `Hello\n\n* card\n\n* card\n\n${leftOut(18)}`;
    for (const more of [0, 7]) expect(textWithin(many, { ...form, most: expected.length + more })).toBe(expected);
    expect(textWithin(content([], []), { ...form, most: 70 })).toBe('');
  });

  it('is never larger than the bound, by whatever measure', () => {
    fc.assert(
      fc.property(fc.array(texts), fc.array(texts), fc.integer({ min: 80, max: 400 }), (paragraphs, titles, most) => {
        const sizeOf = (text: string): number => Buffer.byteLength(text);
        const text = textWithin(content(paragraphs, titles), { ...form, most, sizeOf });
        expect(sizeOf(text)).toBeLessThanOrEqual(most);
      }),
    );
  });
});
