import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { plugins } from '../plugins/index.js';
import type { Layouts } from '../src/notifications/layouts.js';
import { ChannelPreview } from '../src/notifications/channel-preview.js';
import { PreviewView } from '../src/notifications/channel.schema.js';
import { secretKeys } from '../src/plugin-api/options.js';
import { ConfiguredPlugins, type StoredPlugin } from '../src/platform/plugins/configured-plugin.js';
import type { PluginContexts } from '../src/platform/plugins/plugin-context.js';
import { PluginInput } from '../src/platform/plugins/plugin.schema.js';
import { PluginRegistry } from '../src/platform/plugins/registry.js';
import { KeyRing } from '../src/platform/secrets/key-ring.js';
import { pluginContext } from './support/bundles.js';
import { expiring, facts, urlOf } from './support/channel-service.js';

const marker = 'Marker-"preview"-4f6e';
const plain = 'Marker-preview-4f6e';
/** Options with the marker in every secret, and the host to which a request goes. */
const channels: Record<string, [options: Record<string, unknown>, host: string]> = {
  'aws-sns': [
    {
      topicArn: 'arn:aws:sns:eu-central-1:123456789012:certificates',
      accessKeyId: 'AKIDEXAMPLE000000000',
      secretAccessKey: marker,
      format: 'json',
    },
    'sns.eu-central-1.amazonaws.com',
  ],
  discord: [{ webhookUrl: `https://discord.example/api/webhooks/1/${plain}` }, 'discord.example'],
  ntfy: [{ topic: plain, accessToken: marker }, 'ntfy.sh'],
  opsgenie: [{ apiKey: marker }, 'api.opsgenie.com'],
  pagerduty: [{ routingKey: 'Marker0preview04f6e0000000000000' }, 'events.pagerduty.com'],
  slack: [{ botToken: marker, channel: 'C1' }, 'slack.com'],
  teams: [{ webhookUrl: `https://teams.example/invoke?sig=${plain}` }, 'teams.example'],
  telegram: [{ botToken: `1:${'Marker-preview_4f6e'.repeat(2)}`, chatId: '1' }, 'api.telegram.org'],
  webhook: [{ url: 'https://ops.example/hook', secret: marker }, 'ops.example'],
  'webhook-template': [
    {
      url: `https://ops.example/${plain}`,
      headers: `Authorization: ${plain}`,
      body:
        `{"title": "{{subject}}", "key": "${plain}", ` +
        '"cards": [{{#each cards}}{{#unless @first}}, {{/unless}}"{{url}}"{{/each}}]}',
      secret: plain,
    },
    'ops.example',
  ],
};

const configured = new ConfiguredPlugins(
  new PluginRegistry(plugins),
  new KeyRing([{ id: 'one', key: randomBytes(32) }]),
);
const contexts: Pick<PluginContexts, 'make'> = { make: (signal) => pluginContext({}, signal) };
const layouts: Pick<Layouts, 'of'> = { of: (channel) => Promise.resolve(channel?.layout ?? {}) };
const preview = new ChannelPreview(configured, contexts as PluginContexts, layouts as Layouts);

function stored(id: string, options: Record<string, unknown>): StoredPlugin {
  return configured.seal(configured.plugin('notification', id), PluginInput.parse({ id, options }), 'channel');
}

describe('the preview of a channel', () => {
  it('is tested with every notification plugin', () => {
    const ids = plugins.filter(({ kind }) => kind === 'notification').map(({ id }) => id);
    expect(ids).toEqual([...Object.keys(channels), 'email'].sort());
  });

  it.each(Object.entries(channels))(
    'of %s is what its service would get, without secrets',
    async (id, [options, host]) => {
      const shown = await preview.of(stored(id, options), expiring(facts(7)));
      expect(PreviewView.safeParse({ from: 'test', ...shown }).error).toBeUndefined();
      expect(shown).toMatchObject({ fault: null, mailTo: null, requests: [{ method: 'POST', host }] });
      const [{ body: sent = '', contentType = '' } = {}] = shown.requests;
      const isForm = contentType === 'application/x-www-form-urlencoded';
      const body = isForm ? (new URLSearchParams(sent).get('Message') ?? '') : sent;
      expect(body).toContain('www7.example.org expires in 12 days');
      expect(body).toContain(urlOf(7));
      expect(() => JSON.parse(body) as unknown).not.toThrow();
      const secrets = secretKeys(configured.plugin('notification', id).options).flatMap((name) => options[name] ?? []);
      for (const secret of [...secrets, marker, plain, 'Marker'])
        expect(JSON.stringify(shown)).not.toContain(JSON.stringify(secret).slice(1, -1));
    },
  );

  it('of mail is the mail and whom it goes to', async () => {
    const shown = await preview.of(stored('email', { recipients: 'ops@example.org' }), {
      ...expiring(facts(7)),
      recipients: ['web@example.org'],
    });
    expect(shown).toMatchObject({ mailTo: ['ops@example.org', 'web@example.org'], requests: [], fault: null });
    expect([shown.text, shown.html].every((part) => part?.includes('www7.example.org-CA-7'))).toBe(true);
  });

  it('shows every alert of a message about several certificates', async () => {
    const [options] = channels.pagerduty ?? [{}];
    const { requests } = await preview.of(stored('pagerduty', options), expiring(facts(7), facts(8)));
    expect(requests.map(({ body }) => (JSON.parse(body) as { dedup_key: string }).dedup_key)).toEqual([
      urlOf(7),
      urlOf(8),
    ]);
  });

  it('says why nothing would be sent', async () => {
    const [options] = channels.telegram ?? [{}];
    const row = stored('telegram', options);
    const broken = { ...row, options: { ...row.options, chatId: 'nobody' } };
    const shown = await preview.of(broken, expiring(facts(7)));
    expect(shown).toMatchObject({
      requests: [],
      fault: 'misconfigured',
      detail: expect.stringContaining('chatId') as unknown,
    });
    const gone = await preview.of({ ...row, pluginId: 'gone' }, expiring(facts(7)));
    expect(gone).toMatchObject({ requests: [], fault: 'misconfigured' });
  });
});
