import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { type GoogleAccess, GoogleService } from './google-cloud.client.js';

const api = {
  baseUrl: 'https://dns.googleapis.com',
  scope: 'https://www.googleapis.com/auth/ndev.clouddns.readwrite',
};
const mostPages = 50;

const Zones = z.object({
  managedZones: z
    .array(z.object({ name: z.string(), dnsName: z.string(), visibility: z.string().optional() }))
    .default([]),
  nextPageToken: z.string().optional(),
});
const Records = z.object({
  rrsets: z
    .array(z.object({ name: z.string(), type: z.string(), ttl: z.number(), rrdatas: z.array(z.string()) }))
    .default([]),
});
/** The API of Google Cloud DNS (v1), as far as TXT records need it. */
export class GoogleDnsClient {
  private readonly service: GoogleService;

  constructor(access: GoogleAccess, ctx: PluginContext) {
    this.service = new GoogleService(api, access, ctx);
  }

  /** The public zones: their names at Google, and their domains in lower case without a dot at the end. */
  async zones(): Promise<{ name: string; domain: string }[]> {
    const zones: { name: string; domain: string }[] = [];
    let pageToken: string | undefined;
    for (let pages = 0; pages < mostPages; pages += 1) {
      const call = { path: this.path(''), query: { pageToken } };
      const answer = await this.service.json(Zones, call);
      for (const { name, dnsName, visibility = 'public' } of answer.managedZones)
        if (visibility === 'public') zones.push({ name, domain: dnsName.toLowerCase().replace(/\.$/, '') });
      pageToken = answer.nextPageToken;
      if (pageToken === undefined) break;
    }
    return zones;
  }

  /**
   * Replaces the values of a TXT record set, unless it has changed since it was read: then PluginError `unavailable`.
   * Google compares what is deleted with what is there.
   */
  async change(zone: string, name: string, edit: (values: string[]) => string[], ttlS = 60): Promise<void> {
    const fullName = `${name}.`;
    const at = `/${encodeURIComponent(zone)}`;
    const { rrsets } = await this.service.json(Records, {
      path: this.path(`${at}/rrsets`),
      query: { name: fullName, type: 'TXT' },
    });
    const found = rrsets.find((set) => set.name.toLowerCase() === fullName && set.type === 'TXT');
    const before = found?.rrdatas.map(unquoted) ?? [];
    const after = edit(before);
    if (after.length === before.length && after.every((value, index) => value === before[index])) return;
    const next = { name: fullName, type: 'TXT', ttl: found?.ttl ?? ttlS, rrdatas: after.map(quoted) };
    await this.write({
      path: this.path(`${at}/changes`),
      json: { deletions: found ? [found] : [], additions: after.length > 0 ? [next] : [] },
    });
  }

  private async write(call: JsonCall): Promise<void> {
    try {
      await this.service.send(call);
    } catch (error) {
      if (!(error instanceof HttpFailure) || ![404, 409, 412].includes(error.answer.status)) throw error;
      throw new PluginError('unavailable', 'Another one has changed the record in Google Cloud DNS meanwhile.');
    }
  }

  private path(rest: string): string {
    return `/dns/v1/projects/${encodeURIComponent(this.service.project)}/managedZones${rest}`;
  }
}

/** Character strings as zone files have them (RFC 1035 §5.1). */
function quoted(value: string): string {
  const parts = value.match(/.{1,255}/g) ?? [''];
  return parts.map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(' ');
}

function unquoted(data: string): string {
  const parts = [...data.matchAll(/"((?:[^"\\]|\\.)*)"/g)];
  return parts.length > 0 ? parts.map(([, part = '']) => part.replace(/\\(.)/g, '$1')).join('') : data;
}
