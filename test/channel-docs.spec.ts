import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { plugins } from '../plugins/index.js';
import { webhookTemplate } from '../plugins/webhook/webhook-template.notification.js';
import { ChannelRequest } from '../src/notifications/channel.schema.js';
import { SubscriptionRequest } from '../src/notifications/subscription.schema.js';
import { noticeEvents } from '../src/plugin-api/events.js';
import { pluginContext } from './support/bundles.js';
import { expiring, facts, urlOf } from './support/channel-service.js';

const page = readFileSync('docs/channels.md', 'utf8');
const examples = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text = '']) => JSON.parse(text) as unknown);
const Channel = z.object({ plugin: z.object({ id: z.string(), options: z.record(z.string(), z.unknown()) }) });
const Subscription = z.object({ channel: z.object({ label: z.string() }), events: z.array(z.enum(noticeEvents)) });

const channels = examples.flatMap((example) => Channel.safeParse(example).data?.plugin ?? []);
const notifications = plugins.filter(({ kind }) => kind === 'notification');

describe('docs/channels.md', () => {
  it('has an example of every notification plugin, and names all', () => {
    const shown = new Set(channels.map(({ id }) => id));
    expect(notifications.map(({ id }) => id).filter((id) => !shown.has(id))).toEqual([]);
    for (const { id } of notifications) expect(page).toContain(`| \`${id}\` |`);
  });

  it('has examples of channels and subscriptions alone', () => {
    const others = examples.filter((one) => !Channel.safeParse(one).success && !Subscription.safeParse(one).success);
    expect(others).toEqual([]);
  });

  it('has examples that the requests for channels and subscriptions take', () => {
    const faults = examples.map((one) => {
      const { error } = (Channel.safeParse(one).success ? ChannelRequest : SubscriptionRequest).safeParse(one);
      return error?.issues ?? [];
    });
    expect(faults.flat()).toEqual([]);
  });

  it.each(channels)('gives $id options that it takes', ({ id, options }) => {
    const plugin = notifications.find((one) => one.id === id);
    expect(plugin?.options.safeParse(options).error?.issues ?? []).toEqual([]);
  });

  it('has a template for Mattermost that makes what Mattermost takes', async () => {
    const example = channels.find(({ id }) => id === 'webhook-template');
    const bodies: unknown[] = [];
    const { site } = pluginContext({
      fetch: (address, request) => {
        bodies.push(JSON.parse(String(request?.body)));
        return Promise.resolve({ status: 200, headers: {}, body: Buffer.from('ok'), url: new URL(address) });
      },
    });
    const options = webhookTemplate.options.parse(example?.options);
    await webhookTemplate.send(expiring(facts(7), facts(8)), options, pluginContext(site));
    const lines = [7, 8].map((id) => `- [www${id}.example.org-CA-${id}](${urlOf(id)})\n`);
    expect(bodies).toEqual([
      { username: 'Perennial', text: `#### 2 certificates: www7.example.org expires in 12 days\n${lines.join('')}` },
    ]);
  });
});
