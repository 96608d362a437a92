import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Exchange, type Reply, type StandIn, startStandIn } from '../../test/fakes/stand-in.js';
import { contextFor } from '../../test/support/dns-service.js';
import { failureOf } from '../../test/support/issuer-faults.js';
import { dnsWebhook } from './dns-webhook.dns.js';

const key = Buffer.alloc(32, 5);
const secret = `whsec_${key.toString('base64')}`;

describe('dns-webhook', () => {
  let standIn: StandIn;
  const done: unknown[] = [];
  beforeAll(async () => {
    standIn = await startStandIn(answer);
  });
  afterAll(() => standIn.stop());

  /** A receiver that verifies as Standard Webhooks 1.0.0 says. */
  function answer({ method, path, headers, text, json }: Exchange): Reply {
    if (method !== 'POST' || path !== '/dns/hook') return { status: 404, body: '' };
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${text}`;
    const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
    if (headers['webhook-signature'] !== expected) return { status: 401, body: '' };
    done.push(json);
    return { status: 204 };
  }

  const options = (url = 'https://hook.example.org/dns/hook', with_ = secret) =>
    dnsWebhook.options.parse({ url, secret: with_ });
  const record = { name: '_acme-challenge.www.example.org', value: 'proof', ttlS: 60 };

  it('posts what is to be published and removed, signed', async () => {
    const made = await dnsWebhook.present(record, options(), contextFor(standIn));
    await dnsWebhook.remove(made, options(), contextFor(standIn));
    expect(done).toEqual([
      { action: 'present', ...record },
      { action: 'remove', name: record.name, value: record.value },
    ]);
  });

  it('has a person look at a wrong address or secret, and tries later after an outage', async () => {
    const failing = (o = options()) => failureOf(dnsWebhook.present(record, o, contextFor(standIn)), [secret]);
    expect(await failing(options('https://hook.example.org/elsewhere'))).toMatchObject({ fault: 'misconfigured' });
    expect(await failing(options(undefined, 'another secret of 16'))).toMatchObject({ fault: 'misconfigured' });
    standIn.fail({ on: /./, kind: 'drop' });
    expect(await failing()).toMatchObject({ fault: 'unavailable' });
    standIn.fail({ on: /./, kind: { status: 500, body: '' } });
    expect(await failing()).toMatchObject({ fault: 'unavailable' });
  });
});
