import { Controller, Get, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from './http/actor.js';
import { Metrics } from './metrics.js';

/** `GET /metrics` for Prometheus. Metrics name routes and jobs, never users or certificates. */
@Controller('metrics')
@ApiExcludeController()
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Public()
  @Get()
  async read(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const { type, text } = await this.metrics.render();
    void reply.header('content-type', type);
    return text;
  }
}
