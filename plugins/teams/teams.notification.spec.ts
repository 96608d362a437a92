import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeChannel, expiring, facts, type Shown } from '../../test/support/channel-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { teams } from './teams.notification.js';

const host = 'default0123.45.environment.api.powerplatform.com';
const path = '/powerautomate/automations/direct/workflows/0123456789abcdef/triggers/manual/paths/invoke';
const urlWith = (sig: string): string =>
  `https://${host}${path}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=${sig}`;
const sig = 'Marker-teams-sig_4f6e';

const Run = z.strictObject({
  type: z.literal('TextRun'),
  text: z.string().min(1),
  weight: z.literal('Bolder').optional(),
  size: z.literal('Large').optional(),
  color: z.enum(['Default', 'Warning', 'Attention']).optional(),
  isSubtle: z.literal(true).optional(),
  selectAction: z.strictObject({ type: z.literal('Action.OpenUrl'), url: z.url() }).optional(),
});
const RichText = z.strictObject({
  type: z.literal('RichTextBlock'),
  inlines: z.array(Run).min(1),
  spacing: z.literal('None').optional(),
});
const Container = z.strictObject({
  type: z.literal('Container'),
  separator: z.literal(true),
  items: z.array(RichText).min(1),
});
/** What the flow template "Post to a channel when a webhook request is received" takes. */
const Payload = z.strictObject({
  type: z.literal('message'),
  attachments: z.tuple([
    z.strictObject({
      contentType: z.literal('application/vnd.microsoft.card.adaptive'),
      contentUrl: z.null(),
      content: z.strictObject({
        $schema: z.literal('http://adaptivecards.io/schemas/adaptive-card.json'),
        type: z.literal('AdaptiveCard'),
        version: z.literal('1.4'),
        msteams: z.strictObject({ width: z.literal('Full') }),
        fallbackText: z.string(),
        body: z.array(z.union([RichText, Container])).min(1),
      }),
    }),
  ]),
});

const failed = (status: number, code: string): Reply => ({ status, body: { error: { code, message: 'It failed.' } } });

/** Teams takes 28 KB. */
function answer({ method, path: asked, query, headers, json, text }: Exchange, taken: Shown[]): Reply {
  if (headers['x-host'] !== host || asked !== path) return failed(404, 'WorkflowNotFound');
  if (query.get('sig') !== sig || query.get('sp') !== '/triggers/manual/run')
    return {
      status: 401,
      body: { error: { code: 'DirectApiAuthorizationRequired', message: `No: ${query.get('sig')}` } },
    };
  if (method !== 'POST' || headers['content-type'] !== 'application/json') return failed(400, 'InvalidRequest');
  if (Buffer.byteLength(text) > 28 * 1024) return failed(413, 'RequestEntityTooLarge');
  const read = Payload.safeParse(json);
  if (!read.success) return failed(400, 'TriggerInputSchemaMismatch');
  const blocks = read.data.attachments[0].content.body.flatMap((one) => (one.type === 'Container' ? one.items : [one]));
  const runs = blocks.map(({ inlines }) => inlines);
  taken.push({
    text: runs.map((line) => line.map((run) => run.text).join('')).join('\n'),
    links: runs.flat().flatMap(({ selectAction }) => selectAction?.url ?? []),
  });
  return { status: 202 };
}

describeChannel(
  'teams',
  {
    plugin: teams,
    options: teams.options.parse({ webhookUrl: urlWith(sig) }),
    wrong: teams.options.parse({ webhookUrl: urlWith('Marker-wrong-sig_4f6e') }),
    secrets: [sig, 'Marker-wrong-sig_4f6e'],
    answer,
  },
  ({ standIn, send }) => {
    it.each([
      [400, 'WorkflowTriggerIsNotEnabled', 'misconfigured'],
      [400, 'TriggerInputSchemaMismatch', 'refused'],
      [502, 'NoResponse', 'unavailable'],
    ])('takes %i %s for %s', async (status, code, fault) => {
      standIn().fail({ on: /./, kind: failed(status, code) });
      const failure = await failureOf(send(expiring(facts(7))));
      expect(failure.fault).toBe(fault);
      expect(failure.detail).toBe(`The workflow of Microsoft Teams answers with status ${status}: ${code}: It failed.`);
    });

    it('says how many certificates there was no room for', async () => {
      const [message] = await send(expiring(...Array.from({ length: 200 }, (_, i) => facts(i + 1))));
      const shown = message?.links.length ?? 0;
      expect(shown).toBeGreaterThan(10);
      expect(message?.text).toContain(`${200 - shown} more are not shown here`);
    });
  },
);
