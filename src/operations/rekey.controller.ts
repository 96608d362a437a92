import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../audit/audit.js';
import { Database } from '../platform/db/database.js';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Summary } from '../platform/http/contract.js';
import { rekeyAll } from './rekey.job.js';
import { Rekeying, type RekeyStatus } from './rekeying.js';

const StatusView = z
  .strictObject({
    sealingKey: z.string().meta({ description: 'The id of the key that seals new values: the first of the ring.' }),
    values: z.array(z.strictObject({ table: z.string(), column: z.string(), keyId: z.string(), count: z.int() })),
    toMove: z.int().meta({
      description:
        'Number of values sealed with another key. At 0, with no job due, the other keys can be removed from the ring.',
    }),
    behind: z
      .array(z.strictObject({ process: z.string(), sealingKey: z.string(), keyIds: z.array(z.string()) }))
      .meta({ description: 'Running processes that seal with another key. Rekeying requires that there are none.' }),
  })
  .meta({ id: 'RekeyStatus' });

/** Rekeying: status and start. */
@Controller('admin/rekey')
export class RekeyController {
  constructor(
    private readonly db: Database,
    private readonly rekeying: Rekeying,
    private readonly audit: Audit,
  ) {}

  @Get()
  @Requires('key-ring:rekey')
  @Summary('The keys that seal stored secrets')
  @Answers(200, StatusView)
  status(): Promise<RekeyStatus> {
    return this.rekeying.status(this.db.single);
  }

  @Post()
  @HttpCode(202)
  @Requires('key-ring:rekey')
  @Summary(
    'Move every stored secret to the sealing key',
    'A job moves them in batches. 409 while a running process seals with another key.',
  )
  @Answers(202, StatusView)
  async start(@Who() actor: Actor): Promise<RekeyStatus> {
    return this.db.write(async (tx) => {
      await this.rekeying.demandSameSealingKey(tx);
      await rekeyAll.enqueue(tx, {});
      const status = await this.rekeying.status(tx);
      const { sealingKey, toMove } = status;
      await this.audit.record(tx, actor, {
        action: 'key-ring.rekey-requested',
        targetType: 'key-ring',
        targetId: sealingKey,
        after: { toMove },
      });
      return status;
    });
  }
}
