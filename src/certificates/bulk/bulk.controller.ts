import { Controller, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, JsonBody, Summary } from '../../platform/http/contract.js';
import { BulkRequest, BulkView } from './bulk.schema.js';
import { BulkService } from './bulk.service.js';

@Controller('certificates')
export class BulkController {
  constructor(private readonly bulk: BulkService) {}

  @Post('bulk')
  @Requires('certificate:update')
  @Summary(
    'Do one thing to many certificates',
    'Change owner, switches or policy, reissue, or revoke: by ids, or by what selects in a list. ' +
      'One that fails does not stop the others. Up to 200 at a time; `next` leads on.',
  )
  @Answers(200, BulkView)
  run(@Who() actor: Actor, @JsonBody(BulkRequest) body: BulkRequest): Promise<BulkView> {
    return this.bulk.run(actor, body);
  }
}
