import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type ParsedCertificate, parseCertificate } from '../../src/pki/certificate.js';
import { PkiError } from '../../src/pki/pki-error.js';
import { HttpFailure, type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf } from '../../src/plugin-api/service-options.js';
import type { CtSearchOptions } from './ct-search.options.js';

/** A large domain has some ten thousand entries of 500 octets. */
const largestList = 64 * 1024 * 1024;

/** One entry as crt.sh lists it. `id` grows with each entry; `name_value` has a name on each line. */
const Entry = z.object({
  id: z.int().min(1),
  issuer_ca_id: z.int(),
  serial_number: z.string().regex(/^[0-9a-f]+$/i),
  common_name: z.string().nullish(),
  name_value: z.string(),
});
/** A certificate, or a precertificate, that a log has. */
export type CtEntry = z.output<typeof Entry>;

/** The search of a service that answers like crt.sh. Every method throws PluginError. */
export class CtSearchClient {
  private readonly api: JsonClient;
  private readonly gapMs: number;
  private nextAtMs = 0;

  constructor(
    private readonly options: CtSearchOptions,
    private readonly ctx: PluginContext,
  ) {
    this.gapMs = 60_000 / options.perMinute;
    this.api = new JsonClient(ctx.site, {
      name: 'The certificate search',
      baseUrl: options.url,
      connection: connectionOf(options),
      secrets: [],
      wordsOf: () => undefined,
    });
  }

  /** The entries that have not expired and whose names match, where `%` stands for any text, in no order. */
  async entries(pattern: string): Promise<CtEntry[]> {
    const query = { q: pattern, output: 'json', exclude: 'expired' };
    return this.paced(() => this.api.json(z.array(Entry), { path: '/', query, maxBytes: largestList }));
  }

  /** The certificate of an entry; a sentence when the service has none, or none that can be read. */
  async certificate(id: number): Promise<ParsedCertificate | string> {
    const answer = await this.paced(() => this.orMissing({ path: '/', query: { d: id } }));
    if (answer === null) return `The search lists the entry ${id} and does not have its certificate.`;
    try {
      return parseCertificate(answer.includes('-----BEGIN') ? answer.toString('latin1') : answer);
    } catch (error) {
      if (error instanceof PkiError) return `The certificate of the entry ${id} cannot be read: ${error.message}`;
      throw error;
    }
  }

  /** The address at which people look at an entry. */
  addressOf(id: number): string {
    return `${this.options.url.replace(/\/+$/, '')}/?id=${id}`;
  }

  private async orMissing(call: JsonCall): Promise<Buffer | null> {
    try {
      return (await this.api.send({ ...call, headers: { accept: '*/*' } })).body;
    } catch (error) {
      if (error instanceof HttpFailure && error.answer.status === 404) return null;
      throw error;
    }
  }

  /** Not more requests in a minute than the options allow: services like this one shut out who asks too often. */
  private async paced<T>(request: () => Promise<T>): Promise<T> {
    const nowMs = performance.now();
    const waitMs = Math.max(0, this.nextAtMs - nowMs);
    this.nextAtMs = nowMs + waitMs + this.gapMs;
    await sleep(waitMs, undefined, { signal: this.ctx.signal });
    return request();
  }
}
