import { z } from 'zod';
import type { TxtRecord } from '../../src/plugin-api/dns.js';
import { JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';

const ErrorBody = z.object({ errors: z.array(z.object({ code: z.number(), message: z.string() })) });
const Zones = z.object({
  result: z.array(z.object({ id: z.string(), name: z.string() })),
  result_info: z.object({ total_pages: z.number() }).optional(),
});
const Records = z.object({ result: z.array(z.object({ id: z.string(), content: z.string() })) });
const Added = z.object({ result: z.object({ id: z.string() }) });

/** The shortest that Cloudflare takes of a zone without Enterprise. */
const shortestTtlS = 60;
const mostPages = 100;

/** The API of Cloudflare, as far as TXT records need it. */
export class CloudflareClient {
  private readonly json: JsonClient;

  constructor(apiToken: string, { site }: Pick<PluginContext, 'site'>) {
    this.json = new JsonClient(site, {
      name: 'Cloudflare',
      baseUrl: 'https://api.cloudflare.com/client/v4',
      headers: { authorization: `Bearer ${apiToken}` },
      connection: {},
      secrets: [apiToken],
      wordsOf: (body) => {
        const read = ErrorBody.safeParse(body);
        return read.success
          ? read.data.errors.map(({ code, message }) => `${message} (${code})`).join('; ')
          : undefined;
      },
    });
  }

  async zones(): Promise<{ id: string; name: string }[]> {
    const zones: { id: string; name: string }[] = [];
    for (let page = 1, pages = 1; page <= Math.min(pages, mostPages); page += 1) {
      const answer = await this.json.json(Zones, { path: '/zones', query: { page, per_page: 50 } });
      zones.push(...answer.result.map(({ id, name }) => ({ id, name: name.toLowerCase() })));
      pages = answer.result_info?.total_pages ?? 1;
    }
    return zones;
  }

  /** The id of the record with this name and value; null when there is none. */
  async findTxt(zoneId: string, name: string, value: string): Promise<string | null> {
    const { result } = await this.json.json(Records, {
      path: `/zones/${encodeURIComponent(zoneId)}/dns_records`,
      query: { type: 'TXT', name, per_page: 100 },
    });
    return result.find(({ content }) => unquoted(content) === value)?.id ?? null;
  }

  /** Its id. */
  async addTxt(zoneId: string, { name, value, ttlS }: TxtRecord): Promise<string> {
    const { result } = await this.json.json(Added, {
      path: `/zones/${encodeURIComponent(zoneId)}/dns_records`,
      json: { type: 'TXT', name, content: quoted(value), ttl: Math.max(ttlS, shortestTtlS) },
    });
    return result.id;
  }

  async remove(zoneId: string, recordId: string): Promise<void> {
    await this.json.send({
      method: 'DELETE',
      path: `/zones/${encodeURIComponent(zoneId)}/dns_records/${encodeURIComponent(recordId)}`,
    });
  }
}

/** A character string as zone files have it (RFC 1035 §5.1). */
function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}

/** Cloudflare splits long values into several strings; old records have no quotes. */
function unquoted(content: string): string {
  const parts = [...content.matchAll(/"((?:[^"\\]|\\.)*)"/g)];
  return parts.length > 0 ? parts.map(([, part = '']) => part.replace(/\\(.)/g, '$1')).join('') : content;
}
