import Handlebars from 'handlebars';
import type { MessageContent } from '../plugin-api/notification.js';
import { printableLine } from '../platform/printable.js';

/** The content of a message before layout, with its subject. */
export interface MessageDraft extends MessageContent {
  subject: string;
}

export interface RenderedMessage {
  subject: string;
  text: string;
  html: string;
  content: MessageContent;
}

/** How messages look, and what stands around every one. Absent: as usual. */
export interface Look {
  productName?: string | undefined;
  /** `#rrggbb`, of the bar at the top. */
  color?: string | undefined;
  /** Stand before and after the content. */
  intro?: string | undefined;
  footer?: string | undefined;
}

/** What the templates are given. */
export interface TemplateValues extends MessageDraft {
  productName: string;
  color: string;
  intro: string;
  footer: string;
}

const usualLook = { productName: 'Perennial', color: '#0b57d0', intro: '' };

/*
 * Tables and inline styles, because Outlook lays out nothing else; the width of 600 pixels shrinks on a phone. A mail
 * program that knows dark mode gets its own colours, and one that inverts colours finds no picture or shadow to spoil.
 * Names, addresses and URLs of any length break: a table grows with its longest word else, past the edge of a phone.
 */
const html = Handlebars.compile<TemplateValues>(
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{subject}}</title>
<style>
@media (prefers-color-scheme: dark) {
  .page { background: #16181d !important; color: #e6e8ec !important; }
  .card { background: #1f2229 !important; border-color: #3a3f4a !important; }
  .label, .foot { color: #a3a9b5 !important; }
  .link { color: #8ab4f8 !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f4f5f7;color:#1d2129">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0"
  style="background:#f4f5f7;color:#1d2129;font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<tr><td align="center" style="padding:24px 12px">
<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"
  style="table-layout:fixed;width:100%;max-width:600px;text-align:left;overflow-wrap:anywhere;word-break:break-word">
<tr><td style="border-top:4px solid {{color}};padding:16px 0 0">
<h1 style="margin:0 0 16px;font-size:20px;line-height:1.3">{{heading}}</h1>
{{#if intro}}
<p style="margin:0 0 16px">{{intro}}</p>
{{/if}}
{{#each paragraphs}}
<p style="margin:0 0 16px">{{this}}</p>
{{/each}}
</td></tr>
{{#each cards}}
<tr><td style="padding:0 0 16px">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" border="0"
  style="background:#ffffff;border:1px solid #d8dce3;border-radius:8px">
<tr><td style="padding:16px">
<p style="margin:0 0 8px;font-weight:600"><a class="link" href="{{url}}" style="color:#0b57d0">{{title}}</a></p>
{{#each facts}}
<p style="margin:0"><span class="label" style="color:#5a6270">{{this.[0]}}:</span> {{this.[1]}}</p>
{{/each}}
</td></tr>
</table>
</td></tr>
{{/each}}
<tr><td class="foot" style="padding:8px 0 0;font-size:13px;color:#5a6270">{{footer}}</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`,
  { strict: true },
);

const text = Handlebars.compile<TemplateValues>(
  `{{heading}}
{{#if intro}}

{{intro}}
{{/if}}
{{#each paragraphs}}

{{this}}
{{/each}}
{{#each cards}}

{{title}}
{{#each facts}}
  {{this.[0]}}: {{this.[1]}}
{{/each}}
  {{url}}
{{/each}}

--${' '}
{{footer}}
`,
  { strict: true, noEscape: true },
);

/**
 * Lays a message out as plain text and as HTML. Every value becomes one line, because names come from strangers; markup
 * in values stays text.
 */
export function renderMessage(draft: MessageDraft, look: Look = {}): RenderedMessage {
  const values = templateValues(draft, look);
  const { subject, heading, paragraphs, cards } = values;
  return { subject, text: text(values), html: html(values), content: { heading, paragraphs, cards } };
}

/** The values of a template, each in one line. */
export function templateValues(draft: MessageDraft, look: Look): TemplateValues {
  const { productName, color, intro, footer } = { ...usualLook, ...look };
  return {
    subject: printableLine(draft.subject),
    heading: printableLine(draft.heading),
    paragraphs: draft.paragraphs.map(printableLine),
    cards: draft.cards.map(({ title, url, facts }) => ({
      title: printableLine(title),
      url: printableLine(url),
      facts: facts.map(([label, value]) => [label, printableLine(value)] as const),
    })),
    productName: printableLine(productName),
    color,
    intro: printableLine(intro),
    footer: printableLine(footer ?? `Sent by ${productName}.`),
  };
}

/** The message for those who are told because nobody acted since `since`, when the channel with this label was told. */
export function escalated(
  { subject, content }: Pick<RenderedMessage, 'subject' | 'content'>,
  { since, channel }: { since: Date; channel: string },
): RenderedMessage {
  const time = `${since.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return renderMessage({
    ...content,
    subject: `No action yet: ${subject}`,
    paragraphs: [`Nobody has acted since ${time}, when the channel ${channel} was told.`, ...content.paragraphs],
  });
}

const longestName = 64;
/** Text that mail programs turn into links. Bare host names stay: they are the point of the subject. */
const link = /(?:[a-z][a-z0-9+.-]*:\/\/|(?:mailto|tel|javascript|data):)\S*/giu;

/** A name from outside, made safe for a subject line: one short line without links. */
export function inSubject(name: string): string {
  const clean = printableLine(name).replaceAll(link, '(link)');
  const letters = Array.from(clean);
  return letters.length <= longestName ? clean : `${letters.slice(0, longestName - 1).join('')}…`;
}
