import type { FastifyReply, FastifyRequest } from 'fastify';

/** A file for everybody. `etag` is a strong entity tag, with its quotes. */
export interface PublicFile {
  type: string;
  /** A form that has to be made first is made when this is read. */
  body: Buffer | Promise<Buffer>;
  etag: string;
  modifiedAt: Date;
  /** Caches may keep it until then. */
  freshUntil: Date;
}

/** At most this long, so that a cache whose clock is wrong asks again some day. */
const longestMaxAgeS = 7 * 86_400;

/**
 * Sends a file, or 304 to a client that has it (RFC 9110 §13.1). An answer to HEAD has the headers alone; Fastify sees
 * to that. If-Modified-Since does not count: a file is signed before it is published, so a client may have fetched the
 * one before after its date, and a client's clock may be wrong.
 */
export function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: PublicFile,
  now: Date,
): Buffer | Promise<Buffer> | undefined {
  void reply.headers(cachingHeaders(file, now));
  if (namesTag(request.headers['if-none-match'], file.etag)) {
    void reply.status(304);
    return undefined;
  }
  void reply.header('content-type', file.type);
  return file.body;
}

/** What a cache has to know about the file. */
export function cachingHeaders(
  { etag, modifiedAt, freshUntil }: Omit<PublicFile, 'type' | 'body'>,
  now: Date,
): Readonly<Record<string, string>> {
  const leftS = Math.floor((freshUntil.getTime() - now.getTime()) / 1000);
  return {
    etag,
    'last-modified': modifiedAt.toUTCString(),
    expires: freshUntil.toUTCString(),
    'cache-control': `public, max-age=${Math.min(Math.max(leftS, 0), longestMaxAgeS)}, no-transform`,
  };
}

/** Whether If-None-Match names this entity tag. */
export function namesTag(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = ifNoneMatch?.split(',') ?? [];
  return tags.some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, '')));
}
