import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf, siteToken } from '../../src/plugin-api/service-options.js';
import type { KubernetesAccess } from './kubernetes.options.js';

/** A secret has at most 1 MiB of data, which is shown in base64. */
const largestAnswer = 4 * 1024 * 1024;
const pageSize = 50;
const conflict = 409;
const gone = 410;
const tooLarge = 413;

const StatusBody = z.object({
  kind: z.literal('Status'),
  message: z.string().default(''),
  details: z
    .object({
      kind: z.string().optional(),
      causes: z.array(z.object({ reason: z.string().optional() })).default([]),
    })
    .nullish(),
});
const Page = z.object({
  metadata: z.object({ continue: z.string().nullish() }),
  items: z.array(z.unknown()).nullable(),
});

/** The Kubernetes API with the token of a service account. Every method throws PluginError. */
export class KubernetesApi {
  constructor(
    private readonly access: KubernetesAccess,
    private readonly ctx: PluginContext,
  ) {}

  async ask<T>(shape: z.ZodType<T>, call: JsonCall, pages = 1): Promise<T> {
    try {
      return await (await this.client()).json(shape, { ...call, maxBytes: largestAnswer * pages });
    } catch (error) {
      throw error instanceof HttpFailure ? new HttpFailure(faultOf(error), detailOf(error), error.answer) : error;
    }
  }

  /**
   * The objects of a collection, page by page, each once or more: when the server has forgotten where a page ended,
   * which it says with 410, it is read from the beginning.
   */
  async *list<T>(item: z.ZodType<T>, { path, query }: Pick<JsonCall, 'path' | 'query'>): AsyncGenerator<T> {
    let next: string | undefined;
    do {
      const asked = { path, query: { ...query, limit: pageSize, continue: next } };
      try {
        const { metadata, items } = await this.ask(Page, asked, pageSize / 4);
        for (const one of items ?? []) yield this.read(item, one);
        next = metadata.continue === '' || metadata.continue == null ? undefined : metadata.continue;
      } catch (error) {
        if (!(error instanceof HttpFailure) || error.answer.status !== gone || next === undefined) throw error;
        next = undefined;
        yield* this.list(item, { path, query });
      }
    } while (next !== undefined);
  }

  /** For one request: a token in a file may be another one by the next. */
  private async client(): Promise<JsonClient> {
    const { access, ctx } = this;
    const token = access.token ?? (await siteToken(ctx.site, access.url));
    return new JsonClient(ctx.site, {
      name: 'Kubernetes',
      baseUrl: access.url,
      headers: { authorization: `Bearer ${token}` },
      connection: connectionOf(access),
      secrets: [token],
      wordsOf: (body) => StatusBody.safeParse(body).data?.message,
    });
  }

  private read<T>(shape: z.ZodType<T>, value: unknown): T {
    const read = shape.safeParse(value);
    if (read.success) return read.data;
    throw new PluginError('unavailable', 'Kubernetes answered with an object of an unknown form.');
  }
}

/** Throws PluginError `misconfigured` when neither the options nor this installation have a token. */
export async function demandToken({ url, token }: KubernetesAccess, { site }: PluginContext): Promise<void> {
  if (token === undefined) await siteToken(site, url);
}

/** Whether there is no such object. A proxy, or a path that the API does not have, is answered with 404 too. */
export function isMissing(error: unknown, kind: string): boolean {
  if (!(error instanceof HttpFailure) || error.answer.status !== 404) return false;
  return StatusBody.safeParse(error.answer.body).data?.details?.kind === kind;
}

/** A certificate is never to blame: another writer was faster, or a person must change the cluster or the options. */
function faultOf(error: HttpFailure): PluginFault {
  const { status } = error.answer;
  if (error.fault !== 'refused' || status === tooLarge) return error.fault;
  return status === conflict && !isOwnedByAnother(error) ? 'unavailable' : 'misconfigured';
}

function detailOf(error: HttpFailure): string {
  return isOwnedByAnother(error)
    ? `${error.detail} Choose another name for the secret, or allow to overwrite these fields.`
    : error.detail;
}

/** A conflict that stays until a person decides whose the fields are. */
function isOwnedByAnother({ answer: { status, body } }: HttpFailure): boolean {
  const causes = StatusBody.safeParse(body).data?.details?.causes ?? [];
  return status === conflict && causes.some(({ reason }) => reason === 'FieldManagerConflict');
}
