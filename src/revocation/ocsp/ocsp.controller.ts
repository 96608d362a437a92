import { Controller, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ocspPath } from '../../authorities/public-urls.js';
import { Clock } from '../../platform/clock.js';
import { Public } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { cachingHeaders, namesTag } from '../public-file.js';
import { type OcspAnswer, OcspService } from './ocsp.service.js';

/**
 * The OCSP responder (RFC 6960 appendix A.1, RFC 5019 §5): `/pki/ocsp` for all authorities, and below it one address
 * for each. A request is the body of a POST, or in a GET the rest of the path.
 */
@Controller(ocspPath.slice(1))
@ApiExcludeController()
export class OcspController {
  constructor(
    private readonly clock: Clock,
    private readonly ocsp: OcspService,
  ) {}

  @Public()
  @Get(['', '*'])
  async get(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Buffer | undefined> {
    const { publicId, rest } = placeOf(request);
    return this.send(request, reply, await this.ocsp.answer(decode(rest), publicId));
  }

  @Public()
  @Post(['', '*'])
  @HttpCode(200)
  async post(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Buffer | undefined> {
    const { publicId, rest } = placeOf(request);
    if (rest !== '') throw new Problem('not-found', 'There is no OCSP responder at this address.');
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    return this.send(request, reply, await this.ocsp.answer(body, publicId));
  }

  private send(request: FastifyRequest, reply: FastifyReply, { body, file }: OcspAnswer): Buffer | undefined {
    void reply.headers({
      'content-type': 'application/ocsp-response',
      ...(file ? cachingHeaders(file, this.clock.now()) : { 'cache-control': 'no-store' }),
    });
    // Not by If-Modified-Since: a certificate may be revoked in the second in which its last answer was signed.
    const isKnown = file !== null && request.method !== 'POST' && namesTag(request.headers['if-none-match'], file.etag);
    if (!isKnown) return body;
    void reply.status(304);
    return undefined;
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
