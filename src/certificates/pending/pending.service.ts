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
import { AnswerCheck } from '../issue/answer-check.js';
import { IssueRecord } from '../issue/issue.record.js';
import type { AnswerRequest } from './pending.schema.js';

/** Stores the certificate that a person uploads for an open order, and retries an order at once. */
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
   * Checks the uploaded certificate like an answer of the issuer, and stores it. Throws Problem `wrong-state` when the
   * certificate is issued or has ended, `invalid-request` when the check fails.
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
   * Asks the CA about the order at once; for a certificate that has ended, retries its due withdrawals at once. Throws
   * Problem `wrong-state` when there is neither.
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

/** Throws Problem `wrong-state` unless the certificate is requested or pending. */
export function demandUnfinished({ name, state }: Pick<Certificate, 'name' | 'state'>): void {
  if (state !== 'requested' && state !== 'pending')
    throw new Problem('wrong-state', `Certificate ${name} is ${state}: nothing is awaited for it.`);
}
