import { Injectable } from '@nestjs/common';
import { inLayout } from './channel-layout.js';
import type { SendingChannel } from './channel-sender.js';
import { Layouts } from './layouts.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import { PluginError } from '../plugin-api/errors.js';
import type { NotificationMessage } from '../plugin-api/notification.js';
import { type OptionValues, secretKeys } from '../plugin-api/options.js';
import type { FetchRequest, Site } from '../plugin-api/site.js';
import type { PreviewView } from './channel.schema.js';

/** What a plugin hands over to be sent. */
type Sent = Pick<PreviewView, 'mailTo' | 'requests'>;

const timeoutMs = 5000;
/** What is told to a plugin in place of the service's answer. Some APIs say in JSON that they took a message. */
const answer = Buffer.from('{"ok":true}');

/** Shows what a channel would send. */
@Injectable()
export class ChannelPreview {
  constructor(
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
    private readonly layouts: Layouts,
  ) {}

  /**
   * Has the plugin send the message to nobody, and gives what it would have sent: no headers, and no secret of its
   * options. `fault` and `detail` when it sends nothing.
   */
  async of(channel: SendingChannel, unlaid: NotificationMessage): Promise<Omit<PreviewView, 'from'>> {
    const message = inLayout(unlaid, await this.layouts.of(channel));
    const { event, subject, text, html = null } = message;
    const sent: Sent = { mailTo: null, requests: [] };
    const shown = { event, subject, text, html, ...sent, fault: null, detail: null };
    try {
      const plugin = this.configured.plugin('notification', channel.pluginId);
      const options = this.configured.open(plugin, channel, 'channel');
      const secrets = secretKeys(plugin.options).flatMap((name) => formsOf(options, name));
      const context = this.contexts.make(AbortSignal.timeout(timeoutMs));
      await plugin.send(message, options, { ...context, site: nowhere(shown, secrets) });
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      // After a request only the answer can have displeased it, which is not the service's.
      if (shown.requests.length === 0) return { ...shown, fault: error.fault, detail: error.detail };
    }
    return shown;
  }

  /** Mail without a channel. */
  async ofMail(unlaid: NotificationMessage): Promise<Omit<PreviewView, 'from'>> {
    const message = inLayout(unlaid, await this.layouts.of(null));
    const { event, subject, text, html = null, recipients, told = [] } = message;
    const mailTo = recipients.filter((one) => !told.includes(one.toLowerCase()));
    return { event, subject, text, html, mailTo, requests: [], fault: null, detail: null };
  }
}

/** A site that lets nothing out, and writes down what was to leave. */
function nowhere(sent: Sent, secrets: readonly string[]): Site {
  const refuse = (): never => {
    throw new PluginError('misconfigured', 'There is no preview of what this plugin does.');
  };
  return {
    sendMail: ({ to }) => {
      sent.mailTo = [...to];
      return Promise.resolve();
    },
    fetch: (address, request = {}) => {
      const url = new URL(address);
      sent.requests.push(requestShown(url, request, secrets));
      return Promise.resolve({ status: 200, headers: {}, body: answer, url });
    },
    runCommand: () => Promise.resolve().then(refuse),
    tokenFor: () => Promise.resolve(null),
    agentFor: refuse,
    connect: () => Promise.resolve().then(refuse),
    protectedPaths: [],
  };
}

function requestShown(
  { host }: URL,
  { method = 'GET', headers = {}, body = '' }: FetchRequest,
  secrets: readonly string[],
): PreviewView['requests'][number] {
  const text = secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), String(body));
  return { method, host, contentType: headers['content-type'] ?? null, body: text };
}

/** A secret as it may stand in a body: as it is, in JSON and in a form; the longest first. */
function formsOf(options: OptionValues, name: string): string[] {
  const value = options[name];
  if (typeof value !== 'string') return [];
  const forms = [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)];
  return [...new Set(forms)].sort((a, b) => b.length - a.length);
}
