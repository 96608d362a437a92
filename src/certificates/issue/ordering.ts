import { Injectable } from '@nestjs/common';
import { type Asked, Authorities, type LoadedAuthority } from '../../authorities/authorities.js';
import type { OrderOutcome } from '../../authorities/order-outcome.js';
import { ChallengeAnswers } from '../../challenges/challenge-answers.js';
import { Leases } from '../../jobs/lease.js';
import { Postponed } from '../../jobs/postponed.js';
import { parseCsr } from '../../pki/csr.js';
import { splitCertificates } from '../../pki/pem.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { CertificateRequest, IssuedCertificate } from '../../plugin-api/issuer.js';
import { Database } from '../../platform/db/database.js';
import { KeyRing } from '../../platform/secrets/key-ring.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { loadTerms } from '../terms.js';
import { type Order, orderStatePlace } from './order.entity.js';
import { OrderRepository } from './order.repository.js';

/** After a process died during an attempt, the next attempt waits this long. */
const leaseS = 30;
const postponedS = 5;
const longestState = 65_536;

/** Places, polls, finds and cancels the order for one certificate at an issuer outside the process. */
@Injectable()
export class Ordering {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly orders: OrderRepository,
    private readonly certificates: CertificateRepository,
    private readonly challenges: ChallengeAnswers,
    private readonly keyRing: KeyRing,
    private readonly leases: Leases,
  ) {}

  /**
   * Runs `work` under the lease of this certificate, because two concurrent attempts could place two orders. Throws
   * Postponed while another attempt holds the lease.
   */
  async alone(certificateId: number, work: (lost: AbortSignal) => Promise<void>): Promise<void> {
    if (await this.leases.withLease(`issue:${certificateId}`, leaseS, work)) return;
    throw new Postponed(`The issuer of certificate ${certificateId} is being asked already.`, postponedS);
  }

  async order(
    certificate: Certificate,
    order: Order,
    authority: LoadedAuthority,
    signal: AbortSignal,
  ): Promise<OrderOutcome> {
    return this.authorities.order(authority, await this.asked(certificate, order, signal), signal);
  }

  /**
   * Polls the order. Without a stored reference, the issuer searches for the order by the request, because a process
   * may have died before it stored the reference. Null when there is no order.
   */
  async look(
    certificate: Certificate,
    order: Order,
    authority: LoadedAuthority,
    signal: AbortSignal,
  ): Promise<OrderOutcome | null> {
    const asked = await this.asked(certificate, order, signal);
    const { orderRef } = certificate;
    if (orderRef !== null) return this.authorities.poll(authority, { ...asked, orderRef }, signal);
    return order.askedAt === null ? null : this.authorities.find(authority, asked, signal);
  }

  /** Cancels the order. False when the issuer refuses or cannot cancel. Throws PluginError for other failures. */
  async cancel(orderRef: string, order: Order, authority: LoadedAuthority, signal: AbortSignal): Promise<boolean> {
    if (!authority.plugin.cancel) return false;
    try {
      await this.authorities.cancel(authority, { orderRef, ...this.stateOf(order) }, signal);
      return true;
    } catch (error) {
      if (error instanceof PluginError && error.fault === 'refused') return false;
      throw error;
    }
  }

  private async asked(certificate: Certificate, order: Order, signal: AbortSignal): Promise<Asked> {
    const renews = await this.renewed(certificate);
    return {
      request: { ...requestOf(certificate), ...(renews && { renews }) },
      challenges: this.challenges.forCall(signal),
      ...this.stateOf(order),
      save: (state) => {
        if (state.length > longestState) throw new Error(`An order's state has at most ${longestState} characters.`);
        return this.orders.saveState(
          this.db.single,
          order.id,
          this.keyRing.seal(state, orderStatePlace(order.secretId)),
        );
      },
    };
  }

  private async renewed({ renewsId, authorityId }: Certificate): Promise<IssuedCertificate | null> {
    const old = renewsId === null ? null : await this.certificates.find(this.db.single, renewsId);
    return old && predecessorAt(authorityId, old);
  }

  private stateOf({ sealedState, secretId }: Order): { state?: string } {
    return sealedState ? { state: this.keyRing.open(sealedState, orderStatePlace(secretId)).toString() } : {};
  }
}

/** The certificate that is renewed, for the issuer of its successor; null when another authority issued it. */
export function predecessorAt(
  authorityId: number | null,
  old: Pick<Certificate, 'authorityId' | 'fullChainPem' | 'externalId'>,
): IssuedCertificate | null {
  if (old.authorityId !== authorityId || old.fullChainPem === '') return null;
  return { chainPem: splitCertificates(old.fullChainPem), externalId: old.externalId ?? undefined };
}

function requestOf({ csrPem, secretId, terms, notBefore, notAfter }: Certificate): CertificateRequest {
  return {
    csrPem: csrPem ?? '',
    spkiDer: parseCsr(csrPem ?? '').spkiDer,
    idempotencyKey: secretId,
    terms: { ...loadTerms(terms), notBefore, notAfter },
  };
}
