import { Controller, Get, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { ExportRequest, ExportView, KeyView } from './export.schema.js';
import { ExportService } from './export.service.js';

/** Routes that export a certificate as a file and read its private key. */
@Controller('certificates')
export class ExportController {
  constructor(private readonly exports: ExportService) {}

  @Post(':id/export')
  @Requires('certificate:export')
  @Summary(
    'Export a certificate',
    'A plugin that exports the private key requires the right to read it. Each such export is an audit event.',
  )
  @Answers(200, ExportView)
  export(@Who() actor: Actor, @Id() id: number, @JsonBody(ExportRequest) body: ExportRequest): Promise<ExportView> {
    return this.exports.export(actor, id, body);
  }

  @Get(':id/key')
  @Requires('key:read')
  @Summary('Read the private key of a certificate', 'Every read is an audit event.')
  @Answers(200, KeyView)
  async key(@Who() actor: Actor, @Id() id: number): Promise<{ key: string | null }> {
    return { key: await this.exports.key(actor, id) };
  }
}
