import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { LoadedAuthority } from '../../authorities/authorities.js';
import { issuanceCap, type IssuanceCap } from '../../authorities/limits.js';
import { parseCertificate } from '../../pki/certificate.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx, violatedConstraint } from '../../platform/db/database.js';
import { type Actor, systemActor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { instant } from '../../platform/http/instant.js';
import type { IssuedCertificate, Outcome } from '../../plugin-api/issuer.js';
import { KeyRing } from '../../platform/secrets/key-ring.js';
import type { Certificate } from '../certificate.entity.js';
import type { Failure } from '../failure.js';
import { CertificateRepository } from '../certificate.repository.js';
import { type IssuedAnswer, Withdrawals } from '../withdraw/withdrawals.js';
import { Completion } from './completion.js';
import { IssueFollowUp } from './issue-follow-up.js';
import { enqueueOrders } from './enqueue-orders.js';
import { type Order, orderStatePlace } from './order.entity.js';
import { OrderRepository } from './order.repository.js';
import { datesOf, datesWhenAsked } from './validity.js';

// Stores what an issuer outside the process answers to an order.

/** How often IssueRecord stores an answer again under another name, after a user has just taken the chosen one. */
const mostNames = 5;

/** A certificate that is requested or pending, with its order. */
export interface OpenOrder {
  certificate: Certificate;
  order: Order;
}

/**
 * How an answer arrived. `actor`: default the program. `uploaded`: a person uploaded it, so the order may still be open
 * at the issuer. `first`: runs under the lock before the answer is stored.
 */
export interface Bringing {
  actor?: Actor;
  uploaded?: boolean;
  first?: (tx: Tx, certificate: Certificate, order: Order) => Promise<void>;
}

type Pending = Extract<Outcome, { status: 'pending' }>;

/** The work of `whileOpen`, under the lock of the certificate. */
interface Writing {
  /** For a certificate that is requested or pending. */
  open: (certificate: Certificate, order: Order, tx: Tx) => void | Promise<void>;
  /** For a certificate that is issued or has ended meanwhile. Absent: nothing is written. */
  ended?: (certificate: Certificate, tx: Tx) => Promise<void>;
}

/** Stores the answers of issuers to orders (pending, issued, disputed, failed), and when an issuer is asked again. */
@Injectable()
export class IssueRecord {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly orders: OrderRepository,
    private readonly withdrawals: Withdrawals,
    private readonly completion: Completion,
    private readonly keyRing: KeyRing,
    private readonly followUp: IssueFollowUp,
  ) {}

  /** Null unless the certificate is requested or pending. */
  async findOpen(id: number): Promise<OpenOrder | null> {
    const certificate = await this.certificates.find(this.db.single, id);
    if (!certificate || !isOpen(certificate)) return null;
    return { certificate, order: await this.orders.get(this.db.single, id) };
  }

  /**
   * Call it before the issuer is asked. It stores `askedAt` first, so that an order is looked for when the process dies
   * before the answer. Shortens the dates to the current limits of the authority, since the request may be old.
   */
  async asking(certificate: Certificate, { askedAt }: Order, { limits }: LoadedAuthority): Promise<Certificate> {
    const now = this.clock.now();
    const capAt = (issuedAt: Date): IssuanceCap | null => issuanceCap(limits, issuedAt);
    const dates = datesWhenAsked(certificate, { capAt }, now);
    const isShorter = !isDeepStrictEqual(dates, datesOf(certificate));
    if (askedAt !== null && !isShorter) return certificate;
    await this.whileOpen(certificate.id, {
      open: async (row, order, tx) => {
        order.askedAt ??= now;
        if (isShorter) await this.followUp.shortened(tx, row, dates);
        Object.assign(row, dates);
      },
    });
    return Object.assign(certificate, dates);
  }

  /**
   * The issuer has accepted the order. When the certificate has ended meanwhile, the order is cancelled there; when it
   * was uploaded meanwhile, the order is followed.
   */
  async pending(id: number, taken: Pending): Promise<void> {
    await this.whileOpen(id, {
      open: async (certificate, order, tx) => {
        const now = this.clock.now();
        const isNew = certificate.state !== 'pending';
        const nextS = Math.max(taken.pollAfterS, 1);
        order.goOn(taken);
        if (taken.state !== undefined)
          order.sealedState = this.keyRing.seal(taken.state, orderStatePlace(order.secretId));
        certificate.awaitOrder(taken.orderRef, earlier(order.deadlineAt, inSeconds(now, nextS)), now);
        if (isNew) await this.followUp.ordered(tx, certificate);
        if (now >= order.deadlineAt) await this.end(tx, certificate, order, 'The issuer still works on it.');
        else await this.askAgain(tx, certificate);
      },
      ended: async (certificate, tx) => {
        certificate.orderRef = taken.orderRef;
        if (certificate.bodyPem === null) await this.withdrawals.cancel(tx, certificate);
        else await this.withdrawals.close(tx, certificate, await this.orders.get(tx, id));
      },
    });
  }

  /** Stores the certificate of an order. A second or late one for the same order is revoked at the CA instead. */
  async issued(id: number, answer: IssuedCertificate, bringing: Bringing = {}): Promise<void> {
    for (let left = mostNames; ; left -= 1) {
      try {
        return await this.complete(id, answer, bringing);
      } catch (error) {
        // A user who renames a certificate takes a name without waiting for this transaction.
        if (violatedConstraint(error) !== 'certificate_name' || left === 0) throw error;
      }
    }
  }

  /** Stores an answer that failed a check. It is kept until a person decides, or the order ends. */
  async disputed(id: number, { chainPem, externalId }: IssuedCertificate, reason: string): Promise<void> {
    const { serialHex } = parseCertificate(chainPem[0] ?? '');
    const answer = { chainPem: chainPem.join(''), serialHex, externalId: externalId ?? null, reason };
    await this.whileOpen(id, {
      open: async (certificate, order, tx) => {
        certificate.dispute(reason, order.deadlineAt, this.clock.now());
        order.dispute(answer, this.clock.now());
        await this.followUp.disputed(tx, certificate, answer);
      },
      ended: (certificate, tx) => this.late(tx, certificate, { chainPem, externalId }),
    });
  }

  /**
   * An attempt failed. It is retried until the deadline of the order, unless the failure is final or the CA has refused
   * too often. After too many refusals the order is cancelled too, because the CA may know it again later.
   */
  async failed(id: number, failure: Failure, isFinal = false): Promise<void> {
    await this.whileOpen(id, {
      open: async (certificate, order, tx) => {
        const now = this.clock.now();
        const isDead = isFinal || (failure.fault === 'refused' && order.doubt(now));
        if (!isDead && now >= order.deadlineAt) return this.end(tx, certificate, order, failure.detail);
        certificate.recordFailure(failure, now, isDead);
        if (isDead && !isFinal) await this.withdrawals.cancel(tx, certificate);
        if (certificate.nextAttemptAt === null) return this.followUp.unfulfilled(tx, certificate, failure);
        certificate.nextAttemptAt = earlier(order.deadlineAt, certificate.nextAttemptAt);
        await this.askAgain(tx, certificate);
        await this.followUp.delayed(tx, certificate, failure);
      },
    });
  }

  /** After an authority got new CA certificates: enqueues a new check of its answers in dispute. */
  async askDisputed(authorityId: number): Promise<void> {
    await this.db.write(async (tx) => enqueueOrders(tx, await this.orders.disputedOf(tx, authorityId)));
  }

  /** Polls the order, or retries withdrawals, at once. Throws Problem `wrong-state` when there is neither. */
  async retry(actor: Actor, id: number): Promise<void> {
    await this.whileOpen(id, {
      open: async (certificate, _, tx) => {
        certificate.retry(this.clock.now());
        await this.askAgain(tx, certificate);
        await this.followUp.retried(tx, actor, certificate);
      },
      ended: async (certificate, tx) => {
        if (!(await this.withdrawals.hasten(tx, id)))
          throw new Problem(
            'wrong-state',
            `Certificate ${certificate.name} is ${certificate.state}: nothing is awaited.`,
          );
        await this.followUp.retried(tx, actor, certificate);
      },
    });
  }

  /** For an answer in dispute: ends the order when its deadline has passed without a decision. */
  async endIfOverdue(id: number): Promise<void> {
    await this.whileOpen(id, {
      open: async (certificate, order, tx) => {
        if (this.clock.now() >= order.deadlineAt)
          await this.end(tx, certificate, order, `Nobody accepted its answer. ${certificate.faultDetail ?? ''}`);
        else certificate.nextAttemptAt = order.deadlineAt;
      },
    });
  }

  /** The deadline of the order has passed. It fails, and is cancelled or its answer revoked at the CA. */
  private async end(tx: Tx, certificate: Certificate, order: Order, detail: string): Promise<void> {
    const failure = {
      fault: 'overdue' as const,
      detail: `The order was not fulfilled until ${instant(order.deadlineAt)}. ${detail}`,
    };
    certificate.recordFailure(failure, this.clock.now(), true);
    await this.followUp.unfulfilled(tx, certificate, failure);
    await this.withdrawals.endOrder(tx, certificate, order);
  }

  private complete(
    id: number,
    answer: IssuedCertificate,
    { actor = systemActor('issue'), uploaded = false, first }: Bringing,
  ): Promise<void> {
    return this.whileOpen(id, {
      open: async (certificate, order, tx) => {
        await first?.(tx, certificate, order);
        await this.completion.complete(tx, certificate, answer);
        const isAnswered = !uploaded || order.disputedAt !== null || order.askedAt === null;
        if (order.disputedSerialHex !== certificate.serialHex)
          await this.withdrawals.rejectAnswer(tx, certificate, order);
        if (isAnswered) order.end();
        else await this.withdrawals.close(tx, certificate, order);
        await this.followUp.issued(tx, actor, certificate);
      },
      ended: (certificate, tx) => this.late(tx, certificate, answer),
    });
  }

  /** The CA issued a certificate for a row that is issued already or has ended: it is revoked there. */
  private async late(tx: Tx, certificate: Certificate, answer: IssuedAnswer): Promise<void> {
    const { serialHex } = parseCertificate(answer.chainPem[0] ?? '');
    if (certificate.serialHex === serialHex) return;
    await this.withdrawals.revokeUnwanted(tx, certificate, answer);
    await this.followUp.unwanted(tx, certificate, serialHex);
  }

  private async askAgain(tx: Tx, certificate: Certificate): Promise<void> {
    const afterMs = (certificate.nextAttemptAt?.getTime() ?? 0) - this.clock.now().getTime();
    await enqueueOrders(tx, [certificate], Math.max(afterMs / 1000, 0));
  }

  /** Locks the certificate and runs `open` while it is requested or pending, else `ended`; then saves the changes. */
  async whileOpen(id: number, { open, ended }: Writing): Promise<void> {
    await this.db.write(async (tx) => {
      await this.certificates.lockLines(tx, [id]);
      await this.certificates.change(tx, id, async (certificate) => {
        if (!isOpen(certificate)) return ended?.(certificate, tx);
        const order = await this.orders.get(tx, id);
        await open(certificate, order, tx);
        await this.orders.save(tx, order);
      });
    });
  }
}

/** True while the certificate is not issued and has not ended: requested or pending. */
export function isOpen({ state }: Pick<Certificate, 'state'>): boolean {
  return state === 'requested' || state === 'pending';
}

function inSeconds(now: Date, seconds: number): Date {
  return new Date(now.getTime() + seconds * 1000);
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}
