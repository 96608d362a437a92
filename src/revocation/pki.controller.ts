import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { publicPath } from '../authorities/public-urls.js';
import { Clock } from '../platform/clock.js';
import { Public } from '../platform/http/actor.js';
import { PathText } from '../platform/http/contract.js';
import { Problem } from '../platform/http/problem.js';
import { CaCertificates } from './ca-certificates.js';
import { Crls } from './crls.js';
import { type PublicFile, sendFile } from './public-file.js';

/**
 * `<id>.<key>.crt`, `<id>.<key>.crl`, `<id>.<key>.<shard>.crl`, and `.delta` before `.crl`; for PEM `.pem` behind
 * `.crl` or in place of `.crt`. Without a key it is the present one.
 */
const fileName = /^([0-9a-f]{20})(?:\.([0-9a-f]{8}))?(?:\.(crt|pem)|(?:\.(0|[1-9]\d{0,3}))?(\.delta)?\.crl(\.pem)?)$/;

/** Files that clients of certificates fetch: CRLs, and the certificates of the CAs whose key is here. */
@Controller(publicPath.slice(1))
@ApiExcludeController()
export class PkiController {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CaCertificates,
    private readonly crls: Crls,
  ) {}

  @Public()
  @Get(':file')
  async file(
    @PathText('file') name: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Buffer | undefined> {
    const file = await this.find(name);
    if (file === null) throw new Problem('not-found', 'There is no such file.');
    return sendFile(request, reply, file, this.clock.now());
  }

  private async find(name: string): Promise<PublicFile | null> {
    const [match, publicId = '', keyTag = null, form, shard, delta, pem] = fileName.exec(name) ?? [];
    if (match === undefined) return null;
    if (form === 'crt' || form === 'pem') return this.certificates.find(publicId, keyTag, form);
    const list = { publicId, keyTag, shard: shard === undefined ? null : Number(shard), delta: delta !== undefined };
    return pem === undefined ? this.crls.find(list) : this.crls.findPem(list);
  }
}
