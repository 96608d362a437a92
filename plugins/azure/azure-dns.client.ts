import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { type AzureAccess, AzureService, publicLogin } from './azure.client.js';

/** How the application signs in, and where the zones are. */
export interface AzureDnsAccess extends AzureAccess {
  subscriptionId: string;
  resourceGroup: string;
}

const apiVersion = '2018-05-01';
const management = 'https://management.azure.com';
const mostPages = 50;

const Zones = z.object({ value: z.array(z.object({ name: z.string() })), nextLink: z.string().nullish() });
const RecordSet = z.object({
  etag: z.string(),
  properties: z.object({ TTL: z.number(), TXTRecords: z.array(z.object({ value: z.array(z.string()) })).default([]) }),
});
/** The REST API of Azure DNS, as far as TXT records need it. */
export class AzureDnsClient {
  private readonly service: AzureService;

  constructor(
    private readonly access: AzureDnsAccess,
    ctx: PluginContext,
  ) {
    const at = { name: 'Azure', baseUrl: management, audience: management, loginUrl: publicLogin };
    this.service = new AzureService(at, access, ctx);
  }

  /** The zones of the resource group, lower case. */
  async zones(): Promise<string[]> {
    const names: string[] = [];
    let call: JsonCall | null = { path: `${this.group}/dnszones`, query: { 'api-version': apiVersion, $top: 100 } };
    for (let pages = 0; call !== null && pages < mostPages; pages += 1) {
      const page: JsonCall = call;
      const { value, nextLink } = await this.service.json(Zones, page);
      names.push(...value.map(({ name }) => name.toLowerCase()));
      call = nextLink ? nextPage(nextLink) : null;
    }
    return names;
  }

  /**
   * Replaces the values of a TXT record set, unless it has changed since it was read: then PluginError `unavailable`. A
   * set without values is deleted.
   */
  async change(zone: string, name: string, edit: (values: string[]) => string[], ttlS = 60): Promise<void> {
    const relative = name === zone ? '@' : name.slice(0, -zone.length - 1);
    const path = `${this.group}/dnszones/${encodeURIComponent(zone)}/TXT/${encodeURIComponent(relative)}`;
    const found = await this.find(path);
    const before = found?.properties.TXTRecords.map(({ value }) => value.join('')) ?? [];
    const after = edit(before);
    if (after.length === before.length && after.every((value, at) => value === before[at])) return;
    const headers: Record<string, string> = found ? { 'if-match': found.etag } : { 'if-none-match': '*' };
    const properties = {
      TTL: found?.properties.TTL ?? ttlS,
      TXTRecords: after.map((value) => ({ value: value.match(/.{1,255}/g) ?? [''] })),
    };
    await this.write({
      path,
      query: { 'api-version': apiVersion },
      headers,
      ...(after.length === 0 ? { method: 'DELETE' } : { method: 'PUT', json: { properties } }),
    });
  }

  private async write(call: JsonCall): Promise<void> {
    try {
      await this.service.send(call);
    } catch (error) {
      if (!(error instanceof HttpFailure) || error.answer.status !== 412) throw error;
      throw new PluginError('unavailable', 'Another one has changed the record in Azure DNS meanwhile.');
    }
  }

  private async find(path: string): Promise<z.output<typeof RecordSet> | null> {
    try {
      return await this.service.json(RecordSet, { path, query: { 'api-version': apiVersion } });
    } catch (error) {
      if (error instanceof HttpFailure && error.answer.status === 404) return null;
      throw error;
    }
  }

  private get group(): string {
    const { subscriptionId, resourceGroup } = this.access;
    return (
      `/subscriptions/${encodeURIComponent(subscriptionId)}/resourceGroups/${encodeURIComponent(resourceGroup)}` +
      '/providers/Microsoft.Network'
    );
  }
}

/** Azure names the next page by its whole URL; anything but its own host would get the token. */
function nextPage(link: string): JsonCall {
  const url = URL.canParse(link) ? new URL(link) : null;
  if (url?.origin !== management) throw new PluginError('unavailable', 'Azure names a next page at another host.');
  return { path: url.pathname, query: Object.fromEntries(url.searchParams) };
}
