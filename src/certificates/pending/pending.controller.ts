import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { Database } from '../../platform/db/database.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../../platform/http/contract.js';
import type { Page } from '../../platform/http/page.js';
import { CertificateRepository } from '../certificate.repository.js';
import { CertificateViews } from '../certificate.view.js';
import { KeyView } from '../export/export.schema.js';
import { ExportService } from '../export/export.service.js';
import { CertificateLists } from '../list/certificate-lists.js';
import { CertificateReader } from '../list/certificate-reader.js';
import { ListQuery } from '../list/list.schema.js';
import { RevokedView } from '../revoke/revoke.schema.js';
import { RevokeService } from '../revoke/revoke.service.js';
import { UpdateRequest } from '../update/update.schema.js';
import { UpdateService } from '../update/update.service.js';
import { DisputeService } from './dispute.service.js';
import { AnswerRequest, CancelRequest, PendingPage, PendingView, pendingView } from './pending.schema.js';
import { demandUnfinished, PendingService } from './pending.service.js';

/** Cancels a certificate that is not issued yet, decides about its answer in dispute, and shows its private key. */
@Controller('pending_certificates')
export class PendingChangesController {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly revocation: RevokeService,
    private readonly exports: ExportService,
    private readonly disputes: DisputeService,
  ) {}

  @Delete(':id')
  @Requires('certificate:revoke')
  @Summary('Cancel a request', 'At the issuer too, where that can be done.')
  @Answers(204, null)
  async cancel(@Who() actor: Actor, @Id() id: number, @JsonBody(CancelRequest) body: CancelRequest): Promise<void> {
    demandUnfinished(await this.certificates.get(this.db.single, id));
    await this.revocation.revoke(actor, id, { crlReason: 'unspecified', comments: body?.note });
  }

  @Post(':id/accept')
  @Requires('certificate:update')
  @Summary(
    'Accept the answer in dispute',
    'The certificate that the issuer returned, though it is not what was asked for, becomes the certificate with the ' +
      'names that it holds.',
  )
  @Answers(200, RevokedView)
  async accept(@Who() actor: Actor, @Id() id: number): Promise<{ id: number }> {
    await this.disputes.accept(actor, id);
    return { id };
  }

  @Post(':id/reject')
  @Requires('certificate:revoke')
  @Summary(
    'Reject the answer in dispute',
    'The order fails, and the CA is told to revoke what it issued. A renewal is ordered anew.',
  )
  @Answers(200, RevokedView)
  async reject(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(CancelRequest) body: CancelRequest,
  ): Promise<{ id: number }> {
    await this.disputes.reject(actor, id, body?.note);
    return { id };
  }

  @Get(':id/key')
  @Requires('key:read')
  @Summary('The private key of a request', 'Every read is an audit event.')
  @Answers(200, KeyView)
  async key(@Who() actor: Actor, @Id() id: number): Promise<{ key: string | null }> {
    return { key: await this.exports.key(actor, id) };
  }
}

/**
 * Lists, changes and retries certificates that are not issued yet, and takes uploaded answers. They are the same rows
 * with the same ids as in `/certificates`, in the form that Lemur's clients expect.
 */
@Controller('pending_certificates')
export class PendingController {
  constructor(
    private readonly lists: CertificateLists,
    private readonly reader: CertificateReader,
    private readonly updates: UpdateService,
    private readonly pending: PendingService,
    private readonly views: CertificateViews,
  ) {}

  @Get()
  @Requires('certificate:read')
  @Summary('List certificates that are not issued yet')
  @Answers(200, PendingPage)
  list(@Who() actor: Actor, @QueryOf(ListQuery) query: ListQuery): Promise<Page<PendingView>> {
    return this.lists.listAs((row) => pendingView(row, this.views.full(row)), actor, query, {
      states: ['requested', 'pending'],
    });
  }

  @Get(':id')
  @Requires('certificate:read')
  @Summary('One certificate, and how far its issuer is with it')
  @Answers(200, PendingView)
  async get(@Id() id: number): Promise<PendingView> {
    const row = await this.reader.row(id);
    return pendingView(row, this.views.full(row));
  }

  @Put(':id')
  @Requires('certificate:update')
  @Summary('Change how a certificate will be looked after')
  @Answers(200, PendingView)
  async update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(UpdateRequest) body: UpdateRequest,
  ): Promise<PendingView> {
    await this.updates.update(actor, id, body, 'whole');
    return this.get(id);
  }

  @Put(':id/retry')
  @Requires('certificate:update')
  @Summary(
    'Ask the CA now',
    'For its answer to the order, without waiting for the next attempt. For a request that has ended: repeats what ' +
      'the CA must still be told.',
  )
  @Answers(200, PendingView)
  async retry(@Who() actor: Actor, @Id() id: number): Promise<PendingView> {
    await this.pending.retry(actor, id);
    return this.get(id);
  }

  @Post(':id/upload')
  @Requires('certificate:update')
  @Summary(
    'Hand in what the issuer gave out',
    'It must be what was asked for, and lead to the certificate of the authority.',
  )
  @Answers(200, PendingView)
  async upload(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(AnswerRequest) body: AnswerRequest,
  ): Promise<PendingView> {
    await this.pending.answer(actor, id, body);
    return this.get(id);
  }
}
