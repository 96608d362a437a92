import { expect, it } from 'vitest';
import type { z } from 'zod';
import { signedFor } from '../../test/fakes/aws-signature.js';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { describeChannel, expiring, facts, messageOf, type Shown, urlOf } from '../../test/support/channel-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { awsSns } from './aws-sns.notification.js';

const accessKeyId = 'AKIDEXAMPLE000000000';
const secretAccessKey = 'Marker-aws-secret-4f6e';
const wrong = 'Marker-aws-wrong-4f6e';
const topicArn = 'arn:aws:sns:eu-central-1:123456789012:certificates';
const published: Record<string, string>[] = [];

/** Publish of SNS as its API reference 2010-03-31 has it. */
function answer(exchange: Exchange, taken: Shown[]): Reply {
  const { method, path, headers, text } = exchange;
  const signed = signedFor(exchange, (id) => (id === accessKeyId ? secretAccessKey : null));
  if (headers['x-host'] !== 'sns.eu-central-1.amazonaws.com') return failed(404, 'NotFound', 'no such host');
  if (signed?.service !== 'sns' || signed.region !== 'eu-central-1')
    return failed(403, 'SignatureDoesNotMatch', `The signature does not match: ${JSON.stringify(headers)}`);
  const form = Object.fromEntries(new URLSearchParams(text));
  if (method !== 'POST' || path !== '/' || form['Action'] !== 'Publish' || form['Version'] !== '2010-03-31')
    return failed(400, 'InvalidAction', 'The action is not valid');
  const { TopicArn: topic = '', Subject: subject = '', Message: message = '' } = form;
  if (!topic.startsWith(topicArn)) return failed(404, 'NotFound', 'Topic does not exist');
  if (!/^[!-~][ -~]{0,98}$/.test(subject)) return failed(400, 'InvalidParameter', 'Invalid parameter: Subject');
  const values = Object.entries(form).filter(([name]) => name.startsWith('MessageAttributes'));
  const size = Buffer.byteLength(message) + values.reduce((sum, [, value]) => sum + Buffer.byteLength(value), 0);
  if (message === '' || size > 262_144) return failed(400, 'InvalidParameter', 'Invalid parameter: Message too long');
  const ofFifo = [form['MessageGroupId'], form['MessageDeduplicationId']];
  if (!(topic.endsWith('.fifo') ? ofFifo.every((id = '') => /^[!-~]{1,128}$/.test(id)) : String(ofFifo) === ','))
    return failed(400, 'InvalidParameter', 'Invalid parameter: MessageGroupId');
  published.push(form);
  taken.push({ text: `${subject}\n${message}`, links: message.match(/https:\/\/pki\S+\d/g) ?? [] });
  return {
    status: 200,
    body: '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult/></PublishResponse>',
  };
}

const failed = (status: number, code: string, message: string): Reply => ({
  status,
  body:
    `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>` +
    '</ErrorResponse>',
});
const options = (more: object = {}): z.output<typeof awsSns.options> =>
  awsSns.options.parse({ topicArn, accessKeyId, secretAccessKey, ...more });

describeChannel(
  'aws-sns',
  {
    plugin: awsSns,
    options: options(),
    wrong: options({ secretAccessKey: wrong }),
    secrets: [secretAccessKey, wrong],
    answer,
  },
  ({ standIn, send }) => {
    it('tells subscriptions the event and the severity in attributes', async () => {
      await send(expiring(facts(7)));
      const sent = published.at(-1) ?? {};
      const attribute = (at: number) =>
        ['Name', 'Value.DataType', 'Value.StringValue'].map((part) => sent[`MessageAttributes.entry.${at}.${part}`]);
      expect([attribute(1), attribute(2)]).toEqual([
        ['event', 'String', 'certificate.expiring'],
        ['severity', 'String', 'warning'],
      ]);
    });

    it('writes a subject in ASCII that has less than 100 characters', async () => {
      const commonName = `Grüße→${'x'.repeat(120)}`;
      await send(messageOf('certificate.issued', { certificates: [facts(7, { name: commonName, commonName })] }));
      expect(published.at(-1)?.['Subject']).toMatch(/^Gru\?e\?x+\.\.\.: issued$/);
      await send({ ...expiring(facts(7)), subject: `é${'y'.repeat(120)}` });
      expect(published.at(-1)?.['Subject']).toBe(`e${'y'.repeat(95)}...`);
    });

    it('gives a FIFO topic the same id at each attempt, and another one to another message', async () => {
      const fifo = options({ topicArn: `${topicArn}.fifo` });
      const message = expiring(facts(7));
      await send(message, fifo);
      await send(message, fifo);
      await send({ ...message, dedupeKey: 'other' }, fifo);
      const [one, again, other] = published.slice(-3).map((sent) => sent['MessageDeduplicationId']);
      expect([again === one, other === one]).toEqual([true, false]);
    });

    it('tells programs in JSON, and leaves the facts out where there is no room for them', async () => {
      const json = options({ format: 'json' });
      const message = expiring(facts(7));
      await send(message, json);
      const { text, ...told } = JSON.parse(published.at(-1)?.['Message'] ?? '') as Record<string, unknown>;
      expect(told).toMatchObject({ event: 'certificate.expiring', severity: 'warning', dedupeKey: message.dedupeKey });
      expect([text, told['data']]).toEqual([
        expect.stringContaining(urlOf(7)),
        JSON.parse(JSON.stringify(message.data)),
      ]);
      await send({ ...message, data: { long: '🚀'.repeat(70_000) } }, json);
      expect(JSON.parse(published.at(-1)?.['Message'] ?? '')).toMatchObject({ data: null });
    });

    it.each([
      [404, 'NotFound', 'misconfigured'],
      [403, 'AuthorizationError', 'misconfigured'],
      [400, 'KMSDisabled', 'misconfigured'],
      [400, 'KMSThrottling', 'unavailable'],
      [429, 'Throttled', 'unavailable'],
      [400, 'InvalidParameter', 'refused'],
    ])('takes %i %s for %s', async (status, code, fault) => {
      standIn().fail({ on: /./, kind: failed(status, code, 'It is so') });
      const failure = await failureOf(send(expiring(facts(7))));
      expect([failure.fault, failure.detail]).toEqual([fault, expect.stringContaining(`(${code}): It is so`)]);
    });
  },
);

it.each([{ topicArn: 'certificates' }, { topicArn: `${topicArn}.fifo.fifo` }, { format: 'xml' }])(
  'options of aws-sns refuse %j',
  (given) => {
    expect(awsSns.options.safeParse({ topicArn, ...given }).success).toBe(false);
  },
);
