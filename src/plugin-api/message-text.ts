import type { MessageCard, MessageContent } from './notification.js';

/** How a service writes a message into one text of bounded size. What comes in is raw, what goes out is its markup. */
export interface TextForm {
  paragraph(text: string): string;
  card(card: MessageCard): string;
  /** Says how many cards and paragraphs there was no room for. */
  more: (count: number) => string;
  /** The largest size of the text, as the service measures it. */
  most: number;
  /** Characters (UTF-16 code units) unless given. */
  sizeOf?: (text: string) => number;
}

/**
 * The longest value in a message for a service with bounds. A value that is escaped grows to six times its length at
 * most, so that each paragraph and card fits on its own.
 */
const longestValue = 400;

/** At most `most` code units; what is cut ends with an ellipsis, and no character is split. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, Math.max(0, most - 1)).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** The longest beginning of a text whose escaped form has the size `most` or less, escaped. */
export function cutEscaped(
  text: string,
  most: number,
  escape: (text: string) => string,
  sizeOf: (escaped: string) => number = ({ length }) => length,
): string {
  if (sizeOf(escape(text)) <= most) return escape(text);
  let [fits, tooLong] = [0, text.length];
  while (tooLong - fits > 1) {
    const middle = Math.floor((fits + tooLong) / 2);
    if (sizeOf(escape(cut(text, middle))) <= most) fits = middle;
    else tooLong = middle;
  }
  return escape(cut(text, fits));
}

/** The message with long values cut, so that no single one fills the room of all. */
export function shortened({ heading, paragraphs, cards }: MessageContent): MessageContent {
  return {
    heading: cut(heading, longestValue),
    paragraphs: paragraphs.map((text) => cut(text, longestValue)),
    cards: cards.map(({ title, url, facts }) => ({
      title: cut(title, longestValue),
      url,
      facts: facts.map(([label, value]) => [label, cut(value, longestValue)] as const),
    })),
  };
}

/** Paragraphs, then cards, with empty lines between: as many as fit whole, and how many more there are. */
export function textWithin(content: MessageContent, form: TextForm): string {
  const { paragraphs, cards } = shortened(content);
  const blocks = [...paragraphs.map((text) => form.paragraph(text)), ...cards.map((card) => form.card(card))];
  const { more, most, sizeOf = ({ length }) => length } = form;
  return fitting(blocks, { more, most, sizeOf }, (kept) => kept.join('\n\n'));
}

/**
 * The largest whole that `join` makes of the first blocks, and of `more` for the rest, within the bound. Joining
 * everything is tried first, because mostly it fits.
 */
export function fitting<B, T>(
  blocks: readonly B[],
  { more, most, sizeOf }: { more: (count: number) => B; most: number; sizeOf: (whole: T) => number },
  join: (blocks: readonly B[]) => T,
): T {
  for (let kept = blocks.length; kept > 0; kept -= 1) {
    const left = blocks.length - kept;
    const whole = join(left === 0 ? blocks : [...blocks.slice(0, kept), more(left)]);
    if (sizeOf(whole) <= most) return whole;
  }
  return join(blocks.length === 0 ? [] : [more(blocks.length)]);
}

/** How many cards and paragraphs a message leaves out, in words. */
export function leftOut(count: number): string {
  return `${count} more ${count === 1 ? 'is' : 'are'} not shown here; Perennial lists them all.`;
}

/** For markup with entities, as Slack and Telegram have it. */
export function escapeEntities(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
