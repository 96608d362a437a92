import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeChannel, expiring, facts, messageOf, now, type Shown } from '../../test/support/channel-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { discord } from './discord.notification.js';

const token = 'Marker-discord-token_4f6e';
const urlWith = (secret: string): string => `https://discord.com/api/webhooks/123456789012345678/${secret}`;

/** Limits of an embed; 6000 characters over all. */
const Payload = z.strictObject({
  embeds: z.tuple([
    z.strictObject({
      description: z.string().min(1).max(4096),
      color: z.int().min(0).max(0xffffff),
      timestamp: z.literal(now.toISOString()),
    }),
  ]),
  allowed_mentions: z.strictObject({ parse: z.tuple([]) }),
});

function answer({ method, path, query, headers, json }: Exchange, taken: Shown[]): Reply {
  const failed = (status: number, code: number, message: string): Reply => ({ status, body: { message, code } });
  if (headers['x-host'] !== 'discord.com' || method !== 'POST') return failed(405, 0, '405: Method Not Allowed');
  if (path !== `/api/webhooks/123456789012345678/${token}`)
    return failed(401, 50_027, `Invalid Webhook Token ${path.split('/').pop()}`);
  if (headers['content-type'] !== 'application/json') return failed(400, 50_109, 'The request body is invalid JSON.');
  if (query.get('wait') !== 'true') throw new Error('Discord says nothing of errors without wait.');
  if (query.has('thread_id') && query.get('thread_id') !== '77') return failed(400, 220_003, 'No threads here');
  const read = Payload.safeParse(json);
  if (!read.success) return failed(400, 50_035, 'Invalid Form Body');
  taken.push(markdown(read.data.embeds[0].description));
  return { status: 200, body: { id: '1' } };
}

/** An escape, a link of ours, bold, and every other text that Discord does not show as it is. */
const meaningful = new RegExp(
  [
    /\\([^0-9A-Za-z\s])|\[Open in Perennial\]\(<([^<>]+)>\)|\*\*/,
    /[*_~`|[\]<\\]|^[#>+-]|^\d+[.)]|\w+:\/\/|:\w+:|@(?:everyone|here)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gm',
);

/**
 * Reads the Markdown of Discord. Throws for a character with a meaning that is neither escaped nor of the two forms
 * that we write, bold and a link.
 */
function markdown(source: string): Shown {
  const links: string[] = [];
  const text = source.replaceAll(meaningful, (whole, escaped: string | undefined, link: string | undefined) => {
    if (escaped !== undefined) return escaped;
    if (link !== undefined) links.push(link);
    else if (whole !== '**') throw new Error(`It has a meaning: ${whole} in ${source}`);
    return '';
  });
  return { text, links };
}

describeChannel(
  'discord',
  {
    plugin: discord,
    options: discord.options.parse({ webhookUrl: urlWith(token) }),
    wrong: discord.options.parse({ webhookUrl: urlWith('Marker-wrong-token_4f6e') }),
    secrets: [token, 'Marker-wrong-token_4f6e'],
    answer,
  },
  ({ standIn, send }) => {
    it.each(['# d', '> d', '- d', '12. d', '3) d'])(
      'shows %j at the beginning of a line as it is',
      async (destination) => {
        const failure = { what: 'delivery' as const, reason: 'r', attempts: 1, nextAttemptAt: null };
        const message = messageOf('delivery.failing', { certificate: facts(7), destination, ...failure });
        expect((await send(message))[0]?.text).toContain(`\n${destination} did not take it`);
      },
    );

    it.each([
      [429, { message: 'You are being rate limited.', retry_after: 0.3, global: false }, 'unavailable', 1],
      [404, { message: 'Unknown Webhook', code: 10_015 }, 'misconfigured', undefined],
      [400, { message: 'Webhooks posted to forum channels need a thread', code: 220_001 }, 'misconfigured', undefined],
      [400, { message: 'Invalid Form Body', code: 50_035 }, 'refused', undefined],
    ])('takes %i %j for %s', async (status, body, fault, waitS) => {
      standIn().fail({ on: /./, kind: { status, body } });
      const failure = await failureOf(send(expiring(facts(7))));
      expect([failure.fault, failure.retryAfterS]).toEqual([fault, waitS]);
      expect(failure.detail).toContain(body.message.replace(/\.$/, ''));
    });
  },
);

it.each([
  'https://discord.com/api/webhooks/1',
  'https://discord.com/channels/1/2',
  'https://discord.com/api/webhooks/1/a?x#y',
  'ftp://discord.com/api/webhooks/1/a',
  'nonsense',
])('options of discord refuse the URL %s', (webhookUrl) => {
  expect(discord.options.safeParse({ webhookUrl }).success).toBe(false);
});
