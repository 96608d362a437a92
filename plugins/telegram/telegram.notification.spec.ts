import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeChannel, expiring, facts, messageOf, type Shown } from '../../test/support/channel-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { telegram } from './telegram.notification.js';

const token = '123456789:Marker-telegram-token_4f6e-AAAA';
const wrong = '123456789:Marker-wrong-token_4f6e-AAAAAAA';

const Payload = z.strictObject({
  chat_id: z.string(),
  message_thread_id: z.int().optional(),
  text: z.string().min(1),
  parse_mode: z.literal('HTML'),
  link_preview_options: z.strictObject({ is_disabled: z.literal(true) }),
  disable_notification: z.boolean(),
});
const sounds: boolean[] = [];
const texts: string[] = [];

function answer({ method, path, headers, json }: Exchange, taken: Shown[]): Reply {
  const failed = (status: number, description: string): Reply => ({
    status,
    body: { ok: false, error_code: status, description },
  });
  if (headers['x-host'] !== 'api.telegram.org') return failed(404, 'Not Found');
  if (path !== `/bot${token}/sendMessage`) return failed(401, `Unauthorized ${path}`);
  if (method !== 'POST' || headers['content-type'] !== 'application/json')
    return failed(400, 'Bad Request: message text is empty');
  const read = Payload.safeParse(json);
  if (!read.success) return failed(400, 'Bad Request: can not parse the object');
  if (read.data.chat_id !== '-1001234567890') return failed(400, 'Bad Request: chat not found');
  const shown = html(read.data.text);
  if (shown.text.length > 4096) return failed(400, 'Bad Request: message is too long');
  taken.push(shown);
  texts.push(read.data.text);
  sounds.push(!read.data.disable_notification);
  return { status: 200, body: { ok: true, result: { message_id: 1 } } };
}

/** The HTML that Telegram reads: a few tags, which must be closed in order, and four entities. */
function html(source: string): Shown {
  const links: string[] = [];
  const open: string[] = [];
  const text = source.replaceAll(
    /<(\/?)(b|a|code)(?: href="([^"<>]*)")?>|&(amp|lt|gt|quot);|[<>&]/g,
    (whole, ...groups) => {
      const [end, tag, href, entity] = groups as (string | undefined)[];
      if (entity !== undefined) return { amp: '&', lt: '<', gt: '>', quot: '"' }[entity] ?? '';
      if (tag === undefined) throw new Error(`Bad Request: can't parse entities: ${whole}`);
      if (end === '' ? false : open.pop() !== tag) throw new Error(`Bad Request: unexpected end tag: ${whole}`);
      if (end === '') open.push(tag);
      if (href !== undefined) links.push(href.replaceAll('&amp;', '&'));
      return '';
    },
  );
  if (open.length > 0) throw new Error(`Bad Request: can't find end tag: ${open.join()}`);
  return { text, links };
}

const options = (more: object = {}): z.output<typeof telegram.options> =>
  telegram.options.parse({ botToken: token, chatId: '-1001234567890', ...more });

describeChannel(
  'telegram',
  { plugin: telegram, options: options(), wrong: options({ botToken: wrong }), secrets: [token, wrong], answer },
  ({ standIn, send }) => {
    it.each([
      [
        429,
        { ok: false, description: 'Too Many Requests: retry after 35', parameters: { retry_after: 35 } },
        'unavailable',
        35,
      ],
      [
        403,
        { ok: false, description: 'Forbidden: bot was kicked from the supergroup chat' },
        'misconfigured',
        undefined,
      ],
      [400, { ok: false, description: 'Bad Request: message thread not found' }, 'misconfigured', undefined],
      [400, { ok: false, description: 'Bad Request: message is too long' }, 'refused', undefined],
    ])('takes %i %j for %s', async (status, body, fault, waitS) => {
      standIn().fail({ on: /./, kind: { status, body } });
      const failure = await failureOf(send(expiring(facts(7))));
      expect([failure.fault, failure.retryAfterS]).toEqual([fault, waitS]);
      expect(failure.detail).toContain(body.description);
    });

    it('tells the new id of a group that has moved', async () => {
      const description = 'Bad Request: group chat was upgraded to a supergroup chat';
      const body = { ok: false, description, parameters: { migrate_to_chat_id: -1009 } };
      standIn().fail({ on: /./, kind: { status: 400, body } });
      const failure = await failureOf(send(expiring(facts(7))));
      expect([failure.fault, failure.detail]).toEqual([
        'misconfigured',
        expect.stringContaining('its id is -1009 now'),
      ]);
    });

    it('calls nobody whose name or command is in a certificate', async () => {
      const commonName = '@pki_admin #prod /start $USD web@example.org';
      await send(expiring(facts(7, { commonName, name: commonName, owner: commonName })));
      const found = texts.at(-1)?.replaceAll(/<(code|a)\b.*?<\/\1>/g, '') ?? '';
      expect(found).toContain('web@example.org expires');
      expect(found).not.toMatch(/(^|[\s>])[@#$/]\w/);
    });

    it('makes a sound for what needs somebody alone', async () => {
      sounds.splice(0);
      await send(messageOf('certificate.issued', { certificates: [facts(7)] }));
      await send(expiring(facts(7)));
      expect(sounds).toEqual([false, true]);
    });
  },
);

it.each([{ chatId: 'me' }, { chatId: '@a' }, { botToken: 'nonsense' }, { apiUrl: 'https://u:p@api.example.org' }])(
  'options of telegram refuse %j',
  (given) => {
    expect(telegram.options.safeParse({ botToken: token, chatId: '1', ...given }).success).toBe(false);
  },
);
