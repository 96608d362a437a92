import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ocspPath } from '../../authorities/public-urls.js';
import { Clock } from '../../platform/clock.js';
import type { EarlyResponder, HttpAnswer } from '../../platform/http/early-answers.js';
import { Problem } from '../../platform/http/problem.js';
import { cachingHeaders, namesTag } from '../public-file.js';
import { type OcspAnswer, OcspService } from './ocsp.service.js';

/**
 * OCSP over HTTP (RFC 6960 appendix A.1, RFC 5019 §5): `/pki/ocsp` for all authorities, and below it one address for
 * each. A request is the body of a POST, or in a GET the rest of the path.
 */
@Injectable()
export class OcspHttp implements EarlyResponder {
  constructor(
    private readonly clock: Clock,
    private readonly ocsp: OcspService,
  ) {}

  /** Throws what OcspService throws, and Problem `not-found` for a POST below an address. */
  answer(request: FastifyRequest, body: Buffer): HttpAnswer | Promise<HttpAnswer> {
    const { publicId, rest } = placeOf(request);
    const isPost = request.method === 'POST';
    if (isPost && rest !== '') throw new Problem('not-found', 'There is no OCSP responder at this address.');
    const answered = this.ocsp.answer(isPost ? body : decode(rest), publicId);
    if (answered instanceof Promise) return answered.then((answer) => this.render(request, answer));
    return this.render(request, answered);
  }

  private render(request: FastifyRequest, { body, file }: OcspAnswer): HttpAnswer {
    const headers = {
      'content-type': 'application/ocsp-response',
      ...(file ? cachingHeaders(file, this.clock.now()) : { 'cache-control': 'no-store' }),
    };
    // Not by If-Modified-Since: a certificate may be revoked in the second in which its last answer was signed.
    const isKnown = file !== null && request.method !== 'POST' && namesTag(request.headers['if-none-match'], file.etag);
    return isKnown ? { status: 304, headers, body: undefined } : { status: 200, headers, body };
  }
}

/** The public id of the authority, if the path has one, and what follows it. */
function placeOf({ url }: FastifyRequest): { publicId: string | null; rest: string } {
  const [path = ''] = url.split('?', 1);
  const below = path.slice(ocspPath.length + 1);
  // A request in base64 begins with M: it cannot be taken for a public id.
  const [, publicId, rest] = /^([0-9a-f]{20})(?:\/(.*))?$/.exec(below) ?? [null, null, below];
  return { publicId: publicId ?? null, rest: rest ?? '' };
}

/** Base64 may be percent-encoded or not, wholly or in part. Anything else is read as an empty request. */
function decode(text: string): Buffer {
  const base64 = text.includes('%') ? unescaped(text) : text;
  return /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? Buffer.from(base64, 'base64') : Buffer.alloc(0);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
