import { Controller, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ocspPath } from '../../authorities/public-urls.js';
import { Public } from '../../platform/http/actor.js';
import { OcspHttp } from './ocsp-http.js';

/** Answers what the EarlyResponder leaves: HEAD, and a POST that does not announce its length. */
@Controller(ocspPath.slice(1))
@ApiExcludeController()
export class OcspController {
  constructor(private readonly ocsp: OcspHttp) {}

  @Public()
  @Get(['', '*'])
  get(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<Buffer | undefined> {
    return this.answer(request, reply);
  }

  @Public()
  @Post(['', '*'])
  @HttpCode(200)
  post(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<Buffer | undefined> {
    return this.answer(request, reply);
  }

  private async answer(request: FastifyRequest, reply: FastifyReply): Promise<Buffer | undefined> {
    const posted = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const { status, headers, body } = await this.ocsp.answer(request, posted);
    void reply.status(status).headers(headers);
    return body;
  }
}
