import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Authorities } from '../../authorities/authorities.js';
import { parseCertificate } from '../../pki/certificate.js';
import { orderChain } from '../../pki/chain.js';
import { spkiHash } from '../../pki/key.js';
import { splitCertificates, toPem } from '../../pki/pem.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { IssuedCertificate } from '../../plugin-api/issuer.js';
import { CertificateAccess } from '../access.js';
import { Admission } from '../admission.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { termsOf } from '../certified-terms.js';
import { IssueFollowUp } from '../issue/issue-follow-up.js';
import { type Bringing, IssueRecord } from '../issue/issue.record.js';
import type { Order } from '../issue/order.entity.js';
import { OrderRepository } from '../issue/order.repository.js';
import { type StoredTerms, storeTerms } from '../terms.js';
import { Withdrawals } from '../withdraw/withdrawals.js';

/** Stores the decision of a person about an answer in dispute: accepted or rejected. */
@Injectable()
export class DisputeRecord {
  constructor(
    private readonly clock: Clock,
    private readonly record: IssueRecord,
    private readonly followUp: IssueFollowUp,
    private readonly withdrawals: Withdrawals,
    private readonly audit: Audit,
  ) {}

  /** Stores the answer as the certificate. `terms`: those of the answer, which may have other names than requested. */
  async accepted(actor: Actor, id: number, answer: IssuedCertificate, terms: StoredTerms): Promise<void> {
    let isWritten = false;
    const first: Bringing['first'] = async (tx, certificate, order) => {
      isWritten = true;
      demandDisputed(certificate, order, parseCertificate(answer.chainPem[0] ?? '').serialHex);
      certificate.terms = terms;
      await this.audited(tx, actor, certificate, order, { action: 'certificate.answer-accepted' });
    };
    await this.record.issued(id, answer, { actor, first });
    if (!isWritten) throw new Problem('wrong-state', 'The request has ended meanwhile.');
  }

  /** The order fails, and the answer is revoked at the CA. A renewal is retried after a delay, with a new order. */
  async rejected(actor: Actor, id: number, note?: string): Promise<void> {
    await this.record.whileOpen(id, {
      open: async (certificate, order, tx) => {
        demandDisputed(certificate, order);
        await this.audited(tx, actor, certificate, order, { action: 'certificate.answer-rejected', note });
        const failure = {
          fault: 'refused' as const,
          detail: `The answer was rejected. ${certificate.faultDetail ?? ''}`,
        };
        certificate.recordFailure(failure, this.clock.now(), true);
        await this.withdrawals.rejectAnswer(tx, certificate, order);
        await this.followUp.failed(tx, certificate, failure);
      },
      ended: async (certificate) => {
        demandDisputed(certificate, null);
      },
    });
  }

  private async audited(
    tx: Tx,
    actor: Actor,
    { id, faultDetail }: Certificate,
    { disputedSerialHex }: Order,
    { action, note }: { action: string; note?: string | undefined },
  ): Promise<void> {
    const after = { serial: disputedSerialHex, reason: faultDetail, note };
    await this.audit.record(tx, actor, { action, targetType: 'certificate', targetId: id, after });
  }
}

/** Lets a person accept or reject an answer in dispute: a certificate from the issuer that failed a check. */
@Injectable()
export class DisputeService {
  constructor(
    private readonly db: Database,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly orders: OrderRepository,
    private readonly authorities: Authorities,
    private readonly admission: Admission,
    private readonly record: DisputeRecord,
  ) {}

  /**
   * Makes the answer the certificate. The actor must be allowed to request a certificate with its names. Throws Problem
   * `forbidden`, `wrong-state` when no answer is in dispute, `conflict` when the answer has another key.
   */
  async accept(actor: Actor, id: number): Promise<void> {
    const certificate = await this.certificates.get(this.db.single, id);
    await this.access.demandChange(this.db.single, actor, certificate);
    await this.access.demandIssue(actor, certificate);
    const order = await this.orders.find(this.db.single, id);
    const chainPem = splitCertificates(demandDisputed(certificate, order));
    const leaf = parseCertificate(chainPem[0] ?? '');
    if (spkiHash(leaf.spkiDer) !== certificate.spkiSha256)
      throw new Problem('conflict', 'The answer is for another key, so it is of no use here. Reject it.');
    const loaded = await this.authorities.get(certificate.authorityId ?? 0);
    const terms = storeTerms(await this.admission.ofNew(actor, termsOf(leaf), loaded));
    const issuers = await orderChain(
      leaf,
      [...chainPem, ...loaded.issuers.flatMap((ca) => [ca.certificatePem, ...ca.chainPem])].map((pem) =>
        parseCertificate(pem),
      ),
    );
    await this.record.accepted(
      actor,
      id,
      {
        chainPem: [leaf, ...issuers].map(({ der }) => toPem('CERTIFICATE', der)),
        externalId: order?.disputedExternalId ?? undefined,
      },
      terms,
    );
  }

  /** Throws Problem `forbidden`, or `wrong-state` when no answer is in dispute. */
  async reject(actor: Actor, id: number, note?: string): Promise<void> {
    await this.access.demandChange(this.db.single, actor, await this.certificates.get(this.db.single, id));
    await this.record.rejected(actor, id, note);
  }
}

/**
 * The chain of the answer in dispute, as PEM. Throws Problem `wrong-state` when there is none, or when its serial
 * number is not `serialHex`.
 */
function demandDisputed({ name }: Pick<Certificate, 'name'>, order: Order | null, serialHex?: string): string {
  if (order?.disputedChainPem == null || (serialHex ?? order.disputedSerialHex) !== order.disputedSerialHex)
    throw new Problem('wrong-state', `Certificate ${name} has no answer that is in dispute.`);
  return order.disputedChainPem;
}
