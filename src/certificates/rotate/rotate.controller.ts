import { Controller, Get, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import { CertificateView } from '../certificate.schema.js';
import { CertificateReader, statusOf } from '../list/certificate-reader.js';
import { PlanService } from './plan.service.js';
import { PlanView, RotateRequest, RotationView } from './rotate.schema.js';
import { RotateService } from './rotate.service.js';

/** Routes that renew a certificate, and that show the plan of its renewal. */
@Controller('certificates')
export class RotateController {
  constructor(
    private readonly rotation: RotateService,
    private readonly plans: PlanService,
    private readonly reader: CertificateReader,
  ) {}

  @Get(':id/plan')
  @Requires('certificate:read')
  @Summary('When a certificate renews and why, or why not')
  @Answers(200, PlanView)
  plan(@Who() actor: Actor, @Id() id: number): Promise<PlanView> {
    return this.plans.plan(actor, id);
  }

  @Post(':id/reissue')
  @Idempotent()
  @Requires('certificate:issue')
  @Summary(
    'Renew a certificate now',
    'Same properties, new key, same destinations. Answers with the successor, or with ' +
      'what would change. 202: the issuer is still at work; ask again for it.',
  )
  @Answers(200, z.union([CertificateView, RotationView]))
  @Answers(202, CertificateView)
  async reissue(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(RotateRequest) body: RotateRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CertificateView | RotationView> {
    if (body.dryRun) return this.rotation.previewReissue(actor, id, { profile: body.profile });
    const view = await this.reader.settled(await this.rotation.reissue(actor, id, body));
    void reply.status(statusOf(view));
    return view;
  }

  @Post(':id/rotate')
  @Idempotent()
  @Requires('certificate:issue')
  @Summary(
    'Put a successor in place',
    'Has one issued unless there is one, and delivered wherever it has not arrived. Can be repeated.',
  )
  @Answers(200, RotationView)
  rotate(@Who() actor: Actor, @Id() id: number, @JsonBody(RotateRequest) body: RotateRequest): Promise<RotationView> {
    return this.rotation.rotate(actor, id, body);
  }
}
