import Handlebars from 'handlebars';
import { z } from 'zod';
import type { NotificationMessage } from '../plugin-api/notification.js';
import { templateFault } from '../plugin-api/template-rules.js';
import { type Look, renderMessage, type RenderedMessage, templateValues } from './message-layout.js';

/** Without helpers that look further than the values of the message. */
const knownHelpers = { knownHelpersOnly: true, knownHelpers: { lookup: false, log: false } };
const ownMembers = { allowProtoPropertiesByDefault: false, allowProtoMethodsByDefault: false };
const engine = Handlebars.create();

const template = (isEscaped: boolean): z.ZodString =>
  z
    .string()
    .min(1)
    .max(50_000)
    .superRefine((source, context) => {
      const message = faultOf(source, isEscaped);
      if (message !== null) context.addIssue({ code: 'custom', message });
    });
const line = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .refine((text) => !/[\0-\x1f\x7f]/.test(text), 'must be one line');

/** How the messages of a channel look. */
export const ChannelLayout = z
  .strictObject({
    productName: line.max(64).optional().meta({ description: 'In place of `Perennial`.' }),
    subjectPrefix: line.max(64).optional().meta({ description: 'Before every subject, for example `[PKI]`.' }),
    intro: line.optional().meta({ description: 'Before the content of every message.' }),
    footer: line.optional().meta({ description: 'At the end of every message.' }),
    color: z
      .string()
      .regex(/^#[0-9a-f]{6}$/i, 'Give a colour like #0b57d0.')
      .optional()
      .meta({ description: 'Of the bar at the top.' }),
    text: template(false)
      .optional()
      .meta({
        description:
          'A Handlebars template in place of the plain text. Values: `subject`, `heading`, `paragraphs`, `cards` ' +
          '(`title`, `url`, `facts` with `label` and `value`), `productName`, `intro`, `footer`, `color`.',
      }),
    html: template(true).optional().meta({ description: 'As `text`, in place of the HTML. Values are escaped.' }),
  })
  .meta({ id: 'ChannelLayout' });
export type ChannelLayout = z.output<typeof ChannelLayout>;

type Laid = Pick<NotificationMessage, 'subject' | 'text' | 'html' | 'content'>;

/**
 * The message in this layout. A template that cannot be filled in, which no request is able to store, leaves the usual
 * layout: a notice in the wrong look is better than none.
 */
export function inLayout<T extends Laid>(message: T, layout: ChannelLayout): T {
  if (Object.keys(layout).length === 0) return message;
  const { subjectPrefix, text, html, ...look } = layout;
  const subject = subjectPrefix === undefined ? message.subject : `${subjectPrefix} ${message.subject}`;
  const usual = renderMessage({ ...message.content, subject }, look);
  return { ...message, ...usual, ...filled(usual, { text, html }, look) };
}

function filled(
  { subject, content }: RenderedMessage,
  templates: Pick<ChannelLayout, 'text' | 'html'>,
  look: Look,
): Partial<Laid> {
  const values = templateValues({ ...content, subject }, look);
  const cards = values.cards.map((card) => ({
    ...card,
    facts: card.facts.map(([label, value]) => ({ label, value })),
  }));
  try {
    return {
      ...(templates.text !== undefined && { text: fill(templates.text, { ...values, cards }, true) }),
      ...(templates.html !== undefined && { html: fill(templates.html, { ...values, cards }, false) }),
    };
  } catch {
    return {};
  }
}

function fill(source: string, values: object, noEscape: boolean): string {
  return engine.compile<object>(source, { noEscape, strict: true, ...knownHelpers })(values, ownMembers);
}

/** Why a template cannot be filled in with messages about no, one and several certificates; null when it can. */
function faultOf(source: string, isEscaped: boolean): string | null {
  try {
    const broken = templateFault(engine.parse(source), { isEscaped });
    if (broken !== null) return `cannot be used: ${broken}`;
    for (const count of [0, 1, 2]) fill(source, sampleOf(count), false);
    return null;
  } catch (error) {
    return `cannot be filled in with every message: ${(error as Error).message.split('\n')[0] ?? ''}`;
  }
}

function sampleOf(count: number): object {
  const card = {
    title: 'www.example.org',
    url: 'https://pki.example.org/1',
    facts: [{ label: 'Owner', value: 'web' }],
  };
  const content = { heading: 'A certificate expires', paragraphs: Array<string>(count).fill('Renew it.'), cards: [] };
  const values = templateValues({ subject: 'www.example.org expires', ...content }, {});
  return { ...values, cards: Array.from({ length: count }, () => card) };
}
