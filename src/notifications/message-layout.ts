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

const html = Handlebars.compile<MessageDraft>(
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
<body class="page" style="margin:0;padding:24px 12px;background:#f4f5f7;color:#1d2129;font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<div role="article" aria-label="{{heading}}" style="max-width:600px;margin:0 auto">
<h1 style="margin:0 0 16px;font-size:20px;line-height:1.3">{{heading}}</h1>
{{#each paragraphs}}
<p style="margin:0 0 16px">{{this}}</p>
{{/each}}
{{#each cards}}
<div class="card" style="margin:0 0 16px;padding:16px;background:#ffffff;border:1px solid #d8dce3;border-radius:8px;overflow-wrap:anywhere">
<p style="margin:0 0 8px;font-weight:600"><a class="link" href="{{url}}" style="color:#0b57d0">{{title}}</a></p>
{{#each facts}}
<p style="margin:0"><span class="label" style="color:#5a6270">{{this.[0]}}:</span> {{this.[1]}}</p>
{{/each}}
</div>
{{/each}}
<p class="foot" style="margin:24px 0 0;font-size:13px;color:#5a6270">Sent by Perennial.</p>
</div>
</body>
</html>
`,
  { strict: true },
);

const text = Handlebars.compile<MessageDraft>(
  `{{heading}}
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
Sent by Perennial.
`,
  { strict: true, noEscape: true },
);

/**
 * Lays a message out as plain text and as HTML. Every value becomes one line, because names come from strangers; markup
 * in values stays text.
 */
export function renderMessage(draft: MessageDraft): RenderedMessage {
  const content = {
    heading: printableLine(draft.heading),
    paragraphs: draft.paragraphs.map(printableLine),
    cards: draft.cards.map(({ title, url, facts }) => ({
      title: printableLine(title),
      url: printableLine(url),
      facts: facts.map(([label, value]) => [label, printableLine(value)] as const),
    })),
  };
  const clean = { subject: printableLine(draft.subject), ...content };
  return { subject: clean.subject, text: text(clean), html: html(clean), content };
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
