import { Injectable } from '@nestjs/common';
import { demandShortChain } from '../../pki/chain.js';
import { splitCertificates } from '../../pki/pem.js';
import { blame } from '../../platform/http/blame.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { PluginError } from '../../plugin-api/errors.js';
import { CertificateAccess } from '../access.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { AnswerCheck } from '../issue/answer.js';
import { IssueRecord } from '../issue/issue.record.js';
import type { AnswerRequest } from './pending.schema.js';

/** Takes an issuer's answer from the hands of a person. */
@Injectable()
export class PendingService {
  constructor(
    private readonly db: Database,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly answers: AnswerCheck,
    private readonly record: IssueRecord,
  ) {}

  /**
   * What is uploaded is held against the request as if the issuer had sent it. Throws Problem `wrong-state` when
   * nothing is awaited.
   */
  async answer(actor: Actor, id: number, { body, chain, externalId }: AnswerRequest): Promise<void> {
    const certificate = await this.certificates.get(this.db.single, id);
    await this.access.demandChange(this.db.single, actor, certificate);
    demandUnfinished(certificate);
    const chainPem = [
      ...new Set([
        ...blame('body', () => splitCertificates(body)),
        ...(chain ? blame('chain', () => splitCertificates(chain)) : []),
      ]),
    ];
    blame('chain', () => demandShortChain(chainPem.slice(1)));
    await this.check(certificate, chainPem);
    await this.record.issued(id, { chainPem, externalId: externalId ?? undefined }, { actor, uploaded: true });
  }

  /**
   * Has the CA asked at once about the order, or told at once what it is to be told. Throws Problem `wrong-state` when
   * nothing is left to be done there.
   */
  async retry(actor: Actor, id: number): Promise<void> {
    const certificate = await this.certificates.get(this.db.single, id);
    await this.access.demandWrite(this.db.single, actor, certificate);
    await this.record.retry(actor, id);
  }

  private async check(certificate: Certificate, chainPem: readonly string[]): Promise<void> {
    try {
      await this.answers.check(certificate, chainPem);
    } catch (error) {
      if (error instanceof PluginError) throw invalid('body', error.detail);
      throw error;
    }
  }
}

/** Throws Problem `wrong-state` for one that is issued, failed or cancelled. */
export function demandUnfinished({ name, state }: Pick<Certificate, 'name' | 'state'>): void {
  if (state !== 'requested' && state !== 'pending')
    throw new Problem('wrong-state', `Certificate ${name} is ${state}: nothing is awaited for it.`);
}
