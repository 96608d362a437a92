import { Controller, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, JsonBody, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import { BulkRequest, BulkView, isFinished } from './bulk.schema.js';
import { BulkService } from './bulk.service.js';

/** The route that changes, reissues or revokes many certificates. */
@Controller('certificates')
export class BulkController {
  constructor(private readonly bulk: BulkService) {}

  @Post('bulk')
  @Idempotent({ isFinal: isFinished })
  @Requires('certificate:update')
  @Summary(
    'Change, reissue or revoke many certificates',
    'Selects by ids, or by the parameters of the list. A failure of one certificate does not stop the others. ' +
      'Up to 200 certificates a request; `next` continues. Send the same request again, with the same ' +
      'Idempotency-Key, to finish items that are `unavailable` or `plugin-unavailable`.',
  )
  @Answers(200, BulkView)
  run(@Who() actor: Actor, @JsonBody(BulkRequest) body: BulkRequest): Promise<BulkView> {
    return this.bulk.run(actor, body);
  }
}
