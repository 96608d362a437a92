import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { leftOut, textWithin } from '../../src/plugin-api/message-text.js';
import { defineNotification, type MessageCard, type NotificationMessage } from '../../src/plugin-api/notification.js';
import { AwsFailure, serviceIn } from './aws-request.js';
import { AwsService } from './aws.client.js';
import { awsSignIn, demandWhole } from './aws.options.js';

const topic = /^arn:aws[\w-]*:sns:([a-z0-9-]+):\d{12}:[\w-]{1,256}(\.fifo)?$/;

const options = z.strictObject({
  topicArn: z
    .string()
    .regex(topic, 'must be the ARN of a topic')
    .meta({
      title: 'Topic',
      description: 'ARN of the topic. Its region is the one that is asked.',
      examples: ['arn:aws:sns:eu-central-1:123456789012:certificates'],
    }),
  format: z.enum(['text', 'json']).default('text').meta({
    title: 'Format',
    description: 'text: for people, by mail. json: for programs, with the facts behind the text.',
  }),
  ...awsSignIn,
});

const version = '2010-03-31';
/** A message with its attributes has at most 256 KiB (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html). */
const mostBytes = 250_000;
/** In JSON, the text leaves room for itself in escapes, and for the facts. */
const mostTextBytes = { text: mostBytes, json: 60_000 };
/** A subject is shorter than 100 characters. */
const longestSubject = 99;
/** What SNS answers when the topic must be made or changed there. */
const ofTopic = new Set(['EndpointDisabled', 'NotFound', 'PlatformApplicationDisabled']);

/** Publishes to a topic of Amazon SNS, from which mail, queues and functions get it. */
export const awsSns = defineNotification({
  id: 'aws-sns',
  title: 'AWS SNS',
  description: 'Publishes messages to a topic of Amazon SNS, for its subscribers by mail, in queues and in functions.',
  options,
  hears: 'all',

  async admit(o) {
    demandWhole(o);
  },

  async send(message, o, ctx) {
    const [, region = '', fifo] = topic.exec(o.topicArn) ?? [];
    const sns = new AwsService(serviceIn(region, 'AWS SNS', 'sns'), { ...o, region }, ctx);
    try {
      await sns.query('Publish', version, {
        TopicArn: o.topicArn,
        Subject: subjectOf(message),
        Message: bodyOf(message, o.format),
        ...attributes({ event: message.event, severity: message.severity }),
        // Within five minutes a FIFO topic takes what has the same id for the same message.
        ...(fifo !== undefined && { MessageGroupId: 'perennial', MessageDeduplicationId: idOf(message) }),
      });
    } catch (error) {
      if (!(error instanceof AwsFailure && ofTopic.has(error.code))) throw error;
      throw new PluginError('misconfigured', error.detail);
    }
  },
});

/** Printable ASCII that begins with no space: SNS takes nothing else. */
function subjectOf({ subject }: NotificationMessage): string {
  const plain = subject
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^\x20-\x7e]/gu, '?')
    .trim();
  return plain.length <= longestSubject ? plain || 'Perennial' : `${plain.slice(0, longestSubject - 3)}...`;
}

function bodyOf(message: NotificationMessage, format: 'text' | 'json'): string {
  const text = textWithin(message.content, {
    paragraph: (paragraph) => paragraph,
    card: cardText,
    more: leftOut,
    most: mostTextBytes[format],
    sizeOf: (whole) => Buffer.byteLength(whole),
  });
  const { event, severity, dedupeKey, data } = message;
  if (format === 'text') return `${message.subject}\n\n${text}`;
  const told = { event, severity, subject: message.subject, text, dedupeKey };
  const whole = JSON.stringify({ ...told, data });
  return Buffer.byteLength(whole) <= mostBytes ? whole : JSON.stringify({ ...told, data: null });
}

function cardText({ title, url, facts }: MessageCard): string {
  return [title, ...facts.map(([label, value]) => `${label}: ${value}`), url].join('\n');
}

/** By which subscriptions can filter. */
function attributes(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value], at) => {
      const entry = `MessageAttributes.entry.${at + 1}`;
      return [
        [`${entry}.Name`, name],
        [`${entry}.Value.DataType`, 'String'],
        [`${entry}.Value.StringValue`, value],
      ];
    }),
  );
}

function idOf({ dedupeKey }: NotificationMessage): string {
  return createHash('sha256').update(dedupeKey).digest('hex');
}
