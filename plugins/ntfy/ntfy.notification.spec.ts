import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeChannel, expiring, facts, messageOf, type Shown } from '../../test/support/channel-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { ntfy } from './ntfy.notification.js';

const topic = 'Marker-ntfy-topic-4f6e';
const token = 'tk_Markerntfytoken4f6e';
const wrong = 'tk_Markerwrongtoken4f6e';

/** Publishing as JSON; a longer message becomes a file, which is no message. */
const Payload = z.strictObject({
  topic: z.string(),
  title: z.string().min(1).max(250),
  message: z.string().refine((text) => Buffer.byteLength(text) <= 4096),
  priority: z.int().min(1).max(5),
  tags: z.array(z.enum(['information_source', 'warning', 'rotating_light'])),
  click: z.url().optional(),
  sequence_id: z.string().regex(/^[-_A-Za-z0-9]{1,64}$/),
});
const published: z.output<typeof Payload>[] = [];

function answer({ method, path, headers, json }: Exchange, taken: Shown[]): Reply {
  const failed = (status: number, code: number, error: string): Reply => ({
    status,
    body: { code, http: status, error },
  });
  if (method !== 'POST' || path !== '/' || headers['x-host'] !== 'ntfy.example.org')
    return failed(404, 40_401, 'page not found');
  const read = Payload.safeParse(json);
  if (!read.success) return failed(400, 40_024, 'invalid request: request body must be valid JSON');
  if (headers.authorization !== `Bearer ${token}` || read.data.topic !== topic)
    return failed(403, 40_301, `forbidden ${topic}`);
  const { title, message, click } = read.data;
  published.push(read.data);
  // Its apps make a link of every address in a text.
  taken.push({ text: `${title}\n${message}`, links: click === undefined ? [] : [click] });
  return { status: 200, body: { id: 'x', event: 'message' } };
}

const options = (accessToken: string): z.output<typeof ntfy.options> =>
  ntfy.options.parse({ url: 'https://ntfy.example.org', topic, accessToken });

describeChannel(
  'ntfy',
  { plugin: ntfy, options: options(token), wrong: options(wrong), secrets: [topic, token, wrong], answer },
  ({ standIn, send }) => {
    it('publishes a repeated message under the same sequence id, and another one under another', async () => {
      published.splice(0);
      await send(expiring(facts(7)));
      await send(expiring(facts(7)));
      await send({ ...expiring(facts(8)), dedupeKey: 'other' });
      const [first, second, other] = published.map(({ sequence_id: id }) => id);
      expect([second, other === first]).toEqual([first, false]);
    });

    it('has the priority of the severity', async () => {
      published.splice(0);
      await send(messageOf('certificate.issued', { certificates: [facts(7)] }));
      await send(expiring(facts(7)));
      await send(expiring(facts(7, { notAfter: new Date('2026-02-28T00:00:00Z') })));
      expect(published.map(({ priority }) => priority)).toEqual([3, 4, 5]);
    });

    it('is refused for a message that is too large', async () => {
      standIn().fail({ on: /./, kind: { status: 413, body: { code: 41_301, error: 'attachment too large' } } });
      expect(await failureOf(send(expiring(facts(7))))).toMatchObject({
        fault: 'refused',
        detail: 'ntfy answers with status 413: attachment too large (41301).',
      });
    });
  },
);
