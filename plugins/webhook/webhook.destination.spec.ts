import { createHash, createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bundle, ExportedFile } from '../../src/plugin-api/export.js';
import { type Exchange, startStandIn, type StandIn } from '../../test/fakes/stand-in.js';
import { startTestAuthority } from '../../test/support/bundles.js';
import { contextFor } from '../../test/support/dns-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { webhookDestination } from './webhook.destination.js';

const secret = 'Marker-webhook-secret-4f6e';
const authority = startTestAuthority();
const bundle = authority.issue('www.example.com');
const files = [{ name: 'www.example.com.pem', bytes: Buffer.from(bundle.chainPem.join('')), mode: 0o644 }];
let received: Exchange[] = [];
let receiver: StandIn;
beforeAll(async () => {
  receiver = await startStandIn((exchange) => {
    received.push(exchange);
    return { status: isSigned(exchange) ? 204 : 401 };
  });
});
beforeEach(() => {
  received = [];
});
afterAll(async () => {
  await receiver.stop();
  authority.close();
});

const options = (changed: object = {}) =>
  webhookDestination.options.parse({ url: 'https://deploy.example.com/hook', secret, timeoutS: 60, ...changed });
const deliver = (sent: readonly ExportedFile[] = files, changed: object = {}, round = '1.1') =>
  webhookDestination.deliver({ bundle, files: sent, round }, options(changed), contextFor(receiver));
const remove = async (one: Bundle, round = '1.2'): Promise<void> => {
  const digests = files.map(({ name, bytes }) => ({
    name,
    sha256Hex: createHash('sha256').update(bytes).digest('hex'),
  }));
  const location = webhookDestination.locate({ bundle, fileNames: [] }, options());
  await webhookDestination.remove?.({ bundle: one, location, files: digests, round }, options(), contextFor(receiver));
};

/** As Standard Webhooks 1.0.0 has it. */
function isSigned({ headers, text }: Exchange): boolean {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${text}`;
  return headers['webhook-signature'] === `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`;
}

describe('webhook-destination', () => {
  it('posts the files of the export, signed, and no key that is not in them', async () => {
    expect(await deliver()).toEqual({ location: 'www.example.com at https://deploy.example.com/hook' });
    const [{ json, text } = { json: null, text: '' }] = received;
    expect(json).toMatchObject({
      type: 'certificate.deliver',
      data: {
        commonName: 'www.example.com',
        serialNumber: bundle.serialHex,
        files: [{ name: 'www.example.com.pem', content: files[0]?.bytes.toString('base64'), mode: '0644' }],
      },
    });
    const key = bundle.privateKeyPem.split('\n')[1] ?? '';
    expect([text.includes(key), Buffer.from(text, 'base64').includes(key)]).toEqual([false, false]);
  });

  it('gives a repetition the same id, and another content another one', async () => {
    await deliver();
    await deliver();
    await deliver([{ name: 'www.example.com.pem', bytes: Buffer.from('other'), mode: 0o600 }]);
    const [first, second, third] = received.map(({ headers }) => headers['webhook-id']);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it('gives what is delivered or removed again in another round another id', async () => {
    for (const round of ['1.1', '1.3']) await deliver(files, {}, round);
    for (const round of ['1.2', '1.4', '1.4']) await remove(bundle, round);
    const ids = received.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(4);
    expect(ids[4]).toBe(ids[3]);
  });

  it('tells of a removal by the names of the files', async () => {
    await remove({ ...bundle, privateKeyPem: undefined });
    expect(received[0]?.json).toMatchObject({
      type: 'certificate.remove',
      data: { serialNumber: bundle.serialHex, files: [{ name: 'www.example.com.pem' }] },
    });
  });

  it.each([
    ['is wrong about the secret', 401, 'misconfigured'],
    ['does not want the files', 422, 'refused'],
    ['is down', 503, 'unavailable'],
  ])('fails when the receiver %s', async (_, status, fault) => {
    receiver.fail({ on: /./, kind: { status, body: secret } });
    expect((await failureOf(deliver(), [secret])).fault).toBe(fault);
  });

  it('tries again later when the receiver hangs', async () => {
    receiver.fail({ on: /./, kind: 'hang' });
    expect((await failureOf(deliver(files, { timeoutS: 1 }))).fault).toBe('unavailable');
  });

  it.each([{ url: 'http://deploy.example.com' }, { url: 'https://u:p@deploy.example.com' }, { secret: 'short' }])(
    'refuses the options %j',
    (changed) => {
      const values = { url: 'https://deploy.example.com', secret, ...changed };
      expect(webhookDestination.options.safeParse(values).success).toBe(false);
    },
  );
});
