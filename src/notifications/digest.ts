import type { NotificationMessage } from '../plugin-api/notification.js';
import { worst } from './incidents.js';
import { type RenderedMessage, renderMessage } from './message-layout.js';

/** A message before it has a key. */
type Unsent = Omit<NotificationMessage, 'dedupeKey'>;

/** One message of several about different events. Each card says what happened, and what to do. */
export function digestOf(messages: readonly [Unsent, ...Unsent[]]): Unsent {
  const [first, ...more] = messages;
  if (more.length === 0) return first;
  return {
    event: 'notification.digest',
    ...layout(messages),
    severity: worst(messages.map(({ severity }) => severity)),
    incidents: messages.flatMap(({ incidents }) => incidents),
    data: { messages: messages.map(({ event, subject, data }) => ({ event, subject, data })) },
    recipients: [...new Set(messages.flatMap(({ recipients }) => recipients))],
  };
}

function layout(messages: readonly [Unsent, ...Unsent[]]): RenderedMessage {
  const [{ subject }, ...more] = messages;
  return renderMessage({
    subject: `${subject} and ${more.length} more`,
    heading: `${messages.length} notices`,
    paragraphs: messages.map((message) => message.subject),
    cards: messages.flatMap(({ content: { heading, paragraphs, cards } }) =>
      cards.map(({ title, url, facts }) => ({
        title,
        url,
        facts: [['Notice', heading], ...facts, ...paragraphs.map((text) => ['Details', text] as const)],
      })),
    ),
  });
}
