import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeChannel, expiring, facts, type Shown, urlOf } from '../../test/support/channel-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { slack } from './slack.notification.js';

const path = '/services/T01234567/B01234567/Marker-slack-hook-4f6e';
const token = 'xoxb-Marker-slack-token-4f6e';

const Plain = (most: number): z.ZodType<{ text: string }> =>
  z.strictObject({ type: z.literal('plain_text'), text: z.string().min(1).max(most), emoji: z.literal(false) });
const Block = z.union([
  z.strictObject({ type: z.literal('header'), text: Plain(150) }),
  z.strictObject({ type: z.literal('section'), text: Plain(3000) }),
  z.strictObject({
    type: z.literal('context'),
    elements: z
      .array(z.strictObject({ type: z.literal('mrkdwn'), text: z.string().max(3000), verbatim: z.literal(true) }))
      .min(1)
      .max(10),
  }),
]);
/** A message as Block Kit has it: at most 50 blocks, and a text for notifications. */
const Payload = z.strictObject({
  channel: z.string().optional(),
  text: z.string().min(1).max(4000),
  mrkdwn: z.literal(false),
  unfurl_links: z.literal(false),
  unfurl_media: z.literal(false),
  blocks: z.array(Block).min(1).max(50),
});

/** Incoming webhooks answer in text, the API with 200 and JSON. */
function answer({ method, path: asked, headers, json }: Exchange, taken: Shown[]): Reply {
  const isApi = headers['x-host'] === 'slack.com' && asked === '/api/chat.postMessage';
  const fail = (status: number, error: string): Reply =>
    isApi ? { status: 200, body: { ok: false, error } } : { status, body: error };
  if (method !== 'POST') return fail(405, 'method_not_allowed');
  if (!isApi && (headers['x-host'] !== 'hooks.slack.com' || asked !== path)) return fail(404, 'no_service');
  if (isApi && headers.authorization !== `Bearer ${token}`) return fail(401, 'invalid_auth');
  if (headers['content-type'] !== 'application/json; charset=utf-8') return fail(400, 'invalid_payload');
  const read = Payload.safeParse(json);
  if (!read.success) return fail(400, 'invalid_blocks');
  if (isApi && read.data.channel !== 'C0123456789') return fail(404, 'channel_not_found');
  if (!isApi && read.data.channel !== undefined) return fail(400, 'invalid_payload');
  taken.push(shown(read.data));
  return isApi ? { status: 200, body: { ok: true, ts: '1.2' } } : { status: 200, body: 'ok' };
}

/** Control sequences are in angle brackets; everything else is decoded (docs.slack.dev, "Formatting message text"). */
function shown({ text, blocks }: z.output<typeof Payload>): Shown {
  const literal = [text, ...blocks.flatMap((block) => (block.type === 'context' ? [] : [block.text.text]))];
  for (const one of literal)
    if (/[<>]|&(?!amp;|lt;|gt;)/.test(one)) throw new Error(`It is a control sequence: ${one}`);
  const marked = blocks.flatMap((block) => (block.type === 'context' ? block.elements.map((part) => part.text) : []));
  const links = marked.map((one) => /^<([^|<>]+)\|Open in Perennial>$/.exec(one)?.[1] ?? `no link: ${one}`);
  return { text: literal.map(decoded).join('\n'), links: links.map(decoded) };
}

function decoded(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

const hook = (name: string): { webhookUrl: string } => ({ webhookUrl: `https://hooks.slack.com${name}` });

describeChannel(
  'slack by a webhook',
  {
    plugin: slack,
    options: slack.options.parse(hook(path)),
    wrong: slack.options.parse(hook('/services/T01234567/B01234567/Marker-wrong-hook-4f6e')),
    secrets: ['Marker-slack-hook-4f6e', 'Marker-wrong-hook-4f6e'],
    answer,
  },
  ({ standIn, send }) => {
    it.each([
      [403, 'action_prohibited', 'misconfigured'],
      [410, 'channel_is_archived', 'misconfigured'],
      [400, 'invalid_token', 'misconfigured'],
      [400, 'invalid_payload', 'refused'],
      [500, 'rollup_error', 'unavailable'],
    ])('takes %i %s for %s', async (status, body, fault) => {
      standIn().fail({ on: /./, kind: { status, body } });
      const failure = await failureOf(send(expiring(facts(7))));
      expect([failure.fault, failure.detail]).toEqual([fault, `Slack answers with status ${status}: ${body}.`]);
    });

    it('says how many certificates there was no room for', async () => {
      const [message] = await send(expiring(...Array.from({ length: 60 }, (_, i) => facts(i + 1))));
      expect(message?.text).toContain('37 more are not shown here');
      expect(message?.links).toEqual(Array.from({ length: 23 }, (_, i) => urlOf(i + 1)));
    });
  },
);

describeChannel(
  'slack as a bot',
  {
    plugin: slack,
    options: slack.options.parse({ botToken: token, channel: 'C0123456789' }),
    wrong: slack.options.parse({ botToken: 'xoxb-Marker-wrong-4f6e', channel: 'C0123456789' }),
    secrets: [token, 'Marker-wrong-4f6e'],
    answer,
  },
  ({ standIn, send }) => {
    it.each([
      ['not_in_channel', 'misconfigured'],
      ['msg_too_long', 'refused'],
      ['internal_error', 'unavailable'],
    ])('takes the error %s for %s', async (error, fault) => {
      standIn().fail({ on: /./, kind: { status: 200, body: { ok: false, error } } });
      expect((await failureOf(send(expiring(facts(7))))).fault).toBe(fault);
    });

    it('does not take a page in HTML for a success', async () => {
      standIn().fail({ on: /./, kind: { status: 200, body: '<html>' } });
      expect((await failureOf(send(expiring(facts(7))))).fault).toBe('unavailable');
    });
  },
);

it.each([
  [{}, 'webhookUrl'],
  [{ ...hook(path), botToken: token, channel: 'C1' }, 'webhookUrl'],
  [{ botToken: token }, 'channel'],
  [hook('#fragment'), 'webhookUrl'],
])('options of slack refuse %j', (given, name) => {
  expect(slack.options.safeParse(given).error?.issues.map(({ path: [first] }) => first)).toContain(name);
});
