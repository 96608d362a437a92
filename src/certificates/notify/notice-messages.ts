import { Injectable } from '@nestjs/common';
import type { NotificationMessage } from '../../plugin-api/notification.js';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import { DestinationRepository } from '../../destinations/destination.repository.js';
import type { CertificateFacts, NoticeData, RenewalOutlook } from '../../notifications/notice-data.js';
import { incidentsOf } from '../../notifications/incidents.js';
import { renderNotice } from '../../notifications/notice-texts.js';
import type { NoticeEvent } from '../../plugin-api/events.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import type { RenewalPlan } from '../../rotation/due.js';
import { EndpointRepository } from '../../sources/endpoint.repository.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Delivery } from '../deploy/delivery.entity.js';
import { Planning } from '../planning.js';
import { crlReasons } from '../revoke/revoke.schema.js';
import { Withdrawal } from '../withdraw/withdrawal.entity.js';
import type { AuthorityEvent, GeneralEvent, ListEvent, Notice } from './notice.entity.js';

/** A message without its event, recipients and key. */
export type MessageText = Omit<NotificationMessage, 'event' | 'recipients' | 'dedupeKey'>;

type SingleEvent = Exclude<NoticeEvent, ListEvent | AuthorityEvent | GeneralEvent>;
type StillServedReason = NoticeData['certificate.still-served']['reason'];
type Writer = (notice: Notice, certificate: Certificate) => Promise<MessageText>;

const mostNamed = 5;

/** Writes the text and the data of the message of a notice, from the facts at the time of sending. */
@Injectable()
export class NoticeMessages {
  private readonly writers: Record<SingleEvent, Writer> = {
    'certificate.rotated': async (notice, after) =>
      this.written('certificate.rotated', {
        ...this.setting(),
        before: await this.predecessor(notice),
        after: factsOf(after),
        destinations: await this.labels(notice),
      }),
    'certificate.no-destination': async (notice, after) =>
      this.written('certificate.no-destination', {
        ...this.setting(),
        before: await this.predecessor(notice),
        after: factsOf(after),
      }),
    'certificate.rotation-failed': async (_, certificate) =>
      this.written('certificate.rotation-failed', {
        ...this.setting(),
        certificate: factsOf(certificate),
        reason: certificate.renewalDetail ?? '',
        nextAttemptAt: await this.nextAttemptAt(certificate),
      }),
    'certificate.revoked': async (_, certificate) =>
      this.written('certificate.revoked', {
        ...this.setting(),
        certificate: factsOf(certificate),
        comments: certificate.revocationComments,
        replaced: await this.isReplaced(certificate),
        reason: reasonText(certificate.revocationReason),
        revokedAt: certificate.revokedAt ?? this.clock.now(),
      }),
    'certificate.still-served': async ({ data }, certificate) => {
      const names = await this.endpoints.namesServing(this.db.single, certificate.id, data.endpointIds as number[]);
      return this.written('certificate.still-served', {
        ...this.setting(),
        certificate: factsOf(certificate),
        reason: data.reason as StillServedReason,
        endpoints: names.length,
        servedAt: names.slice(0, mostNamed),
      });
    },
    'certificate.taken-over': async ({ data }, certificate) =>
      this.written('certificate.taken-over', {
        ...this.setting(),
        certificate: factsOf(certificate),
        formerOwner: String(data.formerOwner),
      }),
    'certificate.handed-over': async ({ data }, certificate) =>
      this.written('certificate.handed-over', {
        ...this.setting(),
        certificate: factsOf(certificate),
        formerOwner: String(data.formerOwner),
        vouchingRole: certificate.vouchingRole,
      }),
    'delivery.failing': async (notice, certificate) => {
      const delivery = await this.db.single.findOneByOrFail(Delivery, { id: Number(notice.data.deliveryId) });
      const { label } = await this.destinations.get(this.db.single, delivery.destinationId);
      return this.written('delivery.failing', {
        ...this.setting(),
        certificate: factsOf(certificate),
        destination: label,
        what: failureKind(delivery),
        reason: delivery.faultDetail ?? delivery.verificationDetail ?? '',
        attempts: delivery.attempts,
        nextAttemptAt: delivery.nextAttemptAt,
      });
    },
    'order.failed': async (_, certificate) => this.written('order.failed', this.failedOrder(certificate)),
    'order.overdue': async (_, certificate) => this.written('order.overdue', this.failedOrder(certificate)),
    'order.disputed': async ({ data }, certificate) =>
      this.written('order.disputed', {
        ...this.setting(),
        certificate: { ...factsOf(certificate), serialHex: String(data.serialHex) },
        reason: certificate.faultDetail ?? '',
        deadlineAt: certificate.nextAttemptAt,
      }),
    'withdrawal.given-up': async ({ data }, certificate) => {
      const withdrawal = await this.db.single.findOneByOrFail(Withdrawal, { id: Number(data.withdrawalId) });
      return this.written('withdrawal.given-up', {
        ...this.setting(),
        certificate: { ...factsOf(certificate), serialHex: withdrawal.serialHex ?? '' },
        kind: withdrawal.wish,
        reason: withdrawal.faultDetail,
      });
    },
    'delivery.left': async (notice, certificate) => {
      const [destination = ''] = await this.labels(notice);
      return this.written('delivery.left', { ...this.setting(), certificate: factsOf(certificate), destination });
    },
  };

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly certificates: CertificateRepository,
    private readonly authorities: AuthorityRepository,
    private readonly planning: Planning,
    private readonly destinations: DestinationRepository,
    private readonly endpoints: EndpointRepository,
  ) {}

  /** One message about all these certificates. */
  async list(event: ListEvent, certificates: readonly Certificate[]): Promise<MessageText> {
    if (event === 'certificate.expiring') return this.expiring(certificates);
    const facts = certificates.map((one) => ({ ...factsOf(one), issuer: one.issuer }));
    return this.written(event, { ...this.setting(), certificates: facts });
  }

  /** The message of an event of one certificate. */
  single(event: SingleEvent, notice: Notice, certificate: Certificate): Promise<MessageText> {
    return this.writers[event](notice, certificate);
  }

  private async expiring(certificates: readonly Certificate[]): Promise<MessageText> {
    const tx = this.db.single;
    const ids = certificates.map(({ id }) => id);
    const [serving, plans, inactive] = await Promise.all([
      this.endpoints.serving(tx, ids),
      this.planning.renewalPlans(tx, certificates),
      this.authorities.inactiveNames(tx, authorityIdsOf(certificates)),
    ]);
    return this.written('certificate.expiring', {
      ...this.setting(),
      certificates: certificates.map((certificate, i) => ({
        ...factsOf(certificate),
        renewal: outlookOf(certificate, plans[i], inactive.get(certificate.authorityId ?? 0)),
        ...(serving.get(certificate.id) ?? { endpoints: 0, servedAt: [] }),
      })),
    });
  }

  private written<E extends NoticeEvent>(event: E, data: NoticeData[E]): MessageText {
    return writeNotice(event, data);
  }

  private setting(): { publicUrl: string; now: Date } {
    return { publicUrl: this.config.publicUrl, now: this.clock.now() };
  }

  private failedOrder(certificate: Certificate): NoticeData['order.failed'] {
    return { ...this.setting(), certificate: factsOf(certificate), reason: certificate.faultDetail ?? '' };
  }

  /** When the renewal is tried next, or the order of the pending successor. */
  private async nextAttemptAt({ id, nextRenewalAt }: Certificate): Promise<Date | null> {
    return nextRenewalAt ?? (await this.certificates.findSuccessor(this.db.single, id))?.nextAttemptAt ?? null;
  }

  private async isReplaced({ id, toReplace }: Certificate): Promise<boolean> {
    return toReplace || (await this.certificates.findSuccessor(this.db.single, id)) !== null;
  }

  private async predecessor(notice: Notice): Promise<CertificateFacts> {
    return factsOf(await this.certificates.get(this.db.single, Number(notice.data.oldId)));
  }

  private async labels({ data }: Notice): Promise<string[]> {
    return (await this.destinations.getMany(this.db.single, data.destinationIds as number[])).map(({ label }) => label);
  }
}

