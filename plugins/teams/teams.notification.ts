import { z } from 'zod';
import { secretUrl } from '../../src/plugin-api/message-options.js';
import { fitting, leftOut, shortened } from '../../src/plugin-api/message-text.js';
import {
  defineNotification,
  type MessageCard,
  type NotificationMessage,
  type Severity,
} from '../../src/plugin-api/notification.js';
import { postTo, type ReceiverAnswer, type ReceiverSays } from '../../src/plugin-api/receiver.js';

const options = z.strictObject({
  webhookUrl: secretUrl(
    'Webhook URL',
    'Of a workflow with the trigger "When a Teams webhook request is received". Everybody who knows it can post there.',
  ),
});

/** Teams takes 28 KB; the flow adds to it. */
const mostBytes = 24_000;

const ErrorBody = z.object({ error: z.object({ code: z.string(), message: z.string().optional() }) });
/** Errors of a workflow that is switched off or wants another kind of sign-in. */
const ofWorkflow = /^(WorkflowTriggerIsNotEnabled|DirectApiAuthorizationRequired|WorkflowNotFound)/;

interface TextRun {
  type: 'TextRun';
  text: string;
  weight?: 'Bolder';
  size?: 'Large';
  color?: 'Default' | 'Warning' | 'Attention';
  isSubtle?: true;
  selectAction?: { type: 'Action.OpenUrl'; url: string };
}
interface RichText {
  type: 'RichTextBlock';
  inlines: TextRun[];
  spacing?: 'None';
}
type Element = RichText | { type: 'Container'; separator: true; items: RichText[] };

/** Posts an Adaptive Card to a workflow, which posts it to a channel or chat. */
export const teams = defineNotification({
  id: 'teams',
  title: 'Microsoft Teams',
  description:
    'Posts messages to a channel or chat in Microsoft Teams through a workflow, which takes the place of the retired ' +
    'Office 365 connectors.',
  options,
  hears: 'all',

  async send(message, { webhookUrl }, ctx) {
    ctx.signal.throwIfAborted();
    await postTo(ctx.site, {
      name: 'The workflow of Microsoft Teams',
      url: webhookUrl,
      headers: { 'content-type': 'application/json' },
      body: payloadOf(message),
      secrets: [],
      read,
    });
  },
});

/** Text runs know no Markdown: names from outside stay what they are. */
function payloadOf({ subject, severity, content }: NotificationMessage): string {
  const { paragraphs, cards } = shortened(content);
  const title: TextRun = { type: 'TextRun', text: subject, weight: 'Bolder', size: 'Large', color: colorOf(severity) };
  const parts: Element[] = [...paragraphs.map((text) => line({ text })), ...cards.map((card) => container(card))];
  return fitting(
    parts,
    { more: (count) => line({ text: leftOut(count) }), most: mostBytes, sizeOf: (text) => Buffer.byteLength(text) },
    (kept) => envelope(subject, [{ type: 'RichTextBlock', inlines: [title] }, ...kept]),
  );
}

function envelope(fallbackText: string, body: readonly Element[]): string {
  const card = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    fallbackText,
    body,
  };
  const attachment = { contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card };
  return JSON.stringify({ type: 'message', attachments: [attachment] });
}

function container({ title, url, facts }: MessageCard): Element {
  return {
    type: 'Container',
    separator: true,
    items: [
      line({ text: title, weight: 'Bolder', selectAction: { type: 'Action.OpenUrl', url } }),
      ...facts.map(([label, value]) => ({
        ...line({ text: `${label}: `, isSubtle: true }, { text: value }),
        spacing: 'None' as const,
      })),
    ],
  };
}

function line(...runs: Omit<TextRun, 'type'>[]): RichText {
  return { type: 'RichTextBlock', inlines: runs.map((run) => ({ type: 'TextRun', ...run })) };
}

function colorOf(severity: Severity): TextRun['color'] {
  if (severity === 'info') return 'Default';
  return severity === 'warning' ? 'Warning' : 'Attention';
}

function read({ json }: ReceiverAnswer): ReceiverSays | undefined {
  const body = ErrorBody.safeParse(json);
  if (!body.success) return undefined;
  const { code, message } = body.data.error;
  return { words: [code, message].join(': '), ...(ofWorkflow.test(code) && { fault: 'misconfigured' }) };
}
