/** Control and format characters, those that turn the direction of text included, and halves of surrogate pairs. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** One line for people: each run of characters that could act on a terminal, mail or page becomes a space. */
export function printableLine(text: string): string {
  return text.replaceAll(new RegExp(`${unprintable.source}+`, 'gu'), ' ').trim();
}

/** The same text with such characters written as `\u001b`: nothing is lost, and JSON stays the same JSON. */
export function escapeUnprintable(text: string): string {
  return text.replaceAll(unprintable, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** As `escapeUnprintable`, and keeps the line feeds. */
export function escapeLines(text: string): string {
  return text.split('\n').map(escapeUnprintable).join('\n');
}