/** The whole message about an event. */
export function writeNotice<E extends NoticeEvent>(event: E, data: NoticeData[E]): MessageText {
  const rendered = renderNotice(event, data);
  return { ...rendered, ...incidentsOf(event, data, rendered.subject), data: { ...data } };
}

/** What a warning says about the renewal. `inactive`: the name of the authority, when it is not active. */
function outlookOf(certificate: Certificate, plan: RenewalPlan | undefined, inactive?: string): RenewalOutlook {
  if (inactive !== undefined && (plan?.at || plan?.obstacle === 'renewal-under-way'))
    return { renewsAt: null, reason: `Authority ${inactive}, which would renew it, is not active.` };
  if (!plan || plan.at === null) return { renewsAt: null, reason: plan?.text ?? '' };
  const { renewalAttempts, renewalDetail, nextRenewalAt } = certificate;
  if (renewalAttempts === 0 || renewalDetail === null) return { renewsAt: plan.at };
  return { renewsAt: nextRenewalAt ?? plan.at, failure: renewalDetail };
}

function authorityIdsOf(certificates: readonly Certificate[]): number[] {
  return [...new Set(certificates.flatMap(({ authorityId }) => authorityId ?? []))];
}

function factsOf({ id, name, commonName, owner, serialHex, notAfter }: Certificate): CertificateFacts {
  return { id, name, commonName, owner, serialHex: serialHex ?? '', notAfter };
}

function reasonText(code: number | null): string {
  return Object.entries(crlReasons).find(([, value]) => value === code)?.[0] ?? 'unspecified';
}

/** What fails of a delivery. */
function failureKind({ state }: Delivery): 'delivery' | 'removal' | 'use' | 'rolled-back' {
  if (state === 'removing') return 'removal';
  if (state === 'rolled-back') return 'rolled-back';
  return state === 'delivered' ? 'use' : 'delivery';
}
