import { Injectable } from '@nestjs/common';
import type { LoadedAuthority } from '../../authorities/authorities.js';
import { issuanceCap, type IssuanceCap } from '../../authorities/limits.js';
import { Audit } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx, violatedConstraint } from '../../platform/db/database.js';
import { type Actor, systemActor } from '../../platform/http/actor.js';
import { Deploying } from '../deploy/deploying.js';
import type { Certificate, Failure } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { type IssuedFacts, issuedFacts } from '../issued-facts.js';
import { Planning } from '../planning.js';
import { RenewalFailures } from '../rotate/renewal-failures.js';
import { Successors } from '../successors.js';
import { nameWhenIssued } from './new-row.js';
import { datesWhenAsked, type Validity } from './validity.js';

/** A request that an issuer keeps failing for a reason that time may mend is given up after so many attempts. */
const mostAttempts = 40;
/** How often a name is looked for that somebody else has taken a moment later. */
const mostNames = 5;

/** What an issuer's answer means for deliveries, for the predecessor and for people. */
@Injectable()
export class IssueFollowUp {
  constructor(
    private readonly deploying: Deploying,
    private readonly successors: Successors,
    private readonly planning: Planning,
    private readonly failures: RenewalFailures,
    private readonly audit: Audit,
  ) {}

  async issued(tx: Tx, actor: Actor, certificate: Certificate): Promise<void> {
    await this.planning.plan(tx, certificate);
    await tx.save(certificate);
    await this.audit.record(tx, actor, {
      action: 'certificate.issued',
      targetType: 'certificate',
      targetId: certificate.id,
    });
    await this.deploying.startOf(tx, certificate.id);
    await this.successors.issued(tx, certificate);
  }

  /** Nothing of it will be delivered. The certificate that was to be renewed is due again, after a while. */
  async failed(tx: Tx, certificate: Certificate, failure: Failure): Promise<void> {
    await tx.save(certificate);
    const after = { attempts: certificate.attempts, fault: failure.fault, detail: failure.detail };
    await this.audit.record(tx, systemActor('issue'), {
      action: 'certificate.failed',
      targetType: 'certificate',
      targetId: certificate.id,
      after,
    });
    await this.deploying.stopOf(tx, certificate.id);
    if (certificate.renewsId !== null) await this.failures.record(tx, certificate.renewsId, failure);
  }

  /** The issuer took the order. */
  async ordered(tx: Tx, { id, orderRef }: Certificate): Promise<void> {
    await this.audit.record(tx, systemActor('issue'), {
      action: 'certificate.ordered',
      targetType: 'certificate',
      targetId: id,
      after: { orderRef },
    });
  }

  /** It is asked for with other dates than planned. */
  async shortened(tx: Tx, { id, notBefore, notAfter }: Certificate, after: Validity): Promise<void> {
    await this.audit.record(tx, systemActor('issue'), {
      action: 'certificate.shortened',
      targetType: 'certificate',
      targetId: id,
      before: { notBefore, notAfter },
      after,
    });
  }

  /** It is tried again. */
  async delayed(tx: Tx, { renewsId }: Certificate, failure: Failure): Promise<void> {
    if (renewsId !== null) await this.failures.recordDelay(tx, renewsId, failure);
  }
}

/** What is written down of an issuer's answer. */
@Injectable()
export class IssueRecord {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly followUp: IssueFollowUp,
  ) {}

  /** Null when an issuer is no longer needed. */
  async findUnfinished(id: number): Promise<Certificate | null> {
    const certificate = await this.certificates.find(this.db.single, id);
    return certificate?.state === 'requested' || certificate?.state === 'pending' ? certificate : null;
  }

  /** The request, no longer than the authority issues for by now: its first attempt may have been long ago. */
  async withinLimits(certificate: Certificate, { limits }: LoadedAuthority): Promise<Certificate> {
    const capAt = (issuedAt: Date): IssuanceCap | null => issuanceCap(limits, issuedAt);
    const { notBefore, notAfter } = datesWhenAsked(certificate, { capAt }, this.clock.now());
    if (
      notBefore.getTime() === certificate.notBefore.getTime() &&
      notAfter.getTime() === certificate.notAfter.getTime()
    )
      return certificate;
    await this.change(certificate.id, async (row, tx) => {
      await this.followUp.shortened(tx, row, { notBefore, notAfter });
      Object.assign(row, { notBefore, notAfter });
    });
    return Object.assign(certificate, { notBefore, notAfter });
  }

  async pending(id: number, orderRef: string, pollAfterS: number): Promise<void> {
    await this.change(id, async (certificate, tx) => {
      const isNew = certificate.state !== 'pending';
      certificate.awaitOrder(orderRef, pollAfterS, this.clock.now());
      if (isNew) await this.followUp.ordered(tx, certificate);
    });
  }

  /** `actor`: who brought it. */
  async issued(
    id: number,
    chainPem: readonly string[],
    externalId?: string,
    actor: Actor = systemActor('issue'),
  ): Promise<void> {
    const facts = issuedFacts(chainPem, externalId);
    for (let left = mostNames; ; left -= 1) {
      try {
        return await this.complete(id, facts, actor);
      } catch (error) {
        // Whoever takes a name by hand waits for nobody.
        if (violatedConstraint(error) !== 'certificate_name' || left === 0) throw error;
      }
    }
  }

  /** Whatever else than `refused` stood in the way, a person or time may mend it: it is tried again. */
  async failed(id: number, failure: Failure): Promise<void> {
    await this.change(id, async (certificate, tx) => {
      const final = failure.fault === 'refused' || certificate.attempts + 1 >= mostAttempts;
      certificate.recordFailure(failure, this.clock.now(), final);
      await (final ? this.followUp.failed(tx, certificate, failure) : this.followUp.delayed(tx, certificate, failure));
    });
  }

  private complete(id: number, facts: IssuedFacts, actor: Actor): Promise<void> {
    return this.change(id, async (certificate, tx) => {
      certificate.complete(facts);
      const name = nameWhenIssued(certificate);
      if (name !== null) certificate.name = await this.certificates.freeName(tx, name, facts.serialHex);
      await this.followUp.issued(tx, actor, certificate);
    });
  }

  /** A row that is finished meanwhile stays as it is. */
  private async change(id: number, work: (certificate: Certificate, tx: Tx) => void | Promise<void>): Promise<void> {
    await this.db.write((tx) =>
      this.certificates.change(tx, id, async (certificate) => {
        if (certificate.state === 'requested' || certificate.state === 'pending') await work(certificate, tx);
      }),
    );
  }
}
