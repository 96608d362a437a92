/** Control and format characters, bidirectional marks included, and lone surrogates. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** One line for display: each run of characters that a terminal, mail or page could interpret becomes a space. */
export function printableLine(text: string): string {
  return text.replaceAll(new RegExp(`${unprintable.source}+`, 'gu'), ' ').trim();
}

/** The text with such characters escaped like `\u001b`: nothing is lost, and JSON keeps its meaning. */
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
