import { Controller, Get, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, Summary } from '../../platform/http/contract.js';
import { CertificateView } from '../certificate.view.js';
import { CertificateReader, statusOf } from '../list/certificate-reader.js';
import { RotateService } from './rotate.service.js';

export const PlanView = z.object({
  willRenew: z.boolean(),
  at: z.string().nullable(),
  reason: z.string(),
  text: z.string(),
}).meta({ id: 'RenewalPlan' });
export type PlanView = z.output<typeof PlanView>;

@Controller('certificates')
export class RotateController {
  constructor(
    private readonly rotation: RotateService,
    private readonly reader: CertificateReader,
  ) {}

  @Get(':id/plan') @Requires('certificate:read') @Summary('When a certificate renews and why, or why not') @Answers(200, PlanView)
  plan(@Id() id: number): Promise<PlanView> {
    return this.rotation.plan(id);
  }

  @Post(':id/reissue') @Requires('certificate:issue')
  @Summary('Renew a certificate now', 'Same properties, new key, same destinations. Answers with the successor. 202: the issuer is still at work; ask again for it.')
  @Answers(200, CertificateView) @Answers(202, CertificateView)
  async reissue(@Who() actor: Actor, @Id() id: number, @Res({ passthrough: true }) reply: FastifyReply): Promise<CertificateView> {
    const view = await this.reader.settled(await this.rotation.reissue(actor, id));
    void reply.status(statusOf(view));
    return view;
  }
}
