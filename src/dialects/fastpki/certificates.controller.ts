import { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Post, Res, StreamableFile } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { CertificateRow } from '../../certificates/certificate.row.js';
import { RevokeService } from '../../certificates/revoke/revoke.service.js';
import { Clock } from '../../platform/clock.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { HeaderText, JsonBody } from '../../platform/http/contract.js';
import { demandIdempotencyKey, idempotencyKeyHelp } from '../../platform/http/idempotency-key.js';
import { CertificateCreate, OfAnyCa, OfCa, Revoke, SignCsr } from './certificate.schema.js';
import { type CertificateDetailView, type CertificateView, certificateView } from './certificate.view.js';
import { refusedInWords } from './fast-api-error.js';
import { FastpkiCertificates } from './fastpki-certificates.js';
import { FastpkiIssuing } from './fastpki-issuing.js';
import { PathId, Query } from './parameters.js';
import { revocationOf } from './revocation-reason.js';
import { fastpkiPrefix } from './fastpki.surfaces.js';

/** FastPKI's routes of certificates. */
@ApiExcludeController()
@Controller(`${fastpkiPrefix}/certificates`)
export class FastpkiCertificatesController {
  constructor(
    private readonly issuing: FastpkiIssuing,
    private readonly certificates: FastpkiCertificates,
    private readonly revocation: RevokeService,
    private readonly clock: Clock,
  ) {}

  @Post()
  @HttpCode(201)
  @Requires('certificate:issue')
  async create(
    @Who() actor: Actor,
    @Query(OfCa) { caId }: z.output<typeof OfCa>,
    @JsonBody(CertificateCreate) body: CertificateCreate,
    @HeaderText('Idempotency-Key', idempotencyKeyHelp) key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CertificateDetailView> {
    const { row, privateKey } = await refusedInWords(() =>
      this.issuing.create(actor, caId, body, demandIdempotencyKey(key)),
    );
    return { ...this.made(row, reply), private_key: privateKey };
  }

  @Post('sign-csr')
  @HttpCode(201)
  @Requires('certificate:issue')
  async sign(
    @Who() actor: Actor,
    @JsonBody(SignCsr) body: SignCsr,
    @HeaderText('Idempotency-Key', idempotencyKeyHelp) key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CertificateView> {
    return this.made(await refusedInWords(() => this.issuing.sign(actor, body, demandIdempotencyKey(key))), reply);
  }

  @Get()
  @Requires('certificate:read')
  async list(@Who() actor: Actor, @Query(OfAnyCa) { caId }: z.output<typeof OfAnyCa>): Promise<StreamableFile> {
    const parts = await this.certificates.json(actor, caId);
    return new StreamableFile(Readable.from(parts, { objectMode: false }), { type: 'application/json' });
  }

  @Get(':id')
  @Requires('certificate:read')
  async get(@PathId('cert_id') id: number): Promise<CertificateView> {
    return this.view(await this.certificates.row(id));
  }

  @Get(':id/private-key')
  @Requires('key:read')
  async privateKey(@Who() actor: Actor, @PathId('cert_id') id: number): Promise<CertificateDetailView> {
    const { row, privateKey } = await this.certificates.withKey(actor, id);
    return { ...this.view(row), private_key: privateKey };
  }

  @Post(':id/revoke')
  @HttpCode(200)
  @Requires('certificate:revoke')
  async revoke(
    @Who() actor: Actor,
    @PathId('cert_id') id: number,
    @JsonBody(Revoke) { reason }: Revoke,
  ): Promise<CertificateView> {
    await this.certificates.row(id);
    await refusedInWords(() => this.revocation.revoke(actor, id, revocationOf(reason)));
    return this.view(await this.certificates.row(id));
  }

  /** 202 while the issuer is still at work: FastPKI itself always answers at once. */
  private made(row: CertificateRow, reply: FastifyReply): CertificateView {
    if (row.bodyPem === null) void reply.status(202);
    return this.view(row);
  }

  private view(row: CertificateRow): CertificateView {
    return certificateView(row, this.clock.now());
  }
}
